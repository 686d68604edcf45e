import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { checkStartup } from '../backend/startup.ts';
import { StartupMismatchError } from '../errors.ts';
import { createReferenceKernels } from '../reference/reference-kernels.ts';
import { runVector, type Vector } from './vector.ts';

const folder = `${import.meta.dirname}/../../vectors`;
// The hashes of long runs lie there, too; they are no vectors.
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

describe('the reference', () => {
  it.each(files)('gives the committed bits: %s', (file) => {
    const kernels = createReferenceKernels();
    const vectors = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as Vector[];
    expect(vectors.length).toBeGreaterThan(10);
    expect(vectors.map((vector) => runVector(kernels, vector)).filter((mismatch) => mismatch !== null)).toEqual([]);
  });
});

describe('the start-up check', () => {
  it('passes an implementation of the profile', () => {
    checkStartup(createReferenceKernels());
  });

  it.each([
    ['a fused multiplication and addition', 'adamStep'],
    ['sums in another order', 'reduce'],
    ['another rounding', 'unary'],
  ] as const)('refuses %s, and says where', (_, kernel) => {
    const kernels = createReferenceKernels();
    const wrong = {
      ...kernels,
      [kernel]: (...values: unknown[]) => {
        (kernels[kernel] as (...values: unknown[]) => unknown)(...values);
        const out = values.find((value) => value instanceof Float32Array)!;
        // One unit in the last place of one element.
        new Int32Array(out.buffer)[3]! ^= 1;
      },
    };
    expect(() => {
      checkStartup(wrong);
    }).toThrow(StartupMismatchError);
    expect(() => {
      checkStartup(wrong);
    }).toThrow(/reference fails the start-up vector '.+' at element 3: expected bits [0-9a-f]{8}, got [0-9a-f]{8}/);
  });
});
