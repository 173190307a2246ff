/**
 * What the parts of one node know of each other: the `ActorSystem` service users see, and behind it the seams the runtime
 * itself uses. It holds no behavior; `ActorSystem` builds it.
 */
import {
  type Clock,
  Context,
  type Effect,
  type Fiber,
  type Random,
  type Scheduler,
  Schema,
  type Scope,
  type Stream
} from "effect"
import type * as Actor from "./Actor.ts"
import type { NotExecuted, StartError } from "./ActorError.ts"
import type { ActorRef } from "./ActorRef.ts"
import type { Ask } from "./Ask.ts"
import type { Cell } from "./Cell.ts"
import type { Children } from "./Children.ts"
import type { DeadLetter, DeadLetters } from "./DeadLetter.ts"
import type { Deadlines } from "./Deadlines.ts"
import type { Ledger } from "./Ledger.ts"
import type { Link, LinkState } from "./Link.ts"
import type { Any } from "./Protocol.ts"
import type { NodeAddress } from "./Transport.ts"

/** One generation of one system in one process; never used again. */
export interface NodeId extends NodeAddress {
  readonly generation: string
}

/**
 * Why an actor ended:
 * `Normal` it stopped itself; `Shutdown` it was stopped, or its parent, scope or system ended; `Crashed` it failed more
 * often than its supervisor allows; `Killed`; `NoSuchActor` it had ended before the watch; `NodeLost` its node is suspected
 * to be gone, which says nothing about what it did last.
 */
export const TerminationReason = Schema.TaggedUnion({
  Normal: {},
  Shutdown: {},
  Crashed: { cause: Schema.Defect({ includeStack: true }) },
  Killed: {},
  NoSuchActor: {},
  NodeLost: {}
})
export type TerminationReason = typeof TerminationReason.Type

/** The news that an actor has ended. Every watch yields exactly one. */
export interface Terminated {
  readonly _tag: "Terminated"
  readonly ref: ActorRef<any>
  readonly reason: TerminationReason
}

/** What happened on a node, for observation. */
export type Event =
  | { readonly _tag: "ActorStarted"; readonly path: string }
  | { readonly _tag: "ActorRestarted"; readonly path: string; readonly incarnation: number; readonly cause: unknown }
  | { readonly _tag: "ActorEnded"; readonly path: string; readonly reason: TerminationReason }
  | { readonly _tag: "LinkChanged"; readonly node: string; readonly state: LinkState }

/** A living actor with its children, as `system.tree` shows it. */
export interface TreeNode {
  readonly path: string
  readonly actor: string
  readonly state: "starting" | "idle" | "busy" | "restarting" | "stopping"
  readonly incarnation: number
  /** How often it was started again, starts that failed included. */
  readonly restarts: number
  /** How many messages wait in its mailbox. */
  readonly queued: number
  readonly children: ReadonlyArray<TreeNode>
}

/** One node: it spawns actors, finds them, and shows what they do. */
export interface System {
  readonly id: NodeId
  /**
   * Starts an actor that lives until it is stopped or the system's Layer closes. Succeeds after its `init` did; fails with
   * `StartError` when `init` fails, a living actor has the name, or it is none: 1 to 255 characters without spaces, control
   * characters, `/` and `#`, that do not begin with `$`.
   */
  readonly spawn: <Rs extends Any, E, R>(
    name: string,
    behavior: Actor.Behavior<Rs, E, R>
  ) => Effect.Effect<ActorRef<Rs>, StartError, Exclude<R, Actor.Provided>>
  /** The same, and stops the actor when the caller's Scope closes. */
  readonly spawnScoped: <Rs extends Any, E, R>(
    name: string,
    behavior: Actor.Behavior<Rs, E, R>
  ) => Effect.Effect<ActorRef<Rs>, StartError, Exclude<R, Actor.Provided> | Scope.Scope>
  /**
   * Finds a living actor by its path: on this node first, then on every node the transport names, or only at `at`. Fails
   * with `NoSuchActor` where nobody has the name, with `UnsupportedMessage` where its owner does not understand the whole
   * protocol, and with `NotConnected` when the node asked for does not answer within `deadline` (default 5 seconds).
   */
  readonly lookup: <Rs extends Any>(
    actor: Actor.Actor<Rs>,
    path: string,
    options?: {
      readonly at?: { readonly role?: string; readonly node: string }
      readonly deadline?: import("effect").Duration.Input
    }
  ) => Effect.Effect<ActorRef<Rs>, NotExecuted>
  /** The living actors, top level first, as they are now. */
  readonly tree: Effect.Effect<ReadonlyArray<TreeNode>>
  /** Dead letters from the moment of reading. A slow reader misses the oldest. */
  readonly deadLetters: Stream.Stream<DeadLetter>
  /** Lifecycle and link events from the moment of reading. A slow reader misses the oldest. */
  readonly events: Stream.Stream<Event>
  /**
   * Waits until this node has nothing left to do: no message queued or being handled, none on its way out. What waits for
   * time (a backoff with messages behind it, a sleeping handler) counts as work, so under a TestClock move it first.
   */
  readonly idle: Effect.Effect<void>
  /** The ledger this system reports to. */
  readonly ledger: Ledger
  /** The links to other nodes by name (`role/node`), with their state. */
  readonly links: Effect.Effect<ReadonlyMap<string, LinkState>>
}

/**
 * Whether an ask of an idle actor on the same node is handled at once, inside the asker's turn, which spares the asker a
 * suspension. On by default. A simulation turns it off, so that its scheduler decides every turn.
 */
export const HandOff: Context.Reference<boolean> = Context.Reference<boolean>("troupe/Node/HandOff", {
  defaultValue: () => true
})

/** The service of one node. */
export class ActorSystem extends Context.Service<ActorSystem, System>()("troupe/ActorSystem") {}

/** A system from the inside. */
export interface Node extends System {
  /** The system's own services, itself among them. Actors add theirs to it. */
  readonly context: Context.Context<never>
  readonly dispatcher: Scheduler.SchedulerDispatcher
  readonly clock: Clock.Clock
  readonly random: Random.Random
  readonly letters: DeadLetters
  readonly deadlines: Deadlines
  /** Whether messages between actors of this node cross their codecs. */
  readonly encoded: boolean
  readonly stopping: boolean
  /** Nothing goes out any more. */
  readonly closed: boolean
  readonly cells: Map<string, Cell>
  /** Asks that other nodes may answer, by slot. */
  readonly slots: Map<number, Ask>
  /** The actors without a parent. */
  readonly top: Children
  /** Whether an ask may run an idle actor of this node inside the asker's turn. */
  readonly handOff: boolean
  /** How many turns run inside one another: answers that resume askers, and asks that run idle actors. */
  depth: number
  /** Counts one more, unless the stack would grow too deep: what is refused goes by the dispatcher. */
  readonly enter: () => boolean
  readonly nextId: () => number
  readonly link: (address: { readonly role: string; readonly node: string }) => Link
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  /** Whether anybody reads the events. */
  readonly observed: boolean
  readonly publish: (event: Event) => void
  /** One cell, or link, more or less has work to do. */
  readonly working: (change: 1 | -1) => void
}
