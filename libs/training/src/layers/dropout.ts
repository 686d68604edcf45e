import { dropoutMask as exactDropoutMask } from '@cotrain/exact';
import { philox4x32, philoxKey, randomStreams } from '@cotrain/protocol';
import { isExact } from '../runtime.ts';
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
    return tf.tidy(() => tf.mul(input, maskTensor(context, substream, input.shape, this.#rate)));
  }
}

/** exact/1 draws the same bits, and computes the factor of what is kept in its own way. */
function maskTensor({ seed, step }: RandomContext, substream: number, shape: number[], rate: number): tf.Tensor {
  if (isExact()) return exactDropoutMask(shape, { seed, step, substream, stream: randomStreams.dropout, rate });
  const count = shape.reduce((product, size) => product * size, 1);
  return tf.tensor(dropoutMask({ seed, step }, substream, count, rate), shape);
}

/**
 * 0 with probability `rate`, otherwise 1 / (1 - rate). Each half of Philox's words decides over one value: 16 bits are
 * enough for a rate, and this runs for every value of every batch.
 */
export function dropoutMask(
  { seed, step }: RandomContext,
  substream: number,
  count: number,
  rate: number,
): Float32Array {
  const key = philoxKey(seed);
  const threshold = Math.round(rate * 65_536);
  const keep = 1 / (1 - rate);
  const mask = new Float32Array(Math.ceil(count / 8) * 8);
  for (let group = 0; group * 8 < count; group++) {
    const words = philox4x32([group, step, substream, randomStreams.dropout], key);
    let at = group * 8;
    for (const word of words) {
      mask[at++] = (word & 0xffff) < threshold ? 0 : keep;
      mask[at++] = word >>> 16 < threshold ? 0 : keep;
    }
  }
  return mask.subarray(0, count);
}
