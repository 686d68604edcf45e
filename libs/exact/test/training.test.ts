import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { exactBackend, type ExactName, exactNames, tf, tfLayers, use } from './backends.ts';
import type { Batch } from './data.ts';
import { denseModel } from './models.ts';
import { type Trained, type TrainingName, trainings } from './train.ts';
import { normals } from './values.ts';

const run = promisify(execFile);

/** Trains in a process of its own. */
async function trained(name: TrainingName, backend: 'cpu' | ExactName): Promise<Trained> {
  const { stdout } = await run(process.execPath, [`${import.meta.dirname}/train.ts`, name, backend]);
  return JSON.parse(stdout.slice(stdout.indexOf('{'))) as Trained;
}

const mean = (list: number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;

afterEach(() => {
  tf.disposeVariables();
});

const names = Object.keys(trainings) as TrainingName[];

/** Weights after training on the reference. Another implementation, or another version of this one, must give the same. */
const expectedHashes: Record<TrainingName, string> = {
  mlp: 'e81d534301c21a9a1c7e4d1f867d56538029cd0e43ea5d7700ec4809bda87474',
  cnn: '069f57a11231cd7238b78096ec397e3b84bd98a2d0cb2c997e51314e8cd1c17f',
  rnn: 'e054a5aa0379b81e2d79975d8d863e08219b4f45e599d4075cf9fad8e4a58dfa',
  gpt: '20b87b100a689b6478bb9dc16d1166a4fb6e10e934923d576497ce372567d1cc',
};

describe('training on exact/1', () => {
  it.each(names)(
    '%s: learns like float32, to the same bits every time',
    async (name) => {
      const [float, exact, wasm] = await Promise.all([
        trained(name, 'cpu'),
        trained(name, 'exact'),
        trained(name, 'exact-wasm'),
      ]);
      const [floatLoss, exactLoss] = [float, exact].map(({ losses }) => mean(losses.slice(-20))) as [number, number];
      expect(exactLoss).toBeLessThan(exact.losses[0]! * (name === 'rnn' ? 0.96 : 0.7));
      expect(Math.abs(exactLoss - floatLoss)).toBeLessThan(0.15 * floatLoss + 0.03);
      expect(exact.hash).toBe(expectedHashes[name]);
      expect(wasm).toEqual(exact);
    },
    120_000,
  );

  it.each(names)('%s: gradients are near those of float32', async (name) => {
    const gradients: Record<string, Float32Array[]> = {};
    for (const backend of ['cpu', 'exact'] as const) {
      await use(backend);
      const model = trainings[name].make();
      gradients[backend] = tf.tidy(() => {
        const [x, y] = trainings[name].batches()();
        const { grads } = tf.variableGrads(() => model.loss(x, y), model.variables);
        return model.variables.map((variable) => grads[variable.name]!.dataSync<'float32'>());
      });
      tf.disposeVariables();
    }
    gradients['cpu']!.forEach((expected, i) => {
      const actual = gradients['exact']![i]!;
      const dot = expected.reduce((sum, x, j) => sum + x * actual[j]!, 0);
      const size = Math.hypot(...expected);
      // A unit near 0 may be on the other side of relu after rounding, so that gradients differ more than products do.
      // The bias of the keys has a gradient of 0 in exact arithmetic: what is left there is rounding.
      if (size > 1e-5) expect(dot / (size * Math.hypot(...actual))).toBeGreaterThan(0.95);
    });
  });

  it.each(['lstm', 'gru', 'simpleRNN'] as const)('%s of TensorFlow.js Layers trains', async (layer) => {
    const losses: number[] = [];
    for (const backend of ['cpu', 'exact'] as const) {
      await use(backend);
      const model = tfLayers.sequential({
        layers: [
          tfLayers.layers[layer]({ units: 12, inputShape: [6, 5], recurrentInitializer: 'glorotUniform' }),
          tfLayers.layers.dense({ units: 1 }),
        ],
      });
      model.setWeights(
        model.getWeights().map((weight, i) => tf.tensor(normals(i + 1, weight.size, 0.3), weight.shape)),
      );
      model.compile({ optimizer: tf.train.sgd(0.05), loss: 'meanSquaredError' });
      const x = tf.tensor(normals(20, 16 * 30), [16, 6, 5]);
      const y = tf.reshape(tf.mean(x, [1, 2]), [16, 1]);
      let last = 0;
      for (let step = 0; step < 15; step++) last = Number(await model.trainOnBatch(x, y));
      losses.push(last);
      model.dispose();
    }
    expect(Math.abs(losses[1]! - losses[0]!)).toBeLessThan(0.1 * losses[0]! + 1e-3);
  });

  it('runs layers of every kind that models are made of', async () => {
    await use('exact');
    const { layers } = tfLayers;
    const model = tfLayers.sequential({
      layers: [
        layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [8, 8, 2], padding: 'same', activation: 'elu' }),
        layers.batchNormalization(),
        layers.depthwiseConv2d({ kernelSize: 3, padding: 'same' }),
        layers.maxPooling2d({ poolSize: 2 }),
        layers.separableConv2d({ filters: 6, kernelSize: 2, activation: 'relu6' }),
        layers.globalAveragePooling2d({}),
        layers.layerNormalization(),
        layers.dense({ units: 6, activation: 'gelu' as never }),
        layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });
    // The same start every time: from an unlucky one, thirty steps do not always lead downhill.
    model.setWeights(
      model
        .getWeights()
        .map((weight, i) =>
          weight.shape.length === 1 ? tf.clone(weight) : tf.tensor(normals(i + 1, weight.size, 0.2), weight.shape),
        ),
    );
    model.compile({ optimizer: tf.train.momentum(0.05, 0.9), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
    const x = tf.tensor(normals(1, 12 * 128), [12, 8, 8, 2]);
    const y = tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], 'int32'), 3);
    const first = (await model.trainOnBatch(x, y)) as number[];
    let last = first;
    for (let step = 0; step < 30; step++) last = (await model.trainOnBatch(x, y)) as number[];
    expect(last[0]).toBeLessThan(first[0]!);
    model.dispose();
  });

  it.each(exactNames)('%s: keeps memory flat over many steps', async (name) => {
    await use(name);
    const model = denseModel([20, 8, 3]);
    const optimizer = tf.train.adam(1e-3);
    const batches: Batch = () => [tf.tensor(normals(1, 80), [4, 20]), tf.tensor1d([0, 1, 2, 0], 'int32')];
    const trainSteps = (steps: number): void => {
      for (let step = 0; step < steps; step++)
        tf.tidy(() => {
          const [x, y] = batches();
          const { grads } = tf.variableGrads(() => model.loss(x, y), model.variables);
          optimizer.applyGradients(model.variables.map(({ name }) => ({ name, tensor: grads[name]! })));
        });
    };
    trainSteps(5);
    const { numTensors, numBytes, numDataBuffers } = tf.memory();
    const data = exactBackend(name).numDataIds();
    trainSteps(300);
    expect(tf.memory()).toMatchObject({ numTensors, numBytes, numDataBuffers });
    expect(exactBackend(name).numDataIds()).toBe(data);
  });
});
