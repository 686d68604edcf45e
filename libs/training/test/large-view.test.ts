import { afterAll, expect, it } from '@jest/globals';
import {
  encodeDatasetManifest,
  encodeJobSpec,
  decodeDatasetManifest,
  decodeJobSpec,
  type Reference,
} from '@cotrain/protocol';
import type { StoredFile } from '../src/store.ts';
import { trainJob } from '../src/train-job.ts';
import { alteredRunner } from '../src/testing/altered-runner.ts';
import { MemoryStore } from '../src/testing/memory-store.ts';
import { publishJob } from '../src/testing/publish-job.ts';
import { xorJob, xorRows } from '../src/testing/small-jobs.ts';
import { removeTemporaryDirectories, temporaryDirectory } from '../src/testing/workdir.ts';

afterAll(removeTemporaryDirectories);

const viewReference: Reference = `0x${'77'.repeat(32)}`;
const rowBytes = 9;
/** 900 GB. */
const rows = 10 ** 11;

/** A store with one view that is generated where it is read. */
class GeneratingStore extends MemoryStore {
  bytesRead = 0;
  private readonly pattern = Buffer.concat(Array.from({ length: 8 }, () => xorRows(140)));

  override open(reference: Reference): Promise<StoredFile> {
    if (reference !== viewReference) return super.open(reference);
    return Promise.resolve({
      length: rows * rowBytes,
      read: (offset, length) => {
        this.bytesRead += length;
        const start = offset % (140 * rowBytes);
        return Promise.resolve(new Uint8Array(this.pattern.subarray(start, start + length)));
      },
    });
  }
}

it('trains on a view larger than any memory in the memory that it is given', async () => {
  const store = new GeneratingStore();
  const small = await publishJob(store, xorJob({ steps: 300, batchSize: 128, commitEvery: 100 }));
  const spec = decodeJobSpec(await store.download(small.jobSpecReference));
  const manifest = decodeDatasetManifest(await store.download(spec.dataset.manifestReference));
  manifest.splits['train'] = { viewReference, rows, rowBytes };
  const manifestReference = await store.upload(encodeDatasetManifest(manifest));
  const jobSpecReference = await store.upload(
    encodeJobSpec({ ...spec, dataset: { ...spec.dataset, manifestReference } }),
  );
  const header = { ...small, jobSpecReference, trainingViewReference: viewReference, rows: BigInt(rows) };
  let atStart = 0;
  let largest = 0;
  await trainJob({
    store,
    header,
    workdir: temporaryDirectory(),
    cacheBytes: 4 * 2 ** 20,
    createRunner: alteredRunner(({ step }) => {
      const rss = process.memoryUsage.rss();
      if (step === 50) atStart = rss;
      largest = Math.max(largest, rss);
      return undefined;
    }),
  });
  expect(store.bytesRead).toBeGreaterThan(150e6);
  expect(largest - atStart).toBeLessThan(100e6);
}, 180_000);
