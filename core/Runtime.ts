/**
 * What a process entry may switch on for all that runs in it. Nothing else in Troupe needs it, and a library should leave
 * it to the program.
 *
 * `layer` replaces Effect's scheduler by one run queue that all fibers and actors of the process share. Effect gives each
 * fiber a queue and a `setImmediate` of its own, which costs one turn of the event loop for every wake-up from one fiber to
 * another; here a turn runs what is queued, at most 4 ms at a time, so timers and I/O are served in between. This is the
 * one file that owns a scheduler.
 */
import { type Fiber, Layer, Scheduler } from "effect"

const sliceMillis = 4
/** Reading the clock costs about as much as a small task, so it is read once in so many. */
const tasksPerReading = 32
const smallest = 1024

/**
 * One first-in-first-out queue of tasks, run in turns of the event loop. It is what Effect's scheduling comes from, so its own
 * turns can only come from the host.
 */
class RunQueue implements Scheduler.SchedulerDispatcher {
  #ring: Array<(() => void) | undefined> = new Array(smallest).fill(undefined)
  #first = 0
  #end = 0
  #armed = false

  /** Priorities are not told apart: whoever comes first runs first. */
  scheduleTask(task: () => void): void {
    if (this.#end - this.#first === this.#ring.length) this.#grow()
    this.#ring[this.#end++ & (this.#ring.length - 1)] = task
    if (!this.#armed) {
      this.#armed = true
      setImmediate(this.#turn)
    }
  }

  flush(): void {
    while (this.#first !== this.#end) this.#next()
  }

  readonly #turn = () => {
    const end = performance.now() + sliceMillis
    try {
      for (let ran = 1; this.#first !== this.#end; ran++) {
        this.#next()
        if (ran % tasksPerReading === 0 && performance.now() > end) break
      }
    } finally {
      this.#armed = this.#first !== this.#end
      if (this.#armed) setImmediate(this.#turn)
      else this.#rewind()
    }
  }

  #next(): void {
    const at = this.#first++ & (this.#ring.length - 1)
    const task = this.#ring[at]!
    this.#ring[at] = undefined
    task()
  }

  #rewind(): void {
    this.#first = 0
    this.#end = 0
  }

  #grow(): void {
    const old = this.#ring
    this.#ring = new Array(old.length * 2).fill(undefined)
    for (let place = 0; place < old.length; place++) this.#ring[place] = old[(this.#first + place) & (old.length - 1)]
    this.#end -= this.#first
    this.#first = 0
  }
}

class SharedScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async" as const
  readonly #queue = new RunQueue()

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.#queue
  }
}

/** Runs everything inside on one shared run queue. */
export const layer: Layer.Layer<never> = Layer.sync(Scheduler.Scheduler, () => new SharedScheduler())
