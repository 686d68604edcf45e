import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { exactBackend, tf, tfLayers, use } from './backends.ts';
import { normals } from './values.ts';

const { layers: L } = tfLayers;
type Layer = tfLayers.layers.Layer;
type Activation = NonNullable<Parameters<typeof L.dense>[0]['activation']>;

const recurrentInitializer = 'glorotUniform'; // the default one needs TensorFlow.js's chained operations

/** Small models that together have every layer a job may use. */
const stacks: Record<string, () => Layer[]> = {
  dense: () => [L.dense({ units: 3, inputShape: [5] })],
  'reshaping layers': () => [
    L.reshape({ targetShape: [2, 3], inputShape: [6] }),
    ...[L.permute({ dims: [2, 1] }), L.flatten(), L.dense({ units: 2 })],
  ],
  'masked lstm': () => [
    L.repeatVector({ n: 3, inputShape: [4] }),
    ...[L.masking({ maskValue: 0 }), L.lstm({ units: 3, recurrentInitializer })],
  ],
  'embedding and gru': () => [
    L.embedding({ inputDim: 7, outputDim: 4, inputLength: 5 }),
    L.gru({ units: 3, returnSequences: true, recurrentInitializer }),
    ...[L.timeDistributed({ layer: L.dense({ units: 2 }) }), L.flatten(), L.dense({ units: 2 })],
  ],
  'bidirectional simpleRNN': () => [
    L.bidirectional({ layer: L.simpleRNN({ units: 3, recurrentInitializer }) as never, inputShape: [4, 3] }),
  ],
  'activation layers': () => [
    L.dense({ units: 5, inputShape: [5] }),
    ...[L.leakyReLU(), L.prelu({}), L.elu(), L.reLU({ maxValue: 2 }), L.softmax()],
  ],
  conv1d: () => [
    L.conv1d({ filters: 3, kernelSize: 3, inputShape: [9, 2], padding: 'same' }),
    ...[L.maxPooling1d({ poolSize: 2 }), L.averagePooling1d({ poolSize: 2 }), L.globalMaxPooling1d()],
  ],
  conv2d: () => [
    L.conv2d({ filters: 3, kernelSize: 3, strides: 2, padding: 'same', inputShape: [8, 8, 2] }),
    ...[L.averagePooling2d({ poolSize: 2 }), L.globalMaxPooling2d({})],
  ],
  conv2dTranspose: () => [
    L.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: 'same', inputShape: [3, 3, 2] }),
    ...[L.cropping2D({ cropping: 1 } as never), L.flatten()],
  ],
  separableConv2d: () => [
    L.separableConv2d({ filters: 4, kernelSize: 3, inputShape: [6, 6, 2] }),
    ...[L.zeroPadding2d({ padding: 1 }), L.batchNormalization(), L.globalAveragePooling2d({})],
  ],
  depthwiseConv2d: () => [
    L.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, inputShape: [6, 6, 2] }),
    ...[L.layerNormalization(), L.flatten()],
  ],
  globalAveragePooling1d: () => [
    L.conv1d({ filters: 3, kernelSize: 3, inputShape: [9, 2] }),
    L.globalAveragePooling1d({} as never),
  ],
};
for (const activation of [
  ...['linear', 'relu', 'relu6', 'elu', 'selu', 'sigmoid', 'hardSigmoid', 'softplus', 'softsign', 'tanh', 'softmax'],
  ...['logSoftmax', 'gelu', 'gelu_new', 'swish', 'mish'],
])
  stacks[`the activation ${activation}`] = () => [
    L.dense({ units: 4, activation: activation as Activation, inputShape: [5] }),
    L.dense({ units: 2 }),
  ];

