/**
 * Names of living actors: on this node, and asked for on others.
 *
 * A path names at most one living actor of a node. Each node answers for its own through an actor with a reserved path,
 * so a lookup elsewhere is an ordinary ask, with an ordinary ask's certainty. Names are not replicated and not unique in
 * the cluster: a lookup sees what is there when it asks.
 */
import { Effect, Option, Schema } from "effect"
import { Rpc } from "effect/rpc"
import * as Actor from "./Actor.ts"
import { describe, NoSuchActor, NotConnected, NotExecuted, type Unknown, UnsupportedMessage } from "./ActorError.ts"
import type { ActorRef } from "./ActorRef.ts"
import { type AskOptions, deadlineMillis } from "./Ask.ts"
import type { Node } from "./Node.ts"
import type { Any } from "./Protocol.ts"
import * as Ref from "./Ref.ts"
import { nodeName } from "./Transport.ts"

/** The path of every node's registry. Users' names cannot begin with `$`. */
export const path = "$registry"

const Found = Schema.Struct({ generation: Schema.String, actor: Schema.Int, tags: Schema.Array(Schema.String) })

const Registry = Actor.make("Registry", [
  Rpc.make("Lookup", { payload: { path: Schema.String }, success: Schema.Option(Found) })
])

const find = (node: Node, path: string): Option.Option<typeof Found.Type> => {
  const cell = node.cells.get(path)
  if (cell === undefined) return Option.none()
  const { generation } = node.id
  return Option.some({ generation, actor: cell.id, tags: [...cell.behavior.protocol.keys()] })
}

/** The actor that answers for a node's names. */
export const behavior = (node: Node) =>
  Registry.behavior({ Lookup: ({ path }) => Effect.succeed(find(node, path)) }, { mailbox: { overflow: "unbounded" } })

type Place = { readonly role: string; readonly node: string }

const isHere = (node: Node, place: Place) => place.role === node.id.role && place.node === node.id.node

/** The ref of what was found, if it understands the whole protocol. */
const refOf = <Rs extends Any>(
  node: Node,
  actor: Actor.Actor<Rs>,
  path: string,
  place: Place,
  found: typeof Found.Type
): Effect.Effect<ActorRef<Rs>, NotExecuted> => {
  const unknown = [...actor.protocol.keys()].find((tag) => !found.tags.includes(tag))
  if (unknown !== undefined) {
    return Effect.fail(
      new NotExecuted({ reason: new UnsupportedMessage({ to: path, tag: unknown, known: found.tags }) })
    )
  }
  if (isHere(node, place)) {
    return Effect.succeed(Ref.make<Rs>(actor.protocol, node, path, node.cells.get(path), undefined))
  }
  const id = { system: node.id.system, role: place.role, node: place.node, generation: found.generation }
  return Effect.succeed(
    Ref.make<Rs>(actor.protocol, node, path, undefined, node.link(place).actor(id, path, found.actor))
  )
}

/** Asks one node for a path. */
const ask = (
  node: Node,
  place: Place,
  path: string,
  options: AskOptions
): Effect.Effect<Option.Option<typeof Found.Type>, NotExecuted | Unknown> => {
  if (isHere(node, place)) return Effect.succeed(find(node, path))
  const id = { system: node.id.system, role: place.role, node: place.node, generation: "" }
  const registry = Ref.make<(typeof Registry.rpcs)[number]>(
    Registry.protocol,
    node,
    `${nodeName(place)}/${Registry.name}`,
    undefined,
    node.link(place).actor(id, registryPath, 0)
  )
  return registry.ask.Lookup({ path }, options)
}
const registryPath = path

const nowhere = (path: string, detail: string) => new NotExecuted({ reason: new NoSuchActor({ to: path, detail }) })

/** Finds an actor by its path. See `ActorSystem`'s `lookup`. */
export const lookup = Effect.fnUntraced(function* <Rs extends Any>(
  node: Node,
  others: Effect.Effect<ReadonlyArray<Place>>,
  actor: Actor.Actor<Rs>,
  path: string,
  options: { readonly at?: { readonly role?: string; readonly node: string } } & AskOptions = {}
) {
  const deadline = deadlineMillis(options)
  const { at } = options
  if (at !== undefined) {
    const place = { role: at.role ?? node.id.role, node: at.node }
    // A lookup runs no code of anybody's: whatever went wrong, it may be repeated.
    const found = yield* Effect.catchTag(ask(node, place, path, { deadline }), "Unknown", ({ message }) =>
      Effect.fail(new NotExecuted({ reason: new NotConnected({ to: path, detail: describe(message) }) }))
    )
    if (Option.isSome(found)) return yield* refOf(node, actor, path, place, found.value)
    return yield* nowhere(path, `no living actor has that name on node "${nodeName(place)}"`)
  }
  const here = find(node, path)
  if (Option.isSome(here)) return yield* refOf(node, actor, path, node.id, here.value)
  const places = yield* others
  const answers = yield* Effect.forEach(
    places,
    (place) =>
      Effect.map(Effect.orElseSucceed(ask(node, place, path, { deadline }), Option.none), (found) => ({
        place,
        found
      })),
    { concurrency: "unbounded" }
  )
  for (const { found, place } of answers) {
    if (Option.isSome(found)) return yield* refOf(node, actor, path, place, found.value)
  }
  const asked = places.length === 0 ? "" : `, nor on ${places.map((place) => `"${nodeName(place)}"`).join(", ")}`
  return yield* nowhere(path, `no living actor has that name on this node${asked}`)
})
