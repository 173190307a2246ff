/**
 * Ctrl-C, and its like. The first asks the run to come to its end: what runs finishes. The second ends the process at once.
 */
import { constants } from "node:os"
import { Deferred, Effect } from "effect"

export interface Stop {
  /** The signal that came, if one has. */
  signal: "SIGINT" | "SIGTERM" | undefined
  readonly requested: Deferred.Deferred<void>
}

/** How a process ends by a signal, as a shell says it. */
export const exitCode = (signal: "SIGINT" | "SIGTERM" | "SIGPIPE") => 128 + constants.signals[signal]

/** Takes signals while its scope is open. */
export const watch = Effect.acquireRelease(
  Effect.sync(() => {
    const stop: Stop = { signal: undefined, requested: Deferred.makeUnsafe() }
    const onSignal = (signal: "SIGINT" | "SIGTERM") => {
      if (stop.signal !== undefined) {
        process.removeAllListeners("exit")
        process.exit(exitCode(signal))
      }
      stop.signal = signal
      Deferred.doneUnsafe(stop.requested, Effect.void)
    }
    process.on("SIGINT", onSignal)
    process.on("SIGTERM", onSignal)
    return { stop, onSignal }
  }),
  ({ onSignal }) =>
    Effect.sync(() => {
      process.off("SIGINT", onSignal)
      process.off("SIGTERM", onSignal)
    })
).pipe(Effect.map(({ stop }) => stop))
