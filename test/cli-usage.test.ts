/** `troupe` as it must not be used: each time one message, with what happened, why, and what to do, and exit code 2. */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { run } from "./cli.ts"

const math = "test/tasks/math.ts"
const folder = realpathSync(mkdtempSync(join(tmpdir(), "troupe-cli-usage-")))
afterAll(() => rmSync(folder, { recursive: true }))
const file = (name: string, content: string) => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const manifest = JSON.parse(readFileSync("package.json", "utf8"))
const help = "See `troupe run --help`.\n"
const exampleOfExport =
  "Export them by default: export default Task.handlers(group, { multiply: ({ a, b }) => Effect.succeed(a * b) })\n"

/** Arguments, and what is said of them. */
type Case = readonly [args: ReadonlyArray<string>, said: string | RegExp]

/** A module in a project that has this package, or a folder that is called so. */
const project = (name: string, packages: Record<string, string | undefined>) => {
  mkdirSync(join(folder, name, "node_modules"), { recursive: true })
  for (const [dependency, target] of Object.entries(packages)) {
    const place = join(folder, name, "node_modules", dependency)
    if (target !== undefined) symlinkSync(target, place)
    else {
      mkdirSync(place)
      writeFileSync(join(place, "package.json"), "{}")
    }
  }
  return file(`${name}/tasks.mjs`, "export default 1")
}

const flags: ReadonlyArray<Case> = [
  [["run"], `Missing required argument: module.\n${help}`],
  [
    ["run", math, "--wokers", "3"],
    /^Unrecognized flag: --wokers in command troupe run[\s\S]*Did you mean this\?\n {4}--workers\.\nSee/
  ],
  [["run", math, "more"], `Unexpected positional argument: "more".\n${help}`],
  [["walk"], 'Unknown subcommand "walk" for "troupe".\nSee `troupe --help`.\n'],
  [["run", math, "--workers="], `Missing value for flag --workers. Expected a whole number from 1 to 10000.\n${help}`],
  [
    ["run", math, "--workers", "-1"],
    `Invalid value for flag --workers: "-1". Expected a whole number from 1 to 10000.\n${help}`
  ],
  ...["0", "1.5", "abc", "10001"].map(
    (workers): Case => [
      ["run", math, `--workers=${workers}`],
      `Invalid value for flag --workers: "${workers}". Expected a whole number from 1 to 10000.\n${help}`
    ]
  ),
  [
    ["run", math, "--strategy", "random"],
    `Invalid value for flag --strategy: "random". Expected: "leastLoaded".\n${help}`
  ],
  [
    ["run", math, "--input", "nowhere"],
    "The input \"nowhere\" cannot be read: ENOENT: no such file or directory, stat 'nowhere'. " +
      'Name a file of tasks, one JSON object a line, or "-" for standard input.\n'
  ],
  [["run", math, "--input", "test"], /^The input "test" cannot be read: it is a folder\. Name a file of tasks, /]
]

