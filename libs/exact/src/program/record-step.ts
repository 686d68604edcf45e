import type { ExactBackend } from '../backend/exact-backend.ts';
import { OperationRecorder } from '../backend/recording.ts';
import type { tf } from '../backend/tf.ts';
import { N } from '../reference/float.ts';
import type { StepBindings, StepRecording, ViewBinding } from './derive.ts';
import { UnsupportedStepError } from './errors.ts';
import type { AdamHyperparameters } from './lower-elementwise.ts';
import { readElement } from './typed-arrays.ts';

/** A column of a row of the training view. */
export type ProgramColumn = Omit<ViewBinding, 'id' | 'as'>;

export interface StepToRecord {
  backend: ExactBackend;
  /** Every array that a step reads or changes, in the state's order. */
  state: readonly { name: string; variable: tf.Variable }[];
  adam?: AdamHyperparameters;
  columns: readonly ProgramColumn[];
  batchSize: number;
  rowBytes: number;
  /** The batch's rows. Columns are recognised by their numbers, so that these should look like nothing else. */
  rows: Uint8Array;
  /** Whether the step reads back a metric after its loss. */
  hasMetric: boolean;
  /** One step of training on the rows, which reads back its loss (and metric) last. */
  train(): void;
}

/**
 * Records a step and finds out what its tensors are.
 * @throws UnsupportedStepError when a column of the rows was never uploaded
 */
export function recordStep(step: StepToRecord): { recording: StepRecording; bindings: StepBindings } {
  const recorder = new OperationRecorder();
  const { backend, state, adam, batchSize, rowBytes, hasMetric } = step;
  backend.observe(recorder);
  try {
    const idsOf = (): number[] => state.map(({ variable }) => backend.recordedId(variable.dataId));
    const before = idsOf();
    step.train();
    const after = idsOf();
    const reads = recorder.reads.slice(hasMetric ? -2 : -1);
    const [loss, metric = null] = reads;
    if (loss === undefined || (hasMetric && metric === null))
      throw new UnsupportedStepError(null, '', 'it did not read back its loss');
    const bindings: StepBindings = {
      ...{ batchSize, rowBytes, loss, metric },
      state: state.map(({ name, variable: { shape } }, i) => ({
        ...{ name, shape, before: before[i] as number, after: after[i] as number },
      })),
      view: findColumns(step, recorder.data),
      ...(adam === undefined ? {} : { adam }),
    };
    return { recording: recorder, bindings };
  } finally {
    backend.observe(null);
  }
}

/** For each column the upload that has its numbers. */
function findColumns({ columns, rows, batchSize, rowBytes }: StepToRecord, data: StepRecording['data']): ViewBinding[] {
  const free = [...data];
  return columns.map((column) => {
    const raw = columnValues(column, rows, batchSize, rowBytes);
    for (const [at, { tensor, values }] of free.entries()) {
      const as = spelling(raw, values);
      if (as === null) continue;
      free.splice(at, 1);
      return { ...column, id: tensor.id, as };
    }
    throw new UnsupportedStepError(
      null,
      '',
      `the column at byte ${String(column.offset)} of the rows was not uploaded, or was changed before`,
    );
  });
}

function columnValues(
  { offset, dtype, elements, scale = 1, valueOffset = 0 }: ProgramColumn,
  rows: Uint8Array,
  batchSize: number,
  rowBytes: number,
): number[] {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
  const width = dtype === 'uint8' ? 1 : 4;
  return Array.from({ length: batchSize * elements }, (_, i) => {
    const row = Math.floor(i / elements);
    return readElement(view, row * rowBytes + offset + width * (i % elements), dtype) * scale + valueOffset;
  });
}

/** How an upload spells a column's numbers, or null if it is something else. */
function spelling(raw: readonly number[], values: StepRecording['data'][number]['values']): ViewBinding['as'] | null {
  if (values.length === raw.length) {
    if (values instanceof Float32Array && raw.every((value, i) => N(value) === values[i])) return 'float32';
    if (values instanceof Int32Array && raw.every((value, i) => Math.round(Math.fround(value)) === values[i]))
      return 'int32';
  }
  const depth = values.length / raw.length;
  if (!(values instanceof Float32Array) || !Number.isInteger(depth)) return null;
  const isOneHot = values.every((value, i) => value === (raw[Math.floor(i / depth)] === i % depth ? 1 : 0));
  return isOneHot ? { oneHot: depth } : null;
}
