// A client sends work to a load balancer; a worker takes two seconds over each piece, and answers the client directly.
//
// After a program in Rust, whose balancer took one client's work and was gone, and whose loads only grew. This one takes
// work as often as you like, from whomever you like, and its load goes back to zero. The clock is a test clock, so nobody
// waits for the seconds.
import { Clock, Console, Effect, Fiber, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { ActorSystem } from "troupe"
import { Balancer, Client, Pool, Task, Worker } from "troupe/actors"
import { Memory } from "troupe/transports/Memory"

const SendWork = Task.group("send-work", [
  Rpc.make("work", { payload: { from: Schema.String }, success: Schema.String })
])

const sendWork = Task.handlers(
  SendWork,
  Effect.map(Worker.Current, ({ name }) => ({
    work: ({ from }) =>
      Console.log(`${name}: task received from ${from}`).pipe(
        Effect.andThen(Effect.sleep("2 seconds")),
        Effect.as(`done by ${name}`)
      )
  }))
)

const program = Effect.gen(function* () {
  const { balancer } = yield* Pool.make(sendWork, { workers: 3 })
  const show = Effect.map(Balancer.status(balancer), (status) => console.log(Balancer.show(status)))

  /** A client in a fiber of its own. The balancer's address is a plain value, so each may have a copy. */
  const client = (name: string, pieces: number) =>
    Effect.gen(function* () {
      const { submit } = yield* Client.make(SendWork, { balancer })
      const send = Effect.gen(function* () {
        const result = yield* submit.work({ from: name })
        console.log(`${name}: ${result}, after ${(yield* Clock.currentTimeMillis) / 1000} s`)
      })
      yield* Effect.replicateEffect(send, pieces, { concurrency: "unbounded" })
    }).pipe(Effect.forkChild)

  const one = yield* client("one", 2)
  const other = yield* client("the other", 2)
  yield* TestClock.adjust("1 second")
  yield* show
  // => send-work-worker-1: task received from one
  // => send-work-worker-2: task received from one
  // => send-work-worker-3: task received from the other
  // => Worker send-work-worker-1 has 1 requests pending
  // => Worker send-work-worker-2 has 1 requests pending
  // => Worker send-work-worker-3 has 1 requests pending
  yield* TestClock.adjust("3 seconds")
  yield* Fiber.joinAll([one, other])
  yield* show
  // => one: done by send-work-worker-1, after 2 s
  // => send-work-worker-1: task received from the other
  // => one: done by send-work-worker-2, after 2 s
  // => the other: done by send-work-worker-3, after 2 s
  // => the other: done by send-work-worker-1, after 4 s
  // => Worker send-work-worker-1 has 0 requests pending
  // => Worker send-work-worker-2 has 0 requests pending
  // => Worker send-work-worker-3 has 0 requests pending
  const again = yield* client("one, again", 1)
  yield* TestClock.adjust("2 seconds")
  yield* Fiber.join(again)
  // => send-work-worker-2: task received from one, again
  // => one, again: done by send-work-worker-2, after 6 s
})

const system = ActorSystem.layer({ name: "seed" })
const run = Effect.scoped(program).pipe(Effect.provide(system), Effect.provide(Memory.layer))
await Effect.runPromise(run.pipe(Effect.provide(TestClock.layer())))
