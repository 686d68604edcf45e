import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { encodeCall, readContract, sampledQuorumAbi, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import { SwarmClient } from '@cotrain/swarm';
import { Wallet } from 'ethers';
import { ApiClient } from '../client/api-client.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { sendTransaction } from '../client/send-transaction.ts';
import { localRoles, type Stack, startStack, type StackOptions } from '../stack/stack.ts';
import { type Account, type Balances, ether, gasPaid, readBalances } from './ledger.ts';
import { type PackedDataset, packMnist } from './mnist-dataset.ts';
import { jobFields, type JobAnswer, type OfferAnswer, offerFields, voteNames } from './offer-queries.ts';
import { type JobPlan, publishMnistJob } from './publish-job.ts';
import { balancesReport, type DemoReport, type OfferReport } from './report.ts';
import type { Story } from './story.ts';

type Hex = `0x${string}`;

const burnAddress: Hex = '0x000000000000000000000000000000000000dEaD';
const oneEther = 10n ** 18n;
/** An odd number of wei, so that shares of it do not come out even. */
const rewardWei = oneEther + 7n;
const validationFeeWei = oneEther / 100n + 1n;
const stakeWei = 2n * oneEther;
const lockedWei = oneEther;
/** 1/2, 3/10 and 1/5. */
const units = [5, 3, 2];
const companies = ['Aster Robotics', 'Birch Health', 'Cedar Maps'];
const minute = 60_000;

interface PoolPlan {
  name: string;
  gpuMemoryMiB: number;
  floorPriceWeiPerGpuHour: bigint;
  note: string;
}
const pools: PoolPlan[] = [
  { name: 'tiny-garage', gpuMemoryMiB: 4_096, floorPriceWeiPerGpuHour: oneEther, note: '4 GiB of GPU memory' },
  { name: 'golden-cloud', gpuMemoryMiB: 81_920, floorPriceWeiPerGpuHour: 9n * oneEther, note: '80 GiB, 9 ETH an hour' },
  {
    name: 'river-coop',
    gpuMemoryMiB: 24_576,
    floorPriceWeiPerGpuHour: (7n * oneEther) / 2n,
    note: '24 GiB, 3.5 ETH an hour',
  },
];
const cheat: PoolPlan = {
  name: 'shady-shed',
  gpuMemoryMiB: 24_576,
  floorPriceWeiPerGpuHour: 2n * oneEther,
  note: '24 GiB, 2 ETH an hour: the cheapest that fits',
};

export interface DemoOptions {
  stack: Omit<StackOptions, 'trainerCommands' | 'onStep'>;
  story: Story;
  jsonFile?: string | undefined;
}

/** Runs the whole story and checks its end. @throws CommandError when something did not come out as it must */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const started = performance.now();
  const { story } = options;
  story.heading('Cotrain: two offers, one honest pool and one cheat');
  story.line('Starting the stack on this machine:');
  const require = createRequire(import.meta.url);
  const dishonest = join(dirname(require.resolve('@cotrain/cli')), 'demo/dishonest-trainer.js');
  const stack = await startStack({
    ...options.stack,
    trainerCommands: { [cheat.name]: [process.execPath, dishonest] },
    onStep: (step) => {
      story.line(`  ${step}`);
    },
  });
  try {
    const report = await new Demo(stack, story).run(performance.now() - started);
    report.durationsMs['total'] = Math.round(performance.now() - started);
    if (options.jsonFile !== undefined) await writeFile(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
    story.line(`\nDone in ${(report.durationsMs['total'] / 1000).toFixed(0)} s.`);
    return report;
  } finally {
    await stack.close();
  }
}

class Demo {
  private readonly api: ApiClient;
  private readonly swarm: SwarmClient;
  private readonly durationsMs: Record<string, number> = {};
  private readonly accounts: Account[];

  constructor(
    private readonly stack: Stack,
    private readonly story: Story,
  ) {
    this.api = new ApiClient(stack.api.graphqlUrl);
    this.swarm = new SwarmClient({ url: stack.store.url });
    const { market, registry, quorum } = stack.deployment;
    this.accounts = [
      ...companies.map((name, index) => ({ name, address: this.wallet(localRoles.payers[index]).address })),
      ...[...pools, cheat].map(({ name }, index) => ({
        name: `pool ${name}`,
        address: this.wallet(localRoles.pools[index]).address,
      })),
      ...localRoles.validators.map((role, index) => ({
        name: `validator ${String(index + 1)}`,
        address: this.wallet(role).address,
      })),
      { name: 'keeper', address: this.wallet(localRoles.keeper).address },
      { name: 'held by the market', address: market },
      { name: 'held by the registry', address: registry },
      { name: 'held by the quorum', address: quorum },
      { name: 'burnt stake', address: burnAddress },
    ];
  }

  async run(stackMs: number): Promise<DemoReport> {
    this.durationsMs['stack'] = Math.round(stackMs);
    const { provider } = this.stack;
    const firstBlock = await provider.getBlockNumber();
    const before = await readBalances(provider, this.accounts, firstBlock);

    await this.timed('setUp', () => this.setUp());
    const dataset = await this.timed('dataset', () => this.pack());
    const honest = await this.timed('firstOffer', () => this.firstOffer(dataset));
    const cheated = await this.timed('secondOffer', () => this.secondOffer(dataset));
    await this.timed('payouts', () => this.payOut([honest, cheated]));

    const lastBlock = await provider.getBlockNumber();
    const after = await readBalances(provider, this.accounts, lastBlock);
    const gasWei = await gasPaid(provider, firstBlock + 1, lastBlock);
    this.printBalances(before, after, gasWei);
    return {
      offers: [await this.report(honest), await this.report(cheated)],
      balances: { before: balancesReport(before), after: balancesReport(after) },
      durationsMs: this.durationsMs,
    };
  }

  // ---------------------------------------------------------------- acts

  private async setUp(): Promise<void> {
    this.story.heading('1. Pools and validators put up their stakes');
    await Promise.all([
      ...[...pools, cheat].map((_, index) => this.deposit(this.wallet(localRoles.pools[index]))),
      ...localRoles.validators.map((role) => this.joinValidators(this.wallet(role))),
    ]);
    for (const [index, pool] of pools.entries()) await this.registerPool(pool, this.wallet(localRoles.pools[index]));
    this.story.line(`  each pool deposited ${ether(stakeWei)} ETH; three validators joined with 1 ETH each`);
  }

  private async pack(): Promise<PackedDataset> {
    this.story.heading('2. A dataset goes to Swarm');
    const dataset = await packMnist(this.swarm);
    const { train, test } = dataset.manifest.splits;
    this.story.line(
      `  MNIST: ${String(train?.rows)} rows for training, ${String(test?.rows)} for testing, ${(dataset.bytes / 1e6).toFixed(1)} MB`,
    );
    this.story.line(`  manifest ${dataset.manifestReference}`);
    return dataset;
  }

  private async firstOffer(dataset: PackedDataset): Promise<OfferAnswer> {
    this.story.heading('3. Three companies fund one offer');
    const offer = await this.openAndFund({
      name: 'Digits for everybody',
      manifestReference: dataset.manifestReference,
      seed: 2_026n,
      steps: 3_000,
      batchSize: 64,
      commitEvery: 125,
      gpuMemoryMiB: 8_192,
      estimatedGpuSeconds: 600,
      deadlineSeconds: 600,
    });
    await this.followMatch(offer, true);
    this.story.heading('4. The pool trains, logging every batch');
    await this.followTraining(offer);
    this.story.heading('5. Validators drawn after the commitment re-execute drawn segments');
    const settled = await this.followVerification(offer);
    if (settled.state !== 'Paid')
      throw new CommandError(
        exitCodes.failure,
        `Offer ${String(offer)} ended as ${settled.state}; it should have been paid.`,
      );
    const surplus = BigInt(settled.refundableWei ?? 0);
    this.story.line(
      `  the challenge window passed without a challenge: paid ${ether(BigInt(settled.paidWei ?? 0))} ETH to the pool`,
    );
    this.story.line(`  surplus ${ether(surplus)} ETH goes back to the companies, pro rata to the wei`);
    const job = await this.job(offer);
    if ((job.testAccuracy ?? 0) < 0.95)
      throw new CommandError(
        exitCodes.failure,
        `The model reaches ${String(job.testAccuracy)}; at least 0.95 was expected.`,
      );
    return settled;
  }

  private async secondOffer(dataset: PackedDataset): Promise<OfferAnswer> {
    this.story.heading('6. A second offer meets a cheat');
    await this.registerPool(cheat, this.wallet(localRoles.pools[pools.length]));
    this.story.line('  its trainer alters the weights in one step');
    const offer = await this.openAndFund({
      name: 'Digits again',
      manifestReference: dataset.manifestReference,
      seed: 7n,
      steps: 400,
      batchSize: 64,
      commitEvery: 50,
      gpuMemoryMiB: 8_192,
      estimatedGpuSeconds: 600,
      deadlineSeconds: 600,
    });
    await this.followMatch(offer, false);
    await this.followTraining(offer);
    this.story.heading('7. All eight segments are drawn, so the altered one is certain to be checked');
    const settled = await this.followVerification(offer);
    if (settled.state !== 'Slashed')
      throw new CommandError(
        exitCodes.failure,
        `Offer ${String(offer)} ended as ${settled.state}; the cheat should have been slashed.`,
      );
    this.story.line(
      `  convicted: ${ether(BigInt(settled.slashedWei ?? 0))} ETH of stake slashed, half burnt, half to the companies with their whole reward`,
    );
    return settled;
  }

  private async payOut(offers: readonly OfferAnswer[]): Promise<void> {
    this.story.heading('8. Everybody takes what is his');
    await Promise.all(
      localRoles.payers.map(async (role) => {
        const wallet = this.wallet(role);
        const api = await this.signedIn(wallet);
        for (const { id } of offers)
          await sendTransaction(
            wallet,
            await api.prepare('prepareClaimRefund', 'offerId: $offerId', '$offerId: Int!', { offerId: id }),
          );
        await sendTransaction(wallet, await api.prepare('prepareWithdraw', '', '', {}));
      }),
    );
    const { deployment, provider } = this.stack;
    const { data } = encodeCall({ abi: sampledQuorumAbi, functionName: 'withdraw', args: [`0x${'0'.repeat(40)}`] });
    for (const role of localRoles.validators) {
      const wallet = this.wallet(role);
      const creditWei = await readContract(provider, {
        abi: sampledQuorumAbi,
        address: deployment.quorum,
        functionName: 'credit',
        args: [wallet.address as Hex, `0x${'0'.repeat(40)}`],
      });
      if (creditWei > 0n) await sendTransaction(wallet, { to: deployment.quorum, data, valueWei: '0' });
    }
    // The pools' earnings are withdrawn by the engine, through the signer.
    for (const role of [2, 3] as const) {
      const pool = this.wallet(localRoles.pools[role]).address as Hex;
      await this.api.waitFor(
        'the pools to withdraw',
        () =>
          readContract(provider, {
            abi: trainingMarketAbi,
            address: deployment.market,
            functionName: 'credit',
            args: [pool, `0x${'0'.repeat(40)}`],
          }),
        (creditWei) => creditWei === 0n,
        minute,
      );
    }
    this.story.line(
      '  companies claimed and withdrew their refunds, validators their fees, pools their price and bonds',
    );
  }

  // ---------------------------------------------------------------- steps

  private async openAndFund(plan: JobPlan): Promise<number> {
    const { spec, jobSpecReference } = await publishMnistJob(this.swarm, plan);
    const requester = this.wallet(localRoles.payers[0]);
    const api = await this.signedIn(requester);
    const payers = localRoles.payers.map((role) => this.wallet(role).address);
    const transaction = await api.prepare('prepareOpenOffer', 'input: $input', '$input: OpenOfferInput!', {
      input: {
        jobSpecReference,
        rewardWei: String(rewardWei),
        validationFeeWei: String(validationFeeWei),
        minStakeWei: String(lockedWei),
        fundingWindow: 600,
        bidWindow: 6,
        startWindow: 120,
        trainingWindow: 1_200,
        challengeWindow: 3,
        payers,
        units,
      },
    });
    const known = (await this.api.query<{ offers: { totalCount: number } }>('{ offers(first: 1) { totalCount } }'))
      .offers.totalCount;
    await sendTransaction(requester, transaction);
    const id = known + 1;
    await this.api.waitFor(
      'the offer to be indexed',
      () => this.offer(id),
      (offer) => offer !== null,
      minute,
    );
    this.story.line(
      `  offer ${String(id)}, "${spec.name}": ${String(plan.steps)} batches of ${String(plan.batchSize)}, reward ${ether(rewardWei)} ETH and ${ether(validationFeeWei)} ETH for validators`,
    );
    await Promise.all(
      localRoles.payers.map(async (role) => {
        const wallet = this.wallet(role);
        const payer = role === localRoles.payers[0] ? api : await this.signedIn(wallet);
        await sendTransaction(
          wallet,
          await payer.prepare('prepareFund', 'offerId: $offerId', '$offerId: Int!', { offerId: id }),
        );
      }),
    );
    const funded = await this.api.waitFor(
      'the shares',
      () => this.offer(id),
      (offer) => offer !== null && offer.state !== 'Funding',
      minute,
    );
    funded?.payers.forEach((payer, index) => {
      this.story.line(
        `  ${(companies[index] ?? '').padEnd(15)} pays ${ether(BigInt(payer.paidWei ?? 0))} ETH (${String(payer.units)}/10)`,
      );
    });
    return id;
  }

  private async followMatch(id: number, explain: boolean): Promise<void> {
    const awarded = await this.api.waitFor(
      'an award',
      () => this.offer(id),
      (offer) => offer?.trainer != null || offer?.state === 'Refunded',
      2 * minute,
    );
    const { matchReceipts } = await this.api.query<{ matchReceipts: { nodes: { receiptJson: string }[] } }>(
      'query ($id: Int!) { matchReceipts(offerId: $id, first: 1) { nodes { receiptJson } } }',
      { id },
    );
    const receipt = JSON.parse(matchReceipts.nodes[0]?.receiptJson ?? '{}') as {
      inputsHash?: string;
      rejected?: { poolId: string; reason: string; priceWei: string | null }[];
    };
    for (const { poolId, reason, priceWei } of receipt.rejected ?? []) {
      this.story.line(
        `  pool ${poolId.padEnd(13)} not chosen: ${reason}${priceWei === null ? '' : ` (${ether(BigInt(priceWei))} ETH)`}`,
      );
    }
    if (awarded?.trainer == null)
      throw new CommandError(
        exitCodes.failure,
        `Offer ${String(id)} found no pool: ${awarded?.unmatchableReason ?? 'see its match receipt'}.`,
      );
    this.story.line(
      `  pool ${this.poolOf(awarded.trainer).padEnd(13)} bids ${ether(BigInt(awarded.priceWei ?? 0))} ETH and is awarded the job; ${ether(lockedWei)} ETH of its stake is locked`,
    );
    if (explain)
      this.story.line(`  match receipt ${receipt.inputsHash ?? ''}: anyone with the inputs can replay the decision`);
  }

  private async followTraining(id: number): Promise<void> {
    const job = await this.api.waitFor(
      'training',
      async () => {
        const { job: found } = await this.api.query<{ job: JobAnswer | null }>(
          `query ($id: Int!) { job(offerId: $id) { ${jobFields} } }`,
          { id },
        );
        if (found !== null)
          this.story.bar(
            found.step,
            found.steps,
            `batch ${String(found.step)}/${String(found.steps)}  loss ${(found.loss ?? 0).toFixed(4)}`,
          );
        return found;
      },
      (found) => found !== null && ['done', 'failed'].includes(found.state),
      8 * minute,
    );
    if (job === null || job.state !== 'done')
      throw new CommandError(
        exitCodes.failure,
        `Job of offer ${String(id)} failed: ${job?.failure ?? 'unknown reason'}`,
      );
    this.story.line(
      `  ${String(job.steps)} batches on backend ${job.backend ?? ''}, final loss ${(job.loss ?? 0).toFixed(4)}, test accuracy ${(100 * (job.testAccuracy ?? 0)).toFixed(2)} %`,
    );
    this.story.line(`  log   ${job.logReference ?? ''}`);
    this.story.line(`  model ${job.modelReference ?? ''}`);
  }

  private async followVerification(id: number): Promise<OfferAnswer> {
    let told = -1;
    const settled = await this.api.waitFor(
      'the verdict',
      async () => {
        const offer = await this.offer(id);
        const round = offer?.rounds.at(-1);
        if (round !== undefined && round.validators.length > 0 && told !== round.round) {
          told = round.round;
          this.story.line(
            `  drawn: ${String(round.validators.length)} validators, segments ${[...round.segments].sort((a, b) => a - b).join(', ')}`,
          );
        }
        return offer;
      },
      (offer) => offer !== null && ['Paid', 'Slashed', 'Refunded'].includes(offer.state),
      8 * minute,
    );
    if (settled === null) throw new CommandError(exitCodes.notFound, `Offer ${String(id)} is gone.`);
    for (const [index, vote] of (settled.rounds.at(-1)?.votes ?? []).entries())
      this.story.line(`  validator ${String(index + 1)} (${vote.validator}) votes ${voteNames[vote.vote ?? 0] ?? ''}`);
    return settled;
  }

  // ---------------------------------------------------------------- helpers

  private printBalances(before: Balances, after: Balances, gasWei: bigint): void {
    this.story.heading('Balances in ETH');
    const row = (name: string, a: string, b: string, change: string): void => {
      this.story.line(`  ${name.padEnd(21)} ${a.padStart(26)} ${b.padStart(26)} ${change.padStart(24)}`);
    };
    row('', 'before', 'after', 'change');
    let sumBefore = 0n;
    let sumAfter = 0n;
    for (const { name, address } of this.accounts) {
      const a = before.get(address) ?? 0n;
      const b = after.get(address) ?? 0n;
      sumBefore += a;
      sumAfter += b;
      row(name, ether(a), ether(b), ether(b - a));
    }
    row('gas', '', ether(gasWei), ether(gasWei));
    row('sum', ether(sumBefore), ether(sumAfter + gasWei), ether(sumAfter + gasWei - sumBefore));
    this.story.line("  Windows are seconds here; the chain's clock was never advanced.");
    if (sumBefore !== sumAfter + gasWei)
      throw new CommandError(exitCodes.failure, 'The sums do not agree: money was lost or made.');
  }

  private async report(offer: OfferAnswer): Promise<OfferReport> {
    const job = await this.job(offer.id);
    const { offerTransactions } = await this.api.query<{ offerTransactions: { name: string; hash: string }[] }>(
      'query ($id: Int!) { offerTransactions(offerId: $id) { name hash } }',
      { id: offer.id },
    );
    const transactions: OfferReport['transactions'] = [];
    for (const { name, hash } of offerTransactions) {
      const receipt = await this.stack.provider.getTransactionReceipt(hash);
      transactions.push({ name, hash, gasUsed: String(receipt?.gasUsed ?? 0n) });
    }
    return {
      id: offer.id,
      mode: 'SAMPLED',
      runtime: 'tfjs/1',
      outcome: offer.state.toLowerCase() as OfferReport['outcome'],
      pool: this.poolOf(offer.trainer ?? ''),
      priceWei: offer.priceWei ?? '0',
      rewardWei: offer.rewardWei,
      testAccuracy: job.testAccuracy ?? 0,
      steps: job.steps,
      logReference: offer.logReference ?? '',
      modelReference: offer.modelReference ?? '',
      transactions,
    };
  }

  private async offer(id: number): Promise<OfferAnswer | null> {
    return (
      await this.api.query<{ offer: OfferAnswer | null }>(`query ($id: Int!) { offer(id: $id) { ${offerFields} } }`, {
        id,
      })
    ).offer;
  }

  private async job(id: number): Promise<JobAnswer> {
    const { job } = await this.api.query<{ job: JobAnswer | null }>(
      `query ($id: Int!) { job(offerId: $id) { ${jobFields} } }`,
      { id },
    );
    if (job === null) throw new CommandError(exitCodes.notFound, `There is no job for offer ${String(id)}.`);
    return job;
  }

  private wallet(role: number | undefined): Wallet {
    return new Wallet(this.stack.anvil.accounts[role ?? 0]?.privateKey ?? '', this.stack.provider);
  }

  private poolOf(trainer: string): string {
    return (
      this.accounts.find(({ address }) => address.toLowerCase() === trainer.toLowerCase())?.name.replace('pool ', '') ??
      trainer
    );
  }

  private async signedIn(wallet: Wallet): Promise<ApiClient> {
    const api = new ApiClient(this.stack.api.graphqlUrl);
    await api.signIn(wallet, this.stack.deployment.chainId);
    return api;
  }

  private async deposit(wallet: Wallet): Promise<void> {
    const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'deposit', args: [] });
    await sendTransaction(wallet, { to: this.stack.deployment.registry, data, valueWei: String(stakeWei) });
  }

  private async joinValidators(wallet: Wallet): Promise<void> {
    const { data } = encodeCall({ abi: sampledQuorumAbi, functionName: 'join', args: [] });
    await sendTransaction(wallet, { to: this.stack.deployment.quorum, data, valueWei: String(oneEther) });
  }

  private async registerPool(pool: PoolPlan, wallet: Wallet): Promise<void> {
    const api = await this.signedIn(wallet);
    await api.mutate(
      'registerPool',
      'mutation ($input: RegisterPoolInput!) { registerPool(input: $input) { __typename ... on Pool { id } ... on ForbiddenError { message } ... on ValidationError { message } } }',
      {
        input: {
          name: pool.name,
          wallet: wallet.address,
          gpuCount: 1,
          gpuMemoryMiB: pool.gpuMemoryMiB,
          cpuMilli: 2_000,
          memoryMiB: 8_192,
          floorPriceWeiPerGpuHour: String(pool.floorPriceWeiPerGpuHour),
          marginBps: 500,
        },
      },
    );
    this.story.line(`  pool ${pool.name.padEnd(13)} ${pool.note}`);
  }

  private async timed<T>(name: string, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const result = await work();
    this.durationsMs[name] = Math.round(performance.now() - started);
    return result;
  }
}
