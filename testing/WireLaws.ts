/** S13, what crosses the wire, and S14, how time does. */
import assert from "node:assert/strict"
import { Deferred, Effect, Equal, Exit, Fiber, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorRef } from "../core/index.ts"
import { type NodeAddress, Transport } from "../core/Transport.ts"
import {
  anywhere,
  deadLetter,
  elapse,
  law,
  notExecuted,
  pending,
  recast,
  refOf,
  type Stage,
  start,
  unknown,
  within
} from "./Law.ts"
import { Subject, subject } from "./Subject.ts"

const encoded = { local: ["encoded"] } as const

class Item extends Schema.Class<Item>("Item")({ name: Schema.String, at: Schema.Date }) {}
const Shelf = Actor.make("Shelf", [
  Rpc.make("Put", { payload: { item: Item }, success: Item }),
  Rpc.make("Last", { success: Schema.Boolean })
])
/** Keeps what it was sent, so that a law can compare it with what it sent. */
const shelf = (kept: Array<Item>) =>
  Shelf.behavior({
    Put: ({ item }) => {
      kept.push(item)
      return Effect.succeed(item)
    },
    Last: () => Effect.succeed(kept.at(-1) instanceof Item)
  })

const codecs = [
  law(
    "S13",
    anywhere,
    "every message crosses its codec, so the receiver has a copy",
    (stage) =>
      Effect.gen(function* () {
        const kept: Array<Item> = []
        const ref = yield* stage.spawn(Shelf, shelf(kept))
        const item = new Item({ name: "bolt", at: new Date(5) })
        const answer = yield* ref.ask.Put({ item })
        assert(kept[0] instanceof Item && answer instanceof Item)
        assert.deepEqual([kept[0].name, kept[0].at], ["bolt", new Date(5)])
        assert.notEqual(kept[0], item)
        assert.notEqual(answer, kept[0])
      }),
    encoded
  ),

  law(
    "S13",
    anywhere,
    "a payload that does not match its schema is refused, between actors of one node too",
    (stage) =>
      Effect.gen(function* () {
        const kept: Array<Item> = []
        const ref = yield* stage.spawn(Shelf, shelf(kept))
        const wrong = { name: "bolt", at: new Date(5) } as never
        yield* notExecuted(ref.ask.Put({ item: { name: 7, at: "today" } as never }), "EncodeError")
        yield* notExecuted(ref.tell.Put(wrong), "EncodeError")
        yield* notExecuted(ref.offer.Put(wrong), "EncodeError")
        assert.equal(ref.tellUnsafe.Put(wrong), false)
        assert.deepEqual(kept, [])
      }),
    encoded
  ),

  law(
    "S13",
    "one node",
    "by reference, messages between actors of one node are neither copied nor checked",
    (stage) =>
      Effect.gen(function* () {
        const kept: Array<Item> = []
        const ref = yield* stage.spawn(Shelf, shelf(kept))
        const item = { name: 7 } as never
        assert.equal(yield* ref.ask.Put({ item }), item)
        assert.equal(kept[0], item)
      }),
    { local: ["by-reference"] }
  ),

  law("S13", "two nodes", "frames between nodes are encoded, by reference too", (stage) =>
    Effect.gen(function* () {
      const kept: Array<Item> = []
      const ref = yield* stage.spawn(Shelf, shelf(kept))
      const item = new Item({ name: "bolt", at: new Date(5) })
      const answer = yield* ref.ask.Put({ item })
      assert.notEqual(kept[0], item)
      assert.deepEqual([answer.name, answer.at], ["bolt", new Date(5)])
      yield* notExecuted(ref.tell.Put({ item: { name: 7 } as never }), "EncodeError")
    })
  ),

  law(
    "S13",
    anywhere,
    "fields that the receiver does not know are ignored",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        const newer = yield* recast(
          stage,
          ref,
          Rpc.make("Double", { payload: { n: Schema.Int, unit: Schema.String }, success: Schema.Int })
        )
        assert.equal(yield* newer.ask.Double({ n: 4, unit: "cm" }), 8)
      }),
    encoded
  ),

  law(
    "S13",
    anywhere,
    "a tag that the receiver does not know is NotExecuted(UnsupportedMessage), and harms nobody",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        const newer = yield* recast(stage, ref, Rpc.make("Sing", { success: Schema.Int }))
        yield* notExecuted(newer.ask.Sing(), "UnsupportedMessage")
        yield* notExecuted(newer.offer.Sing(), "UnsupportedMessage")
        assert.equal(yield* ref.ask.Double({ n: 4 }), 8)
        assert.deepEqual(stage.journal.of("init"), ["init 1"])
      })
  ),

  law("S13", anywhere, "a ref travels in a message, and works where it arrives", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Relay = Actor.make("Relay", [
        Rpc.make("Send", { payload: { to: ActorRef.schema(...Subject.rpcs), n: Schema.Int }, success: Schema.Int }),
        Rpc.make("Back", {
          payload: { to: ActorRef.schema(...Subject.rpcs) },
          success: ActorRef.schema(...Subject.rpcs)
        })
      ])
      const relay = Relay.behavior({
        Send: ({ n, to }) => Effect.orDie(to.ask.Double({ n })),
        Back: ({ to }) => Effect.succeed(to)
      })
      const ref = yield* stage.spawn(Relay, relay, "relay")
      const mine = yield* stage.asker.system.spawn("mine", subject(journal))
      assert.equal(yield* ref.ask.Send({ to: mine, n: 4 }), 8)
      const there = yield* stage.spawn(Subject, subject(journal), "there")
      assert.equal(yield* ref.ask.Send({ to: there, n: 5 }), 10)
      // Home again it is the same actor, and one that lives here.
      const back = yield* ref.ask.Back({ to: mine })
      assert(Equal.equals(back, mine))
      yield* back.tell.Note({ n: 1 })
      assert.equal(yield* mine.ask.Count(), 2)
      yield* mine.stop()
      yield* notExecuted(back.ask.Count(), "NoSuchActor")
      const dead = yield* ref.ask.Back({ to: mine })
      yield* notExecuted(dead.ask.Count(), "NoSuchActor")
    })
  ),

  law("S13", "two nodes", "a text that is no ref of this system does not decode", (stage) =>
    Effect.gen(function* () {
      const Relay = Actor.make("Relay", [Rpc.make("Take", { payload: { to: ActorRef.schema(...Subject.rpcs) } })])
      const ref = yield* stage.spawn(Relay, Relay.behavior({ Take: () => Effect.void }), "relay")
      const other = yield* recast(stage, ref, Rpc.make("Take", { payload: { to: Schema.String } }))
      for (const to of ["", "nonsense", "other/node/home/abc/subject#1", "a/b/c"]) {
        yield* notExecuted(other.ask.Take({ to }), "DecodeError")
      }
    })
  ),

  law("S13", anywhere, "a message carries the trace of its sender", (stage) =>
    Effect.gen(function* () {
      const Traced = Actor.make("Traced", [
        Rpc.make("Trace", { success: Schema.String }),
        Rpc.make("Put", { payload: { key: Schema.String } })
      ])
      const traced = Traced.behavior({
        Trace: () => Effect.map(Effect.orDie(Effect.currentParentSpan), ({ traceId }) => traceId),
        Put: ({ key }) =>
          Effect.flatMap(Effect.orDie(Effect.currentParentSpan), ({ spanId }) => stage.journal.note(`${key} ${spanId}`))
      })
      const ref = yield* stage.spawn(Traced, traced)
      const [mine, theirs] = yield* Effect.gen(function* () {
        const span = yield* Effect.orDie(Effect.currentSpan)
        yield* ref.tell.Put({ key: "told" })
        return [span, yield* ref.ask.Trace()] as const
      }).pipe(Effect.withSpan("law"))
      assert.equal(theirs, mine.traceId)
      yield* stage.journal.seen(`told ${mine.spanId}`)
    })
  )
]

