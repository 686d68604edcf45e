import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  canonicalJson,
  encodeDatasetManifest,
  encodeJobSpec,
  encodeProgram,
  JOB_SPEC_MAX_BYTES,
  type JobSpec,
  type Reference,
} from '@cotrain/protocol';
import { CorruptChunkError, referenceOf, startSwarmStore, SwarmClient, type SwarmStore } from '@cotrain/swarm';
import { trustingChecker } from '../../test/trusting-checker.ts';
import { eventually } from '../../test/eventually.ts';
import { createDatabase, type Database } from '../database/database.ts';
import type { OfferView } from '../indexing/fold-offer.ts';
import { leastTolerance } from './offer-documents.ts';
import type { CheckVerdict, JobChecker } from './job-checker.ts';
import { DocumentLibrary, type DocumentLibraryOptions, type KnownDocuments } from './document-library.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const rows = 8;
const rowBytes = 5;

let database: Database;
let store: SwarmStore;
let swarm: SwarmClient;
let folder: string;
let library: DocumentLibrary;
let offers = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cotrain-documents-'));
  database = await createDatabase({});
  store = await startSwarmStore({ dir: folder, port: 0 });
  swarm = new SwarmClient({ url: store.url });
}, 60_000);
afterAll(async () => {
  await store.close();
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

function newLibrary(changes: Partial<DocumentLibraryOptions> = {}): DocumentLibrary {
  return new DocumentLibrary({
    database,
    swarm,
    checker: trustingChecker,
    logger: silent,
    firstRetryMs: 50,
    longestRetryMs: 100,
    ...changes,
  });
}
beforeEach(() => {
  library = newLibrary();
});
afterEach(() => library.close());

const program = encodeProgram({
  version: 'cotrain.program/1',
  topology: { class_name: 'Sequential', config: { name: 'empty', layers: [] } },
  optimizer: { kind: 'sgd', learningRate: 0.1 },
  loss: 'meanSquaredError',
  metrics: [],
});
const view = Buffer.alloc(rows * rowBytes, 1);
const state = Buffer.alloc(16, 2);
const manifest = encodeDatasetManifest({
  version: 'cotrain.dataset/1',
  name: 'noise',
  license: 'CC0-1.0',
  columns: [{ name: 'x', role: 'input', dtype: 'uint8', shape: [rowBytes] }],
  splits: { train: { viewReference: referenceOf(view), rows, rowBytes } },
});

interface Documents {
  spec: Uint8Array;
  program: Uint8Array;
  manifest: Uint8Array;
  view: Uint8Array;
  state: Uint8Array;
}

/** The bytes of a JobSpec for exact/1 whose tolerance may be wrong. */
function exactSpec(tolerance: JobSpec['tolerance']): Uint8Array {
  const right = encodeJobSpec(jobSpecOf({ runtime: 'exact/1', backends: ['exact'], tolerance: noTolerance }));
  return canonicalJson({ ...(JSON.parse(Buffer.from(right).toString()) as object), tolerance }, 32);
}

const noTolerance = { absolute: 0, relative: 0, drift: 0 };

function jobSpecOf(
  spec: Partial<JobSpec>,
  parts: Pick<Documents, 'manifest' | 'program' | 'state'> = { program, manifest, state },
): JobSpec {
  return {
    version: 'cotrain.job/1',
    name: 'job',
    runtime: 'tfjs/1',
    dataset: { manifestReference: referenceOf(parts.manifest), trainSplit: 'train' },
    programReference: referenceOf(parts.program),
    initialStateReference: referenceOf(parts.state),
    seed: '1',
    steps: 4,
    batchSize: 2,
    commitEvery: 2,
    checkpointEvery: 2,
    backends: ['wasm'],
    resources: { gpuMemoryMiB: 0, gpuCount: 0, cpuMilli: 100, memoryMiB: 64, estimatedGpuSeconds: 60 },
    deadlineSeconds: 600,
    tolerance: { absolute: 0.001, relative: 0.01, drift: 0.01 },
    ...spec,
  };
}

/** An offer and its documents, not uploaded. Each seed is another job. */
function makeOffer(
  changes: Partial<Documents> = {},
  spec: Partial<JobSpec> = {},
): { offer: OfferView; documents: Documents } {
  const id = ++offers;
  const parts = { program, manifest, view, state, ...changes };
  const jobSpec = jobSpecOf({ seed: String(id), ...spec }, parts);
  const documents = { spec: encodeJobSpec(jobSpec), ...parts, ...changes };
  const header = {
    jobSpecReference: referenceOf(documents.spec),
    programReference: referenceOf(parts.program),
    trainingViewReference: referenceOf(view),
    initialStateReference: referenceOf(parts.state),
    rows: String(rows),
    rowBytes,
    seed: String(id),
    steps: 4,
    batchSize: 2,
    commitEvery: 2,
  };
  return { offer: { id, jobHeaderHash: `0x${String(id)}`, header } as unknown as OfferView, documents };
}

async function upload(documents: Documents, except: (keyof Documents)[] = []): Promise<void> {
  for (const [name, bytes] of Object.entries(documents))
    if (!except.includes(name as keyof Documents)) await swarm.upload(bytes as Uint8Array);
}

async function ask(offer: OfferView, patienceMs = 5_000): Promise<KnownDocuments | undefined> {
  return (await library.collect([offer], patienceMs)).get(offer.id);
}
const recorded = (offer: OfferView) => database.prisma.offerDocuments.findUnique({ where: { offerId: offer.id } });

describe('documents of an offer', () => {
  test('are fetched, checked, recorded, and remembered by the next run', async () => {
    const { offer, documents } = makeOffer();
    await upload(documents);
    expect(await ask(offer)).toMatchObject({ matchable: true, jobSpec: { name: 'job' } });
    expect(await recorded(offer)).toMatchObject({ matchable: true, reason: null });
    const away = newLibrary({
      swarm: { download: () => Promise.reject(new Error('away')), open: () => Promise.reject(new Error('away')) },
    });
    expect((await away.collect([offer], 1_000)).get(offer.id)).toMatchObject({ matchable: true });
    await away.close();
  });

  test('of another offer with the same number, after a reorganisation, are fetched anew', async () => {
    const { offer, documents } = makeOffer();
    await upload(documents);
    await ask(offer);
    const other = makeOffer();
    const swapped = { ...other.offer, id: offer.id };
    await library.close();
    library = newLibrary();
    expect(await ask(swapped)).toMatchObject({ matchable: false });
    await upload(other.documents);
    await eventually('the new documents', async () => (await ask(swapped))?.matchable);
  });

  test('for exact/1 are matchable, without a tolerance', async () => {
    const { offer, documents } = makeOffer({}, { runtime: 'exact/1', backends: ['exact'], tolerance: noTolerance });
    await upload(documents);
    expect(await ask(offer)).toMatchObject({ matchable: true });
  });

  test('with the least tolerance that is accepted are matchable', async () => {
    const { offer, documents } = makeOffer({}, { tolerance: leastTolerance });
    await upload(documents);
    expect(await ask(offer)).toMatchObject({ matchable: true });
  });

  test('are matchable only when their job was checked, and are not waited for', async () => {
    const { offer, documents } = makeOffer();
    await upload(documents);
    const { promise, resolve } = Promise.withResolvers<CheckVerdict>();
    let arrived = 0;
    const asked: string[] = [];
    const verdicts: CheckVerdict[] = [];
    const checker: JobChecker = {
      known: () => verdicts[0],
      check: (_, urgency) => {
        asked.push(urgency);
        return promise;
      },
      close: () => Promise.resolve(),
    };
    library = newLibrary({ checker, onArrival: () => arrived++ });
    await library.prefetch([{ ...offer, state: 'Funding' }]);
    await eventually('the check', () => asked.length > 0);
    expect(asked).toEqual(['leisurely']);
    expect(await ask(offer)).toBeUndefined();
    expect(asked).toEqual(['leisurely', 'urgent']);
    expect(library.verdict(offer, 1_000)).toBeUndefined();
    const before = arrived;
    verdicts.push({ ok: true });
    resolve({ ok: true });
    await eventually('the arrival', () => arrived > before);
    expect(await ask(offer)).toMatchObject({ matchable: true });
    expect(await recorded(offer)).toMatchObject({ matchable: true });
    expect(library.verdict(offer, 1_000)).toEqual({ ok: true });
  });

  test('of a job that cannot be trained make it unmatchable for good; of one that cannot be read, until it can', async () => {
    const verdicts: CheckVerdict[] = [
      { ok: false, reason: 'a chunk is missing', final: false },
      { ok: false, reason: 'a layer Lambda', final: true },
    ];
    let checks = 0;
    library = newLibrary({
      checker: {
        known: () => undefined,
        check: () => Promise.resolve(verdicts[checks++] ?? { ok: true }),
        close: () => Promise.resolve(),
      },
    });
    const { offer, documents } = makeOffer();
    await upload(documents);
    await eventually('the first verdict', async () => (await ask(offer)) !== undefined);
    const final = { matchable: false, reason: 'a layer Lambda' };
    await eventually('the second', async () => JSON.stringify(await ask(offer)) === JSON.stringify(final));
    expect(await recorded(offer)).toMatchObject(final);
    await new Promise((done) => setTimeout(done, 300));
    expect(checks).toBe(2);
  });

  const wrong: [string, Partial<Documents>, Partial<JobSpec>, RegExp][] = [
    ['a JobSpec that is no JSON', { spec: Buffer.from('hello') }, {}, /JobSpec/],
    ['a JobSpec that is too large', { spec: Buffer.alloc(JOB_SPEC_MAX_BYTES + 1, 32) }, {}, /65537 bytes/],
    [
      'a JobSpec with a NUL and a hundred levels',
      { spec: Buffer.from(`{"\0":${'['.repeat(100)}${']'.repeat(100)}}`) },
      {},
      /JobSpec/,
    ],
    ['a JobSpec that contradicts the JobHeader', {}, { steps: 5 }, /steps/],
    ['a program that is none', { program: Buffer.from('{"version":"cotrain.program/1"}') }, {}, /Program/],
    ['a dataset that is none', { manifest: Buffer.from('{}') }, {}, /DatasetManifest/],
    ...(['absolute', 'relative', 'drift'] as const).map((field): (typeof wrong)[number] => [
      `a tolerance whose ${field} is tighter than floating point`,
      {},
      { tolerance: { ...leastTolerance, [field]: 9e-5 } },
      new RegExp(`TOLERANCE_TOO_TIGHT.*${field}`),
    ]),
    [
      'a tolerance with exact/1, which compares for equality',
      { spec: exactSpec({ absolute: 1e-9, relative: 0, drift: 0 }) },
      {},
      /JobSpec.*tolerance\.absolute.*1e-9.*write 0/,
    ],
    [
      'a split that the dataset has not',
      {},
      { dataset: { manifestReference: referenceOf(manifest), trainSplit: 'toString' } },
      /no split "toString"/,
    ],
    [
      'a test split that the dataset has not',
      {},
      { dataset: { manifestReference: referenceOf(manifest), trainSplit: 'train', testSplit: 'x' } },
      /no split "x"/,
    ],
  ];
  test.each(wrong)('%s makes it unmatchable for good, with the reason', async (_, changes, spec, reason) => {
    const { offer, documents } = makeOffer(changes, spec);
    await upload(documents);
    const known = await ask(offer);
    expect(known).toMatchObject({ matchable: false, reason: expect.stringMatching(reason) });
    expect((await recorded(offer))?.reason).toMatch(reason);
  });

  test.each(['spec', 'program', 'manifest', 'view', 'state'] as const)(
    'a %s that is missing now makes it unmatchable only until it comes',
    async (missing) => {
      // Bytes of its own, so that no other test has uploaded them.
      const own = Buffer.alloc(16, ++offers);
      const { offer, documents } = makeOffer(missing === 'state' ? { state: own } : {});
      await upload(documents, [missing]);
      if (missing === 'spec' || missing === 'state') {
        expect(await ask(offer)).toMatchObject({
          matchable: false,
          reason: expect.stringMatching(/Nothing is stored/),
        });
        expect(await recorded(offer)).toMatchObject({ matchable: false });
      }
      await upload(documents);
      await eventually('the documents', async () => (await ask(offer))?.matchable);
      expect(await recorded(offer)).toMatchObject({ matchable: true, reason: null });
    },
  );

  test('damaged on the way they are asked for again', async () => {
    const { offer, documents } = makeOffer();
    await upload(documents);
    let damaged = 2;
    library = newLibrary({
      swarm: {
        download: (reference, options) =>
          damaged-- > 0 ? Promise.reject(new CorruptChunkError(reference, 0, 3)) : swarm.download(reference, options),
        open: (reference: Reference) => swarm.open(reference),
      },
    });
    expect(await ask(offer)).toMatchObject({ matchable: false });
    await eventually('the documents', async () => (await ask(offer))?.matchable);
  });

  test('that never come hold up only their own offer', async () => {
    const slow = makeOffer();
    const quick = makeOffer();
    await upload(quick.documents);
    const hung: (() => void)[] = [];
    let arrivals = 0;
    library = newLibrary({
      onArrival: () => arrivals++,
      swarm: {
        download: (reference, options) =>
          reference === referenceOf(slow.documents.spec)
            ? new Promise((_, reject) =>
                hung.push(() => {
                  reject(new Error('timed out'));
                }),
              )
            : swarm.download(reference, options),
        open: (reference: Reference) => swarm.open(reference),
      },
    });
    const known = await library.collect([slow.offer, quick.offer], 500);
    expect([...known.keys()]).toEqual([quick.offer.id]);
    for (const end of hung) end();
    await eventually('the slow one to end', () => arrivals >= 2);
  });

  test('of a thousand offers are all fetched, a bounded number at a time', async () => {
    const { offer, documents } = makeOffer();
    await upload(documents);
    let underWay = 0;
    let most = 0;
    library = newLibrary({
      swarm: {
        download: async (reference, options) => {
          most = Math.max(most, ++underWay);
          try {
            return await swarm.download(reference, options);
          } finally {
            underWay--;
          }
        },
        open: (reference: Reference) => swarm.open(reference),
      },
    });
    const many = Array.from({ length: 1_000 }, () => ({ ...offer, id: ++offers }));
    expect((await library.collect(many, 30_000)).size).toBe(1_000);
    expect(most).toBeLessThanOrEqual(32);
  }, 60_000);
});
