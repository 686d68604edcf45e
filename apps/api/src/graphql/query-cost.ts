/** A short list inside an object (payers, bids, votes) counts as so many items. */
const typicalListLength = 4;

/** Cost of a field that gives a short list. */
export function listCost({ childComplexity }: { childComplexity: number }): number {
  return 1 + typicalListLength * childComplexity;
}

/** Cost of a field that asks the chain or Swarm. */
export function remoteCost({ childComplexity }: { childComplexity: number }): number {
  return 50 + childComplexity;
}
