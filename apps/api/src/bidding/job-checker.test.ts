import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobHeader, Reference } from '@cotrain/protocol';
import { eventually } from '../../test/eventually.ts';
import { TrainerJobChecker, type TrainerJobCheckerOptions } from './job-checker.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };

/** Stands in for the trainer: notes each start, waits while <seed>.wait is there, and does what <seed>.js says. */
const trainer = `
  const { appendFileSync, existsSync, readFileSync } = require('node:fs');
  const header = JSON.parse(process.argv[process.argv.indexOf('--header-json') + 1]);
  const file = (name) => __dirname + '/' + header.seed + '.' + name;
  appendFileSync(file('starts'), process.argv[2] + ' ');
  const say = (message) => process.stdout.write(JSON.stringify(message) + '\\n');
  const poll = () => (existsSync(file('wait')) ? setTimeout(poll, 20) : eval(readFileSync(file('js'), 'utf8')));
  poll();
`;
const good = "say({ type: 'check', ok: true, reason: null })";
const missing = "console.error(JSON.stringify({ type: 'error', message: 'a chunk is missing' })); process.exit(3)";

let folder: string;
let checker: TrainerJobChecker;
let seeds = 0;
let nowMs = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-checker-'));
  writeFileSync(join(folder, 'trainer.cjs'), trainer);
});
afterEach(() => checker.close());
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function start(changes: Partial<TrainerJobCheckerOptions> = {}): TrainerJobChecker {
  checker = new TrainerJobChecker({
    swarmUrl: 'http://127.0.0.1:1',
    command: [process.execPath, join(folder, 'trainer.cjs')],
    logger: silent,
    parallel: 2,
    now: () => nowMs,
    ...changes,
  });
  return checker;
}

function job(script: string, waits = false): JobHeader {
  const seed = BigInt(++seeds);
  writeFileSync(join(folder, `${String(seed)}.js`), script);
  if (waits) writeFileSync(join(folder, `${String(seed)}.wait`), '');
  const reference: Reference = `0x${String(seed).padStart(64, '0')}`;
  return {
    jobSpecReference: reference,
    programReference: reference,
    trainingViewReference: reference,
    initialStateReference: reference,
    rows: 8n,
    rowBytes: 4,
    seed,
    steps: 4,
    batchSize: 2,
    commitEvery: 2,
  };
}
const startsOf = ({ seed }: JobHeader): number => {
  const file = join(folder, `${String(seed)}.starts`);
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').length : 0;
};
const release = ({ seed }: JobHeader): void => {
  rmSync(join(folder, `${String(seed)}.wait`));
};

describe('checking jobs', () => {
  test('many offers of the same documents cost one check, now and later', async () => {
    const header = job(good);
    start();
    expect(checker.known(header, Infinity)).toBeUndefined();
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => checker.check({ ...header }, 'urgent')));
    expect(new Set(verdicts.map(({ ok }) => ok))).toEqual(new Set([true]));
    expect(startsOf(header)).toBe(1);
    expect(checker.known(header, Infinity)).toEqual({ ok: true });
    nowMs += 1_001;
    expect(checker.known(header, 1_000)).toBeUndefined();
    expect(checker.known({ ...header, initialStateReference: `0x${'f'.repeat(64)}` }, Infinity)).toBeUndefined();
  });

  test('what the trainer refuses is refused for good, with its reason', async () => {
    const header = job("say({ type: 'check', ok: false, reason: 'a layer Lambda' })");
    const refused = { ok: false, reason: 'a layer Lambda', final: true };
    expect(await start().check(header, 'urgent')).toEqual(refused);
    nowMs += 1e9;
    expect(checker.known(header, 1)).toEqual(refused);
  });

  test('what is missing is not final, and asked for again after a while', async () => {
    const header = job(missing);
    const verdict = { ok: false, reason: 'a chunk is missing', final: false };
    for (let round = 0; round < 5; round++) {
      expect(await start().check(header, 'urgent')).toEqual(verdict);
      expect(checker.known(header, Infinity)).toEqual(verdict);
      nowMs += 60_001;
      expect(checker.known(header, Infinity)).toBeUndefined();
    }
  });

  test.each([
    ['crashes', 'process.exit(1)', /exit code 1/],
    ['says nothing', '', /exit code 0/],
    ['is killed', "process.kill(process.pid, 'SIGKILL')", /SIGKILL/],
    ['takes too long', 'setInterval(() => {}, 1000)', /too long/],
  ])('a check that %s is tried again, but not for ever', async (_, script, reason) => {
    const header = job(script);
    start({ timeLimitMs: script.includes('setInterval') ? 1_500 : 60_000 });
    const finals: boolean[] = [];
    for (let round = 0; round < 3; round++) {
      const verdict = await checker.check(header, 'urgent');
      expect(verdict).toMatchObject({ ok: false, reason: expect.stringMatching(reason) });
      finals.push('final' in verdict && verdict.final);
    }
    expect(finals).toEqual([false, false, true]);
  });

  test('runs a bounded number at a time, and what is not paid for never keeps the rest waiting', async () => {
    start({ parallel: 3 });
    const unpaid = Array.from({ length: 5 }, () => job(good, true));
    const paid = Array.from({ length: 4 }, () => job(good, true));
    const checks = unpaid.map((header) => checker.check(header, 'leisurely'));
    await eventually('two checks', () => unpaid.filter((header) => startsOf(header) > 0).length === 2);
    checks.push(...paid.map((header) => checker.check(header, 'urgent')));
    await eventually('a third', () => paid.some((header) => startsOf(header) > 0));
    expect([...unpaid, ...paid].filter((header) => startsOf(header) > 0)).toHaveLength(3);
    for (const header of paid) release(header);
    await Promise.all(checks.slice(unpaid.length));
    expect(unpaid.filter((header) => startsOf(header) > 0)).toHaveLength(2);
    for (const header of unpaid) release(header);
    expect(await Promise.all(checks)).toEqual(checks.map(() => ({ ok: true })));
  }, 60_000);

  test('closing ends what runs and what waits', async () => {
    start();
    const checks = Array.from({ length: 4 }, () => checker.check(job(good, true), 'urgent'));
    await checker.close();
    for (const verdict of await Promise.all(checks)) expect(verdict).toMatchObject({ ok: false, final: false });
  });
});
