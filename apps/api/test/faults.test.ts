import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeCall, interfaceOf, readContract, sampledQuorumAbi, trainingMarketAbi } from '@cotrain/chain';
import {
  encodeLogEntry,
  encodeLogHeader,
  endsSegment,
  hashJobHeader,
  type JobHeader,
  type Reference,
} from '@cotrain/protocol';
import pg from 'pg';
import { type Api, startApi } from '../src/start-api.ts';
import { addPool } from './add-pool.ts';
import { silent } from './api-stack.ts';
import { eventually } from './eventually.ts';
import { ethToken, freshSeed, LocalMarket, oneEther } from './local-market.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { SignerProcess } from './signer-process.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { trustingChecker } from './trusting-checker.ts';

/**
 * Stands in for the trainer. `train` reports batches until the file <seed>.json says what it came to; `validate` votes
 * Valid, from the third time on only when <seed>.third is there. Both read from the store before they end, and ask to be
 * started again (3) when it is not there.
 */
const trainer = `
  const { appendFileSync, existsSync, readFileSync } = require('node:fs');
  const flag = (name) => process.argv[process.argv.indexOf('--' + name) + 1];
  const header = JSON.parse(flag('header-json'));
  const file = (name) => __dirname + '/' + header.seed + '.' + name;
  const say = (message) => process.stdout.write(JSON.stringify(message) + '\\n');
  const pause = () => new Promise((resolve) => setTimeout(resolve, 100));
  process.on('SIGTERM', () => process.exit(143));
  const train = async () => {
    say({ type: 'start', backend: 'cpu' });
    for (let step = 0; !existsSync(file('json')); step++) {
      say({ type: 'batch', step: step % header.steps, loss: 1, metric: 0, wallMs: 1 });
      await pause();
    }
    await fetch(flag('swarm') + '/bytes/' + header.trainingViewReference.slice(2));
    say({ type: 'result', testAccuracy: null, ...JSON.parse(readFileSync(file('json'), 'utf8')) });
  };
  const validate = async () => {
    await fetch(flag('swarm') + '/bytes/' + flag('log').slice(2));
    appendFileSync(file('votes'), '.');
    while (readFileSync(file('votes'), 'utf8').length > 2 && !existsSync(file('third'))) await pause();
    say({ type: 'verdict', vote: 'Valid', evidence: '0x' + '5'.repeat(64), segments: [] });
  };
  (process.argv[2] === 'train' ? train() : validate()).catch(() => process.exit(3));
`;

const parts = ['chain', 'swarm', 'signer', 'database'] as const;
type Part = (typeof parts)[number];
/** States of an offer, as the contract counts them. */
const [training, committed, paid] = [4, 5, 6];
const challengeWindow = 60;
const bidWindow = 60;

