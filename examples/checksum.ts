// Checksums and counts the lines of every file of a folder, with a pool of four workers.
//
//   npm start                  the folder is that of the `effect` package, which is on every machine that runs this
//   npm start -- FOLDER        any other
//
// At most 16 files are in flight: the next one starts when one is done, however many there are. Exit code 1 when a file
// could not be read.
import { createHash } from "node:crypto"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Clock, Console, Effect, FileSystem, Path, type PlatformError, References, Schema, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { ActorSystem } from "troupe"
import { Pool, Task, Worker } from "troupe/actors"
import * as Runtime from "troupe/Runtime"
import { Memory } from "troupe/transports/Memory"

const workers = 4
const inFlight = 4 * workers

// ----- The work -----

class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

const reasonOf = ({ message, reason }: PlatformError.PlatformError) =>
  reason.cause instanceof Error ? reason.cause.message : message

const Summary = Schema.Struct({ sha256: Schema.String, bytes: Schema.Int, lines: Schema.Int, worker: Schema.String })

const Checksums = Task.group("checksums", [
  Rpc.make("summarize", { payload: { file: Schema.String }, success: Summary, error: Unreadable })
])

/** What each worker does. A file is read piece by piece, so its size does not matter. */
const checksums = Task.handlers(
  Checksums,
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { name: worker } = yield* Worker.Current
    return {
      summarize: ({ file }) =>
        Effect.suspend(() => {
          const hash = createHash("sha256")
          let bytes = 0
          let lines = 0
          const read = Stream.runForEach(fs.stream(file), (piece) =>
            Effect.sync(() => {
              hash.update(piece)
              bytes += piece.length
              for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) lines += 1
            })
          )
          return read.pipe(
            Effect.map(() => ({ sha256: hash.digest("hex"), bytes, lines, worker })),
            Effect.mapError((error) => new Unreadable({ reason: reasonOf(error) }))
          )
        })
    }
  })
)

// ----- The files -----

interface Failure {
  readonly path: string
  readonly reason: string
}

/** Names every file below `root`, "/" separated, and what could not be looked into. Does not follow symbolic links. */
const filesOf = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  const files: Array<string> = []
  const failures: Array<Failure> = []
  const folders = [""]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const listing = yield* Effect.result(fs.readDirectoryEntries(join(root, folder)))
    if (listing._tag === "Failure") {
      if (folder === "") return yield* listing.failure
      failures.push({ path: folder, reason: reasonOf(listing.failure) })
      continue
    }
    for (const { name, type } of listing.success) {
      const path = folder === "" ? name : `${folder}/${name}`
      if (type === "Directory") folders.push(path)
      else if (type === "File") files.push(path)
    }
  }
  return { files, failures }
})

const folderOfEffect = dirname(fileURLToPath(import.meta.resolve("effect/package.json")))

// ----- What a person sees -----

const grouped = new Intl.NumberFormat("en-US").format

const table = (headings: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) => {
  const widths = headings.map((_, at) => Math.max(...[headings, ...rows].map((row) => row[at]!.length)))
  const last = headings.length - 1
  return [headings, ...rows]
    .map((row) => `  ${row.map((cell, at) => (at === last ? cell : cell.padStart(widths[at]!))).join("  ")}`)
    .join("\n")
}

/** Draws one line over itself while `effect` runs, on a terminal only, and leaves none behind. */
const withProgress = <A, E, R>(effect: Effect.Effect<A, E, R>, line: () => string) => {
  if (!process.stdout.isTTY) return effect
  const draw = Effect.sync(() => process.stdout.write(`\r${line().slice(0, (process.stdout.columns || 80) - 1)}\x1b[K`))
  const drawing = Effect.forever(Effect.andThen(draw, Effect.sleep("80 millis")))
  const clear = Effect.sync(() => process.stdout.write("\r\x1b[K"))
  return Effect.ensuring(Effect.raceFirst(effect, drawing), clear)
}

const bar = (part: number, of: number) => {
  const filled = of === 0 ? 24 : Math.floor((24 * part) / of)
  return "█".repeat(filled) + "░".repeat(24 - filled)
}

// ----- The program -----

const program = Effect.gen(function* () {
  const { join, resolve } = yield* Path.Path
  const root = resolve(process.argv[2] ?? folderOfEffect)
  // A file that is cut short by Ctrl-C loses nobody anything: no need to wait for it.
  const pool = yield* Pool.make(checksums, { workers, stopDeadline: "100 millis" })
  const began = yield* Clock.currentTimeMillis
  const { failures, files } = yield* filesOf(root)
  const total = files.length + failures.length

  const done: Array<typeof Summary.Type & { readonly path: string }> = []
  let bytes = 0
  const payloads = files.map((path) => ({ file: join(root, path) }))
  const results = Stream.runForEach(pool.submitAll.summarize(payloads, { window: inFlight }), ({ exit, index }) => {
    const path = files[index]!
    return Effect.match(exit, {
      onSuccess: (summary) => {
        done.push({ ...summary, path })
        bytes += summary.bytes
      },
      onFailure: ({ message }) => {
        failures.push({ path, reason: message })
      }
    })
  })
  yield* withProgress(results, () => {
    const ended = done.length + failures.length
    return `${bar(ended, total)}  ${grouped(ended)} of ${grouped(total)} files  ${grouped(bytes)} bytes`
  })
  const seconds = ((yield* Clock.currentTimeMillis) - began) / 1000

  yield* Console.log(root)
  if (done.length > 0) {
    const largest = done.toSorted((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1)).slice(0, 10)
    const files = largest.map(({ bytes, lines, path }) => [grouped(bytes), grouped(lines), path])
    yield* Console.log(`\nThe largest files\n${table(["bytes", "lines", "path"], files)}`)

    const shares = [...Map.groupBy(done, ({ worker }) => worker)].sort().map(([worker, own]) => {
      const bytes = own.reduce((sum, { bytes }) => sum + bytes, 0)
      return [grouped(own.length), grouped(bytes), worker]
    })
    const heading = `Each worker's share, in ${seconds.toFixed(1)} seconds`
    yield* Console.log(`\n${heading}\n${table(["files", "bytes", "worker"], shares)}`)
  }
  for (const { path, reason } of failures) yield* Console.error(`failed: ${path}: ${reason}`)

  const lines = done.map(({ path, sha256 }) => Buffer.from(`${sha256}  ${path}\n`)).sort(Buffer.compare)
  const digest = createHash("sha256").update(Buffer.concat(lines)).digest("hex")
  yield* Console.log(`\ndone: ${done.length} files, ${bytes} bytes, ${failures.length} failed, digest ${digest}`)
  if (failures.length > 0) process.exitCode = 1
})

const unusable = (error: PlatformError.PlatformError) =>
  Effect.andThen(
    Console.error(`The folder cannot be read: ${reasonOf(error)}. Name one that can: npm start -- FOLDER`),
    Effect.sync(() => {
      process.exitCode = 1
    })
  )

program.pipe(
  Effect.scoped,
  Effect.catchTag("PlatformError", unusable),
  Effect.provide(ActorSystem.layer({ name: "checksum" })),
  Effect.provide(Memory.layer),
  Effect.provide(NodeServices.layer),
  Effect.provide(Runtime.layer),
  // What still waits at the end, or at Ctrl-C, becomes dead letters, of which nobody here wants to read.
  Effect.provideService(References.MinimumLogLevel, "Error"),
  NodeRuntime.runMain
)
