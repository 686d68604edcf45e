import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { OfferAnswer } from '../client/offer-queries.ts';
import { agreement, segmentLine, verifyOffer } from '../client/verify-offer.ts';
import { type StackOptions, startStack } from '../stack/stack.ts';
import { ether } from '../terminal/amount.ts';
import type { Story } from '../terminal/story.ts';
import { balanceSheet, sheetLines } from './balance-sheet.ts';
import { cheat, firstOffer, honestPool, leastAccuracy, lockedWei, refusals, secondOffer } from './cast.ts';
import { followMatch, followTraining, followVerification } from './following.ts';
import { openAndFund } from './funding.ts';
import { gasPaid, readBalances } from './ledger.ts';
import { packDataset, putUpStakes, registerCheat } from './preparation.ts';
import { balancesReport, type DemoReport, offerReport } from './report.ts';
import { settleUp } from './settling-up.ts';
import { burnAddress, Stage } from './stage.ts';

export interface DemoOptions {
  stack: Omit<StackOptions, 'trainerCommands' | 'onStep'>;
  story: Story;
  /** Ends the demo before its end. */
  stopping: AbortSignal;
  jsonFile?: string | undefined;
  /** Leaves the stack up when all is told, until `stopping`. */
  keep?: boolean;
}

type Manifest = Awaited<ReturnType<typeof packDataset>>['manifestReference'];

