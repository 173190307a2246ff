/** S12, dispatch: balancer, workers and clients beside one another, and each on a node of its own. */
import assert from "node:assert/strict"
import { Effect, Exit, Fiber, Schema, Scope } from "effect"
import { Rpc } from "effect/rpc"
import { Balancer, Client, Task, Worker } from "../actors/index.ts"
import { Actor, type ActorRef, ActorSystem } from "../core/index.ts"
import { elapse, law, type Member, notExecuted, type Placement, pending, type Stage, start, unknown } from "./Law.ts"

class Odd extends Schema.TaggedError<Odd>()("Odd", { n: Schema.Int }) {}

const gate = { payload: { gate: Schema.String }, success: Schema.String }
const Jobs = Task.group("jobs", [
  Rpc.make("Halve", { payload: { n: Schema.Int }, success: Schema.Finite, error: Odd }),
  Rpc.make("Hold", gate),
  Rpc.make("Insist", gate),
  Rpc.make("Break", {
    payload: { gate: Schema.String, how: Schema.Literals(["fail", "die", "throw", "interrupt", "nothing"]) },
    success: Schema.String,
    error: Odd
  })
])

/**
 * The journal's entries: `a+ worker-1` for the task that waits at gate `a`, `a-` when it has passed, `a!` when it was interrupted.
 * Insist cannot be interrupted. Break breaks when it has passed, and answers where it is to break by nothing.
 */
const jobs = ({ journal }: Stage) => {
  const pass = (gate: string) =>
    Effect.gen(function* () {
      const { name } = yield* Worker.Current
      yield* journal.note(`${gate}+ ${name}`)
      yield* journal.wait(gate)
      yield* journal.note(`${gate}-`)
      return name
    }).pipe(Effect.onInterrupt(() => journal.note(`${gate}!`)))
  return Task.handlers(Jobs, {
    Halve: ({ n }) => (n % 2 === 0 ? Effect.succeed(n / 2) : Effect.fail(new Odd({ n }))),
    Hold: ({ gate }) => pass(gate),
    Insist: ({ gate }) => Effect.uninterruptible(pass(gate)),
    Break: ({ gate, how }) => {
      if (how === "throw") throw new Error("thrown")
      return Effect.flatMap(pass(gate), (name) => {
        if (how === "fail") return Effect.fail(new Odd({ n: 1 }))
        if (how === "interrupt") return Effect.interrupt
        return how === "die" ? Effect.die(new Error("died")) : Effect.succeed(name)
      })
    }
  })
}

const placements: ReadonlyArray<Placement> = ["one node", "three nodes"]
const on = (member: Member) => Effect.provideService(ActorSystem.ActorSystem, member.system)
const anyActor = Actor.make("Any", [])
const Nonsense = Rpc.make("$Join", { payload: { pool: Schema.String, slot: Schema.String } })
const nonsense = {
  pool: "",
  get slot(): string {
    throw new Error("nonsense")
  }
}
/** A worker that can be made to offer its slots once more. */
const Shown = Actor.make("Shown", [Rpc.make("$Rejoin")])

/** What is expected of a balancer's status: loads by worker, and counters. */
type Expected = Partial<Omit<Balancer.Status, "workers">> & { readonly loads?: Readonly<Record<string, number>> }

/** Asserts what holds of every balancer at any time. */
const checked = (status: Balancer.Status): Balancer.Status => {
  const { accepted, queued, running, waiting, workers } = status
  const { cancelled, completed, crashed, expired, lost, refused, shed } = status
  const sum = queued + waiting + running + completed + crashed + cancelled + lost + expired + shed + refused
  assert.equal(accepted, sum, "what was accepted is in one state each")
  assert.equal(
    workers.reduce((sum, { load }) => sum + load, 0),
    running,
    "the loads add up to the running tasks"
  )
  for (const { capacity, load, name } of workers) {
    assert(load >= 0 && load <= capacity, `expected the load of ${name} to be within 0 and ${capacity}, got: ${load}`)
  }
  return status
}

/** What can happen without time does; then a little time passes. */
const settle = Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 50 }), elapse("10 millis"))

const statusOf = (ref: Balancer.Ref<any>) => Effect.map(Balancer.status(ref), checked)

/** Waits until a balancer knows this. */
const knows = (ref: Balancer.Ref<any>, expected: Expected) =>
  Effect.gen(function* () {
    for (let tries = 0; ; tries++) {
      const { workers, ...counters } = yield* statusOf(ref)
      const loads = Object.fromEntries(workers.map(({ load, name }) => [name, load]))
      const all: Record<string, unknown> = { loads, ...counters }
      const found = Object.fromEntries(Object.keys(expected).map((key) => [key, all[key]]))
      const isEqual = Object.keys(expected).every((key) => same(found[key], (expected as Record<string, unknown>)[key]))
      if (isEqual) return
      if (tries === 200) return assert.deepEqual(found, expected)
      yield* tries < 20 ? Effect.yieldNow : elapse("10 millis")
    }
  })

const same = (a: unknown, b: unknown): boolean =>
  a === b || (typeof a === "object" && JSON.stringify(sorted(a)) === JSON.stringify(sorted(b)))
const sorted = (value: unknown) => Object.entries(value as object).toSorted(([a], [b]) => (a < b ? -1 : 1))

interface Casting {
  readonly balancer?: Balancer.Options
  /** One for each worker. Default: two of capacity 1. */
  readonly workers?: ReadonlyArray<Worker.Options>
}

/** The balancer at the callee, the client at the asker, and each worker beside the balancer, or on a node of its own. */
const cast = (stage: Stage, { balancer: options = {}, workers: crew = [{}, {}] }: Casting = {}) =>
  Effect.gen(function* () {
    const { asker, callee, journal } = stage
    const module = jobs(stage)
    const balancer = yield* on(callee)(Balancer.make(Jobs, options))
    const hire = (name: string, options: Worker.Options = {}, scope?: Scope.Scope) =>
      Effect.gen(function* () {
        const member = stage.placement === "three nodes" ? yield* stage.join(`shop-${name}`) : callee
        const made = on(member)(Worker.make(module, { name, ...options }))
        const ref = yield* scope === undefined ? made : Scope.provide(made, scope)
        const slot = (index: number) => Effect.orDie(member.system.lookup(anyActor, `${name}/slot-${index}`))
        return { name, member, ref, slot }
      })
    const workers = yield* Effect.forEach(crew, (options, index) => hire(`worker-${index + 1}`, options))
    // A law that fails leaves its tasks behind, and they would hold up the end.
    yield* Effect.addFinalizer((exit) =>
      Exit.isSuccess(exit) ? Effect.void : Effect.forEach(workers, ({ ref }) => ref.kill, { discard: true })
    )
    const client = yield* on(asker)(Client.make(Jobs))
    yield* knows(balancer, { loads: Object.fromEntries(workers.map(({ name }) => [name, 0])) })
    /** Waits until a task has reached its worker. */
    const reached = (gate: string, worker?: string) =>
      Effect.gen(function* () {
        for (let tries = 0; tries < 200; tries++) {
          const entry = journal.of(`${gate}+ `).at(-1)
          if (entry !== undefined && (worker === undefined || entry === `${gate}+ ${worker}`)) return
          yield* tries < 50 ? Effect.yieldNow : elapse("10 millis")
        }
        assert.fail(`expected ${worker ?? "a worker"} to have task ${gate}, got: ${journal.entries.join(", ")}`)
      })
    /** Submits a task that waits at a gate; it has reached a worker when this succeeds, or the one that is named. */
    const held = (gate: string, worker?: string, options?: Task.SubmitOptions) =>
      Effect.tap(start(client.submit.Hold({ gate }, options)), () => reached(gate, worker))
    return {
      balancer,
      client,
      hire,
      held,
      reached,
      /** Submits a task that waits at a gate, and lets happen what does. */
      submitted: (gate: string, options?: Task.SubmitOptions) =>
        Effect.tap(start(client.submit.Hold({ gate }, options)), () => settle),
      knows: (expected: Expected) => knows(balancer, expected),
      workers: workers as [(typeof workers)[number], ...typeof workers],
      /** The tasks that have started, in order. */
      started: () => journal.entries.filter((entry) => entry.includes("+")).map((entry) => entry.split("+")[0]!)
    }
  })

