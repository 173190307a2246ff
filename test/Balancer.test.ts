/** What a balancer does with its workers, on one node. Clause S12 as such is `testing/DispatchLaws.ts`. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Logger,
  Random,
  References,
  Schema,
  SchemaGetter,
  Scope,
  Stream
} from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { Actor, ActorRef, ActorSystem, Ledger } from "troupe"
import { Balancer, Client, Pool, Task, Worker } from "troupe/actors"
import { Transport } from "troupe/Transport"
import { Contract } from "troupe/testing"
import { Memory } from "troupe/transports/Memory"
import { Jobs, jobs, loadsOf, makeGates, onNode, reasonOf, settle, start, statusOf } from "./jobs.ts"

const { RUNS = "75", SEED = "balancer" } = process.env

/** Balancer and workers on this node, and a client of them. */
const staff = (
  gates: Parameters<typeof jobs>[0],
  { workers = 2, worker = {}, ...options }: Balancer.Options & { workers?: number; worker?: Worker.Options } = {}
) =>
  Effect.gen(function* () {
    const balancer = yield* Balancer.make(Jobs, options)
    const refs = yield* Effect.replicateEffect(Worker.make(jobs(gates), worker), workers)
    const client = yield* Client.make(Jobs)
    yield* settle
    assert.strictEqual((yield* statusOf(balancer)).workers.length, workers)
    return { balancer, client, workers: refs }
  })

interface Loaded {
  readonly name: string
  pending: number
  index: number
  used: number
}

/** Rob Pike's balancer with Go's `container/heap`, as it pops, pushes and removes. */
class Pike {
  readonly #pool: Array<Loaded> = []
  #uses = 0

  constructor(names: ReadonlyArray<string>) {
    for (const name of names) this.#push({ name, pending: 0, index: -1, used: ++this.#uses })
  }

  get pending() {
    return Object.fromEntries(this.#pool.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map((w) => [w.name, w.pending]))
  }

  dispatch(): string {
    const worker = this.#remove(0)
    worker.pending += 1
    worker.used = ++this.#uses
    this.#push(worker)
    return worker.name
  }

  completed(name: string): void {
    const worker = this.#pool.find((worker) => worker.name === name)!
    worker.pending -= 1
    this.#push(this.#remove(worker.index))
  }

  #less(i: number, j: number): boolean {
    const [a, b] = [this.#pool[i]!, this.#pool[j]!]
    return a.pending < b.pending || (a.pending === b.pending && a.used < b.used)
  }

  #swap(i: number, j: number): void {
    const pool = this.#pool
    ;[pool[i], pool[j]] = [pool[j]!, pool[i]!]
    pool[i]!.index = i
    pool[j]!.index = j
  }

  #push(worker: Loaded): void {
    worker.index = this.#pool.push(worker) - 1
    this.#up(worker.index)
  }

  #remove(index: number) {
    const last = this.#pool.length - 1
    if (last !== index) {
      this.#swap(index, last)
      if (!this.#down(index, last)) this.#up(index)
    }
    return this.#pool.pop()!
  }

  #up(from: number): void {
    for (let j = from; j > 0; ) {
      const i = (j - 1) >> 1
      if (!this.#less(j, i)) break
      this.#swap(i, j)
      j = i
    }
  }

  #down(from: number, size: number): boolean {
    let i = from
    for (;;) {
      const left = 2 * i + 1
      if (left >= size) break
      const j = left + 1 < size && this.#less(left + 1, left) ? left + 1 : left
      if (!this.#less(j, i)) break
      this.#swap(i, j)
      i = j
    }
    return i > from
  }
}

