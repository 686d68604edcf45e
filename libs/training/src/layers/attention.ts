import { tf, tfLayers } from '../tf.ts';
import type { LayerConfig } from './embedding.ts';

type Shape = tfLayers.Shape;

type AttentionConfig = LayerConfig & { numHeads: number };

/** Multi-head self-attention in which a position sees itself and what came before: [batch, sequence, width] to the same. */
export class CausalSelfAttention extends tfLayers.layers.Layer {
  static readonly className = 'cotrain>CausalSelfAttention';
  readonly #heads: number;
  #inputKernel: tfLayers.LayerVariable | undefined;
  #inputBias: tfLayers.LayerVariable | undefined;
  #outputKernel: tfLayers.LayerVariable | undefined;
  #outputBias: tfLayers.LayerVariable | undefined;

  constructor(config: AttentionConfig) {
    super(config);
    this.#heads = config.numHeads;
  }

  override build(inputShape: Shape | Shape[]): void {
    const width = (inputShape as Shape)[2];
    if (typeof width !== 'number' || !Number.isSafeInteger(this.#heads) || this.#heads < 1 || width % this.#heads !== 0)
      throw new Error(
        `${this.name}: num_heads is ${String(this.#heads)}, which does not divide the width ${String(width)}`,
      );
    const glorot = tfLayers.initializers.glorotUniform({});
    const zeros = tfLayers.initializers.zeros();
    this.#inputKernel = this.addWeight('input_kernel', [width, 3 * width], 'float32', glorot);
    this.#inputBias = this.addWeight('input_bias', [3 * width], 'float32', zeros);
    this.#outputKernel = this.addWeight('output_kernel', [width, width], 'float32', glorot);
    this.#outputBias = this.addWeight('output_bias', [width], 'float32', zeros);
    this.built = true;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return inputShape as Shape;
  }

  /** Values computed beside the output: queries, keys and values, scores and weights of every head, and the mask. */
  hiddenElements(inputShape: Shape, batchSize: number): number {
    const [, length, width] = inputShape.map((size) => size ?? 1) as [number, number, number];
    return batchSize * length * 3 * width + (2 * batchSize * this.#heads + 1) * length * length;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const input = (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor3D;
      const [batch, length, width] = input.shape;
      const headWidth = width / this.#heads;
      const project = (rows: tf.Tensor, kernel: tf.Tensor | undefined, bias: tf.Tensor | undefined): tf.Tensor2D =>
        tf.add(tf.matMul(rows as tf.Tensor2D, kernel as tf.Tensor2D), bias as tf.Tensor1D);
      const mixed = project(tf.reshape(input, [-1, width]), this.#inputKernel?.read(), this.#inputBias?.read());
      const perHead = tf.transpose(tf.reshape(mixed, [batch, length, 3, this.#heads, headWidth]), [2, 0, 3, 1, 4]);
      const [query, key, value] = tf
        .split(tf.reshape(perHead, [3, batch * this.#heads, length, headWidth]), 3, 0)
        .map((part) => tf.reshape(part, [batch * this.#heads, length, headWidth])) as [
        tf.Tensor3D,
        tf.Tensor3D,
        tf.Tensor3D,
      ];
      const scores = tf.add(tf.mul(tf.matMul(query, key, false, true), 1 / Math.sqrt(headWidth)), causalMask(length));
      const attended = tf.matMul(tf.softmax(scores), value);
      const joined = tf.transpose(tf.reshape(attended, [batch, this.#heads, length, headWidth]), [0, 2, 1, 3]);
      const output = project(tf.reshape(joined, [-1, width]), this.#outputKernel?.read(), this.#outputBias?.read());
      return tf.reshape(output, [batch, length, width]);
    });
  }
}

/** 0 where a row may look, a large negative number at later positions. */
function causalMask(length: number): tf.Tensor3D {
  const values = new Float32Array(length * length);
  for (let row = 0; row < length; row++) values.fill(-1e9, row * length + row + 1, (row + 1) * length);
  return tf.tensor3d(values, [1, length, length]);
}
