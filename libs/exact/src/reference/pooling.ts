// §9
import type { PoolGeometry } from '../kernels.ts';
import { div, largest } from './float.ts';
import { S } from './reductions.ts';

/** Calls `take` for every window with its channel's input indices inside, in row-major order; -1 for those outside. */
function eachWindow(g: PoolGeometry, take: (outIndex: number, window: Int32Array) => void): void {
  const window = new Int32Array(g.filterHeight * g.filterWidth);
  let outIndex = 0;
  for (let item = 0; item < g.batch; item++)
    for (let outY = 0; outY < g.outHeight; outY++)
      for (let outX = 0; outX < g.outWidth; outX++)
        for (let channel = 0; channel < g.channels; channel++) {
          for (let kh = 0; kh < g.filterHeight; kh++)
            for (let kw = 0; kw < g.filterWidth; kw++) {
              const y = outY * g.strideHeight + kh * g.dilationHeight - g.padTop;
              const x = outX * g.strideWidth + kw * g.dilationWidth - g.padLeft;
              const inside = y >= 0 && y < g.inHeight && x >= 0 && x < g.inWidth;
              window[kh * g.filterWidth + kw] = inside
                ? ((item * g.inHeight + y) * g.inWidth + x) * g.channels + channel
                : -1;
            }
          take(outIndex++, window);
        }
}

const countInside = (window: Int32Array): number => window.reduce((count, index) => count + (index >= 0 ? 1 : 0), 0);

export function maxPool(out: Float32Array, x: Float32Array, g: PoolGeometry): void {
  eachWindow(g, (outIndex, window) => {
    const best = firstLargest(x, window);
    out[outIndex] = best < 0 ? -largest : (x[window[best] as number] as number);
  });
}

/** Position in the window of the first largest value; -1 if the window is wholly outside. */
function firstLargest(x: Float32Array, window: Int32Array): number {
  let best = -1;
  window.forEach((index, position) => {
    if (index < 0) return;
    if (best < 0 || (x[index] as number) > (x[window[best] as number] as number)) best = position;
  });
  return best;
}

export function avgPool(out: Float32Array, x: Float32Array, g: PoolGeometry): void {
  eachWindow(g, (outIndex, window) => {
    const values = Float32Array.from(window, (index) => (index < 0 ? 0 : (x[index] as number)));
    out[outIndex] = div(S(values), countInside(window));
  });
}

/** dx from what windows give: per input element a list over the filter's positions, summed by S. */
function gradient(
  out: Float32Array,
  g: PoolGeometry,
  give: (outIndex: number, window: Int32Array, position: number) => number,
): void {
  const positions = g.filterHeight * g.filterWidth;
  const given = new Float32Array(out.length * positions);
  eachWindow(g, (outIndex, window) => {
    window.forEach((index, position) => {
      if (index >= 0) given[index * positions + position] = give(outIndex, window, position);
    });
  });
  for (let i = 0; i < out.length; i++) out[i] = S(given.subarray(i * positions, (i + 1) * positions));
}

export function maxPoolGradient(out: Float32Array, dy: Float32Array, x: Float32Array, g: PoolGeometry): void {
  gradient(out, g, (outIndex, window, position) =>
    position === firstLargest(x, window) ? (dy[outIndex] as number) : 0,
  );
}

export function avgPoolGradient(out: Float32Array, dy: Float32Array, g: PoolGeometry): void {
  gradient(out, g, (outIndex, window) => div(dy[outIndex] as number, countInside(window)));
}
