// §9: pooling and its gradients, channels side by side.
import { leastValue } from './constants';
import { copyFloats, fillZero } from './copies';
import { addressArgument, argument } from './job';
import {
  choose,
  isEqual,
  isLess,
  isLessOrEqual,
  keep,
  larger,
  loadLanes,
  everyLane,
  spread,
  storeLanes,
  zero,
} from './lanes';
import { divideRow, reduceStripe, stripe, Sum } from './reduce';
import { div } from './values';

// Arguments 0 to 13 are the geometry, in the order of `PoolGeometry` in src/kernels.ts.
function channels(): i32 {
  return argument(1);
}
function inHeight(): i32 {
  return argument(2);
}
function inWidth(): i32 {
  return argument(3);
}
function outHeight(): i32 {
  return argument(4);
}
function outWidth(): i32 {
  return argument(5);
}
function filterHeight(): i32 {
  return argument(6);
}
function filterWidth(): i32 {
  return argument(7);
}

/** Address of the input that a window sees at a position of the filter, or 0 outside. `item` is the input's image. */
function seen(item: usize, outY: i32, outX: i32, kh: i32, kw: i32): usize {
  const y = outY * argument(8) + kh * argument(10) - argument(12);
  const x = outX * argument(9) + kw * argument(11) - argument(13);
  if (y < 0 || y >= inHeight() || x < 0 || x >= inWidth()) return 0;
  return item + ((<usize>((y * inWidth() + x) * channels())) << 2);
}

function imageBytes(height: i32, width: i32): usize {
  return (<usize>(height * width * channels())) << 2;
}

// The part of a window that lies inside of the input: a rectangle of places at even steps.
let corner: usize = 0; // bytes from the image's first element
let rows: i32 = 0;
let columns: i32 = 0;

/** First position of a filter at `start` that is not before the input. */
function firstInside(start: i32, dilation: i32): i32 {
  return start >= 0 ? 0 : (dilation - 1 - start) / dilation;
}

/** Positions of a filter at `start` up to the end of the input. */
function endInside(start: i32, dilation: i32, positions: i32, size: i32): i32 {
  return start >= size ? 0 : min(positions, (size - start + dilation - 1) / dilation);
}

/** Finds the part inside of a window; rows and columns are 0 where there is none. */
function clip(outY: i32, outX: i32): void {
  const y = outY * argument(8) - argument(12);
  const x = outX * argument(9) - argument(13);
  const top = firstInside(y, argument(10));
  const left = firstInside(x, argument(11));
  rows = max(endInside(y, argument(10), filterHeight(), inHeight()) - top, 0);
  columns = max(endInside(x, argument(11), filterWidth(), inWidth()) - left, 0);
  if (rows == 0 || columns == 0) rows = columns = 0;
  corner = (<usize>(((y + top * argument(10)) * inWidth() + x + left * argument(11)) * channels())) << 2;
}

/** Bytes from one place of a window to the next row, or the next column. */
function rowStep(): usize {
  return imageBytes(argument(10), inWidth());
}
function columnStep(): usize {
  return imageBytes(1, argument(11));
}

/** The largest of a clipped window's places; `first` is the address of one channel, or four, at its corner. */
function largestOf<T>(first: usize, down: usize, right: usize): T {
  let top = spread<T>(leastValue);
  for (let i = 0; i < rows; i++) {
    let at = first;
    for (let j = 0; j < columns; j++) {
      top = larger<T>(top, loadLanes<T>(at));
      at += right;
    }
    first += down;
  }
  return top;
}

/** Arguments behind the geometry: 14 out, 15 x. Units are rows of the output. */
export function maxPool(begin: i32, end: i32): void {
  const bytes = (<usize>channels()) << 2;
  const down = rowStep();
  const right = columnStep();
  let out = addressArgument(14) + <usize>(begin * outWidth()) * bytes;
  for (let row = begin; row < end; row++) {
    const item = addressArgument(15) + <usize>(row / outHeight()) * imageBytes(inHeight(), inWidth());
    for (let outX = 0; outX < outWidth(); outX++) {
      clip(row % outHeight(), outX);
      const first = item + corner;
      let at: usize = 0;
      if (ASC_FEATURE_SIMD)
        for (; at + 16 <= bytes; at += 16) storeLanes<v128>(out + at, largestOf<v128>(first + at, down, right));
      for (; at < bytes; at += 4) storeLanes<f32>(out + at, largestOf<f32>(first + at, down, right));
      out += bytes;
    }
  }
}

