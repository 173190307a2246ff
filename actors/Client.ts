/**
 * Submits the tasks of a group to its balancer, and hands out their results.
 *
 * A submit is a task's definition as an Effect: it ends as an ask does, in a value, the task's own error, `NotExecuted` or
 * `Unknown`. Interrupting it cancels the task. A client is a plain value, for a hundred fibers as for one. When its balancer is
 * gone it looks for the next one, and submits again what certainly did not run.
 */
import { Array as Arr, Cause, Duration, Effect, type Exit, Fiber, Random, Schedule, Stream } from "effect"
import { ActorError, type ActorRef, ActorSystem, type Protocol } from "../core/index.ts"
import type { Ref } from "./Balancer.ts"
import { positiveInteger, positiveMillis } from "./Checked.ts"
import { errorOf, pathOf, protocolOf, type Submit } from "./Messages.ts"
import type { Group, SubmitOptions } from "./Task.ts"

/** How a submit fails, beside the task's own error. */
type Failure<R extends Protocol.Any> = Protocol.Failure<R> | ActorError.NotExecuted | ActorError.Unknown

/** One result of `submitAll`. */
export interface Result<R extends Protocol.Any> {
  /** The place of its payload among the payloads, from 0. */
  readonly index: number
  /** The task's name in events and traces. */
  readonly id: string
  readonly exit: Exit.Exit<Protocol.Success<R>, Failure<R>>
}

export interface SubmitAllOptions extends Omit<SubmitOptions, "id"> {
  /** How many tasks are under way at a time; payloads are pulled no faster. Default 64; a positive integer. */
  readonly window?: number
  /** Results in the order of the payloads. Default: as they come. */
  readonly ordered?: boolean
}

export interface Client<in out Rs extends Protocol.Any> {
  /** The address of the balancer that it uses now. */
  readonly balancer: Ref<Rs>
  /** Submits one task. Run twice, it is two tasks. */
  readonly submit: {
    readonly [R in Rs as R["_tag"]]: (
      payload: Protocol.Payload<R>,
      options?: SubmitOptions
    ) => Effect.Effect<Protocol.Success<R>, Failure<R>>
  }
  /**
   * The same, eager, for hot paths: submits now, and calls `onExit` with the end, perhaps before the call returns. Answers how to
   * cancel the task, after which `onExit` is not called.
   */
  readonly submitUnsafe: {
    readonly [R in Rs as R["_tag"]]: (
      payload: Protocol.Payload<R>,
      onExit: (exit: Exit.Exit<Protocol.Success<R>, Failure<R>>) => void,
      options?: SubmitOptions
    ) => () => void
  }
  /** Submits a task for each payload, and yields a result for each. It never fails: a result holds its task's Exit. */
  readonly submitAll: {
    readonly [R in Rs as R["_tag"]]: <Services = never>(
      payloads: Iterable<Protocol.Payload<R>> | Stream.Stream<Protocol.Payload<R>, never, Services>,
      options?: SubmitAllOptions
    ) => Stream.Stream<Result<R>, never, Services>
  }
}

export interface Options<Rs extends Protocol.Any> {
  /** The balancer to use, where its address is known. Default: the group's, found by its name on this node or another. */
  readonly balancer?: Ref<Rs>
  /** How long to look for the balancer, at first and when it is gone. Default 5 seconds. */
  readonly wait?: Duration.Input
}

/** A balancer, to its clients: of any group. */
type BalancerRef = ActorRef.ActorRef<any>

const pause = Schedule.min([Schedule.exponential("50 millis", 2), Schedule.spaced("1 second")])

/** Looks for a group's balancer until it is found, or the wait is over. */
const find = (group: Group<any>, system: ActorSystem.System, wait: Duration.Input) =>
  system.lookup(protocolOf(group).balancer, pathOf(group)).pipe(
    Effect.retry({ schedule: pause, while: ({ reason }) => reason._tag !== "UnsupportedMessage" }),
    Effect.timeoutOrElse({
      duration: wait,
      orElse: () => {
        const seconds = Duration.toSeconds(wait)
        const detail = `no balancer of group "${group.name}" answered within ${seconds} s; start one with Balancer.layer or Pool.layer`
        return Effect.fail(
          new ActorError.NotExecuted({ reason: new ActorError.NoRoute({ to: pathOf(group), detail }) })
        )
      }
    })
  ) as Effect.Effect<BalancerRef, ActorError.NotExecuted>

