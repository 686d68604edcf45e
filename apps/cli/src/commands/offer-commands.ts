import { readFileSync } from 'node:fs';
import {
  canonicalJson,
  decodeProgram,
  encodeJobSpec,
  encodeProgram,
  type JobSpec,
  parseReference,
} from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { buildInitialState } from '@cotrain/trainer';
import { type Command, InvalidArgumentError } from 'commander';
import { formatEther, isAddress } from 'ethers';
import { decodeEvent, trainingMarketAbi } from '@cotrain/chain';
import type { ApiClient } from '../client/api-client.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { sendTransaction } from '../client/send-transaction.ts';
import { type OfferAnswer, offerFields, voteNames } from '../demo/offer-queries.ts';
import {
  connect,
  connectSigned,
  type ConnectionFlags,
  etherAmount,
  positiveInteger,
  printResult,
  withConnection,
} from './options.ts';

interface CreateFlags extends ConnectionFlags {
  name: string;
  program: string;
  dataset: string;
  trainSplit: string;
  testSplit?: string;
  steps: number;
  batchSize: number;
  commitEvery: number;
  seed: string;
  gpuMemoryMib: number;
  gpuSeconds: number;
  reward: bigint;
  validationFee: bigint;
  stake?: bigint;
  payer?: { address: string; units: number }[];
  fundingWindow: number;
  bidWindow: number;
  startWindow: number;
  trainingWindow: number;
  challengeWindow: number;
}

function payerShare(
  text: string,
  all: { address: string; units: number }[] = [],
): { address: string; units: number }[] {
  const [address = '', units = '1'] = text.split('=');
  if (!isAddress(address)) throw new InvalidArgumentError('write ADDRESS or ADDRESS=UNITS.');
  return [...all, { address, units: positiveInteger(units) }];
}

/** offer create, fund, show, list, refund. */
export function addOfferCommands(program: Command): void {
  const offer = program.command('offer').description('offers to train a model');
  withConnection(offer.command('create').description('publish a job on Swarm and open an offer for it'))
    .requiredOption('--name <name>', 'name of the job')
    .requiredOption('--program <file>', 'program as JSON: model topology, optimizer, loss, metrics')
    .requiredOption('--dataset <reference>', 'manifest of the dataset')
    .option('--train-split <name>', 'split to train on', 'train')
    .option('--test-split <name>', 'split to evaluate on')
    .requiredOption('--steps <count>', 'batches to train', positiveInteger)
    .option('--batch-size <rows>', 'rows in a batch', positiveInteger, 64)
    .option('--commit-every <steps>', 'steps in a segment, at most 128', positiveInteger, 100)
    .option('--seed <number>', 'seed of everything random', '1')
    .option('--gpu-memory-mib <MiB>', 'GPU memory that is needed', positiveInteger, 1_024)
    .option('--gpu-seconds <seconds>', 'GPU time that the job takes, estimated', positiveInteger, 600)
    .requiredOption('--reward <ETH>', 'most that training may cost', etherAmount)
    .option('--validation-fee <ETH>', 'for the validators', etherAmount, etherAmount('0.01'))
    .option('--stake <ETH>', 'stake of the trainer; the reward unless given', etherAmount)
    .option('--payer <address=units>', 'who pays and his share; repeat for more; you alone unless given', payerShare)
    .option('--funding-window <seconds>', 'to collect the shares', positiveInteger, 86_400)
    .option('--bid-window <seconds>', 'for bids', positiveInteger, 10)
    .option('--start-window <seconds>', 'for the winner to start', positiveInteger, 600)
    .option('--training-window <seconds>', 'for the training', positiveInteger, 3_600)
    .option('--challenge-window <seconds>', 'for challenges', positiveInteger, 60)
    .addHelpText(
      'after',
      '\nExample:\n  $ cotrain offer create --name digits --program apps/trainer/examples/mnist-mlp.program.json --dataset 0x... \\\n      --test-split test --steps 3000 --reward 1.5 --payer 0x...=5 --payer 0x...=3 --key-file .cotrain/keys/payer-1\n',
    )
    .action(create);
  const act = (name: string, mutation: string, description: string, done: string): void => {
    withConnection(
      offer.command(name).description(description).argument('<offer>', 'id of the offer', positiveInteger),
    ).action(async (id: number, flags: ConnectionFlags) => {
      const { api, wallet } = await connectSigned(flags);
      const transaction = await api.prepare(mutation, 'offerId: $offerId', '$offerId: Int!', { offerId: id });
      const sent = await sendTransaction(wallet, transaction);
      printResult(flags, { ...transaction, ...sent }, () => [
        `${done}: ${transaction.summary}`,
        `transaction ${sent.hash}`,
      ]);
    });
  };
  act('fund', 'prepareFund', 'pay your share of an offer', 'Paid');
  act('cancel', 'prepareCancel', 'cancel an offer that nobody has paid for', 'Cancelled');
  act('refund', 'prepareClaimRefund', 'claim your part of what a settled offer did not spend', 'Claimed');
  withConnection(
    offer.command('show').description('show an offer').argument('<offer>', 'id of the offer', positiveInteger),
  ).action(async (id: number, flags: ConnectionFlags) => {
    const found = await fetchOffer((await connect(flags)).api, id);
    printResult(flags, found, () => describe(found));
  });
  withConnection(offer.command('list').description('list offers, newest first'))
    .option('--state <state>', 'only offers in this state, such as Bidding')
    .option('--limit <count>', 'at most so many', positiveInteger, 20)
    .action(async (flags: ConnectionFlags & { state?: string; limit: number }) => {
      const { api } = await connect(flags);
      const { offers } = await api.query<{ offers: { nodes: OfferAnswer[] } }>(
        'query ($first: Int!, $state: [OfferState!]) { offers(first: $first, state: $state) { nodes { id state rewardWei trainer priceWei } } }',
        { first: Math.min(100, flags.limit), state: flags.state === undefined ? null : [flags.state] },
      );
      printResult(flags, offers.nodes, () =>
        offers.nodes.map(
          ({ id, state, rewardWei, priceWei, trainer }) =>
            `${String(id).padStart(5)}  ${state.padEnd(10)} reward ${formatEther(rewardWei)} ETH${priceWei === null ? '' : `, ${trainer ?? ''} for ${formatEther(priceWei)} ETH`}`,
        ),
      );
    });
}

