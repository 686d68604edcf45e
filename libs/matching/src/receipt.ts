import { canonicalJson, type Hex, keccak256 } from '@cotrain/protocol';
import { match } from './match.ts';
import type { MatchOffer, MatchPool, OfferMatch } from './types.ts';

/** Integers too large for JSON are decimal strings in a receipt. */
type Plain<T> = T extends bigint ? string : T extends object ? { [Key in keyof T]: Plain<T[Key]> } : T;

/** What a decision followed from: the offer, and the pools as they were for it, sorted by id. */
export interface ReceiptInputs {
  offer: MatchOffer;
  /** The chosen pool and the alternatives that are listed; the others are counted in `rejectedByReason`. */
  pools: readonly MatchPool[];
}

/**
 * A decision with everything that it followed from, so that whoever has the receipt can replay it. Offers that were
 * decided before this one, also at the same time, are part of the pools' loads: a receipt does not grow with them.
 */
export interface MatchReceipt {
  version: 'cotrain.match/1';
  offerId: number;
  decidedAt: string;
  /** keccak256 of the inputs in canonical JSON. */
  inputsHash: Hex;
  inputs: Plain<ReceiptInputs>;
  chosen: { poolId: string; priceWei: string } | null;
  /** The cheapest alternatives, by price. */
  rejected: { poolId: string; reasons: string[]; priceWei: string }[];
  rejectedNotListed: number;
  /** Every pool that was not chosen, counted once for each reason. */
  rejectedByReason: Record<string, number>;
}

/** A receipt is no receipt of this version. */
export class InvalidReceiptError extends Error {
  override readonly name = 'InvalidReceiptError';
  readonly retryable = false;
}

/** Hash of the inputs in canonical form; pools in any order give the same hash. */
export function inputsHash(inputs: ReceiptInputs, now: Date): Hex {
  return keccak256(canonicalJson({ ...plain(sorted(inputs)), now: now.toISOString() }));
}

/** The receipt of a decision. */
export function makeReceipt(decision: OfferMatch, now: Date): MatchReceipt {
  const { offer, chosen, rejected, rejectedCount, rejectedByReason } = decision;
  const pools = rejected.map(({ pool }) => pool);
  const inputs = sorted({ offer, pools: chosen === null ? pools : [chosen.pool, ...pools] });
  return {
    version: 'cotrain.match/1',
    offerId: offer.id,
    decidedAt: now.toISOString(),
    inputsHash: inputsHash(inputs, now),
    inputs: plain(inputs),
    chosen: chosen === null ? null : { poolId: chosen.pool.id, priceWei: String(chosen.priceWei) },
    rejected: rejected.map(({ pool, reasons, priceWei }) => ({
      poolId: pool.id,
      reasons: [...reasons],
      priceWei: String(priceWei),
    })),
    rejectedNotListed: rejectedCount - rejected.length,
    rejectedByReason: { ...rejectedByReason },
  };
}

/**
 * Decides again from a receipt's own inputs. `inputsAgree`: they are the ones that the hash names. `decisionAgrees`:
 * they lead to the choice and the reasons that the receipt states. Counts of pools that are not listed cannot be
 * replayed from the receipt; they cannot change its choice either.
 * @throws InvalidReceiptError when it is not of this version or its inputs are malformed
 */
export function replayReceipt(receipt: MatchReceipt): { inputsAgree: boolean; decisionAgrees: boolean } {
  const now = new Date(receipt.decidedAt);
  let again: MatchReceipt | null;
  try {
    const inputs = revive(receipt.inputs);
    const [decision] = match([inputs.offer], inputs.pools, now);
    again = decision === undefined ? null : makeReceipt(decision, now);
  } catch (cause) {
    throw new InvalidReceiptError(
      `This is no match receipt of version cotrain.match/1: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  if (again === null) return { inputsAgree: false, decisionAgrees: false };
  const stated = ({ offerId, chosen, rejected }: MatchReceipt): string =>
    Buffer.from(canonicalJson({ offerId, chosen, rejected })).toString();
  return { inputsAgree: again.inputsHash === receipt.inputsHash, decisionAgrees: stated(again) === stated(receipt) };
}

function sorted({ offer, pools }: ReceiptInputs): ReceiptInputs {
  return { offer, pools: [...pools].sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

function plain<T extends object>(value: T): Plain<T> {
  return JSON.parse(
    JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)),
  ) as Plain<T>;
}

function revive({ offer, pools }: Plain<ReceiptInputs>): ReceiptInputs {
  return {
    offer: {
      ...offer,
      rewardWei: BigInt(offer.rewardWei),
      validationFeeWei: BigInt(offer.validationFeeWei),
      minStakeWei: BigInt(offer.minStakeWei),
    } as MatchOffer,
    pools: pools.map(
      (pool) =>
        ({
          ...pool,
          floorPriceWeiPerGpuHour: BigInt(pool.floorPriceWeiPerGpuHour),
          freeStakeWei: BigInt(pool.freeStakeWei),
          // Infinity is null in JSON.
          load: { ...pool.load, spareSlotSeconds: (pool.load.spareSlotSeconds as number | null) ?? Infinity },
        }) as MatchPool,
    ),
  };
}
