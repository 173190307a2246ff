/** S9, what becomes of every message, and S10, the news of an actor's end. */
import assert from "node:assert/strict"
import { Effect, Fiber, Schema, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorRef, type DeadLetter, Ledger } from "../core/index.ts"
import { anywhere, elapse, event, law, notExecuted, recast, type Stage, start, unknown, within } from "./Law.ts"
import { Refused, Subject, subject } from "./Subject.ts"

const accounting = [
  law(
    "S9",
    anywhere,
    "every accepted message ends in exactly one state, and the ledger counts it there",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const before = yield* stage.ledger
        const ref = yield* stage.callee.system.spawn("subject", subject(journal))
        const dropper = yield* stage.callee.system.spawn(
          "dropper",
          subject(journal, { mailbox: { capacity: 1, overflow: "dropNewest" } })
        )
        // handled: two; failed: a crash
        yield* ref.ask.Double({ n: 1 })
        yield* Effect.ignore(ref.ask.Refuse({ why: "no" }))
        yield* unknown(ref.ask.Crash({ why: "on purpose" }), "CalleeCrashed")
        yield* within("200 millis", journal.seen("init 2"))
        // cancelled: one that waited, one that ran
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        yield* Fiber.interrupt(yield* start(ref.ask.Count()))
        yield* Fiber.interrupt(held)
        // expired: one; the held one is handled, late
        const late = yield* start(ref.ask.Hold({ key: "b" }, { deadline: "1 seconds" }))
        yield* journal.seen("b+")
        const queued = yield* start(ref.ask.Count(undefined, { deadline: "60 millis" }))
        yield* within("300 millis", notExecuted(Fiber.join(queued), "Expired"))
        yield* journal.open("b")
        yield* Fiber.join(late)
        // shed: one
        const busy = yield* start(dropper.ask.Hold({ key: "c" }))
        yield* journal.seen("c+")
        yield* dropper.tell.Note({ n: 1 })
        yield* notExecuted(dropper.ask.Double({ n: 1 }), "Shed")
        yield* journal.open("c")
        yield* Fiber.join(busy)
        yield* journal.seen("note 1")
        yield* dropper.ask.Count()
        // returned and deadLettered: what waits at a stop; failed: what outlives its deadline
        const last = yield* start(ref.ask.Hold({ key: "d" }))
        yield* journal.seen("d+")
        yield* ref.tell.Note({ n: 2 })
        const returned = yield* start(ref.ask.Count())
        const stop = yield* start(ref.stop({ deadline: "20 millis" }))
        yield* notExecuted(Fiber.join(returned), "Stopping")
        yield* within("300 millis", unknown(Fiber.join(last), "Interrupted"))
        yield* Fiber.join(stop)
        const after = yield* stage.ledger
        const counts = Object.fromEntries(Ledger.outcomes.map((outcome) => [outcome, after[outcome] - before[outcome]]))
        assert.deepEqual(counts, {
          handled: 6,
          failed: 2,
          returned: 1,
          cancelled: 2,
          expired: 1,
          shed: 1,
          deadLettered: 1
        })
        assert.equal(after.accepted - before.accepted, 14)
        assert.deepEqual(
          Object.fromEntries(Ledger.endings.map((ending) => [ending, after.ended[ending] - before.ended[ending]])),
          { value: 4, failure: 1, notExecuted: 3, unknown: 2, interrupted: 2 }
        )
        assert.equal(after.lateReplies, 0)
      }),
    { counts: true }
  ),

  law(
    "S9",
    anywhere,
    "a message that is refused is not accepted",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.callee.system.spawn("subject", subject(journal, { mailbox: { capacity: 1 } }))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        yield* ref.tell.Note({ n: 1 })
        const before = yield* stage.ledger
        yield* notExecuted(ref.tell.Note({ n: 2 }), "MailboxFull")
        yield* notExecuted(ref.ask.Count(), "MailboxFull")
        assert.equal((yield* stage.ledger).accepted, before.accepted)
        yield* journal.open("a")
        yield* Fiber.join(held)
      }),
    { counts: true }
  ),

  law("S9", anywhere, "dead letters name the actor, the message, its payload and the reason", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const letters: Array<DeadLetter> = []
      const reading = yield* start(
        Stream.runForEach(Stream.take(stage.callee.system.deadLetters, 3), (letter) =>
          Effect.sync(() => void letters.push(letter))
        )
      )
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      for (const n of [1, 2, 3]) yield* ref.tell.Note({ n })
      yield* stage.arrived
      const stop = yield* start(ref.stop())
      yield* Fiber.join(reading)
      assert.deepEqual(
        letters.map(({ payload, reason, tag, to }) => [to, tag, payload, reason._tag]),
        [1, 2, 3].map((n) => ["subject", "Note", { n }, "Stopping"])
      )
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* Fiber.join(stop)
    })
  ),

  law("S9", "one node", "events tell an actor's start, its restarts and its end, in order", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { system } = stage.callee
      const seen: Array<string> = []
      const reading = yield* start(
        Stream.runForEach(system.events, (event) =>
          Effect.sync(() => {
            if (event._tag === "ActorEnded") seen.push(`${event.path} ended ${event.reason._tag}`)
            if (event._tag === "ActorStarted") seen.push(`${event.path} started`)
            if (event._tag === "ActorRestarted") seen.push(`${event.path} restarted ${event.incarnation}`)
          })
        )
      )
      const ref = yield* system.spawn("subject", subject(journal))
      yield* ref.tell.Crash({ why: "on purpose" })
      yield* within("300 millis", journal.seen("init 2"))
      yield* ref.ask.Count()
      yield* ref.kill
      yield* stage.quiet
      yield* Fiber.interrupt(reading)
      assert.deepEqual(seen, ["subject started", "subject restarted 2", "subject ended Killed"])
    })
  ),

  law("S9", anywhere, "what is returned to its asker is no dead letter", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Subject, subject(stage.journal))
      const letters: Array<DeadLetter> = []
      const reading = yield* start(
        Stream.runForEach(stage.callee.system.deadLetters, (letter) => Effect.sync(() => void letters.push(letter)))
      )
      const other = yield* recast(stage, ref, Rpc.make("Sing"))
      yield* notExecuted(other.ask.Sing(), "UnsupportedMessage")
      yield* ref.stop()
      yield* notExecuted(ref.ask.Count(), "NoSuchActor")
      yield* stage.quiet
      yield* Fiber.interrupt(reading)
      assert.deepEqual(letters, [])
    })
  ),

  law(
    "S9",
    "one node",
    "dead letters are logged five in ten seconds, and the others are counted in the log",
    (stage) =>
      Effect.gen(function* () {
        const { logs } = stage
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        const other = yield* recast(stage, ref, Rpc.make("Sing"))
        const logged = () => logs.filter(({ message }) => message.startsWith('Dead letter "Sing" to "subject"')).length
        for (let n = 0; n < 12; n++) yield* other.tell.Sing()
        yield* stage.quiet
        assert.equal(logged(), 5)
        assert(logs.every(({ level }) => level === "Warn"))
        yield* elapse("10 seconds")
        yield* other.tell.Sing()
        yield* stage.quiet
        assert.equal(logged(), 6)
        assert.equal(logs.filter(({ message }) => message === "7 more dead letters were not logged").length, 1)
      }),
    { slow: true }
  ),

  law(
    "S9",
    anywhere,
    "a node that leaves accounts for what its actors had",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const third = yield* stage.join("third")
        const ref = yield* third.system.spawn("subject", subject(journal, { stopDeadline: "20 millis" }))
        yield* ref.tell.Hold({ key: "a" })
        yield* journal.seen("a+")
        for (const n of [1, 2, 3]) yield* ref.tell.Note({ n })
        const queued = yield* start(ref.ask.Count())
        const leave = yield* start(third.leave)
        yield* notExecuted(Fiber.join(queued), "Stopping")
        yield* within("500 millis", Fiber.join(leave))
        const { deadLettered, failed, pending, returned } = yield* stage.ledger
        assert.deepEqual(
          { deadLettered, failed, pending, returned },
          { deadLettered: 3, failed: 1, pending: 0, returned: 1 }
        )
      }),
    { counts: true }
  )
]

