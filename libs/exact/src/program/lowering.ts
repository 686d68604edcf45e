import type { ProgramType } from '@cotrain/protocol';
import type { ExactTensor, TensorType } from '../backend/tensors.ts';
import type { Attributes } from '../backend/kernel.ts';
import type { RecordedOperation, RecordedTensor } from '../backend/recording.ts';
import type { ProgramBuilder } from './builder.ts';
import type { Source } from './source.ts';

/** What a kernel's lowering gets: its recorded call with the sources of its inputs, in the order that they were recorded. */
export interface Call {
  builder: ProgramBuilder;
  operation: RecordedOperation;
  inputs: readonly Source[];
  attributes: Attributes;
  /** Of the first output. */
  outShape: readonly number[];
  outType: ProgramType;
}

/** Emits the operations of a kernel call and returns where its outputs are. */
export type Lowering = (call: Call) => Source | Source[];

export const programTypeOf = (dtype: string): ProgramType => (dtype === 'bool' ? 'uint8' : (dtype as ProgramType));

/** An input that must be there. */
export function input({ builder, inputs }: Pick<Call, 'builder' | 'inputs'>, index: number): Source {
  return inputs[index] ?? builder.refuse(`its input ${String(index)} is missing`);
}

/** A recorded tensor as functions of the backend take it that look at the shape alone. */
export function shapeOnly({ shape, dtype }: RecordedTensor): ExactTensor {
  return { dataId: {}, shape: [...shape], dtype: dtype as TensorType };
}
