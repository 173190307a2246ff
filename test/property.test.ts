/**
 * Goal: whatever is done to actors, every message ends in one state, every ask once, and nobody is told what is not true.
 *
 * Method: random programs of spawns, messages, interrupts, time and ends, over a few actors on three nodes, one of which
 * may leave, and whose frames may be lost, run under a test clock; then time passes until nothing moves, and the ledger,
 * the dead letters and the handlers' own notes are compared with what each sender was told. A failure prints its seed and its shrunk commands: `SEED=... RUNS=...` repeats it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Cause, Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { TestClock } from "effect/testing"
import {
  Actor,
  ActorError,
  type ActorRef,
  ActorSystem,
  type DeadLetter,
  Ledger,
  type Mailbox,
  Protocol,
  ReplyTo
} from "troupe"
import { Transport } from "troupe/Transport"
import { Contract } from "troupe/testing"
import { Memory } from "troupe/transports/Memory"

const { RUNS = "200", SEED = "troupe" } = process.env
const runs = Number(RUNS)
const seed = SEED

// ----- The commands -----

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const slot = between(0, 3)
const node = between(0, 2)
const turns = between(0, 4)
const deadline = Schema.Literals([20, 200, 2000, 5000])
const kinds = [
  ...(["Put", "Slow", "Fail", "Crash", "CrashLater", "Beside", "CrashBeside", "Flaky"] as const),
  ...(["Forward", "Lend", "Nest", "Echo", "Child", "Quit", "Urgent"] as const)
] as const

const Command = Schema.Union([
  Schema.TaggedStruct("Spawn", {
    slot,
    node,
    capacity: between(1, 4),
    overflow: Schema.Literals(["reject", "backpressure", "dropOldest", "dropNewest", "unbounded"])
  }),
  Schema.TaggedStruct("Tell", { slot, node, kind: Schema.Literals(kinds), unsafe: Schema.Boolean, turns }),
  Schema.TaggedStruct("Ask", { slot, node, kind: Schema.Literals(kinds), unsafe: Schema.Boolean, deadline, turns }),
  Schema.TaggedStruct("Crowd", { slot, node, count: between(2, 8), deadline, turns }),
  Schema.TaggedStruct("Offer", { slot, node, deadline, turns }),
  Schema.TaggedStruct("Stream", {
    slot,
    node,
    count: between(0, 150),
    pause: between(0, 1),
    take: between(0, 200),
    deadline,
    turns
  }),
  Schema.TaggedStruct("Burst", { slot, node, count: between(2, 8), turns }),
  Schema.TaggedStruct("Interrupt", { which: between(0, 20), turns }),
  Schema.TaggedStruct("Advance", { millis: Schema.Literals([1, 10, 50, 100, 300, 1000]) }),
  Schema.TaggedStruct("End", { slot, node, how: Schema.Literals([0, 50, 1000, "kill"]), turns }),
  // The third node leaves.
  Schema.TaggedStruct("Leave", { turns }),
  // The next frame with messages that this node sends is lost, or carried twice.
  Schema.TaggedStruct("Frame", { node, fate: Schema.Literals(["lose", "twice"]) })
])
type Command = typeof Command.Type

interface Program {
  readonly local: "encoded" | "by-reference"
  readonly handOff: boolean
  /** Whether a ledger counts; without one a plain tell takes a shorter way. */
  readonly counting: boolean
  /** Whether frames are lost where the commands say so. */
  readonly lossy: boolean
  readonly commands: ReadonlyArray<Command>
}

// Three lists, because one is seldom long.
const part = Arbitrary.array(Arbitrary.schema(Command), { maxLength: 20 })
const Program: Arbitrary.Arbitrary<Program> = Arbitrary.map(
  Arbitrary.all({
    local: Arbitrary.schema(Schema.Literals(["encoded", "by-reference"])),
    handOff: Arbitrary.schema(Schema.Boolean),
    counting: Arbitrary.schema(Schema.Boolean),
    lossy: Arbitrary.schema(Schema.Boolean),
    parts: Arbitrary.all([part, part, part])
  }),
  ({ parts, ...program }) => ({ ...program, commands: parts.flat() })
)

