/** Numbers that a seed decides, the same on every machine. */
import type { Random } from "effect"

/** A 32-bit number for a text. */
export const hash = (text: string): number => {
  let mixed = 0x811c9dc5
  for (let index = 0; index < text.length; index++) mixed = Math.imul(mixed ^ text.charCodeAt(index), 0x01000193)
  return mixed >>> 0
}

export class Dice implements Random.Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound)
  }

  nextDoubleUnsafe(): number {
    return this.next()
  }

  nextIntUnsafe(): number {
    return Math.floor((this.next() * 2 - 1) * Number.MAX_SAFE_INTEGER)
  }
}
