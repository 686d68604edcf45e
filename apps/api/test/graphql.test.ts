import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testTokenAbi, testTokenBytecode, trainerRegistryAbi } from '@cotrain/chain';
import { Contract, ContractFactory, type InterfaceAbi, Wallet } from 'ethers';
import { encodeCall } from '@cotrain/chain';
import { getIntrospectionQuery } from 'graphql';
import type { Api } from '../src/start-api.ts';
import { eventually, TestClient } from './api-client.ts';
import { recordingLogger, startTestStack, type TestStack } from './api-stack.ts';

interface OfferPage {
  nodes: { id: number }[];
  edges: { cursor: string }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}

const transactionFields = '... on UnsignedTransaction { chainId to data valueWei summary }';
const ether = 10n ** 18n;

describe('the GraphQL API', () => {
  let stack: TestStack;
  let api: Api;
  let anyone: TestClient;
  let requester: TestClient;
  let payer: TestClient;
  let stranger: TestClient;
  let jobSpecReference: string;
  const logger = recordingLogger();
  const as = (index: number): Promise<TestClient> => new TestClient(api.graphqlUrl).signIn(stack.wallets[index]!);

  beforeAll(async () => {
    stack = await startTestStack({}, [0, 1, 2, 3, 4, 5]);
    api = await stack.api({ logger });
    anyone = new TestClient(api.graphqlUrl);
    [requester, payer, stranger] = await Promise.all([as(1), as(2), as(3)]);
    jobSpecReference = await stack.publishJob();
  }, 60_000);
  afterAll(async () => {
    await stack.close();
  });

  const openInput = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
    jobSpecReference,
    rewardWei: String(ether),
    validationFeeWei: String(ether / 100n),
    minStakeWei: String(ether),
    fundingWindow: 3_600,
    bidWindow: 3_600,
    startWindow: 60,
    trainingWindow: 600,
    challengeWindow: 60,
    payers: [stack.wallets[1]!.address, stack.wallets[2]!.address],
    units: [1, 2],
    ...changes,
  });
  const prepareOpen = (client: TestClient, changes: Record<string, unknown> = {}): Promise<Record<string, unknown>> =>
    client.mutate(
      'prepareOpenOffer(input: $input)',
      transactionFields,
      { input: openInput(changes) },
      '($input: OpenOfferInput!)',
    );
  const prepare = (client: TestClient, call: string): Promise<Record<string, unknown>> =>
    client.mutate(call, transactionFields);
  /** Signs and sends as a user's wallet does, from what the API prepared and nothing else. */
  const send = async (index: number, transaction: Record<string, unknown>): Promise<void> => {
    if (transaction['__typename'] !== 'UnsignedTransaction') throw new Error(JSON.stringify(transaction));
    const { to, data, valueWei, chainId } = transaction as {
      to: string;
      data: string;
      valueWei: string;
      chainId: number;
    };
    const call = { to, data, value: BigInt(valueWei), chainId };
    const gasLimit = (await stack.wallets[index]!.estimateGas(call)) * 2n;
    await (await stack.wallets[index]!.sendTransaction({ ...call, gasLimit })).wait();
  };
  /** Opens an offer and waits until it is indexed. */
  const open = async (changes: Record<string, unknown> = {}): Promise<number> => {
    const before = (await anyone.data('{ offers(first: 1) { totalCount } }'))['offers'].totalCount as number;
    await send(1, await prepareOpen(requester, changes));
    await eventually(
      () => anyone.data(`{ offer(id: ${String(before + 1)}) { id } }`),
      ({ offer }) => offer !== null,
    );
    return before + 1;
  };

  describe('money-moving mutations', () => {
    test('carry an offer from opening through funding to its refund, each signed by its user', async () => {
      const id = await open();
      const opened = await anyone.data(
        `{ offer(id: ${String(id)}) { state requester rewardWei header { steps batchSize rows } terms { token rewardWei fundingWindow } payers { payer units paidWei } openedAt } }`,
      );
      expect(opened['offer']).toMatchObject({
        state: 'Funding',
        requester: stack.wallets[1]!.address,
        header: { steps: 4, batchSize: 2, rows: '8' },
        terms: { token: `0x${'0'.repeat(40)}`, rewardWei: String(ether), fundingWindow: 3_600 },
        payers: [
          { units: 1, paidWei: null },
          { units: 2, paidWei: null },
        ],
      });
      const fund = await prepare(payer, `prepareFund(offerId: ${String(id)})`);
      expect(fund['summary']).toMatch(
        /^Pay 0\.673333333333333\d+ ETH \(67333333333333333\d wei\), your share of offer 1$/,
      );
      expect(fund['valueWei']).toMatch(/^67333333333333333\d$/);
      await send(2, fund);
      expect(await prepare(payer, `prepareFund(offerId: ${String(id)})`)).toMatchObject({
        __typename: 'ContractRefusalError',
        reason: 'AlreadyPaid',
      });
      expect(await prepare(requester, `prepareCancel(offerId: ${String(id)})`)).toMatchObject({ reason: 'SharePaid' });
      expect(await prepare(payer, `prepareClaimRefund(offerId: ${String(id)})`)).toMatchObject({
        reason: 'WrongState',
      });

      await stack.provider.send('evm_increaseTime', [3_700]);
      await stack.provider.send('evm_mine', []);
      await eventually(
        () => anyone.data(`{ offer(id: ${String(id)}) { state } }`),
        ({ offer }) => offer.state === 'Refunded',
      );
      await send(2, await prepare(payer, `prepareClaimRefund(offerId: ${String(id)})`));
      const account = `{ account(address: "${stack.wallets[2]!.address}") { marketCreditWei } }`;
      expect((await anyone.data(account))['account'].marketCreditWei).toMatch(/^67333333333333333\d$/);
      await send(2, await prepare(payer, 'prepareWithdraw'));
      expect((await anyone.data(account))['account'].marketCreditWei).toBe('0');
      expect(await prepare(payer, 'prepareWithdraw')).toMatchObject({ reason: 'NothingToWithdraw' });
      const { offerTransactions } = await anyone.data(
        `{ offerTransactions(offerId: ${String(id)}) { nodes { name hash minedAt } totalCount } }`,
      );
      expect(offerTransactions.nodes.map(({ name }: { name: string }) => name)).toEqual(
        expect.arrayContaining(['OfferOpened', 'ShareFunded', 'OfferSettled', 'RefundClaimed']),
      );
    }, 60_000);

    test('cancel an unpaid offer, by its requester only', async () => {
      const id = await open();
      expect(await prepare(stranger, `prepareCancel(offerId: ${String(id)})`)).toMatchObject({
        __typename: 'ForbiddenError',
      });
      expect(await prepare(payer, `prepareCancel(offerId: ${String(id)})`)).toMatchObject({
        __typename: 'ForbiddenError',
      });
      await send(1, await prepare(requester, `prepareCancel(offerId: ${String(id)})`));
      await eventually(
        () => anyone.data(`{ offer(id: ${String(id)}) { state } }`),
        ({ offer }) => offer.state === 'Cancelled',
      );
    });

    test('pay in an ERC-20 token: approval of exactly the share first', async () => {
      const token = await new ContractFactory(
        testTokenAbi as unknown as InterfaceAbi,
        testTokenBytecode,
        stack.wallets[6],
      ).deploy();
      await token.waitForDeployment();
      const address = await token.getAddress();
      const contract = new Contract(address, testTokenAbi as unknown as InterfaceAbi, stack.wallets[6]);
      await (await contract['mint']!(stack.wallets[2]!.address, 10_000n)).wait();
      const id = await open({ token: address.toLowerCase(), rewardWei: '900', validationFeeWei: '0' });
      const early = await prepare(payer, `prepareFund(offerId: ${String(id)})`);
      expect(early).toMatchObject({ __typename: 'ContractRefusalError' });
      expect(early['message']).toContain('prepareApprove');
      const approval = await prepare(payer, `prepareApprove(offerId: ${String(id)})`);
      expect(approval).toMatchObject({ to: address, valueWei: '0' });
      expect(approval['summary']).toContain(`600 of the smallest unit of token ${address}`);
      await send(2, approval);
      await send(2, await prepare(payer, `prepareFund(offerId: ${String(id)})`));
      expect(await contract['balanceOf']!(stack.wallets[2]!.address)).toBe(9_400n);
      const etherOffer = await open();
      expect(await prepare(payer, `prepareApprove(offerId: ${String(etherOffer)})`)).toMatchObject({
        field: 'offerId',
      });
    }, 60_000);

    test('deposit, unbond and withdraw stake', async () => {
      const { address } = stack.wallets[3]!;
      await send(3, await prepare(stranger, `prepareDepositStake(trainer: "${address}", amountWei: "1000")`));
      await send(3, await prepare(stranger, 'prepareUnbond(amountWei: "400")'));
      const { account } = await anyone.data(
        `{ account(address: "${address}") { freeStakeWei lockedStakeWei unbondingStakeWei withdrawableAt } }`,
      );
      expect(account).toMatchObject({ freeStakeWei: '600', lockedStakeWei: '0', unbondingStakeWei: '400' });
      expect(Date.parse(account.withdrawableAt as string)).toBeGreaterThan(Date.now());
      expect(await prepare(stranger, 'prepareUnbond(amountWei: "601")')).toMatchObject({ reason: 'StakeTooSmall' });
      expect(await prepare(stranger, 'prepareWithdrawStake')).toMatchObject({ reason: 'StillUnbonding' });
    });

    test('join and leave as a validator, and tell the roles of an address', async () => {
      const me = '{ me { address roles sessionExpiresAt } }';
      expect((await anyone.data(me))['me']).toBeNull();
      expect((await stranger.data(me))['me'].roles).toEqual([]);
      await send(3, await prepare(stranger, `prepareJoinAsValidator(amountWei: "${String(ether)}")`));
      expect((await stranger.data(me))['me'].roles).toEqual(['Validator']);
      expect((await requester.data(me))['me'].roles).toEqual(['Requester', 'Payer']);
      expect((await payer.data(me))['me'].roles).toEqual(['Payer']);
      await send(3, await prepare(stranger, 'prepareLeaveAsValidator'));
      expect(await prepare(payer, 'prepareLeaveAsValidator')).toMatchObject({ reason: 'NotAValidator' });
      expect(await prepare(payer, 'prepareWithdrawValidatorStake')).toMatchObject({
        __typename: 'ContractRefusalError',
      });
    });

    test('tell before it costs gas what the contract would refuse', async () => {
      const id = await open();
      expect(await prepare(stranger, `prepareChallenge(offerId: ${String(id)}, segment: 0)`)).toMatchObject({
        __typename: 'ContractRefusalError',
      });
      const poor = await new TestClient(api.graphqlUrl).signIn(Wallet.createRandom());
      expect(await prepare(poor, `prepareJoinAsValidator(amountWei: "${String(ether)}")`)).toMatchObject({
        __typename: 'ContractRefusalError',
      });
      expect(await prepareOpen(requester, { minStakeWei: '1' })).toMatchObject({ reason: 'StakeBelowReward' });
    });

    test('are for signed-in callers only, each of them', async () => {
      const calls = [
        'prepareFund(offerId: 1)',
        'prepareApprove(offerId: 1)',
        'prepareClaimRefund(offerId: 1)',
        'prepareCancel(offerId: 1)',
        'prepareChallenge(offerId: 1, segment: 0)',
        'prepareWithdraw',
        'prepareUnbond(amountWei: "1")',
        'prepareWithdrawStake',
        `prepareDepositStake(trainer: "${stack.wallets[1]!.address}", amountWei: "1")`,
        'prepareJoinAsValidator(amountWei: "1")',
        'prepareLeaveAsValidator',
        'prepareWithdrawValidatorStake',
      ];
      for (const call of calls)
        expect(await prepare(anyone, call)).toMatchObject({ __typename: 'UnauthenticatedError' });
      expect(await prepareOpen(anyone)).toMatchObject({ __typename: 'UnauthenticatedError' });
      for (const call of calls.slice(0, 5))
        expect(await prepare(requester, call.replace('offerId: 1', 'offerId: 999'))).toMatchObject({
          __typename: 'NotFoundError',
        });
    });

    test("keep payers' calls to payers", async () => {
      const id = String(await open());
      for (const name of ['prepareFund', 'prepareApprove', 'prepareClaimRefund'])
        expect(await prepare(stranger, `${name}(offerId: ${id})`)).toMatchObject({ __typename: 'ForbiddenError' });
    });

    test.each<[string, Record<string, unknown>, string]>([
      ['no payer', { payers: [], units: [] }, 'payers'],
      ['as many units as payers not', { units: [1] }, 'units'],
      ['a share of nothing', { units: [0, 1] }, 'units.0'],
      ['a payer twice', { payers: Array(2).fill(`0x${'11'.repeat(20)}`) }, 'payers'],
      ['no reward', { rewardWei: '0' }, 'rewardWei'],
      ['a window of nothing', { bidWindow: 0 }, 'bidWindow'],
      ['a negative window', { startWindow: -5 }, 'startWindow'],
      ['a window of years', { challengeWindow: 2 ** 31 - 1 }, 'challengeWindow'],
      ['an unknown mode', { mode: 'toString' }, 'mode'],
    ])('refuse an offer with %s, naming the field', async (_, changes, field) => {
      expect(await prepareOpen(requester, changes)).toMatchObject({ __typename: 'ValidationError', field });
    });

    test('refuse an offer whose documents are wrong or missing', async () => {
      const garbage = await stack.swarm.upload(new TextEncoder().encode('{"version":"cotrain.job/1"}'));
      const huge = await stack.swarm.upload(new Uint8Array(2 ** 21));
      for (const reference of [garbage, huge, `0x${'ab'.repeat(32)}`]) {
        const refused = await prepareOpen(requester, { jobSpecReference: reference });
        expect(refused).toMatchObject({ __typename: 'ValidationError', field: 'jobSpecReference' });
      }
    });

    test('do not let one address have documents fetched without end', async () => {
      const greedy = await new TestClient(api.graphqlUrl).signIn(Wallet.createRandom());
      const codes = new Set<string>();
      for (let call = 0; call < 25; call++) {
        const { errors } = await greedy.ask(
          'mutation ($input: OpenOfferInput!) { prepareOpenOffer(input: $input) { __typename } }',
          { input: openInput({ jobSpecReference: `0x${'ab'.repeat(32)}` }) },
        );
        for (const { extensions } of errors) codes.add(extensions.code ?? '');
      }
      expect([...codes]).toEqual(['RATE_LIMITED']);
    });
  });

  describe('pools', () => {
    const input = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
      name: 'mine',
      wallet: stack.wallets[3]!.address,
      gpuCount: 1,
      gpuMemoryMiB: 8_192,
      cpuMilli: 4_000,
      memoryMiB: 16_384,
      floorPriceWeiPerGpuHour: '1000',
      windows: [{ days: ['mon'], start: '22:00', durationMinutes: 480, timeZone: 'Europe/Berlin' }],
      ...changes,
    });
    const register = (client: TestClient, changes: Record<string, unknown> = {}): Promise<Record<string, unknown>> =>
      client.mutate(
        'registerPool(input: $input)',
        '... on Pool { id owner paused reservedJobs windows { timeZone } }',
        { input: input(changes) },
        '($input: RegisterPoolInput!)',
      );
    const pause = (client: TestClient, id: string): Promise<Record<string, unknown>> =>
      client.mutate(`setPoolPaused(id: ${JSON.stringify(id)}, paused: true)`, '... on Pool { paused }');

    test('are registered, changed and paused by their owner', async () => {
      expect(await register(stranger)).toMatchObject({
        id: 'mine',
        owner: stack.wallets[3]!.address,
        paused: false,
        reservedJobs: 0,
      });
      expect(await register(stranger, { gpuCount: 2 })).toMatchObject({ id: 'mine' });
      expect((await anyone.data('{ pool(id: "mine") { gpuCount createdAt } }'))['pool']).toMatchObject({ gpuCount: 2 });
      expect(await pause(stranger, 'mine')).toMatchObject({ paused: true });
      const { pools } = await anyone.data(
        `{ pools(filter: { owner: "${stack.wallets[3]!.address.toLowerCase()}", paused: true }) { nodes { id } totalCount } }`,
      );
      expect(pools).toEqual({ nodes: [{ id: 'mine' }], totalCount: 1 });
      expect((await stranger.data('{ me { roles } }'))['me'].roles).toContain('PoolOperator');
    });

    test("are out of others' reach", async () => {
      expect(await register(payer, { wallet: stack.wallets[2]!.address })).toMatchObject({
        __typename: 'ForbiddenError',
      });
      expect(await pause(payer, 'mine')).toMatchObject({ __typename: 'ForbiddenError' });
      expect(await pause(anyone, 'mine')).toMatchObject({ __typename: 'UnauthenticatedError' });
      expect(await pause(payer, 'nobodys')).toMatchObject({ __typename: 'NotFoundError' });
      expect(await pause(payer, 'no\0body')).toMatchObject({ __typename: 'NotFoundError' });
    });

    test("cannot bid with somebody else's wallet, such as that of an account in the signer", async () => {
      const taken = await register(payer, {
        name: 'thief',
        wallet: stack.wallets[4]!.address,
        floorPriceWeiPerGpuHour: '0',
      });
      expect(taken).toMatchObject({ __typename: 'ForbiddenError' });
      expect((await anyone.data('{ pool(id: "thief") { id } }'))['pool']).toBeNull();
    });

    test('are refused when the signer does not hold the key of their wallet', async () => {
      const outsider = await as(6);
      const { message, ...refused } = await register(outsider, { name: 'keyless', wallet: stack.wallets[6]!.address });
      expect(refused).toMatchObject({ __typename: 'ValidationError', field: 'wallet' });
      expect(message).toContain('cotrain pool run');
      expect((await anyone.data('{ pool(id: "keyless") { id } }'))['pool']).toBeNull();
    });

    test('whose name two owners take at the same time belong to one of them', async () => {
      const results = await Promise.all([
        register(payer, { name: 'contested', wallet: stack.wallets[2]!.address }),
        register(requester, { name: 'contested', wallet: stack.wallets[1]!.address }),
      ]);
      expect(results.map((each) => each['__typename']).sort()).toEqual(['ForbiddenError', 'Pool']);
    });

    test.each<[Record<string, unknown>, string]>([
      [{ name: 'Not A Label' }, 'name'],
      [{ gpuCount: -1 }, 'gpuCount'],
      [{ cpuMilli: 0 }, 'cpuMilli'],
      [{ runtimes: ['python'] }, 'runtimes.0'],
      [{ tokens: [] }, 'tokens'],
      [
        { windows: [{ days: ['mon'], start: '22:00', durationMinutes: 10, timeZone: 'Mars/Olympus' }] },
        'windows.0.timeZone',
      ],
    ])('are refused with a value out of bounds: %j', async (changes, field) => {
      expect(await register(stranger, changes)).toMatchObject({ __typename: 'ValidationError', field });
    });
  });

  describe('lists', () => {
    let all: number[];
    beforeAll(async () => {
      while (((await anyone.data('{ offers(first: 1) { totalCount } }'))['offers'].totalCount as number) < 7)
        await open();
      const { offers } = await anyone.data('{ offers(first: 100) { nodes { id } } }');
      all = (offers.nodes as { id: number }[]).map(({ id }) => id);
    }, 60_000);
    const walk = async (listArguments: string, forward: boolean, size: number): Promise<number[]> => {
      const seen: number[] = [];
      let cursor: string | null = null;
      for (let pages = 0; pages < 20; pages++) {
        const offers: OfferPage = (
          await anyone.data(
            `query ($size: Int, $cursor: String) { offers(${forward ? 'first: $size, after: $cursor' : 'last: $size, before: $cursor'}${listArguments}) { nodes { id } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
            { size, cursor },
          )
        )['offers'];
        const ids = offers.nodes.map(({ id }) => id);
        if (forward) seen.push(...ids);
        else seen.unshift(...ids);
        expect(offers.pageInfo.endCursor).toBe(offers.edges.at(-1)?.cursor ?? null);
        cursor = forward ? offers.pageInfo.endCursor : offers.pageInfo.startCursor;
        if (!(forward ? offers.pageInfo.hasNextPage : offers.pageInfo.hasPreviousPage)) break;
      }
      return seen;
    };

    test.each(['Newest', 'Oldest', 'RecentlyUpdated', 'DeadlineSoonest'])(
      'give every offer once in order %s, both ways',
      async (order) => {
        const whole = await walk(`, orderBy: ${order}`, true, 100);
        for (const size of [1, 3]) {
          expect(await walk(`, orderBy: ${order}`, true, size)).toEqual(whole);
          expect(await walk(`, orderBy: ${order}`, false, size)).toEqual(whole);
        }
        if (order === 'Newest') expect(whole).toEqual([...all].sort((a, b) => b - a));
        if (order === 'Oldest') expect(whole).toEqual([...all].sort((a, b) => a - b));
      },
      60_000,
    );

    test('are filtered by state and party', async () => {
      const ids = async (filter: string): Promise<number[]> =>
        (
          (await anyone.data(`{ offers(first: 100, filter: ${filter}) { nodes { id } } }`))['offers'].nodes as {
            id: number;
          }[]
        ).map(({ id }) => id);
      expect(await ids('{ states: [Cancelled] }')).toEqual([2]);
      expect(await ids('{ states: [Cancelled, Refunded] }')).toEqual([2, 1]);
      expect(await ids(`{ requester: "${stack.wallets[1]!.address.toLowerCase()}" }`)).toEqual(all);
      expect(await ids(`{ payer: "${stack.wallets[3]!.address}" }`)).toEqual([]);
      expect(await ids(`{ trainer: "${stack.wallets[4]!.address}" }`)).toEqual([]);
    });

    test.each([
      ['offers(after: "nonsense") { totalCount }', 'after'],
      ['offers(before: "") { totalCount }', 'before'],
      [`offers(after: "${Buffer.from('["offers.oldest",1]').toString('base64url')}") { totalCount }`, 'after'],
      [`offers(after: "${Buffer.from('["offers.newest","1"]').toString('base64url')}") { totalCount }`, 'after'],
      [`offers(after: "${Buffer.from('["offers.newest",1e99]').toString('base64url')}") { totalCount }`, 'after'],
      ['offers(first: 0) { totalCount }', 'first'],
      ['offers(first: 101) { totalCount }', 'first'],
      ['offers(last: -1) { totalCount }', 'last'],
      ['offers(first: 1, last: 1) { totalCount }', 'last'],
    ])('refuse a page that is none: %s', async (query, argument) => {
      const { data, errors } = await anyone.ask(`{ ${query} }`);
      expect(data).toBeNull();
      expect(errors[0]?.extensions).toMatchObject({ code: 'INVALID_PAGE', argument });
    });

    test('of match receipts give each its own, newest first, with the receipt if it is asked for', async () => {
      const { matchReceipt } = api.context.database.prisma;
      await matchReceipt.createMany({
        data: [1, 2, 3].map((number) => ({
          id: `receipt ${String(number)}`,
          offerId: 77,
          inputsHash: `0x${String(number).repeat(64)}`,
          receipt: { number },
          createdAt: new Date(1_000 * number),
        })),
      });
      const asked = async (fields: string): Promise<unknown> =>
        (
          await anyone.data(
            `{ matchReceipts(offerId: 77, first: 2) { nodes { ${fields} } edges { node { ${fields} } } } }`,
          )
        )['matchReceipts'];
      const whole = [3, 2].map((number) => ({
        id: `receipt ${String(number)}`,
        receiptJson: `{"number":${String(number)}}`,
      }));
      expect(await asked('id receiptJson')).toEqual({ nodes: whole, edges: whole.map((node) => ({ node })) });
      const slim = whole.map(({ id }) => ({ id }));
      expect(await asked('id')).toEqual({ nodes: slim, edges: slim.map((node) => ({ node })) });
    });

    test('of jobs, batches, receipts and pools are pages too', async () => {
      const page = 'nodes { __typename } edges { cursor } pageInfo { hasNextPage hasPreviousPage } totalCount';
      const found = await anyone.data(
        `{ jobs(first: 2, filter: { states: [Running, Done] }) { ${page} } batches(offerId: 1, last: 2) { ${page} } matchReceipts(offerId: 1) { ${page} } pools(last: 1) { ${page} } }`,
      );
      expect(found['jobs']).toEqual({
        nodes: [],
        edges: [],
        totalCount: 0,
        pageInfo: { hasNextPage: false, hasPreviousPage: false },
      });
      expect(found['pools'].nodes).toHaveLength(1);
    });
  });

  describe('limits', () => {
    const codeOf = async (query: string, variables?: Record<string, unknown>): Promise<unknown> => {
      const { errors, data, status } = await anyone.ask(query, variables);
      expect(data).toBeNull();
      expect(status).toBe(400);
      return errors[0]?.extensions.code;
    };

    test('hold against depth', async () => {
      const chain = (levels: number): string => (levels === 0 ? '{ name }' : `{ ofType ${chain(levels - 1)} }`);
      expect(await codeOf(`{ __type(name: "Offer") ${chain(14)} }`)).toBe('QUERY_TOO_DEEP');
      expect((await anyone.ask(getIntrospectionQuery())).errors).toEqual([]);
      expect(await codeOf(`{ offer(id: 1) ${chain(30)} }`)).toBe('GRAPHQL_VALIDATION_FAILED');
    });

    test('hold against cost: lists count as often as items are asked for', async () => {
      const fields = 'id state header { steps rows } payers { payer units } bids { trainer } rounds { votes { vote } }';
      expect(await codeOf(`{ offers(first: 100) { nodes { ${fields} } edges { node { ${fields} } } } }`)).toBe(
        'QUERY_TOO_COMPLEX',
      );
      expect(
        await codeOf(`query ($n: Int) { offers(first: $n) { nodes { ${fields} } edges { node { ${fields} } } } }`, {
          n: 100,
        }),
      ).toBe('QUERY_TOO_COMPLEX');
      expect((await anyone.ask(`{ offers(first: 5) { nodes { ${fields} } } }`)).errors).toEqual([]);
    });

    test('hold against pages of whole match receipts', async () => {
      const all = 'id offerId inputsHash poolId priceWei receiptJson createdAt';
      expect(await codeOf(`{ matchReceipts(offerId: 1, first: 100) { nodes { receiptJson } } }`)).toBe(
        'QUERY_TOO_COMPLEX',
      );
      expect((await anyone.ask(`{ matchReceipts(offerId: 1) { nodes { ${all} } } }`)).errors).toEqual([]);
      expect((await anyone.ask('{ matchReceipts(offerId: 1, first: 100) { nodes { inputsHash } } }')).errors).toEqual(
        [],
      );
    });

    test('hold against aliases and many fields at the top', async () => {
      const many = (count: number): string =>
        Array.from({ length: count }, (_, index) => `a${String(index)}: me { address }`).join(' ');
      expect(await codeOf(`{ ${many(16)} }`)).toBe('TOO_MANY_ALIASES');
      expect(await codeOf(`{ ${many(11)} }`)).toBe('TOO_MANY_ROOT_FIELDS');
      expect(
        await codeOf(
          `mutation { ${Array.from({ length: 6 }, (_, index) => `a${String(index)}: signInNonce`).join(' ')} }`,
        ),
      ).toBe('TOO_MANY_ROOT_FIELDS');
      expect(await codeOf(`{ ${'me { address } '.repeat(1_000)} }`)).toBe('GRAPHQL_PARSE_FAILED');
    });

    test('hold against fragments that multiply', async () => {
      const bomb = Array.from(
        { length: 14 },
        (_, level) => `fragment B${String(level)} on Offer { ...B${String(level + 1)} ...B${String(level + 1)} }`,
      ).join(' ');
      const { errors, data } = await anyone.ask(
        `{ offer(id: 1) { ...B0 } } ${bomb} fragment B14 on Offer { id state }`,
      );
      expect(data).toBeNull();
      expect(errors.length).toBeGreaterThan(0);
    });

    test.each<[string, Record<string, unknown> | undefined]>([
      ['{ nothing }', undefined],
      ['{ offer(id: "one") { id } }', undefined],
      ['query ($id: Int!) { offer(id: $id) { id } }', { id: 'one' }],
      ['query ($id: Int!) { offer(id: $id) { id } }', { id: 2 ** 40 }],
      ['query ($id: Int!) { offer(id: $id) { id } }', {}],
      ['{ account(address: "0x12") { address } }', undefined],
      [
        'query ($a: Address!) { account(address: $a) { address } }',
        { a: '0xAb5801a7D398351b8bE11C439e05C5B3259aeC9b'.replace('Ab', 'aB') },
      ],
      ['query ($f: OfferFilter) { offers(filter: $f) { totalCount } }', { f: { states: ['Nowhere'] } }],
      ['query ($f: OfferFilter) { offers(filter: $f) { totalCount } }', { f: { unknown: 1 } }],
      ['mutation { prepareUnbond(amountWei: 1.5) { __typename } }', undefined],
      ['mutation { prepareUnbond(amountWei: "-1") { __typename } }', undefined],
      ['mutation ($w: Wei!) { prepareUnbond(amountWei: $w) { __typename } }', { w: 1000 }],
      ['{ offer(id: 1) { id }', undefined],
    ])('ill-typed documents get a typed error: %s %j', async (query, variables) => {
      expect(['GRAPHQL_VALIDATION_FAILED', 'BAD_USER_INPUT', 'GRAPHQL_PARSE_FAILED']).toContain(
        await codeOf(query, variables),
      );
    });

    test('hold against large bodies, batches, and requests that a web page could forge', async () => {
      const large = await anyone.post({ query: '{ me { address } }', variables: { x: 'x'.repeat(300_000) } });
      expect(large.status).toBe(413);
      const batch = await anyone.post([{ query: '{ me { address } }' }, { query: '{ me { address } }' }]);
      expect(batch.status).toBe(400);
      const form = await anyone.post('{"query":"{ me { address } }"}', { 'content-type': 'text/plain' });
      expect(form.status).toBe(400);
      const get = await fetch(`${api.graphqlUrl}?query=${encodeURIComponent('{ me { address } }')}`);
      expect(get.status).toBe(400);
      const notJson = await anyone.post('{');
      expect(notJson.status).toBe(400);
    });

    test('let other sites read nothing', async () => {
      const headers = { 'content-type': 'application/json', origin: 'https://evil.example.org' };
      const response = await fetch(api.graphqlUrl, { method: 'POST', headers, body: '{"query":"{ me { address } }"}' });
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
      const own = await fetch(api.graphqlUrl, {
        method: 'POST',
        headers: { ...headers, origin: new URL(api.url).origin },
        body: '{"query":"{ me { address } }"}',
      });
      expect(own.headers.get('access-control-allow-origin')).toBe(new URL(api.url).origin);
    });

    test('take the token from the header and nowhere else', async () => {
      const token = payer.token ?? '';
      const elsewhere = await fetch(`${api.graphqlUrl}?token=${token}&access_token=${token}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie: `token=${token}; authorization=Bearer ${token}` },
        body: JSON.stringify({ query: '{ me { address } }', extensions: { token }, token }),
      });
      expect(await elsewhere.json()).toEqual({ data: { me: null } });
    });

    test('let introspection be switched off', async () => {
      const closed = await stack.api({ introspection: false });
      const { errors } = await new TestClient(closed.graphqlUrl).ask('{ __schema { types { name } } }');
      expect(errors[0]?.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
      expect((await anyone.ask('{ __schema { queryType { name } } }')).errors).toEqual([]);
      await closed.close();
    });
  });

  describe('sessions', () => {
    test('end with signing out', async () => {
      const client = await as(2);
      expect((await client.data('{ me { address } }'))['me']).toEqual({ address: stack.wallets[2]!.address });
      expect((await client.data('mutation { signOut }'))['signOut']).toBe(true);
      expect((await client.data('{ me { address } }'))['me']).toBeNull();
      expect((await client.data('mutation { signOut }'))['signOut']).toBe(false);
      expect((await payer.data('{ me { address } }'))['me']).not.toBeNull();
    });

    test('are refused with the field that is wrong', async () => {
      const { signInMessage } = await anyone.data('mutation ($a: Address!) { signInMessage(address: $a) }', {
        a: stack.wallets[2]!.address,
      });
      const forged = await stack.wallets[3]!.signMessage(signInMessage as string);
      expect(await anyone.submitSignIn(signInMessage as string, forged)).toMatchObject({
        __typename: 'ValidationError',
        field: 'signature',
      });
    });

    test('cannot be asked for without end by one client', async () => {
      const flooded = await stack.api();
      const client = new TestClient(flooded.graphqlUrl);
      const codes: (string | undefined)[] = [];
      for (let call = 0; call < 70; call++) {
        const { errors } = await client.ask('mutation { signIn(message: "x", signature: "0x00") { __typename } }');
        codes.push(errors[0]?.extensions.code);
      }
      expect(codes.slice(0, 60).every((code) => code === undefined)).toBe(true);
      expect(codes.at(-1)).toBe('RATE_LIMITED');
      await flooded.close();
    });
  });

  test('what goes wrong inside is told to the log under an id, and to the client only the id', async () => {
    const { offer } = api.context.database.prisma;
    const broken = Object.assign(api.context.database, {});
    const original = broken.prisma;
    broken.prisma = {
      ...original,
      offer: { ...offer, findUnique: () => Promise.reject(new Error('password=hunter2')) },
    } as never;
    try {
      const { errors } = await anyone.ask('{ offer(id: 1) { id } }');
      const { errorId, code } = errors[0]!.extensions;
      expect(code).toBe('INTERNAL_SERVER_ERROR');
      expect(JSON.stringify(errors)).not.toContain('hunter2');
      const line = logger.lines.find(({ fields }) => fields['errorId'] === errorId);
      expect(String(line?.fields['error'])).toContain('hunter2');
    } finally {
      broken.prisma = original;
    }
  });

  test('a deposit made without the API shows too', async () => {
    const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'deposit', args: [] });
    await (await stack.wallets[7]!.sendTransaction({ to: stack.deployment.registry, data, value: 5n })).wait();
    const { account } = await anyone.data(`{ account(address: "${stack.wallets[7]!.address}") { freeStakeWei } }`);
    expect(account.freeStakeWei).toBe('5');
  });
});
