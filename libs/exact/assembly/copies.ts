// Copies of a few floats: loops are faster than the engine's bulk operations.

export function copyFloats(to: usize, from: usize, bytes: usize): void {
  if (bytes >= 1024) {
    memory.copy(to, from, bytes);
    return;
  }
  let at: usize = 0;
  if (ASC_FEATURE_SIMD) for (; at + 16 <= bytes; at += 16) v128.store(to + at, v128.load(from + at));
  for (; at < bytes; at += 4) store<i32>(to + at, load<i32>(from + at));
}

export function fillZero(to: usize, bytes: usize): void {
  let at: usize = 0;
  if (ASC_FEATURE_SIMD) for (; at + 16 <= bytes; at += 16) v128.store(to + at, i32x4.splat(0));
  for (; at < bytes; at += 4) store<i32>(to + at, 0);
}
