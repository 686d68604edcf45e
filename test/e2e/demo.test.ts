import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeEvent, interfaceOf, sampledQuorumAbi, trainerRegistryAbi, trainingMarketAbi } from '@cotrain/chain';
import type { DemoReport } from '@cotrain/cli';
import { JsonRpcProvider, parseEther, type TransactionReceipt, type TransactionResponse } from 'ethers';

// The demo as a newcomer starts it, and its report checked against the chain that it ran on.

const folder = mkdtempSync(join(tmpdir(), 'cotrain-demo-test-'));
const reportFile = join(folder, 'report.json');
const stackFolder = join(folder, 'stack');
const command = join(import.meta.dirname, '../../apps/cli/bin/cotrain.js');
const reference = /^0x[0-9a-f]{64}$/;
const burnAddress = '0x000000000000000000000000000000000000dEaD';

let report: DemoReport;
let story = '';
let complaints = '';
let exitCode: number | null = null;
let sent: { transaction: TransactionResponse; receipt: TransactionReceipt }[] = [];
let contracts: { market: string; registry: string; quorum: string };

beforeAll(async () => {
  const demo = spawn(process.execPath, [command, 'demo', '--json', reportFile, '--dir', stackFolder, '--keep'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  demo.stdout.on('data', (chunk: Buffer) => (story += chunk.toString()));
  demo.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  const closed = once(demo, 'close') as Promise<[number | null]>;
  while (!existsSync(reportFile) || !story.includes('stays up')) {
    if (demo.exitCode !== null)
      throw new Error(`The demo ended with ${String(demo.exitCode)}: ${complaints}\n${story}`);
    await delay(500);
  }
  report = JSON.parse(readFileSync(reportFile, 'utf8')) as DemoReport;
  const { rpcUrl } = JSON.parse(readFileSync(join(stackFolder, 'stack.json'), 'utf8')) as { rpcUrl: string };
  contracts = JSON.parse(readFileSync(join(stackFolder, 'deployments/31337.json'), 'utf8')) as typeof contracts;
  sent = await readChain(rpcUrl);
  demo.kill('SIGINT');
  [exitCode] = await closed;
}, 600_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Every transaction to the contracts, but for those that set them up. */
async function readChain(rpcUrl: string): Promise<typeof sent> {
  const provider = new JsonRpcProvider(rpcUrl, 31_337, { staticNetwork: true, cacheTimeout: -1 });
  const found: typeof sent = [];
  const setUp = ['admitMarket', 'admitVerifier'];
  const head = await provider.getBlockNumber();
  for (let number = 1; number <= head; number++) {
    const block = await provider.getBlock(number, true);
    for (const transaction of block?.prefetchedTransactions ?? []) {
      if (transaction.to === null || setUp.includes(functionOf(transaction))) continue;
      const receipt = await provider.getTransactionReceipt(transaction.hash);
      if (receipt !== null) found.push({ transaction, receipt });
    }
  }
  provider.destroy();
  return found;
}

const interfaces = [trainingMarketAbi, trainerRegistryAbi, sampledQuorumAbi].map((abi) => interfaceOf(abi));

function functionOf({ data }: { data: string }): string {
  const selector = data.slice(0, 10);
  return interfaces.map((contract) => contract.getFunction(selector)?.name).find(Boolean) ?? selector;
}

type MarketEvent = NonNullable<ReturnType<typeof decodeEvent<typeof trainingMarketAbi>>>;

function marketEvents<TName extends MarketEvent['eventName']>(
  name: TName,
): Extract<MarketEvent, { eventName: TName }>[] {
  return sent
    .flatMap(({ receipt }) => receipt.logs)
    .filter(({ address }) => address.toLowerCase() === contracts.market.toLowerCase())
    .map((log) => decodeEvent(trainingMarketAbi, log))
    .filter((event): event is Extract<MarketEvent, { eventName: TName }> => event?.eventName === name);
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);
const sameAddress = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
const gasWei = (of?: string): bigint =>
  sum(
    sent
      .filter(({ transaction }) => of === undefined || sameAddress(transaction.from, of))
      .map(({ receipt }) => receipt.gasUsed * receipt.gasPrice),
  );

function change(address: string): bigint {
  const find = (balances: Record<string, string>): bigint =>
    BigInt(Object.entries(balances).find(([each]) => sameAddress(each, address))?.[1] ?? '0');
  return find(report.balances.after) - find(report.balances.before);
}

/** Who paid `value` into what by the named function. */
function paidIn(name: string, of: string): bigint {
  return sum(
    sent
      .filter(
        ({ transaction, receipt }) =>
          receipt.status === 1 && sameAddress(transaction.from, of) && functionOf(transaction) === name,
      )
      .map(({ transaction }) => transaction.value),
  );
}

describe('the demo', () => {
  it('tells its story, complains of nothing and ends well', () => {
    expect(complaints).toBe('');
    expect(exitCode).toBe(0);
    for (const words of ['GPU_MEMORY_TOO_SMALL', 'PRICE_BELOW_FLOOR', 'votes valid', 'votes invalid', 'never advanced'])
      expect(story).toContain(words);
    // No terminal: no control characters, but a sign of life while it trains.
    expect(story).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    // How many lines there are depends on how fast the machine is.
    expect(story).toMatch(/^ {2}batch [1-9]\d*\/2400 {2}loss \d/m);
  });

  it('reports two offers, field by field', () => {
    expect(Object.keys(report).sort()).toEqual(['balances', 'durationsMs', 'offers']);
    const common = {
      mode: 'SAMPLED',
      runtime: 'exact/1',
      rewardWei: '1000000000000000007',
      logReference: expect.stringMatching(reference) as unknown,
      modelReference: expect.stringMatching(reference) as unknown,
      testAccuracy: expect.any(Number) as unknown,
      transactions: expect.any(Array) as unknown,
    };
    expect(report.offers).toEqual([
      { ...common, id: 1, outcome: 'paid', pool: 'river-coop', priceWei: '612500000000000000', steps: 2_400 },
      { ...common, id: 2, outcome: 'slashed', pool: 'shady-shed', priceWei: '350000000000000000', steps: 400 },
    ]);
    expect(report.offers[0]?.testAccuracy).toBeGreaterThanOrEqual(0.95);
    for (const duration of Object.values(report.durationsMs)) expect(Number.isInteger(duration)).toBe(true);
    const { total = 0, ...parts } = report.durationsMs;
    expect(Object.keys(parts).sort()).toEqual(['dataset', 'firstOffer', 'payouts', 'secondOffer', 'setUp', 'stack']);
    expect(Object.values(parts).reduce((all, part) => all + part, 0)).toBeLessThanOrEqual(total + 10);
  });

  it('lists the transactions of each offer once, as the chain has them', () => {
    for (const { id, transactions } of report.offers) {
      const hashes = transactions.map(({ hash }) => hash);
      expect(new Set(hashes).size).toBe(hashes.length);
      for (const { name, hash, gasUsed } of transactions) {
        const onChain = sent.find(({ transaction }) => transaction.hash === hash);
        expect({ name, gasUsed }).toEqual({
          name: onChain && functionOf(onChain.transaction),
          gasUsed: String(onChain?.receipt.gasUsed),
        });
      }
      const names = transactions.map(({ name }) => name);
      const count = (name: string): number => names.filter((each) => each === name).length;
      expect([id, names[0], count('fund'), count('bid'), count('award'), count('start'), count('commit')]).toEqual([
        id,
        'open',
        3,
        1,
        1,
        1,
        1,
      ]);
      expect([count('commitVote'), count('revealVote'), count('finalize'), count('claimRefund')]).toEqual([3, 3, 1, 3]);
    }
  });
});

describe('the money of the demo, computed again from the receipts', () => {
  it('is neither lost nor made: all balances change by what was paid for gas', () => {
    const { before, after } = report.balances;
    expect(Object.keys(after)).toEqual(Object.keys(before));
    const total = (balances: Record<string, string>): bigint => sum(Object.values(balances).map(BigInt));
    expect(total(before) - total(after)).toBe(gasWei());
    for (const amount of [...Object.values(before), ...Object.values(after)]) expect(amount).toMatch(/^\d+$/);
  });

  it('comes from the companies by their shares, and what was not spent goes back to the wei', () => {
    const shares = marketEvents('ShareFunded');
    const claims = marketEvents('RefundClaimed');
    const settled = marketEvents('OfferSettled');
    expect(shares).toHaveLength(6);
    expect(claims).toHaveLength(6);
    for (const { args } of settled) {
      const of = (events: readonly { args: { offerId: bigint } }[]): number =>
        events.filter((event) => event.args.offerId === args.offerId).length;
      expect([of(shares), of(claims)]).toEqual([3, 3]);
      const claimed = claims.filter((claim) => claim.args.offerId === args.offerId);
      expect(sum(claimed.map((claim) => claim.args.amountWei))).toBe(args.refundableWei);
      expect(sum(claimed.map((claim) => claim.args.etherWei))).toBe(args.refundableEtherWei);
    }
    const companies = [...new Set(shares.map(({ args }) => args.payer))];
    for (const company of companies) {
      const paid = sum(shares.filter(({ args }) => sameAddress(args.payer, company)).map(({ args }) => args.amountWei));
      const back = sum(
        claims.filter(({ args }) => sameAddress(args.payer, company)).map(({ args }) => args.amountWei + args.etherWei),
      );
      expect(change(company)).toBe(back - paid - gasWei(company));
    }
    // Five, three and two tenths of an odd amount, rounded so that they sum up.
    const whole = 1_010_000_000_000_000_008n;
    const first = shares
      .filter(({ args }) => args.offerId === 1n)
      .sort((a, b) => Number(b.args.amountWei - a.args.amountWei));
    expect(first.map(({ args }) => args.amountWei)).toEqual([
      (whole * 5n) / 10n,
      (whole * 8n) / 10n - (whole * 5n) / 10n,
      whole - (whole * 8n) / 10n,
    ]);
  });

  it('goes to the honest pool as its price, to the validators as their fees, and not to the cheat', () => {
    const awards = marketEvents('OfferAwarded');
    const [honest, cheat] = awards.map(({ args }) => args.trainer);
    const stake = parseEther('2');
    expect(change(honest ?? '')).toBe(BigInt(report.offers[0]?.priceWei ?? 0) - stake - gasWei(honest));
    expect(change(cheat ?? '')).toBe(-stake - gasWei(cheat));
    const validators = [
      ...new Set(
        sent
          .filter(({ transaction }) => functionOf(transaction) === 'revealVote')
          .map(({ transaction }) => transaction.from),
      ),
    ];
    expect(validators).toHaveLength(3);
    const fees = validators.map((validator) => change(validator) + paidIn('join', validator) + gasWei(validator));
    const whole = marketEvents('ShareFunded').map(({ args }) => args.amountWei);
    const spent = marketEvents('OfferSettled').map(({ args }) => args.paidWei + args.refundableWei);
    expect(sum(fees)).toBe(sum(whole) - sum(spent));
    for (const fee of fees) expect(fee).toBeGreaterThan(0n);
  });

  it('leaves nothing in the market, the stakes where they were put, and half of the cheat’s lock burnt', () => {
    expect(change(contracts.market)).toBe(0n);
    expect(change(contracts.registry)).toBe(parseEther('7'));
    expect(change(burnAddress)).toBe(parseEther('0.5'));
    const fees = change(contracts.quorum) - parseEther('3');
    expect(fees).toBe(0n);
  });
});
