import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import {
  createNativeKernels,
  createWasmKernels,
  type ExactKernels,
  loadTfjsNode,
  nativeIsAvailable,
  registerExactBackend,
  TfjsNodeUnavailableError,
  type WasmKernels,
} from '@cotrain/exact';
import { convolutionalModel, denseModel, type TestModel, tf, transformerModel } from '@cotrain/exact/testing';
import type { BenchRow } from './bench-row.ts';

const bench = 'exact';
const tfWasm = 'TF.js WASM float32';
const tfNode = 'tfjs-node float32 (oneDNN)';

/** What computes, by the name that rows carry. All have their own memory, so all stay alive. */
interface Contender {
  name: string;
  kernels: WasmKernels;
}

function contenders(threads: number): Contender[] {
  const wasm = (variant: 'simd' | 'relaxed'): Contender => {
    const kernels = createWasmKernels({ variant, threads });
    return { name: `WASM ${variant} (${kernels.packedFormat})`, kernels };
  };
  const list = [wasm('simd'), wasm('relaxed')];
  if (!nativeIsAvailable()) {
    console.log('exact: the native kernels are not built here; their rows are left out');
    return list;
  }
  const kernels = createNativeKernels({ threads });
  return [...list, { name: `native ${kernels.nativeKernel}`, kernels }];
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Milliseconds of each round: on the clock, and of the calling thread's own computing. */
interface Taken {
  wallMs: number[];
  cpuMs: number[];
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Systems count a thread's computing in ticks of some milliseconds: short work is repeated until it is long enough. */
const leastMs = 60;

/** Runs all in turn, round by round, because the machine's other load changes. */
function inTurn(work: Map<string, () => void>, rounds: number): Map<string, Taken> {
  const taken = new Map<string, Taken>([...work.keys()].map((name) => [name, { wallMs: [], cpuMs: [] }]));
  const repetitions = new Map<string, number>();
  for (const [name, run] of work) {
    const warm = [0, 1, 2, 3].map(() => {
      const startedMs = performance.now();
      run();
      return performance.now() - startedMs;
    });
    repetitions.set(name, Math.ceil(leastMs / Math.min(...warm)));
  }
  for (let round = 0; round < rounds; round++)
    for (const [name, run] of work) {
      const count = repetitions.get(name) ?? 1;
      const startedMs = performance.now();
      const startedCpuMs = cpuMs();
      for (let i = 0; i < count; i++) run();
      taken.get(name)?.cpuMs.push((cpuMs() - startedCpuMs) / count);
      taken.get(name)?.wallMs.push((performance.now() - startedMs) / count);
    }
  return taken;
}

/** One thread is measured by its own computing, which other processes disturb least; several by the clock. */
const times = (taken: Map<string, Taken>, name: string, threads: number): number[] =>
  taken.get(name)?.[threads === 1 ? 'cpuMs' : 'wallMs'] ?? [];

/** How many times as fast as a peer, in the rounds' median. */
function speedup(taken: Map<string, Taken>, peer: string, name: string, threads: number): number {
  const peerMs = times(taken, peer, threads);
  return median(times(taken, name, threads).map((ms, round) => (peerMs[round] ?? Number.NaN) / ms));
}

interface Peer {
  name: string;
  backend: string;
}

/** TensorFlow.js's own backends that this machine has. */
async function peers(threads: number): Promise<Peer[]> {
  // TensorFlow.js WASM has one thread under Node.
  setThreadsCount(1);
  process.env['TF_NUM_INTRAOP_THREADS'] = String(threads);
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  await tf.setBackend('wasm');
  await tf.ready();
  const list: Peer[] = [{ name: tfWasm, backend: 'wasm' }];
  // Not a dependency: it is measured where somebody installed it (npm run tfjs-node).
  try {
    await loadTfjsNode();
    list.push({ name: tfNode, backend: 'tensorflow' });
  } catch (error) {
    if (!(error instanceof TfjsNodeUnavailableError)) throw error;
    console.log(`exact: its columns are left out: ${error.message}`);
  }
  return list;
}

/** Bars of a product by contender and peer; see the README. */
function productBar(contender: Contender, peer: string, threads: number): number | null {
  if (threads > 1) return null;
  if (contender.name.startsWith('native')) return peer === tfNode ? 1.8 : null;
  if (peer !== tfWasm) return null;
  return contender.name.startsWith('WASM relaxed') ? 2.8 : 2.5;
}

/** Packing, quantisation, product and rescaling of two square matrices of floats. */
async function products(all: Contender[], others: Peer[], threads: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [side, rounds] of [
    [512, 9],
    [2048, 5],
  ] as const) {
    const values = Float32Array.from({ length: side * side }, (_, i) => Math.sin(i) * 2 ** ((i * 7) % 5));
    const work = new Map<string, () => void>();
    const tensors: tf.Tensor[] = [];
    for (const { name, backend } of others) {
      await tf.setBackend(backend);
      const [a, b] = [tf.tensor2d(values, [side, side]), tf.tensor2d(values, [side, side])];
      tensors.push(a, b);
      work.set(name, () => {
        void tf.setBackend(backend);
        tf.matMul(a, b).dispose();
      });
    }
    const shape = { batch: 1, m: side, k: side, n: side, transposeA: false, transposeB: false };
    const arrays: [ExactKernels, Float32Array][] = [];
    for (const { name, kernels } of all) {
      const [a, b, out] = [0, 1, 2].map(() => kernels.allocate('float32', side * side)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      a.set(values);
      b.set(values);
      for (const array of [a, b, out]) arrays.push([kernels, array]);
      work.set(name, () => {
        kernels.matMul(out, a, b, { ...shape, aBatchStride: 0, bBatchStride: 0 });
      });
    }
    const taken = inTurn(work, rounds);
    const products = side ** 3;
    for (const contender of all) {
      const own = times(taken, contender.name, threads);
      const metric = `${String(side)}³, ${contender.name}, ${threadCount(threads)}`;
      rows.push({
        ...{
          bench,
          metric: `product ${metric}`,
          value: products / median(own) / 1e6,
          unit: 'GMAC/s',
          better: 'higher',
        },
        ...{ bar: null, peer: tfWasm, peerValue: products / median(times(taken, tfWasm, threads)) / 1e6 },
      });
      for (const { name } of others)
        rows.push({
          ...{
            bench,
            metric: `product ${metric}, beside ${name}`,
            value: speedup(taken, name, contender.name, threads),
          },
          ...{ unit: 'x', better: 'higher', bar: productBar(contender, name, threads), peer: null, peerValue: null },
        });
    }
    for (const [kernels, array] of arrays) kernels.free(array);
    tf.dispose(tensors);
  }
  return rows;
}

const threadCount = (threads: number): string => (threads === 1 ? '1 thread' : `${String(threads)} threads`);

interface Training {
  name: string;
  rounds: number;
  make: () => TestModel;
  batch: () => [x: tf.Tensor, y: tf.Tensor];
}

const images = (): [tf.Tensor, tf.Tensor] => [
  tf.tensor2d(
    Float32Array.from({ length: 64 * 784 }, (_, i) => Math.max(0, Math.sin(i * 0.37))),
    [64, 784],
  ),
  tf.tensor1d(
    Int32Array.from({ length: 64 }, (_, i) => i % 10),
    'int32',
  ),
];
const ids = (factor: number): tf.Tensor =>
  tf.tensor2d(
    Int32Array.from({ length: 1024 }, (_, i) => (i * factor) % 96),
    [16, 64],
    'int32',
  );

const trainings: Training[] = [
  { name: 'MLP 784-256-128-10, batch 64', rounds: 9, make: () => denseModel([784, 256, 128, 10]), batch: images },
  { name: 'CNN 16-32, batch 64', rounds: 9, make: () => convolutionalModel([16, 32]), batch: images },
  {
    name: 'GPT d=128, T=64, batch 16',
    rounds: 7,
    make: () => transformerModel({ vocabulary: 96, width: 128, heads: 4, layers: 2, length: 64 }),
    batch: () => [ids(7), ids(5)],
  },
];

/** A step of Adam on a batch: forward, backward, update, and the loss is read. */
async function prepareStep(backend: string, { make, batch }: Training): Promise<() => void> {
  await tf.setBackend(backend);
  await tf.ready();
  const model = make();
  const [x, y] = batch();
  const optimizer = tf.train.adam(1e-3);
  const step = (): void => {
    void tf.setBackend(backend);
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => model.loss(x, y), model.variables);
      optimizer.applyGradients(model.variables.map(({ name }) => ({ name, tensor: grads[name] as tf.Tensor })));
      value.dataSync();
    });
  };
  step();
  return step;
}

