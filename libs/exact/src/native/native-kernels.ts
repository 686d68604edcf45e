import { contractionBits } from '../contraction-ranges.ts';
import { ExactMemoryError } from '../errors.ts';
import type { ConvolutionGeometry, ExactKernels } from '../kernels.ts';
import { kernelsOn, type WasmKernels } from '../wasm/wasm-kernels.ts';
import { type WasmOptions, WasmRuntime } from '../wasm/runtime.ts';
import { loadAddon, type NativeAddon } from './addon.ts';
import { NativeUnavailableError } from './errors.ts';

export const nativeKernelNames = ['avx512 vnni', 'avx2', 'neon dot product', 'portable'] as const;
export type NativeKernelName = (typeof nativeKernelNames)[number];

export interface NativeOptions extends WasmOptions {
  /** The fastest that the processor runs, unless given. Holds for the whole process, as does `threads`. */
  kernel?: NativeKernelName;
}

export interface NativeKernels extends WasmKernels {
  readonly nativeKernel: NativeKernelName;
}

/**
 * The kernels of exact/1 with native products and convolutions; the rest, which memory bounds, stays in WebAssembly, on the
 * same arrays.
 * @throws NativeUnavailableError if the addon was not built, or the processor does not run the kernel asked for
 */
export function createNativeKernels({ kernel, ...options }: NativeOptions = {}): NativeKernels {
  const addon = loadAddon();
  const runtime = new WasmRuntime(options);
  let nativeKernel: NativeKernelName;
  try {
    nativeKernel = addon.configure(kernel ?? '', runtime.threads) as NativeKernelName;
  } catch (cause) {
    throw new NativeUnavailableError(`this processor does not run '${String(kernel)}'`, { cause });
  }
  return {
    ...kernelsOn(runtime),
    name: `native ${nativeKernel} (${String(runtime.threads)} thread${runtime.threads === 1 ? '' : 's'})`,
    nativeKernel,
    ...products(addon, runtime),
  };
}

const geometryValues = (g: ConvolutionGeometry): number[] => [
  ...[g.batch, g.inHeight, g.inWidth, g.inChannels, g.outHeight, g.outWidth, g.outChannels],
  ...[g.filterHeight, g.filterWidth, g.strideHeight, g.strideWidth, g.dilationHeight, g.dilationWidth],
  ...[g.inputDilationHeight, g.inputDilationWidth, g.padTop, g.padLeft],
];

function products(
  addon: NativeAddon,
  runtime: WasmRuntime,
): Pick<ExactKernels, 'matMul' | 'conv2d' | 'conv2dFilterGradient'> {
  const { left, right } = contractionBits;
  const call = (kernel: 'contract' | 'conv2d' | 'conv2dFilterGradient', values: readonly number[]): void => {
    try {
      addon[kernel](runtime.memoryView(), Int32Array.from(values));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXACT_MEMORY') throw error;
      throw new ExactMemoryError(0, `native ${kernel}`, { cause: error });
    }
  };
  return {
    matMul(out, a, b, { batch, m, k, n, transposeA, transposeB, aBatchStride, bBatchStride }) {
      if (out.length === 0) return;
      call('contract', [
        ...[out.byteOffset, a.byteOffset, ...(transposeA ? [1, m] : [k, 1]), aBatchStride],
        ...[b.byteOffset, ...(transposeB ? [k, 1] : [1, n]), bBatchStride],
        ...[batch, m, k, n, left, right],
      ]);
    },
    conv2d(out, x, filter, g) {
      if (out.length === 0) return;
      call('conv2d', [...geometryValues(g), out.byteOffset, x.byteOffset, filter.byteOffset, left, right]);
    },
    conv2dFilterGradient(out, x, dy, g) {
      if (out.length === 0) return;
      call('conv2dFilterGradient', [...geometryValues(g), out.byteOffset, x.byteOffset, dy.byteOffset, left, right]);
    },
  };
}
