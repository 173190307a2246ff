/**
 * The asker's side of a request: it waits for one answer, and ends exactly once.
 *
 * An ask between actors of one node is a direct callback. It gets a slot, a number under which other nodes can answer it,
 * only when it leaves the node or its reply address is taken. Deadlines stand in one heap for the whole node. A request
 * that still waits in a local mailbox when its deadline passes, or its asker is interrupted, is taken out of it and ends in
 * certainty; one that crossed a link ends in `Unknown`.
 */
import { Cause, Duration, Effect, Exit, Fiber, Stream, type Tracer } from "effect"
import {
  CalleeCrashed,
  ConnectionLost,
  EncodeError,
  Expired,
  Interrupted,
  MailboxFull,
  NodeLost,
  NoSuchActor,
  NotExecuted,
  type NotExecutedReason,
  ReplyNotDecoded,
  ReplyNotEncoded,
  Stopping,
  Timeout,
  Unknown
} from "./ActorError.ts"
import type { Cell } from "./Cell.ts"
import type { Deadline } from "./Deadlines.ts"
import { Envelope, type Reply, type ReplyAddress } from "./Envelope.ts"
import type { Ending } from "./Ledger.ts"
import type { Link } from "./Link.ts"
import type { Node } from "./Node.ts"
import { type Codec, issueOf, type Method, runCodec } from "./Protocol.ts"
import type { Ref } from "./Ref.ts"

export interface AskOptions {
  /**
   * How long to wait for the answer; for a stream, for its first element and for each one after it. Default 5 seconds.
   * Must be finite and more than 0.
   */
  readonly deadline?: Duration.Input
}

export interface AskUnsafeOptions {
  /**
   * How long to wait for the answer. Default 5 seconds. `Infinity` only where whoever has the request sees to it that it
   * ends.
   */
  readonly deadline?: Duration.Input
}

const defaultMillis = 5000

/** Reads a deadline option. Throws on one that is not finite, or not more than 0. */
export const deadlineMillis = (options: AskOptions | undefined, otherwise = defaultMillis): number => {
  if (options?.deadline === undefined) return otherwise
  const millis = Duration.toMillis(options.deadline)
  if (!Number.isFinite(millis) || millis <= 0) {
    throw new Error(`expected \`deadline\` to be finite and more than 0, got: ${millis} ms`)
  }
  return millis
}

/** Why a message was not accepted: in one word where that says it all, which spares the hot path an object. */
export type Refusal = "NoSuchActor" | "MailboxFull" | "Stopping" | NotExecutedReason

export const reasonOf = (refusal: Refusal, to: string, capacity: number): NotExecutedReason => {
  switch (refusal) {
    case "NoSuchActor":
      return new NoSuchActor({ to, detail: "it has ended" })
    case "MailboxFull":
      return new MailboxFull({ to, capacity })
    case "Stopping":
      return new Stopping({ to })
    default:
      return refusal
  }
}

/** Calls a function of the user's. What it throws is its own affair, not theirs in whose turn it runs. */
export const callBack = (node: Node, f: () => void): void => {
  try {
    f()
  } catch (defect) {
    threw(node, defect)
  }
}

const threw = (node: Node, defect: unknown): void => {
  node.fork(Effect.logError("A function that was to be told of the end of an ask threw", defect))
}

/** Encodes a payload for sending. */
export const encodePayload = (ref: Ref, method: Method, payload: unknown): Exit.Exit<unknown, unknown> =>
  runCodec(method.payload.encode(payload), ref.node.context)

/** Why a payload has no wire form. */
export const notEncoded = (ref: Ref, method: Method, exit: Exit.Failure<unknown, unknown>): EncodeError =>
  new EncodeError({ to: ref.path, tag: method.tag, issue: issueOf(exit) })

/** The span of the fiber that runs now, if any. */
export const currentSpan = (): Tracer.AnySpan | undefined => Fiber.getCurrent()?.cache.span