/** Arguments behind the geometry: 14 out, 15 x, 16 scratch, 17 its bytes in each thread. Units are rows of the output. */
export function avgPool(begin: i32, end: i32, thread: i32): void {
  const list = addressArgument(16) + <usize>thread * addressArgument(17);
  const positions = filterHeight() * filterWidth();
  const stripeBytes: usize = stripe * 4;
  const working = list + <usize>positions * stripeBytes;
  for (let row = begin; row < end; row++) {
    const item = addressArgument(15) + <usize>(row / outHeight()) * imageBytes(inHeight(), inWidth());
    for (let outX = 0; outX < outWidth(); outX++)
      for (let column = 0; column < channels(); column += stripe) {
        const wide = min(stripe, channels() - column);
        let inside = 0;
        let entry = list;
        for (let kh = 0; kh < filterHeight(); kh++)
          for (let kw = 0; kw < filterWidth(); kw++) {
            const x = seen(item, row % outHeight(), outX, kh, kw);
            if (x == 0) fillZero(entry, (<usize>wide) << 2);
            else {
              copyFloats(entry, x + ((<usize>column) << 2), (<usize>wide) << 2);
              inside++;
            }
            entry += stripeBytes;
          }
        const out = addressArgument(14) + ((<usize>((row * outWidth() + outX) * channels() + column)) << 2);
        reduceStripe<Sum>(out, list, stripeBytes, positions, wide, working);
        divideRow(out, wide, f32(inside));
      }
  }
}

/** Keeps in `out` what `x` is the window's first largest for: larger than all before it and no smaller than those after. */
function keepWhereFirstLargest<T>(out: usize, x: usize, other: usize, isBefore: bool): void {
  const value = loadLanes<T>(x);
  const rival = loadLanes<T>(other);
  const wins = isBefore ? isLess<T>(rival, value) : isLessOrEqual<T>(rival, value);
  storeLanes<T>(out, keep<T>(wins, loadLanes<T>(out)));
}

/** What the window gives its position (kh, kw), of `wide` channels from `column` on. */
function giveOfMax(entry: usize, item: usize, outY: i32, outX: i32, kh: i32, kw: i32, column: i32, wide: i32): void {
  const x = seen(item, outY, outX, kh, kw) + ((<usize>column) << 2);
  for (let h = 0; h < filterHeight(); h++)
    for (let w = 0; w < filterWidth(); w++) {
      if (h == kh && w == kw) continue;
      const place = seen(item, outY, outX, h, w);
      if (place == 0) continue;
      const other = place + ((<usize>column) << 2);
      const isBefore = h < kh || (h == kh && w < kw);
      let c = 0;
      if (ASC_FEATURE_SIMD)
        for (; c + 4 <= wide; c += 4) {
          const at = (<usize>c) << 2;
          keepWhereFirstLargest<v128>(entry + at, x + at, other + at, isBefore);
        }
      for (; c < wide; c++) {
        const at = (<usize>c) << 2;
        keepWhereFirstLargest<f32>(entry + at, x + at, other + at, isBefore);
      }
    }
}

function insideOf(outY: i32, outX: i32): i32 {
  clip(outY, outX);
  return rows * columns;
}

/** Index of the window that sees `position` at a place of the filter, or -1. */
function windowAt(position: i32, place: i32, stride: i32, dilation: i32, pad: i32, count: i32): i32 {
  const from = position + pad - place * dilation;
  if (from < 0 || from % stride != 0) return -1;
  const index = from / stride;
  return index < count ? index : -1;
}

/**
 * Arguments behind the geometry: 14 out, 15 x (0: the gradient of avgPool), 16 scratch, 17 its bytes in each thread, 18 dy.
 * Units are rows of the input.
 */
