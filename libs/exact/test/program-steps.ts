// Steps of small models with every optimizer, as programs and on the backend, for tests of programs.
import type { StepProgram } from '@cotrain/protocol';
import { adamCoefficients, type AdamOptions, initialBetaPowers } from '../src/adam-coefficients.ts';
import { adamStep, momentumStep, sgdStep } from '../src/backend/training.ts';
import { deriveProgram } from '../src/program/derive.ts';
import { type ProgramColumn, recordStep } from '../src/program/record-step.ts';
import { packState } from '../src/program/state.ts';
import { exactBackend, tf } from './backends.ts';
import type { TestModel } from './models.ts';

export type OptimizerName = 'sgd' | 'momentum' | 'adam' | 'adamw';

const adamOptions = (weightDecay: number): AdamOptions => ({
  ...{ learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay },
});

export interface ProgramTask {
  model: TestModel;
  optimizer: OptimizerName;
  columns: ProgramColumn[];
  batchSize: number;
  rowBytes: number;
  /** Rows of a batch, different for each seed. */
  rows(seed: number): Uint8Array;
  /** The model's tensors from the rows. */
  batch(rows: Uint8Array): [x: tf.Tensor, y: tf.Tensor];
  seed: bigint;
  /** Set while a step runs, for models that draw random numbers. */
  place: { step: number };
}

/** A task's model under training on the backend `exact`, from and to states. */
export class ProgramTrainer {
  readonly program: StepProgram;
  readonly #task: ProgramTask;
  readonly #variables: { name: string; variable: tf.Variable }[];
  #powers = initialBetaPowers;

  constructor(task: ProgramTask) {
    this.#task = task;
    const { model, optimizer } = task;
    const slots = { sgd: [], momentum: ['velocity'], adam: ['m', 'v'], adamw: ['m', 'v'] }[optimizer];
    this.#variables = [
      ...model.variables.map((variable, i) => ({ name: `w${String(i)}`, variable })),
      ...slots.flatMap((slot) =>
        model.variables.map((variable, i) => ({
          name: `${slot}/w${String(i)}`,
          variable: tf.variable(tf.zeros(variable.shape), false),
        })),
      ),
    ];
    this.program = this.derive(1);
  }

  /** Derives the program while training on the rows of a seed. */
  derive(rowSeed: number): StepProgram {
    const { columns, batchSize, rowBytes, optimizer } = this.#task;
    const rows = this.#task.rows(rowSeed);
    const { recording, bindings } = recordStep({
      ...{ backend: exactBackend(), state: this.#variables, columns, batchSize, rowBytes, rows, hasMetric: false },
      ...(optimizer.startsWith('adam') ? { adam: adamOptions(optimizer === 'adamw' ? 0.05 : 0) } : {}),
      train: () => {
        this.train(rows, rowSeed);
      },
    });
    return deriveProgram(recording, bindings);
  }

  /** One step; the loss. */
  train(rows: Uint8Array, step: number): number {
    const { model, optimizer, place } = this.#task;
    place.step = step;
    const slot = (kind: number, index: number): tf.Variable =>
      this.#variables[(kind + 1) * model.variables.length + index]!.variable;
    return tf.tidy(() => {
      const [x, y] = this.#task.batch(rows);
      const { value, grads } = tf.variableGrads(() => model.loss(x, y), model.variables);
      const adam = adamCoefficients(adamOptions(optimizer === 'adamw' ? 0.05 : 0), this.#powers);
      if (optimizer.startsWith('adam')) this.#powers = adam.powers;
      model.variables.forEach((variable, i) => {
        const gradient = grads[variable.name]!;
        if (optimizer === 'sgd') sgdStep(variable, gradient, 0.05);
        else if (optimizer === 'momentum') momentumStep(variable, slot(0, i), gradient, 0.05, 0.9);
        else adamStep(variable, slot(0, i), slot(1, i), gradient, adam.coefficients);
      });
      return value.dataSync()[0]!;
    });
  }

  /** The state as the program lays it out. */
  state(): Uint8Array {
    const { beta1Power, beta2Power } = this.#powers;
    const powers = this.#task.optimizer.startsWith('adam') ? [beta1Power, beta2Power] : [];
    return packState(this.program, [
      ...this.#variables.map(({ variable }) => variable.dataSync<'float32'>()),
      ...powers.map((power) => new Float32Array([power])),
    ]);
  }
}
