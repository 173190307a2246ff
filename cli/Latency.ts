import { Context, Effect, Metric } from "effect"

/** How long tasks take, in memory that does not grow with their number: counted in buckets, each 5 % wider than the last. */
export interface Latency {
  readonly record: (millis: number) => void
  /** What a part of the tasks, from 0 to 1, took at most: as exact as its bucket. 0 when there were none. */
  readonly quantile: (part: number) => Effect.Effect<number>
}

// From a microsecond to three days.
const boundaries = Metric.exponentialBoundaries({ start: 0.001, factor: 1.05, count: 400 })

export const make = (): Latency => {
  const histogram = Metric.histogram("troupe_run_task_millis", { boundaries })
  const context = Context.empty()
  return {
    record: (millis) => histogram.updateUnsafe(millis, context),
    quantile: (part) =>
      Effect.map(Metric.value(histogram), ({ buckets, count, max, min }) => {
        const [boundary] = buckets.find(([, upTo]) => upTo >= part * count) ?? [max]
        return count === 0 ? 0 : Math.min(Math.max(boundary, min), max)
      })
  }
}
