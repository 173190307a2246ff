/** S7, how a parent supervises its children: strategies, restart types, intensity, shutting down, and what a failure means. */
import assert from "node:assert/strict"
import { Clock, Effect, Exit, Fiber, type Scope } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorError, type ActorSystem, Supervisor } from "../core/index.ts"
import {
  anywhere,
  elapse,
  event,
  type Journal,
  law,
  notExecuted,
  pending,
  type Stage,
  start,
  unknown,
  within
} from "./Law.ts"
import { Refused } from "./Subject.ts"

const Member = Actor.make("Member", [
  Rpc.make("Crash"),
  Rpc.make("Refuse", { error: Refused }),
  Rpc.make("InterruptItself"),
  Rpc.make("Leave"),
  Rpc.make("Hold"),
  Rpc.make("Note")
])

const none = { from: 0, to: 0 }
const atOnce = { restart: { backoff: none } } as const

interface Setup extends Actor.BehaviorOptions<any> {
  /** Whether a start fails: the first is 1. */
  readonly fails?: (start: number) => boolean
}

/** Notes `a+` when it starts, `a-` when its Scope is closed, `a!` when a start fails, `a note` for a message. */
const member = (journal: Journal, name: string, { fails = () => false, ...options }: Setup = {}) => {
  let starts = 0
  return Member.behavior(
    Effect.gen(function* () {
      const { stop } = yield* Actor.Context
      starts += 1
      if (fails(starts)) {
        journal.write(`${name}!`)
        return yield* new Refused({ why: `${name} does not start` })
      }
      yield* Effect.acquireRelease(journal.note(`${name}+`), () =>
        Effect.andThen(Effect.yieldNow, journal.note(`${name}-`))
      )
      let notes = 0
      return {
        Crash: () => Effect.die(new Error(`${name} crashed`)),
        Refuse: () => Effect.fail(new Refused({ why: `${name} refused` })),
        InterruptItself: () => Effect.interrupt,
        Leave: () => stop,
        Hold: () => Effect.andThen(journal.note(`${name} holds`), journal.wait(name)),
        Note: () => journal.note(`${name} note ${++notes}`)
      }
    }),
    { ...atOnce, ...options }
  )
}

type Declared = Pick<Supervisor.Child, "restart" | "significant"> & Setup

/** Declares children by name; their starts, ends and notes are in the journal. */
const declare = (journal: Journal, children: Record<string, Declared>, options?: Supervisor.Options) =>
  Supervisor.behavior(
    Object.entries(children).map(([name, { restart, significant, ...setup }]) => ({
      name,
      behavior: member(journal, name, setup as Setup),
      ...(restart !== undefined && { restart }),
      ...(significant !== undefined && { significant })
    })) as ReadonlyArray<Supervisor.Child>,
    options
  )

/** Starts a supervisor, and answers how to find its children. */
const supervise = (stage: Stage, children: Record<string, Declared>, options?: Supervisor.Options) =>
  Effect.gen(function* () {
    const { asker, callee, journal } = stage
    const top = yield* Effect.orDie(callee.system.spawn("top", declare(journal, children, options)))
    const find = (name: string) => Effect.orDie(asker.system.lookup(Member, `top/${name}`, { at: callee.system.id }))
    const crash = (name: string) =>
      Effect.flatMap(find(name), (child) => within("2 seconds", unknown(child.ask.Crash(), "CalleeCrashed")))
    return { crash, find, top }
  })

/** Waits until the journal has so many entries, and asserts which. */
const soon = (stage: Stage, expected: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    for (let step = 0; step < 40 && stage.journal.entries.length < expected.length; step++) yield* elapse("25 millis")
    yield* stage.quiet
    assert.deepEqual(stage.journal.entries, expected)
  })

const crashed = (watch: Fiber.Fiber<ActorSystem.Terminated, unknown>) =>
  Effect.map(within("5 seconds", Fiber.join(watch)), ({ reason }) => {
    assert(reason._tag === "Crashed", reason._tag)
    return reason.cause
  })

