import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { philox4x32 } from '@cotrain/protocol';
import { bitsOf, floatOf } from './float-operations.ts';

/** Values with exponents from `low` to `high`. */
export function drawValues(random: () => number, count: number, low = -100, high = 99): Float32Array {
  return Float32Array.from({ length: count }, () => {
    const exponent = low + (random() % (high - low + 1));
    return floatOf(((random() & 0x807fffff) | ((exponent + 127) << 23)) >>> 0);
  });
}

/** Where the functions of section 4 change their course, and beside it; limits, halves and whole numbers. */
export const hardValues = Float32Array.from(
  [
    ...[
      1, 0.5, 2, 1.5, 2.5, 3.5, 0.625, 0.927734375, 4, 9, 17, 60, 64, 65, 69, 69.3, 69.4, 70, 87, 88.8, 100, 103, 127,
      128,
    ],
    ...[Math.PI, Math.E, Math.SQRT1_2, Math.SQRT2, 1e-7, 1e-3, 1e9, 16_777_215, 2 ** 24, 2 ** 31, 2 ** 50, 2 ** -50],
    ...[
      2 ** -100,
      2 ** 100,
      2 ** -24,
      2 ** -23,
      2 ** -12,
      2 ** -11,
      2 ** 23,
      2 ** 22 + 0.5,
      8_388_607.5,
      0.346573,
      1.442695,
    ],
  ].flatMap((value) => {
    const bits = bitsOf(Math.fround(value));
    return [bits - 1, bits, bits + 1]
      .filter((each) => each >= 0x0d800000 && each <= 0x71800000)
      .flatMap((each) => [floatOf(each), -floatOf(each)]);
  }),
);

export const bitsOfAll = (values: Iterable<number>): number[] => Array.from(values, bitsOf);

export function littleEndian(values: Float32Array | Int32Array | Int8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** A call in libs/exact/vectors, whose README describes the format; drawn inputs are expanded. */
export interface StoredVector {
  name: string;
  kernel: string;
  arguments: { in?: string; bytes?: string; value?: unknown; floats?: Drawn; integers?: Drawn }[];
  expected: { bytes?: string }[];
}

interface Drawn {
  seed: number;
  length: number;
  low: number;
  high: number;
}

/** The vectors of a file whose results are written out (those of the others are hashes). */
export function storedVectors(file: string): StoredVector[] {
  const path = join(import.meta.dirname, '../../../libs/exact/vectors', `${file}.json`);
  const all = JSON.parse(readFileSync(path, 'utf8')) as StoredVector[];
  return all
    .filter(({ expected }) => expected.every(({ bytes }) => bytes !== undefined))
    .map((vector) => ({ ...vector, arguments: vector.arguments.map(expand) }));
}

function expand(argument: StoredVector['arguments'][number]): StoredVector['arguments'][number] {
  const { floats, integers } = argument;
  const range = floats ?? integers;
  if (range === undefined) return argument;
  const words = Uint32Array.from({ length: range.length }, (_, i) => {
    const word = philox4x32([i >> 2, 0, 0, 0x7e57], [range.seed, 0])[(i & 3) as 0 | 1 | 2 | 3];
    const spread = range.high - range.low + 1;
    if (integers !== undefined) return range.low + (word % spread);
    return (word & 0x807fffff) | ((range.low + (((word >>> 23) & 0xff) % spread) + 127) << 23);
  });
  return { ...argument, bytes: Buffer.from(words.buffer).toString('base64') };
}

/** The 32-bit elements of base64, as bits. */
export function wordsOf(base64: string): number[] {
  const bytes = Buffer.from(base64, 'base64');
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i));
}
