/** S6, what a crash leaves, and S7, who starts an actor again. */
import assert from "node:assert/strict"
import { Clock, Context, Effect, Exit, Fiber, Schema, type Scope } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorError, type ActorSystem } from "../core/index.ts"
import { anywhere, elapse, event, type Journal, law, notExecuted, type Stage, start, unknown, within } from "./Law.ts"
import { Refused, Subject, subject } from "./Subject.ts"

const isRestart = (path: string) => (event: ActorSystem.Event) => event._tag === "ActorRestarted" && event.path === path

const crashes = [
  law("S6", anywhere, "a crash keeps the rest of the mailbox, in order, for the next incarnation", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      yield* ref.tell.Note({ n: 1 })
      const crash = yield* start(ref.ask.Crash({ why: "on purpose" }))
      const asks: Array<Fiber.Fiber<number, unknown>> = []
      for (const n of [2, 3, 4, 5]) {
        yield* ref.tell.Note({ n })
        asks.push(yield* start(ref.ask.Double({ n })))
      }
      yield* stage.arrived
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* unknown(Fiber.join(crash), "CalleeCrashed")
      assert.deepEqual(yield* within("300 millis", Fiber.joinAll(asks)), [4, 6, 8, 10])
      const handled = journal.entries.filter((entry) => /^(note|double|crash|init|released)/.test(entry))
      assert.deepEqual(handled, [
        ...["init 1", "note 1", "crash on purpose", "released 1", "init 2"],
        ...[2, 3, 4, 5].flatMap((n) => [`note ${n}`, `double ${n}`])
      ])
    })
  ),

  law(
    "S6",
    anywhere,
    "the message that crashed the actor is not handled again",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        yield* ref.tell.Crash({ why: "told" })
        yield* within("300 millis", journal.seen("init 2"))
        yield* unknown(ref.ask.Crash({ why: "asked" }), "CalleeCrashed")
        yield* within("500 millis", journal.seen("init 3"))
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("crash"), ["crash told", "crash asked"])
        assert.equal((yield* stage.ledger).failed, 2)
      }),
    { counts: true }
  ),

  law("S6", anywhere, "init rebuilds the state, and nothing else survives", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      for (const n of [1, 2, 3]) yield* ref.ask.Note({ n })
      assert.equal(yield* ref.ask.Count(), 3)
      yield* unknown(ref.ask.Crash({ why: "on purpose" }), "CalleeCrashed")
      assert.equal(yield* within("300 millis", ref.ask.Count()), 0)
    })
  ),

  law(
    "S6",
    anywhere,
    "what the incarnation's Scope acquired is released before init runs again, the last first",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Owner = Actor.make("Owner", [Rpc.make("Crash"), Rpc.make("Acquire")])
        const acquire = (what: string) =>
          Effect.acquireRelease(journal.note(`${what}+`), () =>
            Effect.andThen(Effect.yieldNow, journal.note(`${what}-`))
          )
        const owner = Owner.behavior(
          Effect.gen(function* () {
            journal.write("init")
            yield* acquire("a")
            yield* acquire("b")
            return {
              // A handler's Scope is the incarnation's.
              Acquire: () => acquire("c"),
              Crash: () => Effect.die(new Error("on purpose"))
            }
          })
        )
        const ref = yield* stage.spawn(Owner, owner)
        yield* ref.ask.Acquire()
        yield* unknown(ref.ask.Crash(), "CalleeCrashed")
        yield* within("300 millis", ref.ask.Acquire())
        assert.deepEqual(journal.entries, ["init", "a+", "b+", "c+", "c-", "b-", "a-", "init", "a+", "b+", "c+"])
      })
  ),

  law("S6", anywhere, "each restart is an event with the new incarnation and the cause", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      for (const incarnation of [2, 3]) {
        const restarted = yield* event(stage.callee.system, isRestart("subject"))
        yield* ref.tell.Crash({ why: `crash ${incarnation}` })
        const news = yield* within("500 millis", restarted)
        assert(news._tag === "ActorRestarted")
        assert.equal(news.incarnation, incarnation)
        assert.equal((news.cause as Error).message, `crash ${incarnation}`)
      }
      assert.deepEqual(journal.of("init"), ["init 1", "init 2", "init 3"])
    })
  ),

  law("S6", anywhere, "refs and watches survive a restart", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const watch = yield* start(ref.watch)
      yield* ref.tell.Crash({ why: "on purpose" })
      yield* within("300 millis", journal.seen("init 2"))
      assert.equal(yield* ref.ask.Double({ n: 2 }), 4)
      assert.equal(watch.pollUnsafe(), undefined)
      yield* ref.stop()
      assert.equal((yield* Fiber.join(watch)).reason._tag, "Shutdown")
    })
  ),

  law("S6", anywhere, "an incarnation's own watches and children end with it", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Parent = Actor.make("Parent", [Rpc.make("Crash"), Rpc.make("Ping")])
      const parent = Parent.behavior(
        Effect.gen(function* () {
          const { incarnation, spawn, watch } = yield* Actor.Context
          journal.write(`parent ${incarnation}`)
          if (incarnation === 1) {
            const child = yield* spawn("child", subject(journal))
            yield* watch(child, () => journal.note("an old watch fired"))
          }
          return { Crash: () => Effect.die(new Error("on purpose")), Ping: () => Effect.void }
        })
      )
      const ref = yield* stage.spawn(Parent, parent, "parent")
      yield* unknown(ref.ask.Crash(), "CalleeCrashed")
      yield* within("300 millis", ref.ask.Ping())
      assert.deepEqual(journal.entries, ["parent 1", "init 1", "released 1", "parent 2"])
      assert.deepEqual((yield* stage.callee.system.tree)[0]!.children, [])
    })
  )
]

