/** `troupe run` reads no faster than it is read, and stops when it is told to, without losing what it has read. */
import { execFileSync, spawn } from "node:child_process"
import { createWriteStream, mkdtempSync, openSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { answers, start, task } from "./cli.ts"

const math = ["run", "test/tasks/math.ts"]
const hold = ["run", "test/tasks/hold.ts"]

const folder = mkdtempSync(join(tmpdir(), "troupe-cli-flow-"))
afterAll(() => rmSync(folder, { recursive: true }))

/** Makes `count` tasks, as fast as they are taken. */
const generator = (count: number) => `
  let n = 0
  const feed = () => {
    for (let room = true; room; ) {
      if (n === ${count}) return process.stdout.end()
      let lines = ""
      for (let end = Math.min(n + 500, ${count}); n < end; n++)
        lines += '{"task_id":"' + n + '","function":"multiply","arguments":{"a":' + n + ',"b":2}}\\n'
      room = process.stdout.write(lines)
    }
    process.stdout.once("drain", feed)
  }
  process.stdout.on("error", () => process.exit())
  feed()`

const small = ["--max-old-space-size=64", "--max-semi-space-size=4"]

const feed = (running: ReturnType<typeof start>, count: number) => {
  const source = spawn(process.execPath, ["-e", generator(count)], { stdio: ["ignore", "pipe", "inherit"] })
  source.stdout.pipe(running.child.stdin!)
  running.child.on("close", () => source.kill("SIGKILL"))
  return source
}

describe.concurrent("troupe run", () => {
  it("runs more tasks than it could hold", async () => {
    const count = 300_000
    const running = start(math, { node: small })
    feed(running, count)
    const { code, stderr, stdout } = await running.ended
    const results = stdout.trimEnd().split("\n")
    assert.strictEqual(results.length, count)
    const sum = results.reduce((sum, line) => sum + Number(/"exit_code":0,"result":(\d+)\}$/.exec(line)![1]), 0)
    assert.strictEqual(sum, count * (count - 1))
    assert.match(stderr, /^300,000 tasks, 0 failed, [\d.]+ s, [\d,]+ a second, p50 [\d.]+ ms, p99 [\d.]+ ms$/m)
    assert.strictEqual(code, 0)
  })

  it("reads no further while nobody reads its answers", async () => {
    const running = start(math, { node: small, paused: true })
    running.write(task("talk", { text: "begun" }))
    await running.said("stderr", /begun/)
    feed(running, Number.POSITIVE_INFINITY)
    const stdin = running.child.stdin as unknown as { readonly bytesWritten: number }
    const bound = 3_000_000
    await new Promise((resolve) => running.child.stdin!.once("drain", resolve))
    for (let before = 0; before !== stdin.bytesWritten && stdin.bytesWritten <= bound; ) {
      before = stdin.bytesWritten
      // Without a bound it would have read much more in this time.
      await new Promise((resolve) => setTimeout(resolve, 400))
    }
    assert.isBelow(stdin.bytesWritten, bound)
    assert.isAbove(stdin.bytesWritten, 10_000)
    running.child.stdout!.resume()
    await running.said("stdout", /"task_id":"50000"/)
    running.child.kill("SIGKILL")
    await running.ended
  })

  it("stops when nobody reads its answers any more", async () => {
    const running = start(math)
    feed(running, Number.POSITIVE_INFINITY)
    await running.said("stdout", /\n/)
    running.child.stdout!.destroy()
    const { code, stderr } = await running.ended
    assert.match(stderr, /^Stopped: nobody reads the answers any more\.\n[\d,]+ tasks, 0 failed/)
    assert.notMatch(stderr, /^ +at |EPIPE/m)
    assert.strictEqual(code, 141)
  })

  // Only Linux has /dev/full, where every write fails.
  it.runIf(process.platform === "linux")("stops when its answers cannot be written", async () => {
    const full = openSync("/dev/full", "w")
    const { code, stderr } = await start(math, { input: task("ping"), stdout: full }).ended
    assert.match(
      stderr,
      /^Stopped: the answers cannot be written: ENOSPC.*\. Write them where there is room\.\n1 task, /
    )
    assert.strictEqual(code, 1)
  })

  // Only Linux has /proc.
  it.runIf(process.platform === "linux")("says that its input could not be read to its end", async () => {
    // A file that can be opened, and not read.
    const { code, stderr } = await start([...math, "--input", "/proc/self/mem"]).ended
    assert.match(
      stderr,
      /^The input "\/proc\/self\/mem" could not be read to its end: EIO.*\. What was read is answered\.\n0 tasks, /
    )
    assert.strictEqual(code, 1)
  })

  it("lets what runs come to its end at Ctrl-C, and reports what it has read and not run", async () => {
    const running = start([...hold, "--workers", "2"])
    const held = [1, 2].map(() => task("until", { signal: "SIGUSR2" })).join("")
    // More than may be in flight.
    const waiting = Array.from({ length: 100 }, () => task("echo", { value: 1 })).join("")
    running.write(`${held}no json\n${waiting}{"task_id": "cut"}`)
    await running.said("stderr", /(waits for SIGUSR2\n){2}/)
    await running.said("stdout", /MalformedLine/)
    running.child.kill("SIGINT")
    await running.said("stderr", /^SIGINT: the tasks that run come to their end, no more are begun\. Once more, /m)
    const before = await running.said("stdout", /(.*NotRun.*\n){101}/)
    assert.notInclude(before, '"exit_code":0')
    running.child.kill("SIGUSR2")
    const { code, stderr, stdout } = await running.ended
    const all = answers(stdout)
    assert.deepStrictEqual(
      all.map(({ error, line, result }) => [line, error?._tag ?? result]),
      [
        [3, "MalformedLine"],
        ...Array.from({ length: 101 }, (_, n) => [n + 4, "NotRun"]),
        [undefined, "SIGUSR2"],
        [undefined, "SIGUSR2"]
      ]
    )
    assert.deepStrictEqual(all[1].error, {
      _tag: "NotRun",
      message: "Line 4: it was read and not run, because the run was stopped. Run it again."
    })
    assert.strictEqual(all[1].exit_code, 1)
    assert.match(stderr, /^Stopped by SIGINT\.\n104 tasks, 102 failed \(101 not run\), /m)
    assert.strictEqual(stderr.match(/^released$/gm)!.length, 2)
    assert.strictEqual(code, 130)
  })

  it("ends at once at a second Ctrl-C", async () => {
    const running = start(hold)
    running.write(task("until", { signal: "SIGUSR2" }))
    await running.said("stderr", /waits/)
    running.child.kill("SIGINT")
    await running.said("stderr", /^SIGINT: /m)
    running.child.kill("SIGINT")
    const { code, stderr, stdout } = await running.ended
    assert.strictEqual(stdout, "")
    assert.notMatch(stderr, /tasks, |process\.exit/)
    assert.strictEqual(code, 130)
  })

  it("ends at a signal while the handlers of its module are being acquired", async () => {
    const running = start(["run", "test/tasks/acquiring.ts"])
    await running.said("stderr", /^acquiring$/m)
    running.child.kill("SIGTERM")
    const { code, stderr, stdout } = await running.ended
    assert.match(
      stderr,
      /^Stopped by SIGTERM: the module's handlers were still being acquired, and no task was read\.$/m
    )
    assert.deepStrictEqual({ code, stdout }, { code: 143, stdout: "" })
  })

  it("ends at Ctrl-C when it has nothing to do, and by 143 at SIGTERM", async () => {
    const running = start(math)
    running.write(task("ping"))
    await running.said("stdout", /\n/)
    running.child.kill("SIGTERM")
    const { code, stderr } = await running.ended
    assert.match(stderr, /^Stopped by SIGTERM\.\n1 task, 0 failed, /m)
    assert.strictEqual(code, 143)
  })

  it("has an answer for each line that it has read, wherever it is stopped", async () => {
    const running = start([...math, "--ordered"])
    feed(running, Number.POSITIVE_INFINITY)
    await running.said("stdout", /"task_id":"1000"/)
    running.child.kill("SIGINT")
    const { code, stdout } = await running.ended
    const all = answers(stdout)
    const run = all.findIndex(({ error }) => error !== undefined)
    assert.isAbove(run, 1000)
    all.forEach(({ error, line, result }, n) => {
      assert.deepStrictEqual(n < run ? result : [line, error._tag], n < run ? 2 * n : [n + 1, "NotRun"])
    })
    assert.strictEqual(code, 130)
  })

  // Windows has no mkfifo.
  it.runIf(process.platform !== "win32")("reads a named pipe, and leaves it when it is stopped", async () => {
    const path = join(folder, "pipe")
    execFileSync("mkfifo", [path])
    const running = start([...math, "--input", path])
    const pipe = createWriteStream(path)
    pipe.write(task("add", [1, 2]))
    await running.said("stdout", /"result":3/)
    running.child.kill("SIGINT")
    const { code } = await running.ended
    assert.strictEqual(code, 130)
    pipe.on("error", () => {}).end()
  })
})
