/**
 * A one-shot reply address: whoever holds it may answer the request it was taken from, on whatever node.
 *
 * A handler takes it with `Actor.Context`'s `takeReplyTo`, passes it on in a message (it is a schema), and returns it in
 * place of an answer of its own. The asker keeps every guarantee of an ask; a second answer is dropped and counted, and
 * an address nobody answers ends in `Unknown(Timeout)`. Not for streams, whose handler must produce them.
 *
 * An address is handed over (`schema`) or lent (`lent`). Who hands it over is done with the request: if the receiver's node
 * is lost, so is the request. Who lends it stays answerable: only the loss of the lender's own node ends the request, and the
 * lender, who watches the borrower, may lend it again elsewhere; `supersede` takes it away from earlier borrowers.
 */
import { Effect, Exit, Schema, SchemaGetter, SchemaIssue } from "effect"
import { NotExecuted, type NotExecutedReason, Unknown, type UnknownReason } from "./ActorError.ts"
import { type Ask, answer } from "./Ask.ts"
import type { Reply, ReplyAddress } from "./Envelope.ts"
import { ActorSystem, type Node } from "./Node.ts"
import { type Any, type Failure, type Method, methodOf, type Success } from "./Protocol.ts"

/** The one-shot address that awaits the answer to a request `R`. */
export class ReplyTo<in out R extends Any> {
  declare readonly "~R": R
  readonly #node: Node
  readonly #method: Method
  /** Who waits, where the address has not travelled. */
  readonly #reply: Reply | undefined
  #address: ReplyAddress | undefined
  readonly #turn: number

  /** @internal */
  constructor(node: Node, method: Method, reply: Reply | undefined, turn = 0, address?: ReplyAddress) {
    this.#node = node
    this.#method = method
    this.#reply = reply
    this.#turn = turn
    this.#address = address
  }

  /** Answers with a value. Never fails: what becomes of the answer is the asker's to know. */
  succeed(value: Success<R>): Effect.Effect<void> {
    return this.done(Exit.succeed(value))
  }

  /** Answers with the request's typed error. */
  fail(error: Failure<R>): Effect.Effect<void> {
    return this.done(Exit.fail(error))
  }

  /** Answers with the request's Exit. One without a value or typed error tells the asker `Unknown(CalleeCrashed)`. */
  done(exit: Exit.Exit<Success<R>, Failure<R>>): Effect.Effect<void> {
    return Effect.sync(() => this.doneUnsafe(exit))
  }

  /** Answers that no handler ran for the request and none will. Only for a holder who knows that. */
  refuse(reason: NotExecutedReason): Effect.Effect<void> {
    return Effect.sync(() => this.refuseUnsafe(reason))
  }

  /** Answers that a handler may have run, and that nobody will say how it ended. */
  lose(reason: UnknownReason): Effect.Effect<void> {
    return Effect.sync(() => this.loseUnsafe(reason))
  }

