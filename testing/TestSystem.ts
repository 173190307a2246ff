/**
 * A node for tests: an `ActorSystem` on a network of its own, with the real ledger.
 *
 * It works with `it.effect`, whose clock stands still: closing the node moves it, so a test does not hang over a handler that
 * waits. When the test has succeeded and the node is closed, every message must be accounted for, or the test fails.
 */
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { ActorSystem, Ledger } from "../core/index.ts"
import { Transport } from "../core/Transport.ts"
import { Memory } from "../transports/Memory.ts"
import { within } from "./Patience.ts"

/** How long a node may take to close: each actor has 5 seconds for each of its steps, by default. */
const closing = "5 minutes"

const node = (options: ActorSystem.Options) =>
  Effect.gen(function* () {
    const scope = Scope.makeUnsafe()
    const ledger = yield* Ledger.Ledger
    const system = yield* Scope.provide(Effect.orDie(ActorSystem.make(options)), scope)
    yield* Effect.addFinalizer((exit) =>
      Effect.gen(function* () {
        const closed = yield* within(closing, Scope.close(scope, exit))
        if (closed._tag === "None") throw new Error(`The test's node did not close within ${closing}.`)
        if (Exit.isFailure(exit)) return
        const { faults, open, pending } = yield* ledger.snapshot
        if (faults.length + open + pending === 0) return
        throw new Error(
          `Not every message is accounted for: ${pending} accepted messages and ${open} asks have not ended, ` +
            `${faults.length} ended twice ${faults.join(", ")}. This is a fault of Troupe; please report it.`
        )
      })
    )
    return Context.make(ActorSystem.ActorSystem, system).pipe(Context.add(Transport, yield* Transport))
  })

/** One node, and the network it is on: further ones join with `ActorSystem.make`. */
export const layer = (options: Partial<ActorSystem.Options> = {}): Layer.Layer<ActorSystem.ActorSystem | Transport> =>
  Layer.effectContext(node({ name: "test", ...options })).pipe(
    Layer.provide(Memory.layer),
    Layer.provideMerge(Ledger.layer)
  )