type OnExit = (exit: Exit.Exit<any, any>) => void

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** What every task of a client goes through: it knows the balancer that is there now. */
class Submitter {
  readonly #group: Group<any>
  readonly #system: ActorSystem.System
  readonly #wait: Duration.Input
  readonly #fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  #balancer: BalancerRef
  #finding: Fiber.Fiber<BalancerRef, ActorError.NotExecuted> | undefined

  constructor(
    group: Group<any>,
    system: ActorSystem.System,
    wait: Duration.Input,
    fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>,
    balancer: BalancerRef
  ) {
    this.#group = group
    this.#system = system
    this.#wait = wait
    this.#fork = fork
    this.#balancer = balancer
  }

  get balancer(): BalancerRef {
    return this.#balancer
  }

  /** Submits a task; answers how to cancel it. */
  submit(tag: string, payload: unknown, options: SubmitOptions = none, onExit: OnExit): () => void {
    const { deadline } = options
    const millis = deadline === undefined ? Number.POSITIVE_INFINITY : positiveMillis("deadline", deadline)
    const task: Mutable<Submit> = { payload }
    const span = Fiber.getCurrent()?.cache.span
    if (span !== undefined) task.trace = { traceId: span.traceId, spanId: span.spanId, sampled: span.sampled }
    if (options !== none) note(task, options)
    const balancer = this.#balancer
    let resubmitted: (() => void) | undefined
    const cancel = this.#send(tag, task, millis, (exit) => {
      if (exit._tag === "Success" || !this.#mayResubmit(exit, tag, task)) onExit(exit)
      else resubmitted = this.#run(this.#resubmit({ tag, task, millis, balancer, exit, times: 1 }), onExit)
    })
    return () => (resubmitted ?? cancel)()
  }

  #send(tag: string, task: Submit, millis: number, onExit: OnExit): () => void {
    return this.#balancer.askUnsafe[tag]!(
      task,
      onExit,
      millis === Number.POSITIVE_INFINITY ? forever : { deadline: millis }
    )
  }

  /** Runs an Effect for a task whose client waits outside of Effect; answers how to cancel it. */
  #run(effect: Effect.Effect<any, any>, onExit: OnExit): () => void {
    let cancelled = false
    const fiber = this.#fork(effect)
    fiber.addObserver((exit) => {
      if (!cancelled) onExit(exit)
    })
    return () => {
      cancelled = true
      fiber.interruptUnsafe()
    }
  }

  /** Whether the balancer was not reached, or was lost with a task that may run twice. What it says of its workers is final. */
  #mayResubmit(exit: Exit.Failure<any, any>, tag: string, { idempotent }: Submit): boolean {
    const reason = errorOf(exit)?.reason
    switch (reason?._tag) {
      case "NoSuchActor":
      case "NotConnected":
        return true
      case "ConnectionLost":
      case "NodeLost":
        return (idempotent ?? this.#group.kinds.get(tag)!.idempotent) && reason.to === this.#balancer.path
      default:
        return false
    }
  }

  /** Sends a task again, to the balancer that is there now, as long as its deadline and its tries allow. */
  #resubmit(from: Attempt): Effect.Effect<any, any> {
    const { balancer, exit, millis, tag, task, times } = from
    const isUnknown = errorOf(exit) instanceof ActorError.Unknown
    const suspicion = isUnknown ? exit : from.suspicion
    const end = suspicion ?? exit
    if (isUnknown && times >= attempts) return end
    const ready = Effect.andThen(Effect.sleep(Math.min(pauseMillis * 2 ** (times - 1), 1000)), () =>
      this.#balancer === balancer && errorOf(exit).reason._tag !== "ConnectionLost" ? this.#find(millis) : Effect.void
    )
    return Effect.matchEffect(Effect.timed(ready), {
      onFailure: () => end,
      onSuccess: ([took]) => {
        const left = millis - Duration.toMillis(took)
        if (left <= 0) return end
        const to = this.#balancer
        const sent = Effect.callback<any, any>((resume) => Effect.sync(this.#send(tag, task, left, resume)))
        return Effect.flatMap(Effect.exit(sent), (exit) => {
          if (exit._tag === "Success") return exit
          if (!this.#mayResubmit(exit, tag, task)) {
            return suspicion !== undefined && errorOf(exit) instanceof ActorError.NotExecuted ? suspicion : exit
          }
          const next = { tag, task, millis: left, balancer: to, exit, times: times + 1 }
          return this.#resubmit(suspicion === undefined ? next : { ...next, suspicion })
        })
      }
    })
  }

  /** Looks for the balancer that is there now, once for all tasks that ask meanwhile. */
  #find(millis: number): Effect.Effect<unknown, unknown> {
    if (this.#finding === undefined) {
      const finding = Effect.tap(find(this.#group, this.#system, this.#wait), (balancer) =>
        Effect.sync(() => {
          this.#balancer = balancer
        })
      )
      // It lets others start before it can end.
      this.#finding = this.#fork(Effect.andThen(Effect.yieldNow, finding))
      this.#finding.addObserver(() => {
        this.#finding = undefined
      })
    }
    return Effect.timeout(Fiber.join(this.#finding), Math.min(millis, longestMillis))
  }
}

