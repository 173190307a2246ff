/**
 * An actor's definition: its name, its protocol, and behaviors that implement it.
 *
 * `make` names the messages, `behavior` says what they do. A behavior is a value: spawn it as often as you like, each
 * actor runs its `init` for itself, at every start and restart, in a Scope of its own.
 */
import { type Duration, Effect, Context as EffectContext, type Exit, type Scope, type Stream } from "effect"
import type { StartError } from "./ActorError.ts"
import type { ActorRef } from "./ActorRef.ts"
import {
  type AutoShutdown,
  type ChildOptions,
  type StopChildren,
  type Strategy,
  type Supervision,
  supervision
} from "./Children.ts"
import * as Mailbox from "./Mailbox.ts"
import type { ActorSystem, Terminated } from "./Node.ts"
import * as Protocol from "./Protocol.ts"
import type { ReplyTo } from "./ReplyTo.ts"
import { type Directive, type Failure, type Limit, millisOf, type Policy, policy, type Restart } from "./Restart.ts"
import type { Stash } from "./Stash.ts"

export type { AutoShutdown, ChildOptions, RestartType, StopChildren, Strategy, Supervision } from "./Children.ts"
export type { Directive, Failure, Intensity, Restart } from "./Restart.ts"
export type { Stash } from "./Stash.ts"

/**
 * What handles one request: an Effect of its success, or the `ReplyTo` it took when somebody else answers; a Stream where
 * the request streams. The payload is decoded and checked.
 */
export type Handler<R extends Protocol.Any, Services> =
  Protocol.IsStream<R> extends true
    ? (payload: Protocol.Payload<R>) => Stream.Stream<Protocol.Element<R>, Protocol.Failure<R>, Services>
    : (payload: Protocol.Payload<R>) => Effect.Effect<Protocol.Success<R> | ReplyTo<R>, Protocol.Failure<R>, Services>

/** A handler for each request of a protocol. */
export type Handlers<Rs extends Protocol.Any, Services> = {
  readonly [R in Rs as R["_tag"]]: Handler<R, Services>
}

/** The services that handlers need when they are called. */
export type ServicesOf<H> = {
  readonly [K in keyof H]: H[K] extends (...args: ReadonlyArray<never>) => infer Result
    ? Result extends Effect.Effect<infer _A, infer _E, infer R>
      ? R
      : Result extends Stream.Stream<infer _A, infer _E, infer R>
        ? R
        : never
    : never
}[keyof H]

export interface BehaviorOptions<Rs extends Protocol.Any = any> extends Supervision {
  /** How many messages may wait, and what happens at the bound. Default: 1024, `reject`. */
  readonly mailbox?: Mailbox.Options
  /**
   * How long each step of a stop may take: the running handler, each child, the Scope's finalizers. Default 5 seconds;
   * finite.
   */
  readonly stopDeadline?: Duration.Input
  /** How it is started again when it fails. */
  readonly restart?: Restart
  /**
   * What to do when it failed. Default, and where this answers nothing: `resume` after the typed error of a told message,
   * `restart` after anything else. It is not asked about an `init` that fails, which is a start that failed.
   */
  readonly onFailure?: (failure: Failure<Protocol.Failure<Rs>>) => Directive | undefined
}

/** What the runtime gives to every init and handler: the actor's own Scope, its Context, and its node's system. */
export type Provided = Scope.Scope | Context | ActorSystem

/** What an actor does. Made by an actor's `behavior`; given to `spawn`. `E` is how `init` may fail. */
export interface Behavior<in out Rs extends Protocol.Any, out E, out R> {
  readonly "~Rs": (_: Rs) => Rs
  readonly "~E": E
  readonly "~R": R
  readonly actor: string
  readonly protocol: Protocol.Protocol
  readonly rpcs: ReadonlyArray<Protocol.Any>
  /** Handlers, or an Effect of them. */
  readonly init: unknown
  readonly mailbox: Mailbox.Settings
  readonly stopDeadlineMillis: number
  readonly stopChildren: StopChildren
  readonly strategy: Strategy
  readonly autoShutdown: AutoShutdown
  /** Of the budget that its children share. */
  readonly limit: Limit
  readonly restart: Policy
  readonly onFailure: ((failure: Failure) => Directive | undefined) | undefined
}

/** A definition: the name for people, the messages for the compiler and the wire. */
export interface Actor<in out Rs extends Protocol.Any> {
  readonly name: string
  readonly rpcs: ReadonlyArray<Rs>
  readonly protocol: Protocol.Protocol
  /** The actor that runs, as a ref of its own type; for init and handlers. */
  readonly self: Effect.Effect<ActorRef<Rs>, never, Context>
  /** Checks a handler object as a whole, extra keys too, and returns it. */
  readonly of: <const H extends Handlers<Rs, any>>(
    handlers: H & { readonly [K in Exclude<keyof H, Rs["_tag"]>]: never }
  ) => H
  /**
   * Implements the protocol. `init` is the handlers, or an Effect of them that runs at every start and restart; it may use
   * `Actor.Context` and Scope, and what it acquires is released before it runs again.
   */
  readonly behavior: <H extends Handlers<Rs, any>, E = never, R = never>(
    init: H | Effect.Effect<H, E, R>,
    options?: BehaviorOptions<Rs>
  ) => Behavior<Rs, E, Exclude<R | ServicesOf<H>, Provided>>
}

