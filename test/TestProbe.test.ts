/** Probes and test nodes, by every clock. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Schema, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { Actor, ActorRef, ActorSystem } from "troupe"
import { Contract, Simulation, TestProbe, TestSystem } from "troupe/testing"

class Odd extends Schema.TaggedError<Odd>()("Odd", { n: Schema.Int }) {}

const Halve = Rpc.make("Halve", { payload: { n: Schema.Int }, success: Schema.Number, error: Odd })
const Ping = Rpc.make("Ping", { payload: { n: Schema.Int } })
const Count = Rpc.make("Count", { success: Schema.Int, stream: true })
const Peer = Actor.make("Peer", [Halve, Ping, Count])

/** Sends to its peer what it is asked to, later. */
const Caller = Actor.make("Caller", [
  Rpc.make("Call", { payload: { n: Schema.Int, peer: ActorRef.schema(Halve) }, success: Schema.Number }),
  Rpc.make("PingLater", { payload: { n: Schema.Int, millis: Schema.Int, peer: ActorRef.schema(Ping) } }),
  Rpc.make("Never")
])
const caller = Caller.behavior({
  Call: ({ n, peer }) => Effect.orDie(peer.ask.Halve({ n })),
  PingLater: ({ millis, n, peer }) => Effect.andThen(Effect.sleep(millis), Effect.orDie(peer.tell.Ping({ n }))),
  Never: () => Effect.never
})

/** What is the same under a test clock, in real time and in a simulation. */
const everywhere = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem
  const probe = yield* TestProbe.make(Peer)
  const ref = yield* system.spawn("caller", caller)

  const call = yield* Effect.forkChild(ref.ask.Call({ n: 8, peer: probe.ref }))
  const halve = yield* probe.expect("Halve")
  assert.deepStrictEqual(halve.payload, { n: 8 })
  yield* halve.replyTo.succeed(4)
  assert.strictEqual(yield* Fiber.join(call), 4)

  yield* ref.tell.PingLater({ n: 1, millis: 50, peer: probe.ref })
  yield* probe.expectNothing("40 millis")
  const ping = yield* probe.next()
  assert.deepStrictEqual([ping.tag, ping.payload], ["Ping", { n: 1 }])

  yield* ref.tell.PingLater({ n: 2, millis: 5, peer: probe.ref })
  const surprise = yield* Effect.flip(probe.expectNothing())
  assert.match(surprise.message, /^The probe "probe" expected nothing, got: "Ping" {"n":2}\. /)

  yield* probe.ref.tell.Ping({ n: 3 })
  const other = yield* Effect.flip(probe.expect("Halve"))
  assert.match(other.message, /expected "Halve", got: "Ping" {"n":3}/)
  const none = yield* Effect.flip(probe.expect("Halve", { within: "20 millis" }))
  assert.match(none.message, /expected "Halve", got: nothing within 20ms/)

  yield* Effect.forkChild(ref.stop())
  assert.deepStrictEqual(yield* probe.expectEnd(ref), { _tag: "Shutdown" })
  const alive = yield* Effect.flip(probe.expectEnd(probe.ref, { within: "20 millis" }))
  assert.match(alive.message, /expected the end of "probe", got: no end within 20ms/)
})

describe("a probe", () => {
  it.effect("works under a test clock", () => everywhere.pipe(Effect.scoped, Effect.provide(TestSystem.layer())))
  it.live("works in real time", () => everywhere.pipe(Effect.scoped, Effect.provide(TestSystem.layer())))
  it("works in a simulation", () => {
    for (let seed = 0; seed < 20; seed++) {
      const { exit } = Simulation.run(seed, everywhere.pipe(Effect.scoped, Effect.provide(TestSystem.layer())))
      assert.isTrue(Exit.isSuccess(exit), String(exit))
    }
  })

  it.effect("answers by itself where it is told to, and keeps the messages all the same", () =>
    Effect.gen(function* () {
      const probe = yield* TestProbe.make(Peer, {
        name: "stub",
        answers: {
          Halve: ({ n }) => (n % 2 === 0 ? Effect.succeed(n / 2) : Effect.fail(new Odd({ n }))),
          Count: () => Stream.make(1, 2, 3)
        }
      })
      assert.strictEqual(probe.ref.path, "stub")
      assert.strictEqual(yield* probe.ref.ask.Halve({ n: 4 }), 2)
      assert.deepStrictEqual(yield* Effect.flip(probe.ref.ask.Halve({ n: 3 })), new Odd({ n: 3 }))
      assert.deepStrictEqual(yield* Stream.runCollect(probe.ref.ask.Count()), [1, 2, 3])
      assert.deepStrictEqual((yield* probe.expect("Halve")).payload, { n: 4 })
      assert.deepStrictEqual((yield* probe.expect("Halve")).payload, { n: 3 })
      yield* probe.expect("Count")
    }).pipe(Effect.scoped, Effect.provide(TestSystem.layer()))
  )

  it.effect("fails what it cannot answer: a request that streams", () =>
    Effect.gen(function* () {
      const probe = yield* TestProbe.make(Peer)
      const another = yield* TestProbe.make(Peer)
      assert.deepStrictEqual([probe.ref.path, another.ref.path], ["probe", "probe-2"])
      const error = yield* Effect.flip(Stream.runCollect(probe.ref.ask.Count()))
      assert.match(String(error), /CalleeCrashed|crashed/)
    }).pipe(Effect.scoped, Effect.provide(TestSystem.layer()), Contract.silently)
  )
})

describe("a test node", () => {
  layer(TestSystem.layer())("shared by tests", (it) => {
    it.effect("is there in one", () => Effect.flatMap(ActorSystem.ActorSystem, (system) => system.spawn("a", caller)))
    it.effect("and in the next", () =>
      Effect.gen(function* () {
        const system = yield* ActorSystem.ActorSystem
        assert.strictEqual((yield* system.lookup(Caller, "a")).path, "a")
      })
    )
  })

  it.effect("has a network that further nodes join", () =>
    Effect.gen(function* () {
      const other = yield* ActorSystem.make({ name: "test", node: "other" })
      yield* other.spawn("there", caller)
      const system = yield* ActorSystem.ActorSystem
      assert.strictEqual((yield* system.lookup(Caller, "there")).path, "there")
    }).pipe(Effect.scoped, Effect.provide(TestSystem.layer()))
  )

  it.effect("closes by itself under a test clock, however long a handler takes", () =>
    Effect.gen(function* () {
      const closed = yield* Effect.gen(function* () {
        const system = yield* ActorSystem.ActorSystem
        const ref = yield* system.spawn("stuck", caller)
        yield* ref.tell.Never()
        yield* Effect.yieldNow
        return yield* Clock.currentTimeMillis
      }).pipe(Effect.provide(TestSystem.layer()))
      assert.strictEqual(closed, 0)
      assert.isAtLeast(yield* Clock.currentTimeMillis, 5000)
      yield* TestClock.adjust(1)
    })
  )
})