/** Fails in init as often as it is told; notes the time of each start. */
const Starter = Actor.make("Starter", [Rpc.make("Crash"), Rpc.make("Ping")])
const starter = (times: Array<number>, fails: (start: number) => boolean, options?: Actor.BehaviorOptions) =>
  Starter.behavior(
    Effect.gen(function* () {
      times.push(yield* Clock.currentTimeMillis)
      if (fails(times.length)) return yield* new Refused({ why: `init ${times.length} failed` })
      return { Crash: () => Effect.die(new Error("on purpose")), Ping: () => Effect.void }
    }),
    options
  )

/** A restart came after its backoff: never early, and late only by what a busy machine takes. */
const afterBackoff = (times: ReadonlyArray<number>, nominal: ReadonlyArray<number>) => {
  const gaps = times.slice(1).map((time, index) => time - times[index]!)
  for (const [index, gap] of gaps.entries()) {
    const backoff = nominal[index]!
    assert(
      gap >= backoff * 0.8 - 1 && gap <= backoff * 1.2 + 150,
      `restart ${index + 1} came after ${gap} ms, not ${backoff} ms`
    )
  }
  assert.equal(gaps.length, nominal.length)
}

class Greeting extends Context.Service<Greeting, string>()("troupe/testing/Greeting") {}

