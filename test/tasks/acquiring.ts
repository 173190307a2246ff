// Tasks whose handlers are never acquired.
import { Effect } from "effect"
import { Rpc } from "effect/rpc"
import { Task } from "troupe/actors"

const acquiring = Effect.andThen(
  Effect.sync(() => console.log("acquiring")),
  Effect.never
)
export default Task.handlers(Task.group("acquiring", [Rpc.make("wait")]), acquiring)
