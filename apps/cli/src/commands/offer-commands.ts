import { type BackendName, backendNames, canonicalJson, decodeProgram, parseReference } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { Connection, type ConnectionFlags, withConnection, withKey } from '../client/connection.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { fetchOffer, type OfferAnswer, offerStates, voteName } from '../client/offer-queries.ts';
import { openOffer } from '../client/open-offer.ts';
import { etherAmount, type PayerShare, payerShare, positiveInteger, seed } from '../client/parse-value.ts';
import { publishJob } from '../client/publish-job.ts';
import { readJson } from '../client/read-json.ts';
import { sendTransaction } from '../client/send-transaction.ts';
import { ether } from '../terminal/amount.ts';
import { printResult } from '../terminal/result.ts';

interface CreateFlags extends ConnectionFlags {
  name: string;
  program: string;
  dataset: string;
  trainSplit: string;
  testSplit?: string;
  steps: number;
  batchSize: number;
  commitEvery: number;
  seed: bigint;
  backend?: BackendName[];
  gpuMemoryMib: number;
  gpuSeconds: number;
  reward: bigint;
  validationFee: bigint;
  stake?: bigint;
  payer?: PayerShare[];
  fundingWindow: number;
  bidWindow: number;
  startWindow: number;
  trainingWindow: number;
  challengeWindow: number;
}

const createExample = `
The offer is open when the command ends; training is bid for once every payer has paid his share with
\`cotrain offer fund\`. Windows are seconds.

Example:
  $ cotrain offer create --name digits --program apps/trainer/examples/mnist-mlp.program.json \\
      --dataset 0x... --test-split test --steps 2400 --reward 1.5 --payer 0x...=5 --payer 0x...=3 --payer 0x...=2 \\
      --key-file .cotrain/keys/payer-1
`;

/** offer create, fund, cancel, claim, show, list. */
export function addOfferCommands(program: Command): void {
  const offer = program.command('offer').description('offers to train a model');
  addCreate(offer);
  addAct(offer.command('fund'), {
    mutation: 'prepareFund',
    description: 'pay your share of an offer',
    done: 'Paid',
  });
  addAct(offer.command('cancel'), {
    mutation: 'prepareCancel',
    description: 'cancel your offer that nobody has paid for yet',
    done: 'Cancelled',
  });
  addAct(offer.command('claim').alias('refund'), {
    mutation: 'prepareClaimRefund',
    description: 'claim your part of what a settled offer did not spend; `cotrain withdraw` pays it out',
    done: 'Claimed',
  });
  withConnection(
    offer.command('show').description('show an offer').argument('<offer>', 'id of the offer', positiveInteger),
    ['api'],
  )
    .addHelpText('after', '\nExamples:\n  $ cotrain offer show 1\n  $ cotrain offer show 1 --json | jq .state\n')
    .action(async (id: number, flags: ConnectionFlags) => {
      const found = await fetchOffer(await new Connection(flags).api(), id);
      printResult(flags, found, () => describe(found));
    });
  addList(offer);
}

