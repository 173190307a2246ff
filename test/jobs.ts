/** The tasks with which the dispatch tests play, and the stage on which they do. */
import { assert } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Schema, type Scope } from "effect"
import { Rpc } from "effect/rpc"
import { ActorSystem, Ledger } from "troupe"
import { Balancer, Task, Worker } from "troupe/actors"
import { Memory } from "troupe/transports/Memory"

export class Odd extends Schema.TaggedError<Odd>()("Odd", { n: Schema.Int }) {}

export const ways = ["fail", "die", "throw", "interrupt", "succeed", "lie", "nothing"] as const

export const Jobs = Task.group("jobs", [
  Rpc.make("Halve", { payload: { n: Schema.Int }, success: Schema.Number, error: Odd }),
  Rpc.make("Hold", { payload: { gate: Schema.String }, success: Schema.String }),
  /** The same, and nobody can interrupt it. */
  Rpc.make("Insist", { payload: { gate: Schema.String }, success: Schema.String }),
  Rpc.make("Sleep", { payload: { millis: Schema.Int }, success: Schema.String }),
  Rpc.make("Break", {
    payload: { gate: Schema.String, how: Schema.Literals(ways) },
    success: Schema.String,
    error: Odd
  })
])

/** Tasks that wait until they are let go, and what they noted. */
export const makeGates = () => {
  const gates = new Map<string, Deferred.Deferred<void>>()
  const gate = (name: string) => {
    let deferred = gates.get(name)
    if (deferred === undefined) gates.set(name, (deferred = Deferred.makeUnsafe()))
    return deferred
  }
  const log: Array<string> = []
  let closed = false
  const pass = (name: string) =>
    Effect.gen(function* () {
      const worker = yield* Worker.Current
      log.push(`${name}+ ${worker.name}`)
      if (!closed) yield* Deferred.await(gate(name))
      log.push(`${name}-`)
      return worker.name
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => log.push(`${name}!`))))
  return {
    /** `a+ jobs-worker-1` where it began, `a-` when it was let go, `a!` when it was interrupted. */
    log,
    pass,
    open: (...names: ReadonlyArray<string>) =>
      Effect.sync(() => {
        for (const name of names) Deferred.doneUnsafe(gate(name), Exit.void)
      }),
    /** For the end of a test, which may have failed: time stands still, so what is held would hold up the system's stop. */
    openAll: Effect.sync(() => {
      closed = true
      for (const deferred of gates.values()) Deferred.doneUnsafe(deferred, Exit.void)
    }),
    started: () => log.filter((entry) => entry.includes("+")).map((entry) => entry.split("+")[0]!)
  }
}
export type Gates = ReturnType<typeof makeGates>

export const jobs = ({ pass }: Gates) =>
  Task.handlers(Jobs, {
    Halve: ({ n }) => (n % 2 === 0 ? Effect.succeed(n / 2) : Effect.fail(new Odd({ n }))),
    Hold: ({ gate }) => pass(gate),
    Insist: ({ gate }) => Effect.uninterruptible(pass(gate)),
    Sleep: ({ millis }) =>
      Effect.andThen(
        Effect.sleep(millis),
        Effect.map(Worker.Current, ({ name }) => name)
      ),
    Break: ({ gate, how }) => {
      if (how === "throw") throw new Error("thrown")
      if (how === "nothing") return undefined as never
      return Effect.flatMap(pass(gate), (name) => {
        switch (how) {
          case "fail":
            return Effect.fail(new Odd({ n: 1 }))
          case "die":
            return Effect.die(new Error("died"))
          case "interrupt":
            return Effect.interrupt
          case "lie":
            return Effect.succeed(7 as never)
          default:
            return Effect.succeed(name)
        }
      })
    }
  })

/** Lets what can run without time run. */
export const settle = Effect.repeat(Effect.yieldNow, { times: 50 })

/** Starts an effect beside the test; what can come of it without time has come when this succeeds. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.forkChild(effect, { startImmediately: true }), () => settle)

export const reasonOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return `success ${JSON.stringify(exit.value)}`
  const error: any = Cause.squash(exit.cause)
  return error?.reason?._tag === undefined ? String(error) : `${error._tag}(${error.reason._tag})`
}

/** What a balancer knows; asserts what holds of it at any time. */
export const statusOf = (ref: Balancer.Ref<any>) =>
  Effect.map(Balancer.status(ref), (status) => {
    const { accepted, cancelled, completed, crashed, expired, lost, queued, refused, running, shed, waiting } = status
    const states = { queued, waiting, running, completed, crashed, cancelled, lost, expired, shed, refused }
    const sum = Object.values(states).reduce((sum, count) => sum + count, 0)
    assert.strictEqual(sum, accepted, `accepted is not the sum of ${JSON.stringify(states)}`)
    assert.isTrue(Object.values(status).every((count) => typeof count === "object" || count >= 0))
    let loads = 0
    for (const { capacity, load } of status.workers) {
      assert.isTrue(load >= 0 && load <= capacity, JSON.stringify(status.workers))
      loads += load
    }
    assert.strictEqual(loads, running, "the loads do not add up to what runs")
    return status
  })

export const loadsOf = (ref: Balancer.Ref<any>) =>
  Effect.map(statusOf(ref), ({ workers }) => Object.fromEntries(workers.map(({ load, name }) => [name, load])))

/** At the end every message and every ask has come to exactly one end. */
export const accounted = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem
  yield* system.idle
  const { faults, open, pending } = yield* system.ledger.snapshot
  assert.deepStrictEqual({ faults, open, pending }, { faults: [], open: 0, pending: 0 })
})

/** Runs a test on one node of its own, and looks at the ledger when all is over. */
export const onNode = <E>(
  local: "encoded" | "by-reference",
  body: (gates: Gates) => Effect.Effect<unknown, E, ActorSystem.ActorSystem | Scope.Scope>
) =>
  Effect.suspend(() => {
    const gates = makeGates()
    return Effect.andThen(Effect.scoped(Effect.ensuring(body(gates), gates.openAll)), accounted).pipe(
      Effect.provide(ActorSystem.layer({ name: "factory", local })),
      Effect.provide(Memory.layer),
      Effect.provide(Ledger.layer)
    )
  })
