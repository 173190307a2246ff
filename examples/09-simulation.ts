// A cluster under simulation: seeds decide turns, time and the network's faults, find a mistake, and repeat it.
import assert from "node:assert/strict"
import { Effect, Layer, Schedule, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorSystem } from "troupe"
import { History, Simulation } from "troupe/testing"

const Account = Actor.make("Account", [Rpc.make("Deposit", { payload: { id: Schema.Int }, success: Schema.Int })])

const bank = (history: History.History) => {
  const account = Account.behavior({ Deposit: ({ id }) => Effect.as(history.handled(id), id) })
  const alice = Effect.flatMap(ActorSystem.ActorSystem, (system) => system.spawn("alice", account))
  return Layer.provideMerge(Layer.effectDiscard(alice), ActorSystem.layer({ name: "money", node: "bank" }))
}

const persistently = Effect.retry(Schedule.spaced("1 second"))

/** A till deposits ten times, each until it is told that it was done; `delivery` is what we believe of that. */
const depositing = (delivery: "atLeastOnce" | "exactlyOnce") =>
  Effect.gen(function* () {
    const sim = yield* Simulation.Simulation
    const history = History.make()
    yield* sim.node("bank", bank(history))
    const till = yield* sim.node("till", ActorSystem.layer({ name: "money", node: "till" }))
    const deposit = (id: number) =>
      Effect.flatMap(ActorSystem.ActorSystem, (system) =>
        Effect.flatMap(system.lookup(Account, "alice"), (alice) => alice.ask.Deposit({ id }))
      )
    for (let id = 1; id <= 10; id++) {
      yield* history.sent(id)
      yield* persistently(till.run(deposit(id)))
    }
    yield* history.verify({ delivery })
  })

const faults: Simulation.Chances = {
  drop: 0.02,
  delay: 0.05,
  crash: 0.02,
  partition: { chance: 0.05, upTo: "3 seconds" }
}

const { runs } = Simulation.explore(depositing("atLeastOnce"), { seeds: 100, faults })
console.log(`at least once: ${runs} seeds agree`)
// => at least once: 100 seeds agree

try {
  Simulation.explore(depositing("exactlyOnce"), { seeds: 100, faults })
} catch (error) {
  assert(error instanceof Simulation.Failure)
  console.log(`exactly once: a seed disagrees, and it takes ${error.faults.length} fault`)
  // => exactly once: a seed disagrees, and it takes 1 fault
  const again = Simulation.run(error.seed, depositing("exactlyOnce"), { faults: error.faults })
  assert.deepEqual(again.trace, error.trace)
}
