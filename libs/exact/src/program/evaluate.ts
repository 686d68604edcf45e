import {
  byteOffset,
  digitsOf,
  elementPosition,
  elementsOf,
  MAX_AXES,
  moveSources,
  type OperandSpace,
  type OperationRecord,
  philox4x32,
  philoxKey,
  type ProgramType,
} from '@cotrain/protocol';
import { contractionBits, contractionRanges } from '../contraction-ranges.ts';
import { floatOf, N, powerOfTwo, roundHalfEven } from '../reference/float.ts';
import { adamWeight, elementFunction, wrap } from './functions.ts';
import { exponentOf, reduceList, rescaledProduct, sum64 } from './lists.ts';

/** Where elements are read from: bytes of a space. */
export type StoredSpace = Exclude<OperandSpace, 'immediate' | 'index'>;

/**
 * Reads one element. In the space `view` the byte counts from the first row of the batch, whose rows lie one after
 * another: byte b belongs to the batch's row floor(b / rowBytes).
 */
export type ReadElement = (space: StoredSpace, byte: number, type: ProgramType) => number;

/** What every operation of a step may depend on besides its operands. */
export interface StepPlace {
  seed: bigint;
  step: number;
  /** The program's. */
  rowBytes: number;
}

/**
 * The element of an operation's output at a position, from its inputs' elements alone: what a contract computes again.
 * Nothing but what `read` returns is known of the rest of the trace.
 */
export function evaluateElement(
  record: OperationRecord,
  position: number,
  read: ReadElement,
  place: StepPlace,
): number {
  const fetches = record.operands.map((operand): Fetch => {
    const { space, type } = operand;
    if (space === 'immediate' || space === 'index') return () => 0;
    return (element) => read(space, byteOffset(operand, element), type);
  });
  return new OperationEvaluator(record, fetches, place).at(position);
}

/** Reads the element of an operand at a position that counts from the operand's offset. */
export type Fetch = (position: number) => number;

/** Computes elements of one operation. */
export class OperationEvaluator {
  readonly #record: OperationRecord;
  readonly #fetches: readonly Fetch[];
  readonly #place: StepPlace;
  readonly #digits: number[] = new Array<number>(MAX_AXES).fill(0);
  readonly #element: (position: number) => number;
  #sorted: Int32Array | null = null;

  constructor(record: OperationRecord, fetches: readonly Fetch[], place: StepPlace) {
    this.#record = record;
    this.#fetches = fetches;
    this.#place = place;
    this.#element = this.#choose();
  }