const Watched = Actor.make("Watched", [
  Rpc.make("Leave"),
  Rpc.make("Hold"),
  Rpc.make("Crash"),
  Rpc.make("Say", { payload: { to: ActorRef.schema(...Subject.rpcs), count: Schema.Int } })
])
/** Ends as it is told. It cannot be started a second time. */
const watched = (stage: Stage) =>
  Watched.behavior(
    Effect.gen(function* () {
      const { incarnation, stop } = yield* Actor.Context
      if (incarnation > 1) return yield* new Refused({ why: "it cannot start again" })
      return {
        Leave: () => stop,
        Hold: () => stage.journal.note("hold+").pipe(Effect.andThen(stage.journal.wait("hold"))),
        Crash: () => Effect.die(new Error("it crashed")),
        Say: ({ count, to }) =>
          Effect.gen(function* () {
            for (let n = 1; n <= count; n++) yield* Effect.orDie(to.tell.Note({ n }))
            yield* stop
          })
      }
    })
  )

/** An actor at the asker's node that watches, and notes what it is told. */
const Watcher = Actor.make("Watcher", [
  ...Subject.rpcs,
  Rpc.make("Watch", { payload: { who: ActorRef.schema(...Watched.rpcs) } })
])
const watcher = (stage: Stage) =>
  Watcher.behavior(
    Effect.gen(function* () {
      const { watch } = yield* Actor.Context
      const inner = yield* subject(stage.journal).init as Effect.Effect<any>
      return {
        ...inner,
        Watch: ({ who }: { readonly who: ActorRef.ActorRef<any> }) =>
          watch(who, ({ reason, ref }) => stage.journal.note(`${ref.path} ${reason._tag}`))
      }
    }) as Effect.Effect<any>
  )

