import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  decodeStepProgram,
  elementsOf,
  encodeStepProgram,
  PROGRAM_CHUNK_BYTES,
  stateBytes,
  traceBytes,
  typeBytes,
} from '@cotrain/protocol';
import fc from 'fast-check';
import { evaluateElement } from '../src/program/evaluate.ts';
import { kernelMachine } from '../src/program/kernel-machine.ts';
import { elementMachine, type StepMachine, StepRun } from '../src/program/run-step.ts';
import { packDenseState, packState, StateShapeError, unpackDenseState, unpackState } from '../src/program/state.ts';
import { streamTrace } from '../src/program/stream-trace.ts';
import { bytesIn, readElement } from '../src/program/typed-arrays.ts';
import { createReferenceKernels } from '../src/reference/reference-kernels.ts';
import { exactBackend, tf } from './backends.ts';
import { convolutionalTask, denseTask, transformerTask } from './program-tasks.ts';
import { expectSameTraces } from './program-traces.ts';
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
  let state = trainer.state();
  for (let step = 5; step < 5 + steps; step++) {
    const rows = task.rows(step);
    const loss = trainer.train(rows, step);
    const result = expectSameTraces(trainer.program, { state, rows, seed: task.seed, step });
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

const tasks: [string, () => ProgramTask][] = [
  ['an MLP', () => denseTask('adamw')],
  ['a CNN', () => convolutionalTask('momentum')],
  ['a transformer', () => transformerTask('adam')],
];

describe.each(tasks)('the program of %s', (_, make) => {
  it('does not depend on weights or rows', () => {
    const trainer = new ProgramTrainer(make());
    const first = encodeStepProgram(trainer.program);
    // The weights have moved since.
    expect(Buffer.compare(encodeStepProgram(trainer.derive(77)), first)).toBe(0);
  });

  it('can be written down and read again', () => {
    const { program } = new ProgramTrainer(make());
    expect(decodeStepProgram(encodeStepProgram(program))).toStrictEqual(program);
  });

  it('says of every element what it follows from, and that is little', () => {
    const task = make();
    const trainer = new ProgramTrainer(task);
    const { program } = trainer;
    const input = { state: trainer.state(), rows: task.rows(3), seed: task.seed, step: 3 };
    const trace = new Uint8Array(traceBytes(program));
    new StepRun(program).run(input, (output, { outputChunk }) => {
      trace.set(bytesIn(output), outputChunk * PROGRAM_CHUNK_BYTES);
    });
    const spaces = { trace, state: input.state, constant: program.constants, view: input.rows };
    const place = { seed: task.seed, step: 3, rowBytes: program.rowBytes };
    fc.assert(
      fc.property(fc.nat(program.operations.length - 1), fc.double({ min: 0, max: 1, noNaN: true }), (index, where) => {
        const record = program.operations[index]!;
        const position = Math.min(Math.floor(where * elementsOf(record.shape)), elementsOf(record.shape) - 1);
        const own = record.outputChunk * PROGRAM_CHUNK_BYTES;
        const segments = new Set<string>();
        const value = evaluateElement(
          record,
          position,
          (space, byte, type) => {
            if (space === 'trace' && byte + typeBytes[type] > own) throw new Error('it reads what comes later');
            segments.add(`${space}${String(Math.floor(byte / 32))}`);
            const bytes = spaces[space];
            return readElement(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), byte, type);
          },
          place,
        );
        const width = typeBytes[record.type];
        expect(value).toBe(readElement(new DataView(trace.buffer), own + position * width, record.type));
        // A sort reads all ids here; a contract is shown one that lies between.
        if (record.opcode !== 'sortPositions') expect(segments.size).toBeLessThanOrEqual(129);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('streaming a trace', () => {
  it('hands over every byte once, in order, with zeros to whole chunks', () => {
    const task = denseTask('adam');
    const trainer = new ProgramTrainer(task);
    const { program } = trainer;
    const input = { state: trainer.state(), rows: task.rows(3), seed: task.seed, step: 3 };
    const wanted = new Uint8Array(traceBytes(program));
    new StepRun(program).run(input, (output, { outputChunk }) => {
      wanted.set(bytesIn(output), outputChunk * PROGRAM_CHUNK_BYTES);
    });
    const parts: Uint8Array[] = [];
    streamTrace(new StepRun(program), input, { update: (bytes) => parts.push(bytes.slice()) });
    expect(Buffer.compare(Buffer.concat(parts), wanted)).toBe(0);
  });

  it('holds what is still to be read, gives back everything, and does so after a failure', () => {
    const task = denseTask('sgd', [40, 60, 60, 60, 60, 60, 5], 60);
    const trainer = new ProgramTrainer(task);
    const live = { bytes: 0, most: 0 };
    const counting: StepMachine = {
      allocate(type, length) {
        const array = elementMachine.allocate(type, length);
        live.bytes += array.byteLength;
        live.most = Math.max(live.most, live.bytes);
        return array;
      },
      free(array) {
        live.bytes -= array.byteLength;
      },
      run: kernelMachine(createReferenceKernels()).run,
    };
    const run = new StepRun(trainer.program, counting);
    const input = { state: trainer.state(), rows: task.rows(3), seed: task.seed, step: 3 };
    run.run(input);
    expect(live.bytes).toBe(0);
    expect(live.most).toBeLessThan(0.6 * traceBytes(trainer.program));
    expect(() =>
      run.run(input, (_, __, index) => {
        if (index === 20) throw new Error('the disk is full');
      }),
    ).toThrow('the disk is full');
    expect(live.bytes).toBe(0);
  });

  it('refuses a state or rows of another length', () => {
    const task = denseTask('sgd');
    const trainer = new ProgramTrainer(task);
    const run = new StepRun(trainer.program);
    const input = { state: trainer.state(), rows: task.rows(3), seed: task.seed, step: 3 };
    expect(() => run.run({ ...input, state: input.state.subarray(1) })).toThrow(
      expect.objectContaining({ field: 'state' }),
    );
    expect(() => run.run({ ...input, rows: input.rows.subarray(1) })).toThrow(
      expect.objectContaining({ field: 'rows' }),
    );
  });
});

describe('states', () => {
  it('are the same numbers with and without padding', () => {
    const trainer = new ProgramTrainer(denseTask('adam'));
    const { program } = trainer;
    const state = trainer.state();
    expect(packDenseState(program, unpackDenseState(program, state))).toEqual(state);
    expect(packState(program, unpackState(program, state))).toEqual(state);
    expect(state.length).toBe(stateBytes(program));
    expect(() => unpackState(program, state.subarray(4096))).toThrow(StateShapeError);
    expect(() => packDenseState(program, new Uint8Array(4))).toThrow(StateShapeError);
    expect(() => packState(program, unpackState(program, state).slice(1))).toThrow(StateShapeError);
  });
});
