import { expect, it } from '@jest/globals';
import { canonicalJson, decodeProgram, encodeRow, rowBytes, type ViewColumn } from '@cotrain/protocol';
import { checkLabels } from './check-labels.ts';
import { CommandError, exitCodes } from './errors.ts';

const columns: ViewColumn[] = [
  { name: 'x', role: 'input', dtype: 'float32', shape: [2] },
  { name: 'class', role: 'target', dtype: 'int32', shape: [] },
];

function check(labels: readonly number[], loss = 'sparseCategoricalCrossentropy'): Promise<void> {
  const dense = { name: 'out', units: 3, activation: 'softmax', use_bias: true, batch_input_shape: [null, 2] };
  const program = decodeProgram(
    canonicalJson(
      {
        version: 'cotrain.program/1',
        topology: {
          class_name: 'Sequential',
          config: { name: 'net', layers: [{ class_name: 'Dense', config: { ...dense, dtype: 'float32' } }] },
        },
        optimizer: { kind: 'sgd', learningRate: 0.1 },
        loss,
        metrics: [],
      },
      64,
    ),
  );
  const view = Buffer.concat(
    labels.map((label) =>
      encodeRow(
        columns,
        new Map([
          ['x', [1, 2]],
          ['class', [label]],
        ]),
      ),
    ),
  );
  return checkLabels({
    swarm: {
      open: () =>
        Promise.resolve({
          length: view.length,
          read: (start: number, bytes: number) => Promise.resolve(view.subarray(start, start + bytes)),
        }),
    } as never,
    program,
    columns,
    split: { name: 'train', viewReference: `0x${'1'.repeat(64)}`, rows: labels.length, rowBytes: rowBytes(columns) },
    spec: {
      runtime: 'exact/1',
      backends: ['exact'],
      resources: { gpuMemoryMiB: 0, gpuCount: 1, cpuMilli: 1_000, memoryMiB: 1_024, estimatedGpuSeconds: 1 },
    },
  });
}

it('finds nothing wrong with classes that the model has outputs for', async () => {
  await expect(check([0, 1, 2, 2])).resolves.toBeUndefined();
});

it.each([
  [[0, 1, 3, 2], 'Row 2 of split train has the class 3 in column class, but the model of --program has 3 outputs'],
  [[0, -1], 'Row 1 of split train has the class -1'],
  [[...Array<number>(400_000).fill(0), 7], 'Row 400000 of split train has the class 7'],
])('refuses other classes, at the end of a long view too', async (labels, message) => {
  const refused = check(labels);
  await expect(refused).rejects.toBeInstanceOf(CommandError);
  await expect(refused).rejects.toMatchObject({ exitCode: exitCodes.usage });
  await expect(refused).rejects.toThrow(message);
});

it('asks nothing of targets that are no classes', async () => {
  await expect(check([17], 'meanSquaredError')).resolves.toBeUndefined();
});
