import { describe, expect, it } from '@jest/globals';
import { packDenseState, StepRun, streamTrace } from '@cotrain/exact';
import { chunksOf, encodeStepProgram, type Program, traceBytes, type ViewColumn } from '@cotrain/protocol';
import { ReferenceHasher, referenceOf } from '@cotrain/swarm';
import { buildInitialState } from '@cotrain/training';
import { dense, exampleProgram, sequential, xorColumns, xorJob, xorRows } from '@cotrain/training/testing';
import { deriveFromModel, type Model } from './derive-model.ts';
import { describeOperation, differences, summary } from './describe.ts';

const layer = (className: string, config: Record<string, unknown> = {}): unknown => ({
  class_name: className,
  config: { name: className.toLowerCase() + String(Object.keys(config).length), ...config },
});
const glorot = { class_name: 'GlorotUniform', config: {} };
const images: ViewColumn[] = [
  { name: 'image', role: 'input', dtype: 'uint8', shape: [8, 8, 1], scale: 1 / 255, offset: -0.5 },
  { name: 'digit', role: 'target', dtype: 'uint8', shape: [] },
];
const tokens: ViewColumn[] = [
  { name: 'tokens', role: 'input', dtype: 'uint8', shape: [32] },
  { name: 'next', role: 'target', dtype: 'uint8', shape: [32] },
];
const mnist: ViewColumn[] = [
  { name: 'image', role: 'input', dtype: 'uint8', shape: [28, 28], scale: 1 / 255 },
  { name: 'digit', role: 'target', dtype: 'uint8', shape: [] },
];
const convolution = (name: string, filters: number, more: object = {}): unknown => ({
  class_name: 'Conv2D',
  config: {
    ...{ name, filters, kernel_size: [3, 3], strides: [1, 1], padding: 'same', activation: 'relu', use_bias: true },
    ...{ kernel_initializer: glorot, bias_initializer: { class_name: 'Zeros', config: {} }, ...more },
  },
});

/** `deriveFromModel` runs a step of each and compares it with the trainer's, bit for bit. */
const models: [string, Model][] = [
  ['a dense model with dropout under adam', { document: xorJob().program, columns: xorColumns, batchSize: 6 }],
  ...(['sgd', 'momentum', 'adamw'] as const).map((kind): [string, Model] => [
    `a dense model under ${kind}`,
    {
      document: sequential(
        [dense('hidden', 5, 'gelu', { batch_input_shape: [null, 2] }), dense('class', 2, 'softmax')],
        {
          optimizer:
            kind === 'momentum'
              ? { kind, learningRate: 0.1, momentum: 0.9 }
              : ({ kind, learningRate: 0.1 } as Program['optimizer']),
        },
      ),
      columns: xorColumns,
      batchSize: 5,
    },
  ]),
  [
    'a convolutional model with batch normalisation',
    {
      document: sequential([
        convolution('first', 3, { batch_input_shape: [null, 8, 8, 1] }),
        layer('BatchNormalization', { axis: -1, epsilon: 0.001, momentum: 0.9 }),
        layer('MaxPooling2D', { pool_size: [2, 2], strides: [2, 2], padding: 'valid' }),
        convolution('second', 4, { strides: [2, 2] }),
        layer('AveragePooling2D', { pool_size: [2, 2], strides: [1, 1], padding: 'same' }),
        layer('Flatten'),
        dense('class', 10, 'softmax'),
      ]),
      columns: images,
      batchSize: 3,
    },
  ],
  [
    'a transformer',
    {
      document: exampleProgram('tiny-gpt'),
      columns: tokens,
      batchSize: 2,
    },
  ],
  [
    'a recurrent model with a loss over numbers',
    {
      document: sequential(
        [
          layer('LSTM', {
            ...{ units: 4, batch_input_shape: [null, 5, 3], activation: 'tanh', recurrent_activation: 'sigmoid' },
            ...{ kernel_initializer: glorot, recurrent_initializer: glorot, unit_forget_bias: true },
          }),
          dense('value', 2, 'linear'),
        ],
        { loss: 'meanSquaredError', metrics: [] },
      ),
      columns: [
        { name: 'series', role: 'input', dtype: 'float32', shape: [5, 3] },
        { name: 'value', role: 'target', dtype: 'float32', shape: [2] },
      ],
      batchSize: 4,
    },
  ],
  [
    'a model of two classes',
    {
      document: sequential([dense('class', 1, 'sigmoid', { batch_input_shape: [null, 2] })], {
        loss: 'binaryCrossentropy',
      }),
      columns: xorColumns,
      batchSize: 8,
    },
  ],
];