const starting = [
  law("S7", "one node", "spawn succeeds after init did", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Late = Actor.make("Late", [Rpc.make("Ping")])
      const late = Late.behavior(
        Effect.gen(function* () {
          journal.write("init")
          yield* journal.wait("a")
          journal.write("ready")
          return { Ping: () => Effect.void }
        })
      )
      const spawned = yield* start(stage.callee.system.spawn("late", late))
      yield* journal.seen("init")
      assert.equal(spawned.pollUnsafe(), undefined)
      yield* journal.open("a")
      const ref = yield* Fiber.join(spawned)
      assert.deepEqual(journal.entries, ["init", "ready"])
      yield* ref.ask.Ping()
    })
  ),

  law(
    "S7",
    "one node",
    "spawn fails with StartError and its cause when init fails or breaks, and the name is free again",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Failing = Actor.make("Failing", [])
        const acquire = Effect.acquireRelease(journal.note("acquired"), () => journal.note("released"))
        const inits: Record<string, Effect.Effect<Record<never, never>, Refused, Scope.Scope>> = {
          fails: Effect.andThen(acquire, Effect.fail(new Refused({ why: "not today" }))),
          "fails later": Effect.andThen(
            acquire,
            Effect.andThen(Effect.yieldNow, Effect.fail(new Refused({ why: "not today" })))
          ),
          breaks: Effect.andThen(acquire, Effect.die(new Error("broken"))),
          throws: Effect.andThen(
            acquire,
            Effect.suspend((): Effect.Effect<Record<never, never>> => {
              throw new Error("broken")
            })
          )
        }
        for (const [how, init] of Object.entries(inits)) {
          journal.clear()
          const error = yield* Effect.flip(stage.callee.system.spawn("failing", Failing.behavior(init)))
          assert(error instanceof ActorError.StartError, how)
          assert.deepEqual([error.path, error.reason], ["failing", "InitFailed"])
          if (how.startsWith("fails")) assert(error.cause instanceof Refused)
          else assert.equal((error.cause as Error).message, "broken")
          yield* journal.seen("released")
          assert.deepEqual(journal.entries, ["acquired", "released"])
        }
        const ref = yield* stage.callee.system.spawn("failing", Failing.behavior({}))
        yield* ref.stop()
      })
  ),

  law("S7", "one node", "interrupting a spawn stops the actor and frees its name", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Late = Actor.make("Late", [])
      const late = Late.behavior(
        Effect.gen(function* () {
          yield* Effect.acquireRelease(journal.note("acquired"), () => journal.note("released"))
          yield* journal.wait("never")
          return {}
        })
      )
      const spawned = yield* start(stage.callee.system.spawn("late", late))
      yield* journal.seen("acquired")
      yield* Fiber.interrupt(spawned)
      yield* journal.seen("released")
      yield* stage.callee.system.idle
      yield* stage.callee.system.spawn("late", Late.behavior({}))
    })
  ),

  law("S7", "one node", "an init has its spawner's services", (stage) =>
    Effect.gen(function* () {
      const Asker = Actor.make("Asker", [Rpc.make("Ask", { success: Schema.String })])
      const asker = Asker.behavior({
        Ask: () => Effect.map(Greeting, (greeting) => greeting)
      })
      const ref = yield* stage.callee.system.spawn("asker", asker).pipe(Effect.provideService(Greeting, "hello"))
      assert.equal(yield* ref.ask.Ask(), "hello")
    })
  )
]

