/**
 * What a module may do to the process it runs in, beside its tasks: end it, or fail where nobody waits for it. Neither may
 * go unnoticed, and the second may not cost the answers of the tasks.
 */
import { writeSync } from "node:fs"
import { Effect } from "effect"
import { thrown } from "./TaskModule.ts"

interface Guard {
  /** How often something failed outside every task. */
  failures: number
}

const mostSaid = 10

const complain = (text: string) => {
  try {
    writeSync(process.stderr.fd, `${text}\n`)
  } catch {
    // Nobody listens.
  }
}

/** Keeps watch while its scope is open. */
export const watch = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const guard: Guard = { failures: 0 }
      const onExit = (code: number) => {
        complain(
          `The module ended the process with process.exit(${code}), so what was still to come is lost. ` +
            "Let the task fail instead."
        )
        process.exitCode = 1
      }
      const onFailure = (error: unknown) => {
        if (++guard.failures > mostSaid) return
        complain(
          `The module failed outside every task, where no answer can tell of it: ${thrown(error)}\n` +
            "The tasks go on. Let the handler wait for all that it starts, or catch this where it happens."
        )
      }
      process.on("exit", onExit).on("uncaughtException", onFailure)
      return { guard, onExit, onFailure }
    }),
    ({ onExit, onFailure }) => Effect.sync(() => process.off("exit", onExit).off("uncaughtException", onFailure))
  ),
  ({ guard }) => guard
)
