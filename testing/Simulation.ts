/**
 * Runs a whole cluster in one call: virtual time, a seeded scheduler, seeded randomness, and a network that loses frames.
 *
 * A scenario is an Effect. It starts nodes from the layers the program has anyway, does things to them, and fails when what it
 * sees is wrong. The same seed gives the same run, byte for byte, on every machine; another seed another one. Nothing is mocked
 * but time, chance, turns and the network, and nothing else may be used: a run is one synchronous call, so a real timer, a
 * promise or real I/O cannot come back into it, and ends it with an error that names the place.
 *
 * A run that fails tells its seed, and which faults it takes: `explore` takes away one after the other, as long as the run
 * still fails.
 */
import { Cause, Console, Context, Deferred, Duration, Effect, Exit, Layer, Logger, Schema, Scope } from "effect"
import { HandOff } from "../core/Node.ts"
import { Transport } from "../core/Transport.ts"
import { Dice, hash } from "./Dice.ts"
import { type Escape, watched } from "./Escapes.ts"
import { type Chances, type Fault, type Odds, oddsOf, show } from "./Fault.ts"
import { Network, type NetworkOptions } from "./SimulatedTransport.ts"
import { Process, Timeline } from "./Timeline.ts"
import { Note, Trace } from "./Trace.ts"

export { type Chance, type Chances, type Fault, show as showFault } from "./Fault.ts"
export type { NetworkOptions } from "./SimulatedTransport.ts"

/** A node cannot do what was asked, because it is not running. */
export class NodeDown extends Schema.TaggedError<NodeDown>()("NodeDown", {
  node: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `Node "${this.node}" is down: ${this.detail}. Restart it, or expect this where the scenario crashes it.`
  }
}

const advice = {
  Escaped: "Use Effect's Clock, Random and fibers there, or a service that the scenario replaces.",
  Deadlock: "Something in the scenario waits for what nobody does any more; the trace says what came last.",
  Endless: "Let the scenario end by itself, or raise `limit` or `steps`."
}

/** The run could not go on. */
export class SimulationError extends Schema.TaggedError<SimulationError>()("SimulationError", {
  reason: Schema.Literals(["Escaped", "Deadlock", "Endless"]),
  detail: Schema.String
}) {
  override get message() {
    return `The simulation stopped (${this.reason}): ${this.detail}. ${advice[this.reason]}`
  }
}

/** A node of the simulation: what the layer it was started with provides, on a machine of its own. */
export interface SimulatedNode<out Provided> {
  readonly name: string
  /** Runs `effect` on the node. It ends with `NodeDown` when the node crashes, or is down. */
  readonly run: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | NodeDown, Exclude<R, Provided | Transport | Scope.Scope>>
}

type Names = string | ReadonlyArray<string>

/** What a scenario can do. */
export class Simulation extends Context.Service<
  Simulation,
  {
    /**
     * Starts a node: builds `layer` on a machine of its own, with the network as its `Transport`. A restart builds it again,
     * from nothing.
     */
    readonly node: <Provided, E, R>(
      name: string,
      layer: Layer.Layer<Provided, E, R>
    ) => Effect.Effect<SimulatedNode<Provided>, E | NodeDown, Exclude<R, Transport>>
    /** Takes a node's power: nothing of it runs any more, no finalizer either. */
    readonly crash: (node: string) => Effect.Effect<void>
    /** Closes a node's layer, as at the end of a program. */
    readonly stop: (node: string) => Effect.Effect<void>
    /** Starts a node anew that crashed or stopped, as another generation. */
    readonly restart: (node: string) => Effect.Effect<void, unknown>
    /** A node stands still, and what reaches it waits. */
    readonly pause: (node: string) => Effect.Effect<void>
    readonly resume: (node: string) => Effect.Effect<void>
    /** Loses all frames between the ones and the others. */
    readonly partition: (ones: Names, others: Names, direction?: "both" | "oneWay") => Effect.Effect<void>
    /** Makes frames take longer. */
    readonly slow: (from: Names, to: Names, latency: Duration.Input) => Effect.Effect<void>
    /** Ends all partitions and slow links. */
    readonly heal: Effect.Effect<void>
    /**
     * Ends all faults, and injects no more: links are open, nodes that stood still go on, those that crashed by chance have
     * started again when this ends. For what must be true in the end.
     */
    readonly calm: Effect.Effect<void>
    /** Writes a line into the trace. */
    readonly note: (text: string) => Effect.Effect<void>
  }
