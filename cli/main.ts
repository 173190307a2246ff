#!/usr/bin/env node
// The `troupe` command. Any Node from 18 on can run this file: an old one is told what it lacks before anything else is
// imported. So it names nothing that such a one does not have.
import module from "node:module"

const oldest = [22, 19] as const

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  console.error(
    `troupe needs Node ${oldest.join(".")} or later, and this is Node ${process.versions.node} (${process.execPath}). ` +
      "Install a later one, or put it first on the PATH."
  )
  process.exitCode = 2
} else {
  // Halves the time it takes to start.
  module.enableCompileCache()
  await import("./Cli.ts").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error
    console.error(
      `troupe cannot start: ${error.message}. The packages it needs are not installed beside it. ` +
        "Run `npm install troupe effect` in your project."
    )
    process.exitCode = 2
  })
}
