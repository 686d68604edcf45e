import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { StepRun } from '../src/program/run-step.ts';
import { exactBackend, tf } from './backends.ts';
import { convolutionalTask, denseTask, transformerTask } from './program-tasks.ts';
import { type OptimizerName, type ProgramTask, ProgramTrainer } from './program-steps.ts';

const optimizers: OptimizerName[] = ['sgd', 'momentum', 'adam', 'adamw'];

beforeAll(async () => {
  exactBackend();
  await tf.setBackend('exact');
});
afterEach(() => {
  tf.disposeVariables();
});

/** Trains some steps on the backend and by the program, and compares the bits. */
function expectEqualSteps(task: ProgramTask, steps: number): void {
  const trainer = new ProgramTrainer(task);
  const run = new StepRun(trainer.program);
  let state = trainer.state();
  for (let step = 5; step < 5 + steps; step++) {
    const rows = task.rows(step);
    const loss = trainer.train(rows, step);
    const result = run.run({ state, rows, seed: task.seed, step });
    expect(result.loss).toBe(loss);
    expect(Buffer.compare(result.state, trainer.state())).toBe(0);
    state = result.state;
  }
}

describe('a program computes what the backend computed, bit for bit', () => {
  it.each(optimizers)('for an MLP with dropout under %s', (optimizer) => {
    expectEqualSteps(denseTask(optimizer), 3);
  });
  it.each(optimizers)('for a CNN under %s', (optimizer) => {
    expectEqualSteps(convolutionalTask(optimizer), 1);
  });
  it.each(optimizers)('for a transformer under %s', (optimizer) => {
    expectEqualSteps(transformerTask(optimizer), 1);
  });
});