const restarts = [
  law(
    "S7",
    "one node",
    "restarts back off from 100 ms, doubling, with a jitter of 20 %, also when init fails",
    (stage) =>
      Effect.gen(function* () {
        const times: Array<number> = []
        const ref = yield* stage.spawn(
          Starter,
          starter(times, (start) => start > 1 && start < 4),
          "starter"
        )
        const crashed = yield* Clock.currentTimeMillis
        times[0] = crashed
        yield* ref.tell.Crash()
        yield* within("2 seconds", ref.ask.Ping())
        afterBackoff(times, [100, 200, 400])
      })
  ),

  law("S7", "one node", "siblings do not back off in step", (stage) =>
    Effect.gen(function* () {
      const firsts: Array<number> = []
      for (let index = 0; index < 12; index++) {
        const times: Array<number> = []
        const ref = yield* stage.spawn(
          Starter,
          starter(times, () => false),
          `starter-${index}`
        )
        times[0] = yield* Clock.currentTimeMillis
        yield* ref.tell.Crash()
        yield* within("1 seconds", ref.ask.Ping())
        firsts.push(Math.round(times[1]! - times[0]!))
      }
      assert(new Set(firsts).size > 3, `all backoffs are alike: ${firsts.join(", ")}`)
    })
  ),

  law(
    "S7",
    "one node",
    "an actor that fails a sixth time within 30 seconds is given up, as Crashed with its cause",
    (stage) =>
      Effect.gen(function* () {
        const times: Array<number> = []
        const ref = yield* stage.spawn(
          Starter,
          starter(times, (start) => start > 1),
          "starter"
        )
        times[0] = yield* Clock.currentTimeMillis
        const watch = yield* start(ref.watch)
        yield* ref.tell.Crash()
        const { reason } = yield* within("6 seconds", Fiber.join(watch))
        assert(reason._tag === "Crashed")
        assert.equal((reason.cause as Error).message, "init 6 failed")
        afterBackoff(times, [100, 200, 400, 800, 1600])
        yield* notExecuted(ref.ask.Ping(), "NoSuchActor")
        assert.deepEqual(yield* stage.callee.system.tree, [])
      })
  ),

  law(
    "S7",
    "one node",
    "messages that wait when an actor is given up are returned or dead letters",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(
          Starter,
          starter([], (start) => start > 1),
          "starter"
        )
        yield* ref.tell.Crash()
        yield* ref.tell.Ping()
        const ask = yield* start(ref.ask.Ping(undefined, { deadline: "10 seconds" }))
        const reason = yield* within("6 seconds", notExecuted(Fiber.join(ask), "Stopping"))
        assert.equal(reason.to, "starter")
        const { deadLettered, returned } = yield* stage.ledger
        assert.deepEqual([deadLettered, returned], [1, 1])
      }),
    { counts: true }
  ),

  law(
    "S7",
    "one node",
    "failures more than 30 seconds apart do not add up",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        for (let crash = 1; crash <= 12; crash++) {
          yield* unknown(ref.ask.Crash({ why: "on purpose" }), "CalleeCrashed")
          yield* elapse("13 seconds")
        }
        assert.equal(yield* ref.ask.Count(), 0)
        assert.equal(journal.of("init").length, 13)
      }),
    { slow: true }
  ),

  law(
    "S7",
    "one node",
    "the backoff grows to 10 seconds at most, and starts anew after 60 seconds of health",
    (stage) =>
      Effect.gen(function* () {
        const times: Array<number> = []
        const ref = yield* stage.spawn(
          Starter,
          starter(times, () => false),
          "starter"
        )
        const backoffs: Array<number> = []
        const crash = (pause: number) =>
          Effect.gen(function* () {
            yield* elapse(pause)
            const at = yield* Clock.currentTimeMillis
            yield* unknown(ref.ask.Crash(), "CalleeCrashed")
            yield* within("13 seconds", ref.ask.Ping(undefined, { deadline: "20 seconds" }))
            backoffs.push(times.at(-1)! - at)
          })
        for (let n = 0; n < 10; n++) yield* crash(8000)
        const nominal = [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]
        for (const [index, backoff] of backoffs.entries()) {
          assert(
            backoff >= nominal[index]! * 0.8 - 1 && backoff <= nominal[index]! * 1.2 + 150,
            `${index}: ${backoffs.join(", ")}`
          )
        }
        yield* crash(61_000)
        assert(backoffs.at(-1)! <= 300, `${backoffs.at(-1)} ms`)
      }),
    { slow: true }
  )
]

const Family = Actor.make("Family", [
  Rpc.make("Spawn", { payload: { name: Schema.String } }),
  Rpc.make("Ping"),
  Rpc.make("Hold"),
  Rpc.make("Crash")
])
/** A parent whose children are made by `child`; the first ones at its start. */
const family = (
  journal: Journal,
  names: ReadonlyArray<string>,
  child: (name: string) => Actor.Behavior<any, any, any>,
  name = "parent"
) =>
  Family.behavior(
    Effect.gen(function* () {
      const { incarnation, spawn } = yield* Actor.Context
      yield* Effect.acquireRelease(journal.note(`${name}+ ${incarnation}`), () =>
        journal.note(`${name}- ${incarnation}`)
      )
      for (const name of names) yield* Effect.orDie(spawn(name, child(name)))
      return {
        Spawn: ({ name }: { readonly name: string }) => Effect.asVoid(Effect.orDie(spawn(name, child(name)))),
        Ping: () => Effect.void,
        Hold: () => journal.note("hold+").pipe(Effect.andThen(journal.wait("hold"))),
        Crash: () => Effect.die(new Error("the parent crashed"))
      }
    }) as Effect.Effect<any>
  )

