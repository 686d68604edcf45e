// §11
import { philox4x32 } from '@cotrain/protocol';
import type { DropoutMask } from '../kernels.ts';

export function dropoutMask(out: Float32Array, mask: DropoutMask): void {
  const { seedLow, seedHigh, step, substream, stream, threshold, keepScale } = mask;
  for (let group = 0; group * 8 < out.length; group++) {
    const words = philox4x32([group, step, substream, stream], [seedLow, seedHigh]);
    words.forEach((word, index) => {
      const at = group * 8 + index * 2;
      // A store beyond the end of a typed array does nothing.
      out[at] = (word & 0xffff) < threshold ? 0 : keepScale;
      out[at + 1] = word >>> 16 < threshold ? 0 : keepScale;
    });
  }
}
