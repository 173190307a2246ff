/**
 * When a failed actor is started again, and when it is given up.
 *
 * The defaults of the contract: exponential backoff from 100 ms to 10 s with 20 % jitter, at most 5 restarts within 30 s,
 * and a clean slate after 60 s of health. A start that fails counts like a crash. Each actor has a budget of its own, so
 * siblings neither share nor synchronise their backoff. One more failure than the budget allows fails the parent, with
 * the whole chain of causes; an actor without a parent ends as `Crashed`.
 */

/** How a parent restarts a child. */
export interface Policy {
  /** The most restarts within the window; one more failure is one too many. */
  readonly restarts: number
  readonly withinMillis: number
  readonly backoffMillis: number
  readonly backoffMaxMillis: number
  /** The part of the backoff that chance decides, up or down. */
  readonly jitter: number
  /** After so long without a failure the backoff starts at its beginning. */
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

/** What one actor has used up of its restarts. */
export class Budget {
  readonly policy: Policy
  #failures: Array<number> = []
  #streak = 0

  constructor(policy: Policy = defaults) {
    this.policy = policy
  }

  /**
   * Notes a failure at `now` (ms) and answers for how many milliseconds to wait before the restart, or undefined when the
   * actor is to be given up. `random` is in [0, 1).
   */
  fail(now: number, random: number): number | undefined {
    const { policy } = this
    const last = this.#failures.at(-1)
    if (last !== undefined && now - last >= policy.healthyMillis) this.#streak = 0
    this.#failures = this.#failures.filter((at) => now - at < policy.withinMillis)
    this.#failures.push(now)
    if (this.#failures.length > policy.restarts) return undefined
    const backoff = Math.min(policy.backoffMillis * 2 ** this.#streak, policy.backoffMaxMillis)
    this.#streak += 1
    return backoff * (1 - policy.jitter + 2 * policy.jitter * random)
  }
}
