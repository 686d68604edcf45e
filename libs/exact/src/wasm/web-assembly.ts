// The part of the JavaScript API of WebAssembly that is used here: TypeScript has it only within the types of browsers.

/** A compiled module; it may be handed to another thread. */
export interface CompiledModule {
  readonly [Symbol.toStringTag]: string;
}

export interface LinearMemory {
  /** Of the memory's present size. */
  readonly buffer: ArrayBuffer;
  /** @throws RangeError when the memory cannot grow */
  grow(pages: number): number;
}

interface WebAssemblyApi {
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  Module: new (bytes: Uint8Array<ArrayBuffer>) => CompiledModule;
  Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => LinearMemory;
  Instance: new (
    module: CompiledModule,
    imports: Record<string, Record<string, unknown>>,
  ) => { readonly exports: Record<string, unknown> };
}

export const webAssembly = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
