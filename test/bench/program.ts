// How long the trace root of one training step takes beside the step itself (docs/program-1.md).
import {
  adamCoefficients,
  adamStep,
  createNativeKernels,
  createWasmKernels,
  deriveProgram,
  type ExactKernels,
  initialBetaPowers,
  kernelMachine,
  nativeIsAvailable,
  packState,
  recordStep,
  registerExactBackend,
  streamTrace,
  StepRun,
} from '@cotrain/exact';
import { tf, transformerModel } from '@cotrain/exact/testing';
import { encodeStepProgram, philox4x32, stateBytes, traceBytes } from '@cotrain/protocol';
import { ReferenceHasher } from '@cotrain/swarm';
import type { BenchRow } from './bench-row.ts';

const bench = 'program';
const barOfStep = 3;
const size = { vocabulary: 64, width: 128, heads: 4, layers: 2, length: 64 };
const batchSize = 8;
const adam = { learningRate: 0.003, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.01 };
const seed = 42n;

const row = (metric: string, value: number, unit: string, rest: Partial<BenchRow> = {}): BenchRow => ({
  ...{ bench, metric, value, unit, better: 'lower', bar: null, peer: null, peerValue: null },
  ...rest,
});

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Milliseconds of what this thread computed: other load on the machine does not count. */
function milliseconds(action: () => void): number {
  const { user, system } = process.threadCpuUsage();
  action();
  const after = process.threadCpuUsage();
  return (after.user + after.system - user - system) / 1000;
}

/** A GPT under AdamW with rows of tokens and of the tokens that follow. */
async function measure(name: string, kernels: ExactKernels): Promise<BenchRow[]> {
  const backend = registerExactBackend({ name: `program-${name}`, kernels });
  await tf.setBackend(`program-${name}`);
  const model = transformerModel(size);
  const slots = ['firstMoment', 'secondMoment'].map((slot) =>
    model.variables.map((variable, i) => ({
      name: `${slot}/w${String(i)}`,
      variable: tf.variable(tf.zeros(variable.shape), false),
    })),
  );
  const state = [...model.variables.map((variable, i) => ({ name: `w${String(i)}`, variable })), ...slots.flat()];
  const rowBytes = 2 * size.length;
  const rows = Uint8Array.from(
    { length: batchSize * rowBytes },
    (_, i) => philox4x32([i, 0, 0, 9], [1, 2])[0] % size.vocabulary,
  );
  const tokens = (first: number): tf.Tensor =>
    tf.tensor(
      Int32Array.from(
        { length: batchSize * size.length },
        (_, i) => rows[Math.floor(i / size.length) * rowBytes + first + (i % size.length)] ?? 0,
      ),
      [batchSize, size.length],
      'int32',
    );
  let powers = initialBetaPowers;
  const train = (): void => {
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => model.loss(tokens(0), tokens(size.length)), model.variables);
      const step = adamCoefficients(adam, powers);
      powers = step.powers;
      model.variables.forEach((variable, i) => {
        const [first, second] = slots.map((slot) => slot[i]?.variable) as [tf.Variable, tf.Variable];
        adamStep(variable, first, second, grads[variable.name] as tf.Tensor, step.coefficients);
      });
      value.dataSync();
    });
  };
  const columns = [0, size.length].map((offset) => ({ offset, dtype: 'uint8' as const, elements: size.length }));
  const { recording, bindings } = recordStep({
    ...{ backend, state, adam, columns, batchSize, rowBytes, rows, hasMetric: false, train },
  });
  const program = deriveProgram(recording, bindings);
  const { beta1Power, beta2Power } = powers;
  const arrays = [...state.map(({ variable }) => variable.dataSync<'float32'>()), ...[beta1Power, beta2Power].map((p) => new Float32Array([p]))]; // prettier-ignore
  const input = { state: packState(program, arrays), rows, seed, step: 1 };
  const run = new StepRun(program, kernelMachine(kernels));
  const times = { step: [] as number[], trace: [] as number[], root: [] as number[] };
  for (let round = 0; round < 5; round++) {
    times.step.push(milliseconds(train));
    times.trace.push(milliseconds(() => run.run(input)));
    times.root.push(milliseconds(() => streamTrace(run, input, new ReferenceHasher()).loss));
  }
  const [step, trace, root] = [median(times.step), median(times.trace), median(times.root)];
  const megabytes = traceBytes(program) / 1e6;
  for (const { variable } of state) variable.dispose();
  return [
    row(`GPT step, ${name}`, step, 'ms'),
    row(`its trace without hashing, ${name}`, trace, 'ms'),
    row(`its trace root, ${name}`, root, 'ms'),
    row(`trace root : step, ${name}`, root / step, 'x', { bar: barOfStep }),
    row(`trace bytes hashed, ${name}`, megabytes / ((root - trace) / 1000), 'MB/s', { better: 'higher' }),
    ...(name === 'wasm'
      ? [
          row('trace of the GPT step', megabytes, 'MB'),
          row('state of the GPT', stateBytes(program) / 1e6, 'MB'),
          row('program of the GPT', encodeStepProgram(program).length / 1e6, 'MB'),
          row('operations of the GPT', program.operations.length, ''),
        ]
      : []),
  ];
}

export async function run(): Promise<BenchRow[]> {
  tf.enableProdMode();
  const rows = await measure('wasm', createWasmKernels({ threads: 1 }));
  if (nativeIsAvailable()) rows.push(...(await measure('native', createNativeKernels({ threads: 1 }))));
  else console.log('program: the native kernels are not built here; their rows are left out');
  return rows;
}
