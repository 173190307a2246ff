/**
 * Balancer, workers and client of a group in one process, in one call.
 *
 * A pool is a client of its own balancer, so what is written for a client runs with a pool. Because all of it is in this
 * process a pool takes closures too, which a client, whose workers may be anywhere, does not.
 */
import { type Duration, Effect, type Exit, Layer, Random, Schema, Scope } from "effect"
import { Rpc } from "effect/rpc"
import { ActorError, type ActorSystem, type Protocol } from "../core/index.ts"
import * as Balancer from "./Balancer.ts"
import { positiveInteger } from "./Checked.ts"
import * as Client from "./Client.ts"
import { isAnswer } from "./Messages.ts"
import * as Task from "./Task.ts"
import * as Worker from "./Worker.ts"

export interface Options extends Balancer.Options {
  /** How many workers: a positive integer. */
  readonly workers: number
  /** How many tasks each runs at a time. Default 1. */
  readonly capacity?: number
  /** How long the tasks in hand may take when the pool is stopped, before they are interrupted. Default 5 seconds. */
  readonly stopDeadline?: Duration.Input
}

export interface Pool<in out Rs extends Protocol.Any> extends Client.Client<Rs> {
  /** Its balancer's address, for as long as there is a pool. */
  readonly balancer: Balancer.Ref<Rs>
  readonly workers: ReadonlyArray<Worker.Ref>
  /** Runs a closure on a worker of this pool. What it gives and how it fails is not encoded, on no system. */
  readonly run: <A, E, R>(
    task: Task.Local<A, E, R>,
    options?: Task.SubmitOptions
  ) => Effect.Effect<A, E | ActorError.NotExecuted | ActorError.Unknown, R>
}

/** What stands in a message for a closure: its pool, and its number there. */
const Run = Rpc.make("$run", { payload: { pool: Schema.String, number: Schema.Int } })

interface Closure {
  readonly effect: Effect.Effect<unknown, unknown>
  exit: Exit.Exit<any, any> | undefined
}

const groups = new WeakMap<Task.Group<any>, Task.Group<any>>()

/** A group with closures, the same at every call. */
const extended = (group: Task.Group<any>): Task.Group<any> => {
  let own = groups.get(group)
  if (own === undefined) {
    own = Task.makeGroup(group.name, [...group.rpcs, Run])
    groups.set(group, own)
  }
  return own
}

/** Adds closures to what a group's workers do. */
const withClosures = (module: Task.Module<any, any, any>, pool: string, closures: ReadonlyMap<number, Closure>) => {
  const run = (named: { readonly pool: string; readonly number: number }) => {
    const closure = named.pool === pool ? closures.get(named.number) : undefined
    // Its client has left meanwhile, or came to the balancer of another pool.
    if (closure === undefined) return Effect.void
    return Effect.flatMap(Effect.exit(closure.effect), (exit) => {
      if (!isAnswer(exit)) return exit
      closure.exit = exit
      return Effect.void
    })
  }
  const add = (handlers: object) => ({ ...handlers, $run: run })
  const init = Effect.isEffect(module.init)
    ? Effect.map(module.init as Effect.Effect<object>, add)
    : add(module.init as object)
  return Task.handlers(extended(module.group), init as never) as Task.Module<any, any, any>
}

/** Starts balancer and workers; they stop with the Scope, the workers first. `pool` names one that is closed to others. */
const start = (
  module: Task.Module<any, any, any>,
  { capacity, stopDeadline, workers, ...balancer }: Options,
  pool: string
) =>
  Effect.gen(function* () {
    positiveInteger("workers", workers)
    const ref = yield* Balancer.makeFor(module.group, balancer, pool)
    const options = {
      ...(capacity !== undefined && { capacity }),
      ...(stopDeadline !== undefined && { stopDeadline })
    }
    // They stop together.
    const scope = yield* Effect.acquireRelease(Scope.make("parallel"), (scope, exit) => Scope.close(scope, exit))
    const started = Effect.replicateEffect(Worker.makeFor(module, options, pool), workers)
    return { ref, workers: yield* Scope.provide(started, scope) }
  })

/**
 * Starts a pool, and stops it with the Scope: tasks in hand may end, within `stopDeadline`; those that wait end in `Stopping`.
 * Its workers are its own: its balancer takes no others, and they join no other. Fails when the group's balancer is there
 * already, or a worker's handlers can not be acquired. Dies on options that are none, so on no workers.
 */
export const make = <Rs extends Protocol.Any, E, R>(
  module: Task.Module<Rs, E, R>,
  options: Options
): Effect.Effect<
  Pool<Rs>,
  ActorError.StartError | ActorError.NotExecuted,
  Exclude<R, Worker.Provided> | ActorSystem.ActorSystem | Scope.Scope
> =>
  Effect.gen(function* () {
    const closures = new Map<number, Closure>()
    let numbers = 0
    const name = `${yield* Random.nextIntBetween(0, 2 ** 40)}`
    const all = withClosures(module, name, closures)
    const { ref, workers } = yield* start(all, options, name)
    const { submit, submitAll, submitUnsafe } = yield* Client.make(all.group as Task.Group<typeof Run>, {
      balancer: ref as never
    })
    const run = (task: Task.Local<unknown, unknown, unknown>, options?: Task.SubmitOptions) =>
      Effect.contextWith((context) =>
        Effect.suspend(() => {
          const number = ++numbers
          const closure: Closure = {
            effect: Effect.provideContext(Effect.suspend(task.effect), context as never),
            exit: undefined
          }
          closures.set(number, closure)
          return submit.$run({ pool: name, number }, options).pipe(
            Effect.andThen(() => closure.exit ?? Effect.fail(elsewhere(String(ref)))),
            Effect.ensuring(Effect.sync(() => closures.delete(number)))
          )
        })
      )
    return { balancer: ref, submit, submitAll, submitUnsafe, workers, run }
  }) as never

/** Its balancer is gone, and it came to that of another pool. */
const elsewhere = (to: string) =>
  new ActorError.NotExecuted({
    reason: new ActorError.NoRoute({ to, detail: "it is gone, and a closure has no other" })
  })

/** Starts a pool for as long as the Layer lives. `Client.make` finds it. */
export const layer = <Rs extends Protocol.Any, E, R>(
  module: Task.Module<Rs, E, R>,
  options: Options
): Layer.Layer<never, ActorError.StartError, Exclude<R, Worker.Provided> | ActorSystem.ActorSystem> =>
  Layer.effectDiscard(start(module, options, "")) as never