// ----- The actors -----

class Refused extends Schema.TaggedError<Refused>()("Refused", { id: Schema.Int }) {}
const id = Schema.Int
const message = { payload: { id }, success: id, error: Refused }
const Forwarded = Rpc.make("Forward", message)
const Answer = Rpc.make("Answer", { payload: { id, to: ReplyTo.schema(Forwarded) } })
const Lent = Rpc.make("Lend", message)
const Borrow = Rpc.make("Borrow", { payload: { id, to: ReplyTo.lent(Lent) } })

const Subject = Actor.make("Subject", [
  Rpc.make("Put", message),
  Rpc.make("Slow", message),
  Rpc.make("Fail", message),
  Rpc.make("Crash", message),
  Rpc.make("CrashLater", message),
  Rpc.make("Beside", message).annotate(Protocol.Concurrent, true),
  Rpc.make("CrashBeside", message).annotate(Protocol.Concurrent, true),
  Rpc.make("Flaky", message).annotate(Protocol.Idempotent, true),
  Forwarded,
  Lent,
  Rpc.make("Nest", message),
  Rpc.make("Echo", message),
  Rpc.make("Child", message),
  Rpc.make("Quit", message),
  Rpc.make("Urgent", message).annotate(Protocol.Urgent, true),
  Rpc.make("Count", { payload: { id, count: Schema.Int, pause: Schema.Int }, success: Schema.Int, stream: true })
])
const Answerer = Actor.make("Answerer", [Answer, Borrow])
const Child = Actor.make("Child", [Rpc.make("Crash")])
type Ref = ActorRef.ActorRef<(typeof Subject.rpcs)[number]>

/** One actor's life as its handlers note it. */
interface Life {
  readonly slot: number
  readonly home: number
  readonly order: Array<number>
  running: number
  incarnation: number
  /** How often a handler of it broke. */
  crashes: number
  /** Children that live. */
  children: number
  /** The nodes whose watch has said that it ended. */
  readonly ended: Set<number>
}

interface Sent {
  readonly id: number
  readonly how: "tell" | "ask" | "offer" | "stream"
  readonly kind: (typeof kinds)[number] | "Count"
  readonly exit: () => Exit.Exit<unknown, unknown> | undefined
  readonly fiber?: Fiber.Fiber<unknown, unknown>
  /** Of an unsafe ask. */
  readonly cancel?: () => void
  readonly life: Life
  /** Where it was sent from, and by whom. */
  readonly node: number
  readonly sender: string
  readonly seen?: Array<number>
  readonly full?: number
  interrupted: boolean
  refused: boolean
}

interface Slot {
  readonly refs: ReadonlyArray<Ref>
  readonly life: Life
  readonly home: Ref
}

class World {
  id = 0
  readonly slots: Array<Slot | undefined> = []
  readonly sent: Array<Sent> = []
  /** How often a handler ran for a message. */
  readonly ran = new Map<number, number>()
  readonly lives: Array<Life> = []
  readonly faults: Array<string> = []
  readonly letters: Array<DeadLetter> = []
  left = false

  begin(life: Life, id: number, exclusive: boolean): void {
    this.ran.set(id, (this.ran.get(id) ?? 0) + 1)
    if (!exclusive) return
    life.order.push(id)
    life.running += 1
    if (life.running > 1) this.faults.push(`message ${id} was handled while another was`)
  }
  runs(id: number): number {
    return this.ran.get(id) ?? 0
  }
}

const crash = (life: Life, id: number) =>
  Effect.suspend(() => {
    life.crashes += 1
    return Effect.die(new Error(`crash ${id}`))
  })

