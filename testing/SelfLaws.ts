/** What an actor asks of itself: timers (S14), a stash (S5), and what runs beside it (S1). */
import assert from "node:assert/strict"
import { Effect, Exit, Fiber, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, Protocol } from "../core/index.ts"
import {
  anywhere,
  elapse,
  event,
  type Journal,
  law,
  notExecuted,
  pending,
  type Stage,
  start,
  unknown,
  within
} from "./Law.ts"
import { Refused } from "./Subject.ts"

const Clockwork = Actor.make("Clockwork", [
  Rpc.make("Once", { payload: { key: Schema.String, after: Schema.Finite } }),
  Rpc.make("Often", { payload: { key: Schema.String, every: Schema.Finite } }),
  Rpc.make("Cancel", { payload: { key: Schema.String } }),
  Rpc.make("Idle", { payload: { after: Schema.NullOr(Schema.Finite) } }),
  Rpc.make("Hold", { payload: { key: Schema.String } }),
  Rpc.make("Sleep", { payload: { millis: Schema.Finite } }),
  Rpc.make("Ping"),
  Rpc.make("Break", { payload: { after: Schema.Finite } }),
  Rpc.make("Crash")
])

const clockwork = (
  journal: Journal,
  init: (context: Actor.Context["Service"]) => Effect.Effect<void> = () => Effect.void
) =>
  Clockwork.behavior(
    Effect.gen(function* () {
      const context = yield* Actor.Context
      journal.write(`init ${context.incarnation}`)
      yield* init(context)
      const { cancelTimer, receiveTimeout, startTimer } = context
      return {
        Once: ({ after, key }) => startTimer(key, { after }, journal.note(key)),
        Often: ({ every, key }) => startTimer(key, { every }, journal.note(key)),
        Cancel: ({ key }) => cancelTimer(key),
        Idle: ({ after }) => receiveTimeout(after ?? undefined, journal.note("idle")),
        Hold: ({ key }) => Effect.andThen(journal.note(`${key}+`), journal.wait(key)),
        Sleep: ({ millis }) => Effect.sleep(millis),
        Ping: () => Effect.void,
        Break: ({ after }) => startTimer("break", { after }, Effect.die(new Error("on purpose"))),
        Crash: () => Effect.die(new Error("on purpose"))
      }
    }),
    { restart: { backoff: { from: 0, to: 0 } } }
  )

const clock = (stage: Stage, init?: (context: Actor.Context["Service"]) => Effect.Effect<void>) =>
  stage.spawn(Clockwork, clockwork(stage.journal, init), "clock")

/** Lets time pass, and what it woke come to its end. */
const pass = (stage: Stage, millis: number) => Effect.andThen(elapse(millis), stage.callee.system.idle)

