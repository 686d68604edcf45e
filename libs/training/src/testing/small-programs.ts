import type { Program } from '@cotrain/protocol';
import { dense, sequential, xorJob } from './small-jobs.ts';
import type { JobToPublish } from './publish-job.ts';

/** Every layer of ours in 16 tokens of 8 numbers: small enough for an implementation that is made for reading. */
export function smallTransformer(optimizer: Program['optimizer']): Partial<JobToPublish> {
  const length = 8;
  const rows = Array.from({ length: 64 }, (_, row) => {
    const tokens = Array.from({ length: length + 1 }, (_unused, i) => (row + 5 * i + ((row * i) % 3)) % 16);
    return [...tokens.slice(0, -1), ...tokens.slice(1)];
  });
  return {
    program: sequential(
      [
        {
          class_name: 'cotrain>TokenAndPositionEmbedding',
          config: {
            name: 'tokens',
            vocabulary_size: 16,
            sequence_length: length,
            output_dim: 8,
            batch_input_shape: [null, length],
            dtype: 'float32',
          },
        },
        { class_name: 'cotrain>CausalSelfAttention', config: { name: 'attention', num_heads: 2 } },
        { class_name: 'LayerNormalization', config: { name: 'norm', epsilon: 1e-5 } },
        { class_name: 'Dropout', config: { name: 'drop', rate: 0.1 } },
        dense('next', 16, 'softmax'),
      ],
      { optimizer },
    ),
    columns: [
      { name: 'tokens', role: 'input', dtype: 'uint8', shape: [length] },
      { name: 'next', role: 'target', dtype: 'uint8', shape: [length] },
    ],
    train: Uint8Array.from(rows.flat()),
    test: Uint8Array.from(rows.slice(0, 16).flat()),
    steps: 24,
    batchSize: 4,
    commitEvery: 8,
    checkpointEvery: 3,
  };
}

/** The two inputs of the exclusive or as a picture of two pixels, through layers of pictures. */
export function pictures(layers: unknown[]): Program {
  return sequential([
    {
      class_name: 'Reshape',
      config: { name: 'picture', target_shape: [1, 2, 1], batch_input_shape: [null, 2], dtype: 'float32' },
    },
    ...layers,
    { class_name: 'Flatten', config: { name: 'flat' } },
    dense('class', 2, 'softmax'),
  ]);
}

/** A job of 24 steps in segments of 8. */
export function shortJob(more: Partial<JobToPublish> = {}): JobToPublish {
  return xorJob({ steps: 24, commitEvery: 8, checkpointEvery: 3, ...more });
}
