/**
 * Tasks that only sleep, of very different lengths: lognormal, and one in a hundred 20 times as long. The same seed gives the
 * same tasks as in the harness that measures other libraries.
 */
import type { Result } from "./works.ts"

export interface Skew {
  readonly tasks: number
  readonly workers: number
  readonly seed: number
  /** Mean length before the long ones, ms. */
  readonly mean: number
  /** Arrivals at this part of what the workers can do; all at once where it is undefined. */
  readonly load: number | undefined
}

const random = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How long each task takes, and when it arrives, ms. */
const draw = ({ load, mean, seed, tasks, workers }: Skew) => {
  const next = random(seed)
  const median = Math.log(mean) - 0.5
  const lengths = Array.from({ length: tasks }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
    const length = Math.exp(median + normal)
    return Math.max(1, Math.round(next() < 0.01 ? 20 * length : length))
  })
  const total = lengths.reduce((sum, length) => sum + length, 0)
  let at = 0
  const arrivals = lengths.map(() => {
    if (load === undefined) return 0
    at -= Math.log(1 - next()) / ((load * workers * tasks) / total)
    return at
  })
  return { lengths, arrivals }
}

interface Times {
  /** From the first arrival to the last result, ms. */
  readonly makespan: number
  /** From the arrival of each task to its result, ms. */
  readonly sojourns: Float64Array
}

/** One queue, first come first served, whose tasks start at once on whoever is free, at no cost. */
const ideal = ({ workers }: Skew, lengths: ReadonlyArray<number>, arrivals: ReadonlyArray<number>): Times => {
  const free = new Float64Array(workers)
  const sojourns = new Float64Array(lengths.length)
  for (const [i, length] of lengths.entries()) {
    const first = free.indexOf(Math.min(...free))
    free[first] = Math.max(arrivals[i]!, free[first]!) + length
    sojourns[i] = free[first]! - arrivals[i]!
  }
  return { makespan: Math.max(...free), sojourns }
}

const meanOf = ({ sojourns }: Times) => sojourns.reduce((sum, sojourn) => sum + sojourn, 0) / sojourns.length
const p99Of = ({ sojourns }: Times) => sojourns.toSorted()[Math.floor(sojourns.length * 0.99)]!

/**
 * Submits every task at its arrival and compares with the ideal. A sojourn counts from the arrival that was planned, so a
 * driver that comes late hides nothing. `submit` resolves with the task's number when its client has the result.
 */
export const runSkew = async (
  skew: Skew,
  submit: (task: number, millis: number) => Promise<number>
): Promise<Result> => {
  const { arrivals, lengths } = draw(skew)
  const sojourns = new Float64Array(skew.tasks)
  const seen = new Set<number>()
  const start = performance.now()
  const one = async (task: number) => {
    seen.add(await submit(task, lengths[task]!))
    sojourns[task] = performance.now() - start - arrivals[task]!
  }
  const all: Array<Promise<void>> = []
  while (all.length < skew.tasks) {
    const wait = arrivals[all.length]! - (performance.now() - start)
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    else all.push(one(all.length))
  }
  await Promise.all(all)
  const times = { makespan: performance.now() - start, sojourns }
  if (seen.size !== skew.tasks) throw new Error("the work was not done: each task once")
  const best = ideal(skew, lengths, arrivals)
  return {
    ops: skew.tasks,
    seconds: times.makespan / 1000,
    timesIdeal: {
      makespan: times.makespan / best.makespan,
      mean: meanOf(times) / meanOf(best),
      p99: p99Of(times) / p99Of(best)
    }
  }
}
