/**
 * What a law of the contract is, and the stage it is played on.
 *
 * A law names a clause of the contract and says one sentence of it; its effect fails when the sentence does not hold. It
 * needs a Transport and nothing else, and knows neither the carrier nor the test runner. Laws about actors are played in
 * two placements: the asker beside the actor on one node, or on a node of its own. Each is played with the real ledger,
 * which must be in balance when the law is over.
 *
 * Laws wait for entries in a journal, for answers and for the ends of fibers, never for time to pass; where time is the
 * subject they move it with `Time`.
 */
import assert from "node:assert/strict"
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Logger,
  Option,
  Random,
  Schema,
  Scope,
  Stream
} from "effect"
import { Actor, ActorError, ActorRef, ActorSystem, type DeadLetter, Ledger, type Protocol } from "../core/index.ts"
import { type Connection, type NodeAddress, Transport, TransportError } from "../core/Transport.ts"

/** How a law is staged. `frames` laws are about the carrier itself, without actors. */
export type Placement = "one node" | "two nodes" | "three nodes" | "frames"

/**
 * What a law needs of a carrier beyond the least that Transport asks for:
 * - `names`: `nodes` names the others, so that a lookup need not be told where;
 * - `absence`: a send to an address nobody listens at is refused at once;
 * - `departure`: the carrier says by itself that a node left.
 */
export type Need = "names" | "absence" | "departure"

/** One sentence of the contract that can be tested. */
export interface Law {
  readonly clause: string
  /** A sentence in the present tense. Unique with its placement. */
  readonly name: string
  readonly placement: Placement
  readonly needs: ReadonlyArray<Need>
  /** How the messages of one node may travel for the law to make sense. */
  readonly local: ReadonlyArray<"encoded" | "by-reference">
  /** It takes longer than 6 seconds of time: worth a test clock. */
  readonly slow: boolean
  /** It is about what the ledger counts. */
  readonly counts: boolean
  readonly effect: Effect.Effect<void, unknown, Transport>
}

/** How the messages of one node travel in the laws that run inside. */
export const Local = Context.Reference<"encoded" | "by-reference">("troupe/testing/Local", {
  defaultValue: () => "encoded"
})

/** Whether an ask of an idle actor of the same node may be handled in the asker's turn: a seam, for tests of both ways. */
export { HandOff } from "../core/Node.ts"

/** Logs nothing: actors that crash on purpose have nothing to say. */
export const silently = Effect.provideService(Logger.CurrentLoggers, new Set())

/**
 * Whether the laws run with the real ledger. Without it they prove the shorter way that a plain tell then takes; laws about
 * what is counted make no sense then.
 */
export const Counting = Context.Reference<boolean>("troupe/testing/Counting", { defaultValue: () => true })

/** How the laws let time pass. The default is real time; under a TestClock provide one that adjusts it. */
export const Time: Context.Reference<{
  /** Lets `duration` pass. */
  readonly elapse: (duration: Duration.Input) => Effect.Effect<void>
}> = Context.Reference("troupe/testing/Time", { defaultValue: () => ({ elapse: Effect.sleep }) })

export const elapse = (duration: Duration.Input): Effect.Effect<void> =>
  Effect.flatMap(Time, (time) => time.elapse(duration))

/** Lets time pass until `effect` ends, at most `duration`. */
export const within = <A, E, R>(duration: Duration.Input, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* start(effect)
    const step = Duration.toMillis(duration) / 50
    for (let steps = 0; steps < 50; steps++) {
      if (fiber.pollUnsafe() !== undefined) return yield* Fiber.join(fiber)
      yield* elapse(step)
    }
    const exit = fiber.pollUnsafe()
    if (exit === undefined) {
      yield* Fiber.interrupt(fiber)
      return assert.fail(`it did not end within ${Duration.toMillis(duration)} ms`)
    }
    return yield* exit
  })

/** Starts `effect` beside the law; what it does at once is done when this succeeds. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, { startImmediately: true })

/** Subscribes to a node's events; what it answers waits for the first one of which `test` is true. */
export const event = (
  system: ActorSystem.System,
  test: (event: ActorSystem.Event) => boolean
): Effect.Effect<Effect.Effect<ActorSystem.Event>> =>
  Effect.map(start(Stream.runHead(Stream.filter(system.events, test))), (fiber) =>
    Effect.map(Fiber.join(fiber), Option.getOrThrow)
  )

