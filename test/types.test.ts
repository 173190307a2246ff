/**
 * What the compiler promises users. Nothing here runs: `tsc` reads it, and `@ts-expect-error` fails where it would accept
 * what it must refuse.
 */
import { describe, it } from "@effect/vitest"
import { Context, Effect, Exit, type Layer, Schema, type Scope, Stream } from "effect"
import { Rpc } from "effect/rpc"
import { Actor, ActorError, ActorRef, type ActorSystem, Protocol, ReplyTo, Supervisor } from "troupe"
import { Balancer, Client, Pool, Task, Worker } from "troupe/actors"

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>) => {}
const promises = (name: string, _code: () => unknown) => it(name, () => {})

type Failing = ActorError.NotExecuted | ActorError.Unknown

class Insufficient extends Schema.TaggedError<Insufficient>()("Insufficient", { balance: Schema.Int }) {}
class Rates extends Context.Service<Rates, { readonly rate: number }>()("test/Rates") {}
class Audit extends Context.Service<Audit, { readonly note: (text: string) => void }>()("test/Audit") {}

const Deposit = Rpc.make("Deposit", { payload: { amount: Schema.Int }, success: Schema.Int })
const Withdraw = Rpc.make("Withdraw", { payload: { amount: Schema.Int }, success: Schema.Int, error: Insufficient })
const Balance = Rpc.make("Balance", { success: Schema.Int })
const History = Rpc.make("History", {
  payload: { last: Schema.Int },
  success: Schema.String,
  error: Insufficient,
  stream: true
})
const Account = Actor.make("Account", [Deposit, Withdraw, Balance, History])

type Of<A> = A extends Actor.Actor<infer Rs> ? ActorRef.ActorRef<Rs> : never
declare const account: Of<typeof Account>
declare const system: ActorSystem.System