for (const local of ["encoded", "by-reference"] as const) {
  describe(`Balancer, ${local}`, () => {
    it.effect("0.1 answers 1000 tasks of each of two clients to the one that submitted it", () =>
      onNode(local, (gates) =>
        Effect.gen(function* () {
          const { balancer, client } = yield* staff(gates, { workers: 4 })
          const other = yield* Client.make(Jobs)
          const run = ({ submit }: typeof client, from: number) =>
            Effect.forEach(
              Array.from({ length: 1000 }, (_, at) => from + at),
              (n) => Effect.map(submit.Halve({ n: 2 * n }), (answer) => assert.strictEqual(answer, n)),
              { concurrency: 64, discard: true }
            )
          yield* Effect.all([run(client, 0), run(other, 1_000_000)], { concurrency: 2 })
          const { completed, workers } = yield* statusOf(balancer)
          assert.strictEqual(completed, 2000)
          assert.deepStrictEqual(
            workers.map(({ dispatched, load }) => [dispatched, load]),
            Array.from({ length: 4 }, () => [500, 0])
          )
        })
      )
    )

    // Goal: the choice is Pike's in every state. Method: his program's heap, ported, its `Less` extended by the tie-break.
    it.effect("1.3 chooses as the Go program does, with ties to the least recently used, over 4000 random events", () =>
      onNode(local, (gates) =>
        Effect.gen(function* () {
          const count = 7
          const { balancer, client } = yield* staff(gates, { workers: count, worker: { capacity: 50 } })
          const pike = new Pike(Array.from({ length: count }, (_, at) => `jobs-worker-${at + 1}`))
          const chosen: Array<string> = []
          const expected: Array<string> = []
          const open: Array<readonly [gate: string, worker: string]> = []
          let answered = 0
          for (let event = 0; event < 4000; event++) {
            if (open.length === 0 || (yield* Random.nextIntBetween(0, 40)) >= open.length) {
              const worker = pike.dispatch()
              expected.push(worker)
              open.push([`${event}`, worker])
              client.submitUnsafe.Hold({ gate: `${event}` }, () => {
                answered += 1
              })
              while (gates.log.length === 0) yield* Effect.yieldNow
              chosen.push(gates.log.pop()!.split(" ")[1]!)
            } else {
              const at = yield* Random.nextIntBetween(0, open.length - 1)
              const [[gate, worker]] = open.splice(at, 1) as [(typeof open)[number]]
              pike.completed(worker)
              const before = answered
              yield* gates.open(gate)
              while (answered === before) yield* Effect.yieldNow
              gates.log.length = 0
            }
            const loads = yield* loadsOf(balancer)
            assert.deepStrictEqual(loads, pike.pending)
          }
          assert.deepStrictEqual(chosen, expected)
          assert.isAbove(new Set(chosen).size, count - 1)
        }).pipe(Random.withSeed(SEED))
      )
    )

    it.effect(
      "0.6 shows its workers with names and loads: in its status, its events, its printed pool, and their logs",
      () => {
        const logged: Array<unknown> = []
        const logger = Logger.make(({ fiber, message }) => {
          const { worker } = fiber.getRef(References.CurrentLogAnnotations)
          logged.push([message, worker])
        })
        const Talk = Task.group("talk", [Rpc.make("Say", { payload: { text: Schema.String } })])
        const talk = Task.handlers(Talk, { Say: ({ text }) => Effect.andThen(Effect.yieldNow, Effect.logInfo(text)) })
        return onNode(local, (gates) =>
          Effect.gen(function* () {
            const { balancer, client, workers } = yield* staff(gates, { worker: { capacity: 2 } })
            const events: Array<unknown> = []
            const reading = yield* start(
              Stream.runForEach(Balancer.events(balancer), (event) => Effect.sync(() => events.push(event)))
            )
            const held = yield* Effect.forEach(["a", "b", "c"], (gate) =>
              start(client.submit.Hold({ gate }, { id: `job ${gate}` }))
            )
            assert.strictEqual(
              Balancer.show(yield* Balancer.status(balancer)),
              "Worker jobs-worker-1 has 2 requests pending\nWorker jobs-worker-2 has 1 requests pending"
            )
            yield* gates.open("a", "b", "c")
            yield* Fiber.joinAll(held)
            yield* workers[1]!.kill
            yield* settle
            const started = (id: string, worker: string) => ({
              _tag: "TaskStarted",
              id,
              task: "Hold",
              attempt: 1,
              worker
            })
            const ended = (id: string) => ({ _tag: "TaskEnded", id, task: "Hold", ending: "completed" })
            assert.deepStrictEqual(JSON.parse(JSON.stringify(events)), [
              started("job a", "jobs-worker-1"),
              started("job b", "jobs-worker-2"),
              started("job c", "jobs-worker-1"),
              ended("job a"),
              ended("job b"),
              ended("job c"),
              { _tag: "WorkerLeft", worker: "jobs-worker-2" }
            ])
            yield* Fiber.interrupt(reading)
            yield* Balancer.make(Talk)
            yield* Worker.make(talk, { name: "talker" })
            yield* settle
            yield* (yield* Client.make(Talk)).submit.Say({ text: "hello" })
            assert.deepStrictEqual(logged, [[["hello"], "talker"]])
          }).pipe(Effect.provideService(Logger.CurrentLoggers, new Set([logger])))
        ).pipe(Effect.provideService(Logger.CurrentLoggers, new Set([logger])))
      }
    )

    it.effect("0.7 a task of 2 seconds takes none of real time, and an event tells when it starts", () =>
      onNode(local, (gates) =>
        Effect.gen(function* () {
          const { balancer, client } = yield* staff(gates, { workers: 1 })
          const began = process.hrtime.bigint()
          const seen = yield* start(
            Stream.runHead(Stream.filter(Balancer.events(balancer), ({ _tag }) => _tag === "TaskStarted"))
          )
          const task = yield* start(client.submit.Sleep({ millis: 2000 }))
          assert.isDefined(seen.pollUnsafe())
          yield* TestClock.adjust("1999 millis")
          assert.isUndefined(task.pollUnsafe())
          yield* TestClock.adjust("1 millis")
          assert.strictEqual(yield* Fiber.join(task), "jobs-worker-1")
          assert.isBelow(Number(process.hrtime.bigint() - began) / 1e6, 1000)
        })
      )
    )

    it.effect("0.9 a full queue is a typed error of its client, and so is a worker that is not there", () =>
      onNode(local, (gates) =>
        Effect.gen(function* () {
          const { balancer, client, workers } = yield* staff(gates, { workers: 1, queue: { capacity: 1 } })
          const a = yield* start(client.submit.Hold({ gate: "a" }))
          const b = yield* start(client.submit.Hold({ gate: "b" }))
          const error = yield* Effect.flip(client.submit.Hold({ gate: "c" }))
          assert(error._tag === "NotExecuted" && error.reason._tag === "Shed")
          assert.match(
            error.message,
            /^"Hold" was refused by "jobs-balancer" under load: what may wait there is bounded, with the policy "reject"/
          )
          // Nothing of it is left, and it may come again.
          yield* gates.open("a", "b")
          yield* Fiber.joinAll([a, b])
          yield* gates.open("c")
          assert.strictEqual(yield* client.submit.Hold({ gate: "c" }), "jobs-worker-1")
          yield* workers[0]!.kill
          yield* TestClock.adjust("5 seconds")
          assert.strictEqual(reasonOf(yield* Effect.exit(client.submit.Halve({ n: 2 }))), "NotExecuted(NoRoute)")
          const { accepted, rejected } = yield* statusOf(balancer)
          assert.deepStrictEqual([accepted, rejected], [3, 2])
        })
      )
    )

    // The seed's own constants: 2 workers, whose channels hold 10 requests each. Its balancer blocks at the 11th.
    it.effect("1.5 two workers with eleven requests each in flight come to their end", () =>
      onNode(local, (gates) =>
        Effect.gen(function* () {
          const [numWorkers, numRequests] = [2, 10]
          const { balancer, client } = yield* staff(gates, { workers: numWorkers })
          const all = yield* start(
            Effect.forEach(
              Array.from({ length: numWorkers * (numRequests + 1) }, (_, at) => 1 + ((at * 379) % 1000)),
              (millis) => client.submit.Sleep({ millis }),
              { concurrency: "unbounded" }
            )
          )
          // Each takes at most a second, two at a time; nobody waits for anything else.
          for (let second = 0; second < numRequests + 1; second++) {
            yield* TestClock.adjust("1 second")
            const { queued, running } = yield* statusOf(balancer)
            assert.isTrue(queued === 0 || running === numWorkers, `${running} run while ${queued} wait`)
          }
          const names = yield* Fiber.join(all)
          assert.strictEqual(names.length, 22)
          assert.deepStrictEqual(yield* loadsOf(balancer), { "jobs-worker-1": 0, "jobs-worker-2": 0 })
        })
      )
    )

    it.effect(
      "1.6 a client that is gone in mid-task holds up nobody: its worker takes the next, and it is counted",
      () =>
        onNode(local, (gates) =>
          Effect.gen(function* () {
            const { balancer, client } = yield* staff(gates, { workers: 1 })
            const gone = yield* start(client.submit.Insist({ gate: "gone" }))
            const next = yield* start(client.submit.Hold({ gate: "next" }))
            yield* Fiber.interrupt(gone)
            yield* settle
            assert.deepStrictEqual(gates.started(), ["gone"])
            yield* gates.open("gone")
            yield* settle
            assert.deepStrictEqual(gates.started(), ["gone", "next"])
            yield* gates.open("next")
            assert.strictEqual(yield* Fiber.join(next), "jobs-worker-1")
            const { cancelled, completed, workers } = yield* statusOf(balancer)
            assert.deepStrictEqual([cancelled, completed, workers[0]!.load], [1, 1, 0])
          })
        )
    )

    it.effect(
      "1.7 a task that throws, dies or interrupts itself is its client's typed error, and its worker goes on",
      () =>
        onNode(local, (gates) =>
          Effect.gen(function* () {
            const { balancer, client } = yield* staff(gates, { workers: 1 })
            yield* gates.open("now")
            const broken = (how: "throw" | "die" | "interrupt" | "nothing" | "fail") =>
              Effect.exit(client.submit.Break({ gate: "now", how }))
            for (const [how, reason, message] of [
              ["throw", "Unknown(CalleeCrashed)", /thrown/],
              ["die", "Unknown(CalleeCrashed)", /died/],
              ["interrupt", "Unknown(CalleeCrashed)", /interrupt/i],
              [
                "nothing",
                "Unknown(CalleeCrashed)",
                /expected the handler of "Break" to return an Effect, got: undefined/
              ],
              ["fail", "Odd", /Odd/]
            ] as const) {
              const exit = yield* broken(how)
              assert.include(reasonOf(exit), reason)
              assert.match(String(Cause.squash((exit as Exit.Failure<never, never>).cause)), message)
              assert.deepStrictEqual(yield* loadsOf(balancer), { "jobs-worker-1": 0 })
            }
            assert.strictEqual(yield* client.submit.Halve({ n: 2 }), 1)
            const { completed, crashed } = yield* statusOf(balancer)
            assert.deepStrictEqual([completed, crashed], [2, 4])
          })
        )
    )
  })
}

