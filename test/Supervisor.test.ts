/**
 * What OTP's manual says of supervisors, as far as it goes for actors that have no processes: restart order, restart types,
 * intensity, automatic shutdown, and the order of a shutdown. Each test says in our words what it is about. Where Troupe
 * differs on purpose, the test says so.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { Actor, ActorError, type ActorRef, ActorSystem, Supervisor } from "troupe"
import { Pool, Task } from "troupe/actors"
import { Contract } from "troupe/testing"
import { Memory } from "troupe/transports/Memory"

const Child = Actor.make("Child", [Rpc.make("Crash"), Rpc.make("ExitNormally"), Rpc.make("Ping")])

/** Children by name, whose starts (+) and ends (-) are logged. */
const makeChildren = () => {
  const log: Array<string> = []
  const child = (name: string, options?: Actor.BehaviorOptions, fails: () => boolean = () => false) =>
    Child.behavior(
      Effect.gen(function* () {
        const { stop } = yield* Actor.Context
        if (fails()) return yield* Effect.fail(`${name} does not start`)
        log.push(`${name}+`)
        yield* Effect.addFinalizer(() => Effect.sync(() => void log.push(`${name}-`)))
        return {
          Crash: () => Effect.die(new Error(`${name} crashed`)),
          ExitNormally: () => stop,
          Ping: () => Effect.void
        }
      }),
      options
    )
  const specs = (...names: ReadonlyArray<string>) => names.map((name) => ({ name, behavior: child(name) }))
  return { child, log, specs }
}

const inSystem = <A, E>(test: Effect.Effect<A, E, ActorSystem.ActorSystem>) =>
  test.pipe(Effect.provide(ActorSystem.layer({ name: "otp" })), Effect.provide(Memory.layer), Contract.silently)

const tell = (tag: "Crash" | "ExitNormally", path: string) =>
  Effect.gen(function* () {
    const system = yield* ActorSystem.ActorSystem
    yield* (yield* system.lookup(Child, path)).tell[tag]()
    yield* system.idle
    // Longer than any of the first backoffs together, and shorter than a time of health.
    for (let step = 0; step < 8; step++) yield* TestClock.adjust("500 millis")
    yield* system.idle
  })

const spawn = (behavior: Supervisor.Child["behavior"]) =>
  Effect.flatMap(ActorSystem.ActorSystem, (system) =>
    system.spawn("top", behavior as Actor.Behavior<never, never, never>)
  )

const reasonOf = (ref: ActorRef.ActorRef<never>) =>
  Effect.gen(function* () {
    const watch = yield* Effect.forkChild(ref.watch, { startImmediately: true })
    return Effect.sync(() => {
      const exit = watch.pollUnsafe()
      return exit?._tag === "Success" ? exit.value.reason : undefined
    })
  })

const strategies: ReadonlyArray<[strategy: Actor.Strategy, sentence: string, expected: ReadonlyArray<string>]> = [
  [
    "oneForOne",
    "if one child process terminates and is to be restarted, only that child process is affected",
    ["b-", "b+"]
  ],
  [
    "oneForAll",
    "if one child process terminates and is to be restarted, all other child processes are terminated and then all child processes are restarted",
    ["c-", "b-", "a-", "a+", "b+", "c+"]
  ],
  [
    "restForOne",
    "if one child process terminates and is to be restarted, the 'rest' of the child processes (that is, the child processes after the terminated child process in the start order) are terminated. Then the terminated child process and all child processes after it are restarted",
    ["c-", "b-", "b+", "c+"]
  ]
]

describe("S7 strategies", () => {
  for (const [strategy, sentence, expected] of strategies) {
    it.effect(`${strategy}: ${sentence}`, () =>
      Effect.gen(function* () {
        const { log, specs } = makeChildren()
        yield* spawn(Supervisor.behavior(specs("a", "b", "c"), { strategy }))
        log.length = 0
        yield* tell("Crash", "top/b")
        assert.deepStrictEqual(log, expected)
      }).pipe(inSystem)
    )
  }
})

