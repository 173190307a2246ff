/**
 * The works, on Troupe and on plain loops. Each checks that all of it was done, and right, before it answers.
 */
import { Effect, Layer, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorSystem } from "troupe"
import * as Runtime from "troupe/Runtime"
import { Memory } from "troupe/transports/Memory"

export interface Result {
  readonly ops: number
  readonly seconds: number
  /** W7: how many times as long as under the ideal dispatcher. */
  readonly timesIdeal?: { readonly makespan: number; readonly mean: number; readonly p99: number }
  /** W4: heap per idle actor. */
  readonly heapBytesPerActor?: number
  /** W4: the rate of the first phase alone. */
  readonly spawnPerSec?: number
}

export interface Options {
  readonly local: "encoded" | "by-reference"
  /** `tell` and `submit` are lazy, `tellUnsafe` and `submitUnsafe` eager. */
  readonly send: "lazy" | "eager"
}

type System = ActorSystem.System
/** `latencies`, where given, gets the milliseconds of each ask. */
export type Work = (
  options: Options,
  sizes?: Readonly<Record<string, number>>,
  latencies?: Float64Array
) => Promise<Result>

export const now = () => performance.now()
const sumTo = (n: number) => (n * (n - 1)) / 2
export const check = (ok: boolean, what: string) => {
  if (!ok) throw new Error(`the work was not done: ${what}`)
}
const heap = () => {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

const Counter = Actor.make("Counter", [Rpc.make("Add", { payload: { n: Schema.Int } })])
const Doubler = Actor.make("Doubler", [Rpc.make("Double", { payload: { n: Schema.Int }, success: Schema.Int })])
const Runner = Actor.make("Runner", [Rpc.make("Token", { payload: { hops: Schema.Int } })])

/** The bare codec's work for one W1 message: the floor of the encoded variants. */
export const codec = Schema.toCodecJson(Schema.Struct({ n: Schema.Int }))

/** Runs a work on a system of its own. */
export const run = <A>(
  local: Options["local"],
  work: (system: System) => Effect.Effect<A, unknown, ActorSystem.ActorSystem>
): Promise<A> =>
  Effect.runPromise(
    Effect.flatMap(ActorSystem.ActorSystem, work).pipe(
      Effect.provide(ActorSystem.layer({ name: "bench", local }).pipe(Layer.provide(Memory.layer))),
      Effect.provide(Runtime.layer)
    )
  )

const W1: Work = ({ local, send }, { n = 1_000_000 } = {}) =>
  run(
    local,
    Effect.fnUntraced(function* (system) {
      const done = Promise.withResolvers<void>()
      let count = 0
      let sum = 0
      const counter = Counter.behavior(
        {
          Add: (message) => {
            check(message.n === count, "order")
            sum += message.n
            if (++count === n) done.resolve()
            return Effect.void
          }
        },
        { mailbox: { overflow: "unbounded" } }
      )
      const ref = yield* system.spawn("counter", counter)
      const start = now()
      if (send === "lazy") for (let i = 0; i < n; i++) yield* ref.tell.Add({ n: i })
      else for (let i = 0; i < n; i++) ref.tellUnsafe.Add({ n: i })
      yield* Effect.promise(() => done.promise)
      check(sum === sumTo(n), "sum")
      return { ops: n, seconds: (now() - start) / 1000 }
    })
  )

const asks =
  (sizes: { readonly actors: number; readonly inflight: number }): Work =>
  ({ local }, { n = 100_000, actors = sizes.actors, inflight = sizes.inflight } = {}, latencies) =>
    run(
      local,
      Effect.fnUntraced(function* (system) {
        const doubler = Doubler.behavior({ Double: ({ n }) => Effect.succeed(2 * n) })
        const refs: Array<ActorSystemRef> = []
        for (let i = 0; i < actors; i++) refs.push(yield* system.spawn(`doubler-${i}`, doubler))
        let sum = 0
        let next = 0
        const loop = Effect.fnUntraced(function* (k: number) {
          while (next < n) {
            const i = next++
            const asked = latencies === undefined ? 0 : now()
            const answer = yield* refs[k % actors]!.ask.Double({ n: i })
            if (latencies !== undefined) latencies[i] = now() - asked
            sum += answer
          }
        })
        const start = now()
        yield* Effect.forEach(Array.from({ length: inflight }).keys(), loop, {
          concurrency: "unbounded",
          discard: true
        })
        const seconds = (now() - start) / 1000
        check(sum === 2 * sumTo(n), "sum")
        return { ops: n, seconds }
      })
    )
type ActorSystemRef = Effect.Success<ReturnType<typeof spawnDoubler>>
const spawnDoubler = (system: System) => system.spawn("doubler", Doubler.behavior({ Double: () => Effect.succeed(0) }))

const W3: Work = ({ local }, { actors = 1000, hops = 1_000_000 } = {}) =>
  run(
    local,
    Effect.fnUntraced(function* (system) {
      const done = Promise.withResolvers<void>()
      const visits = new Uint32Array(actors)
      const ring: Array<{ readonly Token: (payload: { readonly hops: number }) => boolean }> = []
      for (let i = 0; i < actors; i++) {
        const runner = Runner.behavior({
          Token: ({ hops }) => {
            visits[i]! += 1
            if (hops === 1) done.resolve()
            else ring[(i + 1) % actors]!.Token({ hops: hops - 1 })
            return Effect.void
          }
        })
        ring.push((yield* system.spawn(`runner-${i}`, runner)).tellUnsafe)
      }
      const start = now()
      ring[0]!.Token({ hops })
      yield* Effect.promise(() => done.promise)
      const seconds = (now() - start) / 1000
      check(
        visits.every((visited) => visited === hops / actors),
        "visits"
      )
      return { ops: hops, seconds }
    })
  )

const W4: Work = ({ local }, { n = 100_000 } = {}) =>
  run(
    local,
    Effect.fnUntraced(function* (system) {
      const done = Promise.withResolvers<void>()
      let got = 0
      const counter = Counter.behavior({
        Add: (message) => {
          got += message.n
          if (got === n) done.resolve()
          return Effect.void
        }
      })
      const refs: Array<Effect.Success<ReturnType<typeof spawnCounter>>> = []
      const before = heap()
      const start = now()
      for (let i = 0; i < n; i++) refs.push(yield* system.spawn(`a${i}`, counter))
      const spawned = now()
      const after = heap()
      const middle = now()
      for (const ref of refs) ref.tellUnsafe.Add({ n: 1 })
      yield* Effect.promise(() => done.promise)
      for (const ref of refs) yield* ref.stop()
      const seconds = (now() - middle + (spawned - start)) / 1000
      check((yield* system.tree).length === 0, "every actor ended")
      const spawnPerSec = n / ((spawned - start) / 1000)
      return { ops: n, seconds, spawnPerSec, heapBytesPerActor: Math.round((after - before) / n) }
    })
  )
const spawnCounter = (system: System) => system.spawn("counter", Counter.behavior({ Add: () => Effect.void }))

export const works: Readonly<Record<string, Work>> = {
  W1,
  W2: asks({ actors: 1, inflight: 1 }),
  W2c: asks({ actors: 10, inflight: 100 }),
  W3,
  W4
}

// ----- The floor: a mailbox of an array, drained by one shared microtask -----

export class Plain<M> {
  readonly #handle: (message: M) => void
  #queue: Array<M> = []
  #ready = false
  static #waiting: Array<Plain<any>> = []
  static #armed = false

  constructor(handle: (message: M) => void) {
    this.#handle = handle
  }

  tell(message: M): void {
    this.#queue.push(message)
    if (this.#ready) return
    this.#ready = true
    Plain.#waiting.push(this)
    if (Plain.#armed) return
    Plain.#armed = true
    queueMicrotask(Plain.#drain)
  }

  static readonly #drain = () => {
    while (Plain.#waiting.length > 0) {
      const turn = Plain.#waiting
      Plain.#waiting = []
      for (const actor of turn) {
        const queue = actor.#queue
        for (let i = 0; i < queue.length; i++) actor.#handle(queue[i])
        queue.length = 0
        actor.#ready = false
      }
    }
    Plain.#armed = false
  }
}

type Question = { readonly n: number; readonly reply: (answer: number) => void }

const rawAsks =
  (actors: number, inflight: number): Work =>
  async (_, { n = 100_000 } = {}) => {
    const doublers = Array.from({ length: actors }, () => new Plain<Question>(({ n, reply }) => reply(2 * n)))
    let sum = 0
    let next = 0
    const loop = async (k: number) => {
      while (next < n) {
        const i = next++
        const answer = await new Promise<number>((reply) => doublers[k % actors]!.tell({ n: i, reply }))
        sum += answer
      }
    }
    const start = now()
    await Promise.all(Array.from({ length: inflight }, (_, k) => loop(k)))
    const seconds = (now() - start) / 1000
    check(sum === 2 * sumTo(n), "sum")
    return { ops: n, seconds }
  }

export const raw: Readonly<Record<string, Work>> = {
  W1: async (_, { n = 1_000_000 } = {}) => {
    const done = Promise.withResolvers<void>()
    let count = 0
    let sum = 0
    const counter = new Plain<{ readonly _tag: "Add"; readonly n: number }>((message) => {
      check(message.n === count, "order")
      sum += message.n
      if (++count === n) done.resolve()
    })
    const start = now()
    for (let i = 0; i < n; i++) counter.tell({ _tag: "Add", n: i })
    await done.promise
    check(sum === sumTo(n), "sum")
    return { ops: n, seconds: (now() - start) / 1000 }
  },
  W2: rawAsks(1, 1),
  W2c: rawAsks(10, 100),
  W3: async (_, { actors = 1000, hops = 1_000_000 } = {}) => {
    const done = Promise.withResolvers<void>()
    const visits = new Uint32Array(actors)
    const ring = Array.from(
      { length: actors },
      (_, i) =>
        new Plain<{ readonly hops: number }>((message) => {
          visits[i]! += 1
          if (message.hops === 1) done.resolve()
          else ring[(i + 1) % actors]!.tell({ hops: message.hops - 1 })
        })
    )
    const start = now()
    ring[0]!.tell({ hops })
    await done.promise
    return { ops: hops, seconds: (now() - start) / 1000 }
  },
  W4: async (_, { n = 100_000 } = {}) => {
    const done = Promise.withResolvers<void>()
    let got = 0
    const actors = new Map<string, Plain<{ readonly n: number }>>()
    const before = heap()
    const start = now()
    for (let i = 0; i < n; i++) {
      const actor = new Plain<{ readonly n: number }>((message) => {
        got += message.n
        if (got === n) done.resolve()
      })
      actors.set(`a${i}`, actor)
    }
    const spawned = now()
    const after = heap()
    const middle = now()
    for (const actor of actors.values()) actor.tell({ n: 1 })
    await done.promise
    for (const name of actors.keys()) actors.delete(name)
    const seconds = (now() - middle + (spawned - start)) / 1000
    const spawnPerSec = n / ((spawned - start) / 1000)
    return { ops: n, seconds, spawnPerSec, heapBytesPerActor: Math.round((after - before) / n) }
  }
}
