/** `troupe run` in a process of its own, as its tests start it, feed it and listen to it. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process"
import { afterAll } from "@effect/vitest"

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  /** Writes to its standard input, and leaves that open. */
  readonly write: (text: string | Uint8Array) => void
  /** Waits until it has said this. */
  readonly said: (stream: "stdout" | "stderr", what: RegExp) => Promise<string>
  readonly ended: Promise<Ended>
}

export interface Options {
  readonly node?: ReadonlyArray<string>
  /** The whole of its standard input; without, it is left open. */
  readonly input?: string | Uint8Array
  /** A file for its standard output. */
  readonly stdout?: number | "pipe"
  /** Does not read its standard output until that is resumed. */
  readonly paused?: boolean
}

const command = ["--conditions=@troupe/source", "cli/main.ts"]

const children = new Set<ChildProcess>()
// Of a test that has failed.
afterAll(() => {
  for (const child of children) child.kill("SIGKILL")
})

export const start = (
  args: ReadonlyArray<string>,
  { input, node = [], paused, stdout = "pipe" }: Options = {}
): Running => {
  const flags = [...node, ...command, ...args]
  const stdio: StdioOptions = ["pipe", stdout, "pipe"]
  const child = spawn(process.execPath, flags, { stdio })
  children.add(child)
  const text = { stdout: "", stderr: "" }
  const listeners = new Set<() => void>()
  const heard = () => {
    for (const listener of listeners) listener()
  }
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (part) => {
      text[name] += part
      heard()
    })
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code) => {
      children.delete(child)
      resolve({ code, ...text })
      heard()
    })
  })
  if (paused === true) child.stdout?.pause()
  // It may end before it has read everything.
  child.stdin!.on("error", () => {})
  if (input !== undefined) child.stdin!.end(input)
  return {
    child,
    write: (text) => child.stdin!.write(text),
    said: (stream, what) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (what.test(text[stream])) resolve(text[stream])
          else if (child.exitCode !== null) reject(new Error(`ended without ${what}:\n${text.stdout}${text.stderr}`))
          else return
          listeners.delete(look)
        }
        listeners.add(look)
        look()
      }),
    ended
  }
}

/** Runs it on an input, to its end. */
export const run = (args: ReadonlyArray<string>, input: string | Uint8Array, node: ReadonlyArray<string> = []) =>
  start(args, { input, node }).ended

/** What it answered, line by line. */
export const answers = (stdout: string): ReadonlyArray<any> => {
  if (stdout === "") return []
  return stdout
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => JSON.parse(line))
}

let ids = 0

/** A line of input. */
export const task = (name: string, args?: unknown, more: object = {}) =>
  `${JSON.stringify({ task_id: `t${++ids}`, function: name, ...(args !== undefined && { arguments: args }), ...more })}\n`
