/**
 * `npm start`, as a person runs it: in a process of its own, against what this file computes by itself.
 *
 * Each run is a process group of its own, and says on stderr when its event loop is empty: it held nothing open, listened
 * to nothing, and nobody had to end it.
 */
import { execFileSync, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"

const emptyLoop = `data:text/javascript,process.on("beforeExit",()=>console.error("the event loop is empty"))`

interface Run {
  readonly code: number | null
  readonly stdout: ReadonlyArray<string>
  readonly stderr: ReadonlyArray<string>
  /** Whether a process of its group is left. */
  readonly remains: boolean
}

const exists = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const run = (args: ReadonlyArray<string>, hook = emptyLoop): Promise<Run> =>
  new Promise((resolve, reject) => {
    const flags = ["--conditions=@troupe/source", "--import", hook, "examples/checksum.ts"]
    const child = spawn(process.execPath, [...flags, ...args], { detached: true, stdio: ["ignore", "pipe", "pipe"] })
    const text = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (part) => (text[name] += part))
    child.on("error", reject)
    child.on("close", (code) => {
      const lines = (all: string) => all.trimEnd().split("\n")
      resolve({ code, stdout: lines(text.stdout), stderr: lines(text.stderr), remains: exists(-child.pid!) })
    })
  })

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Every file below `root`, by its path from there. */
const filesOf = (root: string, folder = ""): Map<string, Buffer> =>
  new Map(
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry): Array<[string, Buffer]> => {
      const path = folder + entry.name
      if (entry.isDirectory()) return [...filesOf(root, `${path}/`)]
      return entry.isFile() ? [[path, readFileSync(join(root, path))]] : []
    })
  )

const lastLine = (files: ReadonlyMap<string, Buffer>, failed: number) => {
  const bytes = [...files.values()].reduce((sum, { length }) => sum + length, 0)
  const lines = [...files].map(([path, content]) => Buffer.from(`${sha256(content)}  ${path}\n`))
  const digest = sha256(Buffer.concat(lines.sort(Buffer.compare)))
  return `done: ${files.size} files, ${bytes} bytes, ${failed} failed, digest ${digest}`
}

const linesOf = (content: Buffer) => content.toString("latin1").split("\n").length - 1

/** The rows of the table under a heading, without those of its head. */
const table = (stdout: ReadonlyArray<string>, heading: string) => {
  const first = stdout.findIndex((line) => line.startsWith(heading)) + 2
  const rows = stdout.slice(first, stdout.indexOf("", first))
  return rows.map((row) =>
    row
      .trim()
      .split(/ {2,}/)
      .map((cell) => cell.replaceAll(",", ""))
  )
}

const temporary: Array<string> = []
const folder = () => {
  const path = mkdtempSync(join(tmpdir(), "troupe-start-"))
  temporary.push(path)
  return path
}
afterAll(() => {
  for (const path of temporary) rmSync(path, { recursive: true })
})

