import { broadcastShape, broadcastStrides, joinAxes } from '../backend/broadcast.ts';
import { sizeOf, type TensorType } from '../backend/tensors.ts';
import { largest, smallest } from '../reference/float.ts';
import { type Floats, InnerOperations, type InnerTensor } from './inner-operations.ts';

/** A tensor or a single float. */
export type Operand = Floats | number;

/** Broadcasts over more axes than this are written out: backends differ in how many they take. */
const maximumAxes = 4;

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((length, axis) => length === b[axis]);

/**
 * §1, §2: what has the same bits on every backend of TensorFlow.js. `plus`, `minus`, `times` and `over` are plain steps;
 * `add`, `sub`, `mul` and `div` are primitives, with N.
 */
export class Primitives extends InnerOperations {
  plus(a: Operand, b: Operand): Floats {
    return this.#pair('Add', a, b);
  }

  minus(a: Operand, b: Operand): Floats {
    return this.#pair('Sub', a, b);
  }

  times(a: Operand, b: Operand): Floats {
    return this.#pair('Multiply', a, b);
  }

  /** b has no zeros. */
  over(a: Operand, b: Operand): Floats {
    return this.#pair('RealDiv', a, b);
  }

  maximum(a: Operand, b: Operand): Floats {
    return this.#pair('Maximum', a, b);
  }

  minimum(a: Operand, b: Operand): Floats {
    return this.#pair('Minimum', a, b);
  }

  clip(x: Floats, low: number, high: number): Floats {
    return this.minimum(this.maximum(x, low), high);
  }

  compare(comparison: ComparisonKernel, a: Operand, b: Operand): InnerTensor<'bool'> {
    return this.#pair<'bool'>(comparison, a, b, 'bool');
  }

  abs(x: Floats): Floats {
    return this.#single('Abs', x);
  }

  floor(x: Floats): Floats {
    return this.#single('Floor', x);
  }

  /** x has no negative values. */
  root(x: Floats): Floats {
    return this.#single('Sqrt', x);
  }

  /** Roughly the logarithm: backends differ in its last bits, so that it is only good for what is rounded afterwards. */
  roughLog(x: Floats): Floats {
    return this.#single('Log', x);
  }

  /** Roughly the exponential, as `roughLog`. */
  roughExp(x: Floats): Floats {
    return this.#single('Exp', x);
  }

  /** All of the condition's shape. */
  select(condition: InnerTensor<'bool'>, a: Operand, b: Operand): Floats {
    const { shape } = condition;
    if (sizeOf(shape) === 0) return this.empty(shape);
    return this.run('Select', { condition, t: this.filled(a, shape), e: this.filled(b, shape) });
  }

  /** 1 where it is true, otherwise 0. */
  mask(condition: InnerTensor<'bool'>): Floats {
    if (sizeOf(condition.shape) === 0) return this.empty(condition.shape);
    return this.run('Cast', { x: condition }, { dtype: 'float32' });
  }

  /** N of a float that is no NaN. */
  normal(x: Floats): Floats {
    if (sizeOf(x.shape) === 0) return x;
    return this.tidy(() =>
      this.select(this.compare('GreaterEqual', this.abs(x), smallest), this.clip(x, -largest, largest), 0),
    );
  }

  add(a: Operand, b: Operand): Floats {
    return this.tidy(() => this.normal(this.plus(a, b)));
  }

  sub(a: Operand, b: Operand): Floats {
    return this.tidy(() => this.normal(this.minus(a, b)));
  }

  mul(a: Operand, b: Operand): Floats {
    return this.tidy(() => this.normal(this.times(a, b)));
  }

  /** By 0 it saturates: a / 2^-100 * 2^100 is at least 2^100, whatever a value a is, and 0 for 0. */
  div(a: Operand, b: Operand): Floats {
    return this.tidy(() => {
      if (typeof b === 'number' && b !== 0) return this.normal(this.over(a, b));
      const divisor = typeof b === 'number' ? this.constant(b) : b;
      const isZero = this.compare('Equal', divisor, 0);
      const quotient = this.over(a, this.select(isZero, smallest, divisor));
      return this.normal(this.times(quotient, this.select(isZero, largest, 1)));
    });
  }

  /** The root of a value is a value. */
  sqrt(x: Floats): Floats {
    return this.tidy(() => this.root(this.maximum(x, 0)));
  }

  /** Never -0. */
  neg(x: Floats): Floats {
    return this.minus(0, x);
  }

  /** Nearest integer, ties to even, of |x| <= 2^22: from 2^23 to 2^24 floats are the integers. */
  roundSmall(x: Floats): Floats {
    return this.tidy(() => this.minus(this.plus(x, 1.5 * 2 ** 23), 1.5 * 2 ** 23));
  }

  // Shapes. None of these changes a bit of an element.

  empty<Type extends TensorType = 'float32'>(shape: readonly number[], dtype?: Type): InnerTensor<Type> {
    const values = dtype === 'bool' ? new Uint8Array(0) : dtype === 'int32' ? new Int32Array(0) : new Float32Array(0);
    return this.upload(values as never, shape, dtype ?? 'float32') as InnerTensor<Type>;
  }

