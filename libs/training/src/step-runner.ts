import { UnsupportedKernelError } from '@cotrain/exact';
import { decodeRows, type Program, rowBytes, type ViewColumn } from '@cotrain/protocol';
import {
  InvalidJobError,
  KernelMissingError,
  MachineFaultError,
  ProgramTooLargeError,
  TrainerError,
} from './errors.ts';
import { measure, type Targets } from './loss.ts';
import { type BuiltModel, buildModel, type ProgramBounds } from './model.ts';
import { createExactOptimizer } from './exact-optimizer.ts';
import { createOptimizer } from './optimizer.ts';
import type { Optimizer } from './optimizer-slots.ts';
import { isExact } from './runtime.ts';
import { decodeState, encodeState, type StateLayout, stateLayout } from './state-layout.ts';
import { tf } from './tf.ts';
import { requireFinite } from './undefined-step.ts';

/** Rows of one batch as the view has them; decoded they take up to four times as much. */
const maxBatchBytes = 2 ** 28;

/** What a batch gave. */
export interface BatchResult {
  loss: number;
  metric: number;
}

interface Batch {
  inputs: tf.Tensor[];
  targets: Targets;
}

/** What executes steps, from and to explicit states. */
export interface Runner {
  readonly layout: StateLayout;
  /** Predictions that one row has, such as tokens of a sequence; the metric averages over them. */
  readonly predictionsPerRow: number;
  /** Sets weights and optimizer slots. @throws InvalidJobError when the length is not the layout's; MachineFaultError */
  writeState(bytes: Uint8Array): void;
  /** @throws MachineFaultError */
  readState(): Uint8Array;
  /** One step of training on the rows of a batch. @throws UndefinedStepError, KernelMissingError, InvalidJobError, MachineFaultError */
  train(step: number, rows: Uint8Array, rowCount: number): BatchResult;
  /** Loss and metric of rows without training on them. @throws as `train` does */
  evaluate(rows: Uint8Array, rowCount: number): BatchResult;
  dispose(): void;
}

export interface RunnerOptions {
  program: Program;
  columns: readonly ViewColumn[];
  seed: bigint;
  batchSize: number;
  bounds?: ProgramBounds;
}

/** Runs single training steps from and to explicit states: the same state, rows and step give the same bytes. */
export class StepRunner implements Runner {
  readonly layout: StateLayout;
  readonly #program: Program;
  readonly #columns: readonly ViewColumn[];
  readonly #built: BuiltModel;
  readonly #optimizer: Optimizer;
  readonly #trained: tf.Variable[];
  readonly #random: { seed: bigint; step: number };