const names = (count: number) => Array.from({ length: count }, (_, at) => `t${at + 1}`)

// ----- Which worker -----

const choice = [
  law(
    "S12",
    placements,
    "a task's worker answers the client that submitted it, directly, with its value or its typed error",
    (stage) =>
      Effect.gen(function* () {
        const { client, held, knows } = yield* cast(stage)
        const other = yield* on(stage.asker)(Client.make(Jobs))
        for (let n = 0; n < 40; n++) {
          const mine = client.submit.Halve({ n: 4 * n })
          const theirs = other.submit.Halve({ n: 4 * n + 2 })
          assert.deepEqual(yield* Effect.all([mine, theirs], { concurrency: 2 }), [2 * n, 2 * n + 1])
        }
        const error = yield* Effect.flip(client.submit.Halve({ n: 7 }))
        assert(error instanceof Odd && error.n === 7)
        stage.wire.sent.length = 0
        const a = yield* held("a", "worker-2")
        yield* stage.journal.open("a")
        assert.equal(yield* Fiber.join(a), "worker-2")
        if (stage.placement === "three nodes") {
          const answers = stage.wire.sent.filter(({ text, to }) => to === "away" && text.includes('"worker-2"'))
          assert.deepEqual(
            answers.map(({ from }) => from),
            ["shop-worker-2"]
          )
        }
        yield* knows({ completed: 82, accepted: 82, running: 0, stale: 0 })
      })
  ),

  law(
    "S12",
    placements,
    "a task goes to the worker with the fewest tasks, of several to the one used longest ago",
    (stage) =>
      Effect.gen(function* () {
        const { held, knows } = yield* cast(stage, { workers: [{ capacity: 3 }, { capacity: 3 }, { capacity: 3 }] })
        const { journal } = stage
        const end = (gate: string, fiber: Fiber.Fiber<unknown, unknown>) =>
          Effect.andThen(journal.open(gate), Fiber.join(fiber))
        const a = yield* held("a", "worker-1")
        const b = yield* held("b", "worker-2")
        const c = yield* held("c", "worker-3")
        yield* end("b", b)
        yield* knows({ loads: { "worker-1": 1, "worker-2": 0, "worker-3": 1 } })
        const d = yield* held("d", "worker-2")
        yield* end("c", c)
        yield* end("a", a)
        yield* knows({ loads: { "worker-1": 0, "worker-2": 1, "worker-3": 0 } })
        // 1 was used before 3, though 3 was free before 1.
        const e = yield* held("e", "worker-1")
        const f = yield* held("f", "worker-3")
        // 2 was used before both.
        const g = yield* held("g", "worker-2")
        yield* knows({ loads: { "worker-1": 1, "worker-2": 2, "worker-3": 1 } })
        const h = yield* held("h", "worker-1")
        yield* journal.open("d", "e", "f", "g", "h")
        yield* Fiber.joinAll([d, e, f, g, h])
        yield* knows({ loads: { "worker-1": 0, "worker-2": 0, "worker-3": 0 }, completed: 8 })
      })
  ),

  law("S12", placements, "a worker of twice the weight is given twice the tasks", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { held, knows } = yield* cast(stage, {
        workers: [{ capacity: 9 }, { capacity: 9, weight: 2 }, { capacity: 9, weight: 0.5 }]
      })
      const fibers = yield* Effect.forEach(names(14), (gate) => held(gate))
      yield* knows({ loads: { "worker-1": 4, "worker-2": 8, "worker-3": 2 } })
      yield* journal.open(...names(14))
      yield* Fiber.joinAll(fibers)
    })
  ),

  law("S12", placements, "a worker has no more tasks in hand than its capacity, and the others wait", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { knows, started, submitted } = yield* cast(stage, { workers: [{ capacity: 2 }, {}] })
      const fibers = yield* Effect.forEach(names(6), (gate) => submitted(gate))
      yield* knows({ loads: { "worker-1": 2, "worker-2": 1 }, running: 3, queued: 3, accepted: 6 })
      assert.deepEqual(started().toSorted(), ["t1", "t2", "t3"])
      for (const [open, next] of [
        ["t2", "t4"],
        ["t1", "t5"],
        ["t3", "t6"]
      ] as const) {
        yield* journal.open(open)
        yield* settle
        assert.equal(started().at(-1), next)
        yield* knows({ loads: { "worker-1": 2, "worker-2": 1 }, running: 3 })
      }
      yield* journal.open("t4", "t5", "t6")
      yield* Fiber.joinAll(fibers)
      yield* knows({ loads: { "worker-1": 0, "worker-2": 0 }, queued: 0, completed: 6 })
    })
  ),

  law("S12", placements, "a hundred clients share one balancer, and each gets its own answers", (stage) =>
    Effect.gen(function* () {
      const { balancer, knows } = yield* cast(stage, { workers: [{ capacity: 3 }, { capacity: 2 }] })
      const text = yield* Schema.encodeEffect(Balancer.schema(Jobs))(balancer)
      const handle = yield* on(stage.asker)(Schema.decodeEffect(Balancer.schema(Jobs))(text))
      const clients = yield* Effect.forEach(names(100), () => on(stage.asker)(Client.make(Jobs, { balancer: handle })))
      const answers = yield* Effect.forEach(
        clients,
        ({ submit }, at) => Effect.forEach([0, 1, 2], (n) => submit.Halve({ n: 2 * (3 * at + n) }), { concurrency: 3 }),
        { concurrency: "unbounded" }
      )
      assert.deepEqual(
        answers.flat(),
        Array.from({ length: 300 }, (_, n) => n)
      )
      yield* knows({ loads: { "worker-1": 0, "worker-2": 0 }, completed: 300, accepted: 300 })
    })
  )
]

// ----- Accepted or refused -----

