/** The simulator itself: what it promises of every run. */
import { lookup } from "node:dns/promises"
import { readFile } from "node:fs"
import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Random, Schedule, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorSystem } from "troupe"
import { Balancer, Client, Task, Worker } from "troupe/actors"
import { Transport } from "troupe/Transport"
import { Contract, Simulation } from "troupe/testing"
import * as Cluster from "./cluster.ts"

// ----- A cluster: a balancer with a client, and two nodes with workers -----

const Jobs = Task.group("jobs", [Rpc.make("Square", { payload: { n: Schema.Int }, success: Schema.Int })])
const jobs = Task.handlers(Jobs, { Square: ({ n }) => Effect.as(Effect.sleep(10 * (n % 7)), n * n) })

const system = (node: string) => ActorSystem.layer({ name: "cluster", node })
const again = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.retry(effect, Schedule.spaced("200 millis"))

const cluster = Effect.gen(function* () {
  const sim = yield* Simulation.Simulation
  const front = yield* sim.node("front", Layer.provideMerge(Balancer.layer(Jobs), system("front")))
  const worker = Worker.layer(jobs, { capacity: 2 })
  for (const name of ["one", "two"]) yield* sim.node(name, Layer.provideMerge(worker, system(name)))
  const submitAll = Effect.gen(function* () {
    const client = yield* again(Client.make(Jobs))
    return yield* Effect.forEach(
      Array.from({ length: 12 }, (_, n) => n),
      (n) => Effect.exit(client.submit.Square({ n }, { idempotent: true, deadline: "20 seconds" })),
      { concurrency: 4 }
    )
  })
  const results = yield* again(front.run(submitAll))
  yield* sim.calm
  for (const [n, exit] of results.entries()) if (Exit.isSuccess(exit)) assert.strictEqual(exit.value, n * n)
  return results.map((exit) => exit._tag)
})

const faults: Simulation.Chances = {
  drop: 0.02,
  duplicate: 0.02,
  delay: 0.05,
  reorder: 0.02,
  partition: 0.05,
  partitionOneWay: 0.05,
  slowLink: 0.1,
  pause: 0.1,
  crash: 0.1
}

const failureOf = (result: Simulation.Result<unknown, unknown>) => {
  if (Exit.isSuccess(result.exit)) throw new Error("the run succeeded")
  return Cause.squash(result.exit.cause) as Simulation.SimulationError
}

const outcomeOf = <A>(result: Simulation.Result<A, unknown>): A => {
  if (Exit.isFailure(result.exit)) throw Cause.squash(result.exit.cause)
  return result.exit.value
}

describe("a seed", () => {
  it("decides a run, byte for byte", () => {
    const traces = new Set<string>()
    for (let seed = 0; seed < 25; seed++) {
      const one = Simulation.run(seed, cluster, { faults })
      const two = Simulation.run(seed, cluster, { faults })
      assert.deepStrictEqual(two.trace, one.trace, `seed ${seed}`)
      assert.deepStrictEqual(two.faults, one.faults)
      traces.add(one.trace.join("\n"))
    }
    assert.strictEqual(traces.size, 25)
  })

  it("is decided by nothing else: the faults of a run, as a schedule, repeat it", () => {
    for (let seed = 0; seed < 25; seed++) {
      const one = Simulation.run(seed, cluster, { faults })
      const two = Simulation.run(seed, cluster, { faults: one.faults })
      assert.deepStrictEqual(two.trace, one.trace, `seed ${seed}`)
    }
  })
})

