/**
 * The actor that most laws are about: it notes what happens to it, and waits, answers, fails and crashes on request.
 */
import { Effect, Schema, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, Protocol } from "../core/index.ts"
import type { Journal } from "./Law.ts"

export class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

const n = Schema.Int
const key = Schema.String

export const Subject = Actor.make("Subject", [
  Rpc.make("Note", { payload: { n } }),
  Rpc.make("NoteLater", { payload: { n } }),
  Rpc.make("Double", { payload: { n }, success: n }),
  Rpc.make("Count", { success: n }),
  Rpc.make("Hold", { payload: { key }, success: key }),
  Rpc.make("HoldBeside", { payload: { key }, success: key }).annotate(Protocol.Concurrent, true),
  Rpc.make("NoteFirst", { payload: { n } }).annotate(Protocol.Urgent, true),
  Rpc.make("HoldFirst", { payload: { key }, success: key }).annotate(Protocol.Urgent, true),
  Rpc.make("Refuse", { payload: { why: Schema.String }, error: Refused }),
  Rpc.make("Crash", { payload: { why: Schema.String } }),
  Rpc.make("CrashBeside", { payload: { why: Schema.String } }).annotate(Protocol.Concurrent, true),
  Rpc.make("Numbers", { payload: { to: n }, success: n, error: Refused, stream: true })
])

/**
 * The journal's entries: `init 1`, `released 1`, `note 7`, `first 7` for an urgent note, `a+` and `a-` for a held message, `a!`
 * when interrupted.
 */
export const subject = (journal: Journal, options?: Actor.BehaviorOptions) => {
  const hold = ({ key }: { readonly key: string }) =>
    journal.note(`${key}+`).pipe(
      Effect.andThen(journal.wait(key)),
      Effect.andThen(journal.note(`${key}-`)),
      Effect.onInterrupt(() => journal.note(`${key}!`)),
      Effect.as(key)
    )
  const crash = ({ why }: { readonly why: string }) =>
    Effect.suspend(() => {
      journal.write(`crash ${why}`)
      return Effect.die(new Error(why))
    })
  return Subject.behavior(
    Effect.gen(function* () {
      const { incarnation } = yield* Actor.Context
      yield* Effect.acquireRelease(journal.note(`init ${incarnation}`), () => journal.note(`released ${incarnation}`))
      let count = 0
      return {
        Note: ({ n }) => {
          count += 1
          return journal.note(`note ${n}`)
        },
        NoteLater: ({ n }) =>
          Effect.yieldNow.pipe(Effect.andThen(Effect.yieldNow), Effect.andThen(journal.note(`note ${n}`))),
        Double: ({ n }) => {
          count += 1
          journal.write(`double ${n}`)
          return Effect.succeed(n * 2)
        },
        Count: () => Effect.succeed(count),
        Hold: hold,
        HoldBeside: hold,
        NoteFirst: ({ n }) => journal.note(`first ${n}`),
        HoldFirst: hold,
        Refuse: ({ why }) => Effect.fail(new Refused({ why })),
        Crash: crash,
        CrashBeside: ({ why }) => Effect.andThen(journal.wait(why), crash({ why })),
        Numbers: ({ to }) => Stream.range(1, to)
      }
    }),
    options
  )
}
