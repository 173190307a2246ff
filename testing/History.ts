/**
 * What was sent, handled and held, as the program itself saw it, and whether that may be.
 *
 * Clients note what they send, handlers what they handle, holders of a name when they get it and let it go; `check` then
 * says which promises were broken. In a simulation each note is a line of the trace.
 */
import { Clock, Effect } from "effect"
import { Note } from "./Trace.ts"

export interface Rules {
  /** How often each message that was sent must have been handled. Default: no matter. */
  readonly delivery?: "atLeastOnce" | "atMostOnce" | "exactlyOnce"
  /** `perKey`: messages of one key are handled in the order they were sent; some may be missing. */
  readonly order?: "perKey"
  /** `atMostOne`: nobody gets a name while another has it. */
  readonly holders?: "atMostOne"
}

interface Sent {
  readonly key: string | undefined
  readonly place: number
}

interface Handled {
  readonly id: string
  readonly by: string
  readonly at: number
}

interface Held {
  readonly name: string
  readonly holder: string
  readonly at: number
  readonly has: boolean
}

export class History {
  readonly #sent = new Map<string, Sent>()
  readonly #handled: Array<Handled> = []
  readonly #held: Array<Held> = []

  /** A message is about to be sent. Messages of one `key` have an order: give one key to one sender. */
  sent(id: string | number, options: { readonly key?: string } = {}): Effect.Effect<void> {
    return noted(`sent ${id}${options.key === undefined ? "" : ` of ${options.key}`}`, () => {
      if (this.#sent.has(String(id))) throw new Error(`expected an id that no other message has, got: "${id}"`)
      this.#sent.set(String(id), { key: options.key, place: this.#sent.size })
    })
  }

  /** A message is being handled. */
  handled(id: string | number, by = ""): Effect.Effect<void> {
    return noted(`handled ${id}${by === "" ? "" : ` by ${by}`}`, (at) => this.#handled.push({ id: String(id), by, at }))
  }

  /** `holder` has a name from now on. */
  acquired(name: string, holder: string): Effect.Effect<void> {
    return noted(`${holder} has ${name}`, (at) => this.#held.push({ name, holder, at, has: true }))
  }

  /** `holder` has a name no more: it let it go, or was crashed by the scenario. */
  released(name: string, holder: string): Effect.Effect<void> {
    return noted(`${holder} has ${name} no more`, (at) => this.#held.push({ name, holder, at, has: false }))
  }

  /** What broke the rules, a sentence each. A message that was handled and never sent always does. */
  check({ delivery, holders, order }: Rules): ReadonlyArray<string> {
    return [
      ...this.#strangers(),
      ...(delivery === "atMostOnce" || delivery === "exactlyOnce" ? this.#twice() : []),
      ...(delivery === "atLeastOnce" || delivery === "exactlyOnce" ? this.#missing() : []),
      ...(order === "perKey" ? this.#disordered() : []),
      ...(holders === "atMostOne" ? this.#shared() : [])
    ]
  }

  /** Fails with what broke the rules. */
  verify(rules: Rules): Effect.Effect<void> {
    return Effect.suspend(() => {
      const broken = this.check(rules)
      return broken.length === 0
        ? Effect.void
        : Effect.die(new Error(`The history breaks its rules: ${broken.join("; ")}.`))
    })
  }

  #strangers(): ReadonlyArray<string> {
    return this.#handled.filter(({ id }) => !this.#sent.has(id)).map((entry) => `${show(entry)} was never sent`)
  }

  #twice(): ReadonlyArray<string> {
    const first = new Map<string, Handled>()
    return this.#handled.flatMap((entry) => {
      const before = first.get(entry.id)
      if (before === undefined) first.set(entry.id, entry)
      return before === undefined ? [] : [`${show(before)} was handled again at ${entry.at} ms${by(entry)}`]
    })
  }

  #missing(): ReadonlyArray<string> {
    const handled = new Set(this.#handled.map(({ id }) => id))
    return [...this.#sent.keys()].filter((id) => !handled.has(id)).map((id) => `message ${id} was never handled`)
  }

  #disordered(): ReadonlyArray<string> {
    const seen = new Set<string>()
    const last = new Map<string, { readonly id: string; readonly place: number }>()
    const broken: Array<string> = []
    for (const { at, id } of this.#handled) {
      const sent = this.#sent.get(id)
      // One that comes again may come late.
      if (sent?.key === undefined || seen.has(id)) continue
      seen.add(id)
      const before = last.get(sent.key)
      if (before !== undefined && sent.place < before.place) {
        broken.push(`message ${id} of ${sent.key} was handled at ${at} ms, after ${before.id}, which was sent later`)
      } else last.set(sent.key, { id, place: sent.place })
    }
    return broken
  }

  #shared(): ReadonlyArray<string> {
    const holders = new Map<string, Set<string>>()
    return this.#held.flatMap(({ at, has, holder, name }) => {
      const now = holders.get(name) ?? new Set()
      holders.set(name, now)
      if (!has) now.delete(holder)
      if (!has || now.has(holder)) return []
      const others = [...now]
      now.add(holder)
      return others.length === 0 ? [] : [`${holder} got ${name} at ${at} ms, while ${others.join(", ")} had it`]
    })
  }
}

const by = (entry: Handled) => (entry.by === "" ? "" : ` by ${entry.by}`)
const show = (entry: Handled) => `message ${entry.id}, handled at ${entry.at} ms${by(entry)},`

const noted = (text: string, write: (at: number) => unknown): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    write(fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())
    fiber.getRef(Note)(text)
    return Effect.void
  })

/** An empty history. */
export const make = (): History => new History()