const strategies = [
  law("S7", anywhere, "with oneForAll all are restarted: the last stopped first, the first started first", (stage) =>
    Effect.gen(function* () {
      const { crash, find } = yield* supervise(stage, { a: {}, b: {}, c: {} }, { strategy: "oneForAll" })
      yield* crash("b")
      yield* soon(stage, ["a+", "b+", "c+", "c-", "b-", "a-", "a+", "b+", "c+"])
      yield* (yield* find("a")).ask.Note()
    })
  ),

  law("S7", anywhere, "with restForOne those that started after the failed one are restarted with it", (stage) =>
    Effect.gen(function* () {
      const { crash } = yield* supervise(stage, { a: {}, b: {}, c: {}, d: {} }, { strategy: "restForOne" })
      yield* crash("c")
      yield* soon(stage, ["a+", "b+", "c+", "d+", "d-", "c-", "c+", "d+"])
    })
  ),

  law("S7", anywhere, "children spawned later are siblings of those before them", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Parent = Actor.make("Parent", [Rpc.make("Add")])
      const parent = Parent.behavior(
        Effect.gen(function* () {
          const { spawn } = yield* Actor.Context
          for (const name of ["a", "b"]) yield* spawn(name, member(journal, name))
          return { Add: () => Effect.asVoid(Effect.orDie(spawn("c", member(journal, "c")))) }
        }),
        { strategy: "oneForAll" }
      )
      const ref = yield* stage.spawn(Parent, parent, "parent")
      yield* ref.ask.Add()
      const b = yield* stage.asker.system.lookup(Member, "parent/b")
      yield* unknown(b.ask.Crash(), "CalleeCrashed")
      yield* soon(stage, ["a+", "b+", "c+", "c-", "b-", "a-", "a+", "b+", "c+"])
    })
  ),

  law(
    "S7",
    anywhere,
    "a sibling that is restarted finishes the message in hand, and keeps its mailbox and its refs",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const { crash, find } = yield* supervise(stage, { a: {}, b: {} }, { strategy: "oneForAll" })
        const b = yield* find("b")
        const watch = yield* start(b.watch)
        yield* b.ask.Note()
        const held = yield* start(b.ask.Hold())
        yield* journal.seen("b holds")
        const queued = yield* start(b.ask.Note())
        yield* b.tell.Note()
        yield* stage.arrived
        yield* crash("a")
        yield* elapse("50 millis")
        pending(held)
        yield* journal.open("b")
        yield* Fiber.join(held)
        yield* within("500 millis", Fiber.join(queued))
        yield* soon(stage, [...["a+", "b+", "b note 1", "b holds", "b-", "a-", "a+", "b+"], "b note 1", "b note 2"])
        pending(watch)
      })
  ),

  law("S7", "one node", "a sibling whose handler does not end is interrupted at its own deadline", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const slow = { stopDeadline: "300 millis" } as const
      const { crash, find } = yield* supervise(stage, { a: {}, b: slow }, { strategy: "oneForAll" })
      const held = yield* start((yield* find("b")).ask.Hold())
      yield* journal.seen("b holds")
      yield* crash("a")
      yield* elapse("200 millis")
      pending(held)
      yield* elapse("150 millis")
      yield* unknown(Fiber.join(held), "Interrupted")
      yield* soon(stage, ["a+", "b+", "b holds", "b-", "a-", "a+", "b+"])
    })
  ),

  law("S7", "one node", "a temporary child is stopped with its siblings, and not started again", (stage) =>
    Effect.gen(function* () {
      const { crash, find } = yield* supervise(
        stage,
        { a: {}, b: { restart: "temporary" }, c: { restart: "transient" } },
        { strategy: "oneForAll" }
      )
      const watch = yield* start((yield* find("b")).watch)
      yield* crash("a")
      yield* soon(stage, ["a+", "b+", "c+", "c-", "b-", "a-", "a+", "c+"])
      assert.equal((yield* Fiber.join(watch)).reason._tag, "Shutdown")
    })
  ),

  law("S7", "one node", "siblings that crash at once are restarted once", (stage) =>
    Effect.gen(function* () {
      const { find } = yield* supervise(
        stage,
        { a: {}, b: {}, c: {} },
        { strategy: "oneForAll", intensity: { restarts: 1, within: "10 seconds" } }
      )
      for (const name of ["a", "c", "b"]) yield* (yield* find(name)).tell.Crash()
      yield* soon(stage, ["a+", "b+", "c+", "c-", "b-", "a-", "a+", "b+", "c+"])
    })
  ),

  law("S7", "one node", "a failure during a round has its own round after it", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { crash, find } = yield* supervise(stage, { a: {}, b: {}, c: {} }, { strategy: "restForOne" })
      const held = yield* start((yield* find("c")).ask.Hold())
      yield* journal.seen("c holds")
      yield* crash("b")
      // While c is waited for, a, which is not concerned, fails too.
      yield* crash("a")
      yield* journal.open("c")
      yield* Fiber.join(held)
      yield* soon(stage, [
        ...["a+", "b+", "c+", "c holds", "c-", "b-", "b+", "c+"],
        ...["c-", "b-", "a-", "a+", "b+", "c+"]
      ])
    })
  ),

  law(
    "S7",
    "one node",
    "a sibling that does not start again is the next to be restarted, with those the strategy names",
    (stage) =>
      Effect.gen(function* () {
        const fails = (start: number) => start === 2 || start === 3
        const { crash } = yield* supervise(stage, { a: {}, b: { fails }, c: {} }, { strategy: "restForOne" })
        yield* crash("a")
        yield* soon(stage, ["a+", "b+", "c+", "c-", "b-", "a-", "a+", "b!", "b!", "b+", "c+"])
      })
  ),

  law("S7", "one node", "with oneForAll those that had started again stop when a sibling does not", (stage) =>
    Effect.gen(function* () {
      const fails = (start: number) => start === 2
      const { crash } = yield* supervise(stage, { a: {}, b: { fails }, c: {} }, { strategy: "oneForAll" })
      yield* crash("c")
      yield* soon(stage, ["a+", "b+", "c+", "c-", "b-", "a-", "a+", "b!", "a-", "a+", "b+", "c+"])
    })
  ),

  law(
    "S7",
    "one node",
    "a child that is stopped while it is to be restarted stays away, and its siblings start at once",
    (stage) =>
      Effect.gen(function* () {
        const slow = { restart: { backoff: { from: "10 seconds", to: "10 seconds" } } } as const
        const behaviorOf = (name: string) => member(stage.journal, name, slow as Setup)
        const children = ["a", "b", "c"].map((name) => ({ name, behavior: behaviorOf(name) }))
        const { system } = stage.callee
        yield* system.spawn("top", Supervisor.behavior(children, { strategy: "oneForAll" }))
        const b = yield* system.lookup(Member, "top/b")
        yield* unknown(b.ask.Crash(), "CalleeCrashed")
        yield* soon(stage, ["a+", "b+", "c+", "c-", "b-", "a-"])
        yield* b.stop()
        yield* soon(stage, ["a+", "b+", "c+", "c-", "b-", "a-", "a+", "c+"])
      })
  ),

  law(
    "S7",
    "one node",
    "a parent that stops while its children are to be restarted does not wait for that",
    (stage) =>
      Effect.gen(function* () {
        for (const strategy of ["oneForOne", "oneForAll", "restForOne"] as const) {
          stage.journal.clear()
          const backoff = { from: "10 seconds", to: "10 seconds" } as const
          const behavior = (name: string) => member(stage.journal, name, { restart: { backoff } })
          const children = ["a", "b"].map((name) => ({ name, behavior: behavior(name) }))
          const top = yield* stage.callee.system.spawn("top", Supervisor.behavior(children, { strategy }))
          const a = yield* stage.callee.system.lookup(Member, "top/a")
          yield* unknown(a.ask.Crash(), "CalleeCrashed")
          yield* stage.journal.seen("a-")
          yield* top.stop()
          yield* elapse("15 seconds")
          assert.deepEqual([...stage.journal.entries].sort(), ["a+", "a-", "b+", "b-"], strategy)
        }
      }),
    { slow: true }
  ),

  law("S7", "one node", "a handler that outlived its incarnation has no part in the next one", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Stuck = Actor.make("Stuck", [Rpc.make("Stick"), Rpc.make("Hold")])
      const stuck = Stuck.behavior(
        Effect.sync(() => ({
          Stick: () => Effect.uninterruptible(Effect.andThen(journal.note("stuck"), journal.wait("stuck"))),
          Hold: () => Effect.andThen(journal.note("holds"), journal.wait("hold"))
        })),
        { stopDeadline: "100 millis", ...atOnce }
      )
      const children = [
        { name: "a", behavior: member(journal, "a") },
        { name: "b", behavior: stuck }
      ]
      const { system } = stage.callee
      yield* system.spawn("top", Supervisor.behavior(children, { strategy: "oneForAll" }))
      const b = yield* system.lookup(Stuck, "top/b")
      const left = yield* start(b.ask.Stick())
      yield* journal.seen("stuck")
      const held = yield* start(b.ask.Hold())
      const restarted = yield* event(system, ({ _tag }) => _tag === "ActorRestarted")
      yield* unknown((yield* system.lookup(Member, "top/a")).ask.Crash(), "CalleeCrashed")
      yield* within("1 seconds", restarted)
      yield* unknown(Fiber.join(left), "Interrupted")
      yield* journal.seen("holds")
      yield* journal.open("stuck")
      yield* elapse("50 millis")
      // The end of the old handler is not taken for the end of the new one.
      pending(held)
      yield* journal.open("hold")
      yield* Fiber.join(held)
    })
  )
]

