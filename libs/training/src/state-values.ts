import type { Runtime } from '@cotrain/protocol';
import type { StateLayout } from './state-layout.ts';

/** Bits of 2^-100 and 2^100, between which the magnitudes of exact/1's values lie; +0 is the other value. */
const smallestBits = 0x0d800000;
const largestBits = 0x71800000;

/**
 * Says which element of a state is none of the numbers that a runtime knows, or null. Of exact/1 these are the values of
 * docs/exact-1.md, section 2; tfjs/1 knows every float32 here, and what is not finite makes a segment void.
 */
export function foreignValue(runtime: Runtime, layout: StateLayout, state: Uint8Array): string | null {
  if (runtime !== 'exact/1') return null;
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  for (const { name, offset, elements } of layout.entries)
    for (let index = 0; index < elements; index++) {
      const bits = view.getUint32(offset + 4 * index, true);
      const magnitude = bits & 0x7fffffff;
      if (bits === 0 || (magnitude >= smallestBits && magnitude <= largestBits)) continue;
      const value = view.getFloat32(offset + 4 * index, true);
      const written = Object.is(value, -0) ? '-0' : String(value);
      return `${name}[${String(index)}] is ${written} (bits ${bits.toString(16).padStart(8, '0')}); exact/1 has +0 and magnitudes from 2^-100 to 2^100`;
    }
  return null;
}
