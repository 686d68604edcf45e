// §6.1 and §6.2: the exponents of blocks of vectors, and their quantised values in panels.
import { rounder } from './constants';
import { addDotOfFours, format, formatInt16, formatInt8Offset, leftPanel } from './format';

/** Vectors are packed in groups of four, the lanes of a v128. */
const group: i32 = 4;

/** Steps of a panel that make a whole line of the caches: panels lie so far apart that parts of lines would be displaced. */
const stepsAtOnce: i32 = 4;

/** What lies behind a vector's last row, as wide as the groups of a unit. */
const zeros: usize = memory.data(16 * 16 + 16);

/**
 * Packs the groups from firstGroup up to endGroup of one block of the `count` vectors at `source`; strides in bytes.
 * `scales` receives 2^(e - bits) of each vector, `corrections` (unless 0) -128 times the sum of its quantised values.
 */
export function packGroups(
  source: usize,
  vectorStride: usize,
  elementStride: usize,
  count: i32,
  length: i32,
  firstGroup: i32,
  endGroup: i32,
  panelWidth: i32,
  bits: i32,
  packed: usize,
  scales: usize,
  corrections: usize,
): void {
  const stepBytes = <usize>(panelWidth * 4);
  const steps = format == formatInt16 ? ((length + 3) & ~3) >> 1 : (length + 3) >> 2;
  const groupsInPanel = panelWidth / group;
  const offset: i32 = format == formatInt8Offset && panelWidth != leftPanel ? 128 : 0;
  const panelBytes = <usize>steps * stepBytes;
  if (ASC_FEATURE_SIMD && elementStride != 4) {
    packAcross(
      source + <usize>(firstGroup * group) * vectorStride,
      elementStride,
      length,
      endGroup - firstGroup,
      packed + <usize>(firstGroup / groupsInPanel) * panelBytes,
      panelBytes,
      panelWidth,
      bits,
      scales + ((<usize>firstGroup) << 4),
      offset,
    );
  }
  for (let g = firstGroup; g < endGroup; g++) {
    const first = g * group;
    const panel = packed + <usize>(g / groupsInPanel) * panelBytes + <usize>(g % groupsInPanel) * 16;
    if (ASC_FEATURE_SIMD) {
      if (elementStride == 4) {
        const last = count - 1;
        const r0 = source + <usize>first * vectorStride;
        const r1 = source + <usize>min(first + 1, last) * vectorStride;
        const r2 = source + <usize>min(first + 2, last) * vectorStride;
        const r3 = source + <usize>min(first + 3, last) * vectorStride;
        const scale = storeScales(largestAlong(r0, r1, r2, r3, length), bits, scales + ((<usize>first) << 2));
        if (format == formatInt16) quantiseAlong16(r0, r1, r2, r3, length, scale, bits, panel, stepBytes);
        else quantiseAlong8(r0, r1, r2, r3, length, scale, bits, panel, stepBytes, offset);
      }
      if (corrections != 0) storeCorrections(panel, stepBytes, steps, corrections + ((<usize>first) << 2));
    } else {
      const end = min(first + group, count);
      for (let v = first; v < end; v++)
        packVector(
          source + <usize>v * vectorStride,
          elementStride,
          length,
          bits,
          panel + <usize>((v - first) << 2),
          stepBytes,
          scales + ((<usize>v) << 2),
        );
    }
  }
}

// -- vectors of lanes ------------------------------------------------------------------------------------------------

/** Up to three floats, then zeros. */
function loadFew(address: usize, count: i32): v128 {
  if (count == 1) return v128.load32_zero(address);
  const two = v128.load64_zero(address);
  return count == 2 ? two : v128.load_lane<f32>(address + 8, two, 2);
}

/** Largest magnitude of each of four rows. */
function largestAlong(r0: usize, r1: usize, r2: usize, r3: usize, length: i32): v128 {
  let m0 = f32x4.splat(0);
  let m1 = m0;
  let m2 = m0;
  let m3 = m0;
  const whole = (<usize>(length & ~3)) << 2;
  for (let at: usize = 0; at < whole; at += 16) {
    m0 = f32x4.pmax(m0, f32x4.abs(v128.load(r0 + at)));
    m1 = f32x4.pmax(m1, f32x4.abs(v128.load(r1 + at)));
    m2 = f32x4.pmax(m2, f32x4.abs(v128.load(r2 + at)));
    m3 = f32x4.pmax(m3, f32x4.abs(v128.load(r3 + at)));
  }
  const rest = length & 3;
  if (rest != 0) {
    m0 = f32x4.pmax(m0, f32x4.abs(loadFew(r0 + whole, rest)));
    m1 = f32x4.pmax(m1, f32x4.abs(loadFew(r1 + whole, rest)));
    m2 = f32x4.pmax(m2, f32x4.abs(loadFew(r2 + whole, rest)));
    m3 = f32x4.pmax(m3, f32x4.abs(loadFew(r3 + whole, rest)));
  }
  const a = f32x4.pmax(v128.shuffle<f32>(m0, m1, 0, 1, 4, 5), v128.shuffle<f32>(m0, m1, 2, 3, 6, 7));
  const b = f32x4.pmax(v128.shuffle<f32>(m2, m3, 0, 1, 4, 5), v128.shuffle<f32>(m2, m3, 2, 3, 6, 7));
  return f32x4.pmax(v128.shuffle<f32>(a, b, 0, 2, 4, 6), v128.shuffle<f32>(a, b, 1, 3, 5, 7));
}