describe("ActorRef", () => {
  promises("is assignable to one that understands less, and not to one that understands more", () => {
    const depositor: ActorRef.ActorRef<typeof Deposit> = account
    // @ts-expect-error: a depositor does not understand Withdraw.
    const teller: ActorRef.ActorRef<typeof Deposit | typeof Withdraw> = depositor
    // @ts-expect-error: it has no such message.
    depositor.tell.Withdraw({ amount: 1 })
    const anyone: ActorRef.ActorRef<any> = account
    return [depositor, teller, anyone]
  })

  promises("takes the payload of its schema only", () => {
    account.tell.Deposit({ amount: 1 })
    // @ts-expect-error: an amount is a number.
    account.tell.Deposit({ amount: "1" })
    // @ts-expect-error: it is required.
    account.ask.Deposit({})
    // @ts-expect-error: there is no currency.
    account.offer.Deposit({ amount: 1, currency: "EUR" })
    // @ts-expect-error: a payload is required.
    account.tellUnsafe.Deposit()
    // @ts-expect-error: Balance has none.
    account.ask.Balance({ amount: 1 })
    account.ask.Balance()
    account.tell.Balance()
    account.ask.Balance(undefined, { deadline: "1 second" })
    // @ts-expect-error: a deadline is a duration.
    account.ask.Deposit({ amount: 1 }, { deadline: "soon" })
  })

  promises("says how each way of sending can end", () => {
    same<ReturnType<typeof account.tell.Deposit>, Effect.Effect<void, ActorError.NotExecuted>>(true)
    same<ReturnType<typeof account.tellUnsafe.Deposit>, boolean>(true)
    same<ReturnType<typeof account.offer.Deposit>, Effect.Effect<void, Failing>>(true)
    same<ReturnType<typeof account.ask.Deposit>, Effect.Effect<number, Failing>>(true)
    same<ReturnType<typeof account.ask.Withdraw>, Effect.Effect<number, Insufficient | Failing>>(true)
    same<ReturnType<typeof account.ask.History>, Stream.Stream<string, Insufficient | Failing>>(true)
  })

  promises("tells an unsafe ask's callback how it ends, and answers how to cancel it", () => {
    const cancel = account.askUnsafe.Withdraw({ amount: 1 }, (exit) => {
      same<typeof exit, Exit.Exit<number, Insufficient | Failing>>(true)
    })
    same<typeof cancel, () => void>(true)
    account.askUnsafe.Deposit({ amount: 1 }, (exit) => same<typeof exit, Exit.Exit<number, Failing>>(true))
    account.askUnsafe.Balance(undefined, () => {}, { deadline: Number.POSITIVE_INFINITY })
    account.askUnsafe.Balance(undefined, () => {}, { deadline: "1 second" })
    // @ts-expect-error: an amount is a number.
    account.askUnsafe.Deposit({ amount: "1" }, () => {})
    // @ts-expect-error: there is no currency.
    account.askUnsafe.Deposit({ amount: 1, currency: "EUR" }, () => {})
    // @ts-expect-error: whoever asks wants to hear of the end.
    account.askUnsafe.Deposit({ amount: 1 })
    // @ts-expect-error: Balance has no payload.
    account.askUnsafe.Balance({ amount: 1 }, () => {})
    // @ts-expect-error: the answer is a number.
    account.askUnsafe.Balance(undefined, (exit: Exit.Exit<string, Failing>) => exit)
    // @ts-expect-error: it may end in NotExecuted or Unknown.
    account.askUnsafe.Balance(undefined, (exit: Exit.Exit<number>) => exit)
    // @ts-expect-error: a deadline is a duration.
    account.askUnsafe.Deposit({ amount: 1 }, () => {}, { deadline: "soon" })
    // @ts-expect-error: it has no such message.
    account.askUnsafe.Close(undefined, () => {})
    same<keyof typeof account.askUnsafe, "Deposit" | "Withdraw" | "Balance">(true)
    // @ts-expect-error: it answers once, and History streams.
    account.askUnsafe.History({ last: 3 }, () => {})
    const depositor: ActorRef.ActorRef<typeof Deposit> = account
    // @ts-expect-error: a depositor does not understand Withdraw.
    depositor.askUnsafe.Withdraw({ amount: 1 }, () => {})
  })

  promises("fails with errors that catchTag and catchReason narrow", () => {
    const withdrawn = account.ask.Withdraw({ amount: 9 }).pipe(
      Effect.catchTag("Insufficient", (error) => Effect.succeed(error.balance)),
      Effect.catchReason("NotExecuted", "MailboxFull", (reason) => Effect.succeed(reason.capacity)),
      Effect.catchReason("Unknown", "Timeout", (reason) => Effect.succeed(reason.deadlineMillis))
    )
    same<Effect.Error<typeof withdrawn>["_tag"], "NotExecuted" | "Unknown">(true)
    const answered = Effect.catchTags(account.ask.Withdraw({ amount: 9 }), {
      Insufficient: ({ balance }) => Effect.succeed(balance),
      NotExecuted: () => Effect.succeed(0),
      Unknown: () => Effect.succeed(0)
    })
    same<typeof answered, Effect.Effect<number>>(true)
  })

  promises("stands in a payload by the messages it understands", () => {
    const Transfer = Rpc.make("Transfer", { payload: { to: ActorRef.schema(Deposit, Balance) } })
    const Bank = Actor.make("Bank", [Transfer])
    const behavior = Bank.behavior({ Transfer: ({ to }) => Effect.ignore(to.tell.Deposit({ amount: 1 })) })
    return Effect.gen(function* () {
      const bank = yield* system.spawn("bank", behavior)
      const box = yield* system.spawn(
        "box",
        Actor.make("Box", [Deposit]).behavior({ Deposit: () => Effect.succeed(1) })
      )
      yield* bank.tell.Transfer({ to: account })
      // @ts-expect-error: a box does not understand Balance.
      yield* bank.tell.Transfer({ to: box })
    })
  })
})

// Under a name of its own: a handler is called Withdraw below.
const Withdrawal = Withdraw

