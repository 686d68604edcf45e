import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startSwarmStore, SwarmClient, type SwarmStore } from '@cotrain/swarm';
import { formatHeaderJson } from '@cotrain/training';
import {
  exampleProgram,
  mnistColumns,
  mnistViews,
  publishJob,
  removeTemporaryDirectories,
  temporaryDirectory,
} from '@cotrain/training/testing';

const main = join(import.meta.dirname, '../src/main.ts');
let swarm: SwarmStore;

beforeAll(async () => {
  swarm = await startSwarmStore({ dir: temporaryDirectory() });
});
afterAll(async () => {
  await swarm.close();
  removeTemporaryDirectories();
});

/** The last line that the program prints, in a process of its own: Jest's sandbox slows arithmetic down. */
async function lastLine(...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...args], { maxBuffer: 2 ** 24 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
}

it('reads digits with 95 % accuracy within a minute', async () => {
  const header = await publishJob(new SwarmClient({ url: swarm.url }), {
    program: exampleProgram('mnist-mlp'),
    columns: mnistColumns,
    ...mnistViews(),
    steps: 1_500,
    batchSize: 64,
    commitEvery: 100,
  });
  const common = ['--swarm', swarm.url, '--header-json', formatHeaderJson(header), '--backend', 'wasm'];
  const startedMs = performance.now();
  const result = await lastLine('train', ...common, '--workdir', temporaryDirectory(), '--progress', 'none');
  expect(performance.now() - startedMs).toBeLessThan(60_000);
  expect(result['testAccuracy']).toBeGreaterThanOrEqual(0.95);
  const commitment = ['--log', String(result['logReference']), '--model', String(result['modelReference'])];
  const verdict = await lastLine('validate', ...common, ...commitment, '--segments', '0,14');
  expect(verdict).toMatchObject({ type: 'verdict', vote: 'Valid' });
}, 180_000);
