/**
 * An actor's messages: `effect/rpc` definitions and the codecs derived from them. The one file that knows Rpc.
 *
 * Rpc serves as the definition language only: payload, success, error and stream schemas. Each definition becomes one
 * `Method`, built once and shared by every ref and actor that names it; its codecs are compiled at first use.
 */
import { Cause, Context, Effect, Exit, Schema, SchemaIssue, SchemaParser, type Stream } from "effect"
import { type Rpc, RpcSchema } from "effect/rpc"

/**
 * Declares with `rpc.annotate(Protocol.Concurrent, true)` that a request does not wait for its turn: its handler runs in
 * a fiber of its own, beside the others. The default is one message at a time.
 */
export const Concurrent: Context.Reference<boolean> = Context.Reference<boolean>("troupe/Protocol/Concurrent", {
  defaultValue: () => false
})

/**
 * Declares with `rpc.annotate(Protocol.Idempotent, true)` that running a request twice does no harm: after an `Unknown`
 * the runtime retries it inside its deadline, with the same id. The default is no retry.
 */
export const Idempotent: Context.Reference<boolean> = Context.Reference<boolean>("troupe/Protocol/Idempotent", {
  defaultValue: () => false
})

/**
 * Declares with `rpc.annotate(Protocol.Urgent, true)` that a message is taken before all that are not, and does not count
 * against the mailbox's capacity: for news that makes room (a credit, an acknowledgement, a cancel), of which the protocol
 * itself bounds how many there can be. Urgent messages keep their order among themselves. The default is the order of arrival.
 */
export const Urgent: Context.Reference<boolean> = Context.Reference<boolean>("troupe/Protocol/Urgent", {
  defaultValue: () => false
})

/** Any request definition. */
export type Any = Rpc.Any

export type Tag<R extends Any> = R["_tag"]
export type Payload<R extends Any> = Rpc.Payload<R>
export type Success<R extends Any> = Rpc.Success<R>
/** The typed error of a request, a stream's included. */
export type Failure<R extends Any> = Rpc.ErrorExit<R>
/** What an asker gets on success: a value, or the elements of a stream. */
export type Element<R extends Any> = Rpc.SuccessChunk<R>
export type IsStream<R extends Any> = [Rpc.Success<R>] extends [Stream.Stream<infer _A, infer _E, infer _R>]
  ? [Rpc.Success<R>] extends [never]
    ? false
    : true
  : false

/** Encodes and decodes one schema. The result is an Exit, unless the schema needs services or is asynchronous. */
export interface Codec {
  readonly encode: (value: unknown) => Effect.Effect<unknown, SchemaIssue.Issue, any>
  readonly decode: (value: unknown) => Effect.Effect<unknown, SchemaIssue.Issue, any>
}

const makeCodec = (schema: Schema.Top): Codec => {
  const json = Schema.toCodecJson(schema)
  return { encode: SchemaParser.encodeUnknownEffect(json), decode: SchemaParser.decodeUnknownEffect(json) }
}

/** One request of a protocol, with the codecs of its parts. */
export class Method {
  readonly kind = "method"
  readonly tag: string
  readonly concurrent: boolean
  readonly idempotent: boolean
  readonly urgent: boolean
  readonly streaming: boolean
  /** Neither streaming nor concurrent. */
  readonly plain: boolean
  readonly #schemas: { readonly payload: Schema.Top; readonly success: Schema.Top; readonly failure: Schema.Top }
  #payload: Codec | undefined
  #success: Codec | undefined
  #failure: Codec | undefined

  constructor(rpc: Rpc.AnyWithProps) {
    const stream = RpcSchema.isStreamSchema(rpc.successSchema) ? rpc.successSchema : undefined
    this.tag = rpc._tag
    this.concurrent = Context.get(rpc.annotations, Concurrent)
    this.idempotent = Context.get(rpc.annotations, Idempotent)
    this.urgent = Context.get(rpc.annotations, Urgent)
    this.streaming = stream !== undefined
    this.plain = !this.streaming && !this.concurrent
    this.#schemas = {
      payload: rpc.payloadSchema,
      success: stream?.success ?? rpc.successSchema,
      failure: stream?.error ?? rpc.errorSchema
    }
  }

  get payload(): Codec {
    return (this.#payload ??= makeCodec(this.#schemas.payload))
  }
  /** The reply's value; for a stream, one element. */
  get success(): Codec {
    return (this.#success ??= makeCodec(this.#schemas.success))
  }
  get failure(): Codec {
    return (this.#failure ??= makeCodec(this.#schemas.failure))
  }
}

const methods = new WeakMap<Any, Method>()

/** The Method of a definition, the same object at every call. */
export const methodOf = (rpc: Any): Method => {
  let method = methods.get(rpc)
  if (method === undefined) {
    method = new Method(rpc as Rpc.AnyWithProps)
    methods.set(rpc, method)
  }
  return method
}

/** The methods of a protocol by tag. Dies when two definitions have one tag. */
export type Protocol = ReadonlyMap<string, Method>

export const make = (rpcs: ReadonlyArray<Any>): Protocol => {
  const protocol = new Map<string, Method>()
  for (const rpc of rpcs) {
    if (protocol.has(rpc._tag)) {
      throw new Error(`expected each message of a protocol to have a tag of its own, got: "${rpc._tag}" twice`)
    }
    protocol.set(rpc._tag, methodOf(rpc))
  }
  return protocol
}

/**
 * Runs a codec's Effect to its Exit, in `context`. A codec must be synchronous: one that is not fails with an issue that
 * says so.
 */
export const runCodec = (
  effect: Effect.Effect<unknown, SchemaIssue.Issue, any>,
  context: Context.Context<never>
): Exit.Exit<unknown, unknown> => {
  if (Exit.isExit(effect)) return effect
  const fiber = Effect.runForkWith(context as Context.Context<any>)(effect)
  const exit = fiber.pollUnsafe()
  if (exit !== undefined) return exit
  fiber.interruptUnsafe()
  return Exit.die("the schema is asynchronous, and a message's schema must be synchronous")
}

const format = SchemaIssue.makeFormatterDefault()

/** Says in one line why a codec failed. */
export const issueOf = (exit: Exit.Failure<unknown, unknown>): string => {
  const issue = Cause.squash(exit.cause)
  return (SchemaIssue.isIssue(issue) ? format(issue) : String(issue)).replaceAll(/\s*\n\s*/g, " ")
}
