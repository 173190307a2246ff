/** What a client of a balancer promises beside clause S12: how it finds one, how it submits many, what it refuses. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Random, Schema, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { ActorSystem } from "troupe"
import { Balancer, Client, Pool, Task, Worker } from "troupe/actors"
import { Memory } from "troupe/transports/Memory"
import { Jobs, jobs, makeGates, Odd, onNode, reasonOf, settle, start, statusOf } from "./jobs.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)

describe("Client", () => {
  it.effect("1.9 submitAll yields a result for each payload as they come, or in the order of the payloads", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(jobs(gates), { workers: 3 })
        const lengths = yield* Effect.forEach(numbers(200), () => Random.nextIntBetween(1, 100))
        const payloads = lengths.map((millis) => ({ millis }))
        const collected = (ordered: boolean) =>
          Effect.gen(function* () {
            const all = yield* start(Stream.runCollect(pool.submitAll.Sleep(payloads, { ordered, window: 16 })))
            while (all.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
            const results = yield* Fiber.join(all)
            assert.strictEqual(new Set(results.map(({ id }) => id)).size, 200)
            for (const { exit } of results) assert.match(reasonOf(exit), /^success "jobs-worker-[123]"$/)
            return results.map(({ index }) => index)
          })
        const free = yield* collected(false)
        assert.deepStrictEqual(
          free.toSorted((a, b) => a - b),
          numbers(200)
        )
        assert.notDeepEqual(free, numbers(200))
        assert.deepStrictEqual(yield* collected(true), numbers(200))
      }).pipe(Random.withSeed("1.9"))
    )
  )

  it.effect("1.9 submitAll holds a task's error in its result, and goes on", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(jobs(gates), { workers: 2 })
        yield* gates.open("now")
        const halves = yield* Stream.runCollect(
          pool.submitAll.Halve(
            numbers(6).map((n) => ({ n })),
            { ordered: true }
          )
        )
        assert.deepStrictEqual(
          halves.map(({ exit }) => (Exit.isSuccess(exit) ? exit.value : Cause.squash(exit.cause))),
          [0, new Odd({ n: 1 }), 1, new Odd({ n: 3 }), 2, new Odd({ n: 5 })]
        )
        const payloads = (["succeed", "die", "fail", "succeed"] as const).map((how) => ({ gate: "now", how }))
        const broken = yield* Stream.runCollect(pool.submitAll.Break(payloads, { ordered: true }))
        assert.deepStrictEqual(
          broken.map(({ exit }) => /^\w+(\(\w+\))?/.exec(reasonOf(exit))![0]),
          ["success", "Unknown(CalleeCrashed)", "Odd", "success"]
        )
      })
    )
  )

  it.effect(
    "1.9 submitAll pulls payloads no faster than its window, from a Stream too, and cancels what it leaves",
    () =>
      onNode("encoded", (gates) =>
        Effect.gen(function* () {
          const pool = yield* Pool.make(jobs(gates), { workers: 2 })
          let pulled = 0
          const payloads = Stream.map(Stream.rechunk(Stream.fromIterable(numbers(50)), 1), (n) => {
            pulled += 1
            return { gate: `${n}` }
          })
          const seen: Array<number> = []
          const reading = yield* start(
            Stream.runForEach(pool.submitAll.Hold(payloads, { window: 5 }), ({ index }) =>
              Effect.sync(() => seen.push(index))
            )
          )
          const { queued, running } = yield* statusOf(pool.balancer)
          assert.deepStrictEqual([queued, running], [3, 2])
          assert.isAtMost(pulled, 7)
          yield* gates.open("0", "1", "2")
          yield* settle
          assert.deepStrictEqual(seen, [0, 1, 2])
          assert.isAtMost(pulled, 10)
          yield* Fiber.interrupt(reading)
          yield* settle
          const status = yield* statusOf(pool.balancer)
          assert.deepStrictEqual([status.queued, status.running, status.cancelled, status.completed], [0, 0, 5, 3])
        })
      )
  )

  it.effect("1.9 submitAll takes from an iterable what it needs, and tells it when it is left", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(jobs(gates), { workers: 2 })
        let pulled = 0
        let left = false
        const payloads = function* () {
          try {
            for (;;) yield { n: 2 * pulled++ }
          } finally {
            left = true
          }
        }
        const some = yield* Stream.runCollect(Stream.take(pool.submitAll.Halve(payloads(), { window: 4 }), 10))
        assert.strictEqual(some.length, 10)
        assert.isAtMost(pulled, 10 + 4 + 1)
        assert.isTrue(left)
      })
    )
  )

  it.effect("submitAll gives its options to every task, and each a name of its own that events tell", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(jobs(gates), { workers: 3 })
        yield* settle
        const named: Array<string> = []
        const reading = yield* start(
          Stream.runForEach(Balancer.events(pool.balancer), (event) =>
            Effect.sync(() => {
              if (event._tag === "TaskStarted") named.push(event.id)
            })
          )
        )
        const payloads = numbers(4).map((n) => ({ gate: `${n}` }))
        const all = yield* start(Stream.runCollect(pool.submitAll.Hold(payloads, { key: "k" })))
        for (const n of numbers(4)) {
          assert.deepStrictEqual(gates.started(), numbers(n + 1).map(String))
          yield* gates.open(`${n}`)
          yield* settle
        }
        const results = yield* Fiber.join(all)
        assert.deepStrictEqual(
          named,
          results.map(({ id }) => id)
        )
        yield* Fiber.interrupt(reading)
        const late = Stream.runCollect(pool.submitAll.Sleep([{ millis: 1000 }], { deadline: "10 millis" }))
        const fiber = yield* start(late)
        yield* TestClock.adjust("10 millis")
        assert.deepStrictEqual(
          (yield* Fiber.join(fiber)).map(({ exit }) => reasonOf(exit)),
          ["Unknown(Timeout)"]
        )
      })
    )
  )

  it.effect("submit is a description: run twice it is two tasks, and not run it is none", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(jobs(gates), { workers: 1 })
        const submit = pool.submit.Halve({ n: 2 })
        assert.strictEqual((yield* statusOf(pool.balancer)).accepted, 0)
        assert.deepStrictEqual([yield* submit, yield* submit], [1, 1])
        assert.strictEqual((yield* statusOf(pool.balancer)).accepted, 2)
      })
    )
  )

  it.effect("submitUnsafe sends at once, calls back once with the end, and not after it was cancelled", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(jobs(gates), { workers: 1 })
        yield* settle
        const ends: Array<string> = []
        const end = (name: string) => (exit: Exit.Exit<unknown, unknown>) => ends.push(`${name} ${reasonOf(exit)}`)
        const cancels = ["a", "b", "c"].map((gate) => pool.submitUnsafe.Hold({ gate }, end(gate)))
        pool.submitUnsafe.Halve({ n: 1 }, end("odd"), { priority: 1 })
        yield* settle
        assert.deepStrictEqual(gates.started(), ["a"])
        cancels[0]!()
        cancels[1]!()
        yield* settle
        assert.deepStrictEqual([gates.started(), gates.log.includes("a!")], [["a", "c"], true])
        yield* gates.open("c")
        yield* settle
        cancels[2]!()
        yield* settle
        assert.deepStrictEqual(
          ends.map((end) => end.replace(/:.*/, "")),
          ["odd Odd", 'c success "jobs-worker-1"']
        )
        const { cancelled, completed } = yield* statusOf(pool.balancer)
        assert.deepStrictEqual([cancelled, completed], [2, 2])
      })
    )
  )

  it.effect("refuses options that are none, and names the value", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const { submit, submitAll } = yield* Pool.make(jobs(gates), { workers: 1 })
        const refused = (run: () => Effect.Effect<unknown, unknown>, message: string) =>
          Effect.map(Effect.exit(Effect.suspend(run)), (exit) => {
            assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
            assert.include(String(exit), message)
          })
        const task = { n: 2 }
        yield* refused(() => submit.Halve(task, { deadline: 0 }), "`deadline` to be finite and more than 0, got: 0 ms")
        yield* refused(
          () => submit.Halve(task, { deadline: Number.POSITIVE_INFINITY }),
          "`deadline` to be finite and more than 0, got: Infinity ms"
        )
        yield* refused(() => submit.Halve(task, { priority: Number.NaN }), "`priority` to be finite, got: NaN")
        yield* refused(
          () => Stream.runDrain(submitAll.Halve([task], { window: 0 })),
          "`window` to be a positive integer, got: 0"
        )
        assert.strictEqual(yield* submit.Halve(task, { deadline: "1 second", priority: -1 }), 1)
      })
    )
  )

  it.effect("says where there is no balancer, after the wait it was given", () =>
    onNode("encoded", () =>
      Effect.gen(function* () {
        const client = yield* start(Effect.flip(Client.make(Jobs, { wait: "3 seconds" })))
        yield* TestClock.adjust("2900 millis")
        assert.isUndefined(client.pollUnsafe())
        yield* TestClock.adjust("200 millis")
        const error = yield* Fiber.join(client)
        assert.strictEqual(error.reason._tag, "NoRoute")
        assert.include(
          error.message,
          'no balancer of group "jobs" answered within 3 s; start one with Balancer.layer or Pool.layer'
        )
      })
    )
  )

  it.effect("fails where the balancer knows not all of its tasks, and does where it knows more", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        yield* Balancer.make(Jobs)
        yield* Worker.make(jobs(gates))
        const Newer = Task.group("jobs", [...Jobs.rpcs, Rpc.make("Novel")])
        const error = yield* Effect.flip(Client.make(Newer))
        assert.strictEqual(error.reason._tag, "UnsupportedMessage")
        const Fewer = Task.group("jobs", [Rpc.make("Halve", { payload: { n: Schema.Int }, success: Schema.Number })])
        const { submit } = yield* Client.make(Fewer)
        assert.strictEqual(yield* submit.Halve({ n: 8 }), 4)
      })
    )
  )

  it.effect("a task whose payload does not match its schema is not sent, and a value that does not is Unknown", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(jobs(gates), { workers: 1 })
        yield* gates.open("now")
        assert.strictEqual(reasonOf(yield* Effect.exit(pool.submit.Halve({ n: 0.5 }))), "NotExecuted(EncodeError)")
        assert.strictEqual((yield* statusOf(pool.balancer)).accepted, 0)
        const lie = yield* Effect.exit(pool.submit.Break({ gate: "now", how: "lie" }))
        assert.strictEqual(reasonOf(lie), "Unknown(ReplyNotEncoded)")
        const { completed, running } = yield* statusOf(pool.balancer)
        assert.deepStrictEqual([completed, running], [1, 0])
      })
    )
  )

  it.effect("finds the balancer of another node, and the next one when that node is gone", () =>
    Effect.gen(function* () {
      const gates = makeGates()
      const on = (system: ActorSystem.System) => Effect.provideService(ActorSystem.ActorSystem, system)
      const home = yield* ActorSystem.make({ name: "factory", node: "home" })
      const { submit } = yield* Effect.gen(function* () {
        const first = yield* ActorSystem.make({ name: "factory", node: "first" })
        yield* on(first)(Balancer.make(Jobs))
        yield* on(first)(Worker.make(jobs(gates)))
        yield* settle
        const client = yield* on(home)(Client.make(Jobs))
        assert.strictEqual(yield* client.submit.Halve({ n: 4 }), 2)
        return client
      }).pipe(Effect.scoped)
      const pending = yield* start(submit.Halve({ n: 8 }))
      const hasty = yield* start(Effect.exit(submit.Halve({ n: 8 }, { deadline: "500 millis" })))
      yield* TestClock.adjust("1 second")
      assert.match(reasonOf(yield* Fiber.join(hasty)), /^NotExecuted\(/)
      assert.isUndefined(pending.pollUnsafe())
      const second = yield* ActorSystem.make({ name: "factory", node: "second" })
      yield* on(second)(Balancer.make(Jobs))
      yield* on(second)(Worker.make(jobs(gates)))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(pending), 4)
      assert.strictEqual(yield* submit.Halve({ n: 2 }), 1)
    }).pipe(Effect.scoped, Effect.provide(Memory.layer))
  )
})

describe("Task", () => {
  it("is refused where it streams, where its name is there twice, and in a group whose name no actor can have", () => {
    const Tail = Rpc.make("Tail", { success: Schema.Int, stream: true })
    assert.throws(() => Task.group("jobs", [Tail]), `expected each task to answer once, got: "Tail", which streams`)
    assert.throws(
      () => Task.group("jobs", [Rpc.make("A"), Rpc.make("A")]),
      `expected each task of a group to have a name of its own, got: "A" twice`
    )
    for (const tag of ["$Status", "$Join", "$run"]) assert.throws(() => Task.group("jobs", [Rpc.make(tag)]), tag)
    for (const name of ["", "a b", "a/b", "a#b", "$a", "a\n", "x".repeat(201)]) {
      assert.throws(() => Task.group(name, []), "expected a group's name to be of 1 to 200 characters")
    }
  })

  it("a module is known by its mark, whoever made it", () => {
    assert.isTrue(Task.isModule(jobs(makeGates())))
    assert.isTrue(Task.isModule({ [Symbol.for("troupe/Task/Module")]: 1 }))
    for (const other of [undefined, null, 1, "module", {}, Jobs]) assert.isFalse(Task.isModule(other))
  })
})
