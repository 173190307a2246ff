/**
 * How a message can fail, and what its sender may conclude from it.
 *
 * There are two outcomes besides a value and the protocol's own error: `NotExecuted` (no handler ran for the message and
 * none will: retry freely) and `Unknown` (a handler may have run: retry only what is idempotent). Both carry a `reason`
 * with the particulars, so `Effect.catchTag("NotExecuted", ...)` and `Effect.catchReason("NotExecuted", "MailboxFull", ...)`
 * both narrow. All of them are schemas and cross the wire. Programmer errors (bad options) are defects, not listed here.
 *
 * Messages have three parts: what happened, with the values; why; what to do.
 */
import { Schema } from "effect"

const to = Schema.String
const tag = Schema.String
const quote = (names: ReadonlyArray<string>) =>
  names.length === 0 ? "none" : names.map((name) => `"${name}"`).join(", ")

// ----- NotExecuted: no handler code ran for the message, and none will -----

export class NoSuchActor extends Schema.TaggedError<NoSuchActor>()("NoSuchActor", { to, detail: Schema.String }) {
  override get message() {
    return `There is no actor "${this.to}": ${this.detail}. Look the name up again, or spawn the actor first.`
  }
}

export class MailboxFull extends Schema.TaggedError<MailboxFull>()("MailboxFull", { to, capacity: Schema.Int }) {
  override get message() {
    return (
      `The mailbox of "${this.to}" is full: it holds ${this.capacity} messages and takes no more. ` +
      `Retry later, use \`offer\` with the "backpressure" policy, or raise \`capacity\`.`
    )
  }
}

export class Stopping extends Schema.TaggedError<Stopping>()("Stopping", { to }) {
  override get message() {
    return `"${this.to}" is stopping and takes no new messages. Send to its successor, or give up.`
  }
}

export class Expired extends Schema.TaggedError<Expired>()("Expired", { to, tag }) {
  override get message() {
    return (
      `"${this.tag}" to "${this.to}" expired while it waited: its deadline passed before its turn came. ` +
      `Allow a longer \`deadline\`, or spread the load over more actors or workers.`
    )
  }
}

export class Cancelled extends Schema.TaggedError<Cancelled>()("Cancelled", { to, tag }) {
  override get message() {
    return `"${this.tag}" to "${this.to}" was cancelled by its sender before its turn came. Nothing to do.`
  }
}

export class UnsupportedMessage extends Schema.TaggedError<UnsupportedMessage>()("UnsupportedMessage", {
  to,
  tag,
  known: Schema.Array(Schema.String)
}) {
  override get message() {
    return (
      `"${this.to}" does not understand "${this.tag}": it understands ${quote(this.known)}. ` +
      `Check the protocol of the ref, or deploy the version that knows the message first at the receiver.`
    )
  }
}

export class DecodeError extends Schema.TaggedError<DecodeError>()("DecodeError", { to, tag, issue: Schema.String }) {
  override get message() {
    return (
      `The payload of "${this.tag}" did not decode at "${this.to}": ${this.issue}. ` +
      `Sender and receiver hold different schemas for it; bring them to one version.`
    )
  }
}

export class EncodeError extends Schema.TaggedError<EncodeError>()("EncodeError", { to, tag, issue: Schema.String }) {
  override get message() {
    return (
      `The payload of "${this.tag}" to "${this.to}" was not sent, because it does not match its schema: ${this.issue}. ` +
      `Correct the payload.`
    )
  }
}

export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", {
  to,
  tag,
  bytes: Schema.Int,
  limit: Schema.Int
}) {
  override get message() {
    return (
      `"${this.tag}" to "${this.to}" was not sent: it takes ${this.bytes} bytes and the transport carries at most ` +
      `${this.limit}. Send it in parts, or send a reference to the data.`
    )
  }
}