describe("Actor", () => {
  const handlers = {
    Deposit: ({ amount }: { readonly amount: number }) => Effect.succeed(amount),
    Balance: () => Effect.succeed(1),
    History: () => Stream.make("opened")
  }
  const Withdraw = () => Effect.fail(new Insufficient({ balance: 1 }))

  promises("wants a handler for every message", () => {
    Account.behavior({ ...handlers, Withdraw })
    Account.of({ ...handlers, Withdraw })
    // @ts-expect-error: Withdraw is missing.
    Account.behavior(handlers)
    // @ts-expect-error: Withdraw is missing.
    Account.behavior(Effect.succeed(handlers))
    // @ts-expect-error: Withdraw is missing.
    Account.of(handlers)
  })

  promises("refuses, in `of`, a handler of no message", () => {
    // @ts-expect-error: there is no Close.
    Account.of({ ...handlers, Withdraw, Close: () => Effect.void })
  })

  promises("infers payloads in handlers, in an object and in an Effect of one", () => {
    const Vault = Actor.make("Vault", [Deposit])
    Vault.behavior({ Deposit: ({ amount }) => Effect.succeed(amount) })
    Vault.behavior(Effect.sync(() => ({ Deposit: ({ amount }) => Effect.succeed(amount) })))
    Vault.behavior(
      Effect.gen(function* () {
        yield* Effect.void
        return { Deposit: ({ amount }) => Effect.succeed(amount) }
      })
    )
    Vault.of({ Deposit: ({ amount }) => Effect.succeed(amount) })
    // @ts-expect-error: there is no currency.
    Vault.behavior({ Deposit: ({ currency }) => Effect.succeed(currency) })
  })

  promises("refuses a handler whose answer, error or kind is another", () => {
    // @ts-expect-error: the answer is a number.
    Account.behavior({ ...handlers, Withdraw, Balance: () => Effect.succeed("1") })
    // @ts-expect-error: Balance has no error.
    Account.behavior({ ...handlers, Withdraw, Balance: () => Effect.fail(new Insufficient({ balance: 1 })) })
    // @ts-expect-error: History streams.
    Account.behavior({ ...handlers, Withdraw, History: () => Effect.succeed("opened") })
    // @ts-expect-error: Balance does not stream.
    Account.behavior({ ...handlers, Withdraw, Balance: () => Stream.make(1) })
  })

  promises("lets a handler return the ReplyTo it took of its own request, and no other", () => {
    const take = <R extends typeof Deposit | typeof Balance>(rpc: R) =>
      Effect.flatMap(Actor.Context, ({ takeReplyTo }) => takeReplyTo(rpc))
    Account.behavior({ ...handlers, Withdraw, Balance: () => take(Balance) })
    // @ts-expect-error: the address awaits the answer to Deposit.
    Account.behavior({ ...handlers, Withdraw, Balance: () => take(Deposit) })
    const Forward = Rpc.make("Forward", { payload: { to: ReplyTo.schema(Balance) } })
    Actor.make("Clerk", [Forward]).behavior({ Forward: ({ to }) => to.succeed(1) })
    // @ts-expect-error: the answer is a number.
    Actor.make("Clerk", [Forward]).behavior({ Forward: ({ to }) => to.succeed("1") })
  })

  promises("types a ReplyTo by its request, be it handed over, lent, superseded or taken at once", () => {
    const Lend = Rpc.make("Lend", { payload: { to: ReplyTo.lent(Withdrawal) } })
    Actor.make("Clerk", [Lend]).behavior({
      Lend: ({ to }) => {
        same<typeof to, ReplyTo.ReplyTo<typeof Withdrawal>>(true)
        const next = to.supersede()
        same<typeof next, ReplyTo.ReplyTo<typeof Withdrawal>>(true)
        next.doneUnsafe(Exit.succeed(1))
        next.doneUnsafe(Exit.fail(new Insufficient({ balance: 1 })))
        next.doneUnsafe(Exit.die("broken"))
        // @ts-expect-error: the answer is a number.
        next.doneUnsafe(Exit.succeed("1"))
        // @ts-expect-error: that is not its error.
        next.doneUnsafe(Exit.fail("empty"))
        // @ts-expect-error: a refusal has one of the reasons of NotExecuted.
        next.refuseUnsafe("Stopping")
        next.loseUnsafe(new ActorError.Interrupted({ to: "it", tag: "Withdrawal" }))
        // @ts-expect-error: what is lost has one of the reasons of Unknown.
        next.lose(new ActorError.Stopping({ to: "it" }))
        same<typeof to.remainingMillis, number>(true)
        // @ts-expect-error: it is the asker's to say.
        to.remainingMillis = 1
        to.onAbandoned(() => next.onAbandoned(undefined))
        return to.fail(new Insufficient({ balance: 1 }))
      }
    })
    Actor.make("Vault", [Balance]).behavior(
      Effect.gen(function* () {
        const { takeReplyToUnsafe } = yield* Actor.Context
        same<ReturnType<typeof takeReplyToUnsafe<typeof Balance>>, ReplyTo.ReplyTo<typeof Balance>>(true)
        return { Balance: () => Effect.succeed(takeReplyToUnsafe(Balance)) }
      })
    )
    Actor.make("Vault", [Balance]).behavior(
      // @ts-expect-error: the address awaits the answer to Deposit.
      Effect.map(Actor.Context, (context) => ({ Balance: () => Effect.succeed(context.takeReplyToUnsafe(Deposit)) }))
    )
  })

  promises("takes an urgent message for what it is without the annotation", () => {
    const Hasty = Actor.make("Hasty", [Deposit.annotate(Protocol.Urgent, true)])
    const hasty: Of<typeof Hasty> = account
    Hasty.behavior({ Deposit: ({ amount }) => Effect.succeed(amount) })
    // @ts-expect-error: it is urgent, or it is not.
    Deposit.annotate(Protocol.Urgent, "very")
    return hasty
  })
})

