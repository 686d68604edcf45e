import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testTokenAbi, testTokenBytecode } from '@cotrain/chain';
import { Contract, ContractFactory, JsonRpcProvider, parseEther } from 'ethers';
import { LocalStack, scratchFolder, writePoints } from './run-cli.ts';

// An offer in an ERC-20 token that nobody bids for, and the stakes of trainers and validators: money that comes back.
// The tests build on each other, as the commands do.

const scratch = scratchFolder();
let stack: LocalStack;
let chain: JsonRpcProvider;
let token: Contract;
let tokenAddress = '';
let job: string[] = [];
let id = 0;

/** 10 TEST and seven units, and a fee of 3 units: no third of it is a whole number of units. */
const rewardUnits = parseEther('10') + 7n;
const feeUnits = 3n;

interface Offer {
  state: string;
  rewardWei: string;
  terms: { token: string; validationFeeWei?: string };
  payers: { payer: string; paidWei: string | null; refundedWei: string | null }[];
  refundableWei: string | null;
}
interface Account {
  freeStakeWei: string;
  unbondingStakeWei: string;
  withdrawableAt: string | null;
}

beforeAll(async () => {
  stack = await LocalStack.up(join(scratch.path, 'stack'));
  chain = new JsonRpcProvider(stack.ready.rpcUrl, 31_337, { staticNetwork: true, cacheTimeout: -1 });
  chain.pollingInterval = 100;
  const deployer = stack.wallet('payer-3').connect(chain);
  const deployed = await new ContractFactory(testTokenAbi, testTokenBytecode, deployer).deploy();
  await deployed.waitForDeployment();
  tokenAddress = await deployed.getAddress();
  token = new Contract(tokenAddress, testTokenAbi, deployer);
  const { csv, program } = writePoints(scratch.path, 64);
  const { manifestReference } = await stack.json<{ manifestReference: string }>(
    ...['dataset', 'push', '--name', 'points', '--license', 'MIT', '--target', 'above', '--split', `train=${csv}`],
  );
  job = [
    ...[
      '--name',
      'points',
      '--program',
      program,
      '--dataset',
      manifestReference,
      '--steps',
      '20',
      '--batch-size',
      '16',
    ],
    ...['--commit-every', '10', '--bid-window', '3', '--key-file', stack.key('payer-1')],
  ];
}, 180_000);
afterAll(async () => {
  chain.destroy();
  await stack.stop();
  scratch.remove();
}, 60_000);

const payers = ['payer-1', 'payer-2'];
const addressOf = (name: string): string => stack.wallet(name).address;
const balanceOf = async (name: string): Promise<bigint> =>
  (await token.getFunction('balanceOf').staticCall(addressOf(name))) as bigint;
async function send(from: string, method: string, ...args: unknown[]): Promise<void> {
  const wallet = stack.wallet(from).connect(chain);
  const sent = await wallet.sendTransaction({
    to: tokenAddress,
    data: token.interface.encodeFunctionData(method, args),
  });
  await sent.wait();
}
async function advance(seconds: number): Promise<void> {
  await chain.send('evm_increaseTime', [seconds]);
  await chain.send('evm_mine', []);
}
async function refusal(args: string[], code: number, reason: RegExp): Promise<void> {
  const ended = await stack.run(...args);
  expect(ended).toMatchObject({ code, stdout: '' });
  expect(ended.stderr).toMatch(reason);
}

