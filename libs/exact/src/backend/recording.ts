/** What a kernel call was, in terms that do not depend on the machine: the raw material of a Program. */
export interface RecordedOperation {
  /** TensorFlow.js's kernel name. */
  opcode: string;
  /** A copy: numbers, strings, booleans and lists of them, by ascending names. What TensorFlow.js left out is not there. */
  attributes: Readonly<Record<string, unknown>>;
  inputs: readonly RecordedTensor[];
  outputs: readonly RecordedTensor[];
}

/** Data with a shape. Views of the same data (reshape) have the same id. */
export interface RecordedTensor {
  /** Counts from 0 in the order in which an observer sees data for the first time. */
  id: number;
  shape: readonly number[];
  dtype: string;
}

/** Sees every kernel call, and every tensor that enters from outside, while it is attached. */
export interface OperationObserver {
  onOperation(operation: RecordedOperation): void;
  /** `values` is a copy; what the profile changed (§2) is changed in it too. */
  onData?(tensor: RecordedTensor, values: Float32Array | Int32Array | Uint8Array): void;
  /** Data that is read back, such as a loss. */
  onRead?(id: number): void;
}

/** Attributes as plain data that does not depend on who made the object. */
export function plainAttributes(attributes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined && value !== null);
  given.sort(([a], [b]) => (a < b ? -1 : 1));
  return structuredClone(Object.fromEntries(given));
}

/** Numbers data in the order of their first appearance. */
export class DataNumbers {
  readonly #numbers = new WeakMap<object, number>();
  #next = 0;

  of(dataId: object): number {
    let number = this.#numbers.get(dataId);
    if (number === undefined) {
      number = this.#next++;
      this.#numbers.set(dataId, number);
    }
    return number;
  }
}

/** An observer that keeps everything, for short runs. */
export class OperationRecorder implements OperationObserver {
  readonly operations: RecordedOperation[] = [];
  readonly data: { tensor: RecordedTensor; values: Float32Array | Int32Array | Uint8Array }[] = [];
  /** Ids of data in the order in which it was read back. */
  readonly reads: number[] = [];

  onOperation(operation: RecordedOperation): void {
    this.operations.push(operation);
  }

  onData(tensor: RecordedTensor, values: Float32Array | Int32Array | Uint8Array): void {
    this.data.push({ tensor, values });
  }

  onRead(id: number): void {
    this.reads.push(id);
  }
}
