/**
 * The timers of one incarnation: what it asked to be reminded of, and when.
 *
 * They stand in the node's one alarm clock, so a timer costs no fiber. One that is due becomes a message of the actor, in its
 * turn; while that message waits the timer adds no other, so a busy actor is not flooded. A timer that was cancelled or
 * replaced, or whose incarnation is over, does not run any more, even when its message was waiting already.
 */
import { type Clock, Effect } from "effect"
import type { Deadline, Deadlines } from "./Deadlines.ts"
import { Signal } from "./Envelope.ts"

type Run = Effect.Effect<unknown, unknown, any>

class Timer implements Deadline {
  at: number
  place = -1
  readonly #timers: Timers
  /** Called in the actor's turn; answers when to fire next, if at all, and what to do. */
  readonly #fire: (timer: Timer) => Run | undefined
  #isWaiting = false
  isActive = true

  constructor(timers: Timers, at: number, fire: (timer: Timer) => Run | undefined) {
    this.at = at
    this.#timers = timers
    this.#fire = fire
  }

  readonly expire = (): void => {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#timers.signal(
      new Signal("Timer", () => {
        this.#isWaiting = false
        return (this.isActive ? this.#fire(this) : undefined) ?? Effect.void
      })
    )
  }
}

export class Timers {
  readonly signal: (signal: Signal) => void
  readonly #deadlines: Deadlines
  readonly #clock: Clock.Clock
  readonly #timers = new Map<string, Timer>()
  #idle: Timer | undefined
  /** When the actor last had a message, for the receive timeout. */
  #since = 0

  constructor(deadlines: Deadlines, clock: Clock.Clock, signal: (signal: Signal) => void) {
    this.#deadlines = deadlines
    this.#clock = clock
    this.signal = signal
  }

  /** Starts a timer in place of the one that had the key. */
  start(key: string, millis: number, isPeriodic: boolean, run: Run): void {
    this.cancel(key)
    const timer = new Timer(this, this.#now + millis, () => {
      // Times that passed while it waited are left out.
      if (isPeriodic) this.#again(timer, timer.at + millis * Math.max(Math.ceil((this.#now - timer.at) / millis), 1))
      else this.cancel(key)
      return run
    })
    this.#timers.set(key, timer)
    this.#deadlines.add(timer)
  }

  cancel(key: string): void {
    const timer = this.#timers.get(key)
    this.#timers.delete(key)
    this.#end(timer)
  }

  /** Has `run` run whenever the actor had no message for so long; undefined takes it back. */
  receiveTimeout(millis: number | undefined, run: Run): void {
    this.#end(this.#idle)
    this.#idle = undefined
    if (millis === undefined) return
    this.touch()
    const timer = new Timer(this, this.#since + millis, () => {
      const isDue = this.#now - this.#since >= millis
      if (isDue) this.touch()
      this.#again(timer, this.#since + millis)
      return isDue ? run : undefined
    })
    this.#idle = timer
    this.#deadlines.add(timer)
  }

  /** The actor has, or had, a message. */
  touch(): void {
    this.#since = this.#now
  }

  close(): void {
    for (const key of [...this.#timers.keys()]) this.cancel(key)
    this.#end(this.#idle)
  }

  get #now(): number {
    return this.#clock.currentTimeMillisUnsafe()
  }

  #again(timer: Timer, at: number): void {
    timer.at = at
    this.#deadlines.add(timer)
  }

  #end(timer: Timer | undefined): void {
    if (timer === undefined) return
    timer.isActive = false
    this.#deadlines.remove(timer)
  }
}
