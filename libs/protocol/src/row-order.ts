import { OutOfRangeError } from './errors.ts';
import { philox4x32, philoxKey, randomStreams } from './philox.ts';

/** Rounds of the Feistel network; four already make a strong pseudo-random permutation (Luby and Rackoff). */
const rounds = 6;

/**
 * Place of `position` in the epoch's shuffled order: a keyed permutation of 0..rows-1. A balanced Feistel network
 * over the next even power of two, with Philox as round function, walks its cycle until it is back inside the range
 * (fewer than four steps expected), so any index is computed alone, without a table.
 */
export function shuffledRow(seed: bigint, epoch: number, position: number, rows: number): number {
  if (rows === 1) return 0;
  const key = philoxKey(seed);
  // Doubled until the square holds every row; a logarithm would round beside the largest powers of two.
  let half = 2;
  while (half * half < rows) half *= 2;
  let value = position;
  do {
    let left = Math.floor(value / half);
    let right = value % half;
    for (let round = 0; round < rounds; round++) {
      const [word] = philox4x32([right, round, epoch >>> 0, randomStreams.rowOrder], key);
      // The halves have at most 24 bits, so the exclusive or stays a non-negative 32-bit integer.
      [left, right] = [right, (left ^ (word % half)) >>> 0];
    }
    value = left * half + right;
  } while (value >= rows);
  return value;
}

/**
 * Rows of the batch of a step: positions step*batchSize.. of an endless sequence of epochs, each of which visits
 * every row once in an order of its own.
 * @throws OutOfRangeError for more rows than 2^48
 */
export function rowIndices(seed: bigint, step: number, batchSize: number, rows: bigint): number[] {
  if (rows < 1n || rows > 2n ** 48n) throw new OutOfRangeError('rows', rows, 'from 1 to 2^48');
  const rowCount = Number(rows);
  return Array.from({ length: batchSize }, (_, i) => {
    const position = step * batchSize + i;
    return shuffledRow(seed, Math.floor(position / rowCount), position % rowCount, rowCount);
  });
}
