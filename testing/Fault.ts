/**
 * What can go wrong in a simulation, as data.
 *
 * Faults come by chance, with probabilities, or from a schedule: a list of the very faults of an earlier run. Each is named so
 * that it means the same when others are taken away: the n-th frame from one node to another, or a node at a time.
 */
import { Duration } from "effect"

export type Fault =
  /** The frame is lost. */
  | { readonly _tag: "Drop"; readonly from: string; readonly to: string; readonly frame: number }
  /** The frame comes again, `millis` later. */
  | FrameFault<"Duplicate">
  /** The frame, and what was sent behind it, comes `millis` later. */
  | FrameFault<"Delay">
  /** The frame comes `millis` later, and what was sent behind it overtakes it. */
  | FrameFault<"Reorder">
  /** Frames between the two are lost, for `millis`. */
  | {
      readonly _tag: "Partition"
      readonly from: string
      readonly to: string
      readonly at: number
      readonly millis: number
    }
  /** Frames from one to the other are lost, for `millis`; the way back is open. */
  | {
      readonly _tag: "PartitionOneWay"
      readonly from: string
      readonly to: string
      readonly at: number
      readonly millis: number
    }
  /** Frames from one to the other take `latency` ms more, for `millis`. */
  | {
      readonly _tag: "SlowLink"
      readonly from: string
      readonly to: string
      readonly at: number
      readonly millis: number
      readonly latency: number
    }
  /** The node stands still for `millis`; what reaches it waits. */
  | { readonly _tag: "Pause"; readonly node: string; readonly at: number; readonly millis: number }
  /** The node loses its power, and starts anew `millis` later. */
  | { readonly _tag: "Crash"; readonly node: string; readonly at: number; readonly millis: number }

interface FrameFault<Tag extends string> {
  readonly _tag: Tag
  readonly from: string
  readonly to: string
  readonly frame: number
  readonly millis: number
}

/** How often: a probability; and how long it lasts at most. */
export type Chance = number | { readonly chance: number; readonly upTo?: Duration.Input }

/** Faults by chance. Those of frames are per frame; those of nodes and links are per second of virtual time. */
export interface Chances {
  readonly drop?: Chance
  /** Comes again up to 50 ms later. */
  readonly duplicate?: Chance
  /** Up to 100 ms. */
  readonly delay?: Chance
  /** Up to 50 ms. */
  readonly reorder?: Chance
  /** Up to 5 s, of each two nodes. */
  readonly partition?: Chance
  /** Up to 5 s, of each two nodes in each direction. */
  readonly partitionOneWay?: Chance
  /** Up to 5 s, of each two nodes in each direction; each frame takes up to 500 ms more. */
  readonly slowLink?: Chance
  /** Up to 2 s. */
  readonly pause?: Chance
  /** Starts anew after up to 2 s. */
  readonly crash?: Chance
}

/** The longest that a fault lasts, where nothing else is said. */
const usual: Record<keyof Chances, number> = {
  drop: 0,
  duplicate: 50,
  delay: 100,
  reorder: 50,
  partition: 5000,
  partitionOneWay: 5000,
  slowLink: 5000,
  pause: 2000,
  crash: 2000
}

export interface Odds {
  readonly chance: number
  readonly upTo: number
}

/** Reads probabilities. Dies on what is none. */
export const oddsOf = (chances: Chances): ReadonlyMap<keyof Chances, Odds> => {
  const odds = new Map<keyof Chances, Odds>()
  for (const [name, value] of Object.entries(chances) as Array<[keyof Chances, Chance | undefined]>) {
    if (value === undefined) continue
    if (!(name in usual)) {
      throw new Error(`expected \`faults\` to have ${Object.keys(usual).join(", ")}, got: "${name}"`)
    }
    const { chance, upTo = usual[name] } = typeof value === "number" ? { chance: value } : value
    if (!(chance >= 0 && chance <= 1)) throw new Error(`expected \`faults.${name}\` from 0 to 1, got: ${chance}`)
    if (chance > 0) odds.set(name, { chance, upTo: Duration.toMillis(upTo) })
  }
  return odds
}

/** A fault in words. */
export const show = (fault: Fault): string => {
  switch (fault._tag) {
    case "Drop":
      return `Drop frame ${fault.frame} from ${fault.from} to ${fault.to}`
    case "Duplicate":
    case "Delay":
    case "Reorder":
      return `${fault._tag} frame ${fault.frame} from ${fault.from} to ${fault.to} by ${fault.millis} ms`
    case "Partition":
      return `Partition ${fault.from} and ${fault.to} at ${fault.at} ms for ${fault.millis} ms`
    case "PartitionOneWay":
      return `Partition ${fault.from} from ${fault.to}, one way, at ${fault.at} ms for ${fault.millis} ms`
    case "SlowLink":
      return `Slow the link from ${fault.from} to ${fault.to} by ${fault.latency} ms at ${fault.at} ms for ${fault.millis} ms`
    case "Pause":
    case "Crash":
      return `${fault._tag} ${fault.node} at ${fault.at} ms for ${fault.millis} ms`
  }
}
