import { outputBytes } from './layout.ts';
import { type Opcode, operandSpaces, programTypes, typeBytes } from './opcodes.ts';
import {
  type IndexGather,
  type IndexWindow,
  MAX_WINDOWS,
  type Operand,
  type OperationRecord,
  PROGRAM_CHUNK_BYTES,
  type ProgramStateEntry,
  type StepProgram,
} from './step-program.ts';
import { isValueBits, type Refuse, requireWhole } from './rules.ts';

/** Outputs that operations made so far, by where they lie in the trace. */
export class Producers {
  readonly #records: OperationRecord[] = [];
  readonly #state: readonly ProgramStateEntry[];
  readonly #strange: StrangeWords;

  constructor({ constants, state }: Pick<StepProgram, 'constants' | 'state'>) {
    this.#state = state;
    this.#strange = new StrangeWords(constants);
  }

  add(record: OperationRecord): void {
    this.#records.push(record);
  }

  /** The operation whose output, without padding, holds a byte of the trace. */
  at(byte: number): OperationRecord | undefined {
    const found = lastUpTo(this.#records, byte, ({ outputChunk }) => outputChunk * PROGRAM_CHUNK_BYTES);
    if (found === undefined) return undefined;
    return byte < found.outputChunk * PROGRAM_CHUNK_BYTES + outputBytes(found) ? found : undefined;
  }

  /** The last entry of the state that begins at or before a byte. */
  stateEntryAt(byte: number): ProgramStateEntry | undefined {
    return lastUpTo(this.#state, byte, ({ offset }) => offset);
  }

  /** Whether a range of constants has only float32 that are values of exact/1. */
  areValues(from: number, end: number): boolean {
    return this.#strange.count(from, end) === 0;
  }
}

/** The last item of an ascending list whose place is not beyond `limit`. */
function lastUpTo<T>(list: readonly T[], limit: number, placeOf: (item: T) => number): T | undefined {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (placeOf(list[middle] as T) <= limit) low = middle + 1;
    else high = middle;
  }
  return list[low - 1];
}

/** Counts words that are no values of exact/1; reads the constants once, when first asked. */
class StrangeWords {
  #before: Uint32Array | null = null;
  readonly #constants: Uint8Array;

  constructor(constants: Uint8Array) {
    this.#constants = constants;
  }