describe("Balancer", () => {
  it.effect("0.3 its worker answers past it: the task's span is a child of its client's, with none between", () => {
    const Traced = Task.group("traced", [
      Rpc.make("Trace", {
        success: Schema.Struct({ name: Schema.String, parent: Schema.String, trace: Schema.String })
      })
    ])
    const traced = Task.handlers(Traced, {
      Trace: () =>
        Effect.map(Effect.orDie(Effect.currentSpan), ({ name, parent, traceId }) => ({
          name,
          parent: parent._tag === "Some" ? parent.value.spanId : "none",
          trace: traceId
        }))
    })
    const accepted: Array<string> = []
    const ledger = Ledger.make()
    const accept = (to: string, tag: string) => {
      accepted.push(`${tag} to ${to}`)
      return ledger.accept(to, tag)
    }
    return Effect.gen(function* () {
      yield* Balancer.make(Traced)
      yield* Worker.make(traced, { name: "worker" })
      const { submit } = yield* Client.make(Traced)
      yield* settle
      accepted.length = 0
      const [mine, theirs] = yield* Effect.withSpan(
        Effect.all([Effect.orDie(Effect.currentSpan), submit.Trace()]),
        "mine"
      )
      assert.deepStrictEqual(theirs, { name: "task Trace", parent: mine.spanId, trace: mine.traceId })
      // No answer goes through the balancer, and no more than the task itself.
      assert.deepStrictEqual(accepted, ["Trace to traced-balancer", "Trace to worker/slot-1"])
    }).pipe(
      Effect.scoped,
      Effect.provide(ActorSystem.layer({ name: "factory" })),
      Effect.provide(Memory.layer),
      Effect.provideService(Ledger.Ledger, { ...ledger, accept })
    )
  })

  it.effect("0.4 (c) gives equal workers equal shares of very many tasks of random length", () =>
    onNode("by-reference", (gates) =>
      Effect.gen(function* () {
        const tasks = Number(RUNS) > 75 ? 1_000_000 : 200_000
        const Turns = Task.group("turns", [Rpc.make("Take", { payload: { turns: Schema.Int } })])
        const turns = Task.handlers(Turns, {
          Take: ({ turns }) => (turns === 0 ? Effect.void : Effect.repeat(Effect.yieldNow, { times: turns }))
        })
        const balancer = yield* Balancer.make(Turns)
        yield* Effect.replicateEffect(Worker.make(turns, { capacity: 4 }), 4)
        const { submitUnsafe } = yield* Client.make(Turns)
        yield* settle
        let state = 7
        let submitted = 0
        let ended = 0
        const next = () => {
          submitted += 1
          state = (state * 48271) % 2147483647
          submitUnsafe.Take({ turns: state % 8 === 0 ? state % 5 : 0 }, () => {
            ended += 1
          })
        }
        while (ended < tasks) {
          for (let window = 0; window < 64 && submitted < tasks && submitted - ended < 256; window++) next()
          yield* Effect.yieldNow
        }
        const { completed, running, workers } = yield* statusOf(balancer)
        assert.deepStrictEqual([completed, running], [tasks, 0])
        const shares = workers.map(({ dispatched }) => dispatched)
        assert.strictEqual(shares.length, 4)
        assert.isBelow(Math.max(...shares) / Math.min(...shares), 1.05, shares.join(", "))
        assert.strictEqual(gates.log.length, 0)
      })
    )
  )

  // Goal: no news of a dispatch takes a load back twice. Method: a worker that is cut off is taken for hung, and then heard of.
  it.effect(
    "0.4 (d) an end after a task was settled, or after its worker has left, takes no load back a second time",
    () =>
      Effect.gen(function* () {
        const gates = makeGates()
        const { over, wire } = Contract.makeWire()
        const transport = over(yield* Transport)
        const [home, shop] = yield* Effect.forEach(["home", "shop"], (node) =>
          Effect.provideService(ActorSystem.make({ name: "factory", node }), Transport, transport)
        )
        const on = (system: ActorSystem.System) => Effect.provideService(ActorSystem.ActorSystem, system)
        const balancer = yield* on(home!)(Balancer.make(Jobs, { lease: "1 second" }))
        const first = yield* on(shop!)(Worker.make(jobs(gates), { name: "first", capacity: 2 }))
        yield* on(shop!)(Worker.make(jobs(gates), { name: "second" }))
        const { submit } = yield* on(home!)(Client.make(Jobs))
        yield* settle
        const tasks = yield* Effect.forEach(["a", "b", "c"], (gate) => start(Effect.exit(submit.Hold({ gate }))))
        assert.deepStrictEqual(yield* loadsOf(balancer), { first: 2, second: 1 })
        const carried = Deferred.makeUnsafe<void>()
        wire.onSend = ({ to }) => (to === "shop" ? Deferred.await(carried) : "carry")
        yield* Effect.repeat(TestClock.adjust("500 millis"), { times: 20 })
        for (const task of tasks) assert.strictEqual(reasonOf(yield* Fiber.join(task)), "Unknown(NodeLost)")
        assert.deepStrictEqual(yield* loadsOf(balancer), { first: 0, second: 0 })
        wire.onSend = () => "carry"
        Deferred.doneUnsafe(carried, Exit.void)
        yield* gates.open("a")
        yield* settle
        assert.strictEqual((yield* statusOf(balancer)).stale, 1)
        // Two more ends, and no more: of one that was settled, and of one whose worker left at the same time.
        yield* first.kill
        yield* settle
        yield* gates.open("b", "c")
        yield* settle
        const { lost, running, stale, workers } = yield* statusOf(balancer)
        assert.deepStrictEqual([lost, running, stale], [3, 0, 3])
        assert.deepStrictEqual(
          workers.map(({ load, name }) => [name, load]),
          [["second", 0]]
        )
        assert.strictEqual(yield* submit.Halve({ n: 2 }), 1)
      }).pipe(Effect.scoped, Effect.provide(Memory.layer))
  )

  it.effect("0.5 a hundred clients on one handle, encoded here and decoded on another node, are each served", () =>
    Effect.gen(function* () {
      const here = yield* ActorSystem.make({ name: "factory", node: "here" })
      const there = yield* ActorSystem.make({ name: "factory", node: "there" })
      const gates = makeGates()
      const on = (system: ActorSystem.System) => Effect.provideService(ActorSystem.ActorSystem, system)
      const balancer = yield* on(here)(Balancer.make(Jobs))
      yield* on(here)(Effect.replicateEffect(Worker.make(jobs(gates), { capacity: 2 }), 3))
      const codec = Schema.toCodecJson(Balancer.schema(Jobs))
      const text = JSON.stringify(yield* Schema.encodeEffect(codec)(balancer))
      const handle = yield* on(there)(Schema.decodeEffect(codec)(JSON.parse(text)))
      const client = (name: number) =>
        Effect.gen(function* () {
          const { submit } = yield* Client.make(Jobs, { balancer: handle })
          return yield* Effect.forEach([0, 1, 2], (n) => submit.Halve({ n: 2 * (name * 3 + n) }), { concurrency: 3 })
        }).pipe(on(name % 2 === 0 ? there : here))
      const answers = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, at) => at),
        client,
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        answers.flat(),
        Array.from({ length: 300 }, (_, n) => n)
      )
      yield* settle
      const { completed, running } = yield* statusOf(balancer)
      assert.deepStrictEqual([completed, running], [300, 0])
    }).pipe(Effect.scoped, Effect.provide(Memory.layer))
  )

  // Goal: what makes room is not behind what asks for it. Method: a hundred thousand tasks in front of one news.
  it.effect("1.4 hears of a task's end within a few turns, while a hundred thousand tasks wait in its mailbox", () =>
    onNode("by-reference", (gates) =>
      Effect.gen(function* () {
        const waiting = 100_000
        const { balancer, client } = yield* staff(gates, { workers: 1, queue: { capacity: 2 * waiting } })
        const { tree } = yield* ActorSystem.ActorSystem
        const queued = Effect.map(tree, (top) => top.find(({ path }) => path === "jobs-balancer")!.queued)
        const held = yield* start(client.submit.Hold({ gate: "held" }))
        const next = yield* start(client.submit.Hold({ gate: "next" }, { priority: 1 }))
        let ended = 0
        for (let task = 0; task < waiting; task++) {
          client.submitUnsafe.Halve({ n: 2 * task }, () => {
            ended += 1
          })
        }
        assert.strictEqual(yield* queued, waiting)
        yield* gates.open("held", "next")
        let turns = 0
        while (!gates.log.includes("next+ jobs-worker-1")) {
          yield* Effect.yieldNow
          turns += 1
        }
        assert.isAtMost(turns, 10)
        assert.isAbove(yield* queued, waiting / 2)
        yield* Fiber.joinAll([held, next])
        while (ended < waiting) yield* Effect.yieldNow
        const { completed } = yield* statusOf(balancer)
        assert.strictEqual(completed, waiting + 2)
      })
    ).pipe(Effect.provideService(Contract.HandOff, false))
  )

  it("1.8 is printed a line for each worker, as the Go program prints its own", () => {
    const worker = (name: string, load: number) => ({
      name,
      load,
      node: "node/a",
      capacity: 9,
      weight: 1,
      dispatched: 40
    })
    assert.strictEqual(
      Balancer.show({ workers: [worker("math-worker-1", 2), worker("math-worker-2", 0), worker("big", 11)] }),
      [
        "Worker math-worker-1 has 2 requests pending",
        "Worker math-worker-2 has 0 requests pending",
        "Worker big has 11 requests pending"
      ].join("\n")
    )
    assert.strictEqual(Balancer.show({ workers: [] }), "")
  })

  it.effect("S13 does not read the payload it passes on: one encode by the client, one decode by the worker", () => {
    const steps: Array<string> = []
    const step = (name: string) =>
      SchemaGetter.transform((text: string) => {
        steps.push(name)
        return text
      })
    const Text = Schema.String.pipe(Schema.decodeTo(Schema.String, { decode: step("decode"), encode: step("encode") }))
    const Echo = Task.group("echo", [Rpc.make("Echo", { payload: { text: Text }, success: Schema.String })])
    const echo = Task.handlers(Echo, {
      Echo: ({ text }) =>
        Effect.sync(() => {
          steps.push("handle")
          return text
        })
    })
    return onNode("encoded", () =>
      Effect.gen(function* () {
        const pool = yield* Pool.make(echo, { workers: 1 })
        yield* settle
        assert.strictEqual(yield* pool.submit.Echo({ text: "hello" }), "hello")
        assert.deepStrictEqual(steps, ["encode", "decode", "handle"])
      })
    )
  })

  it.effect("S12 brings a ref in a payload to the worker, and the worker's in an answer to the client", () => {
    const Ping = Rpc.make("Ping", { success: Schema.String })
    const Friend = Actor.make("Friend", [Ping])
    const Calls = Task.group("calls", [
      Rpc.make("Call", { payload: { friend: ActorRef.schema(Ping) }, success: ActorRef.schema(Ping) })
    ])
    const calls = Task.handlers(Calls, {
      Call: ({ friend }) => Effect.as(Effect.orDie(friend.ask.Ping()), friend)
    })
    return Effect.gen(function* () {
      const on = (system: ActorSystem.System) => Effect.provideService(ActorSystem.ActorSystem, system)
      const [a, b, c] = yield* Effect.forEach(["a", "b", "c"], (node) => ActorSystem.make({ name: "factory", node }))
      yield* on(a!)(Balancer.make(Calls))
      yield* on(b!)(Worker.make(calls))
      const friend = yield* c!.spawn("friend", Friend.behavior({ Ping: () => Effect.succeed("pong") }))
      const { submit } = yield* on(c!)(Client.make(Calls))
      const back = yield* submit.Call({ friend })
      assert.strictEqual(yield* back.ask.Ping(), "pong")
    }).pipe(Effect.scoped, Effect.provide(Memory.layer))
  })

  for (const local of ["encoded", "by-reference"] as const) {
    it.effect(`S13 a task that its worker does not know is refused, and nobody else is harmed, ${local}`, () =>
      onNode(local, (gates) =>
        Effect.gen(function* () {
          const { client } = yield* staff(gates, { workers: 0 })
          const Fewer = Task.group("jobs", [
            Rpc.make("Hold", { payload: { gate: Schema.String }, success: Schema.String })
          ])
          yield* Worker.make(Task.handlers(Fewer, { Hold: ({ gate }) => gates.pass(gate) }))
          yield* settle
          const held = yield* start(client.submit.Hold({ gate: "a" }))
          const unknown = yield* start(Effect.exit(client.submit.Halve({ n: 2 })))
          yield* gates.open("a")
          assert.strictEqual(yield* Fiber.join(held), "jobs-worker-1")
          assert.strictEqual(reasonOf(yield* Fiber.join(unknown)), "NotExecuted(UnsupportedMessage)")
          assert.strictEqual(yield* client.submit.Hold({ gate: "a" }), "jobs-worker-1")
        })
      )
    )
  }

  it.effect("S12 what waits outside for one key holds up nobody else", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const { balancer, client } = yield* staff(gates, { queue: { capacity: 2, overflow: "backpressure" } })
        const keyed = []
        for (let n = 0; n < 5; n++) keyed.push(yield* start(client.submit.Hold({ gate: `${n}` }, { key: "hot" })))
        const { queued, running, waiting } = yield* statusOf(balancer)
        assert.deepStrictEqual({ queued, running, waiting }, { queued: 2, running: 1, waiting: 2 })
        assert.strictEqual(yield* client.submit.Halve({ n: 2 }), 1)
        const other = yield* start(client.submit.Hold({ gate: "other" }, { key: "cold" }))
        assert.deepStrictEqual(gates.started(), ["0", "other"])
        yield* gates.open("other", "0", "1", "2", "3", "4")
        for (const fiber of [other, ...keyed]) yield* Fiber.join(fiber)
        assert.deepStrictEqual(gates.started(), ["0", "other", "1", "2", "3", "4"])
      })
    )
  )

  it.effect("S12 what is cancelled behind a key, or outside, leaves nothing behind", () =>
    onNode("by-reference", (gates) =>
      Effect.gen(function* () {
        setFlagsFromString("--expose-gc")
        const collect = runInNewContext("gc") as () => void
        const heap = () => {
          for (let i = 0; i < 3; i++) collect()
          return process.memoryUsage().heapUsed
        }
        for (const overflow of ["reject", "backpressure"] as const) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { client } = yield* staff(gates, { workers: 1, queue: { capacity: 1, overflow } })
              const held = yield* start(client.submit.Hold({ gate: overflow }, { key: "k" }))
              const before = heap()
              for (let n = 0; n < 20_000; n++) {
                client.submitUnsafe.Hold({ gate: `${n}`.padStart(500, "-") }, () => {}, { key: "k" })()
              }
              assert.isBelow(heap() - before, 5_000_000)
              yield* gates.open(overflow)
              yield* Fiber.join(held)
            })
          )
        }
      })
    )
  )

  it.effect("S13 a payload that its worker cannot read is refused, and counted so", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const { balancer } = yield* staff(gates, { workers: 1 })
        const Loose = Task.group("jobs", [Rpc.make("Halve", { payload: { n: Schema.Finite }, success: Schema.Finite })])
        const client = yield* Client.make(Loose)
        const exit = yield* Effect.exit(client.submit.Halve({ n: 0.5 }))
        assert.strictEqual(reasonOf(exit), "NotExecuted(DecodeError)")
        const { completed, refused } = yield* statusOf(balancer)
        assert.deepStrictEqual({ completed, refused }, { completed: 0, refused: 1 })
      })
    )
  )

  it.effect("S8 a task is interrupted by its client or its deadline also while its worker stops", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const { client, workers } = yield* staff(gates)
        const left = yield* start(client.submit.Hold({ gate: "left" }))
        const late = yield* start(Effect.exit(client.submit.Hold({ gate: "late" }, { deadline: "1 second" })))
        const stops = []
        for (const worker of workers) stops.push(yield* start(worker.stop({ deadline: "1 hour" })))
        yield* Fiber.interrupt(left)
        yield* settle
        assert.include(gates.log, "left!")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(reasonOf(yield* Fiber.join(late)), "Unknown(Timeout)")
        for (const stop of stops) yield* Fiber.join(stop)
        assert.include(gates.log, "late!")
      })
    )
  )

  it("a group has no task of the runtime's own names", () => {
    assert.throws(() => Task.group("g", [Rpc.make("$run")]), /not to begin with "\$".*got: "\$run"/)
  })

  it.effect("refuses options that are none, and names the value", () =>
    onNode("encoded", () =>
      Effect.gen(function* () {
        const refused = (options: Balancer.Options, message: string) =>
          Effect.map(Effect.exit(Balancer.make(Jobs, options)), (exit) => assert.include(String(exit), message))
        yield* refused({ queue: { capacity: 0 } }, "expected `queue.capacity` to be a positive integer, got: 0")
        yield* refused({ queue: { capacity: 1.5 } }, "expected `queue.capacity` to be a positive integer, got: 1.5")
        yield* refused(
          { queue: { overflow: "dropNewest" as never } },
          "expected `queue.overflow` to be one of reject, dropOldest, backpressure, got: dropNewest"
        )
        yield* refused({ attempts: 0 }, "expected `attempts` to be a positive integer, got: 0")
        yield* refused({ lease: 0 }, "expected `lease` to be finite and more than 0, got: 0 ms")
        yield* refused({ patience: "Infinity" as never }, "expected")
        yield* refused({ strategy: "random" as never }, "expected `strategy` to be leastLoaded, got: random")
        const worker = (options: Worker.Options, message: string) =>
          Effect.map(Effect.exit(Worker.make(jobs(makeGates()), options)), (exit) =>
            assert.include(String(exit), message)
          )
        yield* worker({ capacity: 0 }, "expected `capacity` to be a positive integer, got: 0")
        yield* worker({ weight: Number.NaN }, "expected `weight` to be finite and more than 0, got: NaN")
        yield* worker({ name: "a/b" }, "Choose such a name")
      })
    )
  )

  it.effect("there is one of a group on a node", () =>
    onNode("encoded", () =>
      Effect.gen(function* () {
        yield* Balancer.make(Jobs)
        const error = yield* Effect.flip(Balancer.make(Jobs))
        assert.deepStrictEqual([error.path, error.reason], ["jobs-balancer", "NameTaken"])
      })
    )
  )

  it.effect("S8 a balancer whose events are read stops at once, and its readers end", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const { balancer, workers } = yield* staff(gates)
        const readers = yield* Effect.replicateEffect(start(Stream.runDrain(Balancer.events(balancer))), 3)
        const stop = yield* start(balancer.stop())
        const stopped = stop.pollUnsafe() !== undefined
        if (!stopped) yield* balancer.kill
        assert.isTrue(stopped)
        for (const reader of readers) yield* Fiber.await(reader)
        for (const worker of workers) yield* worker.stop()
      })
    )
  )

  it.effect("S8 the Scope of a worker ends it after its tasks, and no later than its stop deadline", () =>
    onNode("encoded", (gates) =>
      Effect.gen(function* () {
        const { balancer, client } = yield* staff(gates, { workers: 0 })
        const hire = Effect.gen(function* () {
          const scope = yield* Scope.make()
          yield* Scope.provide(Worker.make(jobs(gates), { stopDeadline: "2 seconds" }), scope)
          yield* settle
          return Scope.close(scope, Exit.void)
        })
        const patient = yield* hire
        const a = yield* start(client.submit.Hold({ gate: "a" }))
        const closing = yield* start(patient)
        yield* TestClock.adjust("1 second")
        assert.isUndefined(closing.pollUnsafe())
        yield* gates.open("a")
        assert.strictEqual(yield* Fiber.join(a), "jobs-worker-1")
        yield* Fiber.join(closing)
        const hasty = yield* hire
        const b = yield* start(client.submit.Hold({ gate: "b" }))
        const again = yield* start(hasty)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(again)
        assert.strictEqual(reasonOf(yield* Fiber.await(b)), "Unknown(Interrupted)")
        assert.include(gates.log, "b!")
        assert.deepStrictEqual((yield* statusOf(balancer)).workers, [])
      })
    )
  )

  it.effect("lets each slot acquire what it needs in its own Scope, and anew after a crash", () => {
    const log: Array<string> = []
    const init = Effect.gen(function* () {
      const { name } = yield* Worker.Current
      const { incarnation } = yield* Actor.Context
      const entry = `${name} ${incarnation}`
      yield* Effect.acquireRelease(
        Effect.sync(() => log.push(`open ${entry}`)),
        () => Effect.sync(() => log.push(`close ${entry}`))
      )
      return {
        Halve: () => Effect.die(new Error("once")),
        Hold: () => Effect.succeed(name),
        Insist: () => Effect.succeed(name),
        Sleep: () => Effect.succeed(name),
        Break: () => Effect.succeed(name)
      }
    })
    return Effect.andThen(
      onNode("encoded", () =>
        Effect.gen(function* () {
          const pool = yield* Pool.make(Task.handlers(Jobs, init), { workers: 1, capacity: 2 })
          yield* settle
          assert.deepStrictEqual(log, ["open jobs-worker-1 1", "open jobs-worker-1 1"])
          assert.strictEqual(reasonOf(yield* Effect.exit(pool.submit.Halve({ n: 1 }))), "Unknown(CalleeCrashed)")
          assert.strictEqual(yield* pool.submit.Hold({ gate: "a" }), "jobs-worker-1")
          yield* settle
          assert.deepStrictEqual(log.slice(2), ["close jobs-worker-1 1", "open jobs-worker-1 2"])
          log.length = 0
        })
      ),
      Effect.sync(() => assert.deepStrictEqual(log.toSorted(), ["close jobs-worker-1 1", "close jobs-worker-1 2"]))
    )
  })
})