const types = [
  law(
    "S7",
    anywhere,
    "a permanent child that stops itself is started again; a transient or temporary one has ended",
    (stage) =>
      Effect.gen(function* () {
        const { find } = yield* supervise(stage, {
          a: { restart: "permanent" },
          b: { restart: "transient" },
          c: { restart: "temporary" },
          d: {}
        })
        for (const name of ["a", "b", "c", "d"]) yield* (yield* find(name)).ask.Leave()
        yield* elapse("200 millis")
        yield* stage.quiet
        assert.deepEqual(stage.journal.of("a"), ["a+", "a-", "a+"])
        assert.deepEqual(stage.journal.of("b"), ["b+", "b-"])
        assert.deepEqual(stage.journal.of("c"), ["c+", "c-"])
        assert.deepEqual(stage.journal.of("d"), ["d+", "d-", "d+"])
      })
  ),

  law(
    "S7",
    "one node",
    "a permanent child that stops itself finishes its message, and keeps those that wait",
    (stage) =>
      Effect.gen(function* () {
        const { find } = yield* supervise(stage, { a: {} })
        const a = yield* find("a")
        yield* a.ask.Note()
        const leave = yield* start(a.ask.Leave())
        yield* a.tell.Note()
        yield* Fiber.join(leave)
        yield* soon(stage, ["a+", "a note 1", "a-", "a+", "a note 1"])
      })
  ),

  law("S7", "one node", "a spawned child is transient unless it is spawned otherwise", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Parent = Actor.make("Parent", [])
      const parent = Parent.behavior(
        Effect.gen(function* () {
          const { spawn } = yield* Actor.Context
          yield* spawn("a", member(journal, "a"))
          yield* spawn("b", member(journal, "b"), { restart: "permanent" })
          yield* spawn("c", member(journal, "c"), { restart: "temporary" })
          return {}
        })
      )
      yield* stage.spawn(Parent, parent, "parent")
      for (const name of ["a", "b"]) {
        const child = yield* stage.callee.system.lookup(Member, `parent/${name}`)
        yield* unknown(child.ask.Crash(), "CalleeCrashed")
        yield* elapse("50 millis")
        yield* child.ask.Leave()
      }
      const c = yield* stage.callee.system.lookup(Member, "parent/c")
      yield* unknown(c.ask.Crash(), "CalleeCrashed")
      yield* soon(stage, ["a+", "b+", "c+", "a-", "a+", "a-", "b-", "b+", "b-", "b+", "c-"])
    })
  ),

  law("S7", "one node", "a temporary child that crashes has ended as Crashed, and costs its parent nothing", (stage) =>
    Effect.gen(function* () {
      const intensity = { restarts: 0, within: "10 seconds" } as const
      const { crash, find, top } = yield* supervise(stage, { a: { restart: "temporary" }, b: {} }, { intensity })
      const [watch, topWatch] = [yield* start((yield* find("a")).watch), yield* start(top.watch)]
      yield* crash("a")
      assert.equal(((yield* crashed(watch)) as Error).message, "a crashed")
      yield* soon(stage, ["a+", "b+", "a-"])
      pending(topWatch)
    })
  ),

  law("S7", "one node", "a child that is stopped or killed is not started again, whatever its type", (stage) =>
    Effect.gen(function* () {
      const restart = "permanent"
      const { find } = yield* supervise(stage, { a: { restart }, b: { restart }, c: {} }, { strategy: "oneForAll" })
      yield* (yield* find("a")).stop()
      yield* (yield* find("b")).kill
      yield* elapse("200 millis")
      yield* (yield* find("c")).ask.Note()
      yield* soon(stage, ["a+", "b+", "c+", "a-", "b-", "c note 1"])
    })
  )
]

