import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TrainerJobChecker } from '../src/bidding/job-checker.ts';
import { addPool } from './add-pool.ts';
import { silent } from './api-stack.ts';
import { EngineProcess } from './engine-process.ts';
import { eventually } from './eventually.ts';
import { freshSeed, LocalMarket, oneEther } from './local-market.ts';
import { SignerProcess } from './signer-process.ts';

let market: LocalMarket;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-refused-'));
  market = await LocalMarket.start();
}, 120_000);
afterAll(async () => {
  await market.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

describe('a pool that cannot bid', () => {
  test('leaves the offer to the next cheapest, for want of ETH as for want of stake that the market can lock', async () => {
    const [poor, unready, rich] = [market.wallet(4), market.wallet(5), market.wallet(6)];
    for (const wallet of [poor, rich]) await market.stake(wallet, 10n * oneEther);
    await market.provider.send('anvil_setBalance', [poor.address, '0x0']);
    const signer = await SignerProcess.start({
      folder: join(folder, 'signer'),
      rpcUrl: market.anvil.rpcUrl,
      deployment: market.deployment,
      keys: [poor, unready, rich].map(({ privateKey }) => privateKey),
      pollMs: 100,
    });
    const pgliteFolder = join(folder, 'database');
    for (const [index, wallet] of [poor, unready, rich].entries())
      await addPool(
        { pgliteFolder },
        {
          id: `pool-${String(index)}`,
          wallet: wallet.address,
          floorPriceWeiPerGpuHour: String(BigInt(index + 1) * 10n ** 15n),
        },
      );
    const engine = await EngineProcess.start({
      pgliteFolder,
      rpcUrl: market.anvil.rpcUrl,
      deployment: market.deployment,
      swarmUrl: market.store.url,
      signerUrl: signer.url,
      signerToken: signer.token,
      workFolder: join(folder, 'jobs'),
      trainerCommand: ['false'],
      validators: [],
      keeper: null,
      replica: 'only',
      pollMs: 50,
      leaseMs: 5_000,
    });
    try {
      const offerId = await market.offer(await market.publish(freshSeed()));
      await eventually('a bid', async () => (await market.bidders(offerId)).length > 0);
      expect(await market.bidders(offerId)).toEqual([rich.address]);
    } finally {
      await engine.stop();
      await signer.stop();
    }
  }, 120_000);
});

describe('a job that cannot be trained', () => {
  test('is refused by the trainer itself, and one whose state is missing is not decided yet', async () => {
    const checker = new TrainerJobChecker({
      swarmUrl: market.store.url,
      command: [process.execPath, join(import.meta.dirname, '../../trainer/src/main.ts')],
      logger: silent,
    });
    try {
      const header = await market.publish(freshSeed());
      const refused = await checker.check(header, 'urgent');
      expect(refused).toMatchObject({ ok: false, final: true });
      expect(checker.known(header, 0)).toEqual(refused);
      const jobSpecReference = `0x${'d'.repeat(64)}` as const;
      expect(await checker.check({ ...header, jobSpecReference }, 'urgent')).toMatchObject({ ok: false, final: false });
    } finally {
      await checker.close();
    }
  }, 120_000);
});
