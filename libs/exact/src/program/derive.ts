import {
  chunksOf,
  elementsOf,
  PROGRAM_CHUNK_BYTES,
  type ProgramStateEntry,
  type ProgramType,
  type StepProgram,
  validateProgram,
} from '@cotrain/protocol';
import type { RecordedOperation, RecordedTensor } from '../backend/recording.ts';
import { stridesOf } from '../backend/movement.ts';
import { ProgramBuilder } from './builder.ts';
import { UnsupportedStepError } from './errors.ts';
import {
  type AdamHyperparameters,
  type AdamPlan,
  adamStep,
  elementwiseLowerings,
  oneHotOf,
  planAdam,
} from './lower-elementwise.ts';
import { reductionLowerings } from './lower-reductions.ts';
import { viewLowerings } from './lower-views.ts';
import { windowLowerings } from './lower-windows.ts';
import { type Lowering, programTypeOf } from './lowering.ts';
import type { Source } from './source.ts';

/** What one step of training did, as an `OperationRecorder` saw it. */
export interface StepRecording {
  operations: readonly RecordedOperation[];
  data: readonly { tensor: RecordedTensor; values: Float32Array | Int32Array | Uint8Array }[];
}

/** One array of the state, by the ids of its data before and after the step. */
export interface StateBinding {
  name: string;
  shape: readonly number[];
  before: number;
  after: number;
}

/** A tensor that was made from the batch's rows before it was uploaded. */
export interface ViewBinding {
  /** Id of the uploaded data. */
  id: number;
  /** Bytes of the column from the start of a row. */
  offset: number;
  dtype: 'uint8' | 'int32' | 'float32';
  /** Elements of the column in a row. */
  elements: number;
  /** value = raw * scale + offset in double precision, then rounded; of uint8 columns alone. 1 and 0 unless given. */
  scale?: number;
  valueOffset?: number;
  /** What was uploaded: the numbers, or for class indices a row with 1 at the class for each. */
  as: 'float32' | 'int32' | { oneHot: number };
}

/** What the tensors of a recording are. Whatever else was uploaded is a constant of the program. */
export interface StepBindings {
  batchSize: number;
  rowBytes: number;
  state: readonly StateBinding[];
  view: readonly ViewBinding[];
  /** Of Adam and AdamW: their powers of the betas are the state's last entries. */
  adam?: AdamHyperparameters;
  loss: number;
  metric: number | null;
}

const lowerings: Readonly<Record<string, Lowering>> = {
  ...elementwiseLowerings,
  ...viewLowerings,
  ...reductionLowerings,
  ...windowLowerings,
};

/** Kernels that a program can hold, besides those that give other shapes to the same data. */
export const programKernels: readonly string[] = [...Object.keys(lowerings), 'ExactAdam'];

/**
 * Writes a recorded step as a program: primitive operations with index maps. It depends on the model, the optimizer and
 * the batch's shape alone, not on any number of the step, so that anybody derives the same bytes.
 * @throws UnsupportedStepError naming the kernel call that has no operations
 */
export function deriveProgram(recording: StepRecording, bindings: StepBindings): StepProgram {
  return new Derivation(recording, bindings).derive();
}

class Derivation {
  readonly #builder = new ProgramBuilder();
  readonly #recording: StepRecording;
  readonly #bindings: StepBindings;
  readonly #sources = new Map<number, Source>();
  readonly #uploads: ReadonlyMap<number, StepRecording['data'][number]>;
  readonly #state: Omit<ProgramStateEntry, 'traceChunk'>[] = [];
  #adam: AdamPlan | null = null;

  constructor(recording: StepRecording, bindings: StepBindings) {
    this.#recording = recording;
    this.#bindings = bindings;
    this.#uploads = new Map(recording.data.map((upload) => [upload.tensor.id, upload]));
  }

