/** Reads a line of input as a task, or says what is wrong with it: which line, why, and what to do. */
import { Result, Schema, SchemaParser } from "effect"
import type { Line } from "./Lines.ts"
import * as Mismatch from "./Mismatch.ts"
import type { RecentIds } from "./RecentIds.ts"

/** A task as its line says it. Its arguments are not decoded yet. */
export interface Request {
  readonly line: number
  readonly id: string
  readonly name: string
  /** Undefined when the line has none. */
  readonly arguments: unknown
  readonly options: {
    readonly id: string
    readonly priority?: number
    readonly key?: string
    readonly deadline?: number
    readonly idempotent?: boolean
  }
}

/** What went wrong, as the output says it. */
export interface Problem {
  readonly _tag: string
  readonly message: string
}

/** A line that is no task. Its id is null when it has none, or none that can be read. */
export interface Refusal {
  readonly line: number
  readonly id: string | null
  readonly problem: Problem
}

// Ids are remembered, so they are bounded.
const longestId = 256

const Fields = Schema.Struct({
  task_id: Schema.String.check(Schema.isMaxLength(longestId)),
  function: Schema.String,
  arguments: Schema.optionalKey(Schema.Unknown),
  priority: Schema.optionalKey(Schema.Finite),
  key: Schema.optionalKey(Schema.String),
  deadline_ms: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  idempotent: Schema.optionalKey(Schema.Boolean)
})
const decode = SchemaParser.decodeUnknownResult(Fields, { errors: "all" })

const parse = (text: string) => Result.try({ try: (): unknown => JSON.parse(text), catch: (error) => error as Error })

/** The id of what is no task otherwise, so that its sender knows which. */
const idOf = (value: unknown): string | null => {
  const id = typeof value === "object" && value !== null && "task_id" in value ? value.task_id : null
  return typeof id === "string" && id.length <= longestId ? id : null
}

const example = `{"task_id": "1", "function": "multiply", "arguments": {"a": 5, "b": 10}}`

const names = (all: Iterable<string>) => [...all].map((name) => `"${name}"`).join(", ")

/** A line that is no task, with a message that begins with the number of the line. */
export const refuse = (line: number, id: string | null, _tag: string, message: string): Refusal => ({
  line,
  id,
  problem: { _tag, message: `Line ${line}: ${message}` }
})

/** Reads lines, one after the other. A line takes its id: a task until it is released, another line for a moment. */
export const reader =
  (functions: ReadonlySet<string>, ids: RecentIds) =>
  (line: Line): Request | Refusal => {
    const { number } = line
    if ("problem" in line) return refuse(number, null, "UnreadableLine", line.problem)
    const parsed = parse(line.text)
    if (Result.isFailure(parsed)) {
      const why = parsed.failure.message
      return refuse(number, null, "MalformedLine", `it is not JSON: ${why}. Write one object a line: ${example}`)
    }
    const fields = decode(parsed.success)
    if (Result.isFailure(fields)) {
      const why = Mismatch.describe(fields.failure, parsed.success, "")
      const id = idOf(parsed.success)
      if (id !== null && ids.take(id)) ids.release(id)
      return refuse(number, id, "MalformedLine", `it is not a task: ${why}. Write one object a line: ${example}`)
    }
    const { task_id: id, function: name, deadline_ms, priority, key, idempotent } = fields.success
    if (!ids.take(id)) {
      return refuse(
        number,
        id,
        "DuplicateTask",
        `the task_id "${id}" was used by a line before. Give each task an id of its own.`
      )
    }
    if (!functions.has(name)) {
      ids.release(id)
      return refuse(
        number,
        id,
        "UnknownFunction",
        `there is no function "${name}". The module has ${names(functions)}. Correct the name, or add the task to the module.`
      )
    }
    const options = {
      id,
      ...(priority !== undefined && { priority }),
      ...(key !== undefined && { key }),
      ...(deadline_ms !== undefined && { deadline: deadline_ms }),
      ...(idempotent !== undefined && { idempotent })
    }
    return { line: number, id, name, arguments: fields.success.arguments, options }
  }
