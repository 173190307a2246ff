/**
 * The contract on the in-memory transport.
 *
 * Every law runs under a test clock: encoded, the way users have it; for actors of one node also by reference; and again
 * on the other ways a message can take: without the hand-off of asks to idle actors, and without a ledger.
 */
import { globSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Random, Scheduler, Schema, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { Actor, ActorSystem } from "troupe"
import { Contract } from "troupe/testing"
import { Memory } from "troupe/transports/Memory"

const time = { elapse: TestClock.adjust }

const run = (name: string, selection: Contract.Selection, handOff = true) => {
  describe(`Memory keeps the contract, ${name}`, () => {
    for (const { law, skip } of Contract.select(selection)) {
      const test = skip === undefined ? it.effect : it.effect.skip
      test(
        Contract.title(law, skip),
        () =>
          law.effect.pipe(
            Effect.provideService(Contract.Local, selection.local ?? "encoded"),
            Effect.provideService(Contract.Counting, selection.counting ?? true),
            Effect.provideService(Contract.HandOff, handOff),
            Effect.provideService(Contract.Time, time),
            Effect.provide(Memory.layer)
          ),
        10_000
      )
    }
  })
}

run("encoded", {})
run("by reference", { local: "by-reference", placements: ["one node"] })
run("through the mailbox", { placements: ["one node", "three nodes"] }, false)
run("by reference, through the mailbox", { local: "by-reference", placements: ["one node"] }, false)
run("without a ledger", { counting: false, placements: ["one node", "two nodes"] })
run("by reference, without a ledger", { counting: false, local: "by-reference", placements: ["one node"] })

describe("Memory with a limit", () => {
  for (const { law } of Contract.select({ placements: ["frames"] })) {
    it.effect(Contract.title(law), () => Effect.provide(law.effect, Memory.layerWith({ maxFrameBytes: 4096 })))
  }
})

describe("under a test clock", () => {
  it.effect("S14 nothing moves by itself, and everything moves when the clock does", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const note = (entry: string) => Effect.sync(() => void log.push(entry))
      const Timed = Actor.make("Timed", [
        Rpc.make("Sleep", { success: Schema.String }),
        Rpc.make("Crash"),
        Rpc.make("Never")
      ])
      const timed = Timed.behavior(
        Effect.gen(function* () {
          const { incarnation } = yield* Actor.Context
          yield* note(`init ${incarnation}`)
          return {
            Sleep: () => Effect.as(Effect.sleep("1 second"), "slept"),
            Crash: () => Effect.die(new Error("on purpose")),
            Never: () => Effect.never
          }
        })
      )
      const a = yield* ActorSystem.make({ name: "still", node: "a" })
      const b = yield* ActorSystem.make({ name: "still", node: "b" })
      for (const path of ["sleeper", "crasher", "stuck"]) yield* a.spawn(path, timed)
      const [sleeper, crasher, stuck] = yield* Effect.forEach(["sleeper", "crasher", "stuck"], (path) =>
        b.lookup(Timed, path)
      )
      log.length = 0
      const asks = yield* Effect.forEach(
        [
          Effect.tap(sleeper!.ask.Sleep(), note),
          Effect.tap(Effect.exit(stuck!.ask.Never()), () => note("timed out")),
          Effect.tap(Effect.exit(b.lookup(Timed, "none", { at: { node: "nowhere" } })), () => note("found nobody"))
        ],
        (effect) => Effect.forkChild(effect, { startImmediately: true })
      )
      yield* Effect.exit(crasher!.ask.Crash())
      // Real time passes.
      yield* TestClock.withLive(Effect.sleep("400 millis"))
      assert.deepStrictEqual(log, [])
      yield* TestClock.adjust("125 millis")
      assert.deepStrictEqual(log, ["init 2"])
      yield* TestClock.withLive(Effect.sleep("50 millis"))
      yield* TestClock.adjust("870 millis")
      assert.deepStrictEqual(log, ["init 2"])
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(log, ["init 2", "slept"])
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual([...log].sort(), ["found nobody", "init 2", "slept", "timed out"])
      for (const ask of asks) yield* Fiber.join(ask)
      yield* stuck!.kill
    }).pipe(Effect.scoped, Effect.provide(Memory.layer), Contract.silently)
  )

  it.effect("S14 randomness is Effect's: a seed decides generations and backoffs", () =>
    Effect.gen(function* () {
      const Crasher = Actor.make("Crasher", [Rpc.make("Crash")])
      const crasher = Crasher.behavior({ Crash: () => Effect.die(new Error("on purpose")) })
      const run = Effect.gen(function* () {
        const system = yield* ActorSystem.make({ name: "seeded" })
        const ref = yield* system.spawn("crasher", crasher)
        const began = yield* Clock.currentTimeMillis
        const restarted = yield* Effect.forkChild(
          Effect.andThen(
            Stream.runHead(Stream.filter(system.events, ({ _tag }) => _tag === "ActorRestarted")),
            Clock.currentTimeMillis
          ),
          { startImmediately: true }
        )
        yield* Effect.exit(ref.ask.Crash())
        for (let step = 0; step < 150; step++) yield* TestClock.adjust(1)
        return [system.id.generation, (yield* Fiber.join(restarted)) - began]
      }).pipe(Effect.scoped, Effect.provide(Memory.layer), Contract.silently)
      const one = yield* Random.withSeed(run, "one")
      assert.deepStrictEqual(yield* Random.withSeed(run, "one"), one)
      assert.notDeepEqual(yield* Random.withSeed(run, "two"), one)
    })
  )

  it.effect("S14 scheduling is Effect's Scheduler's: nothing is handled before it says so", () =>
    Effect.gen(function* () {
      const tasks: Array<() => void> = []
      const held: Scheduler.Scheduler = {
        executionMode: "async",
        shouldYield: () => false,
        makeDispatcher: () => ({
          scheduleTask: (task) => {
            tasks.push(task)
          },
          flush: () => {}
        })
      }
      const runAll = () => {
        for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) task()
      }
      const handled: Array<number> = []
      const Sink = Actor.make("Sink", [Rpc.make("Put", { payload: { n: Schema.Int } })])
      const sink = Sink.behavior({ Put: ({ n }) => Effect.sync(() => void handled.push(n)) })
      const system = yield* Effect.provideService(ActorSystem.make({ name: "held" }), Scheduler.Scheduler, held)
      const ref = yield* system.spawn("sink", sink)
      for (const n of [1, 2, 3]) yield* ref.tell.Put({ n })
      yield* TestClock.withLive(Effect.sleep("30 millis"))
      assert.deepStrictEqual(handled, [])
      runAll()
      assert.deepStrictEqual(handled, [1, 2, 3])
      yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            Effect.sync(() => runAll()),
            Effect.yieldNow
          )
        ),
        { startImmediately: true }
      )
      yield* ref.kill
    }).pipe(Effect.scoped, Effect.provide(Memory.layer))
  )

  it("S14 nothing but the process entry names a clock, a scheduler or a random source of its own", () => {
    const own =
      /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|process\.(nextTick|hrtime)|set(Timeout|Immediate|Interval)|queueMicrotask|new Promise|async )/
    const files = globSync("{core,actors,testing}/*.ts").filter((file) => !file.endsWith("Runtime.ts"))
    assert.isAbove(files.length, 20)
    const found = [...files, "transports/Memory.ts"].flatMap((file) =>
      readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line) && own.test(line))
        .map((line) => `${file}: ${line.trim()}`)
    )
    assert.deepStrictEqual(found, [])
  })

  it.effect("S13 two sibling layers are two networks, and one layer outside is one", () =>
    Effect.gen(function* () {
      const Here = Actor.make("Here", [])
      const alone = ActorSystem.make({ name: "net", node: "a" }).pipe(Effect.provide(Memory.layer))
      const other = ActorSystem.make({ name: "net", node: "b" }).pipe(Effect.provide(Memory.layer))
      const [a, b] = [yield* alone, yield* other]
      yield* a.spawn("here", Here.behavior({}))
      const error = yield* Effect.flip(b.lookup(Here, "here"))
      assert.strictEqual(error.reason._tag, "NoSuchActor")
    }).pipe(Effect.scoped)
  )
})

describe("the kit", () => {
  it("names a deviation's reason in the title of the law that is left out", () => {
    const name = "an actor handles one message at a time, asynchronous handlers included"
    const selected = Contract.select({ skip: [{ reason: "it cannot", laws: [name] }] })
    const left = selected.filter(({ skip }) => skip !== undefined)
    assert.deepStrictEqual(
      left.map(({ law, skip }) => Contract.title(law, skip)),
      ["one node", "two nodes"].map((placement) => `S1 ${name}, ${placement} (skipped: it cannot)`)
    )
  })

  it("leaves out the laws that need what a carrier does not provide", () => {
    const selected = Contract.select({ provides: ["names"], slow: false })
    for (const { law, skip } of selected) {
      const possible = law.needs.every((need) => need === "names") && !law.slow
      assert.strictEqual(skip === undefined, possible, law.name)
    }
  })

  it("refuses a deviation that names no law", () => {
    assert.throws(
      () => Contract.select({ skip: [{ reason: "none", laws: ["no such law"] }] }),
      /expected `skip` to name laws/
    )
  })

  it("has one law of each name and placement", () => {
    const titles = Contract.laws.map((law) => Contract.title(law))
    assert.strictEqual(new Set(titles).size, titles.length)
  })
})