const modules: ReadonlyArray<Case> = [
  [
    ["run", "nowhere.ts"],
    `There is no module "nowhere.ts": the file ${join(process.cwd(), "nowhere.ts")} does not exist. Name the file that exports your tasks.\n`
  ],
  [
    ["run", "test"],
    `The module "test" is a folder: ${join(process.cwd(), "test")}. Name the file in it that exports your tasks.\n`
  ],
  [["run", file("nothing.mjs", "")], /" has no tasks: it exports nothing\. Export them by default: /],
  [
    ["run", file("named.mjs", "export const multiply = 1, group = 2")],
    `The module "${join(folder, "named.mjs")}" has no tasks: it has no default export, only group, multiply. ${exampleOfExport}`
  ],
  [
    ["run", file("number.mjs", "export default 5")],
    /has no tasks: its default export is a number, not what Task\.handlers makes\. /
  ],
  [["run", file("null.mjs", "export default null")], /has no tasks: its default export is null, not/],
  [["run", "test/tasks/empty.ts"], /has no tasks: its group "empty" is empty\. Define some: Task\.group\(/],
  [
    ["run", file("throws.mjs", "\n  null.x")],
    /cannot be loaded: it threw TypeError: Cannot read properties of null.*\n +at .*throws\.mjs:2:8\nCorrect the module/
  ],
  [
    ["run", file("undefined.mjs", "throw undefined")],
    /cannot be loaded: it threw undefined: undefined\nCorrect the module/
  ],
  [
    ["run", file("syntax.mjs", "export default {")],
    /cannot be loaded: SyntaxError: Unexpected end of input\nCorrect the module; `node --check FILE` shows the place/
  ],
  [
    ["run", file("enum.ts", "enum X { A }\nexport default X")],
    /enum\.ts:1\nenum X[\s\S]*enum is not supported.*\nNode only leaves types out/
  ],
  [["run", file("data.json", "{}")], /cannot be loaded: .*Name a JavaScript file \(\.js, /],
  [
    ["run", file("text.txt", "{}")],
    /cannot be loaded: Unknown file extension "\.txt".*Name a JavaScript file \(\.js, /
  ],
  [
    ["run", file("outside.ts", 'import { Task } from "troupe/actors"\nexport default Task')],
    `The module "${join(folder, "outside.ts")}" cannot be loaded: it needs the package "troupe", which is not installed where ` +
      `${join(folder, "outside.ts")} looks for it. Run \`npm install troupe effect\` in its project, or move the module into a ` +
      "project that has it.\n"
  ],
  [
    ["run", project("own", { troupe: undefined })],
    `The module "${join(folder, "own", "tasks.mjs")}" cannot be run by this command: its project has a copy of troupe of its own, ` +
      `${join(folder, "own", "node_modules", "troupe")}. Run it with that one: npx troupe run, in the project.\n`
  ],
  [
    ["run", project("linked", { troupe: process.cwd(), effect: undefined })],
    `The module "${join(folder, "linked", "tasks.mjs")}" cannot be run: it imports effect from ` +
      `${join(folder, "linked", "node_modules", "effect")}, and its troupe imports it from ` +
      `${realpathSync(join("node_modules", "effect"))}. Schemas of one copy are not understood by the other. ` +
      "Install both packages side by side, without links: npm install troupe effect\n"
  ],
  [["run", file("pdf.mjs", 'import "pdf"')], /it needs the package "pdf", .* Run `npm install pdf` in its project/],
  [
    ["run", file("relative.mjs", 'import "./tax"')],
    /cannot be loaded: Cannot find module '.*tax' imported from .*relative\.mjs\. Correct the import; a relative one names its file in full/
  ],
  [
    ["run", "test/tasks/unprovided.ts"],
    'The tasks of group "rows" cannot start: Service not found: test/Database. Correct the module: it must have a handler for ' +
      "each task, and provide all that they need, as with Effect.provide(handlers, layer).\n"
  ],
  [
    ["run", "test/tasks/incomplete.js"],
    /^The tasks of group "half" cannot start: it has no handler for its task "two"\. /
  ]
]

describe.concurrent("troupe", () => {
  for (const [args, said] of [...flags, ...modules]) {
    it(`refuses ${args.join(" ").replace(folder, "...")}`, async () => {
      const { code, stderr, stdout } = await run(args, "")
      if (typeof said === "string") assert.strictEqual(stderr, said)
      else assert.match(stderr, said)
      assert.deepStrictEqual({ code, stdout }, { code: 2, stdout: "" })
    })
  }

  it("says what it can do", async () => {
    const [asked, bare, version] = await Promise.all([run(["run", "--help"], ""), run([], ""), run(["--version"], "")])
    for (const flag of ["--input", "--workers", "--strategy", "--ordered"]) assert.include(asked.stdout, `\n  ${flag} `)
    assert.strictEqual(asked.code, 0)
    assert.match(bare.stderr, /SUBCOMMANDS\n {2}run /)
    assert.deepStrictEqual([bare.stdout, bare.code], ["", 2])
    assert.deepStrictEqual([version.stdout, version.code], [`${manifest.version}\n`, 0])
  })

  it("tells an old Node what it lacks, and takes the oldest that the package does", async () => {
    const pretend = (version: string) => {
      const versions = `{ ...process.versions, node: "${version}" }`
      return ["--import", `data:text/javascript,Object.defineProperty(process, "versions", { value: ${versions} })`]
    }
    const [old, oldest] = await Promise.all([
      run(["run", math], "", pretend("22.18.0")),
      run(["run", math], "", pretend("22.19.0"))
    ])
    assert.strictEqual(
      old.stderr,
      `troupe needs Node 22.19 or later, and this is Node 22.18.0 (${process.execPath}). Install a later one, or put it first on the PATH.\n`
    )
    assert.deepStrictEqual([old.stdout, old.code, oldest.code], ["", 2, 0])
    assert.strictEqual(manifest.engines.node, ">=22.19")
  })

  it("is what package.json says it is", () => {
    assert.strictEqual(manifest.scripts.troupe, "node --conditions=@troupe/source cli/main.ts")
    const output = execFileSync("npm", ["run", "-s", "troupe", "--", "run", math], {
      input: '{"task_id": "1", "function": "add", "arguments": [1, 2]}',
      encoding: "utf8",
      stdio: ["pipe", "pipe", "ignore"]
    })
    assert.strictEqual(output, '{"task_id":"1","exit_code":0,"result":3}\n')
  })
})
