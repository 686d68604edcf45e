import { expect, it } from '@jest/globals';
import { canonicalJson, decodeProgram, type Program } from '@cotrain/protocol';
import { chooseRuntime, type RuntimeWish } from './choose-runtime.ts';

/** A net over pictures of one by two pixels. */
function program(...layers: object[]): Program {
  const topology = {
    class_name: 'Sequential',
    config: {
      name: 'net',
      layers: [
        {
          class_name: 'Reshape',
          config: { name: 'picture', target_shape: [1, 2, 1], batch_input_shape: [null, 2], dtype: 'float32' },
        },
        ...layers,
        { class_name: 'Flatten', config: { name: 'flat' } },
        { class_name: 'Dense', config: { name: 'out', units: 2, activation: 'softmax', use_bias: true } },
      ],
    },
  };
  const optimizer = { kind: 'sgd', learningRate: 0.1 };
  const document = {
    version: 'cotrain.program/1',
    topology,
    optimizer,
    loss: 'sparseCategoricalCrossentropy',
    metrics: [],
  };
  return decodeProgram(canonicalJson(document, 64));
}

const wish: RuntimeWish = {
  program: program(),
  columns: [
    { name: 'x', role: 'input', dtype: 'float32', shape: [2] },
    { name: 'y', role: 'target', dtype: 'uint8', shape: [] },
  ],
  resources: { gpuMemoryMiB: 0, gpuCount: 1, cpuMilli: 1_000, memoryMiB: 1_024, estimatedGpuSeconds: 1 },
};
const unsupported = program({
  class_name: 'UpSampling2D',
  config: { name: 'larger', size: [2, 2], interpolation: 'bilinear' },
});

it('is exact/1 where every kernel is defined', async () => {
  expect(await chooseRuntime(wish)).toEqual({ plan: { runtime: 'exact/1' }, reason: null });
});

it('is tfjs/1 where a kernel is missing, and says which', async () => {
  const { plan, reason } = await chooseRuntime({ ...wish, program: unsupported });
  expect(plan).toMatchObject({ runtime: 'tfjs/1', backends: expect.arrayContaining(['wasm', 'cpu']) });
  expect(reason).toMatch(/no kernel ResizeBilinear/);
});

it('is not exchanged for another where exact/1 was asked for', async () => {
  await expect(chooseRuntime({ ...wish, program: unsupported, runtime: 'exact/1' })).rejects.toMatchObject({
    name: 'KernelMissingError',
    kernel: 'ResizeBilinear',
  });
  expect(await chooseRuntime({ ...wish, runtime: 'exact/1' })).toEqual({ plan: { runtime: 'exact/1' }, reason: null });
});

it('is tfjs/1 for whoever names backends of it; exact/1 has none to choose', async () => {
  const plan = { runtime: 'tfjs/1', backends: ['wasm'] };
  expect(await chooseRuntime({ ...wish, backends: ['wasm'] })).toMatchObject({ plan });
  expect(await chooseRuntime({ ...wish, runtime: 'tfjs/1', backends: ['wasm'] })).toEqual({ plan, reason: null });
  await expect(chooseRuntime({ ...wish, runtime: 'exact/1', backends: ['wasm'] })).rejects.toMatchObject({
    exitCode: 2,
  });
});
