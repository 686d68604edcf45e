import { describe, expect, it } from '@jest/globals';
import type { JobSpec, Program } from '@cotrain/protocol';
import { exampleProgram } from './testing/example-programs.ts';
import { dense, sequential } from './testing/small-jobs.ts';
import { ProgramTooLargeError, TrainerError, UnsupportedProgramError } from './errors.ts';
import { buildInitialState } from './initial-state.ts';
import { boundsOf, buildModel, type ProgramBounds } from './model.ts';
import { decodeState, stateLayout } from './state-layout.ts';
import { tf } from './tf.ts';

const input = { batch_input_shape: [null, 2], dtype: 'float32' };
const withLayer = (layer: unknown): Program =>
  sequential([dense('in', 4, 'relu', input), layer, dense('out', 2, 'softmax')]);

describe('a hostile Program', () => {
  it.each([
    ['Lambda', { class_name: 'Lambda', config: { name: 'x', function: 'process.exit()' } }],
    ['GaussianNoise', { class_name: 'GaussianNoise', config: { name: 'x', stddev: 1 } }],
    ['constructor', { class_name: 'constructor', config: { name: 'x' } }],
    ['__proto__', { class_name: '__proto__', config: { name: 'x' } }],
  ])('is refused by the name of its class: %s', async (name, layer) => {
    const building = buildModel(withLayer(layer));
    await expect(building).rejects.toThrow(UnsupportedProgramError);
    await expect(building).rejects.toThrow(name);
  });

  it.each([
    [{ activation: 'constructor' }, /activation/],
    [{ kernel_regularizer: { class_name: 'L1L2', config: {} } }, /kernel_regularizer/],
    [{ kernel_constraint: { class_name: 'MaxNorm', config: {} } }, /kernel_constraint/],
    [{ kernel_initializer: 'toString' }, /kernel_initializer/],
    [{ kernel_initializer: { class_name: 'Orthogonal', config: {} } }, /Orthogonal/],
    [{ units: -1 }, /./],
    [{ units: 1.5 }, /./],
    [{ units: 'many' }, /./],
  ])('is refused for its configuration: %j', async (config, message) => {
    await expect(buildModel(withLayer(dense('x', 4, 'relu', config)))).rejects.toThrow(message);
  });

  const image = { batch_input_shape: [null, 4, 4, 1], dtype: 'float32' };
  it.each<[className: string, config: object, message: RegExp]>([
    [
      'Conv2D',
      { filters: 1, kernel_size: [1, 3], dilation_rate: [1, 2 ** 31 - 1] },
      /dilation_rate\[1\] is 2147483647/,
    ],
    ['Conv2D', { filters: 1, kernel_size: [9, 1], dilationRate: [2 ** 30, 1] }, /dilationRate\[0\] is 1073741824/],
    ['Conv2D', { filters: 1, kernel_size: 3, strides: 0 }, /strides is 0; give an integer from 1 to 65536/],
    ['Conv2D', { filters: 1, kernel_size: 3, strides: [1, 0.5] }, /strides\[1\] is 0.5/],
    ['Conv2D', { filters: 1.5, kernel_size: 3 }, /filters is 1.5/],
    ['Conv2D', { filters: 2 ** 21, kernel_size: 3 }, /filters is 2097152/],
    ['Conv2D', { filters: 1, kernel_size: [[3, -3]] }, /kernel_size\[0\]\[1\] is -3/],
    ['DepthwiseConv2D', { kernel_size: 1, depth_multiplier: 0 }, /depth_multiplier is 0/],
    [
      'ZeroPadding2D',
      {
        padding: [
          [-64, 64],
          [0, 0],
        ],
      },
      /padding\[0\]\[0\] is -64; give an integer from 0/,
    ],
    ['ZeroPadding2D', { padding: 4_000_000 }, /padding is 4000000/],
    [
      'Cropping2D',
      {
        cropping: [
          [0, -1],
          [0, 0],
        ],
      },
      /cropping\[0\]\[1\] is -1/,
    ],
    ['UpSampling2D', { size: [70_000, 1] }, /size\[0\] is 70000/],
    ['AveragePooling2D', { pool_size: [1, 100_000] }, /pool_size\[1\] is 100000/],
  ])('is refused for a size that no layer has: %s %j', async (className, config, message) => {
    const layer = { class_name: className, config: { name: 'x', ...config, ...image } };
    const building = buildModel(sequential([layer, { class_name: 'Flatten', config: {} }, dense('out', 2, 'softmax')]));
    await expect(building).rejects.toThrow(message);
    await expect(building).rejects.toThrow(TrainerError);
  });

  it.each([
    { recurrentDropout: 0.5 },
    { recurrent_dropout: 0.5 },
    { recurrentActivation: 'constructor' },
    { kernelRegularizer: { class_name: 'L1L2', config: {} } },
    { maskZero: true },
  ])('is refused in either spelling of a key: %j', async (config) => {
    const layer = { class_name: 'GRU', config: { name: 'x', units: 2, batch_input_shape: [null, 3, 2], ...config } };
    const building = buildModel(sequential([layer, dense('out', 2, 'softmax')]));
    await expect(building).rejects.toThrow(`topology.config.layers[0].config.${Object.keys(config)[0] ?? ''} is`);
  });

  it('is refused before its weights are allocated', async () => {
    const before = tf.memory().numBytes;
    const startedMs = performance.now();
    for (const units of [2 ** 31, 2 ** 28, 1e300]) {
      await expect(buildModel(withLayer(dense('x', units, 'relu')))).rejects.toThrow(ProgramTooLargeError);
    }
    const reshape = { class_name: 'RepeatVector', config: { name: 'x', n: 2 ** 30 } };
    const flat = { class_name: 'Flatten', config: { name: 'y' } };
    await expect(
      buildModel(sequential([dense('in', 4, 'relu', input), reshape, flat, dense('out', 2, 'softmax')])),
    ).rejects.toThrow(ProgramTooLargeError);
    expect(tf.memory().numBytes - before).toBeLessThan(4_096);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });

  it('is refused for the size of a batch in memory', async () => {
    const repeat = { class_name: 'RepeatVector', config: { name: 'x', n: 2 ** 16 } };
    const pool = { class_name: 'GlobalAveragePooling1D', config: { name: 'y' } };
    const program = sequential([dense('in', 64, 'relu', input), repeat, pool, dense('out', 2, 'softmax')]);
    await expect(buildModel(program, 2 ** 12)).rejects.toThrow(/layer outputs/);
  });

  it('is refused for the scores of an attention, which no layer’s output shows', async () => {
    const embedding = {
      class_name: 'cotrain>TokenAndPositionEmbedding',
      config: {
        name: 'tokens',
        vocabulary_size: 2,
        sequence_length: 2 ** 16,
        output_dim: 1,
        batch_input_shape: [null, 2 ** 16],
        dtype: 'float32',
      },
    };
    const attention = { class_name: 'cotrain>CausalSelfAttention', config: { name: 'x', num_heads: 1 } };
    await expect(buildModel(sequential([embedding, attention]))).rejects.toThrow(/layer outputs/);
  });

  it('is refused for more memory than its JobSpec declares', async () => {
    const before = tf.memory().numTensors;
    const program = sequential([dense('in', 1_024, 'relu', input), dense('out', 1_024, 'softmax')]);
    const bounds = (memoryMiB: number): ProgramBounds =>
      boundsOf({ resources: { memoryMiB, gpuCount: 0, gpuMemoryMiB: 0 } } as JobSpec);
    // A million weights with gradients and two slots of Adam take 16 MiB.
    await expect(buildModel(program, 1, bounds(16))).rejects.toThrow(/JobSpec.resources/);
    expect(tf.memory().numTensors).toBe(before);
    (await buildModel(program, 1, bounds(17))).dispose();
  });

  it('is refused without an input shape', async () => {
    await expect(buildModel(sequential([dense('in', 4, 'relu')]))).rejects.toThrow(/inputShape/);
  });
});

