/** S5, the mailbox: its bound, its policies and its deadlines. */
import assert from "node:assert/strict"
import { Effect, Exit, Fiber, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, type ActorError, type Mailbox, Protocol } from "../core/index.ts"
import { anywhere, deadLetter, elapse, law, notExecuted, pending, type Stage, start, unknown, within } from "./Law.ts"
import { Subject, subject } from "./Subject.ts"

/** An actor that is busy until the gate `a` opens. */
const busy = (stage: Stage, mailbox: Mailbox.Options) =>
  Effect.gen(function* () {
    const ref = yield* stage.spawn(Subject, subject(stage.journal, { mailbox }))
    const held = yield* start(ref.ask.Hold({ key: "a" }))
    yield* stage.journal.seen("a+")
    const free = stage.journal
      .open("a")
      .pipe(Effect.andThen(Fiber.join(held)), Effect.andThen(stage.callee.system.idle))
    return { ref, free }
  })

const policies = [
  law("S5", anywhere, "a mailbox holds exactly its capacity, and rejects the newest beyond it", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, { capacity: 3 })
      for (const n of [1, 2, 3]) yield* ref.offer.Note({ n })
      assert.equal((yield* notExecuted(ref.ask.Double({ n: 4 }), "MailboxFull")).capacity, 3)
      yield* notExecuted(ref.offer.Note({ n: 5 }), "MailboxFull")
      yield* free
      yield* ref.ask.Count()
      assert.deepEqual(journal.of("note"), ["note 1", "note 2", "note 3"])
      assert.deepEqual(journal.of("double"), [])
    })
  ),

  law("S5", "one node", "a mailbox holds 1024 messages unless it is told otherwise", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, {})
      for (let n = 1; n <= 1024; n++) assert(ref.tellUnsafe.Note({ n }), `message ${n} was refused`)
      assert.equal((yield* notExecuted(ref.tell.Note({ n: 1025 }), "MailboxFull")).capacity, 1024)
      yield* free
      yield* ref.ask.Count()
      assert.equal(journal.of("note").length, 1024)
    })
  ),

  law(
    "S5",
    anywhere,
    "a message in hand does not count against the capacity, and one taken back does not either",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const { free, ref } = yield* busy(stage, { capacity: 1 })
        const queued = yield* start(ref.ask.Double({ n: 1 }))
        yield* notExecuted(ref.offer.Note({ n: 2 }), "MailboxFull")
        yield* Fiber.interrupt(queued)
        yield* stage.arrived
        yield* ref.offer.Note({ n: 3 })
        yield* notExecuted(ref.offer.Note({ n: 4 }), "MailboxFull")
        yield* free
        yield* ref.ask.Count()
        assert.deepEqual([...journal.of("note"), ...journal.of("double")], ["note 3"])
      })
  ),

  law("S5", anywhere, "an unbounded mailbox takes what comes", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, { capacity: 1, overflow: "unbounded" })
      for (let n = 1; n <= 3000; n++) assert(ref.tellUnsafe.Note({ n }))
      yield* stage.arrived
      yield* free
      yield* ref.ask.Count()
      assert.equal(journal.of("note").length, 3000)
    })
  ),

  law(
    "S5",
    anywhere,
    "dropOldest sheds the message that waited longest, and its asker learns Shed",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const { free, ref } = yield* busy(stage, { capacity: 2, overflow: "dropOldest" })
        const letter = yield* deadLetter(stage.callee.system)
        const oldest = yield* start(ref.ask.Double({ n: 1 }))
        yield* ref.tell.Note({ n: 2 })
        yield* ref.tell.Note({ n: 3 })
        const { policy, tag, to } = yield* notExecuted(Fiber.join(oldest), "Shed")
        assert.deepEqual([policy, tag, to], ["dropOldest", "Double", "subject"])
        yield* ref.tell.Note({ n: 4 })
        const shed = yield* letter
        assert.deepEqual([shed.reason._tag, shed.tag, shed.to], ["Shed", "Note", "subject"])
        yield* free
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("note"), ["note 3", "note 4"])
        assert.deepEqual(journal.of("double"), [])
        assert.equal((yield* stage.ledger).shed, 2)
      }),
    { counts: true }
  ),

  law(
    "S5",
    anywhere,
    "dropNewest sheds the newest message, and its asker learns Shed",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const { free, ref } = yield* busy(stage, { capacity: 2, overflow: "dropNewest" })
        const letter = yield* deadLetter(stage.callee.system)
        for (const n of [1, 2, 3]) yield* ref.tell.Note({ n })
        assert.equal((yield* letter).reason._tag, "Shed")
        const { policy, tag } = yield* notExecuted(ref.ask.Double({ n: 4 }), "Shed")
        assert.deepEqual([policy, tag], ["dropNewest", "Double"])
        yield* free
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("note"), ["note 1", "note 2"])
        assert.equal((yield* stage.ledger).shed, 2)
      }),
    { counts: true }
  ),

  law("S5", "one node", "capacities and policies that are none are refused", () =>
    Effect.gen(function* () {
      const None = Actor.make("None", [])
      const made = (mailbox: unknown) => () => None.behavior({}, { mailbox: mailbox as never })
      assert.throws(made({ capacity: 0 }), /expected `capacity` to be a positive integer, got: 0/)
      assert.throws(made({ capacity: 1.5 }), /expected `capacity` to be a positive integer, got: 1.5/)
      assert.throws(made({ overflow: "explode" }), /expected `overflow` to be one of .*, got: explode/)
      yield* Effect.void
    })
  )
]

