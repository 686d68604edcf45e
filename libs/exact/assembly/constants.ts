// Constants of §2 and §14 in memory. A vector constant in code costs three or four instructions at every use, in loops
// too; a load that spreads one float over the lanes costs one.

const table: usize = memory.data<u32>([
  0x0d800000, // 2^-100
  0x71800000, // 2^100
  0xf1800000, // -2^100
  0x3f800000, // 1
  0x3f000000, // 0.5
  0x40000000, // 2
  0x4b400000, // 1.5 * 2^23
  0xbf800000, // -1
  0x3fb8aa3b, // exp: log2(e)
  0x3f317200, // exp: upper part of ln 2
  0x35bfbe8e, // exp: lower part of ln 2
  0x428c0000, // 70
  0xc28c0000, // -70
  0x3f3504f3, // log: sqrt(1/2), whose bits are what counts
  0x3f318000, // log: upper part of ln 2
  0x395e8083, // log: lower part of ln 2
  0x3f200000, // limit of tanh's polynomial
  0x3f6d8000, // limit of erf's first polynomial
  0x40800000, // 4
  0x3fb504f3, // sqrt(2)
  0x3f867d5f, // selu: scale
  0x3fe10966, // selu: scale * alpha
]);

export const smallestMagnitude: usize = table;
export const largestValue: usize = table + 4;
export const leastValue: usize = table + 8;
export const one: usize = table + 12;
export const half: usize = table + 16;
export const two: usize = table + 20;
/** Adding it to a float of magnitude below 2^22 rounds that to an integer, ties to even, in the sum's lower bits. */
export const rounder: usize = table + 24;
export const minusOne: usize = table + 28;
export const log2e: usize = table + 32;
export const expLn2High: usize = table + 36;
export const expLn2Low: usize = table + 40;
export const expLargest: usize = table + 44;
export const expLeast: usize = table + 48;
/** As an integer. */
export const logRootHalf: usize = table + 52;
export const logLn2High: usize = table + 56;
export const logLn2Low: usize = table + 60;
export const tanhLimit: usize = table + 64;
export const erfLimit: usize = table + 68;
export const erfLargest: usize = table + 72;
export const rootTwo: usize = table + 76;
export const seluScale: usize = table + 80;
export const seluScaleAlpha: usize = table + 84;

/** Coefficients c0..cn of the polynomials. */
export const expPolynomial: usize = memory.data<u32>([
  0x3f800000, 0x3f800000, 0x3efffffb, 0x3e2aaa28, 0x3d2aadad, 0x3c092f6e, 0x3ab4a000,
]);
export const logPolynomial: usize = memory.data<u32>([
  0x3eaaaaaa, 0xbe7ffffc, 0x3e4cceac, 0xbe2aae50, 0x3e11e9bf, 0xbdfe5d4f, 0x3def251a, 0xbdebd1b8, 0x3d9021bb,
]);
export const tanhPolynomial: usize = memory.data<u32>([0xbeaaaa99, 0x3e088393, 0xbd5c1e2d, 0x3ca9134e, 0xbbbaf0ea]);
export const erfSmallPolynomial: usize = memory.data<u32>([
  0x3e0375d4, 0xbec09380, 0x3de70e22, 0xbcdb48d9, 0x3ba38d2c, 0xba1c7000,
]);
export const erfLargePolynomial: usize = memory.data<u32>([
  0xbe03ce86, 0xbf228550, 0xbddaae5c, 0x3cc6b1a1, 0xbb7e8a1c, 0x39c8e7d9, 0xb7910000,
]);
