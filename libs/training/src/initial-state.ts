import '@tensorflow/tfjs-backend-cpu';
import { createReferenceKernels } from '@cotrain/exact';
import { philox4x32, philoxKey, type Program, randomStreams, type Runtime, uniformFloats } from '@cotrain/protocol';
import { UnsupportedProgramError } from './errors.ts';
import { buildModel, type InitializerSpec, type ModelWeight } from './model.ts';
import { encodeState } from './state-layout.ts';
import { optimizerState } from './optimizer-slots.ts';
import { tf } from './tf.ts';

/**
 * The state before the first step: weights drawn from the seed by Philox, optimizer slots at their start.
 * Only exact operations are used (no logarithm or cosine), so that every machine computes the same bytes.
 * @param runtime exact/1 makes values of its own of what an initializer asks for (docs/exact-1.md, section 2)
 * @throws UnsupportedProgramError for an initializer that is not supported
 */
export async function buildInitialState(
  program: Program,
  seed: bigint,
  runtime: Runtime = 'tfjs/1',
): Promise<Uint8Array> {
  // No arithmetic of TensorFlow.js is used here, but its variables live on some backend.
  if (!tf.getBackend()) await tf.setBackend('cpu');
  const built = await buildModel(program);
  try {
    const weights = built.weights.map((weight, index) => initialWeight(weight, seed, index));
    const kernels = runtime === 'exact/1' ? createReferenceKernels() : null;
    for (const values of weights) kernels?.normalise(values, values);
    return encodeState(weights, optimizerState(program.optimizer, built.weights));
  } finally {
    built.dispose();
  }
}

function initialWeight({ name, shape, initializer }: ModelWeight, seed: bigint, substream: number): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const { className, config } = initializer;
  const number = (key: string, fallback: number): number => (typeof config[key] === 'number' ? config[key] : fallback);
  const uniform = (low: number, high: number): Float32Array =>
    uniformFloats(seed, randomStreams.initialState, substream, 0, count).map((u) => low + (high - low) * u);
  const normal = (mean: number, deviation: number, truncated: boolean): Float32Array =>
    normalFloats(seed, substream, count, truncated).map((z) => mean + deviation * z);
  switch (className) {
    case 'Zeros':
      return new Float32Array(count);
    case 'Ones':
      return new Float32Array(count).fill(1);
    case 'Constant':
      return new Float32Array(count).fill(number('value', 0));
    case 'RandomUniform':
      return uniform(number('minval', -0.05), number('maxval', 0.05));
    case 'RandomNormal':
      return normal(number('mean', 0), number('stddev', 0.05), false);
    case 'TruncatedNormal':
      return normal(number('mean', 0), number('stddev', 0.05), true);
    case 'VarianceScaling': {
      const variance = scaledVariance(shape, initializer);
      return config['distribution'] === 'uniform'
        ? uniform(-Math.sqrt(3 * variance), Math.sqrt(3 * variance))
        : normal(0, Math.sqrt(variance), true);
    }
    case 'CustomInit': {
      // The forget gate's bias of an LSTM: the second quarter is one.
      return new Float32Array(count).fill(1, count / 4, count / 2);
    }
    default:
      throw new UnsupportedProgramError(
        `Program: the initializer of ${name} is ${className}, which is not supported: use glorotUniform or another of variance scaling.`,
      );
  }
}

function scaledVariance(shape: number[], { config }: InitializerSpec): number {
  const receptive = shape.slice(0, -2).reduce((product, size) => product * size, 1);
  const fanIn = shape.length < 2 ? (shape[0] ?? 1) : receptive * (shape.at(-2) ?? 1);
  const fanOut = shape.length < 2 ? (shape[0] ?? 1) : receptive * (shape.at(-1) ?? 1);
  const fan = config['mode'] === 'fanIn' ? fanIn : config['mode'] === 'fanOut' ? fanOut : (fanIn + fanOut) / 2;
  return (typeof config['scale'] === 'number' ? config['scale'] : 1) / Math.max(1, fan);
}

/** Sum of twelve uniform numbers less six: mean 0, deviation 1, close to normal. Truncation draws again beyond 2. */
function normalFloats(seed: bigint, substream: number, count: number, truncated: boolean): Float32Array {
  const key = philoxKey(seed);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    for (let attempt = 0; attempt < 16; attempt++) {
      let sum = 0;
      for (let group = 0; group < 3; group++) {
        const words = philox4x32([i, 1 + attempt * 3 + group, substream, randomStreams.initialState], key);
        for (const word of words) sum += word / 2 ** 32;
      }
      values[i] = sum - 6;
      if (!truncated || Math.abs(sum - 6) <= 2) break;
      values[i] = 0;
    }
  }
  return values;
}