const backpressure = [
  law("S5", anywhere, "under backpressure an offer waits for room, and what waited is handled in order", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, { capacity: 2, overflow: "backpressure" })
      yield* ref.offer.Note({ n: 1 })
      yield* ref.offer.Note({ n: 2 })
      const waiting: Array<Fiber.Fiber<void, unknown>> = []
      for (let n = 3; n <= 8; n++) waiting.push(yield* start(ref.offer.Note({ n })))
      yield* stage.arrived
      for (const offer of waiting) pending(offer)
      yield* free
      yield* Fiber.joinAll(waiting)
      yield* ref.ask.Count()
      assert.deepEqual(
        journal.of("note"),
        [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `note ${n}`)
      )
    })
  ),

  law("S5", anywhere, "under backpressure an ask waits for room", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, { capacity: 1, overflow: "backpressure" })
      yield* ref.offer.Note({ n: 1 })
      const asks = yield* Effect.forEach([2, 3, 4], (n) => start(ref.ask.Double({ n })))
      yield* stage.arrived
      for (const ask of asks) pending(ask)
      yield* free
      assert.deepEqual(yield* Fiber.joinAll(asks), [4, 6, 8])
      assert.deepEqual(journal.of("double"), ["double 2", "double 3", "double 4"])
    })
  ),

  law("S5", "one node", "under backpressure a tell to a full mailbox still fails", (stage) =>
    Effect.gen(function* () {
      const { free, ref } = yield* busy(stage, { capacity: 1, overflow: "backpressure" })
      yield* ref.tell.Note({ n: 1 })
      yield* notExecuted(ref.tell.Note({ n: 2 }), "MailboxFull")
      assert.equal(ref.tellUnsafe.Note({ n: 3 }), false)
      yield* free
      yield* ref.ask.Count()
      assert.deepEqual(stage.journal.of("note"), ["note 1"])
    })
  ),

  law("S5", anywhere, "what waits for room no longer than its deadline is not handled later", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, { capacity: 1, overflow: "backpressure" })
      yield* ref.offer.Note({ n: 1 })
      const offer = yield* start(ref.offer.Note({ n: 2 }, { deadline: "60 millis" }))
      const ask = yield* start(ref.ask.Double({ n: 3 }, { deadline: "60 millis" }))
      yield* stage.arrived
      for (const waiting of [offer, ask] as ReadonlyArray<
        Fiber.Fiber<unknown, ActorError.NotExecuted | ActorError.Unknown>
      >) {
        const error = yield* within("500 millis", Effect.flip(Fiber.join(waiting)))
        const end = `${error._tag}(${error.reason._tag})`
        const ends =
          stage.placement === "one node" ? ["NotExecuted(Expired)"] : ["NotExecuted(Expired)", "Unknown(Timeout)"]
        assert(ends.includes(end), end)
      }
      // The callee counts from the arrival.
      yield* elapse("50 millis")
      yield* free
      yield* ref.ask.Count()
      assert.deepEqual([...journal.of("note"), ...journal.of("double")], ["note 1"])
    })
  ),

  law("S5", anywhere, "what waits for room and is interrupted is not handled, and holds nobody up", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, { capacity: 1, overflow: "backpressure" })
      yield* ref.offer.Note({ n: 1 })
      const ask = yield* start(ref.ask.Double({ n: 2 }))
      const offer = yield* start(ref.offer.Note({ n: 3 }))
      const last = yield* start(ref.offer.Note({ n: 4 }))
      yield* stage.arrived
      yield* Fiber.interrupt(ask)
      if (stage.placement === "one node") yield* Fiber.interrupt(offer)
      yield* stage.arrived
      yield* free
      yield* Fiber.join(last)
      yield* ref.ask.Count()
      assert.deepEqual(
        [...journal.of("note"), ...journal.of("double")],
        stage.placement === "one node" ? ["note 1", "note 4"] : ["note 1", "note 3", "note 4"]
      )
    })
  ),

  law("S5", anywhere, "what waits for room when the actor stops is NotExecuted(Stopping)", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, { capacity: 1, overflow: "backpressure" })
      yield* ref.offer.Note({ n: 1 })
      const ask = yield* start(ref.ask.Double({ n: 2 }))
      const offer = yield* start(ref.offer.Note({ n: 3 }))
      yield* stage.arrived
      const stop = yield* start(ref.stop())
      yield* notExecuted(Fiber.join(ask), "Stopping")
      yield* notExecuted(Fiber.join(offer), "Stopping")
      yield* free
      yield* Fiber.join(stop)
      assert.deepEqual([...journal.of("note"), ...journal.of("double")], [])
    })
  ),

  law("S5", anywhere, "a message that left the mailbox makes room for one that waits", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, { capacity: 1, overflow: "backpressure" })
      const queued = yield* start(ref.ask.Double({ n: 1 }))
      const waiting = yield* start(ref.offer.Note({ n: 2 }))
      yield* stage.arrived
      pending(waiting)
      yield* Fiber.interrupt(queued)
      yield* Fiber.join(waiting)
      yield* free
      yield* ref.ask.Count()
      assert.deepEqual([...journal.of("note"), ...journal.of("double")], ["note 2"])
    })
  ),

  law("S5", anywhere, "what waits for room is kept over a crash", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal, { mailbox: { capacity: 1, overflow: "backpressure" } }))
      const crash = yield* start(ref.ask.CrashBeside({ why: "now" }))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const offers = yield* Effect.forEach([1, 2, 3, 4], (n) => start(ref.offer.Note({ n })))
      yield* stage.arrived
      yield* journal.open("now")
      yield* unknown(Fiber.join(crash), "CalleeCrashed")
      yield* Fiber.await(held)
      yield* within("300 millis", Fiber.joinAll(offers))
      yield* ref.ask.Count()
      assert.deepEqual(journal.of("note"), ["note 1", "note 2", "note 3", "note 4"])
    })
  )
]

