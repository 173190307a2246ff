import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Random, Schema, SchemaGetter, type Scope } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { Actor, ActorRef, ActorSystem, Ledger, Protocol } from "troupe"
import { Balancer } from "troupe/actors"
import { Memory } from "troupe/transports/Memory"

class Odd extends Schema.TaggedError<Odd>()("Odd", { n: Schema.Int }) {}

const Jobs = Actor.make("Jobs", [
  Rpc.make("Halve", { payload: { n: Schema.Int }, success: Schema.Number, error: Odd }),
  Rpc.make("Wait", { payload: { gate: Schema.String }, success: Schema.String }),
  Rpc.make("Greet", { payload: { client: Schema.String, n: Schema.Int }, success: Schema.String }),
  Rpc.make("Boom", { payload: { gate: Schema.String } })
])

/** Opens the tasks that wait at it, by name. `started` are those that reached a worker, with the worker's path. */
class Gates extends Context.Service<Gates, ReturnType<typeof makeGates>>()("test/Gates") {}

const makeGates = () => {
  const gates = new Map<string, Deferred.Deferred<void>>()
  const gate = (name: string) => {
    if (!gates.has(name)) gates.set(name, Deferred.makeUnsafe())
    return gates.get(name)!
  }
  const started: Array<string> = []
  const open = (name: string) => Deferred.succeed(gate(name), undefined)
  return {
    started,
    pass: (name: string, path: string) =>
      Effect.andThen(
        Effect.sync(() => started.push(`${name} ${path}`)),
        Deferred.await(gate(name))
      ),
    open,
    /** For the end of a test, which may have failed: time stands still, so what is held would hold up the system's stop. */
    openAll: Effect.suspend(() => Effect.forEach(gates.keys(), open, { discard: true }))
  }
}

const jobs = Effect.gen(function* () {
  const gates = yield* Gates
  const { path } = (yield* Actor.Context).self
  return Jobs.of({
    Halve: ({ n }) => (n % 2 === 0 ? Effect.succeed(n / 2) : Effect.fail(new Odd({ n }))),
    Wait: ({ gate }) => Effect.as(gates.pass(gate, path), path),
    Greet: ({ client, n }) => Effect.as(Effect.yieldNow, `${client} ${n}`),
    Boom: ({ gate }) => Effect.andThen(gates.pass(gate, path), Effect.die(new Error("boom")))
  })
})

const spawnJobs = (workers: number) =>
  Effect.gen(function* () {
    const system = yield* ActorSystem.ActorSystem
    return yield* system.spawn("jobs", Balancer.behavior(Jobs, jobs, { workers }))
  })

type Jobs = Effect.Success<ReturnType<typeof spawnJobs>>

/** What the balancer counts, once it has heard of all that has ended: answers overtake that news. */
const outstanding = (ref: Jobs) =>
  Effect.map(Effect.andThen(settle, ref.ask.Workers()), (workers) =>
    Object.fromEntries(workers.map(({ path, outstanding }) => [path.replace("jobs/worker-", ""), outstanding]))
  )

/** Asks in the background; the task has reached its worker when this succeeds. */
const start = <A, E, R>(ask: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.forkChild(ask, { startImmediately: true }), () => settle)

/** Lets what can run without time run. */
const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

/** At the end every message and every ask has come to exactly one end. */
const accounted = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem
  yield* system.idle
  const { faults, open, pending } = yield* system.ledger.snapshot
  assert.deepStrictEqual({ faults, open, pending }, { faults: [], open: 0, pending: 0 })
})

const reasonOf = <A, E>(exit: Exit.Exit<A, E>) => {
  const error: any = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return `${error?._tag}(${error?.reason?._tag})`
}

