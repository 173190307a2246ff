// A child that crashes is started again, with fresh state and its old mailbox; one that keeps crashing fails its parent.
import { Effect, Fiber, Logger, Schema, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorRef, ActorSystem } from "troupe"
import { Memory } from "troupe/transports/Memory"

const Oven = Actor.make("Oven", [Rpc.make("Bake", { success: Schema.Int }), Rpc.make("Overheat")])
const Bakery = Actor.make("Bakery", [Rpc.make("Oven", { success: ActorRef.schema(...Oven.rpcs) })])

const oven = Oven.behavior(
  Effect.sync(() => {
    let loaves = 0
    return { Bake: () => Effect.succeed(++loaves), Overheat: () => Effect.die(new Error("too hot")) }
  })
)

const bakery = Bakery.behavior(
  Effect.gen(function* () {
    const { spawn } = yield* Actor.Context
    const child = yield* spawn("oven", oven)
    return { Oven: () => Effect.succeed(child) }
  })
)

const program = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem
  const restartOf = (path: string) =>
    system.events.pipe(
      Stream.filter((event) => event._tag === "ActorRestarted" && event.path === path),
      Stream.runHead,
      Effect.forkChild({ startImmediately: true })
    )
  const bakeryRestart = yield* restartOf("corner")
  const ovenRestart = yield* restartOf("corner/oven")
  const corner = yield* system.spawn("corner", bakery)
  const first = yield* corner.ask.Oven()
  console.log("loaves:", yield* first.ask.Bake(), yield* first.ask.Bake())
  // => loaves: 1 2
  yield* first.tell.Overheat()
  yield* Fiber.join(ovenRestart)
  console.log("loaves since the restart:", yield* first.ask.Bake())
  // => loaves since the restart: 1

  // An actor has 5 restarts in 30 seconds, after 0.1, 0.2, 0.4 ... seconds: this takes three seconds in all.
  for (let crash = 2; crash <= 6; crash++) yield* first.tell.Overheat()
  console.log("the oven ended:", (yield* first.watch).reason._tag)
  // => the oven ended: Crashed
  yield* Fiber.join(bakeryRestart)
  console.log("loaves of the new bakery:", yield* (yield* corner.ask.Oven()).ask.Bake())
  // => loaves of the new bakery: 1
})

const quiet = Logger.layer([]) // The runtime logs crashes; the output of this example is its own.
const layer = ActorSystem.layer({ name: "town" })
await Effect.runPromise(program.pipe(Effect.provide(layer), Effect.provide([Memory.layer, quiet])))
