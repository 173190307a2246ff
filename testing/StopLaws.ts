/** S8, how an actor is stopped. */
import assert from "node:assert/strict"
import { Effect, Exit, Fiber, Scope } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, type ActorError } from "../core/index.ts"
import { anywhere, deadLetter, elapse, law, notExecuted, start, unknown, within } from "./Law.ts"
import { Subject, subject } from "./Subject.ts"

const graceful = [
  law("S8", anywhere, "a stop lets the running handler finish, and its asker has the answer", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      const beside = yield* start(ref.ask.HoldBeside({ key: "b" }))
      yield* journal.seen("a+")
      yield* stage.arrived
      const stop = yield* start(ref.stop())
      yield* notExecuted(ref.ask.Count(), "Stopping")
      assert.equal(stop.pollUnsafe(), undefined)
      yield* journal.open("a", "b")
      assert.equal(yield* Fiber.join(held), "a")
      // What had not begun is not begun.
      yield* notExecuted(Fiber.join(beside), "Stopping")
      yield* Fiber.join(stop)
      assert.deepEqual(journal.entries, ["init 1", "a+", "a-", "released 1"])
    })
  ),

  law("S8", anywhere, "a stop lets concurrent handlers finish", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const a = yield* start(ref.ask.HoldBeside({ key: "a" }))
      const b = yield* start(ref.ask.HoldBeside({ key: "b" }))
      yield* journal.seen("b+")
      const stop = yield* start(ref.stop())
      yield* notExecuted(ref.ask.Count(), "Stopping")
      yield* journal.open("a", "b")
      assert.deepEqual(yield* Fiber.joinAll([a, b]), ["a", "b"])
      yield* Fiber.join(stop)
      assert.equal(journal.entries.at(-1), "released 1")
    })
  ),

  law(
    "S8",
    anywhere,
    "a stop interrupts the running handler at its deadline",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const stop = yield* start(ref.stop({ deadline: "100 millis" }))
        yield* notExecuted(ref.ask.Count(), "Stopping")
        yield* elapse("50 millis")
        assert.equal(held.pollUnsafe(), undefined)
        yield* within("500 millis", unknown(Fiber.join(held), "Interrupted"))
        yield* Fiber.join(stop)
        assert.deepEqual(journal.entries, ["init 1", "a+", "a!", "released 1"])
        assert.equal((yield* stage.ledger).failed, 1)
      }),
    { counts: true }
  ),

  law("S8", anywhere, "a stop's deadline is for the handlers of the children too", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Parent = Actor.make("Parent", [Rpc.make("Ping")])
      const parent = Parent.behavior(
        Effect.gen(function* () {
          const { spawn } = yield* Actor.Context
          const child = yield* Effect.orDie(spawn("child", subject(journal)))
          yield* Effect.orDie(child.tell.Hold({ key: "a" }))
          return { Ping: () => Effect.void }
        })
      )
      const ref = yield* stage.spawn(Parent, parent, "parent")
      yield* journal.seen("a+")
      yield* within("1 seconds", ref.stop({ deadline: "60 millis" }))
      assert.deepEqual(journal.entries, ["init 1", "a+", "a!", "released 1"])
    })
  ),

  law("S8", anywhere, "a stop without a deadline of its own has the behavior's", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal, { stopDeadline: "80 millis" }))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const stop = yield* start(ref.stop())
      yield* within("500 millis", unknown(Fiber.join(held), "Interrupted"))
      yield* Fiber.join(stop)
    })
  ),

  law(
    "S8",
    anywhere,
    "queued asks are answered Stopping and queued tells become dead letters, at once",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const letter = yield* deadLetter(stage.callee.system)
        const asks: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const n of [1, 2, 3]) {
          yield* ref.tell.Note({ n })
          asks.push(yield* start(ref.ask.Double({ n })))
        }
        yield* stage.arrived
        const stop = yield* start(ref.stop())
        for (const ask of asks) assert.equal((yield* notExecuted(Fiber.join(ask), "Stopping")).to, "subject")
        const { reason, tag, to } = yield* letter
        assert.deepEqual([reason._tag, tag, to], ["Stopping", "Note", "subject"])
        yield* journal.open("a")
        yield* Fiber.join(held)
        yield* Fiber.join(stop)
        const { deadLettered, handled, returned } = yield* stage.ledger
        assert.equal(deadLettered, 3)
        assert(returned >= 3 && handled >= 1)
        assert.deepEqual([...journal.of("note"), ...journal.of("double")], [])
      }),
    { counts: true }
  ),

  law(
    "S8",
    anywhere,
    "a stopping actor takes no urgent messages either, and those that wait go the way of the others",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const letter = yield* deadLetter(stage.callee.system)
        yield* ref.tell.NoteFirst({ n: 1 })
        const asked = yield* start(ref.ask.HoldFirst({ key: "b" }))
        yield* stage.arrived
        const stop = yield* start(ref.stop())
        assert.equal((yield* notExecuted(Fiber.join(asked), "Stopping")).to, "subject")
        const { reason, tag } = yield* letter
        assert.deepEqual([reason._tag, tag], ["Stopping", "NoteFirst"])
        yield* notExecuted(ref.ask.NoteFirst({ n: 2 }), "Stopping")
        yield* notExecuted(ref.offer.NoteFirst({ n: 3 }), "Stopping")
        yield* Effect.ignore(ref.tell.NoteFirst({ n: 4 }))
        yield* stage.arrived
        yield* journal.open("a")
        yield* Fiber.join(held)
        yield* Fiber.join(stop)
        assert.deepEqual(journal.entries, ["init 1", "a+", "a-", "released 1"])
        yield* notExecuted(ref.ask.NoteFirst({ n: 5 }), "NoSuchActor")
      }),
    { counts: true }
  ),

  law("S8", anywhere, "a stop of an idle actor ends it at once, and a stop of an ended one succeeds", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* ref.stop()
      yield* ref.stop()
      yield* ref.kill
      assert.deepEqual(journal.entries, ["init 1", "released 1"])
      assert.deepEqual(yield* stage.callee.system.tree, [])
    })
  ),

  law("S8", anywhere, "stopping twice at a time ends the actor once", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const stops = [
        yield* start(ref.stop()),
        yield* start(ref.stop()),
        yield* start(ref.stop({ deadline: "1 seconds" }))
      ]
      yield* notExecuted(ref.ask.Count(), "Stopping")
      yield* journal.open("a")
      assert.equal(yield* Fiber.join(held), "a")
      yield* Fiber.joinAll(stops)
      assert.equal(journal.count("released 1"), 1)
    })
  ),

  law("S8", anywhere, "the end is announced after the Scope is released and the children are stopped", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Parent = Actor.make("Parent", [Rpc.make("Ping")])
      const parent = Parent.behavior(
        Effect.gen(function* () {
          const { spawn } = yield* Actor.Context
          yield* Effect.acquireRelease(Effect.void, () =>
            Effect.andThen(Effect.yieldNow, journal.note("parent released"))
          )
          yield* Effect.orDie(spawn("child", subject(journal)))
          return { Ping: () => Effect.void }
        })
      )
      const ref = yield* stage.spawn(Parent, parent, "parent")
      const watch = yield* start(Effect.tap(ref.watch, () => journal.note("announced")))
      yield* ref.ask.Ping()
      yield* ref.stop()
      yield* Fiber.join(watch)
      assert.deepEqual(journal.entries, ["init 1", "released 1", "parent released", "announced"])
    })
  ),

  law("S8", anywhere, "an actor that stops itself finishes the message in hand, and handles no other", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Leaver = Actor.make("Leaver", [
        Rpc.make("Leave"),
        Rpc.make("Note"),
        Rpc.make("StopSelf"),
        Rpc.make("KillSelf")
      ])
      const leaver = Leaver.behavior(
        Effect.gen(function* () {
          const { stop } = yield* Actor.Context
          const self = yield* Leaver.self
          return {
            Leave: () =>
              journal
                .note("leaving")
                .pipe(
                  Effect.andThen(journal.wait("a")),
                  Effect.andThen(stop),
                  Effect.andThen(Effect.yieldNow),
                  Effect.andThen(journal.note("left"))
                ),
            Note: () => journal.note("note"),
            StopSelf: () => Effect.andThen(self.stop(), journal.note("after stop")),
            KillSelf: () => Effect.andThen(self.kill, journal.note("after kill"))
          }
        })
      )
      const ref = yield* stage.spawn(Leaver, leaver, "one")
      const leave = yield* start(ref.ask.Leave())
      yield* journal.seen("leaving")
      const note = yield* start(ref.ask.Note())
      const watch = yield* start(ref.watch)
      yield* stage.arrived
      yield* journal.open("a")
      yield* Fiber.join(leave)
      yield* notExecuted(Fiber.join(note), "Stopping")
      assert.equal((yield* Fiber.join(watch)).reason._tag, "Normal")
      assert.deepEqual(journal.entries, ["leaving", "left"])
      const two = yield* stage.spawn(Leaver, leaver, "two")
      yield* two.ask.StopSelf()
      yield* journal.seen("after stop")
      const three = yield* stage.spawn(Leaver, leaver, "three")
      const last = yield* start(three.watch)
      yield* stage.arrived
      yield* Effect.exit(three.ask.KillSelf())
      assert.equal((yield* Fiber.join(last)).reason._tag, "Killed")
    })
  )
]