/** Defines an actor. Dies when two messages have one tag. */
export const make = <const Rs extends ReadonlyArray<Protocol.Any>>(name: string, rpcs: Rs): Actor<Rs[number]> => {
  const protocol = Protocol.make(rpcs)
  return {
    name,
    rpcs,
    protocol,
    self: Effect.map(Context, (context) => context.self as ActorRef<Rs[number]>),
    of: (handlers) => handlers,
    behavior: (init, options) => {
      return {
        actor: name,
        protocol,
        rpcs,
        init,
        mailbox: Mailbox.settings(options?.mailbox),
        stopDeadlineMillis: millisOf("stopDeadline", options?.stopDeadline ?? "5 seconds"),
        ...supervision(options),
        restart: policy(options?.restart),
        onFailure: options?.onFailure
      } as never
    }
  }
}

/** What an actor's own init and handlers may use. */
export class Context extends EffectContext.Service<
  Context,
  {
    /** The actor itself. `Account.self` has it with its type. */
    readonly self: ActorRef<any>
    /** How often the actor was started; 1 at first. */
    readonly incarnation: number
    /**
     * Starts a child: it is stopped before this actor ends or restarts. Its path is `<parent>/<name>`. By default it is
     * `transient`. Dies on options that are none.
     */
    readonly spawn: <Rs extends Protocol.Any, E, R>(
      name: string,
      behavior: Behavior<Rs, E, R>,
      options?: ChildOptions
    ) => Effect.Effect<ActorRef<Rs>, StartError, Exclude<R, Provided>>
    /**
     * Watches another actor: `onTerminated` runs as a message of this actor, in its turn and after every message of that
     * actor that will be delivered. The watch ends with this incarnation.
     */
    readonly watch: <E, R>(
      ref: ActorRef<any>,
      onTerminated: (terminated: Terminated) => Effect.Effect<unknown, E, R>
    ) => Effect.Effect<void, never, R>
    /**
     * Starts a timer: `run` runs as a message of this actor, in its turn, once `after` so long or `every` so long. A timer of
     * the same key is replaced. It ends with this incarnation. While its message waits it adds no other. Dies on a time that
     * is none.
     */
    readonly startTimer: <E, R>(
      key: string,
      when: { readonly after: Duration.Input } | { readonly every: Duration.Input },
      run: Effect.Effect<unknown, E, R>
    ) => Effect.Effect<void, never, R>
    /** Ends the timer of this key, if there is one. It does not run any more, though its message may wait. */
    readonly cancelTimer: (key: string) => Effect.Effect<void>
    /**
     * Has `run` run, as a message of this actor, whenever it had no message for so long; timers and watches are none. A second
     * call replaces the first, and `undefined` in place of a time takes it back. It ends with this incarnation.
     */
    readonly receiveTimeout: <E = never, R = never>(
      after: Duration.Input | undefined,
      run?: Effect.Effect<unknown, E, R>
    ) => Effect.Effect<void, never, R>
    /** Gives this incarnation a stash, for its init: a bounded place for messages that it cannot handle yet. */
    readonly makeStash: (options: { readonly capacity: number }) => Effect.Effect<Stash>
    /**
     * Runs `effect` beside this actor, and `onExit` with its Exit as a message of this actor, in its turn. Succeeds at once. The
     * effect is interrupted when this incarnation ends.
     */
    readonly pipeToSelf: <A, E, R, E2, R2>(
      effect: Effect.Effect<A, E, R>,
      onExit: (exit: Exit.Exit<A, E>) => Effect.Effect<unknown, E2, R2>
    ) => Effect.Effect<void, never, R | R2>
    /**
     * Stops this actor, normally, after the message it is handling. Succeeds at once. A `permanent` child is started again
     * by its parent, as after a failure.
     */
    readonly stop: Effect.Effect<void>
    /**
     * Takes over the reply address of the request being handled, which must be `rpc`: whoever then holds it answers. The
     * handler returns the address in place of an answer. Where nobody waits (the message was told, or its address was
     * taken before) it is an address whose answers are dropped and counted.
     */
    readonly takeReplyTo: <R extends Protocol.Any>(rpc: R) => Effect.Effect<ReplyTo<R>>
    /** The same, eager, for hot paths: only while the handler is being called, not in the Effect that it returns. */
    readonly takeReplyToUnsafe: <R extends Protocol.Any>(rpc: R) => ReplyTo<R>
  }
>()("troupe/Actor/Context") {}
