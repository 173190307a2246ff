/**
 * One address for many workers: clients submit tasks to it, and each goes to the worker that has least to do.
 *
 * A balancer is an actor with the name `<group>-balancer`. It takes over a task's reply address and lends it, with the payload
 * that it does not open, to a slot of a worker; the worker answers the client itself, and then the balancer, whose slot is
 * free with that. What finds no free slot waits here, within bounds. The balancer decides and sends, and never waits for
 * anybody, so neither a slow worker nor a client that is gone can hold it up.
 *
 * The decisions are `Dispatcher`'s. This file is the actor: its messages, its clock, its watches.
 */
import {
  Clock,
  Duration,
  Effect,
  FiberHandle,
  FiberSet,
  Layer,
  PubSub,
  Schedule,
  Schema,
  type Scope,
  Stream
} from "effect"
import { Actor, type ActorError, ActorRef, ActorSystem, type Protocol } from "../core/index.ts"
import { positiveInteger, positiveMillis } from "./Checked.ts"
import { Dispatcher, type Overflow, type Slot } from "./Dispatcher.ts"
import {
  type Event,
  type Events,
  type GetStatus,
  type Kind,
  pathOf,
  protocolOf,
  type Status,
  type Submit,
  type Sweep,
  type Tick,
  type WorkerRef
} from "./Messages.ts"
import type { Group } from "./Task.ts"

export type { Overflow } from "./Dispatcher.ts"
export { Event, Status } from "./Messages.ts"

export interface Options {
  /** Which worker gets a task. `leastLoaded`, the default: the one with the fewest tasks by weight, then the least recently used. */
  readonly strategy?: "leastLoaded"
  /**
   * What waits for a free worker: at most `capacity` tasks (default 10,000; a positive integer), and what happens at the bound.
   * `reject`, the default: the newest fails with `Shed`; `dropOldest`: the oldest of the lowest priority does;
   * `backpressure`: the newest waits outside, until there is room.
   */
  readonly queue?: { readonly capacity?: number; readonly overflow?: Overflow }
  /**
   * How long a worker is trusted to be at work on a task before it is asked. One that does not answer is taken for hung, and
   * its task for lost. Default 30 seconds; a loss is noticed within twice this and 5 seconds.
   */
  readonly lease?: Duration.Input
  /** How long tasks wait when there is no worker at all, before they fail with `NoRoute`. Default 5 seconds. */
  readonly patience?: Duration.Input
  /** How often an idempotent task is started, the first time included. Default 3. */
  readonly attempts?: number
}

// ----- Its address -----

/** A balancer's address: a plain value, to copy, to send in a message (see `schema`), to use from a hundred fibers. */
export interface Ref<in out Rs extends Protocol.Any> extends ActorRef.ActorRef<typeof GetStatus> {
  readonly "~Tasks": (_: Rs) => Rs
}

/** The schema of a balancer's address, as it stands in a message's payload. */
export const schema = <Rs extends Protocol.Any>(
  group: Group<Rs>
): Schema.Codec<Ref<Rs>, string, ActorSystem.ActorSystem> =>
  ActorRef.schema(...protocolOf(group).balancer.rpcs) as never

/** Asks a balancer for what it knows now. Includes the end of every task whose client has its answer. */
export const status = <Rs extends Protocol.Any>(
  ref: Ref<Rs>
): Effect.Effect<Status, ActorError.NotExecuted | ActorError.Unknown> => ref.ask.$Status()

const longest = Duration.weeks(5200)

/** What happens at a balancer from the moment of reading. A slow reader misses the oldest. */
export const events = <Rs extends Protocol.Any>(
  ref: Ref<Rs>
): Stream.Stream<Event, ActorError.NotExecuted | ActorError.Unknown> =>
  (ref as ActorRef.ActorRef<any> as ActorRef.ActorRef<typeof Events>).ask.$Events(undefined, { deadline: longest })

/** A line for each worker: `Worker math-worker-1 has 2 requests pending`. Those of one name say their node: `math-worker-1@node/b`. */
export const show = ({ workers }: Pick<Status, "workers">): string => {
  const named = Map.groupBy(workers, ({ name }) => name)
  return workers
    .map(({ load, name, node }) => {
      const label = named.get(name)!.length > 1 ? `${name}@${node}` : name
      return `Worker ${label} has ${load} requests pending`
    })
    .join("\n")
}

// ----- The actor -----

const overflows: ReadonlyArray<string> = ["reject", "dropOldest", "backpressure"]
const eventCapacity = 1024
/** How long a worker may take to say whether it has a task in hand. */
const probeDeadline: Duration.Input = "5 seconds"

/** Checks options and fills in the defaults. Dies on one that is none. */
const settings = (options: Options) => {
  const { attempts = 3, lease = "30 seconds", patience = "5 seconds", queue = {}, strategy = "leastLoaded" } = options
  const { capacity = 10_000, overflow = "reject" } = queue
  if (strategy !== "leastLoaded") throw new Error(`expected \`strategy\` to be leastLoaded, got: ${String(strategy)}`)
  if (!overflows.includes(overflow)) {
    throw new Error(`expected \`queue.overflow\` to be one of ${overflows.join(", ")}, got: ${overflow}`)
  }
  return {
    capacity: positiveInteger("queue.capacity", capacity),
    overflow,
    attempts: positiveInteger("attempts", attempts),
    patienceMillis: positiveMillis("patience", patience),
    leaseMillis: positiveMillis("lease", lease)
  }
}

