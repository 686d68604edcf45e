import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Deployment } from '@cotrain/chain';
import { isAlive } from '@cotrain/processes';
import { eventually } from '../../test/eventually.ts';
import { createDatabase, type Database } from '../database/database.ts';
import type { OfferView } from '../indexing/fold-offer.ts';
import type { IntentRequest } from '../signer/protocol.ts';
import { ValidatorEngine } from './validator-engine.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const validators = ['1', '2', '3'].map((digit) => `0x${digit.repeat(40)}`);
const deployment = { chainId: 1, quorum: `0x${'9'.repeat(40)}` } as unknown as Deployment;

/** Stands in for the trainer: its n-th run says what the n-th word of the file says, and the last word from then on. */
const program = `
  const { appendFileSync, readFileSync } = require('node:fs');
  const folder = __dirname;
  appendFileSync(folder + '/runs', process.pid + '\\n');
  const run = readFileSync(folder + '/runs', 'utf8').trim().split('\\n').length;
  const words = readFileSync(folder + '/verdicts', 'utf8').split(' ');
  const vote = words[Math.min(run, words.length) - 1];
  if (vote === 'crash') process.exit(1);
  else if (vote === 'hang') setInterval(() => undefined, 1000);
  else console.log(JSON.stringify({ type: 'verdict', vote, evidence: '0x' + String(run % 10).repeat(64), segments: [] }));
`;

let database: Database;
let folder: string;
let engine: ValidatorEngine;
let submitted: IntentRequest[];
let offers = 0;

beforeAll(async () => {
  database = await createDatabase({});
}, 60_000);
afterAll(() => database.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-validator-'));
  writeFileSync(join(folder, 'validate.cjs'), program);
  submitted = [];
});
afterEach(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(verdicts: string, who = validators.slice(0, 1)): OfferView {
  writeFileSync(join(folder, 'verdicts'), verdicts);
  engine = new ValidatorEngine({
    database,
    deployment,
    signer: {
      salt: () => Promise.resolve<`0x${string}`>(`0x${'5'.repeat(64)}`),
      submitMany: (requests) => {
        submitted.push(...requests);
        return Promise.resolve(
          requests.map(({ intentId }) => ({
            intentId,
            status: 'signed' as const,
            hash: null,
            gasUsed: null,
            failure: null,
          })),
        );
      },
    },
    swarmUrl: 'http://127.0.0.1:1',
    command: [process.execPath, join(folder, 'validate.cjs')],
    validators: who,
    logger: silent,
    firstPauseMs: 10,
  });
  return {
    id: ++offers,
    state: 'Committed',
    header: { rows: 1, rowBytes: 1, seed: 1, steps: 1, batchSize: 1, commitEvery: 1 },
    commitment: '0xc',
    logReference: '0x1',
    modelReference: '0x2',
    rounds: [
      {
        round: 0,
        drawBlock: 1,
        validators: who,
        segments: [0],
        commitDeadline: 1_000,
        revealDeadline: 2_000,
        votes: who.map((validator) => ({ validator, committed: false, vote: null, evidence: null })),
        verdict: null,
        challenger: null,
      },
    ],
  } as unknown as OfferView;
}

const runs = (): number[] =>
  existsSync(join(folder, 'runs')) ? readFileSync(join(folder, 'runs'), 'utf8').trim().split('\n').map(Number) : [];
const tasks = (offer: OfferView) => database.prisma.validationTask.findMany({ where: { offerId: offer.id } });
/** Tends the offer as every block does, until something holds. */
async function tendUntil(
  what: string,
  offer: OfferView,
  timestamp: number,
  done: () => boolean | Promise<boolean>,
): Promise<void> {
  await eventually(
    what,
    async () => {
      await engine.tend(offer, { block: 2, timestamp });
      return done();
    },
    25_000,
  );
}

test('every validator executes by himself, and commits to what he found', async () => {
  const offer = start('Valid', validators);
  await tendUntil('three votes', offer, 10, () => submitted.length === 3);
  expect(runs()).toHaveLength(3);
  const found = await tasks(offer);
  expect(new Set(found.map(({ evidence }) => evidence)).size).toBe(3);
  expect(new Set(submitted.map(({ data }) => data)).size).toBe(3);
});

test('a run that crashes is repeated, and the first verdict stands', async () => {
  const offer = start('crash crash Invalid Valid');
  await tendUntil('the vote', offer, 10, () => submitted.length === 1);
  expect(await tasks(offer)).toMatchObject([{ state: 'voted', vote: 2, failure: null }]);
  for (let block = 0; block < 20; block++) await engine.tend(offer, { block, timestamp: 11 });
  expect(runs()).toHaveLength(3);
  expect(submitted).toHaveLength(1);
});

test('what is unavailable now is voted valid when it comes', async () => {
  const offer = start('Unavailable Unavailable Unavailable Valid');
  await tendUntil('the vote', offer, 10, () => submitted.length === 1);
  expect(await tasks(offer)).toMatchObject([{ state: 'voted', vote: 1 }]);
});

test('what stays unavailable is voted so after several runs, when half of the time is over', async () => {
  const offer = start('Unavailable');
  await tendUntil('four runs', offer, 10, () => runs().length >= 4);
  expect(submitted).toEqual([]);
  await tendUntil('the vote', offer, 600, () => submitted.length === 1);
  expect(await tasks(offer)).toMatchObject([{ state: 'voted', vote: 3 }]);
});

test('a run whose round is over is ended', async () => {
  const offer = start('hang');
  await tendUntil('the run', offer, 10, () => runs().length === 1);
  const [pid = 0] = runs();
  await engine.tend(offer, { block: 3, timestamp: 1_001 });
  await eventually('its end', () => !isAlive(pid));
  expect(submitted).toEqual([]);
});
