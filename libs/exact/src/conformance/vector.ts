import { createHash } from 'node:crypto';
import { philox4x32 } from '@cotrain/protocol';
import type { AnyArray, ElementType, ExactKernels } from '../kernels.ts';

/** A call of one primitive kernel and the bits that it must give. vectors/README.md describes the format. */
export interface Vector {
  name: string;
  /** A method of `ExactKernels`. */
  kernel: VectorKernel;
  arguments: readonly VectorArgument[];
  /** One for each `out` and `inout` argument, in their order. */
  expected: readonly Expected[];
}

export type VectorKernel = Exclude<keyof ExactKernels, 'name' | 'allocate' | 'free' | 'dispose'>;

/** Base64 of an array's bytes, little-endian. */
type Bytes = string;

export type VectorArgument =
  | { in: ElementType; bytes: Bytes }
  | { in: 'float32'; floats: DrawnRange }
  | { in: 'int32'; integers: DrawnRange }
  | { out: ElementType; length: number }
  | { inout: 'float32'; bytes: Bytes }
  | { value: unknown };

/** Drawn from Philox: floats with exponents, or integers, from `low` to `high`. */
export interface DrawnRange {
  seed: number;
  length: number;
  low: number;
  high: number;
}

export type Expected = { bytes: Bytes } | { sha256: string };

/** Where an implementation differs from a vector. */
export interface VectorMismatch {
  vector: string;
  /** Of the differing element; 0 where only a hash is known. */
  index: number;
  expected: string;
  actual: string;
}

/** Runs a vector. Returns the first difference, or null. */
export function runVector(kernels: ExactKernels, vector: Vector): VectorMismatch | null {
  return withArguments(kernels, vector, (results) => {
    for (const [i, result] of results.entries()) {
      const mismatch = compareResult(vector, vector.expected[i] as Expected, result);
      if (mismatch !== null) return mismatch;
    }
    return null;
  });
}

/** Runs a vector's call and hands its results over; they are freed afterwards. */
export function withArguments<Result>(
  kernels: ExactKernels,
  vector: Pick<Vector, 'kernel' | 'arguments'>,
  use: (results: AnyArray[]) => Result,
): Result {
  const arrays: AnyArray[] = [];
  const results: AnyArray[] = [];
  const place = (array: AnyArray): AnyArray => {
    arrays.push(array);
    return array;
  };
  try {
    const values = vector.arguments.map((argument) => {
      if ('value' in argument) return argument.value;
      if ('out' in argument) {
        const out = place(kernels.allocate(argument.out, argument.length));
        results.push(out);
        return out;
      }
      const source = inputOf(argument);
      const array = place(kernels.allocate('in' in argument ? argument.in : argument.inout, source.length));
      array.set(source);
      if ('inout' in argument) results.push(array);
      return array;
    });
    (kernels[vector.kernel] as (...values: unknown[]) => unknown).call(kernels, ...values);
    return use(results);
  } finally {
    for (const array of arrays) kernels.free(array);
  }
}

function inputOf(argument: Exclude<VectorArgument, { value: unknown } | { out: ElementType }>): AnyArray {
  if ('floats' in argument) return drawFloats(argument.floats);
  if ('integers' in argument) return drawIntegers(argument.integers);
  return fromBytes('in' in argument ? argument.in : argument.inout, argument.bytes);
}

const constructors = { float32: Float32Array, int32: Int32Array, int8: Int8Array, uint8: Uint8Array };

function fromBytes(type: ElementType, bytes: Bytes): AnyArray {
  const buffer = Uint8Array.from(Buffer.from(bytes, 'base64')).buffer;
  return new constructors[type](buffer);
}

/** Bytes of an array as vectors hold them. */
export function toBytes(array: AnyArray): Uint8Array {
  return Uint8Array.from(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
}

function compareResult(vector: Vector, expected: Expected, result: AnyArray): VectorMismatch | null {
  const actual = toBytes(result);
  if ('sha256' in expected) {
    const hash = createHash('sha256').update(actual).digest('hex');
    return hash === expected.sha256 ? null : { vector: vector.name, index: 0, expected: expected.sha256, actual: hash };
  }
  const wanted = Buffer.from(expected.bytes, 'base64');
  const size = result.BYTES_PER_ELEMENT;
  for (let at = 0; at < wanted.length; at += size) {
    const [want, got] = [wanted, actual].map((bytes) =>
      Buffer.from(bytes.subarray(at, at + size).toReversed()).toString('hex'),
    ) as [string, string];
    if (want !== got) return { vector: vector.name, index: at / size, expected: want, actual: got };
  }
  return null;
}

const stream = 0x7e57;

function drawWords({ seed, length }: DrawnRange, set: (index: number, word: number) => void): void {
  for (let group = 0; group * 4 < length; group++)
    philox4x32([group, 0, 0, stream], [seed, 0]).forEach((word, lane) => {
      if (group * 4 + lane < length) set(group * 4 + lane, word);
    });
}

/** Sign and mantissa are bits 31 and 22..0 of a word, the exponent is low + (bits 30..23) mod (high - low + 1). */
export function drawFloats(range: DrawnRange): Float32Array {
  const bits = new Int32Array(range.length);
  drawWords(range, (index, word) => {
    const exponent = range.low + (((word >>> 23) & 0xff) % (range.high - range.low + 1));
    bits[index] = (word & 0x807fffff) | ((exponent + 127) << 23);
  });
  return new Float32Array(bits.buffer);
}

/** low + word mod (high - low + 1). */
export function drawIntegers(range: DrawnRange): Int32Array {
  const values = new Int32Array(range.length);
  drawWords(range, (index, word) => {
    values[index] = range.low + (word % (range.high - range.low + 1));
  });
  return values;
}