/** Implements a group's balancer. */
const behavior = (group: Group<any>, options: Options, pool: string) => {
  const { leaseMillis, ...rest } = settings(options)
  const { balancer, slotRef } = protocolOf(group)
  let known: ReadonlyArray<WorkerRef> = []

  const init = Effect.gen(function* () {
    const context = yield* Actor.Context
    const clock = yield* Clock.Clock
    const self = context.self as ActorRef.ActorRef<typeof Tick | typeof Sweep>
    const tick = () => {
      self.tellUnsafe.$Tick()
    }
    const alarm = yield* FiberHandle.runtime(yield* FiberHandle.make<void>())<never>()
    let wakesAt = Number.POSITIVE_INFINITY
    const wakeAt = (at: number) => {
      if (at >= wakesAt) return
      wakesAt = at
      const wait = Math.max(at - clock.currentTimeMillisUnsafe(), 0)
      alarm(Effect.andThen(Effect.sleep(wait), Effect.sync(tick)))
    }
    const fork = yield* FiberSet.runtime(yield* FiberSet.make<void>())<never>()
    /** Asks a worker, beside the balancer's turns, whether it has a slot's task in hand. */
    const probe = ({ index, member, ticket }: Slot, answered: (has: boolean | undefined) => void) => {
      const asked = member.ref.ask.$Has({ slot: index, ticket }, { deadline: probeDeadline })
      // One that is ending has said so, and the end of the dispatch will tell; only silence is silence.
      const silent = (error: ActorError.NotExecuted | ActorError.Unknown) => {
        if (error._tag === "Unknown") answered(undefined)
      }
      fork(Effect.match(asked, { onSuccess: answered, onFailure: silent }))
    }
    const hub = yield* PubSub.sliding<Event>(eventCapacity)
    let readers = 0

    const dispatcher: Dispatcher = new Dispatcher(
      { path: self.path, ...rest },
      {
        now: () => clock.currentTimeMillisUnsafe(),
        wakeAt,
        yield: tick,
        probe: (slot) => {
          const { ticket } = slot
          probe(slot, (has) => dispatcher.answered(slot, ticket, has))
        },
        observed: () => readers > 0,
        emit: (event) => PubSub.publishUnsafe(hub, event)
      }
    )
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        known = dispatcher.workers
        dispatcher.close()
      })
    )
    const sweep = Effect.sync(() => self.tellUnsafe.$Sweep())
    yield* Effect.forkScoped(Effect.repeat(Effect.andThen(Effect.sleep(leaseMillis), sweep), Schedule.forever))
    // The workers of an earlier incarnation do not know that it has ended.
    for (const worker of known) worker.tellUnsafe.$Rejoin()

    const take = (kind: Kind) => (submit: unknown) => {
      dispatcher.submit(kind, submit as Submit, context.takeReplyToUnsafe(kind.asked))
      return Effect.void
    }

    const join = Effect.fnUntraced(function* (
      offer: Parameters<typeof dispatcher.join>[0] & { readonly pool: string }
    ) {
      if (offer.pool !== pool) return false
      const slot = dispatcher.join({ ...offer, slot: yield* Schema.decodeEffect(slotRef)(String(offer.slot)) })
      if (slot === undefined) return true
      yield* context.watch(slot.ref, () => Effect.sync(() => dispatcher.leave(slot)))
      return true
    })

    const events = Effect.as(
      Effect.acquireRelease(
        Effect.sync(() => {
          readers += 1
        }),
        () =>
          Effect.sync(() => {
            readers -= 1
          })
      ),
      Stream.fromPubSub(hub)
    )

    return {
      ...Object.fromEntries([...group.kinds.values()].map((kind) => [kind.tag, take(kind)])),
      // A client that has its answer may ask before the balancer's own turn to hear of it; behind that turn it is counted.
      $Status: () => Effect.map(Effect.yieldNow, () => dispatcher.status),
      $Events: () => Stream.unwrap(events),
      $Tick: () => {
        wakesAt = Number.POSITIVE_INFINITY
        dispatcher.tick()
        return Effect.void
      },
      $Sweep: () => {
        dispatcher.sweep()
        return Effect.void
      },
      // A slot that is known is watched, even if it takes its offer back.
      $Join: (offer: Parameters<typeof join>[0]) => Effect.uninterruptible(join(offer))
    }
  })
  return balancer.behavior(init as Effect.Effect<any>, {
    // Beyond this its clients wait: a task is refused by the queue's policy, not by the mailbox's.
    mailbox: { capacity: rest.capacity, overflow: "backpressure" },
    // What goes on in it is only the reading of its events, which is not waited for.
    stopDeadline: 0,
    restart: { healthyAfter: 0 }
  })
}

/**
 * Starts a group's balancer on this node, under the name `<group>-balancer`; it stops with the Scope. Tasks that wait then end
 * in `Stopping`, tasks that run in `Unknown`: stop clients and workers first. Fails when the name is taken. Dies on options
 * that are none.
 */
export const make = <Rs extends Protocol.Any>(
  group: Group<Rs>,
  options: Options = {}
): Effect.Effect<Ref<Rs>, ActorError.StartError, ActorSystem.ActorSystem | Scope.Scope> => makeFor(group, options, "")

/** @internal A balancer that takes no workers but those of its pool. */
export const makeFor = <Rs extends Protocol.Any>(
  group: Group<Rs>,
  options: Options,
  pool: string
): Effect.Effect<Ref<Rs>, ActorError.StartError, ActorSystem.ActorSystem | Scope.Scope> =>
  Effect.suspend(() => {
    const implementation = behavior(group, options, pool)
    return Effect.flatMap(ActorSystem.ActorSystem, (system) => system.spawnScoped(pathOf(group), implementation))
  }) as never

/** The same for as long as the Layer lives. */
export const layer = <Rs extends Protocol.Any>(
  group: Group<Rs>,
  options?: Options
): Layer.Layer<never, ActorError.StartError, ActorSystem.ActorSystem> => Layer.effectDiscard(make(group, options))