describe("a trace", () => {
  it("does not depend on where the code lies, though stacks cross the wire", () => {
    const Bomb = Actor.make("Bomb", [Rpc.make("Explode")])
    const bomb = Bomb.behavior(
      { Explode: () => Effect.die(new Error("boom")) },
      { restart: { intensity: { restarts: 0, within: "1 minute" } } }
    )
    const scenario = Effect.gen(function* () {
      const sim = yield* Simulation.Simulation
      const spawn = Effect.flatMap(ActorSystem.ActorSystem, (system) => system.spawn("bomb", bomb))
      yield* sim.node("a", Layer.provideMerge(Layer.effectDiscard(spawn), system("a")))
      const b = yield* sim.node("b", system("b"))
      return yield* b.run(
        Effect.gen(function* () {
          const ref = yield* (yield* ActorSystem.ActorSystem).lookup(Bomb, "bomb")
          const end = yield* Effect.forkChild(ref.watch, { startImmediately: true })
          yield* Effect.sleep("1 second")
          yield* Effect.exit(ref.ask.Explode())
          return (yield* Fiber.join(end)).reason
        })
      )
    })
    const one = Simulation.run("1", scenario)
    assert.strictEqual(outcomeOf(one)._tag, "Crashed")
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 3
    const two = Simulation.run("1", scenario)
    Error.stackTraceLimit = limit
    assert.deepStrictEqual(two.trace, one.trace)
  })
})

describe("what the code under test takes from outside", () => {
  it("is the simulation's: time, chance, also where they are asked directly", () => {
    const scenario = Effect.gen(function* () {
      const began = [yield* Clock.currentTimeMillis, Date.now(), new Date().toISOString(), performance.now()]
      yield* Effect.sleep("3 days")
      const ended = [yield* Clock.currentTimeMillis, Date.now(), new Date().toISOString(), performance.now()]
      assert.instanceOf(epoch, Date)
      return { began, ended, chance: [yield* Random.next, yield* Random.nextInt, Math.random()] }
    })
    const epoch = new Date(0)
    const run = (seed: string) => outcomeOf(Simulation.run(seed, scenario, { limit: "4 days" }))
    const { began, chance, ended } = run("a")
    const threeDays = 3 * 24 * 3600 * 1000
    assert.deepStrictEqual(began, [0, 0, "1970-01-01T00:00:00.000Z", 0])
    assert.deepStrictEqual(ended, [threeDays, threeDays, "1970-01-04T00:00:00.000Z", threeDays])
    assert.deepStrictEqual(run("a").chance, chance)
    assert.notDeepEqual(run("b").chance, chance)
    assert.isAbove(Date.now(), 1e12)
    assert.instanceOf(new Date(), Date)
  })

  const escapes: Record<string, [expected: RegExp, effect: Effect.Effect<unknown>]> = {
    "a timer": [/Timeout began at/, Effect.sync(() => setTimeout(() => {}, 1))],
    "an interval": [/Timeout began at/, Effect.sync(() => clearInterval(setInterval(() => {}, 1)))],
    "an immediate": [/Immediate began at/, Effect.sync(() => setImmediate(() => {}))],
    "a tick": [/TickObject began at/, Effect.sync(() => process.nextTick(() => {}))],
    "a microtask": [/Microtask began at/, Effect.sync(() => queueMicrotask(() => {}))],
    "a promise": [/PROMISE began at/, Effect.promise(() => Promise.resolve(1))],
    "an async function": [/PROMISE began at/, Effect.promise(async () => 1)],
    "a file": [/FSREQCALLBACK began at/, Effect.sync(() => readFile("package.json", () => {}))],
    "a socket": [/TCPWRAP began at/, Effect.sync(() => connect(1, "127.0.0.1").on("error", () => {}))],
    "a name": [/PROMISE began at|GETADDRINFO.* began at/, Effect.sync(() => void lookup("localhost").catch(() => {}))],
    "a fiber of another runtime": [/began at/, Effect.sync(() => Effect.runFork(Effect.yieldNow))]
  }
  for (const [name, [expected, effect]] of Object.entries(escapes)) {
    it(`does not escape unseen: ${name}`, () => {
      const failure = failureOf(Simulation.run("1", Effect.andThen(effect, Effect.sleep("1 second"))))
      assert.strictEqual(failure.reason, "Escaped")
      assert.match(failure.message, expected)
      assert.match(failure.message, /Simulation\.test\.ts:\d+/)
    })
  }

  it("does not mind what leaves nothing behind: runSync, console, logs", () => {
    const scenario = Effect.gen(function* () {
      Effect.runSync(Effect.yieldNow)
      yield* Effect.logInfo("logged", { n: 1 })
      yield* Effect.sync(() => console.debug("printed"))
    })
    const result = Simulation.run("1", scenario)
    assert.isTrue(Exit.isSuccess(result.exit), String(result.exit))
    assert.match(result.trace.join("\n"), /scenario: \[Info\] logged/)
  })

  it("is let go when the run is over, also when runs are nested", () => {
    const nested = Effect.sync(() => outcomeOf(Simulation.run("2", Effect.as(Effect.sleep("1 hour"), Date.now() + 1))))
    const scenario = Effect.gen(function* () {
      yield* Effect.sleep("1 second")
      assert.strictEqual(yield* nested, 1001)
      setTimeout(() => {}, 1)
    })
    const failure = failureOf(Simulation.run("1", scenario))
    assert.strictEqual(failure.reason, "Escaped")
    assert.strictEqual(setTimeout.name, "setTimeout")
  })
})

