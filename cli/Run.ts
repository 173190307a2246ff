/** `troupe run`: runs tasks of a module, one a line of input, and answers each with a line of output. */
import { Deferred, Duration, Effect, Layer, Option, Path, Result, Stdio } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ActorSystem } from "../core/index.ts"
import { Memory } from "../transports/Memory.ts"
import * as Copies from "./Copies.ts"
import * as Guard from "./Guard.ts"
import * as Input from "./Input.ts"
import * as Log from "./Log.ts"
import { type OutputError, say, takeStdout } from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Session from "./Session.ts"
import * as Signals from "./Signals.ts"
import * as Summary from "./Summary.ts"
import * as Tally from "./Tally.ts"
import * as TaskModule from "./TaskModule.ts"
import * as Tasks from "./Tasks.ts"

const mostWorkers = 10_000
const strategies = ["leastLoaded"] as const

const flags = {
  module: Argument.String("module").pipe(
    Argument.withDescription("the file whose default export is Task.handlers(...), TypeScript or JavaScript")
  ),
  input: Flag.String("input").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription('the tasks, one JSON object a line; "-", the default, is standard input'),
    Flag.withDefault("-")
  ),
  workers: Flag.String("workers").pipe(
    Flag.withMetavar("number"),
    Flag.withDescription("how many tasks run at a time; 4 by default"),
    Flag.filterMap(
      (text) =>
        Option.filter(
          Option.some(Number(text)),
          (workers) => /^\d+$/.test(text) && workers >= 1 && workers <= mostWorkers
        ),
      () => `Expected a whole number from 1 to ${mostWorkers}`
    ),
    Flag.withDefault(4)
  ),
  strategy: Flag.Literals("strategy", strategies).pipe(
    Flag.withDescription("which worker gets a task; leastLoaded, the default: the one that has least to do"),
    Flag.withDefault("leastLoaded" as const)
  ),
  ordered: Flag.Boolean("ordered").pipe(
    Flag.withDescription("answer in the order of the input, not as tasks end"),
    Flag.withDefault(false)
  )
}

const surroundings = ActorSystem.layer({ name: "troupe", local: "by-reference" }).pipe(
  Layer.provideMerge(Memory.layer),
  Layer.provideMerge(Log.layer)
)

/** How many lines may be in flight: enough to keep the workers at work while answers are on their way. */
const windowFor = (workers: number) => Math.max(64, 4 * workers)

const stopping = ({ signal }: Signals.Stop) =>
  say(`${signal}: the tasks that run come to their end, no more are begun. Once more, and the run ends at once.`)

/** Why a run ended before its input did, and the exit code for that. */
const early = (end: Result.Result<string | undefined, OutputError>, { signal }: Signals.Stop, input: string) => {
  if (Result.isFailure(end)) {
    const { closed, message } = end.failure
    if (closed) return { code: Signals.exitCode("SIGPIPE"), why: "Stopped: nobody reads the answers any more." }
    return { code: 1, why: `Stopped: the answers cannot be written: ${message}. Write them where there is room.` }
  }
  if (signal !== undefined) return { code: Signals.exitCode(signal), why: `Stopped by ${signal}.` }
  if (end.success === undefined) return undefined
  return {
    code: 1,
    why: `The input "${input}" could not be read to its end: ${end.success}. What was read is answered.`
  }
}

export const run = Command.make("run", flags, ({ input: source, module: file, ordered, strategy, workers }) =>
  Effect.gen(function* () {
    yield* Copies.settle((yield* Path.Path).resolve(file))
    const input = yield* Input.from(source)
    const write = yield* takeStdout
    const guard = yield* Guard.watch
    const module = yield* TaskModule.load(file)
    const stop = yield* Signals.watch
    const tally = Tally.make()
    const window = windowFor(workers)
    const starting = Tasks.start(module, { workers, strategy, window, stop, tally })
    const tasks = yield* Effect.raceFirst(starting, Effect.as(Deferred.await(stop.requested), undefined))
    if (tasks === undefined) {
      yield* say(`Stopped by ${stop.signal}: the module's handlers were still being acquired, and no task was read.`)
      process.exitCode = Signals.exitCode(stop.signal!)
      return
    }
    yield* Effect.forkScoped(
      Effect.andThen(
        Deferred.await(stop.requested),
        Effect.suspend(() => stopping(stop))
      )
    )

    if (source === "-" && (yield* (yield* Stdio.Stdio).stdinIsTerminal)) {
      yield* say("Reads tasks from the terminal, one JSON object a line; Ctrl-D ends them.")
    }
    const session = Session.run({ input, tasks, write, ordered, window, stop, tally })
    const [took, end] = yield* Effect.timed(Effect.result(Progress.during(session, tally, input.size)))
    const reason = early(end, stop, input.name)
    if (reason !== undefined) yield* say(reason.why)
    yield* say(yield* Summary.of(tally, Duration.toSeconds(took)))
    process.exitCode = reason?.code ?? (tally.failed + guard.failures === 0 ? 0 : 1)
  }).pipe(Effect.scoped, Effect.provide(surroundings))
).pipe(Command.withDescription("Run tasks of a module: one JSON object a line in, one a line out"))
