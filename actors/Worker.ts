/**
 * An actor that runs a balancer's tasks, one at a time, and answers each to the client that asked for it.
 *
 * A task comes with its payload sealed, as the client encoded it, and with the client's own reply address. However it ends
 * (value, typed error, defect, interrupted by a stop), its client gets the Exit first and the balancer hears `Done` next,
 * once. A defect then goes on to be a crash: the supervisor restarts the worker, and what waits in its mailbox waits on.
 *
 * Not yet: credits (it takes whatever the balancer sends), leases against a task that hangs, tasks that stream.
 */
import { type Duration, Effect, Schema, SchemaGetter, SchemaIssue, SchemaParser } from "effect"
import { Rpc, RpcSchema } from "effect/rpc"
import { Actor, ActorError, type ActorRef, type Protocol, ReplyTo } from "../core/index.ts"

/** A handler for each kind of task. It answers by itself: a task's reply address is the worker's to use. */
export type Handlers<Rs extends Protocol.Any, Services> = {
  readonly [R in Rs as R["_tag"]]: Protocol.IsStream<R> extends true
    ? never
    : (payload: Protocol.Payload<R>) => Effect.Effect<Protocol.Success<R>, Protocol.Failure<R>, Services>
}

/** What a worker tells its balancer when a task has come to its end, however. */
export const Done = Rpc.make("$Done", { payload: { ticket: Schema.Int } })

type Decode = (wire: unknown) => Effect.Effect<unknown, SchemaIssue.Issue, any>

/** A payload in wire form, and how to read it. Whoever only passes it on need not. */
class Sealed {
  readonly wire: unknown
  readonly decode: Decode

  constructor(wire: unknown, decode: Decode) {
    this.wire = wire
    this.decode = decode
  }
}

/**
 * The schema of a payload that stays sealed: it encodes what `payload` encodes, and decodes to wire form. Where messages
 * travel by reference the payload itself goes through.
 */
const sealed = (payload: Schema.Top): Schema.Top => {
  const json = Schema.toCodecJson(payload)
  const encode = SchemaParser.encodeUnknownEffect(json)
  const decode = SchemaParser.decodeUnknownEffect(json)
  return Schema.Any.pipe(
    Schema.decodeTo(Schema.Any, {
      decode: SchemaGetter.transform((wire: unknown) => new Sealed(wire, decode)),
      encode: SchemaGetter.transformEffect((value: unknown) =>
        value instanceof Sealed ? Effect.succeed(value.wire) : encode(value)
      )
    })
  )
}

const format = SchemaIssue.makeFormatterDefault()

const open = (payload: unknown): Effect.Effect<unknown, SchemaIssue.Issue, any> =>
  payload instanceof Sealed ? payload.decode(payload.wire) : Effect.succeed(payload)

/** A kind of task, as its client and as its worker knows it. */
export interface Task {
  readonly tag: string
  /** What the client asks: its own definition, but for the payload, which is sealed. */
  readonly asked: Rpc.AnyWithProps
  /** What the worker is told. */
  readonly told: Rpc.AnyWithProps
}

/** Makes a kind of task of a request's definition. Dies on one that streams. */
export const task = (definition: Protocol.Any): Task => {
  const rpc = definition as Rpc.AnyWithProps
  const { _tag: tag, successSchema: success, errorSchema: error } = rpc
  if (RpcSchema.isStreamSchema(success)) {
    throw new Error(`expected each task to answer once, got: "${tag}", which streams`)
  }
  const payload = sealed(rpc.payloadSchema)
  const asked = Rpc.make(tag, { payload, success, error }).annotateMerge(rpc.annotations)
  const told = Rpc.make(tag, { payload: { ticket: Schema.Int, replyTo: ReplyTo.schema(asked), payload } })
  return { tag, asked, told }
}

interface Told {
  readonly ticket: number
  readonly replyTo: ReplyTo.ReplyTo<any>
  readonly payload: unknown
}

/** Implements a worker of `balancer`. `init` is the handlers, or an Effect of them that runs at every start and restart. */
export const behavior = <E, R>(
  tasks: ReadonlyArray<Task>,
  init: Handlers<any, any> | Effect.Effect<Handlers<any, any>, E, R>,
  balancer: ActorRef.ActorRef<typeof Done>,
  stopDeadline: Duration.Input
): Actor.Behavior<any, E, R> => {
  const handle = (handlers: Handlers<any, any>, tag: string) => {
    return ({ ticket, replyTo, payload }: Told) => {
      const done = Effect.ignore(balancer.tell.$Done({ ticket }))
      return Effect.matchEffect(open(payload), {
        onFailure: (issue) => Effect.andThen(replyTo.refuse(undecoded(tag, issue)), done),
        onSuccess: (value) =>
          Effect.suspend(() => handlers[tag]!(value)).pipe(
            Effect.onExit((exit) => Effect.andThen(replyTo.done(exit), done)),
            // A typed error is an answer, not a crash.
            Effect.ignore
          )
      })
    }
  }
  const undecoded = (tag: string, issue: SchemaIssue.Issue) =>
    new ActorError.DecodeError({ to: balancer.path, tag, issue: format(issue) })
  const started = (handlers: Handlers<any, any>) =>
    Object.fromEntries(tasks.map(({ tag }) => [tag, handle(handlers, tag)])) as any
  const worker = Actor.make(
    "Worker",
    tasks.map(({ told }) => told)
  )
  return worker.behavior(Effect.isEffect(init) ? Effect.map(init, started) : started(init), {
    mailbox: { overflow: "unbounded" },
    stopDeadline
  }) as never
}
