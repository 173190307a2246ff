// What finds nobody free waits: by priority, one of a key at a time, not past its deadline, and never without a bound.
import { Clock, Duration, Effect, Fiber, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { ActorSystem } from "troupe"
import { Balancer, Pool, Task } from "troupe/actors"
import { Memory } from "troupe/transports/Memory"

const Garage = Task.group("garage", [Rpc.make("repair", { payload: { hours: Schema.Int } })])
const garage = Task.handlers(Garage, { repair: ({ hours }) => Effect.sleep(Duration.hours(hours)) })

const program = Effect.gen(function* () {
  const pool = yield* Pool.make(garage, { workers: 2, queue: { capacity: 6, overflow: "reject" } })
  const bring = (what: string, hours: number, options?: Task.SubmitOptions) =>
    Effect.gen(function* () {
      const outcome = yield* pool.submit.repair({ hours }, options).pipe(
        Effect.as("repaired"),
        Effect.catchTag(["NotExecuted", "Unknown"], ({ reason }) => Effect.succeed(reason._tag))
      )
      const hour = Math.round((yield* Clock.currentTimeMillis) / 3_600_000)
      console.log(`hour ${hour}, ${what}: ${outcome}`)
    }).pipe(Effect.forkChild({ startImmediately: true }))

  yield* bring("bus", 3)
  yield* bring("van", 2)
  // Both mechanics are at work, so these wait.
  yield* bring("car", 1)
  yield* bring("ambulance", 1, { priority: 1 })
  yield* bring("taxi", 1, { deadline: "1 hour" })
  yield* bring("truck's engine", 2, { key: "truck" })
  yield* bring("truck's paint", 1, { key: "truck" })
  const coupe = yield* bring("coupé", 1)
  yield* bring("bicycle", 1)
  yield* Fiber.interrupt(coupe)
  yield* TestClock.adjust("8 hours") // Nobody waits for them really: under a test clock time is what you say it is.
  // => hour 0, bicycle: Shed
  // => hour 1, taxi: Expired
  // => hour 2, van: repaired
  // => hour 3, bus: repaired
  // => hour 3, ambulance: repaired
  // => hour 4, car: repaired
  // => hour 5, truck's engine: repaired
  // => hour 6, truck's paint: repaired

  const { cancelled, completed, expired, rejected } = yield* Balancer.status(pool.balancer)
  console.log({ completed, cancelled, expired, rejected })
  // => { completed: 6, cancelled: 1, expired: 1, rejected: 1 }
})

const system = ActorSystem.layer({ name: "town" })
const run = Effect.scoped(program).pipe(Effect.provide(system), Effect.provide(Memory.layer))
await Effect.runPromise(run.pipe(Effect.provide(TestClock.layer())))