const intensities = [
  law("S7", anywhere, "the restarts of all children add up to their supervisor's intensity", (stage) =>
    Effect.gen(function* () {
      const intensity = { restarts: 3, within: "10 seconds" } as const
      const { crash, top } = yield* supervise(stage, { a: {}, b: {} }, { intensity })
      const watch = yield* start(top.watch)
      for (const name of ["a", "b", "a"]) {
        yield* crash(name)
        yield* elapse("50 millis")
      }
      yield* stage.quiet
      pending(watch)
      const restarted = yield* event(
        stage.callee.system,
        (news) => news._tag === "ActorRestarted" && news.path === "top"
      )
      yield* crash("b")
      const news = yield* within("2 seconds", restarted)
      assert(news._tag === "ActorRestarted" && news.cause instanceof ActorError.ChildFailed)
      const { cause, path, reason, restarts, withinMillis } = news.cause
      assert.deepEqual([path, reason, restarts, withinMillis], ["top/b", "TooOften", 3, 10_000])
      assert.equal((cause as Error).message, "b crashed")
      // The next incarnation of the supervisor begins with a budget of its own.
      for (const name of ["a", "b", "a"]) {
        yield* crash(name)
        yield* elapse("50 millis")
      }
      assert.equal(stage.journal.count("a+"), 6)
    })
  ),

  law("S7", "one node", "restarts further apart than the intensity's time do not add up over children", (stage) =>
    Effect.gen(function* () {
      const intensity = { restarts: 1, within: "1 seconds" } as const
      const { crash, top } = yield* supervise(stage, { a: {}, b: {} }, { intensity })
      const watch = yield* start(top.watch)
      for (const name of ["a", "b", "a", "b"]) {
        yield* crash(name)
        yield* elapse("1100 millis")
      }
      pending(watch)
      assert.equal((yield* stage.callee.system.tree)[0]!.incarnation, 1)
    })
  ),

  law("S7", "one node", "a round counts once, however many it restarts, and every start that fails counts", (stage) =>
    Effect.gen(function* () {
      const fails = (start: number) => start === 3 || start === 4
      const { crash, top } = yield* supervise(
        stage,
        { a: {}, b: { fails }, c: {} },
        { strategy: "oneForAll", intensity: { restarts: 3, within: "10 seconds" } }
      )
      yield* crash("a")
      yield* soon(stage, ["a+", "b+", "c+", "c-", "b-", "a-", "a+", "b+", "c+"])
      // This failure, and the two starts of b that fail, are three more.
      const watch = yield* start(top.watch)
      const restarted = yield* event(
        stage.callee.system,
        (news) => news._tag === "ActorRestarted" && news.path === "top"
      )
      yield* crash("a")
      const news = yield* within("2 seconds", restarted)
      assert(news._tag === "ActorRestarted" && news.cause instanceof ActorError.ChildFailed)
      assert.equal(news.cause.path, "top/b")
      assert(news.cause.cause instanceof Refused)
      pending(watch)
    })
  ),

  law("S7", "one node", "a child with an intensity of its own does not count in its supervisor's", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const own = { intensity: { restarts: 4, within: "10 seconds" }, backoff: none } as const
      const children = [
        { name: "a", behavior: member(journal, "a", { restart: own }) },
        { name: "b", behavior: member(journal, "b") }
      ]
      const intensity = { restarts: 1, within: "10 seconds" } as const
      const { system } = stage.callee
      const top = yield* system.spawn("top", Supervisor.behavior(children, { intensity }))
      const watch = yield* start(top.watch)
      for (const name of ["a", "a", "b", "a", "a"]) {
        yield* unknown((yield* system.lookup(Member, `top/${name}`)).ask.Crash(), "CalleeCrashed")
        yield* elapse("50 millis")
      }
      assert.equal((yield* system.tree)[0]!.incarnation, 1)
      pending(watch)
    })
  ),

  law("S7", "one node", "each child has its own backoff, though they share the intensity", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const restart = { backoff: { from: "100 millis", to: "10 seconds" } } as const
      const children = ["a", "b"].map((name) => ({ name, behavior: member(journal, name, { restart }) }))
      const { system } = stage.callee
      yield* system.spawn("top", Supervisor.behavior(children))
      const again = (name: string) =>
        Effect.gen(function* () {
          const restarted = yield* event(system, ({ _tag }) => _tag === "ActorRestarted")
          const began = yield* Clock.currentTimeMillis
          yield* unknown((yield* system.lookup(Member, `top/${name}`)).ask.Crash(), "CalleeCrashed")
          yield* within("2 seconds", restarted)
          return (yield* Clock.currentTimeMillis) - began
        })
      const waits = [yield* again("a"), yield* again("a"), yield* again("a"), yield* again("b")]
      assert(waits[2]! >= 320, `${waits}`)
      assert(waits[3]! <= 270, `${waits}`)
    })
  ),

  law("S7", anywhere, "failures climb through supervisors of supervisors, with the whole chain of causes", (stage) =>
    Effect.gen(function* () {
      const intensity = { restarts: 0, within: "10 seconds" } as const
      const restart = { backoff: none }
      const nest = (depth: number): Supervisor.Child["behavior"] =>
        depth === 0
          ? member(stage.journal, "a")
          : Supervisor.behavior([{ name: `${depth}`, behavior: nest(depth - 1) }], {
              intensity,
              restart: depth === 5 ? { intensity, ...restart } : restart
            })
      const { asker, callee } = stage
      const top = yield* Effect.orDie(callee.system.spawn("top", nest(5) as Actor.Behavior<never, any, never>))
      const watch = yield* start(top.watch)
      const a = yield* asker.system.lookup(Member, "top/5/4/3/2/1", { at: callee.system.id })
      yield* unknown(a.ask.Crash(), "CalleeCrashed")
      let cause: unknown = yield* crashed(watch)
      const paths: Array<string> = []
      for (; cause instanceof ActorError.ChildFailed; cause = cause.cause) paths.push(cause.path)
      assert.deepEqual(paths, ["top/5", "top/5/4", "top/5/4/3", "top/5/4/3/2", "top/5/4/3/2/1"])
      assert.equal((cause as Error).message, "a crashed")
      assert.deepEqual(yield* callee.system.tree, [])
    })
  )
]