const merging = (): tfLayers.LayersModel => {
  const inputs = [tfLayers.input({ shape: [4] }), tfLayers.input({ shape: [4] })];
  const branches = inputs.map((input) => L.dense({ units: 4 }).apply(input) as tfLayers.SymbolicTensor);
  const merged = [L.add(), L.multiply(), L.average(), L.maximum(), L.minimum(), L.dot({ axes: 1 })].map(
    (layer) => layer.apply(branches) as tfLayers.SymbolicTensor,
  );
  const outputs = L.dense({ units: 2 }).apply(L.concatenate().apply(merged)) as tfLayers.SymbolicTensor;
  return tfLayers.model({ inputs, outputs });
};

const models: Record<string, () => tfLayers.LayersModel> = {
  ...Object.fromEntries(
    Object.entries(stacks).map(([name, make]) => [name, () => tfLayers.sequential({ layers: make() })]),
  ),
  'merging layers': merging,
};

const sizeOf = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);

/** Three training steps from the same weights on the same data, and a prediction. */
async function train(
  make: () => tfLayers.LayersModel,
  integers: boolean,
): Promise<{ losses: number[]; output: number[] }> {
  const model = make();
  // Vectors are positive: some are variances.
  model.setWeights(
    model.getWeights().map((weight, i) => {
      const values = normals(i + 1, weight.size, 0.3);
      return tf.tensor(weight.shape.length === 1 ? values.map((x) => Math.abs(x) + 0.1) : values, weight.shape);
    }),
  );
  const inputs = model.inputs.map((input, i) => {
    const shape = [4, ...(input.shape.slice(1) as number[])];
    const values = normals(50 + i, sizeOf(shape));
    return tf.tensor(integers ? values.map((_, at) => at % 7) : values, shape);
  });
  const shape = [4, ...(model.outputs[0]!.shape.slice(1) as number[])];
  model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
  const losses: number[] = [];
  for (let step = 0; step < 3; step++)
    losses.push(Number(await model.trainOnBatch(inputs, tf.tensor(normals(99, sizeOf(shape)), shape))));
  const output = [...(model.predict(inputs) as tf.Tensor).dataSync()];
  model.dispose();
  return { losses, output };
}

describe('layers of TensorFlow.js', () => {
  afterEach(() => {
    tf.disposeVariables();
  });
  afterAll(async () => {
    await exactBackend('exact-wasm').kernels.dispose();
  });

  it.each(Object.entries(models))('%s trains as with float32', async (name, make) => {
    const integers = name.startsWith('embedding');
    await use('cpu');
    const float = await train(make, integers);
    await use('exact-wasm');
    const exact = await train(make, integers);
    exact.losses.forEach((loss, step) => {
      expect(Math.abs(loss - float.losses[step]!)).toBeLessThan(0.05 * float.losses[step]!);
    });
    const error = Math.hypot(...exact.output.map((x, i) => x - float.output[i]!));
    expect(error / Math.hypot(...float.output)).toBeLessThan(0.06);
  });

  // The gradient of TensorFlow.js's own CPU backend is wrong here for more than one image.
  it('upSampling2d repeats pixels, and its gradient adds them up', async () => {
    await use('exact-wasm');
    const [repeated, expected, gradient, sums] = tf.tidy(() => {
      const x = tf.tensor(normals(1, 3 * 2 * 3 * 2), [3, 2, 3, 2]) as tf.Tensor4D;
      const dy = tf.tensor(normals(2, 3 * 4 * 9 * 2), [3, 4, 9, 2]) as tf.Tensor4D;
      const enlarge = (image: tf.Tensor): tf.Tensor4D => L.upSampling2d({ size: [2, 3] }).apply(image) as tf.Tensor4D;
      const tiled = tf.tile(tf.reshape(x, [3, 2, 1, 3, 1, 2]), [1, 1, 2, 1, 3, 1]);
      const blocks = tf.sum(tf.reshape(dy, [3, 2, 2, 3, 3, 2]), [2, 4]);
      return [enlarge(x), tiled, tf.grad(enlarge)(x, dy), blocks].map((tensor) => [...tensor.dataSync()]);
    });
    expect(repeated).toEqual(expected);
    expect(gradient).toEqual(sums);
  });
});
