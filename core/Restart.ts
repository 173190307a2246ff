/**
 * What becomes of an actor that failed: what its behavior says to each kind of failure, when it is started again, and when
 * it is given up.
 *
 * The defaults of the contract: exponential backoff from 100 ms to 10 s with 20 % jitter, at most 5 restarts within 30 s,
 * and a clean slate after 60 s of health. A start that fails counts like a crash. The backoff is each actor's own, so siblings
 * neither share nor synchronise it. The intensity is the supervisor's: the restarts of its children add up in one budget, but
 * for a child whose behavior states an intensity of its own.
 */

import { Duration } from "effect"

/** At most so many restarts within the time; one failure more is one too many. */
export interface Intensity {
  readonly restarts: number
  readonly within: Duration.Input
}

/** How a failed actor is started again. Every part has the default of the contract. */
export interface Restart {
  /**
   * A budget of its own: its failures do not count in its supervisor's, and its siblings' not in this one. One failure too
   * many fails the supervisor. Default: the supervisor's `intensity`; at the top, 5 within 30 seconds.
   */
  readonly intensity?: Intensity
  /** The pause before a restart: it doubles from `from` up to `to`, 20 % up or down by chance. Default: 100 ms to 10 s. */
  readonly backoff?: { readonly from: Duration.Input; readonly to: Duration.Input }
  /**
   * After so long in health all its failures are forgotten. Default 60 seconds. With 0 only starts that fail add up: for an
   * actor whose messages fail by themselves, and that states an intensity of its own.
   */
  readonly healthyAfter?: Duration.Input
}

/**
 * What failed an actor: the typed error of a message that was told, so that nobody else has it; a defect of its handlers, or
 * the `ChildFailed` of a child that was given up; a handler that interrupted itself. The typed error of a request that was
 * asked is an answer and no failure.
 */
export type Failure<E = unknown> =
  | { readonly _tag: "Error"; readonly error: E }
  | { readonly _tag: "Defect"; readonly defect: unknown }
  | { readonly _tag: "Interrupt" }

/**
 * What to do with an actor that failed:
 * - `resume`: goes on with the next message, with its state;
 * - `restart`: starts it again, as its supervisor's strategy, its restart type and the intensity allow;
 * - `stop`: ends it as `Crashed`, and its supervisor goes on;
 * - `escalate`: ends it as `Crashed`, and its supervisor fails with it.
 */
export type Directive = "resume" | "restart" | "stop" | "escalate"

/** Intensity in numbers. */
export interface Limit {
  readonly restarts: number
  readonly withinMillis: number
}

/** How one actor is restarted, in numbers. */
export interface Policy {
  /** Undefined: its failures count in its supervisor's budget. */
  readonly limit: Limit | undefined
  readonly backoffMillis: number
  readonly backoffMaxMillis: number
  /** After so long in health, counted from its last start, the failures of an actor are forgotten. */
  readonly healthyMillis: number
}

/** The part of the backoff that chance decides, up or down. */
const jitter = 0.2

export const defaultLimit: Limit = { restarts: 5, withinMillis: 30_000 }

const defaults: Policy = {
  limit: undefined,
  backoffMillis: 100,
  backoffMaxMillis: 10_000,
  healthyMillis: 60_000
}

/** Checks a duration. Dies on one that is not finite, or negative. */
export const millisOf = (what: string, input: Duration.Input): number => {
  const millis = Duration.toMillis(input)
  if (!Number.isFinite(millis) || millis < 0 || Number.isNaN(input)) {
    throw new Error(
      `expected \`${what}\` to be finite and not negative, got: ${Number.isNaN(input) ? input : millis} ms`
    )
  }
  return millis
}

/** Checks an intensity. Dies on a number or time that is none. */
export const limit = ({ restarts, within }: Intensity): Limit => {
  if (!(Number.isInteger(restarts) && restarts >= 0)) {
    throw new Error(`expected \`intensity.restarts\` to be a whole number, got: ${restarts}`)
  }
  return { restarts, withinMillis: millisOf("intensity.within", within) }
}

/** Checks options and fills in the defaults. Dies on a number or time that is none. */
export const policy = ({ backoff, healthyAfter, intensity }: Restart = {}): Policy => ({
  ...defaults,
  ...(intensity && { limit: limit(intensity) }),
  ...(backoff && {
    backoffMillis: millisOf("backoff.from", backoff.from),
    backoffMaxMillis: millisOf("backoff.to", backoff.to)
  }),
  ...(healthyAfter !== undefined && { healthyMillis: millisOf("healthyAfter", healthyAfter) })
})

/** The failures that count against one limit: one actor's, or those of a supervisor's children together. */
export class Budget {
  readonly limit: Limit
  #failures: Array<{ readonly at: number; readonly of: Health }> = []

  constructor(limit: Limit) {
    this.limit = limit
  }

  /** Notes a failure at `now` (ms); false when it is one too many. */
  spend(now: number, of: Health): boolean {
    this.#failures = this.#failures.filter(({ at }) => now - at < this.limit.withinMillis)
    this.#failures.push({ at: now, of })
    return this.#failures.length <= this.limit.restarts
  }

  forget(whose: Health): void {
    this.#failures = this.#failures.filter(({ of }) => of !== whose)
  }
}

/** How one actor has been: since when it is in health, and how often in a row it was not. */
export class Health {
  readonly #policy: Policy
  readonly budget: Budget
  #streak = 0
  #startedAt: number | undefined

  constructor(policy: Policy, budget: Budget) {
    this.#policy = policy
    this.budget = budget
  }

  /** Notes that the actor is in health from `now` (ms) on. */
  started(now: number): void {
    this.#startedAt = now
  }

  /**
   * Notes a failure at `now` (ms) and answers for how many milliseconds to wait before the restart, or undefined when the
   * actor is to be given up. `random` is in [0, 1).
   */
  failed(now: number, random: number): number | undefined {
    const { backoffMaxMillis, backoffMillis, healthyMillis } = this.#policy
    if (this.#startedAt !== undefined && now - this.#startedAt >= healthyMillis) {
      this.#streak = 0
      this.budget.forget(this)
    }
    this.#startedAt = undefined
    if (!this.budget.spend(now, this)) return undefined
    const backoff = Math.min(backoffMillis * 2 ** this.#streak, backoffMaxMillis)
    this.#streak += 1
    return backoff * (1 - jitter + 2 * jitter * random)
  }
}
