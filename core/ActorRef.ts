/**
 * An address you can tell, ask and watch; itself a schema, so a ref travels in a message.
 *
 * A ref names an actor by its node's generation and its id: it survives restarts, and dies when the actor ends. A new actor
 * under the same name is another actor. Refs are plain values: copy them, send them, use them from a hundred fibers. Their
 * methods live on a prototype built once per protocol.
 */
import {
  Duration,
  Effect,
  Equal,
  Exit,
  Hash,
  Schema,
  SchemaGetter,
  SchemaIssue,
  type Stream,
  type Tracer
} from "effect"
import type { NotExecuted, Unknown } from "./ActorError.ts"
import {
  type Ask,
  type AskOptions,
  ask,
  askStream,
  currentSpan,
  encodePayload,
  notEncoded,
  offer,
  type Refusal,
  refused
} from "./Ask.ts"
import type { Cell } from "./Cell.ts"
import { Envelope } from "./Envelope.ts"
import { ActorSystem, type Node, type NodeId, type Terminated, type TerminationReason } from "./Node.ts"
import * as Protocol from "./Protocol.ts"

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
  readonly offer: Offer<Rs>
  /** Waits for the actor's end. Yields exactly one `Terminated`, at once when it has ended already. */
  readonly watch: Effect.Effect<Terminated>
  /**
   * Stops the actor and waits for its end. The running handler may finish until `deadline` (default: the behavior's
   * `stopDeadline`); queued asks are answered `Stopping`, queued tells become dead letters, children are stopped in
   * reverse order. Called from the actor's own handler it does not wait.
   */
  readonly stop: (options?: { readonly deadline?: Duration.Input }) => Effect.Effect<void>
  /** Ends the actor at once, interrupting what it does, and waits for its end. */
  readonly kill: Effect.Effect<void>
}

/** An actor that is not on this node: on another, or gone. */
export interface Remote {
  readonly id: NodeId
  readonly actor: number
  readonly tell: (method: Protocol.Method, body: unknown, span: Tracer.AnySpan | undefined) => Refusal | undefined
  readonly ask: (ask: Ask, body: unknown, attempt: number, span: Tracer.AnySpan | undefined) => Refusal | undefined
  readonly watch: (onEnd: (reason: TerminationReason) => void) => () => void
  readonly stop: (deadlineMillis: number | undefined) => void
  readonly kill: () => void
}

/** An actor of this node, or of an earlier generation of it, that has ended. */
class Gone implements Remote {
  readonly id: NodeId
  readonly actor: number
  constructor(id: NodeId, actor: number) {
    this.id = id
    this.actor = actor
  }
  tell(): Refusal {
    return "NoSuchActor"
  }
  ask(): Refusal {
    return "NoSuchActor"
  }
  watch(onEnd: (reason: TerminationReason) => void): () => void {
    onEnd({ _tag: "NoSuchActor" })
    return () => {}
  }
  stop(): void {}
  kill(): void {}
}

/** A ref from the inside. */
export abstract class Ref {
  readonly node: Node
  readonly path: string
  /** The actor, where it lives on this node. */
  readonly cell: Cell | undefined
  /** The actor, where it lives on another. */
  readonly remote: Remote | undefined
  #facets: { tell?: object; tellUnsafe?: object; ask?: object; offer?: object } | undefined

  constructor(node: Node, path: string, cell: Cell | undefined, remote: Remote | undefined) {
    this.node = node
    this.path = path
    this.cell = cell
    this.remote = remote
  }

  /** The constructors of the four method objects of this ref's protocol. */
  abstract readonly kit: Kit

