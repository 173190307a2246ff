/** S4c, reply addresses that are passed on, lent and superseded. */
import assert from "node:assert/strict"
import { Deferred, Effect, Exit, Fiber, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorError, ActorRef, ActorSystem, Protocol, ReplyTo } from "../core/index.ts"
import {
  anywhere,
  elapse,
  law,
  type Member,
  notExecuted,
  type Placement,
  pending,
  type Stage,
  start,
  unknown,
  within
} from "./Law.ts"
import { Refused } from "./Subject.ts"

const Question = Rpc.make("Question", { payload: { text: Schema.String }, success: Schema.String, error: Refused })

/** Answers for others: holds a reply address until it is told what to do with it. */
const Back = Actor.make("Back", [
  Rpc.make("Answer", { payload: { text: Schema.String, to: ReplyTo.schema(Question) } }),
  Rpc.make("Refuse", { payload: { to: ReplyTo.schema(Question) } }),
  Rpc.make("Break", { payload: { to: ReplyTo.schema(Question) } }),
  Rpc.make("Lie", { payload: { to: ReplyTo.schema(Question) } }),
  Rpc.make("Keep", { payload: { text: Schema.String, to: ReplyTo.schema(Question) } }),
  Rpc.make("Release"),
  Rpc.make("Ping")
])
const back = (stage: Stage) =>
  Back.behavior(
    Effect.sync(() => {
      let kept: { readonly text: string; readonly to: ReplyTo.ReplyTo<typeof Question> } | undefined
      return {
        Answer: ({ text, to }) => to.succeed(`back ${text}`),
        Refuse: ({ to }) => to.fail(new Refused({ why: "not for you" })),
        Break: ({ to }) => to.done(Exit.die(new Error("broken"))),
        Lie: ({ to }) => to.succeed(7 as never),
        Keep: (message) => {
          kept = message
          return stage.journal.note(`kept ${message.text}`)
        },
        Release: () => kept!.to.succeed(`back ${kept!.text}`),
        Ping: () => Effect.void
      }
    })
  )
const backRef = ActorRef.schema(...Back.rpcs)

const Front = Actor.make("Front", [
  Question,
  Rpc.make("Use", { payload: { back: backRef, how: Schema.Literals(["Answer", "Refuse", "Break", "Lie", "Keep"]) } }),
  Rpc.make("Extra", { payload: { mode: Schema.Literals(["crash", "twice", "own", "forget", "again", "none"]) } }),
  Rpc.make("Ping")
])
/** Takes each question's reply address and passes it on. */
const front = (stage: Stage) =>
  Front.behavior(
    Effect.gen(function* () {
      const context = yield* Actor.Context
      let back: ActorRef.ActorRef<(typeof Back.rpcs)[number]> | undefined
      let how: "Answer" | "Refuse" | "Break" | "Lie" | "Keep" = "Answer"
      let mode = "none"
      return {
        Use: (use) => {
          back = use.back as typeof back
          how = use.how
          return Effect.void
        },
        Extra: (extra) => {
          mode = extra.mode
          return Effect.void
        },
        Question: ({ text }) =>
          Effect.gen(function* () {
            const to = yield* context.takeReplyTo(Question)
            if (mode === "forget") return to
            if (mode === "own") {
              yield* to.succeed(`front ${text}`)
              return to
            }
            const target = back! as any
            yield* Effect.orDie(target.tell[how]({ text, to }) as Effect.Effect<void>)
            if (mode === "twice")
              yield* Effect.orDie(target.tell[how]({ text: `${text} again`, to }) as Effect.Effect<void>)
            if (mode === "again") {
              const second = yield* context.takeReplyTo(Question)
              yield* second.succeed("nobody hears this")
            }
            stage.journal.write(`passed ${text}`)
            if (mode === "crash") return yield* Effect.die(new Error("the front broke"))
            return to
          }),
        Ping: () => Effect.void
      }
    })
  )

const placements: ReadonlyArray<Placement> = ["one node", "two nodes", "three nodes"]

/** The front on the callee's node and the back on a third, as far as the placement has so many. */
const cast = (stage: Stage, how: "Answer" | "Refuse" | "Break" | "Lie" | "Keep") =>
  Effect.gen(function* () {
    const third: Member = stage.placement === "three nodes" ? yield* stage.join("third") : stage.callee
    yield* third.system.spawn("back", back(stage))
    const backRef = yield* stage.asker.system.lookup(Back, "back", { at: third.system.id })
    const ref = yield* stage.spawn(Front, front(stage), "front")
    yield* ref.ask.Use({ back: backRef, how })
    return { ref, back: backRef, third }
  })

