import * as Latency from "./Latency.ts"

/** What a run has come to so far. */
export interface Tally {
  /** Lines that were answered. */
  tasks: number
  /** Those among them that have failed, for whatever reason. */
  failed: number
  /** Those among the failed that were read, and not run because the run was stopped. */
  notRun: number
  /** Bytes of input that were read. */
  bytes: number
  /** How many tasks each worker has run. */
  readonly shares: Map<string, number>
  /** How long they ran. */
  readonly latency: Latency.Latency
}

export const make = (): Tally => ({
  tasks: 0,
  failed: 0,
  notRun: 0,
  bytes: 0,
  shares: new Map(),
  latency: Latency.make()
})
