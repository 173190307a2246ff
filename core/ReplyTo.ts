/**
 * A one-shot reply address: whoever holds it may answer the request it was taken from, on whatever node.
 *
 * A handler takes it with `Actor.Context`'s `takeReplyTo`, passes it on in a message (it is a schema), and returns it in
 * place of an answer of its own. The asker keeps every guarantee of an ask; a second answer is dropped and counted, and
 * an address nobody answers ends in `Unknown(Timeout)`. Not for streams, whose handler must produce them.
 */
import { Effect, Exit, Schema, SchemaGetter, SchemaIssue } from "effect"
import { NotExecuted, type NotExecutedReason } from "./ActorError.ts"
import { type Ask, answer } from "./Ask.ts"
import type { Reply, ReplyAddress } from "./Envelope.ts"
import { ActorSystem, type Node } from "./Node.ts"
import { type Any, type Failure, type Method, methodOf, type Success } from "./Protocol.ts"

/** The one-shot address that awaits the answer to a request `R`. */
export class ReplyTo<in out R extends Any> {
  declare readonly "~R": R
  readonly #node: Node
  readonly #method: Method
  /** @internal */
  readonly address: ReplyAddress

  /** @internal */
  constructor(node: Node, method: Method, address: ReplyAddress) {
    this.#node = node
    this.#method = method
    this.address = address
  }

  /** Answers with a value. Never fails: what becomes of the answer is the asker's to know. */
  readonly succeed = (value: Success<R>): Effect.Effect<void> => this.done(Exit.succeed(value))

  /** Answers with the request's typed error. */
  readonly fail = (error: Failure<R>): Effect.Effect<void> => this.done(Exit.fail(error))

  /** Answers that no handler ran for the request and none will. Only for a holder who knows that. */
  readonly refuse = (reason: NotExecutedReason): Effect.Effect<void> =>
    Effect.sync(() => this.#asker()?.abort(new NotExecuted({ reason })))

  /** Answers with the request's Exit. One without a value or typed error tells the asker `Unknown(CalleeCrashed)`. */
  readonly done = (exit: Exit.Exit<Success<R>, Failure<R>>): Effect.Effect<void> =>
    Effect.sync(() => {
      const asker = this.#asker()
      if (asker !== undefined) answer(asker, exit, this.#method, "the holder of its reply address")
    })

  /** Who waits, wherever that is; nobody any more counts as a late answer. */
  #asker(): Reply | undefined {
    const { generation, node, role } = this.#node.id
    if (this.address.role !== role || this.address.node !== node) {
      return this.#node.link(this.address).reply(this.address)
    }
    const ask = this.address.generation === generation ? this.#node.slots.get(this.address.slot) : undefined
    if (ask === undefined) this.#node.ledger.lateReply()
    return ask
  }

  /** @internal Tells the asker's node who holds the address now, so that losing this node ends the ask at once. */
  claim(): void {
    const local = this.#node.id
    if (this.address.role === local.role && this.address.node === local.node) {
      const ask: Ask | undefined = this.#node.slots.get(this.address.slot)
      if (ask !== undefined && this.address.generation === local.generation) ask.holder = undefined
    } else this.#node.link(this.address).hold(this.address, true)
  }

  toString(): string {
    return write(this.address)
  }
}

const write = ({ role, node, generation, slot }: ReplyAddress) => `${role}/${node}/${generation}/${slot}`

const read = (text: string): ReplyAddress | undefined => {
  const [role, node, generation, slot, ...rest] = text.split("/")
  const number = Number(slot)
  return role && node && generation && Number.isSafeInteger(number) && rest.length === 0
    ? { role, node, generation, slot: number }
    : undefined
}

/** The schema of an address that awaits the answer to `rpc`. Encoded, it is one line of text. */
export const schema = <R extends Any>(rpc: R): Schema.Codec<ReplyTo<R>, string, ActorSystem> => {
  const method = methodOf(rpc)
  return Schema.String.pipe(
    Schema.decodeTo(
      Schema.declare((value): value is ReplyTo<R> => value instanceof ReplyTo, { expected: "a ReplyTo" }),
      {
        decode: SchemaGetter.transformEffect((text: string) =>
          Effect.flatMap(ActorSystem, (system) => {
            const address = read(text)
            if (address === undefined) {
              return Effect.fail(new SchemaIssue.InvalidValue({ message: "expected a reply address" }, text))
            }
            const replyTo = new ReplyTo<R>(system as Node, method, address)
            replyTo.claim()
            return Effect.succeed(replyTo)
          })
        ),
        encode: SchemaGetter.transform((replyTo: ReplyTo<R>) => replyTo.toString())
      }
    )
  ) as never
}
