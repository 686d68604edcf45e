import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { encodeCall, trainerRegistryAbi } from '@cotrain/chain';
import { type MatchReceipt, replayReceipt } from '@cotrain/matching';
import type { Api } from '../src/start-api.ts';
import { eventually, TestClient } from './api-client.ts';
import { startTestStack, type TestStack } from './api-stack.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';

const ether = 10n ** 18n;

describe('two API replicas on one PostgreSQL', () => {
  let stack: TestStack;
  let postgres: TestPostgres;
  let replicas: [Api, Api];

  beforeAll(async () => {
    [stack, postgres] = await Promise.all([startTestStack(), startPostgres()]);
    const options = { databaseUrl: postgres.url };
    replicas = [await stack.api(options), await stack.api(options)];
  }, 90_000);
  afterAll(async () => {
    await stack.close();
    await postgres.remove();
  }, 60_000);

  test('a sign-in at one is good at the other, also half of it', async () => {
    const first = new TestClient(replicas[0].graphqlUrl);
    const wallet = stack.wallets[1]!;
    await first.signIn(wallet);
    const second = new TestClient(replicas[1].graphqlUrl);
    second.token = first.token;
    expect((await second.data('{ me { address } }'))['me']).toEqual({ address: wallet.address });
    expect((await second.data('mutation { signOut }'))['signOut']).toBe(true);
    expect((await first.data('{ me { address } }'))['me']).toBeNull();
  });

  test('an offer is bid for once, its job is made once, and clients of both are told', async () => {
    const [{ address: user }, pool] = [stack.wallets[1]!, stack.wallets[4]!];
    const deposit = encodeCall({ abi: trainerRegistryAbi, functionName: 'deposit', args: [] });
    await (await pool.sendTransaction({ to: stack.deployment.registry, data: deposit.data, value: 5n * ether })).wait();
    const operator = await new TestClient(replicas[1].graphqlUrl).signIn(pool);
    const registered = await operator.mutate(
      'registerPool(input: $input)',
      '... on Pool { id }',
      {
        input: {
          name: 'pool-1',
          wallet: pool.address,
          gpuCount: 1,
          gpuMemoryMiB: 1_024,
          cpuMilli: 4_000,
          memoryMiB: 4_096,
          floorPriceWeiPerGpuHour: '1000',
        },
      },
      '($input: RegisterPoolInput!)',
    );
    expect(registered).toMatchObject({ id: 'pool-1' });

    const told: [Set<string>, Set<string>] = [new Set(), new Set()];
    const sockets = replicas.map((replica, index) => {
      const socket = new TestClient(replica.graphqlUrl).socket();
      socket.subscribe<{ offerChanged: { state: string } }>(
        { query: 'subscription { offerChanged { id state } }' },
        {
          next: ({ data }) => told[index]?.add(data?.offerChanged.state ?? ''),
          error: () => undefined, // shows as a state that is missing
          complete: () => undefined,
        },
      );
      return socket;
    });
    await eventually(() => replicas.every((replica) => replica.context.changes.size === 1));

    const requester = await new TestClient(replicas[0].graphqlUrl).signIn(stack.wallets[1]!);
    const prepared = '... on UnsignedTransaction { to data valueWei }';
    const send = async (transaction: Record<string, unknown>): Promise<void> => {
      const { to, data, valueWei } = transaction as { to: string; data: string; valueWei: string };
      await (await stack.wallets[1]!.sendTransaction({ to, data, value: BigInt(valueWei) })).wait();
    };
    await send(
      await requester.mutate(
        'prepareOpenOffer(input: $input)',
        prepared,
        {
          input: {
            jobSpecReference: await stack.publishJob(),
            rewardWei: String(ether),
            validationFeeWei: String(ether / 100n),
            minStakeWei: String(ether),
            fundingWindow: 600,
            bidWindow: 5,
            startWindow: 600,
            trainingWindow: 600,
            challengeWindow: 60,
            payers: [user],
            units: [1],
          },
        },
        '($input: OpenOfferInput!)',
      ),
    );
    await eventually(
      () => requester.data('{ offer(id: 1) { id } }'),
      ({ offer }) => offer !== null,
    );
    await send(await requester.mutate('prepareFund(offerId: 1)', prepared));

    const second = new TestClient(replicas[1].graphqlUrl);
    const offer = '{ offer(id: 1) { state trainer bids { trainer } job { poolId attempts } } }';
    await eventually(
      () => second.data(offer),
      ({ offer: { bids } }) => (bids as unknown[]).length > 0,
      60_000,
    );
    await stack.provider.send('evm_increaseTime', [10]);
    await stack.provider.send('evm_mine', []);
    await eventually(
      () => second.data(offer),
      ({ offer: { job } }) => job !== null,
      60_000,
    );
    const found = (await second.data(offer))['offer'] as Record<string, unknown>;
    expect(found['bids']).toEqual([{ trainer: pool.address }]);
    expect(found['trainer']).toBe(pool.address);
    // Both replicas look at it several times more; nothing may happen twice.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const { offerTransactions } = await second.data('{ offerTransactions(offerId: 1, first: 100) { nodes { name } } }');
    const names = (offerTransactions.nodes as { name: string }[]).map(({ name }) => name);
    for (const once of ['BidPlaced', 'OfferAwarded']) expect(names.filter((name) => name === once)).toEqual([once]);
    expect((await second.data('{ jobs { totalCount } }'))['jobs'].totalCount).toBe(1);
    await eventually(() =>
      told.every((states) => ['Funding', 'Bidding', 'Awarded'].every((state) => states.has(state))),
    );
    const receipt = (await second.data('{ matchReceipts(offerId: 1) { nodes { poolId inputsHash receiptJson } } }'))[
      'matchReceipts'
    ].nodes[0];
    expect(receipt.poolId).toBe('pool-1');
    expect(replayReceipt(JSON.parse(receipt.receiptJson as string) as MatchReceipt)).toEqual({
      inputsAgree: true,
      decisionAgrees: true,
    });
    const bids = await Promise.all(
      replicas.map(
        async ({ url }) => /^cotrain_bids_sent_total (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1],
      ),
    );
    expect(bids.map(Number).reduce((sum, count) => sum + count, 0)).toBe(1);
    for (const socket of sockets) await socket.dispose();
  }, 180_000);
});
