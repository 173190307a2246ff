/**
 * A parent's children: in start order, started again by its strategy, and what the end of one means for it.
 *
 * A failed child is started again in a *round*: it and the siblings that its parent's strategy names are halted, the last
 * started first, then it waits for its backoff, and then all of them start again, the first first. Their refs and mailboxes
 * stay. With `oneForOne` each child's round is its own; otherwise rounds follow one another. A start that fails is a failure
 * like any other, and the next round is about the child that did not start. A child that is still at its first start is in
 * no round: what it knows of its siblings are refs, which survive.
 */
import { type Cause, Effect, Exit, type Fiber } from "effect"
import type { Cell } from "./Cell.ts"
import type { Node, TreeNode } from "./Node.ts"
import { Budget, defaultLimit, Health, type Intensity, type Limit, limit, type Policy } from "./Restart.ts"

/** Which children are started again when one has failed: it alone; all; it and those that started after it. */
export type Strategy = "oneForOne" | "oneForAll" | "restForOne"

/**
 * When a child is started again: `permanent`, whenever it failed or stopped itself; `transient`, when it failed; `temporary`,
 * never, not with its siblings either.
 */
export type RestartType = "permanent" | "transient" | "temporary"

/** Whether a parent stops itself when a significant child has ended by itself: never, at any, or at the last of them. */
export type AutoShutdown = "never" | "anySignificant" | "allSignificant"

/** How children are stopped: each when those that started after it have ended; all at once. */
export type StopChildren = "inTurn" | "together"

/** How a parent supervises. */
export interface Supervision {
  /** Default `oneForOne`. */
  readonly strategy?: Strategy
  /**
   * How often its children may be restarted, all counted together, but for those whose behaviors state an intensity of their
   * own; one failure more fails the parent. Default: 5 within 30 seconds.
   */
  readonly intensity?: Intensity
  /** Default `never`. */
  readonly autoShutdown?: AutoShutdown
  /** How they are stopped when it ends or restarts. Default `inTurn`; `together` is for those that do not need each other. */
  readonly stopChildren?: StopChildren
}

/** How a spawned child is supervised. */
export type ChildOptions =
  | { readonly restart: "permanent"; readonly significant?: false }
  | {
      /** Default `transient`: whoever is spawned in the course of things ends when it stops itself. */
      readonly restart?: "transient" | "temporary"
      /** Whether its end counts for the `autoShutdown` of its parent, which must not be `never`. Default false. */
      readonly significant?: boolean
    }

const strategies: ReadonlyArray<string> = ["oneForOne", "oneForAll", "restForOne"]
const autoShutdowns: ReadonlyArray<string> = ["never", "anySignificant", "allSignificant"]
const stops: ReadonlyArray<string> = ["inTurn", "together"]
const restartTypes: ReadonlyArray<string> = ["permanent", "transient", "temporary"]

const oneOf = (what: string, words: ReadonlyArray<string>, word: string) => {
  if (!words.includes(word)) {
    throw new Error(`expected \`${what}\` to be one of ${words.join(", ")}, got: ${String(word)}`)
  }
}

/** Checks how a parent supervises, and fills in the defaults. Dies on a word or number that is none. */
export const supervision = ({
  autoShutdown = "never",
  intensity,
  stopChildren = "inTurn",
  strategy = "oneForOne"
}: Supervision = {}) => {
  oneOf("strategy", strategies, strategy)
  oneOf("autoShutdown", autoShutdowns, autoShutdown)
  oneOf("stopChildren", stops, stopChildren)
  return { strategy, autoShutdown, stopChildren, limit: intensity === undefined ? defaultLimit : limit(intensity) }
}

/** What a child is to its parent. */
export interface ChildSpec {
  readonly restart: RestartType
  readonly significant: boolean
}

/** Of actors at the top too, where nobody is above to start one again that stopped itself. */
const usual: ChildSpec = { restart: "transient", significant: false }

/** Checks how a child is to be supervised. Dies on what is none, and on a significant child whose end can mean nothing. */
export const childSpec = (options: ChildOptions | undefined, parent: Cell | undefined): ChildSpec => {
  if (parent === undefined || options === undefined) return usual
  const { restart = "transient", significant = false } = options
  oneOf("restart", restartTypes, restart)
  if (significant && restart === "permanent") {
    throw new Error(
      "expected a `significant` child to be transient or temporary, got: permanent, which never ends by itself"
    )
  }
  if (significant && parent.behavior.autoShutdown === "never") {
    throw new Error(
      `expected \`autoShutdown\` of "${parent.path}" to be anySignificant or allSignificant, for a significant child, got: never`
    )
  }
  return { restart, significant }
}

/** A child that failed, why, and how long what it is handling may still take. */
export interface Failed {
  readonly child: Cell
  readonly cause: Cause.Cause<unknown>
  readonly handlersMillis: number
}

