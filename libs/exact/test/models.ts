import { tf, tfLayers } from './backends.ts';
import { normals } from './values.ts';

/** A model as its variables and the loss of a batch. */
export interface TestModel {
  variables: tf.Variable[];
  predict(x: tf.Tensor): tf.Tensor;
  loss(x: tf.Tensor, y: tf.Tensor): tf.Scalar;
}

/** Makes variables from a seed, the same on every backend. */
class Weights {
  readonly variables: tf.Variable[] = [];
  #seed: number;

  constructor(seed: number) {
    this.#seed = seed * 1000;
  }

  normal(shape: number[], deviation: number): tf.Variable {
    const size = shape.reduce((a, b) => a * b, 1);
    return this.#keep(tf.tensor(normals(++this.#seed, size, deviation), shape));
  }

  constant(shape: number[], value: number): tf.Variable {
    return this.#keep(tf.fill(shape, value));
  }

  #keep(tensor: tf.Tensor): tf.Variable {
    const variable = tf.variable(tensor);
    tensor.dispose();
    this.variables.push(variable);
    return variable;
  }
}

const crossEntropy = (logits: tf.Tensor, labels: tf.Tensor): tf.Scalar => {
  const truth = tf.oneHot(tf.reshape(labels, [-1]) as tf.Tensor1D, logits.shape.at(-1)!);
  return tf.neg(tf.mean<tf.Scalar>(tf.sum(tf.mul(tf.cast(truth, 'float32'), tf.logSoftmax(logits)), -1)));
};

/** Dense layers with relu between them. */
export function denseModel(sizes: readonly number[], seed = 1): TestModel {
  const weights = new Weights(seed);
  const layers = sizes.slice(1).map((size, i) => ({
    kernel: weights.normal([sizes[i]!, size], Math.sqrt(2 / sizes[i]!)),
    bias: weights.constant([size], 0),
  }));
  const predict = (x: tf.Tensor): tf.Tensor =>
    layers.reduce<tf.Tensor>((h, { kernel, bias }, i) => {
      const y = tf.add(tf.matMul(h as tf.Tensor2D, kernel as unknown as tf.Tensor2D), bias);
      return i === layers.length - 1 ? y : tf.relu(y);
    }, x);
  return { variables: weights.variables, predict, loss: (x, y) => crossEntropy(predict(x), y) };
}

/** Two convolutions with pooling, and a dense layer, for 28 x 28 images. */
export function convolutionalModel(channels: readonly [number, number], seed = 1): TestModel {
  const weights = new Weights(seed);
  const [first, second] = channels;
  const filter1 = weights.normal([3, 3, 1, first], Math.sqrt(2 / 9));
  const filter2 = weights.normal([3, 3, first, second], Math.sqrt(2 / (9 * first)));
  const kernel = weights.normal([49 * second, 10], Math.sqrt(2 / (49 * second)));
  const bias = weights.constant([10], 0);
  const predict = (x: tf.Tensor): tf.Tensor => {
    const images = tf.reshape(x, [-1, 28, 28, 1]) as tf.Tensor4D;
    const a = tf.maxPool(tf.relu(tf.conv2d(images, filter1 as unknown as tf.Tensor4D, 1, 'same')), 2, 2, 'same');
    const b = tf.avgPool(tf.relu(tf.conv2d(a, filter2 as unknown as tf.Tensor4D, 1, 'same')), 2, 2, 'same');
    return tf.add(tf.matMul(tf.reshape(b, [-1, 49 * second]), kernel as unknown as tf.Tensor2D), bias);
  };
  return { variables: weights.variables, predict, loss: (x, y) => crossEntropy(predict(x), y) };
}

/** An LSTM and a GRU of TensorFlow.js Layers over the rows of 28 x 28 images. */
export function recurrentModel(units: readonly [number, number]): TestModel {
  const { lstm, gru, dense } = tfLayers.layers;
  const recurrentInitializer = 'glorotUniform';
  const model = tfLayers.sequential({
    layers: [
      lstm({ units: units[0], inputShape: [28, 28], returnSequences: true, recurrentInitializer }),
      gru({ units: units[1], recurrentInitializer }),
      dense({ units: 10 }),
    ],
  });
  model.setWeights(model.getWeights().map((weight, i) => tf.tensor(normals(i + 1, weight.size, 0.2), weight.shape)));
  const predict = (x: tf.Tensor): tf.Tensor =>
    model.apply(tf.reshape(x, [-1, 28, 28]), { training: true }) as tf.Tensor;
  const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
  return { variables, predict, loss: (x, y) => crossEntropy(predict(x), y) };
}

/** A decoder-only transformer over ids [batch, length]. */
export function transformerModel(
  { vocabulary, width, heads, layers, length }: Record<'vocabulary' | 'width' | 'heads' | 'layers' | 'length', number>,
  seed = 1,
): TestModel {
  const weights = new Weights(seed);
  const normalise = (): ((x: tf.Tensor) => tf.Tensor) => {
    const gamma = weights.constant([width], 1);
    const beta = weights.constant([width], 0);
    return (x) => {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const variance = tf.mean(tf.square(centred), -1, true);
      return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5))), gamma), beta);
    };
  };
  const linear = (inputs: number, outputs: number, deviation: number): ((x: tf.Tensor) => tf.Tensor) => {
    const kernel = weights.normal([inputs, outputs], deviation);
    const bias = weights.constant([outputs], 0);
    return (x) => tf.add(tf.matMul(x as tf.Tensor2D, kernel as unknown as tf.Tensor2D), bias);
  };
  const tokens = weights.normal([vocabulary, width], 0.05);
  const positions = weights.normal([length, width], 0.05);
  const blocks = Array.from({ length: layers }, () => ({
    before: normalise(),
    attend: linear(width, 3 * width, 0.06),
    project: linear(width, width, 0.03),
    between: normalise(),
    widen: linear(width, 4 * width, 0.06),
    narrow: linear(4 * width, width, 0.03),
  }));
  const last = normalise();
  const head = linear(width, vocabulary, 0.06);
  const each = width / heads;
  const mask = Float32Array.from({ length: length * length }, (_, i) =>
    i % length > Math.floor(i / length) ? -1e9 : 0,
  );

  const predict = (ids: tf.Tensor): tf.Tensor => {
    const batch = ids.shape[0]!;
    const gathered = tf.gather(tokens, tf.reshape(ids, [-1]) as tf.Tensor1D);
    let x = tf.reshape(tf.add(tf.reshape(gathered, [batch, length, width]), positions), [-1, width]) as tf.Tensor;
    for (const block of blocks) {
      const mixed = tf.reshape(block.attend(block.before(x)), [batch, length, 3, heads, each]);
      const parts = tf.split(tf.reshape(tf.transpose(mixed, [2, 0, 3, 1, 4]), [3, batch * heads, length, each]), 3);
      const [q, k, v] = parts.map((part) => tf.reshape(part, [batch * heads, length, each])) as tf.Tensor3D[];
      const scores = tf.add(
        tf.mul(tf.matMul(q!, k!, false, true), 1 / Math.sqrt(each)),
        tf.tensor(mask, [length, length]),
      );
      const attended = tf.reshape(tf.matMul(tf.softmax(scores) as tf.Tensor3D, v!), [batch, heads, length, each]);
      x = tf.add(x, block.project(tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [-1, width])));
      x = tf.add(x, block.narrow(tf.relu(block.widen(block.between(x)))));
    }
    return head(last(x));
  };
  return { variables: weights.variables, predict, loss: (x, y) => crossEntropy(predict(x), y) };
}
