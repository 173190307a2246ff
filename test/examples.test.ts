/**
 * The documentation runs.
 *
 * - Every example prints exactly what its `// =>` lines say.
 * - Every `ts` fence in the README, the guides and the doc comments is a verbatim slice of an example, whole lines of it.
 *
 * A fence that is no example (shell, a diagram, "not like this") has another info string.
 */
import { exec, execFile } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"

const read = (path: string) => readFileSync(path, "utf8")
const examples = globSync("examples/*.ts").sort()
/** What the `troupe` command runs; they print nothing by themselves. */
const modules = globSync("examples/tasks/*.ts").sort()
/** Prints what is never twice the same; it has a test of its own. */
const measured = "examples/checksum.ts"

/** What a program prints that ends by itself, within the test's time, with exit code 0. */
const output = async (...program: ReadonlyArray<string>) => {
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=@troupe/source", ...program])
  return stdout.trimEnd().split("\n")
}

describe("examples", () => {
  for (const path of examples.filter((path) => path !== measured)) {
    it.concurrent(`${path} prints what it says`, async () => {
      const expected = [...read(path).matchAll(/^ *\/\/ => (.*)$/gm)].map((match) => match[1])
      assert.deepStrictEqual(await output(path), expected)
    })
  }

  it.concurrent("examples/pike.ts ends by itself, with every result once, and says the same again for the same seed", async () => {
    const pike = (seed: string) => output("examples/pike.ts", seed)
    const [one, again, other] = await Promise.all([pike("1"), pike("1"), pike("2")])
    assert.deepStrictEqual(again, one)
    assert.notDeepEqual(other, one)
    for (const lines of [one, other]) {
      const results = lines.flatMap((line) => line.match(/^\{\d+ \d+\}/) ?? []).sort()
      assert.deepStrictEqual(
        results,
        Array.from({ length: 10 }, (_, id) => `{${id} ${(100 + id) ** 2}}`)
      )
    }
  })

  it("say first what they show, and are short where they are to be read in order", () => {
    for (const path of [...examples, ...modules]) {
      assert.match(read(path), /^\/\/ [^=]/, path)
      const longest = /^examples.0/.test(path) ? 55 : 200
      assert.isAtMost(read(path).trimEnd().split("\n").length, longest, path)
    }
  })
})

describe("documentation", () => {
  const code = `\n${[...examples, ...modules].map(read).join("\n")}\n`
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

  it("shows what `troupe run` prints", async () => {
    const [, command = "", printed] =
      read("README.md").match(/```sh\n(npm run -s troupe .*)\n```\n\n```\n(.*?)```/s) ?? []
    // One of its tasks fails, and with it the run.
    const { code, stdout } = await promisify(exec)(command).catch((error) => error)
    assert.deepStrictEqual({ code, stdout }, { code: 1, stdout: printed })
  })

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
