import { Effect } from "effect"
import type { Tally } from "./Tally.ts"

export const grouped = new Intl.NumberFormat("en-US").format

const mostRows = 32

const millis = (value: number) => `${value < 10 ? value.toPrecision(2) : grouped(Math.round(value))} ms`

/** What a run came to: its tasks, how fast they went, and who ran them. */
export const of = Effect.fnUntraced(function* (tally: Tally, seconds: number) {
  const { failed, notRun, shares, tasks } = tally
  const p50 = yield* tally.latency.quantile(0.5)
  const p99 = yield* tally.latency.quantile(0.99)
  const ran = [...shares.values()].reduce((sum, count) => sum + count, 0)
  const rate = grouped(Math.round(tasks / Math.max(seconds, 0.001)))
  const parts = [
    `${grouped(tasks)} ${tasks === 1 ? "task" : "tasks"}`,
    `${grouped(failed)} failed${notRun === 0 ? "" : ` (${grouped(notRun)} not run)`}`,
    `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`,
    `${rate} a second`,
    ...(p99 === 0 ? [] : [`p50 ${millis(p50)}`, `p99 ${millis(p99)}`])
  ]
  const width = Math.max(...[...shares.keys()].map(({ length }) => length))
  const rows = [...shares].slice(0, mostRows).map(([worker, count]) => {
    const percent = ran === 0 ? 0 : (100 * count) / ran
    return `  ${worker.padEnd(width)}  ${grouped(count).padStart(grouped(ran).length)}  ${percent.toFixed(1).padStart(5)} %`
  })
  const others = shares.size - rows.length
  if (others > 0) rows.push(`  and ${grouped(others)} workers more`)
  return [parts.join(", "), ...rows].join("\n")
})
