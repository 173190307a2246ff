// A full mailbox: under `reject` the sender learns it at once, under `backpressure` an `offer` waits for room.
import { Console, Effect, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorSystem } from "troupe"
import { Memory } from "troupe/transports/Memory"

const Printer = Actor.make("Printer", [Rpc.make("Print", { payload: { page: Schema.Int } })])

const handlers = Printer.of({
  Print: ({ page }) => Effect.andThen(Effect.sleep("10 millis"), Console.log("printed", page))
})
const strict = Printer.behavior(handlers, { mailbox: { capacity: 2, overflow: "reject" } })
const patient = Printer.behavior(handlers, { mailbox: { capacity: 2, overflow: "backpressure" } })

const pages = [1, 2, 3, 4]

const program = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem

  // Two pages fit; the others never reach a handler, so whoever sent them may send them again.
  const office = yield* system.spawn("office", strict)
  const send = (page: number) =>
    Effect.catchReason(office.tell.Print({ page }), "NotExecuted", "MailboxFull", ({ capacity }) =>
      Console.log(`page ${page} was refused: ${capacity} wait already`)
    )
  yield* Effect.forEach(pages, send)
  yield* system.idle
  // => page 3 was refused: 2 wait already
  // => page 4 was refused: 2 wait already
  // => printed 1
  // => printed 2

  // Each offer returns once its page has a place: the sender goes no faster than the printer.
  const library = yield* system.spawn("library", patient)
  yield* Effect.forEach(pages, (page) => Effect.andThen(library.offer.Print({ page }), Console.log("queued", page)))
  yield* system.idle
  // => queued 1
  // => queued 2
  // => queued 3
  // => printed 1
  // => queued 4
  // => printed 2
  // => printed 3
  // => printed 4
})

const system = ActorSystem.layer({ name: "campus" })
await Effect.runPromise(program.pipe(Effect.provide(system), Effect.provide(Memory.layer)))
