/**
 * One running actor: its mailbox, its incarnation, and the loop that hands it one message at a time.
 *
 * An idle cell holds no fiber. A message to it schedules one activation on the system's dispatcher. Results that are
 * already Exits are settled in plain JavaScript; the first other Effect of an activation starts one fiber, which carries
 * the rest of the batch. A batch ends after 256 messages, so that others, timers and I/O get their turn.
 *
 * The cell is the one place where a message ends: every message that `accept` took is settled exactly once.
 */
import { Cause, type Duration, Effect, Context as EffectContext, Exit, Fiber, Scope, Stream, Tracer } from "effect"
import { type Behavior, Context } from "./Actor.ts"
import {
  ChildFailed,
  DecodeError,
  Expired,
  MailboxFull,
  NotExecuted,
  type NotExecutedReason,
  Shed,
  StartError,
  Stopping,
  UnsupportedMessage
} from "./ActorError.ts"
import type { ActorRef } from "./ActorRef.ts"
import { answer, isAnswer, type Refusal, window } from "./Ask.ts"
import { type ChildOptions, Children, type ChildSpec, childSpec } from "./Children.ts"
import { Credit, Envelope, type Head, Signal } from "./Envelope.ts"
import type { Outcome } from "./Ledger.ts"
import { Mailbox } from "./Mailbox.ts"
import { ActorSystem, type Node, type TerminationReason, type TreeNode } from "./Node.ts"
import { type Any, issueOf, type Method, methodOf, runCodec } from "./Protocol.ts"
import { make as makeRef, type Ref } from "./Ref.ts"
import { ReplyTo } from "./ReplyTo.ts"
import { type Directive, type Failure, type Health, millisOf } from "./Restart.ts"
import { Shelf, type Stash } from "./Stash.ts"
import { Timers } from "./Timers.ts"

/** How many messages one activation handles before others get their turn. */
const batch = 256

type Phase = "starting" | "alive" | "restarting" | "stopping" | "ended"

/** The message that a concurrent handler's fiber handles; others find theirs in the cell. */
const Current = EffectContext.Reference<Envelope | undefined>("troupe/Cell/Current", { defaultValue: () => undefined })

/** One run of an actor, from `init` to crash or end. Made when something needs it: a plain tell does not. */
class Incarnation {
  readonly scope = Scope.makeUnsafe()
  readonly own: Context["Service"]
  readonly fork: <A, E>(effect: Effect.Effect<A, E, any>) => Fiber.Fiber<A, E>
  /** Handlers of concurrent requests that run. */
  readonly concurrent = new Map<Envelope, Fiber.Fiber<unknown, unknown>>()
  readonly unwatch = new Set<() => void>()
  timers: Timers | undefined
  shelf: Shelf | undefined
  /** Whether its messages are noted: their payloads for the stash, and when they come for the receive timeout. */
  isNoting = false
  /** Of the message in hand, where messages are noted. */
  payload: unknown

  constructor(cell: Cell, services: EffectContext.Context<never>) {
    this.own = contextOf(cell)
    // The spawner's span ended long ago when a handler runs, and its Scope, actor and message are not this actor's.
    const base =
      EffectContext.getOrUndefined(services, Tracer.ParentSpan) === undefined
        ? services
        : EffectContext.omit(Tracer.ParentSpan)(services)
    const context = base.pipe(
      EffectContext.add(Scope.Scope, this.scope),
      EffectContext.add(Context, this.own),
      EffectContext.add(ActorSystem, cell.node),
      EffectContext.add(Current, undefined)
    )
    this.fork = Effect.runForkWith(context as EffectContext.Context<any>)
  }
}

export class Cell {
  readonly node: Node
  readonly behavior: Behavior<any, any, any>
  readonly path: string
  readonly id: number
  readonly spec: ChildSpec
  /** Its parent's children, itself among them. */
  readonly siblings: Children
  previous: Cell | undefined
  next: Cell | undefined
  children: Children | undefined
  #phase: Phase = "starting"
  #working = false
  /** An activation is scheduled, or one runs, or its fiber does. */
  #active = false
  #incarnations = 0
  #services: EffectContext.Context<never>
  #handlers: Record<string, (payload: unknown) => unknown> | undefined
  #incarnation: Incarnation | undefined
  #mailbox: Mailbox<Head> | undefined
  #left = 0
  /** The head and the Effect of the message in hand. */
  #head: Head | undefined
  #effect: Effect.Effect<unknown, unknown, any> | undefined
  #fiber: Fiber.Fiber<unknown, unknown> | undefined
  #activate: (() => void) | undefined
  #loop: Effect.Effect<void, unknown, any> | undefined
  #health: Health | undefined
  /** A child was given up while this actor was starting. */
  #failure: ChildFailed | undefined
  /** The fiber that starts, halts or stops the actor. */
  #lifecycle: Fiber.Fiber<unknown, unknown> | undefined
  /** The fiber that closes the last incarnation's Scope. */
  #closing: Fiber.Fiber<unknown, unknown> | undefined
  #watchers: Set<(reason: TerminationReason) => void> | undefined
  #reason: TerminationReason | undefined

  constructor(
    node: Node,
    behavior: Behavior<any, any, any>,
    path: string,
    siblings: Children,
    spec: ChildSpec,
    services: EffectContext.Context<never>
  ) {
    this.node = node
    this.behavior = behavior
    this.path = path
    this.id = node.nextId()
    this.siblings = siblings
    this.spec = spec
    this.#services = services
  }

  // ----- Accepting -----

