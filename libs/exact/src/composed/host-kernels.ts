import { ExactBackend } from '../backend/exact-backend.ts';
import type { ExactTensor } from '../backend/tensors.ts';
import type { Attributes, Inputs, KernelTable } from '../backend/kernel.ts';
import { createReferenceKernels } from '../reference/reference-kernels.ts';
import type { InnerTensor } from './inner-operations.ts';
import type { Primitives } from './primitives.ts';

/**
 * The exact backend's own kernels on copies of the inputs in this process's memory. For int32 and bool tensors, whose
 * arithmetic differs between backends, and for results that are worked out from attributes alone.
 */
export class HostKernels {
  readonly #backend = new ExactBackend(createReferenceKernels());
  readonly #p: Primitives;
  readonly #kernels: KernelTable;

  constructor(p: Primitives, kernels: KernelTable) {
    this.#p = p;
    this.#kernels = kernels;
  }

  run(kernel: string, inputs: Inputs, attributes: Attributes): InnerTensor[] {
    const backend = this.#backend;
    const run = this.#kernels[kernel];
    if (run === undefined) throw new TypeError(`${kernel} is no kernel of exact/1`);
    const copies = new Map<string, ExactTensor>();
    try {
      for (const [name, input] of Object.entries(inputs))
        if (input !== undefined) {
          const dataId = backend.write(this.#p.read(input), input.shape, input.dtype);
          copies.set(name, { ...input, dataId });
        }
      const results = backend.call(kernel, {}, undefined, () => run(backend, Object.fromEntries(copies), attributes));
      return (Array.isArray(results) ? results : [results]).map((result) => {
        const values = backend.values(result).slice();
        backend.disposeData(result.dataId);
        return this.#p.upload(values, result.shape, result.dtype);
      });
    } finally {
      for (const { dataId } of copies.values()) backend.disposeData(dataId);
    }
  }
}
