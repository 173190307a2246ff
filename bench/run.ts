/**
 * Runs every work in a process of its own, the variants in turn, and prints medians and ratios to the floor.
 *
 *     npm run bench -- [rounds, default 3]
 *
 * Called by itself with a work and a variant it runs that one and prints its result as JSON.
 */
import { execFileSync } from "node:child_process"
import { cpus, release } from "node:os"
import { parseArgs } from "node:util"
import type { Options, Result } from "./works.ts"

const variants: Readonly<Record<string, Options | undefined>> = {
  raw: undefined,
  "by-reference": { local: "by-reference", send: "tellUnsafe" },
  "by-reference tell": { local: "by-reference", send: "tell" },
  encoded: { local: "encoded", send: "tellUnsafe" },
  "encoded tell": { local: "encoded", send: "tell" }
}
const names = ["W1", "W2", "W2c", "W3", "W4"]
const warm = { W1: { n: 50_000 }, W2: { n: 5000 }, W2c: { n: 5000 }, W3: { hops: 50_000 } } as Record<string, object>

/** One work, twice at a small size to warm up, then for good. */
const one = async (name: string, variant: string): Promise<Result> => {
  const options = variants[variant]
  if (options?.local === "encoded") await import("./compiled.ts")
  const { raw, works } = await import("./works.ts")
  const work = (options === undefined ? raw : works)[name]!
  const size = warm[name] as Record<string, number> | undefined
  if (size !== undefined) for (let i = 0; i < 2; i++) await work(options!, size)
  globalThis.gc?.()
  return work(options!)
}

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const answerOf = (exit: unknown) => (exit as { readonly value: unknown }).value

/** Nanoseconds for the bare codec's work on one W1 message: encode and decode. */
const bareCodec = async (): Promise<number> => {
  await import("./compiled.ts")
  const { SchemaParser } = await import("effect")
  const { codec } = await import("./works.ts")
  const encode = SchemaParser.encodeUnknownEffect(codec)
  const decode = SchemaParser.decodeUnknownEffect(codec)
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now()
    for (let n = 0; n < 1_000_000; n++) decode(answerOf(encode({ n })))
    return performance.now() - start
  })
  return median(times)
}

const { positionals } = parseArgs({ allowPositionals: true })
const [first, variant] = positionals

if (first === "codec") console.log(JSON.stringify(await bareCodec()))
else if (first !== undefined && variant !== undefined) console.log(JSON.stringify(await one(first, variant)))
else {
  const rounds = Number(first ?? 3)
  const spawn = (...args: ReadonlyArray<string>): any => {
    const output = execFileSync(process.execPath, [...process.execArgv, import.meta.filename, ...args], {
      encoding: "utf8"
    })
    return JSON.parse(output)
  }
  console.log(
    `node ${process.version}, ${cpus()[0]?.model}, ${cpus().length} cores, Linux ${release()}, ${new Date().toISOString()}`
  )
  console.log(`medians of ${rounds} rounds, variants in turn; x is the ratio to raw in the same rounds\n`)
  for (const name of names) {
    const chosen = Object.keys(variants).filter((variant) => name === "W1" || !variant.endsWith(" tell"))
    const results = new Map<string, Array<Result>>(chosen.map((variant) => [variant, []]))
    for (let round = 0; round < rounds; round++)
      for (const variant of chosen) results.get(variant)!.push(spawn(name, variant))
    const rate = (variant: string) => median(results.get(variant)!.map(({ ops, seconds }) => ops / seconds))
    for (const variant of chosen) {
      const heap = results.get(variant)![0]!.heapBytesPerActor
      const spawns = results.get(variant)!.map(({ spawnPerSec }) => spawnPerSec ?? 0)
      const extra =
        heap === undefined ? "" : `  ${heap} bytes an idle actor, ${Math.round(median(spawns))} spawned a second`
      const ratio = (rate(variant) / rate("raw")).toFixed(2)
      console.log(
        `${name.padEnd(4)} ${variant.padEnd(18)} ${Math.round(rate(variant)).toString().padStart(10)}/s  x ${ratio}${extra}`
      )
    }
    if (name === "W1") {
      const floor = median(Array.from({ length: rounds }, () => spawn("codec") as number))
      const cost = 1e9 / rate("encoded")
      console.log(
        `${name.padEnd(4)} encoded costs ${cost.toFixed(0)} ns a message, the bare codec ${floor.toFixed(0)} ns: x ${(cost / floor).toFixed(2)}`
      )
    }
  }
}
