/**
 * What a carrier of frames must do; nothing about how.
 *
 * A transport moves opaque frames between named nodes. Everything hard (hello with epochs, batching, ask correlation) is
 * done above it, in Link, so an implementation never sees a message, only bytes. It may lose frames and it may delay
 * them; it must not reorder or alter the frames of one sender to one receiver, and the sender it reports must be the
 * real one. This is the interface third parties implement; the laws in `troupe/testing` say whether they did.
 */
import { Context, type Effect, Schema, type Scope } from "effect"

/** Where a node is: its system, role and name. Each is a token: letters, digits, `_` and `-`. */
export interface NodeAddress {
  readonly system: string
  readonly role: string
  readonly node: string
}

/** `role/node`: how a node is named within its system, in messages and as a key. */
export const nodeName = (address: { readonly role: string; readonly node: string }): string =>
  `${address.role}/${address.node}`

/** Answers whether `text` may stand in a node's address. */
export const isToken = (text: string): boolean => /^[A-Za-z0-9_-]+$/.test(text)

/** The carrier could not do what was asked. */
export class TransportError extends Schema.TaggedError<TransportError>()("TransportError", {
  reason: Schema.Literals(["AddressTaken", "Unreachable", "FrameTooLarge", "Closed"]),
  node: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The transport could not serve node "${this.node}" (${this.reason}): ${this.detail}.`
  }
}

/** What a node does with what arrives. Neither function throws; both return at once. */
export interface Receiver {
  /** Takes a frame. `from` is told by the carrier, never read from the frame. */
  readonly onFrame: (from: NodeAddress, frame: Uint8Array) => void
  /** Learns that the carrier knows a node to be gone: it left, or nobody listens at its address. */
  readonly onUnreachable: (node: NodeAddress, detail: string) => void
}

export interface Connection {
  /** The largest frame in bytes that `send` takes; `Infinity` where there is no limit. */
  readonly maxFrameBytes: number
  /**
   * Hands a frame over. May suspend while the carrier has no room, and may refuse with `TransportError`. Success means
   * handed over, not arrived.
   */
  readonly send: (to: NodeAddress, frame: Uint8Array) => Effect.Effect<void, TransportError>
  /** The other nodes of the same system that the carrier can name now. A carrier that knows none answers with none. */
  readonly nodes: Effect.Effect<ReadonlyArray<NodeAddress>>
}

/** The service: joins a node to the network until its Scope closes. Fails with `AddressTaken` when the address is in use. */
export class Transport extends Context.Service<
  Transport,
  {
    readonly join: (self: NodeAddress, receiver: Receiver) => Effect.Effect<Connection, TransportError, Scope.Scope>
  }
>()("troupe/Transport") {}
