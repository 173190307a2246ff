/** `troupe run` and input that nobody would write on purpose: each line is answered, and the other tasks run. */
import { assert, describe, it } from "@effect/vitest"
import { answers, run, start, task } from "./cli.ts"

const math = ["run", "test/tasks/math.ts", "--ordered"]
const hold = ["run", "test/tasks/hold.ts", "--ordered"]
const good = () => task("add", [1, 2])
const line = (value: unknown) => `${JSON.stringify(value)}\n`

describe.concurrent("troupe run reads", () => {
  it("lines that are no tasks, and says of each which it is, why, and what to do", async () => {
    const functions = '"multiply", "divide", "add", "refuse", "ping", "crash", "lie", "sleep", "talk"'
    const example = 'Write one object a line: {"task_id": "1", "function": "multiply", "arguments": {"a": 5, "b": 10}}'
    const cases: ReadonlyArray<readonly [string | Uint8Array, string | null, string, RegExp | string]> = [
      [
        "no json\n",
        null,
        "MalformedLine",
        /it is not JSON: Unexpected token .*\. Write one object a line: \{"task_id"/
      ],
      ['{"task_id": "cut", "functi\n', null, "MalformedLine", /it is not JSON: Unterminated string/],
      ["5\n", null, "MalformedLine", `it is not a task: expected object, got 5. ${example}`],
      ["null\n", null, "MalformedLine", `it is not a task: expected object, got null. ${example}`],
      ["[]\n", null, "MalformedLine", `it is not a task: expected object, got []. ${example}`],
      [
        line({}),
        null,
        "MalformedLine",
        `it is not a task: "task_id": missing key; "function": missing key. ${example}`
      ],
      [
        line({ task_id: 7, function: "ping" }),
        null,
        "MalformedLine",
        `it is not a task: "task_id": expected string, got 7. ${example}`
      ],
      [
        line({ task_id: "x".repeat(300), function: "ping" }),
        null,
        "MalformedLine",
        /"task_id": expected a value with a length of at most 256, got "x{79}\.\.\./
      ],
      [line({ task_id: "no function" }), "no function", "MalformedLine", /"function": missing key/],
      [
        line({ task_id: "options", function: "ping", priority: "high", deadline_ms: -1, idempotent: 1, key: 5 }),
        "options",
        "MalformedLine",
        /"priority": expected number, got "high"; "key": .*; "deadline_ms": .*greater than 0, got -1; "idempotent"/
      ],
      [
        line({ task_id: "unknown", function: "pong" }),
        "unknown",
        "UnknownFunction",
        `there is no function "pong". The module has ${functions}. Correct the name, or add the task to the module.`
      ],
      [line({ task_id: "proto", function: "__proto__" }), "proto", "UnknownFunction", /no function "__proto__"/],
      [line({ task_id: "object", function: "toString" }), "object", "UnknownFunction", /no function "toString"/],
      [line({ task_id: "hook", function: "$run" }), "hook", "UnknownFunction", /no function "\$run"/],
      [
        line({ task_id: "args", function: "multiply", arguments: { a: "5" } }),
        "args",
        "ArgumentsMismatch",
        'these are no arguments of "multiply": "arguments.a": expected number, got "5"; "arguments.b": missing key. Correct the line.'
      ],
      [
        line({ task_id: "none", function: "add" }),
        "none",
        "ArgumentsMismatch",
        'these are no arguments of "add": "arguments": expected array. Correct the line.'
      ],
      [
        line({ task_id: "many", function: "add", arguments: [1, 2, 3] }),
        "many",
        "ArgumentsMismatch",
        /"arguments\.2": expected no excess property, got 3/
      ],
      [line({ task_id: "bare", function: "ping", arguments: [1] }), "bare", "ArgumentsMismatch", /got \[1\]/],
      [line({ task_id: "args", function: "ping" }), "args", "DuplicateTask", /the task_id "args" was used by a line/],
      [line({ task_id: "options", function: "ping" }), "options", "DuplicateTask", /the task_id "options" was used/],
      [
        Buffer.from([0x22, 0xff, 0xfe, 0x22, 0x0a]),
        null,
        "UnreadableLine",
        "it is not valid UTF-8. Write the input in UTF-8."
      ],
      [`${"[".repeat(100_000)}\n`, null, "MalformedLine", /it is not JSON/],
      ["\0\0\n", null, "MalformedLine", /it is not JSON/]
    ]
    const input = Buffer.concat(cases.flatMap(([bytes]) => [Buffer.from(bytes as string), Buffer.from(good())]))
    const { code, stderr, stdout } = await run(math, input)
    const all = answers(stdout)
    assert.strictEqual(all.length, 2 * cases.length)
    cases.forEach(([, id, tag, message], at) => {
      const answer = all[2 * at]
      const number = 2 * at + 1
      assert.deepStrictEqual(
        { ...answer, error: answer.error._tag },
        { task_id: id, line: number, exit_code: 1, error: tag }
      )
      const said = answer.error.message
      if (typeof message === "string") assert.strictEqual(said, `Line ${number}: ${message}`)
      else assert.match(said, message)
      assert.strictEqual(all[2 * at + 1].result, 3)
    })
    assert.match(stderr, new RegExp(`^${2 * cases.length} tasks, ${cases.length} failed`, "m"))
    assert.strictEqual(code, 1)
  })

  it("a task_id that is in flight, or was among the last 100,000, once only", async () => {
    const id = (task_id: string) => line({ task_id, function: "add", arguments: [0, 1] })
    const others = Array.from({ length: 100_000 }, (_, n) => id(`n${n}`)).join("")
    const { stdout } = await run(math, id("a") + id("a") + others + id("n0") + id("n99999") + id("a") + id("a"))
    const all = answers(stdout)
    const failed = all.flatMap(({ error, line, task_id }) => (error === undefined ? [] : [[task_id, line, error._tag]]))
    assert.deepStrictEqual(failed, [
      ["a", 2, "DuplicateTask"],
      ["n0", 100_003, "DuplicateTask"],
      ["n99999", 100_004, "DuplicateTask"],
      ["a", 100_006, "DuplicateTask"]
    ])
    assert.strictEqual(all.length, 100_006)
  })

  it("values of any depth and size, and lines of up to 16 MiB", async () => {
    const limit = 16 * 1024 * 1024
    const deep = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`
    const raw = (task_id: string, value: string) =>
      `{"task_id":"${task_id}","function":"echo","arguments":{"value":${value}}}`
    const filled = (task_id: string, bytes: number) => {
      const empty = raw(task_id, '""').length
      return raw(task_id, `"${"x".repeat(bytes - empty)}"`)
    }
    const lines = [
      raw("deep", deep(200)),
      raw("deepest", deep(100_000)),
      raw("text", JSON.stringify('"\n\u2028\u{1f3ad}\0')),
      filled("longest", limit),
      filled("too long", limit + 1),
      raw("after", "1")
    ]
    const { code, stderr, stdout } = await run(hold, lines.join("\n"))
    const [first, deepest, text, longest, tooLong, after] = answers(stdout)
    assert.strictEqual(JSON.stringify(first.result), deep(200))
    assert.strictEqual(deepest.error._tag, "ResultNotEncoded")
    assert.match(
      deepest.error.message,
      /cannot be written as its schema says: Maximum call stack size exceeded\. Correct/
    )
    assert.strictEqual(text.result, '"\n\u2028\u{1f3ad}\0')
    assert.strictEqual(longest.result.length, limit - raw("longest", '""').length)
    assert.deepStrictEqual(tooLong, {
      task_id: null,
      line: 5,
      exit_code: 1,
      error: {
        _tag: "UnreadableLine",
        message: `Line 5: it is longer than ${limit} bytes. Make it shorter, or pass the name of a file.`
      }
    })
    assert.strictEqual(after.result, 1)
    assert.match(stderr, /^6 tasks, 2 failed, /m)
    assert.strictEqual(code, 1)
  })

  it("a line that never ends no further than it must, and says so before its end", async () => {
    const running = start(math, { node: ["--max-old-space-size=64"] })
    running.write('{"task_id": "')
    const piece = "x".repeat(1024 * 1024)
    const feed = () => {
      for (let room = true; room && !running.child.killed; ) room = running.child.stdin!.write(piece)
      if (!running.child.killed) running.child.stdin!.once("drain", feed)
    }
    feed()
    await running.said("stdout", /"line":1,"exit_code":1,.*longer than 16777216 bytes/)
    running.child.kill("SIGKILL")
    await running.ended
  })
})
