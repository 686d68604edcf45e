import { ExactMemoryError } from '../errors.ts';
import { NotAllocatedError } from './errors.ts';
import type { LinearMemory } from './web-assembly.ts';

const pageBytes = 65_536;
/** Blocks start on cache lines, so that two threads do not write to the same one. */
const granule = 64;
/** Vectors may be read beyond the end of an array, so the memory's last bytes belong to nobody. */
const slackBytes = 64;
const smallestGrowthBytes = 2 ** 20;

interface Block {
  address: number;
  bytes: number;
}

/**
 * Hands out blocks of a WebAssembly memory. Training asks for the same sizes in every step, so freed blocks wait in bins
 * by exact size; when a size is missing they are joined with their neighbours and cut again.
 */
export class WasmMemory {
  readonly memory: LinearMemory;
  readonly #maximumBytes: number;
  readonly #bins = new Map<number, number[]>();
  readonly #sizes = new Map<number, number>();
  #binnedBytes = 0;
  /** Joined free blocks by ascending address. */
  #free: Block[] = [];
  /** Everything from here on was never used, and is zero. */
  #untouched: number;
  #end: number;

  constructor(memory: LinearMemory, heapAddress: number, maximumBytes: number) {
    this.memory = memory;
    this.#untouched = heapAddress;
    this.#maximumBytes = maximumBytes;
    this.#end = memory.buffer.byteLength - slackBytes;
  }

  /** Bytes in use. */
  get usedBytes(): number {
    let used = 0;
    for (const bytes of this.#sizes.values()) used += bytes;
    return used;
  }

  /** @throws ExactMemoryError; the memory stays usable */
  allocate(bytes: number): { address: number; isZero: boolean } {
    const size = Math.max(granule, Math.ceil(bytes / granule) * granule);
    const binned = this.#bins.get(size)?.pop();
    if (binned !== undefined) {
      this.#binnedBytes -= size;
      this.#sizes.set(binned, size);
      return { address: binned, isZero: false };
    }
    const reused = this.#takeFree(size) ?? (this.#binnedBytes >= size ? this.#joinAndTake(size) : undefined);
    if (reused !== undefined) {
      this.#sizes.set(reused, size);
      return { address: reused, isZero: false };
    }
    if (this.#untouched + size > this.#end && !this.#grow(size)) {
      const joined = this.#joinAndTake(size);
      if (joined === undefined) throw new ExactMemoryError(bytes, 'wasm');
      this.#sizes.set(joined, size);
      return { address: joined, isZero: false };
    }
    const address = this.#untouched;
    this.#untouched += size;
    this.#sizes.set(address, size);
    return { address, isZero: true };
  }

  /** @throws NotAllocatedError */
  free(address: number): void {
    const size = this.#sizes.get(address);
    if (size === undefined) throw new NotAllocatedError(address);
    this.#sizes.delete(address);
    const bin = this.#bins.get(size);
    if (bin === undefined) this.#bins.set(size, [address]);
    else bin.push(address);
    this.#binnedBytes += size;
  }

  /** Room for `size` more bytes behind what is used, if the limits allow. */
  #grow(size: number): boolean {
    const needed = this.#untouched + size + slackBytes;
    const current = this.memory.buffer.byteLength;
    for (const wanted of [Math.max(needed, current + Math.max(smallestGrowthBytes, current / 8)), needed]) {
      const pages = Math.ceil(Math.min(wanted, this.#maximumBytes) / pageBytes);
      if (pages * pageBytes < needed) continue;
      try {
        this.memory.grow(pages - current / pageBytes);
      } catch (error) {
        if (error instanceof RangeError) continue; // the system has less than the limit says
        throw error;
      }
      this.#end = this.memory.buffer.byteLength - slackBytes;
      return true;
    }
    return false;
  }

  /** The smallest joined block that is large enough. */
  #takeFree(size: number): number | undefined {
    let best: Block | undefined;
    for (const block of this.#free)
      if (block.bytes >= size && (best === undefined || block.bytes < best.bytes)) best = block;
    if (best === undefined) return undefined;
    const { address } = best;
    best.address += size;
    best.bytes -= size;
    if (best.bytes === 0) this.#free.splice(this.#free.indexOf(best), 1);
    return address;
  }

  #joinAndTake(size: number): number | undefined {
    const blocks = this.#free;
    for (const [bytes, addresses] of this.#bins) for (const address of addresses) blocks.push({ address, bytes });
    this.#bins.clear();
    this.#binnedBytes = 0;
    blocks.sort((a, b) => a.address - b.address);
    const joined: Block[] = [];
    for (const block of blocks) {
      const last = joined.at(-1);
      if (last !== undefined && last.address + last.bytes === block.address) last.bytes += block.bytes;
      else joined.push(block);
    }
    this.#free = joined;
    return this.#takeFree(size);
  }
}
