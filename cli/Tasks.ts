/**
 * Runs the tasks of a user's module on workers.
 *
 * Of the module this uses its definitions and its `init`. The group that the workers serve is made here, of the same names,
 * with payloads that are not encoded: so it is known of each task when its handler begins, how long that takes, and on which
 * worker.
 */
import { Clock, Effect, Result, Schema, type SchemaIssue, SchemaParser } from "effect"
import { Rpc } from "effect/rpc"
import { Pool, Task, Worker } from "../actors/index.ts"
import { ActorError } from "../core/index.ts"
import * as Mismatch from "./Mismatch.ts"
import { type Problem, type Refusal, type Request, refuse } from "./Request.ts"
import type { Stop } from "./Signals.ts"
import type { Tally } from "./Tally.ts"
import type { TaskModule } from "./TaskModule.ts"
import { UsageError } from "./UsageError.ts"

export interface Options {
  readonly workers: number
  readonly strategy: "leastLoaded"
  /** How many tasks are submitted at a time, at most. */
  readonly window: number
  readonly stop: Stop
  readonly tally: Tally
}

/** A task from its line to its answer. */
export interface InHand {
  readonly request: Request
  /** What its handler gets, once that is decoded. */
  payload: unknown
  /** Whether its handler has begun. */
  started: boolean
}

/** What came of a task: its result as JSON text, what went wrong, or what is wrong with its line. */
export type Outcome = Result.Result<string, Problem | Refusal>

export interface Tasks {
  readonly functions: ReadonlySet<string>
  readonly run: (task: InHand) => Effect.Effect<Outcome>
}

/** What becomes of a line whose handler had not begun when the run was stopped. */
export const notRun = (line: number, id: string | null): Refusal =>
  refuse(line, id, "NotRun", "it was read and not run, because the run was stopped. Run it again.")

// ----- What comes in, what goes out -----

interface Codec {
  readonly decode: (wire: unknown) => Effect.Effect<unknown, SchemaIssue.Issue>
  readonly encode: (value: unknown) => Effect.Effect<unknown, SchemaIssue.Issue>
  /** Whether its task takes no arguments. */
  readonly bare: boolean
}

const codecOf = ({ payloadSchema, successSchema }: Rpc.AnyWithProps): Codec => ({
  // What decoding needs, as an actor's address does, is in the system where it runs.
  decode: SchemaParser.decodeUnknownEffect(Schema.toCodecJson(payloadSchema), { errors: "all" }) as Codec["decode"],
  encode: SchemaParser.encodeUnknownEffect(Schema.toCodecJson(successSchema)) as Codec["encode"],
  bare: payloadSchema.ast._tag === "Void" || payloadSchema.ast._tag === "Undefined"
})

const isEmpty = (value: unknown) => typeof value === "object" && value !== null && Object.keys(value).length === 0

const wireOf = ({ arguments: given = {} }: Request, { bare }: Codec) => (bare && isEmpty(given) ? null : given)

const fieldsOf = (error: unknown) => (error instanceof Error ? { ...error } : error)

/** An error as the output says it, whatever it is. */
const problemOf = (error: unknown): Problem => {
  const { _tag, message } = Object(error) as { readonly _tag?: unknown; readonly message?: unknown }
  return {
    _tag: typeof _tag === "string" ? _tag : "Error",
    // Without a message its fields say most.
    message: typeof message === "string" && message !== "" ? message : ActorError.describe(fieldsOf(error))
  }
}

// ----- The handlers -----

type Handlers = Record<string, ((payload: unknown) => unknown) | undefined>

