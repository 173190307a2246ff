/** The ids of tasks that are in flight, and of the last that were: what tells a task that comes twice. */
export interface RecentIds {
  /** Whether the id is new. It is in flight then. */
  readonly take: (id: string) => boolean
  readonly release: (id: string) => void
}

/** Remembers `capacity` ids beside those in flight, and forgets the one that ended first. */
export const make = (capacity: number): RecentIds => {
  const known = new Set<string>()
  const ended: Array<string> = []
  let next = 0
  return {
    take: (id) => {
      if (known.has(id)) return false
      known.add(id)
      return true
    },
    release: (id) => {
      const oldest = ended[next]
      if (oldest !== undefined) known.delete(oldest)
      ended[next] = id
      next = (next + 1) % capacity
    }
  }
}