/** Stores 2^(e - bits) and returns 2^(bits - e). With b = e + 126, the exponent's bits; e = -99 where all is zero. */
function storeScales(largest: v128, bits: i32, scales: usize): v128 {
  const exponent = i32x4.max_s(i32x4.shr_u(largest, 23), i32x4.splat(27));
  v128.store(scales, i32x4.shl(i32x4.sub(exponent, i32x4.splat(bits - 1)), 23));
  return i32x4.shl(i32x4.sub(i32x4.splat(253 + bits), exponent), 23);
}

/** Nearest integers, ties to even, of magnitude up to 2^22. */
function quantised(x: v128, scale: v128, round: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(x, scale), round), round);
}

function clamp16(x: v128, least: v128, largest: v128): v128 {
  return i16x8.max_s(i16x8.min_s(x, largest), least);
}

/** Two steps of four rows: the second step's address is one step further. */
function storeRows16(q0: v128, q1: v128, q2: v128, q3: v128, least: v128, largest: v128, to: usize, step: usize): void {
  const upper = clamp16(i16x8.narrow_i32x4_s(q0, q1), least, largest);
  const lower = clamp16(i16x8.narrow_i32x4_s(q2, q3), least, largest);
  v128.store(to, v128.shuffle<i32>(upper, lower, 0, 2, 4, 6));
  v128.store(to + step, v128.shuffle<i32>(upper, lower, 1, 3, 5, 7));
}

function quantiseAlong16(
  r0: usize,
  r1: usize,
  r2: usize,
  r3: usize,
  length: i32,
  scale: v128,
  bits: i32,
  to: usize,
  step: usize,
): void {
  const round = v128.load32_splat(rounder);
  const limit = (1 << bits) - 1;
  const largest = i16x8.splat(<i16>limit);
  const least = i16x8.neg(largest);
  const s0 = v128.shuffle<f32>(scale, scale, 0, 0, 0, 0);
  const s1 = v128.shuffle<f32>(scale, scale, 1, 1, 1, 1);
  const s2 = v128.shuffle<f32>(scale, scale, 2, 2, 2, 2);
  const s3 = v128.shuffle<f32>(scale, scale, 3, 3, 3, 3);
  const whole = (<usize>(length & ~3)) << 2;
  for (let at: usize = 0; at < whole; at += 16) {
    storeRows16(
      quantised(v128.load(r0 + at), s0, round),
      quantised(v128.load(r1 + at), s1, round),
      quantised(v128.load(r2 + at), s2, round),
      quantised(v128.load(r3 + at), s3, round),
      least,
      largest,
      to,
      step,
    );
    to += step << 1;
  }
  const rest = length & 3;
  if (rest != 0)
    storeRows16(
      quantised(loadFew(r0 + whole, rest), s0, round),
      quantised(loadFew(r1 + whole, rest), s1, round),
      quantised(loadFew(r2 + whole, rest), s2, round),
      quantised(loadFew(r3 + whole, rest), s3, round),
      least,
      largest,
      to,
      step,
    );
}

/** Four int8 of each of four vectors, in the order of the arguments' lanes. */
function narrow8(q0: v128, q1: v128, q2: v128, q3: v128, least: v128, largest: v128): v128 {
  const narrow = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(q0, q1), i16x8.narrow_i32x4_s(q2, q3));
  return i8x16.max_s(i8x16.min_s(narrow, largest), least);
}