  /**
   * Takes a message into the mailbox, or answers why not. `mayWait` lets it wait outside a full `backpressure` mailbox: it
   * is then neither refused nor accepted yet. `handOff` lets an idle actor handle it at once, inside the caller's turn.
   */
  accept(sent: Method | Envelope, body: unknown, mayWait: boolean, handOff: boolean): Refusal | undefined {
    if (this.#phase === "stopping") return "Stopping"
    if (this.#phase === "ended") return "NoSuchActor"
    // From here on the message goes by the actor's own definition of it.
    const tag = sent.kind === "method" ? sent.tag : sent.method.tag
    const method = this.behavior.protocol.get(tag)
    if (method === undefined) {
      const reason = new UnsupportedMessage({ to: this.path, tag, known: [...this.behavior.protocol.keys()] })
      if (sent.kind === "envelope" && sent.reply !== undefined) return reason
      this.#accepted(sent)
      this.#drop(sent, body, "deadLettered", reason)
      return undefined
    }
    const head = sent.kind === "method" ? method : sent
    if (head.kind === "envelope") head.method = method
    // An actor that is alive and not active has nothing in its mailbox: nobody is overtaken.
    if (handOff && !this.#active && this.#phase === "alive" && head.kind === "envelope" && this.node.enter()) {
      this.#serve(head, body)
      this.node.depth -= 1
      return undefined
    }
    this.#mailbox ??= new Mailbox()
    const mailbox = this.#mailbox
    if (method.urgent) {
      if (head.kind === "method") mailbox.pushUrgent(head, body)
      else {
        mailbox.pushUrgent(head, body, head)
        this.#accepted(head)
      }
      if (!this.#active) this.#wake()
      return undefined
    }
    if (mailbox.isFull(this.behavior.mailbox)) {
      switch (this.behavior.mailbox.overflow) {
        case "dropNewest":
          this.#accepted(head)
          this.#shed(head, body)
          return undefined
        case "dropOldest":
          if (mailbox.takeOldest((oldest) => oldest.kind !== "signal")) {
            this.#shed(mailbox.head as Method | Envelope, mailbox.body)
          }
          break
        case "backpressure":
          if (mayWait && head.kind === "envelope") {
            head.stage = "waiting"
            mailbox.wait(head, body, () => this.#accepted(head))
            return undefined
          }
          return "MailboxFull"
        default:
          return "MailboxFull"
      }
    }
    if (head.kind === "method") mailbox.push(head, body)
    else {
      mailbox.push(head, body, head)
      this.#accepted(head)
    }
    if (!this.#active) this.#wake()
    return undefined
  }

  #accepted(head: Method | Envelope): void {
    if (head.kind !== "envelope") return
    head.stage = "queued"
    if (this.node.ledger.enabled) head.ledgerId = this.node.ledger.accept(this.path, head.method.tag)
    head.onAccepted?.()
  }

  /** Puts something the actor asked for in line with its messages. */
  signal(signal: Signal): void {
    if (this.#phase === "stopping" || this.#phase === "ended") return
    this.#mailbox ??= new Mailbox()
    this.#mailbox.pushSignal(signal)
    if (!this.#active) this.#wake()
  }

  #wake(): void {
    this.#setWorking(true)
    if (this.#phase !== "alive") return
    this.#active = true
    this.node.dispatcher.scheduleTask((this.#activate ??= () => this.#run()), 0)
  }

  #setWorking(working: boolean): void {
    if (this.#working === working) return
    this.#working = working
    this.node.working(working ? 1 : -1)
  }

  // ----- Handling -----

  #run(): void {
    if (this.#phase !== "alive") {
      this.#active = false
      return
    }
    this.#left = batch
    this.#carry(this.#nextEffect())
  }

  /** Handles a message at once, and those that came meanwhile. */
  #serve(head: Envelope, body: unknown): void {
    this.#active = true
    this.#setWorking(true)
    if (this.node.ledger.enabled || head.onAccepted !== undefined) this.#accepted(head)
    this.#left = batch
    this.#carry(this.#step(head, body) ?? this.#nextEffect())
  }

  /** Goes on with a batch in a fiber, from the first Effect that needs one. */
  #carry(effect: Effect.Effect<unknown, unknown, any> | undefined): void {
    if (effect === undefined) {
      this.#settle()
      return
    }
    this.#effect = effect
    const loop = (this.#loop ??= this.#makeLoop())
    this.#incarnate()
      .fork(loop)
      .addObserver((exit) => {
        if (this.#loop === loop) this.#done(exit)
      })
  }

  /** What a batch's fiber runs. It notes the fiber first: who cancels the message may run inside its first stretch. */
  #makeLoop(): Effect.Effect<void, unknown, any> {
    const loop = Effect.whileLoop({
      while: () => this.#effect !== undefined || (this.#effect = this.#nextEffect()) !== undefined,
      body: () => {
        const next = this.#effect!
        this.#effect = undefined
        return next
      },
      step: (value) => this.#succeeded(value)
    })
    return Effect.withFiber((fiber) => {
      this.#fiber = fiber
      return loop
    })
  }

  /**
   * Leaves a handler behind that outlived every deadline: its message ends here. Its fiber was interrupted, so it takes no
   * other when it ends, and its end is nobody's: the next incarnation has another loop.
   */
  #abandon(): void {
    this.#loop = undefined
    this.#fiber = undefined
    this.#effect = undefined
    this.#active = false
    const head = this.#head
    this.#head = undefined
    if (head !== undefined) this.#end(head, "failed", Exit.interrupt())
  }

  /** Handles messages until one needs a fiber; answers its Effect, or undefined at the end of the batch. */
  #nextEffect(): Effect.Effect<unknown, unknown, any> | undefined {
    const mailbox = this.#mailbox
    while (mailbox !== undefined && this.#phase === "alive" && this.#left-- > 0 && mailbox.take()) {
      const head = mailbox.head!
      const body = mailbox.body
      mailbox.head = undefined
      mailbox.body = undefined
      if (mailbox.waiting > 0) mailbox.admit(this.behavior.mailbox)
      const effect = this.#step(head, body)
      if (effect !== undefined) return effect
    }
    return undefined
  }

  /** Handles one message: to its end, or up to the Effect that it needs a fiber for. */
  #step(head: Head, body: unknown): Effect.Effect<unknown, unknown, any> | undefined {
    this.#head = head
    const result = this.#handle(head, body)
    if (result === undefined) return undefined
    // The shortest way for the commonest case: a tell whose handler answered at once.
    if (result === Effect.void && head.kind === "method") this.#head = undefined
    else if (result === Effect.void) this.#finished(head, Exit.void)
    else if (Exit.isExit(result)) this.#finished(head, result)
    else return result
    return undefined
  }

  /** Calls the handler. Undefined when there is none to call, or it runs on its own: the message is taken care of. */
  #handle(head: Head, body: unknown): Effect.Effect<unknown, unknown, any> | undefined {
    if (head.kind === "signal") {
      this.#mailbox!.signalTaken()
      return effectOf(head.run, undefined, head.tag)
    }
    if (head.kind !== "envelope") return this.#receive(head, head, this.node.encoded, body)
    if (head.deadline !== Number.POSITIVE_INFINITY && head.deadline <= this.node.clock.currentTimeMillisUnsafe()) {
      this.#drop(head, body, "expired", new Expired({ to: this.path, tag: head.method.tag }))
      return undefined
    }
    const effect = this.#receive(head.method, head, head.encoded, body)
    return head.trace === undefined || effect === undefined || Exit.isExit(effect)
      ? effect
      : Effect.provideService(effect, Tracer.ParentSpan, head.trace)
  }

  /** Decodes a body and calls its handler. */
  #receive(
    method: Method,
    head: Method | Envelope,
    encoded: boolean,
    body: unknown
  ): Effect.Effect<unknown, unknown, any> | undefined {
    let payload = body
    if (encoded) {
      const exit = runCodec(method.payload.decode(body), this.node.context)
      if (Exit.isFailure(exit)) {
        const issue = issueOf(exit)
        this.#drop(head, body, "deadLettered", new DecodeError({ to: this.path, tag: method.tag, issue }))
        return undefined
      }
      payload = exit.value
    }
    if (method.plain) {
      if (head.kind === "envelope") head.stage = "running"
      return effectOf(this.#handlers![method.tag]!, payload, method.tag, this.#handlers)
    }
    const envelope =
      head.kind === "envelope" ? head : new Envelope(method, false, undefined, Number.POSITIVE_INFINITY, undefined)
    envelope.stage = "running"
    const effect = method.streaming
      ? this.#streamed(method, envelope, payload)
      : effectOf(this.#handlers![method.tag]!, payload, method.tag, this.#handlers)
    if (!method.concurrent) return effect
    this.#head = undefined
    this.#fork(envelope, effect)
    return undefined
  }

  /** Runs a streaming handler: its elements go out as its consumer asks for them. */
  #streamed(method: Method, envelope: Envelope, payload: unknown): Effect.Effect<unknown, unknown, any> {
    envelope.credit ??= new Credit(window)
    const { credit } = envelope
    let stream: unknown
    try {
      stream = this.#handlers![method.tag]!(payload)
    } catch (defect) {
      return Exit.die(defect)
    }
    if (!Stream.isStream(stream)) {
      return Exit.die(new Error(`expected the handler of "${method.tag}" to return a Stream, got: ${String(stream)}`))
    }
    const send = (values: ReadonlyArray<unknown>): Effect.Effect<void> =>
      Effect.suspend(() => {
        const { reply } = envelope
        // Told, not asked: the elements have no reader, and the stream runs for what it does.
        if (reply === undefined) return Effect.void
        const taken = credit.take(values.length)
        if (taken > 0 && !reply.elements(taken === values.length ? values : values.slice(0, taken), method)) {
          // The asker has been told why; the stream ends here, and that is no crash.
          envelope.reply = undefined
          if (envelope.stage === "running") this.#settled(envelope, "handled")
          return Effect.interrupt
        }
        if (taken === values.length) return Effect.void
        return Effect.andThen(
          Effect.callback<void>((resume) => {
            credit.wait(() => resume(Effect.void))
            return Effect.sync(() => credit.leave())
          }),
          send(values.slice(taken))
        )
      })
    return Stream.runForEachArray(stream as Stream.Stream<unknown, unknown, any>, send)
  }

  /** Runs a concurrent request's handler beside the others. */
  #fork(envelope: Envelope, effect: Effect.Effect<unknown, unknown, any>): void {
    const incarnation = this.#incarnate()
    const traced =
      envelope.trace === undefined ? effect : Effect.provideService(effect, Tracer.ParentSpan, envelope.trace)
    const noted = Effect.withFiber((fiber) => {
      incarnation.concurrent.set(envelope, fiber)
      envelope.interrupt = () => fiber.interruptUnsafe()
      return Effect.provideService(traced, Current, envelope)
    })
    incarnation.fork(noted).addObserver((exit) => {
      incarnation.concurrent.delete(envelope)
      this.#finished(envelope, exit, incarnation)
    })
  }

  #succeeded(value: unknown): void {
    this.#finished(this.#head!, Exit.succeed(value))
  }

