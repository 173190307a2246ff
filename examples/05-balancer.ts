// Tasks for whoever is free: a pool gives each one to the worker with the least to do, and its client gets the answer.
import { Console, Effect, Exit, Logger, Schema, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { ActorSystem } from "troupe"
import { Balancer, Pool, Task } from "troupe/actors"
import { Memory } from "troupe/transports/Memory"

class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", { dish: Schema.String }) {}

const Kitchen = Task.group("kitchen", [
  Rpc.make("cook", { payload: { dish: Schema.String }, success: Schema.String, error: SoldOut })
])

const accidents = new Set(["flambé", "soufflé"]) // Each happens once.

const kitchen = Task.handlers(Kitchen, {
  cook: ({ dish }) => {
    if (dish === "lobster") return Effect.fail(new SoldOut({ dish }))
    if (accidents.delete(dish)) return Effect.die(new Error(`the ${dish} burnt`))
    return Effect.as(Effect.sleep(10 * dish.length), `a fine ${dish}`)
  }
})

const program = Effect.gen(function* () {
  const pool = yield* Pool.make(kitchen, { workers: 2 })
  const order = (dish: string, options?: Task.SubmitOptions) =>
    pool.submit.cook({ dish }, options).pipe(
      Effect.catchTag("SoldOut", () => Effect.succeed(`no ${dish} today`)),
      Effect.catchTag("NotExecuted", ({ reason }) => Effect.succeed(`surely no ${dish}: ${reason._tag}`)),
      Effect.catchTag("Unknown", ({ reason }) => Effect.succeed(`perhaps a ${dish}: ${reason._tag}`)),
      Effect.flatMap(Console.log)
    )
  yield* order("soup")
  // => a fine soup
  yield* order("lobster")
  // => no lobster today
  yield* order("flambé")
  // => perhaps a flambé: CalleeCrashed
  yield* order("soufflé", { idempotent: true }) // It may be tried again, and is.
  // => a fine soufflé

  const dishes = pool.submitAll.cook([{ dish: "roast" }, { dish: "pie" }], { window: 16, ordered: true })
  yield* Stream.runForEach(dishes, ({ exit, index }) => Console.log(index, Exit.isSuccess(exit)))
  // => 0 true
  // => 1 true
  console.log(Balancer.show(yield* Balancer.status(pool.balancer)))
  // => Worker kitchen-worker-1 has 0 requests pending
  // => Worker kitchen-worker-2 has 0 requests pending
})

const quiet = Logger.layer([]) // The runtime logs crashes; the output of this example is its own.
const layer = ActorSystem.layer({ name: "restaurant" })
await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(layer), Effect.provide([Memory.layer, quiet])))
