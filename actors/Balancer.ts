/**
 * One actor in the place of many: it hands each request to the one of its workers with the fewest outstanding.
 *
 * A balancer is a behavior of any actor's definition, so its clients ask it as they would ask one such actor. It takes over
 * the request's reply address and passes it on with the payload, which it does not decode, to a worker; the worker answers
 * the client itself and tells the balancer `Done`. The workers are its children, and it keeps their number: one that crashes
 * is restarted as any actor is, one that is stopped or killed is replaced.
 *
 * Its invariant: the outstanding tasks of all workers are the tasks in flight. A task is counted once, when a worker's
 * mailbox takes it, and counted down once, by its `Done` or by its worker's end.
 *
 * This is the plain first form. Not yet: a bound on what waits (its clients bound what they have in flight), a queue of its
 * own from which free workers are served, cancelling or expiring a task that was passed on, retrying one whose worker died
 * (its client gets `Unknown`), priorities, weights, workers on other nodes. It looks at every worker for each task: for
 * tens of workers, not thousands.
 */
import { type Duration, Effect, Exit, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorError, type ActorRef, type Protocol, type ReplyTo } from "../core/index.ts"
import * as Worker from "./Worker.ts"

/** Asks a balancer for its workers as they are now. */
export const Workers = Rpc.make("Workers", {
  success: Schema.Array(
    Schema.Struct({
      path: Schema.String,
      /** Tasks it was given that have not come to their end. */
      outstanding: Schema.Int,
      /** Tasks it was given so far. */
      dispatched: Schema.Int
    })
  )
})

export interface Options {
  /** How many workers: a positive integer. */
  readonly workers: number
  /** How long a worker that is stopped may take for each step: the task in hand first. Default 5 seconds. */
  readonly stopDeadline?: Duration.Input
}

/** One worker as its balancer sees it. */
interface Member {
  readonly ref: ActorRef.ActorRef<any>
  outstanding: number
  dispatched: number
  /** The ticket of the last task it was given: the lower, the longer ago. */
  lastTicket: number
}

interface InFlight {
  readonly member: Member
  readonly replyTo: ReplyTo.ReplyTo<any>
}

/** The member with the fewest outstanding; of several, the one whose turn was longest ago. */
const fewestOutstanding = (members: ReadonlyArray<Member>): Member | undefined => {
  let fewest = members[0]
  for (const member of members) {
    const difference = member.outstanding - fewest!.outstanding
    if (difference < 0 || (difference === 0 && member.lastTicket < fewest!.lastTicket)) fewest = member
  }
  return fewest
}

/** What the client of a task learns whose worker is gone: it may have run. */
const lost = (detail: string) => Exit.die(new Error(detail))

/**
 * Implements an actor by workers: each runs `init`, which is the handlers, or an Effect of them that runs at every start and
 * restart. Dies on a request that streams, and on a number of workers that is none.
 */
export const behavior = <Rs extends Protocol.Any, H extends Worker.Handlers<Rs, any>, E = never, R = never>(
  actor: Actor.Actor<Rs>,
  init: H | Effect.Effect<H, E, R>,
  { stopDeadline = "5 seconds", workers }: Options
): Actor.Behavior<Rs | typeof Workers, E | ActorError.StartError, R | Actor.ServicesOf<H>> => {
  if (!Number.isInteger(workers) || workers < 1) {
    throw new Error(`expected \`workers\` to be a positive integer, got: ${workers}`)
  }
  const tasks = actor.rpcs.map(Worker.task)
  const balancer = Actor.make(actor.name, [...tasks.map(({ asked }) => asked), Workers, Worker.Done])
  // Never used twice, not even by the next incarnation: a `Done` that comes late must not settle another task.
  let tickets = 0

  const start = Effect.gen(function* () {
    const context = yield* Actor.Context
    const worker = Worker.behavior(tasks, init, context.self, stopDeadline)
    const members: Array<Member> = []
    const inFlight = new Map<number, InFlight>()

    const hire: (name: string) => Effect.Effect<void, ActorError.StartError, any> = Effect.fnUntraced(function* (name) {
      const ref = yield* context.spawn(name, worker)
      const member = { ref, outstanding: 0, dispatched: 0, lastTicket: 0 }
      members.push(member)
      yield* context.watch(ref, () => Effect.andThen(dismiss(member), hire(name)))
    })

    const dismiss = Effect.fnUntraced(function* (member: Member) {
      withdraw(member)
      for (const [ticket, task] of inFlight) {
        if (task.member !== member) continue
        inFlight.delete(ticket)
        yield* task.replyTo.done(lost(`worker "${member.ref.path}" ended before it answered`))
      }
    })

    const withdraw = (member: Member) => {
      const at = members.indexOf(member)
      if (at >= 0) members.splice(at, 1)
    }

    const dispatch = (tag: string, payload: unknown, replyTo: ReplyTo.ReplyTo<any>): Effect.Effect<void> => {
      for (let member = fewestOutstanding(members); member !== undefined; member = fewestOutstanding(members)) {
        const ticket = ++tickets
        if (member.ref.tellUnsafe[tag]!({ ticket, replyTo, payload })) {
          inFlight.set(ticket, { member, replyTo })
          member.outstanding += 1
          member.dispatched += 1
          member.lastTicket = ticket
          return Effect.void
        }
        // It is ending: out of the choice now, replaced when it has ended.
        withdraw(member)
      }
      return replyTo.refuse(new ActorError.NoRoute({ to: context.self.path, detail: "all its workers are stopping" }))
    }

    yield* Effect.addFinalizer(() =>
      Effect.forEach(inFlight.values(), ({ replyTo }) => replyTo.done(lost(`balancer "${context.self.path}" ended`)), {
        discard: true
      })
    )
    for (let number = 1; number <= workers; number++) yield* hire(`worker-${number}`)

    const take =
      ({ asked, tag }: Worker.Task) =>
      (payload: unknown) =>
        Effect.tap(context.takeReplyTo(asked), (replyTo) => dispatch(tag, payload, replyTo))

    return {
      ...Object.fromEntries(tasks.map((task) => [task.tag, take(task)])),
      Workers: () =>
        Effect.succeed(
          members.map(({ ref: { path }, outstanding, dispatched }) => ({ path, outstanding, dispatched }))
        ),
      $Done: ({ ticket }: { readonly ticket: number }) =>
        Effect.sync(() => {
          const task = inFlight.get(ticket)
          if (task === undefined) return
          inFlight.delete(ticket)
          task.member.outstanding -= 1
        })
    }
  })
  return balancer.behavior(start as Effect.Effect<any>, { mailbox: { overflow: "unbounded" } }) as never
}
