/** S4, ask. */
import assert from "node:assert/strict"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, Schema, SchemaGetter, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorError, Ledger, Protocol } from "../core/index.ts"
import {
  anywhere,
  elapse,
  event,
  HandOff,
  Journal,
  law,
  notExecuted,
  pending,
  recast,
  refOf,
  start,
  unknown,
  within
} from "./Law.ts"
import { Refused, Subject, subject } from "./Subject.ts"

const wrong = "not a number" as never
const encoded = { local: ["encoded"] } as const

/** A schema that cannot be used in a message: it waits. */
const asynchronous = Schema.String.pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transformEffect((text: string) => Effect.as(Effect.yieldNow, text)),
    encode: SchemaGetter.transformEffect((text: string) => Effect.as(Effect.yieldNow, text))
  })
)

class Order extends Schema.Class<Order>("Order")({
  id: Schema.BigInt,
  at: Schema.Date,
  parts: Schema.ReadonlyMap(Schema.String, Schema.Int)
}) {}

const answers = [
  law("S4", anywhere, "an ask yields the value, decoded with the request's schema", (stage) =>
    Effect.gen(function* () {
      const Shop = Actor.make("Shop", [
        Rpc.make("Find", { payload: { id: Schema.BigInt, at: Schema.Date }, success: Order })
      ])
      const shop = Shop.behavior({
        Find: ({ at, id }) => {
          assert(at instanceof Date && typeof id === "bigint")
          return Effect.succeed(
            new Order({ id: id + 1n, at: new Date(at.getTime() + 1), parts: new Map([["bolt", 4]]) })
          )
        }
      })
      const ref = yield* stage.spawn(Shop, shop)
      const order = yield* ref.ask.Find({ id: 2n ** 70n, at: new Date(1000) })
      assert(order instanceof Order)
      assert.deepEqual([order.id, order.at, [...order.parts]], [2n ** 70n + 1n, new Date(1001), [["bolt", 4]]])
    })
  ),

  law("S4", anywhere, "an ask of a request without a payload or a value ends in undefined", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Subject, subject(stage.journal))
      assert.equal(yield* ref.ask.Note({ n: 1 }), undefined)
      assert.equal(yield* ref.ask.Count(), 1)
    })
  ),

  law("S4", anywhere, "an ask fails with the protocol's own typed error, and the actor goes on", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* ref.tell.Note({ n: 1 })
      const error = yield* Effect.flip(ref.ask.Refuse({ why: "no reason" }))
      assert(error instanceof Refused)
      assert.equal(error.why, "no reason")
      assert.equal(yield* ref.ask.Count(), 1)
      assert.deepEqual(journal.of("init"), ["init 1"])
    })
  ),

  law("S4", anywhere, "an ask value run twice sends two requests, and one that is not run sends none", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const ask = ref.ask.Double({ n: 2 })
      assert(Effect.isEffect(ref.ask.Double({ n: 3 })))
      assert.deepEqual([yield* ask, yield* ask], [4, 4])
      yield* stage.quiet
      assert.deepEqual(journal.of("double"), ["double 2", "double 2"])
    })
  ),

  law(
    "S4",
    anywhere,
    "many asks at a time each get their own answer",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        const numbers = Array.from({ length: 500 }, (_, n) => n)
        const doubles = yield* Effect.forEach(numbers, (n) => ref.ask.Double({ n }), { concurrency: "unbounded" })
        assert.deepEqual(
          doubles,
          numbers.map((n) => n * 2)
        )
        assert.equal((yield* stage.ledger).ended.value >= 500, true)
      }),
    { counts: true }
  )
]

const notRun = [
  law("S4", anywhere, "an ask of an actor that has ended is NotExecuted(NoSuchActor)", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* ref.stop()
      assert.equal((yield* notExecuted(ref.ask.Double({ n: 1 }), "NoSuchActor")).to, "subject")
      assert.deepEqual(journal.of("double"), [])
    })
  ),

  law("S4", anywhere, "an ask that finds a full mailbox is NotExecuted(MailboxFull)", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal, { mailbox: { capacity: 2 } }))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      yield* ref.tell.Note({ n: 1 })
      yield* ref.tell.Note({ n: 2 })
      const { capacity, to } = yield* notExecuted(ref.ask.Double({ n: 1 }), "MailboxFull")
      assert.deepEqual([capacity, to], [2, "subject"])
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* stage.callee.system.idle
      yield* ref.ask.Count()
      assert.deepEqual(journal.of("double"), [])
    })
  ),

  law(
    "S4",
    anywhere,
    "an ask of a stopping actor, and one that waits in its mailbox, are NotExecuted(Stopping)",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const queued = yield* start(ref.ask.Double({ n: 1 }))
        yield* ref.offer.Note({ n: 1 })
        const stop = yield* start(ref.stop())
        yield* notExecuted(Fiber.join(queued), "Stopping")
        yield* notExecuted(ref.ask.Double({ n: 2 }), "Stopping")
        yield* journal.open("a")
        assert.equal(yield* Fiber.join(held), "a")
        yield* Fiber.join(stop)
        assert.deepEqual([...journal.of("double"), ...journal.of("note")], [])
      })
  ),

  law(
    "S4",
    "one node",
    "a request that waits in its mailbox until its deadline is NotExecuted(Expired), and leaves it",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const queued = yield* start(ref.ask.Double({ n: 1 }, { deadline: "60 millis" }))
        const { tag, to } = yield* within("500 millis", notExecuted(Fiber.join(queued), "Expired"))
        assert.deepEqual([tag, to], ["Double", "subject"])
        assert.equal((yield* stage.ledger).expired, 1)
        yield* journal.open("a")
        yield* Fiber.join(held)
        yield* stage.callee.system.idle
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("double"), [])
      }),
    { counts: true }
  ),

  law(
    "S4",
    "two nodes",
    "a request that waits in its mailbox until its deadline ends for its asker then, and is not handled later",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const queued = yield* start(ref.ask.Double({ n: 1 }, { deadline: "60 millis" }))
        yield* ref.offer.Note({ n: 1 })
        const error = yield* within("500 millis", Effect.flip(Fiber.join(queued)))
        const reason = `${error._tag}(${error.reason._tag})`
        assert(["NotExecuted(Expired)", "Unknown(Timeout)"].includes(reason), reason)
        // The callee counts from the arrival.
        yield* elapse("50 millis")
        yield* journal.open("a")
        yield* Fiber.join(held)
        yield* stage.callee.system.idle
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("double"), [])
        assert.equal((yield* stage.ledger).expired, 1)
      }),
    { counts: true }
  ),

  law("S4", anywhere, "a request whose tag the actor does not know is NotExecuted(UnsupportedMessage)", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Subject, subject(stage.journal))
      const other = yield* recast(stage, ref, Rpc.make("Sing", { payload: { song: Schema.String } }))
      const { known, tag, to } = yield* notExecuted(other.ask.Sing({ song: "la" }), "UnsupportedMessage")
      assert.deepEqual([tag, to, known], ["Sing", "subject", [...Subject.protocol.keys()]])
    })
  ),

  law(
    "S4",
    anywhere,
    "a payload that the actor's own schema does not decode is NotExecuted(DecodeError)",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const other = yield* recast(
          stage,
          ref,
          Rpc.make("Double", { payload: { n: Schema.String }, success: Schema.Int })
        )
        const { issue, tag } = yield* notExecuted(other.ask.Double({ n: "four" }), "DecodeError")
        assert.equal(tag, "Double")
        assert.match(issue, /integer|number/)
        assert.equal(yield* ref.ask.Double({ n: 4 }), 8)
        assert.deepEqual(journal.of("double"), ["double 4"])
      }),
    encoded
  ),

  law(
    "S4",
    anywhere,
    "a payload that does not match its schema is NotExecuted(EncodeError)",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const { issue, tag, to } = yield* notExecuted(ref.ask.Double({ n: wrong }), "EncodeError")
        assert.deepEqual([tag, to], ["Double", "subject"])
        assert.match(issue, /n/)
        assert.deepEqual(journal.of("double"), [])
      }),
    encoded
  ),

  law("S4", "two nodes", "a request larger than a frame is NotExecuted(PayloadTooLarge)", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      stage.wire.maxFrameBytes = 3000
      const { bytes, limit, tag } = yield* notExecuted(ref.ask.Refuse({ why: "x".repeat(3000) }), "PayloadTooLarge")
      assert.equal(tag, "Refuse")
      assert(limit <= 3000 && bytes > limit)
    })
  ),

  law(
    "S4",
    "two nodes",
    "an ask of a node that is not there is NotExecuted(NotConnected), no later than its deadline",
    (stage) =>
      Effect.gen(function* () {
        const { system } = stage.asker.system.id
        const ref = yield* refOf(stage, `${system}/node/nowhere/abc/subject#1`, ...Subject.rpcs)
        const ask = yield* start(ref.ask.Double({ n: 1 }, { deadline: "200 millis" }))
        yield* within("300 millis", notExecuted(Fiber.join(ask), "NotConnected"))
      }),
    { needs: ["absence"] }
  ),

  law("S4", "two nodes", "an ask of a node that appears within the deadline succeeds", (stage) =>
    Effect.gen(function* () {
      const found = yield* start(
        stage.asker.system.lookup(Subject, "late", { at: { node: "later" }, deadline: "3 seconds" })
      )
      yield* elapse("20 millis")
      pending(found)
      const later = yield* stage.join("later")
      yield* later.system.spawn("late", subject(stage.journal))
      const ref = yield* within("3 seconds", Fiber.join(found))
      assert.equal(yield* ref.ask.Double({ n: 4 }), 8)
    })
  )
]

