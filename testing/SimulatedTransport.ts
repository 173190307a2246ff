/**
 * A network with faults, under virtual time.
 *
 * Frames of one sender to one receiver arrive in order, each after a little while that the seed decides, unless a fault says
 * otherwise. What goes wrong with the n-th frame of a link depends on the seed, the link and n alone, so taking one fault away
 * leaves the others where they are.
 */
import { Duration, Effect } from "effect"
import { type NodeAddress, nodeName, type Receiver, Transport, TransportError } from "../core/Transport.ts"
import { Dice, hash } from "./Dice.ts"
import { type Chances, type Fault, type Odds, show } from "./Fault.ts"
import type { Process, Timeline } from "./Timeline.ts"
import { type Trace, textOf } from "./Trace.ts"

export interface NetworkOptions {
  /** The longest that a frame takes. Default 1 ms. */
  readonly latency?: Duration.Input
  /**
   * Whether the carrier knows who is there: `told` (the default), as over TCP, says when a node left or crashed, and refuses
   * frames to an address where nobody is; `silent`, as over a broker, loses them.
   */
  readonly departures?: "told" | "silent"
  /** The largest frame that is carried, in bytes. Default: no limit. */
  readonly maxFrameBytes?: number
}

interface Endpoint {
  readonly address: NodeAddress
  readonly host: string
  readonly process: Process
  readonly receiver: Receiver
}

/** One direction between two hosts. */
interface Way {
  readonly from: string
  readonly to: string
  readonly seed: number
  frames: number
  /** When the last frame so far arrives: no later one comes before it. */
  last: number
  readonly cuts: Set<unknown>
  readonly slowed: Map<unknown, number>
}

const keyOf = (address: NodeAddress) => `${address.system}/${nodeName(address)}`
const frameFaults = ["drop", "duplicate", "delay", "reorder"] as const
const golden = 0x9e3779b1
/** Times are told to the microsecond, so that they read well. */
const rounded = (millis: number) => Math.round(millis * 1000) / 1000

export class Network {
  /** What went wrong with frames is added here. */
  readonly injected: Array<Fault>
  /** Faults of frames that will happen, by way and number. */
  readonly scheduled = new Map<string, Fault>()
  odds: ReadonlyMap<keyof Chances, Odds> = new Map()
  readonly #timeline: Timeline
  readonly #trace: Trace
  readonly #seed: string
  readonly #latency: number
  readonly #told: boolean
  readonly #maxFrameBytes: number
  readonly #joined = new Map<string, Endpoint>()
  /** The host that had an address last. */
  readonly #hosts = new Map<string, string>()
  readonly #ways = new Map<string, Way>()

  constructor(timeline: Timeline, trace: Trace, seed: string, injected: Array<Fault>, options: NetworkOptions) {
    this.#timeline = timeline
    this.#trace = trace
    this.#seed = seed
    this.injected = injected
    this.#latency = Duration.toMillis(options.latency ?? 1)
    this.#told = options.departures !== "silent"
    this.#maxFrameBytes = options.maxFrameBytes ?? Number.POSITIVE_INFINITY
  }

  way(from: string, to: string): Way {
    const key = `${from}>${to}`
    let way = this.#ways.get(key)
    if (way === undefined) {
      way = { from, to, seed: hash(`${this.#seed} ${key}`), frames: 0, last: 0, cuts: new Set(), slowed: new Map() }
      this.#ways.set(key, way)
    }
    return way
  }

  /** Opens every way again. */
  mend(): void {
    for (const way of this.#ways.values()) {
      way.cuts.clear()
      way.slowed.clear()
    }
  }

