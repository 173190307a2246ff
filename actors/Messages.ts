/**
 * What clients, balancers and workers say to each other.
 *
 * A client submits a task under the task's own name and with its own answers, so that core brings the worker's answer to it. A
 * payload stays as its client encoded it until a worker opens it. A dispatch is an ask as well, of a worker's slot: whatever
 * becomes of that (an answer, a crash, a lost node), core tells the balancer exactly once. What brings in workers is urgent: it
 * overtakes the tasks that wait in a mailbox.
 */
import { Cause, Context, Effect, Exit, Schema, SchemaGetter, SchemaIssue, SchemaParser } from "effect"
import { Rpc, RpcSchema } from "effect/rpc"
import { Actor, ActorRef, Protocol, ReplyTo } from "../core/index.ts"

/** A task's definition as its client asks for it, and as its worker is told. */
export interface Kind {
  readonly tag: string
  /** What the client asks: the task's own answers, and a payload that stays sealed. */
  readonly asked: Rpc.AnyWithProps
  readonly told: Rpc.AnyWithProps
  /** Whether the definition says that it may run twice. A submit's option outweighs it. */
  readonly idempotent: boolean
}

// ----- A payload that only the worker opens -----

type Decode = (wire: unknown) => Effect.Effect<unknown, SchemaIssue.Issue, any>

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

/** Opens a payload, with an Effect where it has to be decoded; undefined where it came by reference. */
export const open = (payload: unknown): Effect.Effect<unknown, SchemaIssue.Issue, any> | undefined =>
  payload instanceof Sealed ? payload.decode(payload.wire) : undefined

const format = SchemaIssue.makeFormatterDefault()

/** Says in one line why a payload did not open. */
export const describeIssue = (issue: SchemaIssue.Issue): string => format(issue).replaceAll(/\s*\n\s*/g, " ")

const Trace = Schema.Struct({ traceId: Schema.String, spanId: Schema.String, sampled: Schema.Boolean })

/** What a client asks of a balancer. Its deadline is the ask's. */
export interface Submit {
  readonly payload: unknown
  readonly priority?: number
  readonly key?: string
  readonly idempotent?: boolean
  readonly id?: string
  readonly trace?: typeof Trace.Type
}

/** What a balancer asks of a slot. The slot gives the task's answer to its client, and ends this ask when it is free again. */
export interface Run {
  /** Names the dispatch. */
  readonly ticket: number
  /** The task's number at the balancer, which is its name where it has no other. */
  readonly number: number
  id?: string
  readonly attempt: number
  readonly replyTo: ReplyTo.ReplyTo<any>
  readonly payload: unknown
  trace?: typeof Trace.Type
}

/** Makes both of a task's definition. Dies on one that streams. */
export const kindOf = (definition: Protocol.Any): Kind => {
  const rpc = definition as Rpc.AnyWithProps
  const { _tag: tag, successSchema: success, errorSchema: error } = rpc
  if (RpcSchema.isStreamSchema(success)) {
    throw new Error(`expected each task to answer once, got: "${tag}", which streams`)
  }
  const payload = sealed(rpc.payloadSchema)
  const asked = Rpc.make(tag, {
    payload: {
      payload,
      priority: Schema.optionalKey(Schema.Finite),
      key: Schema.optionalKey(Schema.String),
      idempotent: Schema.optionalKey(Schema.Boolean),
      id: Schema.optionalKey(Schema.String),
      trace: Schema.optionalKey(Trace)
    },
    success,
    error
  })
  const told = Rpc.make(tag, {
    payload: {
      ticket: Schema.Int,
      number: Schema.Int,
      id: Schema.optionalKey(Schema.String),
      attempt: Schema.Int,
      replyTo: ReplyTo.lent(asked),
      payload,
      trace: Schema.optionalKey(Trace)
    }
  })
  return { tag, asked, told, idempotent: Context.get(rpc.annotations, Protocol.Idempotent) }
}

/** The typed error of an Exit, if it has one. */
export const errorOf = (exit: Exit.Failure<any, any>): any =>
  exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error

/** A value or a typed error; anything else is a crash. */
export const isAnswer = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isSuccess(exit) || (!Cause.hasDies(exit.cause) && Cause.hasFails(exit.cause))

// ----- To the balancer -----

const WorkerStatus = Schema.Struct({
  /** Its path on its node. */
  name: Schema.String,
  node: Schema.String,
  /** Tasks that it has in hand. */
  load: Schema.Int,
  /** Tasks that it can have in hand. */
  capacity: Schema.Int,
  weight: Schema.Finite,
  /** Tasks that it was given so far. */
  dispatched: Schema.Int
})

