/**
 * Counts what becomes of every message and every ask.
 *
 * The default does nothing and costs nothing. Provide `Ledger.layer` to get the real one, as the tests do: it knows each
 * accepted message and each open ask by id, so at quiescence `pending` and `open` are 0 and `faults` is empty, or a
 * message was lost or settled twice. It keeps only what is unsettled, plus counters; not meant for hot production paths
 * (a map entry per message in flight).
 */
import { Context, Effect, Layer } from "effect"

/** The states in which an accepted message ends: exactly one of them. */
export const outcomes = ["handled", "failed", "returned", "cancelled", "expired", "shed", "deadLettered"] as const
export type Outcome = (typeof outcomes)[number]

/** How an ask ended for its asker. A stream that was left early ends as interrupted. */
export const endings = ["value", "failure", "notExecuted", "unknown", "interrupted"] as const
export type Ending = (typeof endings)[number]

export type Snapshot = Readonly<Record<Outcome, number>> & {
  /** Messages a mailbox took, or that reached a node where nobody takes them. */
  readonly accepted: number
  /** Accepted messages that have not ended yet: queued, or being handled. */
  readonly pending: number
  readonly asked: number
  readonly ended: Readonly<Record<Ending, number>>
  /** Asks that have not ended yet. */
  readonly open: number
  /** Replies that came after their ask had ended, or a second time; they were dropped. */
  readonly lateReplies: number
  /** Requests that came again under an id already known, and were not run again. */
  readonly duplicates: number
  /** What must not be: a message or an ask that ended twice. Empty unless the runtime is wrong. */
  readonly faults: ReadonlyArray<string>
}

/** What the runtime reports to. `accept` and `ask` answer the id under which the end is reported. */
export interface Ledger {
  readonly enabled: boolean
  readonly accept: (to: string, tag: string) => number
  readonly settle: (id: number, outcome: Outcome) => void
  readonly ask: (to: string, tag: string) => number
  readonly end: (id: number, ending: Ending) => void
  readonly lateReply: () => void
  readonly duplicate: () => void
  readonly snapshot: Effect.Effect<Snapshot>
}

const counters = <K extends string>(keys: ReadonlyArray<K>) =>
  Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>

const nothing: Snapshot = {
  ...counters(outcomes),
  accepted: 0,
  pending: 0,
  asked: 0,
  ended: counters(endings),
  open: 0,
  lateReplies: 0,
  duplicates: 0,
  faults: []
}

/** The service. Its default counts nothing. */
export const Ledger: Context.Reference<Ledger> = Context.Reference<Ledger>("troupe/Ledger", {
  defaultValue: () => ({
    enabled: false,
    accept: () => 0,
    settle: () => {},
    ask: () => 0,
    end: () => {},
    lateReply: () => {},
    duplicate: () => {},
    snapshot: Effect.succeed(nothing)
  })
})

/** A ledger that counts. One may serve several nodes. */
export const make = (): Ledger => {
  const settled = counters(outcomes)
  const ended = counters(endings)
  const pending = new Map<number, string>()
  const open = new Map<number, string>()
  const faults: Array<string> = []
  let accepted = 0
  let asked = 0
  let lateReplies = 0
  let duplicates = 0
  return {
    enabled: true,
    accept: (to, tag) => {
      pending.set(++accepted, `message ${accepted}, "${tag}" to "${to}"`)
      return accepted
    },
    settle: (id, outcome) => {
      if (!pending.delete(id)) faults.push(`message ${id} ended a second time, as ${outcome}`)
      settled[outcome] += 1
    },
    ask: (to, tag) => {
      open.set(++asked, `ask ${asked}, "${tag}" to "${to}"`)
      return asked
    },
    end: (id, ending) => {
      if (!open.delete(id)) faults.push(`ask ${id} ended a second time, as ${ending}`)
      ended[ending] += 1
    },
    lateReply: () => {
      lateReplies += 1
    },
    duplicate: () => {
      duplicates += 1
    },
    snapshot: Effect.sync(() => ({
      ...settled,
      accepted,
      pending: pending.size,
      asked,
      ended: { ...ended },
      open: open.size,
      lateReplies,
      duplicates,
      faults: [...faults]
    }))
  }
}

/** Provides a ledger that counts to every system made inside. */
export const layer: Layer.Layer<never> = Layer.effect(Ledger, Effect.sync(make))
