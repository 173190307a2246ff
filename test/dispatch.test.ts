/**
 * Goal: whatever happens to workers, clients and the balancer, every submit ends once and truthfully, nothing is run that
 * should not be, and no load is lost or kept.
 *
 * Method: random programs of submits, ends, cancels, kills, stops, time and lost frames, over one node or three, under a test
 * clock. After each event the balancer's own books must balance; at the end all is let go, time passes, and the books, the
 * ledger and the handlers' own notes are compared with what each client was told. A failure prints its seed: `SEED=... RUNS=...`
 * repeats it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Scheduler, Schema, Scope } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import { Actor, ActorError, ActorSystem, Ledger } from "troupe"
import { Balancer, Client, Task, Worker } from "troupe/actors"
import { Transport } from "troupe/Transport"
import { Contract } from "troupe/testing"
import { Memory } from "troupe/transports/Memory"
import { Odd, reasonOf, settle } from "./jobs.ts"

const { RUNS = "75", SEED = "1" } = process.env

const Random = Task.group("random", [Rpc.make("Do", { payload: { id: Schema.Int }, success: Schema.Int, error: Odd })])
const anyActor = Actor.make("Any", [])

/** Numbers that a seed decides. */
const makeDice = (seed: number) => {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  const below = (bound: number) => Math.floor(next() * bound)
  const of = <A>(items: ReadonlyArray<A>): A => items[below(items.length)]!
  return { below, of, chance: (chance: number) => next() < chance }
}

type Ending = "succeed" | "fail" | "die" | "interrupt"
const endings: ReadonlyArray<Ending> = ["succeed", "succeed", "succeed", "fail", "die", "interrupt"]

/** One time that a handler ran for a task. */
interface Run {
  readonly task: Submitted
  readonly worker: string
  readonly reign: number
  isOver: boolean
  readonly finish: (how: Ending) => void
}

/** One task as its client knows it. */
interface Submitted {
  readonly id: number
  readonly client: number
  readonly options: Task.SubmitOptions
  /** How it ends by itself; `wait` until it is told. */
  readonly plan: Ending | "wait"
  readonly isStubborn: boolean
  cancel: () => void
  isCancelled: boolean
  runs: number
  readonly exits: Array<Exit.Exit<number, unknown>>
}

interface Setting {
  readonly seed: number
  readonly nodes: 1 | 3
  readonly local: "encoded" | "by-reference"
  readonly events: number
  /** After how many steps a fiber lets others have their turn. */
  readonly steps: number
  /** Whether asks of idle actors are handled at once. */
  readonly handOff: boolean
  /** Whether frames are lost. */
  readonly isLossy: boolean
  /** Whether the balancer is killed and takes its place again. */
  readonly isReplaced: boolean
}

class World {
  readonly tasks: Array<Submitted> = []
  readonly running = new Set<Run>()
  readonly capacities = new Map<string, number>()
  readonly faults: Array<string> = []
  readonly order = new Map<string, Array<number>>()
  /** How often there has been another balancer. */
  reign = 0
  /** Whether everything ends by itself from now on. */
  isOver = false
  readonly setting: Setting

  constructor(setting: Setting) {
    this.setting = setting
  }

  handle(worker: string, id: number): Effect.Effect<number, Odd> {
    const task = this.tasks[id]!
    task.runs += 1
    const { idempotent = false, key } = task.options
    // A client that loses its balancer submits it anew.
    const times = this.setting.isLossy || this.setting.isReplaced ? 9 : 3
    if (task.runs > (idempotent ? times : 1)) this.faults.push(`task ${id} ran ${task.runs} times`)
    const others = [...this.running]
    const beside = others.filter((run) => run.worker === worker).length
    if (beside >= this.capacities.get(worker)!)
      this.faults.push(`${worker} had ${beside} tasks when it was given ${id}`)
    if (key !== undefined && !this.setting.isLossy) {
      // A balancer knows of no other's keys.
      const other = others.find((run) => run.task.options.key === key && run.reign === this.reign)
      if (other !== undefined) this.faults.push(`tasks ${other.task.id} and ${id} of key ${key} ran at a time`)
    }
    if (key !== undefined && task.runs === 1) {
      const line = `${task.client} ${key}`
      const ids = this.order.get(line) ?? []
      this.order.set(line, ids)
      ids.push(id)
    }
    const plan = this.isOver && task.plan === "wait" ? "succeed" : task.plan
    if (plan !== "wait") return exitOf(id, plan)
    const waiting = Effect.callback<number, Odd>((resume) => {
      const run: Run = {
        task,
        worker,
        reign: this.reign,
        isOver: false,
        finish: (how) => {
          if (run.isOver) return
          run.isOver = true
          this.running.delete(run)
          resume(exitOf(id, how))
        }
      }
      this.running.add(run)
      if (this.isOver) run.finish("succeed")
      return Effect.sync(() => {
        run.isOver = true
        this.running.delete(run)
      })
    })
    return task.isStubborn ? Effect.uninterruptible(waiting) : waiting
  }
}

