import { z } from 'zod';
import type { JsonValue } from './canonical-json.ts';
import { finiteNumber } from './bounded-schema.ts';
import { documentFormat } from './schema-document.ts';

const jsonObject = z.record(z.string().max(200), z.unknown()) as unknown as z.ZodType<Record<string, JsonValue>>;
const rate = finiteNumber.min(0).max(1_000);

const programSchema = z.strictObject({
  version: z.literal('cotrain.program/1'),
  /** `modelTopology` of a TensorFlow.js LayersModel: names layers, never code. */
  topology: jsonObject,
  optimizer: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('sgd'), learningRate: rate }),
    z.strictObject({ kind: z.literal('momentum'), learningRate: rate, momentum: rate }),
    z.strictObject({
      kind: z.literal('adam'),
      learningRate: rate,
      beta1: rate.optional(),
      beta2: rate.optional(),
      epsilon: rate.optional(),
    }),
    z.strictObject({
      kind: z.literal('adamw'),
      learningRate: rate,
      beta1: rate.optional(),
      beta2: rate.optional(),
      epsilon: rate.optional(),
      weightDecay: rate.optional(),
    }),
  ]),
  loss: z.enum(['sparseCategoricalCrossentropy', 'categoricalCrossentropy', 'meanSquaredError', 'binaryCrossentropy']),
  metrics: z.array(z.enum(['accuracy'])).max(1),
});

/** What one training step computes: a model, its optimizer and its loss. */
export type Program = z.infer<typeof programSchema>;

export const PROGRAM_MAX_BYTES = 2 ** 20;
export const programFormat = documentFormat<Program>(programSchema as z.ZodType<Program>, {
  document: 'Program',
  maxBytes: PROGRAM_MAX_BYTES,
  maxDepth: 64,
});
export const encodeProgram = programFormat.encode;
export const decodeProgram = programFormat.decode;