const handedOver = [
  law(
    "S4c",
    placements,
    "a reply address that was passed on is answered by its holder, directly",
    (stage) =>
      Effect.gen(function* () {
        const { ref } = yield* cast(stage, "Answer")
        for (const text of ["one", "two", "three"]) assert.equal(yield* ref.ask.Question({ text }), `back ${text}`)
        if (stage.placement === "three nodes") {
          const answers = stage.wire.sent.filter(({ text }) => text.includes('"back two"'))
          assert.deepEqual(
            answers.map(({ from, to }) => [from, to]),
            [["third", "away"]]
          )
        }
        const { ended } = yield* stage.ledger
        assert.deepEqual([ended.unknown, ended.failure], [0, 0])
      }),
    { counts: true }
  ),

  law("S4c", placements, "the holder of a reply address answers with the request's typed error", (stage) =>
    Effect.gen(function* () {
      const { ref } = yield* cast(stage, "Refuse")
      const error = yield* Effect.flip(ref.ask.Question({ text: "one" }))
      assert(error instanceof Refused)
      assert.equal(error.why, "not for you")
    })
  ),

  law(
    "S4c",
    placements,
    "an Exit that is neither a value nor a typed error is Unknown(CalleeCrashed) for the asker",
    (stage) =>
      Effect.gen(function* () {
        const { ref } = yield* cast(stage, "Break")
        const { cause } = yield* unknown(ref.ask.Question({ text: "one" }), "CalleeCrashed")
        assert.equal((cause as Error).message, "broken")
      })
  ),

  law(
    "S4c",
    placements,
    "a holder's answer that does not match the request's schema is Unknown(ReplyNotEncoded)",
    (stage) =>
      Effect.gen(function* () {
        const { ref } = yield* cast(stage, "Lie")
        yield* unknown(ref.ask.Question({ text: "one" }), "ReplyNotEncoded")
      }),
    { local: ["encoded"] }
  ),

  law("S4c", placements, "an answer may come long after its handler ended", (stage) =>
    Effect.gen(function* () {
      const { back, ref } = yield* cast(stage, "Keep")
      const ask = yield* start(ref.ask.Question({ text: "one" }))
      yield* stage.journal.seen("kept one")
      // The front is free for other messages meanwhile.
      yield* ref.ask.Ping()
      yield* back.tell.Release()
      assert.equal(yield* Fiber.join(ask), "back one")
    })
  ),

  law("S4c", placements, "an answer may come after the actor that took the address has ended", (stage) =>
    Effect.gen(function* () {
      const { back, ref } = yield* cast(stage, "Keep")
      const ask = yield* start(ref.ask.Question({ text: "one" }))
      yield* stage.journal.seen("kept one")
      yield* ref.stop()
      yield* back.tell.Release()
      assert.equal(yield* Fiber.join(ask), "back one")
    })
  ),

  law("S4c", placements, "a crash after the address was passed on does not answer in its holder's place", (stage) =>
    Effect.gen(function* () {
      const { back, ref } = yield* cast(stage, "Keep")
      yield* ref.ask.Extra({ mode: "crash" })
      const ask = yield* start(ref.ask.Question({ text: "one" }))
      yield* stage.journal.seen("kept one")
      yield* within("200 millis", ref.ask.Ping())
      yield* back.tell.Release()
      assert.equal(yield* Fiber.join(ask), "back one")
    })
  ),

  law(
    "S4c",
    placements,
    "a second answer is dropped and counted",
    (stage) =>
      Effect.gen(function* () {
        const { back, ref } = yield* cast(stage, "Answer")
        yield* ref.ask.Extra({ mode: "twice" })
        assert.equal(yield* ref.ask.Question({ text: "one" }), "back one")
        yield* back.ask.Ping()
        yield* stage.quiet
        assert.equal((yield* stage.ledger).lateReplies, 1)
      }),
    { counts: true }
  ),

  law(
    "S4c",
    placements,
    "an address that nobody answers is Unknown(Timeout), and a later answer is counted",
    (stage) =>
      Effect.gen(function* () {
        const { back, ref } = yield* cast(stage, "Keep")
        const ask = yield* start(ref.ask.Question({ text: "one" }, { deadline: "60 millis" }))
        yield* stage.journal.seen("kept one")
        assert.equal((yield* within("500 millis", unknown(Fiber.join(ask), "Timeout"))).tag, "Question")
        yield* back.ask.Release()
        yield* stage.quiet
        assert.equal((yield* stage.ledger).lateReplies, 1)
      }),
    { counts: true }
  ),

  law("S4c", anywhere, "an address that is taken and let go is Unknown(Timeout)", (stage) =>
    Effect.gen(function* () {
      const { ref } = yield* cast(stage, "Answer")
      yield* ref.ask.Extra({ mode: "forget" })
      const ask = yield* start(ref.ask.Question({ text: "one" }, { deadline: "60 millis" }))
      yield* ref.ask.Ping()
      yield* within("500 millis", unknown(Fiber.join(ask), "Timeout"))
    })
  ),

  law(
    "S4c",
    anywhere,
    "a handler may answer at the address it took",
    (stage) =>
      Effect.gen(function* () {
        const { ref } = yield* cast(stage, "Answer")
        yield* ref.ask.Extra({ mode: "own" })
        assert.equal(yield* ref.ask.Question({ text: "one" }), "front one")
        yield* stage.quiet
        assert.equal((yield* stage.ledger).lateReplies, 0)
      }),
    { counts: true }
  ),

  law(
    "S4c",
    anywhere,
    "the address of a message that was told takes answers, which are dropped and counted",
    (stage) =>
      Effect.gen(function* () {
        const { back, ref } = yield* cast(stage, "Answer")
        yield* ref.tell.Question({ text: "one" })
        yield* ref.ask.Ping()
        yield* back.ask.Ping()
        yield* stage.quiet
        assert.equal((yield* stage.ledger).lateReplies, 1)
      }),
    { counts: true }
  ),

  law(
    "S4c",
    anywhere,
    "an address that is taken a second time takes answers, which are dropped and counted",
    (stage) =>
      Effect.gen(function* () {
        const { ref } = yield* cast(stage, "Answer")
        yield* ref.ask.Extra({ mode: "again" })
        assert.equal(yield* ref.ask.Question({ text: "one" }), "back one")
        yield* stage.quiet
        assert.equal((yield* stage.ledger).lateReplies, 1)
      }),
    { counts: true }
  ),

  law(
    "S4c",
    placements,
    "interrupting an ask whose address was passed on ends it; the answer is dropped and counted",
    (stage) =>
      Effect.gen(function* () {
        const { back, ref } = yield* cast(stage, "Keep")
        const ask = yield* start(ref.ask.Question({ text: "one" }))
        yield* stage.journal.seen("kept one")
        yield* ref.ask.Ping()
        yield* Fiber.interrupt(ask)
        yield* back.ask.Release()
        yield* stage.quiet
        assert.equal((yield* stage.ledger).lateReplies, 1)
      }),
    { counts: true }
  ),

  law("S4c", "three nodes", "an ask is Unknown(NodeLost) at once when the holder of its address leaves", (stage) =>
    Effect.gen(function* () {
      const { back, ref, third } = yield* cast(stage, "Keep")
      const ask = yield* start(ref.ask.Question({ text: "one" }))
      yield* stage.journal.seen("kept one")
      yield* back.ask.Ping()
      yield* third.leave
      assert.equal((yield* unknown(Fiber.join(ask), "NodeLost")).node, "node/third")
    })
  ),

  law("S4c", "three nodes", "an ask goes on when the node leaves that passed its address on", (stage) =>
    Effect.gen(function* () {
      const { back, ref } = yield* cast(stage, "Keep")
      const ask = yield* start(ref.ask.Question({ text: "one" }))
      yield* stage.journal.seen("kept one")
      yield* ref.ask.Ping()
      yield* stage.callee.leave
      yield* stage.quiet
      yield* back.tell.Release()
      assert.equal(yield* Fiber.join(ask), "back one")
    })
  ),

  law(
    "S4c",
    anywhere,
    "the address of a message that is not in hand takes answers, which are dropped and counted",
    (stage) =>
      Effect.gen(function* () {
        const Mixed = Actor.make("Mixed", [Question, Rpc.make("Other", { success: Schema.Int })])
        const mixed = Mixed.behavior(
          Effect.gen(function* () {
            const context = yield* Actor.Context
            return {
              Question: () => Effect.succeed("x"),
              // Takes the address of a message that it is not handling.
              Other: () =>
                Effect.as(
                  Effect.flatMap(context.takeReplyTo(Question), (to) => to.succeed("misled")),
                  7
                )
            }
          })
        )
        const ref = yield* stage.spawn(Mixed, mixed)
        assert.equal(yield* ref.ask.Other(), 7)
        yield* stage.quiet
        assert.equal((yield* stage.ledger).lateReplies, 1)
      }),
    { counts: true }
  ),

  law("S4c", anywhere, "a concurrent handler takes the address of its own request", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Late = Rpc.make("Late", { payload: { text: Schema.String }, success: Schema.String }).annotate(
        Protocol.Concurrent,
        true
      )
      const Crowd = Actor.make("Crowd", [Late])
      const crowd = Crowd.behavior(
        Effect.gen(function* () {
          const context = yield* Actor.Context
          return {
            Late: ({ text }) =>
              Effect.gen(function* () {
                yield* journal.note(`${text}+`)
                yield* journal.wait(text)
                const to = yield* context.takeReplyTo(Late)
                yield* to.succeed(`answer ${text}`)
                return to
              })
          }
        })
      )
      const ref = yield* stage.spawn(Crowd, crowd)
      const asks = yield* Effect.forEach(["a", "b", "c"], (text) => start(ref.ask.Late({ text })))
      yield* journal.seen("c+")
      yield* journal.open("b", "c", "a")
      assert.deepEqual(yield* Fiber.joinAll(asks), ["answer a", "answer b", "answer c"])
    })
  )
]