describe("a run that cannot end", () => {
  it("is ended when nobody can go on", () => {
    const failure = failureOf(Simulation.run("1", Effect.never))
    assert.strictEqual(failure.reason, "Deadlock")
    assert.match(failure.message, /nothing is left to run/)
  })

  it("names the nodes that are not running", () => {
    const failure = failureOf(
      Simulation.run(
        "1",
        Effect.gen(function* () {
          const sim = yield* Simulation.Simulation
          yield* sim.node("a", Layer.empty)
          yield* sim.crash("a")
          yield* Effect.never
        })
      )
    )
    assert.match(failure.message, /while "a" is not running/)
  })

  it("is none that sleeps until a time, however short the way to it", () => {
    const until = (at: number): Effect.Effect<void> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        now >= at ? Effect.void : Effect.andThen(Effect.sleep(at - now), until(at))
      )
    const naps = Effect.forEach(Array.from({ length: 100 }), () => Effect.sleep("1 nanos"))
    const { exit, millis, steps } = Simulation.run(
      "1",
      Effect.andThen(Effect.andThen(Effect.sleep(0.3), naps), until(7))
    )
    assert.isTrue(Exit.isSuccess(exit))
    assert.isAtLeast(millis, 7)
    assert.isBelow(steps, 500)
  })

  it("is ended after its limit of time, and of turns", () => {
    const forever = Effect.forever(Effect.sleep("1 second"))
    const late = failureOf(Simulation.run("1", forever, { limit: "1 minute" }))
    assert.strictEqual(late.reason, "Endless")
    assert.match(late.message, /60000 ms/)
    const busy = failureOf(Simulation.run("1", Effect.forever(Effect.yieldNow), { steps: 1000 }))
    assert.strictEqual(busy.reason, "Endless")
    assert.match(busy.message, /1000 turns/)
  })
})

// ----- Nodes -----

class Name extends Context.Service<Name, { readonly name: string; readonly log: Array<string> }>()("Name") {}

/** A node that ticks every second, and notes what happens to it. */
const ticker = (name: string, log: Array<string>) =>
  Layer.effect(
    Name,
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => log.push("start")),
        () => Effect.sync(() => log.push("released"))
      )
      const tick = Effect.andThen(
        Effect.sleep("1 second"),
        Effect.map(Clock.currentTimeMillis, (now) => log.push(`tick ${now}`))
      )
      yield* Effect.forkScoped(Effect.onExit(Effect.forever(tick), () => Effect.sync(() => log.push("ended"))))
      return { name, log }
    })
  )