/** @throws CommandError with exit code 3 when there is none */
export async function fetchOffer(api: ApiClient, id: number): Promise<OfferAnswer> {
  const { offer } = await api.query<{ offer: OfferAnswer | null }>(
    `query ($id: Int!) { offer(id: $id) { ${offerFields} } }`,
    { id },
  );
  if (offer === null) throw new CommandError(exitCodes.notFound, `There is no offer ${String(id)}.`);
  return offer;
}

function describe(offer: OfferAnswer): string[] {
  return [
    `offer ${String(offer.id)}: ${offer.state}${offer.matchable === false ? `, cannot be matched: ${offer.unmatchableReason ?? ''}` : ''}`,
    `reward ${formatEther(offer.rewardWei)} ETH`,
    ...offer.payers.map(
      ({ payer, units, paidWei }) =>
        `  payer ${payer}, ${String(units)} units: ${paidWei === null ? 'not paid yet' : `paid ${formatEther(paidWei)} ETH`}`,
    ),
    ...offer.bids.map(({ trainer, priceWei }) => `  bid ${trainer}: ${formatEther(priceWei)} ETH`),
    ...(offer.logReference === null ? [] : [`log   ${offer.logReference}`, `model ${offer.modelReference ?? ''}`]),
    ...offer.rounds.flatMap((round) => [
      `round ${String(round.round)}: segments ${round.segments.join(', ')}`,
      ...round.votes.map(
        ({ validator, vote, committed }) =>
          `  ${validator}: ${vote === null ? (committed ? 'committed' : 'nothing yet') : (voteNames[vote] ?? '')}`,
      ),
    ]),
    ...(offer.paidWei === null
      ? []
      : [
          `paid ${formatEther(offer.paidWei)} ETH, refundable ${formatEther(offer.refundableWei ?? '0')} ETH, slashed ${formatEther(offer.slashedWei ?? '0')} ETH`,
        ]),
  ];
}

async function create(flags: CreateFlags): Promise<void> {
  const { api, wallet, swarmUrl } = await connectSigned(flags);
  const swarm = new SwarmClient({ url: swarmUrl });
  const program = decodeProgram(canonicalJson(JSON.parse(readFileSync(flags.program, 'utf8')), 64));
  const spec: JobSpec = {
    version: 'cotrain.job/1',
    name: flags.name,
    runtime: 'tfjs/1',
    dataset: {
      manifestReference: parseReference(flags.dataset, '--dataset'),
      trainSplit: flags.trainSplit,
      ...(flags.testSplit === undefined ? {} : { testSplit: flags.testSplit }),
    },
    programReference: await swarm.upload(encodeProgram(program)),
    initialStateReference: await swarm.upload(await buildInitialState(program, BigInt(flags.seed))),
    seed: flags.seed,
    steps: flags.steps,
    batchSize: flags.batchSize,
    commitEvery: flags.commitEvery,
    checkpointEvery: flags.commitEvery,
    backends: ['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu'],
    resources: {
      gpuMemoryMiB: flags.gpuMemoryMib,
      gpuCount: 1,
      cpuMilli: 1_000,
      memoryMiB: 1_024,
      estimatedGpuSeconds: flags.gpuSeconds,
    },
    deadlineSeconds: flags.trainingWindow,
    tolerance: { absolute: 0.001, relative: 0.01, drift: 0.01 },
  };
  const jobSpecReference = await swarm.upload(encodeJobSpec(spec));
  const payers = flags.payer ?? [{ address: wallet.address, units: 1 }];
  const { fundingWindow, bidWindow, startWindow, trainingWindow, challengeWindow } = flags;
  const transaction = await api.prepare('prepareOpenOffer', 'input: $input', '$input: OpenOfferInput!', {
    input: {
      jobSpecReference,
      rewardWei: String(flags.reward),
      validationFeeWei: String(flags.validationFee),
      minStakeWei: String(flags.stake ?? flags.reward),
      fundingWindow,
      bidWindow,
      startWindow,
      trainingWindow,
      challengeWindow,
      payers: payers.map(({ address }) => address),
      units: payers.map(({ units }) => units),
    },
  });
  const { hash } = await sendTransaction(wallet, transaction);
  const receipt = await wallet.provider?.getTransactionReceipt(hash);
  const opened = receipt?.logs
    .map((log) => decodeEvent(trainingMarketAbi, log))
    .find((event) => event?.eventName === 'OfferOpened');
  const id = opened?.eventName === 'OfferOpened' ? Number(opened.args.offerId) : null;
  printResult(flags, { offerId: id, jobSpecReference, transaction: hash }, () => [
    `offer ${String(id)} is open`,
    `JobSpec ${jobSpecReference}`,
    `transaction ${hash}`,
    `Next, each payer: cotrain offer fund ${String(id)} --key-file FILE`,
  ]);
}
