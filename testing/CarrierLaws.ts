/** What a carrier of frames must do, whatever is in them. See `troupe/Transport`. */
import assert from "node:assert/strict"
import { Deferred, Effect, Exit, Random, Scope } from "effect"
import { type NodeAddress, nodeName, Transport } from "../core/Transport.ts"
import { carrierLaw } from "./Law.ts"

interface Arrived {
  readonly from: NodeAddress
  readonly frame: Uint8Array
}

/** Joins nodes by hand and collects what arrives at each. */
const network = Effect.gen(function* () {
  const transport = yield* Transport
  const system = `frames-${(yield* Random.nextIntBetween(0, 36 ** 8)).toString(36)}`
  return (node: string, { system: other = system, role = "node" } = {}) =>
    Effect.gen(function* () {
      const arrived: Array<Arrived> = []
      const gone: Array<string> = []
      const waiting: Array<{ test: () => boolean; done: Deferred.Deferred<void> }> = []
      const check = () => {
        for (const { done, test } of waiting) if (test()) Deferred.doneUnsafe(done, Exit.void)
      }
      const until = (test: () => boolean) => {
        const done = Deferred.makeUnsafe<void>()
        waiting.push({ test, done })
        check()
        return Deferred.await(done)
      }
      const address: NodeAddress = { system: other, role, node }
      const scope = yield* Scope.fork(yield* Scope.Scope)
      const connection = yield* Scope.provide(
        transport.join(address, {
          onFrame: (from, frame) => {
            arrived.push({ from, frame: frame.slice() })
            check()
          },
          onUnreachable: ({ node }) => {
            gone.push(node)
            check()
          }
        }),
        scope
      )
      return { address, arrived, gone, until, connection, leave: Scope.close(scope, Exit.void) }
    })
})

