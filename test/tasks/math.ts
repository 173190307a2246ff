import { Effect, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Task } from "troupe/actors"

class DivisionByZero extends Schema.TaggedError<DivisionByZero>()("DivisionByZero", { dividend: Schema.Number }) {
  override get message() {
    return `${this.dividend} cannot be divided by 0`
  }
}
class Bare extends Schema.TaggedError<Bare>()("Bare", { left: Schema.Int }) {}

const pair = { a: Schema.Number, b: Schema.Number }

const math = Task.group("math", [
  Rpc.make("multiply", { payload: pair, success: Schema.Number }),
  Rpc.make("divide", { payload: pair, success: Schema.Number, error: DivisionByZero }),
  Rpc.make("add", { payload: Schema.Tuple([Schema.Int, Schema.Int]), success: Schema.Int }),
  Rpc.make("refuse", { payload: { how: Schema.String }, error: Schema.Union([Bare, Schema.String]) }),
  Rpc.make("ping"),
  Rpc.make("crash", { payload: { message: Schema.String } }),
  Rpc.make("lie", { success: Schema.Int }),
  Rpc.make("sleep", { payload: { millis: Schema.Int }, success: Schema.Int }),
  Rpc.make("talk", { payload: { text: Schema.String } })
])

export default Task.handlers(math, {
  multiply: ({ a, b }) => Effect.succeed(a * b),
  divide: ({ a, b }) => (b === 0 ? Effect.fail(new DivisionByZero({ dividend: a })) : Effect.succeed(a / b)),
  add: ([a, b]) => Effect.succeed(a + b),
  refuse: ({ how }) => Effect.fail(how === "bare" ? new Bare({ left: 3 }) : how),
  ping: () => Effect.void,
  crash: ({ message }) => Effect.die(new Error(message)),
  lie: () => Effect.succeed(0.5),
  sleep: ({ millis }) => Effect.as(Effect.sleep(millis), millis),
  talk: ({ text }) => Effect.sync(() => console.log(text))
})