describe("npm start", () => {
  it("reads every file of the effect package, and ends by itself", async () => {
    const files = filesOf(dirname(createRequire(import.meta.url).resolve("effect/package.json")))
    const { code, remains, stderr, stdout } = await run([])
    assert.strictEqual(stdout.at(-1), lastLine(files, 0))
    assert.deepStrictEqual({ code, remains, stderr }, { code: 0, remains: false, stderr: ["the event loop is empty"] })

    const largest = table(stdout, "The largest files")
    const expected = [...files].sort(([, a], [, b]) => b.length - a.length).slice(0, 10)
    assert.deepStrictEqual(
      largest.map(([bytes, lines, path]) => ({ bytes, lines, path })),
      expected.map(([path, content]) => ({ bytes: String(content.length), lines: String(linesOf(content)), path }))
    )

    const shares = table(stdout, "Each worker's share")
    const workers = shares.map(([, , worker]) => worker)
    assert.deepStrictEqual(workers, [
      "checksums-worker-1",
      "checksums-worker-2",
      "checksums-worker-3",
      "checksums-worker-4"
    ])
    assert.strictEqual(
      shares.reduce((sum, [count]) => sum + Number(count), 0),
      files.size
    )
    // Least outstanding: nobody is left without work, nobody does it all.
    for (const [count] of shares) assert.isAbove(Number(count), files.size / 10)
  })

  it("reads what lies deep, is empty, ends without a newline, or has an odd name, and follows no links", async () => {
    const root = folder()
    mkdirSync(join(root, "a/b c"), { recursive: true })
    mkdirSync(join(root, "nothing"))
    writeFileSync(join(root, "empty"), "")
    writeFileSync(join(root, "a/b c/no newline"), "one\ntwo")
    // In this order by their bytes, in the other by their UTF-16 code units.
    writeFileSync(join(root, "a/🎭"), "same")
    writeFileSync(join(root, "a/\u{ff5e}"), "same")
    writeFileSync(join(root, "large"), Buffer.alloc(5_000_000, "line\n"))
    const files = filesOf(root)
    symlinkSync("large", join(root, "link to a file"))
    symlinkSync("a", join(root, "link to a folder"))
    symlinkSync("nowhere", join(root, "dangling link"))
    const { code, stderr, stdout } = await run([root])
    assert.strictEqual(files.size, 5)
    assert.strictEqual(stdout.at(-1), lastLine(files, 0))
    assert.deepStrictEqual(table(stdout, "The largest files")[0], ["5000000", "1000000", "large"])
    assert.deepStrictEqual(stderr, ["the event loop is empty"])
    assert.strictEqual(code, 0)
  })

  it("has nothing to say of an empty folder but that it is done", async () => {
    const root = folder()
    const { code, stdout } = await run([root])
    assert.deepStrictEqual(stdout, [root, "", lastLine(new Map(), 0)])
    assert.strictEqual(code, 0)
  })

  // Only on Linux may a name be no UTF-8. It is listed with a replacement character, and nothing has the name so listed: to the
  // program the file, or folder, has vanished since, whoever runs it.
  it.runIf(process.platform === "linux")("counts what has vanished as failed, and reads the others", async () => {
    const root = folder()
    for (let n = 0; n < 100; n++) writeFileSync(join(root, `file ${n}`), `content ${n}`)
    const files = filesOf(root)
    writeFileSync(Buffer.concat([Buffer.from(`${root}/gone `), Buffer.of(0xff)]), "unseen")
    mkdirSync(Buffer.concat([Buffer.from(`${root}/gone folder `), Buffer.of(0xff)]))
    const { code, stderr, stdout } = await run([root])
    assert.strictEqual(stdout.at(-1), lastLine(files, 2))
    const failed = (path: string, call: string) =>
      `failed: ${path}: ENOENT: no such file or directory, ${call} '${root}/${path}'`
    assert.deepStrictEqual(stderr, [
      failed("gone folder \u{fffd}", "scandir"),
      failed("gone \u{fffd}", "open"),
      "the event loop is empty"
    ])
    assert.strictEqual(code, 1)
  })

  it("says which folder it cannot read, and why", async () => {
    const root = folder()
    writeFileSync(join(root, "file"), "")
    for (const [path, reason] of [
      [join(root, "missing"), "ENOENT: no such file or directory"],
      [join(root, "file"), "ENOTDIR: not a directory"]
    ] as const) {
      const { code, stderr, stdout } = await run([path])
      assert.deepStrictEqual(stderr, [
        `The folder cannot be read: ${reason}, scandir '${path}'. Name one that can: npm start -- FOLDER`,
        "the event loop is empty"
      ])
      assert.deepStrictEqual(stdout, [""])
      assert.strictEqual(code, 1)
    }
  })

  it("stops at Ctrl-C with its work half done, quietly and soon", async () => {
    const root = folder()
    for (let n = 0; n < 32; n++) {
      writeFileSync(join(root, `file ${n}`), "")
      truncateSync(join(root, `file ${n}`), 2 ** 32)
    }
    const script = `const wait = setInterval(() => {
      if (process.listenerCount("SIGINT") === 0) return
      clearInterval(wait)
      setTimeout(() => process.kill(process.pid, "SIGINT"), 300)
    }, 10)`
    const began = performance.now()
    const { code, remains, stderr, stdout } = await run([root], `data:text/javascript,${encodeURIComponent(script)}`)
    assert.strictEqual(code, 130)
    assert.deepStrictEqual({ remains, stdout, stderr }, { remains: false, stdout: [""], stderr: [""] })
    assert.isBelow(performance.now() - began, 10_000)
  })

  it("is what package.json says it is", () => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8"))
    assert.strictEqual(scripts.start, "node --conditions=@troupe/source examples/checksum.ts")
    const output = execFileSync("npm", ["start", "--silent", "--", folder()], { encoding: "utf8" })
    assert.include(output, "done: 0 files")
  })
})
