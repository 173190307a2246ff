/** S4c, reply addresses that are passed on. */
import assert from "node:assert/strict"
import { Effect, Exit, Fiber, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorRef, Protocol, ReplyTo } from "../core/index.ts"
import { anywhere, law, type Member, type Placement, type Stage, start, unknown, within } from "./Law.ts"
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

export const replyLaws = [
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
].flat()
