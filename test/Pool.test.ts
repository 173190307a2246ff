/** A pool: balancer, workers and client in one call, and closures as tasks. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { ActorSystem } from "troupe"
import { Balancer, Client, Pool, Task, Worker } from "troupe/actors"
import { Memory } from "troupe/transports/Memory"
import { Jobs, jobs, loadsOf, makeGates, onNode, reasonOf, settle, start, statusOf } from "./jobs.ts"

class Broken {
  readonly _tag = "Broken"
  readonly tool = () => "a closure does not travel"
}
class Rate extends Context.Service<Rate, number>()("test/Rate") {}

describe("Pool", () => {
  it.effect("0.2 is a balancer and n workers in one call", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(jobs(gates), { workers: 3, capacity: 2 })
        yield* settle
        const { workers } = yield* statusOf(pool.balancer)
        assert.deepStrictEqual(
          workers.map(({ capacity, load, name, weight }) => [name, load, capacity, weight]),
          [1, 2, 3].map((number) => [`jobs-worker-${number}`, 0, 2, 1])
        )
        assert.strictEqual(pool.workers.length, 3)
        assert.strictEqual(yield* pool.submit.Halve({ n: 2 }), 1)
      })
    )
  )

  it.effect("0.2 a number of workers that is none is an error that names it, at once", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        for (const workers of [0, -1, 1.5, Number.NaN]) {
          const exit = yield* Effect.exit(Pool.make(jobs(gates), { workers }))
          assert.include(String(exit), `expected \`workers\` to be a positive integer, got: ${workers}`)
          const built = yield* Effect.exit(Layer.build(Pool.layer(jobs(gates), { workers })))
          assert.include(String(built), `got: ${workers}`)
        }
        assert.deepStrictEqual(yield* (yield* ActorSystem.ActorSystem).tree, [])
      })
    )
  )

  for (const local of ["encoded", "by-reference"] as const) {
    it.effect(`1.1 runs closures, with the services of their clients and what they give as it is, ${local}`, () =>
      onNode(local, (gates) =>
        Effect.gen(function* () {
          const pool = yield* Pool.make(jobs(gates), { workers: 2 })
          const add = (n: number) => Task.local(() => Effect.map(Rate, (rate) => () => n * rate))
          const made = yield* Effect.forEach([1, 2, 3], (n) => pool.run(add(n)), { concurrency: 3 }).pipe(
            Effect.provideService(Rate, 7)
          )
          assert.deepStrictEqual(
            made.map((make) => make()),
            [7, 14, 21]
          )
          const broken = yield* Effect.flip(pool.run(Task.local(() => Effect.fail(new Broken()))))
          assert(broken instanceof Broken)
          assert.strictEqual(broken.tool(), "a closure does not travel")
          const crash = yield* Effect.exit(pool.run(Task.local(() => Effect.die(new Error("cut")))))
          assert.strictEqual(reasonOf(crash), "Unknown(CalleeCrashed)")
          const thrown = yield* Effect.exit(
            pool.run(
              Task.local((): Effect.Effect<never> => {
                throw new Error("slipped")
              })
            )
          )
          assert.include(String((thrown as Exit.Failure<never, never>).cause), "slipped")
          assert.deepStrictEqual(yield* loadsOf(pool.balancer), { "jobs-worker-1": 0, "jobs-worker-2": 0 })
          const { completed, crashed } = yield* statusOf(pool.balancer)
          assert.deepStrictEqual([completed, crashed], [4, 2])
        })
      )
    )
  }

  it.effect("a closure waits, is bounded, cancelled and given options as any task is", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(jobs(gates), { workers: 1, queue: { capacity: 3 } })
        yield* settle
        const ran: Array<string> = []
        const task = (name: string, options?: Task.SubmitOptions) =>
          start(
            pool.run(
              Task.local(() =>
                Effect.sync(() => ran.push(name)).pipe(
                  Effect.andThen(Effect.sleep("1 second")),
                  Effect.onInterrupt(() => Effect.sync(() => ran.push(`${name}!`)))
                )
              ),
              options
            )
          )
        const a = yield* task("a")
        const b = yield* task("b")
        const c = yield* task("c", { priority: 1 })
        const d = yield* task("d", { deadline: "500 millis" })
        const e = yield* task("e")
        assert.strictEqual(reasonOf(yield* Fiber.await(e)), "NotExecuted(Shed)")
        yield* TestClock.adjust("500 millis")
        assert.strictEqual(reasonOf(yield* Fiber.await(d)), "NotExecuted(Expired)")
        yield* Fiber.interrupt(a)
        yield* settle
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(c)
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(b)
        assert.deepStrictEqual(ran, ["a", "a!", "c", "b"])
      })
    )
  )

  it.effect("an idempotent closure runs again after a crash, and its last end counts", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(jobs(gates), { workers: 2 })
        let runs = 0
        const flaky = Task.local(() =>
          Effect.suspend(() => {
            runs += 1
            return runs < 3 ? Effect.die(new Error("flaky")) : Effect.succeed(runs)
          })
        )
        assert.strictEqual(yield* pool.run(flaky, { idempotent: true }), 3)
        runs = 0
        assert.strictEqual(reasonOf(yield* Effect.exit(pool.run(flaky))), "Unknown(CalleeCrashed)")
        assert.strictEqual(runs, 1)
      })
    )
  )

  for (const local of ["encoded", "by-reference"] as const) {
    it.effect(`its workers are its own: no others join it, and none of its closures leave it, ${local}`, () =>
      onNode(local, (gates) =>
        Effect.gen(function* () {
          const pool = yield* Pool.make(jobs(gates), { workers: 1 })
          const stranger = yield* Worker.make(jobs(gates), { name: "stranger" })
          yield* TestClock.adjust("5 seconds")
          assert.deepStrictEqual(Object.keys(yield* loadsOf(pool.balancer)), ["jobs-worker-1"])
          for (let n = 0; n < 5; n++) assert.strictEqual(yield* pool.run(Task.local(() => Effect.succeed(n))), n)
          yield* stranger.stop()
        })
      )
    )
  }

  it.effect("its Layer starts it, a client of the group finds it, and it ends with the Layer, the workers first", () =>
    Effect.gen(function* () {
      const gates = makeGates()
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        Layer.provideMerge(Pool.layer(jobs(gates), { workers: 2 }), ActorSystem.layer({ name: "factory" })),
        scope
      )
      const system = Context.get(context, ActorSystem.ActorSystem)
      yield* settle
      const { balancer, submit } = yield* Effect.provideService(Client.make(Jobs), ActorSystem.ActorSystem, system)
      const a = yield* start(submit.Hold({ gate: "a" }))
      const b = yield* start(submit.Hold({ gate: "b" }))
      const waiting = yield* start(submit.Hold({ gate: "waiting" }))
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* gates.open("a", "b")
      assert.match(yield* Fiber.join(a), /^jobs-worker/)
      assert.match(yield* Fiber.join(b), /^jobs-worker/)
      yield* gates.open("waiting")
      yield* Fiber.join(closing)
      assert.match(reasonOf(yield* Fiber.await(waiting)), /^(success|NotExecuted\(Stopping\))/)
      assert.match(reasonOf(yield* Effect.exit(Balancer.status(balancer))), /^NotExecuted/)
    }).pipe(Effect.provide(Memory.layer))
  )

  it.effect(
    "does not start, and leaves nothing behind, where its handlers can not be acquired or its group is there",
    () =>
      onNode("encoded", (gates) =>
        Effect.gen(function* () {
          const { tree } = yield* ActorSystem.ActorSystem
          const broken = Task.handlers(Jobs, Effect.as(Effect.fail("no disk"), {} as never))
          const exit = yield* Effect.exit(Effect.scoped(Pool.make(broken, { workers: 2 })))
          assert.include(String(exit), "no disk")
          assert.deepStrictEqual(yield* tree, [])
          const pool = yield* Pool.make(jobs(gates), { workers: 1 })
          const taken = yield* Effect.flip(Pool.make(jobs(gates), { workers: 1 }))
          assert(taken._tag === "StartError")
          assert.strictEqual(taken.reason, "NameTaken")
          assert.strictEqual(yield* pool.submit.Halve({ n: 2 }), 1)
          assert.isTrue(Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause))
        })
      )
  )

  it.effect(
    "a closure does not run on the workers of another node's pool, whose balancer its own client may find",
    () =>
      Effect.gen(function* () {
        const on = (system: ActorSystem.System) => Effect.provideService(ActorSystem.ActorSystem, system)
        const [a, b] = yield* Effect.forEach(["a", "b"], (node) => ActorSystem.make({ name: "factory", node }))
        const gates = makeGates()
        const here = yield* on(a!)(Pool.make(jobs(gates), { workers: 1 }))
        const there = yield* on(b!)(Pool.make(jobs(gates), { workers: 1 }))
        yield* settle
        const ran: Array<string> = []
        const note = (name: string) => Task.local(() => Effect.sync(() => ran.push(name)))
        assert.strictEqual(yield* there.run(note("there")), 1)
        yield* there.balancer.kill
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* statusOf(here.balancer)).workers.length, 1)
        // Closures of the same numbers are in hand here and there.
        const mine = yield* start(Effect.forEach([1, 2, 3], () => here.run(note("here")), { concurrency: 3 }))
        const theirs = yield* start(Effect.exit(there.run(note("there"))))
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(mine)
        assert.strictEqual(reasonOf(yield* Fiber.join(theirs)), "NotExecuted(NoRoute)")
        assert.deepStrictEqual(ran, ["there", "here", "here", "here"])
        // What has a name runs anywhere.
        assert.strictEqual(yield* there.submit.Halve({ n: 4 }), 2)
      }).pipe(Effect.scoped, Effect.provide(Memory.layer))
  )
})