const withTicker = <A, E>(
  scenario: (
    sim: Simulation.Simulation["Service"],
    node: Simulation.SimulatedNode<Name>,
    log: Array<string>
  ) => Effect.Effect<A, E, Simulation.Provided>
) =>
  outcomeOf(
    Simulation.run(
      "1",
      Effect.gen(function* () {
        const sim = yield* Simulation.Simulation
        const log: Array<string> = []
        const node = yield* sim.node("a", ticker("a", log))
        return yield* scenario(sim, node, log)
      })
    )
  )

describe("a node", () => {
  it("runs what the scenario gives it, with what its layer provides", () => {
    const name = withTicker((_, node) => node.run(Effect.map(Name, ({ name }) => name)))
    assert.strictEqual(name, "a")
  })

  it("that crashes loses all that runs at once, and runs no finalizer", () => {
    const log = withTicker((sim, node, log) =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const waiting = Effect.onExit(Deferred.await(gate), () => Effect.sync(() => log.push("went on")))
        const fiber = yield* Effect.forkChild(Effect.flip(node.run(waiting)))
        yield* Effect.sleep("2500 millis")
        yield* sim.crash("a")
        assert.match((yield* Fiber.join(fiber)).message, /^Node "a" is down: it crashed meanwhile/)
        const down = yield* Effect.flip(node.run(Effect.void))
        assert.strictEqual(down._tag, "NodeDown")
        // It is woken from outside, and does not go on.
        yield* Deferred.succeed(gate, undefined)
        yield* Effect.sleep("10 seconds")
        return log
      })
    )
    assert.deepStrictEqual(log, ["start", "tick 1000", "tick 2000"])
  })

  it("that crashed is restarted from nothing", () => {
    const log = withTicker((sim, node, log) =>
      Effect.gen(function* () {
        yield* Effect.sleep("1500 millis")
        yield* sim.crash("a")
        yield* Effect.sleep("1 second")
        yield* sim.restart("a")
        assert.strictEqual(yield* node.run(Effect.map(Name, ({ name }) => name)), "a")
        yield* Effect.sleep("1500 millis")
        return log
      })
    )
    assert.deepStrictEqual(log, ["start", "tick 1000", "start", "tick 3500"])
  })

  it("that is stopped ends as a program does", () => {
    const log = withTicker((sim, _, log) =>
      Effect.gen(function* () {
        yield* Effect.sleep("1500 millis")
        yield* sim.stop("a")
        return log
      })
    )
    assert.deepStrictEqual(log, ["start", "tick 1000", "ended", "released"])
  })

  it("that is paused stands still, and goes on where it was", () => {
    const log = withTicker((sim, node, log) =>
      Effect.gen(function* () {
        yield* Effect.sleep("1500 millis")
        yield* sim.pause("a")
        const asked = yield* Effect.forkChild(node.run(Effect.sync(() => log.push("asked"))), {
          startImmediately: true
        })
        yield* Effect.sleep("3 seconds")
        assert.deepStrictEqual(log, ["start", "tick 1000"])
        yield* sim.resume("a")
        yield* Effect.sleep("1100 millis")
        assert.notStrictEqual(asked.pollUnsafe(), undefined)
        return [...log].sort()
      })
    )
    assert.deepStrictEqual(log, ["asked", "start", "tick 1000", "tick 4500", "tick 5500"])
  })
})

// ----- Frames -----