const bounds = [
  law("S12", placements, "a full queue refuses the newest with Shed, and what it accepted is run", (stage) =>
    Effect.gen(function* () {
      const { client, held, knows, started, submitted } = yield* cast(stage, {
        balancer: { queue: { capacity: 2 } },
        workers: [{}]
      })
      const t1 = yield* held("t1")
      const fibers = yield* Effect.forEach(["t2", "t3"], (gate) => submitted(gate))
      const reason = yield* notExecuted(client.submit.Hold({ gate: "t4" }), "Shed")
      assert.deepEqual([reason.to, reason.tag, reason.policy], ["jobs-balancer", "Hold", "reject"])
      yield* notExecuted(client.submit.Hold({ gate: "t5" }, { priority: 9 }), "Shed")
      yield* knows({ queued: 2, running: 1, accepted: 3, rejected: 2, shed: 0 })
      yield* stage.journal.open(...names(5))
      yield* Fiber.joinAll([t1, ...fibers])
      assert.deepEqual(started(), ["t1", "t2", "t3"])
      yield* knows({ completed: 3, queued: 0 })
    })
  ),

  law(
    "S12",
    placements,
    "a queue that drops the oldest sheds the one of the lowest priority that came first",
    (stage) =>
      Effect.gen(function* () {
        const { held, knows, started, submitted } = yield* cast(stage, {
          balancer: { queue: { capacity: 2, overflow: "dropOldest" } },
          workers: [{}]
        })
        const t1 = yield* held("t1")
        const t2 = yield* submitted("t2", { priority: 1 })
        const t3 = yield* submitted("t3")
        const t4 = yield* submitted("t4", { key: "k" })
        assert.equal((yield* notExecuted(Fiber.join(t3), "Shed")).policy, "dropOldest")
        pending(t2)
        const t5 = yield* submitted("t5", { key: "k" })
        yield* notExecuted(Fiber.join(t4), "Shed")
        // The newest itself, where all others go before it.
        const t6 = yield* submitted("t6", { priority: -1 })
        yield* notExecuted(Fiber.join(t6), "Shed")
        yield* knows({ queued: 2, running: 1, accepted: 6, shed: 3, rejected: 0 })
        yield* stage.journal.open(...names(6))
        yield* Fiber.joinAll([t1, t2, t5])
        assert.deepEqual(started(), ["t1", "t2", "t5"])
      })
  ),

  law(
    "S12",
    placements,
    "a queue with backpressure lets the newest wait until there is room, in the order they came",
    (stage) =>
      Effect.gen(function* () {
        const { client, held, knows, started, submitted } = yield* cast(stage, {
          balancer: { queue: { capacity: 1, overflow: "backpressure" } },
          workers: [{}]
        })
        const { journal } = stage
        const t1 = yield* held("t1")
        const fibers = yield* Effect.forEach(["t2", "t3", "t4", "t5"], (gate) => submitted(gate))
        yield* knows({ queued: 1, waiting: 3, running: 1, rejected: 0 })
        // One outside may leave, or run out of time.
        yield* Fiber.interrupt(fibers[1]!)
        yield* knows({ queued: 1, waiting: 2, cancelled: 1 })
        const late = yield* start(client.submit.Hold({ gate: "late" }, { deadline: "100 millis" }))
        yield* settle
        yield* elapse("100 millis")
        yield* notExecuted(Fiber.join(late), "Expired")
        yield* knows({ queued: 1, waiting: 2, expired: 1 })
        yield* journal.open("t1")
        yield* Fiber.join(t1)
        yield* knows({ queued: 1, waiting: 1, running: 1 })
        yield* journal.open(...names(5))
        yield* Fiber.joinAll([fibers[0]!, fibers[2]!, fibers[3]!])
        assert.deepEqual(started(), ["t1", "t2", "t4", "t5"])
        yield* knows({ queued: 0, waiting: 0, completed: 4 })
      })
  ),

  law(
    "S12",
    placements,
    "what waits outside for room starts before what comes later, as soon as a worker is free for it",
    (stage) =>
      Effect.gen(function* () {
        const { held, knows, reached, submitted } = yield* cast(stage, {
          balancer: { queue: { capacity: 1, overflow: "backpressure" } }
        })
        const { journal } = stage
        const k1 = yield* held("k1", "worker-1", { key: "k" })
        const y = yield* held("y", "worker-2")
        // It fills the queue, and no worker may have it.
        const k2 = yield* submitted("k2", { key: "k" })
        const x1 = yield* submitted("x1", { key: "x" })
        const z = yield* submitted("z")
        yield* knows({ queued: 1, waiting: 2 })
        yield* journal.open("y")
        yield* Fiber.join(y)
        yield* reached("x1", "worker-2")
        const x2 = yield* submitted("x2", { key: "x" })
        yield* journal.open("x1")
        yield* Fiber.join(x1)
        yield* reached("z", "worker-2")
        yield* journal.open("z")
        yield* reached("x2", "worker-2")
        yield* journal.open("k1", "x2", "k2")
        yield* Fiber.joinAll([k1, k2, x2, z])
      })
  ),

  law("S12", placements, "a task does not overtake one of its key that waits outside for room", (stage) =>
    Effect.gen(function* () {
      const { held, knows, started, submitted } = yield* cast(stage, {
        balancer: { queue: { capacity: 1, overflow: "backpressure" } }
      })
      const { journal } = stage
      const k1 = yield* held("k1", "worker-1", { key: "k" })
      const y = yield* held("y", "worker-2")
      const k2 = yield* submitted("k2", { key: "k" })
      const k3 = yield* submitted("k3", { key: "k" })
      const x1 = yield* submitted("x1", { key: "x" })
      yield* journal.open("y")
      yield* Fiber.join(y)
      const x2 = yield* submitted("x2", { key: "x" })
      yield* journal.open("k1", "k2", "k3", "x1", "x2")
      yield* Fiber.joinAll([k1, k2, k3, x1, x2])
      yield* knows({ queued: 0, waiting: 0, running: 0, completed: 6 })
      journal.inOrder("k1-", "k2-", "k3-")
      journal.inOrder("x1-", "x2-")
      assert.equal(started().length, 6)
    })
  ),

  law(
    "S12",
    placements,
    "where there is no worker for longer than the balancer's patience, tasks end in NoRoute until one comes",
    (stage) =>
      Effect.gen(function* () {
        const { client, hire, knows, submitted } = yield* cast(stage, {
          balancer: { patience: "1 second" },
          workers: []
        })
        const early = yield* submitted("early")
        const keyed = yield* submitted("keyed", { key: "k" })
        const behind = yield* submitted("behind", { key: "k" })
        yield* elapse("800 millis")
        for (const fiber of [early, keyed, behind]) pending(fiber)
        yield* elapse("300 millis")
        for (const fiber of [early, keyed, behind]) yield* notExecuted(Fiber.join(fiber), "NoRoute")
        assert.match((yield* notExecuted(client.submit.Halve({ n: 2 }), "NoRoute")).detail, /no worker for 1000 ms/)
        yield* knows({ accepted: 3, refused: 3, rejected: 1, queued: 0 })
        yield* hire("worker-9")
        yield* knows({ loads: { "worker-9": 0 } })
        assert.equal(yield* client.submit.Halve({ n: 2 }, { key: "k" }), 1)
        assert.deepEqual(stage.journal.entries, [])
      })
  ),

  law("S12", placements, "a task that comes before the worker waits for it", (stage) =>
    Effect.gen(function* () {
      const { hire, knows, submitted } = yield* cast(stage, { workers: [] })
      const a = yield* submitted("a")
      yield* knows({ queued: 1, running: 0 })
      yield* elapse("4 seconds")
      yield* hire("worker-9")
      yield* stage.journal.open("a")
      yield* knows({ completed: 1 })
      assert.equal(yield* Fiber.join(a), "worker-9")
    })
  ),

  law(
    "S12",
    placements,
    "a balancer that stops ends what waits in Stopping and what runs in Unknown, and then is not there",
    (stage) =>
      Effect.gen(function* () {
        const { balancer, client, held, submitted } = yield* cast(stage, { workers: [{}] })
        const { journal } = stage
        const running = yield* held("running")
        const waiting = yield* submitted("waiting")
        yield* balancer.stop()
        yield* notExecuted(Fiber.join(waiting), "Stopping")
        assert.equal((yield* unknown(Fiber.join(running), "Interrupted")).to, "jobs-balancer")
        const late = yield* start(client.submit.Hold({ gate: "late" }))
        yield* Effect.repeat(elapse("1 second"), { times: 10 })
        yield* notExecuted(Fiber.join(late), "NoSuchActor")
        yield* journal.open("running", "waiting", "late")
        yield* settle
        assert.deepEqual(journal.entries, ["running+ worker-1", "running-"])
      })
  )
]

