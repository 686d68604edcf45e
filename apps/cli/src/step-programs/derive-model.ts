import {
  type AdamOptions,
  deriveProgram,
  ExactBackend,
  kernelMachine,
  OperationRecorder,
  packDenseState,
  type ProgramColumn,
  recordStep,
  StepRun,
} from '@cotrain/exact';
import {
  columnElements,
  encodeStepProgram,
  philox4x32,
  type Program,
  rowBytes,
  type StepProgram,
  type ViewColumn,
} from '@cotrain/protocol';
import { selectFor, StepRunner } from '@cotrain/training';
import * as tf from '@tensorflow/tfjs-core';
import { CommandError, exitCodes } from '../client/errors.ts';

/** What a program is derived from. */
export interface Model {
  /** Model, optimizer and loss. */
  document: Program;
  columns: readonly ViewColumn[];
  batchSize: number;
}

const resources = { gpuMemoryMiB: 0, gpuCount: 0, cpuMilli: 1_000, memoryMiB: 2 ** 16, estimatedGpuSeconds: 1 };

/**
 * Derives the list of operations of a model's training step. It is derived twice, from other weights, rows and steps, and
 * must come out the same; and a step that it computes must have the bits of the trainer's.
 * @throws CommandError, UnsupportedStepError, TrainerError
 */
export async function deriveFromModel(model: Model): Promise<StepProgram> {
  await selectFor({ runtime: 'exact/1', backends: ['exact'], resources });
  const backend = tf.backend();
  if (!(backend instanceof ExactBackend)) throw new Error('the backend exact was not selected');
  const seed = 7n;
  const runner = await StepRunner.create({
    ...{ program: model.document, columns: model.columns, batchSize: model.batchSize, seed },
  });
  try {
    const recorded = new RecordedRunner(model, runner, backend);
    const program = recorded.derive(0);
    if (Buffer.compare(encodeStepProgram(program), encodeStepProgram(recorded.derive(1))) !== 0)
      throw new CommandError(
        exitCodes.failure,
        'The operations of a step depend on its numbers, so that no program can list them: remove layers that read them back.',
      );
    recorded.check(program, seed);
    return program;
  } finally {
    runner.dispose();
  }
}

/** A runner whose steps are watched. */
class RecordedRunner {
  readonly #model: Model;
  readonly #runner: StepRunner;
  readonly #backend: ExactBackend;
  readonly #rowBytes: number;

  constructor(model: Model, runner: StepRunner, backend: ExactBackend) {
    this.#model = model;
    this.#runner = runner;
    this.#backend = backend;
    this.#rowBytes = rowBytes(model.columns);
  }

  derive(attempt: number): StepProgram {
    const { document, columns, batchSize } = this.#model;
    this.#runner.writeState(this.#randomState(attempt));
    const { recording, bindings } = recordStep({
      ...{ backend: this.#backend, state: this.#variables(), columns: columns.map(columnOf(columns)), batchSize },
      ...{ rowBytes: this.#rowBytes, rows: this.#randomRows(attempt), hasMetric: hasMetric(document) },
      ...adamOf(document),
      train: () => {
        this.#train(attempt);
      },
    });
    return deriveProgram(recording, bindings);
  }

  /** @throws CommandError when the program computes something else than the runner */
  check(program: StepProgram, seed: bigint): void {
    const before = this.#randomState(2);
    this.#runner.writeState(before);
    const run = new StepRun(program, kernelMachine(this.#backend.kernels));
    const input = { state: packDenseState(program, before), rows: this.#randomRows(2), seed, step: 2 };
    const computed = run.run(input);
    const { loss, metric } = this.#train(2);
    const after = packDenseState(program, this.#runner.readState());
    if (Buffer.compare(after, computed.state) !== 0 || loss !== computed.loss || metric !== (computed.metric ?? 0))
      throw new CommandError(
        exitCodes.failure,
        'The derived program computes something else than the trainer does. Report the model: this must not happen.',
      );
  }

  #train(attempt: number) {
    return this.#runner.train(attempt, this.#randomRows(attempt), this.#model.batchSize);
  }

  /** The variables that hold the state, in its order: those that have what `writeState` uploads. */
  #variables(): { name: string; variable: tf.Variable }[] {
    const recorder = new OperationRecorder();
    this.#backend.observe(recorder);
    this.#runner.writeState(this.#runner.readState());
    const { registeredVariables } = (
      tf.engine() as unknown as { state: { registeredVariables: Record<string, tf.Variable> } }
    ).state;
    const byId = new Map(
      Object.values(registeredVariables).map((variable) => [this.#backend.recordedId(variable.dataId), variable]),
    );
    const arrays = this.#runner.layout.entries.filter(({ kind }) => kind !== 'scalar');
    return arrays.map(({ name }, i) => {
      const variable = byId.get(recorder.data[i]?.tensor.id ?? -1);
      if (variable === undefined) throw new Error(`${name} is in no variable`);
      return { name, variable };
    });
  }

  /** Small numbers for weights, positive ones for the rest; powers of the betas below 1. */
  #randomState(attempt: number): Uint8Array {
    const { entries, bytes } = this.#runner.layout;
    const state = new Float32Array(bytes / 4);
    entries.forEach(({ kind, offset, elements }, entry) => {
      for (let i = 0; i < elements; i++) {
        const share = philox4x32([i, entry, attempt, 1], [7, 7])[0] / 2 ** 32;
        state[offset / 4 + i] =
          kind === 'weight' ? (share - 0.5) / 4 : kind === 'scalar' ? 0.5 + share / 4 : share / 16;
      }
    });
    return new Uint8Array(state.buffer);
  }

  /** Whole numbers are 0 and 1, which every model has as classes and indices. */
  #randomRows(attempt: number): Uint8Array {
    const { columns, batchSize } = this.#model;
    const rows = new Uint8Array(batchSize * this.#rowBytes);
    const view = new DataView(rows.buffer);
    let at = 0;
    for (let row = 0; row < batchSize; row++)
      columns.forEach((column, index) => {
        for (let i = 0; i < columnElements(column); i++) {
          const word = philox4x32([i, row, index + 1_000 * attempt, 2], [7, 7])[0];
          if (column.dtype === 'uint8') view.setUint8(at, word & 1);
          else if (column.dtype === 'int32') view.setInt32(at, word & 1, true);
          else view.setFloat32(at, word / 2 ** 32, true);
          at += column.dtype === 'uint8' ? 1 : 4;
        }
      });
    return rows;
  }
}

/** Columns as they lie in a row. */
const columnOf =
  (columns: readonly ViewColumn[]) =>
  (column: ViewColumn, index: number): ProgramColumn => ({
    offset: rowBytes(columns.slice(0, index)),
    dtype: column.dtype,
    elements: columnElements(column),
    scale: column.scale ?? 1,
    valueOffset: column.offset ?? 0,
  });

function hasMetric({ metrics, loss }: Program): boolean {
  return metrics.length > 0 && loss !== 'meanSquaredError';
}

function adamOf({ optimizer }: Program): { adam?: AdamOptions } {
  if (optimizer.kind !== 'adam' && optimizer.kind !== 'adamw') return {};
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 } = optimizer;
  const weightDecay = optimizer.kind === 'adamw' ? (optimizer.weightDecay ?? 0.01) : 0;
  return { adam: { learningRate, beta1, beta2, epsilon, weightDecay } };
}