describe("Behavior", () => {
  const Vault = Actor.make("Vault", [Deposit, Balance, History])
  const needy = Vault.behavior(
    Effect.gen(function* () {
      yield* Effect.acquireRelease(Effect.void, () => Effect.void)
      const self = yield* Vault.self
      const { rate } = yield* Rates
      return {
        Deposit: ({ amount }) => Effect.map(Audit, ({ note }) => note(self.path) ?? amount * rate),
        Balance: () => Effect.flatMap(Actor.Context, ({ stop }) => Effect.as(stop, 1)),
        History: () => Stream.fromEffect(Effect.map(Audit, () => "opened"))
      }
    })
  )

  promises("needs what init and handlers use; a spawn needs it without Scope and Actor.Context", () => {
    type Needs<B> = B extends Actor.Behavior<any, any, infer R> ? R : never
    same<Exclude<Needs<typeof needy>, Scope.Scope | Actor.Context>, Rates | Audit>(true)
    const spawned = system.spawn("vault", needy)
    same<Effect.Services<typeof spawned>, Rates | Audit>(true)
    same<Effect.Error<typeof spawned>, ActorError.StartError>(true)
    const scoped = system.spawnScoped("vault", needy)
    same<Effect.Services<typeof scoped>, Rates | Audit | Scope.Scope>(true)
    const plain = system.spawn("plain", Actor.make("Box", [Balance]).behavior({ Balance: () => Effect.succeed(1) }))
    same<typeof plain, Effect.Effect<ActorRef.ActorRef<typeof Balance>, ActorError.StartError>>(true)
  })

  promises("needs nothing for Scope and Actor.Context, which every actor has", () => {
    type Needs<B> = B extends Actor.Behavior<any, any, infer R> ? R : never
    same<Needs<typeof needy>, Rates | Audit>(true)
  })

  promises("takes restart options that are whole", () => {
    const Box = Actor.make("Box", [Balance])
    const handlers = { Balance: () => Effect.succeed(1) }
    Box.behavior(handlers, { restart: {} })
    Box.behavior(handlers, {
      restart: {
        intensity: { restarts: 3, within: "1 minute" },
        backoff: { from: 0, to: "1 second" },
        healthyAfter: 0
      }
    })
    // @ts-expect-error: so many, within how long?
    Box.behavior(handlers, { restart: { intensity: { restarts: 3 } } })
    // @ts-expect-error: up to how long?
    Box.behavior(handlers, { restart: { backoff: { from: 0 } } })
    // @ts-expect-error: a time is a duration.
    Box.behavior(handlers, { restart: { healthyAfter: "soon" } })
    // @ts-expect-error: there is no jitter to choose.
    Box.behavior(handlers, { restart: { jitter: 0 } })
  })

  promises("asks about the typed errors of its own protocol", () => {
    const directive: Actor.Directive = "escalate"
    Actor.make("Till", [Withdraw, Balance]).behavior(
      { Withdraw: () => Effect.fail(new Insufficient({ balance: 1 })), Balance: () => Effect.succeed(1) },
      {
        onFailure: (failure) => {
          if (failure._tag === "Error") same<typeof failure.error, Insufficient>(true)
          if (failure._tag === "Defect") same<typeof failure.defect, unknown>(true)
          return failure._tag === "Interrupt" ? undefined : directive
        }
      }
    )
    const handlers = { Balance: () => Effect.succeed(1) }
    // @ts-expect-error: that is no directive.
    Actor.make("Box", [Balance]).behavior(handlers, { onFailure: () => "ignore" })
    // @ts-expect-error: that is no strategy.
    Actor.make("Box", [Balance]).behavior(handlers, { strategy: "simpleOneForOne" })
  })

  promises("takes a child's type, and a significant one that may end by itself", () => {
    const Box = Actor.make("Box", [Balance]).behavior({ Balance: () => Effect.succeed(1) })
    return Effect.gen(function* () {
      const { spawn } = yield* Actor.Context
      yield* spawn("a", Box, { restart: "permanent" })
      yield* spawn("b", Box, { significant: true })
      yield* spawn("c", Box, { restart: "temporary", significant: true })
      // @ts-expect-error: a permanent child never ends by itself.
      yield* spawn("d", Box, { restart: "permanent", significant: true })
      // @ts-expect-error: that is no type.
      yield* spawn("e", Box, { restart: "always" })
    })
  })

  promises("times, stashes and pipes with the services at hand", () =>
    Actor.make("Box", [Balance, Deposit]).behavior(
      Effect.gen(function* () {
        const { makeStash, pipeToSelf, receiveTimeout, startTimer } = yield* Actor.Context
        const { stash } = yield* makeStash({ capacity: 10 })
        const note = Effect.map(Audit, ({ note }) => note("tick"))
        const started = startTimer("tick", { every: "1 second" }, note)
        same<typeof started, Effect.Effect<void, never, Audit>>(true)
        yield* startTimer("once", { after: 100 }, Effect.void)
        yield* receiveTimeout("1 minute", Effect.fail("idle"))
        yield* receiveTimeout(undefined)
        // @ts-expect-error: once, or every?
        yield* startTimer("tick", {}, Effect.void)
        // @ts-expect-error: a stash is bounded.
        yield* makeStash({})
        const piped = pipeToSelf(account.ask.Withdraw({ amount: 1 }), (exit) => {
          same<typeof exit, Exit.Exit<number, Insufficient | Failing>>(true)
          return Effect.map(Rates, ({ rate }) => rate)
        })
        same<typeof piped, Effect.Effect<void, never, Rates>>(true)
        return { Balance: () => stash, Deposit: () => stash }
      })
    )
  )

  promises("passes a child's needs on to its parent", () => {
    const parent = Actor.make("Parent", [Balance]).behavior(
      Effect.gen(function* () {
        const { spawn } = yield* Actor.Context
        const vault = yield* spawn("vault", needy)
        return { Balance: () => Effect.orDie(vault.ask.Balance()) }
      })
    )
    const spawned = system.spawn("parent", parent)
    same<Effect.Services<typeof spawned>, Rates | Audit>(true)
  })
})