const Fetcher = Actor.make("Fetcher", [
  Rpc.make("Fetch", { payload: { crashes: Schema.Int }, success: Schema.Int }).annotate(Protocol.Idempotent, true),
  Rpc.make("Take", { payload: { crashes: Schema.Int }, success: Schema.Int })
])
/** Crashes as often as it is told, over its incarnations, and then answers how often it ran. */
const fetcher = (journal: Journal) => {
  const run = (name: string) => (payload: { readonly crashes: number }) =>
    Effect.suspend(() => {
      journal.write(name)
      const runs = journal.count(name)
      return runs <= payload.crashes ? Effect.die(new Error(`crash ${runs}`)) : Effect.succeed(runs)
    })
  return Fetcher.behavior(Effect.sync(() => ({ Fetch: run("fetch"), Take: run("take") })))
}

const retries = [
  law("S4", anywhere, "an idempotent request is retried after a crash, inside its deadline", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Fetcher, fetcher(journal))
      const value = yield* within("3 seconds", ref.ask.Fetch({ crashes: 2 }, { deadline: "2 seconds" }))
      assert.equal(value, 3)
      assert.equal(journal.count("fetch"), 3)
    })
  ),

  law(
    "S4",
    anywhere,
    "an idempotent request that crashes every time ends in Unknown, no later than its deadline",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Fetcher, fetcher(journal))
        const began = yield* Clock.currentTimeMillis
        const ask = yield* start(ref.ask.Fetch({ crashes: 100 }, { deadline: "400 millis" }))
        const error = yield* within("800 millis", Effect.flip(Fiber.join(ask)))
        assert.equal(error._tag, "Unknown")
        assert((yield* Clock.currentTimeMillis) - began < 700)
        assert(journal.count("fetch") >= 2)
        yield* elapse("1 seconds")
      })
  ),

  law(
    "S4",
    anywhere,
    "an idempotent request that may have run is never NotExecuted, however its retry is refused",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        // Its actor stops before the retry.
        const one = yield* stage.spawn(Fetcher, fetcher(journal), "one")
        const stopped = yield* start(one.ask.Fetch({ crashes: 1 }, { deadline: "1 seconds" }))
        yield* journal.seen("fetch")
        yield* one.stop()
        const error = yield* within("1500 millis", Effect.flip(Fiber.join(stopped)))
        assert.equal(error._tag, "Unknown", error.message)
        // The retry waits in the mailbox of an actor that does not start again before the deadline.
        journal.clear()
        const two = yield* stage.spawn(Fetcher, fetcher(journal), "two")
        const late = yield* start(two.ask.Fetch({ crashes: 1 }, { deadline: "70 millis" }))
        const other = yield* within("300 millis", Effect.flip(Fiber.join(late)))
        assert.equal(other._tag, "Unknown", other.message)
        yield* elapse("200 millis")
      })
  ),

  law("S4", anywhere, "a request that is not idempotent is not retried after a crash", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Fetcher, fetcher(journal))
      yield* unknown(ref.ask.Take({ crashes: 1 }), "CalleeCrashed")
      yield* elapse("300 millis")
      assert.equal(journal.count("take"), 1)
    })
  ),

  law("S4", "two nodes", "a retry carries the same request id and the next attempt", (stage) =>
    Effect.gen(function* () {
      const { journal, wire } = stage
      const ref = yield* stage.spawn(Fetcher, fetcher(journal))
      yield* within("3 seconds", ref.ask.Fetch({ crashes: 1 }, { deadline: "2 seconds" }))
      const requests = wire.sent
        .filter(({ kind }) => kind === "data")
        .flatMap(({ text }) => JSON.parse(text)[5] as ReadonlyArray<ReadonlyArray<unknown>>)
        .filter((envelope) => envelope[0] === "m" && envelope[4] === "Fetch")
      assert.equal(requests.length, 2)
      assert.equal(requests[0]![6], requests[1]![6])
      assert.deepEqual(
        requests.map((envelope) => envelope[7]),
        [1, 2]
      )
    })
  ),

  law(
    "S4",
    "two nodes",
    "a repeated request whose answer was lost is answered from memory and not run again",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const ref = yield* stage.spawn(Fetcher, fetcher(journal))
        let lost = 0
        wire.onSend = ({ from, kind, text }) =>
          from === "home" && kind === "data" && text.includes('["v"') && lost++ === 0 ? "lose" : "carry"
        const ask = yield* start(ref.ask.Fetch({ crashes: 0 }))
        yield* journal.seen("fetch")
        yield* stage.callee.system.idle
        // The next frame shows the gap.
        const other = yield* start(ref.ask.Take({ crashes: 0 }))
        assert.equal(yield* within("3 seconds", Fiber.join(ask)), 1)
        yield* Fiber.await(other)
        assert.equal(lost > 1, true)
        assert.equal(journal.count("fetch"), 1)
        assert.equal((yield* stage.ledger).duplicates, 1)
      }),
    { counts: true }
  ),

  law(
    "S4",
    "two nodes",
    "a repeated request that is still being handled is answered when it is, and not run again",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const Holder = Actor.make("Holder", [
          Rpc.make("Hold", { success: Schema.String })
            .annotate(Protocol.Idempotent, true)
            .annotate(Protocol.Concurrent, true),
          Rpc.make("Ping")
        ])
        const holder = Holder.behavior({
          Hold: () => journal.note("hold").pipe(Effect.andThen(journal.wait("a")), Effect.as("held")),
          Ping: () => Effect.void
        })
        const ref = yield* stage.spawn(Holder, holder)
        const ask = yield* start(ref.ask.Hold())
        yield* journal.seen("hold")
        const renewed = yield* event(
          stage.asker.system,
          (event) => event._tag === "LinkChanged" && event.state._tag === "Up"
        )
        let lost = 0
        wire.onSend = ({ from, kind }) => (from === "home" && kind === "data" && lost++ === 0 ? "lose" : "carry")
        const ping = yield* start(ref.ask.Ping())
        yield* stage.callee.system.lookup(Holder, "none", { at: stage.asker.system.id }).pipe(Effect.ignore, start)
        yield* within("3 seconds", renewed)
        yield* Fiber.interrupt(ping)
        yield* elapse("200 millis")
        yield* journal.open("a")
        assert.equal(yield* within("3 seconds", Fiber.join(ask)), "held")
        assert.equal(journal.count("hold"), 1)
        assert.equal((yield* stage.ledger).duplicates, 1)
      }),
    { counts: true }
  )
]

