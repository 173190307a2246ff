/** S4b, asks that are answered with a stream. */
import assert from "node:assert/strict"
import { Effect, Exit, Fiber, Schema, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, Protocol } from "../core/index.ts"
import { anywhere, elapse, type Journal, law, notExecuted, pending, recast, start, unknown, within } from "./Law.ts"
import { Refused, Subject, subject } from "./Subject.ts"

const n = Schema.Int
const range = (to: number, from = 1) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

const Source = Actor.make("Source", [
  Rpc.make("Count", { payload: { to: n }, success: n, stream: true }),
  Rpc.make("CountBeside", { payload: { to: n }, success: n, stream: true }).annotate(Protocol.Concurrent, true),
  Rpc.make("Refuse", { payload: { after: n }, success: n, error: Refused, stream: true }),
  Rpc.make("Crash", { payload: { after: n }, success: n, stream: true }),
  Rpc.make("Pause", { payload: { after: n, key: Schema.String }, success: n, stream: true }),
  Rpc.make("Every", { payload: { ms: n, times: n }, success: n, stream: true }),
  Rpc.make("Texts", { payload: { lengths: Schema.Array(n) }, success: Schema.String, stream: true }),
  Rpc.make("Ping", { success: n })
])

/** Notes every element it produces (`made 3`) and every end of a stream (`closed`). */
const source = (journal: Journal, options?: Actor.BehaviorOptions) =>
  Source.behavior(
    Effect.sync(() => {
      const count = (to: number) =>
        Stream.fromIterable(range(to)).pipe(
          Stream.rechunk(1),
          Stream.tap((n) => journal.note(`made ${n}`))
        )
      const closing = <A, E>(stream: Stream.Stream<A, E>) => Stream.ensuring(stream, journal.note("closed"))
      let pings = 0
      return {
        Count: ({ to }) => closing(count(to)),
        CountBeside: ({ to }) => closing(count(to)),
        Refuse: ({ after }) => closing(Stream.concat(count(after), Stream.fail(new Refused({ why: "enough" })))),
        Crash: ({ after }) => closing(Stream.concat(count(after), Stream.die(new Error("broke off")))),
        Pause: ({ after, key }) =>
          closing(
            Stream.concat(
              count(after),
              Stream.fromEffect(Effect.as(Effect.andThen(journal.note(`${key}+`), journal.wait(key)), 0))
            )
          ),
        Every: ({ ms, times }) =>
          closing(Stream.mapEffect(Stream.fromIterable(range(times)), (n) => Effect.as(Effect.sleep(ms), n))),
        Texts: ({ lengths }) => closing(Stream.fromIterable(lengths.map((length) => "x".repeat(length)))),
        Ping: () => Effect.sync(() => ++pings)
      }
    }),
    options
  )

/** Collects a stream as far as it goes. */
const collect = <A, E>(stream: Stream.Stream<A, E>) => {
  const elements: Array<A> = []
  return Effect.map(
    Effect.exit(Stream.runForEach(stream, (element) => Effect.sync(() => void elements.push(element)))),
    (exit) => ({ elements, exit })
  )
}

