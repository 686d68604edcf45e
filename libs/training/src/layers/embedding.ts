import { isExact } from '../runtime.ts';
import { tf, tfLayers } from '../tf.ts';
import { UndefinedStepError } from '../undefined-step.ts';

type Shape = tfLayers.Shape;
export type LayerConfig = ConstructorParameters<typeof tfLayers.layers.Layer>[0];

/**
 * Rows of a table by index. The built-in gradient needs a kernel that the WASM package lacks and that is slow on the
 * CPU; there the rows' gradients are added up in index order, which is exact to repeat. exact/1 has its own sum.
 */
export function lookUp(table: tf.Tensor2D, indices: tf.Tensor): tf.Tensor {
  const [rows, width] = table.shape;
  const flat = tf.cast(tf.reshape(indices, [-1]), 'int32') as tf.Tensor1D;
  // Beyond the table some backends read whatever lies there.
  for (const index of flat.dataSync<'int32'>())
    if (index < 0 || index >= rows)
      throw new UndefinedStepError(`an index is ${String(index)}, but the table has the rows 0 to ${String(rows - 1)}`);
  const gathered = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [source, save] = inputs as [tf.Tensor2D, tf.GradSaveFunc];
    save([flat]);
    return {
      value: tf.gather(source, flat),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [positions] = saved as [tf.Tensor1D];
        if (isExact() || tf.getBackend() === 'tensorflow') return tf.unsortedSegmentSum(dy, positions, rows);
        const sums = addRows(dy.dataSync<'float32'>(), positions.dataSync<'int32'>(), rows, width);
        return tf.tensor2d(sums, [rows, width]);
      },
    };
  })(table);
  return tf.reshape(gathered, [...indices.shape, width]);
}

function addRows(gradients: Float32Array, indices: Int32Array, rows: number, width: number): Float32Array {
  const sums = new Float32Array(rows * width);
  indices.forEach((index, position) => {
    for (let i = 0; i < width; i++) {
      const at = index * width + i;
      sums[at] = (sums[at] ?? 0) + (gradients[position * width + i] ?? 0);
    }
  });
  return sums;
}

function onlyTensor(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  const input = Array.isArray(inputs) ? inputs[0] : inputs;
  if (input === undefined) throw new Error('a layer was called without an input');
  return input;
}

type EmbeddingConfig = LayerConfig & { inputDim: number; outputDim: number; inputLength?: number };

/** `Embedding` as in TensorFlow.js, with a gradient on every backend. */
export class TableEmbedding extends tfLayers.layers.Layer {
  static readonly className = 'cotrain>Embedding';
  readonly #config: EmbeddingConfig;
  #table: tfLayers.LayerVariable | undefined;

  constructor(config: EmbeddingConfig) {
    super(withInputShape(config, config.inputLength ?? null));
    this.#config = config;
  }

  override build(): void {
    const { inputDim, outputDim } = this.#config;
    this.#table = this.addWeight('embeddings', [inputDim, outputDim], 'float32', embeddingInitializer());
    this.built = true;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return [...(inputShape as Shape), this.#config.outputDim];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => lookUp(this.#table?.read() as tf.Tensor2D, onlyTensor(inputs)));
  }
}

type TokenAndPositionConfig = LayerConfig & { vocabularySize: number; sequenceLength: number; outputDim: number };

/** Sum of a token's and its position's vector: [batch, sequence] to [batch, sequence, outputDim]. */
export class TokenAndPositionEmbedding extends tfLayers.layers.Layer {
  static readonly className = 'cotrain>TokenAndPositionEmbedding';
  readonly #config: TokenAndPositionConfig;
  #tokens: tfLayers.LayerVariable | undefined;
  #positions: tfLayers.LayerVariable | undefined;

  constructor(config: TokenAndPositionConfig) {
    super(withInputShape(config, config.sequenceLength));
    this.#config = config;
  }

  override build(): void {
    const { vocabularySize, sequenceLength, outputDim } = this.#config;
    this.#tokens = this.addWeight('tokens', [vocabularySize, outputDim], 'float32', embeddingInitializer());
    this.#positions = this.addWeight('positions', [sequenceLength, outputDim], 'float32', embeddingInitializer());
    this.built = true;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return [...(inputShape as Shape), this.#config.outputDim];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const tokens = onlyTensor(inputs);
      const positions = this.#positions?.read() as tf.Tensor2D;
      const length = tokens.shape[1] ?? 0;
      const used = length === positions.shape[0] ? positions : tf.slice(positions, [0, 0], [length, -1]);
      return tf.add(lookUp(this.#tokens?.read() as tf.Tensor2D, tokens), tf.expandDims(used, 0));
    });
  }
}

/** As GPT-2 does: normal with a standard deviation of 0.02. */
function embeddingInitializer(): ReturnType<typeof tfLayers.initializers.randomNormal> {
  return tfLayers.initializers.randomNormal({ mean: 0, stddev: 0.02 });
}

/** As TensorFlow.js's embedding does: a first layer's input is a sequence unless the program says more. */
function withInputShape(config: LayerConfig, length: number | null): LayerConfig {
  const given = config?.batchInputShape ?? config?.inputShape;
  return given === undefined ? { ...config, batchInputShape: [null, length] } : config;
}