const mayHaveRun = [
  law(
    "S4",
    anywhere,
    "a request that is not answered in time is Unknown(Timeout); the late reply is dropped and counted",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }, { deadline: "60 millis" }))
        yield* journal.seen("a+")
        const { deadlineMillis, tag, to } = yield* within("500 millis", unknown(Fiber.join(held), "Timeout"))
        assert.deepEqual([deadlineMillis, tag, to], [60, "Hold", "subject"])
        assert.equal((yield* stage.ledger).lateReplies, 0)
        yield* journal.open("a")
        yield* journal.seen("a-")
        yield* stage.quiet
        assert.equal((yield* stage.ledger).lateReplies, 1)
      }),
    { counts: true }
  ),

  law("S4", anywhere, "an ask without a deadline of its own ends after 5 seconds", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      yield* elapse("4900 millis")
      pending(held)
      const { deadlineMillis } = yield* within("500 millis", unknown(Fiber.join(held), "Timeout"))
      assert.equal(deadlineMillis, 5000)
      yield* journal.open("a")
    })
  ),

  law("S4", anywhere, "a deadline that is infinite, or not more than 0, is refused", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Subject, subject(stage.journal))
      for (const deadline of ["Infinity", 0, -1] as const) {
        const exit = yield* Effect.exit(Effect.suspend(() => ref.ask.Count(undefined, { deadline })))
        assert(Exit.isFailure(exit))
        assert.match(String(exit.cause), /expected `deadline` to be finite and more than 0/)
      }
    })
  ),

  law("S4", anywhere, "a defect in the handler is Unknown(CalleeCrashed) at once, with its cause", (stage) =>
    Effect.gen(function* () {
      const Breaker = Actor.make("Breaker", [
        Rpc.make("Die"),
        Rpc.make("DieLater"),
        Rpc.make("Throw"),
        Rpc.make("Text"),
        Rpc.make("NoEffect")
      ])
      const breaker = Breaker.behavior({
        Die: () => Effect.die(new Error("died")),
        DieLater: () => Effect.andThen(Effect.yieldNow, Effect.die(new Error("died later"))),
        Throw: () => {
          throw new Error("thrown")
        },
        Text: () => Effect.die("plain text"),
        NoEffect: () => 7 as never
      })
      const began = yield* Clock.currentTimeMillis
      for (const [tag, expected] of [
        ["Die", "died"],
        ["DieLater", "died later"],
        ["Throw", "thrown"],
        ["Text", "plain text"],
        ["NoEffect", 'expected the handler of "NoEffect" to return an Effect, got: 7']
      ] as const) {
        const ref = yield* stage.spawn(Breaker, breaker, tag)
        const { cause, tag: asked, to } = yield* unknown(ref.ask[tag](), "CalleeCrashed")
        assert.deepEqual([asked, to], [tag, tag])
        assert.equal(cause instanceof Error ? cause.message : cause, expected)
      }
      assert((yield* Clock.currentTimeMillis) - began < 4000)
    })
  ),

  law(
    "S4",
    anywhere,
    "whatever a handler throws, its asker learns CalleeCrashed at once, and the actor restarts",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const cyclic: { self?: unknown } = {}
        cyclic.self = cyclic
        const odd: Record<string, unknown> = {
          bigint: 10n,
          symbol: Symbol("odd"),
          function: () => 1,
          cyclic,
          null: null,
          undefined: undefined,
          bare: Object.create(null),
          stubborn: {
            toJSON: () => {
              throw new Error("no JSON")
            }
          },
          nested: new Error("outer", { cause: cyclic })
        }
        const Odd = Actor.make("Odd", [Rpc.make("Throw", { payload: { what: Schema.String } }), Rpc.make("Ping")])
        const behavior = Odd.behavior(
          Effect.gen(function* () {
            const { incarnation } = yield* Actor.Context
            journal.write(`odd ${incarnation}`)
            return {
              Throw: ({ what }) => {
                throw odd[what]
              },
              Ping: () => Effect.void
            }
          })
        )
        for (const what of Object.keys(odd)) {
          journal.clear()
          const ref = yield* stage.spawn(Odd, behavior, what)
          const { message, tag } = yield* unknown(ref.ask.Throw({ what }), "CalleeCrashed")
          assert.equal(tag, "Throw", what)
          assert.match(message, /crashed while it handled "Throw"/, what)
          yield* within("300 millis", journal.seen("odd 2"))
          yield* ref.ask.Ping()
          yield* ref.stop()
        }
      })
  ),

  law("S4", anywhere, "a crash of a concurrent handler is Unknown(CalleeCrashed) for its asker", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      yield* journal.open("beside")
      const { cause } = yield* unknown(ref.ask.CrashBeside({ why: "beside" }), "CalleeCrashed")
      assert.equal((cause as Error).message, "beside")
      yield* within("200 millis", journal.seen("init 2"))
    })
  ),

  law("S4", anywhere, "an ask whose handler is interrupted by a kill is Unknown(Interrupted), at once", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      yield* ref.kill
      assert.equal((yield* unknown(Fiber.join(held), "Interrupted")).tag, "Hold")
      assert.deepEqual(journal.of("a"), ["a+", "a!"])
    })
  ),

  law("S4", anywhere, "an ask whose handler outlives a stop's deadline is Unknown(Interrupted)", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const stop = yield* start(ref.stop({ deadline: "60 millis" }))
      yield* within("500 millis", unknown(Fiber.join(held), "Interrupted"))
      yield* Fiber.join(stop)
    })
  ),

  law(
    "S4",
    "two nodes",
    "an ask in flight is Unknown(NodeLost) at once when its node is lost",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        const queued = yield* start(ref.ask.Double({ n: 1 }))
        yield* journal.seen("a+")
        wire.unreachable("away", "home")
        const { node, to } = yield* unknown(Fiber.join(held), "NodeLost")
        assert.deepEqual([node, to], ["node/home", "subject"])
        yield* unknown(Fiber.join(queued), "NodeLost")
        yield* journal.open("a")
        yield* journal.seen("a-")
        yield* stage.callee.system.idle
      }),
    { restless: true }
  ),

  law(
    "S4",
    "two nodes",
    "an ask whose own node closes ends, no later than its deadline, and so do those that come later",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        yield* stage.spawn(Subject, subject(journal))
        const third = yield* stage.join("third")
        const ref = yield* third.system.lookup(Subject, "subject", { at: { node: "home" } })
        const local = yield* third.system.spawn("local", subject(journal, { stopDeadline: "50 millis" }))
        const held = yield* start(ref.ask.Hold({ key: "a" }, { deadline: "1 seconds" }))
        const here = yield* start(local.ask.Hold({ key: "b" }, { deadline: "1 seconds" }))
        const stream = yield* start(
          Stream.runDrain(Stream.rechunk(ref.ask.Numbers({ to: 1000 }, { deadline: "1 seconds" }), 1))
        )
        yield* journal.seen("a+")
        yield* journal.seen("b+")
        const leave = yield* start(third.leave)
        for (const ask of [held, here, stream]) {
          const error = yield* within("3 seconds", Effect.flip<unknown, any, never>(Fiber.join<unknown, unknown>(ask)))
          assert(["Unknown", "NotExecuted"].includes(error._tag), String(error))
        }
        assert.equal((yield* Effect.flip(Fiber.join(held)))._tag, "Unknown")
        yield* Fiber.join(leave)
        const late = yield* within("3 seconds", Effect.flip(ref.ask.Count(undefined, { deadline: "200 millis" })))
        assert.equal(late._tag, "NotExecuted", late.message)
        const error = yield* Effect.flip(ref.tell.Note({ n: 1 }))
        assert.equal(error._tag, "NotExecuted")
        assert.equal((yield* Effect.flip(local.ask.Count()))._tag, "NotExecuted")
        yield* within(
          "500 millis",
          notExecuted(
            third.system.lookup(Subject, "subject", { at: { node: "home" }, deadline: "200 millis" }),
            "NotConnected"
          )
        )
        yield* journal.open("a", "b")
      })
  ),

  law("S4", "two nodes", "an ask in flight ends in Unknown when its node leaves", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal, { stopDeadline: "50 millis" }))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const leave = yield* start(stage.callee.leave)
      const error = yield* within("500 millis", Effect.flip(Fiber.join(held)))
      assert.equal(error._tag, "Unknown")
      assert(["Interrupted", "NodeLost"].includes(error.reason._tag), error.message)
      yield* Fiber.join(leave)
    })
  )
]

