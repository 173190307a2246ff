// A supervision tree as data: who is started again with whom, who may end, and what the tree looks like.
import { Effect, Fiber, Logger, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorSystem, Supervisor } from "troupe"
import { Memory } from "troupe/transports/Memory"

const say = (text: string) => Effect.sync(() => console.log(text))
const Part = Actor.make("Part", [Rpc.make("Break"), Rpc.make("Finish")])
const part = (name: string) =>
  Part.behavior(
    Effect.gen(function* () {
      const { stop } = yield* Actor.Context
      yield* Effect.acquireRelease(say(`${name} starts`), () => say(`${name} stops`))
      return { Break: () => Effect.die(new Error(`${name} broke`)), Finish: () => stop }
    })
  )

const shop = Supervisor.behavior(
  [
    { name: "database", behavior: part("database") },
    { name: "cache", behavior: part("cache") },
    { name: "import", behavior: part("import"), restart: "transient", significant: true }
  ],
  { strategy: "restForOne", intensity: { restarts: 3, within: "1 minute" }, autoShutdown: "anySignificant" }
)

const program = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem
  const top = yield* system.spawn("shop", shop)
  // => database starts
  // => cache starts
  // => import starts
  const restarts = Stream.filter(system.events, ({ _tag }) => _tag === "ActorRestarted")
  const both = yield* Effect.forkChild(Stream.runDrain(Stream.take(restarts, 2)), { startImmediately: true })
  yield* (yield* system.lookup(Part, "shop/cache")).tell.Break()
  yield* Fiber.join(both)
  // => import stops
  // => cache stops
  // => cache starts
  // => import starts
  console.log(ActorSystem.showTree(yield* system.tree))
  // => shop         Supervisor  idle
  // => ├─ database  Part        idle
  // => ├─ cache     Part        idle  1 restart
  // => └─ import    Part        idle  1 restart
  yield* (yield* system.lookup(Part, "shop/import")).tell.Finish()
  console.log("the shop ended:", (yield* top.watch).reason._tag)
  // => import stops
  // => cache stops
  // => database stops
  // => the shop ended: Normal
}).pipe(Effect.provide(ActorSystem.layer({ name: "town" })))

await Effect.runPromise(program.pipe(Effect.provide([Memory.layer, Logger.layer([])])))