  full(shape: readonly number[], value: number): Floats {
    if (sizeOf(shape) === 0) return this.empty(shape);
    this.reserve(shape);
    return this.run('Fill', {}, { shape: [...shape], value, dtype: 'float32' });
  }

  /** An operand as a tensor of this shape, to which it can be broadcast. */
  filled(x: Operand, shape: readonly number[]): Floats {
    if (typeof x === 'number') return this.full(shape, x);
    return sameShape(x.shape, shape) ? x : this.tidy(() => this.plus(x, this.full(shape, 0)));
  }

  reshape<Type extends TensorType>(x: InnerTensor<Type>, shape: readonly number[]): InnerTensor<Type> {
    return sameShape(x.shape, shape) ? x : this.run<Type>('Reshape', { x }, { shape: [...shape] });
  }

  transpose(x: Floats, perm: readonly number[]): Floats {
    const shape = perm.map((axis) => x.shape[axis] as number);
    if (sizeOf(shape) === 0) return this.empty(shape);
    // Axes that move past axes of length 1 only do not move.
    const moving = perm.filter((axis) => x.shape[axis] !== 1);
    if (moving.every((axis, i) => i === 0 || axis > (moving[i - 1] as number))) return this.reshape(x, shape);
    return this.run('Transpose', { x }, { perm: [...perm] });
  }

  slice(x: Floats, begin: readonly number[], size: readonly number[]): Floats {
    if (sizeOf(size) === 0) return this.empty(size);
    return this.run('Slice', { x }, { begin: [...begin], size: [...size] });
  }

  /** Rows `first` to `first + count - 1` of a matrix. */
  rows(x: Floats, first: number, count: number): Floats {
    return this.slice(x, [first, 0], [count, x.shape[1] as number]);
  }

  concat(parts: readonly Floats[], axis: number): Floats {
    return this.run('Concat', parts, { axis });
  }

  /** Rows of a matrix by their numbers, which are all inside. */
  gather(table: Floats, indices: InnerTensor<'int32'>): Floats {
    const [, width = 1] = table.shape;
    const shape = [...indices.shape, width];
    if (sizeOf(shape) === 0) return this.empty(shape);
    this.reserve(shape);
    return this.run('GatherV2', { x: table, indices }, { axis: 0, batchDims: 0 });
  }

  /** Elements by their positions in row-major order. */
  pick(x: Floats, positions: Int32Array, shape: readonly number[]): Floats {
    if (positions.length === 0) return this.empty(shape);
    return this.tidy(() => {
      const table = this.reshape(x, [sizeOf(x.shape), 1]);
      return this.reshape(this.gather(table, this.upload(positions, [positions.length], 'int32')), shape);
    });
  }

  #single(kernel: string, x: Floats): Floats {
    return sizeOf(x.shape) === 0 ? this.empty(x.shape) : this.run(kernel, { x });
  }

  #pair<Type extends 'float32' | 'bool' = 'float32'>(
    kernel: string,
    left: Operand,
    right: Operand,
    dtype: Type = 'float32' as Type,
  ): InnerTensor<Type> {
    const a = typeof left === 'number' ? this.constant(left) : left;
    const b = typeof right === 'number' ? this.constant(right) : right;
    const shape = broadcastShape(kernel, a.shape, b.shape);
    if (sizeOf(shape) === 0) return this.empty(shape, dtype);
    this.reserve(shape);
    if (shape.length <= maximumAxes || sameShape(a.shape, b.shape)) return this.run<Type>(kernel, { a, b });
    return this.tidy(() => {
      const strides = [a, b].map((operand) => broadcastStrides(operand.shape, shape.length));
      const joined = joinAxes(shape, strides);
      const [x, y] = [a, b].map((operand, i) =>
        joined.shape.length <= maximumAxes
          ? this.reshape(
              operand,
              joined.shape.map((length, axis) => (joined.strides[i]?.[axis] === 0 ? 1 : length)),
            )
          : this.pick(operand, positionsOf(shape, 0, strides[i] as number[]), [sizeOf(shape)]),
      ) as [Floats, Floats];
      return this.reshape(this.run<Type>(kernel, { a: x, b: y }), shape);
    });
  }
}

export type ComparisonKernel = 'Equal' | 'NotEqual' | 'Less' | 'LessEqual' | 'Greater' | 'GreaterEqual';

/** offset + index * strides for every index of a shape in row-major order. */
export function positionsOf(shape: readonly number[], offset: number, strides: readonly number[]): Int32Array {
  let positions = Int32Array.of(offset);
  shape.forEach((length, axis) => {
    const next = new Int32Array(positions.length * length);
    positions.forEach((start, i) => {
      for (let step = 0; step < length; step++) next[i * length + step] = start + step * (strides[axis] as number);
    });
    positions = next;
  });
  return positions;
}