for (const local of ["encoded", "by-reference"] as const) {
  const test = (
    name: string,
    body: () => Effect.Effect<void, unknown, ActorSystem.ActorSystem | Gates | Scope.Scope>
  ) =>
    it.effect(name, () =>
      Effect.andThen(body(), accounted).pipe(
        Effect.ensuring(Effect.flatMap(Gates, ({ openAll }) => openAll)),
        Effect.provide(ActorSystem.layer({ name: "factory", local })),
        Effect.provide(Memory.layer),
        Effect.provide(Ledger.layer),
        Effect.provide(Layer.sync(Gates, makeGates))
      )
    )

  describe(`Balancer, ${local}`, () => {
    test("S12 gives a task to the worker with the fewest outstanding, of several to the one used longest ago", () =>
      Effect.gen(function* () {
        const { open, started } = yield* Gates
        const ref = yield* spawnJobs(3)
        const wait = (gate: string) => start(ref.ask.Wait({ gate }))
        const [a, b, c] = [yield* wait("a"), yield* wait("b"), yield* wait("c")]
        assert.deepStrictEqual(started, ["a jobs/worker-1", "b jobs/worker-2", "c jobs/worker-3"])
        yield* open("b")
        yield* Fiber.join(b)
        const d = yield* wait("d")
        assert.strictEqual(started.at(-1), "d jobs/worker-2")
        yield* Effect.andThen(open("c"), Fiber.join(c))
        yield* Effect.andThen(open("a"), Fiber.join(a))
        // 1 was used before 3, though 3 was free before 1.
        const e = yield* wait("e")
        assert.strictEqual(started.at(-1), "e jobs/worker-1")
        const f = yield* wait("f")
        assert.strictEqual(started.at(-1), "f jobs/worker-3")
        const g = yield* wait("g")
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 1, 2: 2, 3: 1 })
        yield* Effect.forEach(["d", "e", "f", "g"], open)
        yield* Fiber.joinAll([d, e, f, g])
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 0, 2: 0, 3: 0 })
      }))

    // Goal: the choice is right in every state. Method: random arrivals and departures, against a model that sorts.
    test("S12 chooses as a model does, over 2000 random events", () =>
      Effect.gen(function* () {
        const { open, started } = yield* Gates
        const workers = 5
        const ref = yield* spawnJobs(workers)
        const model = Array.from({ length: workers }, (_, at) => ({
          name: at + 1,
          queue: [] as Array<string>,
          last: at - workers
        }))
        const fibers = new Map<string, Fiber.Fiber<string, unknown>>()
        for (let event = 0; event < 2000; event++) {
          const busy = model.filter(({ queue }) => queue.length > 0)
          if (busy.length === 0 || (yield* Random.nextIntBetween(0, 16)) >= fibers.size) {
            const gate = `task-${event}`
            const [expected] = model.toSorted((x, y) => x.queue.length - y.queue.length || x.last - y.last)
            expected!.queue.push(gate)
            expected!.last = event
            fibers.set(gate, yield* Effect.forkChild(ref.ask.Wait({ gate }), { startImmediately: true }))
          } else {
            const worker = busy[yield* Random.nextIntBetween(0, busy.length - 1)]!
            const gate = worker.queue.shift()!
            yield* open(gate)
            assert.strictEqual(yield* Fiber.join(fibers.get(gate)!), `jobs/worker-${worker.name}`)
            fibers.delete(gate)
          }
          const loads = Object.fromEntries(model.map(({ name, queue }) => [name, queue.length]))
          assert.deepStrictEqual(yield* outstanding(ref), loads)
        }
        for (const { queue } of model) yield* Effect.forEach(queue, open)
        yield* Fiber.joinAll(fibers.values())
        assert.strictEqual(new Set(started).size, started.length)
      }).pipe(Random.withSeed("choice")))

    test("answers 1000 tasks of each of two clients to the one that asked", () =>
      Effect.gen(function* () {
        const ref = yield* spawnJobs(4)
        const client = (name: string) =>
          Effect.forEach(
            Array.from({ length: 1000 }, (_, n) => n),
            (n) =>
              Effect.map(ref.ask.Greet({ client: name, n }), (answer) => assert.strictEqual(answer, `${name} ${n}`)),
            { concurrency: 64, discard: true }
          )
        yield* Effect.all([client("ann"), client("bob")], { concurrency: 2 })
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 0, 2: 0, 3: 0, 4: 0 })
        const dispatched = (yield* ref.ask.Workers()).map(({ dispatched }) => dispatched)
        assert.deepStrictEqual(dispatched, [500, 500, 500, 500])
      }))

    test("S12 counts a task down on success, typed error and defect", () =>
      Effect.gen(function* () {
        const { open } = yield* Gates
        const ref = yield* spawnJobs(1)
        assert.strictEqual(yield* ref.ask.Halve({ n: 8 }), 4)
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 0 })
        assert.deepStrictEqual(yield* Effect.flip(ref.ask.Halve({ n: 7 })), new Odd({ n: 7 }))
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 0 })
        yield* open("now")
        const crash = yield* Effect.exit(ref.ask.Boom({ gate: "now" }))
        assert.strictEqual(reasonOf(crash), "Unknown(CalleeCrashed)")
        assert.include(String(Cause.squash((crash as Exit.Failure<void, unknown>).cause)), "boom")
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 0 })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* ref.ask.Halve({ n: 2 }), 1)
      }))

    test("S6 a worker that crashes ends its task at once, and the tasks behind it are run by its next incarnation", () =>
      Effect.gen(function* () {
        const { open, started } = yield* Gates
        const ref = yield* spawnJobs(1)
        const boom = yield* start(ref.ask.Boom({ gate: "boom" }))
        const behind = yield* start(ref.ask.Wait({ gate: "behind" }))
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 2 })
        yield* open("boom")
        assert.strictEqual(reasonOf(yield* Fiber.await(boom)), "Unknown(CalleeCrashed)")
        yield* settle
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 1 })
        assert.deepStrictEqual(started, ["boom jobs/worker-1"])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(started, ["boom jobs/worker-1", "behind jobs/worker-1"])
        yield* open("behind")
        assert.strictEqual(yield* Fiber.join(behind), "jobs/worker-1")
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 0 })
      }))

    test("a worker that is killed ends its tasks at once, and is replaced", () =>
      Effect.gen(function* () {
        const system = yield* ActorSystem.ActorSystem
        const { open } = yield* Gates
        const ref = yield* spawnJobs(2)
        const tasks = yield* Effect.forEach(["a", "b", "c", "d"], (gate) => start(ref.ask.Wait({ gate })))
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 2, 2: 2 })
        const worker = yield* system.lookup(Actor.make("Worker", []), "jobs/worker-1")
        yield* worker.kill
        yield* settle
        // "a" was running; "c" waited, but its worker's mailbox is gone, and the balancer only knows that it was given to it.
        assert.strictEqual(reasonOf(yield* Fiber.await(tasks[0]!)), "Unknown(Interrupted)")
        const error = yield* Effect.flip(Fiber.join(tasks[2]!))
        assert.include(error.message, `worker "jobs/worker-1" ended before it answered`)
        assert.deepStrictEqual(yield* outstanding(ref), { 2: 2, 1: 0 })
        yield* Effect.all([open("b"), open("d"), open("e")])
        yield* Fiber.joinAll([tasks[1]!, tasks[3]!])
        assert.strictEqual(yield* ref.ask.Wait({ gate: "e" }), "jobs/worker-1")
        assert.deepStrictEqual(yield* outstanding(ref), { 2: 0, 1: 0 })
      }))

    test("a worker that is stopping is given no task", () =>
      Effect.gen(function* () {
        const system = yield* ActorSystem.ActorSystem
        const { open } = yield* Gates
        const ref = yield* spawnJobs(2)
        const running = yield* start(ref.ask.Wait({ gate: "running" }))
        const worker = yield* system.lookup(Actor.make("Worker", []), "jobs/worker-1")
        const stop = yield* start(worker.stop({ deadline: "1 minute" }))
        for (let n = 0; n < 10; n++) assert.strictEqual(yield* ref.ask.Halve({ n: 2 }), 1)
        yield* open("running")
        yield* Fiber.join(stop)
        assert.strictEqual(yield* Fiber.join(running), "jobs/worker-1")
        assert.deepStrictEqual(yield* outstanding(ref), { 2: 0, 1: 0 })
      }))

    test("S4 a task that no worker can take is not executed, and asked again within its deadline", () =>
      Effect.gen(function* () {
        const system = yield* ActorSystem.ActorSystem
        const { open } = yield* Gates
        const ref = yield* spawnJobs(1)
        const running = yield* start(ref.ask.Wait({ gate: "running" }, { deadline: "1 minute" }))
        const worker = yield* system.lookup(Actor.make("Worker", []), "jobs/worker-1")
        const stop = yield* start(worker.stop({ deadline: "1 minute" }))
        const hasty = yield* start(Effect.flip(ref.ask.Halve({ n: 2 }, { deadline: "1 second" })))
        const patient = yield* start(ref.ask.Halve({ n: 2 }, { deadline: "10 seconds" }))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(
          String(yield* Fiber.join(hasty)),
          'NotExecuted: Nobody can take the message for "jobs": all its workers are stopping. Provide a receiver, or retry later.'
        )
        yield* open("running")
        yield* Effect.all([Fiber.join(stop), Fiber.join(running)])
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* Fiber.join(patient), 1)
      }))

    test("S7 a worker that keeps crashing takes the balancer down, which ends every task and starts afresh", () =>
      Effect.gen(function* () {
        const { open } = yield* Gates
        const ref = yield* spawnJobs(2)
        yield* open("boom")
        const held = yield* start(ref.ask.Wait({ gate: "held" }, { deadline: "1 hour" }))
        // 2 has the fewest outstanding for as long as 1 is held.
        for (let crash = 1; crash <= 5; crash++) {
          assert.strictEqual(reasonOf(yield* Effect.exit(ref.ask.Boom({ gate: "boom" }))), "Unknown(CalleeCrashed)")
          yield* TestClock.adjust("4 seconds")
        }
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 1, 2: 0 })
        const last = yield* start(ref.ask.Boom({ gate: "boom" }))
        assert.strictEqual(reasonOf(yield* Fiber.await(last)), "Unknown(CalleeCrashed)")
        // The balancer stops its workers, then starts again: worker 1 has its stop deadline for the task in hand. What is
        // asked meanwhile waits, ahead of the news that the held task has ended, which concerns nobody any more.
        const early = yield* start(ref.ask.Wait({ gate: "early" }, { deadline: "1 hour" }))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(reasonOf(yield* Fiber.await(held)), "Unknown(Interrupted)")
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 1, 2: 0 })
        yield* open("early")
        assert.strictEqual(yield* Fiber.join(early), "jobs/worker-1")
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 0, 2: 0 })
      }))

    test("S8 a balancer that is stopped lets running tasks finish and ends the others at once", () =>
      Effect.gen(function* () {
        const { open } = yield* Gates
        const ref = yield* spawnJobs(1)
        const running = yield* start(ref.ask.Wait({ gate: "running" }))
        const waiting = yield* start(ref.ask.Wait({ gate: "waiting" }))
        const stop = yield* start(ref.stop())
        yield* open("running")
        yield* Fiber.join(stop)
        assert.strictEqual(yield* Fiber.join(running), "jobs/worker-1")
        assert.strictEqual(reasonOf(yield* Fiber.await(waiting)), "Unknown(CalleeCrashed)")
        assert.strictEqual(reasonOf(yield* Effect.exit(ref.ask.Halve({ n: 2 }))), "NotExecuted(NoSuchActor)")
      }))

    test("runs a task that was told, though nobody waits for its answer", () =>
      Effect.gen(function* () {
        const { open, started } = yield* Gates
        const ref = yield* spawnJobs(1)
        yield* ref.tell.Wait({ gate: "told" })
        yield* settle
        assert.deepStrictEqual(started, ["told jobs/worker-1"])
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 1 })
        yield* open("told")
        yield* settle
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 0 })
      }))

    // Goal: the client is in no way the balancer's neighbour. Method: two nodes, and clients on either.
    it.effect("S12 serves clients of its own and of another node", () =>
      Effect.gen(function* () {
        const here = yield* ActorSystem.make({ name: "factory", node: "here", local })
        const there = yield* ActorSystem.make({ name: "factory", node: "there", local })
        const ref = yield* here.spawn("jobs", Balancer.behavior(Jobs, jobs, { workers: 3 }))
        const remote = yield* there.lookup(Jobs, "jobs")
        const client = (name: string, jobs: typeof remote) =>
          Effect.forEach(
            Array.from({ length: 1000 }, (_, n) => n),
            (n) =>
              Effect.map(jobs.ask.Greet({ client: name, n }), (answer) => assert.strictEqual(answer, `${name} ${n}`)),
            { concurrency: 64, discard: true }
          )
        yield* Effect.all([client("ann", ref), client("bob", remote)], { concurrency: 2 })
        assert.deepStrictEqual(yield* Effect.flip(remote.ask.Halve({ n: 7 })), new Odd({ n: 7 }))
        const gates = yield* Gates
        yield* gates.open("now")
        assert.strictEqual(reasonOf(yield* Effect.exit(remote.ask.Boom({ gate: "now" }))), "Unknown(CalleeCrashed)")
        assert.deepStrictEqual(yield* outstanding(ref), { 1: 0, 2: 0, 3: 0 })
        const { faults, open } = yield* here.ledger.snapshot
        assert.deepStrictEqual({ faults, open }, { faults: [], open: 0 })
      }).pipe(
        Effect.scoped,
        Effect.provide(Memory.layer),
        Effect.provide(Ledger.layer),
        Effect.provide(Layer.sync(Gates, makeGates))
      )
    )
  })
}

