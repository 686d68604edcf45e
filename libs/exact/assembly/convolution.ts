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
  if (spread < 0 || spread % inputDilation != 0) return -1;
  const index = spread / inputDilation;
  return index < size ? index : -1;
}

/** Writes the patches from `first` on as rows. */
function writePatches(to: usize, x: usize, first: i32, count: i32): void {
  const channelBytes = (<usize>inChannels()) << 2;
  const rowBytes = <usize>filterWidth() * channelBytes;
  for (let p = first; p < first + count; p++) {
    const outX = p % outWidth();
    const outY = (p / outWidth()) % outHeight();
    const item = p / (outWidth() * outHeight());
    const left = outX * strideWidth() - padLeft();
    for (let kh = 0; kh < filterHeight(); kh++) {
      const y = sourceIndex(
        outY * strideHeight() + kh * dilationHeight() - padTop(),
        inputDilationHeight(),
        inHeight(),
      );
      if (y < 0) {
        memory.fill(to, 0, rowBytes);
        to += rowBytes;
        continue;
      }
      const line = x + <usize>((item * inHeight() + y) * inWidth()) * channelBytes;
      if (dilationWidth() == 1 && inputDilationWidth() == 1) {
        // Neighbours in the filter are neighbours in the input.
        const before = min(max(-left, 0), filterWidth());
        const end = max(min(inWidth() - left, filterWidth()), before);
        if (before > 0) fillZero(to, <usize>before * channelBytes);
        copyFloats(
          to + <usize>before * channelBytes,
          line + <usize>(left + before) * channelBytes,
          <usize>(end - before) * channelBytes,
        );
        if (end < filterWidth()) fillZero(to + <usize>end * channelBytes, <usize>(filterWidth() - end) * channelBytes);
        to += rowBytes;
      } else
        for (let kw = 0; kw < filterWidth(); kw++) {
          const at = sourceIndex(left + kw * dilationWidth(), inputDilationWidth(), inWidth());
          if (at < 0) fillZero(to, channelBytes);
          else copyFloats(to, line + <usize>at * channelBytes, channelBytes);
          to += channelBytes;
        }
    }
  }
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
    writePatches(scratch, addressArgument(17), first, m);
    packOperand(
      scratch,
      (<usize>k) << 2,
      4,
      m,
      k,
      0,
      packUnits(m, k),
      leftPanel,
      argument(22),
      packed,
      scales,
      corrections,
    );
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
    writePatches(scratch, addressArgument(17), first, k);
    packOperand(
      scratch,
      4,
      (<usize>m) << 2,
      m,
      k,
      0,
      packUnits(m, k),
      leftPanel,
      argument(20),
      packed,
      scales,
      corrections,
    );
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
