/**
 * One node: it spawns actors, routes their messages, and shuts them down.
 *
 * A system takes its clock, randomness and scheduler from the context it is made in, and schedules everything through one
 * dispatcher: under a TestClock, or a simulated scheduler, nothing moves by itself. That goes for the end too: closing a system
 * waits for running handlers by the clock, so a test in which one never ends kills its actor first. It joins the Transport under its name,
 * role and node; two systems in one process need one network, so provide the transport's layer once, outside both.
 */
import { Clock, Context, Effect, type Fiber, Layer, PubSub, Random, Scheduler, type Scope, Stream } from "effect"
import type * as Actor from "./Actor.ts"
import { type NotExecuted, StartError } from "./ActorError.ts"
import type { ActorRef } from "./ActorRef.ts"
import type { Ask } from "./Ask.ts"
import { type Cell, spawn } from "./Cell.ts"
import { Children } from "./Children.ts"
import { DeadLetters } from "./DeadLetter.ts"
import { Deadlines } from "./Deadlines.ts"
import { Ledger } from "./Ledger.ts"
import { Link, type LinkState } from "./Link.ts"
import { ActorSystem, type Event, HandOff, type Node, type NodeId, type System, type TreeNode } from "./Node.ts"
import type { Any } from "./Protocol.ts"
import * as Registry from "./Registry.ts"
import { type Connection, isToken, type NodeAddress, nodeName, Transport, type TransportError } from "./Transport.ts"

export type { Event, NodeId, System, Terminated, TerminationReason, TreeNode } from "./Node.ts"
export { ActorSystem } from "./Node.ts"

export interface Options {
  /** The system's name. Systems of different names on one network do not see each other. */
  readonly name: string
  /** This node's name within the system. Default: a random one, so that nobody needs to choose. */
  readonly node?: string
  /** What this node is for. Default `node`. Names need to be unique within a role only. */
  readonly role?: string
  /**
   * How messages between actors of this node travel: `encoded` across their schemas, as to any other node (the default),
   * or `by-reference`, without a copy or a check, for those who measured and want it. Messages to other nodes are always
   * encoded.
   */
  readonly local?: "encoded" | "by-reference"
}

/** How long a system that closes waits for its last frames to be taken. */
const drainMillis = 1000
/** How many turns may run inside one another. */
const deepest = 16
/** How Node prints a value: a system has all its actors behind it. */
const inspect = Symbol.for("nodejs.util.inspect.custom")
const eventCapacity = 1024
const linkStates = (links: ReadonlyMap<string, Link>) => new Map([...links].map(([name, link]) => [name, link.state]))

class ActorNode implements Node {
  readonly id: NodeId
  readonly context: Context.Context<never>
  readonly clock: Clock.Clock
  readonly random: Random.Random
  readonly dispatcher: Scheduler.SchedulerDispatcher
  readonly ledger: Ledger
  readonly encoded: boolean
  readonly deadlines: Deadlines
  readonly letters: DeadLetters
  readonly cells = new Map<string, Cell>()
  readonly slots = new Map<number, Ask>()
  readonly top = new Children(this, undefined)
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  stopping = false
  closed = false
  depth = 0
  readonly handOff: boolean
  connection: Connection | undefined
  /** Made for the first reader. */
  #hub: PubSub.PubSub<Event> | undefined
  readonly #links = new Map<string, Link>()
  #readers = 0
  #id = 0
  #work = 0
  #idlers: Array<() => void> = []

  constructor(id: NodeId, encoded: boolean, context: Context.Context<never>) {
    this.id = id
    this.encoded = encoded
    this.context = Context.add(context, ActorSystem, this)
    this.clock = Context.get(context, Clock.Clock)
    this.random = Context.get(context, Random.Random)
    this.dispatcher = Context.get(context, Scheduler.Scheduler).makeDispatcher()
    this.ledger = Context.get(context, Ledger)
    this.handOff = Context.get(context, HandOff)
    this.fork = Effect.runForkWith(this.context)
    this.letters = new DeadLetters(this.clock, this.fork)
    this.deadlines = new Deadlines(this.clock, this.fork)
  }

  enter(): boolean {
    if (this.depth >= deepest) return false
    this.depth += 1
    return true
  }

  nextId(): number {
    return ++this.#id
  }

  link({ node, role }: { readonly role: string; readonly node: string }): Link {
    const name = nodeName({ role, node })
    let link = this.#links.get(name)
    if (link === undefined) {
      link = new Link(this, { system: this.id.system, role, node }, () => this.connection!)
      this.#links.set(name, link)
    }
    return link
  }

  get observed(): boolean {
    return this.#readers > 0
  }

  unreachable(gone: NodeAddress, detail: string): void {
    this.#links.get(nodeName(gone))?.unreachable(detail)
  }

