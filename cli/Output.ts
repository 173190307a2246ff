/** What this process writes. Standard output is for the answers alone; everything else goes to standard error. */
import { Effect, Schema } from "effect"

/** Standard output takes no more. `closed` when its reader has left, as `head` does. */
export class OutputError extends Schema.TaggedError<OutputError>()("OutputError", {
  message: Schema.String,
  closed: Schema.Boolean
}) {}

export type Write = (text: string) => Effect.Effect<void, OutputError>

/** What wipes a line of progress off the terminal, where there may be one. */
const wipe = process.stderr.isTTY ? "\r\x1b[K" : ""

/** Waits until the text is on its way, however slowly it is read. */
const writer = (stream: NodeJS.WriteStream): Write => {
  const write = stream.write.bind(stream)
  const start = stream.isTTY ? wipe : ""
  stream.on("error", () => {})
  return (text) =>
    Effect.callback((resume) => {
      write(start + text, (error) => resume(error ? Effect.fail(failure(error)) : Effect.void))
    })
}

const failure = ({ code, message }: NodeJS.ErrnoException) =>
  new OutputError({ message, closed: code === "EPIPE" || code === "ERR_STREAM_DESTROYED" })

const toStderr = writer(process.stderr)

/** Says something to whoever started the command. Nobody need listen. */
export const say = (text: string): Effect.Effect<void> => Effect.ignore(toStderr(`${text}\n`))

/**
 * Takes standard output for the answers: whatever else this process prints there from now on, as with `console.log` in a
 * task, goes to standard error, so that it does not end up among them.
 */
export const takeStdout: Effect.Effect<Write> = Effect.sync(() => {
  const write = writer(process.stdout)
  const { stderr } = process
  process.stdout.write = (...text: Array<any>) => {
    if (wipe !== "") stderr.write(wipe)
    return stderr.write(...(text as [string]))
  }
  return write
})