describe("Supervisor", () => {
  const behavior = Actor.make("Box", [Balance]).behavior({ Balance: () => Effect.map(Rates, ({ rate }) => rate) })
  const quiet = Actor.make("Quiet", []).behavior(Effect.as(Audit, {}))

  promises("needs what its children need, to any depth", () => {
    const inner = Supervisor.behavior([{ name: "quiet", behavior: quiet }], { strategy: "restForOne" })
    const outer = Supervisor.behavior([
      { name: "box", behavior, restart: "transient" },
      { name: "inner", behavior: inner }
    ])
    const spawned = system.spawn("outer", outer)
    same<Effect.Services<typeof spawned>, Rates | Audit>(true)
    same<typeof spawned, Effect.Effect<ActorRef.ActorRef<never>, ActorError.StartError, Rates | Audit>>(true)
  })

  promises("takes children and options that are whole", () => {
    Supervisor.behavior([{ name: "box", behavior, restart: "temporary", significant: true }], {
      strategy: "oneForAll",
      intensity: { restarts: 3, within: "1 minute" },
      autoShutdown: "allSignificant"
    })
    // @ts-expect-error: a child has a name.
    Supervisor.behavior([{ behavior }])
    // @ts-expect-error: declared, it is permanent, and never ends by itself.
    Supervisor.behavior([{ name: "box", behavior, significant: true }])
    // @ts-expect-error: a supervisor takes no messages.
    Supervisor.behavior([], { mailbox: { capacity: 1 } })
    // @ts-expect-error: so many, within how long?
    Supervisor.behavior([], { intensity: { restarts: 3 } })
  })
})

describe("ActorSystem", () => {
  promises("looks an actor up as a ref of its whole protocol", () => {
    const found = system.lookup(Account, "alice")
    same<typeof found, Effect.Effect<Of<typeof Account>, ActorError.NotExecuted>>(true)
    // @ts-expect-error: a lookup names a definition, not a behavior.
    system.lookup(Account.behavior({} as never), "alice")
  })
})