  publish(event: Event): void {
    if (this.#readers > 0) PubSub.publishUnsafe(this.#hub!, event)
  }

  working(change: 1 | -1): void {
    this.#work += change
    if (this.#work === 0 && this.#idlers.length > 0) this.dispatcher.scheduleTask(() => this.#rest(), 0)
  }

  #rest(): void {
    if (this.#work > 0) return
    const idlers = this.#idlers
    this.#idlers = []
    for (const resume of idlers) resume()
  }

  readonly idle: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const idler = () => resume(Effect.void)
    this.#idlers.push(idler)
    if (this.#work === 0) this.dispatcher.scheduleTask(() => this.#rest(), 0)
    return Effect.sync(() => {
      this.#idlers = this.#idlers.filter((other) => other !== idler)
    })
  })

  spawn<Rs extends Any, E, R>(name: string, behavior: Actor.Behavior<Rs, E, R>): any {
    // These are the runtime's own.
    if (name.startsWith("$")) return Effect.fail(new StartError({ path: name, reason: "InvalidName" }))
    return spawn(this, undefined, name, behavior)
  }

  spawnScoped<Rs extends Any, E, R>(name: string, behavior: Actor.Behavior<Rs, E, R>): any {
    const spawned = this.spawn(name, behavior) as Effect.Effect<ActorRef<Rs>>
    // An init may take its time: who is interrupted meanwhile does not wait for it, and leaves no actor.
    return Effect.acquireRelease(spawned, (ref) => ref.stop(), { interruptible: true })
  }

  lookup<Rs extends Any>(
    actor: Actor.Actor<Rs>,
    path: string,
    options?: Parameters<System["lookup"]>[2]
  ): Effect.Effect<ActorRef<Rs>, NotExecuted> {
    return Registry.lookup(this, this.connection!.nodes, actor, path, options)
  }

  readonly tree = Effect.sync(() => this.top.toTree().filter(({ path }) => path !== Registry.path))
  readonly links = Effect.sync((): ReadonlyMap<string, LinkState> => linkStates(this.#links))
  readonly events = Stream.unwrap(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          this.#readers += 1
          return (this.#hub ??= Effect.runSync(PubSub.sliding<Event>(eventCapacity)))
        }),
        () =>
          Effect.sync(() => {
            this.#readers -= 1
          })
      ),
      Stream.fromPubSub
    )
  )
  get deadLetters() {
    return this.letters.stream
  }

  /** Stops every actor, the last first, and leaves the network. */
  [inspect](): string {
    return `ActorSystem(${this.id.system}/${nodeName(this.id)}/${this.id.generation})`
  }

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.stopping = true
    this.letters.closing = true
    const self = this
    return Effect.gen(function* () {
      for (let cell = self.top.last; cell !== undefined; cell = self.top.last) {
        cell.stop(undefined)
        yield* cell.ended
      }
      // What the actors said at their end goes out first; a carrier that does not take it is not waited for.
      if (self.#work > 0) yield* Effect.timeoutOption(self.idle, drainMillis)
      self.closed = true
      for (const link of self.#links.values()) link.leave()
      // What actors of other nodes still owe to fibers outside of any actor.
      for (const ask of [...self.slots.values()]) ask.lose("connection", ask.holder ?? nodeName(self.id))
      self.deadlines.close()
    })
  })
}

const checkToken = (what: string, text: string) => {
  if (!isToken(text)) throw new Error(`expected \`${what}\` to be of letters, digits, "_" and "-", got: "${text}"`)
}

const token = Effect.map(
  Effect.all([Random.nextIntBetween(0, 36 ** 6 - 1), Random.nextIntBetween(0, 36 ** 6 - 1)]),
  (parts) => parts.map((part) => part.toString(36).padStart(6, "0")).join("")
)

/**
 * Makes a node, in the Scope it is made in: for several nodes in one program, inside one transport's layer. Fails with
 * `TransportError` when the address is taken. Dies on a name that is no token.
 */
export const make = (options: Options): Effect.Effect<System, TransportError, Transport | Scope.Scope> =>
  Effect.gen(function* () {
    const { name, role = "node", local = "encoded" } = options
    const generation = yield* token
    const node = options.node ?? generation
    checkToken("name", name)
    checkToken("role", role)
    checkToken("node", node)
    if (local !== "encoded" && local !== "by-reference") {
      throw new Error(`expected \`local\` to be "encoded" or "by-reference", got: ${String(local)}`)
    }
    const transport = yield* Transport
    const context = Context.omit(Transport)(yield* Effect.context<Transport | Scope.Scope>())
    const self = new ActorNode({ system: name, role, node, generation }, local === "encoded", context as never)
    const address: NodeAddress = { system: name, role, node }
    // The connection outlives the actors: what they say at their end still goes out.
    self.connection = yield* transport.join(address, {
      onFrame: (from, frame) => {
        if (!self.closed) self.link(from).onFrame(frame)
      },
      onUnreachable: (gone, detail) => self.unreachable(gone, detail)
    })
    yield* Effect.addFinalizer(() => self.close)
    yield* Effect.orDie(spawn(self, undefined, Registry.path, Registry.behavior(self)))
    return self
  })

/** Provides one node to a program. Its actors stop when the program ends. */
export const layer = (options: Options): Layer.Layer<ActorSystem, TransportError, Transport> =>
  Layer.effect(ActorSystem, make(options))

/**
 * Prints a tree of actors, one a line: its name, its definition, what it is doing, how often it was restarted, and how many
 * messages wait for it.
 */
export const showTree = (tree: ReadonlyArray<TreeNode>): string => {
  const rows: Array<ReadonlyArray<string>> = []
  const add = (nodes: ReadonlyArray<TreeNode>, indent: string, isTop: boolean) => {
    for (const [index, { actor, children, path, queued, restarts, state }] of nodes.entries()) {
      const isLast = index === nodes.length - 1
      const [branch, below] = isTop ? ["", ""] : isLast ? ["└─ ", "   "] : ["├─ ", "│  "]
      const name = indent + branch + path.slice(path.lastIndexOf("/") + 1)
      const counts = [restarts > 0 && counted(restarts, "restart"), queued > 0 && `${queued} queued`].filter(Boolean)
      rows.push([name, actor, state, counts.join(", ")])
      add(children, indent + below, false)
    }
  }
  add(tree, "", true)
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`
