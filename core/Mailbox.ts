/**
 * Where an actor's messages wait for their turn: a queue that grows to its bound, and what happens at the bound.
 *
 * An entry is a pair, its head (what kind of message, who waits for it) and its body (the payload), so that a plain tell
 * costs no object of its own. Entries stand in a chain of chunks, so a long queue is never copied and gives its memory back
 * as it drains. The mailbox never holds more than `capacity` messages, except under the "unbounded" policy, for signals,
 * which are the actor's own (a watch, a timer) and bounded by what it asked for, and for urgent messages, which their
 * protocol bounds; those stand in a lane of their own, which is served first. Stop, kill and supervision never enter it: they
 * act on the Cell directly, so no amount of data delays them.
 */

/**
 * What a full mailbox does with the next message:
 * - `reject`: refuses it, and its sender learns `MailboxFull` (the default);
 * - `backpressure`: lets `ask` and `offer` wait for room inside their deadline, and refuses a `tell`;
 * - `dropOldest`: takes it, and sheds the message that waited longest;
 * - `dropNewest`: sheds it;
 * - `unbounded`: takes it. Memory is the only limit: for senders that are bounded themselves.
 */
export type Overflow = "reject" | "backpressure" | "dropOldest" | "dropNewest" | "unbounded"

export interface Options {
  /** The most messages that wait at one time. Default 1024; a positive integer. Not used by `unbounded`. */
  readonly capacity?: number
  /** Default `reject`. */
  readonly overflow?: Overflow
}

/** A mailbox's options with their defaults. One object serves every actor of a behavior. */
export interface Settings {
  readonly capacity: number
  readonly overflow: Overflow
}

const policies: ReadonlyArray<string> = ["reject", "backpressure", "dropOldest", "dropNewest", "unbounded"]

/** Checks options and fills in the defaults. Dies on a capacity or policy that is none. */
export const settings = ({ capacity = 1024, overflow = "reject" }: Options = {}): Settings => {
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new Error(`expected \`capacity\` to be a positive integer, got: ${capacity}`)
  }
  if (!policies.includes(overflow)) {
    throw new Error(`expected \`overflow\` to be one of ${policies.join(", ")}, got: ${overflow}`)
  }
  return { capacity: overflow === "unbounded" ? Number.POSITIVE_INFINITY : capacity, overflow }
}

/** Heads at even, bodies at odd places, from `first` up to `end`. */
interface Chunk {
  readonly entries: Array<unknown>
  readonly size: number
  first: number
  end: number
  next: Chunk | undefined
}

/** Where an entry stands, for `withdraw`. */
export interface Place {
  chunk: Chunk | undefined
  index: number
}

interface Waiting {
  readonly body: unknown
  readonly admitted: () => void
}

const smallest = 4
const largest = 2048
/** The largest chunk that an empty mailbox keeps. */
const kept = 256

const makeChunk = (size: number): Chunk => ({ entries: new Array(size), size, first: 0, end: 0, next: undefined })

const withdrawn = Symbol("withdrawn")

export class Mailbox<Head extends object> {
  /** The entry of the last successful `take`. */
  head: Head | undefined
  body: unknown
  #first: Chunk = makeChunk(smallest)
  #last: Chunk = this.#first
  #size = 0
  /** Of those: signals and urgent messages, which do not count against the capacity. */
  #exempt = 0
  #urgent: Array<unknown> | undefined
  #urgentTaken = 0
  #waiting: Map<Head, Waiting> | undefined

  /** How many messages wait inside, signals included. */
  get size(): number {
    return this.#size
  }

  /** How many messages wait outside for room. */
  get waiting(): number {
    return this.#waiting === undefined ? 0 : this.#waiting.size
  }

  isFull(settings: Settings): boolean {
    return this.#size - this.#exempt >= settings.capacity
  }

  /** Appends a message; whether there is room is the caller's to ask. Notes where it stands in `place`. */
  push(head: Head, body: unknown, place?: Place): void {
    let chunk = this.#last
    if (chunk.end === chunk.size) {
      chunk = makeChunk(Math.min(chunk.size * 2, largest))
      this.#last.next = chunk
      this.#last = chunk
    }
    const index = chunk.end
    chunk.entries[index] = head
    chunk.entries[index + 1] = body
    chunk.end = index + 2
    this.#size += 1
    if (place !== undefined) {
      place.chunk = chunk
      place.index = index
    }
  }

  /** Appends a message that does not count against the capacity. */
  pushSignal(head: Head): void {
    this.#exempt += 1
    this.push(head, undefined)
  }