describe("S7 restart types", () => {
  const cases: ReadonlyArray<[type: Actor.RestartType, sentence: string, crash: boolean, exit: boolean]> = [
    ["permanent", "a permanent child process is always restarted", true, true],
    ["temporary", "a temporary child process is never restarted", false, false],
    ["transient", "a transient child process is restarted only if it terminates abnormally", true, false]
  ]
  for (const [restart, sentence, afterCrash, afterExit] of cases) {
    it.effect(sentence, () =>
      Effect.gen(function* () {
        for (const [tag, again] of [["Crash", afterCrash] as const, ["ExitNormally", afterExit] as const]) {
          const { child, log } = makeChildren()
          const top = yield* spawn(Supervisor.behavior([{ name: "a", behavior: child("a"), restart }]))
          yield* tell(tag, "top/a")
          assert.deepStrictEqual(log, again ? ["a+", "a-", "a+"] : ["a+", "a-"], tag)
          yield* top.stop()
        }
      }).pipe(inSystem)
    )
  }

  it.effect(
    "a temporary child process is never restarted (even when the supervisor's restart strategy is rest_for_one or one_for_all and a sibling's death causes the temporary process to be terminated)",
    () =>
      Effect.gen(function* () {
        for (const strategy of ["restForOne", "oneForAll"] as const) {
          const { child, log, specs } = makeChildren()
          const children = [...specs("a"), { name: "b", behavior: child("b"), restart: "temporary" as const }]
          const top = yield* spawn(Supervisor.behavior(children, { strategy }))
          yield* tell("Crash", "top/a")
          assert.deepStrictEqual(log, ["a+", "b+", "b-", "a-", "a+"])
          yield* top.stop()
        }
      }).pipe(inSystem)
  )

  it.effect("differs: a transient child that has ended is not brought back by a sibling's restart", () =>
    Effect.gen(function* () {
      const { child, log, specs } = makeChildren()
      const children = [...specs("a"), { name: "b", behavior: child("b"), restart: "transient" as const }]
      yield* spawn(Supervisor.behavior(children, { strategy: "oneForAll" }))
      yield* tell("ExitNormally", "top/b")
      yield* tell("Crash", "top/a")
      assert.deepStrictEqual(log, ["a+", "b+", "b-", "a-", "a+"])
    }).pipe(inSystem)
  )
})

describe("S7 intensity", () => {
  const sentence =
    "if more than MaxR number of restarts occur in the last MaxT seconds, the supervisor terminates all the child processes and then itself"
  it.effect(sentence, () =>
    Effect.gen(function* () {
      const { log, specs } = makeChildren()
      const inner = Supervisor.behavior(specs("a", "b"), { intensity: { restarts: 2, within: "1 minute" } })
      const outer = Supervisor.behavior([{ name: "inner", behavior: inner }], {
        intensity: { restarts: 0, within: "1 minute" },
        restart: { intensity: { restarts: 0, within: "1 minute" } }
      })
      const reason = yield* reasonOf(yield* spawn(outer))
      yield* tell("Crash", "top/inner/a")
      yield* tell("Crash", "top/inner/b")
      assert.strictEqual(yield* reason, undefined)
      log.length = 0
      yield* tell("Crash", "top/inner/a")
      assert.deepStrictEqual(log, ["a-", "b-"])
      // Then the next higher supervisor takes some action: here it gives up too, with all that went before.
      const end = yield* reason
      assert(end?._tag === "Crashed" && end.cause instanceof ActorError.ChildFailed)
      assert.strictEqual(end.cause.path, "top/inner")
      assert(end.cause.cause instanceof ActorError.ChildFailed)
      assert.strictEqual(end.cause.cause.path, "top/inner/a")
      assert.strictEqual((end.cause.cause.cause as Error).message, "a crashed")
    }).pipe(inSystem)
  )

  it.effect("a start that fails is tried again, and counts as a restart", () =>
    Effect.gen(function* () {
      const { child, log } = makeChildren()
      let starts = 0
      const behavior = child("a", {}, () => ++starts > 1 && starts < 4)
      yield* spawn(Supervisor.behavior([{ name: "a", behavior }], { intensity: { restarts: 3, within: "1 minute" } }))
      yield* tell("Crash", "top/a")
      assert.deepStrictEqual([log, starts], [["a+", "a-", "a+"], 4])
      yield* tell("Crash", "top/a")
      // The fourth failure within the minute: the supervisor restarts, and its child starts for the fifth time.
      assert.deepStrictEqual([log, starts], [["a+", "a-", "a+", "a-", "a+"], 5])
      const [top] = yield* (yield* ActorSystem.ActorSystem).tree
      assert.strictEqual(top!.restarts, 1)
    }).pipe(inSystem)
  )
})