// ----- The journal -----

/** What happened, in order, as the actors of a law note it; and gates at which they wait for the law. */
export class Journal {
  readonly entries: Array<string> = []
  readonly #expected = new Map<string, Deferred.Deferred<void>>()
  readonly #gates = new Map<string, Deferred.Deferred<void>>()

  write(entry: string): void {
    this.entries.push(entry)
    const expected = this.#expected.get(entry)
    if (expected !== undefined) Deferred.doneUnsafe(expected, Exit.void)
  }

  note(entry: string): Effect.Effect<void> {
    return Effect.sync(() => this.write(entry))
  }

  /** Waits until `entry` has been written. */
  seen(entry: string): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.entries.includes(entry) ? Effect.void : Deferred.await(at(this.#expected, entry))
    )
  }

  /** Waits at a gate until it is opened. */
  wait(gate: string): Effect.Effect<void> {
    return Effect.suspend(() => Deferred.await(at(this.#gates, gate)))
  }

  open(...gates: ReadonlyArray<string>): Effect.Effect<void> {
    return Effect.sync(() => {
      for (const gate of gates) Deferred.doneUnsafe(at(this.#gates, gate), Exit.void)
    })
  }

  /** Forgets what was written. */
  clear(): void {
    this.entries.length = 0
    this.#expected.clear()
  }

  count(entry: string): number {
    return this.entries.filter((other) => other === entry).length
  }

  indexOf(entry: string): number {
    const index = this.entries.indexOf(entry)
    assert(index >= 0, `"${entry}" is not in the journal: ${this.entries.join(", ")}`)
    return index
  }

  /** The entries that begin so. */
  of(prefix: string): ReadonlyArray<string> {
    return this.entries.filter((entry) => entry.startsWith(prefix))
  }

  /** Asserts that these entries stand in the journal in this order, whatever is between them. */
  inOrder(...entries: ReadonlyArray<string>): void {
    assert.deepEqual(
      [...entries].sort((a, b) => this.indexOf(a) - this.indexOf(b)),
      entries
    )
  }
}

const at = (map: Map<string, Deferred.Deferred<void>>, key: string) => {
  let deferred = map.get(key)
  if (deferred === undefined) {
    deferred = Deferred.makeUnsafe<void>()
    map.set(key, deferred)
  }
  return deferred
}

// ----- The wire -----

/** A frame that is about to be handed to the carrier. */
interface Sending {
  readonly from: string
  readonly to: string
  readonly kind: string
  readonly text: string
}

/** What may be done to frames between the nodes of a stage, on any carrier. */
export interface Wire {
  /** What becomes of a frame: an Effect runs before it is carried; `refuse` is the carrier's own refusal. */
  onSend: (sending: Sending) => "carry" | "lose" | "twice" | "refuse" | Effect.Effect<void>
  /** A smaller limit than the carrier's own. */
  maxFrameBytes: number
  /** Every frame that was handed to the carrier. */
  readonly sent: Array<Sending>
  /** Tells a node that the carrier knows another to be gone. */
  readonly unreachable: (told: string, gone: string) => void
}

const text = new TextDecoder()
const kindOf = (frame: string) => /^\[\d+,"(\w+)"/.exec(frame)?.[1] ?? "?"

/** A wire, and what puts it between a transport and the nodes that join it. */
export const makeWire = (): {
  readonly wire: Wire
  readonly over: (transport: Transport["Service"]) => Transport["Service"]
} => {
  const receivers = new Map<string, (gone: string) => void>()
  const wire: Wire = {
    onSend: () => "carry",
    maxFrameBytes: Number.POSITIVE_INFINITY,
    sent: [],
    unreachable: (told, gone) => receivers.get(told)!(gone)
  }
  const over = (transport: Transport["Service"]): Transport["Service"] => ({
    join: (self, receiver) => {
      receivers.set(self.node, (gone) => receiver.onUnreachable({ ...self, node: gone }, "the law says so"))
      return Effect.map(transport.join(self, receiver), (connection) => tapped(connection, self))
    }
  })
  const tapped = (connection: Connection, self: NodeAddress): Connection => ({
    get maxFrameBytes() {
      return Math.min(wire.maxFrameBytes, connection.maxFrameBytes)
    },
    nodes: connection.nodes,
    send: (to, frame) => {
      const content = text.decode(frame)
      const sending = { from: self.node, to: to.node, kind: kindOf(content), text: content }
      if (frame.length > wire.maxFrameBytes) {
        const detail = `the frame has ${frame.length} bytes, and at most ${wire.maxFrameBytes} are carried`
        return Effect.fail(new TransportError({ reason: "FrameTooLarge", node: to.node, detail }))
      }
      const fate = wire.onSend(sending)
      if (fate === "lose") return Effect.void
      if (fate === "refuse") {
        return Effect.fail(new TransportError({ reason: "Unreachable", node: to.node, detail: "the law says so" }))
      }
      wire.sent.push(sending)
      if (fate === "carry") return connection.send(to, frame)
      const again = Effect.suspend(() => connection.send(to, frame))
      if (fate === "twice") return Effect.andThen(connection.send(to, frame), again)
      return Effect.andThen(
        fate,
        Effect.suspend(() => connection.send(to, frame))
      )
    }
  })
  return { wire, over }
}

// ----- The stage -----

/** A node of a stage. */
export interface Member {
  readonly system: ActorSystem.System
  readonly node: string
  /** Closes the node's Scope. */
  readonly leave: Effect.Effect<void>
}

export interface Stage {
  readonly placement: Placement
  readonly local: "encoded" | "by-reference"
  readonly journal: Journal
  /** What was logged by anybody. */
  readonly logs: Array<{ readonly level: string; readonly message: string }>
  readonly wire: Wire
  /** Where the refs of the law send from. */
  readonly asker: Member
  /** Where the law's actors live. */
  readonly callee: Member
  /** Makes another node. */
  readonly join: (node: string, clockOffsetMillis?: number) => Effect.Effect<Member>
  /** Starts an actor at the callee's node and answers the ref of it that the asker's node has. */
  readonly spawn: <Rs extends Protocol.Any, E>(
    actor: Actor.Actor<Rs>,
    behavior: Actor.Behavior<Rs, E, any>,
    name?: string
  ) => Effect.Effect<ActorRef.ActorRef<Rs>>
  /** Waits until all that the asker's node sent has arrived at the callee's. */
  readonly arrived: Effect.Effect<void>
  /** Waits until nothing moves on any node and between them. */
  readonly quiet: Effect.Effect<void>
  /** For laws that say so with `counts`. */
  readonly ledger: Effect.Effect<Ledger.Snapshot>
}

const Nobody = Actor.make("Nobody", [])

const makeStage = (placement: Placement, scope: Scope.Scope) =>
  Effect.gen(function* () {
    const name = `law-${(yield* Random.nextIntBetween(0, 36 ** 8)).toString(36)}`
    const local = yield* Local
    const ledger = yield* Ledger.Ledger
    const logs: Array<{ level: string; message: string }> = []
    const logger = Logger.make(({ logLevel, message }) => {
      logs.push({ level: logLevel, message: [message].flat().map(String).join(" ") })
    })
    const { over, wire } = makeWire()
    const transport = over(yield* Transport)
    const living = new Set<Member>()

    const join = (node: string, clockOffsetMillis = 0): Effect.Effect<Member> =>
      Effect.gen(function* () {
        const own = yield* Scope.fork(scope)
        const clock = yield* Clock.Clock
        const system = yield* ActorSystem.make({ name, node, local }).pipe(
          Effect.orDie,
          Effect.provideService(Transport, transport),
          Effect.provideService(Scope.Scope, own),
          Effect.provideService(Logger.CurrentLoggers, new Set([logger])),
          Effect.provideService(Clock.Clock, clockOffsetMillis === 0 ? clock : shifted(clock, clockOffsetMillis))
        )
        const member: Member = {
          system,
          node,
          leave: Effect.suspend(() => {
            living.delete(member)
            return Scope.close(own, Exit.void)
          })
        }
        living.add(member)
        return member
      })

    const callee = yield* join("home")
    const asker = placement === "one node" ? callee : yield* join("away")

    // A lookup goes behind all that was sent on its link before, and comes back behind all that was answered.
    const touch = Effect.suspend(() =>
      Effect.forEach([...living], (from) =>
        Effect.forEach([...living], (to) =>
          from === to ? Effect.void : Effect.ignore(from.system.lookup(Nobody, "nobody", { at: to.system.id }))
        )
      )
    )
    const arrived = Effect.suspend(() =>
      asker === callee ? Effect.void : Effect.ignore(asker.system.lookup(Nobody, "nobody", { at: callee.system.id }))
    )
    const rest = Effect.suspend(() => Effect.forEach([...living], (member) => member.system.idle))
    const round = Effect.andThen(touch, rest)
    // As many rounds as a chain of answers has hops.
    const quiet = Effect.andThen(rest, Effect.repeat(round, { times: living.size > 1 ? 3 : 0 })).pipe(Effect.asVoid)

    const spawn: Stage["spawn"] = (actor, behavior, path = "subject") =>
      Effect.gen(function* () {
        const ref = yield* callee.system.spawn(path, behavior)
        return asker === callee ? ref : yield* asker.system.lookup(actor, path, { at: callee.system.id })
      }).pipe(Effect.orDie) as never

    const stage: Stage = {
      placement,
      local,
      journal: new Journal(),
      logs,
      wire,
      asker,
      callee,
      join,
      spawn,
      arrived,
      quiet,
      ledger: ledger.snapshot
    }
    return stage
  })

/** The clock of a machine that is set differently. */
const shifted = (clock: Clock.Clock, millis: number): Clock.Clock => {
  const ms = () => clock.currentTimeMillisUnsafe() + millis
  const ns = () => clock.currentTimeNanosUnsafe() + BigInt(millis) * 1_000_000n
  return {
    currentTimeMillisUnsafe: ms,
    currentTimeMillis: Effect.sync(ms),
    currentTimeNanosUnsafe: ns,
    currentTimeNanos: Effect.sync(ns),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
}

/** Asserts that every accepted message is in one state and every ask has ended, once. */
const balanced = (snapshot: Ledger.Snapshot): void => {
  assert.deepEqual(snapshot.faults, [], "the ledger found something that ended twice")
  assert.equal(snapshot.pending, 0, "accepted messages have not ended")
  assert.equal(snapshot.open, 0, "asks have not ended")
  const sum = Ledger.outcomes.reduce((sum, outcome) => sum + snapshot[outcome], 0)
  assert.equal(sum, snapshot.accepted, "the outcomes do not add up to the accepted messages")
}

export interface LawOptions {
  readonly needs?: ReadonlyArray<Need>
  /** Default: both. */
  readonly local?: ReadonlyArray<"encoded" | "by-reference">
  readonly slow?: boolean
  readonly counts?: boolean
  /** What `quiet` waits for cannot come: a node is cut off, or something was left running. The ledger is asked at the end. */
  readonly restless?: boolean
}

/** Makes a law for each of its placements. */
export const law = (
  clause: string,
  placements: Placement | ReadonlyArray<Placement>,
  name: string,
  play: (stage: Stage) => Effect.Effect<unknown, unknown, Scope.Scope | Transport>,
  { counts = false, local = ["encoded", "by-reference"], needs = [], restless = false, slow = false }: LawOptions = {}
): ReadonlyArray<Law> =>
  [placements].flat().map((placement) => {
    const effect = Effect.gen(function* () {
      const scope = yield* Scope.make()
      const exit = yield* Effect.gen(function* () {
        const stage = yield* makeStage(placement, scope)
        yield* Effect.scoped(play(stage))
        if (restless) return
        yield* stage.quiet
        balanced(yield* stage.ledger)
      }).pipe(Effect.exit)
      yield* Scope.close(scope, Exit.void)
      yield* exit
      balanced(yield* (yield* Ledger.Ledger).snapshot)
    })
    return {
      clause,
      name,
      placement,
      needs,
      local,
      slow,
      counts,
      effect: Effect.flatMap(Counting, (counting) =>
        counting ? Effect.provideService(effect, Ledger.Ledger, Ledger.make()) : effect
      )
    }
  })

/** A law about the carrier itself. */
export const carrierLaw = (
  clause: string,
  name: string,
  play: Effect.Effect<unknown, unknown, Scope.Scope | Transport>,
  { needs = [] }: Pick<LawOptions, "needs"> = {}
): ReadonlyArray<Law> => [
  {
    clause,
    name,
    placement: "frames",
    needs,
    local: ["encoded"],
    slow: false,
    counts: false,
    effect: Effect.asVoid(Effect.scoped(play))
  }
]

/** Both placements of a law about one asker and one actor. */
export const anywhere: ReadonlyArray<Placement> = ["one node", "two nodes"]

// ----- What asks end in -----

/** Asserts that `effect` fails with `NotExecuted` for this reason, and answers the reason. */
export const notExecuted = <T extends ActorError.NotExecutedReason["_tag"], A, E, R>(
  effect: Effect.Effect<A, E, R>,
  tag: T
): Effect.Effect<Extract<ActorError.NotExecutedReason, { readonly _tag: T }>, never, R> =>
  Effect.map(Effect.exit(effect), (exit) => reasonOf(exit, ActorError.NotExecuted, tag) as never)

/** Asserts that `effect` fails with `Unknown` for this reason, and answers the reason. */
export const unknown = <T extends ActorError.UnknownReason["_tag"], A, E, R>(
  effect: Effect.Effect<A, E, R>,
  tag: T
): Effect.Effect<Extract<ActorError.UnknownReason, { readonly _tag: T }>, never, R> =>
  Effect.map(Effect.exit(effect), (exit) => reasonOf(exit, ActorError.Unknown, tag) as never)

const reasonOf = (
  exit: Exit.Exit<unknown, unknown>,
  Class: typeof ActorError.NotExecuted | typeof ActorError.Unknown,
  tag: string
) => {
  const error = errorOf(exit)
  assert(error instanceof Class, `expected ${Class.name}(${tag}), got: ${show(exit)}`)
  assert.equal(error.reason._tag, tag, `expected ${Class.name}(${tag}), got: ${show(exit)}`)
  return error.reason
}

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  if (Exit.isSuccess(exit)) return undefined
  const reason = exit.cause.reasons.find((reason) => reason._tag === "Fail")
  return reason?.error
}

const show = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return `success ${JSON.stringify(exit.value)}`
  const error = errorOf(exit)
  if (error instanceof ActorError.NotExecuted || error instanceof ActorError.Unknown) {
    return `${error._tag}(${error.reason._tag}): ${error.message}`
  }
  return String(exit.cause)
}

/** Asserts that the fiber has not ended yet. */
export const pending = (fiber: Fiber.Fiber<unknown, unknown>): void => {
  const exit = fiber.pollUnsafe()
  assert(exit === undefined, `expected it not to have ended yet, got: ${exit && show(exit)}`)
}

/** Subscribes to a node's dead letters; what it answers waits for the first one. */
export const deadLetter = (system: ActorSystem.System): Effect.Effect<Effect.Effect<DeadLetter>> =>
  Effect.map(start(Stream.runHead(system.deadLetters)), (fiber) => Effect.map(Fiber.join(fiber), Option.getOrThrow))

/** The same actor through a ref with other messages, as another program would define them. */
export const recast = <const Rs extends ReadonlyArray<Protocol.Any>>(
  stage: Stage,
  ref: ActorRef.ActorRef<any>,
  ...rpcs: Rs
): Effect.Effect<ActorRef.ActorRef<Rs[number]>> => refOf(stage, String(ref), ...rpcs)

/** The ref that a text names, as the asker's node sees it. */
export const refOf = <const Rs extends ReadonlyArray<Protocol.Any>>(
  stage: Stage,
  text: string,
  ...rpcs: Rs
): Effect.Effect<ActorRef.ActorRef<Rs[number]>> =>
  Schema.decodeEffect(ActorRef.schema(...rpcs))(text).pipe(
    Effect.provideService(ActorSystem.ActorSystem, stage.asker.system),
    Effect.orDie
  )
