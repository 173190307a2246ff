/** S1, how an actor processes its messages, and S2, in which order. */
import assert from "node:assert/strict"
import { Effect, Fiber, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorRef, Protocol } from "../core/index.ts"
import { anywhere, event, law, notExecuted, pending, recast, start, unknown, within } from "./Law.ts"
import { Subject, subject } from "./Subject.ts"

const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, index) => from + index)
const notes = (count: number, from = 1) => numbers(count, from).map((n) => `note ${n}`)

const one = [
  law("S1", anywhere, "an actor handles one message at a time, asynchronous handlers included", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const asks = yield* Effect.forEach(numbers(20), (n) =>
        start<unknown, unknown, never>(n % 4 === 0 ? ref.ask.Double({ n }) : ref.ask.Hold({ key: `h${n}` }))
      )
      yield* journal.seen("h1+")
      // Another actor of that node has had its turn meanwhile.
      const other = yield* stage.spawn(Subject, subject(journal), "other")
      yield* other.ask.Count()
      assert.deepEqual(journal.of("h"), ["h1+"])
      yield* journal.open(...numbers(20).map((n) => `h${n}`))
      yield* Fiber.joinAll(asks)
      const entries = journal.entries.filter((entry) => /^(h|double)/.test(entry))
      assert.deepEqual(
        entries,
        numbers(20).flatMap((n) => (n % 4 === 0 ? [`double ${n}`] : [`h${n}+`, `h${n}-`]))
      )
    })
  ),

  law("S1", anywhere, "an actor handles one message at a time while asynchronous handlers yield", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Yielder = Actor.make("Yielder", [Rpc.make("Work", { payload: { n: Schema.Int } })])
      const yielder = Yielder.behavior({
        Work: ({ n }) =>
          Effect.gen(function* () {
            journal.write("+")
            for (let turn = 0; turn < n % 5; turn++) yield* Effect.yieldNow
            journal.write("-")
          })
      })
      const ref = yield* stage.spawn(Yielder, yielder)
      yield* Effect.forEach(numbers(300), (n) => ref.ask.Work({ n }), { concurrency: "unbounded" })
      assert.equal(journal.entries.length, 600)
      assert(
        journal.entries.every((entry, index) => entry === (index % 2 === 0 ? "+" : "-")),
        "two handlers ran at the same time"
      )
    })
  ),

  law("S1", "one node", "a message an actor sends to itself waits until the one in hand is handled", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Self = Actor.make("Self", [Rpc.make("Begin"), Rpc.make("Next")])
      const self = Self.behavior({
        Begin: () =>
          Effect.gen(function* () {
            yield* Effect.orDie((yield* Self.self).tell.Next())
            yield* Effect.yieldNow
            journal.write("end of Begin")
          }),
        Next: () => journal.note("Next")
      })
      const ref = yield* stage.spawn(Self, self)
      yield* ref.ask.Begin()
      yield* journal.seen("Next")
      assert.deepEqual(journal.entries, ["end of Begin", "Next"])
    })
  ),

  law("S1", anywhere, "requests declared concurrent run beside one another and beside the others", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const a = yield* start(ref.ask.HoldBeside({ key: "a" }))
      const b = yield* start(ref.ask.HoldBeside({ key: "b" }))
      const c = yield* start(ref.ask.Hold({ key: "c" }))
      yield* journal.seen("c+")
      journal.inOrder("a+", "b+", "c+")
      yield* journal.open("b")
      assert.equal(yield* Fiber.join(b), "b")
      pending(a)
      pending(c)
      yield* journal.open("a", "c")
      assert.equal(yield* Fiber.join(a), "a")
      assert.equal(yield* Fiber.join(c), "c")
    })
  ),

  law("S1", anywhere, "a concurrent request waits for its turn like any other before it starts", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const a = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const b = yield* start(ref.ask.HoldBeside({ key: "b" }))
      const other = yield* stage.spawn(Subject, subject(journal), "other")
      yield* other.ask.Count()
      assert.deepEqual(journal.of("b"), [])
      yield* journal.open("a", "b")
      yield* Fiber.joinAll([a, b])
      journal.inOrder("a+", "a-", "b+", "b-")
    })
  ),

  law("S1", anywhere, "a crash interrupts what runs beside it before the incarnation's Scope closes", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const beside = yield* start(ref.ask.HoldBeside({ key: "a" }))
      yield* journal.seen("a+")
      yield* unknown(ref.ask.Crash({ why: "on purpose" }), "CalleeCrashed")
      yield* unknown(Fiber.join(beside), "Interrupted")
      yield* journal.open("a")
      yield* within("200 millis", journal.seen("init 2"))
      journal.inOrder("a+", "a!", "released 1", "init 2")
      assert.deepEqual(journal.of("a-"), [])
    })
  ),

  law("S1", anywhere, "a crash beside it interrupts the handler that has its turn, before the Scope closes", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const crash = yield* start(ref.ask.CrashBeside({ why: "on purpose" }))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      yield* journal.open("on purpose")
      yield* unknown(Fiber.join(crash), "CalleeCrashed")
      yield* unknown(Fiber.join(held), "Interrupted")
      yield* journal.open("a")
      yield* within("200 millis", journal.seen("init 2"))
      journal.inOrder("a+", "a!", "released 1", "init 2")
      assert.deepEqual(journal.of("a-"), [])
    })
  ),

  law("S1", anywhere, "a kill interrupts every handler before the Scope closes", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const a = yield* start(ref.ask.HoldBeside({ key: "a" }))
      const b = yield* start(ref.ask.Hold({ key: "b" }))
      yield* journal.seen("b+")
      yield* ref.kill
      yield* unknown(Fiber.join(a), "Interrupted")
      yield* unknown(Fiber.join(b), "Interrupted")
      yield* journal.open("a", "b")
      journal.inOrder("a!", "released 1")
      journal.inOrder("b!", "released 1")
    })
  ),

  law("S1", anywhere, "a stop at its deadline interrupts every handler before the Scope closes", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const a = yield* start(ref.ask.HoldBeside({ key: "a" }))
      const b = yield* start(ref.ask.Hold({ key: "b" }))
      yield* journal.seen("b+")
      yield* within("500 millis", ref.stop({ deadline: "50 millis" }))
      yield* unknown(Fiber.join(a), "Interrupted")
      yield* unknown(Fiber.join(b), "Interrupted")
      journal.inOrder("a!", "released 1")
      journal.inOrder("b!", "released 1")
    })
  )
]

