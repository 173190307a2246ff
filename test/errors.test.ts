/** What a sender reads: the words of each error in full, and that they survive the wire. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { ActorError } from "troupe"
import { TransportError } from "troupe/Transport"

const {
  CalleeCrashed,
  Cancelled,
  ChildFailed,
  ConnectionLost,
  DecodeError,
  EncodeError,
  Expired,
  Interrupted,
  MailboxFull,
  NodeLost,
  NoRoute,
  NoSuchActor,
  NotConnected,
  NotExecuted,
  PayloadTooLarge,
  ReplyNotDecoded,
  ReplyNotEncoded,
  ReplyTooLarge,
  Shed,
  StartError,
  Stopping,
  Timeout,
  Unknown,
  UnsupportedMessage
} = ActorError

const to = "alice"
const tag = "Deposit"

const reasons = {
  notExecuted: [
    [
      new NoSuchActor({ to, detail: "it has ended" }),
      'There is no actor "alice": it has ended. Look the name up again, or spawn the actor first.'
    ],
    [
      new MailboxFull({ to, capacity: 1024 }),
      'The mailbox of "alice" is full: it holds 1024 messages and takes no more. ' +
        'Retry later, use `offer` with the "backpressure" policy, or raise `capacity`.'
    ],
    [new Stopping({ to }), '"alice" is stopping and takes no new messages. Send to its successor, or give up.'],
    [
      new Expired({ to, tag }),
      '"Deposit" to "alice" expired while it waited: its deadline passed before its turn came. ' +
        "Allow a longer `deadline`, or spread the load over more actors or workers."
    ],
    [
      new Cancelled({ to, tag }),
      '"Deposit" to "alice" was cancelled by its sender before its turn came. Nothing to do.'
    ],
    [
      new UnsupportedMessage({ to, tag, known: ["Withdraw", "Balance"] }),
      '"alice" does not understand "Deposit": it understands "Withdraw", "Balance". ' +
        "Check the protocol of the ref, or deploy the version that knows the message first at the receiver."
    ],
    [
      new UnsupportedMessage({ to, tag, known: [] }),
      '"alice" does not understand "Deposit": it understands none. ' +
        "Check the protocol of the ref, or deploy the version that knows the message first at the receiver."
    ],
    [
      new DecodeError({ to, tag, issue: 'Expected an integer at ["amount"]' }),
      'The payload of "Deposit" did not decode at "alice": Expected an integer at ["amount"]. ' +
        "Sender and receiver hold different schemas for it; bring them to one version."
    ],
    [
      new EncodeError({ to, tag, issue: 'Expected an integer at ["amount"]' }),
      'The payload of "Deposit" to "alice" was not sent, because it does not match its schema: ' +
        'Expected an integer at ["amount"]. Correct the payload.'
    ],
    [
      new PayloadTooLarge({ to, tag, bytes: 2_000_000, limit: 1_048_576 }),
      '"Deposit" to "alice" was not sent: it takes 2000000 bytes and the transport carries at most 1048576. ' +
        "Send it in parts, or send a reference to the data."
    ],
    [
      new NotConnected({ to, detail: "it left" }),
      '"alice" cannot be reached: it left. Retry when its node is up, or choose another node.'
    ],
    [
      new NoRoute({ to, detail: "no balancer answered" }),
      'Nobody can take the message for "alice": no balancer answered. Provide a receiver, or retry later.'
    ],
    [
      new Shed({ to, tag, policy: "dropOldest" }),
      '"Deposit" was dropped by "alice" under load: what may wait there is bounded, with the policy "dropOldest". ' +
        "Retry later, raise the `capacity`, or choose another policy."
    ]
  ],
  unknown: [
    [
      new Timeout({ to, tag, deadlineMillis: 5000 }),
      '"Deposit" to "alice" got no answer within 5000 ms; it may still be handled. ' +
        "Retry only if it is idempotent, or allow a longer `deadline`."
    ],
    [
      new CalleeCrashed({ to, tag, cause: new Error("disk full") }),
      '"alice" crashed while it handled "Deposit": disk full. ' +
        "Part of the work may have been done; look at the cause, and retry only if it is idempotent."
    ],
    [
      new CalleeCrashed({ to, tag, cause: "disk full" }),
      '"alice" crashed while it handled "Deposit": disk full. ' +
        "Part of the work may have been done; look at the cause, and retry only if it is idempotent."
    ],
    [
      new CalleeCrashed({ to, tag, cause: { code: 28 } }),
      '"alice" crashed while it handled "Deposit": {"code":28}. ' +
        "Part of the work may have been done; look at the cause, and retry only if it is idempotent."
    ],
    [
      new CalleeCrashed({ to, tag, cause: undefined }),
      '"alice" crashed while it handled "Deposit": undefined. ' +
        "Part of the work may have been done; look at the cause, and retry only if it is idempotent."
    ],
    [
      new NodeLost({ to, node: "node/b" }),
      'Node "node/b" was lost before "alice" answered; the message may have been handled. ' +
        "Look the actor up again, and retry only if it is idempotent."
    ],
    [
      new ConnectionLost({ to, node: "node/b" }),
      'The connection to node "node/b" broke before "alice" answered; the message may have been handled. ' +
        "Retry only if it is idempotent."
    ],
    [
      new Interrupted({ to, tag }),
      '"alice" was interrupted while it handled "Deposit": it was killed, its stop deadline passed, or it crashed ' +
        "beside this request. " +
        "Part of the work may have been done; retry only if it is idempotent."
    ],
    [
      new ReplyNotEncoded({ to, tag, issue: "Expected an integer" }),
      '"alice" handled "Deposit", but its reply does not match the reply\'s schema: Expected an integer. ' +
        "Correct the handler or the schema."
    ],
    [
      new ReplyNotDecoded({ to, tag, issue: "Expected an integer" }),
      '"alice" answered "Deposit", but the reply did not decode: Expected an integer. ' +
        "Asker and callee hold different schemas for it; bring them to one version."
    ],
    [
      new ReplyTooLarge({ to, tag, bytes: 2_000_000, limit: 1_048_576 }),
      '"alice" handled "Deposit", but its reply takes 2000000 bytes and the transport carries at most 1048576. ' +
        "Answer with a stream, in parts, or with a reference to the data."
    ]
  ]
} as const

const others: ReadonlyArray<readonly [Error, string]> = [
  [
    new StartError({ path: "bank/alice", reason: "NameTaken" }),
    '"bank/alice" was not started: a living actor has that name on this node. Choose another name, or look it up.'
  ],
  [
    new StartError({ path: "bank/alice", reason: "InitFailed", cause: new Error("disk full") }),
    '"bank/alice" was not started: its init failed with disk full. Correct what init needs, then spawn again.'
  ],
  [
    new StartError({ path: "bank/alice", reason: "Stopping" }),
    '"bank/alice" was not started: its parent, or the actor itself, is stopping. Spawn it elsewhere, or give up.'
  ],
  [
    new ChildFailed({
      path: "bank/alice",
      reason: "TooOften",
      restarts: 5,
      withinMillis: 30_000,
      cause: new Error("disk full")
    }),
    '"bank/alice" failed for good, with disk full: there were 5 restarts within 30000 ms, the most that its supervisor allows. ' +
      "Correct the cause; restarting does not cure it."
  ],
  [
    new TransportError({ reason: "Unreachable", node: "node/b", detail: "nobody listens there" }),
    'The transport could not serve node "node/b" (Unreachable): nobody listens there.'
  ]
]

const all: ReadonlyArray<readonly [Error, string]> = [...reasons.notExecuted, ...reasons.unknown, ...others]
const nameOf = (error: Error) => (error as unknown as { readonly _tag: string })._tag

const overTheWire = <S extends Schema.Codec<any, any, never, never>>(schema: S, value: S["Type"]): S["Type"] => {
  const codec = Schema.toCodecJson(schema)
  return Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeSync(codec)(value))))
}

describe("the words of", () => {
  for (const [index, [error, words]] of all.entries()) {
    it(`${nameOf(error)} say what happened, why, and what to do (${index + 1})`, () => {
      assert.strictEqual(error.message, words)
    })
  }

  it("CalleeCrashed say something of whatever was thrown", () => {
    const cyclic: { self?: unknown } = {}
    cyclic.self = cyclic
    for (const cause of [
      10n,
      Symbol("odd"),
      () => 1,
      cyclic,
      null,
      Number.NaN,
      Object.create(null),
      { toJSON: () => assert.fail("no") }
    ]) {
      const { message } = new CalleeCrashed({ to, tag, cause })
      assert.match(message, /^"alice" crashed while it handled "Deposit": .+\. Part of the work/)
    }
  })

  it("NotExecuted and Unknown are their reason's", () => {
    const notExecuted = new NotExecuted({ reason: new Stopping({ to }) })
    assert.strictEqual(
      notExecuted.message,
      '"alice" is stopping and takes no new messages. Send to its successor, or give up.'
    )
    const unknown = new Unknown({ reason: new ConnectionLost({ to, node: "node/b" }) })
    assert.strictEqual(
      unknown.message,
      'The connection to node "node/b" broke before "alice" answered; the message may have been handled. ' +
        "Retry only if it is idempotent."
    )
  })

  it("every error class of ActorError are read here", () => {
    const classes = Object.values(ActorError).filter(
      (value): value is typeof Stopping => typeof value === "function" && value.prototype instanceof Error
    )
    const read = new Set<unknown>([NotExecuted, Unknown, ...all.map(([error]) => error.constructor)])
    assert.deepStrictEqual(
      classes.filter((value) => !read.has(value)).map(({ name }) => name),
      []
    )
  })
})

describe("over the wire", () => {
  for (const [index, [reason]] of reasons.notExecuted.entries()) {
    it(`S4 NotExecuted(${reason._tag}) is the same error with the same words (${index + 1})`, () => {
      const error = new NotExecuted({ reason })
      const back = overTheWire(NotExecuted, error)
      assert.instanceOf(back, NotExecuted)
      assert.strictEqual(back.reason._tag, reason._tag)
      assert.instanceOf(back.reason, reason.constructor as typeof Stopping)
      assert.strictEqual(back.message, error.message)
      assert.deepStrictEqual({ ...back.reason }, { ...reason })
    })
  }

  for (const [index, [reason]] of reasons.unknown.entries()) {
    // JSON has no undefined: it arrives as null.
    if ("cause" in reason && reason.cause === undefined) continue
    it(`S4 Unknown(${reason._tag}) is the same error with the same words (${index + 1})`, () => {
      const error = new Unknown({ reason })
      const back = overTheWire(Unknown, error)
      assert.instanceOf(back, Unknown)
      assert.strictEqual(back.reason._tag, reason._tag)
      assert.instanceOf(back.reason, reason.constructor as typeof Timeout)
      assert.strictEqual(back.message, error.message)
    })
  }

  it("S4 Unknown(CalleeCrashed) keeps its cause: an Error with its message and where it came from, or the value thrown", () => {
    const over = (cause: unknown) => {
      const { reason } = overTheWire(Unknown, new Unknown({ reason: new CalleeCrashed({ to, tag, cause }) }))
      assert(reason._tag === "CalleeCrashed")
      return reason.cause
    }
    const thrown = new Error("disk full")
    const error = over(thrown)
    assert.instanceOf(error, Error)
    assert.strictEqual((error as Error).message, "disk full")
    assert.strictEqual((error as Error).stack, thrown.stack)
    assert.strictEqual(over("plain text"), "plain text")
    assert.deepStrictEqual(over({ code: 28 }), { code: 28 })
  })

  it("S7 ChildFailed keeps the chain of its causes", () => {
    const inner = new ChildFailed({
      path: "a/b/c",
      reason: "TooOften",
      restarts: 5,
      withinMillis: 30_000,
      cause: new Error("disk full")
    })
    const outer = new ChildFailed({ path: "a/b", reason: "TooOften", restarts: 5, withinMillis: 30_000, cause: inner })
    const back = overTheWire(ChildFailed, outer)
    assert.strictEqual(back.message, outer.message)
    assert.include((back.cause as Error).message, "disk full")
  })

  it("StartError keeps its reason and its cause", () => {
    const back = overTheWire(
      StartError,
      new StartError({ path: "a", reason: "InitFailed", cause: new Error("disk full") })
    )
    assert.strictEqual(back.reason, "InitFailed")
    assert.strictEqual((back.cause as Error).message, "disk full")
  })
})
