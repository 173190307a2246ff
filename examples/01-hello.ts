// An account: an actor that is told a deposit, asked for a withdrawal, and refuses with an error of its own type.
import { Effect, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorSystem } from "troupe"
import { Memory } from "troupe/transports/Memory"

class Insufficient extends Schema.TaggedError<Insufficient>()("Insufficient", { balance: Schema.Int }) {}

const Account = Actor.make("Account", [
  Rpc.make("Deposit", { payload: { amount: Schema.Int }, success: Schema.Int }),
  Rpc.make("Withdraw", { payload: { amount: Schema.Int }, success: Schema.Int, error: Insufficient })
])

const account = Account.behavior(
  Effect.gen(function* () {
    let balance = 0
    return {
      Deposit: ({ amount }) => Effect.succeed((balance += amount)),
      Withdraw: ({ amount }) =>
        amount > balance ? Effect.fail(new Insufficient({ balance })) : Effect.succeed((balance -= amount))
    }
  })
)

const program = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem
  const alice = yield* system.spawn("alice", account)
  yield* alice.tell.Deposit({ amount: 5 })
  console.log("left:", yield* alice.ask.Withdraw({ amount: 2 }))
  // => left: 3
  const answer = alice.ask.Withdraw({ amount: 9 }).pipe(
    Effect.map((balance) => `left: ${balance}`),
    Effect.catchTag("Insufficient", ({ balance }) => Effect.succeed(`refused: only ${balance} left`))
  )
  console.log(yield* answer)
  // => refused: only 3 left
})

const system = ActorSystem.layer({ name: "bank" })
await Effect.runPromise(program.pipe(Effect.provide(system), Effect.provide(Memory.layer)))