export class NotConnected extends Schema.TaggedError<NotConnected>()("NotConnected", { to, detail: Schema.String }) {
  override get message() {
    return `"${this.to}" cannot be reached: ${this.detail}. Retry when its node is up, or choose another node.`
  }
}

export class NoRoute extends Schema.TaggedError<NoRoute>()("NoRoute", { to, detail: Schema.String }) {
  override get message() {
    return `Nobody can take the message for "${this.to}": ${this.detail}. Provide a receiver, or retry later.`
  }
}

export class Shed extends Schema.TaggedError<Shed>()("Shed", { to, tag, policy: Schema.String }) {
  override get message() {
    return (
      `"${this.tag}" was ${this.policy === "reject" ? "refused" : "dropped"} by "${this.to}" under load: what may wait there ` +
      `is bounded, with the policy "${this.policy}". Retry later, raise the \`capacity\`, or choose another policy.`
    )
  }
}

const NotExecutedReason = Schema.Union([
  NoSuchActor,
  MailboxFull,
  Stopping,
  Expired,
  Cancelled,
  UnsupportedMessage,
  DecodeError,
  EncodeError,
  PayloadTooLarge,
  NotConnected,
  NoRoute,
  Shed
])
export type NotExecutedReason = typeof NotExecutedReason.Type

/** No handler ran for the message and none will: it is safe to send it again. */
export class NotExecuted extends Schema.TaggedError<NotExecuted>()("NotExecuted", { reason: NotExecutedReason }) {
  override get message() {
    return this.reason.message
  }
}

// ----- Unknown: a handler may have run -----

export class Timeout extends Schema.TaggedError<Timeout>()("Timeout", { to, tag, deadlineMillis: Schema.Finite }) {
  override get message() {
    return (
      `"${this.tag}" to "${this.to}" got no answer within ${this.deadlineMillis} ms; it may still be handled. ` +
      `Retry only if it is idempotent, or allow a longer \`deadline\`.`
    )
  }
}

export class CalleeCrashed extends Schema.TaggedError<CalleeCrashed>()("CalleeCrashed", {
  to,
  tag,
  cause: Schema.Defect({ includeStack: true })
}) {
  override get message() {
    return (
      `"${this.to}" crashed while it handled "${this.tag}": ${describe(this.cause)}. ` +
      `Part of the work may have been done; look at the cause, and retry only if it is idempotent.`
    )
  }
}

export class NodeLost extends Schema.TaggedError<NodeLost>()("NodeLost", { to, node: Schema.String }) {
  override get message() {
    return (
      `Node "${this.node}" was lost before "${this.to}" answered; the message may have been handled. ` +
      `Look the actor up again, and retry only if it is idempotent.`
    )
  }
}

export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {
  to,
  node: Schema.String
}) {
  override get message() {
    return (
      `The connection to node "${this.node}" broke before "${this.to}" answered; the message may have been handled. ` +
      `Retry only if it is idempotent.`
    )
  }
}

export class Interrupted extends Schema.TaggedError<Interrupted>()("Interrupted", { to, tag }) {
  override get message() {
    return (
      `"${this.to}" was interrupted while it handled "${this.tag}": it was killed, its stop deadline passed, or it crashed ` +
      `beside this request. ` +
      `Part of the work may have been done; retry only if it is idempotent.`
    )
  }
}

export class ReplyNotEncoded extends Schema.TaggedError<ReplyNotEncoded>()("ReplyNotEncoded", {
  to,
  tag,
  issue: Schema.String
}) {
  override get message() {
    return (
      `"${this.to}" handled "${this.tag}", but its reply does not match the reply's schema: ${this.issue}. ` +
      `Correct the handler or the schema.`
    )
  }
}

export class ReplyNotDecoded extends Schema.TaggedError<ReplyNotDecoded>()("ReplyNotDecoded", {
  to,
  tag,
  issue: Schema.String
}) {
  override get message() {
    return (
      `"${this.to}" answered "${this.tag}", but the reply did not decode: ${this.issue}. ` +
      `Asker and callee hold different schemas for it; bring them to one version.`
    )
  }
}

