// An ask ends in a value, the typed error of its request, `NotExecuted` (retry freely) or `Unknown` (it may have run).
import { Effect, Logger, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorSystem } from "troupe"
import { Memory } from "troupe/transports/Memory"

class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { item: Schema.String }) {}

const Reserve = Rpc.make("Reserve", { payload: { item: Schema.String }, success: Schema.Int, error: OutOfStock })
const Warehouse = Actor.make("Warehouse", [Reserve])

const warehouse = Warehouse.behavior(
  Effect.sync(() => {
    const stock = new Map([["chair", 2]])
    return {
      Reserve: ({ item }) => {
        if (item === "piano") return Effect.die(new Error("the shelf broke"))
        const left = stock.get(item) ?? 0
        if (left === 0) return Effect.fail(new OutOfStock({ item }))
        stock.set(item, left - 1)
        return Effect.succeed(left - 1)
      }
    }
  })
)

const program = Effect.gen(function* () {
  const system = yield* ActorSystem.ActorSystem
  const berlin = yield* system.spawn("berlin", warehouse)
  const reserve = (item: string) =>
    berlin.ask.Reserve({ item }, { deadline: "1 second" }).pipe(
      Effect.map((left) => `reserved, ${left} left`),
      Effect.catchTag("OutOfStock", (error) => Effect.succeed(`no ${error.item} in stock`)),
      Effect.catchReason("Unknown", "CalleeCrashed", ({ to }) => Effect.succeed(`perhaps reserved: ${to} crashed`)),
      Effect.catchTag("Unknown", ({ reason }) => Effect.succeed(`perhaps reserved: ${reason._tag}`)),
      Effect.catchTag("NotExecuted", ({ reason }) => Effect.succeed(`surely not reserved: ${reason._tag}`))
    )

  console.log(yield* reserve("chair"))
  // => reserved, 1 left
  console.log(yield* reserve("sofa"))
  // => no sofa in stock
  console.log(yield* reserve("piano"))
  // => perhaps reserved: berlin crashed
  yield* berlin.stop()
  console.log(yield* reserve("chair"))
  // => surely not reserved: NoSuchActor
})

const quiet = Logger.layer([]) // The runtime logs crashes; the output of this example is its own.
const system = ActorSystem.layer({ name: "shop" })
await Effect.runPromise(program.pipe(Effect.provide(system), Effect.provide([Memory.layer, quiet])))