>()("troupe/testing/Simulation") {}

export interface Options {
  /** Faults by chance, or the very faults of an earlier run. Default: none but those of the scenario itself. */
  readonly faults?: Chances | ReadonlyArray<Fault>
  readonly network?: NetworkOptions
  /** The most virtual time that a run may take. Default 1 hour. */
  readonly limit?: Duration.Input
  /** The most turns that a run may take. Default 1 000 000. */
  readonly steps?: number
}

/** What came of one run. */
export interface Result<out A, out E> {
  readonly seed: string
  readonly exit: Exit.Exit<A, E>
  /** The faults that happened. As `faults` of another run, they happen again. */
  readonly faults: ReadonlyArray<Fault>
  /** What happened, line by line. The last line holds a number that differs when anything at all went another way. */
  readonly trace: ReadonlyArray<string>
  /** How many turns there were. */
  readonly steps: number
  /** How much virtual time passed. */
  readonly millis: number
}

/** What every scenario has. */
export type Provided = Simulation | Transport | Scope.Scope

/** A second of virtual time, in which faults of nodes and links are drawn. */
const second = 1000

class Machine {
  readonly name: string
  readonly layer: Layer.Layer<any, any, any>
  readonly outer: Context.Context<never>
  process: Process | undefined
  scope: Scope.Closeable | undefined
  context: Context.Context<never> | undefined
  generation = 0
  /** How the last start went. */
  started = Deferred.makeUnsafe<void, unknown>()
  readonly waiting = new Set<() => void>()

  constructor(name: string, layer: Layer.Layer<any, any, any>, outer: Context.Context<never>) {
    this.name = name
    this.layer = layer
    this.outer = outer
  }

  get isUp(): boolean {
    return this.context !== undefined && this.process?.state === "running"
  }
}

class World {
  readonly seed: string
  readonly timeline: Timeline
  readonly trace: Trace
  readonly network: Network
  readonly injected: Array<Fault> = []
  readonly main: Process
  readonly machines = new Map<string, Machine>()
  readonly chance: Dice
  readonly #limit: number
  readonly #steps: number
  #odds: ReadonlyMap<keyof Chances, Odds> = new Map()
  #drawn = 0
  /** What ends the faults that last, and how. */
  readonly #ends = new Map<Fault, () => void>()
  #isCalm = false
  #escape: Escape | undefined

  constructor(seed: string, { faults = [], limit = "1 hour", network = {}, steps = 1_000_000 }: Options) {
    this.seed = seed
    this.timeline = new Timeline(hash(`${seed} turns`))
    this.chance = new Dice(hash(`${seed} chance`))
    this.trace = new Trace(() => this.timeline.now)
    this.network = new Network(this.timeline, this.trace, seed, this.injected, network)
    this.main = this.#process("scenario")
    this.#limit = Duration.toMillis(limit)
    this.#steps = steps
    if (Array.isArray(faults)) for (const fault of faults as ReadonlyArray<Fault>) this.#schedule(fault)
    else this.#odds = oddsOf(faults as Chances)
    this.network.odds = this.#odds
  }