/** Sends `count` frames from `a` to `b`, 10 ms apart, each of one byte, and answers which arrived when. */
const sendAll = (
  count: number,
  options: Simulation.Options = {},
  during: (sim: Simulation.Simulation["Service"]) => Effect.Effect<unknown, unknown> = () => Effect.void
) => {
  const scenario = Effect.gen(function* () {
    const sim = yield* Simulation.Simulation
    const arrived: Array<readonly [byte: number, at: number]> = []
    const address = (node: string) => ({ system: "frames", role: "node", node })
    const clock = yield* Clock.Clock
    const join = (node: string) =>
      Effect.flatMap(Transport, (transport) =>
        transport.join(address(node), {
          onFrame: (_, frame) => arrived.push([frame[0]!, clock.currentTimeMillisUnsafe()]),
          onUnreachable: () => {}
        })
      )
    const a = yield* join("a")
    yield* join("b")
    yield* Effect.forkChild(during(sim))
    for (let n = 0; n < count; n++) {
      yield* a.send(address("b"), Uint8Array.of(n))
      yield* Effect.sleep("10 millis")
    }
    yield* Effect.sleep("10 seconds")
    return arrived
  })
  const result = Simulation.run("1", scenario, options)
  const arrived = outcomeOf(result)
  return { ...result, arrived, bytes: arrived.map(([byte]) => byte) }
}

const range = (count: number) => Array.from({ length: count }, (_, n) => n)
const frame = (number: number) => ({ from: "a", to: "b", frame: number })

describe("a link", () => {
  it("carries every frame in order within its latency", () => {
    const { arrived, bytes } = sendAll(50, { network: { latency: "8 millis" } })
    assert.deepStrictEqual(bytes, range(50))
    const delays = arrived.map(([byte, at]) => at - 10 * byte)
    assert.isTrue(delays.every((delay) => delay >= 0 && delay <= 8))
    assert.isAbove(new Set(delays).size, 5)
  })

  it("loses, repeats, delays and reorders the frames of a schedule", () => {
    const of = (fault: Simulation.Fault) => {
      const { arrived, bytes, faults } = sendAll(5, { faults: [fault], network: { latency: 0 } })
      assert.deepStrictEqual(faults, [fault])
      return { bytes, at: arrived.map(([, at]) => at) }
    }
    assert.deepStrictEqual(of({ _tag: "Drop", ...frame(2) }).bytes, [0, 2, 3, 4])
    assert.deepStrictEqual(of({ _tag: "Duplicate", ...frame(2), millis: 15 }).bytes, [0, 1, 2, 1, 3, 4])
    assert.deepStrictEqual(of({ _tag: "Reorder", ...frame(2), millis: 15 }).bytes, [0, 2, 1, 3, 4])
    assert.deepStrictEqual(of({ _tag: "Delay", ...frame(2), millis: 15 }), {
      bytes: [0, 1, 2, 3, 4],
      at: [0, 25, 25, 30, 40]
    })
  })

  it("goes wrong by chance, as often as it is told", () => {
    for (const [kind, tag] of [
      ["drop", "Drop"],
      ["duplicate", "Duplicate"],
      ["delay", "Delay"],
      ["reorder", "Reorder"]
    ] as const) {
      const { faults } = sendAll(250, { faults: { [kind]: 0.2 } })
      assert.isTrue(faults.every(({ _tag }) => _tag === tag))
      assert.isTrue(faults.length > 25 && faults.length < 75, `${faults.length} of ${kind}`)
    }
    assert.lengthOf(sendAll(50, { faults: { drop: 1 } }).bytes, 0)
    assert.throws(() => sendAll(1, { faults: { drop: 2 } }), "expected `faults.drop` from 0 to 1, got: 2")
    assert.throws(() => sendAll(1, { faults: { dorp: 1 } as never }), /expected `faults` to have drop, .* got: "dorp"/)
  })

  it("is cut and healed by the scenario, both ways or one", () => {
    const cut = (from: string, to: string, direction: "both" | "oneWay") =>
      sendAll(10, {}, (sim) =>
        Effect.sleep("25 millis").pipe(
          Effect.andThen(sim.partition(from, to, direction)),
          Effect.andThen(Effect.sleep("40 millis")),
          Effect.andThen(sim.heal)
        )
      ).bytes
    assert.deepStrictEqual(cut("a", "b", "both"), [0, 1, 2, 7, 8, 9])
    assert.deepStrictEqual(cut("b", "a", "both"), [0, 1, 2, 7, 8, 9])
    assert.deepStrictEqual(cut("a", "b", "oneWay"), [0, 1, 2, 7, 8, 9])
    assert.deepStrictEqual(cut("b", "a", "oneWay"), range(10))
  })

  it("is slow for a while", () => {
    const { arrived } = sendAll(6, { network: { latency: 0 } }, (sim) =>
      Effect.andThen(Effect.sleep("25 millis"), sim.slow("a", "b", "200 millis"))
    )
    assert.deepStrictEqual(
      arrived.map(([, at]) => at),
      [0, 10, 20, 230, 240, 250]
    )
    const slowed = { _tag: "SlowLink", from: "a", to: "b", at: 25, millis: 20, latency: 200 } as const
    const scheduled = sendAll(6, { network: { latency: 0 }, faults: [slowed] })
    assert.deepStrictEqual(
      scheduled.arrived.map(([, at]) => at),
      [0, 10, 20, 230, 240, 240]
    )
  })

  it("is cut for a while", () => {
    const partition = { from: "b", to: "a", at: 25, millis: 40 }
    assert.deepStrictEqual(sendAll(10, { faults: [{ _tag: "Partition", ...partition }] }).bytes, [0, 1, 2, 7, 8, 9])
    assert.deepStrictEqual(sendAll(10, { faults: [{ _tag: "PartitionOneWay", ...partition }] }).bytes, range(10))
  })
})

