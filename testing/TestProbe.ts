/**
 * An actor that stands in for another one, and for the test: it keeps what it is sent, the test looks at it and answers.
 *
 * It works by any clock: real, a TestClock, which it moves while it waits, or a simulation's.
 */
import { Duration, Effect, Queue, Schema, type Scope, Stream } from "effect"
import { Actor, type ActorRef, ActorSystem, type Protocol, type ReplyTo } from "../core/index.ts"
import { within } from "./Patience.ts"

/** A message that a probe was sent. */
export type Message<Rs extends Protocol.Any> = Rs extends Protocol.Any
  ? {
      readonly tag: Rs["_tag"]
      readonly payload: Protocol.Payload<Rs>
      /** Answers whoever asked; where the message was told, or the probe has answered by itself, it goes nowhere. */
      readonly replyTo: ReplyTo.ReplyTo<Rs>
    }
  : never

type MessageOf<Rs extends Protocol.Any, Tag extends Rs["_tag"]> = Message<Extract<Rs, { readonly _tag: Tag }>>

/** A probe did not see what the test expects. */
export class ProbeError extends Schema.TaggedError<ProbeError>()("ProbeError", {
  probe: Schema.String,
  expected: Schema.String,
  got: Schema.String
}) {
  override get message() {
    return (
      `The probe "${this.probe}" expected ${this.expected}, got: ${this.got}. ` +
      `Look at what the actors under test send, or give it more time with \`within\`.`
    )
  }
}

export interface Waiting {
  /** How long it may take. Default 3 seconds. A TestClock is moved that far at most. */
  readonly within?: Duration.Input
}

export interface TestProbe<in out Rs extends Protocol.Any> {
  /** The probe as an actor. */
  readonly ref: ActorRef.ActorRef<Rs>
  /** Takes the next message, whichever it is. */
  readonly next: (options?: Waiting) => Effect.Effect<Message<Rs>, ProbeError>
  /** Takes the next message, which must be of this tag. */
  readonly expect: <const Tag extends Rs["_tag"]>(
    tag: Tag,
    options?: Waiting
  ) => Effect.Effect<MessageOf<Rs, Tag>, ProbeError>
  /** Lets time pass (default: 100 ms), in which no message may come. */
  readonly expectNothing: (during?: Duration.Input) => Effect.Effect<void, ProbeError>
  /** Waits for the end of an actor, and answers why it ended. */
  readonly expectEnd: (
    ref: ActorRef.ActorRef<any>,
    options?: Waiting
  ) => Effect.Effect<ActorSystem.TerminationReason, ProbeError>
}

export interface Options<Rs extends Protocol.Any> {
  /** The name of the probe's actor. Default: `probe`, or `probe-2` and so on where that is taken. */
  readonly name?: string
  /** Requests that it answers by itself. It keeps them all the same. Those that stream need one. */
  readonly answers?: Partial<Actor.Handlers<Rs, never>>
}

const json = (value: unknown): string => JSON.stringify(value) ?? String(value)

/** Starts a probe on the node. It ends with the caller's Scope. */
export const make = <Rs extends Protocol.Any>(
  actor: Actor.Actor<Rs>,
  { answers = {}, name }: Options<Rs> = {}
): Effect.Effect<TestProbe<Rs>, never, ActorSystem.ActorSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const system = yield* ActorSystem.ActorSystem
    const messages = yield* Queue.unbounded<Message<Rs>>()
    const own = answers as Readonly<Record<string, ((payload: unknown) => unknown) | undefined>>
    const handle = (rpc: Protocol.Any) => (payload: unknown) => {
      const answer = own[rpc._tag]
      if (answer !== undefined) {
        const replyTo = { done: () => Effect.void, succeed: () => Effect.void, fail: () => Effect.void }
        Queue.offerUnsafe(messages, { tag: rpc._tag, payload, replyTo } as never)
        return answer(payload)
      }
      if (actor.protocol.get(rpc._tag)!.streaming) {
        return Stream.die(
          new Error(`expected \`answers.${rpc._tag}\`: a request that streams cannot be answered later`)
        )
      }
      return Effect.gen(function* () {
        const replyTo = yield* (yield* Actor.Context).takeReplyTo(rpc)
        Queue.offerUnsafe(messages, { tag: rpc._tag, payload, replyTo } as never)
        return replyTo
      })
    }
    const handlers = Object.fromEntries(actor.rpcs.map((rpc) => [rpc._tag, handle(rpc)]))
    const behavior = actor.behavior(handlers as never) as Actor.Behavior<Rs, never, never>
    const taken = new Set((yield* system.tree).map(({ path }) => path))
    let path = name ?? "probe"
    for (let count = 2; name === undefined && taken.has(path); count++) path = `probe-${count}`
    const ref = yield* Effect.orDie(system.spawnScoped(path, behavior))

    const missed = (expected: string, got: string) => Effect.fail(new ProbeError({ probe: path, expected, got }))
    const take = (expected: string, { within: limit = "3 seconds" }: Waiting = {}) =>
      Effect.flatMap(within(limit, Queue.take(messages)), (message) =>
        message._tag === "Some"
          ? Effect.succeed(message.value)
          : missed(expected, `nothing within ${Duration.format(Duration.fromInputUnsafe(limit))}`)
      )
    const probe: TestProbe<Rs> = {
      ref,
      next: (options) => take("a message", options),
      expect: (tag, options) =>
        Effect.flatMap(take(`"${tag}"`, options), (message) =>
          message.tag === tag
            ? Effect.succeed(message as never)
            : missed(`"${tag}"`, `"${message.tag}" ${json(message.payload)}`)
        ),
      expectNothing: (during = "100 millis") =>
        Effect.flatMap(within(during, Queue.take(messages)), (message) =>
          message._tag === "None"
            ? Effect.void
            : missed("nothing", `"${message.value.tag}" ${json(message.value.payload)}`)
        ),
      expectEnd: (other, { within: limit = "3 seconds" } = {}) =>
        Effect.flatMap(within(limit, other.watch), (end) =>
          end._tag === "Some"
            ? Effect.succeed(end.value.reason)
            : missed(`the end of "${other.path}"`, `no end within ${Duration.format(Duration.fromInputUnsafe(limit))}`)
        )
    }
    return probe
  })