const timers = [
  law("S14", anywhere, "a timer fires once, after its time and not before", (stage) =>
    Effect.gen(function* () {
      const ref = yield* clock(stage)
      yield* ref.ask.Once({ key: "tick", after: 500 })
      yield* pass(stage, 400)
      assert.equal(stage.journal.count("tick"), 0)
      yield* pass(stage, 200)
      assert.equal(stage.journal.count("tick"), 1)
      yield* pass(stage, 2000)
      assert.equal(stage.journal.count("tick"), 1)
    })
  ),

  law("S14", anywhere, "a periodic timer fires at its rate until it is cancelled", (stage) =>
    Effect.gen(function* () {
      const ref = yield* clock(stage)
      yield* ref.ask.Often({ key: "tick", every: 300 })
      yield* pass(stage, 150)
      for (let tick = 0; tick < 5; tick++) {
        assert.equal(stage.journal.count("tick"), tick)
        yield* pass(stage, 300)
      }
      yield* ref.ask.Cancel({ key: "tick" })
      yield* pass(stage, 1000)
      assert.equal(stage.journal.count("tick"), 5)
    })
  ),

  law("S14", "one node", "a timer of the same key replaces the one before, and others go on", (stage) =>
    Effect.gen(function* () {
      const ref = yield* clock(stage, ({ startTimer }) =>
        Effect.andThen(
          startTimer("a", { after: 300 }, stage.journal.note("first")),
          startTimer("b", { after: 400 }, stage.journal.note("other"))
        )
      )
      yield* ref.ask.Once({ key: "a", after: 600 })
      yield* pass(stage, 500)
      assert.deepEqual(stage.journal.entries, ["init 1", "other"])
      yield* pass(stage, 200)
      assert.deepEqual(stage.journal.entries, ["init 1", "other", "a"])
    })
  ),

  law("S14", "one node", "a timer fires as a message, in its turn, and a busy actor is not flooded", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* clock(stage)
      yield* ref.ask.Often({ key: "tick", every: 100 })
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      yield* elapse(1050)
      assert.equal(journal.count("tick"), 0)
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* stage.quiet
      assert.equal(journal.count("tick"), 1)
      yield* pass(stage, 200)
      assert(journal.count("tick") >= 2 && journal.count("tick") <= 3)
    })
  ),

  law("S14", "one node", "a timer that is cancelled while its message waits does not run", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* clock(stage)
      yield* ref.ask.Once({ key: "tick", after: 100 })
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      // It stands before the timer's message.
      const cancelled = yield* start(ref.ask.Cancel({ key: "tick" }))
      yield* elapse(200)
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* Fiber.join(cancelled)
      yield* pass(stage, 300)
      assert.equal(journal.count("tick"), 0)
    })
  ),

  law("S14", "one node", "timers end with their incarnation, also when their message waits", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* clock(stage)
      yield* ref.ask.Often({ key: "tick", every: 100 })
      yield* ref.ask.Idle({ after: 100 })
      const held = yield* start(ref.ask.Hold({ key: "a" }))
      yield* journal.seen("a+")
      const crash = yield* start(ref.ask.Crash())
      yield* elapse(250)
      yield* journal.open("a")
      yield* Fiber.join(held)
      yield* unknown(Fiber.join(crash), "CalleeCrashed")
      yield* within(100, journal.seen("init 2"))
      yield* pass(stage, 1000)
      assert.deepEqual(journal.entries, ["init 1", "a+", "init 2"])
    })
  ),

  law("S14", "one node", "what a timer runs may crash the actor, like any message", (stage) =>
    Effect.gen(function* () {
      const ref = yield* clock(stage)
      yield* ref.ask.Break({ after: 100 })
      yield* within(500, stage.journal.seen("init 2"))
      yield* ref.ask.Ping()
    })
  ),

  law("S14", anywhere, "the receive timeout runs whenever there was no message for so long", (stage) =>
    Effect.gen(function* () {
      const ref = yield* clock(stage, ({ receiveTimeout }) => receiveTimeout(400, stage.journal.note("idle")))
      for (let ping = 0; ping < 5; ping++) {
        yield* pass(stage, 300)
        yield* ref.ask.Ping()
      }
      assert.equal(stage.journal.count("idle"), 0)
      yield* pass(stage, 450)
      assert.equal(stage.journal.count("idle"), 1)
      yield* pass(stage, 400)
      assert.equal(stage.journal.count("idle"), 2)
      // A message it handles for long is one.
      const slept = yield* start(ref.ask.Sleep({ millis: 1000 }))
      yield* stage.arrived
      yield* elapse(1000)
      yield* Fiber.join(slept)
      yield* stage.quiet
      assert.equal(stage.journal.count("idle"), 2)
      yield* ref.ask.Idle({ after: null })
      yield* pass(stage, 2000)
      assert.equal(stage.journal.count("idle"), 2)
    })
  ),

  law("S14", "one node", "times of timers that are none are defects", (stage) =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<[start: (context: Actor.Context["Service"]) => Effect.Effect<void>, message: RegExp]> =
        [
          [
            ({ startTimer }) => startTimer("a", { every: 0 }, Effect.void),
            /^expected `every` to be more than 0, got: 0 ms$/
          ],
          [
            ({ startTimer }) => startTimer("a", { after: -1 }, Effect.void),
            /^expected `after` to be finite and not neg.*-1 ms$/
          ],
          [({ receiveTimeout }) => receiveTimeout(0), /^expected `after` to be more than 0, got: 0 ms$/]
        ]
      for (const [init, message] of cases) {
        const error = yield* Effect.flip(stage.callee.system.spawn("clock", clockwork(stage.journal, init)))
        assert.match((error.cause as Error).message, message)
      }
    })
  )
]

// ----- The stash -----

const Door = Actor.make("Door", [
  Rpc.make("Enter", { payload: { who: Schema.String }, success: Schema.String }),
  Rpc.make("Open"),
  Rpc.make("Ring", { payload: { n: Schema.Int } }),
  Rpc.make("Slip").annotate(Protocol.Concurrent, true),
  Rpc.make("Crash")
])