  count(from: number, end: number): number {
    this.#before ??= this.#scan();
    return (this.#before[end / 4] as number) - (this.#before[from / 4] as number);
  }

  #scan(): Uint32Array {
    const view = new DataView(this.#constants.buffer, this.#constants.byteOffset, this.#constants.byteLength);
    const before = new Uint32Array(view.byteLength / 4 + 1);
    for (let word = 0; word + 1 < before.length; word++)
      before[word + 1] = (before[word] as number) + (isValueBits(view.getInt32(4 * word, true)) ? 0 : 1);
    return before;
  }
}

/** Operations of which an operand may have no element at some index. */
const withWindows: ReadonlySet<Opcode> = new Set<Opcode>([
  ...(['move', 'exponent', 'quantise', 'sum64', 'product64', 'max64', 'min64'] as const),
  ...(['argMax64', 'argMin64', 'maxPoolGradient'] as const),
]);

/** Checks that each operand lies wholly inside of something that exists before the operation and has its type. */
export function checkOperands(program: StepProgram, producers: Producers, record: OperationRecord, refuse: Refuse) {
  const domain = [...record.shape, ...record.list];
  record.operands.forEach((operand, i) => {
    const field = `operands[${String(i)}]`;
    const refuseOperand: Refuse = (inner, value, reason) => refuse(`${field}.${inner}`, value, reason);
    checkForm(record, operand, i, domain, refuseOperand);
    const range = operandPositions(operand, domain);
    // Adam reads a pair.
    if (range !== null && record.opcode === 'adamWeights' && i === 3) range.high++;
    checkRange(program, producers, operand, range, refuseOperand);
  });
  if (record.opcode === 'view') checkView(program, record, refuse);
  if (record.opcode === 'quantise') requireMaker(producers, record, 1, 'exponent', refuse);
  if (record.opcode === 'contract')
    for (const [i, opcode] of (['quantise', 'quantise', 'exponent', 'exponent'] as const).entries())
      requireMaker(producers, record, i, opcode, refuse);
  if (record.opcode === 'segmentSum64') {
    for (const i of [1, 2])
      if (record.operands[i]?.gather?.operand !== 3)
        refuse(`operands[${String(i)}].gather`, record.operands[i]?.gather, 'it must gather by operand 3');
    if (record.shape.length !== 2) refuse('shape', record.shape, 'it must have two axes, columns and slots');
  }
  if (record.opcode === 'sortPositions' && (record.shape.length !== 1 || record.shape[0] !== record.list[0]))
    refuse('shape', record.shape, 'it must be that of the list');
  if ((record.opcode === 'lowerBound' || record.opcode === 'slotSegment') && record.shape.length !== 1)
    refuse('shape', record.shape, 'it must have one axis');
}

function checkForm(
  record: OperationRecord,
  operand: Operand,
  index: number,
  domain: readonly number[],
  refuse: Refuse,
): void {
  if (!operandSpaces.includes(operand.space)) refuse('space', operand.space, 'no such space exists');
  if (!programTypes.includes(operand.type)) refuse('type', operand.type, 'no such type exists');
  if ((operand.space === 'view') !== (record.opcode === 'view' && index === 0))
    refuse('space', operand.space, 'the training view is read by operations of the kind view, and by no others');
  requireWhole(refuse, 'offset', operand.offset, 0, Number.MAX_SAFE_INTEGER);
  requireWhole(refuse, 'strides.length', operand.strides.length, domain.length, domain.length);
  operand.strides.forEach((stride, axis) => {
    requireWhole(refuse, `strides[${String(axis)}]`, stride, -(2 ** 31), 2 ** 31 - 1);
    // An axis of length 1 does not move, so that its stride has one spelling.
    if (domain[axis] === 1 && stride !== 0) refuse(`strides[${String(axis)}]`, stride, 'the axis has the length 1');
  });
  requireWhole(refuse, 'windows.length', operand.windows.length, 0, MAX_WINDOWS);
  if (operand.windows.length > 0 && !withWindows.has(record.opcode))
    refuse('windows.length', operand.windows.length, `${record.opcode} needs an element everywhere`);
  operand.windows.forEach((window, i) => {
    checkWindow(window, domain, (field, value, reason) => refuse(`windows[${String(i)}].${field}`, value, reason));
  });
  if (operand.gather !== null) checkGather(operand.gather, record, index, refuse);
}

function checkWindow(window: IndexWindow, domain: readonly number[], refuse: Refuse): void {
  requireWhole(refuse, 'axisA', window.axisA, 0, domain.length - 1);
  if (window.axisB === null) requireWhole(refuse, 'factorB', window.factorB, 0, 0);
  else {
    requireWhole(refuse, 'axisB', window.axisB, 0, domain.length - 1);
    if (window.axisB === window.axisA) refuse('axisB', window.axisB, 'it must be another axis than axisA');
  }
  for (const field of ['factorA', 'factorB', 'offset', 'stride'] as const)
    requireWhole(refuse, field, window[field], -(2 ** 31), 2 ** 31 - 1);
  requireWhole(refuse, 'dilation', window.dilation, 1, 2 ** 16 - 1);
  requireWhole(refuse, 'limit', window.limit, 1, 2 ** 31 - 1);
  const { low, high } = coordinates(window, domain);
  if (low < -(2 ** 31) || high >= 2 ** 31) refuse('offset', window.offset, 'the coordinate does not fit in an int32');
}

function checkGather(gather: IndexGather, record: OperationRecord, index: number, refuse: Refuse): void {
  if (record.opcode !== 'move' && record.opcode !== 'segmentSum64')
    refuse('gather', gather, `${record.opcode} does not gather`);
  requireWhole(refuse, 'gather.operand', gather.operand, 0, record.operands.length - 1);
  const source = record.operands[gather.operand];
  if (gather.operand === index || source?.type !== 'int32' || source.gather !== null || source.windows.length > 0)
    refuse('gather.operand', gather.operand, 'it must name another int32 operand that has an element everywhere');
  requireWhole(refuse, 'gather.stride', gather.stride, -(2 ** 31), 2 ** 31 - 1);
  requireWhole(refuse, 'gather.limit', gather.limit, 1, 2 ** 31 - 1);
}

/** Smallest and largest position of an operand, counted from its offset. */
export interface PositionRange {
  low: number;
  high: number;
}

/** Where an operand's elements can be over a domain, whatever is gathered; null if it never has one. */
export function operandPositions(operand: Operand, domain: readonly number[]): PositionRange | null {
  const sum: PositionRange = { low: 0, high: 0 };
  const add = (a: number, b: number): void => {
    sum.low += Math.min(a, b);
    sum.high += Math.max(a, b);
  };
  operand.strides.forEach((stride, axis) => {
    add(0, stride * ((domain[axis] as number) - 1));
  });
  for (const window of operand.windows) {
    const { low, high } = coordinates(window, domain);
    const first = Math.max(0, Math.ceil(low / window.dilation));
    const last = Math.min(window.limit - 1, Math.floor(high / window.dilation));
    if (first > last) return null;
    add(first * window.stride, last * window.stride);
  }
  if (operand.gather !== null) add(0, (operand.gather.limit - 1) * operand.gather.stride);
  return sum;
}

/** Smallest and largest coordinate of a window. */
function coordinates(window: IndexWindow, domain: readonly number[]): PositionRange {
  const lastA = window.factorA * ((domain[window.axisA] as number) - 1);
  const lastB = window.axisB === null ? 0 : window.factorB * ((domain[window.axisB] as number) - 1);
  return {
    low: window.offset + Math.min(0, lastA) + Math.min(0, lastB),
    high: window.offset + Math.max(0, lastA) + Math.max(0, lastB),
  };
}

function checkRange(
  program: StepProgram,
  producers: Producers,
  operand: Operand,
  range: PositionRange | null,
  refuse: Refuse,
): void {
  if (operand.space === 'immediate') return checkImmediate(operand, refuse);
  if (operand.space === 'index') {
    if (operand.type !== 'int32') refuse('type', operand.type, 'an index is an int32');
    requireWhole(refuse, 'offset', operand.offset, 0, 2 ** 31 - 1);
    if (range !== null && (operand.offset + range.low < -(2 ** 31) || operand.offset + range.high >= 2 ** 31))
      refuse('offset', operand.offset, 'the index does not fit in an int32');
    return;
  }
  const width = typeBytes[operand.type];
  const from = operand.offset + width * (range?.low ?? 0);
  const end = operand.offset + width * ((range?.high ?? 0) + 1);
  const what = `bytes ${String(from)} to ${String(end)} are read`;
  switch (operand.space) {
    case 'trace': {
      const record = producers.at(from);
      const start = (record?.outputChunk ?? 0) * PROGRAM_CHUNK_BYTES;
      if (record === undefined || end > start + outputBytes(record))
        return refuse('offset', operand.offset, `${what}, which are not all in the output of one earlier operation`);
      if (record.type !== operand.type || (from - start) % width !== 0)
        refuse('type', operand.type, `the output there is ${record.type}, beginning at ${String(start)}`);
      return;
    }
    case 'state': {
      const entry = producers.stateEntryAt(from);
      if (entry === undefined || from < entry.offset || end > entry.offset + 4 * entry.elements)
        refuse('offset', operand.offset, `${what}, which are not all in one entry of the state`);
      if (operand.type !== 'float32' || from % 4 !== 0) refuse('type', operand.type, 'the state holds float32');
      return;
    }
    case 'constant':
      if (from < 0 || end > program.constants.length)
        refuse('offset', operand.offset, `${what}, but there are ${String(program.constants.length)}`);
      if (from % width !== 0) refuse('offset', operand.offset, 'its elements are not aligned');
      if (operand.type === 'float32' && !producers.areValues(from, end))
        refuse('offset', operand.offset, `${what}, of which some are no value of exact/1`);
      return;
    case 'view':
      if (from < 0 || end > program.rowBytes)
        refuse('offset', operand.offset, `${what}, but a row has ${String(program.rowBytes)}`);
  }
}

function checkImmediate(operand: Operand, refuse: Refuse): void {
  const largest = operand.type === 'uint8' || operand.type === 'int8' ? 255 : 2 ** 32 - 1;
  requireWhole(refuse, 'offset', operand.offset, 0, largest);
  if (operand.type === 'float32' && !isValueBits(operand.offset | 0))
    refuse('offset', operand.offset, 'its bits are no value of exact/1');
  if (operand.strides.some((stride) => stride !== 0)) refuse('strides', operand.strides, 'an immediate does not move');
  if (operand.windows.some(({ stride }) => stride !== 0) || operand.gather !== null)
    refuse('windows', operand.windows, 'an immediate does not move');
}

/** Quantised values and exponents come from nowhere else, so that their ranges are known. */
function requireMaker(producers: Producers, record: OperationRecord, i: number, opcode: Opcode, refuse: Refuse): void {
  const operand = record.operands[i] as Operand;
  const maker = operand.space === 'trace' ? producers.at(operand.offset)?.opcode : undefined;
  if (maker !== opcode)
    refuse(`operands[${String(i)}]`, maker ?? operand.space, `it must be the output of an operation ${opcode}`);
}

function checkView(program: StepProgram, record: OperationRecord, refuse: Refuse): void {
  if (record.shape.length !== 2 || record.shape[0] !== program.batchSize)
    refuse('shape', record.shape, `it must be [${String(program.batchSize)}, elements of a row]`);
  if (record.operands[0]?.strides[0] !== 0)
    refuse('operands[0].strides[0]', record.operands[0]?.strides[0], 'the row follows from the position in the batch');
}

/** Operands of a `move` that supply elements: those that no other gathers by. */
export function moveSources({ operands }: Pick<OperationRecord, 'operands'>): number[] {
  const indices = new Set(operands.flatMap(({ gather }) => (gather === null ? [] : [gather.operand])));
  return operands.map((_, i) => i).filter((i) => !indices.has(i));
}