const kills = [
  law("S8", anywhere, "a kill interrupts what runs, at once, and ends the children too", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Parent = Actor.make("Parent", [Rpc.make("Hold")])
      const parent = Parent.behavior(
        Effect.gen(function* () {
          const { spawn } = yield* Actor.Context
          yield* Effect.orDie(spawn("child", subject(journal)))
          return {
            Hold: () =>
              journal.note("hold+").pipe(
                Effect.andThen(journal.wait("h")),
                Effect.onInterrupt(() => journal.note("hold!"))
              )
          }
        })
      )
      const ref = yield* stage.spawn(Parent, parent, "parent")
      const child = yield* stage.asker.system.lookup(Subject, "parent/child", { at: stage.callee.system.id })
      const held = yield* start(ref.ask.Hold())
      const childHeld = yield* start(child.ask.Hold({ key: "a" }))
      yield* journal.seen("hold+")
      yield* journal.seen("a+")
      const watch = yield* start(ref.watch)
      const childWatch = yield* start(child.watch)
      yield* stage.arrived
      yield* ref.kill
      yield* unknown(Fiber.join(held), "Interrupted")
      yield* unknown(Fiber.join(childHeld), "Interrupted")
      assert.equal((yield* Fiber.join(watch)).reason._tag, "Killed")
      assert.equal((yield* Fiber.join(childWatch)).reason._tag, "Killed")
      journal.inOrder("hold!", "a!", "released 1")
    })
  ),

  law("S8", anywhere, "a kill overtakes a stop that is under way", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      const watch = yield* start(ref.watch)
      yield* journal.seen("a+")
      yield* stage.arrived
      const stop = yield* start(ref.stop({ deadline: "1 hours" }))
      yield* notExecuted(ref.ask.Count(), "Stopping")
      yield* ref.kill
      yield* unknown(Fiber.join(held), "Interrupted")
      yield* Fiber.join(stop)
      assert.equal((yield* Fiber.join(watch)).reason._tag, "Killed")
      assert.deepEqual(journal.entries, ["init 1", "a+", "a!", "released 1"])
    })
  )
]

