import type { ExactKernels } from '../kernels.ts';
import { blockExponents, contract, quantise, rescale } from '../reference/contraction.ts';
import { matMul } from './contraction.ts';
import { windowKernels } from './convolution.ts';
import { elementwiseKernels } from './elementwise.ts';
import type { WasmVariant } from './module.ts';
import type { PackedFormat } from './packed-format.ts';
import { rowKernels } from './rows.ts';
import { type WasmOptions, WasmRuntime } from './runtime.ts';

export interface WasmKernels extends ExactKernels {
  readonly variant: WasmVariant;
  readonly packedFormat: PackedFormat;
  readonly threads: number;
  /** Bytes in arrays that are not freed, and bytes that the memory has grown to. */
  memoryUsage(): { usedBytes: number; reservedBytes: number };
}

/**
 * The kernels of exact/1 in WebAssembly.
 * @throws UnavailableVariantError if the engine does not know the variant asked for
 * @throws ExactMemoryError if even the initial memory cannot be had
 */
export function createWasmKernels(options: WasmOptions = {}): WasmKernels {
  return kernelsOn(new WasmRuntime(options));
}

/** All kernels over a runtime. */
export function kernelsOn(runtime: WasmRuntime): WasmKernels {
  return {
    name: `wasm ${runtime.variant} (${String(runtime.threads)} thread${runtime.threads === 1 ? '' : 's'})`,
    variant: runtime.variant,
    packedFormat: runtime.format,
    threads: runtime.threads,
    memoryUsage: () => runtime.memoryUsage(),
    allocate: (type, length, contents) => runtime.allocate(type, length, contents),
    free: (array) => {
      runtime.free(array.byteOffset);
    },
    dispose: () => runtime.dispose(),
    ...elementwiseKernels(runtime),
    ...rowKernels(runtime),
    ...windowKernels(runtime),
    matMul: (out, a, b, shape) => {
      matMul(runtime, out, a, b, shape);
    },
    // The single steps of a contraction serve proofs, not training.
    blockExponents,
    quantise,
    contract,
    rescale,
  };
}
