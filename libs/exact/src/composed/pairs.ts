import { broadcastShape } from '../backend/broadcast.ts';
import type { BinaryOperation } from '../kernels.ts';
import { exp, log } from './functions.ts';
import type { Floats } from './inner-operations.ts';
import type { Primitives } from './primitives.ts';

// §4: functions of two values, with broadcasting.

type PairFunction = (p: Primitives, a: Floats, b: Floats) => Floats;

const floorDiv: PairFunction = (p, a, b) => p.floor(p.div(a, b));

/** A function that chooses element by element, and so needs both operands whole. */
const whole =
  (apply: PairFunction): PairFunction =>
  (p, a, b) => {
    const shape = broadcastShape('a function of two values', a.shape, b.shape);
    return apply(p, p.filled(a, shape), p.filled(b, shape));
  };

/** Magnitudes of whole exponents up to this are powers by multiplication. */
const largestWholePower = 64;

/** a^|b| by squaring, for whole |b| <= 64; something else elsewhere. */
function wholePower(p: Primitives, a: Floats, b: Floats): Floats {
  let [power, square, rest] = [p.full(a.shape, 1), a, p.minimum(p.abs(b), largestWholePower)];
  for (let bit = 1; bit <= largestWholePower; bit *= 2) {
    const half = p.floor(p.times(rest, 0.5));
    const isOdd = p.compare('Equal', p.minus(rest, p.times(half, 2)), 1);
    power = p.select(isOdd, p.mul(power, square), power);
    if (bit < largestWholePower) square = p.mul(square, square);
    rest = half;
  }
  return p.select(p.compare('Less', b, 0), p.div(1, power), power);
}

const pow: PairFunction = (p, a, b) => {
  const general = p.select(p.compare('Greater', a, 0), exp(p, p.mul(b, log(p, a))), 0);
  const isWhole = p.times(
    p.mask(p.compare('Equal', p.floor(b), b)),
    p.mask(p.compare('LessEqual', p.abs(b), largestWholePower)),
  );
  const result = p.select(
    p.compare('Equal', isWhole, 1),
    p.tidy(() => wholePower(p, a, b)),
    general,
  );
  return p.select(p.compare('Equal', b, 0.5), p.sqrt(a), result);
};

const functions: Record<BinaryOperation, PairFunction> = {
  add: (p, a, b) => p.add(a, b),
  sub: (p, a, b) => p.sub(a, b),
  mul: (p, a, b) => p.mul(a, b),
  div: (p, a, b) => p.div(a, b),
  maximum: (p, a, b) => p.maximum(a, b),
  minimum: (p, a, b) => p.minimum(a, b),
  squaredDifference: (p, a, b) => {
    const d = p.sub(a, b);
    return p.mul(d, d);
  },
  floorDiv,
  mod: (p, a, b) => p.sub(a, p.mul(floorDiv(p, a, b), b)),
  pow: whole(pow),
  prelu: whole((p, a, b) => p.select(p.compare('GreaterEqual', a, 0), a, p.mul(a, b))),
  eluGradient: whole((p, dy, y) => p.select(p.compare('GreaterEqual', y, 0), dy, p.mul(dy, p.add(y, 1)))),
};

export function binary(p: Primitives, operation: BinaryOperation, a: Floats, b: Floats): Floats {
  return p.tidy(() => functions[operation](p, a, b));
}
