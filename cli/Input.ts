/** Where the tasks come from: a file, a named pipe, or standard input. */
import { open } from "node:fs"
import { Socket } from "node:net"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Effect, FileSystem, PlatformError, Stdio, type Stream } from "effect"
import { UsageError } from "./UsageError.ts"

export interface Input {
  readonly name: string
  readonly bytes: Stream.Stream<Uint8Array, PlatformError.PlatformError>
  /** How many bytes there are, when that is known before the end. */
  readonly size?: number
}

/** Opens what a user names; "-" is standard input. Fails on what cannot be read, before any of it is. */
export const from = Effect.fnUntraced(function* (name: string) {
  if (name === "-") return { name: "standard input", bytes: (yield* Stdio.Stdio).stdin } satisfies Input
  const fs = yield* FileSystem.FileSystem
  const unusable = (why: string) =>
    new UsageError({
      message: `The input "${name}" cannot be read: ${why}. Name a file of tasks, one JSON object a line, or "-" for standard input.`
    })
  const readable = Effect.mapError(
    Effect.tap(fs.stat(name), () => fs.access(name, { readable: true })),
    (error) => unusable(reasonOf(error))
  )
  const { size, type } = yield* readable
  if (type === "Directory") return yield* unusable("it is a folder")
  if (type !== "FIFO") {
    return { name, bytes: fs.stream(name), ...(type === "File" && { size: Number(size) }) } satisfies Input
  }
  const fd = yield* Effect.mapError(opened(name), ({ message }) => unusable(message))
  return { name, bytes: pipe(name, fd) } satisfies Input
})

export const reasonOf = ({ message, reason }: PlatformError.PlatformError) =>
  reason.cause instanceof Error ? reason.cause.message : message

// As a file, a pipe that nobody writes to would hold up a thread, and with it the end of this process.
const pipe = (name: string, fd: number) =>
  NodeStream.fromReadable<Uint8Array, PlatformError.PlatformError>({
    evaluate: () => new Socket({ fd, readable: true, writable: false }),
    onError: (cause) =>
      PlatformError.systemError({ module: "Input", method: "read", _tag: "Unknown", pathOrDescriptor: name, cause })
  })

const opened = (name: string) =>
  Effect.callback<number, NodeJS.ErrnoException>((resume) =>
    open(name, "r", (error, fd) => resume(error === null ? Effect.succeed(fd) : Effect.fail(error)))
  )
