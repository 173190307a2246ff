import { Clock, Effect } from "effect"
import { grouped } from "./Summary.ts"
import type { Tally } from "./Tally.ts"

const width = 24

const bar = (part: number) => {
  const filled = Math.floor(width * part)
  return `${"█".repeat(filled)}${"░".repeat(width - filled)} ${Math.floor(100 * part)} %  `
}

const draw = (tally: Tally, size: number | undefined, seconds: number) => {
  const part = size === undefined ? "" : bar(size === 0 ? 1 : Math.min(tally.bytes / size, 1))
  const rate = seconds > 0 ? Math.round(tally.tasks / seconds) : 0
  const line = `${part}${grouped(tally.tasks)} done  ${grouped(tally.failed)} failed  ${grouped(rate)} a second`
  process.stderr.write(`\r${line.slice(0, (process.stderr.columns || 80) - 1)}\x1b[K`)
}

/**
 * Draws one line over itself while `effect` runs, on a terminal only, and leaves none behind. Where tasks are typed it would
 * be in the way.
 */
export const during = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  tally: Tally,
  size: number | undefined
): Effect.Effect<A, E, R> => {
  if (!process.stderr.isTTY || process.stdin.isTTY) return effect
  const drawing = Effect.flatMap(Clock.currentTimeMillis, (began) =>
    Clock.currentTimeMillis.pipe(
      Effect.tap((now) => Effect.sync(() => draw(tally, size, (now - began) / 1000))),
      Effect.andThen(Effect.sleep("100 millis")),
      Effect.forever
    )
  )
  const clear = Effect.sync(() => process.stderr.write("\r\x1b[K"))
  return Effect.ensuring(Effect.raceFirst(effect, drawing), clear)
}
