// Tasks for the `troupe` command: its module is a file whose default export is a group with its handlers.
import { Effect, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Task } from "troupe/actors"

class DivisionByZero extends Schema.TaggedError<DivisionByZero>()("DivisionByZero", { dividend: Schema.Finite }) {
  override get message() {
    return `${this.dividend} cannot be divided by zero.`
  }
}

const math = Task.group("math", [
  Rpc.make("multiply", { payload: { a: Schema.Finite, b: Schema.Finite }, success: Schema.Finite }),
  Rpc.make("divide", {
    payload: { a: Schema.Finite, b: Schema.Finite },
    success: Schema.Finite,
    error: DivisionByZero
  }),
  Rpc.make("power", { payload: Schema.Tuple([Schema.Int, Schema.Int]), success: Schema.Finite }),
  Rpc.make("wait", { payload: { millis: Schema.Int }, success: Schema.Int })
])

export default Task.handlers(math, {
  multiply: ({ a, b }) => Effect.succeed(a * b),
  divide: ({ a, b }) => (b === 0 ? Effect.fail(new DivisionByZero({ dividend: a })) : Effect.succeed(a / b)),
  power: ([base, exponent]) => Effect.succeed(base ** exponent),
  wait: ({ millis }) => Effect.as(Effect.sleep(millis), millis)
})
