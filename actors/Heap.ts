/**
 * An indexed min-heap: the entry with the lowest key on top, and any entry moved or removed where it stands.
 *
 * Entries are small whole numbers of the caller's choosing. A key is a pair: entries with the same first part stand by
 * their second. Changing a key sifts the entry up or down from its place, so there is no pop and push. Four children to a
 * node, in typed arrays: an operation costs O(log n) and no allocation, but for growth.
 */
export class Heap {
  #firsts = new Float64Array(16)
  #seconds = new Float64Array(16)
  /** Where each entry stands; -1 where it does not. */
  #places = new Int32Array(16).fill(-1)
  #entries = new Int32Array(16)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The entry with the lowest key; -1 when there is none. */
  get top(): number {
    return this.#size === 0 ? -1 : this.#entries[0]!
  }

  has(entry: number): boolean {
    return entry < this.#places.length && this.#places[entry]! >= 0
  }

  /** The first part of an entry's key. */
  first(entry: number): number {
    return this.#firsts[entry]!
  }

  /** Adds an entry, or gives it another key. */
  set(entry: number, first: number, second: number): void {
    if (entry >= this.#places.length) this.#grow(entry)
    this.#firsts[entry] = first
    this.#seconds[entry] = second
    let place = this.#places[entry]!
    if (place < 0) place = this.#size++
    this.#down(entry, this.#up(entry, place))
  }

  /** Removes an entry; one that is not there is no error. */
  remove(entry: number): void {
    if (!this.has(entry)) return
    const place = this.#places[entry]!
    this.#places[entry] = -1
    const last = this.#entries[--this.#size]!
    if (last !== entry) this.#down(last, this.#up(last, place))
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#firsts[a]! - this.#firsts[b]!
    return difference < 0 || (difference === 0 && this.#seconds[a]! < this.#seconds[b]!)
  }

  #put(entry: number, place: number): void {
    this.#entries[place] = entry
    this.#places[entry] = place
  }

  /** Puts an entry at `place` or above it; answers where. */
  #up(entry: number, place: number): number {
    let at = place
    while (at > 0) {
      const parent = (at - 1) >> 2
      const above = this.#entries[parent]!
      if (!this.#isBefore(entry, above)) break
      this.#put(above, at)
      at = parent
    }
    this.#put(entry, at)
    return at
  }

  /** Puts an entry at `place` or below it. */
  #down(entry: number, place: number): void {
    let at = place
    for (;;) {
      const first = at * 4 + 1
      if (first >= this.#size) break
      const end = Math.min(first + 4, this.#size)
      let child = first
      for (let other = first + 1; other < end; other++) {
        if (this.#isBefore(this.#entries[other]!, this.#entries[child]!)) child = other
      }
      const below = this.#entries[child]!
      if (!this.#isBefore(below, entry)) break
      this.#put(below, at)
      at = child
    }
    this.#put(entry, at)
  }

  #grow(entry: number): void {
    let length = this.#places.length
    while (length <= entry) length *= 2
    this.#firsts = grown(this.#firsts, length)
    this.#seconds = grown(this.#seconds, length)
    this.#entries = grown(this.#entries, length)
    const places = new Int32Array(length).fill(-1)
    places.set(this.#places)
    this.#places = places
  }
}

const grown = <A extends Float64Array | Int32Array>(array: A, length: number): A => {
  const larger = new (array.constructor as new (length: number) => A)(length)
  larger.set(array)
  return larger
}
