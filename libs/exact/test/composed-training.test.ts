import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { tfjsNodeFolder, tfjsNodeIsInstalled } from '../src/composed/tfjs-node.ts';
import { type BackendName, innerNames } from './backends.ts';
import type { Trained, TrainingName } from './train.ts';

const run = promisify(execFile);

/** Trains in a process of its own. */
async function trained(name: TrainingName, backend: BackendName, steps: number): Promise<Trained> {
  const script = `${import.meta.dirname}/train.ts`;
  const { stdout } = await run(process.execPath, [script, name, backend, String(steps)]);
  return JSON.parse(stdout.slice(stdout.indexOf('{'))) as Trained;
}

const here = innerNames.filter((inner) => inner !== 'tensorflow' || tfjsNodeIsInstalled());
if (!tfjsNodeIsInstalled())
  it.skip(`training composed on tensorflow: tfjs-node is not in ${tfjsNodeFolder()}; build it with npm run tfjs-node`, () =>
    undefined);

const trainings: [TrainingName, number][] = [
  ['mlp', 60],
  ['cnn', 12],
  ['gpt', 12],
  ['rnn', 4],
];

describe('training on exact/1 composed on other backends', () => {
  it.each(trainings)(
    '%s: %i steps end with the same weights on each',
    async (name, steps) => {
      const expected = await trained(name, 'exact-wasm', steps);
      expect(expected.losses.at(-1)).not.toBe(expected.losses[0]);
      for (const inner of here) expect(await trained(name, `exact-on-${inner}`, steps)).toEqual(expected);
    },
    240_000,
  );
});
