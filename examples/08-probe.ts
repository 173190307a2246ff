// Testing actors: a probe stands in for whoever they talk to, and a test clock for time.
import { Effect, Fiber, Logger, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { Actor, ActorRef, ActorSystem } from "troupe"
import { TestProbe, TestSystem } from "troupe/testing"

const Take = Rpc.make("Take", { payload: { cents: Schema.Int }, success: Schema.Boolean })
const Bank = Actor.make("Bank", [Take])
const Pay = Rpc.make("Pay", { payload: { cents: Schema.Int, bank: ActorRef.schema(Take) }, success: Schema.String })
const Till = Actor.make("Till", [Pay, Rpc.make("Jam")])

const till = Till.behavior({
  Pay: ({ bank, cents }) =>
    bank.ask.Take({ cents }, { deadline: "10 seconds" }).pipe(
      Effect.map((taken) => (taken ? "thank you" : "no money")),
      Effect.orElseSucceed(() => "please come back")
    ),
  Jam: () => Effect.die(new Error("paper jam"))
})

const paying = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem
  const ref = yield* system.spawn("till", till)
  const bank = yield* TestProbe.make(Bank)

  const first = yield* Effect.forkChild(ref.ask.Pay({ cents: 500, bank: bank.ref }))
  const take = yield* bank.expect("Take")
  console.log("the bank is asked for", take.payload.cents)
  // => the bank is asked for 500
  yield* take.replyTo.succeed(true)
  console.log(yield* Fiber.join(first))
  // => thank you

  const second = yield* Effect.forkChild(ref.ask.Pay({ cents: 500, bank: bank.ref }, { deadline: "1 minute" }))
  yield* bank.expect("Take") // It is not answered.
  yield* TestClock.adjust("10 seconds")
  console.log(yield* Fiber.join(second))
  // => please come back
})

const jamming = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem
  const probe = yield* TestProbe.make(Bank)
  const ref = yield* system.spawn("till", till)
  for (let crash = 1; crash <= 6; crash++) yield* ref.tell.Jam() // It is restarted 5 times, then no more.
  const reason = yield* probe.expectEnd(ref, { within: "10 seconds" })
  console.log("the till ended:", reason._tag)
  // => the till ended: Crashed
})

const quiet = Logger.layer([]) // The runtime logs crashes; the output of this example is its own.
const test = (body: typeof paying) => body.pipe(Effect.scoped, Effect.provide(TestSystem.layer()))
await Effect.runPromise(Effect.andThen(test(paying), test(jamming)).pipe(Effect.provide([TestClock.layer(), quiet])))