const owners = [
  law("S8", "one node", "closing the Scope that owns an actor is a stop", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const scope = yield* Scope.make()
      const ref = yield* Scope.provide(stage.callee.system.spawnScoped("scoped", subject(journal)), scope)
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      const queued = yield* start(ref.ask.Count())
      const watch = yield* start(ref.watch)
      yield* journal.seen("a+")
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* notExecuted(Fiber.join(queued), "Stopping")
      yield* journal.open("a")
      assert.equal(yield* Fiber.join(held), "a")
      yield* Fiber.join(closing)
      assert.equal((yield* Fiber.join(watch)).reason._tag, "Shutdown")
      assert.deepEqual(journal.of("released"), ["released 1"])
    })
  ),

  law("S8", "one node", "closing a system stops its actors, the last first, each after its handler", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const node = yield* stage.join("closing")
      const Named = Actor.make("Named", [Rpc.make("Hold")])
      const named = (name: string) =>
        Named.behavior(
          Effect.gen(function* () {
            yield* Effect.acquireRelease(journal.note(`${name}+`), () => journal.note(`${name}-`))
            return {
              Hold: () =>
                journal.note("hold+").pipe(Effect.andThen(journal.wait("h")), Effect.andThen(journal.note("hold-")))
            }
          })
        )
      for (const name of ["a", "b"]) yield* node.system.spawn(name, named(name))
      const c = yield* node.system.spawn("c", named("c"))
      const held = yield* start(c.ask.Hold())
      yield* journal.seen("hold+")
      const leave = yield* start(node.leave)
      yield* notExecuted(c.ask.Hold(), "Stopping")
      const late = yield* Effect.flip(node.system.spawn("late", named("late")))
      assert.deepEqual([late._tag, late.reason], ["StartError", "Stopping"])
      yield* journal.open("h")
      yield* Fiber.join(held)
      yield* Fiber.join(leave)
      assert.deepEqual(journal.entries, ["a+", "b+", "c+", "hold+", "hold-", "c-", "b-", "a-"])
    })
  ),

  law("S8", "one node", "a stopping actor starts no children", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Parent = Actor.make("Parent", [Rpc.make("Spawn")])
      const parent = Parent.behavior(
        Effect.gen(function* () {
          const { spawn } = yield* Actor.Context
          return {
            Spawn: () =>
              journal.note("spawning").pipe(
                Effect.andThen(journal.wait("a")),
                Effect.andThen(Effect.flip(spawn("child", subject(journal)))),
                Effect.tap((error) => journal.note(`${error._tag} ${(error as ActorError.StartError).reason}`)),
                Effect.orDie,
                Effect.asVoid
              )
          }
        })
      )
      const ref = yield* stage.spawn(Parent, parent, "parent")
      const ask = yield* start(ref.ask.Spawn())
      yield* journal.seen("spawning")
      const stop = yield* start(ref.stop())
      yield* journal.open("a")
      yield* Fiber.join(ask)
      yield* Fiber.join(stop)
      assert.deepEqual(journal.entries, ["spawning", "StartError Stopping"])
    })
  ),

  law("S8", "one node", "a stop while init runs ends the actor, and its spawn fails with StartError", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Late = Actor.make("Late", [])
      const late = Late.behavior(
        Effect.gen(function* () {
          const { self } = yield* Actor.Context
          yield* Effect.acquireRelease(journal.note("acquired"), () => journal.note("released"))
          yield* Effect.forkDetach(self.stop())
          yield* journal.wait("never")
          return {}
        })
      )
      const error = yield* within("8 seconds", Effect.flip(stage.callee.system.spawn("late", late)))
      assert.deepEqual([error._tag, error.reason], ["StartError", "Stopping"])
      yield* journal.seen("released")
    })
  ),

  law("S8", anywhere, "a stop during the backoff of a restart does not wait for it", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* unknown(ref.ask.Crash({ why: "on purpose" }), "CalleeCrashed")
      yield* journal.seen("released 1")
      const queued = yield* start(ref.ask.Count())
      yield* stage.arrived
      yield* ref.stop()
      yield* notExecuted(Fiber.join(queued), "Stopping")
      yield* elapse("300 millis")
      assert.deepEqual(journal.of("init"), ["init 1"])
      assert.deepEqual(yield* stage.callee.system.tree, [])
    })
  )
]

