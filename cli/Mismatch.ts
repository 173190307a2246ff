import { SchemaIssue } from "effect"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

// What `Schema.Number` expects in JSON where there is no number. Whoever reads this wants one.
const namesOfNumbers = '"Infinity" | "-Infinity" | "NaN"'

/** Says in one line where a JSON value is not what its schema expects, and what is there instead. */
export const describe = (issue: SchemaIssue.Issue, value: unknown, name: string): string =>
  issuesOf(issue)
    .issues.map(({ message, path = [] }) => {
      const keys = path.map((part) => (typeof part === "object" ? part.key : part))
      const there = keys.reduce((inner: any, key) => inner?.[key], value)
      const where = [name, ...keys.map(String)].filter((part) => part !== "").join(".")
      const what = message.charAt(0).toLowerCase() + message.slice(1).replace(namesOfNumbers, "number")
      return `${where === "" ? "" : `"${where}": `}${what}${there === undefined ? "" : `, got ${shown(there)}`}`
    })
    .join("; ")

const longest = 80

const shown = (value: unknown) => {
  const text = JSON.stringify(value)
  return text.length > longest ? `${text.slice(0, longest)}...` : text
}
