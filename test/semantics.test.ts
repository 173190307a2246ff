/** docs/semantics.md names every law under its clause, and no other. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Contract } from "troupe/testing"

describe("docs/semantics.md", () => {
  const sections = readFileSync("docs/semantics.md", "utf8").split(/^## /m).slice(1)

  for (const section of sections) {
    const clause = section.slice(0, section.search(/\s/))
    it(`${clause} names its laws`, () => {
      const named = [...(section.split("\nLaws:\n")[1] ?? "").matchAll(/^- (.*)$/gm)].map((match) => match[1])
      const laws = new Set(Contract.laws.filter((law) => law.clause === clause).map((law) => law.name))
      assert.deepStrictEqual(named, [...laws])
    })
  }

  it("has every clause that a law names", () => {
    const clauses = sections.map((section) => section.slice(0, section.search(/\s/)))
    assert.deepStrictEqual(
      [...new Set(Contract.laws.map((law) => law.clause))].filter((clause) => !clauses.includes(clause)),
      []
    )
  })
})