const behavior = (
  world: World,
  life: Life,
  back: ActorRef.ActorRef<typeof Answer | typeof Borrow>,
  mailbox: Mailbox.Options
) => {
  const run = <A, E>(id: number, effect: Effect.Effect<A, E>, exclusive = true) =>
    Effect.suspend(() => {
      world.begin(life, id, exclusive)
      return Effect.ensuring(
        effect,
        Effect.sync(() => {
          if (exclusive) life.running -= 1
        })
      )
    })
  const child = Child.behavior(
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => void (life.children += 1)),
        () => Effect.sync(() => void (life.children -= 1))
      )
      return { Crash: () => Effect.die(new Error("a child crashed")) }
    })
  )
  const sender = `actor ${world.lives.length} of actor-${life.slot}`
  /** Asks the next actor from inside a handler. */
  const nest = Effect.suspend(() => {
    const target = world.slots[(life.slot + 1) % 4]
    if (target === undefined) return Effect.void
    const id = ++world.id
    let exit: Exit.Exit<unknown, unknown> | undefined
    const { home: node } = life
    world.sent.push({
      id,
      how: "ask",
      kind: "Put",
      exit: () => exit,
      life: target.life,
      node,
      sender,
      interrupted: true,
      refused: false
    })
    const asked = target.refs[node]!.ask.Put({ id }, { deadline: 300 })
    return Effect.ignore(
      Effect.onExit(asked, (end) =>
        Effect.sync(() => {
          exit = end
        })
      )
    )
  })
  return Subject.behavior(
    Effect.gen(function* () {
      const { incarnation, spawn, stop, takeReplyTo } = yield* Actor.Context
      const self = yield* Subject.self
      if (incarnation !== life.incarnation + 1)
        world.faults.push(`incarnation ${incarnation} after ${life.incarnation}`)
      if (life.running !== 0) world.faults.push(`incarnation ${incarnation} began while a handler ran`)
      life.incarnation = incarnation
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (life.running !== 0) world.faults.push("the Scope closed while a handler ran")
          if (life.children !== 0) world.faults.push("the Scope closed before the children had ended")
        })
      )
      return {
        // Settled in plain JavaScript: this handler's result is an Exit.
        Put: ({ id }) => {
          world.begin(life, id, true)
          life.running -= 1
          return Effect.succeed(id)
        },
        Slow: ({ id }) => run(id, Effect.as(Effect.sleep(id % 3 === 0 ? 500 : 30), id)),
        Fail: ({ id }) => run(id, Effect.fail(new Refused({ id }))),
        Crash: ({ id }) => {
          world.begin(life, id, true)
          life.running -= 1
          life.crashes += 1
          throw new Error(`crash ${id}`)
        },
        CrashLater: ({ id }) => run(id, Effect.andThen(Effect.yieldNow, crash(life, id))),
        Beside: ({ id }) => run(id, Effect.as(Effect.sleep(60), id), false),
        CrashBeside: ({ id }) => run(id, Effect.andThen(Effect.sleep(20), crash(life, id)), false),
        Flaky: ({ id }) =>
          Effect.suspend(() => {
            world.begin(life, id, false)
            return world.runs(id) <= id % 3 ? crash(life, id) : Effect.succeed(id)
          }),
        Forward: ({ id }) =>
          run(
            id,
            Effect.gen(function* () {
              const to = yield* takeReplyTo(Forwarded)
              yield* Effect.ignore(back.tell.Answer({ id, to }))
              if (id % 4 === 0) yield* to.fail(new Refused({ id }))
              return to
            })
          ),
        // Lends the address twice now and then: the second takes the place of the first, which may have been answered.
        Lend: ({ id }) =>
          run(
            id,
            Effect.gen(function* () {
              const to = yield* takeReplyTo(Lent)
              yield* Effect.ignore(back.tell.Borrow({ id, to }))
              if (id % 3 > 0) return to
              if (id % 2 === 0) yield* Effect.yieldNow
              yield* Effect.ignore(back.tell.Borrow({ id, to: to.supersede() }))
              return to
            })
          ),
        Urgent: ({ id }) => {
          world.begin(life, id, true)
          life.running -= 1
          return Effect.succeed(id)
        },
        Nest: ({ id }) => run(id, Effect.as(nest, id)),
        Echo: ({ id }) =>
          run(
            id,
            Effect.sync(() => {
              const own = ++world.id
              const refused = !self.tellUnsafe.Put({ id: own })
              const { home: node } = life
              world.sent.push({
                id: own,
                how: "tell",
                kind: "Put",
                exit: () => undefined,
                life,
                node,
                sender,
                interrupted: false,
                refused
              })
              return id
            })
          ),
        Child: ({ id }) =>
          run(
            id,
            spawn(`child-${id}`, child).pipe(
              Effect.tap((ref) => (id % 2 === 0 ? ref.tell.Crash() : Effect.void)),
              Effect.ignore,
              Effect.as(id)
            )
          ),
        Quit: ({ id }) => run(id, Effect.as(stop, id)),
        Count: ({ count, id, pause }) =>
          Stream.suspend(() => {
            world.begin(life, id, true)
            return Stream.fromIterable(Array.from({ length: count }, (_, index) => index + 1)).pipe(
              pause > 0
                ? Stream.mapEffect((n) => (n % 40 === 0 ? Effect.as(Effect.sleep(15), n) : Effect.succeed(n)))
                : (stream) => stream
            )
          }).pipe(
            Stream.ensuring(
              Effect.sync(() => {
                life.running -= 1
              })
            )
          )
      }
    }),
    { mailbox, stopDeadline: "200 millis" }
  )
}

