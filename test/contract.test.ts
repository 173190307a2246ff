/**
 * The contract on the in-memory transport.
 *
 * Every law runs under a test clock: encoded, the way users have it; without the hand-off of asks to idle actors, so that
 * both ways through the mailbox are proven; and, for actors of one node, by reference.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
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