  #process(name: string): Process {
    return new Process(this.timeline, name, hash(`${this.seed} ${name}`))
  }

  // ----- Running -----

  run<A, E>(effect: Effect.Effect<A, E, Provided>): Exit.Exit<A, E> {
    const own = this.#contextOf(this.main, Context.empty(), undefined) as Context.Context<Transport>
    const context = Context.add(own, Simulation, this.#service)
    return watched(
      () => this.main.currentTimeMillisUnsafe(),
      this.chance,
      (first) => {
        this.#escape ??= first
      },
      () => {
        const fiber = Effect.runForkWith(context)(Effect.scoped(effect))
        for (;;) {
          if (this.#escape !== undefined) {
            const { what, where } = this.#escape
            return this.#stopped("Escaped", `${what} began at ${where}, and is not the simulation's`)
          }
          const exit = fiber.pollUnsafe()
          if (exit !== undefined) return exit
          if (this.timeline.step()) {
            if (this.timeline.steps > this.#steps) {
              return this.#stopped("Endless", `it has not ended after ${this.#steps} turns`)
            }
            continue
          }
          const next = this.timeline.next
          if (next === undefined) {
            return this.#stopped("Deadlock", `nothing is left to run and no timer is set${this.#whoIsDown()}`)
          }
          if (next > this.#limit) {
            return this.#stopped("Endless", `it has not ended after ${this.#limit} ms of virtual time`)
          }
          if (this.#odds.size > 0 && this.#drawn <= next) this.#draw()
          else this.timeline.advance()
        }
      }
    )
  }

  #stopped(reason: SimulationError["reason"], detail: string): Exit.Exit<never> {
    return Exit.die(new SimulationError({ reason, detail }))
  }

  #whoIsDown(): string {
    const down = [...this.machines.values()].filter((machine) => !machine.isUp).map(({ name }) => `"${name}"`)
    return down.length === 0 ? "" : `, while ${down.join(", ")} ${down.length === 1 ? "is" : "are"} not running`
  }

  /** What runs in a process has its time, chance and turns, and what it says goes into the trace. */
  #contextOf(process: Process, outer: Context.Context<never>, host: string | undefined): Context.Context<never> {
    const say = (level: string, parts: ReadonlyArray<unknown>) =>
      this.trace.write(`${process.name}: ${level}${parts.map(textOf).join(" ")}`)
    const logger = Logger.make(({ cause, logLevel, message }) => {
      const failure = cause.reasons.length === 0 ? [] : [Cause.squash(cause)]
      say(`[${logLevel}] `, [...[message].flat(), ...failure])
    })
    const print = (...parts: ReadonlyArray<unknown>) => say("", parts)
    const console = new Proxy(globalThis.console, { get: () => print }) as Console.Console
    return outer.pipe(
      Context.merge(process.context),
      Context.add(Transport, this.network.transport(process, host)),
      Context.add(Logger.CurrentLoggers, new Set([logger])),
      Context.add(Console.Console, console),
      Context.add(Note, (text: string) => this.trace.write(`${process.name}: ${text}`)),
      Context.add(HandOff, false)
    )
  }

  // ----- Nodes -----

  machine(name: string): Machine {
    const machine = this.machines.get(name)
    if (machine === undefined) {
      const known = [...this.machines.keys()].join(", ") || "none yet"
      throw new Error(`expected the name of a node, got: "${name}". The nodes are: ${known}`)
    }
    return machine
  }

  /** Runs `effect` in a node's process, for the scenario to wait for. */
  #inside<A, E>(
    machine: Machine,
    process: Process,
    context: Context.Context<never>,
    effect: Effect.Effect<A, E, any>
  ): Effect.Effect<A, E | NodeDown> {
    return Effect.callback<A, E | NodeDown>((resume) => {
      // The scenario goes on in a turn of its own.
      const post = (result: Effect.Effect<A, E | NodeDown>) => {
        if (machine.waiting.delete(onCrash)) this.main.arrivals.scheduleTask(() => resume(result))
      }
      const onCrash = () => post(Effect.fail(new NodeDown({ node: machine.name, detail: "it crashed meanwhile" })))
      machine.waiting.add(onCrash)
      let interrupt = () => {
        machine.waiting.delete(onCrash)
      }
      process.arrivals.scheduleTask(() => {
        if (!machine.waiting.has(onCrash)) return
        const fiber = Effect.runForkWith(context)(effect as Effect.Effect<A, E>)
        interrupt = () => process.arrivals.scheduleTask(() => fiber.interruptUnsafe())
        fiber.addObserver((exit) => post(exit))
      })
      return Effect.sync(() => interrupt())
    })
  }

  start(machine: Machine): Effect.Effect<void, any> {
    return Effect.suspend(() => {
      if (machine.process !== undefined) return Deferred.await(machine.started)
      const started = Deferred.makeUnsafe<void, unknown>()
      machine.started = started
      machine.generation += 1
      this.trace.write(`${machine.name} starts, generation ${machine.generation}`)
      const process = new Process(
        this.timeline,
        machine.name,
        hash(`${this.seed} ${machine.name} ${machine.generation}`)
      )
      const scope = Scope.makeUnsafe()
      const outer = Context.omit(Simulation)(machine.outer as Context.Context<any>)
      const services = Context.add(
        this.#contextOf(process, outer, machine.name),
        Scope.Scope,
        scope
      ) as Context.Context<never>
      machine.process = process
      machine.scope = scope
      const built = Layer.buildWithMemoMap(machine.layer, Layer.makeMemoMapUnsafe(), scope)
      return this.#inside(machine, process, services, built).pipe(
        Effect.tap((provided) =>
          Effect.sync(() => {
            if (machine.process === process) machine.context = Context.merge(services, provided)
          })
        ),
        Effect.tapCause(() => Effect.sync(() => this.#end(machine, process, "did not start"))),
        Effect.asVoid,
        Effect.onExit((exit) => Deferred.done(started, exit))
      )
    })
  }

  /** Nothing of the process runs any more. */
  #end(machine: Machine, process: Process, how: string): void {
    if (machine.process !== process) return
    this.trace.write(`${machine.name} ${how}`)
    process.kill()
    machine.process = undefined
    machine.context = undefined
    machine.scope = undefined
    this.network.vanish(process)
    for (const onCrash of [...machine.waiting]) onCrash()
  }

  crash(machine: Machine): void {
    if (machine.process !== undefined) this.#end(machine, machine.process, "crashes")
  }

  stop(machine: Machine): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { context, process, scope } = machine
      if (process === undefined || scope === undefined) return Effect.void
      this.trace.write(`${machine.name} stops`)
      return this.#inside(machine, process, context ?? process.context, Scope.close(scope, Exit.void)).pipe(
        Effect.ignore,
        Effect.andThen(Effect.sync(() => this.#end(machine, process, "has stopped")))
      )
    })
  }

  pause(machine: Machine): void {
    this.trace.write(`${machine.name} is paused`)
    machine.process?.pause()
  }

  resume(machine: Machine): void {
    this.trace.write(`${machine.name} goes on`)
    machine.process?.resume()
  }

  // ----- Faults that last -----

  #schedule(fault: Fault): void {
    if ("frame" in fault) this.network.scheduled.set(`${fault.from}>${fault.to} ${fault.frame}`, fault)
    else this.timeline.first(fault.at, () => this.#inject(fault))
  }

  /** Draws the faults of the next second. */
  #draw(): void {
    const at = this.#drawn
    this.#drawn += second
    if (this.#isCalm) return
    const names = [...this.machines.keys()]
    const drawn = (kind: keyof Chances, subject: string, make: (at: number, millis: number, dice: Dice) => Fault) => {
      const odds = this.#odds.get(kind)
      if (odds === undefined) return
      const dice = new Dice(hash(`${this.seed} ${kind} ${subject} ${at}`))
      if (dice.next() >= odds.chance) return
      this.#schedule(make(at + dice.below(second), 1 + Math.floor(odds.upTo * dice.next()), dice))
    }
    for (const node of names) {
      drawn("crash", node, (at, millis) => ({ _tag: "Crash", node, at, millis }))
      drawn("pause", node, (at, millis) => ({ _tag: "Pause", node, at, millis }))
      for (const other of names) {
        if (other === node) continue
        const between = { from: node, to: other }
        const subject = `${node} ${other}`
        if (node < other) drawn("partition", subject, (at, millis) => ({ _tag: "Partition", ...between, at, millis }))
        drawn("partitionOneWay", subject, (at, millis) => ({ _tag: "PartitionOneWay", ...between, at, millis }))
        drawn("slowLink", subject, (at, millis, dice) => {
          const latency = 1 + dice.below(slowest)
          return { _tag: "SlowLink", ...between, at, millis, latency }
        })
      }
    }
  }

  #inject(fault: Exclude<Fault, { readonly frame: number }>): void {
    if (this.#isCalm) return
    const end = this.#begin(fault)
    if (end === undefined) return
    this.injected.push(fault)
    this.#ends.set(fault, end)
    this.timeline.at(this.timeline.now + fault.millis, undefined, () => this.#over(fault))
  }

  #over(fault: Fault): void {
    const end = this.#ends.get(fault)
    if (!this.#ends.delete(fault)) return
    end!()
  }

  /** Lets a fault begin, and answers how it ends; nothing where it makes no difference. */
  #begin(fault: Exclude<Fault, { readonly frame: number }>): (() => void) | undefined {
    if (fault._tag === "Pause" || fault._tag === "Crash") {
      const machine = this.machines.get(fault.node)
      if (!machine?.isUp) return undefined
      this.trace.write(`fault: ${show(fault)}`)
      if (fault._tag === "Crash") {
        this.crash(machine)
        return () =>
          this.main.arrivals.scheduleTask(() => Effect.runForkWith(this.main.context)(this.#startAgain(machine)))
      }
      const { process } = machine
      process!.pause()
      return () => {
        this.trace.write(`${machine.name} goes on`)
        process!.resume()
      }
    }
    this.trace.write(`fault: ${show(fault)}`)
    const way = this.network.way(fault.from, fault.to)
    if (fault._tag === "SlowLink") {
      way.slowed.set(fault, fault.latency)
      return () => way.slowed.delete(fault)
    }
    const ways = fault._tag === "Partition" ? [way, this.network.way(fault.to, fault.from)] : [way]
    for (const each of ways) each.cuts.add(fault)
    return () => {
      this.trace.write(`${fault.from} and ${fault.to} can hear each other again`)
      for (const each of ways) each.cuts.delete(fault)
    }
  }

  #startAgain(machine: Machine): Effect.Effect<void> {
    return Effect.catchCause(this.start(machine), (cause) =>
      Effect.sync(() => this.trace.write(`${machine.name}: ${textOf(Cause.squash(cause))}`))
    )
  }

  readonly #calm: Effect.Effect<void> = Effect.suspend(() => {
    this.#isCalm = true
    this.network.odds = new Map()
    this.network.scheduled.clear()
    this.trace.write("no more faults")
    const down = [...this.#ends.keys()].flatMap((fault) => (fault._tag === "Crash" ? [this.machine(fault.node)] : []))
    for (const fault of [...this.#ends.keys()]) {
      if (fault._tag === "Crash") this.#ends.delete(fault)
      else this.#over(fault)
    }
    this.network.mend()
    for (const machine of this.machines.values()) machine.process?.resume()
    return Effect.forEach(down, (machine) => this.#startAgain(machine), { concurrency: "unbounded", discard: true })
  })

  // ----- What the scenario has -----

  #waysOf(ones: Names, others: Names) {
    return [ones].flat().flatMap((one) => [others].flat().map((other) => this.network.way(one, other)))
  }

  readonly #act =
    (act: (machine: Machine) => void) =>
    (name: string): Effect.Effect<void> =>
      Effect.sync(() => act(this.machine(name)))

  readonly #service: Simulation["Service"] = Simulation.of({
    node: (name, layer) =>
      Effect.contextWith((outer: Context.Context<never>) => {
        if (this.machines.has(name)) throw new Error(`expected a name that no other node has, got: "${name}"`)
        const machine = new Machine(name, layer, outer)
        this.machines.set(name, machine)
        const isDown = () => new NodeDown({ node: name, detail: "it is not running" })
        const run = (effect: Effect.Effect<any, any, any>): Effect.Effect<any, any> =>
          Effect.suspend(() => {
            const { context, process, started } = machine
            if (process === undefined) return Effect.fail(isDown())
            if (context !== undefined) return this.#inside(machine, process, context, Effect.scoped(effect))
            return Effect.andThen(Effect.mapError(Deferred.await(started), isDown), run(effect))
          })
        return Effect.as(this.start(machine), { name, run } as SimulatedNode<any>)
      }) as never,
    crash: this.#act((machine) => this.crash(machine)),
    stop: (name) => Effect.suspend(() => this.stop(this.machine(name))),
    restart: (name) => Effect.suspend(() => this.start(this.machine(name))),
    pause: this.#act((machine) => this.pause(machine)),
    resume: this.#act((machine) => this.resume(machine)),
    partition: (ones, others, direction = "both") =>
      Effect.sync(() => {
        const names = [ones, others].map((side) => [side].flat().join(", "))
        this.trace.write(`${names.join(direction === "both" ? " <-/-> " : " -/-> ")}: partition`)
        for (const way of this.#waysOf(ones, others)) way.cuts.add("scenario")
        if (direction === "both") for (const way of this.#waysOf(others, ones)) way.cuts.add("scenario")
      }),
    slow: (from, to, latency) =>
      Effect.sync(() => {
        for (const way of this.#waysOf(from, to)) way.slowed.set("scenario", Duration.toMillis(latency))
      }),
    heal: Effect.sync(() => {
      this.trace.write("all links are open")
      this.network.mend()
    }),
    calm: this.#calm,
    note: (text) => Effect.sync(() => this.trace.write(text))
  })
}

/** The most that a slow link adds to a frame's way. */
const slowest = 500

const textOf = (part: unknown): string => (part instanceof Error ? `${part.name}: ${part.message}` : String(part))

/** The same without its full stop. */
const sentenceOf = (part: unknown): string => textOf(part).replace(/\.$/, "")

/** Runs a scenario once, to its end, and answers what came of it. The same seed answers the same. */
export const run = <A, E>(
  seed: string | number,
  scenario: Effect.Effect<A, E, Provided>,
  options: Options = {}
): Result<A, E> => {
  const world = new World(String(seed), options)
  const exit = world.run(scenario)
  const { digest, now, steps } = world.timeline
  return {
    seed: world.seed,
    exit,
    faults: world.injected,
    get trace() {
      const end = Exit.isSuccess(exit) ? "ended" : `failed: ${sentenceOf(Cause.squash(exit.cause))}`
      const last = `${now.toFixed(3).padStart(11)}  ${end}, after ${steps} turns [${(digest >>> 0).toString(16)}]`
      return [...world.trace.lines, last]
    },
    steps,
    millis: now
  }
}

export interface ExploreOptions extends Options {
  /** How many seeds, `0`, `1`, ..., or which. */
  readonly seeds: number | Iterable<string | number>
}

export interface Report {
  readonly runs: number
  readonly steps: number
  /** Virtual time of all runs together. */
  readonly millis: number
  /** How many faults of each kind happened. */
  readonly faults: Readonly<Record<string, number>>
}

/** A seed for which the scenario fails. */
export class Failure extends Schema.TaggedError<Failure>()("SimulationFailure", {
  seed: Schema.String,
  /** As few faults as it takes. As `faults` of a run with the same seed, they repeat it. */
  faults: Schema.Array(Schema.Any),
  trace: Schema.Array(Schema.String),
  cause: Schema.Defect()
}) {
  override get message() {
    const faults = (this.faults as ReadonlyArray<Fault>).map((fault) => `\n  ${show(fault)}`).join("")
    const tail = this.trace.slice(-shown)
    const before = this.trace.length - tail.length
    return (
      `The scenario fails for seed "${this.seed}": ${sentenceOf(this.cause)}.\n` +
      `It takes ${this.faults.length === 0 ? "no faults" : `these faults:${faults}`}\n` +
      `What happened${before === 0 ? "" : `, without the first ${before} lines`}:\n${tail.join("\n")}\n` +
      `Repeat it with Simulation.run(seed, scenario, { faults }), with the seed and the faults of this error.`
    )
  }
}

/** How many lines of a trace a message shows. */
const shown = 60
/** How many runs it may take to find the faults that matter. */
const shrinkRuns = 500

/** The fewest faults with which the run still fails, one after the other left out. */
const shrink = (faults: ReadonlyArray<Fault>, fails: (faults: ReadonlyArray<Fault>) => boolean) => {
  let least = faults
  let runs = 0
  for (let size = least.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < least.length && runs < shrinkRuns; ) {
      const fewer = [...least.slice(0, from), ...least.slice(from + size)]
      runs += 1
      if (fails(fewer)) least = fewer
      else from += size
    }
  }
  return least
}

