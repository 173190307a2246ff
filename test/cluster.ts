/**
 * The scenario that seeds explore: three nodes with two workers each, one of them with the balancer, and a client on each,
 * while nodes crash and cannot hear each other.
 *
 * What must be true for every seed: no task runs that its client was told did not, none runs twice that may run once, a value is
 * the right one, every submit of a client that lives ends, and in the end the cluster serves and nothing is left over.
 */
import assert from "node:assert/strict"
import { Cause, Effect, Exit, Fiber, Layer, Schedule, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { ActorSystem } from "troupe"
import { Balancer, Client, Task, Worker } from "troupe/actors"
import { History, Simulation } from "troupe/testing"

const Jobs = Task.group("jobs", [Rpc.make("Square", { payload: { n: Schema.Int }, success: Schema.Int })])
const nodes = ["a", "b", "c"]
const perClient = 15

/** Faults under which three nodes are worth watching for some seconds. */
export const faults: Simulation.Chances = {
  drop: 0.01,
  duplicate: 0.01,
  delay: 0.03,
  reorder: 0.01,
  partition: 0.05,
  partitionOneWay: 0.02,
  slowLink: 0.1,
  pause: 0.1,
  crash: 0.1
}

/** A node that the others took for lost is heard no more before it is started anew, so this ends. */
const persistently = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, { schedule: Schedule.spaced("200 millis"), times: 100 })

/** Says in a word how a submit ended. */
const endingOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "value"
  const error = Cause.squash(exit.cause) as { readonly _tag?: string; readonly reason?: { readonly _tag: string } }
  return `${error._tag}(${error.reason?._tag})`
}

const optionsOf = (n: number): Task.SubmitOptions => ({
  idempotent: n % 2 === 0,
  ...(n % 3 === 0 ? { key: `key-${n % 2}` } : {}),
  ...(n % 4 === 0 ? { deadline: "20 seconds" } : {})
})

/** `tell` hears how each submit has ended. */
export const cluster = (tell: (ending: string) => void = () => {}) =>
  Effect.gen(function* () {
    const sim = yield* Simulation.Simulation
    const once = History.make()
    const ran = new Set<number>()
    const jobs = Task.handlers(Jobs, {
      Square: ({ n }) =>
        Effect.gen(function* () {
          ran.add(n)
          if (n % 2 === 1) yield* once.handled(n, (yield* Worker.Current).name)
          yield* Effect.sleep(10 * (n % 7))
          return n * n
        })
    })
    const start = (node: string) => {
      const workers = [1, 2].map((count) => Worker.layer(jobs, { capacity: 2, name: `${node}-${count}` }))
      const parts = Layer.mergeAll(Layer.empty, ...workers, ...(node === "a" ? [Balancer.layer(Jobs)] : []))
      return sim.node(node, Layer.provideMerge(parts, ActorSystem.layer({ name: "cluster", node })))
    }
    const submit = (client: Client.Client<(typeof Jobs)["rpcs"][number]>, n: number) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(client.submit.Square({ n }, optionsOf(n)))
        if (Exit.isSuccess(exit)) assert.equal(exit.value, n * n)
        const ending = endingOf(exit)
        tell(ending)
        assert(!(ran.has(n) && ending.startsWith("NotExecuted")), `task ${n} ran, and its client was told ${ending}`)
        assert(ran.has(n) || ending !== "value", `task ${n} never ran, and its client was given a value`)
      })

    const started = yield* Effect.forEach(nodes, start)
    const clients = yield* Effect.forEach(started, (node, index) => {
      const numbers = Array.from({ length: perClient }, (_, count) => 100 * (index + 1) + count)
      const program = Effect.gen(function* () {
        const made = yield* Effect.exit(persistently(Client.make(Jobs)))
        if (Exit.isFailure(made)) return tell("no client")
        const one = (n: number) =>
          Effect.sleep(300 * (n % 5)).pipe(
            Effect.andThen(n % 2 === 1 ? once.sent(n) : Effect.void),
            Effect.andThen(submit(made.value, n))
          )
        yield* Effect.forEach(numbers, one, { concurrency: 4, discard: true })
      })
      return Effect.forkChild(Effect.exit(node.run(program)))
    })
    yield* Effect.sleep("15 seconds")
    yield* sim.calm
    for (const client of clients) {
      const exit = yield* Fiber.join(client)
      if (Exit.isSuccess(exit)) continue
      const error = Cause.squash(exit.cause)
      if (error instanceof Simulation.NodeDown) tell("client crashed")
      else throw error
    }
    yield* once.verify({ delivery: "atMostOnce" })

    const late = Effect.gen(function* () {
      const client = yield* persistently(Client.make(Jobs))
      for (let n = 900; n < 905; n++) {
        assert.equal(
          yield* persistently(client.submit.Square({ n }, { idempotent: true, deadline: "10 seconds" })),
          n * n
        )
      }
      yield* Effect.sleep("1 minute")
      const { queued, running } = yield* Balancer.status(client.balancer)
      assert.deepEqual({ queued, running }, { queued: 0, running: 0 })
    })
    yield* started[0]!.run(late)
  })
