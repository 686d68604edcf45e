import { minValidationFeeBps } from '@cotrain/matching';
import {
  type BackendName,
  backendNames,
  canonicalJson,
  DATASET_MANIFEST_MAX_BYTES,
  type DatasetManifest,
  decodeDatasetManifest,
  decodeProgram,
  parseReference,
  type Runtime,
  runtimes,
} from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { type Command, Option } from 'commander';
import { checkLabels } from '../client/check-labels.ts';
import { chooseRuntime } from '../client/choose-runtime.ts';
import { Connection, type ConnectionFlags, withConnection, withMarket } from '../client/connection.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { openOffer } from '../client/open-offer.ts';
import {
  address,
  backend,
  decimalAmount,
  etherAmount,
  type PayerShare,
  payerShare,
  positiveInteger,
  seed,
  wholeNumber,
} from '../client/parse-value.ts';
import { readPayableToken } from '../client/payable-token.ts';
import { publishJob, resourcesOf } from '../client/publish-job.ts';
import { readJson } from '../client/read-json.ts';
import { etherToken, isEther, type PayableToken, tokenAmount, toUnits } from '../client/token.ts';
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
  runtime?: Runtime;
  backend?: BackendName[];
  gpuMemoryMib: number;
  gpuSeconds: number;
  token?: string;
  tokenDecimals?: number;
  reward: string;
  validationFee?: string;
  stake?: bigint;
  payer?: PayerShare[];
  fundingWindow: number;
  bidWindow: number;
  startWindow: number;
  trainingWindow: number;
  challengeWindow: number;
}

/** Of the reward, but no less than `leastFeeWei`: pools refuse offers whose validators have no reason to vote. */
const defaultFeePercent = 1n;
const leastFeeWei = 10n ** 16n;

const createExample = `
The offer is open when the command ends; training is bid for once every payer has paid his share with
\`cotrain offer fund\`. Windows are seconds.

With --token, reward and validation fee are in whole tokens of an ERC-20 contract, whose decimals are read from the
chain; the trainer's stake stays in ETH. Any contract can call itself anything: check the address, not the symbol.

Examples:
  $ cotrain offer create --name digits --program libs/training/examples/mnist-mlp.program.json \\
      --dataset 0x... --test-split test --steps 2400 --reward 1.5 --payer 0x...=5 --payer 0x...=3 --payer 0x...=2 \\
      --key-file .cotrain/keys/payer-1
  $ cotrain offer create --name digits --program digits.program.json --dataset 0x... --steps 2400 \\
      --token 0x... --reward 250 --validation-fee 5 --stake 0.5 --key-file key
`;

/** offer create. */
export function addOfferCreate(offer: Command): void {
  const create = withConnection(
    offer.command('create').description('publish a job on Swarm and open an offer for it'),
    ['api', 'rpc', 'swarm'],
  );
  withMarket(create)
    .requiredOption('--name <name>', 'name of the job')
    .requiredOption('--program <file>', 'program as JSON: model topology, optimizer, loss, metrics')
    .requiredOption('--dataset <reference>', 'manifest of the dataset')
    .option('--train-split <name>', 'split to train on', 'train')
    .option('--test-split <name>', 'split to evaluate on')
    .requiredOption('--steps <count>', 'batches to train', positiveInteger)
    .option('--batch-size <rows>', 'rows in a batch', positiveInteger, 64)
    .option('--commit-every <steps>', 'steps in a segment, at most 128', positiveInteger, 100)
    .addOption(new Option('--seed <number>', 'seed of everything random').argParser(seed).default(1n, '1'))
    .addOption(
      new Option(
        '--runtime <runtime>',
        'exact/1 gives the same bits on every machine, tfjs/1 is float32 within a tolerance; exact/1 if it has every kernel of the program, unless given',
      ).choices(runtimes),
    )
    .option(
      '--backend <name>',
      `backend of tfjs/1 that may train; repeat for more; all of ${backendNames.join(', ')}; implies --runtime tfjs/1`,
      backend,
    )
    .option('--gpu-memory-mib <MiB>', 'GPU memory that is needed', positiveInteger, 1_024)
    .option('--gpu-seconds <seconds>', 'GPU time that the job takes, estimated', positiveInteger, 600)
    .option('--token <address>', 'ERC-20 token to pay in; ETH unless given', address)
    .option('--token-decimals <count>', 'decimals of a token that does not say them', wholeNumber)
    .requiredOption('--reward <amount>', 'most that training may cost, in ETH or the token', decimalAmount)
    .option(
      '--validation-fee <amount>',
      'for the validators, in the same; for a reward in ETH 1 % of it, at least 0.01, unless given',
      decimalAmount,
    )
    .option('--stake <ETH>', 'stake of the trainer; as much as the reward unless given for one in ETH', etherAmount)
    .option('--payer <address=units>', 'who pays and his share; repeat for more; you alone unless given', payerShare)
    .option('--funding-window <seconds>', 'to collect the shares', positiveInteger, 86_400)
    .option('--bid-window <seconds>', 'for bids', positiveInteger, 10)
    .option('--start-window <seconds>', 'for the winner to start', positiveInteger, 600)
    .option('--training-window <seconds>', 'for the training', positiveInteger, 3_600)
    .option('--challenge-window <seconds>', 'for challenges', positiveInteger, 60)
    .addHelpText('after', createExample)
    .action(createOffer);
}