  derive(): StepProgram {
    const { adam, batchSize, rowBytes, state, view, loss, metric } = this.#bindings;
    for (const { name, shape, before } of state) this.#sources.set(before, this.#addState(name, shape));
    if (adam !== undefined) {
      const powers: [Source, Source] = [this.#addState('beta1Power', []), this.#addState('beta2Power', [])];
      this.#adam = planAdam(this.#builder, adam, powers);
    }
    for (const binding of view) this.#sources.set(binding.id, this.#fromView(binding));
    this.#recording.operations.forEach((operation, call) => {
      this.#builder.current = { call, kernel: operation.opcode };
      this.#lower(operation);
    });
    this.#builder.current = { call: null, kernel: '' };
    const afterwards = [
      ...state.map(({ after }) => this.#sources.get(after) ?? this.#builder.refuse('an array of the state is gone')),
      ...(this.#adam?.powers ?? []),
    ];
    const entries = this.#state.map((entry, i) => ({ ...entry, traceChunk: this.#chunkOf(afterwards[i] as Source) }));
    return validateProgram({
      ...{ batchSize, rowBytes, state: entries, lossChunk: this.#chunkOf(this.#known(loss)) },
      metricChunk: metric === null ? null : this.#chunkOf(this.#known(metric)),
      ...{ operations: this.#builder.operations, constants: this.#builder.constants() },
    });
  }

  #addState(name: string, shape: readonly number[]): Source {
    const elements = elementsOf(shape);
    const last = this.#state.at(-1);
    const offset = last === undefined ? 0 : last.offset + chunksOf(4 * last.elements) * PROGRAM_CHUNK_BYTES;
    this.#state.push({ name, offset, elements });
    return { space: 'state', type: 'float32', offset, shape, strides: stridesOf(shape) };
  }

  /** Decodes a column of the batch's rows, as libs/protocol's `decodeRows` does. */
  #fromView({ id, offset, dtype, elements, scale = 1, valueOffset = 0, as }: ViewBinding): Source {
    const builder = this.#builder;
    const { batchSize } = this.#bindings;
    const raw = builder.emit(
      'view',
      dtype,
      [batchSize, elements],
      [{ source: { space: 'view', type: dtype, offset }, strides: [0, 1] }],
    );
    const type: ProgramType = as === 'float32' ? 'float32' : 'int32';
    const values = this.#scaled(raw, scale, valueOffset, type);
    const { shape } = this.#uploads.get(id)?.tensor ?? { shape: [batchSize, elements] };
    if (typeof as !== 'object') return builder.reshape(values, shape);
    return builder.reshape(oneHotOf(builder, values, as.oneHot, 'float32'), shape);
  }

  #scaled(raw: Source, scale: number, valueOffset: number, type: ProgramType): Source {
    const builder = this.#builder;
    if (scale === 1 && valueOffset === 0) {
      if (raw.type === type) return raw;
      if (raw.type === 'float32') return builder.refuse('a column of float32 is read as integers');
      return builder.elementwise('cast', type, raw.shape, [raw]);
    }
    // Double precision has no operation; but a byte has only 256 values.
    if (raw.type !== 'uint8')
      return builder.refuse(`a column of ${raw.type} has a scale or an offset; write its values into the view scaled`);
    const table = Float64Array.from({ length: 256 }, (_, byte) => Math.fround(byte * scale + valueOffset));
    const values = builder.constant(
      type === 'float32' ? new Float32Array(table) : Int32Array.from(table, Math.round),
      [256],
    );
    const indices = builder.elementwise('cast', 'int32', raw.shape, [raw]);
    return builder.emit('move', type, raw.shape, [
      { source: values, strides: [0, 0], gather: { operand: 1, stride: 1, limit: 256 } },
      { source: indices, strides: indices.strides },
    ]);
  }

  #lower(operation: RecordedOperation): void {
    const { opcode, inputs, outputs } = operation;
    const first = outputs[0];
    if ([...inputs, ...outputs].some(({ shape }) => shape.includes(0)))
      this.#builder.refuse('an empty tensor has no elements to compute');
    // Another shape of the same data.
    if (outputs.length === 1 && inputs.some(({ id }) => id === first?.id)) return;
    const lowering = opcode === 'ExactAdam' && this.#adam !== null ? adamStep(this.#adam) : lowerings[opcode];
    if (lowering === undefined || first === undefined)
      return this.#builder.refuse('a program has no operations for this kernel');
    const result = lowering({
      ...{ builder: this.#builder, operation, attributes: operation.attributes },
      inputs: inputs.map((tensor) => this.#source(tensor)),
      ...{ outShape: first.shape, outType: programTypeOf(first.dtype) },
    });
    outputs.forEach(({ id, shape, dtype }, i) => {
      const source = Array.isArray(result) ? result[i] : result;
      if (source?.type !== programTypeOf(dtype) || String(source.shape) !== String(shape))
        return this.#builder.refuse(`its output [${shape.join(', ')}] of ${dtype} came out differently`);
      this.#sources.set(id, source);
    });
  }

  #source({ id, shape }: RecordedTensor): Source {
    const source = this.#known(id);
    return String(source.shape) === String(shape) ? source : this.#builder.reshape(source, shape);
  }

  #known(id: number): Source {
    const known = this.#sources.get(id);
    if (known !== undefined) return known;
    const upload = this.#uploads.get(id);
    if (upload === undefined)
      throw new UnsupportedStepError(
        this.#builder.current.call,
        this.#builder.current.kernel,
        `it reads data ${String(id)}, which neither the step nor its bindings know`,
      );
    const source = this.#builder.constant(upload.values, upload.tensor.shape);
    this.#sources.set(id, source);
    return source;
  }

  /** Where a source begins as an output of its own; what is none is copied. */
  #chunkOf(source: Source): number {
    const isOutput =
      source.space === 'trace' &&
      source.offset % PROGRAM_CHUNK_BYTES === 0 &&
      this.#builder.operations.some(
        ({ outputChunk, shape }) =>
          outputChunk * PROGRAM_CHUNK_BYTES === source.offset && elementsOf(shape) === elementsOf(source.shape),
      ) &&
      String(source.strides) === String(stridesOf(source.shape));
    const output = isOutput ? source : this.#builder.copy(source);
    return output.offset / PROGRAM_CHUNK_BYTES;
  }
}
