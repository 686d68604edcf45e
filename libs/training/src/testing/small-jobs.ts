import type { Program, ViewColumn } from '@cotrain/protocol';
import { exampleProgram } from './example-programs.ts';
import type { JobToPublish } from './publish-job.ts';

/** Two inputs and their exclusive or: rows of two float32 and a class. */
export const xorColumns: ViewColumn[] = [
  { name: 'x', role: 'input', dtype: 'float32', shape: [2] },
  { name: 'y', role: 'target', dtype: 'uint8', shape: [] },
];

export function xorRows(count: number): Uint8Array {
  const bytes = new Uint8Array(count * 9);
  const view = new DataView(bytes.buffer);
  for (let row = 0; row < count; row++) {
    const [a, b] = [(row >> 1) & 1, row & 1] as const;
    view.setFloat32(row * 9, a * 2 - 1 + (row % 7) / 50, true);
    view.setFloat32(row * 9 + 4, b * 2 - 1 - (row % 5) / 50, true);
    bytes[row * 9 + 8] = a ^ b;
  }
  return bytes;
}

export function dense(name: string, units: number, activation: string, more: object = {}): Record<string, unknown> {
  return {
    class_name: 'Dense',
    config: {
      name,
      units,
      activation,
      use_bias: true,
      kernel_initializer: { class_name: 'GlorotUniform', config: {} },
      bias_initializer: { class_name: 'Zeros', config: {} },
      ...more,
    },
  };
}

export function sequential(layers: unknown[], more: Partial<Program> = {}): Program {
  return {
    version: 'cotrain.program/1',
    topology: { class_name: 'Sequential', config: { name: 'model', layers } } as Program['topology'],
    optimizer: { kind: 'adam', learningRate: 0.01 },
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
    ...more,
  };
}

/** A job of a second: 2-16-2 with dropout, 40 steps in segments of 16, 16 and 8. */
export function xorJob(more: Partial<JobToPublish> = {}): JobToPublish {
  return {
    program: sequential([
      dense('hidden', 16, 'tanh', { batch_input_shape: [null, 2], dtype: 'float32' }),
      { class_name: 'Dropout', config: { name: 'drop', rate: 0.1 } },
      dense('class', 2, 'softmax'),
    ]),
    columns: xorColumns,
    train: xorRows(200),
    test: xorRows(60),
    steps: 40,
    batchSize: 16,
    commitEvery: 16,
    checkpointEvery: 5,
    ...more,
  };
}

/** Sequences in which each token follows from the one before, so that a language model has something to learn. */
export function gptJob(more: Partial<JobToPublish> = {}): JobToPublish {
  const length = 32;
  const rows = 400;
  const bytes = new Uint8Array(rows * length * 2);
  for (let row = 0; row < rows; row++) {
    let token = row % 64;
    for (let i = 0; i <= length; i++) {
      if (i < length) bytes[row * length * 2 + i] = token;
      if (i > 0) bytes[row * length * 2 + length + i - 1] = token;
      token = (token * 5 + 3) % 64;
    }
  }
  return {
    program: exampleProgram('tiny-gpt'),
    columns: [
      { name: 'tokens', role: 'input', dtype: 'uint8', shape: [length] },
      { name: 'next', role: 'target', dtype: 'uint8', shape: [length] },
    ],
    train: bytes,
    steps: 40,
    batchSize: 8,
    commitEvery: 20,
    ...more,
  };
}
