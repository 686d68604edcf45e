// What elementwise operations of a step program compute from their operands.
import type { OperationRecord } from '@cotrain/protocol';
import { binaryFunctions, comparisonFunctions } from '../reference/arithmetic.ts';
import { add, div, floatOf, mul, sqrt, sub } from '../reference/float.ts';
import { unaryFunctions } from '../reference/unary.ts';

/** Operands (and no more than the operation has) to the output's element. */
export type ElementFunction = (a: number, b: number, c: number, d: number) => number;

const floorDivide = (a: number, b: number): number => (b === 0 ? 0 : Math.floor(a / b));

/** Functions of two integers, before they wrap. */
const integerBinary: Partial<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: Math.imul,
  floorDiv: floorDivide,
  mod: (a, b) => a - Math.imul(floorDivide(a, b), b),
  maximum: Math.max,
  minimum: Math.min,
  squaredDifference: (a, b) => Math.imul(a - b, a - b),
};

const integerUnary: Partial<Record<string, (a: number) => number>> = {
  neg: (a) => -a,
  abs: Math.abs,
  sign: Math.sign,
  square: (a) => Math.imul(a, a),
  relu: (a) => Math.max(a, 0),
};

/** A result as its integer type stores it. */
export function wrap(type: OperationRecord['type'], value: number): number {
  return type === 'uint8' ? value & 255 : type === 'int32' ? value | 0 : value;
}

/** The function of an elementwise operation; undefined for what is none, or reads a list. */
export function elementFunction({ opcode, type, operands, parameters }: OperationRecord): ElementFunction | undefined {
  const [p0, p1] = parameters.map((word) => floatOf(word | 0)) as [number, number];
  const isFloat = operands[0]?.type === 'float32';
  switch (opcode) {
    case 'select':
      return (c, a, b) => (c !== 0 ? a : b);
    case 'cast':
      return type === 'float32'
        ? Math.fround
        : type === 'uint8'
          ? (x) => (x === 0 ? 0 : 1)
          : (x) => Math.min(Math.max(Math.trunc(x), -(2 ** 31)), 2 ** 31 - 1) | 0;
    case 'logicalAnd':
      return (a, b) => (a !== 0 && b !== 0 ? 1 : 0);
    case 'logicalOr':
      return (a, b) => (a !== 0 || b !== 0 ? 1 : 0);
    case 'logicalNot':
      return (a) => (a === 0 ? 1 : 0);
    case 'oneHot': {
      const [on, off] = type === 'float32' ? [p0, p1] : parameters.map((word) => wrap(type, word));
      return (index, here) => (index === here ? on : off) as number;
    }
    case 'sgdWeights':
      return (w, g) => sub(w, mul(g, p0));
    case 'momentumVelocity':
      return (v, g) => add(mul(v, p0), g);
    case 'adamFirstMoment':
      return (m, g) => add(m, mul(sub(g, m), p0));
    case 'adamSecondMoment':
      return (v, g) => add(v, mul(sub(mul(g, g), v), p0));
    default:
  }
  if (Object.hasOwn(comparisonFunctions, opcode)) {
    const holds = comparisonFunctions[opcode as keyof typeof comparisonFunctions];
    return (a, b) => (holds(a, b) ? 1 : 0);
  }
  if (Object.hasOwn(unaryFunctions, opcode)) {
    if (isFloat) {
      const apply = unaryFunctions[opcode as keyof typeof unaryFunctions];
      return (x) => apply(x, p0, p1);
    }
    const apply = integerUnary[opcode];
    return apply && ((x) => wrap(type, apply(x)));
  }
  if (Object.hasOwn(binaryFunctions, opcode)) {
    if (isFloat) return binaryFunctions[opcode as keyof typeof binaryFunctions];
    const apply = integerBinary[opcode];
    return apply && ((a, b) => wrap(type, apply(a, b)));
  }
  return undefined;
}

/** §12: Adam's step on one weight; `pair` reads the step (0) and the shift (1) of all weights. */
export function adamWeight(w: number, m: number, v: number, step: number, shift: number, decay: number): number {
  return sub(mul(w, decay), mul(div(m, add(sqrt(v), shift)), step));
}