  /** `done`, eager, for hot paths. `by` names the holder in what a crash tells the asker. */
  doneUnsafe(exit: Exit.Exit<Success<R>, Failure<R>>, by = "the holder of its reply address"): void {
    const asker = this.#asker()
    if (asker !== undefined) answer(asker, exit, this.#method, by)
  }

  /** `refuse`, eager, for hot paths. */
  refuseUnsafe(reason: NotExecutedReason): void {
    this.#asker()?.abort(new NotExecuted({ reason }))
  }

  /** `lose`, eager, for hot paths. */
  loseUnsafe(reason: UnknownReason): void {
    this.#asker()?.abort(new Unknown({ reason }))
  }

  /**
   * An address of the same asker that takes the place of this one: what is answered through this one, or through those it
   * was lent to, is dropped and counted from the moment the asker's node hears of it (at once where that is this node).
   */
  supersede(): ReplyTo<R> {
    const turn = this.#turn + 1
    const reply = this.#asker()?.supersede(turn)
    return new ReplyTo(this.#node, this.#method, reply, turn)
  }

  /**
   * How long the asker still waits, in milliseconds; Infinity where it has no deadline, and on a node other than the one
   * whose handler took the address, which is not told.
   */
  get remainingMillis(): number {
    return this.#reply?.remainingMillis() ?? Number.POSITIVE_INFINITY
  }

  /**
   * Has `listener` called, once, when the asker has left before an answer: it was interrupted, or its node is lost; not at its
   * deadline, and not when it had left before. Only on the node whose handler took the address, for one listener, which
   * `undefined` takes back.
   */
  onAbandoned(listener: (() => void) | undefined): void {
    this.#reply?.onAbandoned(listener)
  }

  /**
   * Says that this node is done with the address: for a lender who hears that the borrower has answered. It listens no more, and
   * is not taken for answerable any more when the asker, who has no deadline, asks after its request.
   */
  forget(): void {
    this.#reply?.forget()
  }

  /** Who waits, wherever that is; nobody any more counts as a late answer. */
  #asker(): Reply | undefined {
    const reply = this.#reply ?? this.#find()
    if (reply !== undefined && reply.turn <= this.#turn) return reply
    this.#node.ledger.lateReply()
    return undefined
  }

  #find(): Reply | undefined {
    const address = this.#address
    if (address === undefined) return undefined
    return this.#isLocal(address) ? this.#ask(address) : this.#node.link(address).reply(address)
  }

  /** Who waits at an address of this node. */
  #ask({ generation, slot }: ReplyAddress): Ask | undefined {
    return generation === this.#node.id.generation ? this.#node.slots.get(slot) : undefined
  }

  #isLocal({ node, role }: ReplyAddress): boolean {
    return role === this.#node.id.role && node === this.#node.id.node
  }

  /** @internal Tells the asker's node that this node has the address now, so that losing this node ends the ask at once. */
  claim(): void {
    const address = this.#address!
    if (this.#isLocal(address)) {
      const ask = this.#ask(address)
      if (ask !== undefined) ask.holder = undefined
    } else this.#node.link(address).hold(address, true)
  }

  /** @internal Tells the asker's node that this node does not have the address any more. */
  release(): void {
    if (this.#reply !== undefined) this.#reply.release()
    else if (this.#address !== undefined && !this.#isLocal(this.#address)) {
      this.#node.link(this.#address).hold(this.#address, false)
    }
  }

  toString(): string {
    return write((this.#address ??= this.#reply?.address(this.#turn) ?? { ...this.#node.id, slot: 0, turn: 0 }))
  }
}

const write = ({ role, node, generation, slot, turn }: ReplyAddress) =>
  `${role}/${node}/${generation}/${slot}${turn === 0 ? "" : `/${turn}`}`

const read = (text: string): ReplyAddress | undefined => {
  const [role, node, generation, slot, turn = "0", ...rest] = text.split("/")
  const numbers = { slot: Number(slot), turn: Number(turn) }
  const isWhole = Number.isSafeInteger(numbers.slot) && Number.isSafeInteger(numbers.turn)
  return role && node && generation && slot && isWhole && rest.length === 0
    ? { role, node, generation, ...numbers }
    : undefined
}

const codec = <R extends Any>(rpc: R, lent: boolean): Schema.Codec<ReplyTo<R>, string, ActorSystem> => {
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
            const replyTo = new ReplyTo<R>(system as Node, method, undefined, address.turn, address)
            if (!lent) replyTo.claim()
            return Effect.succeed(replyTo)
          })
        ),
        encode: SchemaGetter.transform((replyTo: ReplyTo<R>) => {
          if (!lent) replyTo.release()
          return replyTo.toString()
        })
      }
    )
  ) as never
}

/** The schema of an address that awaits the answer to `rpc` and is handed over. Encoded, it is one line of text. */
export const schema = <R extends Any>(rpc: R): Schema.Codec<ReplyTo<R>, string, ActorSystem> => codec(rpc, false)

/** The schema of an address that is lent: the node that sends it stays answerable for the request. */
export const lent = <R extends Any>(rpc: R): Schema.Codec<ReplyTo<R>, string, ActorSystem> => codec(rpc, true)
