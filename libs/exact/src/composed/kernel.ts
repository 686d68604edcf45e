import type { Attributes, Inputs } from '../backend/kernel.ts';
import type { HostKernels } from './host-kernels.ts';
import type { InnerTensor } from './inner-operations.ts';
import type { Primitives } from './primitives.ts';

/** The data of an input under another shape. */
export class View {
  readonly input: InnerTensor;
  readonly shape: readonly number[];
  constructor(input: InnerTensor, shape: readonly number[]) {
    this.input = input;
    this.shape = shape;
  }
}

export type Output = InnerTensor | View;

/** What a kernel computes with. */
export interface Machine {
  /** Kernels of the inner backend: whatever is float is computed there. */
  p: Primitives;
  /** Integers and booleans, which are indices, labels and masks, are computed here. */
  host: HostKernels;
}

/** A TensorFlow.js kernel out of the inner backend's primitives. */
export type ComposedKernel = (machine: Machine, inputs: Inputs, attributes: Attributes) => Output | Output[];
export type ComposedTable = Readonly<Record<string, ComposedKernel>>;
