/** S11, names. */
import assert from "node:assert/strict"
import { Effect, Equal, Exit, Fiber, Hash, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorRef } from "../core/index.ts"
import { anywhere, law, notExecuted, start, within } from "./Law.ts"
import { Subject, subject } from "./Subject.ts"

export const nameLaws = [
  law(
    "S11",
    "one node",
    "a second actor of a name on a node is refused with StartError, while it starts too",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const { system } = stage.callee
        yield* system.spawn("alice", subject(journal))
        const taken = yield* Effect.flip(system.spawn("alice", subject(journal)))
        assert.deepEqual([taken._tag, taken.path, taken.reason], ["StartError", "alice", "NameTaken"])
        const Late = Actor.make("Late", [])
        const late = Late.behavior(Effect.andThen(journal.note("late"), Effect.as(journal.wait("late"), {})))
        const spawned = yield* start(system.spawn("late", late))
        yield* journal.seen("late")
        assert.equal((yield* Effect.flip(system.spawn("late", late))).reason, "NameTaken")
        yield* journal.open("late")
        yield* Fiber.join(spawned)
        assert.deepEqual(journal.of("init"), ["init 1"])
      })
  ),

  law("S11", "two nodes", "actors of different nodes may have one name", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const here = yield* stage.asker.system.spawn("alice", subject(journal))
      const there = yield* stage.spawn(Subject, subject(journal), "alice")
      yield* here.ask.Note({ n: 1 })
      assert.deepEqual([yield* here.ask.Count(), yield* there.ask.Count()], [1, 0])
      const found = yield* stage.asker.system.lookup(Subject, "alice")
      assert.equal(String(found), String(here))
    })
  ),

  law("S11", "one node", "names that are none are refused", (stage) =>
    Effect.gen(function* () {
      for (const name of ["", "a b", "a/b", "a#b", "$registry", "$mine"]) {
        const exit = yield* Effect.exit(Effect.suspend(() => stage.callee.system.spawn(name, subject(stage.journal))))
        assert(Exit.isFailure(exit), name)
        assert.match(String(exit.cause), /expected a name of 1 to 255 characters/)
      }
      yield* stage.callee.system.spawn("Größe-1_(x)", subject(stage.journal))
    })
  ),

  law("S11", anywhere, "a lookup finds an actor by its path, children too", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Parent = Actor.make("Parent", [Rpc.make("Ping")])
      const parent = Parent.behavior(
        Effect.gen(function* () {
          const { spawn } = yield* Actor.Context
          yield* Effect.orDie(spawn("child", subject(journal)))
          return { Ping: () => Effect.void }
        })
      )
      yield* stage.spawn(Parent, parent, "parent")
      const at = stage.callee.system.id
      const child = yield* stage.asker.system.lookup(Subject, "parent/child", { at })
      assert.equal(child.path, "parent/child")
      assert.equal(yield* child.ask.Double({ n: 2 }), 4)
      yield* notExecuted(stage.asker.system.lookup(Subject, "child", { at }), "NoSuchActor")
    })
  ),

  law(
    "S11",
    "two nodes",
    "a lookup that is not told where finds the actor on whichever node has it",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const third = yield* stage.join("third")
        yield* third.system.spawn("alice", subject(journal))
        yield* stage.callee.system.spawn("bob", subject(journal))
        const alice = yield* stage.asker.system.lookup(Subject, "alice")
        const bob = yield* stage.asker.system.lookup(Subject, "bob")
        yield* alice.ask.Note({ n: 1 })
        assert.deepEqual([yield* alice.ask.Count(), yield* bob.ask.Count()], [1, 0])
        yield* notExecuted(stage.asker.system.lookup(Subject, "carol"), "NoSuchActor")
      }),
    { needs: ["names"] }
  ),

  law("S11", "two nodes", "a lookup that is told where asks that node alone", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const here = yield* stage.asker.system.spawn("alice", subject(journal))
      yield* notExecuted(stage.asker.system.lookup(Subject, "alice", { at: { node: "home" } }), "NoSuchActor")
      const there = yield* stage.callee.system.spawn("alice", subject(journal))
      const found = yield* stage.asker.system.lookup(Subject, "alice", { at: { node: "home" } })
      assert.equal(String(found), String(there))
      const own = yield* stage.asker.system.lookup(Subject, "alice", { at: { node: "away" } })
      assert.equal(String(own), String(here))
      assert.equal(
        String(yield* stage.asker.system.lookup(Subject, "alice", { at: { role: "node", node: "home" } })),
        String(there)
      )
    })
  ),

  law(
    "S11",
    "two nodes",
    "a lookup at a node that is not there is NotConnected, no later than its deadline",
    (stage) =>
      Effect.gen(function* () {
        const lookup = stage.asker.system.lookup(Subject, "alice", { at: { node: "nowhere" }, deadline: "200 millis" })
        yield* within("400 millis", notExecuted(lookup, "NotConnected"))
      }),
    { needs: ["absence"] }
  ),

  law(
    "S11",
    "two nodes",
    "a lookup at a node that does not answer is NotConnected, no later than its deadline",
    (stage) =>
      Effect.gen(function* () {
        yield* stage.spawn(Subject, subject(stage.journal), "alice")
        stage.wire.onSend = ({ from, kind }) => (from === "home" && kind === "data" ? "lose" : "carry")
        const lookup = stage.asker.system.lookup(Subject, "alice", { at: { node: "home" }, deadline: "200 millis" })
        yield* within("400 millis", notExecuted(lookup, "NotConnected"))
        stage.wire.onSend = () => "carry"
      }),
    { restless: true }
  ),

  law("S11", anywhere, "a fresh lookup reaches an actor as soon as its spawn has succeeded", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      for (let n = 0; n < 20; n++) {
        yield* stage.callee.system.spawn(`actor-${n}`, subject(journal))
        const ref = yield* stage.asker.system.lookup(Subject, `actor-${n}`, { at: stage.callee.system.id })
        assert.equal(yield* ref.ask.Count(), 0)
      }
    })
  ),

  law(
    "S11",
    anywhere,
    "a name is free after its actor's end, a new actor under it is another, and old refs stay dead",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const first = yield* stage.spawn(Subject, subject(journal), "alice")
        yield* first.ask.Note({ n: 1 })
        yield* first.stop()
        yield* notExecuted(stage.asker.system.lookup(Subject, "alice", { at: stage.callee.system.id }), "NoSuchActor")
        const second = yield* stage.spawn(Subject, subject(journal), "alice")
        assert.notEqual(String(second), String(first))
        assert.equal(yield* second.ask.Count(), 0)
        yield* notExecuted(first.ask.Note({ n: 2 }), "NoSuchActor")
        yield* Effect.ignore(first.tell.Note({ n: 3 }))
        yield* first.stop()
        yield* first.kill
        assert.equal((yield* first.watch).reason._tag, "NoSuchActor")
        assert.equal(yield* second.ask.Double({ n: 4 }), 8)
        assert.deepEqual(journal.of("note"), ["note 1"])
      })
  ),

  law(
    "S11",
    anywhere,
    "a lookup with part of an actor's protocol succeeds, and with more than it is UnsupportedMessage",
    (stage) =>
      Effect.gen(function* () {
        yield* stage.spawn(Subject, subject(stage.journal))
        const at = stage.callee.system.id
        const Counter = Actor.make("Counter", [Rpc.make("Count", { success: Schema.Int })])
        const counter = yield* stage.asker.system.lookup(Counter, "subject", { at })
        assert.equal(yield* counter.ask.Count(), 0)
        const Singer = Actor.make("Singer", [Rpc.make("Count", { success: Schema.Int }), Rpc.make("Sing")])
        const { tag } = yield* notExecuted(stage.asker.system.lookup(Singer, "subject", { at }), "UnsupportedMessage")
        assert.equal(tag, "Sing")
      })
  ),

  law("S11", "one node", "a stopping actor keeps its name until its end", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const stop = yield* start(ref.stop())
      assert.equal((yield* Effect.flip(stage.callee.system.spawn("subject", subject(journal)))).reason, "NameTaken")
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* Fiber.join(stop)
      const again = yield* stage.callee.system.spawn("subject", subject(journal))
      assert.equal(yield* again.ask.Count(), 0)
    })
  ),

  law("S11", "one node", "a restarting actor keeps its name", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* ref.tell.Crash({ why: "on purpose" })
      yield* journal.seen("released 1")
      assert.equal((yield* Effect.flip(stage.callee.system.spawn("subject", subject(journal)))).reason, "NameTaken")
      yield* within("300 millis", ref.ask.Count())
    })
  ),

  law(
    "S11",
    anywhere,
    "a ref is a value: equal to another ref of the same actor, and a line of text that names it",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        const other = yield* stage.asker.system.lookup(Subject, "subject", { at: stage.callee.system.id })
        assert(Equal.equals(ref, other))
        assert.equal(Hash.hash(ref), Hash.hash(other))
        const { generation, node, role, system } = stage.callee.system.id
        assert(String(ref).startsWith(`${system}/${role}/${node}/${generation}/subject#`), String(ref))
        assert(ActorRef.isActorRef(ref) && !ActorRef.isActorRef(String(ref)))
      })
  )
].flat()
