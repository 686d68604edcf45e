import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeCall, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import { hashJobHeader, type Hex, type JobHeader } from '@cotrain/protocol';
import { maxIntentsAtOnce } from '../src/signer/protocol.ts';
import { SignerClient, SignerRefusedError, SignerUnavailableError } from '../src/signer/signer-client.ts';
import { eventually } from './eventually.ts';
import { ethToken, freshSeed, LocalMarket, oneEther } from './local-market.ts';
import { SignerProcess } from './signer-process.ts';

describe('the signer', () => {
  let market: LocalMarket;
  let folder: string;
  let signer: SignerProcess;
  let client: SignerClient;
  let account: Hex;
  let offerId: number;
  /** Of every offer here. */
  let header: JobHeader;
  /** 1 % of the reward of 1 ETH. */
  const bondWei = oneEther / 100n;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cotrain-signer-'));
    market = await LocalMarket.start();
    account = market.wallet(4).address as Hex;
    await market.stake(market.wallet(4), 100n * oneEther);
    header = await market.publish(freshSeed());
    offerId = await market.offer(header);
    signer = await SignerProcess.start({
      folder,
      rpcUrl: market.anvil.rpcUrl,
      deployment: market.deployment,
      keys: [market.wallet(4).privateKey],
      // Two bonds and a half a day.
      dailyValueWei: (5n * bondWei) / 2n,
      pollMs: 50,
    });
    client = new SignerClient(signer.url, signer.token);
  }, 60_000);
  afterAll(async () => {
    await signer.stop();
    await market.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const bid = (id: number, changes: Partial<Parameters<SignerClient['submit']>[0]> = {}) => ({
    intentId: `bid:${String(id)}`,
    account,
    to: market.deployment.market,
    data: encodeCall({
      abi: trainingMarketAbi,
      functionName: 'bid',
      args: [BigInt(id), hashJobHeader(header), oneEther / 2n],
    }).data,
    valueWei: String(bondWei),
    ...changes,
  });

  test('signs what the policy allows, once, however often it is asked', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => client.submit(bid(offerId))));
    expect(new Set(answers.map(({ hash }) => hash)).size).toBe(1);
    await eventually('the bid', async () => (await market.bidders(offerId)).length === 1);
    const answer = await eventually('its end', async () => {
      const found = await client.intent(`bid:${String(offerId)}`);
      return found.status === 'confirmed' && found;
    });
    expect(Number(answer.gasUsed)).toBeGreaterThan(21_000);
  });

  const refusals: [string, () => Parameters<SignerClient['submit']>[0], RegExp][] = [
    ['another contract', () => bid(99, { to: `0x${'9'.repeat(40)}` }), /does not allow function/],
    [
      'another function of the contract',
      () => bid(99, { data: encodeCall({ abi: trainingMarketAbi, functionName: 'claimRefund', args: [1n] }).data }),
      /does not allow function/,
    ],
    ['plain ETH to the contract', () => bid(99, { data: '0x' }), /does not allow function/],
    [
      'a transfer of ownership',
      () =>
        bid(99, {
          to: market.deployment.registry,
          data: encodeCall({ abi: trainerRegistryAbi, functionName: 'transferOwnership', args: [account] }).data,
        }),
      /does not allow function/,
    ],
    ['more ETH than the function may carry', () => bid(99, { valueWei: String(10n ** 19n + 1n) }), /the policy allows/],
    [
      'ETH with a function that takes none',
      () => bid(99, { data: encodeCall({ abi: trainingMarketAbi, functionName: 'withdraw', args: [ethToken] }).data }),
      /the policy allows 0 for withdraw/,
    ],
    [
      'an account whose key it does not have',
      () => bid(99, { account: `0x${'7'.repeat(40)}` }),
      /has no key for account/,
    ],
    ['another call under a known id', () => bid(offerId, { valueWei: '0' }), /bid:/],
    ['a call that the contract would refuse', () => bid(4_040, { valueWei: '0' }), /WrongState|UnknownOffer/],
  ];
  test.each(refusals)('refuses %s', async (_, request, message) => {
    const refused = client.submit(request());
    await expect(refused).rejects.toThrow(SignerRefusedError);
    await expect(refused).rejects.toThrow(message);
  });

  test('in a batch each outcome is its own, in order', async () => {
    const second = await market.offer(header);
    const outcomes = await client.submitMany([
      bid(99, { intentId: 'not-allowed', to: `0x${'9'.repeat(40)}` }),
      bid(second),
      bid(4_041, { valueWei: '0' }),
    ]);
    expect(outcomes).toMatchObject([
      { intentId: 'not-allowed', reason: 'not allowed' },
      { intentId: `bid:${String(second)}`, status: 'signed' },
      { intentId: 'bid:4041', reason: 'reverts' },
    ]);
  });

  test('holds the daily limit, also for requests at once and across a restart', async () => {
    // Two bonds of two and a half are spent by the tests above; the third is one too many.
    const third = await market.offer(header);
    await expect(client.submit(bid(third))).rejects.toThrow(/last 24 hours/);
    await signer.stop('SIGKILL');
    await signer.start();
    const outcomes = await client.submitMany([bid(third), bid(third, { intentId: 'again' })]);
    expect(outcomes).toMatchObject([{ reason: 'not allowed' }, { reason: 'not allowed' }]);
    // What was sent before is still the same intent, not a second payment.
    expect((await client.submit(bid(offerId))).status).toBe('confirmed');
  });

  test('derives the same salt for one account and context, after a restart too, and another for another', async () => {
    const salt = await client.salt(account, 'offer 1');
    await signer.stop();
    await signer.start();
    expect(await client.salt(account, 'offer 1')).toBe(salt);
    expect(await client.salt(account, 'offer 2')).not.toBe(salt);
    await expect(client.salt(`0x${'7'.repeat(40)}`, 'offer 1')).rejects.toThrow(SignerRefusedError);
  });

  describe('over HTTP', () => {
    const post = (path: string, body: string, token = signer.token): Promise<Response> =>
      fetch(`${signer.url}${path}`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body });

    test.each(['', 'x', 'x'.repeat(32), 'x'.repeat(10_000)])(
      'turns away whoever does not know the token: "%.8s"',
      async (token) => {
        const { status } = await post('/intents', JSON.stringify(bid(1)), token);
        expect(status).toBe(401);
        expect((await fetch(`${signer.url}/accounts`, { headers: { authorization: token } })).status).toBe(401);
      },
    );

    test('answers nonsense with 4xx, and goes on', async () => {
      const nonsense: [string, string, number][] = [
        ['/intents', 'no json', 400],
        ['/intents', '{}', 400],
        ['/intents', JSON.stringify({ ...bid(1), gasLimit: '1' }), 400],
        ['/intents', JSON.stringify(bid(1, { valueWei: '-1' })), 400],
        ['/intents', JSON.stringify(bid(1, { intentId: 'x'.repeat(201) })), 400],
        ['/intents/batch', JSON.stringify({ intents: [] }), 400],
        [
          '/intents/batch',
          JSON.stringify({ intents: Array.from({ length: maxIntentsAtOnce + 1 }, () => bid(1)) }),
          400,
        ],
        ['/intents', `"${'x'.repeat(2 ** 21)}"`, 413],
        ['/salts', JSON.stringify({ account, context: '' }), 400],
        ['/keys', '{}', 404],
      ];
      for (const [path, body, status] of nonsense)
        expect([path, (await post(path, body)).status]).toEqual([path, status]);
      expect((await fetch(`${signer.url}/health`)).status).toBe(200);
    });
  });

  test('a signer that is gone is unavailable, not a refusal', async () => {
    await signer.stop();
    await expect(client.submit(bid(1))).rejects.toThrow(SignerUnavailableError);
    await signer.start();
  });

  describe('starting', () => {
    afterEach(() => {
      for (const file of ['keys.json', 'token', 'policy.json']) chmodSync(join(folder, file), 0o600);
    });

    async function startWith(changes: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
      const child = spawn(process.execPath, [join(import.meta.dirname, '../dist/signer/main.js')], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env['PATH'],
          SIGNER_RPC_URL: market.anvil.rpcUrl,
          SIGNER_KEYS_FILE: join(folder, 'keys.json'),
          SIGNER_TOKEN_FILE: join(folder, 'token'),
          SIGNER_POLICY_FILE: join(folder, 'policy.json'),
          SIGNER_STATE_FOLDER: join(folder, 'other-state'),
          ...changes,
        },
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          output += chunk.toString();
        });
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, output };
    }

    test.each(['keys.json', 'token'])('is refused with a %s that others can read', async (file) => {
      chmodSync(join(folder, file), 0o640);
      const { code, output } = await startWith({});
      expect(code).toBe(2);
      expect(output).toContain(`chmod 600 ${join(folder, file)}`);
    });

    test('is refused with a policy that others can change', async () => {
      chmodSync(join(folder, 'policy.json'), 0o666);
      expect((await startWith({})).code).toBe(2);
    });

    test('is refused with broken keys, without printing any of them', async () => {
      const key = market.wallet(4).privateKey;
      for (const content of [key, `["${key}", "0x12"]`, `{"key": "${key}"}`]) {
        writeFileSync(join(folder, 'broken.json'), content, { mode: 0o600 });
        const { code, output } = await startWith({ SIGNER_KEYS_FILE: join(folder, 'broken.json') });
        expect(code).toBe(2);
        expect(output).toContain('SIGNER_KEYS_FILE');
        expect(output).not.toContain(key.slice(2, 14));
      }
    });

    test('is refused with settings that are missing, naming each', async () => {
      const { code, output } = await startWith({ SIGNER_RPC_URL: 'nowhere', SIGNER_STATE_FOLDER: '' });
      expect(code).toBe(2);
      expect(output).toMatch(/SIGNER_RPC_URL[^]*SIGNER_STATE_FOLDER/);
    });
  });

  test('keeps its secrets to itself: nothing in its journal, arguments or environment, all files private', () => {
    const key = market.wallet(4).privateKey.slice(2);
    for (const file of readdirSync(folder).filter((name) => name.startsWith('intents'))) {
      expect(statSync(join(folder, file)).mode & 0o077).toBe(0);
      expect(readFileSync(join(folder, file), 'utf8')).not.toContain(key);
    }
    const proc = `/proc/${String(signer.pid)}`;
    for (const file of ['cmdline', 'environ']) {
      const text = readFileSync(`${proc}/${file}`, 'utf8');
      expect(text).not.toContain(key);
      expect(text).not.toContain(signer.token);
    }
  });
});