/** Each step of a stop that does not end by itself. */
const stuck = [
  law("S8", anywhere, "a handler that cannot be interrupted does not hang a stop", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Stuck = Actor.make("Stuck", [Rpc.make("Work")])
      const behavior = Stuck.behavior(
        { Work: () => Effect.uninterruptible(journal.note("work").pipe(Effect.andThen(journal.wait("a")))) },
        { stopDeadline: "50 millis" }
      )
      const ref = yield* stage.spawn(Stuck, behavior)
      const work = yield* start(ref.ask.Work())
      yield* journal.seen("work")
      yield* within("1 seconds", ref.stop())
      yield* unknown(Fiber.join(work), "Interrupted")
      assert.deepEqual(yield* stage.callee.system.tree, [])
      yield* journal.open("a")
    })
  ),

  law("S8", anywhere, "a finalizer that does not end does not hang a stop", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Stuck = Actor.make("Stuck", [Rpc.make("Ping")])
      const behavior = Stuck.behavior(
        Effect.gen(function* () {
          yield* Effect.addFinalizer(() => journal.wait("a"))
          return { Ping: () => Effect.void }
        }),
        { stopDeadline: "50 millis" }
      )
      const ref = yield* stage.spawn(Stuck, behavior)
      yield* ref.ask.Ping()
      yield* within("1 seconds", ref.stop())
      assert.deepEqual(yield* stage.callee.system.tree, [])
      yield* journal.open("a")
    })
  ),

  law(
    "S8",
    anywhere,
    "a child that does not end does not hang its parent's stop longer than the child's own deadlines",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Child = Actor.make("Child", [Rpc.make("Work")])
        const Parent = Actor.make("Parent", [Rpc.make("Ping")])
        const child = Child.behavior(
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => journal.wait("a"))
            return { Work: () => Effect.uninterruptible(journal.note("work").pipe(Effect.andThen(journal.wait("a")))) }
          }),
          { stopDeadline: "50 millis" }
        )
        const parent = Parent.behavior(
          Effect.gen(function* () {
            const { spawn } = yield* Actor.Context
            const ref = yield* Effect.orDie(spawn("child", child))
            yield* Effect.orDie(ref.tell.Work())
            return { Ping: () => Effect.void }
          }),
          { stopDeadline: "50 millis" }
        )
        const ref = yield* stage.spawn(Parent, parent, "parent")
        yield* journal.seen("work")
        yield* ref.ask.Ping()
        yield* within("2 seconds", ref.stop())
        assert.deepEqual(yield* stage.callee.system.tree, [])
        yield* journal.open("a")
      })
  ),

  law(
    "S8",
    "one node",
    "a child that stops its parent, and waits for it, does not hang the stop",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Child = Actor.make("Child", [Rpc.make("End")])
        const Parent = Actor.make("Parent", [Rpc.make("Ping")])
        const parent = Parent.behavior(
          Effect.gen(function* () {
            const { self, spawn } = yield* Actor.Context
            const child = Child.behavior({
              End: () => Effect.onInterrupt(self.stop(), () => journal.note("interrupted"))
            })
            const ref = yield* Effect.orDie(spawn("child", child))
            yield* Effect.orDie(ref.tell.End())
            return { Ping: () => Effect.void }
          }),
          { stopDeadline: "50 millis" }
        )
        const ref = yield* stage.spawn(Parent, parent, "parent")
        // The child has the default deadline of its own.
        yield* within("8 seconds", ref.watch)
        assert.deepEqual(journal.entries, ["interrupted"])
      }),
    { slow: true }
  ),

  law("S8", "one node", "an init that cannot be interrupted does not hang a stop", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Stuck = Actor.make("Stuck", [])
      const behavior = Stuck.behavior(
        Effect.gen(function* () {
          yield* Effect.uninterruptible(journal.note("init").pipe(Effect.andThen(journal.wait("a"))))
          return {}
        }),
        { stopDeadline: "50 millis" }
      )
      const spawned = yield* start(stage.callee.system.spawn("stuck", behavior))
      yield* journal.seen("init")
      yield* within("1 seconds", Fiber.interrupt(spawned))
      yield* within("1 seconds", stage.callee.system.idle)
      assert.deepEqual(yield* stage.callee.system.tree, [])
      yield* journal.open("a")
    })
  ),

  law("S8", "one node", "a system with actors that do not end closes in bounded time", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const node = yield* stage.join("closing")
      const Stuck = Actor.make("Stuck", [Rpc.make("Work")])
      const behavior = (name: string) =>
        Stuck.behavior(
          { Work: () => Effect.uninterruptible(journal.note(`work ${name}`).pipe(Effect.andThen(journal.wait("a")))) },
          { stopDeadline: "50 millis" }
        )
      for (const name of ["a", "b", "c"]) {
        const ref = yield* node.system.spawn(name, behavior(name))
        yield* ref.tell.Work()
        yield* node.system.spawn(`${name}-idle`, behavior(name))
        yield* journal.seen(`work ${name}`)
      }
      yield* within("3 seconds", node.leave)
      yield* journal.open("a")
    })
  )
]

export const stopLaws = [graceful, kills, owners, stuck].flat(2)
