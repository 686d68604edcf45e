// §9: pooling and its gradients, channels side by side.
import { leastValue } from './constants';
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
import { reduceStripe, stripe, Sum } from './reduce';
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

/** out = the larger of out and x, channel by channel. */
function raise(out: usize, x: usize): void {
  let c = 0;
  if (ASC_FEATURE_SIMD)
    for (; c + 4 <= channels(); c += 4) {
      const at = (<usize>c) << 2;
      v128.store(out + at, larger<v128>(v128.load(out + at), v128.load(x + at)));
    }
  for (; c < channels(); c++) {
    const at = (<usize>c) << 2;
    store<f32>(out + at, larger<f32>(load<f32>(out + at), load<f32>(x + at)));
  }
}

/** Arguments behind the geometry: 14 out, 15 x. Units are rows of the output. */
export function maxPool(begin: i32, end: i32): void {
  const bytes = (<usize>channels()) << 2;
  for (let row = begin; row < end; row++) {
    const item = addressArgument(15) + <usize>(row / outHeight()) * imageBytes(inHeight(), inWidth());
    for (let outX = 0; outX < outWidth(); outX++) {
      const out = addressArgument(14) + <usize>(row * outWidth() + outX) * bytes;
      let isFirst = true;
      for (let kh = 0; kh < filterHeight(); kh++)
        for (let kw = 0; kw < filterWidth(); kw++) {
          const x = seen(item, row % outHeight(), outX, kh, kw);
          if (x == 0) continue;
          if (isFirst) memory.copy(out, x, bytes);
          else raise(out, x);
          isFirst = false;
        }
      if (isFirst) for (let c = 0; c < channels(); c++) store<f32>(out + ((<usize>c) << 2), load<f32>(leastValue));
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
            if (x == 0) memory.fill(entry, 0, (<usize>wide) << 2);
            else {
              memory.copy(entry, x + ((<usize>column) << 2), (<usize>wide) << 2);
              inside++;
            }
            entry += stripeBytes;
          }
        const out = addressArgument(14) + ((<usize>((row * outWidth() + outX) * channels() + column)) << 2);
        reduceStripe<Sum>(out, list, stripeBytes, positions, wide, working);
        for (let c = 0; c < wide; c++) {
          const at = out + ((<usize>c) << 2);
          store<f32>(at, div<f32>(load<f32>(at), f32(inside)));
        }
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
  let inside = 0;
  for (let kh = 0; kh < filterHeight(); kh++)
    for (let kw = 0; kw < filterWidth(); kw++) inside += <i32>(seen(64, outY, outX, kh, kw) != 0);
  return inside;
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
            if (outX < 0) memory.fill(entry, 0, bytes);
            else {
              memory.copy(entry, dy + ((<usize>((outY * outWidth() + outX) * channels() + column)) << 2), bytes);
              if (isMax) giveOfMax(entry, item, outY, outX, kh, kw, column, wide);
              else {
                const inside = f32(insideOf(outY, outX));
                for (let c = 0; c < wide; c++) {
                  const at = entry + ((<usize>c) << 2);
                  store<f32>(at, div<f32>(load<f32>(at), inside));
                }
              }
              given++;
              last = entry;
            }
            entry += stripeBytes;
          }
        }
        const out = addressArgument(14) + ((<usize>((row * inWidth() + x) * channels() + column)) << 2);
        // A sum of one value and zeros is that value.
        if (given == 0) memory.fill(out, 0, bytes);
        else if (given == 1) memory.copy(out, last, bytes);
        else reduceStripe<Sum>(out, list, stripeBytes, positions, wide, working);
      }
  }
}

/** The largest of a window's places, and dy at the first place that has it. */
function giveToFirst<T>(item: usize, target: usize, outY: i32, outX: i32, offset: usize, dy: usize): void {
  let top = spread<T>(leastValue);
  for (let kh = 0; kh < filterHeight(); kh++)
    for (let kw = 0; kw < filterWidth(); kw++) {
      const x = seen(item, outY, outX, kh, kw);
      if (x != 0) top = larger<T>(top, loadLanes<T>(x + offset));
    }
  let left = loadLanes<T>(dy + offset);
  for (let kh = 0; kh < filterHeight(); kh++)
    for (let kw = 0; kw < filterWidth(); kw++) {
      const x = seen(item, outY, outX, kh, kw);
      if (x == 0) continue;
      const wins = isEqual<T>(loadLanes<T>(x + offset), top);
      storeLanes<T>(target + (x - item) + offset, keep<T>(wins, left));
      left = choose<T>(wins, zero<T>(), left);
    }
}

/** Every place of a window receives the same. */
function giveToAll<T>(item: usize, target: usize, outY: i32, outX: i32, offset: usize, dy: usize, inside: f32): void {
  const share = div<T>(loadLanes<T>(dy + offset), everyLane<T>(inside));
  for (let kh = 0; kh < filterHeight(); kh++)
    for (let kw = 0; kw < filterWidth(); kw++) {
      const x = seen(item, outY, outX, kh, kw);
      if (x != 0) storeLanes<T>(target + (x - item) + offset, share);
    }
}

/**
 * As `poolGradient`, where no two windows share a place: each place then receives a sum of one value, which is that value.
 * `out` holds zeros. Units are rows of windows.
 */
export function poolGradientApart(begin: i32, end: i32): void {
  const isMax = argument(15) != 0;
  const bytes = (<usize>channels()) << 2;
  for (let row = begin; row < end; row++) {
    const outY = row % outHeight();
    const image = <usize>(row / outHeight()) * imageBytes(inHeight(), inWidth());
    // Without x, places are those of the gradient itself.
    const target = addressArgument(14) + image;
    const item = isMax ? addressArgument(15) + image : target;
    for (let outX = 0; outX < outWidth(); outX++) {
      const dy = addressArgument(18) + <usize>(row * outWidth() + outX) * bytes;
      const inside = isMax ? <f32>0 : f32(insideOf(outY, outX));
      let at: usize = 0;
      if (ASC_FEATURE_SIMD)
        for (; at + 16 <= bytes; at += 16) {
          if (isMax) giveToFirst<v128>(item, target, outY, outX, at, dy);
          else giveToAll<v128>(item, target, outY, outX, at, dy, inside);
        }
      for (; at < bytes; at += 4) {
        if (isMax) giveToFirst<f32>(item, target, outY, outX, at, dy);
        else giveToAll<f32>(item, target, outY, outX, at, dy, inside);
      }
    }
  }
}
