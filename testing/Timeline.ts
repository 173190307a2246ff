/**
 * Virtual time, and whose turn it is.
 *
 * Everything that runs in a simulation runs in turns. Each fiber and each node has a lane of its own, first in, first out, as
 * with Effect's own scheduler; which lane has the next turn is the seed's to decide, and so is how many steps a fiber makes
 * before others have their turn. Time stands still while anything can run, then it jumps to the next timer.
 *
 * A process is what lanes and timers belong to. It can be paused, and killed: then nothing of it ever runs again, no
 * finalizer either, as when a machine loses its power.
 */
import { Clock, Context, Duration, Effect, type Fiber, Random, Scheduler } from "effect"
import { Dice } from "./Dice.ts"

interface Timer {
  readonly at: number
  readonly order: number
  /** Whose alarm it is; undefined for the simulation's own, which ring without a turn. */
  readonly process: Process | undefined
  readonly ring: () => void
  isCancelled: boolean
}

const isBefore = (one: Timer, other: Timer) => one.at < other.at || (one.at === other.at && one.order < other.order)

export class Timeline {
  /** Milliseconds since the beginning. */
  now = 0
  /** How many turns there were. */
  steps = 0
  /** A number that differs when anything went another way. */
  digest = 0
  /** After how many steps a fiber lets others have their turn. */
  patience = 2048
  readonly #dice: Dice
  readonly #ready: Array<Lane> = []
  readonly #timers: Array<Timer> = []
  #lanes = 0
  #orders = 0
  #urgent = Number.MIN_SAFE_INTEGER

  constructor(seed: number) {
    this.#dice = new Dice(seed)
  }

  nextLane(): number {
    return ++this.#lanes
  }

  list(lane: Lane): void {
    this.#ready.push(lane)
  }

  note(number: number): void {
    this.digest = Math.imul(this.digest ^ number, 0x01000193)
  }

  /** Runs one turn; answers whether there was one. */
  step(): boolean {
    const ready = this.#ready
    while (ready.length > 0) {
      const index = this.#dice.below(ready.length)
      const lane = ready[index]!
      const task = lane.take()
      if (task === undefined || lane.isEmpty) {
        ready[index] = ready[ready.length - 1]!
        ready.pop()
        lane.unlist()
      }
      if (task === undefined) continue
      this.steps += 1
      this.note(lane.id)
      this.patience = 32 << this.#dice.below(7)
      task()
      return true
    }
    return false
  }

  at(at: number, process: Process | undefined, ring: () => void): Timer {
    return this.#set({ at, order: ++this.#orders, process, ring, isCancelled: false })
  }

  /** The same for what comes before everything else of its time, whenever it was set. */
  first(at: number, ring: () => void): void {
    this.#set({ at, order: ++this.#urgent, process: undefined, ring, isCancelled: false })
  }

  #set(timer: Timer): Timer {
    const timers = this.#timers
    let place = timers.push(timer) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(timer, timers[parent]!)) break
      timers[place] = timers[parent]!
      place = parent
    }
    timers[place] = timer
    return timer
  }

  /** When the next timer rings; undefined when there is none. */
  get next(): number | undefined {
    for (let first = this.#timers[0]; first !== undefined; first = this.#timers[0]) {
      if (!first.isCancelled && first.process?.state !== "dead") return first.at
      this.#pop()
    }
    return undefined
  }

  /** Goes to the time of the next timers and rings them. */
  advance(): void {
    const at = this.next
    if (at === undefined) return
    this.now = Math.max(this.now, at)
    while (this.next === at) {
      const { process, ring } = this.#pop()
      if (process === undefined) ring()
      else process.alarms.scheduleTask(ring)
    }
  }

  #pop(): Timer {
    const timers = this.#timers
    const first = timers[0]!
    const last = timers.pop()!
    if (timers.length === 0) return first
    let place = 0
    for (;;) {
      let child = place * 2 + 1
      if (child >= timers.length) break
      if (child + 1 < timers.length && isBefore(timers[child + 1]!, timers[child]!)) child += 1
      if (!isBefore(timers[child]!, last)) break
      timers[place] = timers[child]!
      place = child
    }
    timers[place] = last
    return first
  }
}

/** Tasks that run one after the other. */
class Lane implements Scheduler.SchedulerDispatcher {
  readonly id: number
  readonly #process: Process
  readonly #tasks: Array<() => void> = []
  #isListed = false

  constructor(process: Process) {
    this.#process = process
    this.id = process.timeline.nextLane()
  }

  scheduleTask(task: () => void): void {
    if (this.#process.state === "dead") return
    this.#tasks.push(task)
    this.list()
  }

  list(): void {
    if (this.#isListed) return
    this.#isListed = true
    if (this.#process.state === "paused") this.#process.held.push(this)
    else this.#process.timeline.list(this)
  }

  unlist(): void {
    this.#isListed = false
    if (!this.isEmpty && this.#process.state === "paused") this.list()
  }

  get isEmpty(): boolean {
    return this.#tasks.length === 0
  }

  take(): (() => void) | undefined {
    return this.#process.state === "running" ? this.#tasks.shift() : undefined
  }

  flush(): void {
    for (let task = this.take(); task !== undefined; task = this.take()) task()
  }
}

export class Process implements Scheduler.Scheduler, Clock.Clock {
  readonly executionMode = "async" as const
  readonly timeline: Timeline
  readonly name: string
  readonly alarms: Lane
  /** What comes from other processes. */
  readonly arrivals: Lane
  /** Lanes that wait for the end of a pause. */
  held: Array<Lane> = []
  state: "running" | "paused" | "dead" = "running"
  /** What everything in the process takes its time, chance and turns from. */
  readonly context: Context.Context<never>

  constructor(timeline: Timeline, name: string, seed: number) {
    this.timeline = timeline
    this.name = name
    this.alarms = new Lane(this)
    this.arrivals = new Lane(this)
    this.context = Context.make(Scheduler.Scheduler, this).pipe(
      Context.add(Clock.Clock, this),
      Context.add(Random.Random, new Dice(seed))
    )
  }

  // Effect asks before every step, so a fiber of a dead process that is called from outside makes none.
  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return this.state !== "running" || fiber.currentOpCount >= this.timeline.patience
  }

  makeDispatcher(): Lane {
    return new Lane(this)
  }

  pause(): void {
    if (this.state === "running") this.state = "paused"
  }

  resume(): void {
    if (this.state !== "paused") return
    this.state = "running"
    const { held } = this
    this.held = []
    for (const lane of held) this.timeline.list(lane)
  }

  kill(): void {
    this.state = "dead"
    this.held = []
  }

  // Whole, as that of a real clock: whoever sleeps until a time is not woken before it.
  currentTimeMillisUnsafe(): number {
    return Math.floor(this.timeline.now)
  }
  currentTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.timeline.now * 1e6))
  }
  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }
  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const millis = Duration.toMillis(duration)
    if (millis <= 0) return Effect.yieldNow
    if (!Number.isFinite(millis)) return Effect.never
    return Effect.callback<void>((resume) => {
      // Whole microseconds, so that the shortest sleep takes time.
      const at = Math.ceil((this.timeline.now + millis) * 1000) / 1000
      const timer = this.timeline.at(at, this, () => resume(Effect.void))
      return Effect.sync(() => {
        timer.isCancelled = true
      })
    })
  }
}
