import { tf, tfLayers } from '../tf.ts';
import type { LayerConfig } from './embedding.ts';

type Shape = tfLayers.Shape;
type LayerNormalizationConfig = LayerConfig & {
  axis?: number | number[];
  epsilon?: number;
  center?: boolean;
  scale?: boolean;
};

/**
 * `LayerNormalization` over the last axis. The built-in one tiles its parameters, whose gradient takes thousands of
 * operations for a small transformer; this one broadcasts.
 */
export class BroadcastLayerNormalization extends tfLayers.layers.Layer {
  static readonly className = 'cotrain>LayerNormalization';
  readonly #config: LayerNormalizationConfig;
  #gamma: tfLayers.LayerVariable | undefined;
  #beta: tfLayers.LayerVariable | undefined;

  constructor(config: LayerNormalizationConfig) {
    super(config);
    this.#config = config;
  }

  override build(inputShape: Shape | Shape[]): void {
    const shape = inputShape as Shape;
    const { axis = -1, center = true, scale = true } = this.#config;
    const [only, ...others] = Array.isArray(axis) ? axis : [axis];
    const width = shape.at(-1);
    if (others.length > 0 || (only !== -1 && only !== shape.length - 1) || typeof width !== 'number')
      throw new Error(`${this.name}: axis is ${JSON.stringify(axis)}; only the last axis is supported`);
    if (scale) this.#gamma = this.addWeight('gamma', [width], 'float32', tfLayers.initializers.ones());
    if (center) this.#beta = this.addWeight('beta', [width], 'float32', tfLayers.initializers.zeros());
    this.built = true;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return inputShape as Shape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const input = (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor;
      const centered = tf.sub(input, tf.mean(input, -1, true));
      const variance = tf.mean(tf.square(centered), -1, true);
      const normal = tf.div(centered, tf.sqrt(tf.add(variance, this.#config.epsilon ?? 1e-3)));
      const scaled = this.#gamma === undefined ? normal : tf.mul(normal, this.#gamma.read());
      return this.#beta === undefined ? scaled : tf.add(scaled, this.#beta.read());
    });
  }
}
