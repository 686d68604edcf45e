import { afterAll, describe, expect, it } from '@jest/globals';
import { exactImplementations } from './exact-implementations.ts';
import { MemoryStore } from './testing/memory-store.ts';
import { type JobToPublish, publishJob } from './testing/publish-job.ts';
import { gptJob, xorJob } from './testing/small-jobs.ts';
import { removeTemporaryDirectories, temporaryDirectory } from './testing/workdir.ts';
import { trainJob } from './train-job.ts';
import { validateCommitment } from './validate.ts';

afterAll(removeTemporaryDirectories);

const jobs: [string, JobToPublish][] = [
  ['an MLP', xorJob()],
  ['a transformer', gptJob()],
];

describe.each(jobs)('%s on exact/1', (_, job) => {
  it('gives the same log and model on every implementation', async () => {
    const store = new MemoryStore();
    const header = await publishJob(store, { ...job, runtime: 'exact/1' });
    const references = [];
    for (const implementation of exactImplementations) {
      const started = performance.now();
      const result = await trainJob({ store, header, workdir: temporaryDirectory(), implementation });
      console.log(implementation, performance.now() - started, result);
      references.push([result.logReference, result.modelReference]);
      const verdict = await validateCommitment({ store, header, ...result, segments: [0, 1] });
      expect(verdict).toMatchObject({ vote: 'Valid', comparison: 'equality' });
    }
    expect(new Set(references.map(String)).size).toBe(1);
  }, 120_000);
});