export class ReplyTooLarge extends Schema.TaggedError<ReplyTooLarge>()("ReplyTooLarge", {
  to,
  tag,
  bytes: Schema.Int,
  limit: Schema.Int
}) {
  override get message() {
    return (
      `"${this.to}" handled "${this.tag}", but its reply takes ${this.bytes} bytes and the transport carries at most ` +
      `${this.limit}. Answer with a stream, in parts, or with a reference to the data.`
    )
  }
}

const UnknownReason = Schema.Union([
  Timeout,
  CalleeCrashed,
  NodeLost,
  ConnectionLost,
  Interrupted,
  ReplyNotEncoded,
  ReplyNotDecoded,
  ReplyTooLarge
])
export type UnknownReason = typeof UnknownReason.Type

/** A handler may have run for the message: retry only what is idempotent. */
export class Unknown extends Schema.TaggedError<Unknown>()("Unknown", { reason: UnknownReason }) {
  override get message() {
    return this.reason.message
  }
}

// ----- Starting and ending -----

/** An actor could not be started. Its name is free again, and what its `init` had acquired is released. */
export class StartError extends Schema.TaggedError<StartError>()("StartError", {
  path: Schema.String,
  reason: Schema.Literals(["NameTaken", "InvalidName", "InitFailed", "Stopping"]),
  cause: Schema.optionalKey(Schema.Defect({ includeStack: true }))
}) {
  override get message(): string {
    switch (this.reason) {
      case "NameTaken":
        return `"${this.path}" was not started: a living actor has that name on this node. Choose another name, or look it up.`
      case "InvalidName":
        return `"${this.path}" was not started: expected a name of 1 to 255 characters, without spaces, control characters, "/" and "#", that does not begin with "$". Choose such a name.`
      case "InitFailed":
        if (this.cause instanceof StartError) return `"${this.path}" was not started: ${this.cause.message}`
        return `"${this.path}" was not started: its init failed with ${describe(this.cause)}. Correct what init needs, then spawn again.`
      case "Stopping":
        return `"${this.path}" was not started: its parent, or the actor itself, is stopping. Spawn it elsewhere, or give up.`
    }
  }
}

/**
 * A child is given up, so its parent fails with it: there were more failures than the intensity allows, or its behavior
 * escalates this one. `cause` is the child's own failure.
 */
export class ChildFailed extends Schema.TaggedError<ChildFailed>()("ChildFailed", {
  path: Schema.String,
  reason: Schema.Literals(["TooOften", "Escalated"]),
  restarts: Schema.Int,
  withinMillis: Schema.Finite,
  cause: Schema.Defect({ includeStack: true })
}) {
  override get message() {
    switch (this.reason) {
      case "TooOften":
        return (
          `"${this.path}" failed for good, with ${describe(this.cause)}: there were ${this.restarts} restarts within ` +
          `${this.withinMillis} ms, the most that its supervisor allows. Correct the cause; restarting does not cure it.`
        )
      case "Escalated":
        return (
          `"${this.path}" failed for good, with ${describe(this.cause)}: its behavior escalates that. ` +
          `Correct the cause, or choose another directive in \`onFailure\`.`
        )
    }
  }
}

/** Says a cause in one line, whatever was thrown, without a full stop. Never throws. */
export const describe = (cause: unknown): string => {
  try {
    const text = cause instanceof Error ? cause.message || cause.name : textOf(cause)
    return String(text).replace(/\.$/, "")
  } catch {
    return `a value of type ${typeof cause} that cannot be shown`
  }
}

const textOf = (cause: unknown): string => {
  if (typeof cause !== "object" || cause === null) return String(cause)
  try {
    return JSON.stringify(cause) ?? String(cause)
  } catch {
    return String(cause)
  }
}