function addCreate(offer: Command): void {
  const create = withConnection(
    offer.command('create').description('publish a job on Swarm and open an offer for it'),
    ['api', 'rpc', 'swarm'],
  );
  withKey(create)
    .requiredOption('--name <name>', 'name of the job')
    .requiredOption('--program <file>', 'program as JSON: model topology, optimizer, loss, metrics')
    .requiredOption('--dataset <reference>', 'manifest of the dataset')
    .option('--train-split <name>', 'split to train on', 'train')
    .option('--test-split <name>', 'split to evaluate on')
    .requiredOption('--steps <count>', 'batches to train', positiveInteger)
    .option('--batch-size <rows>', 'rows in a batch', positiveInteger, 64)
    .option('--commit-every <steps>', 'steps in a segment, at most 128', positiveInteger, 100)
    .addOption(new Option('--seed <number>', 'seed of everything random').argParser(seed).default(1n, '1'))
    .option('--backend <name>', `backend that may train; repeat for more; all of ${backendNames.join(', ')}`, backend)
    .option('--gpu-memory-mib <MiB>', 'GPU memory that is needed', positiveInteger, 1_024)
    .option('--gpu-seconds <seconds>', 'GPU time that the job takes, estimated', positiveInteger, 600)
    .requiredOption('--reward <ETH>', 'most that training may cost', etherAmount)
    .addOption(
      new Option('--validation-fee <ETH>', 'for the validators')
        .argParser(etherAmount)
        .default(etherAmount('0.01'), '0.01'),
    )
    .option('--stake <ETH>', 'stake of the trainer; as much as the reward unless given', etherAmount)
    .option('--payer <address=units>', 'who pays and his share; repeat for more; you alone unless given', payerShare)
    .option('--funding-window <seconds>', 'to collect the shares', positiveInteger, 86_400)
    .option('--bid-window <seconds>', 'for bids', positiveInteger, 10)
    .option('--start-window <seconds>', 'for the winner to start', positiveInteger, 600)
    .option('--training-window <seconds>', 'for the training', positiveInteger, 3_600)
    .option('--challenge-window <seconds>', 'for challenges', positiveInteger, 60)
    .addHelpText('after', createExample)
    .action(createOffer);
}

function backend(text: string, all: BackendName[] = []): BackendName[] {
  const name = backendNames.find((known) => known === text);
  if (name === undefined) throw new InvalidArgumentError(`Give one of ${backendNames.join(', ')}.`);
  return [...new Set([...all, name])];
}

function addAct(command: Command, act: { mutation: string; description: string; done: string }): void {
  withKey(
    withConnection(command.description(act.description).argument('<offer>', 'id of the offer', positiveInteger), [
      'api',
      'rpc',
    ]),
  )
    .addHelpText('after', `\nExample:\n  $ cotrain offer ${command.name()} 1 --key-file .cotrain/keys/payer-1\n`)
    .action(async (id: number, flags: ConnectionFlags) => {
      const { api, wallet } = await new Connection(flags).signedIn();
      const transaction = await api.prepare(act.mutation, 'offerId: $offerId', '$offerId: Int!', { offerId: id });
      const { hash, gasUsed } = await sendTransaction(wallet, transaction);
      const { summary, valueWei } = transaction;
      printResult(flags, { offerId: id, summary, valueWei, transaction: hash, gasUsed }, () => [
        `${act.done}: ${summary}`,
        `transaction ${hash}`,
      ]);
    });
}

function addList(offer: Command): void {
  withConnection(offer.command('list').description('list offers, newest first'), ['api'])
    .addOption(new Option('--state <state>', 'only offers in this state').choices(offerStates))
    .option('--payer <address>', 'only offers that this address pays for')
    .option('--limit <count>', 'at most so many', positiveInteger, 20)
    .addHelpText('after', '\nExamples:\n  $ cotrain offer list --state Bidding\n  $ cotrain offer list --json\n')
    .action(async (flags: ConnectionFlags & { state?: string; payer?: string; limit: number }) => {
      const api = await new Connection(flags).api();
      const nodes: OfferSummary[] = [];
      for (let after: string | null = null; nodes.length < flags.limit;) {
        const { offers }: { offers: OfferPage } = await api.query(
          'query ($first: Int!, $after: String, $filter: OfferFilter) { offers(first: $first, after: $after, filter: $filter) { nodes { id state rewardWei trainer priceWei } pageInfo { hasNextPage endCursor } } }',
          {
            first: Math.min(100, flags.limit - nodes.length),
            after,
            filter: { states: flags.state === undefined ? null : [flags.state], payer: flags.payer ?? null },
          },
        );
        nodes.push(...offers.nodes);
        after = offers.pageInfo.endCursor;
        if (!offers.pageInfo.hasNextPage) break;
      }
      printResult(flags, nodes, () =>
        nodes.length === 0
          ? ['There is no such offer.']
          : nodes.map(
              ({ id, state, rewardWei, priceWei, trainer }) =>
                `${String(id).padStart(5)}  ${state.padEnd(10)} reward ${ether(BigInt(rewardWei))} ETH${priceWei === null ? '' : `, ${trainer ?? ''} for ${ether(BigInt(priceWei))} ETH`}`,
            ),
      );
    });
}