/** A task that was sent and not answered. */
interface Attempt {
  readonly tag: string
  readonly task: Submit
  /** How long its client still waits. */
  readonly millis: number
  readonly balancer: BalancerRef
  readonly exit: Exit.Failure<any, any>
  readonly times: number
  /** How an earlier attempt ended that may have run: the task is then never said not to have been. */
  readonly suspicion?: Exit.Failure<any, any>
}

/** How often a task that may have run is sent, its first time included. */
const attempts = 3
const pauseMillis = 50
const longestMillis = 2 ** 31 - 1

const none: SubmitOptions = {}
const forever = { deadline: Number.POSITIVE_INFINITY }

const note = (task: Mutable<Submit>, { id, idempotent, key, priority }: SubmitOptions) => {
  if (id !== undefined) task.id = id
  if (idempotent !== undefined) task.idempotent = idempotent
  if (key !== undefined) task.key = key
  if (priority !== undefined) {
    if (!Number.isFinite(priority)) throw new Error(`expected \`priority\` to be finite, got: ${priority}`)
    task.priority = priority
  }
}

/** Takes from an iterable what is asked for and no more, and tells it when no more will be. */
const pulled = <A>(all: Iterable<A>): Stream.Stream<A> =>
  Stream.unwrap(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => all[Symbol.iterator]()),
        (iterator) => Effect.sync(() => iterator.return?.())
      ),
      (iterator) =>
        Stream.fromPull(
          Effect.succeed(
            Effect.suspend(() => {
              const { done, value } = iterator.next()
              return done ? Cause.done() : Effect.succeed(Arr.of(value))
            })
          )
        )
    )
  )

/**
 * Makes a client of a group. Fails with `NotExecuted(NoRoute)` when no balancer of the group answers within `wait`, and with
 * `NotExecuted(UnsupportedMessage)` when the one that does knows not all of its tasks.
 */
export const make = <Rs extends Protocol.Any>(
  group: Group<Rs>,
  { balancer: given, wait = "5 seconds" }: Options<Rs> = {}
): Effect.Effect<Client<Rs>, ActorError.NotExecuted, ActorSystem.ActorSystem> =>
  Effect.gen(function* () {
    const system = yield* ActorSystem.ActorSystem
    positiveMillis("wait", wait)
    const balancer = given === undefined ? yield* find(group, system, wait) : (given as unknown as BalancerRef)
    const name = (yield* Random.nextIntBetween(0, 36 ** 6 - 1)).toString(36).padStart(6, "0")
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const submitter = new Submitter(group, system, wait, fork, balancer)
    let numbers = 0
    const submit = (tag: string) => (payload: unknown, options?: SubmitOptions) =>
      Effect.callback<any, any>((resume) => Effect.sync(submitter.submit(tag, payload, options, resume)))
    const submitUnsafe = (tag: string) => (payload: unknown, onExit: OnExit, options?: SubmitOptions) =>
      submitter.submit(tag, payload, options, onExit)
    const submitAll =
      (tag: string) =>
      (payloads: Iterable<unknown> | Stream.Stream<unknown, never, any>, options: SubmitAllOptions = {}) => {
        const { ordered = false, window = 64, ...rest } = options
        positiveInteger("window", window)
        const all = Stream.isStream(payloads) ? payloads : pulled(payloads)
        return Stream.mapEffect(
          Stream.zipWithIndex(all),
          ([payload, index]) =>
            Effect.suspend(() => {
              const id = `${name}-${++numbers}`
              return Effect.map(Effect.exit(submit(tag)(payload, { ...rest, id })), (exit) => ({
                index,
                id,
                exit
              }))
            }),
          { concurrency: window, unordered: !ordered }
        )
      }
    const tags = [...group.kinds.keys()]
    return {
      get balancer() {
        return submitter.balancer
      },
      submit: Object.fromEntries(tags.map((tag) => [tag, submit(tag)])),
      submitUnsafe: Object.fromEntries(tags.map((tag) => [tag, submitUnsafe(tag)])),
      submitAll: Object.fromEntries(tags.map((tag) => [tag, submitAll(tag)]))
    } as never
  })