// ----- Lent and superseded addresses -----

type Address = ReplyTo.ReplyTo<typeof Question>
const How = Schema.Literals(["succeed", "fail", "die", "refuse", "lose"])

const answered = (to: Address, how: typeof How.Type, text: string) => {
  if (how === "succeed") return to.succeed(text)
  if (how === "fail") return to.fail(new Refused({ why: text }))
  if (how === "die") return to.done(Exit.die(new Error(text)))
  if (how === "lose") return to.lose(new ActorError.NodeLost({ to: text, node: "node/lost" }))
  return to.refuse(new ActorError.Shed({ to: text, tag: "Question", policy: "dropOldest" }))
}

/** Keeps the addresses that it is lent or handed, each under a key, and answers when it is told to. */
const Borrower = Actor.make("Borrower", [
  Rpc.make("Borrow", { payload: { key: Schema.String, to: ReplyTo.lent(Question) } }),
  Rpc.make("Own", { payload: { key: Schema.String, to: ReplyTo.schema(Question) } }),
  Rpc.make("Answer", { payload: { key: Schema.String, how: How } })
])
const borrower = (stage: Stage, name: string) =>
  Borrower.behavior(
    Effect.sync(() => {
      const kept = new Map<string, Address>()
      const keep = ({ key, to }: { readonly key: string; readonly to: Address }) =>
        Effect.suspend(() => {
          kept.set(key, to)
          return stage.journal.note(`${name} has ${key}`)
        })
      return { Borrow: keep, Own: keep, Answer: ({ how, key }) => answered(kept.get(key)!, how, name) }
    })
  )

/**
 * Keeps the address of each question under its text, and lends, hands over or supersedes it when it is told to. Notes
 * `left <text>` when the asker leaves, or what it is told to note instead.
 */