// ----- The end of a task -----

const breaks = ["fail", "die", "throw", "interrupt", "nothing"] as const

const ends = [
  law(
    "S12",
    placements,
    "a task's load is released once, and its slot takes the next, however its handler ends",
    (stage) =>
      Effect.gen(function* () {
        const { client, knows } = yield* cast(stage, { workers: [{}] })
        const { journal } = stage
        for (const [at, how] of breaks.entries()) {
          yield* journal.open(how)
          const exit = yield* Effect.exit(client.submit.Break({ gate: how, how }))
          const text = String(Exit.isSuccess(exit) ? exit.value : exit.cause)
          const expected = { fail: /Odd/, die: /died/, throw: /thrown/, interrupt: /interrupted/, nothing: /worker-1/ }
          assert.match(text, expected[how])
          if (how === "die" || how === "throw") yield* unknown(exit, "CalleeCrashed")
          yield* knows({ loads: { "worker-1": 0 }, running: 0, accepted: 2 * at + 1, stale: 0 })
          assert.equal(yield* client.submit.Halve({ n: 4 }), 2)
        }
        yield* knows({ completed: 7, crashed: 3, loads: { "worker-1": 0 } })
      })
  ),

  law("S12", placements, "a defect takes down its slot only: the worker's other tasks go on", (stage) =>
    Effect.gen(function* () {
      const { client, held, knows } = yield* cast(stage, { workers: [{ capacity: 3 }] })
      const { journal } = stage
      const a = yield* held("a")
      const b = yield* held("b")
      yield* journal.open("x")
      for (let crash = 0; crash < 20; crash++) {
        yield* unknown(client.submit.Break({ gate: "x", how: "die" }), "CalleeCrashed")
      }
      yield* knows({ loads: { "worker-1": 2 }, crashed: 20 })
      yield* journal.open("a", "b")
      assert.deepEqual(yield* Fiber.joinAll([a, b]), ["worker-1", "worker-1"])
    })
  ),

  law("S12", placements, "interrupting a submit takes a queued task out, and interrupts a running one", (stage) =>
    Effect.gen(function* () {
      const { client, held, knows, started, submitted, workers } = yield* cast(stage, { workers: [{}] })
      const { journal } = stage
      const a = yield* held("a")
      const b = yield* submitted("b")
      const c = yield* submitted("c")
      yield* Fiber.interrupt(b)
      yield* knows({ queued: 1, running: 1, cancelled: 1 })
      yield* Fiber.interrupt(a)
      yield* journal.seen("a!")
      yield* journal.seen("c+ worker-1")
      yield* knows({ queued: 0, running: 1, cancelled: 2, stale: 0 })
      yield* journal.open("c")
      yield* Fiber.join(c)
      // It cannot be interrupted: the slot is free when it is, and nobody hears of its answer.
      const stubborn = yield* start(client.submit.Insist({ gate: "d" }))
      yield* journal.seen("d+ worker-1")
      yield* Fiber.interrupt(stubborn)
      yield* settle
      yield* knows({ loads: { "worker-1": 1 }, running: 1 })
      yield* journal.open("d")
      yield* knows({ loads: { "worker-1": 0 }, running: 0, cancelled: 3, completed: 1 })
      assert.deepEqual(started(), ["a", "c", "d"])
      // None of it is a crash.
      const tree = yield* workers[0].member.system.tree
      const worker = tree.find(({ path }) => path === "worker-1")!
      assert.deepEqual(
        worker.children.map(({ incarnation }) => incarnation),
        [1]
      )
    })
  ),

  law(
    "S12",
    placements,
    "a submit has no deadline unless it is given one",
    (stage) =>
      Effect.gen(function* () {
        const { held, knows, submitted } = yield* cast(stage, { workers: [{}] })
        const a = yield* held("a")
        const b = yield* submitted("b")
        for (let minute = 0; minute < 60; minute++) yield* elapse("1 minute")
        pending(a)
        pending(b)
        yield* knows({ queued: 1, running: 1 })
        yield* stage.journal.open("a", "b")
        yield* Fiber.joinAll([a, b])
      }),
    { slow: true }
  ),

  law(
    "S12",
    placements,
    "a task whose deadline passes in the queue is NotExecuted(Expired) and does not start",
    (stage) =>
      Effect.gen(function* () {
        const { client, held, knows, started } = yield* cast(stage, { workers: [{}] })
        const { journal } = stage
        const a = yield* held("a")
        const tasks = yield* Effect.forEach(["b", "c", "d"], (gate) =>
          start(client.submit.Hold({ gate }, { deadline: "1 second", key: "k" }))
        )
        const e = yield* start(client.submit.Hold({ gate: "e" }, { key: "k" }))
        yield* settle
        yield* elapse("900 millis")
        for (const task of tasks) pending(task)
        yield* elapse("100 millis")
        for (const task of tasks) yield* notExecuted(Fiber.join(task), "Expired")
        yield* knows({ queued: 1, running: 1, expired: 3 })
        yield* journal.open("a", "b", "c", "d", "e")
        yield* Fiber.joinAll([a, e])
        assert.deepEqual(started(), ["a", "e"])
      })
  ),

  law(
    "S12",
    placements,
    "a task whose deadline passes while it runs is Unknown(Timeout), is interrupted, and frees its slot",
    (stage) =>
      Effect.gen(function* () {
        const { client, held, knows, submitted } = yield* cast(stage, { workers: [{}] })
        const { journal } = stage
        const a = yield* held("a", "worker-1", { deadline: "1 second" })
        const b = yield* submitted("b")
        yield* elapse("950 millis")
        pending(a)
        yield* elapse("100 millis")
        assert.equal((yield* unknown(Fiber.join(a), "Timeout")).tag, "Hold")
        yield* journal.seen("a!")
        yield* journal.seen("b+ worker-1")
        yield* knows({ loads: { "worker-1": 1 }, cancelled: 1, running: 1 })
        yield* journal.open("b")
        yield* Fiber.join(b)
        // Also where it was idempotent: its time is over.
        const c = yield* held("c", "worker-1", { deadline: "1 second", idempotent: true })
        yield* elapse("1100 millis")
        yield* unknown(Fiber.join(c), "Timeout")
        yield* journal.seen("c!")
        yield* knows({ loads: { "worker-1": 0 }, cancelled: 2, redispatched: 0 })
        assert.equal(yield* client.submit.Halve({ n: 2 }), 1)
      })
  ),

  law("S12", placements, "a slot that offers itself again changes nothing, whether it is at work or not", (stage) =>
    Effect.gen(function* () {
      const { client, held, knows, submitted, workers } = yield* cast(stage, { workers: [{}] })
      const { journal } = stage
      const [{ member, name }] = workers
      const worker = yield* Effect.orDie(member.system.lookup(Shown, name))
      const offers = Effect.andThen(Effect.repeat(worker.ask.$Rejoin(), { times: 5 }), settle)
      const a = yield* held("a")
      const b = yield* submitted("b")
      yield* offers
      yield* knows({ loads: { "worker-1": 1 }, running: 1, queued: 1 })
      yield* journal.open("a")
      yield* Fiber.join(a)
      yield* journal.open("b")
      yield* Fiber.join(b)
      yield* offers
      const c = yield* held("c")
      const d = yield* submitted("d")
      yield* knows({ loads: { "worker-1": 1 }, running: 1, queued: 1, completed: 2 })
      yield* journal.open("c", "d")
      yield* Fiber.joinAll([c, d])
      yield* knows({ loads: { "worker-1": 0 }, running: 0, stale: 0, completed: 4 })
      assert.equal(yield* client.submit.Halve({ n: 2 }), 1)
    })
  )
]