describe("Balancer", () => {
  const inFactory = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(Effect.provide(ActorSystem.layer({ name: "factory" })), Effect.provide(Memory.layer))

  // Goal: the answer does not travel through the balancer. Method: a ledger that writes down every message accepted.
  it.effect("S4c is passed by: its worker's answer goes to the client, and it hears no more than a ticket", () => {
    const accepted: Array<string> = []
    const ledger = Ledger.make()
    const accept = (to: string, tag: string) => {
      accepted.push(`${tag} to ${to}`)
      return ledger.accept(to, tag)
    }
    return Effect.gen(function* () {
      const ref = yield* spawnJobs(2)
      assert.strictEqual(yield* ref.ask.Halve({ n: 4 }), 2)
      yield* (yield* ActorSystem.ActorSystem).idle
      assert.deepStrictEqual(accepted, ["Halve to jobs", "Halve to jobs/worker-1", "$Done to jobs"])
    }).pipe(
      inFactory,
      Effect.provideService(Ledger.Ledger, { ...ledger, accept }),
      Effect.provideService(Gates, makeGates())
    )
  })

  it.effect("S13 does not read the payload it passes on: one encode by the client, one decode by the worker", () => {
    const steps: Array<string> = []
    const Traced = Schema.String.pipe(
      Schema.decodeTo(Schema.String, {
        decode: SchemaGetter.transform((text: string) => {
          steps.push("decode")
          return text
        }),
        encode: SchemaGetter.transform((text: string) => {
          steps.push("encode")
          return text
        })
      })
    )
    const Echo = Actor.make("Echo", [Rpc.make("Echo", { payload: { text: Traced }, success: Schema.String })])
    return Effect.gen(function* () {
      const system = yield* ActorSystem.ActorSystem
      const echo = Echo.of({
        Echo: ({ text }) =>
          Effect.as(
            Effect.sync(() => steps.push("handle")),
            text
          )
      })
      const ref = yield* system.spawn("echo", Balancer.behavior(Echo, echo, { workers: 1 }))
      assert.strictEqual(yield* ref.ask.Echo({ text: "hello" }), "hello")
      assert.deepStrictEqual(steps, ["encode", "decode", "handle"])
    }).pipe(inFactory)
  })

  it.effect("does not take a task whose payload does not match its schema", () =>
    Effect.gen(function* () {
      const ref = yield* spawnJobs(1)
      const exit = yield* Effect.exit(ref.ask.Halve({ n: 0.5 }))
      assert.strictEqual(reasonOf(exit), "NotExecuted(EncodeError)")
      assert.deepStrictEqual(yield* outstanding(ref), { 1: 0 })
    }).pipe(inFactory, Effect.provideService(Gates, makeGates()))
  )

  it.effect("S12 counts a task down whose client is gone with its node", () =>
    Effect.gen(function* () {
      const here = yield* ActorSystem.make({ name: "factory", node: "here" })
      const ref = yield* here.spawn("jobs", Balancer.behavior(Jobs, jobs, { workers: 1 }))
      yield* Effect.gen(function* () {
        const there = yield* ActorSystem.make({ name: "factory", node: "there" })
        const remote = yield* there.lookup(Jobs, "jobs")
        yield* start(remote.ask.Wait({ gate: "left" }))
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* outstanding(ref), { 1: 1 })
      yield* (yield* Gates).open("left")
      assert.deepStrictEqual(yield* outstanding(ref), { 1: 0 })
      assert.strictEqual(yield* ref.ask.Halve({ n: 2 }), 1)
    }).pipe(Effect.scoped, Effect.provide(Memory.layer), Effect.provideService(Gates, makeGates()))
  )

  it.effect("brings a ref in a payload to the worker, also where no context holds the system", () => {
    const Ping = Rpc.make("Ping", { success: Schema.String })
    const Friend = Actor.make("Friend", [Ping])
    const Caller = Actor.make("Caller", [
      Rpc.make("Call", { payload: { friend: ActorRef.schema(Ping) }, success: Schema.String })
    ])
    return Effect.gen(function* () {
      const system = yield* ActorSystem.make({ name: "factory" })
      const friend = yield* system.spawn("friend", Friend.behavior({ Ping: () => Effect.succeed("pong") }))
      const call = Caller.of({ Call: ({ friend }) => Effect.orDie(friend.ask.Ping()) })
      const ref = yield* system.spawn("caller", Balancer.behavior(Caller, call, { workers: 2 }))
      assert.strictEqual(yield* ref.ask.Call({ friend }), "pong")
    }).pipe(Effect.scoped, Effect.provide(Memory.layer))
  })

  it.effect("S4 returns a task whose payload its worker cannot read, and neither counts it on nor crashes", () => {
    const Newer = Actor.make("Jobs", [Rpc.make("Halve", { payload: { n: Schema.String }, success: Schema.Number })])
    return Effect.gen(function* () {
      const system = yield* ActorSystem.ActorSystem
      const ref = yield* spawnJobs(1)
      const newer = yield* system.lookup(Newer, "jobs")
      const error = yield* Effect.flip(newer.ask.Halve({ n: "two" }))
      assert.strictEqual(error.reason._tag, "DecodeError")
      assert.include(error.message, `The payload of "Halve" did not decode at "jobs": Expected`)
      assert.deepStrictEqual(yield* outstanding(ref), { 1: 0 })
      const [balancer] = yield* system.tree
      assert.strictEqual(balancer!.children[0]!.incarnation, 1)
    }).pipe(inFactory, Effect.provideService(Gates, makeGates()))
  })

  it.effect("S4 a task declared idempotent runs again, on another worker, when its worker crashes", () => {
    const Fetch = Actor.make("Fetch", [
      Rpc.make("Fetch", { success: Schema.String }).annotate(Protocol.Idempotent, true)
    ])
    const ran: Array<string> = []
    const fetch = Effect.map(Actor.Context, ({ self: { path } }) =>
      Fetch.of({ Fetch: () => (ran.push(path) === 1 ? Effect.die("no network") : Effect.succeed(path)) })
    )
    return Effect.gen(function* () {
      const system = yield* ActorSystem.ActorSystem
      const ref = yield* system.spawn("fetch", Balancer.behavior(Fetch, fetch, { workers: 2 }))
      const answer = yield* start(ref.ask.Fetch())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(answer), "fetch/worker-2")
      assert.deepStrictEqual(ran, ["fetch/worker-1", "fetch/worker-2"])
    }).pipe(inFactory)
  })

  it.effect("runs its tasks one at a time on each worker, also those declared concurrent", () => {
    const Slow = Actor.make("Slow", [Rpc.make("Slow").annotate(Protocol.Concurrent, true)])
    let running = 0
    let most = 0
    const slow = Slow.of({
      Slow: () =>
        Effect.sync(() => {
          most = Math.max(most, ++running)
        }).pipe(Effect.andThen(Effect.sleep("100 millis")), Effect.ensuring(Effect.sync(() => (running -= 1))))
    })
    return Effect.gen(function* () {
      const system = yield* ActorSystem.ActorSystem
      const ref = yield* system.spawn("slow", Balancer.behavior(Slow, slow, { workers: 3 }))
      const all = yield* start(
        Effect.all(
          Array.from({ length: 9 }, () => ref.ask.Slow()),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("299 millis")
      assert.isUndefined(all.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(all)
      assert.strictEqual(most, 3)
    }).pipe(inFactory)
  })

  it.effect("lets each worker acquire what it needs, in its own Scope", () => {
    const log: Array<string> = []
    const init = Effect.gen(function* () {
      const { path } = (yield* Actor.Context).self
      yield* Effect.acquireRelease(
        Effect.sync(() => log.push(`open ${path}`)),
        () => Effect.sync(() => log.push(`close ${path}`))
      )
      return { Greet: () => Effect.succeed(path) }
    })
    const Greeter = Actor.make("Greeter", [Rpc.make("Greet", { success: Schema.String })])
    return Effect.gen(function* () {
      const system = yield* ActorSystem.ActorSystem
      const ref = yield* system.spawn("g", Balancer.behavior(Greeter, init, { workers: 2 }))
      yield* ref.stop()
      assert.deepStrictEqual(log, ["open g/worker-1", "open g/worker-2", "close g/worker-2", "close g/worker-1"])
    }).pipe(inFactory)
  })

  it.effect("does not start when a worker does not", () =>
    Effect.gen(function* () {
      const system = yield* ActorSystem.ActorSystem
      const behavior = Balancer.behavior(Jobs, Effect.as(Effect.fail("no disk"), {} as never), { workers: 2 })
      const error = yield* Effect.flip(system.spawn("jobs", behavior))
      assert.include(error.message, "no disk")
      assert.deepStrictEqual(yield* system.tree, [])
    }).pipe(inFactory)
  )

  it("refuses a number of workers that is none", () => {
    assert.throws(
      () => Balancer.behavior(Jobs, jobs, { workers: 0 }),
      "expected `workers` to be a positive integer, got: 0"
    )
  })

  it("refuses a request that streams", () => {
    const Tail = Actor.make("Tail", [Rpc.make("Tail", { success: Schema.Int, stream: true })])
    assert.throws(
      // @ts-expect-error: a handler of a balancer cannot stream.
      () => Balancer.behavior(Tail, { Tail: () => Effect.succeed(1) }, { workers: 1 }),
      `expected each task to answer once, got: "Tail", which streams`
    )
  })
})