async function createOffer(flags: CreateFlags): Promise<void> {
  const manifestReference = parseReference(flags.dataset, '--dataset');
  const program = decodeProgram(canonicalJson(readJson(flags.program, '--program'), 64));
  if (flags.commitEvery > 128)
    throw new CommandError(exitCodes.usage, `--commit-every is ${String(flags.commitEvery)}: give 1 to 128 steps.`);
  if (flags.trainingWindow < flags.gpuSeconds)
    throw new CommandError(
      exitCodes.usage,
      `--training-window is ${String(flags.trainingWindow)} s and --gpu-seconds ${String(flags.gpuSeconds)}: no pool bids for a job that it cannot finish in time (DEADLINE_UNREACHABLE). Give a longer window, or estimate the time again.`,
    );
  const connection = new Connection(flags);
  const account = await connection.signedIn();
  const money = await readMoney(connection, flags);
  const swarm = new SwarmClient({ url: await connection.url('swarm'), retries: 5 });
  const { fundingWindow, bidWindow, startWindow, trainingWindow, challengeWindow } = flags;
  const manifest = decodeDatasetManifest(
    await swarm.download(manifestReference, { maxBytes: DATASET_MANIFEST_MAX_BYTES }),
  );
  const split = splitOf(manifest, flags.trainSplit, '--train-split');
  if (flags.testSplit !== undefined) splitOf(manifest, flags.testSplit, '--test-split');
  const needs = { gpuMemoryMiB: flags.gpuMemoryMib, estimatedGpuSeconds: flags.gpuSeconds };
  const { plan, reason: runtimeReason } = await chooseRuntime({
    runtime: flags.runtime,
    backends: flags.backend,
    program,
    columns: manifest.columns,
    resources: resourcesOf(needs),
  });
  await checkLabels({
    swarm,
    program,
    columns: manifest.columns,
    split: { name: flags.trainSplit, ...split },
    spec: { ...plan, backends: plan.runtime === 'exact/1' ? ['exact'] : plan.backends, resources: resourcesOf(needs) },
  });
  warnOfFee(money);
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
    ...plan,
    ...needs,
    deadlineSeconds: trainingWindow,
  });
  const payers = flags.payer ?? [{ address: account.wallet.address, units: 1 }];
  const { offerId, hash } = await openOffer(account, swarm, {
    jobSpecReference,
    token: money.token.address,
    rewardWei: money.rewardWei,
    validationFeeWei: money.validationFeeWei,
    minStakeWei: money.stakeWei,
    fundingWindow,
    bidWindow,
    startWindow,
    trainingWindow,
    challengeWindow,
    payers,
  });
  const { token, rewardWei, validationFeeWei, stakeWei } = money;
  const { runtime } = plan;
  const result = {
    offerId,
    jobSpecReference,
    runtime,
    runtimeReason,
    token,
    rewardWei,
    validationFeeWei,
    stakeWei,
    transaction: hash,
  };
  printResult(flags, result, () => [
    `offer ${String(offerId)} is open`,
    `reward ${tokenAmount(token, rewardWei)}, ${tokenAmount(token, validationFeeWei)} for the validators; the trainer's stake is ${ether(stakeWei)} ETH`,
    ...(isEther(token) ? [] : [`token ${token.address}`]),
    `runtime ${runtime}${runtimeReason === null ? '' : ` (${runtimeReason})`}`,
    `JobSpec ${jobSpecReference}`,
    `transaction ${hash}`,
    `Next, each payer: cotrain offer fund ${String(offerId)} --key-file FILE`,
  ]);
}

/** @throws CommandError with exit code 2 when the dataset has no such split */
function splitOf({ splits }: DatasetManifest, name: string, flag: string): DatasetManifest['splits'][string] {
  const split = Object.hasOwn(splits, name) ? splits[name] : undefined;
  if (split !== undefined) return split;
  throw new CommandError(exitCodes.usage, `${flag} is ${name}; the dataset has ${Object.keys(splits).join(', ')}.`);
}

/** The offer may be meant for pools that decide in another way, so it is opened all the same. */
function warnOfFee({ token, rewardWei, validationFeeWei }: Money): void {
  const leastWei = (rewardWei * minValidationFeeBps + 9_999n) / 10_000n;
  if (validationFeeWei < leastWei)
    console.error(
      `Warning: the validation fee is ${tokenAmount(token, validationFeeWei)}. Pools do not bid below ${tokenAmount(token, leastWei)}, a thousandth of the reward (VALIDATION_FEE_TOO_LOW): \`cotrain offer cancel\` and open it again with a higher --validation-fee.`,
    );
}

interface Money {
  token: PayableToken;
  rewardWei: bigint;
  validationFeeWei: bigint;
  stakeWei: bigint;
}

/** What validators get for a reward in ETH unless the requester says otherwise. */
function defaultFeeWei(rewardWei: bigint): bigint {
  const feeWei = (rewardWei * defaultFeePercent) / 100n;
  return feeWei > leastFeeWei ? feeWei : leastFeeWei;
}

/** The amounts of an offer in smallest units, once it is known how the token counts. */
async function readMoney(connection: Connection, flags: CreateFlags): Promise<Money> {
  const isToken = flags.token !== undefined && !/^0x0{40}$/.test(flags.token);
  const missing = Object.entries({ '--stake': flags.stake, '--validation-fee': flags.validationFee })
    .filter(([, value]) => value === undefined)
    .map(([flag]) => flag);
  if (isToken && missing.length > 0)
    throw new CommandError(
      exitCodes.usage,
      `${missing.join(', ')} missing: what a token is worth is not known here, so with --token nothing follows from the reward.`,
    );
  const token = isToken ? await readPayableToken(connection, flags.token ?? '', flags.tokenDecimals) : etherToken;
  const rewardWei = toUnits(flags.reward, token.decimals, '--reward');
  const validationFeeWei =
    flags.validationFee === undefined
      ? defaultFeeWei(rewardWei)
      : toUnits(flags.validationFee, token.decimals, '--validation-fee');
  return { token, rewardWei, validationFeeWei, stakeWei: flags.stake ?? rewardWei };
}