const badReplies = [
  law(
    "S4",
    anywhere,
    "a reply that does not match its schema is Unknown(ReplyNotEncoded), and the actor goes on",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Liar = Actor.make("Liar", [
          Rpc.make("Value", { success: Schema.Int }),
          Rpc.make("Failure", { error: Refused }),
          Rpc.make("Undeclared"),
          Rpc.make("Slowly", { success: asynchronous }),
          Rpc.make("Init", { success: Schema.Int })
        ])
        let inits = 0
        const liar = Liar.behavior(
          Effect.sync(() => {
            inits += 1
            const ran = <A>(effect: A) => {
              journal.write("ran")
              return effect
            }
            return {
              Value: () => ran(Effect.succeed(wrong)),
              Failure: () => ran(Effect.fail(wrong)),
              Undeclared: () => ran(Effect.fail("nobody said so" as never)),
              Slowly: () => ran(Effect.succeed("x")),
              Init: () => Effect.succeed(inits)
            }
          })
        )
        const ref = yield* stage.spawn(Liar, liar)
        for (const tag of ["Value", "Failure", "Undeclared", "Slowly"] as const) {
          const ask: Effect.Effect<unknown, unknown> = ref.ask[tag]()
          const reason = yield* unknown(ask, "ReplyNotEncoded")
          assert.deepEqual([reason.tag, reason.to], [tag, "subject"])
          assert.notEqual(reason.issue, "")
        }
        assert.equal(journal.count("ran"), 4)
        assert.equal(yield* ref.ask.Init(), 1)
      }),
    encoded
  ),

  law(
    "S4",
    anywhere,
    "a reply that the asker's schema does not decode is Unknown(ReplyNotDecoded)",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const other = yield* recast(
          stage,
          ref,
          Rpc.make("Double", { payload: { n: Schema.Int }, success: Schema.String }),
          Rpc.make("Refuse", { payload: { why: Schema.String }, error: Schema.Int })
        )
        const { issue, tag } = yield* unknown(other.ask.Double({ n: 4 }), "ReplyNotDecoded")
        assert.equal(tag, "Double")
        assert.match(issue, /string/)
        assert.deepEqual(journal.of("double"), ["double 4"])
        yield* unknown(other.ask.Refuse({ why: "no" }), "ReplyNotDecoded")
      }),
    encoded
  ),

  law("S4", "two nodes", "a reply larger than a frame is Unknown(ReplyTooLarge)", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Source = Actor.make("Source", [
        Rpc.make("Text", { payload: { length: Schema.Int }, success: Schema.String }),
        Rpc.make("Error", { payload: { length: Schema.Int }, error: Schema.String })
      ])
      const source = Source.behavior({
        Text: ({ length }) => Effect.as(journal.note(`text ${length}`), "x".repeat(length)),
        Error: ({ length }) => Effect.fail("x".repeat(length))
      })
      const ref = yield* stage.spawn(Source, source)
      stage.wire.maxFrameBytes = 3000
      const { bytes, limit, tag } = yield* unknown(ref.ask.Text({ length: 4000 }), "ReplyTooLarge")
      assert.equal(tag, "Text")
      assert(limit <= 3000 && bytes > limit)
      assert.equal(journal.count("text 4000"), 1)
      yield* unknown(ref.ask.Error({ length: 4000 }), "ReplyTooLarge")
      assert.equal((yield* ref.ask.Text({ length: 2000 })).length, 2000)
    })
  ),

  law("S4", "two nodes", "every reply near the size of a frame is carried, or is Unknown(ReplyTooLarge)", (stage) =>
    Effect.gen(function* () {
      const Source = Actor.make("Source", [
        Rpc.make("Text", { payload: { length: Schema.Int }, success: Schema.String })
      ])
      const ref = yield* stage.spawn(
        Source,
        Source.behavior({ Text: ({ length }) => Effect.succeed("x".repeat(length)) })
      )
      stage.wire.maxFrameBytes = 3000
      const ends = { carried: 0, tooLarge: 0 }
      for (let length = 2600; length <= 3000; length += 5) {
        const exit = yield* Effect.exit(ref.ask.Text({ length }))
        if (Exit.isSuccess(exit)) ends.carried += 1
        else {
          yield* unknown(exit, "ReplyTooLarge")
          ends.tooLarge += 1
        }
      }
      assert(ends.carried > 0 && ends.tooLarge > 0)
    })
  )
]