const fairness = [
  law(
    "S1",
    "one node",
    "an actor that always has a message keeps no other from its turn, and can be stopped",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Busy = Actor.make("Busy", [Rpc.make("Again"), Rpc.make("AgainLater")])
        for (const tag of ["Again", "AgainLater"] as const) {
          const busy = Busy.behavior(
            Effect.gen(function* () {
              const self = yield* Busy.self
              return {
                Again: () => Effect.orDie(self.tell.Again()),
                AgainLater: () => Effect.orDie(Effect.andThen(Effect.yieldNow, self.tell.AgainLater()))
              }
            })
          )
          const ref = yield* stage.callee.system.spawn(tag, busy)
          yield* ref.tell[tag]()
          const other = yield* stage.spawn(Subject, subject(journal), `other-${tag}`)
          for (let n = 0; n < 20; n++) {
            yield* Effect.yieldNow
            assert.equal(yield* other.ask.Double({ n }), n * 2)
          }
          yield* ref.stop()
        }
      })
  ),

  law("S1", "one node", "a chain of asks through many actors is answered, however long it is", (stage) =>
    Effect.gen(function* () {
      const Link = Actor.make("Link", [Rpc.make("Pass", { payload: { n: Schema.Int }, success: Schema.Int })])
      const { system } = stage.callee
      let next: ActorRef.ActorRef<(typeof Link.rpcs)[number]> | undefined
      for (let index = 0; index < 1500; index++) {
        const to = next
        const link = Link.behavior({
          Pass: ({ n }) => (to === undefined ? Effect.succeed(n) : Effect.orDie(to.ask.Pass({ n: n + 1 })))
        })
        next = yield* system.spawn(`link-${index}`, link)
      }
      assert.equal(yield* next!.ask.Pass({ n: 1 }), 1500)
    })
  ),

  law("S1", "one node", "an actor that asks itself gets no answer, keeps to the deadline, and goes on", (stage) =>
    Effect.gen(function* () {
      const Self = Actor.make("Self", [
        Rpc.make("AskSelf", { success: Schema.String }),
        Rpc.make("Ping", { success: Schema.Int })
      ])
      const self = Self.behavior(
        Effect.gen(function* () {
          const me = yield* Self.self
          return {
            AskSelf: () =>
              Effect.map(Effect.flip(me.ask.Ping(undefined, { deadline: "60 millis" })), ({ reason }) => reason._tag),
            Ping: () => Effect.succeed(1)
          } as never
        })
      )
      const ref = yield* stage.spawn(Self, self)
      assert.equal(yield* within("500 millis", ref.ask.AskSelf()), "Expired")
      assert.equal(yield* ref.ask.Ping(), 1)
    })
  )
]