/** Keeps who enters waiting until it is open; noted is who was let in. */
const door = (journal: Journal, capacity = 10) =>
  Door.behavior(
    Effect.gen(function* () {
      const { incarnation, makeStash } = yield* Actor.Context
      const { size, stash, unstashAll } = yield* makeStash({ capacity })
      journal.write(`init ${incarnation}`)
      let isOpen = false
      return {
        Enter: ({ who }) => (isOpen ? Effect.as(journal.note(who), `${who} is in`) : stash),
        Open: () => {
          isOpen = true
          return Effect.flatMap(size, (size) => Effect.andThen(journal.note(`open for ${size}`), unstashAll))
        },
        Ring: ({ n }) => journal.note(`ring ${n}`),
        Slip: () => stash,
        Crash: () => Effect.die(new Error("on purpose"))
      }
    }),
    { restart: { backoff: { from: 0, to: 0 } } }
  )

const stashes = [
  law("S5", anywhere, "what is stashed comes back before what waits, in order, and is answered", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Door, door(journal), "door")
      const a = yield* start(ref.ask.Enter({ who: "a" }))
      yield* ref.tell.Enter({ who: "b" })
      yield* ref.tell.Ring({ n: 1 })
      const c = yield* start(ref.ask.Enter({ who: "c" }))
      yield* ref.ask.Ring({ n: 2 })
      pending(a)
      yield* ref.tell.Open()
      yield* ref.tell.Ring({ n: 3 })
      assert.deepEqual([yield* Fiber.join(a), yield* Fiber.join(c)], ["a is in", "c is in"])
      yield* ref.ask.Ring({ n: 4 })
      assert.deepEqual(
        journal.entries.filter((entry) => entry !== "ring 3"),
        ["init 1", "ring 1", "ring 2", "open for 3", "a", "b", "c", "ring 4"]
      )
    })
  ),

  law(
    "S5",
    anywhere,
    "a stash holds no more than its capacity: what it refuses is returned as MailboxFull, or a dead letter",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Door, door(stage.journal, 2), "door")
        const a = yield* start(ref.ask.Enter({ who: "a" }))
        yield* ref.tell.Enter({ who: "b" })
        yield* ref.tell.Enter({ who: "c" })
        const reason = yield* notExecuted(ref.ask.Enter({ who: "d" }), "MailboxFull")
        assert.equal(reason.capacity, 2)
        const { deadLettered, returned } = yield* stage.ledger
        assert.deepEqual([deadLettered, returned], [1, 1])
        yield* ref.ask.Open()
        assert.equal(yield* Fiber.join(a), "a is in")
        yield* stage.quiet
        assert.deepEqual(stage.journal.entries, ["init 1", "open for 2", "a", "b"])
      }),
    { counts: true }
  ),

  law("S5", anywhere, "what is stashed outlives a crash, and comes back to the next incarnation first", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const ref = yield* stage.spawn(Door, door(journal), "door")
      const a = yield* start(ref.ask.Enter({ who: "a" }))
      yield* ref.tell.Enter({ who: "b" })
      yield* unknown(ref.ask.Crash(), "CalleeCrashed")
      yield* within(500, journal.seen("init 2"))
      pending(a)
      yield* ref.ask.Open()
      assert.equal(yield* Fiber.join(a), "a is in")
      yield* stage.quiet
      assert.deepEqual(journal.entries, ["init 1", "init 2", "open for 2", "a", "b"])
    })
  ),

  law(
    "S5",
    anywhere,
    "what is stashed when the actor stops is returned as Stopping, or a dead letter",
    (stage) =>
      Effect.gen(function* () {
        const ref = yield* stage.spawn(Door, door(stage.journal), "door")
        const a = yield* start(ref.ask.Enter({ who: "a" }))
        yield* ref.ask.Ring({ n: 1 })
        yield* ref.tell.Enter({ who: "b" })
        yield* ref.ask.Ring({ n: 2 })
        yield* ref.stop()
        yield* notExecuted(Fiber.join(a), "Stopping")
        const { deadLettered, returned } = yield* stage.ledger
        assert.deepEqual([deadLettered, returned], [1, 1])
      }),
    { counts: true }
  ),

  law("S5", "one node", "a stashed request that is cancelled, or whose deadline passes, is taken out", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Door, door(stage.journal), "door")
      const a = yield* start(ref.ask.Enter({ who: "a" }))
      const b = yield* start(ref.ask.Enter({ who: "b" }, { deadline: "200 millis" }))
      const c = yield* start(ref.ask.Enter({ who: "c" }))
      yield* ref.ask.Ring({ n: 1 })
      yield* Fiber.interrupt(a)
      yield* within(500, notExecuted(Fiber.join(b), "Expired"))
      yield* ref.ask.Open()
      assert.equal(yield* Fiber.join(c), "c is in")
      assert.deepEqual(stage.journal.entries, ["init 1", "ring 1", "open for 1", "c"])
    })
  ),

  law("S5", "one node", "a handler that has no turn cannot stash, and a stash has a capacity", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Door, door(stage.journal), "door")
      const { cause } = yield* unknown(ref.ask.Slip(), "CalleeCrashed")
      assert.match(
        (cause as Error).message,
        /^expected `stash` in the handler of a message of "door" that has its turn$/
      )
      for (const capacity of [0, 1.5, Number.NaN]) {
        const error = yield* Effect.flip(stage.callee.system.spawn("none", door(stage.journal, capacity)))
        assert.match((error.cause as Error).message, /^expected `capacity` to be a positive integer, got: /)
      }
    })
  )
]

