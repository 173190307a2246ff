/** Goal: the heap is right in every state. Method: long random runs against a model that sorts. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { Heap } from "troupe/actors"

const { SEED = "heap" } = process.env

/** Entries sorted by key, the later part first where the former is equal. */
class Sorted {
  readonly entries: Array<readonly [first: number, second: number, entry: number]> = []

  #indexOf(first: number, second: number): number {
    let low = 0
    let high = this.entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      const [a, b] = this.entries[middle]!
      if (a < first || (a === first && b < second)) low = middle + 1
      else high = middle
    }
    return low
  }

  add(first: number, second: number, entry: number): void {
    this.entries.splice(this.#indexOf(first, second), 0, [first, second, entry])
  }

  delete(first: number, second: number): void {
    this.entries.splice(this.#indexOf(first, second), 1)
  }
}

describe("Heap", () => {
  it.effect("1.2 0.3 has the least entry on top after each of a million random operations, as a sorted array has", () =>
    Effect.gen(function* () {
      const operations = 1_000_000
      const heap = new Heap()
      const model = new Sorted()
      const keys = new Map<number, readonly [first: number, second: number]>()
      const seed = yield* Random.nextIntBetween(1, 2 ** 31 - 1)
      let state = seed
      const below = (bound: number) => {
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
        return (state >>> 0) % bound
      }
      let second = 0
      for (let operation = 0; operation < operations; operation++) {
        // It grows and shrinks, and is empty now and then.
        const size = 1 + ((operation >> 12) % 200)
        const entry = below(size)
        const key = keys.get(entry)
        if (key !== undefined) model.delete(key[0], key[1])
        if (below(3) === 0) {
          heap.remove(entry)
          keys.delete(entry)
        } else {
          const next = [below(8) / 4 - 1, ++second] as const
          heap.set(entry, next[0], next[1])
          keys.set(entry, next)
          model.add(next[0], next[1], entry)
        }
        const [top] = model.entries
        if (heap.top !== (top?.[2] ?? -1) || heap.size !== keys.size || heap.has(entry) !== keys.has(entry)) {
          assert.fail(`seed ${seed}, operation ${operation}: ${heap.top} of ${heap.size} on top, not ${top}`)
        }
        if (top !== undefined && heap.first(heap.top) !== top[0]) assert.fail(`seed ${seed}: the key is not its own`)
      }
      // What is left comes out in order.
      while (heap.size > 0) {
        assert.strictEqual(heap.top, model.entries.shift()![2])
        heap.remove(heap.top)
      }
      assert.deepStrictEqual([model.entries.length, heap.top], [0, -1])
    }).pipe(Random.withSeed(SEED))
  )

  it("0.8 tells entries of equal keys apart: each keeps its own identity when one is changed or removed", () => {
    const heap = new Heap()
    for (const entry of [3, 1, 2]) heap.set(entry, 5, 0)
    heap.remove(1)
    assert.deepStrictEqual([heap.has(1), heap.has(2), heap.has(3), heap.size], [false, true, true, 2])
    heap.set(2, 4, 0)
    assert.strictEqual(heap.top, 2)
    heap.set(2, 6, 0)
    assert.strictEqual(heap.top, 3)
    assert.deepStrictEqual([heap.first(2), heap.first(3)], [6, 5])
    // One that is not there is nobody else.
    heap.remove(1)
    heap.remove(99)
    assert.deepStrictEqual([heap.has(2), heap.has(3), heap.has(99), heap.size], [true, true, false, 2])
    heap.remove(3)
    assert.strictEqual(heap.top, 2)
  })

  it("of equal first keys has the entry with the lower second on top, and by that one only", () => {
    const heap = new Heap()
    heap.set(0, 1, 9)
    heap.set(1, 1, 8)
    heap.set(2, 0.5, 99)
    assert.strictEqual(heap.top, 2)
    heap.remove(2)
    assert.strictEqual(heap.top, 1)
    heap.set(1, 1, 10)
    assert.strictEqual(heap.top, 0)
  })

  it("holds an entry of any number, far beyond those it has room for", () => {
    const heap = new Heap()
    for (const entry of [1000, 5, 100_000, 16, 15]) heap.set(entry, -entry, 0)
    assert.deepStrictEqual([heap.top, heap.size], [100_000, 5])
    assert.isFalse(heap.has(50_000))
    heap.remove(100_000)
    assert.strictEqual(heap.top, 1000)
  })
})