/** Tells the whole story and checks its end. @throws CommandError when something did not come out as it must */
export async function runDemo({ stack: stackOptions, story, stopping, ...options }: DemoOptions): Promise<DemoReport> {
  const started = performance.now();
  story.heading(
    'Cotrain: two offers, one trained by an honest pool and one by a cheat, paid in test ETH of a local chain',
  );
  story.line('Starting the stack on this machine:');
  const stack = await startStack({
    ...stackOptions,
    trainerCommands: { [cheat.name]: [process.execPath, dishonestTrainer()] },
    onStep: (step) => {
      story.line(`  ${step}`);
    },
  });
  try {
    const stage = new Stage(stack, story, stopping);
    stage.durationsMs['stack'] = Math.round(performance.now() - started);
    const report = await play(stage);
    const totalMs = Math.round(performance.now() - started);
    report.durationsMs['total'] = totalMs;
    if (options.jsonFile !== undefined) await writeFile(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
    story.line(`\nDone in ${(totalMs / 1000).toFixed(0)} s.`);
    if (options.keep === true && !stopping.aborted) {
      story.line(`The stack stays up: ${stack.api.graphqlUrl}   (Ctrl-C stops it)`);
      await new Promise((resolve) => {
        stopping.addEventListener('abort', resolve);
      });
    }
    return report;
  } finally {
    story.clearBar();
    await stack.close();
  }
}

async function play(stage: Stage): Promise<DemoReport> {
  const { provider } = stage.stack;
  const firstBlock = await provider.getBlockNumber();
  const before = await readBalances(provider, stage.accounts, firstBlock);

  await stage.timed('setUp', () => putUpStakes(stage));
  const { manifestReference } = await stage.timed('dataset', () => packDataset(stage));
  const honest = await stage.timed('firstOffer', () => honestWork(stage, manifestReference));
  const cheated = await stage.timed('secondOffer', () => cheatedWork(stage, manifestReference));
  await stage.timed('payouts', () => settleUp(stage, [honest, cheated]));

  const lastBlock = await provider.getBlockNumber();
  const after = await readBalances(provider, stage.accounts, lastBlock);
  const sheet = balanceSheet(stage.accounts, before, after, await gasPaid(provider, firstBlock + 1, lastBlock));
  stage.story.heading('Balances in ETH');
  for (const line of sheetLines(sheet)) stage.story.line(line);
  stage.story.line('\n  The stakes still belong to the pools and validators, who can take them back.');
  stage.story.line("  Windows are seconds here; the chain's clock was never advanced.");
  stage.expect(sheet.sumBeforeWei === sheet.sumAfterWei, 'the sums do not agree: money was lost or made.');
  const { market } = stage.stack.deployment;
  stage.expect(after.get(market) === 0n, `${String(after.get(market))} wei are left in the market.`);
  stage.expect(after.get(burnAddress) === lockedWei / 2n, 'half of the locked stake should be burnt.');
  return {
    offers: [await offerReport(stage, honest), await offerReport(stage, cheated)],
    balances: { before: balancesReport(before), after: balancesReport(after) },
    durationsMs: stage.durationsMs,
  };
}

async function honestWork(stage: Stage, manifest: Manifest): Promise<OfferAnswer> {
  const { story } = stage;
  story.heading('3. Three companies fund one offer');
  story.line('  (the amounts do not divide evenly, on purpose: watch that not a wei is lost)');
  const id = await openAndFund(stage, firstOffer, manifest);
  const reasons = await followMatch(stage, id, honestPool);
  for (const [pool, reason] of Object.entries(refusals))
    stage.expect(
      reasons[pool]?.includes(reason) === true,
      `pool ${pool} was not refused for ${reason} but for ${reasons[pool]?.join(', ') ?? 'nothing'}.`,
    );
  story.heading('4. The pool trains, logging every batch');
  const job = await followTraining(stage, id);
  stage.expect(
    (job.testAccuracy ?? 0) >= leastAccuracy,
    `the model reads ${String(job.testAccuracy)} of the test digits; at least ${String(leastAccuracy)} was expected.`,
  );
  story.heading('5. Validators drawn after the commitment re-execute drawn segments');
  const settled = await followVerification(stage, id, { state: 'Paid', vote: 'valid' });
  story.line(
    `  the challenge window passed without a challenge: paid ${ether(BigInt(settled.paidWei ?? 0))} ETH to the pool`,
  );
  story.line(
    `  ${ether(BigInt(settled.refundableWei ?? 0))} ETH of reward and fee were not needed and go back to the companies, pro rata to the wei`,
  );
  await checkAsAnybody(stage, settled, 1, 'Valid');
  return settled;
}

/** What `cotrain verify` does: the API is asked for nothing. */
async function checkAsAnybody(
  stage: Stage,
  offer: OfferAnswer,
  sample: number,
  expected: 'Valid' | 'Invalid',
): Promise<void> {
  const { provider, deployment } = stage.stack;
  const { vote, segments, comparison, reason } = await verifyOffer({
    provider,
    market: deployment.market,
    offerId: offer.id,
    fromBlock: deployment.deployedAtBlock,
    store: stage.swarm,
    sample,
  });
  stage.expect(
    vote === expected && comparison === 'equality',
    `an outsider's check of offer ${String(offer.id)} says ${vote} by ${comparison}.`,
  );
  const command = `\`cotrain verify ${String(offer.id)} --sample ${String(sample)}\``;
  stage.story.line(`  an outsider checks it too (${command}):`);
  for (const segment of segments) stage.story.line(`    ${segmentLine(segment)}`);
  stage.story.line(`    ${vote}: ${vote === 'Valid' ? agreement[comparison] : (reason ?? '')}`);
}

async function cheatedWork(stage: Stage, manifest: Manifest): Promise<OfferAnswer> {
  const { story } = stage;
  story.heading('6. A second offer meets a cheat');
  await registerCheat(stage);
  const id = await openAndFund(stage, secondOffer, manifest);
  await followMatch(stage, id, cheat.name);
  await followTraining(stage, id);
  story.heading('7. All eight segments are drawn, so the altered one is certain to be checked');
  const settled = await followVerification(stage, id, { state: 'Slashed', vote: 'invalid' });
  const slashedWei = BigInt(settled.slashedWei ?? 0);
  stage.expect(slashedWei === lockedWei, `${ether(slashedWei)} ETH were slashed instead of ${ether(lockedWei)}.`);
  story.line(
    `  convicted: ${ether(slashedWei)} ETH of stake slashed, half burnt, half for the companies, who get their whole reward back too`,
  );
  await checkAsAnybody(stage, settled, secondOffer.steps / secondOffer.commitEvery, 'Invalid');
  return settled;
}

function dishonestTrainer(): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('@cotrain/cli')), 'demo/dishonest-trainer.js');
}
