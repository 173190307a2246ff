// Adapter for the peers' harness (copy it there): PROJECT=<checkout> after `npm run build`. It runs bench/works.ts of that
// checkout, which resolves "troupe" to the built package. Variants: none (by reference), lazy, encoded, encoded-lazy.
import { na, pcts, runSkew, serve, variant } from "../lib.mjs"

const project = process.env.PROJECT
if (!project) {
  console.error("set PROJECT=<path of the built package>")
  process.exit(2)
}
const local = variant.startsWith("encoded") ? "encoded" : "by-reference"
const send = variant.endsWith("lazy") ? "lazy" : "eager"
if (local === "encoded") await import(`${project}/bench/compiled.ts`)
const actors = await import(`${project}/bench/works.ts`)
const dispatch = await import(`${project}/bench/dispatch.ts`)
const works = { ...actors.works, ...dispatch.works }

const run = (name) => async (params) => {
  const { hops, n, window, workers } = params
  const sizes = Object.fromEntries(
    Object.entries({ hops, n, window, workers }).filter(([, size]) => size !== undefined)
  )
  const latencies = ["W2", "W2c", "W5"].includes(name) ? new Float64Array(n) : undefined
  const result = await works[name]({ local, send }, sizes, latencies)
  return { ...result, ...(latencies && pcts(latencies)), correct: true }
}

const skew = (params) => dispatch.withSleepers(local, params.workers, (submit) => runSkew(params, submit))

serve("ours", {
  W1: run("W1"),
  W2: run("W2"),
  W2c: run("W2c"),
  W3: run("W3"),
  W4: run("W4"),
  W5: run("W5"),
  W5t: na("with the worker threads' issue"),
  W6: na("with the NATS issue"),
  W7a: skew,
  W7b: skew,
  W8: na("with the worker threads' issue")
})