const thrown = () => {
  throw new Error("the codec broke")
}
/** A schema whose codec breaks on "bad". */
const fragile = Schema.String.pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transform((text: string) => (text === "bad to read" ? thrown() : text)),
    encode: SchemaGetter.transform((text: string) => (text === "bad to write" ? thrown() : text))
  })
)

const badCodecs = [
  law(
    "S4",
    anywhere,
    "a codec that breaks is an error of its message, and nobody's crash",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Fragile = Actor.make("Fragile", [
          Rpc.make("Put", { payload: { text: fragile } }),
          Rpc.make("Get", { payload: { text: Schema.String }, success: fragile, error: fragile }),
          Rpc.make("Each", { payload: { text: Schema.String }, success: fragile, stream: true })
        ])
        const ref = yield* stage.spawn(
          Fragile,
          Fragile.behavior(
            Effect.gen(function* () {
              const { incarnation } = yield* Actor.Context
              journal.write(`init ${incarnation}`)
              return {
                Put: ({ text }) => journal.note(`put ${text}`),
                Get: ({ text }) => Effect.succeed(text),
                Each: ({ text }) => Stream.make("first", text)
              }
            })
          )
        )
        yield* notExecuted(ref.tell.Put({ text: "bad to write" }), "EncodeError")
        assert.equal(ref.tellUnsafe.Put({ text: "bad to write" }), false)
        yield* notExecuted(ref.ask.Put({ text: "bad to write" }), "EncodeError")
        yield* notExecuted(ref.ask.Put({ text: "bad to read" }), "DecodeError")
        yield* unknown(ref.ask.Get({ text: "bad to write" }), "ReplyNotEncoded")
        yield* unknown(ref.ask.Get({ text: "bad to read" }), "ReplyNotDecoded")
        yield* unknown(Stream.runDrain(ref.ask.Each({ text: "bad to write" })), "ReplyNotEncoded")
        yield* unknown(Stream.runDrain(ref.ask.Each({ text: "bad to read" })), "ReplyNotDecoded")
        yield* ref.ask.Put({ text: "good" })
        assert.deepEqual(journal.entries, ["init 1", "put good"])
      }),
    encoded
  ),

  law(
    "S4",
    "two nodes",
    "a value that its schema lets pass and JSON does not is an error of its message",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const cyclic: { self?: unknown } = {}
        cyclic.self = cyclic
        const Loose = Actor.make("Loose", [
          Rpc.make("Put", { payload: { value: Schema.Unknown } }),
          Rpc.make("Get", { success: Schema.Unknown }),
          Rpc.make("Each", { success: Schema.Unknown, stream: true })
        ])
        const behavior = Loose.behavior({
          Put: () => journal.note("put"),
          Get: () => Effect.succeed(cyclic),
          Each: () => Stream.make(1, cyclic)
        })
        const ref = yield* stage.spawn(Loose, behavior)
        for (const value of [cyclic, 10n, { toJSON: thrown }]) {
          yield* notExecuted(ref.tell.Put({ value }), "EncodeError")
          assert.equal(ref.tellUnsafe.Put({ value }), false)
          yield* notExecuted(ref.ask.Put({ value }), "EncodeError")
          yield* notExecuted(ref.offer.Put({ value }), "EncodeError")
        }
        yield* unknown(ref.ask.Get(), "ReplyNotEncoded")
        yield* unknown(Stream.runDrain(ref.ask.Each()), "ReplyNotEncoded")
        yield* ref.ask.Put({ value: { fine: [1, null] } })
        assert.deepEqual(journal.entries, ["put"])
      }),
    encoded
  )
]

