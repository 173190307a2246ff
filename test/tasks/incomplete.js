import { Rpc } from "effect/rpc"
import { Task } from "troupe/actors"

/** One task has no handler, as no compiler noticed. */
export default Task.handlers(Task.group("half", [Rpc.make("one"), Rpc.make("two")]), { one: async () => {} })