  /** A handler has come to its end, however: ends its message, and crashes where the Exit is no answer. */
  #finished(head: Head, exit: Exit.Exit<unknown, unknown>, incarnation = this.#incarnation): void {
    if (this.#head === head) this.#head = undefined
    if (exit._tag === "Success") {
      this.#end(head, "handled", exit)
      return
    }
    const isGone = head.kind === "envelope" && (head.stage === "ended" || head.stage === "stashed")
    if (isGone && Cause.hasInterruptsOnly(exit.cause)) return
    const answered = head.kind !== "signal" && isAnswer(exit)
    const alive = this.#phase === "alive" && this.#incarnation === incarnation
    // Nobody interrupted it from outside.
    const interruptedItself = alive && !answered && Cause.hasInterruptsOnly(exit.cause)
    const cause = interruptedItself ? Cause.die(new Error("it interrupted itself")) : exit.cause
    // A typed error is the asker's; without one it is a failure only where the behavior says so.
    const isFailure = !answered || (this.behavior.onFailure !== undefined && isTold(head))
    const directive =
      alive && isFailure ? this.#directive(failureOf(exit.cause, answered, interruptedItself)) : "resume"
    this.#end(head, answered && directive === "resume" ? "handled" : "failed", Exit.failCause(cause))
    if (alive && isFailure) this.#follow(directive, cause, answered)
  }

