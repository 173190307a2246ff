/**
 * A ref from the inside: how its method objects are made, and how a message leaves it.
 *
 * There is one class per protocol, with the methods of each object on a prototype; a ref itself is a few fields. Where its
 * actor lives decides what a send does: a cell of this node takes the message, a remote one goes on the link.
 */
import { Duration, Effect, Equal, Exit, Hash, type Tracer } from "effect"
import type { NotExecuted } from "./ActorError.ts"
import type { ActorRef } from "./ActorRef.ts"
import {
  type Ask,
  type AskOptions,
  type AskUnsafeOptions,
  ask,
  askStream,
  askUnsafe,
  currentSpan,
  encodePayload,
  notEncoded,
  offer,
  type Refusal,
  refused
} from "./Ask.ts"
import type { Cell } from "./Cell.ts"
import { Envelope } from "./Envelope.ts"
import type { Node, NodeId, Terminated, TerminationReason } from "./Node.ts"
import type * as Protocol from "./Protocol.ts"

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
  #tell: object | undefined
  #tellUnsafe: object | undefined
  #ask: object | undefined
  #askUnsafe: object | undefined
  #offer: object | undefined

  constructor(node: Node, path: string, cell: Cell | undefined, remote: Remote | undefined) {
    this.node = node
    this.path = path
    this.cell = cell
    this.remote = remote
  }

  /** The constructors of the method objects of this ref's protocol. */
  abstract readonly kit: Kit

  get tell(): object {
    return (this.#tell ??= new this.kit.Tell(this))
  }
  get tellUnsafe(): object {
    return (this.#tellUnsafe ??= new this.kit.TellUnsafe(this))
  }
  get ask(): object {
    return (this.#ask ??= new this.kit.Ask(this))
  }
  get askUnsafe(): object {
    return (this.#askUnsafe ??= new this.kit.AskUnsafe(this))
  }
  get offer(): object {
    return (this.#offer ??= new this.kit.Offer(this))
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

  /** How Node prints a ref: it has its whole node behind it. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `ActorRef(${this.toString()})`
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
  readonly AskUnsafe: Facet
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
    AskUnsafe: facet(
      methods,
      (method) =>
        function (
          this: Self,
          payload: unknown,
          onExit: (exit: Exit.Exit<any, any>) => void,
          options?: AskUnsafeOptions
        ) {
          return askUnsafe(this.ref, method, payload, onExit, options)
        }
    ),
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
export const resolve = (node: Node, protocol: Protocol.Protocol, text: string): ActorRef<any> | string => {
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
