/** The contract on the in-memory transport, under a test clock: nothing moves by itself. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Contract } from "troupe/testing"
import { Memory } from "troupe/transports/Memory"

const time = { elapse: TestClock.adjust }

const run = (name: string, selection: Contract.Selection) => {
  describe(`Memory keeps the contract, ${name}`, () => {
    for (const { law, skip } of Contract.select(selection)) {
      const test = skip === undefined ? it.effect : it.effect.skip
      test(
        Contract.title(law, skip),
        () =>
          law.effect.pipe(
            Effect.provideService(Contract.Local, selection.local ?? "encoded"),
            Effect.provideService(Contract.Time, time),
            Effect.provide(Memory.layer)
          ),
        5000
      )
    }
  })
}

run("encoded", {})
run("by reference", { local: "by-reference", placements: ["one node"] })
