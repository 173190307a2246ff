/**
 * The works of dispatch, on Troupe and on plain loops. Each checks that every task was done once, and right, before it answers.
 */
import { Effect, Exit, Schema, type Scope } from "effect"
import { Rpc } from "effect/rpc"
import type { ActorSystem } from "troupe"
import { Balancer, type Client, Pool, Task } from "troupe/actors"
import { runSkew, type Skew } from "./skew.ts"
import { check, now, type Options, Plain, run, type Work } from "./works.ts"

// ----- Multiplications -----

const a = (i: number) => i & 1023
const b = (i: number) => (i * 7 + 3) & 1023

/** The results of `n` tasks: takes each once, and checks their sum. */
class Products {
  readonly #n: number
  readonly #seen: Uint8Array
  #count = 0
  #sum = 0

  constructor(n: number) {
    this.#n = n
    this.#seen = new Uint8Array(n)
  }

  add(i: number, product: number): void {
    check(this.#seen[i] === 0, `task ${i} twice`)
    this.#seen[i] = 1
    this.#count += 1
    this.#sum += product
  }

  get isComplete(): boolean {
    return this.#count === this.#n
  }

  check(): void {
    let sum = 0
    for (let i = 0; i < this.#n; i++) sum += a(i) * b(i)
    check(this.isComplete && this.#sum === sum, "every product")
  }
}

const Multiply = Rpc.make("multiply", { payload: { a: Schema.Int, b: Schema.Int }, success: Schema.Int })
const MathTasks = Task.group("math", [Multiply])
const math = Task.handlers(MathTasks, { multiply: ({ a, b }) => Effect.succeed(a * b) })

/** Takes tasks one after the other, and their results as they come. */
class Multiplications {
  readonly #n: number
  readonly #latencies: Float64Array | undefined
  readonly #submitted: Float64Array
  readonly #products: Products
  #next = 0

  constructor(n: number, latencies: Float64Array | undefined) {
    this.#n = n
    this.#latencies = latencies
    this.#submitted = new Float64Array(latencies === undefined ? 0 : n)
    this.#products = new Products(n)
  }

  get hasNext(): boolean {
    return this.#next < this.#n
  }

  next(): number {
    const i = this.#next++
    if (this.#latencies !== undefined) this.#submitted[i] = now()
    return i
  }

  end(i: number, product: number): void {
    if (this.#latencies !== undefined) this.#latencies[i] = now() - this.#submitted[i]!
    this.#products.add(i, product)
  }

  get isComplete(): boolean {
    return this.#products.isComplete
  }

  check(): void {
    this.#products.check()
  }
}

type MathClient = Client.Client<typeof Multiply>

/** Each of `window` fibers submits one task after the other. */
const lazily = ({ submit }: MathClient, tasks: Multiplications, window: number): Effect.Effect<void, unknown> => {
  const submitter = () => {
    let i = 0
    return Effect.whileLoop({
      while: () => tasks.hasNext,
      body: () => {
        i = tasks.next()
        return submit.multiply({ a: a(i), b: b(i) })
      },
      step: (product) => tasks.end(i, product)
    })
  }
  return Effect.all(Array.from({ length: window }, submitter), { concurrency: "unbounded", discard: true })
}

/** Submits tasks as long as fewer than `window` are under way. */
const eagerly = ({ submitUnsafe }: MathClient, tasks: Multiplications, window: number): Effect.Effect<void, unknown> =>
  Effect.callback((resume) => {
    let underWay = 0
    let submitting = false
    const submit = () => {
      // What ends before its submit returns leaves room for the next one here.
      if (submitting) return
      submitting = true
      while (underWay < window && tasks.hasNext) {
        const i = tasks.next()
        underWay += 1
        submitUnsafe.multiply({ a: a(i), b: b(i) }, (exit) => {
          underWay -= 1
          if (Exit.isFailure(exit)) resume(exit)
          else {
            tasks.end(i, exit.value)
            if (tasks.isComplete) resume(Effect.void)
            else submit()
          }
        })
      }
      submitting = false
    }
    submit()
  })

const multiply = Effect.fnUntraced(function* (
  client: MathClient,
  send: Options["send"],
  {
    latencies,
    n,
    window
  }: { readonly n: number; readonly window: number; readonly latencies?: Float64Array | undefined }
) {
  const tasks = new Multiplications(n, latencies)
  const start = now()
  yield* send === "lazy" ? lazily(client, tasks, window) : eagerly(client, tasks, window)
  const seconds = (now() - start) / 1000
  tasks.check()
  return { ops: n, seconds }
})

const scoped =
  <A>(effect: Effect.Effect<A, unknown, ActorSystem.ActorSystem | Scope.Scope>) =>
  () =>
    Effect.scoped(effect)

const W5: Work = ({ local, send }, { n = 100_000, window = 256, workers = 8 } = {}, latencies) =>
  run(
    local,
    scoped(Effect.flatMap(Pool.make(math, { workers }), (pool) => multiply(pool, send, { n, window, latencies })))
  )

/** Ten tasks at a time among `workers`, each of which has had one before. */
const dispatch =
  (size: number): Work =>
  ({ local, send }, { n = 100_000, window = 10, workers = size } = {}) =>
    run(
      local,
      scoped(
        Effect.gen(function* () {
          const pool = yield* Pool.make(math, { workers })
          while ((yield* Balancer.status(pool.balancer)).workers.length < workers) yield* Effect.sleep("20 millis")
          yield* multiply(pool, send, { n: Math.max(n, workers), window })
          return yield* multiply(pool, send, { n, window })
        })
      )
    )

// ----- Sleeps -----

const Sleep = Rpc.make("sleep", { payload: { task: Schema.Int, millis: Schema.Int }, success: Schema.Int })
const sleep = Task.handlers(Task.group("sleep", [Sleep]), {
  sleep: ({ millis, task }) => Effect.as(Effect.sleep(millis), task)
})

type Drive<A> = (submit: (task: number, millis: number) => Promise<number>) => Promise<A>

/** Drives a pool of workers that sleep, from outside of Effect. */
export const withSleepers = <A>(local: Options["local"], workers: number, drive: Drive<A>): Promise<A> =>
  run(
    local,
    scoped(
      Effect.gen(function* () {
        const pool = yield* Pool.make(sleep, { workers })
        const submit = Effect.runPromiseWith(yield* Effect.context<never>())
        return yield* Effect.promise(() => drive((task, millis) => submit(pool.submit.sleep({ task, millis }))))
      })
    )
  )

const skewOf =
  (load: number | undefined) =>
  ({ mean = 5, n: tasks = 2000, seed = 42, workers = 16 }: Readonly<Record<string, number>> = {}): Skew => ({
    tasks,
    workers,
    seed,
    mean,
    load
  })

const sleeps =
  (load: number | undefined): Work =>
  ({ local }, sizes) => {
    const skew = skewOf(load)(sizes)
    return withSleepers(local, skew.workers, (submit) => runSkew(skew, submit))
  }

export const works: Readonly<Record<string, Work>> = {
  W5,
  "dispatch 10": dispatch(10),
  "dispatch 1e3": dispatch(1000),
  "dispatch 1e5": dispatch(100_000),
  W7a: sleeps(undefined),
  W7b: sleeps(0.8)
}

// ----- The floors: the same messages between plain mailboxes, and one plain queue -----

interface PlainWorker {
  readonly mailbox: Plain<{ readonly i: number; readonly a: number; readonly b: number }>
  place: number
  pending: number
}

/** Workers by what they have to do, in a binary heap. */
class PlainHeap {
  readonly #heap: Array<PlainWorker>

  constructor(workers: ReadonlyArray<PlainWorker>) {
    this.#heap = [...workers]
  }

  /** The least loaded, which has one more from now on. */
  pick(): PlainWorker {
    const worker = this.#heap[0]!
    worker.pending += 1
    for (let at = 0; ; ) {
      let child = 2 * at + 1
      if (child >= this.#heap.length) return worker
      if (child + 1 < this.#heap.length && this.#heap[child + 1]!.pending < this.#heap[child]!.pending) child += 1
      if (this.#heap[at]!.pending <= this.#heap[child]!.pending) return worker
      this.#swap(at, child)
      at = child
    }
  }

  done(worker: PlainWorker): void {
    worker.pending -= 1
    for (let at = worker.place; at > 0; ) {
      const parent = (at - 1) >> 1
      if (this.#heap[parent]!.pending <= this.#heap[at]!.pending) return
      this.#swap(at, parent)
      at = parent
    }
  }

  #swap(one: number, other: number): void {
    const worker = this.#heap[one]!
    this.#heap[one] = this.#heap[other]!
    this.#heap[other] = worker
    this.#heap[one].place = one
    worker.place = other
  }
}

type ToBalancer =
  | { readonly _tag: "Submit"; readonly i: number; readonly a: number; readonly b: number }
  | { readonly _tag: "Done"; readonly worker: PlainWorker }

const rawMultiply =
  (sizes: { readonly workers: number; readonly window: number }): Work =>
  async (_, { n = 100_000, window = sizes.window, workers = sizes.workers } = {}) => {
    const finished = Promise.withResolvers<void>()
    const products = new Products(n)
    let next = 0
    const submit = () => {
      const i = next++
      balancer.tell({ _tag: "Submit", i, a: a(i), b: b(i) })
    }
    const all = Array.from({ length: workers }, (_, place) => {
      const worker: PlainWorker = {
        mailbox: new Plain(({ a, b, i }) => {
          products.add(i, a * b)
          if (products.isComplete) finished.resolve()
          else if (next < n) submit()
          balancer.tell({ _tag: "Done", worker })
        }),
        place,
        pending: 0
      }
      return worker
    })
    const heap = new PlainHeap(all)
    const balancer = new Plain<ToBalancer>((message) => {
      if (message._tag === "Done") heap.done(message.worker)
      else heap.pick().mailbox.tell(message)
    })
    const start = now()
    for (let i = 0; i < Math.min(window, n); i++) submit()
    await finished.promise
    const seconds = (now() - start) / 1000
    products.check()
    return { ops: n, seconds }
  }

const rawDispatch = (workers: number): Work => {
  const work = rawMultiply({ workers, window: 10 })
  return async (options, sizes) => {
    await work(options, sizes)
    return work(options, sizes)
  }
}

const rawSleeps =
  (load: number | undefined): Work =>
  (_, sizes) => {
    const skew = skewOf(load)(sizes)
    const waiting: Array<() => void> = []
    let free = skew.workers
    const submit = (task: number, millis: number) =>
      new Promise<number>((resolve) => {
        const start = () =>
          setTimeout(() => {
            resolve(task)
            const next = waiting.shift()
            if (next === undefined) free += 1
            else next()
          }, millis)
        if (free === 0) waiting.push(start)
        else {
          free -= 1
          start()
        }
      })
    return runSkew(skew, submit)
  }

export const raw: Readonly<Record<string, Work>> = {
  W5: rawMultiply({ workers: 8, window: 256 }),
  "dispatch 10": rawDispatch(10),
  "dispatch 1e3": rawDispatch(1000),
  "dispatch 1e5": rawDispatch(100_000),
  W7a: rawSleeps(undefined),
  W7b: rawSleeps(0.8)
}
