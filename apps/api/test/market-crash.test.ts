import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '@cotrain/processes';
import pg from 'pg';
import { addPool } from './add-pool.ts';
import { type EngineHostOptions, EngineProcess } from './engine-process.ts';
import { eventually } from './eventually.ts';
import { freshSeed, LocalMarket, oneEther } from './local-market.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { SignerProcess } from './signer-process.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** A trainer that takes its time, says which process it is, and ends when it is asked to. */
const slowTrainer = `
  const { appendFileSync } = require('node:fs');
  const folder = process.argv[process.argv.indexOf('--workdir') + 1];
  appendFileSync(folder + '/runs', process.pid + '\\n');
  process.on('SIGTERM', () => process.exit(143));
  console.log(JSON.stringify({ type: 'start', backend: 'cpu' }));
  setInterval(() => console.log(JSON.stringify({ type: 'batch', step: 0, loss: 1, metric: 0, wallMs: 1 })), 200);
`;

describe('a market whose processes are killed', () => {
  let market: LocalMarket;
  let postgres: TestPostgres;
  let folder: string;
  let signer: SignerProcess;
  let trainerCommand: string[];
  const engines: EngineProcess[] = [];
  const proxies: TcpProxy[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cotrain-crash-'));
    writeFileSync(join(folder, 'trainer.cjs'), slowTrainer);
    trainerCommand = [process.execPath, join(folder, 'trainer.cjs')];
    [market, postgres] = await Promise.all([LocalMarket.start(), startPostgres()]);
    await market.stake(market.wallet(4), 100n * oneEther);
    signer = await SignerProcess.start({
      folder: join(folder, 'signer'),
      rpcUrl: market.anvil.rpcUrl,
      deployment: market.deployment,
      keys: [market.wallet(0).privateKey, market.wallet(4).privateKey],
      pollMs: 100,
      // One of the tests sets the chain back: what was sent on what is gone must not count as final.
      confirmations: 2,
    });
  }, 120_000);

  // They share pool and signer: one that outlives its test would act on the next one's offers.
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.stop('SIGKILL');
    for (const proxy of proxies.splice(0)) await proxy.close();
  });

  afterAll(async () => {
    await signer.stop();
    await market.close();
    await postgres.remove();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  async function freshDatabase(): Promise<string> {
    const databaseUrl = await postgres.createDatabase();
    await addPool({ databaseUrl }, { id: 'pool', wallet: market.wallet(4).address, maxParallelJobs: 1_000 });
    return databaseUrl;
  }

  async function startEngine(
    databaseUrl: string,
    replica: string,
    changes: Partial<EngineHostOptions> = {},
  ): Promise<EngineProcess> {
    const engine = await EngineProcess.start({
      databaseUrl,
      rpcUrl: market.anvil.rpcUrl,
      deployment: market.deployment,
      swarmUrl: market.store.url,
      signerUrl: signer.url,
      signerToken: signer.token,
      workFolder: join(folder, `jobs-${replica}`),
      trainerCommand,
      validators: [],
      keeper: null,
      replica,
      pollMs: 50,
      leaseMs: 1_500,
      ...changes,
    });
    engines.push(engine);
    return engine;
  }

  async function query<T extends object>(databaseUrl: string, sql: string): Promise<T[]> {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      return (await client.query<T>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  const oneBid = async (offerId: number): Promise<void> => {
    await eventually('a bid', async () => (await market.bidders(offerId)).length > 0);
    // Time for a second one, if there were one.
    await delay(1_000);
    await market.provider.send('evm_mine', []);
    expect(await market.bidders(offerId)).toEqual([market.wallet(4).address]);
  };

  test.each(['before signing', 'while signing', 'before recording'] as const)(
    'an API that dies %s bids once after a restart',
    async (killAt) => {
      const databaseUrl = await freshDatabase();
      const dying = await startEngine(databaseUrl, 'first', { killAt });
      const offerId = await market.offer(await market.publish(freshSeed()));
      await dying.ended;
      await startEngine(databaseUrl, 'second').then(async (engine) => {
        await oneBid(offerId);
        await engine.stop();
      });
      const held = await query<{ state: string }>(
        databaseUrl,
        `SELECT "state" FROM "Reservation" WHERE "offerId" = ${String(offerId)}`,
      );
      expect(held).toEqual([{ state: 'held' }]);
    },
    120_000,
  );

  test('a signer that is killed again and again sends one bid for each offer', async () => {
    const databaseUrl = await freshDatabase();
    const engine = await startEngine(databaseUrl, 'steady');
    const offers: number[] = [];
    for (let round = 0; round < 4; round++) {
      offers.push(await market.offer(await market.publish(freshSeed())));
      // At another moment of the bid each time: before, within and after what it does.
      await delay(round * 60);
      await signer.stop('SIGKILL');
      await delay(100);
      await signer.start();
    }
    for (const offerId of offers) await oneBid(offerId);
    await engine.stop();
  }, 120_000);

  test('two replicas on one database place one bid and start one job; when one is killed the other goes on', async () => {
    const databaseUrl = await freshDatabase();
    const [a, b] = await Promise.all([startEngine(databaseUrl, 'a'), startEngine(databaseUrl, 'b')]);
    const offerId = await market.offer(await market.publish(freshSeed()), { bidWindow: 60 });
    await oneBid(offerId);
    await market.provider.send('evm_increaseTime', [61]);
    await market.provider.send('evm_mine', []);
    await market.award(offerId);
    const [job] = await eventually('a running job', async () => {
      const jobs = await query<{ name: string; attempts: number }>(
        databaseUrl,
        `SELECT "name", "attempts" FROM "TrainingJob" WHERE "offerId" = ${String(offerId)} AND "backend" IS NOT NULL`,
      );
      return jobs.length > 0 && jobs;
    });
    expect(job?.attempts).toBe(1);
    const [lease] = await query<{ holder: string }>(
      databaseUrl,
      `SELECT "holder" FROM "Lease" WHERE "name" = 'job:${job?.name ?? ''}'`,
    );
    const runner = lease?.holder === 'a' ? a : b;
    await runner.stop('SIGKILL');
    const attempts = await eventually(
      'the other replica to run the job',
      async () => {
        const [row] = await query<{ attempts: number; holder: string }>(
          databaseUrl,
          `SELECT "attempts", "holder" FROM "TrainingJob", "Lease" WHERE "offerId" = ${String(offerId)} AND "Lease"."name" = 'job:' || "TrainingJob"."name"`,
        );
        return row !== undefined && row.holder !== lease?.holder && row.attempts > 1 && row.attempts;
      },
      60_000,
    );
    expect(attempts).toBe(2);
    // The killed replica's trainer does not outlive it.
    await eventually('one of two trainers to be left', () => {
      const trainers = ['a', 'b'].flatMap((replica) => trainersOf(join(folder, `jobs-${replica}`, job?.name ?? '')));
      return trainers.length === 2 && trainers.filter(isAlive).length === 1;
    });
    expect(await market.bidders(offerId)).toHaveLength(1);
    for (const engine of [a, b]) await engine.stop();
  }, 180_000);

  test('a replica that sleeps through its lease cannot act on what it had begun', async () => {
    const databaseUrl = await freshDatabase();
    // The sleeper's signer hangs, so that it falls asleep in the middle of a bid that it has decided on.
    const proxy = await startTcpProxy(Number(new URL(signer.url).port));
    proxies.push(proxy);
    const sleeper = await startEngine(databaseUrl, 'sleeper', { signerUrl: `http://127.0.0.1:${String(proxy.port)}` });
    await eventually(
      'the lease',
      async () => (await query(databaseUrl, `SELECT 1 FROM "Lease" WHERE "holder" = 'sleeper'`)).length > 0,
    );
    await proxy.cut('hang');
    const offerId = await market.offer(await market.publish(freshSeed()));
    const held = `SELECT 1 FROM "Reservation" WHERE "offerId" = ${String(offerId)}`;
    await eventually('the decision', async () => (await query(databaseUrl, held)).length > 0);
    sleeper.signal('SIGSTOP');
    await proxy.mend();
    const waker = await startEngine(databaseUrl, 'waker');
    await oneBid(offerId);
    sleeper.signal('SIGCONT');
    await delay(2_000);
    await market.provider.send('evm_mine', []);
    expect(await market.bidders(offerId)).toHaveLength(1);
    const receipts = await query(
      databaseUrl,
      `SELECT 1 FROM "MatchReceipt" WHERE "offerId" = ${String(offerId)} AND "poolId" IS NOT NULL`,
    );
    expect(receipts).toHaveLength(1);
    for (const engine of [sleeper, waker]) await engine.stop();
  }, 120_000);

  test('an award that a reorganisation takes back stops its job, and the capacity stays held for the bid', async () => {
    const databaseUrl = await freshDatabase();
    const engine = await startEngine(databaseUrl, 'reorganised');
    const offerId = await market.offer(await market.publish(freshSeed()), { bidWindow: 60 });
    await oneBid(offerId);
    const before = (await market.provider.send('evm_snapshot', [])) as string;
    await market.provider.send('evm_increaseTime', [61]);
    await market.provider.send('evm_mine', []);
    await market.award(offerId);
    const state = async (): Promise<string | undefined> =>
      (
        await query<{ state: string }>(
          databaseUrl,
          `SELECT "state" FROM "TrainingJob" WHERE "offerId" = ${String(offerId)}`,
        )
      )[0]?.state;
    await eventually('the job', async () => (await state()) === 'running');
    await market.provider.send('evm_revert', [before]);
    market.forgetNonces();
    for (let block = 0; block < 8; block++) await market.provider.send('evm_mine', []);
    await eventually('the job to stop', async () => (await state()) === 'stopped');
    const held = await query<{ state: string }>(
      databaseUrl,
      `SELECT "state" FROM "Reservation" WHERE "offerId" = ${String(offerId)}`,
    );
    expect(held).toEqual([{ state: 'held' }]);
    await engine.stop();
  }, 120_000);

  test.each(['rpc', 'store', 'signer'] as const)(
    'with the %s gone for a while nothing is lost: the bid is placed when it is back',
    async (part) => {
      const databaseUrl = await freshDatabase();
      const target = { rpc: market.anvil.rpcUrl, store: market.store.url, signer: signer.url }[part];
      const proxy = await startTcpProxy(Number(new URL(target).port));
      proxies.push(proxy);
      const proxied = `http://127.0.0.1:${String(proxy.port)}`;
      const engine = await startEngine(databaseUrl, `without-${part}`, {
        ...(part === 'rpc' ? { rpcUrl: proxied } : {}),
        ...(part === 'store' ? { swarmUrl: proxied } : {}),
        ...(part === 'signer' ? { signerUrl: proxied } : {}),
      });
      await proxy.cut('refuse');
      const offerId = await market.offer(await market.publish(freshSeed()));
      await delay(4_000);
      expect(await market.bidders(offerId)).toEqual([]);
      expect(engine.alive).toBe(true);
      await proxy.mend();
      await oneBid(offerId);
      await engine.stop();
    },
    180_000,
  );
});

function trainersOf(workdir: string): number[] {
  const file = join(workdir, 'runs');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : [];
}
