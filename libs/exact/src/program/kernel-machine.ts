import { elementsOf, type Operand, type OperationRecord } from '@cotrain/protocol';
import { contractionBlock } from '../contraction-ranges.ts';
import {
  type AnyArray,
  type BinaryOperation,
  binaryOperations,
  type Comparison,
  comparisons,
  type ExactKernels,
  type Reduction,
  type UnaryOperation,
  unaryOperations,
} from '../kernels.ts';
import { joinAxes, toFour } from '../backend/broadcast.ts';
import { moveElements, stridesOf } from '../backend/movement.ts';
import type { ExactBackend } from '../backend/exact-backend.ts';
import { floatOf, largest } from '../reference/float.ts';
import { blockExponent, dequantiseBlock, quantiseBlock, type Stretch } from './blocks.ts';
import { runInBulk } from './bulk.ts';
import { type OperationTask, runByElement, type StepMachine } from './run-step.ts';
import { elementsIn, type ProgramArray } from './typed-arrays.ts';

const isUnary = (opcode: string): opcode is UnaryOperation => (unaryOperations as readonly string[]).includes(opcode);
const isBinary = (opcode: string): opcode is BinaryOperation =>
  (binaryOperations as readonly string[]).includes(opcode);
const isComparison = (opcode: string): opcode is Comparison => (comparisons as readonly string[]).includes(opcode);
const reductionsOf: Partial<Record<string, Reduction>> = {
  sum64: 'sum',
  product64: 'prod',
  max64: 'max',
  min64: 'min',
};
const fills: Partial<Record<string, number>> = { sum64: 0, product64: 1, max64: -largest, min64: largest };

/** Runs operations on kernels: WASM or native. What they have no kernel for is computed here. */
export function kernelMachine(kernels: ExactKernels): StepMachine {
  return {
    allocate: (type, length) => kernels.allocate(type, length, 'any'),
    free: (array) => {
      kernels.free(array as AnyArray);
    },
    run(task) {
      const scratch = new Scratch(kernels);
      try {
        if (!runOnKernels(new KernelTask(task, kernels, scratch)) && !runInBulk(task)) runByElement(task);
      } finally {
        scratch.free();
      }
    },
  };
}

/** Arrays that an operation needs while it runs. */
class Scratch {
  readonly #kernels: ExactKernels;
  readonly #arrays: AnyArray[] = [];

  constructor(kernels: ExactKernels) {
    this.#kernels = kernels;
  }

  take(type: 'float32', length: number): Float32Array {
    const array = this.#kernels.allocate(type, length, 'any');
    this.#arrays.push(array);
    return array;
  }

  free(): void {
    for (const array of this.#arrays) this.#kernels.free(array);
  }
}

/** An operation with what its kernels need. */
class KernelTask {
  readonly record: OperationRecord;
  readonly out: ProgramArray;
  readonly task: OperationTask;
  readonly kernels: ExactKernels;
  readonly scratch: Scratch;

  constructor(task: OperationTask, kernels: ExactKernels, scratch: Scratch) {
    this.record = task.record;
    this.out = task.out;
    this.task = task;
    this.kernels = kernels;
    this.scratch = scratch;
  }

  operand(i: number): Operand {
    return this.record.operands[i] as Operand;
  }

  parameter(i: 0 | 1 | 2 | 3): number {
    return floatOf(this.record.parameters[i] | 0);
  }

  /** The operand's elements from its position 0 on, in the kernels' memory; null for those that cannot be had so. */
  elements(i: number): ProgramArray | null {
    const operand = this.operand(i);
    if (operand.space === 'immediate') {
      if (operand.type !== 'float32') return null;
      return this.scratch.take('float32', 1).fill(floatOf(operand.offset | 0));
    }
    const source = this.task.sources[i];
    if (source == null || source.base < 0) return null;
    return source.array.subarray(source.base);
  }

  /** The operand as float32, dense over a shape; a copy where its strides say something else. */
  dense(i: number, shape: readonly number[], strides: readonly number[]): Float32Array | null {
    const elements = this.elements(i);
    if (!(elements instanceof Float32Array)) return null;
    const size = elementsOf(shape);
    const joined = joinAxes(shape, [strides]);
    if (joined.shape.length === 0 || (joined.shape.length === 1 && joined.strides[0]?.[0] === 1))
      return elements.subarray(0, size);
    if (strides.some((stride) => stride < 0) || joined.shape.length > 6) return null;
    const copy = this.scratch.take('float32', size);
    this.copy(copy, elements, shape, stridesOf(shape), strides);
    return copy;
  }

