import { Schema } from "effect"

/** The command cannot be carried out as it was given. No task has run. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { message: Schema.String }) {}