describe('the initial state', () => {
  it('follows from the seed and has the layout of model and optimizer', async () => {
    const program = exampleProgram('mnist-mlp');
    const state = await buildInitialState(program, 1n);
    expect(await buildInitialState(program, 1n)).toEqual(state);
    expect(await buildInitialState(program, 2n)).not.toEqual(state);
    const built = await buildModel(program);
    const layout = stateLayout(built, program.optimizer);
    built.dispose();
    const parameters = 784 * 128 + 128 + 128 * 10 + 10;
    expect(layout.bytes).toBe(4 * (3 * parameters + 2));
    const arrays = decodeState(layout, state);
    const [kernel, bias] = arrays as [Float32Array, Float32Array];
    const limit = Math.sqrt(6 / (784 + 128));
    expect(Math.max(...kernel)).toBeLessThanOrEqual(limit);
    expect(Math.max(...kernel)).toBeGreaterThan(0.99 * limit);
    expect(Math.abs(kernel.reduce((sum, value) => sum + value, 0) / kernel.length)).toBeLessThan(limit / 100);
    expect([...bias].every((value) => value === 0)).toBe(true);
    expect([...(arrays.at(-1) ?? [])]).toEqual([1]);
  }, 120_000);

  it('draws normal weights with the deviation asked for', async () => {
    const built = await buildModel(exampleProgram('tiny-gpt'));
    const program = exampleProgram('tiny-gpt');
    const [tokens] = decodeState(stateLayout(built, program.optimizer), await buildInitialState(program, 3n));
    built.dispose();
    const values = [...(tokens ?? [])];
    expect(values).toHaveLength(64 * 32);
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(deviation).toBeGreaterThan(0.019);
    expect(deviation).toBeLessThan(0.021);
  });
});