/** The handlers of the module, which say when they begin and end, and answer with a typed error as with a value. */
const observed = (module: TaskModule, { stop, tally }: Options) =>
  Effect.gen(function* () {
    const { name: worker } = yield* Worker.Current
    const clock = yield* Clock.Clock
    const { init } = module
    const handlers = (
      Effect.isEffect(init) ? yield* Effect.annotateLogs(init as Effect.Effect<unknown>, { worker }) : init
    ) as Handlers
    tally.shares.set(worker, tally.shares.get(worker) ?? 0)

    const handle = (tag: string) => {
      const handler = handlers[tag]
      if (typeof handler !== "function") throw new Error(`it has no handler for its task "${tag}"`)
      const called = (task: InHand) =>
        Effect.suspend(() => {
          const effect = handler.call(handlers, task.payload)
          if (Effect.isEffect(effect)) return effect as Effect.Effect<unknown, unknown>
          throw new Error(`the handler of "${tag}" returned ${String(effect)}, which is no Effect`)
        })
      return (task: InHand) => {
        if (stop.signal !== undefined && !task.started)
          return Effect.succeed(Result.fail(notRun(task.request.line, task.request.id)))
        task.started = true
        tally.shares.set(worker, tally.shares.get(worker)! + 1)
        const began = clock.monotonicTimeNanosUnsafe()
        return Effect.onExit(Effect.result(Effect.mapError(called(task), problemOf)), () =>
          Effect.sync(() => tally.latency.record(Number(clock.monotonicTimeNanosUnsafe() - began) / 1e6))
        )
      }
    }
    return Object.fromEntries(module.group.rpcs.map(({ _tag }) => [_tag, handle(_tag)]))
  })

/** What kept the first from starting: a slot keeps its worker, and that the pool. */
const originOf = (error: unknown): unknown =>
  error instanceof ActorError.StartError && error.cause !== undefined ? originOf(error.cause) : error

type NoAnswer = ActorError.NotExecuted | ActorError.Unknown

/** Starts the workers; they stop with the scope. Fails when the module's handlers cannot be acquired. */
export const start = Effect.fnUntraced(function* (module: TaskModule, options: Options) {
  const { name, rpcs } = module.group
  const codecs = new Map(rpcs.map((rpc) => [rpc._tag, codecOf(rpc as unknown as Rpc.AnyWithProps)]))
  const group = Task.group(
    name,
    rpcs.map(({ _tag }) => Rpc.make(_tag, { payload: Schema.Any, success: Schema.Any }))
  )
  const { strategy, window, workers } = options
  const handlers = observed(module, options) as Effect.Effect<any>
  const pool = yield* Effect.mapError(
    Pool.make(Task.handlers(group, handlers), { workers, strategy, queue: { capacity: window } }),
    (error) =>
      new UsageError({
        message:
          `The tasks of group "${name}" cannot start: ${ActorError.describe(originOf(error))}. Correct the module: it must ` +
          "have a handler for each task, and provide all that they need, as with Effect.provide(handlers, layer)."
      })
  )

  const run = Effect.fnUntraced(function* (task: InHand) {
    const { request } = task
    const codec = codecs.get(request.name)!
    const wire = wireOf(request, codec)
    const payload = yield* Effect.result(codec.decode(wire))
    if (Result.isFailure(payload)) {
      const why = Mismatch.describe(payload.failure, request.arguments, "arguments")
      return Result.fail(mismatch(request, why))
    }
    task.payload = payload.success
    const answer = yield* Effect.result(pool.submit[request.name]!(task, request.options))
    if (Result.isFailure(answer)) return Result.fail(problemOf((answer.failure as NoAnswer).reason))
    const result = answer.success as Result.Result<unknown, Problem | Refusal>
    if (Result.isFailure(result)) return Result.fail(result.failure)
    const encoded = yield* Effect.result(codec.encode(result.success))
    if (Result.isFailure(encoded)) {
      return Result.fail(unwritten(request, Mismatch.describe(encoded.failure, result.success, "")))
    }
    return Result.try({
      try: () => JSON.stringify(encoded.success ?? null),
      catch: (error) => unwritten(request, ActorError.describe(error))
    })
  })
  return { functions: new Set(codecs.keys()), run } satisfies Tasks
})

const mismatch = ({ id, line, name }: Request, why: string) =>
  refuse(line, id, "ArgumentsMismatch", `these are no arguments of "${name}": ${why}. Correct the line.`)

const unwritten = ({ name }: Request, why: string): Problem => ({
  _tag: "ResultNotEncoded",
  message: `"${name}" ran, but its result cannot be written as its schema says: ${why}. Correct the handler or the schema.`
})
