/** The `troupe` command: what it can do, and how its process ends. */
import { createRequire } from "node:module"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Runtime as Main } from "effect"
import { CliConfig, CliOutput, Command, GlobalFlag } from "effect/cli"
import * as Runtime from "../core/Runtime.ts"
import { say } from "./Output.ts"
import { run } from "./Run.ts"

const { name, version } = createRequire(import.meta.url)("troupe/package.json") as Record<"name" | "version", string>

const troupe = Command.make(name).pipe(
  Command.withDescription("Typed actors for Effect: run tasks on a pool of workers"),
  Command.withSubcommands([run])
)

const formatter = CliOutput.defaultFormatter({ colors: false })

/** Help that was asked for is what the command prints; otherwise it says what is wrong, and where help is. */
const presenter = CliOutput.layerPresenter({
  present: (event) => {
    switch (event._tag) {
      case "Version":
        return Console.log(event.version)
      case "Help": {
        const help = formatter.formatHelpDoc(event.helpDoc)
        return event.reason === "Requested" ? Console.log(help) : say(help)
      }
      case "InvalidInvocation": {
        const errors = event.errors.map(({ message }) => `${message.replace(/\.?$/, ".")}\n`).join("")
        return say(`${errors}See \`${event.commandPath.join(" ")} --help\`.`)
      }
    }
  }
})

const unusable = Effect.sync(() => {
  process.exitCode = 2
})

const program = Command.run(troupe, { version }).pipe(
  Effect.catchTags({
    ShowHelp: () => unusable,
    UsageError: ({ message }) => Effect.andThen(say(message), unusable)
  }),
  Effect.provide(
    Layer.mergeAll(
      CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] }),
      presenter,
      NodeServices.layer,
      Runtime.layer
    )
  )
)

// Signals are the run's: until it begins they end the process, as they do anywhere.
const runMain = Main.makeRunMain(({ fiber, teardown }) => {
  // What a module holds open, a timer or a connection, does not keep the process.
  fiber.addObserver((exit) => teardown(exit, (code) => process.exit(process.exitCode ?? code)))
})

runMain(program)
