import type { BroadcastLayout, Four, Six, StridedCopy } from '../kernels.ts';

/**
 * Joins neighbouring axes that every operand walks in one go, so that the innermost runs are long. Returns the axes that
 * are left, at the end, with axes of length 1 before them.
 */
function joinAxes(shape: readonly number[], strides: readonly (readonly number[])[]): number[][] {
  const joined: { length: number; steps: number[] }[] = [];
  shape.forEach((length, axis) => {
    if (length === 1) return;
    const steps = strides.map((operand) => operand[axis] as number);
    const last = joined.at(-1);
    if (last !== undefined && last.steps.every((step, operand) => step === (steps[operand] as number) * length)) {
      last.length *= length;
      last.steps = steps;
    } else joined.push({ length, steps });
  });
  while (joined.length < shape.length) joined.unshift({ length: 1, steps: strides.map(() => 0) });
  return [
    joined.map(({ length }) => length),
    ...strides.map((_, operand) => joined.map(({ steps }) => steps[operand] as number)),
  ];
}

/** The same elements in as few axes as possible. */
export function joinBroadcast({ shape, aStrides, bStrides }: BroadcastLayout): BroadcastLayout {
  const [length, a, b] = joinAxes(shape, [aStrides, bStrides]);
  return { shape: length as unknown as Four, aStrides: a as unknown as Four, bStrides: b as unknown as Four };
}

/** The same elements in as few axes as possible: last the one whose elements are neighbours in out, before it that of x. */
export function joinCopy(copy: StridedCopy): StridedCopy {
  const [shape, outStrides, xStrides] = joinAxes(copy.shape, [copy.outStrides, copy.xStrides]) as [
    number[],
    number[],
    number[],
  ];
  const moveAxis = (from: number, to: number): void => {
    for (const axes of [shape, outStrides, xStrides]) axes.splice(to, 0, ...axes.splice(from, 1));
  };
  const written = outStrides.findIndex((step, axis) => step === 1 && (shape[axis] as number) > 1);
  if (written >= 0) moveAxis(written, 5);
  const read = xStrides.findIndex((step, axis) => step === 1 && (shape[axis] as number) > 1);
  if (read >= 0 && read < 5) moveAxis(read, 4);
  return {
    ...copy,
    shape: shape as unknown as Six,
    outStrides: outStrides as unknown as Six,
    xStrides: xStrides as unknown as Six,
  };
}