  get tell(): object {
    this.#facets ??= {}
    return (this.#facets.tell ??= new this.kit.Tell(this))
  }
  get tellUnsafe(): object {
    this.#facets ??= {}
    return (this.#facets.tellUnsafe ??= new this.kit.TellUnsafe(this))
  }
  get ask(): object {
    this.#facets ??= {}
    return (this.#facets.ask ??= new this.kit.Ask(this))
  }
  get offer(): object {
    this.#facets ??= {}
    return (this.#facets.offer ??= new this.kit.Offer(this))
  }

  get watch(): Effect.Effect<Terminated> {
    return Effect.callback<Terminated>((resume) => {
      const unwatch = (this.cell ?? this.remote!).watch((reason) =>
        resume(Effect.succeed({ _tag: "Terminated", ref: this as never, reason }))
      )
      return Effect.sync(unwatch)
    })
  }

  stop(options?: { readonly deadline?: Duration.Input }): Effect.Effect<void> {
    const millis = options?.deadline === undefined ? undefined : Duration.toMillis(options.deadline)
    return this.end(() => (this.cell ?? this.remote!).stop(millis))
  }

  get kill(): Effect.Effect<void> {
    return this.end(() => (this.cell ?? this.remote!).kill())
  }

  /** Requests the end, and waits for it unless it is the actor's own handler that asks. */
  private end(request: () => void): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      request()
      return this.cell?.hasEnded || this.cell?.runs(fiber) ? Effect.void : Effect.asVoid(this.watch)
    })
  }

  toString(): string {
    const { role, node, generation } = this.remote?.id ?? this.node.id
    const id = this.cell?.id ?? this.remote!.actor
    return `${this.node.id.system}/${role}/${node}/${generation}/${this.path}#${id}`
  }

  toJSON(): string {
    return this.toString()
  }

  [Equal.symbol](that: unknown): boolean {
    return that instanceof Ref && that.toString() === this.toString()
  }

  [Hash.symbol](): number {
    return Hash.string(this.toString())
  }
}

type Facet = new (ref: Ref) => { readonly ref: Ref }

interface Kit {
  readonly Tell: Facet
  readonly TellUnsafe: Facet
  readonly Ask: Facet
  readonly Offer: Facet
}

type RefClass = new (node: Node, path: string, cell: Cell | undefined, remote: Remote | undefined) => Ref

/** Hands a tell over; answers why it was not. */
const send = (ref: Ref, method: Protocol.Method, payload: unknown): Refusal | undefined => {
  const { cell, node } = ref
  if (cell !== undefined && !node.encoded) return cell.accept(headOf(node, method, false), payload, false, false)
  const encoded = encodePayload(ref, method, payload)
  if (Exit.isFailure(encoded)) return notEncoded(ref, method, encoded)
  return cell !== undefined
    ? cell.accept(headOf(node, method, true), encoded.value, false, false)
    : ref.remote!.tell(method, encoded.value, currentSpan())
}

/** A tell is headed by its method alone, unless somebody counts it or traces it. */
const headOf = (node: Node, method: Protocol.Method, encoded: boolean) => {
  const span = currentSpan()
  return span === undefined && !node.ledger.enabled
    ? method
    : new Envelope(method, encoded, undefined, Number.POSITIVE_INFINITY, span)
}

const tell = (ref: Ref, method: Protocol.Method, payload: unknown): Effect.Effect<void, NotExecuted> => {
  const refusal = send(ref, method, payload)
  return refusal === undefined ? Effect.void : Effect.fail(refused(ref, refusal))
}

const facet = (
  methods: Iterable<Protocol.Method>,
  body: (method: Protocol.Method) => (...args: Array<any>) => unknown
): Facet => {
  class MethodsOfRef {
    readonly ref: Ref
    constructor(ref: Ref) {
      this.ref = ref
    }
  }
  for (const method of methods) Object.defineProperty(MethodsOfRef.prototype, method.tag, { value: body(method) })
  return MethodsOfRef
}

type Self = { readonly ref: Ref }

const makeClass = (protocol: Protocol.Protocol): RefClass => {
  const methods = [...protocol.values()]
  const kit: Kit = {
    Tell: facet(
      methods,
      (method) =>
        function (this: Self, payload: unknown) {
          return Effect.suspend(() => tell(this.ref, method, payload))
        }
    ),
    TellUnsafe: facet(
      methods,
      (method) =>
        function (this: Self, payload: unknown) {
          return send(this.ref, method, payload) === undefined
        }
    ),
    Ask: facet(methods, (method) => {
      const request: (ref: Ref, method: Protocol.Method, payload: unknown, options?: AskOptions) => unknown =
        method.streaming ? askStream : ask
      return function (this: Self, payload: unknown, options?: AskOptions) {
        return request(this.ref, method, payload, options)
      }
    }),
    Offer: facet(
      methods,
      (method) =>
        function (this: Self, payload: unknown, options?: AskOptions) {
          return offer(this.ref, method, payload, options)
        }
    )
  }
  class ProtocolRef extends Ref {
    get kit() {
      return kit
    }
  }
  return ProtocolRef
}

const classes = new WeakMap<Protocol.Protocol, RefClass>()

/** Makes a ref with the methods of `protocol`. */
export const make = <Rs extends Protocol.Any>(
  protocol: Protocol.Protocol,
  node: Node,
  path: string,
  cell: Cell | undefined,
  remote: Remote | undefined
): ActorRef<Rs> => {
  let RefOf = classes.get(protocol)
  if (RefOf === undefined) {
    RefOf = makeClass(protocol)
    classes.set(protocol, RefOf)
  }
  return new RefOf(node, path, cell, remote) as never
}

/** Whether a value is a ref of any protocol. */
export const isActorRef = (value: unknown): value is ActorRef<any> => value instanceof Ref

/** Reads the text of a ref: `system/role/node/generation/path#id`. */
const read = (text: string) => {
  const parts = /^([^/#]+)\/([^/#]+)\/([^/#]+)\/([^/#]+)\/([^#]+)#(\d+)$/.exec(text)
  if (parts === null) return undefined
  const [, system, role, node, generation, path, actor] = parts as unknown as ReadonlyArray<string>
  return {
    id: { system: system!, role: role!, node: node!, generation: generation! },
    path: path!,
    actor: Number(actor)
  }
}

/** The ref that `text` names, as a node sees it: a living actor of its own, or one of another node. */
const resolve = (node: Node, protocol: Protocol.Protocol, text: string): ActorRef<any> | string => {
  const address = read(text)
  if (address === undefined) return "expected an actor's address, `system/role/node/generation/path#id`"
  const { id, path, actor } = address
  if (id.system !== node.id.system) return `expected an actor of system "${node.id.system}"`
  if (id.role === node.id.role && id.node === node.id.node) {
    const cell = id.generation === node.id.generation ? node.cells.get(path) : undefined
    return cell?.id === actor
      ? make(protocol, node, path, cell, undefined)
      : make(protocol, node, path, undefined, new Gone(id, actor))
  }
  return make(protocol, node, path, undefined, node.link(id).actor(id, path, actor))
}

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
