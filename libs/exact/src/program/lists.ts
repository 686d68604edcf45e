// What operations that read a list make of it. A list has at most 64 entries (1,024 for exponents and products).
import type { OperationRecord } from '@cotrain/protocol';
import { bitsOf, largest, mul, N, powerOfTwo } from '../reference/float.ts';
import { contractionBits } from '../contraction-ranges.ts';

const { abs, fround } = Math;

const folded = new Float64Array(64);

/** Halves a list of at most 64, continued with a neutral element, until one is left. Overwrites the list. */
function halve(list: Float64Array, count: number, neutral: number, combine: (a: number, b: number) => number): number {
  let width = 1;
  while (width < count) width *= 2;
  list.fill(neutral, count, width);
  for (let half = width / 2; half >= 1; half /= 2)
    for (let i = 0; i < half; i++) list[i] = combine(list[i] as number, list[i + half] as number);
  return count === 0 ? neutral : (list[0] as number);
}

const plainSum = (a: number, b: number): number => fround(a + b);

/** §5: S of at most 64 values, given one by one. */
export function sum64(count: number, value: (i: number) => number): number {
  for (let i = 0; i < count; i++) folded[i] = value(i);
  return N(halve(folded, count, 0, plainSum));
}

/** What a list's entries give; an operand without an element there is null. */
export type Entry = (operand: number, position: number) => number | null;

/** The element that `sum64` and its relatives make of a list. */
export function reduceList({ opcode, operands }: OperationRecord, count: number, entry: Entry): number {
  const isFloat = operands[0]?.type === 'float32';
  switch (opcode) {
    case 'sum64':
      if (isFloat) return sum64(count, (i) => entry(0, i) ?? 0);
      return fold(count, 0, (sum, i) => (sum + (entry(0, i) ?? 0)) | 0);
    case 'product64':
      if (!isFloat) return fold(count, 1, (product, i) => Math.imul(product, entry(0, i) ?? 1));
      for (let i = 0; i < count; i++) folded[i] = entry(0, i) ?? 1;
      return halve(folded, count, 1, mul);
    case 'max64':
      return extreme(operands[0]?.type, count, entry, 'max');
    case 'min64':
      return extreme(operands[0]?.type, count, entry, 'min');
    case 'argMax64':
    case 'argMin64':
      return label(count, entry, opcode === 'argMax64' ? 1 : -1);
    default: // maxPoolGradient
      return sum64(count, (i) => (entry(1, i) === entry(2, i) ? (entry(0, i) ?? 0) : 0));
  }
}

function fold(count: number, start: number, step: (value: number, i: number) => number): number {
  let value = start;
  for (let i = 0; i < count; i++) value = step(value, i);
  return value;
}

const limits = {
  float32: { max: -largest, min: largest },
  int32: { max: -(2 ** 31), min: 2 ** 31 - 1 },
  uint8: { max: 0, min: 255 },
  int8: { max: -128, min: 127 },
};

function extreme(type: keyof typeof limits | undefined, count: number, entry: Entry, which: 'max' | 'min'): number {
  return fold(count, limits[type ?? 'float32'][which], (best, i) => {
    const value = entry(0, i);
    return value !== null && (which === 'max' ? value > best : value < best) ? value : best;
  });
}

/** The label (operand 1) of the first largest (smallest) entry; -1 if there is none. */
function label(count: number, entry: Entry, sign: 1 | -1): number {
  let best: number | null = null;
  let found = -1;
  for (let i = 0; i < count; i++) {
    const value = entry(0, i);
    if (value === null || (best !== null && sign * value <= sign * best)) continue;
    best = value;
    found = entry(1, i) ?? -1;
  }
  return found;
}

/** §6.1 of the entries of operand 0. */
export function exponentOf(count: number, entry: Entry): number {
  const size = fold(count, 0, (most, i) => Math.max(most, abs(entry(0, i) ?? 0)));
  return size === 0 ? -99 : (bitsOf(size) >> 23) - 126;
}

/** §6.3 and §6.4: the entries of operands 0 and 1 multiplied and added, scaled by the exponents. */
export function rescaledProduct(count: number, entry: Entry, leftExponent: number, rightExponent: number): number {
  const sum = fold(count, 0, (p, i) => p + (entry(0, i) as number) * (entry(1, i) as number));
  const left = powerOfTwo(leftExponent - contractionBits.left);
  return N(fround(sum * left) * powerOfTwo(rightExponent - contractionBits.right));
}