  at(position: number): number {
    digitsOf(position, this.#record.shape, this.#digits);
    return this.#element(position);
  }

  /** An operand's element at the current index; null where it has none. */
  #operand(i: number): number | null {
    const operand = this.#record.operands[i];
    if (operand === undefined) return null;
    const gathered = operand.gather === null ? 0 : (this.#operand(operand.gather.operand) as number);
    const position = elementPosition(operand, this.#digits, gathered);
    if (position === null) return null;
    if (operand.space === 'index') return operand.offset + position;
    if (operand.space !== 'immediate') return (this.#fetches[i] as Fetch)(position);
    if (operand.type === 'float32') return floatOf(operand.offset | 0);
    return operand.type === 'int8' ? (operand.offset << 24) >> 24 : wrap(operand.type, operand.offset);
  }

  /** An operand's element where it is known to have one. */
  #value(i: number): number {
    return this.#operand(i) as number;
  }

  #choose(): (position: number) => number {
    const record = this.#record;
    const apply = elementFunction(record);
    if (apply !== undefined) {
      const count = record.operands.length;
      return () => apply(this.#value(0), count > 1 ? this.#value(1) : 0, count > 2 ? this.#value(2) : 0, 0);
    }
    switch (record.opcode) {
      case 'move':
        return this.#move();
      case 'view':
        return this.#view();
      case 'random':
        return (position) => this.#random(position);
      case 'adamWeights':
        return this.#adam();
      case 'quantise':
        return () => this.#quantise();
      case 'exponent':
        return this.#overList((count, entry) => exponentOf(count, entry));
      case 'contract':
        return this.#overList((count, entry) => rescaledProduct(count, entry, this.#value(2), this.#value(3)));
      case 'sortPositions':
        return (position) => (this.#sorted ??= this.#sort())[position] as number;
      case 'lowerBound':
        return (position) => this.#firstIndex((value) => value >= position);
      case 'slotSegment':
        return (position) => this.#firstIndex((value) => value > position) - 1;
      case 'segmentSum64':
        return () => this.#segmentSum();
      default:
        return this.#overList((count, entry) => reduceList(record, count, entry));
    }
  }

  #overList(
    reduce: (count: number, entry: (operand: number, position: number) => number | null) => number,
  ): () => number {
    const { shape, list } = this.#record;
    const count = elementsOf(list);
    const entry = (operand: number, position: number): number | null => {
      if (list.length === 1) this.#digits[shape.length] = position;
      else digitsOf(position, list, this.#digits, shape.length);
      return this.#operand(operand);
    };
    return () => reduce(count, entry);
  }

  #move(): () => number {
    const { parameters, type } = this.#record;
    const fill = type === 'float32' ? floatOf(parameters[0] | 0) : wrap(type, parameters[0]);
    const sources = moveSources(this.#record);
    return () => {
      for (const source of sources) {
        const value = this.#operand(source);
        if (value !== null) return value;
      }
      return fill;
    };
  }

  #view(): () => number {
    const { type } = this.#record;
    const operand = this.#record.operands[0];
    const width = type === 'uint8' ? 1 : 4;
    return () => {
      const position = elementPosition(operand as NonNullable<typeof operand>, this.#digits) as number;
      // The fetch adds the offset in the row; the row itself is a whole number of elements only for widths of 1.
      const value = (this.#fetches[0] as Fetch)(
        position + ((this.#digits[0] as number) * this.#place.rowBytes) / width,
      );
      return type === 'float32' ? N(value) : value;
    };
  }

  /** §11: the element's own half of its word decides. */
  #random(position: number): number {
    const [substream, stream, threshold, keepBits] = this.#record.parameters;
    const group = Math.floor(position / 8);
    const words = philox4x32([group, this.#place.step >>> 0, substream, stream], philoxKey(this.#place.seed));
    const word = words[(position % 8) >> 1] as number;
    const half = position % 2 === 0 ? word & 0xffff : word >>> 16;
    return half < threshold ? 0 : floatOf(keepBits | 0);
  }

  #adam(): () => number {
    const decay = floatOf(this.#record.parameters[0] | 0);
    const pair = this.#record.operands[3];
    const fetchPair = this.#fetches[3] as Fetch;
    return () => {
      const at = elementPosition(pair as NonNullable<typeof pair>, this.#digits) as number;
      return adamWeight(this.#value(0), this.#value(1), this.#value(2), fetchPair(at), fetchPair(at + 1), decay);
    };
  }

  #quantise(): number {
    const value = this.#operand(0);
    if (value === null) return 0;
    const range = contractionRanges.left;
    const scaled = Math.fround(value * powerOfTwo(contractionBits.left - this.#value(1)));
    return Math.min(Math.max(roundHalfEven(scaled), -range), range);
  }

  /** Positions ordered by (element, position). */
  #sort(): Int32Array {
    const count = this.#record.list[0] as number;
    const keys = Int32Array.from({ length: count }, (_, i) => {
      this.#digits[1] = i;
      return this.#value(0);
    });
    return Int32Array.from(keys.keys()).sort((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
  }

  /** The first position of an ascending list at which something holds, or its length. */
  #firstIndex(holds: (value: number) => boolean): number {
    let low = 0;
    let high = this.#record.list[0] as number;
    while (low < high) {
      const middle = (low + high) >>> 1;
      this.#digits[1] = middle;
      if (holds(this.#value(0))) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** S of the part of a segment's list that belongs to this slot. */
  #segmentSum(): number {
    const [direct] = this.#record.parameters;
    const length = this.#record.list[0] as number;
    this.#digits[2] = 0;
    const slot = this.#digits[1] as number;
    const segment = this.#value(3);
    const [begin, size] = [this.#operand(1), this.#operand(2)];
    if (begin === null || size === null) return 0;
    const block = direct === 1 ? 0 : slot - ((begin >> 6) + segment);
    const first = begin + 64 * block;
    const count = Math.max(0, Math.min(64, size - 64 * block));
    return sum64(count, (i) => {
      if (first + i < 0 || first + i >= length) return 0;
      this.#digits[2] = first + i;
      return this.#value(0);
    });
  }
}