// ----- Exploring -----

describe("explore", () => {
  /** Fails when the third frame from `a` to `b` is lost, and not the first. */
  const fragile = Effect.gen(function* () {
    const transport = yield* Transport
    const address = (node: string) => ({ system: "frames", role: "node", node })
    const seen: Array<number> = []
    const receiver = { onFrame: (_: unknown, frame: Uint8Array) => seen.push(frame[0]!), onUnreachable: () => {} }
    const a = yield* transport.join(address("a"), receiver)
    yield* transport.join(address("b"), receiver)
    for (let n = 1; n <= 20; n++) yield* a.send(address("b"), Uint8Array.of(n))
    yield* Effect.sleep("1 second")
    assert.isFalse(seen.includes(1) && !seen.includes(3), "the third frame was lost")
  })

  it("says what it tried when nothing fails", () => {
    const { faults, millis, runs, steps } = Simulation.explore(cluster, { seeds: 10, faults: { crash: 0.2 } })
    assert.strictEqual(runs, 10)
    assert.isAbove(steps, 100)
    assert.isAbove(millis, 100)
    assert.deepStrictEqual(Object.keys(faults), ["Crash"])
  })

  it("throws the first seed that fails, with the faults it takes and what happened", () => {
    try {
      Simulation.explore(fragile, { seeds: 100, faults: { drop: 0.2, duplicate: 0.2, delay: 0.2 } })
      assert.fail("it did not throw")
    } catch (error) {
      assert.instanceOf(error, Simulation.Failure)
      assert.deepStrictEqual(error.faults, [{ _tag: "Drop", ...frame(3) }])
      assert.match(error.message, /^The scenario fails for seed "\d+": .*the third frame was lost/)
      assert.match(error.message, /\n {2}Drop frame 3 from a to b\n/)
      assert.match(error.message, /\.\d{3} {2}a -> b {2}4 {2}1 bytes\n/)
      const repeated = Simulation.run(error.seed, fragile, { faults: error.faults })
      assert.deepStrictEqual(repeated.trace, error.trace)
    }
  })

  it("takes the seeds it is given", () => {
    const seeds: Array<unknown> = []
    const scenario = Effect.map(Random.next, (number) => void seeds.push(number))
    assert.strictEqual(Simulation.explore(scenario, { seeds: ["a", "b", "a"] }).runs, 3)
    assert.strictEqual(seeds[0], seeds[2])
    assert.notStrictEqual(seeds[0], seeds[1])
  })
})

// ----- What seeds have found -----

