/**
 * Finds what leaves a simulation.
 *
 * A simulated run is one synchronous call, so whatever asynchronous thing begins during it (a timer, a promise, a socket, a
 * file) is not the simulation's and cannot be replayed: Node tells of each, and the first is named with the place where it
 * began. What can be answered by the simulation is: the wall clock and `Math.random`, for code that asks them directly.
 */
import { createHook } from "node:async_hooks"
import type { Dice } from "./Dice.ts"

export interface Escape {
  /** Node's name for it, such as `PROMISE`, `Timeout` or `TCPWRAP`. */
  readonly what: string
  readonly where: string
}

/** Effect keeps one per suspended fiber; it only carries AsyncLocalStorage. */
const ours = "effect/Fiber"
/** Code that prints, and `Effect.runSync`, which leaves nothing behind. */
const harmless = /node:internal\/console|setMicrotask/
const notTheirs = /node:|node_modules|\(<anonymous>\)|\/testing\/(Escapes|Simulation|Timeline)\.[jt]s/

const placeOf = (stack: string): string => {
  const frames = stack.split("\n").slice(1)
  const frame = frames.find((line) => !notTheirs.test(line)) ?? frames.find((line) => !line.includes("node:")) ?? ""
  return frame.trim().replace(/^at /, "") || "an unknown place"
}

let onEscape: ((what: Escape) => void) | undefined

const hook = createHook({
  init: (_id, type) => {
    if (type === ours || onEscape === undefined) return
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 100
    const stack = new Error().stack ?? ""
    Error.stackTraceLimit = limit
    if (!harmless.test(stack)) onEscape({ what: type, where: placeOf(stack) })
  }
})

/** Runs `body` to its end, with the wall clock and chance of the simulation, and tells of every escape. */
export const watched = <A>(now: () => number, dice: Dice, found: (what: Escape) => void, body: () => A): A => {
  const clock = new Proxy(Date, {
    construct: (date, parts, self) => Reflect.construct(date, parts.length === 0 ? [now()] : parts, self),
    get: (date, name) => (name === "now" ? now : Reflect.get(date, name))
  })
  const places: ReadonlyArray<readonly [owner: object, name: string, value: unknown]> = [
    [globalThis, "Date", clock],
    [Math, "random", () => dice.next()],
    [performance, "now", now]
  ]
  const before = places.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name))
  const outer = onEscape
  onEscape = found
  for (const [owner, name, value] of places) {
    Object.defineProperty(owner, name, { value, configurable: true, writable: true })
  }
  hook.enable()
  try {
    return body()
  } finally {
    if (outer === undefined) hook.disable()
    onEscape = outer
    for (const [index, [owner, name]] of places.entries()) {
      const descriptor = before[index]
      if (descriptor === undefined) Reflect.deleteProperty(owner, name)
      else Object.defineProperty(owner, name, descriptor)
    }
  }
}