const Lender = Actor.make("Lender", [
  Question,
  Rpc.make("Lend", { payload: { key: Schema.String, to: ActorRef.schema(...Borrower.rpcs) } }),
  Rpc.make("HandOver", { payload: { key: Schema.String, to: ActorRef.schema(...Borrower.rpcs) } }),
  Rpc.make("Supersede", { payload: { key: Schema.String, as: Schema.String } }),
  Rpc.make("Forget", { payload: { key: Schema.String } }),
  Rpc.make("Listen", { payload: { key: Schema.String, as: Schema.NullOr(Schema.String) } }),
  Rpc.make("Answer", { payload: { key: Schema.String, how: How } })
])
const lender = (stage: Stage) =>
  Lender.behavior(
    Effect.gen(function* () {
      const { takeReplyTo } = yield* Actor.Context
      const kept = new Map<string, Address>()
      return {
        Question: ({ text }) =>
          Effect.tap(takeReplyTo(Question), (to) =>
            Effect.suspend(() => {
              kept.set(text, to)
              to.onAbandoned(() => stage.journal.write(`left ${text}`))
              return stage.journal.note(`asked ${text}`)
            })
          ),
        Forget: ({ key }) => Effect.sync(() => kept.get(key)!.forget()),
        Listen: ({ as, key }) =>
          Effect.sync(() => kept.get(key)!.onAbandoned(as === null ? undefined : () => stage.journal.write(as))),
        Lend: ({ key, to }) => Effect.orDie(to.tell.Borrow({ key, to: kept.get(key)! })),
        HandOver: ({ key, to }) => Effect.orDie(to.tell.Own({ key, to: kept.get(key)! })),
        Supersede: ({ as, key }) => Effect.sync(() => void kept.set(as, kept.get(key)!.supersede())),
        Answer: ({ how, key }) => answered(kept.get(key)!, how, "the lender")
      }
    })
  )

/**
 * A lender on the callee's node, and a borrower on every node that one may be on: the lender's, the asker's, and a third.
 * The law commands the lender from the lender's own node.
 */
const lending = (stage: Stage) =>
  Effect.gen(function* () {
    const { asker, callee, journal } = stage
    const third = yield* stage.join("third")
    const ref = yield* stage.spawn(Lender, lender(stage), "lender")
    const lend = yield* callee.system.lookup(Lender, "lender")
    const borrowers = yield* Effect.forEach(new Set([callee, asker, third]), ({ node, system }) =>
      Effect.gen(function* () {
        const name = `borrower-${node}`
        const own = yield* system.spawn(name, borrower(stage, name))
        const ref = yield* callee.system.lookup(Borrower, name, { at: { node } })
        const give = (how: "Lend" | "HandOver", key: string) => lend.ask[how]({ key, to: ref })
        const take = (how: "Lend" | "HandOver", key: string) =>
          Effect.andThen(give(how, key), journal.seen(`${name} has ${key}`))
        return {
          name,
          node,
          give,
          take,
          answer: (what: { readonly key: string; readonly how: typeof How.Type }) => own.ask.Answer(what)
        }
      })
    )
    const ask = (key: string) => Effect.tap(start(ref.ask.Question({ text: key })), () => journal.seen(`asked ${key}`))
    const lateReplies = Effect.map(Effect.andThen(stage.quiet, stage.ledger), ({ lateReplies }) => lateReplies)
    return { ask, borrowers, far: borrowers.at(-1)!, lateReplies, lend: lend.ask, ref, third }
  })

