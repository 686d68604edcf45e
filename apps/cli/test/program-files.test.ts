import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { dense, sequential } from '@cotrain/training/testing';
import { cotrain } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'cotrain-program-'));
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  const document = sequential([dense('class', 2, 'softmax', { batch_input_shape: [null, 2] })]);
  writeFileSync(at('model.json'), JSON.stringify(document));
  writeFileSync(
    at('dataset.json'),
    JSON.stringify({
      ...{ version: 'cotrain.dataset/1', name: 'xor', license: 'MIT' },
      columns: [
        { name: 'x', role: 'input', dtype: 'float32', shape: [2] },
        { name: 'y', role: 'target', dtype: 'uint8', shape: [] },
      ],
      splits: { train: { viewReference: `0x${'11'.repeat(32)}`, rows: 100, rowBytes: 9 } },
    }),
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const derive = (out: string, batchSize: number) =>
  cotrain([
    ...['program', 'derive', '--model', at('model.json'), '--dataset', at('dataset.json')],
    ...['--batch-size', String(batchSize), '--out', at(out), '--json'],
  ]);

it('derives the same program twice, shows it, and says where another one differs', async () => {
  const first = await derive('first.program', 4);
  expect(first.code).toBe(0);
  const facts = JSON.parse(first.stdout) as { programReference: string; operationCount: number };
  expect(facts.programReference).toMatch(/^0x[0-9a-f]{64}$/);
  expect((await derive('again.program', 4)).stdout).toBe(first.stdout);
  await derive('other.program', 5);

  const same = await cotrain(['program', 'diff', at('first.program'), at('again.program')]);
  expect(same).toMatchObject({ code: 0, stdout: 'the same program\n' });
  const different = await cotrain(['program', 'diff', at('first.program'), at('other.program')]);
  expect(different.code).toBe(1);
  expect(different.stdout).toMatch(/^batchSize: 4 \/ 5\n/);

  const whole = await cotrain(['program', 'show', at('first.program')]);
  expect(whole.stdout).toContain(facts.programReference);
  expect(whole.stdout).toContain(' = contract(');
  const one = await cotrain(['program', 'show', at('first.program'), '--chunk', '0', '--json']);
  expect(JSON.parse(one.stdout)).toMatchObject({ index: 0, outputChunk: 0 });
  const beyond = await cotrain(['program', 'show', at('first.program'), '--chunk', '99999']);
  expect(beyond.code).toBe(3);
}, 120_000);

it('accepts a valid program, and names what is wrong with another', async () => {
  await derive('valid.program', 4);
  expect((await cotrain(['program', 'validate', at('valid.program')])).code).toBe(0);
  const bytes = readFileSync(at('valid.program'));
  // The chunk where the second operation's output begins.
  bytes[4096 + 512 + 15] = 9;
  writeFileSync(at('damaged.program'), bytes);
  const refused = await cotrain(['program', 'validate', at('damaged.program')]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('operation 1: outputChunk is 9; outputs follow one another, so it must be 1');
  const missing = await cotrain(['program', 'validate', at('nothing.program')]);
  expect(missing).toMatchObject({ code: 2 });
}, 120_000);