const interrupts = [
  law(
    "S4",
    anywhere,
    "interrupting an ask takes its queued request back",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const queued = yield* start(ref.ask.Note({ n: 1 }))
        yield* ref.offer.Note({ n: 2 })
        yield* Fiber.interrupt(queued)
        yield* ref.offer.Note({ n: 3 })
        yield* journal.open("a")
        yield* Fiber.join(held)
        yield* stage.callee.system.idle
        yield* ref.ask.Count()
        assert.deepEqual(journal.of("note"), ["note 2", "note 3"])
        assert.equal((yield* stage.ledger).cancelled, 1)
        assert.equal((yield* stage.ledger).ended.interrupted, 1)
      }),
    { counts: true }
  ),

  law(
    "S4",
    anywhere,
    "interrupting an ask interrupts its handler, which is no crash and causes no restart",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        yield* ref.tell.Note({ n: 1 })
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const next = yield* start(ref.ask.Double({ n: 2 }))
        yield* Fiber.interrupt(held)
        yield* journal.seen("a!")
        assert.equal(yield* Fiber.join(next), 4)
        assert.equal(yield* ref.ask.Count(), 2)
        yield* elapse("200 millis")
        assert.deepEqual(journal.of("init"), ["init 1"])
        assert.deepEqual(journal.of("released"), [])
        const { cancelled, failed } = yield* stage.ledger
        assert.deepEqual([cancelled, failed], [1, 0])
      }),
    { counts: true }
  ),

  law("S4", anywhere, "interrupting an ask interrupts its concurrent handler and nothing else", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const a = yield* start(ref.ask.HoldBeside({ key: "a" }))
      const b = yield* start(ref.ask.HoldBeside({ key: "b" }))
      const c = yield* start(ref.ask.Hold({ key: "c" }))
      yield* journal.seen("c+")
      yield* Fiber.interrupt(a)
      yield* journal.seen("a!")
      yield* journal.open("b", "c")
      assert.equal(yield* Fiber.join(b), "b")
      assert.equal(yield* Fiber.join(c), "c")
      assert.deepEqual(journal.of("init"), ["init 1"])
    })
  ),

  law("S4", anywhere, "a cancelled handler ends at its next interruptible point", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Careful = Actor.make("Careful", [Rpc.make("Work"), Rpc.make("Next")])
      const careful = Careful.behavior({
        Work: () =>
          journal
            .note("begun")
            .pipe(
              Effect.andThen(journal.wait("a")),
              Effect.andThen(journal.note("saved")),
              Effect.uninterruptible,
              Effect.andThen(Effect.yieldNow),
              Effect.andThen(journal.note("after"))
            ),
        Next: () => journal.note("next")
      })
      const ref = yield* stage.spawn(Careful, careful)
      const ask = yield* start(ref.ask.Work())
      yield* journal.seen("begun")
      yield* Fiber.interrupt(ask)
      const next = yield* start(ref.ask.Next())
      const other = yield* stage.spawn(Careful, careful, "other")
      yield* other.ask.Next()
      assert.deepEqual(journal.entries, ["begun", "next"])
      yield* journal.open("a")
      yield* Fiber.join(next)
      assert.deepEqual(journal.entries, ["begun", "next", "saved", "next"])
    })
  ),

  law("S4", anywhere, "every ask of a crowd that is interrupted at random ends once, and the actor goes on", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal))
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      for (let n = 0; n < 60; n++) {
        fibers.push(
          yield* start<unknown, unknown, never>(n % 3 === 0 ? ref.ask.Hold({ key: `h${n}` }) : ref.ask.Double({ n }))
        )
        if (n % 5 === 0) yield* Effect.yieldNow
        if (n % 2 === 0) yield* Fiber.interrupt(fibers[(n * 7) % fibers.length]!)
      }
      yield* journal.open(...Array.from({ length: 60 }, (_, n) => `h${n}`))
      for (const fiber of fibers) yield* Fiber.await(fiber)
      assert.equal(yield* ref.ask.Double({ n: 1 }), 2)
      assert.deepEqual(journal.of("init"), ["init 1"])
    })
  )
]

const certainty = [
  law(
    "S4",
    anywhere,
    "no end of an ask whose handler ran claims that it did not",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal, { stopDeadline: "20 millis" }))
        const other = yield* recast(
          stage,
          ref,
          Rpc.make("Double", { payload: { n: Schema.Int }, success: Schema.String })
        )
        const ends: Array<Exit.Exit<unknown, unknown>> = []
        ends.push(yield* Effect.exit(other.ask.Double({ n: 1 })))
        ends.push(yield* Effect.exit(ref.ask.Crash({ why: "on purpose" })))
        yield* within("200 millis", journal.seen("init 2"))
        const late = yield* start(ref.ask.Hold({ key: "a" }, { deadline: "50 millis" }))
        yield* journal.seen("a+")
        ends.push(yield* within("200 millis", Fiber.await(late)))
        yield* journal.open("a")
        const killed = yield* start(ref.ask.Hold({ key: "b" }))
        yield* journal.seen("b+")
        yield* ref.kill
        ends.push(yield* Fiber.await(killed))
        for (const exit of ends) {
          const error = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
          assert(error?._tag === "Fail" && error.error instanceof ActorError.Unknown, String(exit))
        }
      }),
    encoded
  )
]

type End = Exit.Exit<unknown, ActorError.NotExecuted | ActorError.Unknown | Refused>

/** Notes how often an unsafe ask ends; `end` waits for the first time. */
const ending = () => {
  const ended = Deferred.makeUnsafe<unknown, ActorError.NotExecuted | ActorError.Unknown | Refused>()
  const ends: Array<End> = []
  const onExit = (exit: End) => {
    ends.push(exit)
    Deferred.doneUnsafe(ended, exit)
  }
  return { end: Deferred.await(ended), ends, onExit }
}

