/** Tasks whose end a test decides, and tasks that misbehave beside what they answer. */
import { Effect, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Task } from "troupe/actors"

const hold = Task.group("hold", [
  Rpc.make("until", { payload: { signal: Schema.Literals(["SIGUSR1", "SIGUSR2"]) }, success: Schema.String }),
  Rpc.make("stray", { payload: { how: Schema.Literals(["reject", "throw", "exit"]) } }),
  Rpc.make("echo", { payload: { value: Schema.Unknown }, success: Schema.Unknown })
])

export default Task.handlers(
  hold,
  Effect.gen(function* () {
    yield* Effect.addFinalizer(() => Effect.sync(() => console.log("released")))
    return {
      until: ({ signal }) =>
        Effect.callback<string>((resume) => {
          process.once(signal, () => resume(Effect.succeed(signal)))
          console.log(`waits for ${signal}`)
        }),
      stray: ({ how }) =>
        Effect.sync(() => {
          if (how === "exit") process.exit(0)
          if (how === "reject") void Promise.reject(new Error("a stray promise"))
          else
            setImmediate(() => {
              throw new Error("a stray error")
            })
        }),
      echo: ({ value }) => Effect.succeed(value)
    }
  })
)