// ----- A worker that is lost -----

const losses = [
  law(
    "S12",
    placements,
    "a worker that is killed ends its tasks in Unknown at once, and its idempotent ones run elsewhere",
    (stage) =>
      Effect.gen(function* () {
        const { held, knows, reached, workers } = yield* cast(stage, { workers: [{ capacity: 2 }, { capacity: 2 }] })
        const { journal } = stage
        const a = yield* held("a", "worker-1")
        const b = yield* held("b", "worker-2")
        const c = yield* held("c", "worker-1", { idempotent: true })
        yield* workers[0].ref.kill
        assert.match((yield* unknown(Fiber.join(a), "Interrupted")).to, /^worker-1/)
        yield* reached("c", "worker-2")
        yield* knows({ loads: { "worker-2": 2 }, lost: 1, redispatched: 1, running: 2 })
        yield* journal.open("b", "c")
        assert.deepEqual(yield* Fiber.joinAll([b, c]), ["worker-2", "worker-2"])
        yield* knows({ loads: { "worker-2": 0 }, completed: 2, accepted: 3 })
      })
  ),

  law(
    "S12",
    "three nodes",
    "a worker whose node leaves ends its tasks in Unknown at once, and its idempotent ones run elsewhere",
    (stage) =>
      Effect.gen(function* () {
        const { held, knows, reached, workers } = yield* cast(stage, {
          workers: [{ capacity: 2, stopDeadline: 0 }, {}]
        })
        const a = yield* held("a", "worker-1")
        const b = yield* held("b", "worker-2", { idempotent: true })
        const c = yield* held("c", "worker-1", { idempotent: true })
        const leaving = yield* start(workers[0].member.leave)
        yield* settle
        yield* Fiber.join(leaving)
        yield* unknown(Fiber.join(a), "Interrupted")
        yield* stage.journal.open("b")
        assert.equal(yield* Fiber.join(b), "worker-2")
        yield* reached("c", "worker-2")
        yield* stage.journal.open("c")
        assert.equal(yield* Fiber.join(c), "worker-2")
        yield* knows({ loads: { "worker-2": 0 }, lost: 1, redispatched: 1, completed: 2 })
      })
  ),

  law("S12", placements, "a slot that is killed loses its own task only, and the worker's others go on", (stage) =>
    Effect.gen(function* () {
      const { client, held, knows, workers } = yield* cast(stage, { workers: [{ capacity: 2 }] })
      const { journal } = stage
      const a = yield* held("a")
      const b = yield* held("b")
      yield* (yield* workers[0].slot(2)).kill
      yield* settle
      const ended = a.pollUnsafe() === undefined ? b : a
      const [gate, lives] = ended === a ? ["b", b] : ["a", a]
      yield* unknown(Fiber.join(ended), "Interrupted")
      pending(lives)
      yield* knows({ loads: { "worker-1": 1 }, lost: 1 })
      yield* journal.open(gate!)
      yield* Fiber.join(lives)
      yield* elapse("1 second")
      assert.equal(yield* client.submit.Halve({ n: 2 }), 1)
    })
  ),

  law(
    "S12",
    placements,
    "an idempotent task is started at most as often as the balancer's attempts say, and then is Unknown",
    (stage) =>
      Effect.gen(function* () {
        const crew = [{}, {}, {}, {}]
        const { held, knows, reached, workers } = yield* cast(stage, { balancer: { attempts: 3 }, workers: crew })
        const a = yield* held("a", "worker-1", { idempotent: true })
        yield* workers[0].ref.kill
        yield* reached("a", "worker-2")
        yield* workers[1]!.ref.kill
        yield* reached("a", "worker-3")
        pending(a)
        yield* workers[2]!.ref.kill
        yield* unknown(Fiber.join(a), "Interrupted")
        yield* settle
        yield* knows({ loads: { "worker-4": 0 }, lost: 1, redispatched: 2, accepted: 1 })
        assert.equal(stage.journal.of("a+").length, 3)
      })
  ),

  law(
    "S12",
    placements,
    "an idempotent task whose handler crashes runs again, and its last crash is its client's",
    (stage) =>
      Effect.gen(function* () {
        const { client, knows } = yield* cast(stage, { workers: [{}, {}] })
        const { journal } = stage
        yield* journal.open("x")
        const { cause } = yield* unknown(
          client.submit.Break({ gate: "x", how: "die" }, { idempotent: true }),
          "CalleeCrashed"
        )
        assert.equal((cause as Error).message, "died")
        assert.equal(journal.of("x+").length, 3)
        yield* knows({ loads: { "worker-1": 0, "worker-2": 0 }, redispatched: 2, crashed: 1, accepted: 1 })
        // One that is not runs once.
        yield* unknown(client.submit.Break({ gate: "x", how: "die" }), "CalleeCrashed")
        assert.equal(journal.of("x+").length, 4)
      })
  ),

  law("S12", placements, "a task that may have run is never NotExecuted, though nobody can run it again", (stage) =>
    Effect.gen(function* () {
      const { client, held, knows, workers } = yield* cast(stage, { balancer: { patience: "1 second" }, workers: [{}] })
      const a = yield* held("a", "worker-1", { idempotent: true })
      const b = yield* start(client.submit.Hold({ gate: "b" }))
      yield* settle
      yield* workers[0].ref.kill
      yield* knows({ queued: 2, running: 0, redispatched: 1 })
      pending(a)
      yield* elapse("1200 millis")
      yield* unknown(Fiber.join(a), "Interrupted")
      yield* notExecuted(Fiber.join(b), "NoRoute")
      yield* knows({ queued: 0, refused: 2 })
    })
  ),

  law("S12", placements, "a task that may have run and waits for another worker is Unknown at its deadline", (stage) =>
    Effect.gen(function* () {
      const { held, knows, workers } = yield* cast(stage, { workers: [{}] })
      const a = yield* held("a", "worker-1", { idempotent: true, deadline: "1 second" })
      yield* workers[0].ref.kill
      yield* knows({ queued: 1 })
      yield* elapse("1200 millis")
      const exit = yield* Fiber.await(a)
      assert.match(String(exit), /Unknown/)
      yield* knows({ queued: 0, expired: 1 })
    })
  ),

  law("S12", placements, "a worker that is stopped lets its tasks end, and is given no other", (stage) =>
    Effect.gen(function* () {
      const { client, held, knows, submitted, workers } = yield* cast(stage, { balancer: { lease: "1 second" } })
      const { journal } = stage
      const a = yield* held("a", "worker-1")
      const b = yield* held("b", "worker-2")
      const c = yield* submitted("c")
      const stop = yield* start(workers[0].ref.stop({ deadline: "1 minute" }))
      // It takes longer than the balancer leaves a worker alone.
      yield* Effect.repeat(elapse("1 second"), { times: 20 })
      for (const task of [a, b, c]) pending(task)
      yield* journal.open("a")
      assert.equal(yield* Fiber.join(a), "worker-1")
      yield* Fiber.join(stop)
      yield* settle
      pending(c)
      yield* knows({ loads: { "worker-2": 1 }, queued: 1, lost: 0, completed: 1 })
      yield* journal.open("b", "c")
      assert.deepEqual(yield* Fiber.joinAll([b, c]), ["worker-2", "worker-2"])
      assert.equal(yield* client.submit.Halve({ n: 2 }), 1)
    })
  ),

  law(
    "S12",
    "three nodes",
    "a worker that does not answer for its task within its lease is not waited for, and is used again when it does",
    (stage) =>
      Effect.gen(function* () {
        const { held, knows, reached, submitted } = yield* cast(stage, {
          balancer: { lease: "1 second" },
          workers: [{ capacity: 2 }, { capacity: 1 }]
        })
        const { journal, wire } = stage
        const a = yield* held("a", "worker-1")
        const x = yield* held("x", "worker-2")
        const b = yield* held("b", "worker-1", { idempotent: true })
        // A worker that answers is waited for.
        yield* Effect.repeat(elapse("1 second"), { times: 20 })
        for (const task of [a, b, x]) pending(task)
        yield* journal.open("x")
        yield* Fiber.join(x)
        wire.onSend = ({ to }) => (to === "shop-worker-1" ? journal.wait("carrier") : "carry")
        yield* Effect.repeat(elapse("500 millis"), { times: 20 })
        yield* unknown(Fiber.join(a), "NodeLost")
        yield* reached("b", "worker-2")
        yield* knows({ loads: { "worker-1": 0, "worker-2": 1 }, lost: 1, redispatched: 1 })
        // It is not trusted with another.
        const c = yield* submitted("c")
        yield* knows({ queued: 1, running: 1 })
        wire.onSend = () => "carry"
        yield* journal.open("carrier")
        yield* settle
        const before = (yield* stage.ledger).lateReplies
        yield* journal.open("a")
        yield* reached("c", "worker-1")
        yield* knows({ loads: { "worker-1": 1, "worker-2": 1 }, queued: 0, stale: 1 })
        yield* journal.open("b", "c")
        assert.deepEqual(yield* Fiber.joinAll([b, c]), ["worker-2", "worker-1"])
        yield* settle
        yield* knows({ loads: { "worker-1": 0, "worker-2": 0 }, completed: 3, stale: 2 })
        // Those of its "a" and its "b".
        assert.equal((yield* stage.ledger).lateReplies - before, 2)
      }),
    { counts: true }
  ),

  law(
    "S12",
    "three nodes",
    "the silence of a worker about an earlier task is not held against a later one",
    (stage) =>
      Effect.gen(function* () {
        const { held, knows, reached, submitted } = yield* cast(stage, {
          balancer: { lease: "1 second" },
          workers: [{}]
        })
        const { journal, wire } = stage
        const a = yield* held("a")
        yield* elapse("1500 millis")
        wire.onSend = ({ to }) => (to === "shop-worker-1" ? journal.wait("carrier") : "carry")
        // It is asked about "a", and the question does not arrive.
        yield* elapse("1500 millis")
        yield* journal.open("a")
        assert.equal(yield* Fiber.join(a), "worker-1")
        const b = yield* submitted("b")
        yield* knows({ loads: { "worker-1": 1 }, completed: 1 })
        yield* Effect.repeat(elapse("1 second"), { times: 4 })
        pending(b)
        wire.onSend = () => "carry"
        yield* journal.open("carrier")
        yield* reached("b")
        yield* Effect.repeat(elapse("1 second"), { times: 10 })
        yield* journal.open("b")
        assert.equal(yield* Fiber.join(b), "worker-1")
        yield* knows({ loads: { "worker-1": 0 }, completed: 2, lost: 0, stale: 0 })
      }),
    { slow: true }
  ),

  law(
    "S12",
    "three nodes",
    "the result of a superseded attempt is discarded and counted, whichever attempt ends first",
    (stage) =>
      Effect.gen(function* () {
        const { client, knows, reached } = yield* cast(stage, { balancer: { lease: "1 second" } })
        const { journal, wire } = stage
        const a = yield* start(client.submit.Hold({ gate: "a" }, { idempotent: true }))
        yield* reached("a", "worker-1")
        wire.onSend = ({ to }) => (to === "shop-worker-1" ? journal.wait("carrier") : "carry")
        yield* Effect.repeat(elapse("500 millis"), { times: 20 })
        yield* reached("a", "worker-2")
        wire.onSend = () => "carry"
        yield* journal.open("carrier")
        yield* settle
        pending(a)
        const { lateReplies } = yield* stage.ledger
        // Both attempts pass the gate; only the second is heard.
        yield* journal.open("a")
        assert.equal(yield* Fiber.join(a), "worker-2")
        yield* knows({ loads: { "worker-1": 0, "worker-2": 0 }, stale: 1, completed: 1, accepted: 1 })
        yield* settle
        assert.equal((yield* stage.ledger).lateReplies - lateReplies, 1)
      }),
    { counts: true }
  ),

  law(
    "S12",
    "three nodes",
    "a task whose answer is lost on its way ends in Unknown for its client, and its load is released",
    (stage) =>
      Effect.gen(function* () {
        const { held, knows } = yield* cast(stage, { workers: [{}] })
        const { journal, wire } = stage
        const a = yield* held("a")
        wire.onSend = ({ from, kind, to }) => {
          if (from !== "shop-worker-1" || to !== "away" || kind !== "data") return "carry"
          wire.onSend = () => "carry"
          return "lose"
        }
        yield* journal.open("a")
        yield* knows({ loads: { "worker-1": 0 }, completed: 1 })
        pending(a)
        yield* Effect.repeat(elapse("5 seconds"), { times: 20 })
        yield* unknown(Fiber.join(a), "ConnectionLost")
      }),
    { slow: true }
  )
]

