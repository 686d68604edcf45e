import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from '../errors.ts';
import { decodeStepProgram, encodeStepProgram, readProgram, writeProgram } from './encoding.ts';
import { InvalidStepProgramError } from './errors.ts';
import { byteOffset, digitsOf, elementPosition } from './index-map.ts';
import { operationOfChunk, stateBytes, traceBytes } from './layout.ts';
import { opcodeNumbers, signatures } from './opcodes.ts';
import type { Operand, OperationRecord, StepProgram } from './step-program.ts';
import { validateProgram } from './validate.ts';
import { operandPositions } from './validate-operands.ts';

const operand = (more: Partial<Operand> = {}): Operand => ({
  ...{ space: 'trace', type: 'float32', offset: 0, strides: [], windows: [], gather: null },
  ...more,
});
const record = (more: Partial<OperationRecord>): OperationRecord => ({
  ...{ opcode: 'move', type: 'float32', shape: [], list: [], operands: [], parameters: [0, 0, 0, 0], outputChunk: 0 },
  ...more,
});

/** w[2, 3] of the state moves along the mean of two rows of three bytes each: one operation of each form. */
function smallProgram(): StepProgram {
  const window = { axisA: 1, axisB: 0, factorA: 2, factorB: -1, offset: 1, dilation: 2, limit: 2, stride: 3 };
  return {
    ...{ batchSize: 2, rowBytes: 5, constants: new Uint8Array(4096).fill(0x3f), lossChunk: 3, metricChunk: null },
    operations: [
      record({
        ...{ opcode: 'view', type: 'uint8', shape: [2, 3] },
        operands: [operand({ space: 'view', type: 'uint8', offset: 2, strides: [0, 1] })],
      }),
      record({
        ...{ opcode: 'cast', shape: [6], outputChunk: 1 },
        operands: [operand({ type: 'uint8', strides: [1] })],
      }),
      record({
        ...{ opcode: 'move', shape: [2, 3], outputChunk: 2, parameters: [0x3f800000, 0, 0, 0] },
        operands: [
          operand({ offset: 4096, strides: [0, 1], windows: [window] }),
          operand({ space: 'constant', offset: 8, strides: [0, 0], gather: { operand: 2, stride: 4, limit: 100 } }),
          operand({ space: 'index', type: 'int32', offset: 7, strides: [3, 1] }),
        ],
      }),
      record({
        ...{ opcode: 'sum64', shape: [], list: [6], outputChunk: 3 },
        operands: [operand({ offset: 8192, strides: [1] })],
      }),
      record({
        ...{ opcode: 'sgdWeights', shape: [6], outputChunk: 4, parameters: [0x3dcccccd, 0, 0, 0] },
        operands: [operand({ space: 'state', strides: [1] }), operand({ offset: 3 * 4096, strides: [0] })],
      }),
    ],
    state: [{ name: 'w', offset: 0, elements: 6, traceChunk: 4 }],
  };
}