function trainingBar(contender: Contender, peer: string, threads: number): number | null {
  if (threads > 1 || contender.name.startsWith('WASM simd')) return null;
  if (contender.name.startsWith('native')) return peer === tfNode ? 1.2 : null;
  return peer === tfWasm ? 3 : 0.8;
}

/** Bytes that TF.js WASM's memory has grown to. */
function wasmHeapBytes(): number {
  const backend = tf.engine().findBackend('wasm') as unknown as { wasm: { HEAPU8: Uint8Array } };
  return backend.wasm.HEAPU8.byteLength;
}

async function steps(all: Contender[], others: Peer[], threads: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const { name, kernels } of all) registerExactBackend({ name: `exact ${name}`, kernels });
  for (const training of trainings) {
    const work = new Map<string, () => void>();
    for (const { name, backend } of others)
      try {
        work.set(name, await prepareStep(backend, training));
      } catch (error) {
        if (!/not registered for backend/.test((error as Error).message)) throw error;
        console.log(`exact: ${name} cannot train the ${training.name}: ${(error as Error).message}`);
      }
    for (const { name } of all) work.set(name, await prepareStep(`exact ${name}`, training));
    const taken = inTurn(work, training.rounds);
    for (const contender of all) {
      const own = times(taken, contender.name, threads);
      const metric = `${training.name}, ${contender.name}, ${threadCount(threads)}`;
      rows.push({
        ...{ bench, metric, value: 1000 / median(own), unit: 'steps/s', better: 'higher', bar: null },
        ...(work.has(tfWasm)
          ? { peer: tfWasm, peerValue: 1000 / median(times(taken, tfWasm, threads)) }
          : { peer: null, peerValue: null }),
      });
      for (const { name } of others.filter((peer) => work.has(peer.name)))
        rows.push({
          ...{
            bench,
            metric: `${metric}, beside ${name}`,
            value: speedup(taken, name, contender.name, threads),
            unit: 'x',
          },
          ...{ better: 'higher', bar: trainingBar(contender, name, threads), peer: null, peerValue: null },
        });
    }
  }
  return rows;
}