const exitOf = (id: number, how: Ending): Exit.Exit<number, Odd> => {
  switch (how) {
    case "succeed":
      return Exit.succeed(id)
    case "fail":
      return Exit.fail(new Odd({ n: id }))
    case "die":
      return Exit.die(new Error(`task ${id}`))
    case "interrupt":
      return Exit.failCause(Cause.interrupt(id))
  }
}

/** Runs one program, and answers what was wrong with it. */
const play = (setting: Setting) =>
  Effect.gen(function* () {
    const { events, isLossy, isReplaced, local, nodes, seed } = setting
    const dice = makeDice(seed)
    const world = new World(setting)
    const ledger = Ledger.make()
    const { over, wire } = Contract.makeWire()
    const transport = over(yield* Transport)
    const scope = yield* Scope.Scope
    const systems = yield* Effect.forEach(Array.from({ length: nodes }), (_, at) =>
      ActorSystem.make({ name: "random", node: `n${at}`, local }).pipe(
        Effect.provideService(Transport, transport),
        Effect.provideService(Ledger.Ledger, ledger)
      )
    )
    const at = (node: number) => systems[node % nodes]!
    const on = (node: number) => Effect.provideService(ActorSystem.ActorSystem, at(node))
    const module = Task.handlers(
      Random,
      Effect.map(Worker.Current, ({ name }) => ({ Do: ({ id }) => world.handle(name, id) }))
    )
    const capacity = dice.of([1, 2, 8, 1000])
    const overflow = dice.of(["reject", "dropOldest", "backpressure"] as const)
    const options: Balancer.Options = { queue: { capacity, overflow }, lease: "2 seconds", patience: "3 seconds" }
    const lead = on(0)(Balancer.make(Random, options))
    let balancer = yield* lead
    let isThere = true
    const staff: Array<{
      readonly name: string
      readonly node: number
      readonly slots: number
      readonly ref: Worker.Ref
    }> = []
    let hired = 0
    const hire = Effect.gen(function* () {
      const name = `worker-${++hired}`
      const slots = 1 + dice.below(3)
      const node = dice.below(nodes)
      world.capacities.set(name, slots)
      const made = Worker.make(module, { name, capacity: slots, weight: dice.of([1, 1, 2]), stopDeadline: "1 second" })
      staff.push({ name, node, slots, ref: yield* on(node)(made) })
    })
    for (let worker = 0; worker < 3; worker++) yield* hire
    const clients = yield* Effect.forEach([0, 1, 2], (node) => on(node)(Client.make(Random)))
    yield* settle

    const submit = () => {
      const client = dice.below(clients.length)
      // Who cannot be interrupted is not waited for when its worker is killed, so it keeps no key.
      const keyed = dice.chance(0.3)
      const task: Submitted = {
        id: world.tasks.length,
        client,
        options: {
          ...(keyed && { key: dice.of(["a", "b"]) }),
          ...(dice.chance(0.3) && { priority: dice.below(3) - 1 }),
          ...(dice.chance(0.2) && { deadline: dice.of([5, 50, 500, 5000]) }),
          ...(dice.chance(0.3) && { idempotent: true })
        },
        plan: dice.chance(0.6) ? "wait" : dice.of(endings),
        isStubborn: dice.chance(0.1) && !keyed,
        cancel: () => {},
        isCancelled: false,
        runs: 0,
        exits: []
      }
      world.tasks.push(task)
      const onExit = (exit: Exit.Exit<number, unknown>) => {
        if (task.isCancelled) world.faults.push(`task ${task.id} was called back after it was cancelled`)
        task.exits.push(exit)
      }
      task.cancel = clients[client]!.submitUnsafe.Do({ id: task.id }, onExit, task.options)
    }
    const books = Effect.gen(function* () {
      if (!isThere) return undefined
      const exit = yield* Effect.exit(Balancer.status(balancer))
      if (Exit.isFailure(exit)) return undefined
      const { accepted, queued, redispatched, rejected, running, stale, waiting, workers, ...ends } = exit.value
      const sum = queued + waiting + running + Object.values(ends).reduce((sum, count) => sum + count, 0)
      if (sum !== accepted) world.faults.push(`accepted ${accepted} tasks, and ${sum} are somewhere`)
      const loads = workers.reduce((sum, { load }) => sum + load, 0)
      if (loads !== running) world.faults.push(`${running} tasks run, and the loads are ${loads}`)
      for (const { capacity, load, name } of workers) {
        if (load < 0 || load > capacity) world.faults.push(`the load of ${name} is ${load} of ${capacity}`)
      }
      if (Math.min(queued, waiting, rejected, redispatched, stale) < 0) world.faults.push("a count is negative")
      return exit.value
    })

    for (let event = 0; event < events && world.faults.length === 0; event++) {
      const die = dice.below(1000)
      if (die < 480) submit()
      else if (die < 800) {
        const runs = [...world.running]
        if (runs.length > 0) dice.of(runs).finish(dice.of(endings))
      } else if (die < 880) {
        const open = world.tasks.slice(-50).filter((task) => task.exits.length === 0 && !task.isCancelled)
        if (open.length > 0) {
          const task = dice.of(open)
          task.cancel()
          task.isCancelled = true
        }
      } else if (die < 900) {
        yield* TestClock.adjust(dice.of([1, 5, 50, 1000]))
      } else if (die < 950) yield* Effect.repeat(Effect.yieldNow, { times: dice.below(10) })
      else if (die < 965 && staff.length > 0) {
        const { name, node, slots } = dice.of(staff)
        const slot = yield* Effect.exit(
          at(node).lookup(anyActor, `${name}/slot-${1 + dice.below(slots)}`, { at: at(node).id })
        )
        if (Exit.isSuccess(slot)) yield* Effect.forkIn(slot.value.kill, scope)
      } else if (die < 978 && staff.length > 0) {
        const [{ ref }] = staff.splice(dice.below(staff.length), 1) as [(typeof staff)[number]]
        yield* Effect.forkIn(dice.chance(0.5) ? ref.kill : ref.stop(), scope, { startImmediately: true })
      } else if (die < 992) {
        if (staff.length < 5) yield* hire
      } else if (die < 996 && isReplaced) {
        yield* Effect.forkIn(balancer.kill, scope, { startImmediately: true })
        isThere = false
        yield* settle
        yield* TestClock.adjust(dice.of([1, 100, 2000]))
        balancer = yield* lead
        isThere = true
        world.reign += 1
      } else if (isLossy) {
        // The next frame on this way is lost.
        const [from, to] = [`n${dice.below(nodes)}`, `n${dice.below(nodes)}`]
        wire.onSend = (sending) => {
          if (sending.from !== from || sending.to !== to || sending.kind !== "data") return "carry"
          wire.onSend = () => "carry"
          return "lose"
        }
      }
      yield* books
    }

    // All that waits for the program ends; what waits for time gets it.
    world.isOver = true
    wire.onSend = () => "carry"
    const finish = () => {
      for (const run of [...world.running]) run.finish("succeed")
    }
    const isOpen = (task: Submitted) => task.exits.length === 0 && !task.isCancelled
    if (staff.length === 0 && world.faults.length === 0) yield* hire
    yield* settle
    for (const { task, worker } of world.running) {
      const isHeard = !isLossy && !isReplaced && !task.isStubborn
      if (task.isCancelled && isHeard) world.faults.push(`${worker} still runs task ${task.id}, which was cancelled`)
    }
    for (let step = 0; step < 200 && (step < 3 || world.tasks.some(isOpen)); step++) {
      finish()
      yield* settle
      yield* TestClock.adjust(step < 20 ? 50 : 1000)
      yield* books
    }
    finish()
    yield* Effect.repeat(Effect.andThen(settle, TestClock.adjust("1 second")), { times: 6 })
    const { faults } = world
    const status = yield* books
    for (const task of world.tasks) faults.push(...judge(task))
    for (const [line, ids] of world.order) {
      if (!isLossy && !isReplaced && ids.some((id, at) => at > 0 && id < ids[at - 1]!)) {
        faults.push(`the tasks of client and key ${line} began in the order ${ids.join(", ")}`)
      }
    }
    if (status === undefined) faults.push("the balancer does not answer")
    else if (status.queued + status.waiting + status.running !== 0)
      faults.push(`not all ended: ${JSON.stringify(status)}`)
    return { world, ledger }
  })

