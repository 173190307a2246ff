/**
 * What stands between two nodes, on any transport.
 *
 * A link is up once both nodes have heard each other's hello, which carries their wire versions, their generations and the
 * link's epoch, a number each side renews at every hello. Data names both epochs, so what belongs to an earlier one is
 * recognised and dropped. Messages are encoded when they are sent, gathered, and go out as one frame at the end of the
 * turn, control before data, at most 64 KiB together. Frames are numbered: one that comes twice is dropped, a gap ends the
 * epoch. Requests in flight end in `Unknown` with their epoch; a lost node stays lost: its generation is not heard again.
 *
 * A frame is a JSON array: `[version, kind, ...]`. The kinds are `hello`, `refuse`, `bye` and `data`; what a data frame
 * holds is listed at `receive`.
 */
import { Cause, Effect, Exit, type Fiber, Schema, SchemaParser, Tracer } from "effect"
import {
  CalleeCrashed,
  describe,
  NoSuchActor,
  NotConnected,
  NotExecuted,
  type NotExecutedReason,
  PayloadTooLarge,
  ReplyNotEncoded,
  ReplyTooLarge,
  Unknown,
  UnsupportedMessage
} from "./ActorError.ts"
import { type Ask, callBack, Offer, type Refusal, reasonOf } from "./Ask.ts"
import { Envelope, type Reply, type ReplyAddress } from "./Envelope.ts"
import { type Node, type NodeId, TerminationReason } from "./Node.ts"
import { type Codec, issueOf, type Method, runCodec } from "./Protocol.ts"
import type { Remote } from "./Ref.ts"
import { type Connection, type NodeAddress, nodeName } from "./Transport.ts"

/** The wire versions this code speaks. */
const versions: ReadonlyArray<number> = [1]
const version = 1
const batchBytes = 64 * 1024
/** What a frame takes besides its envelopes. */
const headerBytes = 96
/** The most messages that wait for a link. */
const outboxCapacity = 65_536
/** How often a request without a deadline is asked after, and how long its answer may take when its node knows it no more. */
const inquiryMillis = 30_000
const graceMillis = 5000
const helloRetryMillis = 100
const helloDeadlineMillis = 2000
/** How many answered idempotent requests are remembered, to answer a repeated one without running it again. */
const answeredCapacity = 1024

/** What a link is doing, as data. */
export type LinkState =
  | { readonly _tag: "Connecting" }
  | { readonly _tag: "Up"; readonly generation: string; readonly epoch: number }
  | { readonly _tag: "Down"; readonly reason: string }

/** One message on its way out. */
interface Outgoing {
  /** The envelope's JSON, without its end where `deadline` is set. */
  readonly text: string
  /** Clock time in ms: the time that remains is written when the frame is. */
  readonly deadline?: number
  /** Which generation of the peer it is for; undefined for any. */
  readonly generation: string | undefined
  /** Told when it could not be sent; it certainly did not arrive. */
  readonly failed?: (reason: NotExecutedReason) => void
  /** Not sent any more when its asker has left. */
  readonly ask?: Ask
}

const json = <S extends Schema.Top>(schema: S) => {
  const codec = Schema.toCodecJson(schema)
  return { encode: SchemaParser.encodeUnknownEffect(codec), decode: SchemaParser.decodeUnknownEffect(codec) } as Codec
}
const notExecuted = json(NotExecuted)
const unknown = json(Unknown)
const termination = json(TerminationReason)

const bytesOf = new TextEncoder()
const textOf = new TextDecoder()
const sizeOf = (text: string, limit: number) => (text.length * 3 <= limit ? text.length : bytesOf.encode(text).length)

export class Link {
  readonly node: Node
  readonly peer: NodeAddress
  readonly name: string
  readonly #connection: () => Connection
  #state: LinkState = { _tag: "Down", reason: "it was not used yet" }
  #epoch = 0
  /** The peer's last hello. */
  #heard: { readonly generation: string; readonly epoch: number } | undefined
  #lost: string | undefined
  #hello: Fiber.Fiber<unknown, unknown> | undefined
  #inquiry: Fiber.Fiber<unknown, unknown> | undefined
  #control: Array<Outgoing> = []
  #data: Array<Outgoing> = []
  #flushing = false
  #sent = 0
  #received = 0
  /** Requests of the peer that this node has, by the peer's id for them. */
  readonly #inbound = new Map<number, Envelope>()
  /** Requests of the peer without a deadline whose address was taken and is still here, by the same id. */
  readonly #taken = new Set<number>()
  /** Who is told when the peer's asker leaves, by the same id. */
  readonly #abandoned = new Map<number, () => void>()
  readonly #answered = new Map<number, (slot: number) => string>()
  readonly #watches = new Map<
    number,
    { readonly text: string; readonly generation: string; readonly onEnd: (reason: TerminationReason) => void }
  >()
  /** The peer's watches of actors here: how to take each back. */
  readonly #watched = new Map<number, () => void>()

