/** `troupe run`: what it answers, in which order, what it says beside that, and how it ends. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { answers, run, start, task } from "./cli.ts"

const math = ["run", "test/tasks/math.ts"]
const hold = ["run", "test/tasks/hold.ts"]

const folder = mkdtempSync(join(tmpdir(), "troupe-cli-"))
afterAll(() => rmSync(folder, { recursive: true }))
const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

describe.concurrent("troupe run answers", () => {
  it("each task with its result, and ends by 0", async () => {
    const input =
      '{"task_id": "1234", "function": "multiply", "arguments": {"a": 5, "b": 10}}\n' +
      '{"task_id": "add", "function": "add", "arguments": [1, 2]}\n' +
      '{"task_id": "ping", "function": "ping"}\n' +
      '{"task_id": "pong", "function": "ping", "arguments": {}}\n'
    const { code, stderr, stdout } = await run([...math, "--ordered"], input)
    assert.strictEqual(
      stdout,
      '{"task_id":"1234","exit_code":0,"result":50}\n' +
        '{"task_id":"add","exit_code":0,"result":3}\n' +
        '{"task_id":"ping","exit_code":0,"result":null}\n' +
        '{"task_id":"pong","exit_code":0,"result":null}\n'
    )
    assert.match(
      stderr,
      /^4 tasks, 0 failed, [\d.]+ s, [\d,]+ a second, p50 [\d.]+ ms, p99 [\d.]+ ms\n( {2}math-worker-\d {2}\d {2,}[\d.]+ %\n){4}$/
    )
    assert.strictEqual(code, 0)
  })

  it("from a file, which may end without a newline, have blank lines, CRLF and a byte order mark", async () => {
    const lines = ["\ufeff", task("add", [1, 1]).trimEnd(), "\r\n\r\n   \n", task("add", [1, 2]).trimEnd()]
    const { code, stdout } = await run([...math, "--ordered", "--input", file("odd", lines.join(""))], "")
    assert.deepStrictEqual(
      answers(stdout).map(({ result }) => result),
      [2, 3]
    )
    assert.strictEqual(code, 0)
  })

  it("nothing for no input", async () => {
    const { code, stderr, stdout } = await run([...math, "--input", file("nothing", "")], "")
    assert.strictEqual(stdout, "")
    assert.match(stderr, /^0 tasks, 0 failed, [\d.]+ s, 0 a second\n/)
    assert.strictEqual(code, 0)
  })

  it("as tasks end, and with --ordered in the order of the input, errors too", async () => {
    const input =
      task("sleep", { millis: 300 }) + task("nothing") + task("sleep", { millis: 0 }) + task("nothing").slice(1)
    const [free, ordered] = await Promise.all([run(math, input), run([...math, "--ordered"], input)])
    const results = (stdout: string) => answers(stdout).map(({ error, result }) => error?._tag ?? result)
    assert.deepStrictEqual(results(free.stdout), ["UnknownFunction", "MalformedLine", 0, 300])
    assert.deepStrictEqual(results(ordered.stdout), [300, "UnknownFunction", 0, "MalformedLine"])
    assert.deepStrictEqual([free.code, ordered.code], [1, 1])
  })

  it("how a task failed, and ends by 1 when the others have run", async () => {
    const input = [
      task("divide", { a: 1, b: 0 }),
      task("refuse", { how: "bare" }),
      task("refuse", { how: "in a word" }),
      task("crash", { message: "a bug" }),
      task("lie"),
      task("sleep", { millis: 60_000 }, { deadline_ms: 20 }),
      task("multiply", { a: 2, b: 3 })
    ].join("")
    const { code, stderr, stdout } = await run([...math, "--ordered"], input)
    const all = answers(stdout)
    assert.deepStrictEqual(
      all.map(({ exit_code }) => exit_code),
      [1, 1, 1, 1, 1, 1, 0]
    )
    const errors = all.map(({ error }) => error)
    assert.deepStrictEqual(errors[0], { _tag: "DivisionByZero", message: "1 cannot be divided by 0" })
    assert.deepStrictEqual(errors[1], { _tag: "Bare", message: '{"_tag":"Bare","left":3}' })
    assert.deepStrictEqual(errors[2], { _tag: "Error", message: "in a word" })
    assert.strictEqual(errors[3]._tag, "CalleeCrashed")
    assert.match(errors[3].message, /crashed while it handled "crash": a bug\. .*look at the cause/)
    assert.deepStrictEqual(errors[4], {
      _tag: "ResultNotEncoded",
      message:
        '"lie" ran, but its result cannot be written as its schema says: expected an integer, got 0.5. Correct the handler or the schema.'
    })
    assert.strictEqual(errors[5]._tag, "Timeout")
    assert.strictEqual(all[6].result, 6)
    assert.match(stderr, /Error: a bug\n +at .*math\.ts/)
    assert.match(stderr, /^7 tasks, 6 failed, /m)
    assert.strictEqual(code, 1)
  })

  it("tasks that a compiler never saw", async () => {
    const { code, stdout } = await run(
      ["run", "test/tasks/loose.js", "--ordered"],
      task("promise") + task("number") + task("throws")
    )
    assert.deepStrictEqual(
      answers(stdout).map(({ error }) => /handled ".*": (.*?)\. /.exec(error.message)![1]),
      [
        'the handler of "promise" returned [object Promise], which is no Effect',
        'the handler of "number" returned 5, which is no Effect',
        "at once"
      ]
    )
    assert.strictEqual(code, 1)
  })

  it("with nothing of what a task prints among the answers", async () => {
    const input = task("talk", { text: "on stdout" }) + task("add", [1, 2])
    const { code, stderr, stdout } = await run(math, input)
    assert.deepStrictEqual(
      answers(stdout).map(({ exit_code }) => exit_code),
      [0, 0]
    )
    assert.match(stderr, /^on stdout$/m)
    assert.strictEqual(code, 0)
  })

  it("on as many workers as are asked for, and says the share of each", async () => {
    const input = Array.from({ length: 60 }, () => task("sleep", { millis: 5 })).join("")
    const { stderr, stdout } = await run([...math, "--workers", "3", "--strategy", "leastLoaded"], input)
    assert.strictEqual(answers(stdout).length, 60)
    const shares = [...stderr.matchAll(/^ {2}math-worker-(\d) +(\d+) +([\d.]+) %$/gm)].map(([, ...row]) =>
      row.map(Number)
    )
    assert.deepStrictEqual(
      shares.map(([worker]) => worker),
      [1, 2, 3]
    )
    const total = shares.reduce((sum, [, tasks]) => sum + tasks!, 0)
    assert.strictEqual(total, 60)
    for (const [, tasks, percent] of shares) {
      assert.isAbove(tasks!, 10)
      assert.closeTo(percent!, (100 * tasks!) / 60, 0.06)
    }
    const [, p50, p99] = /p50 ([\d.]+) ms, p99 ([\d.]+) ms/.exec(stderr)!.map(Number)
    assert.isAtLeast(p50!, 4.5)
    assert.isAtLeast(p99!, p50!)
  })

  it("tasks of one key one after the other, and of a higher priority first", async () => {
    const numbers = Array.from({ length: 8 }, (_, n) => n)
    const keyed = numbers.map((n) => task("sleep", { millis: 8 - n }, { key: "k" })).join("")
    const first = task("sleep", { millis: 100 })
    const rising = numbers.map((n) => task("add", [0, n], { priority: n })).join("")
    const [one, two] = await Promise.all([run(math, keyed), run([...math, "--workers", "1"], first + rising)])
    assert.deepStrictEqual(
      answers(one.stdout).map(({ result }) => result),
      [8, 7, 6, 5, 4, 3, 2, 1]
    )
    assert.deepStrictEqual(
      answers(two.stdout).map(({ result }) => result),
      [100, 7, 6, 5, 4, 3, 2, 1, 0]
    )
  })

  it("what fails outside every task on stderr only, and ends by 1", async () => {
    const input = task("stray", { how: "reject" }) + task("stray", { how: "throw" }) + task("echo", { value: [1] })
    const { code, stderr, stdout } = await run([...hold, "--ordered", "--workers", "1"], input)
    assert.deepStrictEqual(
      answers(stdout).map(({ result }) => result),
      [null, null, [1]]
    )
    assert.match(stderr, /failed outside every task, .*: Error: a stray promise\n +at .*hold\.ts/)
    assert.match(stderr, /failed outside every task, .*: Error: a stray error\n +at .*hold\.ts/)
    assert.match(stderr, /^3 tasks, 0 failed, /m)
    assert.strictEqual(code, 1)
  })

  it("and says so when a task ends the process", async () => {
    const { code, stderr } = await run(hold, task("stray", { how: "exit" }))
    assert.match(stderr, /The module ended the process with process\.exit\(0\), so .* Let the task fail instead\./)
    assert.strictEqual(code, 1)
  })

  it("with the first crashes in the log, and all in the answers", async () => {
    const input = Array.from({ length: 50 }, () => task("crash", { message: "again" })).join("")
    const { code, stderr, stdout } = await run(math, input)
    assert.strictEqual(answers(stdout).filter(({ error }) => error._tag === "CalleeCrashed").length, 50)
    assert.strictEqual(stderr.match(/Error: again/g)!.length, 10)
    assert.match(stderr, /^No more than 10 such lines are logged/m)
    assert.strictEqual(code, 1)
  })

  it("with progress on a terminal, which leaves no trace", async () => {
    const terminal = `data:text/javascript,Object.assign(process.stderr, { isTTY: true, columns: 80 })`
    const lines = task("until", { signal: "SIGUSR2" }) + task("nothing")
    const running = start([...hold, "--input", file("progress", lines)], { node: ["--import", terminal] })
    const drawn = await running.said("stderr", /█{24} 100 % {2}1 done {2}1 failed {2}[\d,]+ a second/)
    for (const line of drawn.split(/\r|\n/)) assert.isBelow(line.length, 84)
    running.child.kill("SIGUSR2")
    const { code, stderr } = await running.ended
    assert.include(stderr, "\r\x1b[K2 tasks, 1 failed, ")
    assert.notInclude(stderr.slice(stderr.indexOf("2 tasks, ")), " done ")
    assert.strictEqual(code, 1)
  })
})
