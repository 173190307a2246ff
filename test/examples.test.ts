/**
 * The documentation runs.
 *
 * - Every example prints exactly what its `// =>` lines say.
 * - Every `ts` fence in the README, the guides and the doc comments is a verbatim slice of an example, whole lines of it.
 *
 * A fence that is no example (shell, a diagram, "not like this") has another info string.
 */
import { execFile } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"

const read = (path: string) => readFileSync(path, "utf8")
const examples = globSync("examples/*.ts").sort()
/** Prints what is never twice the same; it has a test of its own. */
const measured = "examples/checksum.ts"

describe("examples", () => {
  const printing = examples.filter((path) => path !== measured)

  for (const path of printing) {
    it.concurrent(`${path} prints what it says`, async () => {
      const expected = [...read(path).matchAll(/^ *\/\/ => (.*)$/gm)].map((match) => match[1])
      const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=@troupe/source", path])
      assert.deepStrictEqual(stdout.trimEnd().split("\n"), expected)
    })
  }

  it("say first what they show, and are short", () => {
    for (const path of printing) {
      assert.match(read(path), /^\/\/ [^=]/, path)
      assert.isAtMost(read(path).trimEnd().split("\n").length, 55, path)
    }
  })
})

describe("documentation", () => {
  const code = `\n${examples.map(read).join("\n")}\n`
  const isSlice = (fence: string) =>
    [0, 2, 4, 6].some((indent) => code.includes(`\n${fence.replaceAll(/^(?=.)/gm, " ".repeat(indent))}\n`))

  /** A page as Markdown: itself, or the doc comments of a source file. */
  const markdownOf = (path: string) =>
    path.endsWith(".md")
      ? read(path)
      : [...read(path).matchAll(/\/\*\*.*?\*\//gs)].map(([comment]) => comment.replaceAll(/^ *\* ?/gm, "")).join("\n")

  const fencesOf = (markdown: string) =>
    [...markdown.matchAll(/^( *)```ts *\n(.*?)^\1```/gms)].map((match) =>
      match[2]!.replaceAll(new RegExp(`^${match[1]}`, "gm"), "").trimEnd()
    )

  it("shows no code but slices of the examples", () => {
    const pages = globSync(["*.md", "docs/**/*.md", "{core,transports,actors,testing,gateways,cli}/**/*.ts"]).sort()
    const strays = pages.flatMap((page) =>
      fencesOf(markdownOf(page)).flatMap((fence, index) => {
        if (isSlice(fence)) return []
        const odd = fence.split("\n").find((line) => !code.includes(line.trim())) ?? "its lines are not together"
        return [`${page}, fence ${index + 1}: ${odd.trim()}`]
      })
    )
    assert.deepStrictEqual(strays, [])
  })
})