// ----- Keys and priorities -----

const order = [
  law(
    "S12",
    placements,
    "tasks of one key run one at a time in the order they were submitted, and others beside them",
    (stage) =>
      Effect.gen(function* () {
        const { held, knows, started, submitted } = yield* cast(stage, { workers: [{ capacity: 2 }, { capacity: 2 }] })
        const { journal } = stage
        const first = yield* held("k1", undefined, { key: "k" })
        const rest = yield* Effect.forEach(["k2", "k3", "k4"], (gate) => submitted(gate, { key: "k" }))
        const other = yield* held("o1", undefined, { key: "o" })
        const free = yield* held("f1")
        yield* knows({ running: 3, queued: 3 })
        for (const [open, next] of [
          ["k1", "k2"],
          ["k2", "k3"],
          ["k3", "k4"]
        ] as const) {
          assert.deepEqual(journal.of(`${next}+`), [])
          yield* journal.open(open)
          yield* settle
          assert.equal(started().at(-1), next)
        }
        yield* journal.open("k4", "o1", "f1")
        yield* Fiber.joinAll([first, ...rest, other, free])
        // The key is forgotten with its last task.
        const again = yield* held("k5", undefined, { key: "k" })
        yield* journal.open("k5")
        yield* Fiber.join(again)
        yield* knows({ queued: 0, running: 0, completed: 7 })
      })
  ),

  law(
    "S12",
    placements,
    "a key is passed on when its task is cancelled, expires, crashes, or its worker is lost",
    (stage) =>
      Effect.gen(function* () {
        const { client, held, reached, submitted, workers } = yield* cast(stage, { workers: [{}, {}, {}] })
        const { journal } = stage
        const key = { key: "k" }
        const k1 = yield* held("k1", "worker-1", key)
        const k2 = yield* submitted("k2", key)
        const k3 = yield* submitted("k3", key)
        // A follower that leaves takes nothing with it.
        yield* Fiber.interrupt(k2)
        yield* Fiber.interrupt(k1)
        yield* journal.seen("k1!")
        yield* reached("k3")
        const k4 = yield* start(client.submit.Break({ gate: "k4", how: "die" }, key))
        const k5 = yield* start(client.submit.Hold({ gate: "k5" }, { ...key, deadline: "1 second" }))
        const k6 = yield* submitted("k6", key)
        const k7 = yield* submitted("k7", key)
        yield* journal.open("k3")
        yield* Fiber.join(k3)
        yield* reached("k4")
        yield* journal.open("k4")
        yield* unknown(Fiber.join(k4), "CalleeCrashed")
        yield* reached("k5")
        yield* elapse("1 second")
        yield* unknown(Fiber.join(k5), "Timeout")
        yield* reached("k6")
        const holder = journal.of("k6+")[0]!.split(" ")[1]
        yield* workers.find(({ name }) => name === holder)!.ref.kill
        yield* unknown(Fiber.join(k6), "Interrupted")
        yield* reached("k7")
        yield* journal.open("k7")
        yield* Fiber.join(k7)
        assert.deepEqual(journal.of("k2+"), [])
      })
  ),

  law("S12", placements, "a key stays with its task while that waits to run again", (stage) =>
    Effect.gen(function* () {
      const { held, reached, started, submitted, workers } = yield* cast(stage, { workers: [{}, {}] })
      const { journal } = stage
      const key = { key: "k", idempotent: true }
      const k1 = yield* held("k1", "worker-1", key)
      const k2 = yield* submitted("k2", { ...key, priority: 5 })
      const o = yield* held("o", "worker-2")
      yield* workers[0].ref.kill
      yield* settle
      assert.deepEqual(started(), ["k1", "o"])
      yield* journal.open("o")
      yield* Fiber.join(o)
      yield* reached("k1", "worker-2")
      yield* settle
      assert.deepEqual(started(), ["k1", "o", "k1"])
      yield* journal.open("k1", "k2")
      yield* Fiber.joinAll([k1, k2])
      journal.inOrder("k1-", "k2+ worker-2")
    })
  ),

  law("S12", placements, "a task that is to run again keeps its place in line", (stage) =>
    Effect.gen(function* () {
      const { held, started, submitted, workers } = yield* cast(stage)
      const { journal } = stage
      const a = yield* held("a", "worker-1", { idempotent: true })
      const b = yield* held("b", "worker-2")
      const c = yield* submitted("c")
      yield* workers[0].ref.kill
      yield* settle
      yield* journal.open("a", "b", "c")
      yield* Fiber.joinAll([a, b, c])
      assert.deepEqual(started(), ["a", "b", "a", "c"])
    })
  ),

  law(
    "S12",
    placements,
    "of what waits, the highest priority starts first, and among equals what came first",
    (stage) =>
      Effect.gen(function* () {
        const { held, started, submitted } = yield* cast(stage, { workers: [{}] })
        const { journal } = stage
        const priorities = [0, -1, 5, 0, 5, 2.5, -1]
        const first = yield* held("first")
        const rest = yield* Effect.forEach(priorities, (priority, at) => submitted(`t${at}`, { priority }))
        const plain = yield* submitted("plain")
        yield* journal.open("first", "plain", ...priorities.map((_, at) => `t${at}`))
        yield* Fiber.joinAll([first, ...rest, plain])
        assert.deepEqual(started(), ["first", "t2", "t4", "t5", "t0", "t3", "plain", "t1", "t6"])
      })
  ),

  law("S12", placements, "a key's order goes before priority", (stage) =>
    Effect.gen(function* () {
      const { held, started, submitted } = yield* cast(stage, { workers: [{}] })
      const { journal } = stage
      const first = yield* held("first")
      const k1 = yield* submitted("k1", { key: "k" })
      const k2 = yield* submitted("k2", { key: "k", priority: 9 })
      const t = yield* submitted("t", { priority: 1 })
      yield* journal.open("first", "k1", "k2", "t")
      yield* Fiber.joinAll([first, k1, k2, t])
      assert.deepEqual(started(), ["first", "t", "k1", "k2"])
    })
  )
]