const flows = [
  law("S4b", anywhere, "a streaming ask yields every element in order, and then ends", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      assert.deepEqual(yield* Stream.runCollect(ref.ask.Count({ to: 500 })), range(500))
      assert.equal(journal.count("closed"), 1)
      assert.deepEqual(yield* Stream.runCollect(ref.ask.Count({ to: 0 })), [])
      assert.deepEqual(
        yield* Stream.runCollect(ref.ask.Texts({ lengths: range(300) })),
        range(300).map((n) => "x".repeat(n))
      )
    })
  ),

  law("S4b", anywhere, "a streaming ask is sent when it is run, once for each run", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const stream = ref.ask.Count({ to: 2 })
      yield* stage.quiet
      assert.equal(journal.count("made 1"), 0)
      yield* Stream.runDrain(stream)
      yield* Stream.runDrain(stream)
      assert.equal(journal.count("made 1"), 2)
    })
  ),

  law("S4b", anywhere, "the producer runs ahead of a slow consumer by a bounded number of elements", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const other = yield* stage.spawn(Source, source(journal), "other")
      const produced = () => journal.of("made").length
      let consumed = 0
      let most = 0
      // Others have their turns while the consumer takes its time.
      const consume = Stream.runForEach(Stream.rechunk(ref.ask.CountBeside({ to: 1000 }), 1), (element) =>
        Effect.gen(function* () {
          consumed += 1
          assert.equal(element, consumed)
          if (consumed % 100 !== 1) return
          for (let turn = 0; turn < 30; turn++) yield* Effect.andThen(Effect.yieldNow, other.ask.Ping())
          for (let turn = 0; turn < 200; turn++) yield* Effect.yieldNow
          most = Math.max(most, produced() - consumed)
        })
      )
      yield* consume
      assert.equal(consumed, 1000)
      assert(most > 0)
      assert(most <= 256, `the producer was ${most} elements ahead`)
    })
  ),

  law("S4b", anywhere, "the deadline covers each gap between elements, not the whole", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const all = Stream.runCollect(ref.ask.Every({ ms: 60, times: 5 }, { deadline: "200 millis" }))
      assert.deepEqual(yield* within("2 seconds", all), range(5))
    })
  ),

  law("S4b", anywhere, "a first element that takes longer than the deadline is Unknown(Timeout)", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const { elements, exit } = yield* within(
        "1 seconds",
        collect(ref.ask.Pause({ after: 0, key: "a" }, { deadline: "60 millis" }))
      )
      assert.deepEqual(elements, [])
      assert.equal((yield* unknown(exit, "Timeout")).deadlineMillis, 60)
      yield* journal.seen("closed")
    })
  ),

  law("S4b", anywhere, "a gap longer than the deadline is Unknown(Timeout), and ends the producer", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const { elements, exit } = yield* within(
        "1 seconds",
        collect(ref.ask.Pause({ after: 3, key: "a" }, { deadline: "60 millis" }))
      )
      assert.deepEqual(elements, [1, 2, 3])
      assert.equal((yield* unknown(exit, "Timeout")).deadlineMillis, 60)
      yield* journal.seen("closed")
      assert.equal(yield* ref.ask.Ping(), 1)
    })
  ),

  law("S4b", anywhere, "the time that the consumer takes is not the producer's", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const slow = Stream.runForEach(Stream.rechunk(ref.ask.Count({ to: 150 }, { deadline: "50 millis" }), 1), (n) =>
        n % 40 === 0 ? elapse("120 millis") : Effect.void
      )
      yield* slow
      assert.equal(journal.count("made 150"), 1)
    })
  )
]