type OfferSummary = Pick<OfferAnswer, 'id' | 'state' | 'rewardWei' | 'trainer' | 'priceWei'>;
interface OfferPage {
  nodes: OfferSummary[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

function describe(offer: OfferAnswer): string[] {
  const eth = (wei: string | null): string => `${ether(BigInt(wei ?? 0))} ETH`;
  return [
    `offer ${String(offer.id)}: ${offer.state}${offer.matchable === false ? `, cannot be matched: ${offer.unmatchableReason ?? ''}` : ''}`,
    `reward ${eth(offer.rewardWei)}`,
    ...offer.payers.map(
      ({ payer, units, paidWei, refundedWei }) =>
        `  payer ${payer}, ${String(units)} units: ${paidWei === null ? 'not paid yet' : `paid ${eth(paidWei)}`}${refundedWei === null ? '' : `, claimed ${eth(refundedWei)}`}`,
    ),
    ...offer.bids.map(({ trainer, priceWei }) => `  bid ${trainer}: ${eth(priceWei)}`),
    ...(offer.trainer === null ? [] : [`awarded to ${offer.trainer} for ${eth(offer.priceWei)}`]),
    ...(offer.logReference === null ? [] : [`log   ${offer.logReference}`, `model ${offer.modelReference ?? ''}`]),
    ...offer.rounds.flatMap((round) => [
      `round ${String(round.round)}: segments ${round.segments.join(', ')}`,
      ...round.votes.map(
        ({ validator, vote, committed }) =>
          `  ${validator}: ${vote === null ? (committed ? 'committed' : 'nothing yet') : voteName(vote)}`,
      ),
    ]),
    ...(offer.paidWei === null
      ? []
      : [`paid ${eth(offer.paidWei)}, refundable ${eth(offer.refundableWei)}, slashed ${eth(offer.slashedWei)}`]),
  ];
}

async function createOffer(flags: CreateFlags): Promise<void> {
  const manifestReference = parseReference(flags.dataset, '--dataset');
  const program = decodeProgram(canonicalJson(readJson(flags.program, '--program'), 64));
  if (flags.commitEvery > 128)
    throw new CommandError(exitCodes.usage, `--commit-every is ${String(flags.commitEvery)}: give 1 to 128 steps.`);
  const connection = new Connection(flags);
  const { api, wallet } = await connection.signedIn();
  const swarm = new SwarmClient({ url: await connection.url('swarm'), retries: 5 });
  const { fundingWindow, bidWindow, startWindow, trainingWindow, challengeWindow } = flags;
  const jobSpecReference = await publishJob(swarm, program, {
    name: flags.name,
    dataset: {
      manifestReference,
      trainSplit: flags.trainSplit,
      ...(flags.testSplit === undefined ? {} : { testSplit: flags.testSplit }),
    },
    seed: flags.seed,
    steps: flags.steps,
    batchSize: flags.batchSize,
    commitEvery: flags.commitEvery,
    backends: flags.backend ?? [...backendNames],
    gpuMemoryMiB: flags.gpuMemoryMib,
    estimatedGpuSeconds: flags.gpuSeconds,
    deadlineSeconds: trainingWindow,
  });
  const payers = flags.payer ?? [{ address: wallet.address, units: 1 }];
  const { offerId, hash } = await openOffer(api, wallet, {
    jobSpecReference,
    rewardWei: flags.reward,
    validationFeeWei: flags.validationFee,
    minStakeWei: flags.stake ?? flags.reward,
    fundingWindow,
    bidWindow,
    startWindow,
    trainingWindow,
    challengeWindow,
    payers,
  });
  printResult(flags, { offerId, jobSpecReference, transaction: hash }, () => [
    `offer ${String(offerId)} is open`,
    `JobSpec ${jobSpecReference}`,
    `transaction ${hash}`,
    `Next, each payer: cotrain offer fund ${String(offerId)} --key-file FILE`,
  ]);
}