export class Children {
  /** In start order. */
  first: Cell | undefined
  last: Cell | undefined
  readonly parent: Cell | undefined
  readonly #node: Node
  #budget: Budget | undefined
  readonly #rounds = new Set<Fiber.Fiber<void>>()
  /** Failures whose round has not begun. */
  readonly #waiting: Array<Failed> = []
  #serving = false
  #closed = false

  constructor(node: Node, parent: Cell | undefined) {
    this.#node = node
    this.parent = parent
  }

  add(child: Cell): void {
    child.previous = this.last
    if (this.last === undefined) this.first = child
    else this.last.next = child
    this.last = child
  }

  /** A child has ended: by itself, or because it was told to. */
  remove(child: Cell, byItself: boolean): void {
    if (child.previous === undefined) this.first = child.next
    else child.previous.next = child.next
    if (child.next === undefined) this.last = child.previous
    else child.next.previous = child.previous
    if (!byItself || !child.spec.significant || this.#closed) return
    const { autoShutdown } = this.parent!.behavior
    if (autoShutdown === "anySignificant" || !this.list().some(({ spec }) => spec.significant)) {
      this.parent!.stopItself()
    }
  }

  /** What a child's failures count in. */
  health(policy: Policy): Health {
    const { parent } = this
    if (policy.limit !== undefined) return new Health(policy, new Budget(policy.limit))
    // Actors at the top have nothing in common.
    if (parent === undefined) return new Health(policy, new Budget(defaultLimit))
    this.#budget ??= new Budget(parent.behavior.limit as Limit)
    return new Health(policy, this.#budget)
  }

  /** A child has failed and is to be started again. */
  failed(failed: Failed): void {
    if (this.#closed) return
    if (this.#strategy === "oneForOne") {
      this.#fork(this.#restart(failed))
      return
    }
    this.#waiting.push(failed)
    if (this.#serving) return
    this.#serving = true
    const self = this
    this.#fork(
      Effect.gen(function* () {
        for (let next = self.#waiting.shift(); next !== undefined; next = self.#waiting.shift()) {
          yield* self.#restart(next)
        }
        self.#serving = false
      })
    )
  }

  /** Nobody is started again: the parent ends, or restarts. */
  close(): void {
    this.#closed = true
    for (const fiber of this.#rounds) fiber.interruptUnsafe()
  }

  toTree(): ReadonlyArray<TreeNode> {
    return this.list().map((child) => child.toTree())
  }

  get #strategy(): Strategy {
    return this.parent === undefined ? "oneForOne" : this.parent.behavior.strategy
  }

  /** Those from one on, in start order. */
  list(from = this.first): Array<Cell> {
    const list: Array<Cell> = []
    for (let child = from; child !== undefined; child = child.next) list.push(child)
    return list
  }

  #fork(round: Effect.Effect<void>): void {
    const fiber = this.#node.fork(round)
    this.#rounds.add(fiber)
    fiber.addObserver(() => this.#rounds.delete(fiber))
  }

  /** Those that a failure of `child` concerns, in start order. */
  #concerned(child: Cell): ReadonlyArray<Cell> {
    if (this.#strategy === "oneForOne") return [child]
    return this.list(this.#strategy === "oneForAll" ? this.first : child).filter((one) => !one.isStarting)
  }

  #restart(first: Failed): Effect.Effect<void> {
    const self = this
    return Effect.gen(function* () {
      // The batch that crashed comes to its end first.
      yield* Effect.yieldNow
      // A round that went before may have started it again.
      if (!first.child.isHalted) return
      for (let failed: Failed | undefined = first; failed !== undefined; ) {
        const { cause, child, handlersMillis }: Failed = failed
        const concerned = self.#concerned(child)
        for (const one of [...concerned].reverse()) {
          yield* one.halt(one === child ? handlersMillis : one.behavior.stopDeadlineMillis)
        }
        // It may have been stopped meanwhile; those that were halted for it start all the same.
        if (child.isHalted) {
          const delay = child.delay(cause)
          if (delay === undefined) {
            if (!child.giveUp(cause, "TooOften")) return
          } else {
            for (const one of concerned) one.rest()
            yield* Effect.timeoutOption(child.ended, delay)
          }
        }
        failed = yield* self.#start(concerned, cause)
      }
    })
  }

  /** Starts those that are halted; answers which one fails. */
  #start(concerned: ReadonlyArray<Cell>, cause: Cause.Cause<unknown>): Effect.Effect<Failed | undefined> {
    return Effect.gen(function* () {
      for (const child of concerned) {
        if (!child.isHalted) continue
        const exit = yield* child.startAgain(cause)
        if (Exit.isFailure(exit) && child.isHalted) return { child, cause: exit.cause, handlersMillis: 0 }
      }
      return undefined
    })
  }
}
