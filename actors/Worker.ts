/**
 * An actor that runs a group's tasks, and answers each to the client that asked for it.
 *
 * A worker of capacity n supervises n slots, its children. A slot handles one task at a time with handlers of its own, so a
 * defect takes down its slot only: the client learns it, the slot's Scope is closed, its `init` runs anew, and the other
 * tasks go on. Each slot offers itself to the group's balancer, wherever that is, and again when the balancer is another one.
 * A slot gives the answer (a value, a typed error) to the client, and what else may happen (a defect, an interruption) is the
 * balancer's to hear and to pass on.
 */
import {
  Context,
  type Duration,
  Effect,
  Exit,
  Fiber,
  FiberHandle,
  Layer,
  References,
  Schedule,
  type Scope,
  Tracer
} from "effect"
import { Actor, ActorError, type ActorRef, ActorSystem, type Protocol } from "../core/index.ts"
import { positiveInteger } from "./Checked.ts"
import { describeIssue, isAnswer, type Kind, open, pathOf, protocolOf, type Run } from "./Messages.ts"
import type { Group, Module } from "./Task.ts"

export interface Options {
  /** Its name on this node. Default: `<group>-worker-<n>`, numbered from 1. */
  readonly name?: string
  /** How many tasks it runs at a time. Default 1; a positive integer. */
  readonly capacity?: number
  /** How many tasks it gets for each that a worker of weight 1 has in hand. Default 1; finite and more than 0. */
  readonly weight?: number
  /** How long the tasks in hand may take when the worker is stopped, before they are interrupted. Default 5 seconds. */
  readonly stopDeadline?: Duration.Input
}

/** The worker that runs a task, for its handler. */
export class Current extends Context.Service<Current, { readonly name: string }>()("troupe/Worker/Current") {}

/** What the runtime gives to a task's handler and to `init`. */
export type Provided = Actor.Provided | Current

/** One slot, as its worker knows it. */
interface Place {
  readonly index: number
  /** Has the worker see to it that its slots join again when this balancer is gone. */
  readonly watch: (balancer: ActorRef.ActorRef<any>) => Effect.Effect<void>
  /** The last dispatch it has seen, and the fiber that runs it, if one does. */
  ticket: number
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  rejoin: () => void
}

