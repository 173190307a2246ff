import { Logger, References } from "effect"

const most = 10
let own = 0

/**
 * What a module logs, and of what the runtime does, such as that a task crashed, the first few: the answers tell all of it,
 * and a million tasks may crash. Tasks log under the name of their worker.
 */
export const layer = Logger.layer([
  Logger.make((options) => {
    const isOfTask = "worker" in options.fiber.getRef(References.CurrentLogAnnotations)
    if (!isOfTask && ++own > most) return
    Logger.defaultLogger.log(options)
    if (own === most) console.error(`No more than ${most} such lines are logged; the answers tell which tasks failed.`)
  })
])
