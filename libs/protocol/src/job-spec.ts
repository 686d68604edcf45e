import { z } from 'zod';
import {
  finiteNumber,
  nameSchema,
  positiveInteger,
  referenceSchema,
  textSchema,
  uint64Decimal,
} from './bounded-schema.ts';
import { InvalidDocumentError } from './errors.ts';
import { type JobHeader, MAX_BATCH_SIZE, MAX_COMMIT_EVERY, MAX_STEPS } from './job-header.ts';
import { documentFormat } from './schema-document.ts';

/** TensorFlow.js backends in the order in which a trainer prefers them. */
export const backendNames = ['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu'] as const;
export type BackendName = (typeof backendNames)[number];

/** How numbers are computed: `tfjs/1` is TensorFlow.js float32, which differs between devices. */
export const runtimes = ['tfjs/1', 'exact/1'] as const;
export type Runtime = (typeof runtimes)[number];

const tolerance = z.strictObject({
  /** Largest difference of one parameter that is always accepted. */
  absolute: finiteNumber.min(0).max(1),
  /** Largest difference relative to the committed value. */
  relative: finiteNumber.min(0).max(1),
  /** Bound on the root mean square difference, summed over the checked segments. */
  drift: finiteNumber.min(0).max(1),
});

const jobSpecSchema = z.strictObject({
  version: z.literal('cotrain.job/1'),
  name: nameSchema,
  description: textSchema.optional(),
  runtime: z.enum(runtimes),
  dataset: z.strictObject({
    manifestReference: referenceSchema,
    trainSplit: nameSchema,
    testSplit: nameSchema.optional(),
  }),
  programReference: referenceSchema,
  initialStateReference: referenceSchema,
  seed: uint64Decimal,
  steps: positiveInteger(MAX_STEPS),
  batchSize: positiveInteger(MAX_BATCH_SIZE),
  commitEvery: positiveInteger(MAX_COMMIT_EVERY),
  checkpointEvery: positiveInteger(MAX_STEPS),
  evaluateEvery: positiveInteger(MAX_STEPS).optional(),
  backends: z.array(z.enum(backendNames)).min(1).max(backendNames.length),
  resources: z.strictObject({
    gpuMemoryMiB: z
      .number()
      .int()
      .min(0)
      .max(2 ** 24),
    gpuCount: z.number().int().min(0).max(1_024),
    cpuMilli: positiveInteger(1_024_000),
    memoryMiB: positiveInteger(2 ** 24),
    estimatedGpuSeconds: positiveInteger(10 ** 9),
  }),
  deadlineSeconds: positiveInteger(10 ** 9),
  tolerance,
});

/** The document that an offer points to: what to train, on what, how, and what it needs. */
export type JobSpec = z.infer<typeof jobSpecSchema>;
export type Tolerance = z.infer<typeof tolerance>;

export const JOB_SPEC_MAX_BYTES = 65_536;
export const jobSpecFormat = documentFormat<JobSpec>(jobSpecSchema as z.ZodType<JobSpec>, {
  document: 'JobSpec',
  maxBytes: JOB_SPEC_MAX_BYTES,
});
export const encodeJobSpec = jobSpecFormat.encode;
export const decodeJobSpec = jobSpecFormat.decode;

/**
 * A JobSpec repeats what the JobHeader fixes, for people to read; the two must say the same.
 * @throws InvalidDocumentError naming the field that differs
 */
export function checkSpecAgainstHeader(spec: JobSpec, header: JobHeader): void {
  const pairs: [string, string, string][] = [
    ['programReference', spec.programReference, header.programReference],
    ['initialStateReference', spec.initialStateReference, header.initialStateReference],
    ['seed', spec.seed, String(header.seed)],
    ['steps', String(spec.steps), String(header.steps)],
    ['batchSize', String(spec.batchSize), String(header.batchSize)],
    ['commitEvery', String(spec.commitEvery), String(header.commitEvery)],
  ];
  for (const [field, inSpec, inHeader] of pairs) {
    if (inSpec !== inHeader)
      throw new InvalidDocumentError('JobSpec', field, `is ${inSpec}, but the offer's JobHeader says ${inHeader}.`);
  }
}