const Noted = Actor.make("Noted", [Rpc.make("Crash")])
const noted = (journal: Journal, options?: Actor.BehaviorOptions) => (name: string) =>
  Noted.behavior(
    Effect.gen(function* () {
      yield* Effect.acquireRelease(journal.note(`${name}+`), () =>
        Effect.andThen(Effect.yieldNow, journal.note(`${name}-`))
      )
      return { Crash: () => Effect.die(new Error(`${name} crashed`)) }
    }),
    options
  )

/** Crashes a child until it is given up. */
const exhaust = (stage: Stage, path: string, times = 6) =>
  Effect.gen(function* () {
    const child = yield* stage.callee.system.lookup(Noted, path)
    for (let crash = 1; crash <= times; crash++) {
      yield* within("12 seconds", unknown(child.ask.Crash(undefined, { deadline: "15 seconds" }), "CalleeCrashed"))
    }
  })

const families = [
  law("S7", anywhere, "children start in order and are stopped in reverse before their parent ends", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Family, family(journal, ["a", "b", "c"], noted(journal)), "parent")
      yield* ref.ask.Spawn({ name: "d" })
      yield* ref.stop()
      assert.deepEqual(journal.entries, ["parent+ 1", "a+", "b+", "c+", "d+", "d-", "c-", "b-", "a-", "parent- 1"])
    })
  ),

  law(
    "S7",
    anywhere,
    "children that are to stop together take no more messages from the moment their parent stops",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Parent = Actor.make("Parent", [])
        const Child = Actor.make("Child", [Rpc.make("Hold", { payload: { key: Schema.String } })])
        const child = Child.behavior({
          Hold: ({ key }) => journal.note(`${key}+`).pipe(Effect.andThen(journal.wait(key)))
        })
        const names = ["a", "b", "c"]
        const parent = Parent.behavior(
          Effect.gen(function* () {
            const { spawn } = yield* Actor.Context
            for (const name of names) yield* Effect.orDie(spawn(name, child))
            yield* Effect.acquireRelease(Effect.void, () => journal.note("parent-"))
            return {}
          }),
          { stopChildren: "together" }
        )
        const ref = yield* stage.spawn(Parent, parent, "parent")
        const children = []
        for (const name of names) children.push(yield* stage.callee.system.lookup(Child, `parent/${name}`))
        const held = []
        for (const [index, name] of names.entries()) {
          held.push(yield* start(children[index]!.ask.Hold({ key: name })))
          yield* journal.seen(`${name}+`)
        }
        const stop = yield* start(ref.stop())
        yield* stage.arrived
        for (const each of children) yield* notExecuted(each.ask.Hold({ key: "late" }), "Stopping")
        // The first to start may be the first to end.
        for (const name of names) yield* journal.open(name)
        for (const fiber of held) yield* Fiber.join(fiber)
        yield* Fiber.join(stop)
        assert.deepEqual(journal.entries, ["a+", "b+", "c+", "parent-"])
      })
  ),

  law("S7", anywhere, "children are stopped, in reverse, before their parent restarts", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Family, family(journal, ["a", "b"], noted(journal)), "parent")
      yield* ref.ask.Spawn({ name: "c" })
      yield* unknown(ref.ask.Crash(), "CalleeCrashed")
      yield* within("300 millis", ref.ask.Ping())
      assert.deepEqual(journal.entries, [
        ...["parent+ 1", "a+", "b+", "c+", "c-", "b-", "a-", "parent- 1"],
        ...["parent+ 2", "a+", "b+"]
      ])
    })
  ),

  law("S7", "one node", "a child's crash restarts the child alone", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      yield* stage.spawn(Family, family(journal, ["a", "b", "c"], noted(journal)), "parent")
      const b = yield* stage.callee.system.lookup(Noted, "parent/b")
      const restarted = yield* event(stage.callee.system, isRestart("parent/b"))
      yield* unknown(b.ask.Crash(), "CalleeCrashed")
      yield* within("300 millis", restarted)
      assert.deepEqual(journal.entries, ["parent+ 1", "a+", "b+", "c+", "b-", "b+"])
    })
  ),

  law("S7", "one node", "a child that was stopped or killed is not started again", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Family, family(journal, ["a", "b"], noted(journal)), "parent")
      yield* (yield* stage.callee.system.lookup(Noted, "parent/a")).stop()
      yield* (yield* stage.callee.system.lookup(Noted, "parent/b")).kill
      yield* elapse("300 millis")
      yield* ref.ask.Ping()
      assert.deepEqual(journal.entries, ["parent+ 1", "a+", "b+", "a-", "b-"])
    })
  ),

  law(
    "S7",
    "one node",
    "a child that is given up fails its parent with the chain of causes, and the parent restarts",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Family, family(journal, ["a", "b"], noted(journal)), "parent")
        const restarted = yield* event(stage.callee.system, isRestart("parent"))
        yield* exhaust(stage, "parent/a")
        const news = yield* within("300 millis", restarted)
        assert(news._tag === "ActorRestarted")
        const { cause } = news
        assert(cause instanceof ActorError.ChildFailed)
        assert.deepEqual([cause.path, cause.restarts, cause.withinMillis], ["parent/a", 5, 30_000])
        assert.equal((cause.cause as Error).message, "a crashed")
        yield* ref.ask.Ping()
        journal.inOrder("b-", "parent- 1", "parent+ 2")
      })
  ),

  law("S7", "one node", "the message that a parent is handling when its child is given up ends as a crash", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Family, family(journal, ["a"], noted(journal)), "parent")
      const held = yield* start(ref.ask.Hold(undefined, { deadline: "20 seconds" }))
      yield* journal.seen("hold+")
      yield* exhaust(stage, "parent/a")
      const { cause } = yield* unknown(Fiber.join(held), "CalleeCrashed")
      assert.match(String(cause), /parent\/a/)
      yield* within("300 millis", journal.seen("parent+ 2"))
    })
  ),

  law(
    "S7",
    "one node",
    "failures climb to the top, which ends as Crashed with the whole chain of causes",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        let starts = 0
        // A child that starts, and then fails at once whenever it is started again.
        const child = (name: string) =>
          Noted.behavior(
            Effect.gen(function* () {
              const { incarnation, self } = yield* Actor.Context
              starts += 1
              if (incarnation > 1) return yield* new Refused({ why: `${name} fails` })
              yield* (self as any).tell.Crash()
              return { Crash: () => Effect.die(new Error(`${name} crashed`)) }
            }) as Effect.Effect<any>
          )
        const ref = yield* stage.spawn(Family, family(journal, ["a"], child), "parent")
        const watch = yield* start(ref.watch)
        const { reason } = yield* within("60 seconds", Fiber.join(watch))
        assert(reason._tag === "Crashed")
        assert(reason.cause instanceof ActorError.ChildFailed)
        assert.equal(reason.cause.path, "parent/a")
        assert.equal((reason.cause.cause as Error).message, "a fails")
        assert.equal(starts, 36)
        assert.deepEqual(journal.of("parent+").length, 6)
      }),
    { slow: true }
  ),

  law(
    "S7",
    "one node",
    "a child whose init fails at its start does not crash its parent, which learns it from spawn",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Parent = Actor.make("Parent", [Rpc.make("Try", { success: Schema.String })])
        const Failing = Actor.make("Failing", [])
        const parent = Parent.behavior(
          Effect.gen(function* () {
            const { spawn } = yield* Actor.Context
            journal.write("init")
            const failing = Failing.behavior(Effect.fail(new Refused({ why: "not today" })))
            return {
              Try: () =>
                Effect.map(Effect.exit(spawn("failing", failing)), (exit) =>
                  Exit.isFailure(exit) ? String(exit.cause) : "started"
                )
            }
          })
        )
        const ref = yield* stage.spawn(Parent, parent, "parent")
        for (let n = 0; n < 8; n++) assert.match(yield* ref.ask.Try(), /init failed with not today/)
        yield* elapse("300 millis")
        assert.deepEqual(journal.entries, ["init"])
      })
  )
]