/** Memory of fresh instances after some steps. The MLP is what TF.js WASM can train. */
async function memory(training: Training): Promise<BenchRow> {
  const kernels = createWasmKernels();
  registerExactBackend({ name: 'exact for memory', kernels });
  for (const backend of ['wasm', 'exact for memory']) {
    const step = await prepareStep(backend, training);
    for (let i = 0; i < 20; i++) step();
  }
  return {
    ...{ bench, metric: `memory of the ${training.name}, beside ${tfWasm}`, unit: 'x', better: 'lower', bar: 1.5 },
    ...{ value: kernels.memoryUsage().reservedBytes / wasmHeapBytes(), peer: null, peerValue: null },
  };
}

/** What the recorder costs each step while nobody observes: its part of a kernel call, times the calls of a step. */
async function recordingWhenOff(training: Training): Promise<BenchRow> {
  const kernels = createWasmKernels({ threads: 1 });
  const backend = registerExactBackend({ name: 'exact for recording', kernels });
  const step = await prepareStep('exact for recording', training);
  let calls = 0;
  backend.observe({ onOperation: () => void calls++ });
  step();
  backend.observe(null);
  const times = 1_000_000;
  const nothing: [] = [];
  const elapsedMs = (run: () => unknown): number => {
    const startedMs = performance.now();
    for (let i = 0; i < times; i++) run();
    return performance.now() - startedMs;
  };
  const work = (): [] => nothing;
  const rounds = Array.from(
    { length: 5 },
    () => elapsedMs(() => backend.call('', {}, undefined, work)) - elapsedMs(work),
  );
  const stepMs = median(
    Array.from({ length: 60 }, () => {
      const startedMs = performance.now();
      step();
      return performance.now() - startedMs;
    }),
  );
  await kernels.dispose();
  return {
    ...{ bench, metric: `recording when off, ${training.name}, ${String(calls)} kernel calls`, unit: '% of a step' },
    ...{
      value: ((median(rounds) / times) * calls * 100) / stepMs,
      better: 'lower',
      bar: 2,
      peer: null,
      peerValue: null,
    },
  };
}

/** Speed of exact/1 beside TensorFlow.js in float32, with as many threads on either side, in one process. */
export async function exactFigures(threads: number): Promise<BenchRow[]> {
  tf.enableProdMode();
  const others = await peers(threads);
  const rows: BenchRow[] = [];
  // First, before anything else has made TF.js WASM's memory grow.
  if (threads === 1) {
    rows.push(await memory(trainings[0] as Training));
    for (const training of trainings) rows.push(await recordingWhenOff(training));
  }
  const all = contenders(threads);
  try {
    return [...rows, ...(await steps(all, others, threads)), ...(await products(all, others, threads))];
  } finally {
    for (const { kernels } of all) await kernels.dispose();
  }
}