describe('an offer in a token', () => {
  const money = (): string[] => ['--token', tokenAddress, '--reward', '10.000000000000000007', '--stake', '1'];

  it('is refused while an amount is missing or does not fit the token', async () => {
    await refusal(
      ['offer', 'create', ...job, '--token', tokenAddress, '--reward', '10'],
      2,
      /--stake, --validation-fee missing/,
    );
    await refusal(
      ['offer', 'create', ...job, ...money(), '--validation-fee', '0.0000000000000000001'],
      2,
      /--validation-fee is 0\.0000000000000000001: this token has 18 decimals/,
    );
    await refusal(
      ['offer', 'create', ...job, ...money(), '--validation-fee', '1', '--token-decimals', '6'],
      2,
      /--token-decimals is 6, but TEST@0x.* says 18/,
    );
    await refusal(
      [
        'offer',
        'create',
        ...job,
        '--token',
        addressOf('payer-1'),
        '--reward',
        '1',
        '--stake',
        '1',
        '--validation-fee',
        '0',
      ],
      2,
      /where this chain has no contract/,
    );
  }, 120_000);

  it('is opened with amounts in whole tokens', async () => {
    const opened = await stack.json<{ offerId: number; rewardWei: string; validationFeeWei: string; token: object }>(
      ...['offer', 'create', ...job, ...money(), '--validation-fee', '0.000000000000000003'],
      ...['--payer', `${addressOf('payer-1')}=1`, '--payer', `${addressOf('payer-2')}=2`],
    );
    expect(opened).toMatchObject({
      rewardWei: String(rewardUnits),
      validationFeeWei: String(feeUnits),
      token: { address: tokenAddress, symbol: 'TEST', decimals: 18 },
    });
    id = opened.offerId;
    const { stdout } = await stack.run('offer', 'show', String(id));
    expect(stdout).toContain(
      `reward 10.000000000000000007 TEST@${tokenAddress.slice(0, 8)}…${tokenAddress.slice(-6)}\n`,
    );
    expect(stdout).toContain(`token ${tokenAddress}\n`);
    const list = await stack.run('offer', 'list');
    expect(list.stdout).toContain('Funding    points (exact/1), reward 10.000000000000000007 TEST@0x');
  }, 120_000);

  it('is not funded, and nothing approved, by a payer who has not got his share', async () => {
    await refusal(
      ['offer', 'fund', String(id), '--key-file', stack.key('payer-1')],
      1,
      /has 0 TEST@.*, and its share of offer 1 is 3\.33\d+ TEST@.* Nothing was sent/,
    );
    expect(await chain.getTransactionCount(addressOf('payer-1'))).toBe(1); // the offer's opening
  }, 60_000);

  it('is funded after an approval of exactly the share, or with one that is there', async () => {
    await send('payer-3', 'mint', addressOf('payer-1'), parseEther('100'));
    await send('payer-3', 'mint', addressOf('payer-2'), parseEther('100'));
    const { market } = await query<{ market: { market: string } }>('{ market { market } }').then((data) => data.market);
    const allowance = async (name: string): Promise<bigint> =>
      (await token.getFunction('allowance').staticCall(addressOf(name), market)) as bigint;

    type Funded = { amountWei: string; valueWei: string; approval: string | null; token: string };
    const fund = (name: string): Promise<Funded> =>
      stack.json<Funded>('offer', 'fund', String(id), '--key-file', stack.key(name));
    const first = await fund('payer-1');
    expect(first).toMatchObject({
      valueWei: '0',
      token: tokenAddress,
      approval: expect.stringMatching(/^0x[0-9a-f]{64}$/),
    });
    expect(await allowance('payer-1')).toBe(0n); // exactly the share: nothing is left of it

    await send('payer-2', 'approve', market, parseEther('50'));
    const second = await fund('payer-2');
    expect(second.approval).toBeNull();
    expect(await allowance('payer-2')).toBe(parseEther('50') - BigInt(second.amountWei));

    const whole = rewardUnits + feeUnits;
    expect(BigInt(first.amountWei)).toBe(whole / 3n);
    expect(BigInt(second.amountWei)).toBe(whole - whole / 3n);
    expect(await balanceOf('payer-1')).toBe(parseEther('100') - whole / 3n);
  }, 120_000);

  it('is paid back to the unit when nobody has bid', async () => {
    let offer = await stack.json<Offer>('offer', 'show', String(id));
    for (let tries = 0; offer.state !== 'Refunded' && tries < 120; tries++) {
      await delay(500);
      offer = await stack.json<Offer>('offer', 'show', String(id));
    }
    expect(offer).toMatchObject({ state: 'Refunded', terms: { token: tokenAddress } });
    for (const name of payers) {
      const key = ['--key-file', stack.key(name)];
      await stack.json('offer', 'claim', String(id), ...key);
      await refusal(['withdraw', ...key], 3, /Nothing is credited to .* in ETH/);
      const { stdout, code } = await stack.run('withdraw', '--token', tokenAddress, ...key);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^\d+\.\d+ TEST@0x\S+ paid out to 0x/);
      expect(await balanceOf(name)).toBe(parseEther('100'));
    }
    await refusal(['withdraw', '--token', tokenAddress, '--key-file', stack.key('payer-1')], 3, /in token 0x/);
  }, 300_000);
});

describe('a token that lies', () => {
  const liar = `0x${'11'.repeat(20)}`;

  it('gets no say in what the terminal shows', async () => {
    // Whatever it is asked, it answers with this string: a symbol with escape codes, and decimals that are none.
    const text = Buffer.from('\u001b[2J1 ETH');
    const answer = `${'20'.padStart(64, '0')}${text.length.toString(16).padStart(64, '0')}${text.toString('hex').padEnd(64, '0')}`;
    await chain.send('anvil_setCode', [liar, `0x6060600c60003960606000f3${answer}`]);
    const create = [
      'offer',
      'create',
      ...job,
      '--token',
      liar,
      '--reward',
      '1.5',
      '--stake',
      '1',
      '--validation-fee',
      '0',
    ];
    await refusal(create, 2, /does not say how many decimals it has/);
    const created = await stack.run(...create, '--token-decimals', '6');
    expect(created.code).toBe(0);
    expect(created.stdout).toContain('reward 1.5 2J1ETH@0x111111…111111,');
    const { stdout } = await stack.run('offer', 'list');
    expect(stdout).toContain('reward 1500000 units of 2J1ETH@0x111111…111111');
    expect(stdout).not.toContain('\u001b');
  }, 120_000);
});

