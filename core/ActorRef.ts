/**
 * An address you can tell, ask and watch; itself a schema, so a ref travels in a message.
 *
 * A ref names an actor by its node's generation and its id: it survives restarts, and dies when the actor ends. A new actor
 * under the same name is another actor. Refs are plain values: copy them, send them, use them from a hundred fibers. Their
 * methods live on a prototype built once per protocol.
 */
import { type Duration, Effect, type Exit, Schema, SchemaGetter, SchemaIssue, type Stream } from "effect"
import type { NotExecuted, Unknown } from "./ActorError.ts"
import type { AskOptions, AskUnsafeOptions } from "./Ask.ts"
import { ActorSystem, type Node, type Terminated } from "./Node.ts"
import * as Protocol from "./Protocol.ts"
import { Ref, resolve } from "./Ref.ts"

/**
 * The tells of a protocol. Each is lazy (run twice, it sends two messages) and at most once. It never suspends: it
 * succeeds when the message is handed over, and fails with `NotExecuted` when it is not.
 */
export type Tell<Rs extends Protocol.Any> = {
  readonly [R in Rs as R["_tag"]]: (payload: Protocol.Payload<R>) => Effect.Effect<void, NotExecuted>
}

/** The same, eager, for hot paths: false where the Effect would fail. */
export type TellUnsafe<Rs extends Protocol.Any> = {
  readonly [R in Rs as R["_tag"]]: (payload: Protocol.Payload<R>) => boolean
}

/**
 * The asks of a protocol. Each ends exactly once, no later than its deadline (default 5 seconds): with the answer, the
 * request's typed error, `NotExecuted` or `Unknown`. Interrupting it cancels the request.
 */
export type AskOf<Rs extends Protocol.Any> = {
  readonly [R in Rs as R["_tag"]]: (
    payload: Protocol.Payload<R>,
    options?: AskOptions
  ) => Protocol.IsStream<R> extends true
    ? Stream.Stream<Protocol.Element<R>, Protocol.Failure<R> | NotExecuted | Unknown>
    : Effect.Effect<Protocol.Success<R>, Protocol.Failure<R> | NotExecuted | Unknown>
}

/**
 * The asks of a protocol, eager, for hot paths: sends the request now, and calls `onExit` with its end, perhaps before the call
 * returns. Answers how to cancel the request, after which `onExit` is not called. Where an ask retries by itself (`NoRoute`,
 * `NotConnected`, `Unknown` of an idempotent request) this does not. Dies on a request that streams.
 */
export type AskUnsafe<Rs extends Protocol.Any> = {
  readonly [R in Rs as Protocol.IsStream<R> extends true ? never : R["_tag"]]: (
    payload: Protocol.Payload<R>,
    onExit: (exit: Exit.Exit<Protocol.Success<R>, Protocol.Failure<R> | NotExecuted | Unknown>) => void,
    options?: AskUnsafeOptions
  ) => () => void
}

/**
 * The offers of a protocol: tells that wait for room in a `backpressure` mailbox, inside their deadline (default 5
 * seconds). `Unknown` only for another node's actor, when that node is lost before it said whether it took the message.
 */
export type Offer<Rs extends Protocol.Any> = {
  readonly [R in Rs as R["_tag"]]: (
    payload: Protocol.Payload<R>,
    options?: AskOptions
  ) => Effect.Effect<void, NotExecuted | Unknown>
}

/** The address of an actor that understands at least the messages `Rs`. */
export interface ActorRef<Rs extends Protocol.Any> {
  readonly "~ActorRef": unique symbol
  /** The actor's name, after those of its parents: `alice/cart`. */
  readonly path: string
  readonly tell: Tell<Rs>
  readonly tellUnsafe: TellUnsafe<Rs>
  readonly ask: AskOf<Rs>
  readonly askUnsafe: AskUnsafe<Rs>
  readonly offer: Offer<Rs>
  /** Waits for the actor's end. Yields exactly one `Terminated`, at once when it has ended already. */
  readonly watch: Effect.Effect<Terminated>
  /**
   * Stops the actor and waits for its end. The running handlers, its children's too, may finish until `deadline` (default:
   * each actor's own `stopDeadline`); queued asks are answered `Stopping`, queued tells become dead letters, children are stopped in
   * reverse order. Called from the actor's own handler it does not wait.
   */
  readonly stop: (options?: { readonly deadline?: Duration.Input }) => Effect.Effect<void>
  /** Ends the actor at once, interrupting what it does, and waits for its end. */
  readonly kill: Effect.Effect<void>
}

/** Whether a value is a ref of any protocol. */
export const isActorRef = (value: unknown): value is ActorRef<any> => value instanceof Ref

/**
 * The schema of "a ref that understands at least these": how a ref stands in a payload, also of its own protocol. Encoded
 * it is one line of text, good in logs and to paste into a REPL. Decoding needs the `ActorSystem` through which the ref is
 * to send, and the same system name as the ref's; inside messages the runtime provides it.
 */
export const schema = <const Rs extends ReadonlyArray<Protocol.Any>>(
  ...rpcs: Rs
): Schema.Codec<ActorRef<Rs[number]>, string, ActorSystem> => {
  const protocol = Protocol.make(rpcs)
  return Schema.String.pipe(
    Schema.decodeTo(Schema.declare(isActorRef, { expected: "an ActorRef" }), {
      decode: SchemaGetter.transformEffect((text: string) =>
        Effect.flatMap(ActorSystem, (system) => {
          const ref = resolve(system as Node, protocol, text)
          return typeof ref === "string"
            ? Effect.fail(new SchemaIssue.InvalidValue({ message: ref }, text))
            : Effect.succeed(ref)
        })
      ),
      encode: SchemaGetter.transform((ref: ActorRef<any>) => String(ref))
    })
  ) as never
}