describe('an offer from its bid to its payment', () => {
  let market: LocalMarket;
  let postgres: TestPostgres;
  let folder: string;
  let signer: SignerProcess;
  let proxies: Record<Part, TcpProxy>;
  let api: Api | null = null;
  const pool = (): string => market.wallet(4).address;
  const validators = (): string[] => [11, 12, 13].map((index) => market.wallet(index).address);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cotrain-faults-'));
    writeFileSync(join(folder, 'trainer.cjs'), trainer);
    [market, postgres] = await Promise.all([LocalMarket.start(), startPostgres()]);
    await market.stake(market.wallet(4), 100n * oneEther);
    const { data } = encodeCall({ abi: sampledQuorumAbi, functionName: 'join', args: [] });
    for (const index of [11, 12, 13])
      await market.mined(await market.send(market.wallet(index), market.deployment.quorum, data, oneEther));
    const chain = await startTcpProxy(portOf(market.anvil.rpcUrl));
    signer = await SignerProcess.start({
      folder: join(folder, 'signer'),
      rpcUrl: `http://127.0.0.1:${String(chain.port)}`,
      deployment: market.deployment,
      keys: [0, 4, 11, 12, 13].map((index) => market.wallet(index).privateKey),
      pollMs: 100,
    });
    proxies = {
      chain,
      swarm: await startTcpProxy(portOf(market.store.url)),
      signer: await startTcpProxy(portOf(signer.url)),
      database: await startTcpProxy(postgres.port),
    };
  }, 180_000);
  afterEach(async () => {
    for (const proxy of Object.values(proxies)) await proxy.mend();
    await api?.close();
    api = null;
  }, 60_000);
  afterAll(async () => {
    for (const proxy of Object.values(proxies)) await proxy.close();
    await signer.stop();
    await market.close();
    await postgres.remove();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  /** An API that reaches everything through the proxies. Answers what its database says, asked directly. */
  async function start(): Promise<<T extends object>(sql: string) => Promise<T[]>> {
    const databaseUrl = await postgres.createDatabase();
    await addPool({ databaseUrl }, { id: 'pool', wallet: pool(), gpuCount: 16, maxParallelJobs: 100 });
    const through = new URL(databaseUrl);
    through.hostname = '127.0.0.1';
    through.port = String(proxies.database.port);
    const url = (part: Part): string => `http://127.0.0.1:${String(proxies[part].port)}`;
    api = await startApi({
      databaseUrl: through.href,
      rpcUrl: url('chain'),
      swarmUrl: url('swarm'),
      signerUrl: url('signer'),
      signerToken: signer.token,
      deployment: market.deployment,
      workFolder: mkdtempSync(join(folder, 'jobs-')),
      trainerCommands: { default: [process.execPath, join(folder, 'trainer.cjs')] },
      checker: trustingChecker,
      validators: validators(),
      keeper: market.wallet(0).address,
      awardConfirmations: 0,
      pollMs: 100,
      logger: silent,
    });
    return async <T extends object>(sql: string): Promise<T[]> => {
      const client = new pg.Client({ connectionString: databaseUrl });
      await client.connect();
      try {
        return (await client.query<T>(sql)).rows;
      } finally {
        await client.end();
      }
    };
  }

  const pass = async (seconds: number): Promise<void> => {
    await market.provider.send('evm_increaseTime', [seconds]);
    await market.provider.send('anvil_mine', ['0x3']);
  };
  const stateOf = async (offerId: number): Promise<number> =>
    Number(
      await readContract(market.provider, {
        abi: trainingMarketAbi,
        address: market.deployment.market,
        functionName: 'offerState',
        args: [BigInt(offerId)],
      }),
    );
  const readiness = async (): Promise<Record<string, unknown>> =>
    (await (await fetch(`${api?.url ?? ''}/ready`)).json()) as Record<string, unknown>;
  const votesOf = async (offerId: number): Promise<number> => {
    const topics = interfaceOf(sampledQuorumAbi).encodeFilterTopics('VoteCommitted', [offerId]);
    const logs = await market.provider.getLogs({ address: market.deployment.quorum, topics, fromBlock: 0 });
    return logs.length;
  };
  const publishLog = async (header: JobHeader): Promise<{ logReference: Reference; modelReference: Reference }> => {
    const modelReference = await market.swarm.upload(randomBytes(64));
    const logReference = await market.swarm.upload(logOf(header, modelReference));
    return { logReference, modelReference };
  };
  const say = (header: JobHeader, result: object): void => {
    writeFileSync(join(folder, `${String(header.seed)}.json`), JSON.stringify(result));
  };

  test('what a trainer reports is checked: only the log of the job is committed, others fail it with the reason', async () => {
    const query = await start();
    const reports: [string, RegExp | null, (header: JobHeader) => Promise<object>][] = [
      ['good', null, publishLog],
      [
        'missing',
        /^Nothing is stored under 0x9{64}/,
        async (header) => ({ ...(await publishLog(header)), logReference: `0x${'9'.repeat(64)}` }),
      ],
      [
        'too short',
        /has 4288 bytes; 4 batches take 4352/,
        async (header) => changed(header, (log) => log.subarray(0, -64)),
      ],
      [
        'oversized',
        /has 1048576 bytes; 4 batches take 4352/,
        async (header) => changed(header, () => Buffer.alloc(2 ** 20, 1)),
      ],
      [
        'noise',
        /is malformed: LogHeader/,
        async (header) => changed(header, (log) => Buffer.from(randomBytes(log.length))),
      ],
      [
        'a last loss that is none',
        /is malformed: LogEntry/,
        async (header) => changed(header, (log) => (log.fill(0xff, log.length - 64, log.length - 60), log)),
      ],
      ["another job's", /is of job 0x/, (header) => publishLog({ ...header, seed: header.seed ^ 1n })],
      [
        'with another model',
        /but the model is said to be/,
        async (header) => ({
          ...(await publishLog(header)),
          modelReference: await market.swarm.upload(Buffer.from('another')),
        }),
      ],
    ];
    async function changed(header: JobHeader, change: (log: Buffer) => Buffer): Promise<object> {
      const modelReference = await market.swarm.upload(randomBytes(64));
      return { modelReference, logReference: await market.swarm.upload(change(logOf(header, modelReference))) };
    }
    const offers: number[] = [];
    for (const [, , report] of reports) {
      const header = await market.publish(freshSeed());
      say(header, await report(header));
      // Its validators vote without being held up: they would hold up those of the next tests.
      writeFileSync(join(folder, `${String(header.seed)}.third`), '');
      offers.push(await market.offer(header, { bidWindow }));
    }
    for (const id of offers) await eventually('a bid', async () => (await market.bidders(id)).length === 1);
    await pass(bidWindow + 1);
    for (const [index, [name, reason]] of reports.entries()) {
      const id = offers[index] ?? 0;
      if (reason === null) {
        await eventually(`${name}: the commitment`, async () => (await stateOf(id)) === committed);
        continue;
      }
      const job = await eventually(
        `${name}: the failure`,
        async () => {
          const [row] = await query<{ state: string; failure: string; logReference: string | null }>(
            `SELECT "state", "failure", "logReference" FROM "TrainingJob" WHERE "offerId" = ${String(id)}`,
          );
          return row?.state === 'failed' && row;
        },
        120_000,
      );
      expect({ name, failure: job.failure }).toEqual({ name, failure: expect.stringMatching(reason) as unknown });
      expect(job.logReference).toBeNull();
      expect(await stateOf(id)).toBe(training);
    }
    expect((await readiness())['ready']).toBe(true);
  }, 240_000);

  test.each(parts)(
    'goes on when %s is away at each of its steps: nothing is lost, nothing done twice, readiness says which',
    async (part) => {
      const query = await start();
      const header = await market.publish(freshSeed());
      const result = await publishLog(header);
      let id = 0;
      const job = async (): Promise<{ state: string; attempts: number; backend: string | null } | undefined> =>
        (
          await query<{ state: string; attempts: number; backend: string | null }>(
            `SELECT "state", "attempts", "backend" FROM "TrainingJob" WHERE "offerId" = ${String(id)}`,
          )
        )[0];
      const roundOf = (): Promise<readonly [number, bigint, bigint, bigint, bigint]> =>
        readContract(market.provider, {
          abi: sampledQuorumAbi,
          address: market.deployment.quorum,
          functionName: 'roundOf',
          args: [BigInt(id)],
        });
      /** Without the part something becomes due; when the part is back it is done. */
      const without = async (
        step: string,
        cause: () => Promise<void> | void,
        isDone: () => Promise<boolean>,
        outageMs = 1_500,
      ): Promise<void> => {
        await proxies[part].cut();
        await cause();
        await eventually(`${step}: readiness to name ${part}`, async () => {
          const report = await readiness();
          return report['ready'] === false && report[part] !== 'ok';
        });
        const report = await readiness();
        expect({ step, others: parts.filter((each) => each !== part && report[each] !== 'ok') }).toEqual({
          step,
          others: [],
        });
        await delay(outageMs);
        await proxies[part].mend();
        await eventually(`${step} without ${part}`, isDone, 120_000);
        await eventually(`${step}: all to be ready`, async () => (await readiness())['ready']);
      };

      await eventually('all to be ready', async () => (await readiness())['ready']);
      await without(
        'bid',
        async () => {
          id = await market.offer(header, { bidWindow });
        },
        async () => (await market.bidders(id)).length > 0,
      );
      await without(
        'award',
        () => pass(bidWindow + 1),
        async () => (await stateOf(id)) === training && (await job())?.backend === 'cpu',
      );
      // One outage of a whole minute.
      await without(
        'training',
        () => undefined,
        async () => (await stateOf(id)) === training && (await job())?.state === 'running',
        part === 'chain' ? 60_000 : 1_500,
      );
      await without(
        'commitment',
        () => {
          say(header, result);
        },
        async () => (await stateOf(id)) === committed,
      );
      await without(
        'vote',
        () => pass(1),
        async () => (await votesOf(id)) === 2,
      );
      await without(
        'reveal',
        () => {
          writeFileSync(join(folder, `${String(header.seed)}.third`), '');
        },
        async () => (await roundOf())[4] > 0n,
      );
      await without(
        'payment',
        () => pass(challengeWindow + 1),
        async () => (await stateOf(id)) === paid,
      );

      await eventually('the withdrawal', async () => {
        const [reservation] = await query<{ state: string }>(
          `SELECT "state" FROM "Reservation" WHERE "offerId" = ${String(id)}`,
        );
        const creditWei = await readContract(market.provider, {
          abi: trainingMarketAbi,
          address: market.deployment.market,
          functionName: 'credit',
          args: [pool() as `0x${string}`, ethToken],
        });
        return reservation?.state === 'released' && creditWei === 0n;
      });
      expect(await market.bidders(id)).toHaveLength(1);
      expect(await votesOf(id)).toBe(3);
      expect((await job())?.state).toBe('done');
      // The trainer itself needs the store alone; whatever else is away, it is left to work.
      if (part !== 'swarm') expect((await job())?.attempts).toBe(1);
    },
    400_000,
  );
});

function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** A log of the job as a trainer writes it. */
function logOf(header: JobHeader, modelReference: Reference): Buffer {
  const entries = Array.from({ length: header.steps }, (_, step) =>
    encodeLogEntry({ loss: 1, metric: 0, stateRoot: endsSegment(header, step) ? modelReference : null }),
  );
  const logHeader = encodeLogHeader({
    version: 'cotrain.log/1',
    jobHeaderHash: hashJobHeader(header),
    backend: 'cpu',
    runtime: 'tfjs/1',
    software: 'stand-in',
  });
  return Buffer.concat([logHeader, ...entries]);
}
