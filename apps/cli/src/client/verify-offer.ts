import type { SwarmClient } from '@cotrain/swarm';
import type { SegmentVerdict, verifyCommitment } from '@cotrain/training';
import type { JsonRpcProvider } from 'ethers';
import { readCommittedOffer } from './committed-offer.ts';

/** What it means that nothing is wrong. */
export const agreement = {
  equality: 'every loss, metric and state root that was executed again is equal, bit for bit',
  tolerance: "what was executed again differs by no more than the JobSpec's tolerance",
} as const;

/** What executing a segment again gave, on a line. */
export function segmentLine({ segment, ok, comparison, maxAbsoluteError, reason }: SegmentVerdict): string {
  const name = `segment ${String(segment).padStart(5)}`;
  if (comparison === 'equality') return ok ? `${name}  equal` : `${name}  DIFFERS  ${reason ?? ''}`;
  return `${name}  ${ok ? 'agrees ' : 'DIFFERS'}  largest difference ${maxAbsoluteError.toExponential(2)}`;
}

type Check = Parameters<typeof verifyCommitment>[0];
type Verdict = Awaited<ReturnType<typeof verifyCommitment>>;

/** What is checked, and where it is. */
export interface OfferCheck {
  provider: JsonRpcProvider;
  market: string;
  offerId: number;
  /** Block to search the market's events from. */
  fromBlock: number;
  store: SwarmClient;
  /** Segments to execute again. */
  sample: number;
  onTrainer?: (trainer: string) => void;
  onSegment?: Check['onSegment'];
}

/** A store that restarts is waited for. */
const storePatienceMs = 15_000;

/**
 * What a drawn validator does, for anybody: executes random segments of an offer's log again. JobHeader and commitment
 * come from the chain and everything else from the store, so that nobody's API has to be believed.
 * @throws CommandError: 3 when there is no such offer or no commitment yet, 4 when the chain does not answer
 */
export async function verifyOffer(check: OfferCheck): Promise<Verdict & { trainer: string }> {
  const { provider, market, offerId, fromBlock, store, sample, onSegment } = check;
  const { trainer, ...commitment } = await readCommittedOffer(provider, market, offerId, fromBlock);
  check.onTrainer?.(trainer);
  // TensorFlow takes seconds to load: only a command that needs it waits.
  const { verifyCommitment } = await import('@cotrain/training');
  const verdict = await verifyCommitment({
    store,
    ...commitment,
    sample,
    patience: { storePatienceMs },
    ...(onSegment === undefined ? {} : { onSegment }),
  });
  return { trainer, ...verdict };
}
