import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  decodeStepProgram,
  elementsOf,
  encodeStepProgram,
  InvalidStepProgramError,
  operationOfChunk,
  outputBytes,
  PROGRAM_CHUNK_BYTES,
  ProtocolError,
  type StepProgram,
  typeBytes,
  validateProgram,
} from '@cotrain/protocol';
import fc from 'fast-check';
import { evaluateElement, type ReadElement } from '../src/program/evaluate.ts';
import { exactBackend, tf } from './backends.ts';
import { convolutionalTask, denseTask, transformerTask } from './program-tasks.ts';
import { ProgramTrainer } from './program-steps.ts';

const programs: StepProgram[] = [];

beforeAll(async () => {
  exactBackend();
  await tf.setBackend('exact');
  for (const task of [denseTask('adamw'), convolutionalTask('momentum', 1), transformerTask('adam', 2, 40)])
    programs.push(new ProgramTrainer(task).program);
});
afterAll(() => {
  tf.disposeVariables();
});

const anyProgram = fc.nat(2).map((i) => programs[i]!);
const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

/** Places of all numbers and strings in a program, but those in the constants. */
function leaves(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  if (value instanceof Uint8Array) return [];
  return Object.entries(value).flatMap(([key, member]) => leaves(member, [...path, key]));
}

function withLeaf(
  program: StepProgram,
  path: readonly (string | number)[],
  change: (old: unknown) => unknown,
): StepProgram {
  const copy = structuredClone(program) as unknown as Record<string | number, unknown>;
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  const last = path.at(-1)!;
  at[last] = change(at[last]);
  return copy as unknown as StepProgram;
}

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    0,
    1,
    -1,
    2,
    63,
    64,
    65,
    255,
    256,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    -0,
    0.5,
    NaN,
    Infinity,
  ),
  fc.constantFrom<unknown>(
    null,
    '',
    'trace',
    'state',
    'constant',
    'immediate',
    'index',
    'view',
    'float32',
    'int8',
    'int32',
  ),
  fc.constantFrom<unknown>('move', 'add', 'sum64', 'contract', 'quantise', 'select', 'segmentSum64', 'adamWeights'),
  fc.integer({ min: -5000, max: 5000 }),
);
const change = fc.oneof(
  odd.map((value) => () => value),
  fc
    .constantFrom(-4096, -4, -1, 1, 2, 4, 32, 4096)
    .map((by) => (old: unknown) => (typeof old === 'number' ? old + by : by)),
);

/** Reads that stay inside of what exists before an operation; what they return is any element of the type. */
function strictReader(program: StepProgram, index: number, random: () => number): ReadElement {
  return (space, byte, type) => {
    if (!Number.isSafeInteger(byte)) throw new Error(`byte ${String(byte)} is read`);
    const end = byte + typeBytes[type];
    const inside = {
      trace: () => {
        const made = operationOfChunk(program, Math.floor(byte / PROGRAM_CHUNK_BYTES));
        const record = program.operations[made];
        if (record === undefined || made >= index || record.type !== type) return false;
        return end <= record.outputChunk * PROGRAM_CHUNK_BYTES + outputBytes(record);
      },
      state: () => program.state.some((entry) => byte >= entry.offset && end <= entry.offset + 4 * entry.elements),
      constant: () => byte >= 0 && end <= program.constants.length,
      view: () => byte >= 0 && end <= program.batchSize * program.rowBytes,
    }[space]();
    if (!inside) throw new Error(`${space}: bytes ${String(byte)} to ${String(end)} are read`);
    if (type === 'float32') return Math.fround((random() - 0.5) * 2 ** (200 * random() - 100)) || 0;
    if (type === 'int32') return Math.floor((random() - 0.5) * 2 ** (32 * random()));
    return type === 'uint8' ? Math.floor(random() * 256) : Math.floor(random() * 199) - 98;
  };
}

/** Evaluates some elements of a program that was accepted; whatever the data, each is defined. */
function expectDefined(program: StepProgram, indices: readonly number[], random: () => number): void {
  for (const index of indices) {
    const record = program.operations[index];
    if (record === undefined) continue;
    const place = { seed: 7n, step: 1, rowBytes: program.rowBytes };
    const elements = elementsOf(record.shape);
    // A whole list is read for some operations: large ones are left out.
    if (elementsOf(record.list) > 100_000) continue;
    for (const at of [0, elements - 1, Math.floor(random() * elements)]) {
      const value = evaluateElement(record, at, strictReader(program, index, random), place);
      if (!Number.isFinite(value) || (record.type !== 'float32' && !Number.isInteger(value)))
        throw new Error(`operation ${String(index)} (${record.opcode}) gives ${String(value)}`);
    }
  }
}

