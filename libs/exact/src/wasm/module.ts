import { readFileSync } from 'node:fs';
import { UnavailableVariantError } from './errors.ts';
import { type CompiledModule, type LinearMemory, webAssembly } from './web-assembly.ts';

/** How the kernels are compiled, slowest first. */
export const wasmVariants = ['scalar', 'simd', 'relaxed'] as const;
export type WasmVariant = (typeof wasmVariants)[number];

/** What the module exports; see assembly/index.ts. */
export interface KernelExports {
  configure(format: number, leftBits: number, rightBits: number): void;
  dotOfFours(left: number, right: number): number;
  controlAddress(): number;
  heapAddress(): number;
  run(kind: number, units: number): void;
  share(kind: number, units: number, chunk: number, maySleep: number): void;
  serve(thread: number): void;
  stop(): void;
  clear(address: number, bytes: number): void;
}

export interface LoadedModule {
  module: CompiledModule;
  variant: WasmVariant;
  /** Whether it takes shared memory. */
  isShared: boolean;
}

/**
 * The best variant that this engine accepts, or the one asked for.
 * @throws UnavailableVariantError if the engine does not know its instructions
 */
export function loadModule(wanted: WasmVariant | undefined, wantShared: boolean): LoadedModule {
  const candidates = wanted === undefined ? wasmVariants.toReversed() : [wanted];
  for (const isShared of wantShared ? [true, false] : [false])
    for (const variant of candidates) {
      const bytes = readVariant(variant, isShared);
      if (webAssembly.validate(bytes)) return { module: new webAssembly.Module(bytes), variant, isShared };
    }
  throw new UnavailableVariantError(wanted ?? 'scalar');
}

/** From src/wasm as well as from dist/wasm, two folders up. */
function readVariant(variant: WasmVariant, isShared: boolean): Uint8Array<ArrayBuffer> {
  const url = new URL(`../../dist/kernels/${variant}${isShared ? '-threads' : ''}.wasm`, import.meta.url);
  return new Uint8Array(readFileSync(url));
}

export function instantiate(module: CompiledModule, memory: LinearMemory): KernelExports {
  const abort = (): never => {
    throw new Error('A kernel aborted.');
  };
  return new webAssembly.Instance(module, { env: { memory, abort } }).exports as unknown as KernelExports;
}