const unsafe = [
  law(
    "S4",
    anywhere,
    "an unsafe ask is sent at once, and calls back once: with the value, the typed error, NotExecuted or Unknown",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const ended = yield* stage.spawn(Subject, subject(new Journal()), "ended")
        yield* ended.stop()
        const before = (yield* stage.ledger).ended
        const [value, failure, crash, none, held] = [ending(), ending(), ending(), ending(), ending()]
        ref.askUnsafe.Hold({ key: "a" }, held.onExit)
        ref.askUnsafe.Double({ n: 4 }, value.onExit)
        ref.askUnsafe.Refuse({ why: "no reason" }, failure.onExit)
        ref.askUnsafe.Crash({ why: "on purpose" }, crash.onExit)
        ended.askUnsafe.Count(undefined, none.onExit)
        yield* journal.seen("a+")
        assert.deepEqual([...value.ends, ...failure.ends, ...crash.ends, ...held.ends], [])
        yield* journal.open("a")
        assert.equal(yield* held.end, "a")
        assert.equal(yield* value.end, 8)
        const error = yield* Effect.flip(failure.end)
        assert(error instanceof Refused && error.why === "no reason")
        assert.equal((yield* unknown(crash.end, "CalleeCrashed")).tag, "Crash")
        yield* notExecuted(none.end, "NoSuchActor")
        const after = (yield* stage.ledger).ended
        assert.deepEqual(
          Ledger.endings.map((ending) => after[ending] - before[ending]),
          [2, 1, 1, 1, 0]
        )
        yield* within("300 millis", journal.seen("init 2"))
        yield* stage.quiet
        for (const { ends } of [value, failure, crash, none, held]) assert.equal(ends.length, 1)
      }),
    { counts: true }
  ),

  law("S4", anywhere, "many unsafe asks at a time each get their own answer, once", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Subject, subject(stage.journal))
      const asks = Array.from({ length: 500 }, (_, n) => {
        const ask = ending()
        ref.askUnsafe.Double({ n }, ask.onExit)
        return ask
      })
      assert.deepEqual(
        yield* Effect.forEach(asks, ({ end }) => end),
        asks.map((_, n) => n * 2)
      )
      yield* stage.quiet
      assert(asks.every(({ ends }) => ends.length === 1))
    })
  ),

  law(
    "S4",
    anywhere,
    "a chain of unsafe asks, each sent at the end of the one before, ends, however long it is",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        const last = ending()
        const next = (n: number): void => {
          ref.askUnsafe.Double({ n }, (exit) => (n < 3000 && Exit.isSuccess(exit) ? next(n + 1) : last.onExit(exit)))
        }
        next(1)
        assert.equal(yield* last.end, 6000)
        assert.equal(stage.journal.of("double").length, 3000)
      })
  ),

  law("S4", "one node", "an unsafe ask that is refused calls back before it returns", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Subject, subject(journal, { mailbox: { capacity: 1 } }))
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      yield* ref.tell.Note({ n: 1 })
      const full = ending()
      ref.askUnsafe.Double({ n: 1 }, full.onExit)
      yield* notExecuted(full.ends[0]!, "MailboxFull")
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* ref.stop()
      const none = ending()
      ref.askUnsafe.Double({ n: 1 }, none.onExit)
      yield* notExecuted(none.ends[0]!, "NoSuchActor")
      assert.deepEqual(journal.of("double"), [])
    })
  ),

  law(
    "S4",
    anywhere,
    "an unsafe ask whose payload does not match its schema is NotExecuted(EncodeError) before it returns",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        const { ends, onExit } = ending()
        ref.askUnsafe.Double({ n: wrong }, onExit)
        yield* notExecuted(ends[0]!, "EncodeError")
        yield* stage.quiet
        assert.equal(ends.length, 1)
        assert.deepEqual(stage.journal.of("double"), [])
      }),
    encoded
  ),

  law(
    "S4",
    "two nodes",
    "an unsafe ask larger than a frame is NotExecuted(PayloadTooLarge) before it returns",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Subject, subject(stage.journal))
        stage.wire.maxFrameBytes = 3000
        const { ends, onExit } = ending()
        ref.askUnsafe.Refuse({ why: "x".repeat(3000) }, onExit)
        yield* notExecuted(ends[0]!, "PayloadTooLarge")
        yield* stage.quiet
        assert.equal(ends.length, 1)
      })
  ),

  law("S4", anywhere, "an unsafe ask of a stream, or with a deadline that is not more than 0, is refused", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Subject, subject(stage.journal))
      const { ends, onExit } = ending()
      assert.throws(
        () => (ref.askUnsafe as any).Numbers({ to: 3 }, onExit),
        /expected a request that answers once, got: "Numbers", which streams/
      )
      for (const deadline of [0, -1]) {
        assert.throws(
          () => ref.askUnsafe.Double({ n: 1 }, onExit, { deadline }),
          /expected `deadline` to be finite and more than 0, got: -?\d ms/
        )
      }
      yield* stage.quiet
      assert.deepEqual(ends, [])
      assert.deepEqual(stage.journal.of("double"), [])
    })
  ),

  law(
    "S4",
    anywhere,
    "cancelling an unsafe ask takes its queued request back, and it does not call back",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const { ends, onExit } = ending()
        const cancel = ref.askUnsafe.Note({ n: 1 }, onExit)
        yield* ref.offer.Note({ n: 2 })
        cancel()
        cancel()
        yield* ref.offer.Note({ n: 3 })
        yield* journal.open("a")
        yield* Fiber.join(held)
        yield* stage.callee.system.idle
        yield* ref.ask.Count()
        yield* elapse("6 seconds")
        assert.deepEqual(journal.of("note"), ["note 2", "note 3"])
        assert.deepEqual(ends, [])
        const { cancelled, ended } = yield* stage.ledger
        assert.deepEqual([cancelled, ended.interrupted], [1, 1])
      }),
    { counts: true, slow: true }
  ),

  law(
    "S4",
    anywhere,
    "cancelling an unsafe ask interrupts its handler, which is no crash, and it does not call back",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const asks = [ending(), ending()] as const
        const cancels = [
          ref.askUnsafe.HoldBeside({ key: "b" }, asks[0].onExit),
          ref.askUnsafe.Hold({ key: "a" }, asks[1].onExit, { deadline: Number.POSITIVE_INFINITY })
        ]
        yield* journal.seen("a+")
        for (const cancel of cancels) cancel()
        yield* journal.seen("a!")
        yield* journal.seen("b!")
        assert.equal(yield* ref.ask.Double({ n: 2 }), 4)
        yield* elapse("200 millis")
        assert.deepEqual(journal.of("init"), ["init 1"])
        for (const { ends } of asks) assert.deepEqual(ends, [])
        const { cancelled, ended, failed } = yield* stage.ledger
        assert.deepEqual([cancelled, ended.interrupted, failed], [2, 2, 0])
      }),
    { counts: true }
  ),

  law(
    "S4",
    anywhere,
    "cancelling an unsafe ask that has ended does nothing",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const { end, ends, onExit } = ending()
        const cancel = ref.askUnsafe.Double({ n: 1 }, onExit)
        assert.equal(yield* end, 2)
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        cancel()
        yield* stage.arrived
        yield* journal.open("a")
        assert.equal(yield* Fiber.join(held), "a")
        assert.equal(ends.length, 1)
        assert.equal((yield* stage.ledger).ended.interrupted, 0)
      }),
    { counts: true }
  ),

  law(
    "S4",
    anywhere,
    "an unsafe ask that is cancelled does not call back, however deep in a chain of answers it was answered",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const refs = yield* Effect.forEach(Array.from({ length: 24 }), (_, n) =>
          stage.spawn(Subject, subject(journal), `subject-${n}`)
        )
        const Chain = Actor.make("Chain", [Rpc.make("Go")])
        // The first leave it to the next to ask; each of the others is cancelled as soon as it has been sent.
        for (const calm of [7, 8, 9, 10, 11, 16, 20]) {
          const next = (n: number): void => {
            if (n === refs.length) return
            let cancelled = false
            const cancel = refs[n]!.askUnsafe.Double({ n }, () => {
              if (cancelled) journal.write(`ask ${n} called back after its cancel`)
              else next(n + 1)
            })
            if (n < calm) return
            cancelled = true
            cancel()
          }
          next(0)
          yield* stage.quiet
          const chain = yield* stage.spawn(
            Chain,
            Chain.behavior({
              Go: () => {
                next(0)
                return Effect.void
              }
            }),
            `chain-${calm}`
          )
          const { end, onExit } = ending()
          chain.askUnsafe.Go(undefined, onExit)
          yield* end
          yield* stage.quiet
        }
        assert.deepEqual(journal.of("ask"), [])
      })
  ),

  law(
    "S4",
    anywhere,
    "an unsafe ask's callback that throws is its asker's own affair: it is logged, and the actor and the node go on",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const ended = yield* stage.spawn(Subject, subject(new Journal()), "ended")
        yield* ended.stop()
        let calls = 0
        const throws = () => {
          calls += 1
          throw new Error("mine")
        }
        // More of them than may be handed over within one another: answered, failed, crashed, refused and expired.
        for (let n = 1; n <= 20; n++) ref.askUnsafe.Double({ n }, throws)
        ref.askUnsafe.Refuse({ why: "no reason" }, throws)
        ended.askUnsafe.Count(undefined, throws)
        ref.askUnsafe.HoldBeside({ key: "b" }, throws, { deadline: "60 millis" })
        yield* journal.seen("b+")
        yield* elapse("500 millis")
        yield* journal.open("b")
        yield* stage.quiet
        assert.equal(calls, 23)
        assert.equal(
          stage.logs.filter(({ level, message }) => level === "Error" && /threw.*mine/s.test(message)).length,
          23
        )
        assert.deepEqual(journal.of("init"), ["init 1"])
        assert.equal(yield* ref.ask.Double({ n: 2 }), 4)
        yield* stage.quiet
        assert.equal((yield* stage.callee.system.tree)[0]!.state, "idle")
        const { ends, onExit } = ending()
        ref.askUnsafe.Double({ n: 3 }, onExit)
        // Asks are still handed over in their asker's turn.
        if (stage.placement === "one node" && (yield* HandOff)) assert.deepEqual(ends, [Exit.succeed(6)])
        yield* stage.quiet
        assert.deepEqual(ends, [Exit.succeed(6)])
      })
  ),

  law(
    "S4",
    anywhere,
    "an unsafe ask ends at its deadline, after 5 seconds without one, and its late reply is dropped and counted",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const [running, queued, patient] = [ending(), ending(), ending()]
        ref.askUnsafe.Hold({ key: "a" }, running.onExit, { deadline: "60 millis" })
        ref.askUnsafe.Double({ n: 1 }, queued.onExit, { deadline: "60 millis" })
        ref.askUnsafe.HoldBeside({ key: "b" }, patient.onExit)
        yield* journal.seen("a+")
        assert.equal((yield* within("500 millis", unknown(running.end, "Timeout"))).deadlineMillis, 60)
        const error = yield* within("500 millis", Effect.flip(queued.end))
        const end = `${error._tag}(${"reason" in error && error.reason._tag})`
        const ends =
          stage.placement === "one node" ? ["NotExecuted(Expired)"] : ["NotExecuted(Expired)", "Unknown(Timeout)"]
        assert(ends.includes(end), end)
        assert.equal((yield* stage.ledger).lateReplies, 0)
        yield* elapse("50 millis")
        yield* journal.open("a")
        yield* journal.seen("b+")
        assert.deepEqual(journal.of("double"), [])
        yield* elapse("4 seconds")
        assert.deepEqual(patient.ends, [])
        yield* within("2 seconds", unknown(patient.end, "Timeout"))
        yield* journal.open("b")
        yield* journal.seen("b-")
        yield* stage.quiet
        // Another node says that the queued one was not handled, too late.
        assert.equal((yield* stage.ledger).lateReplies, stage.placement === "one node" ? 2 : 3)
        for (const ask of [running, queued, patient]) assert.equal(ask.ends.length, 1)
      }),
    { counts: true }
  ),

  law(
    "S4",
    anywhere,
    "an unsafe ask without an end waits for its answer, queued and running, however long it takes",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const running = ending()
        ref.askUnsafe.Hold({ key: "a" }, running.onExit, { deadline: Number.POSITIVE_INFINITY })
        const queued = ([Number.POSITIVE_INFINITY, "Infinity", Duration.infinity] as const).map((deadline) => {
          const ask = ending()
          ref.askUnsafe.Double({ n: 1 }, ask.onExit, { deadline })
          return ask
        })
        yield* journal.seen("a+")
        // Others have their deadlines beside it.
        const hasty = yield* start(ref.ask.Double({ n: 2 }, { deadline: "100 millis" }))
        yield* elapse("1 minutes")
        assert(Exit.isFailure(yield* Fiber.await(hasty)))
        for (const { ends } of [running, ...queued]) assert.deepEqual(ends, [])
        yield* journal.open("a")
        assert.equal(yield* running.end, "a")
        for (const { end } of queued) assert.equal(yield* end, 2)
      }),
    { slow: true }
  ),

  law(
    "S4",
    "two nodes",
    "an unsafe ask without an end is Unknown(NodeLost) at once when its node is lost",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const ref = yield* stage.spawn(Subject, subject(journal))
        const [running, queued] = [ending(), ending()]
        const forever = { deadline: Number.POSITIVE_INFINITY }
        ref.askUnsafe.Hold({ key: "a" }, running.onExit, forever)
        ref.askUnsafe.Double({ n: 1 }, queued.onExit, forever)
        yield* journal.seen("a+")
        wire.unreachable("away", "home")
        assert.equal((yield* unknown(running.end, "NodeLost")).node, "node/home")
        yield* unknown(queued.end, "NodeLost")
        yield* journal.open("a")
        yield* stage.callee.system.idle
        for (const { ends } of [running, queued]) assert.equal(ends.length, 1)
      }),
    { restless: true }
  ),

  law("S4", "two nodes", "an unsafe ask without an end ends when its own node closes", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      yield* stage.spawn(Subject, subject(journal))
      const third = yield* stage.join("third")
      const ref = yield* third.system.lookup(Subject, "subject", { at: { node: "home" } })
      const { end, ends, onExit } = ending()
      ref.askUnsafe.Hold({ key: "a" }, onExit, { deadline: Number.POSITIVE_INFINITY })
      yield* journal.seen("a+")
      yield* third.leave
      const error = yield* Effect.flip(end)
      assert.equal(error._tag, "Unknown")
      const late = ending()
      ref.askUnsafe.Count(undefined, late.onExit, { deadline: Number.POSITIVE_INFINITY })
      yield* Effect.flip(late.end)
      yield* journal.open("a")
      yield* stage.quiet
      for (const { length } of [ends, late.ends]) assert.equal(length, 1)
    })
  ),

  law("S4", anywhere, "an unsafe ask is not retried, be it idempotent", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Fetcher, fetcher(journal))
      const { end, ends, onExit } = ending()
      ref.askUnsafe.Fetch({ crashes: 1 }, onExit)
      yield* unknown(end, "CalleeCrashed")
      yield* elapse("500 millis")
      assert.equal(journal.count("fetch"), 1)
      assert.equal(ends.length, 1)
    })
  ),

  law(
    "S4",
    "two nodes",
    "an unsafe ask of a node that is not there is NotExecuted(NotConnected) at once, and not retried",
    (stage) =>
      Effect.gen(function* () {
        const { system } = stage.asker.system.id
        const ref = yield* refOf(stage, `${system}/node/nowhere/abc/subject#1`, ...Subject.rpcs)
        for (const deadline of ["3 seconds", Number.POSITIVE_INFINITY] as const) {
          const { end, ends, onExit } = ending()
          ref.askUnsafe.Double({ n: 1 }, onExit, { deadline })
          yield* within("300 millis", notExecuted(end, "NotConnected"))
          yield* elapse("300 millis")
          assert.equal(ends.length, 1)
        }
      }),
    { needs: ["absence"] }
  )
]

export const askLaws = [
  answers,
  notRun,
  mayHaveRun,
  badReplies,
  badCodecs,
  interrupts,
  retries,
  certainty,
  unsafe
].flat(2)
