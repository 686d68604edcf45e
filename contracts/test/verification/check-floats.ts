import type { Evm } from './evm.ts';
import { floatOperations, packVectors } from './float-operations.ts';

const perCall = 50_000;

/** How many results were wrong, and one of each call of 50,000 in which there were any, in words. */
export interface FloatCheck {
  mismatches: number;
  examples: string[];
}

/** Runs an operation of Float32Harness over drawn vectors. */
export async function checkFloats(evm: Evm, number: number, count: number, seed: number): Promise<FloatCheck> {
  const operation = floatOperations[number];
  const harness = evm.contracts['Float32Harness'];
  if (operation === undefined || harness === undefined)
    throw new RangeError(`There is no operation ${String(number)}.`);
  const found: FloatCheck = { mismatches: 0, examples: [] };
  for (let done = 0, part = 0; done < count; done += perCall, part++) {
    const vectors = packVectors(operation, Math.min(perCall, count - done), seed * 1_000 + part);
    const [mismatches, first, got] = (await harness.call('check', number, vectors)) as [bigint, bigint, bigint];
    if (mismatches === 0n) continue;
    const view = new DataView(vectors.buffer, Number(first) * 12, 12);
    const [a, b, expected] = [0, 4, 8].map((at) => view.getUint32(at).toString(16).padStart(8, '0'));
    found.mismatches += Number(mismatches);
    found.examples.push(
      `${operation.name}(${a ?? ''}, ${b ?? ''}) = ${got.toString(16).padStart(8, '0')}, not ${expected ?? ''}`,
    );
  }
  return found;
}
