// Rob Pike's balancer, "A Simple Load Balancer": two workers square ten numbers, each after a random while of up to a second.
//
//   node --conditions=@troupe/source examples/pike.ts [SEED]
//
// The same seed gives the same output; below is that of 2010. The clock is a test clock, so nobody waits for the seconds.
import { Clock, Effect, Fiber, Random, Stream } from "effect"
import { TestClock } from "effect/testing"
import { ActorSystem } from "troupe"
import { Balancer, Pool, Task } from "troupe/actors"
import { Memory } from "troupe/transports/Memory"

const workers = 2
const items = 10
const seed = process.argv[2] ?? "2010"

// No tasks by name: this pool runs closures only.
const nothing = Task.handlers(Task.group("pike", []), {})

/** Each piece of work has random numbers of its own, so that they do not depend on who draws first. */
const work = (id: number) =>
  Random.nextIntBetween(0, 1000).pipe(
    Effect.flatMap((millis) => Effect.sleep(millis)),
    Effect.as({ id, result: (100 + id) ** 2 }),
    Random.withSeed(`${seed}/${id}`)
  )

const program = Effect.gen(function* () {
  const pool = yield* Pool.make(nothing, { workers })
  const show = Effect.map(Balancer.status(pool.balancer), (status) => console.log(Balancer.show(status)))

  const results = Stream.range(0, items - 1).pipe(
    Stream.mapEffect((id) => pool.run(Task.local(() => work(id))), { concurrency: items, unordered: true }),
    Stream.runForEach(({ id, result }) =>
      Effect.map(Clock.currentTimeMillis, (millis) => console.log(`{${id} ${result}} after ${millis} ms`))
    )
  )
  const running = yield* Effect.forkChild(results)
  yield* TestClock.adjust("1 milli")
  yield* show
  // => Worker pike-worker-1 has 1 requests pending
  // => Worker pike-worker-2 has 1 requests pending
  yield* TestClock.adjust("10 seconds")
  yield* Fiber.join(running)
  yield* show
  // => {0 10000} after 6 ms
  // => {1 10201} after 406 ms
  // => {2 10404} after 422 ms
  // => {4 10816} after 482 ms
  // => {3 10609} after 504 ms
  // => {5 11025} after 998 ms
  // => {7 11449} after 1166 ms
  // => {6 11236} after 1375 ms
  // => {9 11881} after 1604 ms
  // => {8 11664} after 1781 ms
  // => Worker pike-worker-1 has 0 requests pending
  // => Worker pike-worker-2 has 0 requests pending
})

const system = ActorSystem.layer({ name: "pike" })
const run = Effect.scoped(program).pipe(Effect.provide(system), Effect.provide(Memory.layer))
await Effect.runPromise(run.pipe(Effect.provide(TestClock.layer())))