const declared = [
  law("S7", anywhere, "declared children start in order and are stopped in reverse", (stage) =>
    Effect.gen(function* () {
      const { top } = yield* supervise(stage, { a: {}, b: {}, c: {} })
      yield* top.stop()
      assert.deepEqual(stage.journal.entries, ["a+", "b+", "c+", "c-", "b-", "a-"])
    })
  ),

  law(
    "S7",
    "one node",
    "a supervisor one of whose children does not start is not started, and stops those that were",
    (stage) =>
      Effect.gen(function* () {
        const { system } = stage.callee
        const children = declare(stage.journal, { a: {}, b: {}, c: { fails: () => true }, d: {} })
        const error = yield* Effect.flip(system.spawn("top", children))
        assert.deepEqual([error.path, error.reason], ["top", "InitFailed"])
        assert(error.cause instanceof ActorError.StartError)
        assert.deepEqual([error.cause.path, error.cause.reason], ["top/c", "InitFailed"])
        assert(error.cause.cause instanceof Refused)
        assert.deepEqual(stage.journal.entries, ["a+", "b+", "c!", "b-", "a-"])
        assert.deepEqual(yield* system.tree, [])
      })
  ),

  law("S7", "one node", "options of supervision that are none are refused", (stage) =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<[options: unknown, message: RegExp]> = [
        [{ strategy: "simple" }, /^expected `strategy` to be one of oneForOne, oneForAll, restForOne, got: simple$/],
        [{ autoShutdown: true }, /^expected `autoShutdown` to be one of never, .*, allSignificant, got: true$/],
        [{ intensity: { restarts: -1, within: 1 } }, /^expected `intensity.restarts` to be a whole number, got: -1$/],
        [
          { intensity: { restarts: 1, within: -1 } },
          /^expected `intensity.within` to be finite and not negative, got: -1 ms$/
        ]
      ]
      for (const [options, message] of cases) {
        assert.throws(() => Supervisor.behavior([], options as never), { message })
      }
      const behavior = member(stage.journal, "a")
      const children: ReadonlyArray<[child: object, options: Supervisor.Options, message: RegExp]> = [
        [{ restart: "always" }, {}, /^expected `restart` to be one of permanent, transient, temporary, got: always$/],
        [
          { significant: true },
          { autoShutdown: "anySignificant" },
          /^expected a `significant` child to be transient or temporary, got: permanent, which never ends by itself$/
        ],
        [
          { restart: "transient", significant: true },
          {},
          /^expected `autoShutdown` of "top" to be anySignificant or allSignificant, for a significant child, got: never$/
        ]
      ]
      for (const [child, options, message] of children) {
        const top = Supervisor.behavior([{ name: "a", behavior, ...child } as never], options)
        const error = yield* Effect.flip(stage.callee.system.spawn("top", top) as Effect.Effect<unknown, unknown>)
        assert(error instanceof ActorError.StartError)
        assert.match((error.cause as Error).message, message)
      }
    })
  )
]