export class Ask implements Reply, Deadline {
  at = Number.POSITIVE_INFINITY
  place = -1
  readonly node: Node
  readonly method: Method
  readonly to: string
  readonly millis: number
  /** The request in a mailbox of this node. */
  cell: Cell | undefined
  envelope: Envelope | undefined
  /** The request on its way to, or at, another node. */
  link: Link | undefined
  messageId = 0
  /** The number under which other nodes answer; 0 while they cannot. */
  slot = 0
  /** The node (`role/node`) that has the request or its reply address, if that is another one, and known. */
  holder: string | undefined
  done = false
  /** Whose turn it is to answer, after those of the addresses that were superseded. */
  turn = 0
  readonly #resume: (effect: Effect.Effect<any, any>) => void
  #abandoned: (() => void) | undefined

  constructor(ref: Ref, method: Method, millis: number, resume: (effect: Effect.Effect<any, any>) => void) {
    this.node = ref.node
    this.method = method
    this.to = ref.path
    this.millis = millis
    this.#resume = resume
  }

  /** Sets the deadline, counted from now. */
  start(): void {
    if (this.millis === Number.POSITIVE_INFINITY) return
    this.at = this.node.clock.currentTimeMillisUnsafe() + this.millis
    if (this.envelope !== undefined) this.envelope.deadline = this.at
  }

  /** Makes other nodes able to answer. */
  open(): number {
    if (this.slot === 0) {
      this.slot = this.node.nextId()
      // One that has ended takes no answer.
      if (!this.done) this.node.slots.set(this.slot, this)
    }
    return this.slot
  }

  address(turn: number): ReplyAddress {
    const { role, node, generation } = this.node.id
    return { role, node, generation, slot: this.open(), turn }
  }

  taken(): void {}

  release(): void {}

  supersede(turn: number): Reply {
    this.turn = Math.max(this.turn, turn)
    this.holder = undefined
    return this
  }

  remainingMillis(): number {
    // It has not begun to count where the actor handles it inside the asker's turn.
    return this.at === Number.POSITIVE_INFINITY ? this.millis : this.at - this.node.clock.currentTimeMillisUnsafe()
  }

  onAbandoned(listener: (() => void) | undefined): void {
    this.#abandoned = listener
  }

  forget(): void {
    this.#abandoned = undefined
  }

  succeed(exit: Exit.Success<unknown, unknown>, method: Method): void {
    this.finish(this.node.encoded ? this.transfer(exit.value, method.success, this.method.success) : exit)
  }

  fail(error: unknown, method: Method): void {
    const exit = this.transfer(error, method.failure, this.method.failure)
    this.finish(Exit.isSuccess(exit) ? Exit.fail(exit.value) : exit)
  }

  abort(error: NotExecuted | Unknown): void {
    this.finish(Exit.fail(error))
  }

  elements(_values: ReadonlyArray<unknown>, _method: Method): boolean {
    this.node.ledger.lateReply()
    return false
  }

  /** Answers from another node, in wire form. */
  succeedEncoded(value: unknown): void {
    this.finish(this.decode(value, this.method.success))
  }

  failEncoded(error: unknown): void {
    const exit = this.decode(error, this.method.failure)
    this.finish(Exit.isSuccess(exit) ? Exit.fail(exit.value) : exit)
  }

  /** One that does not decode (a reason of a later version) says no more than that there was an answer. */
  abortEncoded(codec: Codec, error: unknown): void {
    const exit = this.decode(error, codec)
    this.finish(Exit.isSuccess(exit) ? Exit.fail(exit.value) : exit)
  }

  elementsEncoded(_values: ReadonlyArray<unknown>): void {
    this.node.ledger.lateReply()
  }

  protected decode(value: unknown, codec: Codec): Exit.Exit<unknown, unknown> {
    const exit = runCodec(codec.decode(value), this.node.context)
    if (Exit.isSuccess(exit)) return exit
    const reason = new ReplyNotDecoded({ to: this.to, tag: this.method.tag, issue: issueOf(exit) })
    return Exit.fail(new Unknown({ reason }))
  }

  /** Brings a value of this node to the asker, across the codecs where the system says so. */
  protected transfer(value: unknown, from: Codec, to: Codec): Exit.Exit<unknown, unknown> {
    if (!this.node.encoded) return Exit.succeed(value)
    const exit = runCodec(from.encode(value), this.node.context)
    if (Exit.isSuccess(exit)) return this.decode(exit.value, to)
    const reason = new ReplyNotEncoded({ to: this.to, tag: this.method.tag, issue: issueOf(exit) })
    return Exit.fail(new Unknown({ reason }))
  }

