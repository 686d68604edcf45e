import { fetchReceipt, replay } from '../client/match-receipt.ts';
import {
  batchProgress,
  fetchJob,
  findOffer,
  isSettled,
  type JobAnswer,
  type OfferAnswer,
  voteName,
} from '../client/offer-queries.ts';
import { ether } from '../terminal/amount.ts';
import { lockedWei } from './cast.ts';
import type { Stage } from './stage.ts';

/** Tells which pool gets the offer and why the others do not. Returns the reasons by pool. */
export async function followMatch(stage: Stage, id: number, winner: string): Promise<Record<string, string[]>> {
  const { story } = stage;
  const awarded = await stage.waitFor(
    'an award',
    () => findOffer(stage.api, id),
    (offer) => offer?.trainer != null || (offer !== null && isSettled(offer)),
    2,
  );
  const trainer = awarded?.trainer ?? null;
  stage.expect(
    trainer !== null,
    `offer ${String(id)} found no pool: ${awarded?.unmatchableReason ?? 'none has bid in its bid window'}.`,
  );
  const { receipt, inputsAgree, decisionAgrees } = replay(await fetchReceipt(stage.api, id), id);
  for (const { poolId, reasons, priceWei } of receipt.rejected)
    story.line(
      `  pool ${poolId.padEnd(13)} not chosen: ${reasons.join(', ')} (its price is ${ether(BigInt(priceWei))} ETH)`,
    );
  story.line(
    `  pool ${stage.poolOf(trainer).padEnd(13)} bids ${ether(BigInt(awarded?.priceWei ?? 0))} ETH and is awarded the job; ${ether(lockedWei)} ETH of its stake is locked`,
  );
  stage.expect(
    stage.poolOf(trainer) === winner,
    `offer ${String(id)} went to ${stage.poolOf(trainer)}; it should have been ${winner}.`,
  );
  stage.expect(
    inputsAgree && decisionAgrees && stage.poolOf(trainer) === receipt.chosen?.poolId,
    `the match receipt of offer ${String(id)} does not replay.`,
  );
  story.line(
    `  match receipt ${receipt.inputsHash}, replayed here (\`cotrain offer receipt ${String(id)}\`): same inputs, same decision`,
  );
  return Object.fromEntries(receipt.rejected.map(({ poolId, reasons }) => [poolId, reasons]));
}

/** Shows the training until the trainer is done. */
export async function followTraining(stage: Stage, id: number): Promise<JobAnswer> {
  const { story } = stage;
  const job = await stage.waitFor(
    'the training to end',
    async () => {
      const found = await fetchJob(stage.api, id);
      if (found?.state === 'Running') story.progress(found.step, found.steps, batchProgress(found));
      return found;
    },
    (found) => found !== null && ['Done', 'Failed'].includes(found.state),
    8,
  );
  stage.expect(job?.state === 'Done', `the job of offer ${String(id)} failed: ${job?.failure ?? 'no reason given'}`);
  story.line(
    `  ${String(job.steps)} batches on backend ${job.backend ?? ''}, final loss ${(job.loss ?? 0).toFixed(4)}, test accuracy ${(100 * (job.testAccuracy ?? 0)).toFixed(2)} %`,
  );
  story.line(`  log   ${job.logReference ?? ''}`);
  story.line(`  model ${job.modelReference ?? ''}`);
  return job;
}

/** Shows who checks what and how they vote, until the offer is settled as it must be. */
export async function followVerification(
  stage: Stage,
  id: number,
  expected: { state: 'Paid' | 'Slashed'; vote: 'valid' | 'invalid' },
): Promise<OfferAnswer> {
  const { story } = stage;
  let told = -1;
  let toldVotes = 0;
  const settled = await stage.waitFor(
    'the verdict',
    async () => {
      const offer = await findOffer(stage.api, id);
      const round = offer?.rounds.at(-1);
      if (round !== undefined && round.validators.length > 0 && told !== round.round) {
        told = round.round;
        toldVotes = 0;
        const segments = [...round.segments].sort((a, b) => a - b);
        story.line(`  drawn: ${String(round.validators.length)} validators, segments ${segments.join(', ')}`);
      }
      const voted = round?.votes.filter(({ committed }) => committed).length ?? 0;
      // Before the first vote there is nothing to tell, and the same count is told once.
      if (round !== undefined && voted > toldVotes && offer?.state === 'Committed') {
        toldVotes = voted;
        story.progress(voted, round.votes.length, `${String(voted)} of ${String(round.votes.length)} have voted`);
      }
      return offer;
    },
    (offer) => offer !== null && isSettled(offer),
    8,
  );
  stage.expect(settled !== null, `offer ${String(id)} is gone.`);
  const votes = settled.rounds.at(-1)?.votes ?? [];
  for (const { validator, vote } of votes)
    story.line(`  ${stage.validatorOf(validator)} (${validator}) votes ${voteName(vote)}`);
  stage.expect(
    settled.state === expected.state,
    `offer ${String(id)} ended as ${settled.state}; it should have been ${expected.state}.`,
  );
  stage.expect(
    votes.length === stage.validators.length && votes.every(({ vote }) => voteName(vote) === expected.vote),
    `not every validator voted ${expected.vote}.`,
  );
  return settled;
}
