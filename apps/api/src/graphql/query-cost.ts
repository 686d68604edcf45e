/** A short list inside an object (payers, bids, votes) counts as so many items. */
const typicalListLength = 4;

/** A match receipt holds up to a hundred whole pools: a page of 20 is answered, hardly more. */
export const receiptCost = 200;

/** Cost of a field that gives a short list. */
export function listCost({ childComplexity }: { childComplexity: number }): number {
  return 1 + typicalListLength * childComplexity;
}

/** Cost of a field that asks the chain or Swarm. */
export function remoteCost({ childComplexity }: { childComplexity: number }): number {
  return 50 + childComplexity;
}