type Frame = readonly [version: number, kind: string, ...rest: ReadonlyArray<any>]

/** A node that speaks the wire by hand. */
const rawPeer = (stage: Stage, node: string) =>
  Effect.gen(function* () {
    const transport = yield* Transport
    const { system } = stage.asker.system.id
    const frames: Array<Frame> = []
    const waiting: Array<{ test: (frame: Frame) => boolean; found: Deferred.Deferred<Frame> }> = []
    const connection = yield* transport.join(
      { system, role: "node", node },
      {
        onFrame: (_from, bytes) => {
          const frame = JSON.parse(new TextDecoder().decode(bytes)) as Frame
          frames.push(frame)
          for (const { found, test } of waiting) if (test(frame)) Deferred.doneUnsafe(found, Exit.succeed(frame))
        },
        onUnreachable: () => {}
      }
    )
    const to: NodeAddress = { system, role: "node", node: stage.asker.node }
    const sendText = (text: string | Uint8Array) =>
      connection.send(to, typeof text === "string" ? new TextEncoder().encode(text) : text)
    const send = (...frame: Frame) => sendText(JSON.stringify(frame))
    const next = (test: (frame: Frame) => boolean) => {
      const found = Deferred.makeUnsafe<Frame>()
      const before = frames.find(test)
      if (before !== undefined) return Effect.succeed(before)
      waiting.push({ test, found })
      return Deferred.await(found)
    }
    /** Brings a link up; answers the frame head for data. */
    const connect = Effect.gen(function* () {
      yield* send(1, "hello", { versions: [1], generation: "raw", epoch: 1, seen: null, up: false })
      const [, , hello] = yield* next(([, kind, body]) => kind === "hello" && body.seen?.[0] === "raw")
      yield* send(1, "hello", {
        versions: [1],
        generation: "raw",
        epoch: 1,
        seen: [hello.generation, hello.epoch],
        up: true
      })
      let sequence = 0
      return (...envelopes: ReadonlyArray<unknown>) => send(1, "data", 1, hello.epoch, ++sequence, envelopes)
    })
    return { send, sendText, next, connect, frames }
  })

