// §12: steps of weights along gradients, in place.
import { addressArgument, argumentAddress } from './job';
import { loadLanes, spread, storeLanes } from './lanes';
import { add, div, mul, squareRoot, sub } from './values';

function sgdAt<T>(w: usize, g: usize, rate: T): void {
  storeLanes<T>(w, sub<T>(loadLanes<T>(w), mul<T>(loadLanes<T>(g), rate)));
}

/** Arguments: 0 weights, 1 gradients, 2 rate. Units are elements, here and below. */
export function sgdStep(begin: i32, end: i32): void {
  let at = (<usize>begin) << 2;
  const last = (<usize>end) << 2;
  const w = addressArgument(0);
  const g = addressArgument(1);
  if (ASC_FEATURE_SIMD) {
    const rate = spread<v128>(argumentAddress(2));
    for (; at + 16 <= last; at += 16) sgdAt<v128>(w + at, g + at, rate);
  }
  for (; at < last; at += 4) sgdAt<f32>(w + at, g + at, spread<f32>(argumentAddress(2)));
}

function momentumAt<T>(w: usize, v: usize, g: usize, rate: T, momentum: T): void {
  const velocity = add<T>(mul<T>(loadLanes<T>(v), momentum), loadLanes<T>(g));
  storeLanes<T>(v, velocity);
  storeLanes<T>(w, sub<T>(loadLanes<T>(w), mul<T>(velocity, rate)));
}

/** Arguments: 0 weights, 1 velocity, 2 gradients, 3 rate, 4 momentum. */
export function momentumStep(begin: i32, end: i32): void {
  let at = (<usize>begin) << 2;
  const last = (<usize>end) << 2;
  const w = addressArgument(0);
  const v = addressArgument(1);
  const g = addressArgument(2);
  const rate = argumentAddress(3);
  const momentum = argumentAddress(4);
  if (ASC_FEATURE_SIMD)
    for (; at + 16 <= last; at += 16)
      momentumAt<v128>(w + at, v + at, g + at, spread<v128>(rate), spread<v128>(momentum));
  for (; at < last; at += 4) momentumAt<f32>(w + at, v + at, g + at, spread<f32>(rate), spread<f32>(momentum));
}

function adamAt<T>(w: usize, first: usize, second: usize, gradient: usize): void {
  const g = loadLanes<T>(gradient);
  const oldM = loadLanes<T>(first);
  const oldV = loadLanes<T>(second);
  const m = add<T>(oldM, mul<T>(sub<T>(g, oldM), spread<T>(argumentAddress(4))));
  const v = add<T>(oldV, mul<T>(sub<T>(mul<T>(g, g), oldV), spread<T>(argumentAddress(5))));
  storeLanes<T>(first, m);
  storeLanes<T>(second, v);
  const direction = div<T>(m, add<T>(squareRoot<T>(v), spread<T>(argumentAddress(7))));
  const decayed = mul<T>(loadLanes<T>(w), spread<T>(argumentAddress(8)));
  storeLanes<T>(w, sub<T>(decayed, mul<T>(direction, spread<T>(argumentAddress(6)))));
}

/** Arguments: 0 weights, 1 and 2 moments, 3 gradients, 4 1 - beta1, 5 1 - beta2, 6 step, 7 shift, 8 decay. */
export function adamStep(begin: i32, end: i32): void {
  let at = (<usize>begin) << 2;
  const last = (<usize>end) << 2;
  const w = addressArgument(0);
  const m = addressArgument(1);
  const v = addressArgument(2);
  const g = addressArgument(3);
  if (ASC_FEATURE_SIMD) for (; at + 16 <= last; at += 16) adamAt<v128>(w + at, m + at, v + at, g + at);
  for (; at < last; at += 4) adamAt<f32>(w + at, m + at, v + at, g + at);
}