/** Until it is found and has answered. */
const untilJoined = Schedule.min([Schedule.exponential("50 millis", 2), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered
)

/** Implements one slot. */
const slotBehavior = (
  module: Module<any, any, any>,
  place: Place,
  worker: ActorRef.ActorRef<any>,
  { pool, stopDeadline, weight }: Settings
) => {
  const { group } = module
  const { balancer: balancerActor, join: Join, slot } = protocolOf(group)
  const name = worker.path

  const init = Effect.gen(function* () {
    const own = yield* Actor.Context
    const system = yield* ActorSystem.ActorSystem
    const handlers = (
      Effect.isEffect(module.init) ? yield* module.init as Effect.Effect<Record<string, any>> : module.init
    ) as Record<string, (payload: unknown) => Effect.Effect<unknown, unknown>>
    const logs = yield* References.CurrentLogAnnotations
    // For the tasks: they log under the worker's name, and have its services.
    const services = Context.add(yield* Effect.context<never>(), References.CurrentLogAnnotations, {
      ...logs,
      worker: name
    })
    const fork = Effect.runForkWith(services)

    const joining = yield* FiberHandle.make<unknown, unknown>()
    const run = yield* FiberHandle.runtime(joining)<never>()
    /** The task in hand is of a balancer that is gone: the one that is there now waits for its end. */
    let isForeign = false
    const join = Effect.gen(function* () {
      const balancer = yield* system.lookup(balancerActor, pathOf(group))
      const node = `${system.id.role}/${system.id.node}`
      const isWanted = yield* (balancer as ActorRef.ActorRef<typeof Join>).ask.$Join({
        worker: worker as never,
        node,
        pool,
        weight,
        index: place.index,
        slot: own.self,
        ticket: place.ticket,
        busy: place.fiber !== undefined
      })
      isForeign = place.fiber !== undefined
      yield* place.watch(balancer)
      // A pool's balancer has its own workers; another may come.
      if (!isWanted) return yield* Effect.fail("not wanted")
    })
    place.rejoin = () => {
      run(Effect.retry(join, untilJoined) as Effect.Effect<void>)
    }

    const told = ({ tag, told: asked }: Kind) => {
      if (typeof handlers[tag] !== "function") {
        throw new Error(`expected a handler for each task of group "${group.name}", got for "${tag}": ${handlers[tag]}`)
      }
      const handler = handlers[tag].bind(handlers)
      return (task: Run) => {
        place.ticket = task.ticket
        const opened = open(task.payload)
        if (opened === undefined) return started(tag, task, handler, task.payload)
        if (Exit.isExit(opened) && Exit.isSuccess(opened)) return started(tag, task, handler, opened.value)
        return Effect.matchEffect(opened, {
          // The balancer's ask is refused with it, and the client's then by the balancer.
          onFailure: (issue) => {
            const reason = new ActorError.DecodeError({ to: name, tag, issue: describeIssue(issue) })
            return Effect.tap(own.takeReplyTo(asked), (balancer) => balancer.refuse(reason))
          },
          onSuccess: (value) => started(tag, task, handler, value)
        })
      }
    }

    const started = (
      tag: string,
      task: Run,
      handler: (payload: unknown) => Effect.Effect<unknown, unknown>,
      payload: unknown
    ): Effect.Effect<void> => {
      const effect = handler(payload)
      if (Exit.isExit(effect) && task.trace === undefined) return ended(task, effect)
      if (Effect.isEffect(effect)) return awaited(tag, task, effect)
      throw new Error(`expected the handler of "${tag}" to return an Effect, got: ${String(effect)}`)
    }

    /** Runs a task in a fiber of its own, with the worker's services. */
    const awaited = (tag: string, task: Run, effect: Effect.Effect<unknown, unknown>) =>
      Effect.callback<void>((resume) => {
        const fiber = fork(traced(tag, task, effect))
        place.fiber = fiber
        fiber.addObserver((exit) => {
          place.fiber = undefined
          if (isForeign) place.rejoin()
          resume(ended(task, exit))
        })
        // When the task is left the slot is free again, and says so.
        return Effect.andThen(Fiber.interrupt(fiber), Effect.sync(place.rejoin))
      })

    const traced = (
      tag: string,
      { attempt, number, id = String(number), trace }: Run,
      effect: Effect.Effect<unknown, unknown>
    ) =>
      trace === undefined
        ? effect
        : Effect.withSpan(effect, `task ${tag}`, {
            parent: Tracer.externalSpan(trace),
            attributes: { "task.id": id, "task.attempt": attempt, worker: name }
          })

    /** An answer is the client's. Anything else is the slot's own failure, of which core tells the balancer. */
    const ended = ({ replyTo }: Run, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
      if (isAnswer(exit)) {
        replyTo.doneUnsafe(exit)
        return Effect.void
      }
      const { cause } = exit as Exit.Failure<unknown, unknown>
      return Effect.failCause(cause) as Effect.Effect<never>
    }

    place.rejoin()
    return Object.fromEntries([...group.kinds.values()].map((kind) => [kind.tag, told(kind)]))
  })
  return slot.behavior(Effect.provideService(init, Current, { name }) as Effect.Effect<any>, {
    stopDeadline,
    // A task's defect is the task's: only an `init` that fails uses up restarts, and those of its own slot.
    restart: { intensity: { restarts: 5, within: "30 seconds" }, backoff: { from: 0, to: 0 }, healthyAfter: 0 }
  })
}

const behavior = (module: Module<any, any, any>, settings: Settings) => {
  const { capacity, stopDeadline } = settings
  const { worker } = protocolOf(module.group)
  const init = Effect.gen(function* () {
    const context = yield* Actor.Context
    const { self, spawn } = context
    const places: Array<Place> = []
    const rejoin = Effect.sync(() => {
      for (const place of places) place.rejoin()
    })
    let watched = ""
    const watch = (balancer: ActorRef.ActorRef<any>) => {
      if (watched === String(balancer)) return Effect.void
      watched = String(balancer)
      return context.watch(balancer, () => rejoin)
    }
    for (let index = 0; index < capacity; index++) {
      const place: Place = { index, watch, ticket: 0, fiber: undefined, rejoin: () => {} }
      places.push(place)
      yield* spawn(`slot-${index + 1}`, slotBehavior(module, place, self, settings))
    }
    return {
      $Has: ({ slot, ticket }: { readonly slot: number; readonly ticket: number }) =>
        Effect.succeed(places[slot]!.fiber !== undefined && places[slot]!.ticket === ticket),
      $Rejoin: () => rejoin
    }
  })
  return worker.behavior(init as Effect.Effect<any>, { stopDeadline, stopChildren: "together" })
}

/** Options with their defaults, and the pool that the worker is of; empty for none. */
type Settings = Required<Omit<Options, "name">> & { readonly pool: string }

const checked = ({ capacity = 1, stopDeadline = "5 seconds", weight = 1 }: Options, pool: string): Settings => {
  positiveInteger("capacity", capacity)
  if (!Number.isFinite(weight) || weight <= 0) {
    throw new Error(`expected \`weight\` to be finite and more than 0, got: ${weight}`)
  }
  return { capacity, stopDeadline, weight, pool }
}

/** The address of a worker: to watch it, to stop it, to kill it. */
export type Ref = ActorRef.ActorRef<never>

/**
 * Starts a worker on this node; it stops with the Scope: the tasks in hand may end, within `stopDeadline`. Succeeds when the
 * handlers of every slot are acquired, and offers itself to the group's balancer from then on, whenever there is one. Fails
 * when acquiring them fails, or the name is taken. Dies on options that are none.
 */
export const make = <Rs extends Protocol.Any, E, R>(
  module: Module<Rs, E, R>,
  options: Options = {}
): Effect.Effect<Ref, ActorError.StartError, Exclude<R, Provided> | ActorSystem.ActorSystem | Scope.Scope> =>
  makeFor(module, options, "")

/** @internal A worker that joins no balancer but that of its pool. */
export const makeFor = <Rs extends Protocol.Any, E, R>(
  module: Module<Rs, E, R>,
  options: Options,
  pool: string
): Effect.Effect<Ref, ActorError.StartError, Exclude<R, Provided> | ActorSystem.ActorSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const system = yield* ActorSystem.ActorSystem
    const implementation = behavior(module, checked(options, pool))
    if (options.name !== undefined) return yield* system.spawnScoped(options.name, implementation)
    for (;;) {
      const started = yield* Effect.result(system.spawnScoped(nextName(system, module.group), implementation))
      if (started._tag === "Success") return started.success
      if (started.failure.reason !== "NameTaken") return yield* started.failure
    }
  }) as never

/** How many names each group was given on a system. */
const named = new WeakMap<ActorSystem.System, Map<string, number>>()

const nextName = (system: ActorSystem.System, { name }: Group<any>): string => {
  const numbers = named.get(system) ?? new Map<string, number>()
  named.set(system, numbers)
  const number = (numbers.get(name) ?? 0) + 1
  numbers.set(name, number)
  return `${name}-worker-${number}`
}

/** The same for as long as the Layer lives. */
export const layer = <Rs extends Protocol.Any, E, R>(
  module: Module<Rs, E, R>,
  options?: Options
): Layer.Layer<never, ActorError.StartError, Exclude<R, Provided> | ActorSystem.ActorSystem> =>
  Layer.effectDiscard(make(module, options)) as never
