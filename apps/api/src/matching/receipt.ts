import { canonicalJson, type Hex, keccak256 } from '@cotrain/protocol';
import { match } from './match.ts';
import type { MatchOffer, MatchPool, OfferMatch } from './types.ts';

/** Most alternatives that a receipt lists; the rest are counted. */
const maxListed = 100;

/** A decision with the hash of everything that it followed from, so that anyone with the inputs can replay it. */
export interface MatchReceipt {
  version: 'cotrain.match/1';
  offerId: number;
  decidedAt: string;
  inputsHash: Hex;
  chosen: { poolId: string; priceWei: string } | null;
  rejected: { poolId: string; reason: string; priceWei: string | null }[];
  rejectedNotListed: number;
}

/** Hash of offer, pools and time in canonical form; pools in any order give the same hash. */
export function inputsHash(offer: MatchOffer, pools: readonly MatchPool[], now: Date): Hex {
  const sorted = [...pools].sort((a, b) => (a.id < b.id ? -1 : 1));
  const plain = JSON.parse(
    JSON.stringify({ offer, pools: sorted, now: now.toISOString() }, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    ),
  ) as unknown;
  return keccak256(canonicalJson(plain));
}

/** The receipt of a decision. */
export function makeReceipt(
  decision: OfferMatch,
  offer: MatchOffer,
  pools: readonly MatchPool[],
  now: Date,
): MatchReceipt {
  const rejected = [...decision.rejected].sort((a, b) => (a.poolId < b.poolId ? -1 : 1));
  return {
    version: 'cotrain.match/1',
    offerId: decision.offerId,
    decidedAt: now.toISOString(),
    inputsHash: inputsHash(offer, pools, now),
    chosen:
      decision.chosen === null ? null : { poolId: decision.chosen.poolId, priceWei: String(decision.chosen.priceWei) },
    rejected: rejected
      .slice(0, maxListed)
      .map(({ poolId, reason, priceWei }) => ({
        poolId,
        reason,
        priceWei: priceWei === null ? null : String(priceWei),
      })),
    rejectedNotListed: Math.max(0, rejected.length - maxListed),
  };
}

/** Whether the inputs are the receipt's and lead to its decision. */
export function replayReceipt(
  receipt: MatchReceipt,
  offer: MatchOffer,
  pools: readonly MatchPool[],
): { inputsAgree: boolean; decisionAgrees: boolean } {
  const now = new Date(receipt.decidedAt);
  const [decision] = match([offer], pools, now);
  const again = decision === undefined ? null : makeReceipt(decision, offer, pools, now);
  return {
    inputsAgree: again?.inputsHash === receipt.inputsHash,
    decisionAgrees: again !== null && Buffer.compare(canonicalJson(again), canonicalJson(receipt)) === 0,
  };
}