// ----- Who comes and goes -----

const comings = [
  law(
    "S12",
    "three nodes",
    "a client whose node is lost leaves no task behind: what waits is dropped, what runs is interrupted",
    (stage) =>
      Effect.gen(function* () {
        const { client, knows, reached, started } = yield* cast(stage, { workers: [{}] })
        const { journal } = stage
        const far = yield* stage.join("far")
        const guest = yield* on(far)(Client.make(Jobs))
        const fibers = yield* Effect.forEach(["a", "b"], (gate) => start(guest.submit.Hold({ gate })))
        yield* reached("a")
        const mine = yield* start(client.submit.Hold({ gate: "c" }))
        yield* settle
        yield* far.leave
        yield* Effect.forEach(fibers, Fiber.await)
        yield* journal.open("c")
        yield* settle
        yield* journal.seen("a!")
        assert.equal(yield* Fiber.join(mine), "worker-1")
        assert.deepEqual(started(), ["a", "c"])
        yield* knows({ loads: { "worker-1": 0 }, cancelled: 2, completed: 1 })
      })
  ),

  law("S12", placements, "a worker that was there before the balancer joins when there is one", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      yield* on(stage.callee)(Worker.make(jobs(stage), { name: "early" }))
      yield* elapse("5 seconds")
      const client = yield* start(on(stage.asker)(Client.make(Jobs, { wait: "10 seconds" })))
      yield* elapse("5 seconds")
      const balancer = yield* on(stage.callee)(Balancer.make(Jobs))
      yield* elapse("3 seconds")
      yield* knows(balancer, { loads: { early: 0 } })
      yield* journal.open("a")
      assert.equal(yield* (yield* Fiber.join(client)).submit.Hold({ gate: "a" }), "early")
    })
  ),

  law("S12", placements, "workers and clients find the balancer that takes the place of one that has ended", (stage) =>
    Effect.gen(function* () {
      const { balancer, client, held, knows: old, workers } = yield* cast(stage)
      const { journal } = stage
      const a = yield* held("a", "worker-1")
      yield* old({ running: 1 })
      yield* balancer.kill
      yield* unknown(Fiber.join(a), "Interrupted")
      // It looks for the next one.
      const early = yield* start(client.submit.Hold({ gate: "early" }))
      yield* elapse("1 second")
      const next = yield* on(stage.callee)(Balancer.make(Jobs, { patience: "1 minute" }))
      yield* elapse("3 seconds")
      yield* journal.seen("early+ worker-2")
      assert.equal(journal.count("a!"), 0)
      // A worker that still runs a task of the old one is given no other before that has ended.
      const b = yield* start(client.submit.Hold({ gate: "b" }, { key: "k" }))
      const c = yield* start(client.submit.Hold({ gate: "c" }, { key: "k" }))
      yield* settle
      yield* elapse("3 seconds")
      assert.deepEqual(journal.of("b+"), [])
      yield* journal.open("a")
      yield* settle
      yield* elapse("3 seconds")
      yield* journal.seen("b+ worker-1")
      yield* knows(next, { loads: { "worker-1": 1, "worker-2": 1 }, queued: 1, running: 2, completed: 0 })
      yield* journal.open("b", "c", "early")
      assert.deepEqual(yield* Fiber.joinAll([early, b, c]), ["worker-2", "worker-1", "worker-1"])
      yield* knows(next, { loads: { "worker-1": 0, "worker-2": 0 }, completed: 3, accepted: 3 })
      assert.equal(workers.length, 2)
    })
  ),

  law(
    "S12",
    placements,
    "a balancer that restarts ends its tasks, and its workers join it again when they are free",
    (stage) =>
      Effect.gen(function* () {
        const { balancer, client, held, knows, submitted } = yield* cast(stage, { balancer: { patience: "1 minute" } })
        const { journal } = stage
        const a = yield* held("a", "worker-1")
        const b = yield* held("b", "worker-2")
        const c = yield* submitted("c")
        // An offer that no slot makes: by reference nobody checks it.
        yield* (balancer as unknown as ActorRef.ActorRef<typeof Nonsense>).tell.$Join(nonsense)
        yield* elapse("1 second")
        for (const task of [a, b]) yield* unknown(Fiber.join(task), "Interrupted")
        yield* notExecuted(Fiber.join(c), "Stopping")
        const d = yield* submitted("d", { key: "k" })
        const e = yield* submitted("e", { key: "k" })
        // Both are at work on tasks of the time before.
        assert.deepEqual(journal.of("d+"), [])
        yield* journal.open("b")
        yield* elapse("3 seconds")
        yield* journal.seen("d+ worker-2")
        yield* knows({ running: 1, queued: 1 })
        yield* journal.open("a")
        yield* elapse("3 seconds")
        yield* knows({ loads: { "worker-1": 0, "worker-2": 1 }, running: 1, queued: 1, completed: 0 })
        yield* journal.open("d", "e")
        yield* Fiber.joinAll([d, e])
        yield* knows({ loads: { "worker-1": 0, "worker-2": 0 }, completed: 2, accepted: 2 })
        assert.equal(yield* client.submit.Halve({ n: 2 }), 1)
      }),
    { local: ["by-reference"] }
  ),

  law("S12", placements, "a worker whose handlers can not be acquired does not start, and joins nobody", (stage) =>
    Effect.gen(function* () {
      const { client, held, knows } = yield* cast(stage, { workers: [{}] })
      const broken = Task.handlers(Jobs, Effect.as(Effect.fail("no disk"), {} as never))
      const error = yield* Effect.flip(on(stage.callee)(Worker.make(broken, { name: "broken" })))
      assert.equal(error.reason, "InitFailed")
      assert.match(error.message, /no disk/)
      const taken = yield* Effect.flip(
        Effect.andThen(
          on(stage.callee)(Worker.make(jobs(stage), { name: "taken" })),
          on(stage.callee)(Worker.make(jobs(stage), { name: "taken" }))
        )
      )
      assert.equal(taken.reason, "NameTaken")
      yield* knows({ loads: { "worker-1": 0, taken: 0 } })
      const a = yield* held("a", "worker-1")
      yield* stage.journal.open("a")
      yield* Fiber.join(a)
      assert.equal(yield* client.submit.Halve({ n: 2 }), 1)
    })
  ),

  law(
    "S12",
    "three nodes",
    "a task whose payload its worker cannot read is NotExecuted(DecodeError), and no crash",
    (stage) =>
      Effect.gen(function* () {
        const { knows, started } = yield* cast(stage, { workers: [{}] })
        const Other = Task.group("jobs", [Rpc.make("Hold", { payload: { gate: Schema.Int }, success: Schema.String })])
        const newer = yield* on(stage.asker)(Client.make(Other))
        assert.match((yield* notExecuted(newer.submit.Hold({ gate: 7 }), "DecodeError")).issue, /gate/)
        yield* notExecuted(newer.submit.Hold({ gate: "x" as never }), "EncodeError")
        yield* knows({ loads: { "worker-1": 0 }, running: 0, crashed: 0 })
        assert.deepEqual(started(), [])
        const Unheard = Task.group("jobs", [Rpc.make("Unheard")])
        yield* notExecuted(on(stage.asker)(Client.make(Unheard)), "UnsupportedMessage")
      })
  )
]

export const dispatchLaws = [choice, bounds, ends, losses, order, comings].flat(2)
