import { Worker } from 'node:worker_threads';
import { contractionBits } from '../contraction-ranges.ts';
import { ExactMemoryError } from '../errors.ts';
import type { AnyArray, ElementArray, ElementType } from '../kernels.ts';
import { type JobKind, jobKinds } from './job-kinds.ts';
import { WasmMemory } from './memory.ts';
import { instantiate, type KernelExports, loadModule, type WasmVariant } from './module.ts';
import { chooseFormat, type PackedFormat, packedFormats } from './packed-format.ts';
import { type LinearMemory, webAssembly } from './web-assembly.ts';
import type { WorkerSetup } from './worker.ts';

const pageBytes = 65_536;
const initialBytes = 2 ** 22;
const largestMemoryBytes = 2 ** 32;
/** Without shared memory, views end when the memory grows: it has its full size from the start, which costs nothing until it is used. */
const fixedMemoryBytes = 2 ** 30;
const argumentBytes = 64;

const constructors = { float32: Float32Array, int32: Int32Array, int8: Int8Array, uint8: Uint8Array };

export interface WasmOptions {
  /** Threads that compute, the calling one included. 1 unless given. */
  threads?: number;
  /** The fastest that the engine knows, unless given. */
  variant?: WasmVariant;
  /** Limit of the memory, at most 4 GiB, which is also the default (1 GiB where memory cannot be shared). */
  maximumBytes?: number;
  /** Whether to use memory that threads could share; true unless given. */
  sharedMemory?: boolean;
  /**
   * Another layout of a contraction's operands than the machine's best. Only the variant `simd` computes all of them; they
   * serve tests of what other processors do.
   */
  packedFormat?: PackedFormat;
  /**
   * Estimated duration from which a job is shared with the other threads; waking them and waiting for them costs some
   * microseconds. 30,000 unless given.
   */
  sharedFromNanoseconds?: number;
}

/** An instance of the kernels: its memory, its threads, and jobs that run on them. */
export class WasmRuntime {
  readonly variant: WasmVariant;
  readonly format: PackedFormat;
  readonly threads: number;
  readonly #exports: KernelExports;
  readonly #sharedFromNanoseconds: number;
  readonly #memory: WasmMemory;
  readonly #workers: Worker[] = [];
  #view: Uint8Array | undefined;
  readonly #integers: Int32Array;
  readonly #floats: Float32Array;

  constructor({
    threads = 1,
    variant,
    maximumBytes,
    sharedMemory = true,
    sharedFromNanoseconds = 30_000,
    packedFormat,
  }: WasmOptions) {
    const loaded = loadModule(variant, sharedMemory);
    const limit = Math.min(
      maximumBytes ?? (loaded.isShared ? largestMemoryBytes : fixedMemoryBytes),
      largestMemoryBytes,
    );
    const memory = createMemory(limit, loaded.isShared);
    this.#exports = instantiate(loaded.module, memory);
    this.#memory = new WasmMemory(memory, this.#exports.heapAddress(), limit);
    const argumentsAt = this.#exports.controlAddress() + argumentBytes;
    this.#integers = new Int32Array(memory.buffer, argumentsAt, 64);
    this.#floats = new Float32Array(memory.buffer, argumentsAt, 64);
    this.#sharedFromNanoseconds = sharedFromNanoseconds;
    this.variant = loaded.variant;
    this.format = (loaded.variant === 'simd' ? packedFormat : undefined) ?? chooseFormat(loaded.variant, this.#exports);
    this.threads = loaded.isShared ? Math.max(1, Math.floor(threads)) : 1;
    const setup = {
      format: packedFormats[this.format].number,
      leftBits: contractionBits.left,
      rightBits: contractionBits.right,
    };
    this.#exports.configure(setup.format, setup.leftBits, setup.rightBits);
    for (let thread = 1; thread < this.threads; thread++)
      this.#workers.push(startWorker({ module: loaded.module, memory, thread, ...setup }));
  }

  allocate<Type extends ElementType>(
    type: Type,
    length: number,
    contents: 'zeros' | 'any' = 'zeros',
  ): ElementArray<Type> {
    const Constructor = constructors[type];
    const { address, isZero } = this.#memory.allocate(length * Constructor.BYTES_PER_ELEMENT);
    const array = new Constructor(this.#memory.memory.buffer, address, length) as ElementArray<Type>;
    if (!isZero && contents === 'zeros') this.#exports.clear(address, array.byteLength);
    return array;
  }

  free(address: number): void {
    this.#memory.free(address);
  }

  /** Gives `use` the address of scratch memory, whose contents are unspecified. */
  withScratch<Result>(bytes: number, use: (address: number) => Result): Result {
    const { address } = this.#memory.allocate(bytes);
    try {
      return use(address);
    } finally {
      this.#memory.free(address);
    }
  }

  integer(index: number, value: number): void {
    this.#integers[index] = value;
  }

  float(index: number, value: number): void {
    this.#floats[index] = value;
  }

  /** Runs the job whose integer arguments are given, in units of the estimated duration. */
  run(kind: JobKind, units: number, nanosecondsOfUnit: number, integers: readonly number[]): void {
    for (let index = 0; index < integers.length; index++) this.#integers[index] = integers[index] as number;
    if (this.#workers.length === 0 || units < 2 || units * nanosecondsOfUnit < this.#sharedFromNanoseconds)
      this.#exports.run(jobKinds[kind], units);
    else {
      const chunk = Math.ceil(units / Math.min(units, this.threads * 4));
      this.#exports.share(jobKinds[kind], units, chunk, 1);
    }
  }

  clear(array: AnyArray): void {
    this.#exports.clear(array.byteOffset, array.byteLength);
  }

  /** All of the memory, as it is now. */
  memoryView(): Uint8Array {
    const { buffer } = this.#memory.memory;
    if (this.#view?.buffer !== buffer) this.#view = new Uint8Array(buffer);
    return this.#view;
  }

  memoryUsage(): { usedBytes: number; reservedBytes: number } {
    return { usedBytes: this.#memory.usedBytes, reservedBytes: this.#memory.memory.buffer.byteLength };
  }

  async dispose(): Promise<void> {
    if (this.#workers.length > 0) this.#exports.stop();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#workers.length = 0;
  }
}

function createMemory(limit: number, shared: boolean): LinearMemory {
  const maximum = Math.max(1, Math.floor(limit / pageBytes));
  const initial = shared ? Math.min(maximum, initialBytes / pageBytes) : maximum;
  try {
    return new webAssembly.Memory({ initial, maximum, shared });
  } catch (cause) {
    throw new ExactMemoryError(limit, 'wasm', { cause });
  }
}

/** As TypeScript from the sources, as JavaScript from what was built. */
function startWorker(setup: WorkerSetup): Worker {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), { workerData: setup });
  worker.unref();
  return worker;
}
