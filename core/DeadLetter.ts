/**
 * What could not be delivered, and why.
 *
 * A dead letter is a message that was accepted and then met no handler, and that has no asker to return it to: a tell left
 * in a mailbox at stop, one shed under load, one that reached a node where its actor is gone, one that did not decode.
 * They are for observation only: nothing reads them to deliver them, so a slow reader loses the oldest, never the sender's
 * time. In logs they are limited to a few in each window, with a count of the rest.
 */
import { type Clock, Effect, PubSub, Stream } from "effect"
import type { NotExecutedReason } from "./ActorError.ts"

export interface DeadLetter {
  /** The path of the actor it was for. */
  readonly to: string
  readonly tag: string
  /** The payload as it was when delivery ended: encoded, unless it was sent by reference. */
  readonly payload: unknown
  readonly reason: NotExecutedReason
}

const capacity = 1024
const logged = 5
const windowMillis = 10_000

/** Publishes dead letters of one node. */
export class DeadLetters {
  /** Made for the first reader. */
  #hub: PubSub.PubSub<DeadLetter> | undefined
  readonly #clock: Clock.Clock
  readonly #log: (effect: Effect.Effect<void>) => void
  /** A node that closes leaves messages behind as a matter of course: they are published, but not logged. */
  closing = false
  #windowEnds = 0
  #inWindow = 0

  constructor(clock: Clock.Clock, log: (effect: Effect.Effect<void>) => void) {
    this.#clock = clock
    this.#log = log
  }

  /** All dead letters from now on; the newest 1024 are kept for a reader that falls behind. */
  readonly stream: Stream.Stream<DeadLetter> = Stream.suspend(() =>
    Stream.fromPubSub((this.#hub ??= Effect.runSync(PubSub.sliding(capacity))))
  )

  publish(letter: DeadLetter): void {
    if (this.#hub !== undefined) PubSub.publishUnsafe(this.#hub, letter)
    if (this.closing) return
    const now = this.#clock.currentTimeMillisUnsafe()
    if (now >= this.#windowEnds) {
      const suppressed = this.#inWindow - logged
      if (suppressed > 0) this.#log(Effect.logWarning(`${suppressed} more dead letters were not logged`))
      this.#windowEnds = now + windowMillis
      this.#inWindow = 0
    }
    this.#inWindow += 1
    if (this.#inWindow <= logged) {
      this.#log(Effect.logWarning(`Dead letter "${letter.tag}" to "${letter.to}": ${letter.reason.message}`))
    }
  }
}