  constructor(node: Node, peer: NodeAddress, connection: () => Connection) {
    this.node = node
    this.peer = peer
    this.name = nodeName(peer)
    this.#connection = connection
  }

  get state(): LinkState {
    return this.#state
  }

  actor(id: NodeId, path: string, actor: number): RemoteActor {
    return new RemoteActor(this, id, path, actor)
  }

  reply(address: ReplyAddress, to = "the holder of a reply address"): RemoteReply {
    return new RemoteReply(this, address, to)
  }

  // ----- Sending -----

  /** Puts a message on the link, and connects where need be; answers why it cannot be sent. */
  send(out: Outgoing, to: string, control = false): NotExecutedReason | undefined {
    const { generation } = out
    if (generation !== undefined && this.#isGone(generation)) {
      return new NoSuchActor({ to, detail: `generation ${generation} of its node "${this.name}" is gone` })
    }
    if (this.#state._tag === "Down" && !this.node.closed) this.connect()
    if (this.#state._tag === "Down") return new NotConnected({ to, detail: this.#state.reason })
    if (this.#data.length >= outboxCapacity && !control) {
      return new NotConnected({ to, detail: `${outboxCapacity} messages wait for node "${this.name}" already` })
    }
    ;(control ? this.#control : this.#data).push(out)
    this.#flushSoon()
    return undefined
  }

  #isGone(generation: string): boolean {
    if (generation === this.#lost) return true
    return this.#state._tag === "Up" && this.#state.generation !== generation
  }

  /** The largest envelope the transport can carry. */
  get limit(): number {
    return this.#connection().maxFrameBytes - headerBytes
  }

  #flushSoon(): void {
    if (this.#flushing || this.#state._tag !== "Up") return
    this.#flushing = true
    this.node.working(1)
    this.node.dispatcher.scheduleTask(() => this.#flush(), 0)
  }

  #flush(): void {
    while (this.#state._tag === "Up" && this.#control.length + this.#data.length > 0) {
      const batch = this.#batch(this.#state.generation)
      if (batch.length === 0) continue
      this.#sent += 1
      const head = `[${version},"data",${this.#epoch},${this.#heard!.epoch},${this.#sent},[`
      const frame = bytesOf.encode(`${head}${batch.map((out) => this.#write(out)).join(",")}]]`)
      const sending = this.#connection().send(this.peer, frame)
      if (Exit.isExit(sending)) {
        if (Exit.isFailure(sending)) this.#refused(batch, sending)
        continue
      }
      const fiber = this.node.fork(sending)
      fiber.addObserver((exit) => {
        if (Exit.isFailure(exit)) this.#refused(batch, exit)
        this.#flush()
      })
      return
    }
    this.#flushing = false
    this.node.working(-1)
  }

  /** Takes what goes into the next frame: control first, up to the size of a batch. */
  #batch(generation: string): ReadonlyArray<Outgoing> {
    const batch: Array<Outgoing> = []
    const limit = Math.min(this.limit, batchBytes)
    let size = 0
    for (const queue of [this.#control, this.#data]) {
      let taken = 0
      for (; taken < queue.length; taken++) {
        const out = queue[taken]!
        if (out.ask?.done) continue
        if (out.generation !== undefined && out.generation !== generation) {
          out.failed?.(
            new NoSuchActor({ to: "it", detail: `generation ${out.generation} of its node "${this.name}" is gone` })
          )
          continue
        }
        const bytes = out.text.length * 3 <= limit - size ? out.text.length * 3 : bytesOf.encode(out.text).length
        if (batch.length > 0 && size + bytes > limit) break
        size += bytes + 24
        batch.push(out)
      }
      queue.splice(0, taken)
      if (queue.length > 0) break
    }
    return batch
  }

  #write({ deadline, text }: Outgoing): string {
    if (deadline === undefined) return text
    const left = Math.max(deadline - this.node.clock.currentTimeMillisUnsafe(), 0)
    return `${text}${left === Number.POSITIVE_INFINITY ? "null" : left}]`
  }

  /** The carrier did not take a frame: what was in it certainly did not arrive. */
  #refused(batch: ReadonlyArray<Outgoing>, exit: Exit.Failure<unknown, unknown>): void {
    const detail = describe(Cause.squash(exit.cause))
    for (const out of batch) out.failed?.(new NotConnected({ to: this.name, detail }))
    this.unreachable(detail)
  }

  // ----- Connecting -----

  /** Says hello, and repeats it until the peer has answered or the deadline has passed. */
  connect(): void {
    this.#renew()
    this.#sayHello()
    // The carrier may have refused at once.
    if (this.#state._tag !== "Connecting") return
    this.#hello?.interruptUnsafe()
    const repeat = Effect.repeat(
      Effect.andThen(
        Effect.sleep(helloRetryMillis),
        Effect.sync(() => this.#sayHello())
      ),
      { times: helloDeadlineMillis / helloRetryMillis - 1 }
    )
    this.#hello = this.node.fork(
      Effect.andThen(
        repeat,
        Effect.sync(() => {
          this.#hello = undefined
          this.unreachable(`it did not answer a hello within ${helloDeadlineMillis} ms`)
        })
      )
    )
  }

  #renew(): void {
    this.#epoch += 1
    this.#sent = 0
    this.#received = 0
    this.#change({ _tag: "Connecting" })
  }

  #sayHello(): void {
    const { generation } = this.node.id
    const seen = this.#heard === undefined ? null : [this.#heard.generation, this.#heard.epoch]
    this.#say("hello", { versions, generation, epoch: this.#epoch, seen, up: this.#state._tag === "Up" })
  }

