import { z } from 'zod';
import { finiteNumber, nameSchema, positiveInteger, referenceSchema, textSchema } from './bounded-schema.ts';
import { MAX_ROW_BYTES } from './job-header.ts';
import { documentFormat } from './schema-document.ts';

const elementBytes = { uint8: 1, int32: 4, float32: 4 } as const;

const viewColumn = z.strictObject({
  name: nameSchema,
  role: z.enum(['input', 'target']),
  dtype: z.enum(['uint8', 'int32', 'float32']),
  /** Shape of one row's value, without the batch. */
  shape: z.array(positiveInteger(MAX_ROW_BYTES)).max(8),
  /** value = raw * scale + offset; 1 and 0 unless given. */
  scale: finiteNumber.optional(),
  offset: finiteNumber.optional(),
});

const split = z.strictObject({
  viewReference: referenceSchema,
  rows: positiveInteger(Number.MAX_SAFE_INTEGER),
  rowBytes: positiveInteger(MAX_ROW_BYTES),
});

const manifestSchema = z
  .strictObject({
    version: z.literal('cotrain.dataset/1'),
    name: nameSchema,
    description: textSchema.optional(),
    license: nameSchema,
    parent: referenceSchema.optional(),
    provenance: textSchema.optional(),
    columns: z.array(viewColumn).min(1).max(64),
    splits: z.record(nameSchema, split),
  })
  .superRefine((manifest, context) => {
    const stride = rowBytes(manifest.columns);
    const names = new Set(manifest.columns.map((column) => column.name));
    if (names.size !== manifest.columns.length)
      context.addIssue({ code: 'custom', path: ['columns'], message: 'two columns have the same name' });
    if (!(stride <= MAX_ROW_BYTES))
      context.addIssue({
        code: 'custom',
        path: ['columns'],
        message: `a row has more than ${String(MAX_ROW_BYTES)} bytes`,
      });
    const entries = Object.entries(manifest.splits);
    if (entries.length < 1 || entries.length > 16)
      context.addIssue({ code: 'custom', path: ['splits'], message: 'there must be 1 to 16 splits' });
    for (const [name, { rowBytes: declared }] of entries) {
      if (declared !== stride)
        context.addIssue({
          code: 'custom',
          path: ['splits', name, 'rowBytes'],
          message: `is ${String(declared)}, but the columns have ${String(stride)} bytes`,
        });
    }
  });

/** One column of a training view. */
export type ViewColumn = z.infer<typeof viewColumn>;
export type DatasetSplit = z.infer<typeof split>;
/** A version of a dataset: what its rows mean and where they are. */
export type DatasetManifest = z.infer<typeof manifestSchema>;

export const DATASET_MANIFEST_MAX_BYTES = 2 ** 20;
export const datasetManifestFormat = documentFormat<DatasetManifest>(manifestSchema as z.ZodType<DatasetManifest>, {
  document: 'DatasetManifest',
  maxBytes: DATASET_MANIFEST_MAX_BYTES,
});
export const encodeDatasetManifest = datasetManifestFormat.encode;
export const decodeDatasetManifest = datasetManifestFormat.decode;

/** Number of values in one row of a column. */
export function columnElements(column: Pick<ViewColumn, 'shape'>): number {
  return column.shape.reduce((product, size) => product * size, 1);
}

/** Stride of a training view: its columns concatenated, without padding. */
export function rowBytes(columns: readonly Pick<ViewColumn, 'dtype' | 'shape'>[]): number {
  return columns.reduce((sum, column) => sum + columnElements(column) * elementBytes[column.dtype], 0);
}
