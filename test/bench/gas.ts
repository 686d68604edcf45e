import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchRow } from './bench-row.ts';

/** Reports the committed gas snapshot, which the contracts' tests hold to within 2 % of what they measure. */
export async function run(): Promise<BenchRow[]> {
  const file = join(import.meta.dirname, '../../contracts/gas-snapshot.json');
  if (!existsSync(file))
    throw new Error('contracts/gas-snapshot.json is missing: run `node contracts/scripts/test.ts --update`');
  const snapshot = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>;
  return Promise.resolve(
    Object.entries(snapshot).map(([metric, value]) => ({
      bench: 'gas',
      metric,
      value,
      unit: 'gas',
      better: 'lower' as const,
      bar: null,
      peer: null,
      peerValue: null,
    })),
  );
}
