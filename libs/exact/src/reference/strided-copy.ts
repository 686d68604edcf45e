import type { StridedCopy, Words } from '../kernels.ts';

/** Views the elements as integers, so that no bit can change on the way. */
const asIntegers = (words: Words): Int32Array => new Int32Array(words.buffer, words.byteOffset, words.length);

export function copyStrided(outWords: Words, xWords: Words, copy: StridedCopy): void {
  const out = asIntegers(outWords);
  const x = asIntegers(xWords);
  walkStrided(copy, (to, from) => {
    out[to] = x[from] as number;
  });
}

/** Calls `move` with both positions of every element. */
export function walkStrided({ shape, ...copy }: StridedCopy, move: (to: number, from: number) => void): void {
  const walk = (axis: number, to: number, from: number): void => {
    const length = shape[axis] as number;
    const toStep = copy.outStrides[axis] as number;
    const fromStep = copy.xStrides[axis] as number;
    if (axis < 5) for (let i = 0; i < length; i++) walk(axis + 1, to + i * toStep, from + i * fromStep);
    else for (let i = 0; i < length; i++) move(to + i * toStep, from + i * fromStep);
  };
  walk(0, copy.outOffset, copy.xOffset);
}