function quantiseAlong8(
  r0: usize,
  r1: usize,
  r2: usize,
  r3: usize,
  length: i32,
  scale: v128,
  bits: i32,
  to: usize,
  step: usize,
  offset: i32,
): void {
  const round = v128.load32_splat(rounder);
  const limit = (1 << bits) - 1;
  const largest = i8x16.splat(<i8>limit);
  const least = i8x16.neg(largest);
  const shift = i8x16.splat(<i8>offset);
  const s0 = v128.shuffle<f32>(scale, scale, 0, 0, 0, 0);
  const s1 = v128.shuffle<f32>(scale, scale, 1, 1, 1, 1);
  const s2 = v128.shuffle<f32>(scale, scale, 2, 2, 2, 2);
  const s3 = v128.shuffle<f32>(scale, scale, 3, 3, 3, 3);
  const whole = (<usize>(length & ~3)) << 2;
  for (let at: usize = 0; at < whole; at += 16) {
    const q = narrow8(
      quantised(v128.load(r0 + at), s0, round),
      quantised(v128.load(r1 + at), s1, round),
      quantised(v128.load(r2 + at), s2, round),
      quantised(v128.load(r3 + at), s3, round),
      least,
      largest,
    );
    v128.store(to, i8x16.add(q, shift));
    to += step;
  }
  const rest = length & 3;
  if (rest != 0) {
    const q = narrow8(
      quantised(loadFew(r0 + whole, rest), s0, round),
      quantised(loadFew(r1 + whole, rest), s1, round),
      quantised(loadFew(r2 + whole, rest), s2, round),
      quantised(loadFew(r3 + whole, rest), s3, round),
      least,
      largest,
    );
    v128.store(to, i8x16.add(q, shift));
  }
}

/**
 * Packs neighbouring columns, row by row, so that memory is read in the order in which it lies. `scales` holds the
 * largest magnitudes in between. The first group is a panel's first.
 */
function packAcross(
  source: usize,
  elementStride: usize,
  length: i32,
  groups: i32,
  packed: usize,
  panelBytes: usize,
  panelWidth: i32,
  bits: i32,
  scales: usize,
  offset: i32,
): void {
  largestAcross(source, elementStride, length, groups, scales);
  for (let g = 0; g < groups; g++) {
    const at = scales + ((<usize>g) << 4);
    storeScales(v128.load(at), bits, at);
  }
  const stepBytes = <usize>(panelWidth * 4);
  // From one group to the next: within a panel, or on to the next panel.
  const inside: usize = panelWidth == leftPanel ? panelBytes : 16;
  const beyond: usize = panelWidth == leftPanel ? panelBytes : panelBytes - 16;
  const rowsInStep = format == formatInt16 ? 2 : 4;
  const padded = (length + 3) & ~3;
  const whole = length & -rowsInStep;
  const rowStep = elementStride * rowsInStep;
  let row = source;
  let k = 0;
  while (k < padded) {
    const steps = k < whole ? min(stepsAtOnce, (whole - k) / rowsInStep) : 1;
    const r1 = rowOrZero(row + elementStride, k + 1, length);
    if (format == formatInt16)
      quantiseAcross16(
        rowOrZero(row, k, length),
        r1,
        rowStep,
        steps,
        stepBytes,
        groups,
        packed,
        inside,
        beyond,
        bits,
        scales,
      );
    else
      quantiseAcross8(
        row,
        r1,
        rowOrZero(row + elementStride * 2, k + 2, length),
        rowOrZero(row + elementStride * 3, k + 3, length),
        rowStep,
        steps,
        stepBytes,
        groups,
        packed,
        inside,
        beyond,
        bits,
        scales,
        offset,
      );
    row += rowStep * steps;
    packed += stepBytes * steps;
    k += rowsInStep * steps;
  }
}

/** A row behind the last one of a vector is zero. */
function rowOrZero(row: usize, k: i32, length: i32): usize {
  return k < length ? row : zeros;
}

/** Largest magnitudes of neighbouring columns, four rows at a time. */
function largestAcross(source: usize, elementStride: usize, length: i32, groups: i32, to: usize): void {
  const end = to + ((<usize>groups) << 4);
  for (let at = to; at < end; at += 16) v128.store(at, f32x4.splat(0));
  let row = source;
  let k = 0;
  for (; k + 4 <= length; k += 4) {
    let x = row;
    const second = elementStride;
    const third = elementStride * 2;
    const fourth = elementStride * 3;
    for (let at = to; at < end; at += 16) {
      const a = f32x4.pmax(f32x4.abs(v128.load(x)), f32x4.abs(v128.load(x + second)));
      const b = f32x4.pmax(f32x4.abs(v128.load(x + third)), f32x4.abs(v128.load(x + fourth)));
      v128.store(at, f32x4.pmax(v128.load(at), f32x4.pmax(a, b)));
      x += 16;
    }
    row += elementStride << 2;
  }
  for (; k < length; k++) {
    let x = row;
    for (let at = to; at < end; at += 16) {
      v128.store(at, f32x4.pmax(v128.load(at), f32x4.abs(v128.load(x))));
      x += 16;
    }
    row += elementStride;
  }
}

