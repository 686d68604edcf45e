import type { Program } from '@cotrain/protocol';
import type { ModelWeight } from './model.ts';
import { tf } from './tf.ts';

type OptimizerSpec = Program['optimizer'];
type Shaped = readonly Pick<ModelWeight, 'shape' | 'trainable'>[];

/** Names of what an optimizer keeps: per trained weight, and once. */
export function optimizerSlots(optimizer: OptimizerSpec): { slots: string[]; scalars: string[] } {
  switch (optimizer.kind) {
    case 'sgd':
      return { slots: [], scalars: [] };
    case 'momentum':
      return { slots: ['velocity'], scalars: [] };
    case 'adam':
    case 'adamw':
      return { slots: ['firstMoment', 'secondMoment'], scalars: ['beta1Power', 'beta2Power'] };
  }
}

/** Slots at the start of training: zeros, and the betas to the power of 0. */
export function optimizerState(optimizer: OptimizerSpec, weights: Shaped): Float32Array[] {
  const { slots, scalars } = optimizerSlots(optimizer);
  const trained = weights.filter((weight) => weight.trainable);
  const size = (shape: number[]): number => shape.reduce((product, length) => product * length, 1);
  return [
    ...slots.flatMap(() => trained.map(({ shape }) => new Float32Array(size(shape)))),
    ...scalars.map(() => new Float32Array([1])),
  ];
}

/** Moves weights along gradients; everything it remembers can be read and set. */
export interface Optimizer {
  /** Gradients in the order of the weights. */
  apply(gradients: readonly tf.Tensor[]): void;
  readSlots(): Float32Array[];
  writeSlots(values: readonly Float32Array[]): void;
  dispose(): void;
}

/** One variable of a weight's shape for each slot and weight. */
export class SlotVariables {
  readonly #byKind: tf.Variable[][];

  constructor(slots: readonly string[], weights: readonly tf.Variable[]) {
    this.#byKind = slots.map(() => weights.map((weight) => tf.tidy(() => tf.variable(tf.zeros(weight.shape), false))));
  }

  of(kind: number, index: number): tf.Variable {
    const variable = this.#byKind[kind]?.[index];
    if (variable === undefined) throw new Error(`the optimizer has no slot ${String(kind)} of weight ${String(index)}`);
    return variable;
  }

  read(): Float32Array[] {
    return this.#byKind.flat().map((variable) => variable.dataSync<'float32'>());
  }

  /** Sets all slots from the first of the values, and returns the others. */
  write(values: readonly Float32Array[]): Float32Array[] {
    const flat = this.#byKind.flat();
    flat.forEach((variable, index) => {
      tf.tidy(() => {
        variable.assign(tf.tensor(values[index] ?? [], variable.shape, 'float32'));
      });
    });
    return values.slice(flat.length);
  }

  dispose(): void {
    for (const variable of this.#byKind.flat()) variable.dispose();
  }
}
