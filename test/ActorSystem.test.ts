/** What the laws do not say: how a system behaves beside its messages. */
import { inspect } from "node:util"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { Actor, ActorRef, ActorSystem, type Ledger, Protocol } from "troupe"
import { Memory } from "troupe/transports/Memory"

const Worker = Actor.make("Worker", [
  Rpc.make("Break"),
  Rpc.make("Hang"),
  Rpc.make("Quit"),
  Rpc.make("Incarnation", { success: Schema.Int })
])

const worker = Worker.behavior(
  Effect.map(Actor.Context, ({ incarnation }) => ({
    Break: () => Effect.die(new Error("broken")),
    Hang: () => Effect.never,
    Quit: () => Effect.interrupt,
    Incarnation: () => Effect.succeed(incarnation)
  }))
)

const system = ActorSystem.layer({ name: "works", node: "one" })
const inSystem = <A, E>(effect: Effect.Effect<A, E, ActorSystem.ActorSystem>) =>
  effect.pipe(Effect.provide(system), Effect.provide(Memory.layer))

describe("ActorSystem", () => {
  it.effect("S6 restarts an actor although the logger throws", () => {
    let lines = 0
    const broken = Logger.make(() => {
      lines += 1
      throw new Error("disk full")
    })
    return Effect.gen(function* () {
      const ref = yield* (yield* ActorSystem.ActorSystem).spawn("worker", worker)
      yield* ref.tell.Break()
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* ref.ask.Incarnation(), 2)
      assert.isAbove(lines, 0)
    }).pipe(inSystem, Effect.provide(Logger.layer([broken])))
  })

  it.effect("S6 takes a handler that interrupts itself for a crash, and tells the asker so", () =>
    Effect.gen(function* () {
      const ref = yield* (yield* ActorSystem.ActorSystem).spawn("worker", worker)
      const error = yield* Effect.flip(ref.ask.Quit())
      assert.strictEqual(error.reason._tag, "CalleeCrashed")
      assert.match(error.message, /it interrupted itself/)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* ref.ask.Incarnation(), 2)
    }).pipe(inSystem)
  )

  it.effect("S4 an unsafe ask of an idle actor ends before it returns, where asks are handed over", () =>
    Effect.gen(function* () {
      const ref = yield* (yield* ActorSystem.ActorSystem).spawn("worker", worker)
      const ends: Array<unknown> = []
      ref.askUnsafe.Incarnation(undefined, (exit) => ends.push(exit))
      assert.deepStrictEqual(ends, [Exit.succeed(1)])
    }).pipe(inSystem)
  )

  it.effect("S5 a lane of urgent messages that is never empty gives back what was taken from it", () => {
    setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    const used = () => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const Busy = Actor.make("Busy", [
      Rpc.make("Pass", { payload: { n: Schema.Int } }).annotate(Protocol.Urgent, true),
      Rpc.make("Queued", { success: Schema.Int })
    ])
    const heap: Array<number> = []
    const busy = Busy.behavior(
      Effect.map(Busy.self, (self) => ({
        // Two of them, each of which puts another in line.
        Pass: ({ n }) => {
          if (n === 1000 || n === 301_000) heap.push(used())
          if (n < 301_000) self.tellUnsafe.Pass({ n: n + 1 })
          return Effect.void
        },
        Queued: () => Effect.succeed(heap.length)
      }))
    )
    return Effect.gen(function* () {
      const ref = yield* (yield* ActorSystem.ActorSystem).spawn("busy", busy)
      for (const n of [0, 0]) yield* ref.tell.Pass({ n })
      const ended = yield* Effect.forkChild(ref.ask.Queued(), { startImmediately: true })
      while (ended.pollUnsafe() === undefined) yield* Effect.yieldNow
      assert.strictEqual(heap.length, 4)
      assert.isBelow(heap[2]! - heap[1]!, 2_000_000)
    }).pipe(inSystem)
  })

  it.effect("S8 a stop's deadline is for the descendants too, all together", () =>
    Effect.gen(function* () {
      const Parent = Actor.make("Parent", [
        Rpc.make("Children", { success: Schema.Array(ActorRef.schema(...Worker.rpcs)) })
      ])
      const parent = Parent.behavior(
        Effect.gen(function* () {
          const { spawn } = yield* Actor.Context
          const children = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => spawn(`worker-${n}`, worker))
          return { Children: () => Effect.succeed(children) }
        })
      )
      const here = yield* ActorSystem.ActorSystem
      const ref = yield* here.spawn("parent", parent)
      for (const child of yield* ref.ask.Children()) yield* child.tell.Hang()
      const stop = yield* Effect.forkChild(ref.stop({ deadline: "300 millis" }), { startImmediately: true })
      // The stop reaches the first child, and waits for it, before time moves.
      while ((yield* here.tree)[0]!.children[4]!.state !== "stopping") yield* Effect.yieldNow
      yield* Effect.yieldNow
      yield* TestClock.adjust("299 millis")
      assert.isUndefined(stop.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(stop)
    }).pipe(inSystem)
  )

  it.effect("refuses a name that is none with a StartError that says what a name is", () =>
    Effect.gen(function* () {
      const here = yield* ActorSystem.ActorSystem
      for (const name of ["", "a b", "a/b", "a#b", "$a", "a\u0000", "x".repeat(256)]) {
        const error = yield* Effect.flip(here.spawn(name, worker))
        assert.strictEqual(error.reason, "InvalidName")
        assert.match(error.message, /expected a name of 1 to 255 characters/)
      }
    }).pipe(inSystem)
  )

  it.effect("prints itself and its refs in one line", () =>
    Effect.gen(function* () {
      const here = yield* ActorSystem.ActorSystem
      const ref = yield* here.spawn("worker", worker)
      assert.strictEqual(
        inspect(ref),
        `ActorRef(works/node/one/${here.id.generation}/worker#${String(ref).split("#")[1]})`
      )
      assert.strictEqual(inspect(here), `ActorSystem(works/node/one/${here.id.generation})`)
    }).pipe(inSystem)
  )

  it.effect("shows the tree of its actors with what each is doing", () =>
    Effect.gen(function* () {
      const here = yield* ActorSystem.ActorSystem
      const ref = yield* here.spawn("worker", worker)
      yield* here.spawn("other", worker)
      yield* ref.tell.Hang()
      yield* ref.tell.Hang()
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      const idle = { actor: "Worker", incarnation: 1, restarts: 0, queued: 0, children: [] }
      assert.deepStrictEqual(yield* here.tree, [
        { ...idle, path: "worker", state: "busy", queued: 1 },
        { ...idle, path: "other", state: "idle" }
      ])
      yield* ref.kill
    }).pipe(inSystem)
  )

  it.effect("two sibling Memory layers are two networks", () =>
    Effect.gen(function* () {
      const spawned = Effect.gen(function* () {
        const here = yield* ActorSystem.make({ name: "works", node: "a" })
        yield* here.spawn("worker", worker)
        return yield* Effect.never
      }).pipe(Effect.scoped, Effect.provide(Memory.layer))
      const fiber = yield* Effect.forkChild(spawned, { startImmediately: true })
      const lookup = Effect.gen(function* () {
        const here = yield* ActorSystem.make({ name: "works", node: "b" })
        return yield* Effect.flip(here.lookup(Worker, "worker"))
      }).pipe(Effect.scoped, Effect.provide(Memory.layer))
      assert.strictEqual((yield* lookup).reason._tag, "NoSuchActor")
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("S9 without a ledger of its own counts nothing", () =>
    Effect.gen(function* () {
      const here = yield* ActorSystem.ActorSystem
      assert.isFalse(here.ledger.enabled)
      const snapshot: Ledger.Snapshot = yield* here.ledger.snapshot
      assert.strictEqual(snapshot.accepted, 0)
    }).pipe(inSystem)
  )
})
