// Whole operations element by element, but without looking up each element's index anew.
import { elementsOf, moveSources, type Operand } from '@cotrain/protocol';
import { floatOf } from '../reference/float.ts';
import { elementFunction, wrap } from './functions.ts';
import { reduceList } from './lists.ts';
import { missing, positionsOf } from './positions.ts';
import type { OperationTask } from './run-step.ts';

/** Indices of a domain that are handled at a time: 16 MiB of positions for each operand. */
const partElements = 2 ** 22;

/** Elements of one operand for a part of the domain; null where it has none. */
type Elements = (i: number) => number | null;

/**
 * Runs elementwise operations, moves and lists of 64.
 * @returns false for operations of other kinds
 */
export function runInBulk(task: OperationTask): boolean {
  const { record, out } = task;
  const domain = [...record.shape, ...record.list];
  const apply = elementFunction(record);
  const isList = record.opcode === 'maxPoolGradient' || /^(?:sum|product|max|min|argMax|argMin)64$/.test(record.opcode);
  if (apply === undefined && record.opcode !== 'move' && !isList) return false;
  const listed = elementsOf(record.list);
  const perFirst = elementsOf(domain.slice(1));
  const firstLength = domain[0] ?? 1;
  // A list is never cut, so that an operation without axes of its own is one part.
  const step = record.shape.length === 0 ? firstLength : Math.max(1, Math.floor(partElements / perFirst));
  for (let first = 0, at = 0; first < firstLength; first += step) {
    const count = Math.min(step, firstLength - first);
    const part = new Part(task, domain, first, count);
    const outputs = (count * perFirst) / listed;
    if (record.opcode === 'move') {
      runMove(task, at, outputs, part);
      at += outputs;
      continue;
    }
    const operands = record.operands.map((_, i) => part.elements(i));
    if (isList) {
      for (let o = 0; o < outputs; o++)
        out[at + o] = reduceList(record, listed, (operand, i) => (operands[operand] as Elements)(o * listed + i));
    } else if (apply !== undefined) runElementwise(out, at, outputs, operands, apply);
    at += outputs;
  }
  return true;
}

const zero: Elements = () => 0;

function runElementwise(
  out: OperationTask['out'],
  at: number,
  count: number,
  [a = zero, b = zero, c = zero]: readonly Elements[],
  apply: NonNullable<ReturnType<typeof elementFunction>>,
): void {
  for (let i = 0; i < count; i++) out[at + i] = apply(a(i) as number, b(i) as number, c(i) as number, 0);
}

/** Later operands first, so that the first one that has an element is the last to write it. */
function runMove({ record, out }: OperationTask, at: number, count: number, part: Part): void {
  const fill = record.type === 'float32' ? floatOf(record.parameters[0] | 0) : wrap(record.type, record.parameters[0]);
  out.fill(fill, at, at + count);
  for (const source of moveSources(record).toReversed()) {
    const plain = part.positionsIn(source);
    if (plain === null) {
      const elements = part.elements(source);
      for (let i = 0; i < count; i++) {
        const value = elements(i);
        if (value !== null) out[at + i] = value;
      }
      continue;
    }
    const { array, base, positions } = plain;
    for (let i = 0; i < count; i++) {
      const position = positions[i] as number;
      if (position !== missing) out[at + i] = array[base + position] as number;
    }
  }
}

/** A part of an operation's domain. */
class Part {
  readonly #task: OperationTask;
  readonly #domain: readonly number[];
  readonly #first: number;
  readonly #count: number;

  constructor(task: OperationTask, domain: readonly number[], first: number, count: number) {
    this.#task = task;
    this.#domain = domain;
    this.#first = first;
    this.#count = count;
  }

  /** Where an operand's elements are, if they lie in an array. */
  positionsIn(i: number): { array: OperationTask['out']; base: number; positions: Int32Array } | null {
    const source = this.#task.sources[i];
    return source == null ? null : { ...source, positions: this.#positions(this.#task.record.operands[i] as Operand) };
  }

  elements(i: number): Elements {
    const operand = this.#task.record.operands[i] as Operand;
    if (operand.space === 'immediate' && operand.windows.length === 0) {
      const value =
        operand.type === 'float32'
          ? floatOf(operand.offset | 0)
          : operand.type === 'int8'
            ? (operand.offset << 24) >> 24
            : wrap(operand.type, operand.offset);
      return () => value;
    }
    const positions = this.#positions(operand);
    if (operand.space === 'immediate') {
      const value = operand.type === 'float32' ? floatOf(operand.offset | 0) : operand.offset;
      return (at) => (positions[at] === missing ? null : value);
    }
    if (operand.space === 'index')
      return (at) => (positions[at] === missing ? null : operand.offset + (positions[at] as number));
    const source = this.#task.sources[i];
    if (source == null) {
      const fetch = this.#task.fetches[i] as (position: number) => number;
      return (at) => (positions[at] === missing ? null : fetch(positions[at] as number));
    }
    const { array, base } = source;
    return (at) => {
      const position = positions[at] as number;
      return position === missing ? null : (array[base + position] as number);
    };
  }

  #positions(operand: Operand): Int32Array {
    let gathered: Int32Array | null = null;
    if (operand.gather !== null) {
      const indices = this.elements(operand.gather.operand);
      gathered = new Int32Array(this.#count * elementsOf(this.#domain.slice(1)));
      for (let at = 0; at < gathered.length; at++) gathered[at] = indices(at) as number;
    }
    return positionsOf(operand, this.#domain, this.#first, this.#count, gathered);
  }
}