const lent = [
  law(
    "S4c",
    anywhere,
    "a lent address is answered by its borrower, on whatever node, or by its lender",
    (stage) =>
      Effect.gen(function* () {
        const { ask, borrowers, lateReplies, lend } = yield* lending(stage)
        for (const { answer, name, take } of borrowers) {
          for (const how of How.literals) {
            const key = `${how} ${name}`
            const question = yield* ask(key)
            yield* take("Lend", key)
            yield* stage.quiet
            pending(question)
            yield* answer({ key, how })
            if (how === "succeed") assert.equal(yield* Fiber.join(question), name)
            else if (how === "die") yield* unknown(Fiber.join(question), "CalleeCrashed")
            else if (how === "refuse") assert.equal((yield* notExecuted(Fiber.join(question), "Shed")).to, name)
            else if (how === "lose") assert.equal((yield* unknown(Fiber.join(question), "NodeLost")).to, name)
            else {
              const error = yield* Effect.flip(Fiber.join(question))
              assert(error instanceof Refused && error.why === name)
            }
          }
          const question = yield* ask(name)
          yield* take("Lend", name)
          yield* lend.Answer({ key: name, how: "succeed" })
          assert.equal(yield* Fiber.join(question), "the lender")
        }
        assert.equal(yield* lateReplies, 0)
      }),
    { counts: true }
  ),

  law("S4c", anywhere, "an ask survives the loss of the node that its address was lent to", (stage) =>
    Effect.gen(function* () {
      const { ask, borrowers, far, lend, third } = yield* lending(stage)
      const questions = [yield* ask("one"), yield* ask("two")] as const
      yield* far.take("Lend", "one")
      yield* far.take("Lend", "two")
      yield* third.leave
      yield* stage.quiet
      for (const question of questions) pending(question)
      yield* lend.Answer({ key: "one", how: "succeed" })
      assert.equal(yield* Fiber.join(questions[0]), "the lender")
      // It may be lent again.
      yield* borrowers[0]!.take("Lend", "two")
      yield* borrowers[0]!.answer({ key: "two", how: "succeed" })
      assert.equal(yield* Fiber.join(questions[1]), borrowers[0]!.name)
    })
  ),

  law("S4c", anywhere, "an ask ends in NodeLost at once with the node that its address was handed over to", (stage) =>
    Effect.gen(function* () {
      const { ask, far, third } = yield* lending(stage)
      const question = yield* ask("one")
      yield* far.take("HandOver", "one")
      yield* stage.quiet
      pending(question)
      yield* third.leave
      assert.equal((yield* unknown(Fiber.join(question), "NodeLost")).node, "node/third")
    })
  ),

  law(
    "S4c",
    "two nodes",
    "an ask goes on when the node is lost that handed its address over, while the address travels",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const { ask, far } = yield* lending(stage)
        const question = yield* ask("one")
        wire.onSend = ({ kind, to }) => (to === "third" && kind === "data" ? journal.wait("carrier") : "carry")
        yield* far.give("HandOver", "one")
        yield* stage.arrived
        wire.unreachable("away", "home")
        pending(question)
        yield* journal.open("carrier")
        yield* journal.seen(`${far.name} has one`)
        yield* far.answer({ key: "one", how: "succeed" })
        assert.equal(yield* Fiber.join(question), far.name)
      }),
    { restless: true }
  ),

  law("S4c", anywhere, "who supersedes an address that was handed over answers for it again", (stage) =>
    Effect.gen(function* () {
      const { ask, far, lend, third } = yield* lending(stage)
      const questions = [yield* ask("one"), yield* ask("two")] as const
      for (const key of ["one", "two"]) {
        yield* far.take("HandOver", key)
        // Its new holder is known before, so that the loss of it would end the ask.
        yield* stage.quiet
        yield* lend.Supersede({ key, as: `${key} again` })
      }
      yield* stage.quiet
      yield* third.leave
      yield* stage.quiet
      for (const question of questions) pending(question)
      yield* lend.Answer({ key: "one again", how: "succeed" })
      assert.equal(yield* Fiber.join(questions[0]), "the lender")
      yield* stage.callee.leave
      const end = unknown(Fiber.join(questions[1]), "NodeLost")
      if (stage.placement === "two nodes") assert.equal((yield* end).node, "node/home")
    })
  ),

  law(
    "S4c",
    anywhere,
    "of two addresses that supersede the same one, the first answers, and the second answers nobody",
    (stage) =>
      Effect.gen(function* () {
        const { ask, far, lateReplies, lend } = yield* lending(stage)
        const questions = [yield* ask("one"), yield* ask("two")] as const
        for (const key of ["one", "two"]) {
          for (const turn of ["first", "second"]) yield* lend.Supersede({ key, as: `${key} ${turn}` })
        }
        yield* far.take("Lend", "one second")
        const late = yield* lateReplies
        yield* far.answer({ key: "one second", how: "succeed" })
        yield* lend.Answer({ key: "two second", how: "succeed" })
        assert.equal((yield* lateReplies) - late, 2)
        for (const question of questions) pending(question)
        yield* far.take("Lend", "one first")
        yield* far.answer({ key: "one first", how: "succeed" })
        yield* lend.Answer({ key: "two first", how: "succeed" })
        assert.deepEqual(yield* Fiber.joinAll(questions), [far.name, "the lender"])
      }),
    { counts: true }
  ),

  law(
    "S4c",
    anywhere,
    "an address that is first passed on after its ask has ended awaits nothing",
    (stage) =>
      Effect.gen(function* () {
        const { far, lateReplies, lend, ref, third } = yield* lending(stage)
        const question = yield* start(ref.ask.Question({ text: "one" }, { deadline: "60 millis" }))
        yield* stage.journal.seen("asked one")
        yield* within("500 millis", unknown(Fiber.join(question), "Timeout"))
        yield* far.take("HandOver", "one")
        yield* stage.quiet
        // What awaited an answer would end here.
        yield* third.leave
        assert.equal(yield* lateReplies, 0)
        yield* lend.Answer({ key: "one", how: "succeed" })
        assert.equal(yield* lateReplies, 1)
      }),
    { counts: true }
  ),

  law(
    "S4c",
    "two nodes",
    "an ask ends in NodeLost at once with its lender's node, and its borrower's answer is dropped and counted",
    (stage) =>
      Effect.gen(function* () {
        const { ask, borrowers, lateReplies } = yield* lending(stage)
        const others = borrowers.filter(({ node }) => node !== "home")
        const questions = yield* Effect.forEach(others, ({ name, take }) =>
          Effect.tap(ask(name), () => take("Lend", name))
        )
        yield* stage.callee.leave
        for (const question of questions) {
          assert.equal((yield* unknown(Fiber.join(question), "NodeLost")).node, "node/home")
        }
        for (const { answer, name } of others) yield* answer({ key: name, how: "succeed" })
        assert.equal(yield* lateReplies, 2)
      }),
    { counts: true }
  ),

  law(
    "S4c",
    anywhere,
    "what a superseded address answers is dropped and counted, and its successor's answer is taken",
    (stage) =>
      Effect.gen(function* () {
        const { ask, borrowers, lateReplies, lend } = yield* lending(stage)
        let late = 0
        for (const before of borrowers) {
          for (const after of borrowers) {
            const [first, second, third] = [1, 2, 3].map((turn) => `${before.name} ${after.name} ${turn}`)
            const question = yield* ask(first!)
            yield* before.take("Lend", first!)
            yield* lend.Supersede({ key: first!, as: second! })
            yield* before.take("Lend", second!)
            yield* lend.Supersede({ key: second!, as: third! })
            yield* after.take("Lend", third!)
            yield* stage.quiet
            for (const how of How.literals) {
              yield* before.answer({ key: first!, how })
              yield* before.answer({ key: second!, how })
            }
            yield* lend.Answer({ key: second!, how: "succeed" })
            late += 2 * How.literals.length + 1
            assert.equal(yield* lateReplies, late)
            pending(question)
            yield* after.answer({ key: third!, how: "succeed" })
            assert.equal(yield* Fiber.join(question), after.name)
          }
        }
        assert.equal(yield* lateReplies, late)
      }),
    { counts: true }
  ),

  law(
    "S4c",
    anywhere,
    "an address that is superseded after its answer answers nobody",
    (stage) =>
      Effect.gen(function* () {
        const { ask, borrowers, lateReplies, lend } = yield* lending(stage)
        for (const { answer, name, take } of borrowers) {
          const question = yield* ask(name)
          yield* take("Lend", name)
          yield* answer({ key: name, how: "succeed" })
          assert.equal(yield* Fiber.join(question), name)
          yield* lend.Supersede({ key: name, as: `${name} again` })
          yield* take("Lend", `${name} again`)
          yield* answer({ key: `${name} again`, how: "succeed" })
        }
        assert.equal(yield* lateReplies, borrowers.length)
      }),
    { counts: true }
  ),

  law(
    "S4c",
    "two nodes",
    "the first answer counts, also while the asker's node has not heard which address is superseded",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const { ask, far, lateReplies, lend } = yield* lending(stage)
        const questions = [yield* ask("one"), yield* ask("two")] as const
        yield* far.take("Lend", "one")
        yield* far.take("Lend", "two")
        wire.onSend = ({ from, kind, to }) =>
          from === "home" && to === "away" && kind === "data" ? journal.wait("carrier") : "carry"
        for (const key of ["one", "two"]) {
          yield* lend.Supersede({ key, as: `${key} again` })
          yield* far.take("Lend", `${key} again`)
        }
        yield* far.answer({ key: "one again", how: "succeed" })
        yield* far.answer({ key: "two", how: "succeed" })
        assert.deepEqual(yield* Fiber.joinAll(questions), [far.name, far.name])
        yield* journal.open("carrier")
        wire.onSend = () => "carry"
        yield* far.answer({ key: "one", how: "succeed" })
        yield* far.answer({ key: "two again", how: "succeed" })
        assert.equal(yield* lateReplies, 2)
      }),
    { counts: true }
  ),

  law(
    "S4c",
    anywhere,
    "a handler may take its address and answer, fail, refuse or lose before it returns",
    (stage) =>
      Effect.gen(function* () {
        const Swift = Actor.make("Swift", [Question, Rpc.make("Other", { success: Schema.String })])
        const swift = Swift.behavior(
          Effect.gen(function* () {
            const { takeReplyToUnsafe } = yield* Actor.Context
            return {
              Question: ({ text }) => {
                const to = takeReplyToUnsafe(Question)
                if (text === "refuse")
                  to.refuseUnsafe(new ActorError.Shed({ to: "nobody", tag: "Question", policy: "dropOldest" }))
                else if (text === "fail") to.doneUnsafe(Exit.fail(new Refused({ why: text })))
                else if (text === "lose") to.loseUnsafe(new ActorError.NodeLost({ to: "nobody", node: "node/lost" }))
                else if (text === "die") to.doneUnsafe(Exit.die(new Error(text)))
                else if (text === "die elsewhere") to.doneUnsafe(Exit.die(new Error(text)), "somebody")
                else to.doneUnsafe(Exit.succeed(text))
                return Effect.succeed(to)
              },
              // Takes the address of a message that it is not handling.
              Other: () => {
                takeReplyToUnsafe(Question).doneUnsafe(Exit.succeed("misled"))
                return Effect.succeed("other")
              }
            }
          })
        )
        const ref = yield* stage.spawn(Swift, swift)
        assert.equal(yield* ref.ask.Question({ text: "one" }), "one")
        const error = yield* Effect.flip(ref.ask.Question({ text: "fail" }))
        assert(error instanceof Refused && error.why === "fail")
        assert.equal((yield* notExecuted(ref.ask.Question({ text: "refuse" }), "Shed")).to, "nobody")
        assert.equal((yield* unknown(ref.ask.Question({ text: "lose" }), "NodeLost")).node, "node/lost")
        const { cause, to } = yield* unknown(ref.ask.Question({ text: "die" }), "CalleeCrashed")
        assert.deepEqual([(cause as Error).message, to], ["die", "the holder of its reply address"])
        assert.equal((yield* unknown(ref.ask.Question({ text: "die elsewhere" }), "CalleeCrashed")).to, "somebody")
        assert.equal((yield* stage.ledger).lateReplies, 0)
        assert.equal(yield* ref.ask.Other(), "other")
        yield* ref.tell.Question({ text: "told" })
        yield* stage.quiet
        assert.equal((yield* stage.ledger).lateReplies, 2)
      }),
    { counts: true }
  ),

  law("S4c", anywhere, "a concurrent handler takes its address before it returns, and answers when it likes", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const Late = Rpc.make("Late", { payload: { text: Schema.String }, success: Schema.String }).annotate(
        Protocol.Concurrent,
        true
      )
      const Crowd = Actor.make("Crowd", [Late])
      const crowd = Crowd.behavior(
        Effect.gen(function* () {
          const { takeReplyToUnsafe } = yield* Actor.Context
          return {
            Late: ({ text }) => {
              const to = takeReplyToUnsafe(Late)
              return journal
                .note(`${text}+`)
                .pipe(
                  Effect.andThen(journal.wait(text)),
                  Effect.andThen(Effect.suspend(() => to.succeed(`answer ${text}`))),
                  Effect.as(to)
                )
            }
          }
        })
      )
      const ref = yield* stage.spawn(Crowd, crowd)
      const asks = yield* Effect.forEach(["a", "b", "c"], (text) => start(ref.ask.Late({ text })))
      yield* journal.seen("c+")
      yield* journal.open("b", "c", "a")
      assert.deepEqual(yield* Fiber.joinAll(asks), ["answer a", "answer b", "answer c"])
    })
  )
]

