/**
 * Uses the package as a stranger does: packs it, unpacks it into an empty project beside its peers, then resolves every
 * export, compiles a program against it and runs that program, and its command, on plain Node and without the source
 * condition.
 */
import { execFileSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const root = join(import.meta.dirname, "..")
const project = mkdtempSync(join(tmpdir(), "troupe-pack-"))
const installed = join(project, "node_modules", "troupe")
const command = join(project, "node_modules", ".bin", "troupe")
const program = join(root, "examples", "01-hello.ts")

const fail = (message: string): never => {
  throw new Error(message)
}

/** Runs a command to its end and answers what it printed; prints that and fails when it fails. */
const run = (what: string, command: string, args: ReadonlyArray<string>, cwd = project): string => {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string }
    return fail(`${what} failed\n${stdout ?? ""}${stderr ?? String(error)}`)
  }
}

const unpack = () => {
  run("npm pack", "npm", ["pack", "--silent", "--pack-destination", project], root)
  mkdirSync(installed, { recursive: true })
  const { bin, dependencies, name, peerDependencies, version } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8")
  )
  run("tar", "tar", ["-xzf", join(project, `${name}-${version}.tgz`), "--strip-components", "1", "-C", installed])
  for (const dependency of [...Object.keys({ ...peerDependencies, ...dependencies }), "@types/node"]) {
    const place = join(project, "node_modules", dependency)
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(join(root, "node_modules", dependency), place, "dir")
  }
  mkdirSync(dirname(command))
  symlinkSync(join(installed, bin.troupe), command)
  chmodSync(command, 0o755)
}

type Target = string | Record<string, string>

/** The names under which the package is imported, every file they stand for being there. */
const exported = (): ReadonlyArray<string> => {
  const { exports } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"))
  return Object.entries<Target>(exports).flatMap(([path, target]) => {
    const name = `troupe${path.slice(1)}`
    for (const file of typeof target === "string" ? [target] : Object.values(target)) {
      if (!existsSync(join(installed, file))) fail(`"${name}" is exported as ${file}, which is not in the package`)
    }
    return name.endsWith(".json") ? [] : [name]
  })
}

const write = (file: string, ...lines: ReadonlyArray<string>) => writeFileSync(join(project, file), lines.join("\n"))

try {
  unpack()
  const names = exported()
  const options = { target: "es2024", module: "nodenext", types: ["node"], strict: true, noEmit: true }
  write("package.json", JSON.stringify({ type: "module" }))
  write("tsconfig.json", JSON.stringify({ compilerOptions: { ...options, allowImportingTsExtensions: true } }))
  write("program.ts", readFileSync(program, "utf8"))
  write("types.ts", ...names.map((name, index) => `export * as m${index} from "${name}"`))
  write(
    "resolve.ts",
    `for (const name of ${JSON.stringify(names)}) {`,
    `  await import(name).catch((error) => { throw new Error(name + " cannot be imported", { cause: error }) })`,
    "}"
  )
  run("importing the exports", process.execPath, ["resolve.ts"])
  run("type-checking against the package", process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc")])
  const printed = run("running the program", process.execPath, ["program.ts"])
  const said = [...readFileSync(program, "utf8").matchAll(/^ *\/\/ => (.*\n)/gm)].map((match) => match[1]).join("")
  if (printed !== said) fail(`the program printed\n${printed}and should print\n${said}`)
  write(
    "tasks.ts",
    'import { Effect, Schema } from "effect"',
    'import { Rpc } from "effect/rpc"',
    'import { Task } from "troupe/actors"',
    "const add = { payload: Schema.Tuple([Schema.Int, Schema.Int]), success: Schema.Int }",
    'export default Task.handlers(Task.group("math", [Rpc.make("add", add)]), { add: ([a, b]) => Effect.succeed(a + b) })'
  )
  write("tasks", '{"task_id": "1", "function": "add", "arguments": [1, 2]}')
  const flags = ["run", "tasks.ts", "--input", "tasks"]
  for (const answered of [
    run("running the command", command, flags),
    // One that is installed elsewhere leaves the module to the project's own.
    run("running another copy's command", process.execPath, [join(root, "dist", "cli", "main.js"), ...flags])
  ]) {
    if (answered !== '{"task_id":"1","exit_code":0,"result":3}\n') fail(`the command answered\n${answered}`)
  }
  console.log(
    `pack: ${names.length} exports resolve, a program compiles and runs against the package, and so does its command`
  )
} catch (error) {
  console.error(`pack: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  rmSync(project, { recursive: true, force: true })
}