/** A Starter with options, watched; `crash` crashes it and answers when it does. */
const tuned = (
  stage: Stage,
  restart: NonNullable<Actor.BehaviorOptions["restart"]>,
  fails: (start: number) => boolean = () => false
) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    const ref = yield* stage.spawn(Starter, starter(times, fails, { restart }), "starter")
    const watch = yield* start(ref.watch)
    yield* stage.arrived
    const crash = unknown(ref.ask.Crash(undefined, { deadline: "20 seconds" }), "CalleeCrashed")
    const gone = Effect.map(Fiber.join(watch), ({ reason }) => {
      assert(reason._tag === "Crashed")
      return (reason.cause as Error).message
    })
    return { crash, gone, ref, times, watch }
  })

const none = { from: 0, to: 0 }

const tuning = [
  law("S7", anywhere, "with no time of health and no backoff, any number of messages may crash, at once", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const options = { restart: { backoff: none, healthyAfter: 0 } }
      const ref = yield* stage.spawn(Subject, subject(journal, options))
      const began = yield* Clock.currentTimeMillis
      const asks: Array<Fiber.Fiber<unknown, unknown>> = []
      // Some after one another, and some that wait together.
      for (let n = 1; n <= 40; n++) {
        asks.push(yield* start(ref.ask.Crash({ why: `${n}` })))
        yield* ref.tell.Note({ n })
        if (n <= 20) yield* Fiber.await(asks.at(-1)!)
      }
      for (const ask of asks) yield* unknown(Fiber.join(ask), "CalleeCrashed")
      assert.equal(yield* ref.ask.Count(), 1)
      assert((yield* Clock.currentTimeMillis) - began < 2000)
      assert.deepEqual(
        journal.entries.filter((entry) => !entry.startsWith("released")),
        ["init 1", ...asks.flatMap((_, n) => [`crash ${n + 1}`, `init ${n + 2}`, `note ${n + 1}`])]
      )
    })
  ),

  law("S7", "one node", "with no time of health, an actor whose init keeps failing is given up all the same", (stage) =>
    Effect.gen(function* () {
      const { crash, gone, ref, times } = yield* tuned(stage, { backoff: none, healthyAfter: 0 }, (start) => start > 3)
      yield* crash
      yield* crash
      yield* ref.ask.Ping()
      assert.equal(times.length, 3)
      // This one, and the five restarts that fail.
      yield* crash
      assert.equal(yield* gone, "init 8 failed")
      assert.equal(times.length, 8)
      assert.deepEqual(yield* stage.callee.system.tree, [])
    })
  ),

  law("S7", "one node", "an actor is restarted as often as its intensity says, and then given up", (stage) =>
    Effect.gen(function* () {
      for (const restarts of [0, 1, 3]) {
        const intensity = { restarts, within: "10 seconds" } as const
        const { crash, gone, times } = yield* tuned(stage, { intensity, backoff: { from: 10, to: 10 } })
        for (let n = 0; n < restarts; n++) {
          yield* crash
          yield* elapse("20 millis")
        }
        assert.equal(times.length, restarts + 1)
        yield* crash
        assert.equal(yield* gone, "on purpose")
        assert.equal(times.length, restarts + 1)
      }
    })
  ),

  law("S7", "one node", "failures further apart than the intensity's time do not add up", (stage) =>
    Effect.gen(function* () {
      const intensity = { restarts: 1, within: "1 seconds" } as const
      const { crash, gone, times } = yield* tuned(stage, { intensity, backoff: { from: 10, to: 10 } })
      for (let n = 1; n <= 4; n++) {
        yield* crash
        yield* elapse("1100 millis")
        assert.equal(times.length, n + 1)
      }
      yield* crash
      yield* elapse("100 millis")
      yield* crash
      assert.equal(yield* gone, "on purpose")
    })
  ),

  law("S7", "one node", "the backoff begins and ends where the behavior says", (stage) =>
    Effect.gen(function* () {
      const backoff = { from: "200 millis", to: "800 millis" } as const
      const { crash, gone, times } = yield* tuned(stage, { backoff }, (start) => start > 1)
      times[0] = yield* Clock.currentTimeMillis
      yield* crash
      yield* within("6 seconds", gone)
      afterBackoff(times, [200, 400, 800, 800, 800])
    })
  ),

  law(
    "S7",
    "one node",
    "after the behavior's time of health, counted from the last start, all failures are forgotten",
    (stage) =>
      Effect.gen(function* () {
        const { crash, gone, times } = yield* tuned(stage, {
          intensity: { restarts: 1, within: "1 hours" },
          backoff: { from: "400 millis", to: "4 seconds" },
          healthyAfter: "600 millis"
        })
        for (let n = 1; n <= 3; n++) {
          times.length = 0
          const at = yield* Clock.currentTimeMillis
          yield* crash
          yield* elapse("1400 millis")
          afterBackoff([at, ...times], [400])
        }
        // Its last start is not long ago, though its last failure is.
        yield* crash
        yield* elapse("700 millis")
        yield* crash
        assert.equal(yield* gone, "on purpose")
      })
  ),

  law("S7", "one node", "a child that is given up fails its parent with its own intensity", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const restart = { intensity: { restarts: 2, within: "7 seconds" }, backoff: none } as const
      const child = (name: string) => noted(journal, { restart })(name)
      yield* stage.spawn(Family, family(journal, ["a"], child), "parent")
      const restarted = yield* event(stage.callee.system, isRestart("parent"))
      yield* exhaust(stage, "parent/a", 3)
      const news = yield* within("300 millis", restarted)
      assert(news._tag === "ActorRestarted" && news.cause instanceof ActorError.ChildFailed)
      assert.deepEqual([news.cause.path, news.cause.restarts, news.cause.withinMillis], ["parent/a", 2, 7000])
    })
  ),

  law("S7", "one node", "restart options that are none are refused", () =>
    Effect.sync(() => {
      const None = Actor.make("None", [])
      const cases: ReadonlyArray<[restart: unknown, message: RegExp]> = [
        [{ intensity: { restarts: -1, within: 1 } }, /^expected `intensity.restarts` to be a whole number, got: -1$/],
        [{ intensity: { restarts: 1.5, within: 1 } }, /^expected `intensity.restarts` to be a whole number, got: 1.5$/],
        [{ intensity: { restarts: Number.NaN, within: 1 } }, /^expected `intensity.restarts` to be .*, got: NaN$/],
        [
          { intensity: { restarts: 1, within: "Infinity" } },
          /^expected `intensity.within` to be finite and not negative, got: Infinity ms$/
        ],
        [{ backoff: { from: -1, to: 1 } }, /^expected `backoff.from` to be finite and not negative, got: -1 ms$/],
        [
          { backoff: { from: 1, to: Number.POSITIVE_INFINITY } },
          /^expected `backoff.to` to be finite and not negative, got: Infinity ms$/
        ],
        [{ healthyAfter: "-5 millis" }, /^expected `healthyAfter` to be finite and not negative, got: -5 ms$/],
        // A Duration takes it for 0.
        [{ healthyAfter: Number.NaN }, /^expected `healthyAfter` to be finite and not negative, got: NaN ms$/],
        [{ backoff: { from: Number.NaN, to: 1 } }, /^expected `backoff.from` to be .*, got: NaN ms$/],
        [{ backoff: { from: 1, to: Number.NaN } }, /^expected `backoff.to` to be .*, got: NaN ms$/],
        [{ intensity: { restarts: 1, within: Number.NaN } }, /^expected `intensity.within` to be .*, got: NaN ms$/]
      ]
      for (const [restart, message] of cases) {
        assert.throws(() => None.behavior({}, { restart: restart as never }), { message })
      }
    })
  )
]

export const supervisionLaws = [crashes, starting, restarts, families, tuning].flat(2)
