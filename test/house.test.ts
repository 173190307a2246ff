/** The rules of the house that no tool checks. Import direction, cycles and format are the linter's. */
import { existsSync, globSync, readFileSync } from "node:fs"
import { basename } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const read = (path: string) => readFileSync(path, "utf8")
const manifest = JSON.parse(read("package.json"))
const sources = globSync("{core,transports,actors,testing,gateways,cli,examples,test,bench,.ci}/**/*.{ts,mts,mjs,js}")

/** Blanks out comments and keeps the lines where they are. A `//` inside a string that follows a `:` is an address. */
const withoutComments = (source: string) =>
  source.replaceAll(/\/\*.*?\*\//gs, (comment) => comment.replaceAll(/[^\n]/g, " ")).replaceAll(/(?<!:)\/\/.*$/gm, "")

const linesWith = (pattern: RegExp, paths: ReadonlyArray<string>, prepare = (source: string) => source) =>
  paths.flatMap((path) =>
    prepare(read(path))
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : []))
  )

describe("The house", () => {
  it("takes time, chance and scheduling from Effect, except where the scheduler itself is made", () => {
    const own = sources.filter((path) => /^(core|actors|testing)\//.test(path) && path !== "core/Runtime.ts")
    const banned =
      /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.now\b|\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bnextTick\b|\bnew Promise\b|(?<![.\w"])(async|await)\s/
    assert.deepStrictEqual(linesWith(banned, own, withoutComments), [])
  })

  it("names a file by the one concept in it", () => {
    const vague = /^(utils?|types?|common|helpers?|constants?|misc|shared)(\.[a-z]+)?$/i
    assert.deepStrictEqual(
      sources.filter((path) => path.split("/").some((part) => vague.test(part))),
      []
    )
    const modules = sources.filter((path) => /^(core|transports|actors|testing|gateways)\//.test(path))
    assert.deepStrictEqual(
      modules.filter((path) => !/^([A-Z][A-Za-z]*|index)\.ts$/.test(basename(path))),
      []
    )
  })

  it("leaves nothing to do later", () => {
    const later = /TO[D]O|FIX[M]E/
    assert.deepStrictEqual(linesWith(later, [...sources, ...globSync(["*.md", "docs/**/*.md"])]), [])
  })
})

describe("The package", () => {
  it("pins the version of every dependency but its peers", () => {
    const dependencies = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies }
    const loose = Object.entries(dependencies).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(version))
    )
    assert.deepStrictEqual(loose, [])
  })

  it("is locked without the address of a registry", () => {
    assert.notMatch(read("package-lock.json"), /"resolved"/)
  })

  it("exports what exists, and builds it to where the export says", () => {
    const wrong = Object.entries<string | Record<string, string>>(manifest.exports).flatMap(([name, target]) => {
      if (typeof target === "string") return existsSync(target) ? [] : [`${name}: there is no ${target}`]
      const source = target["@troupe/source"] ?? "@troupe/source"
      const built = `./dist/${source.slice(2, -3)}`
      const right = { "@troupe/source": source, types: `${built}.d.ts`, default: `${built}.js` }
      if (!existsSync(source)) return [`${name}: there is no ${source}`]
      return JSON.stringify(target) === JSON.stringify(right) ? [] : [`${name}: expected ${JSON.stringify(right)}`]
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("publishes the folders of its exports", () => {
    const folders = new Set(
      Object.values<string | Record<string, string>>(manifest.exports).flatMap((target) =>
        typeof target === "string" ? [] : [target["@troupe/source"]!.split("/")[1]!]
      )
    )
    assert.deepStrictEqual(
      [...folders].filter((folder) => !manifest.files.includes(folder)),
      []
    )
  })
})