// ----- What runs beside it -----

const Asker = Actor.make("Asker", [
  Rpc.make("Fetch", { payload: { key: Schema.String } }),
  Rpc.make("Hold", { payload: { key: Schema.String } }),
  Rpc.make("Ping"),
  Rpc.make("Crash")
])

const asker = (journal: Journal) =>
  Asker.behavior(
    Effect.gen(function* () {
      const { incarnation, pipeToSelf } = yield* Actor.Context
      journal.write(`init ${incarnation}`)
      const fetch = (key: string) =>
        journal.wait(key).pipe(
          Effect.andThen(key === "fails" ? Effect.fail(new Refused({ why: key })) : Effect.succeed(key)),
          Effect.onInterrupt(() => journal.note(`${key}!`))
        )
      return {
        Fetch: ({ key }) =>
          pipeToSelf(fetch(key), (exit) =>
            key === "breaks"
              ? Effect.die(new Error("on purpose"))
              : journal.note(Exit.isSuccess(exit) ? `got ${exit.value}` : `no ${key}`)
          ),
        Hold: ({ key }) => Effect.andThen(journal.note(`${key}+`), journal.wait(key)),
        Ping: () => Effect.void,
        Crash: () => Effect.die(new Error("on purpose"))
      }
    }),
    { restart: { backoff: { from: 0, to: 0 } } }
  )

const pipes = [
  law(
    "S1",
    anywhere,
    "what an actor pipes to itself runs beside it, and its Exit comes as a message, in its turn",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Asker, asker(journal), "asker")
        for (const key of ["x", "fails"]) yield* ref.ask.Fetch({ key })
        yield* ref.ask.Ping()
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        yield* journal.open("x")
        yield* journal.open("fails")
        yield* elapse(50)
        assert.deepEqual(journal.entries, ["init 1", "a+"])
        yield* journal.open("a")
        yield* Fiber.join(held)
        yield* ref.ask.Ping()
        yield* stage.quiet
        assert.deepEqual(journal.entries, ["init 1", "a+", "got x", "no fails"])
      })
  ),

  law(
    "S1",
    "one node",
    "what an actor pipes to itself is interrupted with its incarnation, and the next hears nothing of it",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const ref = yield* stage.spawn(Asker, asker(journal), "asker")
        for (const key of ["x", "y"]) yield* ref.ask.Fetch({ key })
        const held = yield* start(ref.ask.Hold({ key: "a" }))
        yield* journal.seen("a+")
        const crash = yield* start(ref.ask.Crash())
        // Its message waits behind the crash.
        yield* journal.open("x")
        yield* elapse(20)
        yield* journal.open("a")
        yield* Fiber.join(held)
        yield* unknown(Fiber.join(crash), "CalleeCrashed")
        yield* within(500, journal.seen("init 2"))
        yield* journal.open("y")
        yield* ref.ask.Ping()
        assert.deepEqual(journal.entries, ["init 1", "a+", "y!", "init 2"])
        yield* ref.ask.Fetch({ key: "z" })
        yield* ref.stop()
        assert.deepEqual(journal.of("z"), ["z!"])
      })
  ),

  law("S1", "one node", "what handles a piped Exit may crash the actor, like any message", (stage) =>
    Effect.gen(function* () {
      const ref = yield* stage.spawn(Asker, asker(stage.journal), "asker")
      const restarted = yield* event(stage.callee.system, ({ _tag }) => _tag === "ActorRestarted")
      yield* ref.ask.Fetch({ key: "breaks" })
      yield* stage.journal.open("breaks")
      yield* within(500, restarted)
    })
  )
]

export const selfLaws = [pipes, stashes, timers].flat(2)
