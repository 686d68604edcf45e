import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { jobSpecFormat, programFormat, rowIndices } from '@cotrain/protocol';
import { trainJob } from '../src/train-job.ts';
import { MemoryStore } from '../src/testing/memory-store.ts';
import { publishJob } from '../src/testing/publish-job.ts';
import { removeTemporaryDirectories, temporaryDirectory } from '../src/testing/workdir.ts';

afterAll(removeTemporaryDirectories);

const page = (name: string): string => readFileSync(join(import.meta.dirname, '../../../docs', name), 'utf8');

function example(name: string): unknown {
  const text = page('training.md').split(`<!-- ${name} -->`)[1]?.split('```json')[1]?.split('```')[0];
  return JSON.parse(text ?? '');
}

describe('docs/training.md', () => {
  it('shows a program that trains', async () => {
    const store = new MemoryStore();
    const rows = Uint8Array.from({ length: 40 * 32 }, (_, i) => (i * 5) % 64);
    const header = await publishJob(store, {
      program: programFormat.validate(example('program')),
      columns: [
        { name: 'tokens', role: 'input', dtype: 'uint8', shape: [16] },
        { name: 'next', role: 'target', dtype: 'uint8', shape: [16] },
      ],
      train: rows,
      steps: 3,
      batchSize: 4,
      commitEvery: 2,
    });
    expect(await trainJob({ store, header, workdir: temporaryDirectory() })).toMatchObject({ steps: 3 });
  });

  it('shows a JobSpec that is valid', () => {
    expect(jobSpecFormat.validate(example('job-spec'))).toMatchObject({ version: 'cotrain.job/1' });
  });
});

describe('docs/formats.md', () => {
  it('gives the row order that the code has', () => {
    expect(page('formats.md')).toContain(rowIndices(42n, 3, 8, 10_000n).join(', '));
  });
});