const envelopesOf = (frame: Frame): ReadonlyArray<ReadonlyArray<any>> => (frame[1] === "data" ? frame[5] : [])

const frames = [
  law(
    "S13",
    "two nodes",
    "nodes without a common wire version refuse each other, and say which versions they speak",
    (stage) =>
      Effect.gen(function* () {
        const { next, send } = yield* rawPeer(stage, "future")
        yield* send(1, "hello", { versions: [7, 8], generation: "raw", epoch: 1, seen: null, up: false })
        const [, , { reason }] = yield* next(([, kind]) => kind === "refuse")
        assert.match(reason, /no common wire version/)
        assert.match(reason, /\b1\b/)
        assert.match(reason, /7, 8/)
        const link = (yield* stage.asker.system.links).get("node/future")
        assert(link?._tag === "Down")
        assert.match(link.reason, /7, 8/)
        assert.match(link.reason, /\b1\b/)
        // The others are not concerned.
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        assert.equal(yield* ref.ask.Double({ n: 4 }), 8)
      }),
    { restless: true }
  ),

  law(
    "S13",
    "two nodes",
    "what was sent to a node without a common wire version is NotConnected, and says which versions they speak",
    (stage) =>
      Effect.gen(function* () {
        const { next, send } = yield* rawPeer(stage, "future")
        const lookup = stage.asker.system.lookup(Subject, "alice", { at: { node: "future" }, deadline: "300 millis" })
        const looking = yield* start(lookup)
        const [, , hello] = yield* next(([, kind]) => kind === "hello")
        assert.deepEqual(hello.versions, [1])
        yield* send(7, "hello", { versions: [7, 8], generation: "raw", epoch: 1, seen: null, up: false })
        yield* next(([, kind]) => kind === "refuse")
        // It answers every hello so.
        const refuse = Effect.suspend(() =>
          send(7, "hello", { versions: [7, 8], generation: "raw", epoch: 1, seen: null, up: false })
        )
        const again = yield* start(Effect.forever(Effect.andThen(Effect.sleep(20), refuse)))
        const { detail } = yield* within("600 millis", notExecuted(Fiber.join(looking), "NotConnected"))
        assert.match(detail, /no common wire version.*7, 8.*\b1\b/)
        yield* Fiber.interrupt(again)
      }),
    { restless: true }
  ),

  law(
    "S13",
    "two nodes",
    "a node that is refused says so to what waits for it",
    (stage) =>
      Effect.gen(function* () {
        const { next, send } = yield* rawPeer(stage, "strict")
        const letter = yield* deadLetter(stage.asker.system)
        const { system } = stage.asker.system.id
        const ref = yield* refOf(stage, `${system}/node/strict/raw/subject#1`, ...Subject.rpcs)
        yield* ref.tell.Note({ n: 1 })
        yield* next(([, kind]) => kind === "hello")
        yield* send(1, "refuse", { reason: "no common wire version: it speaks 7, you speak 1" })
        const { reason } = yield* letter
        assert(reason._tag === "NotConnected")
        assert.match(reason.detail, /refused.*it speaks 7, you speak 1/)
      }),
    { restless: true }
  ),

  law(
    "S13",
    "two nodes",
    "a newer node that speaks a common wire version too is understood",
    (stage) =>
      Effect.gen(function* () {
        const { next, send } = yield* rawPeer(stage, "newer")
        yield* stage.asker.system.spawn("subject", subject(stage.journal))
        yield* send(1, "hello", {
          versions: [1, 2],
          generation: "raw",
          epoch: 1,
          seen: null,
          up: false,
          more: "to come"
        })
        const [, , hello] = yield* next(([, kind, body]) => kind === "hello" && body.seen?.[0] === "raw")
        yield* send(1, "hello", {
          versions: [1, 2],
          generation: "raw",
          epoch: 1,
          seen: [hello.generation, hello.epoch],
          up: true
        })
        yield* send(1, "data", 1, hello.epoch, 1, [["m", 1, "subject", 0, "Double", { n: 4 }, 1, 1, 77, null, 5000]])
        const frame = yield* next((frame) => envelopesOf(frame).some(([kind]) => kind === "v"))
        assert.deepEqual(envelopesOf(frame), [["v", 77, 8]])
      }),
    { restless: true }
  ),

  law(
    "S13",
    "two nodes",
    "frames that make no sense do no harm",
    (stage) =>
      Effect.gen(function* () {
        const { connect, next, send, sendText } = yield* rawPeer(stage, "raw")
        const subjectHere = yield* stage.asker.system.spawn("subject", subject(stage.journal))
        const healthy = yield* stage.spawn(Subject, subject(stage.journal), "there")
        yield* subjectHere.ask.Note({ n: 1 })
        const bytes = Uint8Array.from({ length: 300 }, (_, index) => (index * 151) % 256)
        for (const text of [
          "",
          "x",
          "{}",
          "[]",
          "null",
          "7",
          '"hello"',
          "[1]",
          '[1,"hello"]',
          '[1,"hello",null]',
          '[1,"hello",{}]'
        ]) {
          yield* sendText(text)
        }
        yield* sendText(bytes)
        for (const text of [
          '[1,"hello",{"versions":7}]',
          '[1,"hello",{"versions":[1]}]',
          '[1,"refuse"]',
          '[1,"bye"]',
          '[1,"unheard of",{}]'
        ]) {
          yield* sendText(text)
        }
        yield* sendText('[1,"data"]')
        yield* sendText('[1,"data",1,1,1,[["m",1,"subject"]]]')
        const data = yield* connect
        for (const envelope of [
          null,
          7,
          [],
          {},
          "m",
          ["m"],
          ["z", 1, 2],
          ["m", 1],
          ["m", 0, "subject", 0, "Note", { n: "one" }, 1, 1, 0, null, null],
          ["m", 1, "subject", 0, "Double", "no payload", 2, 1, 78, null, 5000],
          ["m", 1, "nobody", 0, "Double", { n: 1 }, 3, 1, 79, null, 5000],
          ["m", 1, null, null, null, null, null, null, null, null, null],
          ["v", 999, 1],
          ["e", 999, 1],
          ["n", 999, {}],
          ["u", 999, { _tag: "?" }],
          ["s", 999, [1]],
          ["g", 999, 3],
          ["g"],
          ["c", 999],
          ["h", 999, 1],
          ["w"],
          ["d", 999],
          ["t", 999, { _tag: "?" }],
          ["x", "nobody", 1, "stop", 1]
        ]) {
          yield* data(envelope)
          yield* Effect.yieldNow
        }
        yield* send(1, "data", 1, 424242, 99, [["m", 0, "subject", 0, "Note", { n: 2 }, 1, 1, 0, null, null]])
        // Everybody goes on: this actor, other nodes, and the link itself.
        assert.equal(yield* subjectHere.ask.Double({ n: 4 }), 8)
        assert.equal(yield* healthy.ask.Double({ n: 5 }), 10)
        yield* data(["m", 1, "subject", 0, "Double", { n: 6 }, 50, 1, 80, null, 5000])
        const frame = yield* next((frame) => envelopesOf(frame).some(([kind, slot]) => kind === "v" && slot === 80))
        assert(envelopesOf(frame).some((envelope) => envelope[2] === 12))
        assert.deepEqual(stage.journal.of("note"), ["note 1"])
        assert.deepEqual((yield* stage.ledger).faults, [])
        yield* stage.asker.system.idle
        assert.equal((yield* stage.ledger).pending, 0)
      }),
    { counts: true, restless: true }
  ),

  law(
    "S13",
    "two nodes",
    "an envelope that makes no sense does not take the others of its frame with it",
    (stage) =>
      Effect.gen(function* () {
        const { connect, next } = yield* rawPeer(stage, "raw")
        yield* stage.asker.system.spawn("subject", subject(stage.journal))
        const data = yield* connect
        yield* data(
          ["m", 1],
          null,
          ["t", 5, { _tag: "?" }],
          ["m", 1, "subject", 0, "Double", { n: 6 }, 50, 1, 80, null, 5000]
        )
        yield* next((frame) =>
          envelopesOf(frame).some(([kind, slot, value]) => kind === "v" && slot === 80 && value === 12)
        )
      }),
    { restless: true }
  ),

  law(
    "S13",
    "two nodes",
    "an answer goes to the node that the carrier named, whatever the frame says",
    (stage) =>
      Effect.gen(function* () {
        const one = yield* rawPeer(stage, "one")
        const two = yield* rawPeer(stage, "two")
        yield* stage.asker.system.spawn("subject", subject(stage.journal))
        const data = yield* one.connect
        yield* two.connect
        yield* data(["m", 1, "subject", 0, "Double", { n: 6 }, 50, 1, 80, null, 5000])
        yield* one.next((frame) => envelopesOf(frame).some(([kind, slot]) => kind === "v" && slot === 80))
        assert.equal(
          two.frames.some((frame) => envelopesOf(frame).length > 0),
          false
        )
      }),
    { restless: true }
  )
]