/**
 * Runs a scenario for many seeds. Throws a `Failure` for the first seed that fails, with the fewest faults for which it still
 * does; answers what was tried otherwise.
 */
export const explore = <A, E>(scenario: Effect.Effect<A, E, Provided>, options: ExploreOptions): Report => {
  const { seeds, ...rest } = options
  const all = typeof seeds === "number" ? Array.from({ length: seeds }, (_, seed) => seed) : seeds
  const kinds: Record<string, number> = {}
  let runs = 0
  let steps = 0
  let millis = 0
  for (const seed of all) {
    const result = run(seed, scenario, rest)
    runs += 1
    steps += result.steps
    millis += result.millis
    for (const { _tag } of result.faults) kinds[_tag] = (kinds[_tag] ?? 0) + 1
    if (Exit.isSuccess(result.exit)) continue
    const again = (faults: ReadonlyArray<Fault>) => run(seed, scenario, { ...rest, faults })
    const faults = shrink(result.faults, (fewer) => Exit.isFailure(again(fewer).exit))
    const least = again(faults)
    // What came by chance and is now scheduled may come in another order at the very same time.
    const shownRun = Exit.isFailure(least.exit) ? least : result
    throw new Failure({
      seed: String(seed),
      faults: shownRun.faults,
      trace: shownRun.trace,
      cause: Cause.squash((shownRun.exit as Exit.Failure<A, E>).cause)
    })
  }
  return { runs, steps, millis, faults: kinds }
}
