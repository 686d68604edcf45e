import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { canonicalJson, decodeProgram, type Program, type Reference } from '@cotrain/protocol';
import { fundOffer } from '../client/fund-offer.ts';
import { findOffer } from '../client/offer-queries.ts';
import { openOffer } from '../client/open-offer.ts';
import { publishJob } from '../client/publish-job.ts';
import { etherToken } from '../client/token.ts';
import { ether } from '../terminal/amount.ts';
import {
  batchSize,
  companies,
  estimatedGpuSeconds,
  gpuMemoryMiB,
  lockedWei,
  type OfferPlot,
  rewardWei,
  validationFeeWei,
  windows,
} from './cast.ts';
import type { Stage } from './stage.ts';

/** The first company opens an offer, and each one pays its share. Returns the offer's id. */
export async function openAndFund(stage: Stage, plot: OfferPlot, manifestReference: Reference): Promise<number> {
  const { story, swarm } = stage;
  const jobSpecReference = await publishJob(swarm, await readProgram(), {
    ...plot,
    dataset: { manifestReference, trainSplit: 'train', testSplit: 'test' },
    batchSize,
    runtime: 'exact/1',
    gpuMemoryMiB,
    estimatedGpuSeconds,
    deadlineSeconds: estimatedGpuSeconds,
  });
  const [requester] = stage.companies;
  if (requester === undefined) throw new RangeError('There is no company.');
  const { offerId } = await openOffer(await stage.signatory(requester), swarm, {
    jobSpecReference,
    rewardWei,
    validationFeeWei,
    minStakeWei: lockedWei,
    ...windows,
    payers: stage.companies.map(({ address }, index) => ({ address, units: companies[index]?.units ?? 1 })),
  });
  await stage.waitFor(
    `offer ${String(offerId)} to be indexed`,
    () => findOffer(stage.api, offerId),
    (offer) => offer !== null,
  );
  story.line(
    `  offer ${String(offerId)}, "${plot.name}": ${String(plot.steps)} batches of ${String(batchSize)}, reward ${ether(rewardWei)} ETH and ${ether(validationFeeWei)} ETH for validators`,
  );
  story.line(
    '  it runs on exact/1: every machine must compute the same bits, so a result is right or wrong, never nearly right',
  );
  await Promise.all(
    stage.companies.map(async (wallet) => {
      await fundOffer(await stage.signatory(wallet), offerId, etherToken);
    }),
  );
  const funded = await stage.waitFor(
    'the three shares',
    () => findOffer(stage.api, offerId),
    (offer) => offer !== null && offer.state !== 'Funding',
  );
  const payers = funded?.payers ?? [];
  const paidWei = payers.reduce((sum, payer) => sum + BigInt(payer.paidWei ?? 0), 0n);
  stage.expect(
    paidWei === rewardWei + validationFeeWei,
    `the shares sum up to ${String(paidWei)} wei instead of ${String(rewardWei + validationFeeWei)}.`,
  );
  for (const [index, { paidWei: shareWei, units }] of payers.entries())
    story.line(
      `  ${(companies[index]?.name ?? '').padEnd(15)} pays ${ether(BigInt(shareWei ?? 0)).padEnd(20)} ETH (${String(units)}/10)`,
    );
  return offerId;
}

async function readProgram(): Promise<Program> {
  const require = createRequire(import.meta.url);
  const file = require.resolve('@cotrain/training/examples/mnist-mlp.program.json');
  return decodeProgram(canonicalJson(JSON.parse(await readFile(file, 'utf8')), 64));
}