/** What the callee's node told others of its actors' ends. */
const told = (stage: Stage) =>
  stage.wire.sent
    .filter(({ from, kind }) => from === "home" && kind === "data")
    .flatMap(({ text }) => JSON.parse(text)[5] as ReadonlyArray<ReadonlyArray<unknown>>)
    .filter(([kind]) => kind === "t")

const setUp = (stage: Stage) =>
  Effect.gen(function* () {
    const ref = yield* stage.spawn(Watched, watched(stage), "watched")
    const watch = yield* start(ref.watch)
    yield* stage.arrived
    const reason = Effect.map(Fiber.join(watch), ({ reason, ref: ended }) => {
      assert.equal(ended.path, "watched")
      return reason
    })
    return { ref, reason }
  })

const reasons = [
  law("S10", anywhere, "the watch of an actor that stopped itself yields Normal", (stage) =>
    Effect.gen(function* () {
      const { reason, ref } = yield* setUp(stage)
      yield* ref.ask.Leave()
      assert.deepEqual(yield* reason, { _tag: "Normal" })
    })
  ),

  law("S10", anywhere, "the watch of an actor that was stopped yields Shutdown", (stage) =>
    Effect.gen(function* () {
      const { reason, ref } = yield* setUp(stage)
      yield* ref.stop()
      assert.deepEqual(yield* reason, { _tag: "Shutdown" })
    })
  ),

  law("S10", anywhere, "the watch of an actor that was given up yields Crashed with its cause", (stage) =>
    Effect.gen(function* () {
      const { reason, ref } = yield* setUp(stage)
      yield* ref.tell.Crash()
      const ended = yield* within("6 seconds", reason)
      assert(ended._tag === "Crashed")
      assert.equal((ended.cause as Error).message, "it cannot start again")
    })
  ),

  law("S10", anywhere, "the watch of an actor that was killed yields Killed", (stage) =>
    Effect.gen(function* () {
      const { reason, ref } = yield* setUp(stage)
      yield* ref.tell.Hold()
      yield* stage.journal.seen("hold+")
      yield* ref.kill
      assert.deepEqual(yield* reason, { _tag: "Killed" })
    })
  ),

  law("S10", anywhere, "the watch of an actor that has ended before yields NoSuchActor", (stage) =>
    Effect.gen(function* () {
      const { reason, ref } = yield* setUp(stage)
      yield* ref.stop()
      yield* reason
      const { ref: same, reason: late } = yield* ref.watch
      assert.deepEqual(late, { _tag: "NoSuchActor" })
      assert.equal(String(same), String(ref))
    })
  ),

  law(
    "S10",
    "two nodes",
    "the watch of an actor whose node is lost yields NodeLost, at once",
    (stage) =>
      Effect.gen(function* () {
        const { reason } = yield* setUp(stage)
        stage.wire.unreachable("away", "home")
        assert.deepEqual(yield* reason, { _tag: "NodeLost" })
      }),
    { restless: true }
  ),

  law("S10", "two nodes", "the watch of an actor whose node leaves yields its end, or NodeLost", (stage) =>
    Effect.gen(function* () {
      const { reason, ref } = yield* setUp(stage)
      yield* stage.callee.leave
      assert(["Shutdown", "NodeLost"].includes((yield* reason)._tag))
      yield* stage.quiet
      // It stays dead.
      assert(["NodeLost", "NoSuchActor"].includes((yield* ref.watch).reason._tag))
    })
  ),

  law("S10", "two nodes", "a node that returns is a new generation, and refs to the old one stay dead", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const third = yield* stage.join("third")
      yield* third.system.spawn("subject", subject(journal))
      const old = yield* stage.asker.system.lookup(Subject, "subject", { at: { node: "third" } })
      yield* old.ask.Note({ n: 1 })
      const watch = yield* start(old.watch)
      yield* old.ask.Count()
      yield* third.leave
      yield* Fiber.join(watch)
      yield* stage.quiet
      const again = yield* stage.join("third")
      yield* again.system.spawn("subject", subject(journal))
      const fresh = yield* stage.asker.system.lookup(Subject, "subject", { at: { node: "third" } })
      yield* fresh.ask.Note({ n: 2 })
      assert.notEqual(String(fresh), String(old))
      const error = yield* Effect.flip(old.ask.Note({ n: 3 }))
      assert.deepEqual([error._tag, error.reason._tag], ["NotExecuted", "NoSuchActor"])
      assert.equal((yield* notExecuted(old.tell.Note({ n: 4 }), "NoSuchActor")).to, "subject")
      assert(["NodeLost", "NoSuchActor"].includes((yield* old.watch).reason._tag))
      yield* fresh.ask.Count()
      assert.deepEqual(journal.of("note"), ["note 1", "note 2"])
    })
  )
]