// ----- Running a program -----

const names = ["x", "y", "z"]
/** Waits for what may need time to pass. */
const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* go(effect)
    for (let step = 0; step < 70 && fiber.pollUnsafe() === undefined; step++) yield* TestClock.adjust(100)
    const exit = fiber.pollUnsafe()
    return exit === undefined ? assert.fail("it does not end") : yield* exit
  })
const go = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const play = (world: World, { commands, local, lossy }: Program, wire: Contract.Wire) =>
  Effect.gen(function* () {
    const systems: Array<ActorSystem.System> = []
    const leaver = yield* Effect.flatMap(Scope.Scope, Scope.fork)
    for (const node of names) {
      const make = ActorSystem.make({ name: "property", node, local })
      systems.push(yield* node === "z" ? Scope.provide(make, leaver) : make)
    }
    for (const system of systems) {
      yield* go(Stream.runForEach(system.deadLetters, (letter) => Effect.sync(() => void world.letters.push(letter))))
    }
    const answerer = Answerer.behavior({
      Answer: ({ id, to }) => to.succeed(id),
      Borrow: ({ id, to }) => to.succeed(id)
    })
    const backs: Array<ActorRef.ActorRef<typeof Answer | typeof Borrow>> = []
    for (const system of systems) backs.push(yield* system.spawn("answerer", answerer))

    const { sent, slots } = world
    const ends: Array<Fiber.Fiber<unknown, unknown>> = []

    const pause = (turns: number) =>
      Effect.gen(function* () {
        for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
      })

    const spawn = ({ capacity, node, overflow, slot }: Omit<Extract<Command, { _tag: "Spawn" }>, "_tag">) =>
      Effect.gen(function* () {
        const life: Life = {
          slot,
          home: node,
          order: [],
          running: 0,
          incarnation: 0,
          crashes: 0,
          children: 0,
          ended: new Set()
        }
        // Every other actor forwards to the other node.
        if (world.left && node === 2) return
        const at = { node: names[(node + slot) % 3]! }
        const back = yield* soon(Effect.option(systems[node]!.lookup(Answerer, "answerer", { at })))
        if (back._tag === "None") return
        const path = `actor-${slot}`
        const made = behavior(world, life, back.value, { capacity, overflow })
        const spawned = yield* soon(Effect.result(systems[node]!.spawn(path, made)))
        if (spawned._tag === "Failure") return
        const refs = yield* Effect.forEach(systems, (system, index) =>
          index === node || (world.left && index === 2)
            ? Effect.succeed(spawned.success)
            : system.lookup(Subject, path, { at: { node: names[node]! } })
        ).pipe(Effect.option, soon)
        if (refs._tag === "None") {
          yield* soon(spawned.success.kill)
          return
        }
        world.lives.push(life)
        slots[slot] = { refs: refs.value, life, home: spawned.success }
        for (const [index, ref] of refs.value.entries()) {
          const ended = Effect.sync(() => {
            if (life.ended.has(index)) world.faults.push(`the end of ${path} was told twice`)
            life.ended.add(index)
          })
          yield* go(Effect.tap(ref.watch, () => ended))
        }
      })

    const tell = (slot: number, node: number, kind: Sent["kind"], unsafe: boolean) =>
      Effect.gen(function* () {
        const target = slots[slot]
        if (target === undefined || kind === "Count") return
        const id = ++world.id
        const ref = target.refs[node]!
        const refused = unsafe
          ? !ref.tellUnsafe[kind]({ id })
          : Exit.isFailure(yield* Effect.exit(ref.tell[kind]({ id })))
        sent.push({
          id,
          how: "tell",
          kind,
          exit: () => undefined,
          life: target.life,
          node,
          sender: names[node]!,
          interrupted: false,
          refused
        })
      })

    const ask = (slot: number, node: number, kind: (typeof kinds)[number], deadline: number) =>
      Effect.gen(function* () {
        const target = slots[slot]
        if (target === undefined) return
        const id = ++world.id
        const fiber = yield* go(target.refs[node]!.ask[kind]({ id }, { deadline }))
        sent.push({
          id,
          how: "ask",
          kind,
          fiber,
          exit: () => fiber.pollUnsafe(),
          life: target.life,
          node,
          sender: names[node]!,
          interrupted: false,
          refused: false
        })
      })

    const askUnsafe = (slot: number, node: number, kind: (typeof kinds)[number], deadline: number) => {
      const target = slots[slot]
      if (target === undefined) return
      const id = ++world.id
      let exit: Exit.Exit<unknown, unknown> | undefined
      const onExit = (end: Exit.Exit<unknown, unknown>) => {
        if (exit !== undefined) world.faults.push(`unsafe ask ${id} called back twice`)
        if (message?.interrupted) world.faults.push(`unsafe ask ${id} called back after it was cancelled`)
        exit = end
      }
      let message: Sent | undefined
      const cancel = target.refs[node]!.askUnsafe[kind]({ id }, onExit, { deadline })
      message = {
        id,
        how: "ask",
        kind,
        cancel,
        exit: () => exit,
        life: target.life,
        node,
        sender: names[node]!,
        interrupted: false,
        refused: false
      }
      sent.push(message)
    }

    const fates = new Map<string, "lose" | "twice">()
    wire.onSend = ({ from, kind }) => {
      const fate = kind === "data" ? fates.get(from) : undefined
      if (fate !== undefined) fates.delete(from)
      return fate ?? "carry"
    }

    for (const slot of [0, 1])
      yield* spawn({ slot, node: slot, capacity: 3, overflow: slot === 0 ? "reject" : "backpressure" })
    for (const command of commands) {
      switch (command._tag) {
        case "Spawn":
          if (slots[command.slot] === undefined || slots[command.slot]!.life.ended.has(0)) yield* spawn(command)
          break
        case "Tell":
          yield* tell(command.slot, command.node, command.kind, command.unsafe)
          break
        case "Burst":
          for (let n = 0; n < command.count; n++)
            yield* tell(command.slot, command.node, n % 3 === 2 ? "Slow" : "Put", n % 2 === 0)
          break
        case "Ask":
          if (command.unsafe) askUnsafe(command.slot, command.node, command.kind, command.deadline)
          else yield* ask(command.slot, command.node, command.kind, command.deadline)
          break
        case "Crowd":
          for (let n = 0; n < command.count; n++) {
            yield* ask(command.slot, command.node, kinds[(n * 5) % kinds.length]!, command.deadline)
          }
          break
        case "Offer": {
          const target = slots[command.slot]
          if (target === undefined) break
          const id = ++world.id
          const fiber = yield* go(target.refs[command.node]!.offer.Put({ id }, { deadline: command.deadline }))
          sent.push({
            id,
            how: "offer",
            kind: "Put",
            fiber,
            exit: () => fiber.pollUnsafe(),
            sender: names[command.node]!,
            life: target.life,
            node: command.node,
            interrupted: false,
            refused: false
          })
          break
        }
        case "Stream": {
          const target = slots[command.slot]
          if (target === undefined) break
          const id = ++world.id
          const seen: Array<number> = []
          const { count, deadline, node, pause } = command
          const stream = Stream.take(target.refs[node]!.ask.Count({ id, count, pause }, { deadline }), command.take)
          const fiber = yield* go(Stream.runForEach(stream, (n) => Effect.sync(() => void seen.push(n))))
          const full = Math.min(count, command.take)
          sent.push({
            id,
            how: "stream",
            kind: "Count",
            fiber,
            exit: () => fiber.pollUnsafe(),
            sender: names[command.node]!,
            life: target.life,
            node,
            seen,
            full,
            interrupted: false,
            refused: false
          })
          break
        }
        case "Interrupt": {
          const open = sent.filter(
            ({ cancel, exit, fiber, interrupted }) =>
              !interrupted && (fiber !== undefined || cancel !== undefined) && exit() === undefined
          )
          const chosen = open[command.which % Math.max(open.length, 1)]
          if (chosen === undefined) break
          chosen.interrupted = true
          if (chosen.fiber !== undefined) yield* Fiber.interrupt(chosen.fiber)
          else chosen.cancel!()
          break
        }
        case "Advance":
          yield* TestClock.adjust(command.millis)
          break
        case "End": {
          const target = slots[command.slot]
          if (target === undefined) break
          const ref = target.refs[command.node]!
          const end = yield* go(command.how === "kill" ? ref.kill : ref.stop({ deadline: command.how }))
          // The request to end an actor of another node may be lost with its frame, and is not repeated.
          if (!lossy && command.node !== 2) ends.push(end)
          break
        }
        case "Leave":
          if (world.left) break
          world.left = true
          ends.push(yield* go(Scope.close(leaver, Exit.void)))
          break
        case "Frame":
          if (lossy || command.fate === "twice") fates.set(names[command.node]!, command.fate)
          break
      }
      if ("turns" in command) yield* pause(command.turns)
    }

    // Everything comes to its end: deadlines, sleeps, backoffs. What crosses the links shows what was lost before.
    wire.onSend = () => "carry"
    for (let round = 0; round < 3; round++) {
      for (const [index, system] of systems.entries()) {
        for (const to of names) {
          if (to !== names[index]) yield* go(Effect.ignore(system.lookup(Answerer, "answerer", { at: { node: to } })))
        }
      }
      for (let step = 0; step < 12; step++) yield* TestClock.adjust(step < 6 ? 1000 : 10_000)
    }
    const idle = yield* go(Effect.forEach([...systems, ...systems], (system) => system.idle))
    for (let step = 0; step < 20; step++) yield* TestClock.adjust(1)
    assert.isDefined(idle.pollUnsafe(), "the systems do not come to rest")
    return { systems, ends }
  })

