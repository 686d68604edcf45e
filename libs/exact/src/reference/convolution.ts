// §8: convolutions as contractions of patches.
import type { ConvolutionGeometry } from '../kernels.ts';
import { matMul } from './contraction.ts';

const { floor, max, min } = Math;

const patchesAtOnce = 1 << 22;

/** Row in x that a filter row sees, or -1 for none. The width works in the same way. */
export function sourceIndex(
  outIndex: number,
  filterIndex: number,
  stride: number,
  dilation: number,
  pad: number,
  inputDilation: number,
  inSize: number,
): number {
  const spread = outIndex * stride + filterIndex * dilation - pad;
  if (spread < 0 || spread % inputDilation !== 0) return -1;
  const index = spread / inputDilation;
  return index < inSize ? index : -1;
}

/** Patches `first` to `first + count - 1`, as rows. */
export function patches(x: Float32Array, g: ConvolutionGeometry, first: number, count: number): Float32Array {
  const width = g.filterHeight * g.filterWidth * g.inChannels;
  const out = new Float32Array(count * width);
  for (let p = 0; p < count; p++) {
    const outX = (first + p) % g.outWidth;
    const outY = floor((first + p) / g.outWidth) % g.outHeight;
    const item = floor((first + p) / (g.outWidth * g.outHeight));
    for (let kh = 0; kh < g.filterHeight; kh++) {
      const y = sourceIndex(outY, kh, g.strideHeight, g.dilationHeight, g.padTop, g.inputDilationHeight, g.inHeight);
      if (y < 0) continue;
      for (let kw = 0; kw < g.filterWidth; kw++) {
        const at = sourceIndex(outX, kw, g.strideWidth, g.dilationWidth, g.padLeft, g.inputDilationWidth, g.inWidth);
        if (at < 0) continue;
        const from = ((item * g.inHeight + y) * g.inWidth + at) * g.inChannels;
        out.set(x.subarray(from, from + g.inChannels), p * width + (kh * g.filterWidth + kw) * g.inChannels);
      }
    }
  }
  return out;
}

const product = { batch: 1, transposeA: false, transposeB: false, aBatchStride: 0, bBatchStride: 0 };

export function conv2d(out: Float32Array, x: Float32Array, filter: Float32Array, g: ConvolutionGeometry): void {
  const k = g.filterHeight * g.filterWidth * g.inChannels;
  const n = g.outChannels;
  const total = g.batch * g.outHeight * g.outWidth;
  const step = max(1, floor(patchesAtOnce / k));
  for (let first = 0; first < total; first += step) {
    const m = min(step, total - first);
    matMul(out.subarray(first * n, (first + m) * n), patches(x, g, first, m), filter, { ...product, m, k, n });
  }
}

export function conv2dFilterGradient(
  out: Float32Array,
  x: Float32Array,
  dy: Float32Array,
  g: ConvolutionGeometry,
): void {
  const m = g.filterHeight * g.filterWidth * g.inChannels;
  const k = g.batch * g.outHeight * g.outWidth;
  matMul(out, patches(x, g, 0, k), dy, { ...product, m, k, n: g.outChannels, transposeA: true });
}