const Passer = Actor.make("Passer", [
  Rpc.make("Pass", { payload: { to: ActorRef.schema(...Subject.rpcs), from: Schema.Int, count: Schema.Int } })
])
/** Tells another actor, now at once, now after a while. */
const passer = Passer.behavior({
  Pass: ({ count, from, to }) =>
    Effect.forEach(
      numbers(count, from),
      (n) => (n % 3 === 0 ? Effect.andThen(Effect.yieldNow, to.tell.Note({ n })) : to.tell.Note({ n })),
      { discard: true }
    ).pipe(Effect.orDie)
})

const order = [
  law("S2", anywhere, "tells of one sender are handled in the order they were sent", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal, { mailbox: { overflow: "unbounded" } }))
      yield* Effect.forEach(numbers(1500), (n) => ref.tell.Note({ n }), { discard: true })
      yield* ref.ask.Count()
      assert.deepEqual(journal.of("note"), notes(1500))
    })
  ),

  law(
    "S2",
    anywhere,
    "tells of one sender are handled in order where asynchronous handlers stand between them",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal, { mailbox: { overflow: "unbounded" } }))
        yield* Effect.forEach(numbers(600), (n) => (n % 7 < 2 ? ref.tell.NoteLater({ n }) : ref.tell.Note({ n })), {
          discard: true
        })
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("note"), notes(600))
      })
  ),

  law(
    "S2",
    anywhere,
    "tells, unsafe tells, offers and asks of one sender are handled in the order they were sent",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const asks: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const n of numbers(400)) {
          if (n % 4 === 0) yield* ref.tell.Note({ n })
          else if (n % 4 === 1) assert(ref.tellUnsafe.Note({ n }))
          else if (n % 4 === 2) asks.push(yield* start(ref.ask.Note({ n })))
          else asks.push(yield* start(ref.offer.Note({ n })))
        }
        yield* Fiber.joinAll(asks)
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("note"), notes(400))
      })
  ),

  law("S2", anywhere, "what a sender sends before and after it waited is handled in order", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      for (const n of numbers(200)) {
        if (n % 5 === 0) yield* Effect.yieldNow
        if (n % 9 === 0) yield* ref.ask.Note({ n })
        else yield* ref.tell.Note({ n })
      }
      yield* ref.ask.Count()
      assert.deepEqual(journal.of("note"), notes(200))
    })
  ),

  law("S2", anywhere, "what one actor tells another is handled in order, from asynchronous handlers too", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal, { mailbox: { overflow: "unbounded" } }))
      const sender = yield* stage.asker.system.spawn("passer", passer)
      for (const from of [1, 301, 601]) yield* sender.tell.Pass({ to: ref, from, count: 300 })
      yield* sender.ask.Pass({ to: ref, from: 901, count: 0 })
      yield* ref.ask.Count()
      assert.deepEqual(journal.of("note"), notes(900))
    })
  ),

  law("S2", anywhere, "messages of very different sizes keep their order", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Sized = Actor.make("Sized", [
        Rpc.make("Put", { payload: { n: Schema.Int, text: Schema.String } }),
        Rpc.make("End")
      ])
      const sized = Sized.behavior({
        Put: ({ n, text }) => journal.note(`put ${n} ${text.length}`),
        End: () => Effect.void
      })
      const ref = yield* stage.spawn(Sized, sized)
      const sizeOf = (n: number) => (n % 10 === 5 ? 90_000 : n % 4 === 0 ? 20_000 : n)
      for (const n of numbers(60)) yield* ref.tell.Put({ n, text: "x".repeat(sizeOf(n)) })
      yield* ref.ask.End()
      assert.deepEqual(
        journal.entries,
        numbers(60).map((n) => `put ${n} ${sizeOf(n)}`)
      )
    })
  ),

  law("S2", anywhere, "messages to a restarting actor are handled in the order they were sent", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      for (const n of numbers(10)) yield* ref.tell.Note({ n })
      yield* ref.tell.Crash({ why: "on purpose" })
      for (const n of numbers(10, 11)) yield* ref.tell.Note({ n })
      yield* journal.seen("released 1")
      for (const n of numbers(10, 21)) yield* ref.tell.Note({ n })
      yield* within("200 millis", journal.seen("note 30"))
      assert.deepEqual(journal.of("note"), notes(30))
    })
  ),

  law("S2", anywhere, "a kill overtakes the messages that wait", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      for (const n of numbers(100)) yield* ref.tell.Note({ n })
      yield* ref.kill
      yield* unknown(Fiber.join(held), "Interrupted")
      assert.deepEqual(journal.of("note"), [])
    })
  ),

  law("S2", anywhere, "a stop overtakes the messages that wait", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      for (const n of numbers(100)) yield* ref.tell.Note({ n })
      const stop = yield* start(ref.stop())
      yield* notExecuted(ref.ask.Count(), "Stopping")
      yield* journal.open("a")
      assert.equal(yield* Fiber.join(held), "a")
      yield* Fiber.join(stop)
      assert.deepEqual(journal.of("note"), [])
    })
  ),

  law("S2", "two nodes", "a carrier that takes frames slowly keeps their order", (stage) =>
    Effect.gen(function* () {
      const { journal, wire } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      let frames = 0
      wire.onSend = ({ kind }) => {
        if (kind !== "data") return "carry"
        frames += 1
        return Effect.andThen(Effect.yieldNow, Effect.yieldNow)
      }
      for (const n of numbers(200)) {
        yield* ref.tell.Note({ n })
        if (n % 20 === 0) yield* Effect.yieldNow
      }
      yield* ref.ask.Count()
      assert(frames > 1)
      assert.deepEqual(journal.of("note"), notes(200))
    })
  ),

  law("S2", "two nodes", "a kill overtakes the messages that wait for the carrier", (stage) =>
    Effect.gen(function* () {
      const { journal, wire } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* ref.ask.Count()
      // They take many frames, and each its time.
      wire.maxFrameBytes = 3000
      let frames = 0
      wire.onSend = ({ from, kind }) => {
        if (from !== "away" || kind !== "data") return "carry"
        frames += 1
        return frames === 1 ? journal.wait("carrier") : yields
      }
      // This one occupies the carrier; the others wait in the link.
      yield* ref.tell.Note({ n: 1 })
      yield* yields
      for (const n of numbers(400, 2)) yield* ref.tell.Note({ n })
      const kill = yield* start(ref.kill)
      yield* yields
      yield* journal.open("carrier")
      yield* Fiber.join(kill)
      yield* stage.arrived
      assert.deepEqual(
        journal.of("note").filter((entry) => entry !== "note 1"),
        []
      )
    })
  ),

  law("S2", "two nodes", "a frame that arrives twice is taken once", (stage) =>
    Effect.gen(function* () {
      const { journal, wire } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      wire.onSend = ({ kind }) => (kind === "data" ? "twice" : "carry")
      for (const n of numbers(50)) {
        yield* ref.tell.Note({ n })
        if (n % 10 === 0) assert.equal(yield* ref.ask.Double({ n }), n * 2)
      }
      assert.deepEqual(journal.of("note"), notes(50))
      assert.equal(journal.of("double").length, 5)
      wire.onSend = () => "carry"
    })
  ),

  law(
    "S2",
    "two nodes",
    "a lost frame ends the epoch: what follows it is lost or handled later, never reordered or doubled",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const renewed = yield* event(
          stage.asker.system,
          (event) => event._tag === "LinkChanged" && event.state._tag === "Up"
        )
        let frames = 0
        wire.onSend = ({ from, kind }) => (from === "away" && kind === "data" && ++frames === 3 ? "lose" : "carry")
        // Each yield lets the link send what it has.
        for (const n of numbers(30)) {
          yield* ref.tell.Note({ n })
          yield* yields
        }
        assert(frames > 3)
        yield* renewed
        for (const n of numbers(10, 101)) yield* ref.tell.Note({ n })
        yield* ref.ask.Count()
        const handled = journal.of("note").map((entry) => Number(entry.slice(5)))
        assert.deepEqual(
          handled,
          [...new Set(handled)].sort((a, b) => a - b)
        )
        assert(handled.length < 40)
        assert.deepEqual(handled.slice(-10), numbers(10, 101))
      })
  ),

  law(
    "S2",
    "two nodes",
    "a request in flight when the epoch ends is Unknown(ConnectionLost), and the next one is answered",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        let lose = true
        wire.onSend = ({ kind, text }) => (kind === "data" && lose && text.includes('"Hold"') ? "lose" : "carry")
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* yields
        lose = false
        yield* ref.tell.Note({ n: 1 })
        yield* unknown(Fiber.join(held), "ConnectionLost")
        assert.equal(yield* ref.ask.Double({ n: 4 }), 8)
        assert.deepEqual(journal.of("a"), [])
      })
  )
]

