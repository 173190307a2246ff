/**
 * One run, from the first line to the last answer: reads no faster than tasks end, and tasks end no faster than their answers
 * are read.
 *
 * A line takes permits when it is read and gives them back when its answer is written: one, or as many as are its share of
 * the bytes that may be in memory. So what is in flight is bounded in number and in size, at whatever point it is held up.
 */
import { Cause, Deferred, Effect, Exit, type Fiber, Queue, Result, Semaphore, Stream } from "effect"
import { ActorError } from "../core/index.ts"
import { type Input, reasonOf } from "./Input.ts"
import * as Lines from "./Lines.ts"
import type { Write } from "./Output.ts"
import * as RecentIds from "./RecentIds.ts"
import * as Request from "./Request.ts"
import type { Stop } from "./Signals.ts"
import type { Tally } from "./Tally.ts"
import { type InHand, notRun, type Outcome, type Tasks } from "./Tasks.ts"

const longestLine = 16 * 1024 * 1024
const mostBytes = 2 * longestLine
const rememberedIds = 100_000

export interface Options {
  readonly input: Input
  readonly tasks: Tasks
  readonly write: Write
  /** Whether answers come in the order of the input. */
  readonly ordered: boolean
  /** How many lines may be in flight. */
  readonly window: number
  readonly stop: Stop
  readonly tally: Tally
}

interface Answer {
  /** Its place in the input. */
  readonly index: number
  readonly permits: number
  readonly text: string
}

/** Gives answers on in the order of the input. */
const inOrder = (emit: (answer: Answer) => void) => {
  const early = new Map<number, Answer>()
  let next = 0
  return (answer: Answer) => {
    early.set(answer.index, answer)
    for (let due = early.get(next); due !== undefined; due = early.get(++next)) {
      early.delete(next)
      emit(due)
    }
  }
}

/** Ends the stream when a stop is requested, and drops nothing that it has read. */
const until = <E>(bytes: Stream.Stream<Uint8Array, E>, { requested }: Stop) => {
  const stopped = Effect.flatMap(Deferred.await(requested), () => Cause.done())
  return Stream.fromPull(
    Effect.map(Stream.toPull(bytes), (pull) =>
      Effect.suspend(() => (Deferred.isDoneUnsafe(requested) ? stopped : Effect.raceFirst(pull, stopped)))
    )
  )
}

/** What came of a task by how its fiber ended: interrupted, or with a defect of one of its schemas. */
const outcomeOf = ({ request, started }: InHand, exit: Exit.Exit<Outcome>): Outcome => {
  if (Exit.isSuccess(exit)) return exit.value
  if (!Cause.hasInterruptsOnly(exit.cause)) {
    return Result.fail({ _tag: "Defect", message: ActorError.describe(Cause.squash(exit.cause)) })
  }
  return Result.fail(
    started ? { _tag: "Interrupted", message: "The run ended while it ran." } : notRun(request.line, request.id)
  )
}

const isNotRun = (outcome: Outcome) =>
  Result.isFailure(outcome) && "problem" in outcome.failure && outcome.failure.problem._tag === "NotRun"

const textOf = (id: string, outcome: Outcome) => {
  if (Result.isSuccess(outcome)) return `{"task_id":${JSON.stringify(id)},"exit_code":0,"result":${outcome.success}}\n`
  const { failure } = outcome
  const answer =
    "problem" in failure
      ? { task_id: failure.id, line: failure.line, exit_code: 1, error: failure.problem }
      : { task_id: id, exit_code: 1, error: failure }
  return `${JSON.stringify(answer)}\n`
}

/**
 * Ends when all that was read is answered and written. Fails when that can not be written; what runs is interrupted then.
 * Succeeds with why the input could not be read to its end, if it could not.
 */
export const run = Effect.fnUntraced(function* (options: Options) {
  const { input, ordered, stop, tally, tasks, window, write } = options
  const lines = Lines.make(longestLine)
  const ids = RecentIds.make(rememberedIds)
  const read = Request.reader(tasks.functions, ids)
  const permits = Semaphore.makeUnsafe(window)
  const answers = yield* Queue.unbounded<Answer>()
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const inHand = new Map<InHand, Fiber.Fiber<Outcome>>()

  const emit = (answer: Answer) => {
    Queue.offerUnsafe(answers, answer)
  }
  const pass = ordered ? inOrder(emit) : emit
  let count = 0

  /** Begins what a line says. A last line that was cut off is not begun, whole though it may look. */
  const begin = (line: Lines.Line, permits: number, isCut: boolean) => {
    const index = count++
    const end = (id: string, outcome: Outcome) => {
      tally.tasks += 1
      if (Result.isFailure(outcome)) tally.failed += 1
      if (isNotRun(outcome)) tally.notRun += 1
      pass({ index, permits, text: textOf(id, outcome) })
    }
    const request = read(line)
    if ("problem" in request) return end("", Result.fail(isCut ? notRun(line.number, null) : request))
    const { id } = request
    if (isCut || stop.signal !== undefined) {
      ids.release(id)
      return end(id, Result.fail(notRun(line.number, id)))
    }
    const task: InHand = { request, payload: undefined, started: false }
    const fiber = fork(tasks.run(task))
    inHand.set(task, fiber)
    fiber.addObserver((exit) => {
      inHand.delete(task)
      ids.release(id)
      end(id, outcomeOf(task, exit))
    })
  }

  const accept = (lines: ReadonlyArray<Lines.Line>, isCut = false) =>
    Effect.forEach(
      lines,
      (line) => {
        const share = Math.min(Math.max(Math.ceil((line.bytes / mostBytes) * window), 1), window)
        return Effect.map(permits.take(share), () => begin(line, share, isCut))
      },
      { discard: true }
    )

  const linesIn = (piece: Uint8Array) => {
    tally.bytes += piece.length
    return lines.push(piece)
  }
  const reading = Effect.gen(function* () {
    const read = Stream.runForEachArray(until(input.bytes, stop), (pieces) => accept(pieces.flatMap(linesIn)))
    const unread = yield* Effect.match(read, { onSuccess: () => undefined, onFailure: reasonOf })
    const isCut = unread !== undefined || stop.signal !== undefined
    yield* accept(lines.end(), isCut)
    // All of them are there when all has been written.
    yield* permits.take(window)
    return unread
  })

  const writing = Effect.forever(
    Effect.flatMap(Queue.takeAll(answers), (batch) => {
      const written = batch.reduce((sum, { permits }) => sum + permits, 0)
      return Effect.andThen(write(batch.map(({ text }) => text).join("")), permits.release(written))
    }),
    { disableYield: true }
  )

  const interrupt = (which: (task: InHand) => boolean) =>
    Effect.sync(() => {
      for (const [task, fiber] of inHand) if (which(task)) fiber.interruptUnsafe()
    })
  const cancelling = Deferred.await(stop.requested).pipe(
    Effect.andThen(interrupt(({ started }) => !started)),
    Effect.andThen(Effect.never)
  )

  return yield* Effect.raceAllFirst([reading, writing, cancelling]).pipe(Effect.ensuring(interrupt(() => true)))
})
