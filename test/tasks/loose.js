import { Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Task } from "troupe/actors"

/** Handlers that are none, as no compiler noticed. */
export default Task.handlers(
  Task.group("loose", [Rpc.make("promise"), Rpc.make("number", { success: Schema.Unknown }), Rpc.make("throws")]),
  {
    promise: async () => {},
    number: () => 5,
    throws: () => {
      throw new Error("at once")
    }
  }
)