  /** Sends a frame that is not data, outside the queue. */
  #say(kind: string, body: unknown): void {
    const sending = this.#connection().send(this.peer, bytesOf.encode(JSON.stringify([version, kind, body])))
    const refused = (exit: Exit.Exit<unknown, unknown>) => {
      if (Exit.isFailure(exit) && kind === "hello") this.unreachable(describe(Cause.squash(exit.cause)))
    }
    if (Exit.isExit(sending)) refused(sending)
    else this.node.fork(sending).addObserver(refused)
  }

  #change(state: LinkState): void {
    this.#state = state
    this.node.publish({ _tag: "LinkChanged", node: this.name, state })
  }

  /** The peer is gone, as far as can be known: what it had is lost, what waits for it fails. */
  unreachable(reason: string): void {
    this.#hello?.interruptUnsafe()
    this.#hello = undefined
    if (this.#state._tag !== "Down" || this.#state.reason !== reason) this.#change({ _tag: "Down", reason })
    // What was not sent certainly did not arrive, so it fails before what was.
    const waiting = [...this.#control, ...this.#data]
    this.#control = []
    this.#data = []
    for (const out of waiting) out.failed?.(new NotConnected({ to: this.name, detail: reason }))
    if (this.#heard !== undefined) this.#lose(this.#heard.generation)
  }

  /** A generation of the peer is lost for good. */
  #lose(generation: string): void {
    this.#lost = generation
    this.#heard = undefined
    this.#inquiry?.interruptUnsafe()
    this.#loseAsks("node")
    this.#answered.clear()
    this.#leaveStreams()
    this.#inbound.clear()
    for (const id of [...this.#abandoned.keys()]) this.#abandon(id)
    this.#taken.clear()
    for (const unwatch of this.#watched.values()) unwatch()
    this.#watched.clear()
    for (const [id, watch] of this.#watches) {
      if (watch.generation !== generation) continue
      this.#watches.delete(id)
      watch.onEnd({ _tag: "NodeLost" })
    }
  }

  #abandon(id: number): void {
    const listener = this.#abandoned.get(id)
    this.#abandoned.delete(id)
    this.#taken.delete(id)
    if (listener !== undefined) callBack(this.node, listener)
  }

  /** Whether the peer's request is one of the node that is there now: another counts its own from 1 again. */
  #isCurrent(generation: string): boolean {
    return this.#heard?.generation === generation
  }

  /** The address of the peer's request is in hands here, and its asker has no deadline. */
  taken(id: number, generation: string): void {
    if (this.#isCurrent(generation)) this.#taken.add(id)
  }

  /** It is not any more. */
  released(id: number, generation: string): void {
    if (this.#isCurrent(generation)) this.#taken.delete(id)
  }

  /** Has `listener` called when the peer's asker of this request leaves; undefined takes it back. */
  onAbandoned(id: number, generation: string, listener: (() => void) | undefined): void {
    if (!this.#isCurrent(generation)) return
    if (listener === undefined) this.#abandoned.delete(id)
    else this.#abandoned.set(id, listener)
  }

  /** An epoch has ended: what was under way in it may be lost. */
  #breakOff(): void {
    this.#loseAsks("connection")
    this.#leaveStreams()
  }

  /** Nobody will ask for more of the peer's streams, so they would wait for ever. */
  #leaveStreams(): void {
    for (const envelope of [...this.#inbound.values()]) if (envelope.method.streaming) envelope.cancel?.()
  }

  /** Ends the asks whose request or reply address the peer has. */
  #loseAsks(kind: "node" | "connection"): void {
    for (const ask of [...this.node.slots.values()]) if (ask.holder === this.name) ask.lose(kind, this.name)
  }

  /** Tells the peer that this node leaves. */
  leave(): void {
    if (this.#state._tag === "Up") this.#say("bye", this.node.id.generation)
    this.unreachable("this node has left")
  }

  // ----- Receiving -----

  /** Takes a frame from the peer. One that cannot be read is dropped, and an event says so. */
  onFrame(frame: Uint8Array): void {
    try {
      const [, kind, ...rest] = JSON.parse(textOf.decode(frame))
      switch (kind) {
        case "hello":
          return this.#onHello(rest[0])
        case "refuse":
          return this.unreachable(`it refused the connection: ${rest[0].reason}`)
        case "bye":
          if (rest[0] === this.#heard?.generation) this.unreachable("it left")
          return
        case "data":
          return this.#onData(rest[0], rest[1], rest[2], rest[3])
      }
    } catch (cause) {
      this.#unreadable("A frame", cause)
    }
  }

  #unreadable(what: string, cause: unknown): void {
    this.node.fork(Effect.logWarning(`${what} from node "${this.name}" could not be read and was dropped`, cause))
  }

  #onHello(hello: {
    readonly versions: ReadonlyArray<number>
    readonly generation: string
    readonly epoch: number
    readonly seen: readonly [generation: string, epoch: number] | null
    readonly up: boolean
  }): void {
    const { epoch, generation } = hello
    if (!hello.versions.some((theirs) => versions.includes(theirs))) {
      const reason = `no common wire version: it speaks ${hello.versions.join(", ")}, this node speaks ${versions.join(", ")}`
      this.#say("refuse", {
        reason: `no common wire version: it speaks ${versions.join(", ")}, you speak ${hello.versions.join(", ")}`
      })
      this.unreachable(reason)
      return
    }
    if (generation === this.#lost) {
      this.#say("refuse", { reason: `generation ${generation} was declared lost; start the node anew` })
      return
    }
    const before = this.#heard
    if (before?.generation === generation && epoch < before.epoch) return
    this.#heard = { generation, epoch }
    const wasUp = this.#state._tag === "Up"
    // Each generation counts its epochs from 1.
    const isAnew = before?.generation !== generation || before.epoch !== epoch
    if (before !== undefined && before.generation !== generation) {
      this.#lose(before.generation)
      this.#heard = { generation, epoch }
    } else if (wasUp && isAnew) this.#breakOff()
    if (this.#state._tag === "Down" || (wasUp && isAnew)) this.#renew()
    const heard = hello.seen !== null && hello.seen[0] === this.node.id.generation && hello.seen[1] === this.#epoch
    if (heard && this.#state._tag === "Connecting") this.#up(generation)
    if (!heard || !hello.up) this.#sayHello()
  }

  #up(generation: string): void {
    this.#hello?.interruptUnsafe()
    this.#hello = undefined
    this.#change({ _tag: "Up", generation, epoch: this.#epoch })
    for (const watch of this.#watches.values()) this.#control.push(watch)
    this.#flushSoon()
  }

  #onData(theirs: number, ours: number, sequence: number, envelopes: ReadonlyArray<ReadonlyArray<any>>): void {
    if (this.node.closed) return
    if (this.#state._tag === "Down") {
      // A peer that takes this node for the one it knew.
      this.connect()
      return
    }
    if (ours !== this.#epoch || theirs !== this.#heard?.epoch) return
    if (sequence <= this.#received) return
    // The peer is up, so it has heard this epoch, even if the hello that said so was lost.
    if (this.#state._tag === "Connecting") this.#up(this.#heard.generation)
    if (sequence !== this.#received + 1) {
      this.#breakOff()
      this.connect()
      return
    }
    this.#received = sequence
    for (const envelope of envelopes) {
      try {
        this.#receive(envelope)
      } catch (cause) {
        this.#unreadable("An envelope", cause)
      }
    }
  }

  /**
   * Takes one envelope:
   * - `m` kind path actor tag body id attempt slot trace deadline: a message; kind 0 tell, 1 ask, 2 offer
   * - `v` slot value, `e` slot error, `n` slot NotExecuted, `u` slot Unknown: an answer, with its turn if that is not 0
   * - `s` slot elements: of a stream; `g` id count: credit for it
   * - `c` id: cancels a request
   * - `q` ids: which of these requests does the peer not know? `k` ids: these
   * - `h` slot held turn: the peer has the reply address, or has let it go; earlier turns are over
   * - `w` id path actor, `d` id, `t` id reason: watches, takes back, tells the end
   * - `x` path actor how millis: stops or kills
   */
  #receive(envelope: ReadonlyArray<any>): void {
    const [kind, first, second, third] = envelope
    switch (kind) {
      case "m":
        return this.#message(envelope)
      case "c":
        this.#inbound.get(first)?.cancel?.()
        return this.#abandon(first)
      case "q": {
        const unknown = first.filter((id: number) => !this.#inbound.has(id) && !this.#taken.has(id))
        if (unknown.length > 0) this.#tellPeer(JSON.stringify(["k", unknown]), false)
        return
      }
      case "k":
        return this.#unknown(first)
      case "g":
        return this.#inbound.get(first)?.credit?.grant(second)
      case "w":
        return this.#watch(first, second, third)
      case "d":
        this.#watched.get(first)?.()
        this.#watched.delete(first)
        return
      case "t": {
        const watch = this.#watches.get(first)
        this.#watches.delete(first)
        watch?.onEnd(this.#decode(termination, second) as TerminationReason)
        return
      }
      case "x": {
        const cell = this.#cell(first, second)
        if (third === "kill") cell?.kill()
        else cell?.stop(envelope[4] ?? undefined)
        return
      }
    }
    const ask = this.node.slots.get(first)
    const turn = third ?? 0
    if (ask === undefined || turn < ask.turn) {
      if (kind !== "h" && kind !== "s") this.node.ledger.lateReply()
      return
    }
    switch (kind) {
      case "v":
        return ask.succeedEncoded(second)
      case "e":
        return ask.failEncoded(second)
      case "n":
        return ask.abortEncoded(notExecuted, second)
      case "u":
        return ask.abortEncoded(unknown, second)
      case "s":
        return ask.elementsEncoded(second)
      case "h":
        ask.turn = turn
        if (second) ask.holder = this.name
        else if (ask.holder === this.name) ask.holder = undefined
    }
  }

  #decode(codec: Codec, value: unknown): unknown {
    const exit = runCodec(codec.decode(value), this.node.context)
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    return exit.value
  }

  /** The living actor under a path; 0 asks for whoever has the path. */
  #cell(path: string, actor: number) {
    const cell = this.node.cells.get(path)
    return cell !== undefined && (actor === 0 || cell.id === actor) ? cell : undefined
  }

  #message([, kind, path, actor, tag, body, id, attempt, slot, trace, deadline]: ReadonlyArray<any>): void {
    const generation = this.#heard!.generation
    const reply =
      kind === 0
        ? undefined
        : new RemoteReply(this, { role: this.peer.role, node: this.peer.node, generation, slot, turn: 0 }, path, id)
    const cell = this.#cell(path, actor)
    const method = cell?.behavior.protocol.get(tag)
    if (cell === undefined || method === undefined) {
      const reason =
        cell === undefined
          ? new NoSuchActor({
              to: path,
              detail: `node "${nodeName(this.node.id)}" has no living actor of that address`
            })
          : new UnsupportedMessage({ to: path, tag, known: [...cell.behavior.protocol.keys()] })
      this.#undeliverable(path, tag, body, reply, reason)
      return
    }
    if (kind === 1 && method.idempotent && attempt > 1 && this.#repeated(id, slot)) return
    const until = deadline === null ? Number.POSITIVE_INFINITY : this.node.clock.currentTimeMillisUnsafe() + deadline
    if (reply !== undefined) reply.deadline = until
    const span =
      trace === null ? undefined : Tracer.externalSpan({ traceId: trace[0], spanId: trace[1], sampled: trace[2] })
    const envelope = new Envelope(method, true, reply, until, span)
    if (kind === 2) {
      envelope.onAccepted = () => {
        envelope.reply = undefined
        reply!.accepted()
      }
    }
    if (kind === 1) {
      this.#inbound.set(id, envelope)
      envelope.cancel = () => cell.cancel(envelope)
      envelope.onEnd = () => {
        if (this.#inbound.get(id) === envelope) this.#inbound.delete(id)
      }
      if (method.idempotent) reply!.remember = (write) => this.#remember(id, write)
    }
    const refusal = cell.accept(envelope, body, kind !== 0, false)
    if (refusal === undefined) return
    envelope.onEnd?.()
    this.#undeliverable(path, tag, body, reply, reasonOf(refusal, path, cell.behavior.mailbox.capacity))
  }

  /** Ends a message that reached this node and nobody takes. */
  #undeliverable(path: string, tag: string, body: unknown, reply: Reply | undefined, reason: NotExecutedReason): void {
    const { ledger } = this.node
    if (ledger.enabled) ledger.settle(ledger.accept(path, tag), reply === undefined ? "deadLettered" : "returned")
    if (reply !== undefined) reply.abort(new NotExecuted({ reason }))
    else this.node.letters.publish({ to: path, tag, payload: body, reason })
  }

  /** A request that came before: answered from memory, or still being handled and answered then. */
  #repeated(id: number, slot: number): boolean {
    const answered = this.#answered.get(id)
    const running = this.#inbound.get(id)
    if (answered === undefined && running === undefined) return false
    this.node.ledger.duplicate()
    if (answered !== undefined) this.send({ text: answered(slot), generation: this.#heard!.generation }, this.name)
    else if (running!.reply instanceof RemoteReply) running!.reply.redirect(slot)
    return true
  }

  #remember(id: number, write: (slot: number) => string): void {
    this.#answered.set(id, write)
    if (this.#answered.size > answeredCapacity) this.#answered.delete(this.#answered.keys().next().value!)
  }

  // ----- Requests to the peer -----

  /**
   * Sees to it that requests without a deadline end. The answer may come from a node that this one does not know of, so its loss
   * goes unnoticed: from time to time the peer is asked which of the requests it has it does not know any more.
   */
  inquire(): void {
    if (this.#inquiry !== undefined) return
    const loop: Effect.Effect<void> = Effect.suspend(() => {
      const before = this.#endless()
      return Effect.andThen(
        Effect.sleep(inquiryMillis),
        Effect.suspend(() => {
          const asks = this.#endless()
          const old = asks.filter((ask) => before.includes(ask)).map(({ messageId }) => messageId)
          if (old.length > 0) this.#tellPeer(JSON.stringify(["q", old]), false)
          return asks.length > 0 ? loop : Effect.void
        })
      )
    })
    this.#inquiry = this.node.fork(Effect.andThen(Effect.yieldNow, loop))
    this.#inquiry.addObserver(() => {
      this.#inquiry = undefined
    })
  }

  /** The requests without a deadline that the peer has. */
  #endless(): ReadonlyArray<Ask> {
    return [...this.node.slots.values()].filter(
      (ask) => ask.holder === this.name && ask.millis === Number.POSITIVE_INFINITY
    )
  }

  /** The peer does not know these requests any more: their answers are on their way, or lost. */
  #unknown(ids: ReadonlyArray<number>): void {
    const asks = this.#endless().filter(({ messageId }) => ids.includes(messageId))
    this.node.fork(
      Effect.andThen(
        Effect.sleep(graceMillis),
        Effect.sync(() => {
          for (const ask of asks) if (!ask.done) ask.lose("connection", this.name)
        })
      )
    )
  }

  /** Nobody waits for a request any more. */
  cancel(messageId: number): void {
    if (this.#state._tag === "Up") this.#tellPeer(`["c",${messageId}]`, true)
  }

  grant(messageId: number, count: number): void {
    this.#tellPeer(`["g",${messageId},${count}]`, true)
  }

  /** Says that this node has a reply address of the peer now, or has it no more. */
  hold({ generation, slot, turn }: ReplyAddress, held: boolean): void {
    this.send({ text: `["h",${slot},${held ? 1 : 0}${turn === 0 ? "" : `,${turn}`}]`, generation }, this.name)
  }

  end(path: string, actor: number, generation: string, how: "stop" | "kill", millis: number | undefined): void {
    this.send({ text: JSON.stringify(["x", path, actor, how, millis ?? null]), generation }, path, true)
  }

  #tellPeer(text: string, control: boolean): void {
    this.send({ text, generation: undefined }, this.name, control)
  }

  // ----- Watches -----

  watch(path: string, actor: number, generation: string, onEnd: (reason: TerminationReason) => void): () => void {
    const id = this.node.nextId()
    const text = JSON.stringify(["w", id, path, actor])
    const failed = () => {
      if (this.#watches.delete(id)) onEnd({ _tag: "NodeLost" })
    }
    const watch = { text, generation, onEnd, failed }
    this.#watches.set(id, watch)
    // Coming up sends every watch; a link that is up is told of this one now.
    const refused = this.#state._tag === "Up" || this.#state._tag === "Down" ? this.send(watch, path, true) : undefined
    if (refused !== undefined) failed()
    return () => {
      if (this.#watches.delete(id) && this.#state._tag === "Up") this.#tellPeer(`["d",${id}]`, true)
    }
  }

  #watch(id: number, path: string, actor: number): void {
    if (this.#watched.has(id)) return
    const { generation } = this.#heard!
    const tell = (reason: TerminationReason) => {
      this.#watched.delete(id)
      const text = JSON.stringify(["t", id, this.#encodeReason(reason)])
      this.send({ text, generation }, this.name)
    }
    const cell = this.#cell(path, actor)
    if (cell === undefined) tell({ _tag: "NoSuchActor" })
    else this.#watched.set(id, cell.watch(tell))
  }

  #encode(codec: Codec, value: unknown): unknown {
    const exit = runCodec(codec.encode(value), this.node.context)
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    return exit.value
  }

  #encodeReason(reason: TerminationReason): unknown {
    try {
      const body = this.#encode(termination, reason)
      JSON.stringify(body)
      return body
    } catch {
      const cause = new Error(reason._tag === "Crashed" ? describe(reason.cause) : reason._tag)
      return this.#encode(termination, { _tag: "Crashed", cause })
    }
  }

  /** The wire form of an answer that is none. A cause that has none (a cyclic object, say) is described instead. */
  encodeAbort(error: NotExecuted | Unknown): readonly [kind: string, body: unknown] {
    if (error instanceof NotExecuted) return ["n", this.#encode(notExecuted, error)]
    try {
      const body = this.#encode(unknown, error)
      JSON.stringify(body)
      return ["u", body]
    } catch {
      const { reason } = error
      const plain =
        reason._tag === "CalleeCrashed"
          ? new CalleeCrashed({ to: reason.to, tag: reason.tag, cause: new Error(describe(reason.cause)) })
          : reason
      return ["u", this.#encode(unknown, new Unknown({ reason: plain }))]
    }
  }
}

/** An actor of another node. */
export class RemoteActor implements Remote {
  readonly id: NodeId
  readonly actor: number
  readonly #link: Link
  readonly #path: string

  constructor(link: Link, id: NodeId, path: string, actor: number) {
    this.#link = link
    this.id = id
    this.#path = path
    this.actor = actor
  }

  get #generation(): string | undefined {
    return this.id.generation === "" ? undefined : this.id.generation
  }

  tell(method: Method, body: unknown, span: Tracer.AnySpan | undefined): Refusal | undefined {
    const { node } = this.#link
    const text = this.#text(0, method, body, 0, 1, 0, span)
    const failed = (reason: NotExecutedReason) => {
      node.letters.publish({ to: this.#path, tag: method.tag, payload: body, reason })
    }
    return (
      this.#tooLarge(method, text) ??
      this.#link.send({ text: `${text}null]`, generation: this.#generation, failed }, this.#path)
    )
  }

  ask(ask: Ask, body: unknown, attempt: number, span: Tracer.AnySpan | undefined): Refusal | undefined {
    const kind = ask instanceof Offer ? 2 : 1
    const slot = ask.open()
    const text = this.#text(kind, ask.method, body, ask.messageId, attempt, slot, span)
    ask.link = this.#link
    ask.holder = this.#link.name
    const failed = (reason: NotExecutedReason) => ask.abort(new NotExecuted({ reason }))
    const out = { text, deadline: ask.at, generation: this.#generation, failed, ask }
    if (ask.millis === Number.POSITIVE_INFINITY) this.#link.inquire()
    return this.#tooLarge(ask.method, text) ?? this.#link.send(out, this.#path)
  }

  #text(
    kind: 0 | 1 | 2,
    method: Method,
    body: unknown,
    id: number,
    attempt: number,
    slot: number,
    span: Tracer.AnySpan | undefined
  ): string {
    const trace = span === undefined ? null : [span.traceId, span.spanId, span.sampled]
    const envelope = ["m", kind, this.#path, this.actor, method.tag, body ?? null, id, attempt, slot, trace]
    return `${JSON.stringify(envelope).slice(0, -1)},`
  }

  #tooLarge(method: Method, text: string): PayloadTooLarge | undefined {
    const { limit } = this.#link
    const bytes = sizeOf(text, limit)
    return bytes <= limit ? undefined : new PayloadTooLarge({ to: this.#path, tag: method.tag, bytes, limit })
  }

  watch(onEnd: (reason: TerminationReason) => void): () => void {
    return this.#link.watch(this.#path, this.actor, this.id.generation, onEnd)
  }

  stop(deadlineMillis: number | undefined): void {
    this.#link.end(this.#path, this.actor, this.id.generation, "stop", deadlineMillis)
  }

  kill(): void {
    this.#link.end(this.#path, this.actor, this.id.generation, "kill", undefined)
  }
}

/** Whoever waits for an answer on another node. */
export class RemoteReply implements Reply {
  /** Where an idempotent request's answer is kept for its repetition. */
  remember: ((write: (slot: number) => string) => void) | undefined
  /** Clock time in ms until which the asker waits. */
  deadline = Number.POSITIVE_INFINITY
  readonly #link: Link
  #address: ReplyAddress
  readonly #to: string
  #superseded = 0
  /** The asker's id of the request; 0 where the address came from elsewhere. */
  readonly #id: number

  constructor(link: Link, address: ReplyAddress, to: string, id = 0) {
    this.#link = link
    this.#address = address
    this.#to = to
    this.#id = id
  }

  succeed({ value }: Exit.Success<unknown, unknown>, method: Method): void {
    // The end of a stream has no value.
    if (method.streaming) this.#send("v", null)
    else this.#encoded("v", value, method.success, method)
  }

  fail(error: unknown, method: Method): void {
    this.#encoded("e", error, method.failure, method)
  }

  /** Answers an offer. */
  accepted(): void {
    this.#send("v", null)
  }

  abort(error: NotExecuted | Unknown): void {
    const [kind, body] = this.#link.encodeAbort(error)
    this.#send(kind, body)
  }

  /** Sends elements, as many together as the transport carries. */
  elements(values: ReadonlyArray<unknown>, method: Method): boolean {
    const limit = Math.min(this.#link.limit, batchBytes)
    let together: Array<unknown> = []
    let size = 0
    for (const value of values) {
      const exit = this.#encode(value, method.success, method)
      if (exit === undefined) return false
      const bytes = bytesOf.encode(JSON.stringify(exit.value ?? null)).length + 1
      if (together.length > 0 && size + bytes + headerBytes > limit) {
        if (!this.#send("s", together, method)) return false
        together = []
        size = 0
      }
      together.push(exit.value)
      size += bytes
    }
    return this.#send("s", together, method)
  }

  get turn(): number {
    return Math.max(this.#address.turn, this.#superseded)
  }

  address(): ReplyAddress {
    return this.#address
  }

  taken(): void {
    // The asker's node will ask after it.
    if (this.deadline === Number.POSITIVE_INFINITY) this.#link.taken(this.#id, this.#address.generation)
  }

  forget(): void {
    this.onAbandoned(undefined)
    this.#link.released(this.#id, this.#address.generation)
  }

  release(): void {
    this.#link.released(this.#id, this.#address.generation)
    this.#link.hold(this.#address, false)
  }

  supersede(turn: number): Reply {
    const address = { ...this.#address, turn }
    this.#superseded = turn
    this.#link.hold(address, true)
    const reply = new RemoteReply(this.#link, address, this.#to, this.#id)
    reply.deadline = this.deadline
    return reply
  }

  remainingMillis(): number {
    return this.deadline - this.#link.node.clock.currentTimeMillisUnsafe()
  }

  onAbandoned(listener: (() => void) | undefined): void {
    this.#link.onAbandoned(this.#id, this.#address.generation, listener)
  }

  /** The asker waits at another slot now. */
  redirect(slot: number): void {
    this.#address = { ...this.#address, slot }
  }

  #encoded(kind: "v" | "e", value: unknown, codec: Codec, method: Method): void {
    const exit = this.#encode(value, codec, method)
    if (exit === undefined || !this.#send(kind, exit.value, method)) return
    const body = JSON.stringify(exit.value ?? null)
    this.remember?.((slot) => `["${kind}",${slot},${body}]`)
  }

  #encode(value: unknown, codec: Codec, method: Method): { readonly value: unknown } | undefined {
    const exit = runCodec(codec.encode(value), this.#link.node.context)
    if (Exit.isSuccess(exit)) return { value: exit.value }
    const issue = issueOf(exit)
    this.abort(new Unknown({ reason: new ReplyNotEncoded({ to: this.#to, tag: method.tag, issue }) }))
    return undefined
  }

  #send(kind: string, body: unknown, method?: Method): boolean {
    if (kind !== "s") this.forget()
    const { generation, slot, turn } = this.#address
    const text = JSON.stringify(turn === 0 ? [kind, slot, body ?? null] : [kind, slot, body ?? null, turn])
    const { limit } = this.#link
    const bytes = sizeOf(text, limit)
    if (bytes > limit && method !== undefined) {
      this.abort(new Unknown({ reason: new ReplyTooLarge({ to: this.#to, tag: method.tag, bytes, limit }) }))
      return false
    }
    return this.#link.send({ text, generation }, this.#to) === undefined
  }
}
