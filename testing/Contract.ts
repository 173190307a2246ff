/**
 * The contract of a transport, as laws that run unchanged on every carrier.
 *
 * A test of a carrier runs each law with its layer; `select` says which, and names the reason where it leaves one out:
 *
 * ```
 * for (const { law, skip } of Contract.select({ provides: ["names", "absence"], skip: [{ reason, laws: [name] }] })) {
 *   (skip === undefined ? it.effect : it.effect.skip)(Contract.title(law, skip), () => Effect.provide(law.effect, layer))
 * }
 * ```
 */
import { accountingLaws } from "./AccountingLaws.ts"
import { askLaws } from "./AskLaws.ts"
import { carrierLaws } from "./CarrierLaws.ts"
import { dispatchLaws } from "./DispatchLaws.ts"
import type { Law, Need, Placement } from "./Law.ts"
import { mailboxLaws } from "./MailboxLaws.ts"
import { nameLaws } from "./NameLaws.ts"
import { processingLaws } from "./ProcessingLaws.ts"
import { replyLaws } from "./ReplyLaws.ts"
import { selfLaws } from "./SelfLaws.ts"
import { stopLaws } from "./StopLaws.ts"
import { strategyLaws } from "./StrategyLaws.ts"
import { streamLaws } from "./StreamLaws.ts"
import { supervisionLaws } from "./SupervisionLaws.ts"
import { tellLaws } from "./TellLaws.ts"
import { wireLaws } from "./WireLaws.ts"

export {
  Counting,
  HandOff,
  type Law,
  Local,
  makeWire,
  type Need,
  type Placement,
  silently,
  Time,
  type Wire
} from "./Law.ts"

/** Every law, in the order of the contract. */
export const laws: ReadonlyArray<Law> = [
  ...processingLaws,
  ...tellLaws,
  ...askLaws,
  ...streamLaws,
  ...replyLaws,
  ...mailboxLaws,
  ...selfLaws,
  ...supervisionLaws,
  ...strategyLaws,
  ...stopLaws,
  ...accountingLaws,
  ...nameLaws,
  ...dispatchLaws,
  ...wireLaws,
  ...carrierLaws
]

export interface Selection {
  /** What the carrier can do beyond the least. Default: all of it. */
  readonly provides?: ReadonlyArray<Need>
  readonly placements?: ReadonlyArray<Placement>
  /** Default `encoded`. */
  readonly local?: "encoded" | "by-reference"
  /** Whether the laws run with the real ledger (see `Counting`). Default true. */
  readonly counting?: boolean
  /** Whether to run the laws that take many seconds of time. Default true: for a test clock. */
  readonly slow?: boolean
  /** Deviations: which laws do not hold here, and why. */
  readonly skip?: ReadonlyArray<{ readonly reason: string; readonly laws: ReadonlyArray<string> }>
}

export interface Selected {
  readonly law: Law
  /** Why it is left out. */
  readonly skip: string | undefined
}

/** The laws to run on a carrier. Dies on a deviation that names no law. */
export const select = ({
  counting = true,
  local = "encoded",
  placements,
  provides = ["names", "absence", "departure"],
  skip = [],
  slow = true
}: Selection = {}): ReadonlyArray<Selected> => {
  const unknown = skip.flatMap(({ laws: names }) => names).find((name) => !laws.some((law) => law.name === name))
  if (unknown !== undefined) throw new Error(`expected \`skip\` to name laws, got: "${unknown}"`)
  return laws
    .filter(
      (law) =>
        (counting || !law.counts) &&
        law.local.includes(local) &&
        (placements === undefined || placements.includes(law.placement))
    )
    .map((law) => {
      const missing = law.needs.find((need) => !provides.includes(need))
      const deviation = skip.find(({ laws: names }) => names.includes(law.name))
      return {
        law,
        skip:
          deviation?.reason ??
          (missing === undefined ? undefined : `the carrier does not provide "${missing}"`) ??
          (law.slow && !slow ? "it takes many seconds of time" : undefined)
      }
    })
}

/** The title of a law's test. */
export const title = ({ clause, name, placement }: Law, skip?: string): string =>
  `${clause} ${name}, ${placement}${skip === undefined ? "" : ` (skipped: ${skip})`}`
