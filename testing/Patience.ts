/**
 * Waits as long as it may take, by whatever clock there is: a test clock stands still until somebody moves it, so whoever waits
 * for something under one moves it.
 */
import { Clock, Duration, Effect, Fiber, Option } from "effect"

/** How often a test clock is moved on the way. */
const moves = 50
/** Messages that are under way need turns, not time. */
const turns = 50

const adjustOf = (clock: Clock.Clock): ((duration: Duration.Input) => Effect.Effect<void>) | undefined =>
  "adjust" in clock
    ? (clock as Clock.Clock & { adjust: (duration: Duration.Input) => Effect.Effect<void> }).adjust
    : undefined

/** Waits for `effect`, at most `duration`: under a test clock that much is let pass, step by step, while it has not ended. */
export const within = <A, E, R>(
  duration: Duration.Input,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<Option.Option<A>, E, R> =>
  Effect.gen(function* () {
    const adjust = adjustOf(yield* Clock.Clock)
    if (adjust === undefined) return yield* Effect.timeoutOption(effect, duration)
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    for (let turn = 0; turn < turns && fiber.pollUnsafe() === undefined; turn++) yield* Effect.yieldNow
    const step = Duration.toMillis(duration) / moves
    for (let move = 0; move < moves && fiber.pollUnsafe() === undefined; move++) yield* adjust(step)
    if (fiber.pollUnsafe() !== undefined) return Option.some(yield* Fiber.join(fiber))
    yield* Fiber.interrupt(fiber)
    return Option.none()
  })