const deadlines = [
  law(
    "S5",
    "two nodes",
    "a message whose deadline has passed is discarded at its turn, as expired",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const { free, ref } = yield* busy(stage, {})
        const ask = yield* start(ref.ask.Double({ n: 1 }, { deadline: "60 millis" }))
        yield* stage.arrived
        yield* elapse("150 millis")
        assert(Exit.isFailure(yield* Fiber.await(ask)))
        yield* free
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("double"), [])
        assert.equal((yield* stage.ledger).expired, 1)
      }),
    { counts: true }
  ),

  law(
    "S5",
    anywhere,
    "a tell has no deadline",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        yield* ref.tell.Hold({ key: "a" })
        yield* ref.tell.Note({ n: 1 })
        yield* journal.seen("a+")
        yield* stage.arrived
        yield* elapse("20 seconds")
        yield* journal.open("a")
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("note"), ["note 1"])
      }),
    { slow: true }
  )
]

const control = [
  law("S5", anywhere, "a stop reaches an actor with a full mailbox at once", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, { capacity: 2, overflow: "backpressure" })
      yield* ref.offer.Note({ n: 1 })
      yield* ref.offer.Note({ n: 2 })
      const waiting = yield* start(ref.offer.Note({ n: 3 }))
      yield* stage.arrived
      const stop = yield* start(ref.stop())
      yield* notExecuted(Fiber.join(waiting), "Stopping")
      yield* free
      yield* Fiber.join(stop)
      assert.deepEqual(journal.of("note"), [])
      assert.deepEqual(journal.of("released"), ["released 1"])
    })
  ),

  law("S5", anywhere, "a kill reaches an actor with a full mailbox at once", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { ref } = yield* busy(stage, { capacity: 2 })
      yield* ref.offer.Note({ n: 1 })
      yield* ref.offer.Note({ n: 2 })
      yield* notExecuted(ref.offer.Note({ n: 3 }), "MailboxFull")
      yield* ref.kill
      assert.deepEqual(journal.of("note"), [])
      journal.inOrder("a!", "released 1")
    })
  ),

  law(
    "S5",
    anywhere,
    "what an actor watches for reaches it although its mailbox is full, and displaces nothing",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const policies = ["reject", "dropOldest", "dropNewest", "backpressure"] as const
        const cases = policies.flatMap((overflow) => [
          { overflow, first: true },
          { overflow, first: false }
        ])
        for (const { first, overflow } of cases) {
          const name = `${overflow}-${first}`
          const watched = yield* stage.spawn(Subject, subject(journal), `watched-${name}`)
          const Watcher = Actor.make("Watcher", [...Subject.rpcs])
          const inner = subject(journal).init as Effect.Effect<any, never, any>
          const watcher = Watcher.behavior(
            Effect.gen(function* () {
              const { watch } = yield* Actor.Context
              yield* watch(watched, ({ reason }) => journal.note(`${overflow} ${reason._tag}`))
              return yield* inner
            }) as Effect.Effect<any>,
            { mailbox: { capacity: 2, overflow } }
          )
          const ref = yield* stage.callee.system.spawn(name, watcher)
          const held = yield* start(ref.ask.Hold({ key: name }))
          yield* journal.seen(`${name}+`)
          if (first) yield* watched.stop()
          yield* ref.tell.Note({ n: 1 })
          yield* ref.tell.Note({ n: 2 })
          if (!first) yield* watched.stop()
          yield* journal.open(name)
          yield* Fiber.join(held)
          yield* journal.seen(`${overflow} Shutdown`)
          assert.deepEqual(journal.of("note"), ["note 1", "note 2"])
          journal.clear()
        }
      })
  )
]