const ends = [
  law("S4b", anywhere, "a stream fails with the request's typed error after its elements", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Source, source(stage.journal))
      const { elements, exit } = yield* collect(ref.ask.Refuse({ after: 100 }))
      assert.deepEqual(elements, range(100))
      const error = yield* Effect.flip(exit)
      assert(error instanceof Refused)
      assert.equal(error.why, "enough")
      assert.equal(yield* ref.ask.Ping(), 1)
    })
  ),

  law(
    "S4b",
    anywhere,
    "a crash in mid-stream is Unknown(CalleeCrashed) after the elements before it, at once, with its cause",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Source, source(stage.journal))
        const { elements, exit } = yield* collect(ref.ask.Crash({ after: 100 }))
        assert.deepEqual(elements, range(100))
        const { cause, tag } = yield* unknown(exit, "CalleeCrashed")
        assert.deepEqual([(cause as Error).message, tag], ["broke off", "Crash"])
        assert.equal(yield* within("200 millis", ref.ask.Ping()), 1)
      })
  ),

  law("S4b", anywhere, "a handler that returns no stream, or throws, is a crash", (stage) =>
    Effect.gen(function* () {
      const Odd = Actor.make("Odd", [
        Rpc.make("None", { success: n, stream: true }),
        Rpc.make("Throw", { success: n, stream: true })
      ])
      const odd = Odd.behavior({
        None: () => Effect.void as never,
        Throw: () => {
          throw new Error("thrown")
        }
      })
      const one = yield* stage.spawn(Odd, odd, "one")
      yield* unknown((yield* collect(one.ask.None())).exit, "CalleeCrashed")
      const two = yield* stage.spawn(Odd, odd, "two")
      const { cause } = yield* unknown((yield* collect(two.ask.Throw())).exit, "CalleeCrashed")
      assert.equal((cause as Error).message, "thrown")
    })
  ),

  law("S4b", anywhere, "a streaming ask whose handler never ran is NotExecuted, before any element", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal, { mailbox: { capacity: 1 } }))
      const paused = yield* start(collect(ref.ask.Pause({ after: 1, key: "a" })))
      yield* journal.seen("a+")
      yield* ref.offer.Ping()
      const full = yield* collect(ref.ask.Count({ to: 3 }))
      yield* notExecuted(full.exit, "MailboxFull")
      const stop = yield* start(ref.stop())
      const stopping = yield* collect(ref.ask.Count({ to: 3 }))
      yield* notExecuted(stopping.exit, "Stopping")
      yield* journal.open("a")
      assert.deepEqual((yield* Fiber.join(paused)).elements, [1, 0])
      yield* Fiber.join(stop)
      const gone = yield* collect(ref.ask.Count({ to: 3 }))
      yield* notExecuted(gone.exit, "NoSuchActor")
      assert.deepEqual(
        [full, stopping, gone].flatMap(({ elements }) => elements),
        []
      )
    })
  ),

  law("S4b", anywhere, "a stream that waits in the mailbox when the actor stops is NotExecuted(Stopping)", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const paused = yield* start(collect(ref.ask.Pause({ after: 1, key: "a" })))
      yield* journal.seen("a+")
      const queued = yield* start(collect(ref.ask.Count({ to: 3 })))
      yield* ref.offer.Ping()
      const stop = yield* start(ref.stop())
      yield* notExecuted((yield* Fiber.join(queued)).exit, "Stopping")
      yield* journal.open("a")
      yield* Fiber.join(paused)
      yield* Fiber.join(stop)
    })
  ),

  law("S4b", anywhere, "a stream whose actor is killed is Unknown(Interrupted) after the elements before it", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const paused = yield* start(collect(ref.ask.Pause({ after: 5, key: "a" })))
      yield* journal.seen("a+")
      yield* ref.kill
      const { elements, exit } = yield* Fiber.join(paused)
      yield* unknown(exit, "Interrupted")
      assert.deepEqual(elements, range(5))
      yield* journal.seen("closed")
    })
  ),

  law(
    "S4b",
    "two nodes",
    "a stream whose node is lost is Unknown(NodeLost)",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const ref = yield* stage.spawn(Source, source(journal))
        const paused = yield* start(collect(ref.ask.Pause({ after: 5, key: "a" })))
        yield* journal.seen("a+")
        yield* ref.watch.pipe(start)
        yield* stage.asker.system.lookup(Source, "subject", { at: stage.callee.system.id })
        wire.unreachable("away", "home")
        const { elements, exit } = yield* Fiber.join(paused)
        yield* unknown(exit, "NodeLost")
        assert.deepEqual(elements, range(5))
        wire.unreachable("home", "away")
        yield* journal.seen("closed")
        yield* stage.callee.system.idle
      }),
    { restless: true }
  ),

  law("S4b", "two nodes", "a stream whose connection is lost ends for its consumer and for its producer", (stage) =>
    Effect.gen(function* () {
      const { journal, wire } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const bystander = yield* stage.spawn(Source, source(journal), "bystander")
      // It stands still for want of credit, and its actor with it.
      const reading = yield* start(
        collect(
          Stream.tap(Stream.rechunk(ref.ask.Count({ to: 1000 }), 1), (n) =>
            n === 2 ? journal.wait("read on") : Effect.void
          )
        )
      )
      yield* journal.seen("made 64")
      let lose = true
      wire.onSend = ({ from, kind }) => {
        if (from !== "home" || kind !== "data" || !lose) return "carry"
        lose = false
        return "lose"
      }
      const one = yield* start(bystander.ask.Ping())
      for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
      // The next frame shows the gap.
      const two = yield* start(bystander.ask.Ping())
      yield* unknown(Fiber.join(one), "ConnectionLost")
      yield* Fiber.await(two)
      yield* journal.open("read on")
      yield* unknown((yield* Fiber.join(reading)).exit, "ConnectionLost")
      yield* journal.seen("closed")
      assert.equal(yield* ref.ask.Ping(), 1)
    })
  ),

  law(
    "S4b",
    anywhere,
    "an element that does not match its schema is Unknown(ReplyNotEncoded), and ends the producer",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Liar = Actor.make("Liar", [Rpc.make("Lie", { success: n, stream: true }), Rpc.make("Ping")])
        const liar = Liar.behavior({
          Lie: () =>
            Stream.fromIterable([1, 2, "three" as never, 4]).pipe(
              Stream.rechunk(1),
              Stream.ensuring(journal.note("closed"))
            ),
          Ping: () => Effect.void
        })
        const ref = yield* stage.spawn(Liar, liar)
        const { elements, exit } = yield* collect(ref.ask.Lie())
        assert.equal((yield* unknown(exit, "ReplyNotEncoded")).tag, "Lie")
        assert.deepEqual(elements, [1, 2])
        yield* journal.seen("closed")
        yield* ref.ask.Ping()
      }),
    { local: ["encoded"] }
  ),

  law(
    "S4b",
    anywhere,
    "an element that the asker does not decode is Unknown(ReplyNotDecoded), and ends the producer",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Source, source(journal))
        const small = Schema.Int.check(Schema.isLessThan(4))
        const other = yield* recast(
          stage,
          ref,
          Rpc.make("Pause", { payload: { after: n, key: Schema.String }, success: small, stream: true })
        )
        const { elements, exit } = yield* collect(other.ask.Pause({ after: 5, key: "a" }))
        yield* unknown(exit, "ReplyNotDecoded")
        assert.deepEqual(elements, [1, 2, 3])
        yield* journal.seen("closed")
        assert.equal(yield* ref.ask.Ping(), 1)
      }),
    { local: ["encoded"] }
  ),

  law("S4b", "two nodes", "elements that fit one by one are carried, however many come at once", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Source, source(stage.journal))
      stage.wire.maxFrameBytes = 3000
      const lengths = range(50).map((n) => (n % 3 === 0 ? 1500 : 40))
      const { elements, exit } = yield* collect(ref.ask.Texts({ lengths }))
      if (Exit.isFailure(exit)) yield* exit
      assert.deepEqual(
        elements.map((text) => text.length),
        lengths
      )
    })
  ),

  law("S4b", "two nodes", "an element larger than a frame is Unknown(ReplyTooLarge), and ends the producer", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      stage.wire.maxFrameBytes = 3000
      const { exit } = yield* collect(ref.ask.Texts({ lengths: [4000] }))
      yield* unknown(exit, "ReplyTooLarge")
      yield* journal.seen("closed")
      assert.equal(yield* ref.ask.Ping(), 1)
    })
  )
]

