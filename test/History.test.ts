/** The checker of histories: what it finds, and what it lets pass. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { History, Simulation } from "troupe/testing"

type Step = (history: History.History) => Effect.Effect<void>
const sent =
  (id: number, key?: string): Step =>
  (history) =>
    history.sent(id, key === undefined ? {} : { key })
const handled =
  (id: number, by?: string): Step =>
  (history) =>
    history.handled(id, by)
const acquired =
  (holder: string, name = "leader"): Step =>
  (history) =>
    history.acquired(name, holder)
const released =
  (holder: string, name = "leader"): Step =>
  (history) =>
    history.released(name, holder)

const check = (rules: History.Rules, ...steps: ReadonlyArray<Step>) => {
  const history = History.make()
  const result = Simulation.run(
    "1",
    Effect.forEach(steps, (step) => Effect.andThen(Effect.sleep("1 milli"), step(history)))
  )
  assert.isTrue(Exit.isSuccess(result.exit), String(result.exit))
  return history.check(rules)
}

describe("a history", () => {
  it("finds a message that was handled and never sent, under every rule", () => {
    assert.deepStrictEqual(check({}, handled(1, "a")), ["message 1, handled at 1 ms by a, was never sent"])
  })

  it("finds a message that was handled twice, where it may be once", () => {
    const steps = [sent(1), handled(1, "a"), handled(1, "b")]
    const expected = ["message 1, handled at 2 ms by a, was handled again at 3 ms by b"]
    assert.deepStrictEqual(check({ delivery: "atMostOnce" }, ...steps), expected)
    assert.deepStrictEqual(check({ delivery: "exactlyOnce" }, ...steps), expected)
    assert.deepStrictEqual(check({ delivery: "atLeastOnce" }, ...steps), [])
    assert.deepStrictEqual(check({}, ...steps), [])
  })

  it("finds a message that was never handled, where it must be", () => {
    const steps = [sent(1), sent(2), handled(2)]
    assert.deepStrictEqual(check({ delivery: "atLeastOnce" }, ...steps), ["message 1 was never handled"])
    assert.deepStrictEqual(check({ delivery: "exactlyOnce" }, ...steps), ["message 1 was never handled"])
    assert.deepStrictEqual(check({ delivery: "atMostOnce" }, ...steps), [])
  })

  it("finds messages of one key out of order, and no others", () => {
    const send = [sent(1, "k"), sent(2, "k"), sent(3, "l"), sent(4), sent(5, "k")]
    const of = (...ids: ReadonlyArray<number>) => check({ order: "perKey" }, ...send, ...ids.map((id) => handled(id)))
    assert.deepStrictEqual(of(1, 2, 3, 4, 5), [])
    assert.deepStrictEqual(of(3, 4, 1, 5), [])
    assert.deepStrictEqual(of(1, 2, 1, 5), [])
    assert.deepStrictEqual(of(2, 1, 5), ["message 1 of k was handled at 7 ms, after 2, which was sent later"])
    assert.deepStrictEqual(of(5, 1, 2), [
      "message 1 of k was handled at 7 ms, after 5, which was sent later",
      "message 2 of k was handled at 8 ms, after 5, which was sent later"
    ])
  })

  it("finds a second holder of a name", () => {
    const rules = { holders: "atMostOne" } as const
    assert.deepStrictEqual(check(rules, acquired("a"), released("a"), acquired("b")), [])
    assert.deepStrictEqual(check(rules, acquired("a"), acquired("a"), acquired("b", "other")), [])
    assert.deepStrictEqual(check(rules, acquired("a"), acquired("b"), released("a"), acquired("c")), [
      "b got leader at 2 ms, while a had it",
      "c got leader at 4 ms, while b had it"
    ])
  })

  it("fails a scenario that breaks its rules, and stands in its trace", () => {
    const result = Simulation.run(
      "1",
      Effect.gen(function* () {
        const history = History.make()
        yield* history.sent(1, { key: "k" })
        yield* history.verify({ delivery: "atMostOnce" })
        yield* history.verify({ delivery: "atLeastOnce" })
      })
    )
    assert.match(String(result.exit), /The history breaks its rules: message 1 was never handled\./)
    assert.match(result.trace[0]!, /scenario: sent 1 of k$/)
  })
})
