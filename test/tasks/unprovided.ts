import { Context, Effect } from "effect"
import { Rpc } from "effect/rpc"
import { Task } from "troupe/actors"

class Database extends Context.Service<Database, { readonly rows: number }>()("test/Database") {}

/** Its handlers need a service that it does not provide. */
export default Task.handlers(
  Task.group("rows", [Rpc.make("count")]),
  Effect.map(Database, ({ rows }) => ({ count: () => Effect.log(rows) }))
)
