/**
 * Runs every work in a process of its own, the variants in turn, and prints medians and ratios to the floor.
 *
 *     npm run bench -- [rounds, default 3] [--works W5,W7a]
 *
 * Called by itself with a work, a variant and a seed it runs that one and prints its result as JSON.
 */
import { execFileSync } from "node:child_process"
import { cpus, release } from "node:os"
import { parseArgs } from "node:util"
import type { Options, Result } from "./works.ts"

const variants: Readonly<Record<string, Options | undefined>> = {
  raw: undefined,
  "by-reference": { local: "by-reference", send: "eager" },
  "by-reference lazy": { local: "by-reference", send: "lazy" },
  encoded: { local: "encoded", send: "eager" },
  "encoded lazy": { local: "encoded", send: "lazy" }
}
const ofActors = ["W1", "W2", "W2c", "W3", "W4"]
const ofDispatch = ["W5", "dispatch 10", "dispatch 1e3", "dispatch 1e5", "W7a", "W7b"]
const sizes = { W1: { n: 50_000 }, W2: { n: 5000 }, W2c: { n: 5000 }, W3: { hops: 50_000 }, W5: { n: 5000 } }
const warm: Readonly<Record<string, Readonly<Record<string, number>> | undefined>> = sizes

/** Both ways to send where they differ; of dispatch among many workers only what is the same at all numbers. */
const isRun = (name: string, variant: string) => {
  if (variant.endsWith(" lazy")) return name === "W1" || name === "W5"
  return variant !== "encoded" || !name.startsWith("dispatch")
}

/** One work, twice at a small size to warm up, then for good. */
const one = async (name: string, variant: string, seed: number): Promise<Result> => {
  const options = variants[variant]
  if (options?.local === "encoded") await import("./compiled.ts")
  const { raw, works } = await import(ofDispatch.includes(name) ? "./dispatch.ts" : "./works.ts")
  const work = (options === undefined ? raw : works)[name]!
  const size = warm[name]
  if (size !== undefined) for (let i = 0; i < 2; i++) await work(options!, size)
  globalThis.gc?.()
  return work(options!, { seed })
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

const { positionals, values } = parseArgs({ allowPositionals: true, options: { works: { type: "string" } } })
const [first, variant, seed] = positionals

/** What a work has to say beside its rate. */
const remark = (name: string, results: ReadonlyArray<Result>): string => {
  const middle = (of: (result: Result) => number) => median(results.map(of))
  const { heapBytesPerActor, timesIdeal } = results[0]!
  if (heapBytesPerActor !== undefined) {
    const spawned = middle(({ spawnPerSec }) => spawnPerSec!)
    return `  ${heapBytesPerActor} bytes an idle actor, ${Math.round(spawned)} spawned a second`
  }
  if (timesIdeal !== undefined) {
    const times = (which: keyof typeof timesIdeal) => middle(({ timesIdeal }) => timesIdeal![which]).toFixed(3)
    return `  times the ideal: makespan ${times("makespan")}, mean ${times("mean")}, p99 ${times("p99")}`
  }
  if (!name.startsWith("dispatch")) return ""
  return `  ${Math.round(middle(({ ops, seconds }) => (1e9 * seconds) / ops))} ns a dispatch`
}

if (first === "codec") console.log(JSON.stringify(await bareCodec()))
else if (first !== undefined && variant !== undefined)
  console.log(JSON.stringify(await one(first, variant, Number(seed))))
else {
  const rounds = Number(first ?? 3)
  const names = values.works?.split(",") ?? [...ofActors, ...ofDispatch]
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
    const chosen = Object.keys(variants).filter((variant) => isRun(name, variant))
    const results = new Map<string, Array<Result>>(chosen.map((variant) => [variant, []]))
    for (let round = 0; round < rounds; round++)
      for (const variant of chosen) results.get(variant)!.push(spawn(name, variant, String(42 + round)))
    const rate = (variant: string) => median(results.get(variant)!.map(({ ops, seconds }) => ops / seconds))
    for (const variant of chosen) {
      const ratio = (rate(variant) / rate("raw")).toFixed(2)
      console.log(
        `${name.padEnd(12)} ${variant.padEnd(18)} ${Math.round(rate(variant)).toString().padStart(10)}/s  x ${ratio}${remark(name, results.get(variant)!)}`
      )
    }
    if (name === "W1") {
      const floor = median(Array.from({ length: rounds }, () => spawn("codec") as number))
      const cost = 1e9 / rate("encoded")
      console.log(
        `${name.padEnd(12)} encoded costs ${cost.toFixed(0)} ns a message, the bare codec ${floor.toFixed(0)} ns: x ${(cost / floor).toFixed(2)}`
      )
    }
  }
}
