import { interfaceOf, type RawLog, sampledQuorumAbi, trainingMarketAbi } from '@cotrain/chain';
import type { Hex } from '@cotrain/protocol';
import { keccak256, type ParamType, toBeHex, ZeroAddress, ZeroHash, zeroPadValue } from 'ethers';

/** A log without its place on the chain. */
export type LogBody = Pick<RawLog, 'address' | 'topics' | 'data'>;

export const marketAddress: Hex = '0x5fbdb2315678afecb367f032d93f642f64180aa3';
export const quorumAddress: Hex = '0xe7f1725e7734ce288f8367e1bb143e90bb3f0512';
export const deployment = {
  chainId: 31_337,
  market: marketAddress,
  registry: '0x9fe46736679d2d9a65f0992f2272de9f3c7fa6e0' as Hex,
  quorum: quorumAddress,
  verifiers: { SAMPLED: quorumAddress },
  deployedAtBlock: 0,
};

const market = interfaceOf(trainingMarketAbi);
const quorum = interfaceOf(sampledQuorumAbi);

type Arguments = Record<string, unknown>;

/** Arguments by name; what is not given is zero, so that a new field of an event breaks no test. */
function encode(contract: typeof market, address: Hex, event: string, args: Arguments): LogBody {
  const fragment = contract.getEvent(event);
  if (fragment === null) throw new Error(`There is no event ${event}.`);
  for (const name of Object.keys(args))
    if (!fragment.inputs.some((input) => input.name === name)) throw new Error(`${event} has no argument ${name}.`);
  const values = fragment.inputs.map((input) => args[input.name] ?? zeroOf(input));
  const { topics, data } = contract.encodeEventLog(fragment, values);
  return { address, topics: topics as Hex[], data: data as Hex };
}

function zeroOf(type: ParamType): unknown {
  if (type.isArray()) return [];
  if (type.isTuple()) return type.components.map(zeroOf);
  if (type.type === 'address') return ZeroAddress;
  if (type.type.startsWith('bytes')) return ZeroHash;
  return type.type === 'bool' ? false : 0;
}

export const marketLog = (event: string, args: Arguments): LogBody => encode(market, marketAddress, event, args);
export const quorumLog = (event: string, args: Arguments): LogBody => encode(quorum, quorumAddress, event, args);

export const account = (index: number): Hex => zeroPadValue(toBeHex(index + 1), 20) as Hex;
export const word = (seed: number): Hex => keccak256(toBeHex(seed + 1, 32)) as Hex;

export interface OpenedOffer {
  payers?: readonly Hex[];
  units?: readonly (number | bigint)[];
  fundingWindow?: number;
}

/** OfferOpened as the market writes it. */
export function offerOpened(offerId: number | bigint, options: OpenedOffer = {}): LogBody {
  const seed = Number(BigInt(offerId) % 1_000_000n);
  const {
    payers = [0, 1, 2].map((index) => account(seed * 10 + index)),
    units = [5, 3, 2],
    fundingWindow = 3_600,
  } = options;
  return marketLog('OfferOpened', {
    offerId,
    requester: account(seed),
    jobHeaderHash: word(seed + 4),
    header: {
      jobSpecReference: word(seed),
      programReference: word(seed + 1),
      trainingViewReference: word(seed + 2),
      initialStateReference: word(seed + 3),
      rows: 60_000n,
      rowBytes: 788,
      seed: 7n,
      steps: 400,
      batchSize: 128,
      commitEvery: 100,
    },
    terms: {
      token: ZeroAddress,
      rewardWei: 10n ** 18n,
      validationFeeWei: 10n ** 16n,
      verifier: quorumAddress,
      minStakeWei: 10n ** 18n,
      fundingWindow,
      bidWindow: 600,
      startWindow: 600,
      trainingWindow: 86_400,
      challengeWindow: 3_600,
    },
    payers,
    units,
  });
}

/** All that happens to an offer that is paid, in order: what one trained and checked job leaves on the chain. */
export function paidOffer(offerId: number): LogBody[] {
  const payers = [0, 1, 2].map((index) => account(offerId * 10 + index));
  const trainers = [0, 1, 2, 3].map((index) => account(1_000_000 + ((offerId + index) % 40)));
  const validators = [0, 1, 2, 3, 4].map((index) => account(2_000_000 + ((offerId + index) % 60)));
  const trainer = trainers[3];
  const priceWei = 6n * 10n ** 17n;
  const at = (seconds: number): number => 1_700_000_000 + offerId + seconds;
  const round = 0;
  return [
    offerOpened(offerId),
    ...payers.map((payer, index) => marketLog('ShareFunded', { offerId, payer, amountWei: BigInt(5 - index) })),
    marketLog('BiddingStarted', { offerId, biddingEndsAt: at(600) }),
    ...trainers.map((bidder, index) =>
      marketLog('BidPlaced', { offerId, trainer: bidder, priceWei: priceWei + BigInt(3 - index), bondWei: 10n }),
    ),
    marketLog('BidDisplaced', { offerId, trainer: trainers[0] }),
    marketLog('OfferAwarded', { offerId, trainer, priceWei, lockedStakeWei: 10n ** 18n, startDeadline: at(1_200) }),
    marketLog('TrainingStarted', { offerId, trainer, commitDeadline: at(90_000) }),
    marketLog('JobCommitted', {
      offerId,
      trainer,
      logReference: word(offerId + 10),
      modelReference: word(offerId + 11),
      commitment: word(offerId + 12),
    }),
    quorumLog('VerificationOpened', { offerId, round, drawBlock: 1_000 + offerId, segments: 8 }),
    quorumLog('QuorumDrawn', {
      offerId,
      round,
      validators,
      segments: [0, 1, 3],
      commitDeadline: at(100_000),
      revealDeadline: at(110_000),
    }),
    ...validators.map((validator) => quorumLog('VoteCommitted', { offerId, round, validator })),
    ...validators.map((validator) =>
      quorumLog('VoteRevealed', { offerId, round, validator, vote: 1, evidence: word(offerId + 13) }),
    ),
    quorumLog('RoundTallied', { offerId, round, verdict: 1, challengeEndsAt: at(120_000) }),
    marketLog('OfferSettled', { offerId, outcome: 6, paidWei: priceWei, refundableWei: 4n * 10n ** 17n }),
    ...payers.map((payer, index) => marketLog('RefundClaimed', { offerId, payer, amountWei: BigInt(5 - index) })),
  ];
}