  /** The deadline has passed. */
  expire(): void {
    if (this.cell !== undefined && this.envelope !== undefined && this.cell.withdraw(this.envelope, "expired")) {
      this.abort(new NotExecuted({ reason: new Expired({ to: this.to, tag: this.method.tag }) }))
    } else {
      this.abort(new Unknown({ reason: this.timeout() }))
    }
  }

  protected timeout(): Timeout {
    return new Timeout({ to: this.to, tag: this.method.tag, deadlineMillis: this.millis })
  }

  /** Nobody waits any more: withdraws the request, or interrupts its handler. */
  cancel(): void {
    if (this.done) return
    this.close()
    if (this.cell !== undefined && this.envelope !== undefined) this.cell.cancel(this.envelope)
    this.link?.cancel(this.messageId)
    if (this.#abandoned !== undefined) callBack(this.node, this.#abandoned)
  }

  /** The node that has the request is lost, or the connection to it. */
  lose(kind: "node" | "connection", node: string): void {
    const reason = kind === "node" ? new NodeLost({ to: this.to, node }) : new ConnectionLost({ to: this.to, node })
    this.abort(new Unknown({ reason }))
  }

  protected close(): void {
    this.done = true
    if (this.place >= 0) this.node.deadlines.remove(this)
    if (this.slot !== 0) this.node.slots.delete(this.slot)
  }

  finish(exit: Exit.Exit<unknown, unknown>): void {
    if (this.done) {
      this.node.ledger.lateReply()
      return
    }
    this.close()
    this.wake(exit)
  }

  /**
   * Resumes the asker at once, inside the callee's turn; deep chains of answers go by the dispatcher instead, so that they
   * do not use up the stack.
   */
  protected wake(exit: Exit.Exit<unknown, unknown>): void {
    const { node } = this
    const end = exit._tag === "Success" ? exit : this.failed(exit)
    if (node.enter()) {
      this.resume(end as Exit.Exit<any, any>)
      node.depth -= 1
    } else node.dispatcher.scheduleTask(() => this.resume(end as Exit.Exit<any, any>), 0)
  }

  protected resume(end: Effect.Effect<any, any>): void {
    this.#resume(end)
  }

  /** What the asker goes on with after a failure. */
  protected failed(exit: Exit.Failure<unknown, unknown>): Effect.Effect<unknown, unknown> {
    return exit
  }
}

/** What waits for a message's acceptance instead of its answer. The accepted message is then a tell. */
export class Offer extends Ask {
  override succeedEncoded(): void {
    this.finish(Exit.void)
  }
}

/** Sends an Exit to a reply: a value, a typed error, or (it holds neither) that the callee crashed. */
export const answer = (reply: Reply, exit: Exit.Exit<unknown, unknown>, method: Method, to: string): void => {
  if (Exit.isSuccess(exit)) reply.succeed(exit, method)
  else {
    const failure = typedFailure(exit)
    if (failure !== undefined) reply.fail(failure.error, method)
    else reply.abort(crashed(exit.cause, method, to))
  }
}

const typedFailure = (exit: Exit.Failure<unknown, unknown>): { readonly error: unknown } | undefined => {
  if (Cause.hasDies(exit.cause)) return undefined
  const fail = exit.cause.reasons.find((reason) => reason._tag === "Fail")
  return fail === undefined ? undefined : { error: fail.error }
}

/** Whether an Exit is an answer: a value or a typed error. Anything else is a crash. */
export const isAnswer = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isSuccess(exit) || typedFailure(exit) !== undefined

/** What the asker of a request learns when its handler ended without an answer. */
const crashed = (cause: Cause.Cause<unknown>, method: Method, to: string): Unknown =>
  new Unknown({
    reason: Cause.hasInterruptsOnly(cause)
      ? new Interrupted({ to, tag: method.tag })
      : new CalleeCrashed({ to, tag: method.tag, cause: Cause.squash(cause) })
  })

/** Hands a request over; answers why it was not. */
const dispatch = (ref: Ref, ask: Ask, payload: unknown, messageId: number, attempt: number): Refusal | undefined => {
  const { cell, node, remote } = ref
  if (cell !== undefined) {
    let body = payload
    if (node.encoded) {
      const encoded = encodePayload(ref, ask.method, payload)
      if (Exit.isFailure(encoded)) return notEncoded(ref, ask.method, encoded)
      body = encoded.value
    }
    const envelope = new Envelope(ask.method, node.encoded, ask, Number.POSITIVE_INFINITY, currentSpan())
    if (ask instanceof Offer) {
      envelope.onAccepted = () => {
        envelope.reply = undefined
        ask.finish(Exit.void)
      }
    }
    ask.cell = cell
    ask.envelope = envelope
    const refusal = cell.accept(envelope, body, true, node.handOff)
    if (refusal === undefined && !ask.done) ask.start()
    return refusal
  }
  const encoded = encodePayload(ref, ask.method, payload)
  if (Exit.isFailure(encoded)) return notEncoded(ref, ask.method, encoded)
  ask.messageId = messageId
  ask.start()
  return remote!.ask(ask, encoded.value, attempt, currentSpan())
}

/** The error of a message that was not accepted. */
export const refused = (ref: Ref, refusal: Refusal): NotExecuted =>
  new NotExecuted({ reason: reasonOf(refusal, ref.path, ref.cell?.behavior.mailbox.capacity ?? 0) })

const retryMillis = 50
const retryMaxMillis = 1000
/** How often a request that may have run is sent, its first time included. */
const attempts = 5

/** Whether the runtime may send a request again that ended so, by itself. */
const mayRetry = (error: unknown, method: Method, attempt: number): boolean => {
  if (error instanceof NotExecuted) return error.reason._tag === "NotConnected" || error.reason._tag === "NoRoute"
  if (!method.idempotent || attempt >= attempts || !(error instanceof Unknown)) return false
  return error.reason._tag === "ConnectionLost" || error.reason._tag === "CalleeCrashed"
}

/** A request as it is sent, perhaps more than once. */
interface Request {
  readonly ref: Ref
  readonly method: Method
  readonly payload: unknown
  /** The same for every attempt. */
  readonly messageId: number
}

/** One attempt at a request. */
class Attempt extends Ask {
  readonly #request: Request
  readonly #number: number
  /** How an earlier attempt ended that may have run: the request is then never said not to have been executed. */
  readonly #suspect: Unknown | undefined