describe("Dispatch", () => {
  const Bank = Task.group("bank", [Deposit, Withdraw])
  type Tasks = typeof Deposit | typeof Withdraw
  const Withdraws = () => Effect.fail(new Insufficient({ balance: 1 }))
  const bank = Task.handlers(
    Bank,
    Effect.map(Rates, ({ rate }) => ({
      Deposit: ({ amount }: { readonly amount: number }) =>
        Effect.map(Effect.all([Audit, Worker.Current]), ([{ note }, { name }]) => note(name) ?? amount * rate),
      Withdraw: Withdraws
    }))
  )
  const closure = Task.local(() => Effect.map(Audit, ({ note }) => note("ran")))
  const made = Client.make(Bank)
  const pooled = Pool.make(bank, { workers: 1 })

  promises("1.1 a client, whose workers may be anywhere, takes a task by name and payload, and no closure", () =>
    Effect.map(made, (client) => {
      client.submit.Deposit({ amount: 1 }, { priority: 1, deadline: "1 second", key: "a", idempotent: true, id: "x" })
      // @ts-expect-error: an amount is a number.
      client.submit.Deposit({ amount: "1" })
      // @ts-expect-error: there is no such task.
      client.submit.Balance()
      // @ts-expect-error: there is no such option.
      client.submit.Deposit({ amount: 1 }, { retries: 3 })
      // @ts-expect-error: a closure is no task of the group.
      client.submit.Deposit(closure)
      // @ts-expect-error: nor does it run one.
      client.run(closure)
      // @ts-expect-error: an Effect is no closure.
      return client.submitAll.Deposit([Effect.void])
    })
  )

  promises("1.1 a pool, whose workers are in this process, takes closures too, with the services that they need", () =>
    Effect.map(pooled, (pool) => {
      const client: Client.Client<Tasks> = pool
      const ran = pool.run(closure, { key: "a" })
      same<typeof ran, Effect.Effect<void, Failing, Audit>>(true)
      // @ts-expect-error: a closure is made with Task.local.
      pool.run(() => Effect.void)
      return client
    })
  )

  promises("1.1 a submit says how it can end, and a result of many holds it as an Exit", () =>
    Effect.map(made, ({ submit, submitAll }) => {
      same<ReturnType<typeof submit.Deposit>, Effect.Effect<number, Failing>>(true)
      same<ReturnType<typeof submit.Withdraw>, Effect.Effect<number, Insufficient | Failing>>(true)
      const all = submitAll.Withdraw([{ amount: 1 }], { window: 2, ordered: true })
      same<Stream.Error<typeof all>, never>(true)
      type Result = Stream.Success<typeof all>
      same<Result["exit"], Exit.Exit<number, Insufficient | Failing>>(true)
      // @ts-expect-error: many tasks have no one name.
      submitAll.Withdraw([{ amount: 1 }], { id: "x" })
    })
  )

  promises("wants a handler for every task, which answers by itself", () => {
    Task.handlers(Bank, { Deposit: ({ amount }) => Effect.succeed(amount), Withdraw: Withdraws })
    // @ts-expect-error: Withdraw is missing.
    Task.handlers(Bank, { Deposit: ({ amount }: { readonly amount: number }) => Effect.succeed(amount) })
    // @ts-expect-error: the answer is a number.
    Task.handlers(Bank, { Deposit: () => Effect.succeed("1"), Withdraw: Withdraws })
    // @ts-expect-error: Deposit has no error.
    Task.handlers(Bank, { Deposit: Withdraws, Withdraw: Withdraws })
  })

  promises("needs what acquiring and running the handlers needs, without what a worker has", () => {
    const worker = Worker.make(bank)
    same<Effect.Services<typeof worker>, Rates | Audit | ActorSystem.ActorSystem | Scope.Scope>(true)
    same<Effect.Error<typeof worker>, ActorError.StartError>(true)
    const layer = Pool.layer(bank, { workers: 2 })
    same<typeof layer, Layer.Layer<never, ActorError.StartError, Rates | Audit | ActorSystem.ActorSystem>>(true)
    // @ts-expect-error: a pool has workers.
    Pool.layer(bank, {})
    // @ts-expect-error: there is no such strategy.
    Balancer.layer(Bank, { strategy: "random" })
  })

  promises("tells the balancer of one group from that of another", () => {
    const Other = Task.group("other", [Deposit])
    return Effect.gen(function* () {
      const balancer = yield* Balancer.make(Bank)
      yield* Client.make(Bank, { balancer })
      // @ts-expect-error: it balances other tasks.
      yield* Client.make(Other, { balancer })
      yield* Balancer.status(balancer)
    })
  })
})
