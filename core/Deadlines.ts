/**
 * One alarm clock for all asks of a node.
 *
 * An indexed binary heap of what ends when, and one sleeping fiber for the earliest. Most entries leave before their time:
 * insert and remove cost O(log n) and, with equal deadlines, next to nothing. The sleeper is not disturbed when the
 * earliest leaves; it wakes, finds nothing due, and sleeps on.
 */
import { type Clock, Duration, Effect, type Fiber } from "effect"

export interface Deadline {
  /** Clock time in milliseconds. */
  at: number
  /** Its place in the heap; -1 while it is in none. */
  place: number
  readonly expire: () => void
}

export class Deadlines {
  readonly #heap: Array<Deadline> = []
  readonly #clock: Clock.Clock
  readonly #fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  #sleeper: Fiber.Fiber<void> | undefined
  #wakesAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock.Clock, fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>) {
    this.#clock = clock
    this.#fork = fork
  }

  add(deadline: Deadline): void {
    this.#up(deadline, this.#heap.length)
    if (deadline.at < this.#wakesAt) this.#sleep(deadline.at)
  }

  remove(deadline: Deadline): void {
    const place = deadline.place
    if (place < 0) return
    deadline.place = -1
    const last = this.#heap.pop()!
    if (last === deadline) return
    this.#up(last, place)
    this.#down(last, last.place)
  }

  /** Lets the sleeper go; nothing expires any more. */
  close(): void {
    this.#sleeper?.interruptUnsafe()
    this.#heap.length = 0
  }

  #sleep(until: number): void {
    this.#sleeper?.interruptUnsafe()
    this.#wakesAt = until
    const wait = until - this.#clock.currentTimeMillisUnsafe()
    this.#sleeper = this.#fork(
      Effect.andThen(
        Effect.sleep(Duration.millis(Math.max(wait, 1))),
        Effect.sync(() => this.#wake())
      )
    )
  }

  #wake(): void {
    this.#sleeper = undefined
    this.#wakesAt = Number.POSITIVE_INFINITY
    const now = this.#clock.currentTimeMillisUnsafe()
    for (let next = this.#heap[0]; next !== undefined && next.at <= now; next = this.#heap[0]) {
      this.remove(next)
      next.expire()
    }
    const next = this.#heap[0]
    if (next !== undefined && next.at < this.#wakesAt) this.#sleep(next.at)
  }

  #up(deadline: Deadline, place: number): void {
    const heap = this.#heap
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = heap[parent]!
      if (above.at <= deadline.at) break
      heap[place] = above
      above.place = place
      place = parent
    }
    heap[place] = deadline
    deadline.place = place
  }

  #down(deadline: Deadline, place: number): void {
    const heap = this.#heap
    for (;;) {
      let child = place * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child += 1
      const below = heap[child]!
      if (deadline.at <= below.at) break
      heap[place] = below
      below.place = place
      place = child
    }
    heap[place] = deadline
    deadline.place = place
  }
}