/** How many messages wait in the subject's mailbox. */
const queued = (stage: Stage) => Effect.map(stage.callee.system.tree, ([subject]) => subject!.queued)

const urgency = [
  law(
    "S5",
    anywhere,
    "urgent messages do not count against the capacity, and displace nothing",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        for (const overflow of ["reject", "backpressure", "dropOldest", "dropNewest"] as const) {
          journal.clear()
          const ref = yield* stage.spawn(Subject, subject(journal, { mailbox: { capacity: 2, overflow } }), overflow)
          const held = yield* start(ref.ask.Hold({ key: overflow }))
          yield* journal.seen(`${overflow}+`)
          // Before, between and behind those that count.
          yield* ref.tell.NoteFirst({ n: 1 })
          yield* ref.offer.NoteFirst({ n: 2 })
          yield* ref.offer.Note({ n: 1 })
          yield* ref.offer.NoteFirst({ n: 3 })
          yield* ref.offer.Note({ n: 2 })
          yield* ref.tell.NoteFirst({ n: 4 })
          assert(ref.tellUnsafe.NoteFirst({ n: 5 }))
          const asked = yield* start(ref.ask.NoteFirst({ n: 6 }))
          yield* stage.arrived
          // It is exactly full.
          const more = yield* start(Effect.exit(ref.ask.Note({ n: 3 })))
          yield* stage.arrived
          yield* journal.open(overflow)
          yield* Fiber.join(held)
          yield* Fiber.join(asked)
          const end = yield* Fiber.join(more)
          yield* stage.callee.system.idle
          assert.deepEqual(
            journal.of("first"),
            [1, 2, 3, 4, 5, 6].map((n) => `first ${n}`)
          )
          const notes = { reject: [1, 2], backpressure: [1, 2, 3], dropOldest: [2, 3], dropNewest: [1, 2] }[overflow]
          assert.deepEqual(
            journal.of("note"),
            notes.map((n) => `note ${n}`)
          )
          if (overflow === "reject") yield* notExecuted(end, "MailboxFull")
          else if (overflow === "dropNewest") yield* notExecuted(end, "Shed")
          else assert(Exit.isSuccess(end))
          yield* ref.stop()
        }
        assert.equal((yield* stage.ledger).shed, 2)
      }),
    { counts: true }
  ),

  law(
    "S5",
    anywhere,
    "an urgent request whose asker leaves, or whose deadline passes, while it waits is not handled",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const { free, ref } = yield* busy(stage, { capacity: 1 })
        const first = yield* start(ref.ask.HoldFirst({ key: "b" }))
        const left = yield* Effect.forEach([1, 2], (n) => start(ref.ask.NoteFirst({ n })))
        const stays = yield* start(ref.ask.NoteFirst({ n: 3 }))
        const hasty = yield* start(ref.ask.NoteFirst({ n: 4 }, { deadline: "60 millis" }))
        yield* ref.offer.Note({ n: 1 })
        yield* ref.offer.NoteFirst({ n: 5 })
        assert.equal(yield* queued(stage), 7)
        // One leaves from the middle of the lane, the other when those before it have been taken.
        yield* Fiber.interrupt(left[0]!)
        yield* stage.arrived
        assert.equal(yield* queued(stage), 6)
        yield* notExecuted(ref.offer.Note({ n: 2 }), "MailboxFull")
        yield* elapse("150 millis")
        assert(Exit.isFailure(yield* Fiber.await(hasty)))
        if (stage.placement === "one node") assert.equal(yield* queued(stage), 5)
        yield* journal.open("a")
        yield* journal.seen("b+")
        yield* Fiber.interrupt(left[1]!)
        yield* stage.arrived
        yield* journal.open("b")
        assert.equal(yield* Fiber.join(first), "b")
        yield* Fiber.join(stays)
        yield* free
        yield* ref.ask.Count()
        assert.deepEqual([...journal.of("first"), ...journal.of("note")], ["first 3", "first 5", "note 1"])
        const { cancelled, expired } = yield* stage.ledger
        assert.deepEqual([cancelled, expired], [2, 1])
      }),
    { counts: true }
  ),

  law("S5", anywhere, "urgent messages that were taken, or taken back, leave the room as it was", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { free, ref } = yield* busy(stage, { capacity: 2 })
      // The only one of the lane, twice.
      for (const n of [1, 2]) {
        const left = yield* start(ref.ask.NoteFirst({ n }))
        yield* stage.arrived
        yield* Fiber.interrupt(left)
        yield* stage.arrived
      }
      assert.equal(yield* queued(stage), 0)
      // The last of the lane, after others were taken.
      const taken = yield* start(ref.ask.NoteFirst({ n: 3 }))
      const held = yield* start(ref.ask.HoldFirst({ key: "b" }))
      const left = yield* start(ref.ask.NoteFirst({ n: 4 }))
      yield* stage.arrived
      yield* journal.open("a")
      yield* journal.seen("b+")
      yield* Fiber.join(taken)
      assert.equal(yield* queued(stage), 1)
      yield* Fiber.interrupt(left)
      yield* stage.arrived
      assert.equal(yield* queued(stage), 0)
      yield* ref.offer.NoteFirst({ n: 5 })
      yield* ref.offer.Note({ n: 1 })
      yield* ref.offer.Note({ n: 2 })
      yield* notExecuted(ref.offer.Note({ n: 3 }), "MailboxFull")
      yield* ref.offer.NoteFirst({ n: 6 })
      yield* journal.open("b")
      yield* Fiber.join(held)
      yield* free
      yield* ref.ask.Count()
      assert.deepEqual(
        [...journal.of("first"), ...journal.of("note")],
        ["first 3", "first 5", "first 6", "note 1", "note 2"]
      )
    })
  ),

  law(
    "S5",
    anywhere,
    "a lane of urgent messages that is never empty keeps its order and its places, however many pass",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Busy = Actor.make("Busy", [
          Rpc.make("Pass", { payload: { n: Schema.Int } }).annotate(Protocol.Urgent, true),
          Rpc.make("Note", { payload: { n: Schema.Int } })
        ])
        const passed: Array<number> = []
        const busy = Busy.behavior(
          Effect.gen(function* () {
            const self = yield* Busy.self
            return {
              // One that passes puts another at the end of the lane, three times over.
              Pass: ({ n }) =>
                Effect.gen(function* () {
                  passed.push(n)
                  yield* journal.note(`pass ${n}`)
                  if (n === 0 || n === 900) yield* journal.wait(`gate ${n}`)
                  if (n < 1200) yield* Effect.orDie(self.tell.Pass({ n: n + 400 }))
                }),
              Note: ({ n }) => journal.note(`note ${n}`)
            }
          })
        )
        const ref = yield* stage.spawn(Busy, busy)
        yield* ref.offer.Pass({ n: 0 })
        yield* journal.seen("pass 0")
        yield* ref.offer.Note({ n: 1 })
        for (let n = 1; n < 400; n++) yield* ref.offer.Pass({ n })
        yield* journal.open("gate 0")
        yield* journal.seen("pass 900")
        const [leaves, stays] = [yield* start(ref.ask.Pass({ n: 5000 })), yield* start(ref.ask.Pass({ n: 6000 }))]
        yield* stage.arrived
        assert.equal(yield* queued(stage), 402)
        yield* Fiber.interrupt(leaves)
        yield* stage.arrived
        assert.equal(yield* queued(stage), 401)
        yield* journal.open("gate 900")
        yield* Fiber.join(stays)
        yield* stage.quiet
        const expected = Array.from({ length: 1600 }, (_, n) => n)
        assert.deepEqual(passed, [...expected.slice(0, 1300), 6000, ...expected.slice(1300)])
        assert.deepEqual(journal.of("note"), ["note 1"])
      })
  )
]

export const mailboxLaws = [policies, backpressure, urgency, deadlines, control].flat(2)
