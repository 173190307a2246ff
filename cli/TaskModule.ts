/** Loads the module that a user names: a file whose default export is a task group with its handlers. */
import { pathToFileURL } from "node:url"
import { Effect, FileSystem, Path } from "effect"
import { Task } from "../actors/index.ts"
import type { Protocol } from "../core/index.ts"
import { UsageError } from "./UsageError.ts"

export type TaskModule = Task.Module<Protocol.Any, unknown, unknown>

interface Exported {
  readonly default?: unknown
}

const example = "export default Task.handlers(group, { multiply: ({ a, b }) => Effect.succeed(a * b) })"

/** Fails when there is no such file, when it cannot be loaded, and when it exports no tasks. */
export const load = Effect.fnUntraced(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const file = (yield* Path.Path).resolve(name)
  const unusable = (what: string) => new UsageError({ message: what })

  const info = yield* Effect.mapError(fs.stat(file), ({ reason }) =>
    unusable(
      reason._tag === "NotFound"
        ? `There is no module "${name}": the file ${file} does not exist. Name the file that exports your tasks.`
        : `The module "${name}" cannot be read: ${reason.message}. Name a file that can.`
    )
  )
  if (info.type === "Directory") {
    return yield* unusable(`The module "${name}" is a folder: ${file}. Name the file in it that exports your tasks.`)
  }
  const exported = yield* Effect.tryPromise({
    try: (): Promise<Exported> => import(pathToFileURL(file).href),
    catch: (error) => unusable(`The module "${name}" cannot be loaded: ${explain(error)}`)
  })
  // What a compiler makes of `export default` in a CommonJS module lies one step deeper.
  const found = exported.default
  const module = Task.isModule(found) ? found : (found as Exported | undefined)?.default
  if (!Task.isModule(module)) {
    return yield* unusable(
      `The module "${name}" has no tasks: ${missing(exported)}. Export them by default: ${example}`
    )
  }
  if (module.group.rpcs.length === 0) {
    return yield* unusable(
      `The module "${name}" has no tasks: its group "${module.group.name}" is empty. ` +
        'Define some: Task.group("math", [Rpc.make("multiply", ...)])'
    )
  }
  return module
})

const missing = (exported: Exported) => {
  const names = Object.keys(exported)
  if (names.includes("default"))
    return `its default export is ${kindOf(exported.default)}, not what Task.handlers makes`
  return names.length === 0 ? "it exports nothing" : `it has no default export, only ${names.join(", ")}`
}

const kindOf = (value: unknown) => {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return "an array"
  return typeof value === "object" ? "another object" : `a ${typeof value}`
}

/** Why loading failed, and what to do, by what Node threw. */
const explain = (error: unknown): string => {
  const { code, message } = Object(error) as NodeJS.ErrnoException
  switch (code) {
    case "ERR_MODULE_NOT_FOUND": {
      const [, wanted = "", from = ""] = /package '([^']+)' imported from (.+)$/.exec(message) ?? []
      if (wanted === "")
        return `${message}. Correct the import; a relative one names its file in full, like "./tax.ts".`
      const install = wanted === "troupe" ? "troupe effect" : wanted
      return (
        `it needs the package "${wanted}", which is not installed where ${from} looks for it. ` +
        `Run \`npm install ${install}\` in its project, or move the module into a project that has it.`
      )
    }
    case "ERR_PACKAGE_PATH_NOT_EXPORTED":
      return `${message}. The package is of another version than the module was written for: bring them together.`
    case "ERR_UNKNOWN_FILE_EXTENSION":
    case "ERR_IMPORT_ATTRIBUTE_MISSING":
      return (
        `${message}. Name a JavaScript file (.js, .mjs, .cjs) or a TypeScript file (.ts, .mts, .cts), and for TypeScript ` +
        "do not switch off Node's type stripping."
      )
    case "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING":
      return `${message}. Node runs no TypeScript from node_modules: build the package, or name its JavaScript.`
    case "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX":
      return `${thrown(error)}\nNode only leaves types out: rewrite what is more than types, as enum and namespace are, or build the module.`
    default:
      if (error instanceof SyntaxError && /outside a module|Unexpected token 'export'/.test(error.message)) {
        return `${thrown(error)}\nNode takes it for CommonJS: write "type": "module" into its package.json, or name it .mts or .mjs.`
      }
      return error instanceof SyntaxError
        ? `${thrown(error)}\nCorrect the module; \`node --check FILE\` shows the place in a JavaScript file.`
        : `it threw ${thrown(error)}\nCorrect the module; it is run once, to load it.`
  }
}

const isElsewhere = (frame: string) =>
  frame.includes("node:") || frame.includes("/node_modules/") || frame.includes(import.meta.dirname)

/** What was thrown, with the places in the user's own files. */
export const thrown = (error: unknown): string => {
  if (!(error instanceof Error)) return `${kindOf(error)}: ${String(error)}`
  const lines = (error.stack ?? "").split("\n")
  const place = lines.slice(
    0,
    Math.max(
      lines.findIndex((line) => line.startsWith(error.name)),
      0
    )
  )
  const frames = lines.filter((line) => /^ +at /.test(line) && !isElsewhere(line)).slice(0, 3)
  return [...place, `${error.name}: ${error.message}`, ...frames].join("\n")
}