const watches = [
  law("S10", anywhere, "every watch yields exactly once, however often the actor is ended", (stage) =>
    Effect.gen(function* () {
      const { ref } = yield* setUp(stage)
      let news = 0
      const count = Effect.tap(ref.watch, () => Effect.sync(() => (news += 1)))
      const watches = yield* Effect.forEach([1, 2, 3, 4, 5], () => start(count))
      yield* stage.arrived
      const ends = [yield* start(ref.stop()), yield* start(ref.kill), yield* start(ref.stop())]
      const tags = yield* Effect.map(Fiber.joinAll(watches), (all) => all.map(({ reason }) => reason._tag))
      yield* Fiber.joinAll(ends)
      yield* stage.quiet
      assert.equal(news, 5)
      assert.equal(new Set(tags).size, 1, tags.join(", "))
    })
  ),

  law("S10", anywhere, "a watch that is interrupted is taken back", (stage) =>
    Effect.gen(function* () {
      const { reason, ref } = yield* setUp(stage)
      let news = 0
      const other = yield* start(Effect.tap(ref.watch, () => Effect.sync(() => (news += 1))))
      yield* stage.arrived
      yield* Fiber.interrupt(other)
      yield* stage.arrived
      yield* ref.stop()
      yield* reason
      yield* stage.quiet
      assert.equal(news, 0)
      // The other node has nothing to say to it either: only to the one that waited, and to the stop.
      assert.equal(told(stage).length, stage.placement === "two nodes" ? 2 : 0)
    })
  ),

  law("S10", anywhere, "an actor's watch follows every message of the watched actor", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const own = yield* stage.asker.system.spawn("watcher", watcher(stage))
      const who = yield* stage.spawn(Watched, watched(stage), "watched")
      yield* own.ask.Watch({ who })
      yield* stage.arrived
      yield* who.tell.Say({ to: own, count: 200 })
      yield* journal.seen("watched Normal")
      yield* stage.quiet
      const entries = journal.entries.filter((entry) => !entry.startsWith("init"))
      assert.deepEqual(entries, [...Array.from({ length: 200 }, (_, n) => `note ${n + 1}`), "watched Normal"])
    })
  ),

  law(
    "S10",
    "two nodes",
    "an actor's watch follows every message of the watched actor on a slow carrier too",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const own = yield* stage.asker.system.spawn("watcher", watcher(stage))
        const who = yield* stage.spawn(Watched, watched(stage), "watched")
        yield* own.ask.Watch({ who })
        yield* stage.arrived
        let frames = 0
        wire.onSend = ({ from, kind }) => {
          if (from !== "home" || kind !== "data") return "carry"
          frames += 1
          // The first frame occupies the carrier until all the rest waits for it.
          return frames === 1 ? journal.wait("carrier") : Effect.yieldNow
        }
        yield* start(stage.callee.system.lookup(Watched, "none", { at: { node: "away" } }).pipe(Effect.ignore))
        const over = yield* event(
          stage.callee.system,
          (event) => event._tag === "ActorEnded" && event.path === "watched"
        )
        yield* who.tell.Say({ to: own, count: 50 })
        const ended = yield* start(who.watch)
        yield* Effect.yieldNow
        yield* over
        // The news of the end is sent in the turn of the event.
        yield* Effect.yieldNow
        yield* journal.open("carrier")
        yield* journal.seen("watched Normal")
        yield* Fiber.join(ended)
        const entries = journal.entries.filter((entry) => !entry.startsWith("init"))
        assert.deepEqual(entries, [...Array.from({ length: 50 }, (_, n) => `note ${n + 1}`), "watched Normal"])
      })
  ),

  law("S10", anywhere, "an actor's watch follows the watched actor's messages that still wait", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const own = yield* stage.asker.system.spawn("watcher", watcher(stage))
      const who = yield* stage.spawn(Watched, watched(stage), "watched")
      yield* own.ask.Watch({ who })
      yield* stage.arrived
      const held = yield* start(own.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const ended = yield* start(who.watch)
      yield* who.tell.Say({ to: own, count: 50 })
      yield* Fiber.join(ended)
      yield* stage.arrived
      assert.deepEqual(journal.of("note"), [])
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* journal.seen("watched Normal")
      const entries = journal.entries.slice(journal.indexOf("a-") + 1)
      assert.deepEqual(entries, [...Array.from({ length: 50 }, (_, n) => `note ${n + 1}`), "watched Normal"])
    })
  ),

  law("S10", anywhere, "an actor's watches are taken back when it crashes, and when it ends", (stage) =>
    Effect.gen(function* () {
      const { asker, callee, journal } = stage
      const who = yield* stage.spawn(Watched, watched(stage), "watched")
      const crashes = yield* asker.system.spawn("crashes", watcher(stage))
      const ends = yield* asker.system.spawn("ends", watcher(stage))
      for (const own of [crashes, ends]) yield* own.ask.Watch({ who })
      yield* unknown(crashes.ask.Crash({ why: "on purpose" }), "CalleeCrashed")
      yield* within("300 millis", crashes.ask.Count())
      yield* ends.stop()
      // Busy, so that what comes for it waits.
      const held = yield* start(crashes.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      yield* stage.arrived
      yield* (yield* callee.system.lookup(Watched, "watched")).stop()
      yield* stage.arrived
      assert.equal((yield* asker.system.tree).find(({ path }) => path === "crashes")!.queued, 0)
      assert.deepEqual(told(stage), [])
      yield* journal.open("a")
      yield* Fiber.join(held)
      assert.deepEqual(journal.of("watched"), [])
    })
  ),

  law("S10", anywhere, "an actor's watch is handled in its turn, as a message", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const own = yield* stage.asker.system.spawn("watcher", watcher(stage))
      const who = yield* stage.spawn(Watched, watched(stage), "watched")
      yield* own.ask.Watch({ who })
      yield* stage.arrived
      const held = yield* start(own.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      yield* who.stop()
      assert.equal(journal.count("watched Shutdown"), 0)
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* journal.seen("watched Shutdown")
      journal.inOrder("a-", "watched Shutdown")
    })
  ),

  law("S10", anywhere, "an actor's watch of one that has ended fires, once, with NoSuchActor", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const own = yield* stage.asker.system.spawn("watcher", watcher(stage))
      const who = yield* stage.spawn(Watched, watched(stage), "watched")
      yield* who.stop()
      yield* own.ask.Watch({ who })
      yield* journal.seen("watched NoSuchActor")
      yield* stage.quiet
      assert.deepEqual(journal.of("watched"), ["watched NoSuchActor"])
    })
  ),

  law(
    "S10",
    "two nodes",
    "an actor's watch fires when the watched actor's node is lost",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const own = yield* stage.asker.system.spawn("watcher", watcher(stage))
        const who = yield* stage.spawn(Watched, watched(stage), "watched")
        yield* own.ask.Watch({ who })
        yield* stage.arrived
        stage.wire.unreachable("away", "home")
        yield* journal.seen("watched NodeLost")
        yield* own.ask.Count()
        assert.deepEqual(journal.of("watched"), ["watched NodeLost"])
      }),
    { restless: true }
  ),

  law("S10", "one node", "a watch handler that breaks crashes its actor", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const who = yield* stage.spawn(Watched, watched(stage), "watched")
      const Fragile = Actor.make("Fragile", [Rpc.make("Ping")])
      const fragile = Fragile.behavior(
        Effect.gen(function* () {
          const { incarnation, watch } = yield* Actor.Context
          journal.write(`init ${incarnation}`)
          if (incarnation === 1) yield* watch(who, () => Effect.die(new Error("broken")))
          return { Ping: () => Effect.void }
        })
      )
      const ref = yield* stage.callee.system.spawn("fragile", fragile)
      yield* who.stop()
      yield* within("300 millis", journal.seen("init 2"))
      yield* ref.ask.Ping()
    })
  ),

  law("S10", anywhere, "a parent hears of its child's end after the child's last message", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Parent = Actor.make("Parent", [...Subject.rpcs])
      const parent = Parent.behavior(
        Effect.gen(function* () {
          const { self, spawn, watch } = yield* Actor.Context
          const inner = yield* subject(journal).init as Effect.Effect<any>
          const child = yield* Effect.orDie(spawn("child", watched(stage)))
          yield* watch(child, ({ reason }) => journal.note(`child ${reason._tag}`))
          yield* Effect.orDie(child.tell.Say({ to: self, count: 10 }))
          return inner
        }) as Effect.Effect<any>
      )
      yield* stage.spawn(Parent, parent, "parent")
      yield* journal.seen("child Normal")
      assert.deepEqual(journal.entries, [
        "init 1",
        ...Array.from({ length: 10 }, (_, n) => `note ${n + 1}`),
        "child Normal"
      ])
    })
  )
]

export const accountingLaws = [accounting, reasons, watches].flat(2)