// ----- What must hold -----

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isSuccess(exit) ? undefined : exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error

const check = (world: World, sent: ReadonlyArray<Sent>, lossy: boolean) => {
  const lettersOf = (id: number) =>
    world.letters.filter(
      ({ payload, tag }) => tag !== "Answer" && tag !== "Borrow" && (payload as { id?: number }).id === id
    ).length
  for (const message of sent) {
    const { full, how, id, interrupted, kind, refused, seen } = message
    const ran = world.runs(id)
    const letters = lettersOf(id)
    const what = `${how} ${id} (${kind})`
    if (kind !== "Flaky") assert.isAtMost(ran, 1, `${what} was handled twice`)
    if (how === "tell") {
      const ends = `${refused ? "refused, " : ""}handled ${ran} times, ${letters} dead letters`
      const total = Number(refused) + Math.min(ran, 1) + letters
      if (
        lossy ||
        (world.left && message.life.home !== message.node && (message.life.home === 2 || message.node === 2))
      )
        assert.isAtMost(total, 1, `${what}: ${ends}`)
      else assert.strictEqual(total, 1, `${what}: ${ends}`)
      continue
    }
    const exit = message.exit()
    if (message.cancel !== undefined && interrupted && exit === undefined) continue
    if (exit === undefined) throw new Error(`${what} has not ended`)
    const error = errorOf(exit)
    if (Exit.isSuccess(exit)) {
      if (how === "offer")
        assert.strictEqual(ran + letters, 1, `${what} was accepted, handled ${ran} times, ${letters} dead letters`)
      if (how === "ask") {
        assert.strictEqual(exit.value, id, what)
        assert.isAtLeast(ran, 1, `${what} was answered and not handled`)
        assert.isTrue(!kind.startsWith("Crash") && kind !== "Fail", `${what} was answered with a value`)
      }
      if (how === "stream") assert.strictEqual(seen!.length, full, what)
    } else if (error instanceof ActorError.NotExecuted) {
      assert.strictEqual(ran, 0, `${what} was handled, and its sender was told ${error.reason._tag}`)
      assert.strictEqual(letters, 0, `${what} was returned, and is a dead letter`)
      if (how === "stream") assert.deepStrictEqual(seen, [], what)
    } else if (error instanceof ActorError.Unknown) {
      assert.isTrue(
        [
          "Timeout",
          "CalleeCrashed",
          "Interrupted",
          ...(lossy || world.left ? ["ConnectionLost"] : []),
          ...(world.left ? ["NodeLost"] : [])
        ].includes(error.reason._tag),
        `${what} ended in Unknown(${error.reason._tag})`
      )
      if (error.reason._tag === "Timeout" && message.node === message.life.home) {
        assert.isAtLeast(ran, 1, `${what} never ran, here, and its sender was told that it may have`)
      }
      if (error.reason._tag === "CalleeCrashed") assert.isAtLeast(ran, 1, `${what} crashed and was not handled`)
    } else if (error instanceof Refused) {
      assert.isTrue(kind === "Fail" || (kind === "Forward" && id % 4 === 0), `${what} failed`)
      assert.strictEqual(error.id, id)
    } else {
      assert.isTrue(
        interrupted && Cause.hasInterruptsOnly((exit as Exit.Failure<unknown, unknown>).cause),
        `${what}: ${exit}`
      )
    }
    if (seen !== undefined)
      assert.deepStrictEqual(
        seen,
        seen.map((_, index) => index + 1),
        what
      )
  }
  for (const life of world.lives) {
    assert.isAtMost(life.incarnation, life.crashes + 1, `actor-${life.slot} was started again without a crash`)
    const mine = sent.filter((message) => message.life === life)
    for (const sender of new Set(mine.map(({ sender }) => sender))) {
      for (const urgent of [false, true]) {
        const same = mine.filter((message) => message.sender === sender && (message.kind === "Urgent") === urgent)
        const ids = new Set(same.map(({ id }) => id))
        const order = life.order.filter((id) => ids.has(id))
        const what = `the order of what ${sender} sent to actor-${life.slot}, ${urgent ? "urgent" : "not urgent"}`
        assert.deepStrictEqual(
          order,
          order.toSorted((a, b) => a - b),
          what
        )
      }
    }
  }
  assert.deepStrictEqual(world.faults, [])
}

