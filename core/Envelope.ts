/**
 * A message with what travels beside its payload: who waits for the answer, until when, under which trace.
 *
 * A plain tell between actors of one node needs none of it, so its mailbox entry is headed by its `Method` alone; every
 * other message is headed by an `Envelope`, and what an actor asked of itself (a watch that fired) by a `Signal`.
 */
import type { Exit, Tracer } from "effect"
import type { NotExecuted, Unknown } from "./ActorError.ts"
import type { Place } from "./Mailbox.ts"
import type { Method } from "./Protocol.ts"

/**
 * Where an answer goes. A node, its generation, the number of a slot there that awaits one answer, and whose turn it is to
 * answer: addresses of earlier turns were superseded.
 */
export interface ReplyAddress {
  readonly role: string
  readonly node: string
  readonly generation: string
  readonly slot: number
  readonly turn: number
}

/** The callee's view of whoever awaits an answer, on this node or another. All of it is best effort and never throws. */
export interface Reply {
  /** Answers with a value. `method` is the callee's own, whose schema the value has. */
  readonly succeed: (exit: Exit.Success<unknown, unknown>, method: Method) => void
  /** Answers with the protocol's typed error. */
  readonly fail: (error: unknown, method: Method) => void
  /** Answers that there is no answer. */
  readonly abort: (error: NotExecuted | Unknown) => void
  /** Sends elements of a stream. False when they could not be sent; the ask has then been aborted. */
  readonly elements: (values: ReadonlyArray<unknown>, method: Method) => boolean
  /** Answers of an earlier turn are not taken any more. */
  readonly turn: number
  /** Makes the address answerable from anywhere. */
  readonly address: (turn: number) => ReplyAddress
  /** Says that whoever handles the request has taken its address, and answers when it likes. */
  readonly taken: () => void
  /** Says that this node does not have the address any more. */
  readonly release: () => void
  /** Ends the turns before this one; answers who to reply to in it. */
  readonly supersede: (turn: number) => Reply
  /** Milliseconds that the asker still waits; Infinity without a deadline. */
  readonly remainingMillis: () => number
  /** Has `listener` called, once, when the asker has left: it was interrupted, or its node is lost. */
  readonly onAbandoned: (listener: (() => void) | undefined) => void
  /** Says that this node has nothing to do with the address any more: who has it answers, or has answered. */
  readonly forget: () => void
}

/** Where a message stands: outside a full mailbox, in the mailbox, with its handler, put aside by it, or at its end. */
export type Stage = "new" | "waiting" | "queued" | "running" | "stashed" | "ended"

export class Envelope implements Place {
  readonly kind = "envelope"
  /** The sender's definition of the message; once the actor has it, the actor's own. */
  method: Method
  /** Whether the body is in wire form and has to be decoded before the handler sees it. */
  encoded: boolean
  /** Who waits for the answer; undefined for a tell, and once the handler took the address over. */
  reply: Reply | undefined
  /** Clock time in milliseconds after which no handler starts; Infinity for none. */
  deadline: number
  readonly trace: Tracer.AnySpan | undefined
  stage: Stage = "new"
  // Its place in the mailbox, while queued.
  chunk: Place["chunk"]
  index = -1
  /** Under which the ledger counts it; 0 while it is not accepted, or nothing counts. */
  ledgerId = 0
  /** For a stream: how many elements its consumer has asked for. */
  credit: Credit | undefined
  /** How to interrupt its handler, where that has a fiber of its own. */
  interrupt: (() => void) | undefined
  /** How to take it back or interrupt its handler: set where somebody else may ask for that. */
  cancel: (() => void) | undefined
  /** Called once, when the message has come to its end. */
  onEnd: (() => void) | undefined
  /** Called once, when the mailbox took the message. */
  onAccepted: (() => void) | undefined

  constructor(
    method: Method,
    encoded: boolean,
    reply: Reply | undefined,
    deadline: number,
    trace: Tracer.AnySpan | undefined
  ) {
    this.method = method
    this.encoded = encoded
    this.reply = reply
    this.deadline = deadline
    this.trace = trace
  }
}

/** What an actor asked to be told: it waits in the mailbox in order, and is never dropped. */
export class Signal {
  readonly kind = "signal"
  readonly tag: string
  readonly run: () => unknown
  constructor(tag: string, run: () => unknown) {
    this.tag = tag
    this.run = run
  }
}

export type Head = Method | Envelope | Signal

/** A stream's credit: the producer sends no element its consumer did not ask for. */
export class Credit {
  #granted: number
  #onGrant: (() => void) | undefined

  constructor(initial: number) {
    this.#granted = initial
  }

  /** Takes up to `wanted` and answers how many; 0 when there is none. */
  take(wanted: number): number {
    const taken = Math.min(wanted, this.#granted)
    this.#granted -= taken
    return taken
  }

  /** Calls back when there is credit, at once if there is some. One waits at a time. */
  wait(onGrant: () => void): void {
    if (this.#granted > 0) onGrant()
    else this.#onGrant = onGrant
  }

  /** Waits no longer. */
  leave(): void {
    this.#onGrant = undefined
  }

  grant(count: number): void {
    this.#granted += count
    const onGrant = this.#onGrant
    this.#onGrant = undefined
    onGrant?.()
  }
}