describe('a pool that takes a token', () => {
  it('has its floor price in it', async () => {
    const register = (name: string, ...flags: string[]): Promise<unknown> =>
      stack.json('pool', 'register', '--name', name, ...flags, '--key-file', stack.key('pool-1'));
    await register('for-tokens', '--token', tokenAddress, '--token', 'ETH', '--floor-price', '2.5');
    const pools = await stack.json<{ id: string; tokens: string[]; floorPriceWeiPerGpuHour: string }[]>('pool', 'list');
    expect(pools).toMatchObject([
      {
        id: 'for-tokens',
        tokens: [tokenAddress, `0x${'0'.repeat(40)}`],
        floorPriceWeiPerGpuHour: String(parseEther('2.5')),
      },
    ]);
    expect((await stack.run('pool', 'list')).stdout).toMatch(/2\.5 TEST@0x\S+ or 2\.5 ETH an hour/);
    await refusal(
      ['pool', 'register', '--name', 'x', '--token', addressOf('pool-1'), '--key-file', stack.key('pool-1')],
      2,
      /has no contract/,
    );
  }, 120_000);
});

describe('a challenge', () => {
  const challenge = (offer: string): string[] => ['offer', 'challenge', offer, '--key-file', stack.key('payer-1')];

  it('of what is not committed is refused, with a reason', async () => {
    await refusal([...challenge(String(id)), '--segment', '0'], 1, /WrongPhase/);
    await refusal([...challenge('999'), '--segment', '0'], 3, /There is no offer 999/);
    await refusal(challenge(String(id)), 2, /--segment/);
    await refusal([...challenge(String(id)), '--segment', '-1'], 2, /whole number/);
  }, 60_000);
});

// The chain's clock is put forward from here on.
describe('stake', () => {
  const key = (): string[] => ['--key-file', stack.key('pool-2')];
  const show = (): Promise<Account> => stack.json<Account>('stake', 'show', ...key());

  it('of a trainer is deposited, unbonded and withdrawn to the wei', async () => {
    await refusal(['stake', 'unbond', 'all', ...key()], 3, /has no free stake/);
    await refusal(['stake', 'withdraw', ...key()], 3, /no stake that is unbonding/);
    await stack.json('stake', 'deposit', '2.000000000000000001', ...key());
    await stack.json('stake', 'deposit', '1', '--trainer', addressOf('pool-2'), '--key-file', stack.key('payer-3'));
    expect(await show()).toMatchObject({ freeStakeWei: String(parseEther('3') + 1n), unbondingStakeWei: '0' });
    await refusal(['stake', 'unbond', '4', ...key()], 1, /StakeTooSmall/);
    await refusal(['stake', 'unbond', 'some', ...key()], 2, /Give an amount in ETH/);
    const { withdrawableAt } = await stack.json<Account>('stake', 'unbond', '1', ...key());
    expect(Date.parse(withdrawableAt ?? '')).toBeGreaterThan(Date.now());
    await stack.json('stake', 'unbond', 'all', ...key());
    await refusal(['stake', 'withdraw', ...key()], 1, /3\.000000000000000001 ETH are unbonding until 20/);
    await advance(700);
    expect(await stack.json('stake', 'withdraw', ...key())).toMatchObject({ amountWei: String(parseEther('3') + 1n) });
    const { stdout } = await stack.run('stake', 'show', addressOf('pool-2'));
    expect(stdout).toMatch(/free {6}0 ETH\nlocked {4}0 ETH\nunbonding 0 ETH/);
  }, 300_000);

  it('of a validator is paid out after leaving', async () => {
    const validator = ['--key-file', stack.key('payer-3')];
    await refusal(['validator', 'withdraw', ...validator], 3, /has no stake as a validator/);
    await refusal(['validator', 'join', '0.5', ...validator], 1, /StakeTooSmall/);
    expect(await stack.json('validator', 'join', '1.5', ...validator)).toMatchObject({
      validatorStakeWei: String(parseEther('1.5')),
    });
    await refusal(['validator', 'withdraw', ...validator], 1, /NotLeaving/);
    await stack.json('validator', 'leave', ...validator);
    await refusal(['validator', 'withdraw', ...validator], 1, /StillLeaving/);
    await advance(120);
    expect(await stack.json('validator', 'withdraw', ...validator)).toMatchObject({
      contract: 'Quorum',
      amountWei: String(parseEther('1.5')),
    });
    const { stdout } = await stack.run('validator', 'show', ...validator);
    expect(stdout).toContain('stake     0 ETH');
  }, 300_000);
});

async function query<T>(document: string): Promise<T> {
  const response = await fetch(stack.ready.graphqlUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: document }),
  });
  return ((await response.json()) as { data: T }).data;
}
