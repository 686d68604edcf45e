// §8: convolutions as contractions of patches, which exist only for the rows that a thread works on.
import { packOperand, packUnits } from './contraction';
import { copyFloats, fillZero } from './copies';
import { block, leftPanel, rightPanel } from './format';
import { addressArgument, argument } from './job';
import { multiplyTile, setContraction, tileSide } from './multiply';

// Arguments 0 to 16 are the geometry, in the order of `ConvolutionGeometry` in src/kernels.ts.
function inHeight(): i32 {
  return argument(1);
}
function inWidth(): i32 {
  return argument(2);
}
function inChannels(): i32 {
  return argument(3);
}
function outHeight(): i32 {
  return argument(4);
}
function outWidth(): i32 {
  return argument(5);
}
function outChannels(): i32 {
  return argument(6);
}
function filterHeight(): i32 {
  return argument(7);
}
function filterWidth(): i32 {
  return argument(8);
}
function strideHeight(): i32 {
  return argument(9);
}
function strideWidth(): i32 {
  return argument(10);
}
function dilationHeight(): i32 {
  return argument(11);
}
function dilationWidth(): i32 {
  return argument(12);
}
function inputDilationHeight(): i32 {
  return argument(13);
}
function inputDilationWidth(): i32 {
  return argument(14);
}
function padTop(): i32 {
  return argument(15);
}
function padLeft(): i32 {
  return argument(16);
}

function patchLength(): i32 {
  return filterHeight() * filterWidth() * inChannels();
}

/** Position in the input of what lies `spread` steps into the dilated input, or -1. */
function sourceIndex(spread: i32, inputDilation: i32, size: i32): i32 {
  if (inputDilation == 1) return spread < size ? max(spread, -1) : -1;
  if (spread < 0 || spread % inputDilation != 0) return -1;
  const index = spread / inputDilation;
  return index < size ? index : -1;
}

/** `count` pixels of a line from `at` on, with zeros outside of it. */
function copyPixels(to: usize, line: usize, at: i32, count: i32, width: i32, channelBytes: usize): void {
  if (at >= 0 && at <= width - count) {
    copyFloats(to, line + <usize>at * channelBytes, <usize>count * channelBytes);
    return;
  }
  const before = min(max(-at, 0), count);
  const end = max(min(width - at, count), before);
  fillZero(to, <usize>before * channelBytes);
  copyFloats(
    to + <usize>before * channelBytes,
    line + <usize>(at + before) * channelBytes,
    <usize>(end - before) * channelBytes,
  );
  fillZero(to + <usize>end * channelBytes, <usize>(count - end) * channelBytes);
}

/** The line of the input that a row of the filter sees from a row of the output (of all images), or 0 outside. */
function lineOf(x: usize, row: i32, kh: i32): usize {
  const outY = row % outHeight();
  const spread = outY * strideHeight() + kh * dilationHeight() - padTop();
  const y = sourceIndex(spread, inputDilationHeight(), inHeight());
  if (y < 0) return 0;
  return x + ((<usize>(((row / outHeight()) * inHeight() + y) * inWidth() * inChannels())) << 2);
}

/** Of neighbouring patches in one row of the output, from (row, outX) on, what one row of the filter sees. */
function writeFilterRow(to: usize, x: usize, row: i32, outX: i32, kh: i32, count: i32, patchBytes: usize): void {
  const channelBytes = (<usize>inChannels()) << 2;
  const wide = filterWidth();
  const width = inWidth();
  const stride = strideWidth();
  const dilation = dilationWidth();
  const inputDilation = inputDilationWidth();
  const areNeighbours = dilation == 1 && inputDilation == 1;
  const line = lineOf(x, row, kh);
  let left = outX * stride - padLeft();
  for (let p = 0; p < count; p++) {
    if (line == 0) fillZero(to, <usize>wide * channelBytes);
    else if (areNeighbours) copyPixels(to, line, left, wide, width, channelBytes);
    else
      for (let kw = 0; kw < wide; kw++) {
        const at = sourceIndex(left + kw * dilation, inputDilation, width);
        const pixel = to + <usize>kw * channelBytes;
        if (at < 0) fillZero(pixel, channelBytes);
        else copyFloats(pixel, line + <usize>at * channelBytes, channelBytes);
      }
    left += stride;
    to += patchBytes;
  }
}

/** Writes the patches from `first` on, one after another. */
function writePatches(to: usize, x: usize, first: i32, count: i32): void {
  const patchBytes = (<usize>patchLength()) << 2;
  const rowBytes = (<usize>(filterWidth() * inChannels())) << 2;
  const end = first + count;
  for (let p = first; p < end;) {
    const outX = p % outWidth();
    const run = min(outWidth() - outX, end - p);
    for (let kh = 0; kh < filterHeight(); kh++)
      writeFilterRow(to + <usize>kh * rowBytes, x, p / outWidth(), outX, kh, run, patchBytes);
    to += <usize>run * patchBytes;
    p += run;
  }
}