describe('the encoding of a program', () => {
  const bytes = encodeStepProgram(smallProgram());
  const view = new DataView(bytes.buffer);

  it('is the one that docs/program-1.md describes, byte by byte', () => {
    expect(bytes.length).toBe(4 * 4096);
    expect(new TextDecoder().decode(bytes.subarray(0, 32))).toBe('cotrain program/1'.padEnd(32, '\0'));
    const header = Array.from({ length: 9 }, (_, i) => view.getBigUint64(32 + 8 * i));
    expect(header).toEqual([2n, 5n, 5n, 1n, 4096n, 5n * 4096n, 4096n, 3n, 2n ** 64n - 1n]);
    const at = 4096 + 2 * 512;
    // move, float32, two axes of the output, none of a list, three operands; output from chunk 2 on.
    expect([...bytes.subarray(at, at + 8)]).toEqual([1, 1, 2, 0, 3, 0, 0, 0]);
    expect(view.getBigUint64(at + 8)).toBe(2n);
    expect([0, 1, 2].map((i) => view.getUint32(at + 16 + 4 * i))).toEqual([2, 3, 0]);
    expect(view.getUint32(at + 40)).toBe(0x3f800000);
    const [first, second, third] = [at + 128, at + 224, at + 320] as const;
    expect([...bytes.subarray(first, first + 4)]).toEqual([1, 1, 0, 0]);
    expect(view.getBigUint64(first + 12)).toBe(4096n);
    expect([view.getInt32(first + 20), view.getInt32(first + 24)]).toEqual([0, 1]);
    expect([bytes[first + 44], bytes[first + 45], view.getUint16(first + 46)]).toEqual([1, 0, 2]);
    expect([48, 52, 56, 60, 64].map((offset) => view.getInt32(first + offset))).toEqual([2, -1, 1, 2, 3]);
    expect([...bytes.subarray(second, second + 4)]).toEqual([3, 1, 3, 0]);
    expect([view.getInt32(second + 4), view.getUint32(second + 8)]).toEqual([4, 100]);
    expect([...bytes.subarray(third, third + 3)]).toEqual([6, 2, 0]);
    const state = 2 * 4096;
    expect([0, 8, 16, 24].map((offset) => view.getBigUint64(state + offset))).toEqual([0n, 6n, 4n, 0n]);
    expect(String.fromCharCode(bytes[state + 32]!)).toBe('w');
    expect(bytes[3 * 4096]).toBe(0x3f);
  });

  it('is read as what it was', () => {
    expect(decodeStepProgram(bytes)).toStrictEqual(smallProgram());
  });

  it('has no other spelling: every byte that is changed is refused or means another program', () => {
    const used = bytes.subarray(0, 2 * 4096 + 128).length;
    fc.assert(
      fc.property(fc.nat(used - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = bytes.slice();
        changed[at] = (changed[at]! + by) % 256;
        let program: StepProgram;
        try {
          program = readProgram(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
          return;
        }
        expect(program).not.toEqual(smallProgram());
        expect(Buffer.compare(writeProgram(program), changed)).toBe(0);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('index maps', () => {
  it('find an element from the digits of a position, or none', () => {
    const [moved, table] = smallProgram().operations[2]!.operands as [Operand, Operand];
    const digits: number[] = [];
    const places = Array.from({ length: 6 }, (_, position) => {
      digitsOf(position, [2, 3], digits);
      return elementPosition(moved, digits);
    });
    // c = 2 d1 - d0 + 1: 1, 3, 5 and 0, 2, 4, of which the even ones below 4 are inside; then d1 + 3 c / 2.
    expect(places).toEqual([null, null, null, 0, 4, null]);
    expect(elementPosition(table, [1, 2], 12)).toBe(48);
    expect(byteOffset(table, 48)).toBe(200);
    expect(elementPosition(table, [1, 2], 100)).toBeNull();
    expect(elementPosition(table, [1, 2], -1)).toBeNull();
  });

  it('never leave the range that is checked beforehand', () => {
    const int = (most: number): fc.Arbitrary<number> => fc.integer({ min: -most, max: most });
    const window = fc.record({
      ...{ axisA: fc.constant(0), axisB: fc.constantFrom(null, 1), factorA: int(4), offset: int(9) },
      ...{ dilation: fc.integer({ min: 1, max: 3 }), limit: fc.integer({ min: 1, max: 6 }), stride: int(5) },
      factorB: int(4),
    });
    const anyOperand = fc.record({
      strides: fc.tuple(int(9), int(9), int(9)),
      windows: fc.array(window, { maxLength: 2 }),
      gather: fc.option(fc.record({ operand: fc.constant(1), stride: int(5), limit: fc.integer({ min: 1, max: 4 }) })),
    });
    fc.assert(
      fc.property(
        anyOperand,
        fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 1, max: 4 }))),
        fc.nat(5),
        (form, domain, index) => {
          const some = operand({ ...form, strides: form.strides });
          const range = operandPositions(some, domain);
          const digits: number[] = [];
          for (let position = 0; position < domain[0]! * domain[1]! * domain[2]!; position++) {
            digitsOf(position, domain, digits);
            const found = elementPosition(some, digits, index);
            if (found === null) continue;
            expect(range).not.toBeNull();
            expect(found).toBeGreaterThanOrEqual(range!.low);
            expect(found).toBeLessThanOrEqual(range!.high);
          }
        },
      ),
    );
  });
});

describe('layouts', () => {
  it('say which operation a chunk of the trace belongs to', () => {
    const program = smallProgram();
    expect([traceBytes(program), stateBytes(program)]).toEqual([5 * 4096, 4096]);
    expect([-1, 0, 1, 4, 5].map((chunk) => operationOfChunk(program, chunk))).toEqual([-1, 0, 1, 4, -1]);
  });
});

describe('opcodes', () => {
  it('have a number, a signature and nothing else of their own', () => {
    expect(new Set(opcodeNumbers.values()).size).toBe(opcodeNumbers.size);
    expect([...signatures.keys()]).toEqual([...opcodeNumbers.keys()]);
    const documented = { move: 0x01, contract: 0x12, sum64: 0x18, segmentSum64: 0x23, cast: 0x29, adamWeights: 0x34 };
    for (const [opcode, number] of Object.entries({ ...documented, neg: 0x40, selu: 0x58, add: 0x60, equal: 0x70 }))
      expect(opcodeNumbers.get(opcode as 'move')).toBe(number);
  });
});

describe('what is refused', () => {
  type Change = (program: { operations: OperationRecord[] } & Omit<StepProgram, 'operations'>) => unknown;
  const change =
    (index: number, more: Partial<OperationRecord>): Change =>
    (p) =>
      (p.operations[index] = { ...p.operations[index]!, ...more });
  const changeOperand =
    (index: number, i: number, more: Partial<Operand>): Change =>
    (p) => {
      const { operands } = p.operations[index]!;
      p.operations[index] = { ...p.operations[index]!, operands: operands.with(i, { ...operands[i]!, ...more }) };
    };
  const cases: [string, Change, string][] = [
    ['an input from later on', changeOperand(1, 0, { offset: 4096 }), 'operands[0].offset'],
    ['an input from its own output', changeOperand(3, 0, { offset: 3 * 4096 }), 'operands[0].offset'],
    ['an input beyond an output', changeOperand(3, 0, { strides: [2] }), 'operands[0].offset'],
    ['an input in the padding', changeOperand(3, 0, { offset: 8192 + 4 }), 'operands[0].offset'],
    ['an input of another type', changeOperand(1, 0, { type: 'int8' }), 'operands'],
    ['an input across its elements', changeOperand(4, 1, { offset: 3 * 4096 + 2 }), 'operands[1].offset'],
    ['an input beyond the state', changeOperand(4, 0, { offset: 4 }), 'operands[0].offset'],
    ['an input beyond a row', changeOperand(0, 0, { offset: 3 }), 'operands[0].offset'],
    ['a constant that is no value', (p) => p.constants.fill(0xff, 8, 12), 'operands[1].offset'],
    ['a gather by itself', changeOperand(2, 1, { gather: { operand: 1, stride: 4, limit: 100 } }), 'operands'],
    [
      'a gather beyond the constants',
      changeOperand(2, 1, { gather: { operand: 2, stride: 4, limit: 300 } }),
      'operands[1].offset',
    ],
    ['outputs that overlap', change(2, { outputChunk: 1 }), 'outputChunk'],
    ['outputs with a gap', change(2, { outputChunk: 3 }), 'outputChunk'],
    ['a list that is too long', change(3, { list: [65] }), 'list'],
    ['a batch of another size', change(0, { shape: [3, 3] }), 'shape'],
    ['a parameter without a meaning', change(3, { parameters: [1, 0, 0, 0] }), 'parameters[0]'],
    ['a rate that is no value', change(4, { parameters: [1, 0, 0, 0] }), 'parameters[0]'],
    [
      'windows where an element is needed',
      changeOperand(4, 1, {
        windows: [{ axisA: 0, axisB: null, factorA: 1, factorB: 0, offset: 0, dilation: 1, limit: 1, stride: 0 }],
      }),
      'operands[1].windows.length',
    ],
    ['too many axes', change(3, { list: [1, 1, 1, 1, 1, 6, 1] }), 'shape.length'],
    [
      'a state after the step that is no output',
      (p) => Object.assign(p, { state: [{ ...p.state[0]!, traceChunk: 5 }] }),
      'state[0].traceChunk',
    ],
    [
      'a state after the step of another size',
      (p) => Object.assign(p, { state: [{ ...p.state[0]!, traceChunk: 3 }] }),
      'state[0].traceChunk',
    ],
    [
      'a name twice',
      (p) => Object.assign(p, { state: [...p.state, { ...p.state[0]!, offset: 4096 }] }),
      'state[1].name',
    ],
    ['a loss that is a tensor', (p) => Object.assign(p, { lossChunk: 4 }), 'lossChunk'],
    ['a metric that is no float', (p) => Object.assign(p, { metricChunk: 0 }), 'metricChunk'],
    ['no operations', (p) => Object.assign(p, { operations: [] }), 'operations.length'],
  ];
  it.each(cases)('%s', (_, apply, field) => {
    const program = structuredClone(smallProgram()) as Parameters<Change>[0];
    apply(program);
    expect(() => validateProgram(program)).toThrow(InvalidStepProgramError);
    expect(() => validateProgram(program)).toThrow(expect.objectContaining({ field }));
  });
});