/** A balancer as it is now: its workers in the order in which they joined, and what became of its tasks. */
export const Status = Schema.Struct({
  workers: Schema.Array(WorkerStatus),
  /** Tasks that wait for a worker. */
  queued: Schema.Int,
  /** Tasks that wait outside, under `backpressure`. */
  waiting: Schema.Int,
  running: Schema.Int,
  /** Tasks that were taken: each waits, runs, or has come to one of the ends that follow. */
  accepted: Schema.Int,
  /** Its worker answered, with a value or a typed error. */
  completed: Schema.Int,
  /** Its worker answered with a defect. */
  crashed: Schema.Int,
  /** Its client left, or its deadline passed while it ran. */
  cancelled: Schema.Int,
  /** Its worker was lost, and it did not go to another. */
  lost: Schema.Int,
  /** Its deadline passed before it started. */
  expired: Schema.Int,
  /** Dropped for a newer one. */
  shed: Schema.Int,
  /** Refused later: no worker came, or it could not be sent to one. */
  refused: Schema.Int,
  /** Tasks that were not taken: there was no room, or no worker. */
  rejected: Schema.Int,
  /** How often a task was given to another worker. */
  redispatched: Schema.Int,
  /** Ends of dispatches whose tasks were settled before: a worker was taken for hung. */
  stale: Schema.Int
})
export type Status = typeof Status.Type

/** What happens at a balancer. */
export const Event = Schema.TaggedUnion({
  WorkerJoined: { worker: Schema.String },
  WorkerLeft: { worker: Schema.String },
  TaskStarted: { id: Schema.String, task: Schema.String, attempt: Schema.Int, worker: Schema.String },
  TaskEnded: {
    id: Schema.String,
    task: Schema.String,
    ending: Schema.Literals(["completed", "crashed", "cancelled", "lost", "expired", "shed", "refused"])
  }
})
export type Event = typeof Event.Type

export const GetStatus = Rpc.make("$Status", { success: Status }).annotate(Protocol.Urgent, true)
export const Events = Rpc.make("$Events", { success: Event, stream: true }).annotate(Protocol.Concurrent, true)

// What the balancer tells itself.
export const Tick = Rpc.make("$Tick").annotate(Protocol.Urgent, true)
export const Sweep = Rpc.make("$Sweep").annotate(Protocol.Urgent, true)

// ----- To a worker, beside its slots -----

/** Asks whether it has a dispatch in hand. */
const Has = Rpc.make("$Has", {
  payload: { slot: Schema.Int, ticket: Schema.Int },
  success: Schema.Boolean
}).annotate(Protocol.Urgent, true)
/** Asks its slots to offer themselves anew. */
const Rejoin = Rpc.make("$Rejoin").annotate(Protocol.Urgent, true)

/** A worker, to its balancer. */
export type WorkerRef = ActorRef.ActorRef<typeof Has | typeof Rejoin>

// ----- The actors of a group -----

const makeProtocol = ({ kinds, name }: { readonly name: string; readonly kinds: ReadonlyMap<string, Kind> }) => {
  const all = [...kinds.values()]
  const slot = Actor.make(
    `${name}-slot`,
    all.map(({ told }) => told)
  )
  const worker = Actor.make(`${name}-worker`, [Has, Rejoin])
  /** A slot offers itself, and says which dispatch it saw last and whether it is at work on it. False: it is not wanted. */
  const join = Rpc.make("$Join", {
    payload: {
      worker: ActorRef.schema(...worker.rpcs),
      node: Schema.String,
      /** The pool it is of, which has workers of its own; empty for none. */
      pool: Schema.String,
      weight: Schema.Finite,
      index: Schema.Int,
      slot: ActorRef.schema(...slot.rpcs),
      ticket: Schema.Int,
      busy: Schema.Boolean
    },
    success: Schema.Boolean
  }).annotate(Protocol.Urgent, true)
  const rpcs = [...all.map(({ asked }) => asked), GetStatus, Events, Tick, Sweep, join]
  // A slot that knows fewer tasks still says so itself, so its address gets the methods of all.
  const slotRef = ActorRef.schema(...slot.rpcs)
  return { slot, slotRef, worker, join, balancer: Actor.make(`${name}-balancer`, rpcs) }
}

const protocols = new WeakMap<object, ReturnType<typeof makeProtocol>>()

/** The actors of a group, the same objects at every call. */
export const protocolOf = (group: Parameters<typeof makeProtocol>[0]) => {
  let protocol = protocols.get(group)
  if (protocol === undefined) {
    protocol = makeProtocol(group)
    protocols.set(group, protocol)
  }
  return protocol
}

/** The path under which a group's balancer is found. */
export const pathOf = ({ name }: { readonly name: string }): string => `${name}-balancer`
