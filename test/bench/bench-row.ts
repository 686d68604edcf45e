/** One measured figure. `bar` is what the project promises; `peer` is what was measured beside it in the same run. */
export interface BenchRow {
  bench: string;
  metric: string;
  value: number;
  unit: string;
  better: 'higher' | 'lower';
  bar: number | null;
  peer: string | null;
  peerValue: number | null;
}

/** Whether a figure meets its bar; a figure without a bar always does. */
export function meetsBar(row: BenchRow): boolean {
  if (row.bar === null) return true;
  return row.better === 'higher' ? row.value >= row.bar : row.value <= row.bar;
}