describe('malformed programs', () => {
  it('are refused, or have no operation that reads what does not exist before it', () => {
    let refused = 0;
    const paths = new Map(programs.map((program) => [program, leaves(program)]));
    fc.assert(
      fc.property(anyProgram, share, change, fc.infiniteStream(share), (program, where, by, numbers) => {
        const all = paths.get(program)!;
        const path = all[Math.floor(where * all.length)]!;
        const mutated = withLeaf(program, path, by);
        try {
          validateProgram(mutated);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidStepProgramError);
          expect((error as Error).message.length).toBeLessThan(400);
          refused++;
          return;
        }
        const index = path[0] === 'operations' ? Number(path[1]) : 0;
        const later = Array.from({ length: 6 }, () => Math.floor(numbers.next().value! * mutated.operations.length));
        expectDefined(mutated, [index, ...later], () => numbers.next().value!);
        // What is accepted can be written, and is read as what it was.
        expect(decodeStepProgram(encodeStepProgram(mutated))).toEqual(mutated);
      }),
      { numRuns: 1_500 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it('are refused with the operation, the field and the value', () => {
    const { operations } = programs[0]!;
    const index = operations.findIndex(({ opcode }) => opcode === 'contract');
    const first = operations[index]!.operands[0]!;
    const cases: [(string | number)[], unknown, string][] = [
      [['operations', index, 'outputChunk'], 0, 'outputChunk'],
      [['operations', index, 'operands', 0, 'offset'], operations[index + 2]!.outputChunk * 4096, 'operands[0].offset'],
      [['operations', index, 'operands', 0, 'strides', 1], 2 ** 20, 'operands[0].offset'],
      [['operations', index, 'operands', 0, 'type'], 'float32', 'operands'],
      [['operations', index, 'operands', 0, 'space'], 'view', 'operands[0].space'],
      [['operations', index, 'shape', 0], 0, 'shape[0]'],
      [['operations', index, 'list', 0], 1025, 'list'],
      [['operations', index, 'parameters', 2], 1, 'parameters[2]'],
      [['operations', index, 'opcode'], 'call', 'opcode'],
    ];
    for (const [path, value, field] of cases) {
      const mutated = withLeaf(programs[0]!, path, () => value);
      expect(() => validateProgram(mutated)).toThrow(expect.objectContaining({ operation: index, field }));
    }
    expect(first.type).toBe('int8');
    const overlap = withLeaf(programs[0]!, ['state', 1, 'offset'], () => 0);
    expect(() => validateProgram(overlap)).toThrow(
      expect.objectContaining({ operation: null, field: 'state[1].offset' }),
    );
    const noLoss = withLeaf(programs[0]!, ['lossChunk'], () => 2 ** 20);
    expect(() => validateProgram(noLoss)).toThrow(expect.objectContaining({ field: 'lossChunk', value: 2 ** 20 }));
  });
});

describe('bytes of programs', () => {
  it('are refused when they are damaged, or are another program that is spelled so', () => {
    const encoded = new Map(programs.map((program) => [program, encodeStepProgram(program)]));
    fc.assert(
      fc.property(
        anyProgram,
        fc.array(fc.tuple(share, fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (program, damage) => {
          const bytes = encoded.get(program)!.slice();
          for (const [where, byte] of damage) bytes[Math.floor(where * bytes.length)] = byte;
          let decoded: StepProgram;
          try {
            decoded = decodeStepProgram(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
            return;
          }
          expect(Buffer.compare(encodeStepProgram(decoded), bytes)).toBe(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are refused at any other length', () => {
    const bytes = encodeStepProgram(programs[0]!);
    for (const length of [0, 31, 4095, 4096, bytes.length - 4096, bytes.length - 1])
      expect(() => decodeStepProgram(bytes.subarray(0, length))).toThrow(ProtocolError);
    expect(() => decodeStepProgram(Buffer.concat([bytes, new Uint8Array(4096)]))).toThrow(ProtocolError);
  });

  it('that are random are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9000 }), (bytes) => {
        expect(() => decodeStepProgram(bytes)).toThrow(ProtocolError);
      }),
    );
  });
});
