/**
 * What happened in a simulation, line by line, with the virtual time. It is put into words only when somebody reads it.
 */
import { Context } from "effect"

/** Writes a line into the trace of the simulation, where there is one. */
export const Note: Context.Reference<(text: string) => void> = Context.Reference<(text: string) => void>(
  "troupe/testing/Note",
  { defaultValue: () => () => {} }
)

type Entry =
  | { readonly at: number; readonly text: string }
  | {
      readonly at: number
      readonly from: string
      readonly to: string
      readonly number: number
      readonly frame: Uint8Array
    }

const decoder = new TextDecoder()
const stacks = /"stack":"(?:[^"\\]|\\.)*"/g

/** A frame as text, without what depends on where the code lies and who called it. */
export const textOf = (frame: Uint8Array): string => {
  const text = decoder.decode(frame)
  return text.includes('"stack"') ? text.replaceAll(stacks, '"stack":""') : text
}

/** What the envelopes of a data frame are; the words are those of `Link`. */
const words: Readonly<Record<string, string>> = {
  v: "value",
  e: "error",
  n: "NotExecuted",
  u: "Unknown",
  s: "elements",
  g: "credit",
  c: "cancel",
  q: "inquiry",
  k: "unknown requests",
  h: "held",
  w: "watch",
  d: "unwatch",
  t: "terminated",
  x: "stop"
}
const kinds = ["tell", "ask", "offer"]

const shortened = (text: string) => (text.length > 60 ? `${text.slice(0, 60)}...` : text)

const showEnvelope = ([kind, ...rest]: ReadonlyArray<any>): string => {
  if (kind === "m") return `${kinds[rest[0]]} ${rest[3]} to ${rest[1]}`
  const word = words[kind] ?? String(kind)
  if ("venu".includes(kind)) return `${word} ${rest[1]?.reason?._tag ?? shortened(JSON.stringify(rest[1]) ?? "")}`
  return kind === "w" || kind === "x"
    ? `${word} ${rest.find((part) => typeof part === "string")}`
    : `${word} ${rest[0]}`
}

const showFrame = (frame: Uint8Array): string => {
  try {
    const [, kind, ...rest] = JSON.parse(textOf(frame))
    if (kind === "data") return `data ${rest[2]}: ${rest[3].map(showEnvelope).join(", ")}`
    if (kind === "hello") return `hello, epoch ${rest[0].epoch}${rest[0].up ? ", up" : ""}`
    return String(kind)
  } catch {
    return `${frame.length} bytes`
  }
}

export class Trace {
  readonly #entries: Array<Entry> = []
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  write(text: string): void {
    this.#entries.push({ at: this.#now(), text })
  }

  frame(from: string, to: string, number: number, frame: Uint8Array): void {
    this.#entries.push({ at: this.#now(), from, to, number, frame })
  }

  get lines(): ReadonlyArray<string> {
    return this.#entries.map((entry) => {
      const what =
        "text" in entry ? entry.text : `${entry.from} -> ${entry.to}  ${entry.number}  ${showFrame(entry.frame)}`
      return `${entry.at.toFixed(3).padStart(11)}  ${what}`
    })
  }
}
