/**
 * A supervisor whose children are declared as data: it starts them in order, supervises them, and does nothing else.
 *
 * Any actor supervises the children it spawns, by the options of its behavior; this is for those that have no messages of
 * their own. It starts when all its children have, and fails to start when one of them does. The children are found by path.
 */
import { Effect } from "effect"
import * as Actor from "./Actor.ts"
import type { StartError } from "./ActorError.ts"
import type { RestartType } from "./Children.ts"

/** One declared child. */
export type Child = {
  /** Unique among its siblings. Its path is `<supervisor>/<name>`. */
  readonly name: string
  /** Of an actor with messages, or without. */
  readonly behavior: Actor.Behavior<any, any, any> | Actor.Behavior<never, any, any>
} & (
  | { /** Default `permanent`. */ readonly restart?: "permanent"; readonly significant?: false }
  | { readonly restart: Exclude<RestartType, "permanent">; readonly significant?: boolean }
)

/** What the behaviors of declared children need. */
export type Services<C extends Child> = C["behavior"] extends { readonly "~R": infer R } ? R : never

/** Those of any behavior, but for a mailbox: a supervisor takes no messages. What fails it are its children. */
export type Options = Omit<Actor.BehaviorOptions<never>, "mailbox">

const definition = Actor.make("Supervisor", [])

/** A supervisor of these children: a behavior like any other, to be spawned, or to be a child itself. */
export const behavior = <const Children extends ReadonlyArray<Child>>(
  children: Children,
  options?: Options
): Actor.Behavior<never, StartError, Services<Children[number]>> =>
  definition.behavior(
    Effect.gen(function* () {
      const { spawn } = yield* Actor.Context
      for (const { behavior, name, restart = "permanent", significant = false } of children) {
        yield* spawn(name, behavior as Actor.Behavior<any, any, any>, { restart, significant } as Actor.ChildOptions)
      }
      return {}
    }),
    options
  ) as never