  /** The batch's fiber has ended: with the batch, or with the failure of the message in hand. */
  #done(exit: Exit.Exit<unknown, unknown>): void {
    this.#fiber = undefined
    this.#effect = undefined
    const head = this.#head
    if (Exit.isFailure(exit) && head !== undefined) this.#finished(head, exit)
    this.#settle()
  }

  /** After a batch: on with the next, or to rest. */
  #settle(): void {
    this.#active = false
    if (this.#phase !== "alive") return
    if ((this.#mailbox?.size ?? 0) > 0) this.#wake()
    else this.#setWorking(false)
  }

  // ----- Ending messages -----

  /** Ends a message that met its handler. */
  #end(head: Head, outcome: Outcome, exit: Exit.Exit<unknown, unknown>): void {
    if (head.kind !== "envelope" || head.stage === "ended" || head.stage === "stashed") return
    const { reply } = head
    this.#settled(head, outcome)
    if (reply === undefined) return
    head.reply = undefined
    if (exit._tag === "Success") reply.succeed(exit, head.method)
    else answer(reply, exit, head.method, this.path)
  }

  #settled(envelope: Envelope, outcome: Outcome): void {
    envelope.stage = "ended"
    envelope.interrupt = undefined
    if (envelope.ledgerId !== 0) this.node.ledger.settle(envelope.ledgerId, outcome)
    envelope.onEnd?.()
  }

  /** Ends a message that met no handler: its asker gets the reason back, a tell becomes a dead letter. */
  #drop(head: Method | Envelope, body: unknown, outcome: Outcome, reason: NotExecutedReason): void {
    const envelope = head.kind === "envelope" ? head : undefined
    const reply = envelope?.reply
    if (envelope !== undefined) {
      this.#settled(envelope, reply !== undefined && outcome === "deadLettered" ? "returned" : outcome)
      envelope.reply = undefined
    }
    if (reply !== undefined) reply.abort(new NotExecuted({ reason }))
    else {
      const tag = envelope?.method.tag ?? (head as Method).tag
      this.node.letters.publish({ to: this.path, tag, payload: body, reason })
    }
  }

  #shed(head: Method | Envelope, body: unknown): void {
    const tag = head.kind === "envelope" ? head.method.tag : head.tag
    const policy = this.behavior.mailbox.overflow
    this.#drop(head, body, "shed", new Shed({ to: this.path, tag, policy }))
  }

  /** Empties the mailbox, and sends home those who wait outside. */
  #flush(): void {
    for (const [envelope, payload] of this.#incarnation?.shelf?.takeAll() ?? []) {
      this.#drop(envelope, payload, "deadLettered", new Stopping({ to: this.path }))
    }
    const mailbox = this.#mailbox
    if (mailbox === undefined) return
    this.#mailbox = undefined
    while (mailbox.take()) {
      const head = mailbox.head!
      if (head.kind !== "signal") this.#drop(head, mailbox.body, "deadLettered", new Stopping({ to: this.path }))
    }
    for (const head of mailbox.dismiss()) {
      const envelope = head as Envelope
      envelope.stage = "ended"
      envelope.onEnd?.()
      envelope.reply?.abort(new NotExecuted({ reason: new Stopping({ to: this.path }) }))
    }
  }

  /** Takes a request back whose handler has not started. False when it has. */
  withdraw(envelope: Envelope, outcome: "expired" | "cancelled"): boolean {
    if (envelope.stage === "stashed") {
      this.#incarnation?.shelf?.withdraw(envelope)
      this.#settled(envelope, outcome)
      return true
    }
    const mailbox = this.#mailbox
    if (mailbox === undefined) return false
    if (envelope.stage === "queued") {
      mailbox.withdraw(envelope)
      this.#settled(envelope, outcome)
      if (mailbox.waiting > 0) mailbox.admit(this.behavior.mailbox)
      return true
    }
    if (envelope.stage === "waiting") {
      mailbox.leave(envelope)
      envelope.stage = "ended"
      envelope.onEnd?.()
      return true
    }
    return false
  }

  /** Nobody waits for the request any more: takes it back, or interrupts its handler. That is no crash. */
  cancel(envelope: Envelope): void {
    if (this.withdraw(envelope, "cancelled") || envelope.stage !== "running") return
    const interrupt = envelope.interrupt
    envelope.reply = undefined
    this.#settled(envelope, "cancelled")
    if (interrupt !== undefined) interrupt()
    else if (this.#head === envelope) this.#fiber?.interruptUnsafe()
  }

  // ----- Starting, crashing, ending -----

  #incarnate(): Incarnation {
    return (this.#incarnation ??= new Incarnation(this, this.#services))
  }

  /** Runs `init`. An Exit when it is done at once. */
  #init(): Effect.Effect<void, unknown> {
    this.#incarnations += 1
    const { init } = this.behavior
    if (!Effect.isEffect(init)) {
      this.#handlers = init as never
      return Exit.void
    }
    return Effect.suspend(() => {
      const fiber = this.#incarnate().fork(init as Effect.Effect<any, unknown, any>)
      const started = (handlers: any) => {
        this.#handlers = this.#incarnation?.isNoting ? this.#noted(handlers) : handlers
      }
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return Exit.map(exit, started)
      return Effect.callback<void, unknown>((resume) => {
        fiber.addObserver((exit) => resume(Exit.map(exit, started)))
        return endWithin([fiber], 0, this.behavior.stopDeadlineMillis)
      })
    })
  }

  /** Starts the actor for the first time. Succeeds after `init` did. */
  start(): Effect.Effect<ActorRef<any>, StartError> {
    const first = this.#init()
    if (Exit.isExit(first)) {
      this.#started()
      return Exit.succeed(this.ref())
    }
    return Effect.callback<ActorRef<any>, StartError>((resume) => {
      this.#setWorking(true)
      this.#lifecycle = this.node.fork(first)
      this.#observe(this.#lifecycle, (exit) => {
        if (this.#phase === "starting" && Exit.isSuccess(exit)) {
          this.#started()
          resume(Effect.succeed(this.ref()))
          return
        }
        let error = new StartError({ path: this.path, reason: "Stopping" })
        if (this.#phase === "starting" && Exit.isFailure(exit)) {
          const cause = Cause.squash(exit.cause)
          error = new StartError({ path: this.path, reason: "InitFailed", cause })
          this.#terminate({ _tag: "Crashed", cause }, 0)
        }
        // The name is free, and what init acquired is released, before the spawner hears of it.
        this.watch(() => resume(Effect.fail(error)))
      })
      return Effect.sync(() => this.kill())
    })
  }

  #observe(fiber: Fiber.Fiber<unknown, unknown>, then: (exit: Exit.Exit<unknown, unknown>) => void): void {
    fiber.addObserver((exit) => {
      if (this.#lifecycle === fiber) this.#lifecycle = undefined
      then(exit)
    })
  }

  #started(): void {
    this.#phase = "alive"
    this.#health?.started(this.node.clock.currentTimeMillisUnsafe())
    const failure = this.#failure
    if (failure !== undefined) {
      this.#failure = undefined
      this.#crash(Cause.die(failure), 0)
      return
    }
    if (this.#incarnations === 1 && this.node.observed) this.node.publish({ _tag: "ActorStarted", path: this.path })
    if ((this.#mailbox?.size ?? 0) === 0) this.#setWorking(false)
    // An activation of before the halt may still be scheduled.
    else if (!this.#active) this.#wake()
  }

  /** What its behavior says to a failure. */
  #directive(failure: Failure): Directive {
    const usual = failure._tag === "Error" ? "resume" : "restart"
    try {
      return this.behavior.onFailure?.(failure) ?? usual
    } catch (defect) {
      this.#log(Effect.logError(`\`onFailure\` of "${this.path}" threw; it counts as "${usual}"`, Cause.die(defect)))
      return usual
    }
  }

  #follow(directive: Directive, cause: Cause.Cause<unknown>, answered = false): void {
    if (directive === "resume") {
      if (!answered) this.#log(Effect.logWarning(`Actor "${this.path}" failed and goes on`, cause))
    } else if (directive === "escalate") {
      this.giveUp(cause, "Escalated")
    } else if (directive === "stop" || this.spec.restart === "temporary") {
      this.#log(Effect.logError(`Actor "${this.path}" crashed and is not started again`, cause))
      this.#terminate({ _tag: "Crashed", cause: Cause.squash(cause) }, 0)
    } else this.#crash(cause, 0)
  }

  /** The incarnation is over, and the next one is its supervisor's to start. */
  #crash(cause: Cause.Cause<unknown>, handlersMillis: number): void {
    this.#phase = "restarting"
    this.#setWorking(true)
    this.siblings.failed({ child: this, cause, handlersMillis })
  }

  /** Logs aside: a logger that throws, or a defect that cannot be printed, is no reason not to restart. */
  #log(line: Effect.Effect<void>): void {
    this.node.fork(line)
  }

  // ----- For its supervisor -----

  get isStarting(): boolean {
    return this.#phase === "starting"
  }

  /** Between two incarnations, or about to be: it failed, or was halted with a sibling. */
  get isHalted(): boolean {
    return this.#phase === "restarting"
  }

  /**
   * Ends the incarnation and keeps the actor, with its mailbox, for the next one. A temporary child is stopped instead. Ends
   * at once for one that is halted already, and with the actor for one that is being stopped.
   */
  halt(handlersMillis: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#phase === "ended") return Effect.void
      if (this.spec.restart === "temporary") this.stop(undefined)
      if (this.#phase === "stopping") return this.ended
      this.#phase = "restarting"
      this.#setWorking(true)
      return this.#live(this.#clear(handlersMillis))
    })
  }

  /** For how many milliseconds to wait before it is started again; undefined when it failed too often. */
  delay(cause: Cause.Cause<unknown>): number | undefined {
    const { clock, random } = this.node
    this.#health ??= this.siblings.health(this.behavior.restart)
    const delay = this.#health.failed(clock.currentTimeMillisUnsafe(), random.nextDoubleUnsafe())
    if (delay !== undefined) {
      this.#log(Effect.logError(`Actor "${this.path}" crashed; it restarts in ${Math.round(delay)} ms`, cause))
    }
    return delay
  }

  /** While it is halted it has nothing to do but for the messages that wait. */
  rest(): void {
    if (this.#phase === "restarting" && (this.#mailbox?.size ?? 0) === 0) this.#setWorking(false)
  }

  /** Starts the next incarnation. */
  startAgain(cause: Cause.Cause<unknown>): Effect.Effect<Exit.Exit<unknown, unknown>> {
    return Effect.suspend(() => {
      this.#setWorking(true)
      return Effect.map(this.#live(this.#init()), (exit) => {
        if (Exit.isSuccess(exit) && this.#phase === "restarting") {
          const { path } = this
          const incarnation = this.#incarnations
          this.#started()
          this.node.publish({ _tag: "ActorRestarted", path, incarnation, cause: Cause.squash(cause) })
        }
        return exit
      })
    })
  }

  /** Runs a step of its life in a fiber that a stop interrupts. */
  #live(step: Effect.Effect<unknown, unknown>): Effect.Effect<Exit.Exit<unknown, unknown>> {
    return Effect.callback((resume) => {
      this.#lifecycle = this.node.fork(step)
      this.#observe(this.#lifecycle, (exit) => resume(Effect.succeed(exit)))
    })
  }

  /** Ends an actor that is not started again, and fails its parent with it. True when the parent goes on all the same. */
  giveUp(cause: Cause.Cause<unknown>, reason: ChildFailed["reason"]): boolean {
    this.#health ??= this.siblings.health(this.behavior.restart)
    const { restarts, withinMillis } = this.#health.budget.limit
    const squashed = Cause.squash(cause)
    const failed = new ChildFailed({ path: this.path, reason, restarts, withinMillis, cause: squashed })
    this.#log(Effect.logError(failed.message, cause))
    // First, so that whoever hears of the end finds the parent failing already.
    const goesOn = this.siblings.parent?.escalate(failed) ?? false
    this.#terminate({ _tag: "Crashed", cause: squashed }, 0)
    return goesOn
  }

  /** A child is given up, so this actor has failed; what it is handling ends as a crash. True when it goes on all the same. */
  escalate(failure: ChildFailed): boolean {
    if (this.#phase === "starting" || this.#phase === "restarting") this.#failure = failure
    if (this.#phase !== "alive") return false
    const cause = Cause.die(failure)
    const directive = this.#directive({ _tag: "Defect", defect: failure })
    const head = this.#head
    if (directive !== "resume" && head !== undefined) {
      this.#head = undefined
      this.#end(head, "failed", Exit.failCause(cause))
    }
    this.#follow(directive, cause)
    return directive === "resume"
  }

  // ----- Stopping -----

  /**
   * Ends the incarnation: its handlers, its children, its Scope, in this order, each within its deadline. From `until` on
   * nobody's handlers are waited for.
   */
  #clear(handlersMillis: number, until?: number): Effect.Effect<void> {
    const self = this
    const limit = this.behavior.stopDeadlineMillis
    return Effect.gen(function* () {
      const incarnation = self.#incarnation
      const running = [...(incarnation?.concurrent.values() ?? [])]
      if (self.#fiber !== undefined) running.push(self.#fiber)
      yield* endWithin(running, handlersMillis, limit)
      if (self.#fiber !== undefined) self.#abandon()
      for (const unwatch of incarnation?.unwatch ?? []) unwatch()
      incarnation?.timers?.close()
      self.#unstash(incarnation)
      const end = (child: Cell) => {
        if (self.#reason?._tag === "Killed") child.kill()
        else child.stop(until && Math.max(until - self.node.clock.currentTimeMillisUnsafe(), 0))
      }
      self.children?.close()
      if (self.behavior.stopChildren === "together") {
        for (const child of self.children?.list().reverse() ?? []) end(child)
      }
      for (let child = self.children?.last; child !== undefined; child = self.children?.last) {
        end(child)
        yield* child.ended
      }
      self.children = undefined
      if (incarnation !== undefined) {
        self.#incarnation = undefined
        self.#closing = self.node.fork(Scope.close(incarnation.scope, Exit.void))
      }
      // A stop may have come in between and finds it closing.
      const closing = self.#closing
      if (closing === undefined) return
      const closed = yield* endsWithin([closing], limit)
      self.#closing = undefined
      if (!closed) {
        self.#log(
          Effect.logWarning(`The finalizers of "${self.path}" did not end within ${limit} ms and were left behind`)
        )
      }
    })
  }

  /**
   * Stops the actor, and returns at once. `deadlineMillis` is for its running handlers and those of its descendants
   * together; without it each actor has its behavior's.
   */
  stop(deadlineMillis: number | undefined, tag: "Shutdown" | "Normal" = "Shutdown"): void {
    const until = deadlineMillis === undefined ? undefined : this.node.clock.currentTimeMillisUnsafe() + deadlineMillis
    this.#terminate({ _tag: tag }, deadlineMillis ?? this.behavior.stopDeadlineMillis, until)
  }

  /** Ends the actor of its own accord: a permanent child is started again. */
  stopItself(): void {
    if (this.spec.restart !== "permanent" || this.#phase !== "alive") this.stop(undefined, "Normal")
    else this.#crash(Cause.die(new Error("it stopped itself")), this.behavior.stopDeadlineMillis)
  }

  kill(): void {
    if (this.#phase === "stopping") {
      // It overtakes a stop that is under way.
      if (this.#reason?._tag !== "Crashed") this.#reason = { _tag: "Killed" }
      this.#interruptHandlers()
      for (let child = this.children?.last; child !== undefined; child = child.previous) child.kill()
      return
    }
    this.#terminate({ _tag: "Killed" }, 0)
  }

  #interruptHandlers(): void {
    this.#fiber?.interruptUnsafe()
    for (const fiber of this.#incarnation?.concurrent.values() ?? []) fiber.interruptUnsafe()
  }

  #terminate(reason: TerminationReason, handlersMillis: number, until?: number): void {
    if (this.#phase === "stopping" || this.#phase === "ended") return
    const wasHalted = this.#phase === "restarting"
    this.#phase = "stopping"
    this.#reason = reason
    this.#setWorking(true)
    const lifecycle = this.#lifecycle
    this.#flush()
    if (
      !wasHalted &&
      lifecycle === undefined &&
      this.#fiber === undefined &&
      this.#head === undefined &&
      this.#incarnation === undefined &&
      this.children?.last === undefined
    ) {
      this.#ended()
      return
    }
    const self = this
    this.#lifecycle = this.node.fork(
      Effect.gen(function* () {
        // Lets a handler that stops its own actor come to its end first.
        yield* Effect.yieldNow
        if (lifecycle !== undefined) yield* endWithin([lifecycle], 0, self.behavior.stopDeadlineMillis)
        yield* self.#clear(handlersMillis, until)
        self.#ended()
      })
    )
  }

  #ended(): void {
    this.#phase = "ended"
    const reason = this.#reason!
    if (this.#head !== undefined) this.#abandon()
    this.node.cells.delete(this.path)
    this.siblings.remove(this, reason._tag === "Normal" || reason._tag === "Crashed")
    this.#handlers = undefined
    this.#mailbox = undefined
    this.#lifecycle = undefined
    if (this.node.observed) this.node.publish({ _tag: "ActorEnded", path: this.path, reason })
    const watchers = this.#watchers
    this.#watchers = undefined
    if (watchers !== undefined) for (const onEnd of watchers) onEnd(reason)
    this.#setWorking(false)
  }

  get hasEnded(): boolean {
    return this.#phase === "ended"
  }

  /** Waits for the actor's end. */
  get ended(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const unwatch = this.watch(() => resume(Effect.void))
      return Effect.sync(unwatch)
    })
  }

  /** Calls back once, at the actor's end; at once when it has ended. Answers how to take the watch back. */
  watch(onEnd: (reason: TerminationReason) => void): () => void {
    if (this.#phase === "ended") {
      onEnd({ _tag: "NoSuchActor" })
      return () => {}
    }
    const watcher = (reason: TerminationReason) => onEnd(reason)
    this.#watchers ??= new Set()
    this.#watchers.add(watcher)
    return () => this.#watchers?.delete(watcher)
  }

  // ----- Around it -----

  /** Whether the actor takes children: not once it is stopping. */
  get takesChildren(): boolean {
    return this.#phase !== "stopping" && this.#phase !== "ended"
  }

  ref(): ActorRef<any> {
    return makeRef(this.behavior.protocol, this.node, this.path, this, undefined)
  }

  /** Whether `fiber` is one of this actor's own. */
  runs(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    const own = EffectContext.getOrUndefined(fiber.context as EffectContext.Context<Context>, Context)
    return own !== undefined && own === this.#incarnation?.own
  }

  get incarnations(): number {
    return this.#incarnations
  }

  /** Takes over the reply address of the message that `fiber` handles, or whose handler is being called. */
  takeReplyTo(rpc: Any, fiber?: Fiber.Fiber<unknown, unknown>): ReplyTo<any> {
    const head = fiber?.getRef(Current) ?? this.#head
    if (head?.kind !== "envelope" || head.method.tag !== rpc._tag) {
      return new ReplyTo(this.node, methodOf(rpc), undefined)
    }
    const { method, reply } = head
    head.reply = undefined
    reply?.taken()
    return new ReplyTo(this.node, method, reply)
  }

  /** Watches another actor on behalf of this one. */
  watchOther(ref: ActorRef<any>, onTerminated: (terminated: any) => Effect.Effect<unknown, unknown, any>): void {
    const incarnation = this.#incarnate()
    const other = ref as unknown as Ref
    let unwatch: (() => void) | undefined
    const unwatchOnce = () => unwatch?.()
    incarnation.unwatch.add(unwatchOnce)
    unwatch = (other.cell ?? other.remote!).watch((reason) => {
      incarnation.unwatch.delete(unwatchOnce)
      const signal = new Signal("Terminated", () =>
        this.#incarnation === incarnation ? onTerminated({ _tag: "Terminated", ref, reason }) : Effect.void
      )
      this.signal(signal)
    })
  }

  // ----- Timers, stash, and what runs beside it -----

  startTimer(key: string, when: { readonly after?: unknown; readonly every?: unknown }, run: Effect.Effect<any>): void {
    const isPeriodic = when.every !== undefined
    const word = isPeriodic ? "every" : "after"
    const millis = millisOf(word, when[word] as Duration.Input)
    if (isPeriodic && millis === 0) throw new Error("expected `every` to be more than 0, got: 0 ms")
    this.#timers().start(key, millis, isPeriodic, run)
  }

  cancelTimer(key: string): void {
    this.#incarnation?.timers?.cancel(key)
  }

  receiveTimeout(after: Duration.Input | undefined, run: Effect.Effect<any>): void {
    const millis = after === undefined ? undefined : millisOf("after", after)
    if (millis === 0) throw new Error("expected `after` to be more than 0, got: 0 ms")
    this.#note()
    this.#timers().receiveTimeout(millis, run)
  }

  #timers(): Timers {
    return (this.#incarnate().timers ??= new Timers(this.node.deadlines, this.node.clock, (signal) =>
      this.signal(signal)
    ))
  }

  makeStash(capacity: number): Stash {
    const incarnation = this.#incarnate()
    if (incarnation.shelf !== undefined) throw new Error(`expected one stash for "${this.path}", got a second one`)
    incarnation.shelf = new Shelf(capacity)
    this.#note()
    const { shelf } = incarnation
    return {
      stash: Effect.withFiber((fiber) => this.#putAside(incarnation, fiber)),
      unstashAll: Effect.sync(() => this.#unstash(incarnation)),
      size: Effect.sync(() => shelf.size)
    }
  }

  #putAside(incarnation: Incarnation, fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<never> {
    const head = this.#head
    if (head === undefined || head.kind === "signal" || fiber.getRef(Current) !== undefined) {
      return Effect.die(new Error(`expected \`stash\` in the handler of a message of "${this.path}" that has its turn`))
    }
    const envelope =
      head.kind === "envelope" ? head : new Envelope(head, false, undefined, Number.POSITIVE_INFINITY, undefined)
    this.#head = envelope
    const { payload, shelf } = incarnation
    const { path } = this
    if (this.#phase === "stopping") this.#drop(envelope, payload, "deadLettered", new Stopping({ to: path }))
    else if (shelf!.isFull) {
      this.#drop(envelope, payload, "deadLettered", new MailboxFull({ to: path, capacity: shelf!.capacity }))
    } else {
      envelope.stage = "stashed"
      shelf!.put(envelope, payload)
    }
    return Effect.interrupt
  }

  /** Puts what was put aside back before what waits. */
  #unstash(incarnation: Incarnation | undefined): void {
    if (this.#phase === "stopping") return
    for (const [envelope, payload] of incarnation?.shelf?.takeAll() ?? []) {
      envelope.encoded = false
      envelope.stage = "queued"
      this.#mailbox ??= new Mailbox()
      this.#mailbox.pushUrgent(envelope, payload, envelope)
      if (!this.#active) this.#wake()
    }
  }

  pipeToSelf(
    effect: Effect.Effect<any, any>,
    onExit: (exit: Exit.Exit<any, any>) => Effect.Effect<any, any>
  ): Effect.Effect<void> {
    const incarnation = this.#incarnate()
    const isOver = () => this.#incarnation !== incarnation
    const piped = Effect.map(Effect.exit(effect), (exit) => {
      if (!isOver()) this.signal(new Signal("Piped", () => (isOver() ? Effect.void : onExit(exit))))
    })
    return Effect.asVoid(Effect.forkIn(piped, incarnation.scope, { startImmediately: true }))
  }

  /** Has messages noted from now on: it costs those nothing who neither stash nor wait for messages. */
  #note(): void {
    const incarnation = this.#incarnate()
    if (incarnation.isNoting) return
    incarnation.isNoting = true
    // Those of a first init are not there yet.
    if (this.#handlers !== undefined) this.#handlers = this.#noted(this.#handlers)
  }

  #noted(handlers: Record<string, (payload: unknown) => unknown>): Record<string, (payload: unknown) => unknown> {
    const incarnation = this.#incarnation!
    const touch = () => incarnation.timers?.touch()
    const atEnd = Effect.sync(touch)
    const noted = (tag: string) => (payload: unknown) => {
      incarnation.payload = payload
      touch()
      const result = handlers[tag]!(payload)
      if (Stream.isStream(result)) return Stream.ensuring(result, atEnd)
      return Effect.isEffect(result) && !Exit.isExit(result) ? Effect.ensuring(result, atEnd) : result
    }
    return Object.fromEntries([...this.behavior.protocol.keys()].map((tag) => [tag, noted(tag)]))
  }

  toTree(): TreeNode {
    return {
      path: this.path,
      actor: this.behavior.actor,
      state:
        this.#phase === "alive"
          ? this.#working
            ? "busy"
            : "idle"
          : this.#phase === "ended"
            ? "stopping"
            : this.#phase,
      incarnation: this.#incarnations,
      restarts: Math.max(this.#incarnations - 1, 0),
      queued: this.#mailbox?.size ?? 0,
      children: this.children?.toTree() ?? []
    }
  }
}

// ----- Spawning -----

/** Text without spaces, control characters, `/` and `#`. */
const isName = (text: string) => text.length <= 255 && /^[^\s\p{C}/#]+$/u.test(text)

/** Makes an actor and starts it: at the top, or as a child of `parent`. */
export const spawn = (
  node: Node,
  parent: Cell | undefined,
  name: string,
  behavior: Behavior<any, any, any>,
  options?: ChildOptions
): Effect.Effect<ActorRef<any>, StartError, any> =>
  Effect.withFiber((fiber) => {
    const path = parent === undefined ? name : `${parent.path}/${name}`
    if (!isName(name)) return Effect.fail(new StartError({ path, reason: "InvalidName" }))
    if (node.stopping || parent?.takesChildren === false)
      return Effect.fail(new StartError({ path, reason: "Stopping" }))
    if (node.cells.has(path)) return Effect.fail(new StartError({ path, reason: "NameTaken" }))
    const spec = childSpec(options, parent)
    const siblings = parent === undefined ? node.top : (parent.children ??= new Children(node, parent))
    const cell = new Cell(node, behavior, path, siblings, spec, fiber.context as EffectContext.Context<never>)
    node.cells.set(path, cell)
    siblings.add(cell)
    return cell.start()
  })

const contextOf = (cell: Cell): Context["Service"] => ({
  self: cell.ref(),
  incarnation: cell.incarnations,
  spawn: (name, behavior, options) => spawn(cell.node, cell, name, behavior, options) as never,
  watch: (ref, onTerminated) =>
    Effect.contextWith((context) =>
      Effect.sync(() => cell.watchOther(ref, (terminated) => Effect.provideContext(onTerminated(terminated), context)))
    ),
  startTimer: (key, when, run) => inContext(run, (run) => Effect.sync(() => cell.startTimer(key, when, run))),
  cancelTimer: (key) => Effect.sync(() => cell.cancelTimer(key)),
  receiveTimeout: (after, run = Effect.void as never) =>
    inContext(run, (run) => Effect.sync(() => cell.receiveTimeout(after, run))),
  makeStash: ({ capacity }) => Effect.sync(() => cell.makeStash(capacity)),
  pipeToSelf: (effect, onExit) =>
    Effect.contextWith((context) =>
      cell.pipeToSelf(effect as never, (exit) => Effect.provideContext(onExit(exit), context as never))
    ),
  stop: Effect.sync(() => cell.stopItself()),
  takeReplyTo: (rpc) => Effect.withFiber((fiber) => Effect.succeed(cell.takeReplyTo(rpc, fiber))),
  takeReplyToUnsafe: (rpc) => cell.takeReplyTo(rpc)
})

/** Gives what runs later, as a message, the services that are here now. */
const inContext = <R>(run: Effect.Effect<unknown, unknown, R>, use: (run: Effect.Effect<any>) => Effect.Effect<void>) =>
  Effect.contextWith((context: EffectContext.Context<R>) => use(Effect.provideContext(run, context) as never))

// ----- Failures -----

/** Whether nobody waits for the answer, and nobody left who did. */
const isTold = (head: Head): boolean =>
  head.kind === "method" || (head.kind === "envelope" && head.reply === undefined && head.stage !== "ended")

const failureOf = (cause: Cause.Cause<unknown>, answered: boolean, interruptedItself: boolean): Failure =>
  answered
    ? { _tag: "Error", error: Cause.squash(cause) }
    : interruptedItself
      ? { _tag: "Interrupt" }
      : { _tag: "Defect", defect: Cause.squash(cause) }

// ----- User code, and time for it -----

/** Calls what should answer an Effect; whatever else it does is a defect. */
const effectOf = (
  f: (payload: unknown) => unknown,
  payload: unknown,
  tag: string,
  self?: unknown
): Effect.Effect<unknown, unknown, any> => {
  try {
    const result = f.call(self, payload)
    if (result === Effect.void) return Effect.void
    return Effect.isEffect(result)
      ? result
      : Exit.die(new Error(`expected the handler of "${tag}" to return an Effect, got: ${String(result)}`))
  } catch (defect) {
    return Exit.die(defect)
  }
}

type Fibers = ReadonlyArray<Fiber.Fiber<unknown, unknown>>

/** Waits for fibers, at most `millis`; answers whether all have ended. */
const endsWithin = (fibers: Fibers, millis: number): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    if (fibers.every((fiber) => fiber.pollUnsafe() !== undefined)) return Effect.succeed(true)
    if (millis <= 0) return Effect.succeed(false)
    return Effect.map(Effect.timeoutOption(Fiber.awaitAll(fibers), millis), (ended) => ended._tag === "Some")
  })

/** Gives fibers `grace` ms to end by themselves, then interrupts them and waits `limit` ms more. */
const endWithin = (fibers: Fibers, grace: number, limit: number): Effect.Effect<boolean> =>
  Effect.flatMap(endsWithin(fibers, grace), (ended) => {
    if (ended) return Effect.succeed(true)
    for (const fiber of fibers) fiber.interruptUnsafe()
    return endsWithin(fibers, limit)
  })
