/**
 * A module runs with the copies of `troupe` and `effect` that it imports: schemas of one copy are not understood by another.
 * They are the same for a command that is installed in the module's project. One that is installed elsewhere leaves the
 * module to the project's own.
 */
import { readFileSync, realpathSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"
import { Effect } from "effect"
import { UsageError } from "./UsageError.ts"

/** Where a package is that a file imports, if it is anywhere. */
const folderOf = (name: string, file: string) => {
  try {
    return dirname(realpathSync(createRequire(file).resolve(`${name}/package.json`)))
  } catch {
    return undefined
  }
}

const unusable = (message: string) => Effect.fail(new UsageError({ message }))

/** Does nothing when this command and the module, a file, have their copies in common. Does not return when they have not. */
export const settle = (file: string): Effect.Effect<void, UsageError> =>
  Effect.suspend(() => {
    const here = import.meta.filename
    const troupe = folderOf("troupe", file)
    if (troupe === undefined) return Effect.void
    if (troupe !== folderOf("troupe", here)) return leaveTo(troupe, file)
    const [own, theirs] = [folderOf("effect", here), folderOf("effect", file)]
    if (theirs === undefined || theirs === own) return Effect.void
    return unusable(
      `The module "${file}" cannot be run: it imports effect from ${theirs}, and its troupe imports it from ${own}. Schemas of ` +
        "one copy are not understood by the other. Install both packages side by side, without links: npm install troupe effect"
    )
  })

const leaveTo = (troupe: string, file: string) => {
  const { bin } = JSON.parse(readFileSync(join(troupe, "package.json"), "utf8")) as {
    readonly bin?: { troupe?: string }
  }
  // Node would take that copy's TypeScript too, and takes none from node_modules.
  if (bin?.troupe === undefined || import.meta.filename.endsWith(".ts")) {
    return unusable(
      `The module "${file}" cannot be run by this command: its project has a copy of troupe of its own, ${troupe}. ` +
        "Run it with that one: npx troupe run, in the project."
    )
  }
  const main = pathToFileURL(join(troupe, bin.troupe)).href
  return Effect.andThen(
    Effect.promise(() => import(main)),
    Effect.never
  )
}
