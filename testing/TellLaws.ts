/** S3, tell. */
import assert from "node:assert/strict"
import { Effect, Exit, Fiber, Schema, SchemaGetter } from "effect"
import { Rpc } from "effect/rpc"
import { Actor } from "../core/index.ts"
import { anywhere, deadLetter, event, law, notExecuted, recast, refOf, start, within } from "./Law.ts"
import { Subject, subject } from "./Subject.ts"

const Box = Actor.make("Box", [
  Rpc.make("Put", { payload: { text: Schema.String } }),
  Rpc.make("Sum", { success: Schema.Int })
])
const box = Box.behavior(
  Effect.sync(() => {
    let sum = 0
    return {
      Put: ({ text }) => Effect.sync(() => void (sum += text.length)),
      Sum: () => Effect.sync(() => sum)
    }
  })
)

const wrong = "not a number" as never

/** A schema that cannot be used in a message: it waits. */
const asynchronous = Schema.String.pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transformEffect((text: string) => Effect.as(Effect.yieldNow, text)),
    encode: SchemaGetter.transformEffect((text: string) => Effect.as(Effect.yieldNow, text))
  })
)

export const tellLaws = [
  law("S3", anywhere, "one tell value run twice sends two messages, and one that is not run sends none", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const tell = ref.tell.Note({ n: 7 })
      assert(Effect.isEffect(ref.tell.Note({ n: 8 })))
      yield* tell
      yield* tell
      yield* ref.ask.Count()
      assert.deepEqual(journal.of("note"), ["note 7", "note 7"])
    })
  ),

  law("S3", anywhere, "tellUnsafe sends at once and answers true", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      assert.equal(ref.tellUnsafe.Note({ n: 7 }), true)
      yield* ref.ask.Count()
      assert.deepEqual(journal.of("note"), ["note 7"])
    })
  ),

  law(
    "S3",
    "one node",
    "a tell has been accepted when it succeeds",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        const before = yield* stage.ledger
        yield* ref.tell.Note({ n: 1 })
        const after = yield* stage.ledger
        assert.equal(after.accepted, before.accepted + 1)
        yield* ref.ask.Count()
      }),
    { counts: true }
  ),

  law("S3", "one node", "a tell to a full mailbox fails with MailboxFull, and its handler does not run", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal, { mailbox: { capacity: 2 } }))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      yield* ref.tell.Note({ n: 1 })
      yield* ref.tell.Note({ n: 2 })
      const { capacity, to } = yield* notExecuted(ref.tell.Note({ n: 3 }), "MailboxFull")
      assert.deepEqual({ capacity, to }, { capacity: 2, to: ref.path })
      assert.equal(ref.tellUnsafe.Note({ n: 4 }), false)
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* stage.callee.system.idle
      yield* ref.ask.Count()
      assert.deepEqual(journal.of("note"), ["note 1", "note 2"])
    })
  ),

  law(
    "S3",
    "two nodes",
    "a tell that finds a full mailbox on another node becomes a dead letter there",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal, { mailbox: { capacity: 2 } }))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const letter = yield* deadLetter(stage.callee.system)
        for (const n of [1, 2, 3]) yield* ref.tell.Note({ n })
        const { reason, tag, to } = yield* letter
        assert.deepEqual([reason._tag, tag, to], ["MailboxFull", "Note", "subject"])
        yield* journal.open("a")
        yield* Fiber.join(held)
        yield* stage.callee.system.idle
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("note"), ["note 1", "note 2"])
        assert.equal((yield* stage.ledger).deadLettered, 1)
      }),
    { counts: true }
  ),

  law("S3", "one node", "a tell to an actor that has ended fails with NoSuchActor", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Subject, subject(stage.journal))
      yield* ref.stop()
      assert.equal((yield* notExecuted(ref.tell.Note({ n: 1 }), "NoSuchActor")).to, "subject")
      assert.equal(ref.tellUnsafe.Note({ n: 2 }), false)
    })
  ),

  law(
    "S3",
    "two nodes",
    "a tell to an actor that has ended on another node becomes a dead letter there",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        yield* ref.stop()
        const letter = yield* deadLetter(stage.callee.system)
        yield* ref.tell.Note({ n: 1 })
        const { payload, reason, tag, to } = yield* letter
        assert.deepEqual([reason._tag, tag, to, payload], ["NoSuchActor", "Note", "subject", { n: 1 }])
        yield* stage.quiet
        assert.equal((yield* stage.ledger).deadLettered, 1)
      }),
    { counts: true }
  ),

  law("S3", "one node", "a tell to a stopping actor fails with Stopping", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const stop = yield* start(ref.stop())
      assert.equal((yield* notExecuted(ref.tell.Note({ n: 1 }), "Stopping")).to, "subject")
      assert.equal(ref.tellUnsafe.Note({ n: 2 }), false)
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* Fiber.join(stop)
      assert.deepEqual(journal.of("note"), [])
    })
  ),

  law("S3", "two nodes", "a tell that finds a stopping actor on another node becomes a dead letter there", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const letter = yield* deadLetter(stage.callee.system)
      const stop = yield* start(ref.stop())
      yield* ref.tell.Note({ n: 1 })
      assert.equal((yield* letter).reason._tag, "Stopping")
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* Fiber.join(stop)
      assert.deepEqual(journal.of("note"), [])
    })
  ),

  law(
    "S3",
    anywhere,
    "a tell whose payload does not match its schema fails with EncodeError and is not sent",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const { issue, tag } = yield* notExecuted(ref.tell.Note({ n: wrong }), "EncodeError")
        assert.equal(tag, "Note")
        assert.match(issue, /n/)
        assert.equal(ref.tellUnsafe.Note({ n: wrong }), false)
        assert.equal(yield* ref.ask.Count(), 0)
      }),
    { local: ["encoded"] }
  ),

  law(
    "S3",
    anywhere,
    "a payload whose schema is asynchronous fails with EncodeError",
    (stage) =>
      Effect.gen(function* () {
        const Slowly = Actor.make("Slowly", [Rpc.make("Put", { payload: { text: asynchronous } })])
        const ref = yield* stage.spawn(Slowly, Slowly.behavior({ Put: () => stage.journal.note("put") }))
        yield* notExecuted(ref.tell.Put({ text: "x" }), "EncodeError")
        yield* notExecuted(ref.ask.Put({ text: "x" }), "EncodeError")
        assert.deepEqual(stage.journal.entries, [])
      }),
    { local: ["encoded"] }
  ),

  law("S3", "two nodes", "a tell larger than a frame fails with PayloadTooLarge, and smaller ones go on", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Box, box)
      stage.wire.maxFrameBytes = 3000
      yield* ref.tell.Put({ text: "x".repeat(2000) })
      const { bytes, limit, tag } = yield* notExecuted(ref.tell.Put({ text: "x".repeat(3000) }), "PayloadTooLarge")
      assert.equal(tag, "Put")
      assert(limit <= 3000 && bytes >= 3000, `${bytes} bytes of at most ${limit}`)
      assert.equal(ref.tellUnsafe.Put({ text: "x".repeat(4000) }), false)
      // Counted in bytes, not in characters.
      yield* notExecuted(ref.tell.Put({ text: "€".repeat(1200) }), "PayloadTooLarge")
      yield* ref.tell.Put({ text: "x".repeat(1000) })
      assert.equal(yield* ref.ask.Sum(), 3000)
    })
  ),

  law("S3", "two nodes", "every message that is not too large is carried, however near the limit it is", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Box, box)
      stage.wire.maxFrameBytes = 3000
      let sum = 0
      let refused = 0
      for (let length = 2600; length <= 3000; length++) {
        if (ref.tellUnsafe.Put({ text: "x".repeat(length) })) sum += length
        else refused += 1
        if (length % 7 === 0) yield* ref.ask.Sum()
      }
      assert.equal(yield* ref.ask.Sum(), sum)
      assert(sum > 0 && refused > 0)
    })
  ),

  law("S3", "two nodes", "many messages that fit one by one are carried together, in frames that fit", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Box, box)
      stage.wire.maxFrameBytes = 3000
      for (let index = 0; index < 200; index++)
        yield* ref.tell.Put({ text: index % 2 === 0 ? "x".repeat(700) : "€".repeat(300) })
      assert.equal(yield* ref.ask.Sum(), 100 * 700 + 100 * 300)
    })
  ),

  law(
    "S3",
    "two nodes",
    "a tell to a node that is not there fails with NotConnected",
    (stage) =>
      Effect.gen(function* () {
        const { system } = stage.asker.system.id
        const ref = yield* refOf(stage, `${system}/node/nowhere/abc/subject#1`, ...Subject.rpcs)
        yield* notExecuted(ref.tell.Note({ n: 1 }), "NotConnected")
        assert.equal(ref.tellUnsafe.Note({ n: 1 }), false)
      }),
    { needs: ["absence"] }
  ),

  law("S3", "two nodes", "a tell to a node that has left fails", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* ref.tell.Note({ n: 1 })
      yield* ref.ask.Count()
      const down = yield* event(
        stage.asker.system,
        (event) => event._tag === "LinkChanged" && event.state._tag === "Down"
      )
      yield* stage.callee.leave
      yield* down
      const error = yield* Effect.flip(ref.tell.Note({ n: 2 }))
      assert.equal(error._tag, "NotExecuted")
      assert(["NoSuchActor", "NotConnected"].includes(error.reason._tag), error.message)
      assert.deepEqual(journal.of("note"), ["note 1"])
    })
  ),

  law(
    "S3",
    "two nodes",
    "what the carrier refused to take after the hand-over becomes a dead letter at its sender",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const letter = yield* deadLetter(stage.asker.system)
        wire.onSend = ({ kind }) => (kind === "data" ? "refuse" : "carry")
        yield* ref.tell.Note({ n: 1 })
        const { reason, tag, to } = yield* letter
        assert.deepEqual([reason._tag, tag, to], ["NotConnected", "Note", "subject"])
        assert.deepEqual(journal.of("note"), [])
      }),
    { restless: true }
  ),

  law("S3", anywhere, "a tell never suspends", (stage) =>
    Effect.gen(function* () {
      const { journal, wire } = stage
      const ref = yield* stage.spawn(Subject, subject(journal, { mailbox: { capacity: 1, overflow: "backpressure" } }))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      if (stage.placement === "two nodes") wire.onSend = () => journal.wait("carrier")
      for (const n of [1, 2, 3]) {
        const fiber = yield* start(ref.tell.Note({ n }))
        assert(fiber.pollUnsafe() !== undefined, "the tell suspended")
      }
      yield* journal.open("a", "carrier")
      wire.onSend = () => "carry"
      yield* Fiber.join(held)
      yield* ref.ask.Count()
      assert.deepEqual(journal.of("note")[0], "note 1")
    })
  ),

  law("S3", anywhere, "a tell to a restarting actor is kept for it", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* ref.tell.Crash({ why: "on purpose" })
      yield* journal.seen("released 1")
      const fiber = yield* start(ref.tell.Note({ n: 1 }))
      assert(Exit.isSuccess(fiber.pollUnsafe()!))
      yield* within("200 millis", journal.seen("note 1"))
      journal.inOrder("init 2", "note 1")
    })
  ),

  law("S3", anywhere, "a typed error that nobody asked for is no crash", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* ref.tell.Note({ n: 1 })
      yield* ref.tell.Refuse({ why: "nobody hears it" })
      assert.equal(yield* ref.ask.Count(), 1)
      assert.deepEqual(journal.of("init"), ["init 1"])
    })
  ),

  law(
    "S3",
    anywhere,
    "a tell that the actor does not understand becomes a dead letter",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        const other = yield* recast(stage, ref, Rpc.make("Sing", { payload: { song: Schema.String } }))
        const letter = yield* deadLetter(stage.callee.system)
        yield* other.tell.Sing({ song: "la" })
        const { reason, tag } = yield* letter
        assert.deepEqual([reason._tag, tag], ["UnsupportedMessage", "Sing"])
        yield* stage.quiet
        assert.equal((yield* stage.ledger).deadLettered, 1)
      }),
    { counts: true }
  )
].flat()