/** What is wrong with how a task ended. */
const judge = ({ exits, id, isCancelled, options, plan, runs }: Submitted): ReadonlyArray<string> => {
  const name = `task ${id} (${JSON.stringify({ ...options, plan })}, ran ${runs} times)`
  if (exits.length > 1) return [`${name} ended ${exits.length} times`]
  const [exit] = exits
  if (exit === undefined) return isCancelled ? [] : [`${name} did not end`]
  if (Exit.isSuccess(exit)) {
    return exit.value === id && runs > 0 ? [] : [`${name} ended with the value ${exit.value}`]
  }
  const error = Cause.squash(exit.cause)
  if (error instanceof Odd) return error.n === id && runs > 0 ? [] : [`${name} ended with the error of ${error.n}`]
  if (error instanceof ActorError.NotExecuted) return runs === 0 ? [] : [`${name} ended in ${reasonOf(exit)}`]
  if (error instanceof ActorError.Unknown) return []
  return [`${name} ended in ${String(exit.cause)}`]
}

/** Plays a program on a network of its own, and asserts that nothing was wrong. */
const proven = (setting: Setting) =>
  Effect.gen(function* () {
    const { ledger, world } = yield* Effect.scoped(play(setting))
    const { faults, open, pending } = yield* ledger.snapshot
    if (open > 0 || pending > 0) world.faults.push(`${open} asks and ${pending} messages have not ended`)
    const all = [...world.faults, ...faults]
    assert.deepStrictEqual(all.slice(0, 5), [], `SEED=${SEED}, ${JSON.stringify(setting)}: ${all.length} faults`)
    return world
  }).pipe(
    Effect.provide(Memory.layer),
    Effect.provideService(Contract.HandOff, setting.handOff),
    Effect.provideService(Scheduler.MaxOpsBeforeYield, setting.steps),
    Contract.silently
  )

