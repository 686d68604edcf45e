import { columnElements, rowBytes, type ViewColumn } from './dataset-manifest.ts';
import { InvalidDocumentError, OutOfRangeError } from './errors.ts';

/** Values of one column, one row or more, row after row; integer columns without scale stay integers. */
export type ColumnValues = Float32Array | Int32Array;

/**
 * Reads rows of a training view. Columns lie one after the other in a row, little-endian.
 * @returns for each column its `rowCount * elements` values
 * @throws OutOfRangeError when `bytes` is not exactly `rowCount` rows
 */
export function decodeRows(
  columns: readonly ViewColumn[],
  bytes: Uint8Array,
  rowCount: number,
): Map<string, ColumnValues> {
  const stride = rowBytes(columns);
  if (bytes.length !== stride * rowCount)
    throw new OutOfRangeError('bytes of the rows', bytes.length, `${String(rowCount)} rows of ${String(stride)} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Map<string, ColumnValues>();
  let columnOffset = 0;
  for (const column of columns) {
    const elements = columnElements(column);
    const { scale = 1, offset = 0, dtype } = column;
    const isInteger = dtype !== 'float32' && scale === 1 && offset === 0;
    const out = isInteger ? new Int32Array(rowCount * elements) : new Float32Array(rowCount * elements);
    for (let row = 0; row < rowCount; row++) {
      const start = row * stride + columnOffset;
      const target = row * elements;
      // The three loops are written out: this runs for every element of every batch.
      if (dtype === 'uint8')
        for (let i = 0; i < elements; i++) out[target + i] = (bytes[start + i] ?? 0) * scale + offset;
      else if (dtype === 'int32')
        for (let i = 0; i < elements; i++) out[target + i] = view.getInt32(start + 4 * i, true) * scale + offset;
      else for (let i = 0; i < elements; i++) out[target + i] = view.getFloat32(start + 4 * i, true) * scale + offset;
    }
    values.set(column.name, out);
    columnOffset += elements * (dtype === 'uint8' ? 1 : 4);
  }
  return values;
}

/**
 * Writes one row of a training view from raw (unscaled) values.
 * @throws InvalidDocumentError when a column is missing, has another size, or a value does not fit its type
 */
export function encodeRow(columns: readonly ViewColumn[], row: ReadonlyMap<string, ArrayLike<number>>): Uint8Array {
  const bytes = new Uint8Array(rowBytes(columns));
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const column of columns) {
    const values = row.get(column.name);
    const elements = columnElements(column);
    if (values?.length !== elements)
      throw new InvalidDocumentError(
        'row',
        column.name,
        `has ${String(values?.length ?? 0)} values instead of ${String(elements)}.`,
      );
    for (let i = 0; i < elements; i++) {
      const value = values[i] ?? Number.NaN;
      if (!fits(column.dtype, value))
        throw new InvalidDocumentError(
          'row',
          `${column.name}[${String(i)}]`,
          `is ${String(value)}, which is no ${column.dtype}.`,
        );
      if (column.dtype === 'uint8') bytes[offset++] = value;
      else {
        if (column.dtype === 'int32') view.setInt32(offset, value, true);
        else view.setFloat32(offset, value, true);
        offset += 4;
      }
    }
  }
  return bytes;
}

function fits(dtype: ViewColumn['dtype'], value: number): boolean {
  if (dtype === 'float32') return Number.isFinite(value) && Number.isFinite(Math.fround(value));
  return (
    Number.isInteger(value) && (dtype === 'uint8' ? value >= 0 && value <= 255 : value >= -(2 ** 31) && value < 2 ** 31)
  );
}
