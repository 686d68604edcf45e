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

/**
 * How numbers are computed: `tfjs/1` is TensorFlow.js float32, which differs between devices; `exact/1` gives the same
 * bits everywhere (docs/exact-1.md).
 */
export const runtimes = ['tfjs/1', 'exact/1'] as const;
export type Runtime = (typeof runtimes)[number];

/** The one backend of `exact/1`: which implementation of it computes shows in no bit, so that no document names one. */
export const exactBackend = 'exact';
export type JobBackendName = BackendName | typeof exactBackend;
export const jobBackendNames = [...backendNames, exactBackend] as const satisfies JobBackendName[];

/** What is wrong with backends under a runtime, or null. */
export function backendMismatch(runtime: Runtime, backends: readonly JobBackendName[]): string | null {
  if (runtime === 'exact/1')
    return backends.length === 1 && backends[0] === exactBackend
      ? null
      : `${backends.join(', ')}: runtime exact/1 has the backend exact and no other`;
  return backends.includes(exactBackend) ? `exact belongs to runtime exact/1, not to ${runtime}` : null;
}

const tolerance = z.strictObject({
  /** Largest difference of one parameter that is always accepted. */
  absolute: finiteNumber.min(0).max(1),
  /** Largest difference relative to the committed value. */
  relative: finiteNumber.min(0).max(1),
  /** Bound on the root mean square difference, summed over the checked segments. */
  drift: finiteNumber.min(0).max(1),
});

const documentSchema = z.strictObject({
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
  backends: z.array(z.enum(jobBackendNames)).min(1).max(backendNames.length),
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

const jobSpecSchema = documentSchema.superRefine(({ runtime, backends, tolerance }, context) => {
  const mismatch = backendMismatch(runtime, backends);
  if (mismatch !== null) context.addIssue({ code: 'custom', path: ['backends'], message: mismatch });
  if (runtime !== 'exact/1') return;
  for (const [field, value] of Object.entries(tolerance))
    if (value !== 0)
      context.addIssue({
        code: 'custom',
        path: ['tolerance', field],
        message: `${String(value)} is given, but runtime exact/1 compares for equality: write 0`,
      });
});

/** The document that an offer points to: what to train, on what, how, and what it needs. */
export type JobSpec = z.infer<typeof documentSchema>;
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
