// Contractions as jobs. A large one packs both operands, then multiplies tile by tile; a batch of small ones packs and
// multiplies each within one thread's own scratch memory.
import { block, elementBytes, leftPanel, rightPanel } from './format';
import { addressArgument, argument } from './job';
import { multiplyTile, setContraction, setStrassen, tileSide } from './multiply';
import { packGroups } from './pack';
import { addQuarters, strassenSide, suitsStrassen, sumsBytes } from './strassen';

/** Groups of four vectors that one unit packs. */
const groupsOfUnit: i32 = 16;

/** Packs the units from firstUnit up to endUnit of an operand; each is some groups of vectors in one block. */
export function packOperand(
  source: usize,
  vectorStride: usize,
  elementStride: usize,
  count: i32,
  length: i32,
  firstUnit: i32,
  endUnit: i32,
  panelWidth: i32,
  bits: i32,
  packed: usize,
  scales: usize,
  corrections: usize,
): void {
  const groups = (count + 3) >> 2;
  const unitsOfBlock = (groups + groupsOfUnit - 1) / groupsOfUnit;
  const padded = (count + panelWidth - 1) & -panelWidth;
  for (let unit = firstUnit; unit < endUnit; unit++) {
    const index = unit / unitsOfBlock;
    const group = (unit % unitsOfBlock) * groupsOfUnit;
    const before = <usize>(index * padded);
    packGroups(
      source + <usize>(index * block) * elementStride,
      vectorStride,
      elementStride,
      count,
      min(block, length - index * block),
      group,
      min(group + groupsOfUnit, groups),
      panelWidth,
      bits,
      packed + before * <usize>(block * elementBytes()),
      scales + (before << 2),
      corrections == 0 ? 0 : corrections + (before << 2),
    );
  }
}

/** Units of an operand: its blocks times its groups of vectors. */
export function packUnits(count: i32, length: i32): i32 {
  const groups = (count + 3) >> 2;
  return ((length + block - 1) / block) * ((groups + groupsOfUnit - 1) / groupsOfUnit);
}

/**
 * Arguments: 0 source, 1 vector stride, 2 element stride (bytes), 3 count, 4 length, 5 panel width, 6 bits, 7 packed,
 * 8 scales, 9 corrections or 0.
 */
export function packBlocks(begin: i32, end: i32): void {
  packOperand(
    addressArgument(0),
    addressArgument(1),
    addressArgument(2),
    argument(3),
    argument(4),
    begin,
    end,
    argument(5),
    argument(6),
    addressArgument(7),
    addressArgument(8),
    addressArgument(9),
  );
}

/**
 * Arguments: 0 left, 1 its scales, 2 its corrections, 3 right, 4 its scales, 5 m, 6 k, 7 n, 8 out, 9 stride of its rows
 * (bytes), 10 buffers for partial sums, 11 their bytes in each thread; 12 and 13 the operands' sums of quarters, or 0 for the
 * plain way, 14 where in a thread's buffers the accumulators are. Units are tiles.
 */
export function multiplyTiles(begin: i32, end: i32, thread: i32): void {
  const m = argument(5);
  const n = argument(7);
  const stride = addressArgument(9);
  const buffers = addressArgument(10) + <usize>thread * addressArgument(11);
  setContraction(
    addressArgument(0),
    addressArgument(1),
    addressArgument(2),
    addressArgument(3),
    addressArgument(4),
    m,
    argument(6),
    n,
    buffers,
  );
  let side = tileSide;
  if (argument(12) != 0) {
    side = strassenSide;
    setStrassen(addressArgument(12), addressArgument(13), buffers + addressArgument(14));
  }
  const across = (n + side - 1) / side;
  for (let tile = begin; tile < end; tile++) {
    const row = (tile / across) * side;
    const column = (tile % across) * side;
    const corner = addressArgument(8) + <usize>row * stride + ((<usize>column) << 2);
    multiplyTile(row, column, min(side, m - row), min(side, n - column), corner, stride);
  }
}

/**
 * Arguments: 0 left, 1 its sums, 2 right, 3 its sums, 4 m, 5 k, 6 n. Units are full tiles' rows, then columns, by block.
 */
export function addQuartersOf(begin: i32, end: i32): void {
  const k = argument(5);
  const ofLeft = ((k + block - 1) / block) * (argument(4) / strassenSide);
  for (let unit = begin; unit < end; unit++) {
    const isLeft = unit < ofLeft;
    const count = isLeft ? argument(4) : argument(6);
    const panel = isLeft ? leftPanel : rightPanel;
    const tiles = count / strassenSide;
    const part = isLeft ? unit : unit - ofLeft;
    const index = part / tiles;
    const inBlock = min(block, k - index * block);
    if (!suitsStrassen(inBlock)) continue;
    const padded = (count + panel - 1) & -panel;
    // Packed elements have two bytes.
    const packed =
      addressArgument(isLeft ? 0 : 2) +
      <usize>(index * padded) * <usize>(block * 2) +
      <usize>((part % tiles) * strassenSide) * <usize>(inBlock * 2);
    addQuarters(packed, addressArgument(isLeft ? 1 : 3) + <usize>part * sumsBytes(min(block, k)), inBlock, isLeft);
  }
}

/**
 * Arguments: 0 a, 1 its vector stride, 2 element stride, 3 item stride; 4 .. 7 the same of b; 8 m, 9 k, 10 n, 11 out,
 * 12 left bits, 13 right bits, 14 scratch, 15 its bytes in each thread; in it from the start 16 left scales,
 * 17 left corrections or 0, 18 right panels, 19 right scales, 20 buffers for partial sums.
 */
export function contractItem(item: i32, thread: i32): void {
  const m = argument(8);
  const k = argument(9);
  const n = argument(10);
  const scratch = addressArgument(14) + <usize>thread * addressArgument(15);
  const leftScales = scratch + addressArgument(16);
  const corrections: usize = argument(17) == 0 ? 0 : scratch + addressArgument(17);
  const right = scratch + addressArgument(18);
  const rightScales = scratch + addressArgument(19);
  packOperand(
    addressArgument(0) + <usize>item * addressArgument(3),
    addressArgument(1),
    addressArgument(2),
    m,
    k,
    0,
    packUnits(m, k),
    4,
    argument(12),
    scratch,
    leftScales,
    corrections,
  );
  packOperand(
    addressArgument(4) + <usize>item * addressArgument(7),
    addressArgument(5),
    addressArgument(6),
    n,
    k,
    0,
    packUnits(n, k),
    8,
    argument(13),
    right,
    rightScales,
    0,
  );
  setContraction(scratch, leftScales, corrections, right, rightScales, m, k, n, scratch + addressArgument(20));
  const stride = (<usize>n) << 2;
  const out = addressArgument(11) + <usize>item * m * stride;
  for (let row = 0; row < m; row += tileSide)
    for (let column = 0; column < n; column += tileSide)
      multiplyTile(
        row,
        column,
        min(tileSide, m - row),
        min(tileSide, n - column),
        out + <usize>row * stride + ((<usize>column) << 2),
        stride,
      );
}