  constructor(
    request: Request,
    millis: number,
    number: number,
    suspect: Unknown | undefined,
    resume: (effect: Effect.Effect<any, any>) => void
  ) {
    super(request.ref, request.method, millis, resume)
    this.#request = request
    this.#number = number
    this.#suspect = suspect
  }

  /** Goes on with the next attempt, under the same id and inside the same deadline, where S4 allows it. */
  protected override failed(exit: Exit.Failure<unknown, unknown>): Effect.Effect<unknown, unknown> {
    const error = Cause.squash(exit.cause)
    const suspect = error instanceof Unknown ? error : this.#suspect
    const end = error instanceof NotExecuted && suspect !== undefined ? Exit.fail(suspect) : exit
    const left =
      this.at === Number.POSITIVE_INFINITY ? this.millis : this.at - this.node.clock.currentTimeMillisUnsafe()
    const pause = Math.min(retryMillis * 2 ** (this.#number - 1), retryMaxMillis)
    if (this.node.closed || pause >= left || !mayRetry(error, this.method, this.#number)) return end
    return Effect.andThen(Effect.sleep(pause), attempt(this.#request, left - pause, this.#number + 1, suspect))
  }
}

const attempt = (
  request: Request,
  millis: number,
  number: number,
  suspect: Unknown | undefined
): Effect.Effect<any, any> =>
  Effect.callback<any, any>((resume) => {
    const ask = new Attempt(request, millis, number, suspect, resume)
    const refusal = dispatch(request.ref, ask, request.payload, request.messageId, number)
    if (refusal !== undefined) ask.abort(refused(request.ref, refusal))
    if (ask.done) return
    request.ref.node.deadlines.add(ask)
    return Effect.sync(() => ask.cancel())
  })

const endingOf = (exit: Exit.Exit<unknown, unknown>): Ending => {
  if (Exit.isSuccess(exit)) return "value"
  if (Cause.hasInterrupts(exit.cause)) return "interrupted"
  const error = Cause.squash(exit.cause)
  return error instanceof NotExecuted ? "notExecuted" : error instanceof Unknown ? "unknown" : "failure"
}

/** Runs an ask: one request, one answer. */
export const ask = (
  ref: Ref,
  method: Method,
  payload: unknown,
  options: AskOptions | undefined
): Effect.Effect<any, any> => {
  const millis = options === undefined ? defaultMillis : deadlineMillis(options)
  const { ledger } = ref.node
  // Another node knows a request by its id; each run of the Effect is a request of its own.
  const asked =
    ref.cell === undefined
      ? Effect.suspend(() => attempt({ ref, method, payload, messageId: ref.node.nextId() }, millis, 1, undefined))
      : attempt({ ref, method, payload, messageId: 0 }, millis, 1, undefined)
  if (!ledger.enabled) return asked
  return Effect.uninterruptibleMask((restore) => {
    const id = ledger.ask(ref.path, method.tag)
    return Effect.onExit(restore(asked), (exit) => Effect.sync(() => ledger.end(id, endingOf(exit))))
  })
}

/**
 * Sends a request now and calls `onExit` with its end, perhaps before it returns; answers how to cancel it, after which
 * `onExit` is not called. It is sent once: nothing is retried.
 */
export const askUnsafe = (
  ref: Ref,
  method: Method,
  payload: unknown,
  onExit: (exit: Exit.Exit<any, any>) => void,
  options: AskUnsafeOptions | undefined
): (() => void) => {
  if (method.streaming) throw new Error(`expected a request that answers once, got: "${method.tag}", which streams`)
  const { ledger } = ref.node
  const millis = callMillis(options)
  const id = ledger.enabled ? ledger.ask(ref.path, method.tag) : 0
  const ask = new Call(ref, method, millis, onExit, id)
  const refusal = dispatch(ref, ask, payload, ref.cell === undefined ? ref.node.nextId() : 0, 1)
  if (refusal !== undefined) ask.abort(refused(ref, refusal))
  else if (!ask.done && millis !== Number.POSITIVE_INFINITY) ref.node.deadlines.add(ask)
  return () => ask.leave()
}

const callMillis = (options: AskUnsafeOptions | undefined): number => {
  const deadline = options?.deadline
  if (deadline === undefined) return defaultMillis
  const isEndless = deadline === Number.POSITIVE_INFINITY || Duration.toMillis(deadline) === Number.POSITIVE_INFINITY
  return isEndless ? Number.POSITIVE_INFINITY : deadlineMillis(options)
}

/** An ask whose asker is a function. */
class Call extends Ask {
  readonly #onExit: (exit: Exit.Exit<any, any>) => void
  readonly #ledgerId: number
  #left = false

  constructor(ref: Ref, method: Method, millis: number, onExit: (exit: Exit.Exit<any, any>) => void, ledgerId: number) {
    super(ref, method, millis, nobody)
    this.#onExit = onExit
    this.#ledgerId = ledgerId
  }

  protected override resume(exit: Exit.Exit<any, any>): void {
    if (this.#ledgerId !== 0) this.node.ledger.end(this.#ledgerId, endingOf(exit))
    if (this.#left) return
    try {
      this.#onExit(exit)
    } catch (defect) {
      threw(this.node, defect)
    }
  }

  /** The asker wants no answer any more. */
  leave(): void {
    this.#left = true
    if (this.done) return
    this.cancel()
    if (this.#ledgerId !== 0) this.node.ledger.end(this.#ledgerId, "interrupted")
  }
}

const nobody = () => {}

// ----- Streams -----

/** How many elements a stream's consumer asks for ahead of reading them. */
export const window = 64

class AskStream extends Ask {
  #buffer: Array<unknown> = []
  #end: Exit.Exit<unknown, unknown> | undefined
  #reader: ((exit: Exit.Exit<any, any>) => void) | undefined

  constructor(ref: Ref, method: Method, millis: number) {
    super(ref, method, millis, nobody)
  }

  override elements(values: ReadonlyArray<unknown>, method: Method): boolean {
    for (const value of values) {
      const exit = this.transfer(value, method.success, this.method.success)
      if (!this.#push(exit)) return false
    }
    return true
  }

  override elementsEncoded(values: ReadonlyArray<unknown>): void {
    for (const value of values) {
      if (!this.#push(this.decode(value, this.method.success))) {
        this.link?.cancel(this.messageId)
        return
      }
    }
  }

  #push(exit: Exit.Exit<unknown, unknown>): boolean {
    if (this.done) {
      this.node.ledger.lateReply()
      return false
    }
    if (Exit.isFailure(exit)) {
      this.finish(exit)
      return false
    }
    this.#buffer.push(exit.value)
    this.#serve()
    return true
  }

  /** The value of a stream's end says nothing. */
  override succeed(): void {
    this.finish(Exit.void)
  }

  override succeedEncoded(): void {
    this.finish(Exit.void)
  }

  protected override wake(exit: Exit.Exit<unknown, unknown>): void {
    this.#end = exit
    this.#serve()
  }

  override expire(): void {
    const { cell, envelope } = this
    super.expire()
    // Nobody will read on: what still runs for it is of no use.
    if (cell !== undefined && envelope !== undefined) cell.cancel(envelope)
    this.link?.cancel(this.messageId)
  }

  #serve(): void {
    const reader = this.#reader
    if (reader === undefined || (this.#buffer.length === 0 && this.#end === undefined)) return
    this.#reader = undefined
    this.node.deadlines.remove(this)
    reader(this.#next())
  }

  #next(): Exit.Exit<any, any> {
    if (this.#buffer.length > 0) {
      const values = this.#buffer
      this.#buffer = []
      if (this.envelope?.credit !== undefined) this.envelope.credit.grant(values.length)
      this.link?.grant(this.messageId, values.length)
      return Exit.succeed(values)
    }
    const end = this.#end!
    return Exit.isSuccess(end) ? Exit.fail(Cause.Done()) : end
  }

  /** The next elements: waits for them inside the deadline. */
  readonly pull: Effect.Effect<any, any> = Effect.callback<any, any>((resume) => {
    if (this.#buffer.length > 0 || this.#end !== undefined) {
      resume(this.#next())
      return
    }
    this.at = this.node.clock.currentTimeMillisUnsafe() + this.millis
    this.#reader = resume
    this.node.deadlines.add(this)
    return Effect.sync(() => {
      this.#reader = undefined
      this.node.deadlines.remove(this)
    })
  })
}

/** Runs a streaming ask. The request is sent when the stream is run, and cancelled when it is left. */
export const askStream = (
  ref: Ref,
  method: Method,
  payload: unknown,
  options: AskOptions | undefined
): Stream.Stream<any, any> => {
  const millis = deadlineMillis(options)
  const open = Effect.sync(() => {
    const ask = new AskStream(ref, method, millis)
    const { ledger } = ref.node
    const id = ledger.enabled ? ledger.ask(ref.path, method.tag) : 0
    const refusal = dispatch(ref, ask, payload, ref.node.nextId(), 1)
    if (refusal !== undefined) ask.abort(refused(ref, refusal))
    return { ask, id }
  })
  return Stream.unwrap(
    Effect.map(
      Effect.acquireRelease(open, ({ ask, id }, exit) =>
        Effect.sync(() => {
          ask.cancel()
          if (ref.node.ledger.enabled) ref.node.ledger.end(id, endingOf(exit))
        })
      ),
      ({ ask }) => Stream.fromPull(Effect.succeed(ask.pull))
    )
  )
}

// ----- Offers -----

/** Waits until the mailbox took the message. */
export const offer = (
  ref: Ref,
  method: Method,
  payload: unknown,
  options: AskOptions | undefined
): Effect.Effect<void, NotExecuted | Unknown> => {
  const millis = deadlineMillis(options)
  return Effect.callback<any, any>((resume) => {
    const offered = new Offer(ref, method, millis, resume)
    const refusal = dispatch(ref, offered, payload, ref.node.nextId(), 1)
    if (refusal !== undefined) offered.abort(refused(ref, refusal))
    if (offered.done) return
    ref.node.deadlines.add(offered)
    return Effect.sync(() => offered.cancel())
  })
}