  /** The network as one process has it. Without `host`, each of its nodes is a host of its own. */
  transport(process: Process, host?: string): Transport["Service"] {
    return Transport.of({
      join: (address, receiver) =>
        Effect.acquireRelease(
          Effect.suspend(() => this.#join({ address, receiver, process, host: host ?? address.node })),
          ({ self }) => Effect.sync(() => this.#leave(self, "it left the network"))
        ).pipe(Effect.map(({ connection }) => connection))
    })
  }

  #join(self: Endpoint) {
    const { address, host, process } = self
    const key = keyOf(address)
    if (this.#joined.has(key)) {
      const detail = `another node of system "${address.system}" has that role and name; give one of them another \`node\``
      return Effect.fail(new TransportError({ reason: "AddressTaken", node: nodeName(address), detail }))
    }
    this.#joined.set(key, self)
    this.#hosts.set(key, host)
    const refuse = (to: NodeAddress, reason: TransportError["reason"], detail: string) =>
      Effect.fail(new TransportError({ reason, node: nodeName(to), detail }))
    const connection = {
      maxFrameBytes: this.#maxFrameBytes,
      nodes: Effect.sync(() => this.#peersOf(self).map((other) => other.address)),
      send: (to: NodeAddress, frame: Uint8Array) => {
        if (frame.length > this.#maxFrameBytes) {
          const detail = `the frame has ${frame.length} bytes, and at most ${this.#maxFrameBytes} are carried`
          return refuse(to, "FrameTooLarge", detail)
        }
        if (this.#joined.get(key) !== self || process.state === "dead") {
          return refuse(to, "Closed", "the sender has left the network")
        }
        const there = keyOf(to)
        const way = this.way(host, this.#hosts.get(there) ?? to.node)
        if (this.#told && !this.#joined.has(there) && way.cuts.size === 0) {
          return refuse(to, "Unreachable", "no node of that role and name is on this network")
        }
        this.#send(way, address, there, frame)
        return Effect.void
      }
    }
    return Effect.succeed({ self, connection })
  }

  #peersOf({ address }: Endpoint): ReadonlyArray<Endpoint> {
    return [...this.#joined.values()].filter(
      (other) => other.address.system === address.system && keyOf(other.address) !== keyOf(address)
    )
  }

  /** The process is gone, and its connections with it. */
  vanish(process: Process): void {
    for (const endpoint of [...this.#joined.values()]) {
      if (endpoint.process === process) this.#leave(endpoint, "its connection broke")
    }
  }

  #leave(self: Endpoint, detail: string): void {
    const key = keyOf(self.address)
    if (this.#joined.get(key) !== self) return
    this.#joined.delete(key)
    if (!this.#told) return
    // Behind the frames it sent last, and before those of who comes to the address next.
    for (const peer of this.#peersOf(self)) {
      const way = this.way(self.host, peer.host)
      if (way.cuts.size > 0) continue
      this.#timeline.at(this.#arrival(way, rounded(this.#latency / 2)), undefined, () => {
        if (way.cuts.size > 0) return
        peer.process.arrivals.scheduleTask(() => {
          if (this.#joined.get(keyOf(peer.address)) === peer) peer.receiver.onUnreachable(self.address, detail)
        })
      })
    }
  }

  /** When something sent now arrives: after what was sent before it. */
  #arrival(way: Way, latency: number): number {
    let slowed = 0
    for (const millis of way.slowed.values()) slowed += millis
    way.last = Math.max(this.#timeline.now + latency + slowed, way.last)
    return way.last
  }

  #send(way: Way, from: NodeAddress, to: string, frame: Uint8Array): void {
    way.frames += 1
    const number = way.frames
    if (way.cuts.size > 0) {
      this.#trace.write(`${way.from} -> ${way.to}  ${number}  is cut off`)
      return
    }
    const dice = new Dice(way.seed + Math.imul(number, golden))
    const latency = rounded(this.#latency * dice.next())
    const fault = this.scheduled.get(`${way.from}>${way.to} ${number}`) ?? this.#draw(way, number, dice)
    const deliver = (at: number) => {
      this.#timeline.at(at, undefined, () => this.#deliver(way, number, from, to, frame))
    }
    if (fault !== undefined) {
      this.injected.push(fault)
      this.#trace.write(`fault: ${show(fault)}`)
    }
    switch (fault?._tag) {
      case "Drop":
        return
      case "Duplicate": {
        const at = this.#arrival(way, latency)
        deliver(at)
        return deliver(at + fault.millis)
      }
      case "Delay":
        return deliver(this.#arrival(way, latency + fault.millis))
      case "Reorder":
        // Later ones do not wait for it.
        return deliver(Math.max(this.#timeline.now + latency, way.last) + fault.millis)
      default:
        return deliver(this.#arrival(way, latency))
    }
  }

  /** What goes wrong with a frame by chance: one thing at most. */
  #draw({ from, to }: Way, frame: number, dice: Dice): Fault | undefined {
    if (this.odds.size === 0) return undefined
    for (const kind of frameFaults) {
      const odds = this.odds.get(kind)
      if (odds === undefined || dice.next() >= odds.chance) continue
      const millis = rounded(odds.upTo * dice.next())
      if (kind === "drop") return { _tag: "Drop", from, to, frame }
      const _tag = kind === "duplicate" ? "Duplicate" : kind === "delay" ? "Delay" : "Reorder"
      return { _tag, from, to, frame, millis }
    }
    return undefined
  }

  #deliver(way: Way, number: number, from: NodeAddress, to: string, frame: Uint8Array): void {
    const endpoint = this.#joined.get(to)
    if (endpoint === undefined || way.cuts.size > 0) {
      const why = endpoint === undefined ? "finds nobody" : "is cut off"
      this.#trace.write(`${way.from} -> ${way.to}  ${number}  ${why}`)
      return
    }
    this.#trace.frame(way.from, way.to, number, frame)
    this.#timeline.note(hash(textOf(frame)))
    endpoint.process.arrivals.scheduleTask(() => {
      if (this.#joined.get(to) === endpoint) endpoint.receiver.onFrame(from, frame)
    })
  }
}
