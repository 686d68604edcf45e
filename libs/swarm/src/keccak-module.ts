// A WebAssembly module that hashes 64-byte inputs with keccak-256, two at a time in the lanes of a vector.
// It is assembled here because a call into a general keccak for each of a chunk's 128 nodes costs more than the
// hash itself.

// TypeScript knows WebAssembly only together with the browser's types.
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: unknown };
};

/** Where inputs and, from the same place on, results lie in the module's memory. */
export const NODES_OFFSET = 1024;

/** The module's exports. */
export interface KeccakModule {
  memory: { buffer: ArrayBuffer };
  /**
   * Replaces `count` inputs of 64 bytes at NODES_OFFSET by their hashes of 32 bytes, packed.
   * @param lane8 1 pads after 64 bytes; 0 leaves the padding to the caller's input
   */
  hashPairs(count: number, lane8: number): void;
}

const LANES = 25;
const ROUNDS = 24;
/** Rotation of lane x + 5y. */
const rotations = [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14];

/** Keccak's round constants from its linear feedback shift register, little-endian. */
function roundConstants(): number[] {
  const bytes: number[] = [];
  let register = 1;
  for (let round = 0; round < ROUNDS; round++) {
    let constant = 0n;
    for (let bit = 0; bit < 7; bit++) {
      if ((register & 1) === 1) constant |= 1n << ((1n << BigInt(bit)) - 1n);
      register = (register << 1) ^ ((register >> 7) * 0x171);
    }
    for (let byte = 0n; byte < 8n; byte++) bytes.push(Number((constant >> (8n * byte)) & 0xffn));
  }
  return bytes;
}

const unsigned = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]);
/** Signed LEB128 of a value that is not negative. */
const constant = (value: number): number[] => (value < 64 ? [value] : [(value & 127) | 128, ...constant(value >>> 7)]);
const section = (id: number, body: number[]): number[] => [id, ...unsigned(body.length), ...body];

const get = (local: number): number[] => [0x20, ...unsigned(local)];
const set = (local: number): number[] => [0x21, ...unsigned(local)];
const int32 = (value: number): number[] => [0x41, ...constant(value)];
const vector = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
const xor = vector(0x51);
const add32 = [0x6a];

// Locals: the two parameters, two addresses and the round as integers, then vectors.
const [COUNT, LANE8, SOURCE, TARGET, ROUND] = [0, 1, 2, 3, 4];
const A = 5;
const B = A + LANES;
const C = B + LANES;
const D = C + 5;

const rotate = (value: number[], bits: number): number[] =>
  bits === 0
    ? value
    : [...value, ...int32(bits), ...vector(0xcb), ...value, ...int32(64 - bits), ...vector(0xcd), ...vector(0x50)];

/** One round of keccak-f[1600], its constant taken from memory at ROUND. */
function round(): number[] {
  const code: number[] = [];
  for (let x = 0; x < 5; x++) {
    code.push(...get(A + x));
    for (let y = 1; y < 5; y++) code.push(...get(A + x + 5 * y), ...xor);
    code.push(...set(C + x));
  }
  for (let x = 0; x < 5; x++) {
    code.push(...get(C + ((x + 4) % 5)), ...rotate(get(C + ((x + 1) % 5)), 1), ...xor, ...set(D + x));
  }
  for (let y = 0; y < 5; y++) {
    for (let x = 0; x < 5; x++) {
      const lane = x + 5 * y;
      code.push(...get(A + lane), ...get(D + x), ...xor, ...set(A + lane));
      code.push(...rotate(get(A + lane), rotations[lane] as number), ...set(B + y + 5 * ((2 * x + 3 * y) % 5)));
    }
  }
  for (let y = 0; y < 5; y++) {
    for (let x = 0; x < 5; x++) {
      const lane = (offset: number): number[] => get(B + ((x + offset) % 5) + 5 * y);
      // andnot(a, b) is a & ~b.
      code.push(...lane(0), ...lane(2), ...lane(1), ...vector(0x4f), ...xor, ...set(A + x + 5 * y));
    }
  }
  code.push(...get(A), ...get(ROUND), ...vector(0x0a), 3, 0, ...xor, ...set(A));
  return code;
}

/** The body of hashPairs: a loop over pairs of inputs around a loop over the rounds. */
function hashPairsCode(): number[] {
  const code: number[] = [...int32(NODES_OFFSET), ...set(SOURCE), ...int32(NODES_OFFSET), ...set(TARGET), 0x03, 0x40];
  for (let lane = 0; lane < 8; lane++) {
    code.push(...get(SOURCE), ...get(SOURCE), ...vector(0x0a), 3, ...unsigned(lane * 8));
    code.push(...vector(0x57), 3, ...unsigned(64 + lane * 8), 1, ...set(A + lane));
  }
  code.push(...get(LANE8), 0xad, ...vector(0x12), ...set(A + 8));
  for (let lane = 9; lane < LANES; lane++) {
    // The last byte of the rate of 136 bytes ends the padding.
    const half = [0, 0, 0, 0, 0, 0, 0, lane === 16 ? 0x80 : 0];
    code.push(...vector(0x0c), ...half, ...half, ...set(A + lane));
  }
  code.push(...int32(0), ...set(ROUND), 0x03, 0x40, ...round());
  code.push(...get(ROUND), ...int32(8), ...add32, 0x22, ROUND, ...int32(ROUNDS * 8), 0x49, 0x0d, 0, 0x0b);
  for (let lane = 0; lane < 4; lane++) {
    code.push(...get(TARGET), ...get(A + lane), ...vector(0x5b), 3, ...unsigned(lane * 8), 0);
    code.push(...get(TARGET), ...get(A + lane), ...vector(0x5b), 3, ...unsigned(32 + lane * 8), 1);
  }
  code.push(
    ...get(SOURCE),
    ...int32(128),
    ...add32,
    ...set(SOURCE),
    ...get(TARGET),
    ...int32(64),
    ...add32,
    ...set(TARGET),
  );
  code.push(...get(COUNT), ...int32(2), 0x6b, 0x22, COUNT, ...int32(0), 0x4a, 0x0d, 0, 0x0b, 0x0b);
  return code;
}

function assemble(): Uint8Array<ArrayBuffer> {
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
  const locals = [2, 3, 0x7f, ...unsigned(2 * LANES + 10), 0x7b];
  const body = [...locals, ...hashPairsCode()];
  const constants = roundConstants();
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, 0x7f, 0x7f, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('hashPairs'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
    ...section(11, [1, 0, ...int32(0), 0x0b, ...unsigned(constants.length), ...constants]),
  ]);
}

/** Compiles the module; 64 KiB of memory, a few milliseconds. */
export function startKeccakModule(): KeccakModule {
  return new WebAssembly.Instance(new WebAssembly.Module(assemble())).exports as KeccakModule;
}