// ----- What a holder is told of its asker -----

const nobody = () => {}

const told = [
  law(
    "S4c",
    anywhere,
    "who took an address is told once when its asker is interrupted, wherever the address is now",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const { ask, borrowers, lateReplies, lend, ref } = yield* lending(stage)
        const leaves = (key: string, question: Fiber.Fiber<unknown, unknown>) =>
          Effect.gen(function* () {
            yield* stage.quiet
            assert.equal(journal.count(`left ${key}`), 0)
            yield* Fiber.interrupt(question)
            yield* journal.seen(`left ${key}`)
          })
        yield* leaves("kept", yield* ask("kept"))
        let late = 0
        for (const { answer, name, take } of borrowers) {
          for (const how of ["Lend", "HandOver"] as const) {
            const key = `${how} ${name}`
            const question = yield* ask(key)
            yield* take(how, key)
            yield* leaves(key, question)
            // It comes too late, and tells nobody anything.
            yield* answer({ key, how: "succeed" })
            assert.equal(yield* lateReplies, ++late)
          }
          const superseded = yield* ask(`superseded ${name}`)
          yield* take("Lend", `superseded ${name}`)
          yield* lend.Supersede({ key: `superseded ${name}`, as: "again" })
          yield* leaves(`superseded ${name}`, superseded)
        }
        for (const deadline of ["1 minutes", "Infinity"] as const) {
          const cancel = ref.askUnsafe.Question({ text: deadline }, nobody, { deadline })
          yield* journal.seen(`asked ${deadline}`)
          yield* stage.quiet
          cancel()
          cancel()
          yield* journal.seen(`left ${deadline}`)
        }
        yield* stage.quiet
        assert.equal(journal.of("left").length, 3 + 3 * borrowers.length)
        assert.equal(new Set(journal.of("left")).size, 3 + 3 * borrowers.length)
      }),
    { counts: true }
  ),

  law(
    "S4c",
    anywhere,
    "who took an address is not told of a deadline, nor of an asker who has had its answer",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const { ask, borrowers, lend, ref } = yield* lending(stage)
        for (const how of How.literals) {
          const key = `kept ${how}`
          const question = yield* ask(key)
          yield* lend.Answer({ key, how })
          yield* Fiber.await(question)
          yield* Fiber.interrupt(question)
        }
        for (const { answer, name, take } of borrowers) {
          const ended = Deferred.makeUnsafe<void>()
          const onExit = () => Deferred.doneUnsafe(ended, Exit.void)
          const cancel = ref.askUnsafe.Question({ text: name }, onExit, { deadline: "Infinity" })
          yield* journal.seen(`asked ${name}`)
          yield* take("Lend", name)
          yield* answer({ key: name, how: "succeed" })
          yield* Deferred.await(ended)
          cancel()
        }
        const hasty = yield* start(ref.ask.Question({ text: "hasty" }, { deadline: "60 millis" }))
        const cancel = ref.askUnsafe.Question({ text: "unsafe" }, nobody, { deadline: "60 millis" })
        yield* journal.seen("asked unsafe")
        yield* within("500 millis", unknown(Fiber.join(hasty), "Timeout"))
        yield* elapse("100 millis")
        cancel()
        yield* stage.quiet
        assert.deepEqual(journal.of("left"), [])
      })
  ),

  law("S4c", anywhere, "who took an address listens as one, the last, and may listen no more", (stage) =>
    Effect.gen(function* () {
      const { journal } = stage
      const { ask, lend } = yield* lending(stage)
      const questions = yield* Effect.forEach(["one", "two", "three"], ask)
      yield* lend.Listen({ key: "one", as: null })
      yield* lend.Listen({ key: "two", as: "left at last" })
      yield* lend.Listen({ key: "three", as: null })
      yield* lend.Supersede({ key: "three", as: "four" })
      yield* lend.Listen({ key: "four", as: "left its successor" })
      for (const question of questions) yield* Fiber.interrupt(question)
      yield* journal.seen("left its successor")
      yield* stage.quiet
      assert.deepEqual(journal.of("left"), ["left at last", "left its successor"])
    })
  ),

  law(
    "S4c",
    "two nodes",
    "who took an address is told when its asker's node is lost, and not of what it answered or listens to no more",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const { ask, far, lend, ref } = yield* lending(stage)
        // The node is left with questions that wait, and others that are over.
        const kept = yield* ask("kept")
        const lent = yield* ask("lent")
        yield* far.take("Lend", "lent")
        ref.askUnsafe.Question({ text: "unsafe" }, nobody, { deadline: "Infinity" })
        yield* journal.seen("asked unsafe")
        for (const how of How.literals) {
          const question = yield* ask(how)
          yield* lend.Answer({ key: how, how })
          yield* Fiber.await(question)
        }
        const elsewhere = yield* ask("elsewhere")
        yield* far.take("Lend", "elsewhere")
        yield* far.answer({ key: "elsewhere", how: "succeed" })
        assert.equal(yield* Fiber.join(elsewhere), far.name)
        yield* lend.Listen({ key: "elsewhere", as: null })
        const left = yield* ask("interrupted")
        yield* Fiber.interrupt(left)
        yield* journal.seen("left interrupted")
        yield* stage.asker.leave
        for (const question of [kept, lent]) assert(Exit.isFailure(yield* Fiber.await(question)))
        for (const key of ["kept", "lent", "unsafe"]) yield* journal.seen(`left ${key}`)
        yield* stage.quiet
        assert.deepEqual([...journal.of("left")].sort(), ["left interrupted", "left kept", "left lent", "left unsafe"])
      })
  ),

  law(
    "S4c",
    "two nodes",
    "who took an address is told at once when the carrier knows its asker's node gone",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const { ask } = yield* lending(stage)
        const question = yield* ask("one")
        wire.unreachable("home", "away")
        assert.deepEqual(journal.of("left"), ["left one"])
        yield* Fiber.interrupt(question)
        yield* elapse("3 seconds")
        assert.deepEqual(journal.of("left"), ["left one"])
      }),
    { restless: true }
  ),

  law(
    "S4c",
    anywhere,
    "who took an address knows how long its asker still waits, also while the handler is being called",
    (stage) =>
      Effect.gen(function* () {
        const { journal } = stage
        const Timed = Actor.make("Timed", [Question, Rpc.make("Hold")])
        const kept = new Map<string, Address>()
        const first = new Map<string, number>()
        const timed = Timed.behavior(
          Effect.map(Actor.Context, ({ takeReplyToUnsafe }) => ({
            Question: ({ text }) => {
              const to = takeReplyToUnsafe(Question)
              kept.set(text, to)
              first.set(text, to.remainingMillis)
              journal.write(`asked ${text}`)
              return Effect.succeed(to)
            },
            Hold: () => Effect.andThen(journal.note("held"), journal.wait("hold"))
          }))
        )
        const ref = yield* stage.spawn(Timed, timed)
        const about = (millis: number, expected: number) =>
          assert(
            millis === expected || (millis < expected && millis > expected - 900),
            `expected about ${expected} ms, got: ${millis}`
          )
        const asks: Array<() => void> = []
        const ask = (text: string, deadline: "3 seconds" | "Infinity" | undefined) =>
          asks.push(ref.askUnsafe.Question({ text }, nobody, deadline === undefined ? undefined : { deadline }))
        ask("idle", "3 seconds")
        yield* journal.seen("asked idle")
        const fiber = yield* start(ref.ask.Question({ text: "ask" }, { deadline: "3 seconds" }))
        yield* journal.seen("asked ask")
        ask("default", undefined)
        ask("infinite", "Infinity")
        yield* ref.tell.Question({ text: "told" })
        yield* journal.seen("asked told")
        const held = yield* start(ref.ask.Hold())
        yield* journal.seen("held")
        ask("queued", "3 seconds")
        ask("queued infinite", "Infinity")
        yield* elapse("1 seconds")
        yield* journal.open("hold")
        yield* Fiber.join(held)
        yield* journal.seen("asked queued infinite")
        for (const key of ["idle", "ask"]) about(first.get(key)!, 3000)
        about(first.get("default")!, 5000)
        about(first.get("queued")!, 2000)
        for (const key of ["idle", "ask", "queued"]) about(kept.get(key)!.remainingMillis, 2000)
        about(kept.get("default")!.remainingMillis, 4000)
        about(kept.get("default")!.supersede().remainingMillis, 4000)
        for (const key of ["infinite", "queued infinite", "told"]) {
          assert.equal(first.get(key), Number.POSITIVE_INFINITY, key)
          assert.equal(kept.get(key)!.remainingMillis, Number.POSITIVE_INFINITY, key)
        }
        // Another node is not told.
        const third = yield* stage.join("third")
        const far = yield* Schema.decodeEffect(ReplyTo.lent(Question))(String(kept.get("idle")!)).pipe(
          Effect.provideService(ActorSystem.ActorSystem, third.system)
        )
        assert.equal(far.remainingMillis, Number.POSITIVE_INFINITY)
        for (const cancel of asks) cancel()
        yield* Fiber.interrupt(fiber)
      })
  ),

  law(
    "S4c",
    anywhere,
    "the address of an ask without a deadline may be kept or lent however long it takes",
    (stage) =>
      Effect.gen(function* () {
        const { far, lend, ref } = yield* lending(stage)
        const ends: Array<unknown> = []
        for (const text of ["kept", "lent"]) {
          ref.askUnsafe.Question({ text }, (exit) => ends.push(exit), { deadline: "Infinity" })
          yield* stage.journal.seen(`asked ${text}`)
        }
        yield* far.take("Lend", "lent")
        yield* elapse("10 minutes")
        assert.deepEqual(ends, [])
        yield* lend.Answer({ key: "kept", how: "succeed" })
        yield* far.answer({ key: "lent", how: "succeed" })
        yield* stage.quiet
        assert.deepEqual(ends, [Exit.succeed("the lender"), Exit.succeed(far.name)])
      }),
    { slow: true }
  ),

  law(
    "S4c",
    "two nodes",
    "an ask without a deadline whose borrower's answer was lost is Unknown(ConnectionLost) once its lender is done with it",
    (stage) =>
      Effect.gen(function* () {
        const { journal, wire } = stage
        const { far, lend, ref } = yield* lending(stage)
        const ended = Deferred.makeUnsafe<string, unknown>()
        const onExit = (exit: Exit.Exit<string, unknown>) => Deferred.doneUnsafe(ended, exit)
        ref.askUnsafe.Question({ text: "one" }, onExit, { deadline: "Infinity" })
        yield* journal.seen("asked one")
        yield* far.take("Lend", "one")
        wire.onSend = ({ from, kind, to }) => (from === "third" && to === "away" && kind === "data" ? "lose" : "carry")
        yield* far.answer({ key: "one", how: "succeed" })
        yield* lend.Listen({ key: "one", as: null })
        // It may still answer.
        yield* elapse("2 minutes")
        assert.equal(Deferred.isDoneUnsafe(ended), false)
        yield* lend.Forget({ key: "one" })
        yield* within("2 minutes", unknown(Deferred.await(ended), "ConnectionLost"))
        wire.onSend = () => "carry"
      }),
    { slow: true, restless: true }
  ),

  law(
    "S4c",
    anywhere,
    "an asker whose request was lost for its holder learns Unknown with the holder's reason, and only the first answer counts",
    (stage) =>
      Effect.gen(function* () {
        const { ask, borrowers, lateReplies, lend } = yield* lending(stage)
        let late = 0
        for (const { answer, name, take } of borrowers) {
          const lost = yield* ask(`lost ${name}`)
          yield* take("Lend", `lost ${name}`)
          yield* answer({ key: `lost ${name}`, how: "lose" })
          const { node, to } = yield* unknown(Fiber.join(lost), "NodeLost")
          assert.deepEqual([node, to], ["node/lost", name])
          for (const how of How.literals) yield* lend.Answer({ key: `lost ${name}`, how })
          const answered = yield* ask(`answered ${name}`)
          yield* take("Lend", `answered ${name}`)
          yield* lend.Answer({ key: `answered ${name}`, how: "succeed" })
          assert.equal(yield* Fiber.join(answered), "the lender")
          yield* answer({ key: `answered ${name}`, how: "lose" })
          late += How.literals.length + 1
          assert.equal(yield* lateReplies, late)
        }
      }),
    { counts: true }
  )
]

export const replyLaws = [handedOver, lent, told].flat(2)