describe("S7 automatic shutdown", () => {
  const significant = (restart: "transient" | "temporary") => ({ restart, significant: true }) as const

  it.effect(
    "any_significant: the supervisor will automatically shut itself down when any significant child process terminates",
    () =>
      Effect.gen(function* () {
        const { child, log, specs } = makeChildren()
        const children = [
          ...specs("a"),
          { name: "b", behavior: child("b"), ...significant("transient") },
          { name: "c", behavior: child("c"), ...significant("temporary") }
        ]
        const reason = yield* reasonOf(yield* spawn(Supervisor.behavior(children, { autoShutdown: "anySignificant" })))
        yield* tell("Crash", "top/b")
        assert.strictEqual(yield* reason, undefined)
        log.length = 0
        yield* tell("Crash", "top/c")
        assert.deepStrictEqual(log, ["c-", "b-", "a-"])
        assert.deepStrictEqual(yield* reason, { _tag: "Normal" })
      }).pipe(inSystem)
  )

  it.effect(
    "all_significant: the supervisor will automatically shut itself down when all significant child processes have terminated",
    () =>
      Effect.gen(function* () {
        const { child, specs } = makeChildren()
        const children = [
          ...specs("a"),
          { name: "b", behavior: child("b"), ...significant("transient") },
          { name: "c", behavior: child("c"), ...significant("transient") }
        ]
        const reason = yield* reasonOf(yield* spawn(Supervisor.behavior(children, { autoShutdown: "allSignificant" })))
        yield* tell("ExitNormally", "top/b")
        assert.strictEqual(yield* reason, undefined)
        yield* tell("ExitNormally", "top/c")
        assert.deepStrictEqual(yield* reason, { _tag: "Normal" })
      }).pipe(inSystem)
  )
})

describe("S8 start and shutdown", () => {
  it.effect("children are started in the order of the list, and terminated in reversed start order", () =>
    Effect.gen(function* () {
      const { log, specs } = makeChildren()
      const top = yield* spawn(Supervisor.behavior(specs("a", "b", "c")))
      yield* top.stop()
      assert.deepStrictEqual(log, ["a+", "b+", "c+", "c-", "b-", "a-"])
    }).pipe(inSystem)
  )

  it.effect("if a child cannot be started, the supervisor terminates the started ones and does not start", () =>
    Effect.gen(function* () {
      const { child, log, specs } = makeChildren()
      const bad = { name: "c", behavior: child("c", {}, () => true) }
      const error = yield* Effect.flip(
        spawn(Supervisor.behavior([...specs("a", "b"), bad, ...specs("d")])) as Effect.Effect<
          unknown,
          ActorError.StartError,
          ActorSystem.ActorSystem
        >
      )
      assert.deepStrictEqual(log, ["a+", "b+", "b-", "a-"])
      assert.include(error.message, "c does not start")
    }).pipe(inSystem)
  )
})

describe("a tree", () => {
  it.effect("S7 is printed with names, states, restarts and what waits", () =>
    Effect.gen(function* () {
      const { specs } = makeChildren()
      const Busy = Actor.make("Busy", [Rpc.make("Hang")])
      const busy = Busy.behavior({ Hang: () => Effect.never })
      const inner = Supervisor.behavior([{ name: "busy", behavior: busy }, ...specs("b")])
      const top = yield* spawn(Supervisor.behavior([...specs("a"), { name: "inner", behavior: inner }, ...specs("z")]))
      const system = yield* ActorSystem.ActorSystem
      yield* tell("Crash", "top/inner/b")
      const hung = yield* system.lookup(Busy, "top/inner/busy")
      for (let n = 0; n < 3; n++) yield* hung.tell.Hang()
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      const tree = yield* system.tree
      yield* hung.kill
      assert.strictEqual(
        ActorSystem.showTree(tree),
        [
          "top         Supervisor  idle",
          "├─ a        Child       idle",
          "├─ inner    Supervisor  idle",
          "│  ├─ busy  Busy        busy  2 queued",
          "│  └─ b     Child       idle  1 restart",
          "└─ z        Child       idle"
        ]
          .map((line) => line)
          .join("\n")
      )
      assert.strictEqual(ActorSystem.showTree([]), "")
      yield* hung.kill
      yield* top.stop()
    }).pipe(inSystem)
  )

  it.live("S12 a pool is the worker of a pool", () =>
    Effect.gen(function* () {
      const Inner = Task.group("inner", [Rpc.make("double", { payload: { n: Schema.Int }, success: Schema.Int })])
      const Outer = Task.group("outer", [Rpc.make("triple", { payload: { n: Schema.Int }, success: Schema.Int })])
      const inner = Task.handlers(Inner, { double: ({ n }) => Effect.succeed(n * 2) })
      const outer = Task.handlers(
        Outer,
        Effect.gen(function* () {
          const pool = yield* Pool.make(inner, { workers: 2 })
          return { triple: ({ n }) => Effect.map(Effect.orDie(pool.submit.double({ n })), (double) => double + n) }
        })
      )
      // A group's name is taken once on a node: one worker, whose handlers have the only pool of theirs.
      const pool = yield* Pool.make(outer, { workers: 1 })
      const answers = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => pool.submit.triple({ n }), { concurrency: 6 })
      assert.deepStrictEqual(answers, [3, 6, 9, 12, 15, 18])
    }).pipe(Effect.scoped, inSystem)
  )
})
