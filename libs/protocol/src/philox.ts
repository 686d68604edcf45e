const { floor, imul } = Math;

/**
 * Philox 4x32-10, a counter-based generator: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).
 * Any element of the stream is computed alone, in order O(1), also by a contract.
 * @param counter four 32-bit words; @param key two
 * @returns four pseudo-random 32-bit words
 */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c1 = low1 >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** Upper 32 bits of a 32 by 32 bit product, by halves: every partial product is exact in a double. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + floor(middle / 65536) + floor(carry / 65536)) >>> 0;
}

/** A 64-bit seed as Philox's key: low word first. */
export function philoxKey(seed: bigint): [number, number] {
  return [Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)];
}

/** What a job draws random numbers for. Each use has a stream of its own, so that none can disturb another. */
export const randomStreams = { rowOrder: 1, initialState: 2, dropout: 3 } as const;

/**
 * `count` float32 in [0, 1): the upper 24 bits of each word times 2^-24, so that every value is exact.
 * Counter words: index of the group of four, `step`, `substream` (a layer or tensor), stream.
 */
export function uniformFloats(
  seed: bigint,
  stream: number,
  substream: number,
  step: number,
  count: number,
): Float32Array {
  const key = philoxKey(seed);
  const values = new Float32Array(count);
  for (let group = 0; group * 4 < count; group++) {
    const words = philox4x32([group, step >>> 0, substream >>> 0, stream >>> 0], key);
    for (let lane = 0; lane < 4 && group * 4 + lane < count; lane++)
      values[group * 4 + lane] = ((words[lane] ?? 0) >>> 8) * 2 ** -24;
  }
  return values;
}