export const carrierLaws = [
  carrierLaw(
    "S2",
    "the frames of one sender to one receiver arrive in order, each at most once",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const b = yield* join("b")
      for (let n = 0; n < 1000; n++)
        yield* a.connection.send(b.address, Uint8Array.of(n >> 8, n & 255, ...new Array(n % 50).fill(7)))
      yield* b.until(() => b.arrived.length >= 1000)
      assert.deepEqual(
        b.arrived.map(({ frame }) => frame[0]! * 256 + frame[1]!),
        Array.from({ length: 1000 }, (_, n) => n)
      )
    })
  ),

  carrierLaw(
    "S13",
    "a frame arrives as it was sent, whatever its bytes and its size",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const b = yield* join("b")
      const most = Math.min(a.connection.maxFrameBytes, 1_000_000)
      const sizes = [1, 2, 255, 256, 1000, 65_535, 65_536, 300_000, most].filter((size) => size <= most)
      const sent = sizes.map((size) => Uint8Array.from({ length: size }, (_, index) => (index * 31 + size) % 256))
      for (const frame of sent) yield* a.connection.send(b.address, frame)
      yield* b.until(() => b.arrived.length >= sent.length)
      for (const [index, { frame }] of b.arrived.entries())
        assert(Buffer.compare(frame, sent[index]!) === 0, `frame ${index}`)
    })
  ),

  carrierLaw(
    "S13",
    "the carrier tells who sent a frame",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const b = yield* join("b")
      const c = yield* join("a", { role: "other" })
      yield* a.connection.send(b.address, Uint8Array.of(1))
      yield* c.connection.send(b.address, Uint8Array.of(2))
      yield* b.until(() => b.arrived.length >= 2)
      const senders = b.arrived.map(
        ({ frame, from }) => `${frame[0]} ${nodeName(from)} ${from.system === a.address.system}`
      )
      assert.deepEqual(senders.sort(), ["1 node/a true", "2 other/a true"])
    })
  ),

  carrierLaw(
    "S13",
    "a frame is delivered in a later turn, never inside its send",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const b = yield* join("b")
      let during = 0
      yield* Effect.tap(a.connection.send(b.address, Uint8Array.of(1)), () =>
        Effect.sync(() => (during = b.arrived.length))
      )
      assert.equal(during, 0)
      yield* b.until(() => b.arrived.length >= 1)
    })
  ),

  carrierLaw(
    "S13",
    "frames reach their receiver and nobody else, and other systems of the same node names least",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const b = yield* join("b")
      const c = yield* join("c")
      const foreign = yield* join("b", { system: `${a.address.system}-2` })
      yield* a.connection.send(b.address, Uint8Array.of(1))
      yield* a.connection.send(c.address, Uint8Array.of(2))
      yield* b.until(() => b.arrived.length >= 1)
      yield* c.until(() => c.arrived.length >= 1)
      assert.deepEqual(
        [a, b, c, foreign].map(({ arrived }) => arrived.map(({ frame }) => frame[0])),
        [[], [1], [2], []]
      )
    })
  ),

  carrierLaw(
    "S11",
    "an address is joined once at a time: the second join is AddressTaken",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const error = yield* Effect.flip(join("a"))
      assert.deepEqual([error._tag, error.reason, error.node], ["TransportError", "AddressTaken", "node/a"])
      yield* a.leave
      const again = yield* join("a")
      const b = yield* join("b")
      yield* b.connection.send(again.address, Uint8Array.of(1))
      yield* again.until(() => again.arrived.length >= 1)
      assert.equal(a.arrived.length, 0)
    })
  ),

  carrierLaw(
    "S11",
    "nodes names the other nodes of the system",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const b = yield* join("b")
      yield* join("c", { role: "other" })
      yield* join("b", { system: `${a.address.system}-2` })
      const names = Effect.map(a.connection.nodes, (nodes) => nodes.map(nodeName).sort())
      assert.deepEqual(yield* names, ["node/b", "other/c"])
      yield* b.leave
      assert.deepEqual(yield* names, ["other/c"])
    }),
    { needs: ["names"] }
  ),

  carrierLaw(
    "S3",
    "a frame larger than the carrier's limit is refused with FrameTooLarge, and one of just that size is carried",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const b = yield* join("b")
      const { maxFrameBytes } = a.connection
      if (maxFrameBytes > 2 ** 28) return
      const error = yield* Effect.flip(a.connection.send(b.address, new Uint8Array(maxFrameBytes + 1)))
      assert.deepEqual([error._tag, error.reason], ["TransportError", "FrameTooLarge"])
      yield* a.connection.send(b.address, new Uint8Array(maxFrameBytes))
      yield* b.until(() => b.arrived.length >= 1)
      assert.equal(b.arrived[0]!.frame.length, maxFrameBytes)
    })
  ),

  carrierLaw(
    "S3",
    "a send to an address nobody listens at is refused with Unreachable",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const b = yield* join("b")
      for (const to of [{ ...a.address, node: "nowhere" }, b.address]) {
        yield* b.leave
        const error = yield* Effect.flip(a.connection.send(to, Uint8Array.of(1)))
        assert.deepEqual([error._tag, error.reason], ["TransportError", "Unreachable"])
      }
    }),
    { needs: ["absence"] }
  ),

  carrierLaw(
    "S10",
    "the nodes that stay learn that one left, after the frames it sent",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const b = yield* join("b")
      let before = -1
      for (let n = 0; n < 20; n++) yield* b.connection.send(a.address, Uint8Array.of(n))
      yield* b.leave
      yield* a.until(() => {
        if (a.gone.length > 0 && before < 0) before = a.arrived.length
        return a.gone.length > 0
      })
      assert.deepEqual(a.gone, ["b"])
      assert.equal(before, 20)
    }),
    { needs: ["departure"] }
  ),

  carrierLaw(
    "S10",
    "a node that has left sends nothing and hears nothing",
    Effect.gen(function* () {
      const join = yield* network
      const a = yield* join("a")
      const b = yield* join("b")
      yield* b.leave
      yield* Effect.exit(b.connection.send(a.address, Uint8Array.of(1)))
      yield* Effect.exit(a.connection.send(b.address, Uint8Array.of(2)))
      const c = yield* join("c")
      yield* c.connection.send(a.address, Uint8Array.of(3))
      yield* a.until(() => a.arrived.length >= 1)
      assert.deepEqual([a.arrived.map(({ frame }) => frame[0]), b.arrived], [[3], []])
    })
  )
].flat()
