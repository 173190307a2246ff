/** Options as their users gave them, checked: one that is none dies, and the message has its name and what it was. */
import { Duration, Option } from "effect"

const expected = (what: string, which: string, got: unknown): never => {
  throw new Error(`expected \`${what}\` to be ${which}, got: ${String(got)}`)
}

export const positiveInteger = (what: string, value: number): number =>
  Number.isInteger(value) && value >= 1 ? value : expected(what, "a positive integer", value)

/** A time in milliseconds. */
export const positiveMillis = (what: string, value: Duration.Input): number => {
  const duration = Number.isNaN(value) ? Option.none() : Duration.fromInput(value)
  const millis = Option.match(duration, { onNone: () => Number.NaN, onSome: Duration.toMillis })
  if (Number.isFinite(millis) && millis > 0) return millis
  return expected(what, "finite and more than 0", typeof value === "number" ? `${value} ms` : value)
}
