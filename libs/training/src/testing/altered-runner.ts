import { type BatchResult, type Runner, type RunnerOptions, StepRunner } from '../step-runner.ts';

/** What a step gave, and the state after it. */
export interface StepOutcome extends BatchResult {
  step: number;
  readState(): Uint8Array;
  writeState(state: Uint8Array): void;
}

/** Sees every step after it was executed; what it returns passes for the result. */
export type OnStep = (outcome: StepOutcome) => BatchResult | undefined;

/** For TrainOptions.createRunner: steps that a test, or a cheat in it, watches or changes. */
export function alteredRunner(onStep: OnStep): (options: RunnerOptions) => Promise<Runner> {
  return async (options) => new AlteredRunner(await StepRunner.create(options), onStep);
}

class AlteredRunner implements Runner {
  readonly #honest: Runner;
  readonly #onStep: OnStep;

  constructor(honest: Runner, onStep: OnStep) {
    this.#honest = honest;
    this.#onStep = onStep;
  }

  get layout(): Runner['layout'] {
    return this.#honest.layout;
  }

  get predictionsPerRow(): number {
    return this.#honest.predictionsPerRow;
  }

  writeState(bytes: Uint8Array): void {
    this.#honest.writeState(bytes);
  }

  readState(): Uint8Array {
    return this.#honest.readState();
  }

  train(step: number, rows: Uint8Array, rowCount: number): BatchResult {
    const result = this.#honest.train(step, rows, rowCount);
    const changed = this.#onStep({
      step,
      ...result,
      readState: () => this.#honest.readState(),
      writeState: (state) => {
        this.#honest.writeState(state);
      },
    });
    return changed ?? result;
  }

  evaluate(rows: Uint8Array, rowCount: number): BatchResult {
    return this.#honest.evaluate(rows, rowCount);
  }

  dispose(): void {
    this.#honest.dispose();
  }
}