export function poolGradient(begin: i32, end: i32, thread: i32): void {
  const list = addressArgument(16) + <usize>thread * addressArgument(17);
  const positions = filterHeight() * filterWidth();
  const stripeBytes: usize = stripe * 4;
  const working = list + <usize>positions * stripeBytes;
  const isMax = argument(15) != 0;
  for (let row = begin; row < end; row++) {
    const image = row / inHeight();
    const y = row % inHeight();
    const item = addressArgument(15) + <usize>image * imageBytes(inHeight(), inWidth());
    const dy = addressArgument(18) + <usize>image * imageBytes(outHeight(), outWidth());
    for (let x = 0; x < inWidth(); x++)
      for (let column = 0; column < channels(); column += stripe) {
        const wide = min(stripe, channels() - column);
        const bytes = (<usize>wide) << 2;
        let entry = list;
        let given = 0;
        let last = list;
        for (let kh = 0; kh < filterHeight(); kh++) {
          const outY = windowAt(y, kh, argument(8), argument(10), argument(12), outHeight());
          for (let kw = 0; kw < filterWidth(); kw++) {
            const outX = outY < 0 ? -1 : windowAt(x, kw, argument(9), argument(11), argument(13), outWidth());
            if (outX < 0) fillZero(entry, bytes);
            else {
              copyFloats(entry, dy + ((<usize>((outY * outWidth() + outX) * channels() + column)) << 2), bytes);
              if (isMax) giveOfMax(entry, item, outY, outX, kh, kw, column, wide);
              else divideRow(entry, wide, f32(insideOf(outY, outX)));
              given++;
              last = entry;
            }
            entry += stripeBytes;
          }
        }
        const out = addressArgument(14) + ((<usize>((row * inWidth() + x) * channels() + column)) << 2);
        // A sum of one value and zeros is that value.
        if (given == 0) fillZero(out, bytes);
        else if (given == 1) copyFloats(out, last, bytes);
        else reduceStripe<Sum>(out, list, stripeBytes, positions, wide, working);
      }
  }
}

/** Of a clipped window, the first place that has its largest value receives dy. */
function giveToFirst<T>(x: usize, out: usize, down: usize, right: usize, dy: usize): void {
  const top = largestOf<T>(x, down, right);
  let left = loadLanes<T>(dy);
  for (let i = 0; i < rows; i++) {
    let at = <usize>i * down;
    for (let j = 0; j < columns; j++) {
      const wins = isEqual<T>(loadLanes<T>(x + at), top);
      storeLanes<T>(out + at, keep<T>(wins, left));
      left = choose<T>(wins, zero<T>(), left);
      at += right;
    }
  }
}

/** Every place of a clipped window receives the same. */
function giveToAll<T>(out: usize, down: usize, right: usize, dy: usize, inside: f32): void {
  const share = div<T>(loadLanes<T>(dy), everyLane<T>(inside));
  for (let i = 0; i < rows; i++) {
    let at = out;
    for (let j = 0; j < columns; j++) {
      storeLanes<T>(at, share);
      at += right;
    }
    out += down;
  }
}

/**
 * As `poolGradient`, where no two windows share a place: each place then receives a sum of one value, which is that value.
 * What no window sees is not written. Units are rows of windows.
 */
export function poolGradientApart(begin: i32, end: i32): void {
  const isMax = argument(15) != 0;
  const bytes = (<usize>channels()) << 2;
  const down = rowStep();
  const right = columnStep();
  let dy = addressArgument(18) + <usize>(begin * outWidth()) * bytes;
  for (let row = begin; row < end; row++) {
    const image = <usize>(row / outHeight()) * imageBytes(inHeight(), inWidth());
    for (let outX = 0; outX < outWidth(); outX++) {
      clip(row % outHeight(), outX);
      const out = addressArgument(14) + image + corner;
      const x = addressArgument(15) + image + corner;
      const inside = f32(rows * columns);
      let at: usize = 0;
      if (ASC_FEATURE_SIMD)
        for (; at + 16 <= bytes; at += 16) {
          if (isMax) giveToFirst<v128>(x + at, out + at, down, right, dy + at);
          else giveToAll<v128>(out + at, down, right, dy + at, inside);
        }
      for (; at < bytes; at += 4) {
        if (isMax) giveToFirst<f32>(x + at, out + at, down, right, dy + at);
        else giveToAll<f32>(out + at, down, right, dy + at, inside);
      }
      dy += bytes;
    }
  }
}
