// §11: Philox 4x32-10 and dropout's mask.
import { addressArgument, argument } from './job';

const m0: u64 = 0xd2511f53;
const m1: u64 = 0xcd9e8d57;
const w0: u32 = 0x9e3779b9;
const w1: u32 = 0xbb67ae85;

function put(out: usize, left: i32, word: u32, threshold: u32, keepScale: i32): void {
  if (left > 0) store<i32>(out, (word & 0xffff) < threshold ? 0 : keepScale);
  if (left > 1) store<i32>(out, word >>> 16 < threshold ? 0 : keepScale, 4);
}

/**
 * Arguments: 0 out, 1 its length, 2 and 3 the key, 4 step, 5 substream, 6 stream, 7 threshold, 8 the scale's bits. Units are
 * groups of eight elements.
 */
export function dropoutMask(begin: i32, end: i32): void {
  const threshold = <u32>argument(7);
  const keepScale = argument(8);
  for (let group = begin; group < end; group++) {
    let c0 = <u32>group;
    let c1 = <u32>argument(4);
    let c2 = <u32>argument(5);
    let c3 = <u32>argument(6);
    let k0 = <u32>argument(2);
    let k1 = <u32>argument(3);
    for (let round = 0; round < 10; round++) {
      const p0 = m0 * <u64>c0;
      const p1 = m1 * <u64>c2;
      c0 = (<u32>(p1 >> 32)) ^ c1 ^ k0;
      c1 = <u32>p1;
      c2 = (<u32>(p0 >> 32)) ^ c3 ^ k1;
      c3 = <u32>p0;
      k0 += w0;
      k1 += w1;
    }
    const out = addressArgument(0) + ((<usize>group) << 5);
    const left = argument(1) - (group << 3);
    put(out, left, c0, threshold, keepScale);
    put(out + 8, left - 2, c1, threshold, keepScale);
    put(out + 16, left - 4, c2, threshold, keepScale);
    put(out + 24, left - 6, c3, threshold, keepScale);
  }
}