describe("the cluster", () => {
  it("keeps its promises for 50 seeds", () => {
    const { faults: injected, runs } = Simulation.explore(Cluster.cluster(), { seeds: 50, faults: Cluster.faults })
    assert.strictEqual(runs, 50)
    assert.lengthOf(Object.keys(injected), Object.keys(Cluster.faults).length)
  })
})

describe("found by simulation", () => {
  const Echo = Actor.make("Echo", [Rpc.make("Echo", { payload: { n: Schema.Int }, success: Schema.Int })])
  const echo = Layer.effectDiscard(
    Effect.flatMap(ActorSystem.ActorSystem, (system) =>
      system.spawn("echo", Echo.behavior({ Echo: ({ n }) => Effect.succeed(n) }))
    )
  )
  const echoOf = (node: string) =>
    Effect.flatMap(ActorSystem.ActorSystem, (system) => system.lookup(Echo, "echo", { at: { node } }))

  // Cluster seeds 1, 26 and 48: a worker's node was slow to be heard of as gone, and its successor was never heard.
  it("a node is heard that takes the place of one whose end nobody knew, though its epoch is the same", () => {
    for (let seed = 0; seed < 20; seed++) {
      const scenario = Effect.gen(function* () {
        const sim = yield* Simulation.Simulation
        const a = yield* sim.node("a", Layer.provideMerge(echo, system("a")))
        const b = yield* sim.node("b", Layer.provideMerge(echo, system("b")))
        const ask = (node: string) => Effect.flatMap(echoOf(node), (ref) => ref.ask.Echo({ n: 7 }))
        assert.strictEqual(yield* a.run(ask("b")), 7)
        assert.strictEqual(yield* b.run(ask("a")), 7)
        yield* sim.crash("b")
        yield* sim.restart("b")
        assert.strictEqual(yield* b.run(ask("a")), 7)
        assert.strictEqual(yield* a.run(ask("b")), 7)
      })
      outcomeOf(Simulation.run(seed, scenario, { network: { departures: "silent" } }))
    }
  })
})

// ----- The contract -----

/** Laws whose staging counts turns, or says who comes first, where the seed decides that. */
const skip = [
  {
    reason: "it names the worker that has joined first",
    laws: [
      "a task's worker answers the client that submitted it, directly, with its value or its typed error",
      "a task goes to the worker with the fewest tasks, of several to the one used longest ago",
      "what waits outside for room starts before what comes later, as soon as a worker is free for it",
      "a worker that is killed ends its tasks in Unknown at once, and its idempotent ones run elsewhere",
      "a worker whose node leaves ends its tasks in Unknown at once, and its idempotent ones run elsewhere",
      "a worker that is stopped lets its tasks end, and is given no other",
      "a worker that does not answer for its task within its lease is not waited for, and is used again when it does",
      "the result of a superseded attempt is discarded and counted, whichever attempt ends first",
      "a task whose answer is lost on its way ends in Unknown for its client, and its load is released",
      "a key is passed on when its task is cancelled, expires, crashes, or its worker is lost",
      "a key stays with its task while that waits to run again",
      "a task does not overtake one of its key that waits outside for room",
      "a task that is to run again keeps its place in line",
      "workers and clients find the balancer that takes the place of one that has ended"
    ]
  },
  {
    reason: "it counts turns or rounds of answers",
    laws: [
      "an unsafe ask that is cancelled does not call back, however deep in a chain of answers it was answered",
      "the time that a request waits for its link counts against its deadline"
    ]
  }
]

describe("SimulatedTransport keeps the contract", () => {
  const options = { network: { latency: 0 }, limit: "365 days" } as const
  for (const { law, skip: reason } of Contract.select({ placements: ["two nodes", "three nodes", "frames"], skip })) {
    const test = reason === undefined ? it : it.skip
    test(Contract.title(law, reason), () => {
      for (const seed of [1, 2, 3, 4, 5]) outcomeOf(Simulation.run(seed, law.effect, options))
    })
  }
})
