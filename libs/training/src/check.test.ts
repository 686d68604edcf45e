import { describe, expect, it } from '@jest/globals';
import {
  encodeDatasetManifest,
  encodeJobSpec,
  decodeDatasetManifest,
  decodeJobSpec,
  type JobHeader,
  type Reference,
} from '@cotrain/protocol';
import { NotFoundError } from '@cotrain/swarm';
import { MemoryStore } from './testing/memory-store.ts';
import { type JobToPublish, publishJob } from './testing/publish-job.ts';
import { dense, sequential, xorJob, xorRows } from './testing/small-jobs.ts';
import { checkJob, type JobCheck } from './check.ts';
import { JobInputUnavailableError } from './errors.ts';
import { buildInitialState } from './initial-state.ts';
import type { StoredFile } from './store.ts';

const layers = (xorJob().program.topology as { config: { layers: unknown[] } }).config.layers;
const lambda = { class_name: 'Lambda', config: { name: 'code', function: 'x => x' } };

async function check(
  changes: Partial<JobToPublish>,
  change?: (store: MemoryStore) => Promise<Reference>,
): Promise<JobCheck> {
  const store = new MemoryStore();
  const job = xorJob(changes);
  const reference = await change?.(store);
  const header = await publishJob(store, {
    ...job,
    ...(reference === undefined ? {} : { initialStateReference: reference }),
  });
  return checkJob({ store, header });
}

describe('checkJob', () => {
  it('finds nothing against a job that can be trained', async () => {
    expect(await check({})).toEqual({ ok: true, reason: null });
  });

  it('refuses an initial state of another length', async () => {
    const found = await check({}, (store) => store.upload(new Uint8Array(100)));
    expect(found).toMatchObject({ ok: false, reason: expect.stringMatching(/initial state .* has 100 bytes/) });
  });

  it('refuses an initial state with a number from which nobody could go on', async () => {
    const found = await check({}, async (store) => {
      const state = await buildInitialState(xorJob().program, 7n);
      new DataView(state.buffer, state.byteOffset).setFloat32(8, Number.NaN, true);
      return store.upload(state);
    });
    expect(found).toMatchObject({ ok: false, reason: expect.stringContaining('NaN') });
  });

  it('refuses a layer that no trainer runs', async () => {
    const found = await check({ program: sequential([...layers, lambda]) }, (store) =>
      store.upload(new Uint8Array(100)),
    );
    expect(found).toMatchObject({ ok: false, reason: expect.stringContaining('Lambda') });
  });

  it('refuses a model that does not fit in the memory it declares, or that the check may take', async () => {
    const resources = { memoryMiB: 1 };
    const wide = sequential([
      dense('hidden', 20_000, 'tanh', { batch_input_shape: [null, 2], dtype: 'float32' }),
      dense('class', 2, 'softmax'),
    ]);
    expect(await check({ program: wide, resources })).toMatchObject({
      ok: false,
      reason: expect.stringContaining('bytes'),
    });
    const store = new MemoryStore();
    const header = await publishJob(store, xorJob({ program: wide }));
    expect(await checkJob({ store, header, maxMemoryBytes: 2 ** 20 })).toMatchObject({ ok: false });
  });

  it('refuses labels that the model has not', async () => {
    const train = xorRows(200);
    for (let row = 0; row < 200; row++) train[row * 9 + 8] = 9;
    expect(await check({ train })).toMatchObject({ ok: false });
  });

  it('waits for what cannot be retrieved instead of deciding', async () => {
    const store = new MemoryStore();
    const header = await publishJob(store, xorJob());
    store.files.delete(header.initialStateReference);
    await expect(checkJob({ store, header })).rejects.toThrow(JobInputUnavailableError);
  });
});

/** A store whose view is generated, but for a piece that is missing. */
class HoleyStore extends MemoryStore {
  bytesRead = 0;
  reads = 0;
  readonly view: Reference = `0x${'77'.repeat(32)}`;

  constructor(
    readonly length: number,
    readonly missing: (offset: number, length: number) => boolean,
  ) {
    super();
  }

  override open(reference: Reference): Promise<StoredFile> {
    if (reference !== this.view) return super.open(reference);
    return Promise.resolve({
      length: this.length,
      read: (offset, length) => {
        if (this.missing(offset, length)) return Promise.reject(new NotFoundError(reference));
        this.reads++;
        this.bytesRead += length;
        return Promise.resolve(new Uint8Array(length));
      },
    });
  }

  /** A job on the generated view. */
  async publish(): Promise<JobHeader> {
    const small = await publishJob(this, xorJob());
    const spec = decodeJobSpec(await this.download(small.jobSpecReference));
    const manifest = decodeDatasetManifest(await this.download(spec.dataset.manifestReference));
    manifest.splits['train'] = { viewReference: this.view, rows: this.length / 9, rowBytes: 9 };
    const manifestReference = await this.upload(encodeDatasetManifest(manifest));
    const jobSpecReference = await this.upload(
      encodeJobSpec({ ...spec, dataset: { ...spec.dataset, manifestReference } }),
    );
    return { ...small, jobSpecReference, trainingViewReference: this.view, rows: BigInt(this.length / 9) };
  }
}

describe('the training view', () => {
  it('is read whole when it is small: one missing piece anywhere is found', async () => {
    const length = 9 * 10 ** 6;
    const whole = new HoleyStore(length, () => false);
    expect(await checkJob({ store: whole, header: await whole.publish() })).toEqual({ ok: true, reason: null });
    expect(whole.bytesRead).toBeGreaterThanOrEqual(length);
    // Larger than a batch's reads, so that only reading the whole finds it.
    const at = length - 5_000;
    const holey = new HoleyStore(length, (offset, bytes) => bytes > 4_096 * 128 && offset <= at && at < offset + bytes);
    await expect(checkJob({ store: holey, header: await holey.publish() })).rejects.toThrow(/training view/);
  });

  it('is sampled when it is large, so that a large part that is missing is found in bounded work', async () => {
    const length = 9 * 10 ** 11;
    const whole = new HoleyStore(length, () => false);
    expect(await checkJob({ store: whole, header: await whole.publish() })).toEqual({ ok: true, reason: null });
    expect(whole.reads).toBeLessThan(4_096 + 100);
    expect(whole.bytesRead).toBeLessThan(20e6);
    // Everything but the beginning of each ten chunks is there: a tenth is missing.
    const holey = new HoleyStore(length, (offset, bytes) => bytes === 4_096 && Math.floor(offset / 4_096) % 10 === 0);
    await expect(checkJob({ store: holey, header: await holey.publish() })).rejects.toThrow(JobInputUnavailableError);
  });
});
