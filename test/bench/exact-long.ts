import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LongRun, TaskName } from '@cotrain/exact/testing';
import type { BenchRow } from './bench-row.ts';

const execute = promisify(execFile);
const exact = join(import.meta.dirname, '../../libs/exact');

/**
 * WebAssembly from AssemblyScript; C++ for products and convolutions, with AVX-512 or whatever the machine has; exact/1
 * composed of TensorFlow's own kernels, and of XNNPACK's in TensorFlow.js WASM.
 */
const implementations = ['wasm-relaxed', 'native', 'tfjs-node', 'tfjs-wasm'];

interface Committed {
  steps: number;
  hash: string;
}

async function longRun(task: string, implementation: string): Promise<LongRun | null> {
  const script = join(exact, 'test', 'long-run.ts');
  try {
    const { stdout } = await execute(process.execPath, ['--expose-gc', script, task, implementation]);
    return JSON.parse(stdout.slice(stdout.lastIndexOf('\n{') + 1)) as LongRun;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    // What this machine lacks is said and left out; anything else is a failure of the bench.
    const missing = /(NativeUnavailableError|TfjsNodeUnavailableError): .*/.exec(stderr ?? '')?.[0];
    if (missing === undefined) throw error;
    console.log(`exact-long: ${implementation} is left out: ${missing}`);
    return null;
  }
}

/**
 * Thousands of steps of three models on real data (MNIST, Fashion-MNIST, the Brown corpus), on implementations of which
 * three share no arithmetic: every weight, moment and loss has the bits whose hash is committed.
 */
export async function run(): Promise<BenchRow[]> {
  const file = join(exact, 'test', 'long-runs.json');
  const committed = JSON.parse(readFileSync(file, 'utf8')) as Record<TaskName, Committed>;
  const rows: BenchRow[] = [];
  for (const [task, { steps, hash }] of Object.entries(committed))
    for (const implementation of implementations) {
      console.log(`exact-long: ${task} on ${implementation} for ${steps.toLocaleString('en')} steps ...`);
      const result = await longRun(task, implementation);
      if (result === null) continue;
      const row = { bench: 'exact-long', peer: null, peerValue: null };
      const metric = `${task}, ${steps.toLocaleString('en')} steps, ${implementation}`;
      const lower = { ...row, better: 'lower' as const };
      rows.push(
        {
          ...lower,
          metric: `${metric}: differs from the committed hash`,
          value: Number(result.hash !== hash),
          unit: '',
          bar: 0,
        },
        {
          ...row,
          metric: `${metric}: speed`,
          value: result.stepsPerSecond,
          unit: 'steps/s',
          better: 'higher',
          bar: null,
        },
        { ...lower, metric: `${metric}: tensors left behind`, value: result.tensorGrowth, unit: '', bar: 0 },
        {
          ...lower,
          metric: `${metric}: RSS growth in the second half`,
          value: result.rssGrowthMiB,
          unit: 'MiB',
          bar: 32,
        },
      );
    }
  return rows;
}
