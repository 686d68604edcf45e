// Trains one task for thousands of steps and prints what came of it: node --expose-gc test/long-run.ts TASK IMPLEMENTATION [STEPS].
// Bench exact-long compares the hash with libs/exact/test/long-runs.json, on several implementations.
import { createHash } from 'node:crypto';
import { registerExactBackend } from '../src/backend/register.ts';
import { adamStep } from '../src/backend/training.ts';
import { adamCoefficients, initialBetaPowers } from '../src/adam-coefficients.ts';
import type { ExactKernels } from '../src/kernels.ts';
import { createNativeKernels } from '../src/native/native-kernels.ts';
import { createReferenceKernels } from '../src/reference/reference-kernels.ts';
import { createWasmKernels } from '../src/wasm/wasm-kernels.ts';
import { composedBackend, type ComposedName, tf } from './backends.ts';
import { makeTask, type TaskName, taskNames } from './tasks.ts';

/** A backend of TensorFlow.js, by its name. */
interface Registered {
  name: string;
  dispose(): void | Promise<void>;
}

function onKernels(kernels: ExactKernels): Registered {
  registerExactBackend({ kernels });
  return { name: 'exact', dispose: () => kernels.dispose() };
}

async function onInner(name: ComposedName): Promise<Registered> {
  const backend = await composedBackend(name);
  return {
    name,
    dispose: () => {
      backend.dispose();
    },
  };
}

/**
 * What can compute exact/1. Arithmetic of its own have: `wasm-*` (AssemblyScript), `tfjs-node` (TensorFlow's kernels),
 * `tfjs-wasm` (XNNPACK's) and `reference` (JavaScript). `native` has its own products and convolutions (C++), the rest
 * is that of `wasm-*`.
 */
const implementations: Record<string, () => Registered | Promise<Registered>> = {
  reference: () => onKernels(createReferenceKernels()),
  'wasm-scalar': () => onKernels(createWasmKernels({ variant: 'scalar', threads: 1 })),
  'wasm-simd': () => onKernels(createWasmKernels({ variant: 'simd', threads: 1 })),
  'wasm-relaxed': () => onKernels(createWasmKernels({ variant: 'relaxed', threads: 2 })),
  native: () => onKernels(createNativeKernels({ threads: 2 })),
  'tfjs-wasm': () => onInner('exact-on-wasm'),
  'tfjs-node': () => onInner('exact-on-tensorflow'),
};

/** Steps whose numbers the committed hashes are of. */
export const longSteps: Record<TaskName, number> = { mlp: 10_000, cnn: 2_000, gpt: 1_000 };

export interface LongRun {
  task: TaskName;
  implementation: string;
  steps: number;
  /** SHA-256 of all weights' and moments' bits in order, and of every step's loss. */
  hash: string;
  lastLoss: number;
  validation: number;
  stepsPerSecond: number;
  /** From the middle of the run to its end: what steps leave behind. */
  rssGrowthMiB: number;
  tensorGrowth: number;
}

async function longRun(name: TaskName, implementation: string, steps: number): Promise<LongRun> {
  const registered = await implementations[implementation]?.();
  if (registered === undefined) throw new Error(`IMPLEMENTATION is one of ${Object.keys(implementations).join(', ')}`);
  await tf.setBackend(registered.name);
  await tf.ready();
  const { model, rate, batch, validate } = await makeTask(name, 1);
  const moments = [0, 1].map(() => model.variables.map((weight) => tf.variable(tf.zeros(weight.shape), false)));
  const options = { learningRate: rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0 };
  const hash = createHash('sha256');
  let powers = initialBetaPowers;
  let loss = new Float32Array(1);
  const settled = { rss: 0, tensors: 0 };
  const started = performance.now();
  for (let step = 0; step < steps; step++) {
    if (step === Math.floor(steps / 2)) {
      globalThis.gc?.();
      Object.assign(settled, { rss: process.memoryUsage.rss(), tensors: tf.memory().numTensors });
    }
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => model.loss(...batch()), model.variables);
      const next = adamCoefficients(options, powers);
      powers = next.powers;
      model.variables.forEach((weight, i) => {
        adamStep(weight, moments[0]![i]!, moments[1]![i]!, grads[weight.name]!, next.coefficients);
      });
      loss = value.dataSync<'float32'>().slice();
    });
    hash.update(new Uint8Array(loss.buffer));
  }
  const seconds = (performance.now() - started) / 1000;
  globalThis.gc?.();
  const grown = {
    rssGrowthMiB: (process.memoryUsage.rss() - settled.rss) / 2 ** 20,
    tensorGrowth: tf.memory().numTensors - settled.tensors,
  };
  for (const variable of [...model.variables, ...moments.flat()])
    hash.update(new Uint8Array(variable.dataSync<'float32'>().slice().buffer));
  const run = { hash: hash.digest('hex'), lastLoss: loss[0]!, validation: validate() };
  await registered.dispose();
  return { task: name, implementation, steps, ...run, stepsPerSecond: steps / seconds, ...grown };
}

if (import.meta.main) {
  const [task, implementation, steps] = process.argv.slice(2) as [TaskName, string, string | undefined];
  if (!taskNames.includes(task)) throw new Error(`TASK is one of ${taskNames.join(', ')}`);
  tf.enableProdMode();
  console.log(JSON.stringify(await longRun(task, implementation, Number(steps ?? longSteps[task]))));
  process.exit(0);
}