const transient = { restart: "transient", significant: true } as const

const shutdowns = [
  law(
    "S7",
    anywhere,
    "with anySignificant a supervisor stops itself, in order, when a significant child has ended by itself",
    (stage) =>
      Effect.gen(function* () {
        const { crash, find, top } = yield* supervise(
          stage,
          { a: {}, b: transient, c: transient, d: { restart: "transient" } },
          { autoShutdown: "anySignificant" }
        )
        const watch = yield* start(top.watch)
        yield* (yield* find("d")).ask.Leave()
        // A crash is no end.
        yield* crash("b")
        yield* soon(stage, ["a+", "b+", "c+", "d+", "d-", "b-", "b+"])
        pending(watch)
        yield* (yield* find("b")).ask.Leave()
        assert.equal((yield* within("1 seconds", Fiber.join(watch))).reason._tag, "Normal")
        yield* soon(stage, ["a+", "b+", "c+", "d+", "d-", "b-", "b+", "b-", "c-", "a-"])
      })
  ),

  law(
    "S7",
    "one node",
    "with allSignificant a supervisor stops itself when the last significant child has ended by itself",
    (stage) =>
      Effect.gen(function* () {
        const { crash, find, top } = yield* supervise(
          stage,
          { a: {}, b: transient, c: { restart: "temporary", significant: true } },
          { autoShutdown: "allSignificant" }
        )
        const watch = yield* start(top.watch)
        yield* (yield* find("b")).ask.Leave()
        yield* soon(stage, ["a+", "b+", "c+", "b-"])
        pending(watch)
        // A temporary child ends by itself when it crashes.
        yield* crash("c")
        assert.equal((yield* within("1 seconds", Fiber.join(watch))).reason._tag, "Normal")
        yield* soon(stage, ["a+", "b+", "c+", "b-", "c-", "a-"])
      })
  ),

  law("S7", "one node", "a significant child that is stopped or killed does not shut its supervisor down", (stage) =>
    Effect.gen(function* () {
      for (const autoShutdown of ["anySignificant", "allSignificant"] as const) {
        const { find, top } = yield* supervise(stage, { a: transient, b: transient }, { autoShutdown })
        const watch = yield* start(top.watch)
        yield* (yield* find("a")).stop()
        yield* (yield* find("b")).kill
        yield* elapse("100 millis")
        pending(watch)
        yield* top.stop()
      }
    })
  ),

  law(
    "S7",
    "one node",
    "a permanent supervisor that shuts itself down is started again, a transient one has ended",
    (stage) =>
      Effect.gen(function* () {
        const { system } = stage.callee
        const inner = (name: string) =>
          declare(stage.journal, { [name]: transient }, { autoShutdown: "anySignificant", ...atOnce })
        const top = Supervisor.behavior(
          [
            { name: "one", behavior: inner("a") },
            { name: "two", behavior: inner("b"), restart: "transient", significant: true }
          ],
          { autoShutdown: "allSignificant" }
        )
        const watch = yield* start((yield* system.spawn("top", top)).watch)
        yield* (yield* system.lookup(Member, "top/one/a")).ask.Leave()
        yield* soon(stage, ["a+", "b+", "a-", "a+"])
        pending(watch)
        yield* (yield* system.lookup(Member, "top/two/b")).ask.Leave()
        assert.equal((yield* within("1 seconds", Fiber.join(watch))).reason._tag, "Normal")
        assert.deepEqual(yield* system.tree, [])
      })
  )
]

