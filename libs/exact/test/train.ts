// Trains a test model and prints {losses, hash}: node test/train.ts MODEL BACKEND [STEPS]. Outside of Jest, whose contexts are slow.
import { createHash } from 'node:crypto';
import { type BackendName, exactBackend, exactNames, tf, use } from './backends.ts';
import { digitBatches, symbols, textBatches } from './data.ts';
import { convolutionalModel, denseModel, recurrentModel, type TestModel, transformerModel } from './models.ts';

export const trainings = {
  mlp: { make: () => denseModel([784, 32, 10]), batches: () => digitBatches(16), steps: 200, rate: 2e-3 },
  cnn: { make: () => convolutionalModel([4, 8]), batches: () => digitBatches(8), steps: 40, rate: 1e-2 },
  rnn: { make: () => recurrentModel([12, 10]), batches: () => digitBatches(8), steps: 30, rate: 1e-2 },
  gpt: {
    make: () => transformerModel({ vocabulary: symbols, width: 32, heads: 2, layers: 2, length: 16 }),
    batches: () => textBatches(4, 16),
    steps: 50,
    rate: 5e-3,
  },
} as const;
export type TrainingName = keyof typeof trainings;

export interface Trained {
  losses: number[];
  /** SHA-256 of all weights' bits in order. */
  hash: string;
}

function train(model: TestModel, training: TrainingName, steps: number): Trained {
  const { rate } = trainings[training];
  const optimizer = tf.train.adam(rate);
  const batches = trainings[training].batches();
  const losses = Array.from({ length: steps }, () =>
    tf.tidy(() => {
      const [x, y] = batches();
      const { value, grads } = tf.variableGrads(() => model.loss(x, y), model.variables);
      optimizer.applyGradients(model.variables.map(({ name }) => ({ name, tensor: grads[name]! })));
      return value.dataSync()[0]!;
    }),
  );
  const hash = createHash('sha256');
  for (const variable of model.variables) hash.update(new Uint8Array(variable.dataSync<'float32'>().buffer));
  return { losses, hash: hash.digest('hex') };
}

if (import.meta.main) {
  const [name, backend, steps] = process.argv.slice(2) as [TrainingName, BackendName, string?];
  tf.enableProdMode();
  await use(backend);
  console.log(JSON.stringify(train(trainings[name].make(), name, Number(steps ?? trainings[name].steps))));
  const exact = exactNames.find((name) => name === backend);
  if (exact !== undefined) await exactBackend(exact).kernels.dispose();
}
