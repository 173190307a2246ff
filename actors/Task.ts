/**
 * What a task is: a request that whoever is free may handle, defined like an actor's message, in a named group.
 *
 * The group is what clients, balancers and workers have in common. `handlers` says what each task does, and makes the module
 * that a worker or the `troupe` command runs.
 */
import type { Duration, Effect } from "effect"
import type { Actor, Protocol } from "../core/index.ts"
import { type Kind, kindOf } from "./Messages.ts"

/** How a task is to be treated. */
export interface SubmitOptions {
  /** A task of a higher number goes before one of a lower. Default 0; finite. Among equals the earlier goes first. */
  readonly priority?: number
  /**
   * How long its client waits. A task that has not started by then is not started, one that runs is interrupted. Default:
   * none; the task ends with its worker at the latest.
   */
  readonly deadline?: Duration.Input
  /** At most one task of a key runs at a time, and they run in the order in which the balancer got them. */
  readonly key?: string
  /**
   * Running it twice does no harm: when its worker is lost or crashes over it, it goes to another; when its balancer is
   * lost, its client submits it again. Default: what its definition says (`Protocol.Idempotent`), which is false.
   */
  readonly idempotent?: boolean
  /** What to call it in events and traces. Default: its number at the balancer; in `submitAll`, one of its
   * client's. */
  readonly id?: string
}

/** The tasks of a name, by their definitions. */
export interface Group<in out Rs extends Protocol.Any> {
  readonly "~Rs": (_: Rs) => Rs
  readonly name: string
  readonly rpcs: ReadonlyArray<Rs>
  /** @internal */
  readonly kinds: ReadonlyMap<string, Kind>
}

/** A handler for each task of a group. It answers by itself: the reply address is the worker's to use. */
export type Handlers<Rs extends Protocol.Any, Services> = {
  readonly [R in Rs as R["_tag"]]: (
    payload: Protocol.Payload<R>
  ) => Effect.Effect<Protocol.Success<R>, Protocol.Failure<R>, Services>
}

const moduleSymbol: unique symbol = Symbol.for("troupe/Task/Module")

/** A group with its handlers: what a worker runs. `E` is how acquiring them may fail. */
export interface Module<in out Rs extends Protocol.Any, out E, out R> {
  readonly [moduleSymbol]: 1
  readonly "~E": E
  readonly "~R": R
  readonly group: Group<Rs>
  /** Handlers, or an Effect of them that runs at every start and restart of a worker's slot. */
  readonly init: unknown
}

/**
 * Names the tasks that go together. Dies on a name that an actor cannot have, on two tasks of one name, on one whose
 * name begins with "$", and on one that streams: a task answers once.
 */
export const group = <const Rs extends ReadonlyArray<Protocol.Any>>(name: string, rpcs: Rs): Group<Rs[number]> => {
  for (const { _tag } of rpcs) {
    if (_tag.startsWith("$")) {
      throw new Error(`expected a task's name not to begin with "$", which are the runtime's own, got: "${_tag}"`)
    }
  }
  return makeGroup(name, rpcs)
}

/** @internal A group that may have tasks of the runtime's own. */
export const makeGroup = <const Rs extends ReadonlyArray<Protocol.Any>>(name: string, rpcs: Rs): Group<Rs[number]> => {
  if (!/^[^\s/#$\p{C}][^\s/#\p{C}]{0,199}$/u.test(name)) {
    throw new Error(
      `expected a group's name to be of 1 to 200 characters, without spaces, control characters, "/" and "#", and not to begin with "$", got: ${JSON.stringify(name)}`
    )
  }
  const kinds = new Map<string, Kind>()
  for (const rpc of rpcs) {
    if (kinds.has(rpc._tag)) {
      throw new Error(`expected each task of a group to have a name of its own, got: "${rpc._tag}" twice`)
    }
    kinds.set(rpc._tag, kindOf(rpc))
  }
  return { name, rpcs, kinds } as never
}

/**
 * Says what each task of a group does. `init` is the handlers, or an Effect of them: it runs once for each slot of a worker,
 * in the slot's own Scope, and again when the slot restarts after a defect. What all slots share belongs into a Layer.
 */
export const handlers = <Rs extends Protocol.Any, H extends Handlers<Rs, any>, E = never, R = never>(
  group: Group<Rs>,
  init: H | Effect.Effect<H, E, R>
): Module<Rs, E, R | Actor.ServicesOf<H>> => ({ [moduleSymbol]: 1, group, init }) as never

/** Whether a value is a group with its handlers, also one that another copy of this package made. */
export const isModule = (value: unknown): value is Module<Protocol.Any, unknown, unknown> =>
  typeof value === "object" && value !== null && moduleSymbol in value

/** A closure as a task, for a pool of this process: it has no name that could travel. */
export interface Local<out A, out E, out R> {
  readonly "~Local": unique symbol
  // @effect-diagnostics-next-line lazyEffect:off
  readonly effect: () => Effect.Effect<A, E, R>
}

export const local = <A, E, R>(effect: () => Effect.Effect<A, E, R>): Local<A, E, R> => ({ effect }) as never
