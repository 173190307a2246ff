import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { Actor, ActorRef, ActorSystem, Ledger, Protocol } from "troupe"
import { Memory } from "troupe/transports/Memory"

class Insufficient extends Schema.TaggedError<Insufficient>()("Insufficient", { balance: Schema.Int }) {}

const Account = Actor.make("Account", [
  Rpc.make("Deposit", { payload: { amount: Schema.Int }, success: Schema.Int }),
  Rpc.make("Withdraw", { payload: { amount: Schema.Int }, success: Schema.Int, error: Insufficient }),
  Rpc.make("Balance", { success: Schema.Int }),
  Rpc.make("Boom"),
  Rpc.make("Slow", { payload: { ms: Schema.Int }, success: Schema.String }),
  Rpc.make("Count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
])

const account = Account.behavior(
  Effect.gen(function* () {
    let balance = 0
    return {
      Deposit: ({ amount }) => Effect.succeed((balance += amount)),
      Withdraw: ({ amount }) =>
        amount > balance ? Effect.fail(new Insufficient({ balance })) : Effect.succeed((balance -= amount)),
      Balance: () => Effect.succeed(balance),
      Boom: () => Effect.die(new Error("boom")),
      Slow: ({ ms }) => Effect.as(Effect.sleep(ms), "done"),
      Count: ({ to }) => Stream.range(1, to)
    }
  })
)

const probe = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem
  const ref = yield* system.spawn("alice", account)
  yield* ref.tell.Deposit({ amount: 5 })
  const error = yield* Effect.flip(ref.ask.Withdraw({ amount: 9 }))
  assert.strictEqual(error._tag, "Insufficient")
  assert.strictEqual(yield* ref.ask.Balance(), 5)
  return ref
})

for (const local of ["encoded", "by-reference"] as const) {
  describe(local, () => {
    const layer = ActorSystem.layer({ name: "bank", local })
    it.effect("basics", () =>
      Effect.gen(function* () {
        const ref = yield* probe
        const crash = yield* Effect.flip(ref.ask.Boom())
        assert.strictEqual(crash._tag, "Unknown")
        assert.strictEqual(crash.reason._tag, "CalleeCrashed")
        const f = yield* Effect.forkChild(ref.ask.Balance())
        yield* TestClock.adjust("1 second")
        console.log("adjusted")
        assert.strictEqual(yield* Fiber.join(f), 0)
        console.log("joined")
        assert.deepStrictEqual(
          yield* Stream.runCollect(ref.ask.Count({ to: 200 })),
          Array.from({ length: 200 }, (_, i) => i + 1)
        )
        console.log("streamed")
        const slow = yield* Effect.forkChild(ref.ask.Slow({ ms: 6000 }).pipe(Effect.flip))
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* Fiber.join(slow)).reason._tag, "Timeout")
        yield* TestClock.adjust("5 seconds")
        yield* ref.stop()
        const gone = yield* Effect.flip(ref.ask.Balance())
        assert.strictEqual(gone._tag, "NotExecuted")
        assert.strictEqual(gone.reason._tag, "NoSuchActor")
        const system = yield* ActorSystem.ActorSystem
        yield* system.idle
        const s = yield* system.ledger.snapshot
        assert.strictEqual(s.pending, 0)
        assert.strictEqual(s.open, 0)
        assert.deepStrictEqual(s.faults, [])
        console.log(s)
        yield* Effect.void
      }).pipe(Effect.provide(layer), Effect.provide(Memory.layer), Effect.provide(Ledger.layer))
    )
  })
}

it.effect("two nodes", () =>
  Effect.gen(function* () {
    const a = yield* ActorSystem.make({ name: "bank", node: "a" })
    const b = yield* ActorSystem.make({ name: "bank", node: "b" })
    const alice = yield* a.spawn("alice", account)
    const remote = yield* b.lookup(Account, "alice")
    yield* remote.tell.Deposit({ amount: 7 })
    assert.strictEqual(yield* remote.ask.Balance(), 7)
    assert.strictEqual((yield* Effect.flip(remote.ask.Withdraw({ amount: 9 })))._tag, "Insufficient")
    assert.deepStrictEqual(
      yield* Stream.runCollect(remote.ask.Count({ to: 200 })),
      Array.from({ length: 200 }, (_, i) => i + 1)
    )
    assert.strictEqual((yield* Effect.flip(remote.ask.Boom())).reason._tag, "CalleeCrashed")
    yield* TestClock.adjust("1 second")
    const w = yield* Effect.forkChild(remote.watch)
    yield* Effect.yieldNow
    yield* remote.ask.Balance()
    yield* alice.stop()
    assert.strictEqual((yield* Fiber.join(w)).reason._tag, "Shutdown")
    console.log(yield* a.links, String(remote), Protocol.Idempotent.key, ActorRef.isActorRef(remote))
  }).pipe(Effect.scoped, Effect.provide(Memory.layer))
)