describe('deriving a program', () => {
  it.each(models)('of %s', async (_, model) => {
    const program = await deriveFromModel(model);
    expect(encodeStepProgram(await deriveFromModel(model))).toEqual(encodeStepProgram(program));
    const other = await deriveFromModel({ ...model, batchSize: model.batchSize + 1 });
    const [first] = differences(program, other, 1);
    expect(first).toEqual({ where: 'batchSize', first: model.batchSize, second: model.batchSize + 1 });
    expect(differences(program, program, 1)).toEqual([]);
    expect(summary(program).reduce((sum, { operations }) => sum + operations, 0)).toBe(program.operations.length);
    expect(describeOperation(program.operations[0]!, 0)).toMatch(/chunk 0 .* = \w+\(/);
  });

  // A change here changes every program: it breaks with those that offers have named.
  it.each([
    ['mnist-mlp', mnist, 32, '0x025a8cfa3854936044f7b3751ed3c18eff781dc4719716915895f52d5d2815f1'],
    ['tiny-gpt', tokens, 8, '0x0f54e86bce6e818b1434b525885c09268b3dd8b9a5f9d27257490e463789628e'],
  ] as const)('of the example %s has the reference that it always had', async (name, columns, batchSize, reference) => {
    const program = await deriveFromModel({ document: exampleProgram(name), columns, batchSize });
    expect(referenceOf(encodeStepProgram(program))).toBe(reference);
  });

  it('gives every chunk of the next state a chunk of the trace, whose roots are hashed as it comes', async () => {
    const { program: document } = xorJob();
    const program = await deriveFromModel({ document, columns: xorColumns, batchSize: 6 });
    const state = packDenseState(program, await buildInitialState(document, 7n, 'exact/1'));
    const hasher = new ReferenceHasher();
    const pieces: Uint8Array[] = [];
    const sink = {
      update(bytes: Uint8Array): void {
        hasher.update(bytes);
        pieces.push(bytes.slice());
      },
    };
    const after = streamTrace(new StepRun(program), { state, rows: xorRows(6), seed: 7n, step: 0 }, sink).state;
    const trace = Buffer.concat(pieces);
    expect(trace.length).toBe(traceBytes(program));
    expect(hasher.digest()).toBe(referenceOf(trace));
    expect(referenceOf(after)).not.toBe(referenceOf(state));
    for (const { offset, elements, traceChunk } of program.state)
      for (let chunk = 0; chunk < chunksOf(4 * elements); chunk++) {
        const there = trace.subarray((traceChunk + chunk) * 4096, (traceChunk + chunk + 1) * 4096);
        expect(Buffer.compare(there, after.subarray(offset + chunk * 4096, offset + (chunk + 1) * 4096))).toBe(0);
      }
  });

  it('refuses columns whose scale no operation has, by their kind', async () => {
    const columns: ViewColumn[] = [{ ...xorColumns[0]!, scale: 0.1 }, xorColumns[1]!];
    const refused = deriveFromModel({ document: xorJob().program, columns, batchSize: 4 });
    await expect(refused).rejects.toThrow('a column of float32 has a scale or an offset');
  });
});