const time = [
  law("S14", "two nodes", "remaining durations cross the wire, so clocks that differ do no harm", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      for (const [node, offset] of [
        ["ahead", 3_600_000],
        ["behind", -3_600_000]
      ] as const) {
        const other = yield* stage.join(node, offset)
        yield* other.system.spawn("subject", subject(journal))
        const ref = yield* stage.asker.system.lookup(Subject, "subject", { at: { node } })
        assert.equal(yield* ref.ask.Double({ n: 4 }, { deadline: "150 millis" }), 8)
        // A request that waits is there until its deadline, and not after it.
        const held = yield* start(ref.ask.Hold({ key: node }))
        yield* journal.seen(`${node}+`)
        const patient = yield* start(ref.ask.Double({ n: 5 }, { deadline: "3 seconds" }))
        const hasty = yield* start(ref.ask.Double({ n: 6 }, { deadline: "60 millis" }))
        yield* ref.offer.Note({ n: 1 })
        yield* elapse("150 millis")
        assert(Exit.isFailure(yield* Fiber.await(hasty)))
        pending(patient)
        yield* journal.open(node)
        yield* Fiber.join(held)
        assert.equal(yield* Fiber.join(patient), 10)
        yield* ref.ask.Count()
        assert.equal(journal.count("double 6"), 0)
        // And one that runs is given up by the asker's clock.
        const late = yield* start(ref.ask.Hold({ key: `${node} late` }, { deadline: "60 millis" }))
        yield* journal.seen(`${node} late+`)
        yield* within("500 millis", unknown(Fiber.join(late), "Timeout"))
        yield* journal.open(`${node} late`)
      }
    })
  ),

  law("S14", "two nodes", "a request on the wire says how long it may take, not until when", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Subject, subject(stage.journal))
      yield* ref.ask.Double({ n: 4 }, { deadline: "3 seconds" })
      const request = stage.wire.sent
        .filter(({ kind }) => kind === "data")
        .flatMap(({ text }) => envelopesOf(JSON.parse(text)))
        .find((envelope) => envelope[0] === "m" && envelope[4] === "Double")!
      const remaining = request.at(-1) as number
      assert(remaining > 0 && remaining <= 3000, `it says ${remaining}`)
    })
  ),

  law("S14", "two nodes", "a request without an end says so on the wire, and has none where it arrives", (stage) =>
    Effect.gen(function* () {
      const { journal, wire } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const answer = Deferred.makeUnsafe<number, unknown>()
      const onExit = (exit: Exit.Exit<number, unknown>) => void Deferred.doneUnsafe(answer, exit)
      ref.askUnsafe.Double({ n: 4 }, onExit, { deadline: Number.POSITIVE_INFINITY })
      yield* stage.arrived
      const request = wire.sent
        .filter(({ kind }) => kind === "data")
        .flatMap(({ text }) => envelopesOf(JSON.parse(text)))
        .find((envelope) => envelope[0] === "m" && envelope[4] === "Double")!
      assert.equal(request.length, 11)
      assert.equal(request.at(-1), null)
      yield* elapse("3 seconds")
      yield* journal.open("a")
      yield* Fiber.join(held)
      assert.equal(yield* Deferred.await(answer), 8)
    })
  ),

  law("S14", "two nodes", "the time that a request waits for its link counts against its deadline", (stage) =>
    Effect.gen(function* () {
      const { journal, wire } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      wire.onSend = ({ kind }) => (kind === "data" ? journal.wait("carrier") : "carry")
      // The first one occupies the carrier; the second waits in the link.
      const first = yield* start(ref.ask.Double({ n: 1 }))
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      const second = yield* start(ref.ask.Double({ n: 2 }, { deadline: "2 seconds" }))
      yield* elapse("500 millis")
      wire.onSend = () => "carry"
      yield* journal.open("carrier")
      assert.deepEqual([yield* Fiber.join(first), yield* Fiber.join(second)], [2, 4])
      const request = wire.sent
        .filter(({ kind }) => kind === "data")
        .flatMap(({ text }) => envelopesOf(JSON.parse(text)))
        .find((envelope) => envelope[0] === "m" && envelope[5]?.n === 2)!
      const remaining = request.at(-1) as number
      assert(remaining > 0 && remaining <= 1500, `it says ${remaining}`)
    })
  )
]

export const wireLaws = [codecs, frames, time].flat(2)
