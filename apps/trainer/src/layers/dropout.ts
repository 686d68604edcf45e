import { randomStreams, uniformFloats } from '@cotrain/protocol';
import { tf, tfLayers } from '../tf.ts';
import type { LayerConfig } from './embedding.ts';

/** Where in the job's random streams a layer is; the training step moves `step` on. */
export interface RandomContext {
  seed: bigint;
  step: number;
}

/** Dropout whose mask follows from the job's seed, the layer's place in the model and the step, so that it can be repeated. */
export class DeterministicDropout extends tfLayers.layers.Layer {
  static readonly className = 'cotrain>Dropout';
  readonly #rate: number;
  #random: { context: RandomContext; substream: number } | undefined;

  constructor(config: LayerConfig & { rate: number }) {
    super(config);
    if (!(config.rate >= 0 && config.rate < 1))
      throw new Error(`Dropout: rate is ${String(config.rate)}; it must be from 0 to below 1`);
    this.#rate = config.rate;
    this.supportsMasking = true;
  }

  /** Connects the layer to the job; `substream` is its index among the model's Dropout layers. */
  drawFrom(context: RandomContext, substream: number): void {
    this.#random = { context, substream };
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: { training?: boolean }): tf.Tensor {
    const input = (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor;
    if (this.#rate === 0 || kwargs.training !== true) return input;
    if (this.#random === undefined) throw new Error(`${this.name} was trained before it was given a random stream`);
    const { context, substream } = this.#random;
    const mask = uniformFloats(context.seed, randomStreams.dropout, substream, context.step, input.size);
    const keep = 1 / (1 - this.#rate);
    for (let i = 0; i < mask.length; i++) mask[i] = (mask[i] ?? 0) < this.#rate ? 0 : keep;
    return tf.tidy(() => tf.mul(input, tf.tensor(mask, input.shape)));
  }
}
