import { describe, expect, it } from '@jest/globals';
import { EqualityComparison } from './comparison.ts';
import type { StateLayout } from './state-layout.ts';

const layoutOf = (elements: number, bytes = 4 * elements): StateLayout =>
  ({ bytes, entries: [{ name: 'w0/kernel', kind: 'weight', shape: [elements], offset: 0, elements }] }) as never;

const state = (...words: number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);
const one = 0x3f800000;

const reasonFor = (layout: StateLayout, ours: Uint8Array, theirs: Uint8Array): string | null => {
  const comparison = new EqualityComparison();
  comparison.compareState(layout, ours, theirs);
  return comparison.reason;
};

describe('equality of states', () => {
  it('is that of bytes', () => {
    expect(reasonFor(layoutOf(2), state(one, 0x7fc00000), state(one, 0x7fc00000))).toBeNull();
    expect(reasonFor(layoutOf(2), state(one, 1), state(one, 2))).toMatch(
      /w0\/kernel\[1\] .* \(bits 00000001\), .* \(bits 00000002\)/,
    );
    expect(reasonFor(layoutOf(1), state(0), state(0x80000000))).toMatch(/0 \(bits 00000000\), .* -0 \(bits 80000000\)/);
  });

  it('tells NaNs apart, which are one value to JavaScript', () => {
    expect(reasonFor(layoutOf(1), state(0x7fc00000), state(0x7fc12345))).toMatch(
      /NaN \(bits 7fc00000\), .* \(bits 7fc12345\)/,
    );
  });

  it('fails for bytes that no entry of the layout names', () => {
    expect(reasonFor(layoutOf(1, 8), state(one, 1), state(one, 2))).toMatch(/names no element/);
  });
});