/** A member that does what `onFailure` says, and its watch. */
const judged = (stage: Stage, onFailure: NonNullable<Actor.BehaviorOptions["onFailure"]>) =>
  Effect.gen(function* () {
    const ref = yield* stage.spawn(Member, member(stage.journal, "a", { onFailure }), "a")
    return { ref, watch: yield* start(ref.watch) }
  })

const directives = [
  law("S7", anywhere, "resume goes on with the state and the mailbox, and the asker learns of the crash", (stage) =>
    Effect.gen(function* () {
      const { ref, watch } = yield* judged(stage, () => "resume")
      yield* ref.ask.Note()
      const crash = yield* start(ref.ask.Crash())
      yield* ref.tell.Note()
      yield* unknown(Fiber.join(crash), "CalleeCrashed")
      yield* ref.ask.Note()
      assert.deepEqual(stage.journal.entries, ["a+", "a note 1", "a note 2", "a note 3"])
      pending(watch)
    })
  ),

  law("S7", anywhere, "stop ends the actor as Crashed, at the first failure", (stage) =>
    Effect.gen(function* () {
      const { ref, watch } = yield* judged(stage, () => "stop")
      yield* unknown(ref.ask.Crash(), "CalleeCrashed")
      assert.equal(((yield* crashed(watch)) as Error).message, "a crashed")
      yield* notExecuted(ref.ask.Note(), "NoSuchActor")
    })
  ),

  law(
    "S7",
    "one node",
    "a child that stops at its failure leaves its parent in peace, and one that escalates fails it",
    (stage) =>
      Effect.gen(function* () {
        const { system } = stage.callee
        const setup = (directive: Actor.Directive): Setup => ({ onFailure: () => directive })
        const { crash, find, top } = yield* supervise(stage, { a: setup("stop"), b: setup("escalate") } as never, {
          restart: { backoff: none }
        })
        const [a, b, watch] = [
          yield* start((yield* find("a")).watch),
          yield* start((yield* find("b")).watch),
          yield* start(top.watch)
        ]
        yield* crash("a")
        yield* crashed(a)
        yield* elapse("100 millis")
        pending(b)
        const restarted = yield* event(system, (news) => news._tag === "ActorRestarted" && news.path === "top")
        yield* crash("b")
        assert.equal(((yield* crashed(b)) as Error).message, "b crashed")
        const news = yield* within("1 seconds", restarted)
        assert(news._tag === "ActorRestarted" && news.cause instanceof ActorError.ChildFailed)
        assert.deepEqual([news.cause.path, news.cause.reason], ["top/b", "Escalated"])
        assert.equal((news.cause.cause as Error).message, "b crashed")
        pending(watch)
      })
  ),

  law(
    "S7",
    anywhere,
    "a failure is a typed error that was told, a defect, or an interrupt, and each may mean something else",
    (stage) =>
      Effect.gen(function* () {
        const failures: Array<string> = []
        const { ref } = yield* judged(stage, (failure) => {
          failures.push(failure._tag)
          if (failure._tag === "Error") return failure.error instanceof Refused ? "restart" : "stop"
          return failure._tag === "Defect" ? "resume" : undefined
        })
        // Asked, it is an answer.
        assert((yield* Effect.flip(ref.ask.Refuse())) instanceof Refused)
        yield* ref.ask.Note()
        yield* unknown(ref.ask.Crash(), "CalleeCrashed")
        yield* ref.ask.Note()
        yield* ref.tell.Refuse()
        yield* soon(stage, ["a+", "a note 1", "a note 2", "a-", "a+"])
        yield* ref.ask.Note()
        yield* unknown(ref.ask.InterruptItself(), "CalleeCrashed")
        yield* soon(stage, ["a+", "a note 1", "a note 2", "a-", "a+", "a note 1", "a-", "a+"])
        assert.deepEqual(failures, ["Defect", "Error", "Interrupt"])
        assert.equal((yield* stage.ledger).failed, 3)
      }),
    { counts: true }
  ),

  law(
    "S7",
    "one node",
    "what is not answered, or throws, means the usual: resume for a told error, restart for the others",
    (stage) =>
      Effect.gen(function* () {
        const answers = [
          () => undefined,
          () => {
            throw new Error("no idea")
          }
        ]
        for (const answer of answers) {
          stage.journal.clear()
          const { ref } = yield* judged(stage, answer)
          yield* ref.tell.Refuse()
          yield* ref.ask.Note()
          yield* unknown(ref.ask.Crash(), "CalleeCrashed")
          yield* soon(stage, ["a+", "a note 1", "a-", "a+"])
          yield* ref.stop()
        }
      })
  ),

  law(
    "S7",
    "one node",
    "a parent that resumes goes on without the child that was given up, and its siblings start again",
    (stage) =>
      Effect.gen(function* () {
        for (const strategy of ["oneForOne", "oneForAll"] as const) {
          stage.journal.clear()
          const failures: Array<unknown> = []
          const { crash, find, top } = yield* supervise(
            stage,
            { a: {}, b: {}, c: {} },
            {
              strategy,
              intensity: { restarts: 0, within: "10 seconds" },
              onFailure: (failure) => {
                failures.push(failure._tag === "Defect" ? failure.defect : failure)
                return "resume"
              }
            }
          )
          const watch = yield* start((yield* find("b")).watch)
          yield* crash("b")
          yield* crashed(watch)
          yield* soon(
            stage,
            strategy === "oneForOne" ? ["a+", "b+", "c+", "b-"] : ["a+", "b+", "c+", "c-", "b-", "a-", "a+", "c+"]
          )
          yield* (yield* find("c")).ask.Note()
          assert(failures[0] instanceof ActorError.ChildFailed)
          assert.equal(failures.length, 1)
          yield* top.stop()
        }
      })
  )
]

const ends = [
  law("S8", "one node", "a stop that comes while a crash is cleared away still waits for the Scope", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Owner = Actor.make("Owner", [Rpc.make("Crash")])
      const owner = Owner.behavior(
        Effect.gen(function* () {
          yield* Effect.acquireRelease(Effect.void, () =>
            journal.note("releasing").pipe(Effect.andThen(journal.wait("a")), Effect.andThen(journal.note("released")))
          ) as Effect.Effect<void, never, Scope.Scope>
          return { Crash: () => Effect.die(new Error("on purpose")) }
        })
      )
      const ref = yield* stage.spawn(Owner, owner)
      yield* ref.tell.Crash()
      yield* journal.seen("releasing")
      const stop = yield* start(ref.stop())
      yield* elapse("100 millis")
      pending(stop)
      yield* journal.open("a")
      assert(Exit.isSuccess(yield* Fiber.await(stop)))
      assert.deepEqual(journal.entries, ["releasing", "released"])
    })
  )
]

export const strategyLaws = [strategies, types, intensities, declared, shutdowns, directives, ends].flat(2)
