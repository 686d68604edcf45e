import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { commitmentHash, hashJobHeader, type Hex, type JobHeader, parseReference } from '@cotrain/protocol';
import { Wallet } from 'ethers';
import { asChainError, decodeEvent, encodeCall, readContract } from '../src/contract-call.ts';
import { deployContracts, type Deployment } from '../src/deployment.ts';
import { CallRevertedError } from '../src/errors.ts';
import { trainerRegistryAbi, trainingMarketAbi } from '../src/generated/abi.ts';
import { ChainFixture } from './chain-fixture.ts';

const word = (digit: number): Hex => `0x${String(digit).repeat(64)}`;
const rewardWei = 1_000n;
const bondWei = rewardWei / 100n;
const bidWindow = 60;

/** Each seed is another job. */
const job = (seed: bigint): JobHeader => ({
  jobSpecReference: parseReference(word(1), 'spec'),
  programReference: parseReference(word(2), 'program'),
  trainingViewReference: parseReference(word(3), 'view'),
  initialStateReference: parseReference(word(4), 'state'),
  rows: 8n,
  rowBytes: 5,
  seed,
  steps: 4,
  batchSize: 2,
  commitEvery: 2,
});

describe('what a transaction about an offer is bound to', () => {
  let chain: ChainFixture;
  let deployment: Deployment;
  let payer: Wallet;
  let trainer: Wallet;

  beforeAll(async () => {
    chain = await ChainFixture.start();
    const wallet = (): Wallet => new Wallet(chain.account().privateKey, chain.provider);
    deployment = await deployContracts(wallet(), { quorumSize: 3 });
    payer = wallet();
    trainer = wallet();
    const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'deposit', args: [] });
    await (await trainer.sendTransaction({ to: deployment.registry, data, value: 10n * rewardWei })).wait();
  }, 60_000);
  afterAll(() => chain.stop());

  const send = async (from: Wallet, data: Hex, value = 0n) => {
    const sent = await from.sendTransaction({ to: deployment.market, data, value });
    const receipt = await sent.wait();
    if (receipt === null) throw new Error('no receipt');
    return receipt;
  };

  /** Opens an offer that the payer pays alone, and returns its id. */
  const open = async (header: JobHeader): Promise<bigint> => {
    const terms = {
      token: `0x${'0'.repeat(40)}` as Hex,
      rewardWei,
      validationFeeWei: 0n,
      verifier: deployment.quorum,
      minStakeWei: rewardWei,
      fundingWindow: 600,
      bidWindow,
      startWindow: 600,
      trainingWindow: 600,
      challengeWindow: 600,
    };
    const { data } = encodeCall({
      abi: trainingMarketAbi,
      functionName: 'open',
      args: [header, terms, [payer.address as Hex], [1]],
    });
    await send(payer, data);
    return await readContract(chain.provider, {
      abi: trainingMarketAbi,
      address: deployment.market,
      functionName: 'offerCount',
      args: [],
    });
  };

  const fundCall = (offerId: bigint, header: JobHeader): Hex =>
    encodeCall({ abi: trainingMarketAbi, functionName: 'fund', args: [offerId, hashJobHeader(header)] }).data;
  const bidCall = (offerId: bigint, header: JobHeader): Hex =>
    encodeCall({ abi: trainingMarketAbi, functionName: 'bid', args: [offerId, hashJobHeader(header), 7n] }).data;

  const refusal = async (from: Wallet, data: Hex, value: bigint): Promise<CallRevertedError> => {
    const error: unknown = await chain.provider.call({ from: from.address, to: deployment.market, data, value }).then(
      () => new Error('the market accepts it'),
      (error: unknown) => asChainError(error, 'call', trainingMarketAbi),
    );
    if (error instanceof CallRevertedError) return error;
    throw error;
  };

  it('keeps a payment and a bid from another job that a reorganisation puts under the same id', async () => {
    const [mine, other] = [job(1n), job(2n)];
    const before = await chain.rpc('evm_snapshot');
    const id = await open(mine);
    expect(
      await readContract(chain.provider, {
        abi: trainingMarketAbi,
        address: deployment.market,
        functionName: 'jobHeaderHash',
        args: [id],
      }),
    ).toBe(hashJobHeader(mine));
    const [payment, bid] = [fundCall(id, mine), bidCall(id, mine)];

    await chain.rpc('evm_revert', before);
    expect(await open(other)).toBe(id);
    const named = { errorName: 'HeaderMismatch' };
    expect(await refusal(payer, payment, rewardWei)).toMatchObject(named);
    await send(payer, fundCall(id, other), rewardWei);
    expect(await refusal(trainer, bid, bondWei)).toMatchObject(named);
    await send(trainer, bidCall(id, other), bondWei);
  }, 60_000);

  it('commits to the hash that this library computes, in which the job is named', async () => {
    const header = job(3n);
    const id = await open(header);
    await send(payer, fundCall(id, header), rewardWei);
    await send(trainer, bidCall(id, header), bondWei);
    await chain.rpc('evm_increaseTime', bidWindow + 1);
    await send(payer, encodeCall({ abi: trainingMarketAbi, functionName: 'award', args: [id] }).data);
    await send(trainer, encodeCall({ abi: trainingMarketAbi, functionName: 'start', args: [id] }).data);
    const [logReference, modelReference] = [parseReference(word(8), 'log'), parseReference(word(9), 'model')];
    const { logs } = await send(
      trainer,
      encodeCall({ abi: trainingMarketAbi, functionName: 'commit', args: [id, logReference, modelReference] }).data,
    );
    const commitments = logs.flatMap((log) => {
      const event = log.address === deployment.market ? decodeEvent(trainingMarketAbi, log) : null;
      return event?.eventName === 'JobCommitted' ? [event.args.commitment] : [];
    });
    expect(commitments).toEqual([
      commitmentHash({
        chainId: BigInt(deployment.chainId),
        market: deployment.market,
        offerId: id,
        trainer: trainer.address as Hex,
        jobHeaderHash: hashJobHeader(header),
        logReference,
        modelReference,
      }),
    ]);
  }, 60_000);
});
