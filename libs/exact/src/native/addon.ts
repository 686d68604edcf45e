import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { NativeUnavailableError } from './errors.ts';

/** What native/addon.cpp exports. */
export interface NativeAddon {
  /** For the whole process. Returns the kernel's name. */
  configure(kernel: string, threads: number): string;
  contract(memory: Uint8Array, values: Int32Array): void;
  conv2d(memory: Uint8Array, values: Int32Array): void;
  conv2dFilterGradient(memory: Uint8Array, values: Int32Array): void;
}

/** From src/native as well as from dist/native: built by scripts/build-native.ts where a compiler exists. */
const file = fileURLToPath(new URL('../../dist/native/exact.node', import.meta.url));

/** @throws NativeUnavailableError */
export function loadAddon(): NativeAddon {
  try {
    return createRequire(import.meta.url)(file) as NativeAddon;
  } catch (cause) {
    throw new NativeUnavailableError('the addon was not built, or not for this machine', { cause });
  }
}

export function nativeIsAvailable(): boolean {
  try {
    loadAddon();
    return true;
  } catch (error) {
    if (error instanceof NativeUnavailableError) return false;
    throw error;
  }
}