const urgency = [
  law(
    "S2",
    anywhere,
    "urgent messages are handled before all that wait and are not, in the order they were sent",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const asks: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const n of numbers(400)) {
          yield* ref.tell.Note({ n })
          if (n % 4 === 0) yield* ref.tell.NoteFirst({ n })
          else if (n % 4 === 1) assert(ref.tellUnsafe.NoteFirst({ n }))
          else if (n % 4 === 2) asks.push(yield* start(ref.ask.NoteFirst({ n })))
          else asks.push(yield* start(ref.offer.NoteFirst({ n })))
        }
        yield* stage.arrived
        assert.deepEqual(journal.of("first"), [])
        yield* journal.open("a")
        yield* Fiber.join(held)
        yield* Fiber.joinAll(asks)
        yield* ref.ask.Count()
        // The one in hand comes to its end first.
        const firsts = (count: number) => numbers(count).map((n) => `first ${n}`)
        assert.deepEqual(journal.entries, ["init 1", "a+", "a-", ...firsts(400), ...notes(400)])
        // And those that find nobody waiting.
        for (const n of numbers(10, 401)) yield* ref.tell.NoteFirst({ n })
        yield* journal.seen("first 410")
        assert.deepEqual(journal.of("first"), firsts(410))
      })
  ),

  law("S2", anywhere, "an urgent message that comes while others are handled is the next", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Hasty = Actor.make("Hasty", [
        Rpc.make("Note", { payload: { n: Schema.Int } }),
        Rpc.make("First", { payload: { n: Schema.Int } }).annotate(Protocol.Urgent, true)
      ])
      const hasty = Hasty.behavior(
        Effect.gen(function* () {
          const self = yield* Hasty.self
          return {
            // Every other one answers at once, so that both ways through a batch are taken.
            Note: ({ n }) => {
              const noted = Effect.andThen(journal.note(`note ${n}`), Effect.orDie(self.tell.First({ n })))
              return n % 2 === 0 ? Effect.andThen(Effect.yieldNow, noted) : noted
            },
            First: ({ n }) => {
              journal.write(`first ${n}`)
              return Effect.void
            }
          }
        })
      )
      const ref = yield* stage.spawn(Hasty, hasty)
      for (const n of numbers(300)) yield* ref.tell.Note({ n })
      yield* journal.seen("first 300")
      assert.deepEqual(
        journal.entries,
        numbers(300).flatMap((n) => [`note ${n}`, `first ${n}`])
      )
    })
  ),

  law("S2", anywhere, "whether a message is urgent is its receiver's to say", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const payload = { n: Schema.Int }
      const other = yield* recast(
        stage,
        ref,
        Rpc.make("Note", { payload }).annotate(Protocol.Urgent, true),
        Rpc.make("NoteFirst", { payload })
      )
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      for (const n of numbers(3)) {
        yield* other.tell.Note({ n })
        yield* other.tell.NoteFirst({ n })
      }
      yield* stage.arrived
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* ref.ask.Count()
      assert.deepEqual(journal.entries.slice(3), ["first 1", "first 2", "first 3", ...notes(3)])
    })
  ),

  law("S2", anywhere, "urgent messages are kept over a crash, and are the next incarnation's first", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* ref.tell.Crash({ why: "on purpose" })
      yield* ref.tell.Note({ n: 1 })
      yield* journal.seen("released 1")
      yield* ref.tell.NoteFirst({ n: 1 })
      yield* ref.tell.Note({ n: 2 })
      const asked = yield* start(ref.ask.NoteFirst({ n: 2 }))
      yield* within("300 millis", Fiber.join(asked))
      yield* ref.ask.Count()
      const handled = journal.entries.slice(journal.indexOf("init 2") + 1)
      assert.deepEqual(handled, ["first 1", "first 2", "note 1", "note 2"])
    })
  )
]

const yields = Effect.gen(function* () {
  for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
})

export const processingLaws = [...one, ...fairness, ...order, ...urgency].flat()