const balanced = (snapshot: Ledger.Snapshot, when: string) => {
  const { faults, open, pending } = snapshot
  const sum = Ledger.outcomes.reduce((sum, outcome) => sum + snapshot[outcome], 0)
  assert.deepStrictEqual(
    { faults, open, pending, sum },
    { faults: [], open: 0, pending: 0, sum: snapshot.accepted },
    when
  )
}

const property = (program: Program) =>
  Effect.gen(function* () {
    const { lossy } = program
    const world = new World()
    const { over, wire } = Contract.makeWire()
    const ledger = yield* Ledger.Ledger
    const scope = yield* Scope.make()
    const exit = yield* Effect.gen(function* () {
      const { ends, systems } = yield* Effect.updateService(play(world, program, wire), Transport, over)
      const { sent, slots } = world
      check(world, sent, lossy)
      balanced(yield* ledger.snapshot, "at rest")
      // Whatever still lives ends when it is stopped, and every watch says so once.
      const stops = yield* go(Effect.forEach(slots, (slot) => (slot === undefined ? Effect.void : slot.home.stop())))
      for (let step = 0; step < 20; step++) yield* TestClock.adjust(100)
      assert.isDefined(stops.pollUnsafe(), "a stop does not end")
      for (const end of ends) assert.isDefined(end.pollUnsafe(), "a stop, a kill or a watch has not ended")
      for (const { ended, slot } of world.lives) {
        const watchers = [...ended].filter((node) => node !== 2 || !world.left).sort()
        assert.deepStrictEqual(watchers, world.left ? [0, 1] : [0, 1, 2], `the watches of actor-${slot}`)
      }
      for (const system of world.left ? systems.slice(0, 2) : systems)
        assert.deepStrictEqual(
          (yield* system.tree).map(({ path }) => path),
          ["answerer"]
        )
      check(world, sent, lossy)
    }).pipe(Scope.provide(scope), Effect.exit)
    yield* soon(Scope.close(scope, Exit.void))
    yield* exit
    balanced(yield* ledger.snapshot, "after the systems have closed")
    return true
  }).pipe(
    Effect.provideService(Contract.HandOff, program.handOff),
    (effect) => (program.counting ? Effect.provideService(effect, Ledger.Ledger, Ledger.make()) : effect),
    Effect.provide(Memory.layer),
    Contract.silently,
    // Assertions are failures, so that they shrink.
    Effect.catchDefect((defect) => Effect.fail(defect)),
    // A program that hangs fails too; what it left is abandoned, because nothing would end it.
    Effect.forkDetach,
    Effect.flatMap((fiber) =>
      Effect.raceFirst(
        Fiber.join(fiber),
        TestClock.withLive(Effect.andThen(Effect.sleep("2 seconds"), Effect.fail("it hangs" as unknown)))
      )
    )
  )

describe("every program", () => {
  it.effect(
    "S9 leaves every message in one state, every ask ended once, and nobody told what is not true",
    () =>
      Effect.gen(function* () {
        const result = yield* Arbitrary.checkEffect(Program, (program) => Effect.suspend(() => property(program)), {
          runs,
          seed,
          size: 60,
          maxShrinks: 400
        })
        if (result._tag === "Passed") return
        if (result._tag !== "Falsified") return assert.fail(Arbitrary.formatCheckFailure(result))
        const { commands, ...settings } = result.shrunkInput
        const why = result.failure._tag === "PropertyError" ? String(result.failure.error) : "it returned false"
        const lines = commands.map((command) => JSON.stringify(command))
        assert.fail([`SEED=${seed} RUNS=${runs}: ${why}`, JSON.stringify(settings), ...lines].join("\n"))
      }),
    120_000
  )
})
