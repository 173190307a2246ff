/**
 * When a failed actor is started again, and when it is given up.
 *
 * The defaults of the contract: exponential backoff from 100 ms to 10 s with 20 % jitter, at most 5 restarts within 30 s,
 * and a clean slate after 60 s of health. A start that fails counts like a crash. Each actor has a budget of its own, so
 * siblings neither share nor synchronise their backoff. One more failure than the budget allows fails the parent, with
 * the whole chain of causes; an actor without a parent ends as `Crashed`.
 */

import { Duration } from "effect"

/** How a failed actor is started again. Every part has the default of the contract. */
export interface Restart {
  /** One failure more than `restarts` within the time fails the parent. Default: 5 within 30 seconds. */
  readonly intensity?: { readonly restarts: number; readonly within: Duration.Input }
  /** The pause before a restart: it doubles from `from` up to `to`, 20 % up or down by chance. Default: 100 ms to 10 s. */
  readonly backoff?: { readonly from: Duration.Input; readonly to: Duration.Input }
  /**
   * After so long in health all failures are forgotten. Default 60 seconds. With 0 only starts that fail count: for an
   * actor whose messages fail by themselves.
   */
  readonly healthyAfter?: Duration.Input
}

/** How a parent restarts a child. */
export interface Policy {
  /** The most restarts within the window; one more failure is one too many. */
  readonly restarts: number
  readonly withinMillis: number
  readonly backoffMillis: number
  readonly backoffMaxMillis: number
  /** The part of the backoff that chance decides, up or down. */
  readonly jitter: number
  /** After so long in health, counted from its last start, the failures of an actor are forgotten. */
  readonly healthyMillis: number
}

const defaults: Policy = {
  restarts: 5,
  withinMillis: 30_000,
  backoffMillis: 100,
  backoffMaxMillis: 10_000,
  jitter: 0.2,
  healthyMillis: 60_000
}

const millisOf = (what: string, input: Duration.Input): number => {
  const millis = Duration.toMillis(input)
  if (!Number.isFinite(millis) || millis < 0 || Number.isNaN(input)) {
    throw new Error(
      `expected \`${what}\` to be finite and not negative, got: ${Number.isNaN(input) ? input : millis} ms`
    )
  }
  return millis
}

/** Checks options and fills in the defaults. Dies on a number or time that is none. */
export const policy = ({ backoff, healthyAfter, intensity }: Restart = {}): Policy => {
  if (intensity !== undefined && !(Number.isInteger(intensity.restarts) && intensity.restarts >= 0)) {
    throw new Error(`expected \`intensity.restarts\` to be a whole number, got: ${intensity.restarts}`)
  }
  return {
    ...defaults,
    ...(intensity && {
      restarts: intensity.restarts,
      withinMillis: millisOf("intensity.within", intensity.within)
    }),
    ...(backoff && {
      backoffMillis: millisOf("backoff.from", backoff.from),
      backoffMaxMillis: millisOf("backoff.to", backoff.to)
    }),
    ...(healthyAfter !== undefined && { healthyMillis: millisOf("healthyAfter", healthyAfter) })
  }
}

/** What one actor has used up of its restarts. */
export class Budget {
  readonly policy: Policy
  #failures: Array<number> = []
  #streak = 0
  #startedAt: number | undefined

  constructor(policy: Policy) {
    this.policy = policy
  }

  /** Notes that the actor is in health from `now` (ms) on. */
  started(now: number): void {
    this.#startedAt = now
  }

  /**
   * Notes a failure at `now` (ms) and answers for how many milliseconds to wait before the restart, or undefined when the
   * actor is to be given up. `random` is in [0, 1).
   */
  fail(now: number, random: number): number | undefined {
    const { policy } = this
    if (this.#startedAt !== undefined && now - this.#startedAt >= policy.healthyMillis) {
      this.#streak = 0
      this.#failures = []
    }
    this.#startedAt = undefined
    this.#failures = this.#failures.filter((at) => now - at < policy.withinMillis)
    this.#failures.push(now)
    if (this.#failures.length > policy.restarts) return undefined
    const backoff = Math.min(policy.backoffMillis * 2 ** this.#streak, policy.backoffMaxMillis)
    this.#streak += 1
    return backoff * (1 - policy.jitter + 2 * policy.jitter * random)
  }
}