  private constructor(program: Program, columns: readonly ViewColumn[], built: BuiltModel, seed: bigint) {
    this.#program = program;
    this.#columns = columns;
    this.#built = built;
    this.#trained = built.weights.filter((weight) => weight.trainable).map((weight) => weight.variable);
    this.#optimizer = (isExact() ? createExactOptimizer : createOptimizer)(program.optimizer, this.#trained);
    this.#random = { seed, step: 0 };
    built.useRandom(this.#random);
    this.layout = stateLayout(built, program.optimizer);
  }

  /** @throws UnsupportedProgramError, ProgramTooLargeError, InvalidJobError when the columns do not fit the model */
  static async create(options: RunnerOptions): Promise<StepRunner> {
    const batchBytes = options.batchSize * rowBytes(options.columns);
    if (batchBytes > maxBatchBytes) throw new ProgramTooLargeError('bytes of a batch', batchBytes, maxBatchBytes);
    const built = await buildModel(options.program, options.batchSize, options.bounds);
    try {
      checkColumns(options.columns, built);
      return onThisMachine(() => new StepRunner(options.program, options.columns, built, options.seed));
    } catch (error) {
      built.dispose();
      throw error;
    }
  }

  writeState(bytes: Uint8Array): void {
    const arrays = decodeState(this.layout, bytes);
    onThisMachine(() => {
      this.#built.weights.forEach(({ variable }, index) => {
        tf.tidy(() => {
          variable.assign(tf.tensor(arrays[index] ?? [], variable.shape, 'float32'));
        });
      });
      this.#optimizer.writeSlots(arrays.slice(this.#built.weights.length));
    });
  }

  readState(): Uint8Array {
    return onThisMachine(() =>
      encodeState(
        this.#built.weights.map(({ variable }) => variable.dataSync<'float32'>()),
        this.#optimizer.readSlots(),
      ),
    );
  }

  train(step: number, rows: Uint8Array, rowCount: number): BatchResult {
    this.#random.step = step;
    return this.#guard(() => {
      const { inputs, targets } = this.#batch(rows, rowCount);
      const kept: { metric: tf.Scalar | null } = { metric: null };
      try {
        const { value, grads } = tf.variableGrads(() => {
          const { loss, metric } = measure(this.#program, this.#predict(inputs, true), targets);
          kept.metric = metric === null ? null : tf.keep(metric);
          return loss;
        }, this.#trained);
        this.#optimizer.apply(this.#trained.map((variable) => gradientOf(grads, variable)));
        return readResult(value, kept.metric);
      } finally {
        kept.metric?.dispose();
      }
    });
  }

  evaluate(rows: Uint8Array, rowCount: number): BatchResult {
    return this.#guard(() => {
      const { inputs, targets } = this.#batch(rows, rowCount);
      const { loss, metric } = measure(this.#program, this.#predict(inputs, false), targets);
      return readResult(loss, metric);
    });
  }

  get predictionsPerRow(): number {
    const shape = this.#built.model.outputs[0]?.shape.slice(1) ?? [];
    return (this.#program.loss.endsWith('ategoricalCrossentropy') ? shape.slice(0, -1) : shape).reduce<number>(
      (product, size) => product * (size ?? 1),
      1,
    );
  }

  dispose(): void {
    this.#optimizer.dispose();
    this.#built.dispose();
  }

  #predict(inputs: tf.Tensor[], training: boolean): tf.Tensor {
    const [only] = inputs;
    return this.#built.model.apply(inputs.length === 1 && only !== undefined ? only : inputs, {
      training,
    }) as tf.Tensor;
  }

  #batch(rows: Uint8Array, rowCount: number): Batch {
    const values = decodeRows(this.#columns, rows, rowCount);
    const inputs: tf.Tensor[] = [];
    let targets: Targets | null = null;
    for (const column of this.#columns) {
      const data = values.get(column.name) ?? new Float32Array();
      if (column.role === 'target') {
        targets =
          this.#program.loss === 'sparseCategoricalCrossentropy'
            ? { kind: 'classes', indices: asInt32(data) }
            : { kind: 'values', values: asFloat32(data) };
      } else {
        const input = this.#built.model.inputs[inputs.length];
        const shape = [rowCount, ...(input?.shape.slice(1) as number[])];
        inputs.push(
          input?.dtype === 'int32'
            ? tf.tensor(asInt32(data), shape, 'int32')
            : tf.tensor(asFloat32(data), shape, 'float32'),
        );
      }
    }
    if (targets === null) throw new InvalidJobError('The dataset has no target column.');
    return { inputs, targets };
  }

  /** Frees what the work allocated, and names errors after the fact. */
  #guard<T>(work: () => T): T {
    tf.engine().startScope();
    try {
      return work();
    } catch (cause) {
      disposeTape();
      if (cause instanceof TrainerError) throw cause;
      const fault = MachineFaultError.of(cause);
      if (fault !== null) throw fault;
      if (cause instanceof UnsupportedKernelError) throw KernelMissingError.ofExact(cause);
      const message = cause instanceof Error ? cause.message : String(cause);
      const kernel = /Kernel '?([\w]+)'? (?:for \w+ )?not registered for backend '?(\w+)/.exec(message);
      if (kernel !== null) throw new KernelMissingError(kernel[1] ?? '', kernel[2] ?? '', { cause });
      throw new InvalidJobError(`The Program cannot be run on a batch: ${message.slice(0, 500)}`, { cause });
    } finally {
      tf.engine().endScope();
    }
  }
}

/** Names a fault of the machine after the fact; other errors pass. */
function onThisMachine<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw MachineFaultError.of(cause) ?? cause;
  }
}

/** TensorFlow.js keeps what a gradient needs until that is computed, and so for ever when the step fails before. */
function disposeTape(): void {
  const { state } = tf.engine();
  for (const { saved } of state.activeTape ?? []) for (const tensor of saved ?? []) tensor.dispose();
  state.activeTape = null as unknown as typeof state.activeTape;
}

function gradientOf(grads: tf.NamedTensorMap, variable: tf.Variable): tf.Tensor {
  const gradient = grads[variable.name];
  // A weight that the loss does not depend on has no gradient.
  return gradient ?? tf.zerosLike(variable);
}

function readResult(loss: tf.Tensor, metric: tf.Scalar | null): BatchResult {
  const result = { loss: loss.dataSync()[0] ?? Number.NaN, metric: metric?.dataSync()[0] ?? 0 };
  requireFinite(result.loss, 'the loss');
  requireFinite(result.metric, 'the metric');
  return result;
}

const asInt32 = (data: Float32Array | Int32Array): Int32Array =>
  data instanceof Int32Array ? data : Int32Array.from(data, Math.round);
const asFloat32 = (data: Float32Array | Int32Array): Float32Array =>
  data instanceof Float32Array ? data : Float32Array.from(data);

function checkColumns(columns: readonly ViewColumn[], { model }: BuiltModel): void {
  const inputs = columns.filter((column) => column.role === 'input');
  const targets = columns.filter((column) => column.role === 'target');
  if (inputs.length !== model.inputs.length || targets.length !== 1 || model.outputs.length !== 1)
    throw new InvalidJobError(
      `The dataset has ${String(inputs.length)} input and ${String(targets.length)} target columns; the model has ${String(model.inputs.length)} inputs and ${String(model.outputs.length)} outputs. One output and one target are supported, and inputs must match one to one.`,
    );
  inputs.forEach((column, index) => {
    const wanted = model.inputs[index]?.shape.slice(1) ?? [];
    const size = wanted.reduce<number>((product, length) => product * (length ?? Number.NaN), 1);
    if (size !== column.shape.reduce((product, length) => product * length, 1))
      throw new InvalidJobError(
        `Column ${column.name} has the shape [${column.shape.join(', ')}], the model's input ${String(index)} has [${wanted.join(', ')}]: make them agree.`,
      );
  });
}
