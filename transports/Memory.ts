/**
 * Frames in memory, between the nodes of one process.
 *
 * `Memory.layer` is one network: nodes see each other when they are made inside the same one, so provide it once, outside
 * (two `Effect.provide(Memory.layer)` are two networks). Frames are delivered in order, each in a later turn, by the
 * scheduler of the context. A node that leaves is known to be gone at once.
 */
import { Effect, Layer, Scheduler } from "effect"
import { type NodeAddress, nodeName, type Receiver, Transport, TransportError } from "../core/Transport.ts"

export interface Options {
  /** The largest frame that is carried, in bytes. Default: no limit. */
  readonly maxFrameBytes?: number
}

interface Joined {
  readonly address: NodeAddress
  readonly receiver: Receiver
}

const keyOf = (address: NodeAddress) => `${address.system}/${nodeName(address)}`

const make = ({ maxFrameBytes = Number.POSITIVE_INFINITY }: Options = {}) =>
  Effect.map(Scheduler.Scheduler, (scheduler) => {
    const dispatcher = scheduler.makeDispatcher()
    const joined = new Map<string, Joined>()
    const peersOf = (address: NodeAddress) =>
      [...joined.values()].filter(
        (other) => other.address.system === address.system && keyOf(other.address) !== keyOf(address)
      )

    const leave = (self: Joined) =>
      Effect.sync(() => {
        joined.delete(keyOf(self.address))
        // Behind the frames it sent last.
        dispatcher.scheduleTask(() => {
          if (joined.has(keyOf(self.address))) return
          for (const { receiver } of peersOf(self.address)) receiver.onUnreachable(self.address, "it left the network")
        }, 0)
      })

    return Transport.of({
      join: (address, receiver) => {
        const self = { address, receiver }
        const join = Effect.suspend(() => {
          if (joined.has(keyOf(address))) {
            const detail = `another node of system "${address.system}" has that role and name; give one of them another \`node\``
            return Effect.fail(new TransportError({ reason: "AddressTaken", node: nodeName(address), detail }))
          }
          joined.set(keyOf(address), self)
          return Effect.succeed({
            maxFrameBytes,
            nodes: Effect.sync(() => peersOf(address).map((other) => other.address)),
            send: (to: NodeAddress, frame: Uint8Array) => {
              const node = nodeName(to)
              if (frame.length > maxFrameBytes) {
                const detail = `the frame has ${frame.length} bytes, and at most ${maxFrameBytes} are carried`
                return Effect.fail(new TransportError({ reason: "FrameTooLarge", node, detail }))
              }
              if (joined.get(keyOf(address)) !== self) {
                return Effect.fail(
                  new TransportError({ reason: "Closed", node, detail: "the sender has left the network" })
                )
              }
              if (!joined.has(keyOf(to))) {
                const detail = `no node of that role and name is on this network`
                return Effect.fail(new TransportError({ reason: "Unreachable", node, detail }))
              }
              dispatcher.scheduleTask(() => joined.get(keyOf(to))?.receiver.onFrame(address, frame), 0)
              return Effect.void
            }
          })
        })
        return Effect.acquireRelease(join, () => leave(self))
      }
    })
  })

/** The in-memory transport. */
export const Memory = {
  /** One network without limits. */
  layer: Layer.effect(Transport, make()),
  /** One network with its limits chosen. */
  layerWith: (options: Options): Layer.Layer<Transport> => Layer.effect(Transport, make(options))
}
