// Adapter for the peers' harness (copy it there): PROJECT=<checkout> after `npm run build`. It runs bench/works.ts of that
// checkout, which resolves "troupe" to the built package. Variants: none (by reference), tell, encoded, encoded-tell.
import { na, pcts, serve, variant } from "../lib.mjs"

const project = process.env.PROJECT
if (!project) {
  console.error("set PROJECT=<path of the built package>")
  process.exit(2)
}
const local = variant.startsWith("encoded") ? "encoded" : "by-reference"
const send = variant.endsWith("tell") ? "tell" : "tellUnsafe"
if (local === "encoded") await import(`${project}/bench/compiled.ts`)
const { works } = await import(`${project}/bench/works.ts`)

const run = (name) => async (params) => {
  const { hops, n } = params
  const sizes = Object.fromEntries(Object.entries({ hops, n }).filter(([, size]) => size !== undefined))
  const latencies = name.startsWith("W2") ? new Float64Array(n) : undefined
  const result = await works[name]({ local, send }, sizes, latencies)
  return { ...result, ...(latencies && pcts(latencies)), correct: true }
}

serve("ours", {
  W1: run("W1"),
  W2: run("W2"),
  W2c: run("W2c"),
  W3: run("W3"),
  W4: run("W4"),
  W5: na("with the balancer's issue"),
  W5t: na("with the worker threads' issue"),
  W6: na("with the NATS issue"),
  W7a: na("with the balancer's issue"),
  W7b: na("with the balancer's issue"),
  W8: na("with the worker threads' issue")
})
