import { Task } from "troupe/actors"

/** A group without tasks. */
export default Task.handlers(Task.group("empty", []), {})