/** The same side by side, for one channel: an element of neighbouring patches is neighbouring pixels. */
function writePatchesAcross(to: usize, x: usize, first: i32, count: i32): void {
  const areNeighbours = strideWidth() == 1 && inputDilationWidth() == 1;
  const end = first + count;
  for (let kh = 0; kh < filterHeight(); kh++)
    for (let kw = 0; kw < filterWidth(); kw++)
      for (let p = first; p < end;) {
        const outX = p % outWidth();
        const run = min(outWidth() - outX, end - p);
        const line = lineOf(x, p / outWidth(), kh);
        const left = outX * strideWidth() + kw * dilationWidth() - padLeft();
        if (line == 0) fillZero(to, (<usize>run) << 2);
        else if (areNeighbours) copyPixels(to, line, left, run, inWidth(), 4);
        else
          for (let i = 0; i < run; i++) {
            const at = sourceIndex(left + i * strideWidth(), inputDilationWidth(), inWidth());
            store<f32>(to + ((<usize>i) << 2), at < 0 ? 0 : load<f32>(line + ((<usize>at) << 2)));
          }
        to += (<usize>run) << 2;
        p += run;
      }
}

/** Packs `count` patches from `first` on, or (for the filter's gradient) their elements, as a left operand. */
function packPatches(
  x: usize,
  first: i32,
  count: i32,
  takesElements: bool,
  bits: i32,
  room: usize,
  packed: usize,
  scales: usize,
  corrections: usize,
): void {
  const areAcross = inChannels() == 1;
  if (areAcross) writePatchesAcross(room, x, first, count);
  else writePatches(room, x, first, count);
  const length = patchLength();
  const apart = (<usize>(areAcross ? count : length)) << 2;
  const areRows = areAcross == takesElements;
  packOperand(
    room,
    areRows ? apart : 4,
    areRows ? 4 : apart,
    takesElements ? length : count,
    takesElements ? count : length,
    0,
    takesElements ? packUnits(length, count) : packUnits(count, length),
    leftPanel,
    bits,
    packed,
    scales,
    corrections,
  );
}

/**
 * Arguments behind the geometry: 17 x, 18 out, 19 packed filter, 20 its scales, 21 patches of a unit, 22 left bits,
 * 23 scratch, 24 its bytes in each thread; in it 25 packed patches, 26 their scales, 27 corrections or 0, 28 buffers for
 * partial sums. Units are runs of patches.
 */
export function convolveRows(begin: i32, end: i32, thread: i32): void {
  const k = patchLength();
  const n = outChannels();
  const total = argument(0) * outHeight() * outWidth();
  const scratch = addressArgument(23) + <usize>thread * addressArgument(24);
  const packed = scratch + addressArgument(25);
  const scales = scratch + addressArgument(26);
  const corrections: usize = argument(27) == 0 ? 0 : scratch + addressArgument(27);
  const stride = (<usize>n) << 2;
  for (let unit = begin; unit < end; unit++) {
    const first = unit * argument(21);
    const m = min(argument(21), total - first);
    packPatches(addressArgument(17), first, m, false, argument(22), scratch, packed, scales, corrections);
    setContraction(
      packed,
      scales,
      corrections,
      addressArgument(19),
      addressArgument(20),
      m,
      k,
      n,
      scratch + addressArgument(28),
    );
    multiplyAll(m, n, addressArgument(18) + <usize>first * stride, stride);
  }
}

/**
 * Arguments behind the geometry: 17 x, 18 dy, 19 out: of each unit one after another, 20 left bits, 21 right bits,
 * 22 scratch, 23 its bytes in each thread; in it 24 packed patches, 25 their scales, 26 corrections or 0, 27 packed dy,
 * 28 its scales. Units are blocks of 1,024 patches.
 */
export function convolveFilterBlocks(begin: i32, end: i32, thread: i32): void {
  const m = patchLength();
  const n = outChannels();
  const total = argument(0) * outHeight() * outWidth();
  const scratch = addressArgument(22) + <usize>thread * addressArgument(23);
  const packed = scratch + addressArgument(24);
  const scales = scratch + addressArgument(25);
  const corrections: usize = argument(26) == 0 ? 0 : scratch + addressArgument(26);
  const right = scratch + addressArgument(27);
  const rightScales = scratch + addressArgument(28);
  const stride = (<usize>n) << 2;
  for (let unit = begin; unit < end; unit++) {
    const first = unit * block;
    const k = min(block, total - first);
    packPatches(addressArgument(17), first, k, true, argument(20), scratch, packed, scales, corrections);
    const dy = addressArgument(18) + <usize>first * stride;
    packOperand(dy, 4, stride, n, k, 0, packUnits(n, k), rightPanel, argument(21), right, rightScales, 0);
    setContraction(packed, scales, corrections, right, rightScales, m, k, n, 0);
    multiplyAll(m, n, addressArgument(19) + <usize>(unit * m) * stride, stride);
  }
}

function multiplyAll(m: i32, n: i32, out: usize, stride: usize): void {
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
