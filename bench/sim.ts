/**
 * Explores the cluster scenario of test/cluster.ts on all processors.
 *
 *   npm run sim -- --seeds 10000 [--from 0]
 *
 * Prints runs per second, the faults that happened, how submits ended and the seeds that broke the contract, and fails if any did.
 */
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { Simulation } from "troupe/testing"
import { cluster, faults } from "../test/cluster.ts"

interface Share {
  readonly from: number
  readonly to: number
  readonly step: number
}

type Counts = Record<string, number>

interface Summary {
  readonly runs: number
  readonly turns: number
  readonly faults: Counts
  readonly endings: Counts
  readonly violations: ReadonlyArray<string>
}

const add = (counts: Counts, more: Counts) => {
  for (const [name, count] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + count
}

const explore = ({ from, step, to }: Share): Summary => {
  const endings: Counts = {}
  const counts: Counts = {}
  const violations: Array<string> = []
  let runs = 0
  let turns = 0
  for (let seed = from; seed < to; seed += step) {
    runs += 1
    // Every other network does not tell who has gone.
    const departures = seed % 2 === 0 ? "told" : "silent"
    try {
      const report = Simulation.explore(
        cluster((ending) => add(endings, { [ending]: 1 })),
        { seeds: [seed], faults, network: { departures } }
      )
      turns += report.steps
      add(counts, report.faults)
    } catch (error) {
      violations.push((error as Simulation.Failure).message)
    }
  }
  return { runs, turns, faults: counts, endings, violations }
}

const show = (counts: Counts) =>
  Object.entries(counts)
    .sort(([, one], [, other]) => other - one)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ")

const main = async () => {
  const { values } = parseArgs({
    options: { seeds: { type: "string", default: "1000" }, from: { type: "string", default: "0" } }
  })
  const from = Number(values.from)
  const to = from + Number(values.seeds)
  const step = Math.min(availableParallelism(), to - from)
  const began = performance.now()
  const summaries = await Promise.all(
    Array.from({ length: step }, (_, index) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { from: from + index, to, step } })
      return new Promise<Summary>((resolve, reject) => worker.once("message", resolve).once("error", reject))
    })
  )
  const seconds = (performance.now() - began) / 1000
  const total: Summary = { runs: to - from, turns: 0, faults: {}, endings: {}, violations: [] }
  for (const { endings, faults } of summaries) {
    add(total.faults, faults)
    add(total.endings, endings)
  }
  const violations = summaries.flatMap((summary) => summary.violations)
  console.log(`${total.runs} runs, ${Math.round(total.runs / seconds)} a second on ${step} threads`)
  console.log(`faults: ${show(total.faults)}`)
  console.log(`submits: ${show(total.endings)}`)
  for (const violation of violations.slice(0, 3)) console.log(`\n${violation}`)
  console.log(`${violations.length} violations`)
  process.exitCode = violations.length === 0 ? 0 : 1
}

if (isMainThread) await main()
else parentPort!.postMessage(explore(workerData))
