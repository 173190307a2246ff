/**
 * Messages that an actor has put aside until it can handle them. It is a part of the mailbox: what it holds outlives a
 * crash, and is returned or a dead letter when the actor ends.
 */
import type { Effect } from "effect"
import type { Envelope } from "./Envelope.ts"

/** An actor's own stash. */
export interface Stash {
  /**
   * Puts the message in hand aside; its handler ends here, and must have done nothing yet. A full stash refuses it: its asker
   * gets `NotExecuted(MailboxFull)`, and a tell becomes a dead letter.
   */
  readonly stash: Effect.Effect<never>
  /** Puts all of them back before what waits, in the order in which they came. */
  readonly unstashAll: Effect.Effect<void>
  /** How many are put aside. */
  readonly size: Effect.Effect<number>
}

/** What a stash holds: each message with its decoded payload, in order. */
export class Shelf {
  readonly capacity: number
  #messages = new Map<Envelope, unknown>()

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) {
      throw new Error(`expected \`capacity\` to be a positive integer, got: ${capacity}`)
    }
    this.capacity = capacity
  }

  get size(): number {
    return this.#messages.size
  }

  get isFull(): boolean {
    return this.#messages.size >= this.capacity
  }

  put(envelope: Envelope, payload: unknown): void {
    this.#messages.set(envelope, payload)
  }

  /** Takes a message back; false when it is not here. */
  withdraw(envelope: Envelope): boolean {
    return this.#messages.delete(envelope)
  }

  /** Empties it. */
  takeAll(): ReadonlyArray<readonly [Envelope, unknown]> {
    const all = [...this.#messages]
    this.#messages.clear()
    return all
  }
}