const consumers = [
  law("S4b", anywhere, "a consumer that leaves early ends the producer, which is no crash", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      assert.equal(yield* ref.ask.Ping(), 1)
      assert.deepEqual(yield* Stream.runCollect(Stream.take(ref.ask.Count({ to: 100_000 }), 3)), [1, 2, 3])
      yield* journal.seen("closed")
      assert.equal(yield* ref.ask.Ping(), 2)
      assert.equal(journal.count("made 100000"), 0)
    })
  ),

  law("S4b", anywhere, "interrupting the consumer ends the producer, which is no crash", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      yield* ref.ask.Ping()
      const paused = yield* start(Stream.runDrain(ref.ask.Pause({ after: 2, key: "a" })))
      yield* journal.seen("a+")
      yield* Fiber.interrupt(paused)
      yield* journal.seen("closed")
      assert.equal(yield* ref.ask.Ping(), 2)
    })
  ),

  law("S4b", anywhere, "a stream whose consumer left before its turn does not run", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const paused = yield* start(Stream.runDrain(ref.ask.Pause({ after: 0, key: "a" })))
      yield* journal.seen("a+")
      const queued = yield* start(Stream.runDrain(ref.ask.Count({ to: 2 })))
      yield* ref.offer.Ping()
      yield* Fiber.interrupt(queued)
      yield* ref.offer.Ping()
      yield* journal.open("a")
      yield* Fiber.join(paused)
      assert.equal(yield* ref.ask.Ping(), 3)
      assert.deepEqual(journal.of("made"), [])
    })
  ),

  law("S4b", anywhere, "a running stream occupies its actor", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      const paused = yield* start(collect(ref.ask.Pause({ after: 1, key: "a" })))
      yield* journal.seen("a+")
      const ping = yield* start(ref.ask.Ping())
      const other = yield* stage.spawn(Subject, subject(journal), "other")
      yield* other.ask.Count()
      pending(ping)
      yield* journal.open("a")
      assert.deepEqual((yield* Fiber.join(paused)).elements, [1, 0])
      assert.equal(yield* Fiber.join(ping), 1)
    })
  ),

  law("S4b", anywhere, "a stream declared concurrent does not occupy its actor", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      // Nobody reads on, so both stand still for want of credit.
      const first = yield* start(
        Stream.runForEach(Stream.rechunk(ref.ask.CountBeside({ to: 1000 }), 1), (n) =>
          n === 2 ? journal.wait("a") : Effect.void
        )
      )
      const second = yield* start(
        Stream.runForEach(Stream.rechunk(ref.ask.CountBeside({ to: 1000 }), 1), (n) =>
          n === 2 ? journal.wait("a") : Effect.void
        )
      )
      yield* journal.seen("made 3")
      assert.equal(yield* ref.ask.Ping(), 1)
      yield* journal.open("a")
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      assert.equal(journal.count("made 1000"), 2)
    })
  ),

  law("S4b", anywhere, "a stream that is told, not asked, runs for what it does", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Source, source(journal))
      yield* ref.tell.Count({ to: 300 })
      yield* ref.ask.Ping()
      assert.equal(journal.of("made").length, 300)
      assert.equal(journal.count("closed"), 1)
    })
  )
]

export const streamLaws = [flows, ends, consumers].flat(2)