  /** Told by whoever takes a signal: it no longer counts. */
  signalTaken(): void {
    this.#exempt -= 1
  }

  /** Appends a message to the lane that is served first. */
  pushUrgent(head: Head, body: unknown, place?: Place): void {
    this.#exempt += 1
    this.#size += 1
    if (this.#urgent === undefined) this.#urgent = [head, body]
    else this.#urgent.push(head, body)
    if (place !== undefined) place.chunk = undefined
  }

  #takeUrgent(lane: Array<unknown>): boolean {
    this.head = lane[this.#urgentTaken] as Head
    this.body = lane[this.#urgentTaken + 1]
    lane[this.#urgentTaken] = undefined
    lane[this.#urgentTaken + 1] = undefined
    this.#urgentTaken += 2
    this.#exempt -= 1
    this.#size -= 1
    if (this.#urgentTaken === lane.length) {
      this.#urgentTaken = 0
      // A long lane gives its memory back.
      if (lane.length > kept) this.#urgent = undefined
      else lane.length = 0
    } else if (this.#urgentTaken > kept && this.#urgentTaken * 2 > lane.length) {
      lane.splice(0, this.#urgentTaken)
      this.#urgentTaken = 0
    }
    return true
  }

  /** Takes the next message into `head` and `body`; false when there is none. */
  take(): boolean {
    if (this.#urgent !== undefined && this.#urgent.length > 0) return this.#takeUrgent(this.#urgent)
    while (this.#size > 0) {
      const chunk = this.#first
      const index = chunk.first
      if (index === chunk.end) {
        this.#first = chunk.next!
        continue
      }
      const { entries } = chunk
      const head = entries[index]
      const body = entries[index + 1]
      entries[index] = undefined
      entries[index + 1] = undefined
      chunk.first = index + 2
      if (head === withdrawn) continue
      this.head = head as Head
      this.body = body
      this.#size -= 1
      if (this.#size === 0) this.#rewind()
      return true
    }
    return false
  }

  /** Takes the oldest message that `droppable` allows into `head` and `body`; false when there is none. */
  takeOldest(droppable: (head: Head) => boolean): boolean {
    for (let chunk: Chunk | undefined = this.#first; chunk !== undefined; chunk = chunk.next) {
      for (let index = chunk.first; index < chunk.end; index += 2) {
        const head = chunk.entries[index]
        if (head === withdrawn || !droppable(head as Head)) continue
        this.head = head as Head
        this.body = chunk.entries[index + 1]
        this.withdraw({ chunk, index })
        return true
      }
    }
    return false
  }

  /** Removes the message that stands at `place`, which must not have been taken. Constant time, but for an urgent one. */
  withdraw(place: Place): void {
    const { chunk, index } = place
    if (chunk === undefined) {
      this.#exempt -= 1
      this.#urgent!.splice(this.#urgent!.indexOf(place, this.#urgentTaken), 2)
      if (this.#urgent!.length === this.#urgentTaken) {
        this.#urgent = undefined
        this.#urgentTaken = 0
      }
    } else {
      chunk.entries[index] = withdrawn
      chunk.entries[index + 1] = undefined
    }
    this.#size -= 1
    if (this.#size === 0) this.#rewind()
  }

  /** The queue is empty: what is left of it is used again from the start, if it is small. */
  #rewind(): void {
    const chunk = this.#last
    if (chunk.size > kept) {
      this.#last = makeChunk(smallest)
    } else {
      chunk.first = 0
      chunk.end = 0
    }
    this.#first = this.#last
  }

  /** Lets those in who wait outside, as far as there is room. */
  admit(settings: Settings): void {
    while (this.#waiting !== undefined && !this.isFull(settings)) {
      const [[head, { admitted, body }]] = this.#waiting as unknown as [[Head, Waiting]]
      this.leave(head)
      this.push(head, body, head as unknown as Place)
      admitted()
    }
  }

  /** Waits outside for room; `admitted` is called once, when the mailbox took the message. */
  wait(head: Head & Place, body: unknown, admitted: () => void): void {
    this.#waiting ??= new Map()
    this.#waiting.set(head, { body, admitted })
  }

  /** Waits no longer. */
  leave(head: Head): void {
    this.#waiting?.delete(head)
    if (this.#waiting?.size === 0) this.#waiting = undefined
  }

  /** All that wait outside, oldest first; they wait no longer. */
  dismiss(): ReadonlyArray<Head> {
    const all = this.#waiting === undefined ? [] : [...this.#waiting.keys()]
    this.#waiting = undefined
    return all
  }
}