const base = [...SEED].reduce((sum, letter) => Math.imul(sum ^ letter.charCodeAt(0), 16777619), 2166136261)

describe("Dispatch, at random", () => {
  const programs: ReadonlyArray<readonly [name: string, Omit<Setting, "seed" | "events" | "steps" | "handOff">]> = [
    ["on one node", { nodes: 1, local: "encoded", isLossy: false, isReplaced: false }],
    ["by reference", { nodes: 1, local: "by-reference", isLossy: false, isReplaced: false }],
    ["on three nodes", { nodes: 3, local: "encoded", isLossy: false, isReplaced: false }],
    ["while the balancer is replaced", { nodes: 3, local: "by-reference", isLossy: false, isReplaced: true }],
    ["while frames are lost", { nodes: 3, local: "encoded", isLossy: true, isReplaced: false }]
  ]
  for (const [name, setting] of programs) {
    it.effect(`S12 every submit ends once and truthfully, and the balancer's books balance, ${name}`, () =>
      Effect.gen(function* () {
        const count = Math.ceil(Number(RUNS) / programs.length)
        for (let run = 0; run < count; run++) {
          const [steps, handOff] = [[2048, 16, 5][run % 3]!, run % 2 === 0]
          yield* proven({ ...setting, steps, handOff, seed: base + run, events: 50 + ((run * 37) % 400) })
        }
      })
    )
  }

  it.effect(
    "0.4 (a) (b) the loads add up to the tasks in flight after each of 100,000 events, and to zero at the end",
    () =>
      Effect.gen(function* () {
        const events = 100_000
        const setting = {
          nodes: 1,
          local: "by-reference",
          isLossy: false,
          isReplaced: false,
          steps: 2048,
          handOff: true,
          seed: base,
          events
        } as const
        const { tasks } = yield* proven(setting)
        assert.isAbove(tasks.length, events / 3)
      })
  )

  it.effect("S9 an ask that is interrupted at any step has ended, also before it was sent", () =>
    Effect.gen(function* () {
      const ledger = Ledger.make()
      const system = yield* Effect.provideService(ActorSystem.make({ name: "random" }), Ledger.Ledger, ledger)
      const Silent = Actor.make("Silent", [Rpc.make("Wait")])
      const ref = yield* system.spawn("silent", Silent.behavior({ Wait: () => Effect.never }))
      for (let turns = 0; turns < 30; turns++) {
        const ask = yield* Effect.forkChild(Effect.asVoid(Effect.exit(ref.ask.Wait())))
        yield* Effect.repeat(Effect.yieldNow, { times: turns })
        yield* Fiber.interrupt(ask)
        yield* settle
        const { ended, faults, open } = yield* ledger.snapshot
        assert.deepStrictEqual({ faults, open }, { faults: [], open: 0 }, `after ${turns} turns`)
        if (turns === 29) assert.isAbove(ended.interrupted, 10)
      }
      yield* ref.kill
    }).pipe(Effect.scoped, Effect.provide(Memory.layer), Effect.provideService(Scheduler.MaxOpsBeforeYield, 5))
  )
})