/** 2^(bits - e) from 2^(e - bits): their exponents' bits add up to twice the bias. */
function inverted(scale: v128): v128 {
  return i32x4.sub(i32x4.splat(254 << 23), scale);
}

/** Some steps of each group, each of two elements of four columns; `rowStep` leads from a step's rows to the next one's. */
function quantiseAcross16(
  r0: usize,
  r1: usize,
  rowStep: usize,
  steps: i32,
  stepBytes: usize,
  groups: i32,
  to: usize,
  inside: usize,
  beyond: usize,
  bits: i32,
  scales: usize,
): void {
  const round = v128.load32_splat(rounder);
  const limit = (1 << bits) - 1;
  const largest = i16x8.splat(<i16>limit);
  const least = i16x8.neg(largest);
  const lower = i32x4.splat(0xffff);
  for (let g = 0; g < groups; g++) {
    const scale = inverted(v128.load(scales));
    let at: usize = 0;
    let step = to;
    for (let s = 0; s < steps; s++) {
      const q0 = quantised(v128.load(r0 + at), scale, round);
      const q1 = quantised(v128.load(r1 + at), scale, round);
      v128.store(step, clamp16(v128.or(v128.and(q0, lower), i32x4.shl(q1, 16)), least, largest));
      at += rowStep;
      step += stepBytes;
    }
    to += (g & 1) == 0 ? inside : beyond;
    scales += 16;
    r0 += 16;
    r1 += 16;
  }
}

/** Some steps of each group, each of four elements of four columns. */
function quantiseAcross8(
  r0: usize,
  r1: usize,
  r2: usize,
  r3: usize,
  rowStep: usize,
  steps: i32,
  stepBytes: usize,
  groups: i32,
  to: usize,
  inside: usize,
  beyond: usize,
  bits: i32,
  scales: usize,
  offset: i32,
): void {
  const round = v128.load32_splat(rounder);
  const limit = (1 << bits) - 1;
  const largest = i8x16.splat(<i8>limit);
  const least = i8x16.neg(largest);
  const shift = i8x16.splat(<i8>offset);
  for (let g = 0; g < groups; g++) {
    const scale = inverted(v128.load(scales));
    let at: usize = 0;
    let step = to;
    for (let s = 0; s < steps; s++) {
      const q = narrow8(
        quantised(v128.load(r0 + at), scale, round),
        quantised(v128.load(r1 + at), scale, round),
        quantised(v128.load(r2 + at), scale, round),
        quantised(v128.load(r3 + at), scale, round),
        least,
        largest,
      );
      const columns = v128.shuffle<i8>(q, q, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
      v128.store(step, i8x16.add(columns, shift));
      at += rowStep;
      step += stepBytes;
    }
    to += (g & 1) == 0 ? inside : beyond;
    scales += 16;
    r0 += 16;
    r1 += 16;
    r2 += 16;
    r3 += 16;
  }
}

/** What a right operand that is 128 too large adds to each of four sums, negated. */
function storeCorrections(panel: usize, step: usize, steps: i32, corrections: usize): void {
  if (ASC_FEATURE_SIMD) {
    let sums = i32x4.splat(0);
    const ones = i8x16.splat(1);
    for (let s = 0; s < steps; s++) {
      sums = addDotOfFours(v128.load(panel), ones, sums);
      panel += step;
    }
    v128.store(corrections, i32x4.neg(i32x4.shl(sums, 7)));
  }
}

// -- without SIMD ----------------------------------------------------------------------------------------------------

function packVector(
  source: usize,
  elementStride: usize,
  length: i32,
  bits: i32,
  to: usize,
  step: usize,
  scaleAt: usize,
): void {
  let largest: f32 = 0;
  for (let k = 0; k < length; k++) largest = max(largest, abs(load<f32>(source + <usize>k * elementStride)));
  const exponent = max(reinterpret<i32>(largest) >>> 23, 27);
  store<i32>(scaleAt, (exponent - (bits - 1)) << 23);
  const scale = reinterpret<f32>((253 + bits - exponent) << 23);
  const round = load<f32>(rounder);
  const limit = (1 << bits) - 1;
  const padded = (length + 3) & ~3;
  for (let k = 0; k < padded; k++) {
    let q = 0;
    if (k < length) {
      q = reinterpret<i32>(load<f32>(source + <usize>k * elementStride) * scale + round) - reinterpret<i32>(round);
      q = max(min(q, limit), -limit);
    }
    store<i8>(to + <usize>(k >> 2) * step + (k & 3), <i8>q);
  }
}
