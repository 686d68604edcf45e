import { describe, expect, it } from '@jest/globals';
import type { OperationRecord } from '@cotrain/protocol';
import fc from 'fast-check';
import { OperationEvaluator } from './evaluate.ts';
import { isLowerBound, isSkipped, isSlotSegment, sortFault } from './witness.ts';

/** The elements of an operation over a whole list. */
function elementsOf(opcode: OperationRecord['opcode'], list: readonly number[], count: number): number[] {
  const record: OperationRecord = {
    ...{ opcode, type: 'int32', shape: [count], list: [list.length], parameters: [0, 0, 0, 0], outputChunk: 1 },
    operands: [{ space: 'trace', type: 'int32', offset: 0, strides: [0, 1], windows: [], gather: null }],
  };
  const evaluator = new OperationEvaluator(record, [(position) => list[position]!], { seed: 0n, step: 0, rowBytes: 1 });
  return Array.from({ length: count }, (_, i) => evaluator.at(i));
}

const ids = fc.array(fc.integer({ min: -3, max: 5 }), { minLength: 1, maxLength: 40 });
const ascending = ids.map((list) => list.toSorted((a, b) => a - b));

describe('one element of a sort', () => {
  it('that is right has no fault, and any other one has, though all before it are right', () => {
    fc.assert(
      fc.property(ids, fc.nat(), fc.integer({ min: -2, max: 42 }), (list, at, claimed) => {
        const order = elementsOf('sortPositions', list, list.length);
        const index = at % list.length;
        expect(sortFault(list, order, index)).toBeNull();
        if (order[index] === claimed) return;
        const fault = sortFault(list, order.with(index, claimed), index);
        expect(fault).not.toBeNull();
        if (fault?.kind === 'skipped')
          expect(isSkipped(list, index === 0 ? null : order[index - 1]!, fault.position, claimed)).toBe(true);
      }),
    );
  });

  it('that is right cannot be refuted by any witness', () => {
    fc.assert(
      fc.property(ids, fc.nat(), (list, at) => {
        const order = elementsOf('sortPositions', list, list.length);
        const index = at % list.length;
        const before = index === 0 ? null : order[index - 1]!;
        for (let position = 0; position < list.length; position++)
          expect(isSkipped(list, before, position, order[index]!)).toBe(false);
      }),
    );
  });
});

describe('one element found in an ascending list', () => {
  it('is the only one that its neighbours allow', () => {
    fc.assert(
      fc.property(ascending, (list) => {
        const bounds = elementsOf('lowerBound', list, 7);
        const owners = elementsOf('slotSegment', list, 7);
        for (let at = 0; at < 7; at++)
          for (let claimed = -3; claimed < list.length + 3; claimed++) {
            expect(isLowerBound(list, at, claimed)).toBe(claimed === bounds[at]);
            expect(isSlotSegment(list, at, claimed)).toBe(claimed === owners[at]);
          }
      }),
    );
  });
});
