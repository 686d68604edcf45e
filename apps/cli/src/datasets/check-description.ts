import { canonicalJson, decodeDatasetManifest, rowBytes, type ViewColumn } from '@cotrain/protocol';

/**
 * Checks what will be in the manifest before anything is uploaded: a refusal after an hour would come late.
 * @throws InvalidDocumentError naming the field
 */
export function checkDescription(description: object, columns: unknown): ViewColumn[] {
  const manifest = {
    version: 'cotrain.dataset/1',
    ...description,
    columns,
    // Only the columns are in question; this split stands for those to come.
    splits: { train: { viewReference: `0x${'0'.repeat(64)}`, rows: 1, rowBytes: strideOf(columns) } },
  };
  return decodeDatasetManifest(canonicalJson(manifest, 64)).columns;
}

/** Of columns that may be wrong: then any number will do, because they are refused for what they are. */
function strideOf(columns: unknown): number {
  try {
    const bytes = rowBytes(columns as ViewColumn[]);
    return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : 1;
  } catch {
    return 1;
  }
}