  copy(
    out: Float32Array | Int32Array,
    x: Float32Array | Int32Array,
    shape: readonly number[],
    outStrides: readonly number[],
    xStrides: readonly number[],
  ): void {
    const backend = { kernels: this.kernels } as ExactBackend;
    moveElements(backend, this.record.opcode, out, x, { shape, outOffset: 0, outStrides, xOffset: 0, xStrides });
  }
}

/** @returns false where no kernel does it */
function runOnKernels(t: KernelTask): boolean {
  const { opcode, type, operands } = t.record;
  const floats = operands.every((operand) => operand.type === 'float32');
  switch (opcode) {
    case 'move':
      return runMove(t);
    case 'view':
      return runView(t);
    case 'random':
      return runRandom(t);
    case 'exponent':
      return runExponent(t);
    case 'quantise':
      return runQuantise(t);
    case 'contract':
      return runContract(t);
    case 'sgdWeights':
    case 'momentumVelocity':
    case 'adamFirstMoment':
    case 'adamSecondMoment':
    case 'adamWeights':
      return runOptimizer(t);
    default:
  }
  if (!floats) return false;
  if (opcode in reductionsOf && type === 'float32') return runReduction(t);
  if (isUnary(opcode)) {
    const x = t.dense(0, t.record.shape, t.operand(0).strides);
    if (x === null) return false;
    t.kernels.unary(opcode, t.out as Float32Array, x, t.parameter(0), t.parameter(1));
    return true;
  }
  if (isBinary(opcode) || isComparison(opcode)) return runBinary(t);
  return false;
}

function runMove(t: KernelTask): boolean {
  const { operands, shape } = t.record;
  const [operand] = operands;
  if (operands.length !== 1 || operand === undefined || operand.windows.length > 0 || operand.gather !== null)
    return false;
  if (operand.type === 'uint8' || operand.type === 'int8' || operand.strides.some((stride) => stride < 0)) return false;
  const x = t.elements(0) as Float32Array | Int32Array | null;
  if (x === null) return false;
  t.copy(t.out as Float32Array, x, shape, stridesOf(shape), operand.strides);
  return true;
}

function runView(t: KernelTask): boolean {
  const [rows, elements] = t.record.shape as [number, number];
  const { offset, strides, type } = t.operand(0);
  if (elements > 1 && strides[1] !== 1) return false;
  const { rowBytes } = t.task.place;
  const width = type === 'uint8' ? 1 : 4;
  const { rows: bytes } = t.task;
  for (let row = 0; row < rows; row++) {
    const start = row * rowBytes + offset;
    const part = elementsIn(type, bytes.subarray(start, start + elements * width));
    t.out.set(part, row * elements);
  }
  if (t.out instanceof Float32Array) t.kernels.normalise(t.out, t.out);
  return true;
}

function runRandom(t: KernelTask): boolean {
  const [substream, stream, threshold] = t.record.parameters;
  const { seed, step } = t.task.place;
  t.kernels.dropoutMask(t.out as Float32Array, {
    seedLow: Number(seed & 0xffffffffn),
    seedHigh: Number((seed >> 32n) & 0xffffffffn),
    ...{ step, substream, stream, threshold, keepScale: t.parameter(3) },
  });
  return true;
}

function runBinary(t: KernelTask): boolean {
  const { opcode, shape } = t.record;
  const strides = [t.operand(0).strides, t.operand(1).strides];
  if (shape.length > 4 || strides.some((list) => list.some((stride) => stride < 0))) return false;
  // Kernels want last strides of 0 or 1: what moves otherwise is copied.
  const pair = [0, 1].map((i) => {
    const own = strides[i] as readonly number[];
    if ((own.at(-1) ?? 0) <= 1) return { values: t.elements(i), strides: own };
    return { values: t.dense(i, shape, own), strides: stridesOf(shape) };
  });
  const [a, b] = pair as [(typeof pair)[0], (typeof pair)[0]];
  if (!(a.values instanceof Float32Array) || !(b.values instanceof Float32Array)) return false;
  const layout = { shape: toFour(shape, 1), aStrides: toFour(a.strides, 0), bStrides: toFour(b.strides, 0) };
  if (isComparison(opcode)) t.kernels.compare(opcode, t.out as Uint8Array, a.values, b.values, layout);
  else t.kernels.binary(opcode as BinaryOperation, t.out as Float32Array, a.values, b.values, layout);
  return true;
}

/** Lists that lie along their axis; the last block of a list may be shorter. */
function runReduction(t: KernelTask): boolean {
  const { opcode, shape, list, operands } = t.record;
  const operand = operands[0] as Operand;
  if (operands.length !== 1 || list.length !== 1) return false;
  const operation = reductionsOf[opcode] as Reduction;
  const length = list[0] as number;
  const outer = elementsOf(shape);
  if (operand.windows.length === 0) {
    const x = t.dense(0, [...shape, length], operand.strides);
    if (x === null) return false;
    t.kernels.reduce(operation, t.out as Float32Array, x, { outer, length, inner: 1 });
    return true;
  }
  const limit = blockLimit(operand, shape.length, length);
  const x = t.elements(0);
  if (limit === null || !(x instanceof Float32Array)) return false;
  const blocks = shape.at(-1) as number;
  const rows = shape.slice(0, -1);
  const padded = t.scratch.take('float32', outer * length).fill(fills[opcode] as number);
  const outStrides = [...stridesOf(rows).map((stride) => stride * blocks * length), 1];
  const stride = operand.windows[0]?.stride ?? 0;
  t.copy(padded, x, [...rows, limit], outStrides, [...operand.strides.slice(0, rows.length), stride]);
  t.kernels.reduce(operation, t.out as Float32Array, padded, { outer, length, inner: 1 });
  return true;
}

/** The list's whole length if an operand's only window cuts its last two axes into blocks of `length`; otherwise null. */
function blockLimit({ windows, strides }: Operand, axes: number, length: number): number | null {
  const [window] = windows;
  const fits = windows.length === 1 && window?.axisA === axes - 1 && window.axisB === axes && window.factorA === length;
  if (!fits || window.factorB !== 1 || window.offset !== 0 || window.dilation !== 1) return null;
  if (strides[axes - 1] !== 0 || strides[axes] !== 0 || strides.some((stride) => stride < 0)) return null;
  return window.limit;
}

/** Vectors of an exponent's or a quantisation's operand: [batch, count] of k elements each. */
interface Vectors {
  batch: number;
  batchStride: number;
  count: number;
  vectorStride: number;
  elementStride: number;
  k: number;
}

function vectorsOf({ shape, list, operands }: OperationRecord): Vectors | null {
  const operand = operands[0] as Operand;
  if (shape.length + list.length !== 4) return null;
  const [batch, count, blocks, width] = [...shape, ...list] as [number, number, number, number];
  const [batchStride, vectorStride, blockStride, stride] = operand.strides as [number, number, number, number];
  const each = { batch, batchStride, count, vectorStride };
  if (operand.windows.length === 0) {
    if (blocks > 1 && (width !== contractionBlock || blockStride !== width * stride)) return null;
    return { ...each, elementStride: stride, k: blocks * width };
  }
  const k = blockLimit(operand, 3, blocks > 1 ? contractionBlock : (operand.windows[0]?.factorA ?? 0));
  return k === null ? null : { ...each, elementStride: operand.windows[0]?.stride ?? 0, k };
}

function runExponent(t: KernelTask): boolean {
  const vectors = vectorsOf(t.record);
  const x = t.elements(0);
  if (vectors === null || !(x instanceof Float32Array)) return false;
  const bits = new Int32Array(x.buffer, x.byteOffset, x.length);
  eachBlock(vectors, (stretch, index) => {
    t.out[index] = blockExponent(bits, stretch);
  });
  return true;
}

/** Calls `use` with every block of every vector and its number. */
function eachBlock(
  { batch, batchStride, count, vectorStride, elementStride, k }: Vectors,
  use: (stretch: Stretch, index: number) => void,
): void {
  let index = 0;
  for (let item = 0; item < batch; item++)
    for (let v = 0; v < count; v++)
      for (let from = 0; from < k; from += contractionBlock) {
        const start = item * batchStride + v * vectorStride + from * elementStride;
        use({ start, stride: elementStride, length: Math.min(contractionBlock, k - from) }, index++);
      }
}

function runQuantise(t: KernelTask): boolean {
  const vectors = vectorsOf(t.record);
  const x = t.elements(0);
  const exponents = t.elements(1);
  if (vectors === null || !(x instanceof Float32Array) || exponents === null) return false;
  const [, count, blocks, width] = t.record.shape as [number, number, number, number];
  const expected = [count * blocks, blocks, 1, 0].map((stride, axis) => (t.record.shape[axis] === 1 ? 0 : stride));
  if (String(t.operand(1).strides) !== String(expected)) return false;
  const out = t.out as Int8Array;
  eachBlock(vectors, (stretch, index) => {
    quantiseBlock(out, index * width, x, stretch, exponents[index] as number);
    out.fill(0, index * width + stretch.length, (index + 1) * width);
  });
  return true;
}

function runContract(t: KernelTask): boolean {
  const [batch, m, n, blocks] = t.record.shape as [number, number, number, number];
  const arrays = [0, 1, 2, 3].map((i) => t.elements(i));
  if (arrays.includes(null) || t.record.shape.length !== 4) return false;
  const [a, b, aExponents, bExponents] = arrays as [Int8Array, Int8Array, Int8Array, Int8Array];
  const k = t.record.list[0] as number;
  const width = blocks > 1 ? contractionBlock : 2 ** Math.ceil(Math.log2(k));
  if (!layoutsFit(t.record, blocks, width)) return false;
  const perBatch = (i: number): number => t.operand(i).strides[0] as number;
  const left = t.scratch.take('float32', batch * m * k);
  const right = t.scratch.take('float32', batch * n * k);
  const part = blocks > 1 ? t.scratch.take('float32', batch * m * n) : null;
  const side = (out: Float32Array, q: Int8Array, e: Int8Array, count: number, i: number, block: number): void => {
    for (let item = 0; item < batch; item++)
      for (let v = 0; v < count; v++) {
        const exponent = e[item * perBatch(i + 2) + v * blocks + block] as number;
        const start = item * perBatch(i) + (v * blocks + block) * width;
        dequantiseBlock(out, (item * count + v) * k, q, start, k, exponent);
      }
  };
  const shape = {
    ...{ batch, m, k, n, transposeA: false, transposeB: true },
    aBatchStride: m * k,
    bBatchStride: n * k,
  };
  for (let block = 0; block < blocks; block++) {
    side(left, a, aExponents, m, 0, block);
    side(right, b, bExponents, n, 1, block);
    t.kernels.matMul(part ?? (t.out as Float32Array), left, right, shape);
    if (part !== null) t.copy((t.out as Float32Array).subarray(block), part, [batch * m * n], [blocks], [1]);
  }
  return true;
}

/** Whether the operands of a `contract` lie as a derived program has them. */
function layoutsFit({ operands, shape }: OperationRecord, blocks: number, width: number): boolean {
  const unless1 = (stride: number, axis: number): number => ((shape[axis] as number) === 1 ? 0 : stride);
  const wanted = [
    [unless1(blocks * width, 1), 0, unless1(width, 3)],
    [0, unless1(blocks * width, 2), unless1(width, 3)],
    [unless1(blocks, 1), 0, unless1(1, 3)],
    [0, unless1(blocks, 2), unless1(1, 3)],
  ];
  return operands.every(({ strides }, i) => String(strides.slice(1, 4)) === String(wanted[i]));
}

/** §12 as primitives over whole arrays, in the order of its definition. */
function runOptimizer(t: KernelTask): boolean {
  const { kernels, out, record } = t;
  const size = out.length;
  const x = record.operands.map((operand, i) =>
    i < 3 && operand.type === 'float32' ? t.dense(i, record.shape, operand.strides) : t.elements(i),
  );
  if (x.some((array) => !(array instanceof Float32Array))) return false;
  const [a, b, c, pair] = x as Float32Array[];
  const result = out as Float32Array;
  const whole = [0, 0, 0, 1] as const;
  const one = [0, 0, 0, 0] as const;
  const run = (operation: BinaryOperation, to: Float32Array, left: Float32Array, right: Float32Array): void => {
    const shape = [1, 1, 1, size] as const;
    kernels.binary(operation, to, left, right, { shape, aStrides: whole, bStrides: right.length < size ? one : whole });
  };
  const by = (value: number): Float32Array => t.scratch.take('float32', 1).fill(value);
  const temporary = (): Float32Array => t.scratch.take('float32', size);
  // A single weight is as long as a scalar, which comes to the same.
  const [first, second] = [a as Float32Array, b as Float32Array];
  const [work, more] = [temporary(), temporary()];
  switch (record.opcode) {
    case 'sgdWeights':
      run('mul', work, second, by(t.parameter(0)));
      run('sub', result, first, work);
      return true;
    case 'momentumVelocity':
      run('mul', work, first, by(t.parameter(0)));
      run('add', result, work, second);
      return true;
    case 'adamFirstMoment':
      run('sub', work, second, first);
      run('mul', more, work, by(t.parameter(0)));
      run('add', result, first, more);
      return true;
    case 'adamSecondMoment':
      run('mul', work, second, second);
      run('sub', more, work, first);
      run('mul', work, more, by(t.parameter(0)));
      run('add', result, first, work);
      return true;
    default: {
      // adamWeights: w, m, v and the pair of step and shift.
      if (pair === undefined) return false;
      const [step, shift] = [pair[0] as number, pair[1] as number];
      kernels.unary('sqrt', work, c as Float32Array, 0, 0);
      run('add', more, work, by(shift));
      run('div', work, second, more);
      run('mul', more, work, by(step));
      run('mul', work, first, by(t.parameter(0)));
      run('sub', result, work, more);
      return true;
    }
  }
}
