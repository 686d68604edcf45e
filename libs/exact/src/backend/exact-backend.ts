import { DisposedDataError, UnsupportedArgumentError } from '../errors.ts';
import type { AnyArray, ElementArray, ElementType, ExactKernels } from '../kernels.ts';
import { DataNumbers, type OperationObserver, plainAttributes, type RecordedTensor } from './recording.ts';
import { tf } from './tf.ts';

/** Element types of tensors: complex numbers and strings do not exist in the profile. */
export type TensorType = 'float32' | 'int32' | 'bool';
export type TensorValues = Float32Array | Int32Array | Uint8Array;
export type ValuesOf<Type extends TensorType> = { float32: Float32Array; int32: Int32Array; bool: Uint8Array }[Type];

/** A tensor of this backend, as kernels pass it on. */
export interface ExactTensor<Type extends TensorType = TensorType> {
  dataId: object;
  shape: number[];
  dtype: Type;
}

interface TensorData {
  values: TensorValues;
  dtype: TensorType;
  /** TensorFlow.js's tensors that share these data. */
  refCount: number;
}

const elementTypes = { float32: 'float32', int32: 'int32', bool: 'uint8' } as const satisfies Record<
  TensorType,
  ElementType
>;

/** Takes working memory that is given back when the kernel call ends. */
export type Take = <Type extends ElementType>(type: Type, length: number) => ElementArray<Type>;

/** TensorFlow.js backend whose every result is defined by docs/exact-1.md. Data lie in the kernels' memory. */
export class ExactBackend extends tf.KernelBackend {
  readonly kernels: ExactKernels;
  readonly #data: tf.DataStorage<TensorData>;
  /** Outputs of the running kernel call: released if it fails. */
  #fresh: ExactTensor[] = [];
  #observer: OperationObserver | null = null;
  #numbers = new DataNumbers();

  constructor(kernels: ExactKernels) {
    super();
    this.kernels = kernels;
    this.#data = new tf.DataStorage(this, tf.engine());
  }

  /** Attaches an observer, or none; ids start at 0 again. */
  observe(observer: OperationObserver | null): void {
    this.#observer = observer;
    this.#numbers = new DataNumbers();
  }

  /** The id that an observer knows data by; data that it has not seen yet gets the next one. */
  recordedId(dataId: object): number {
    return this.#numbers.of(dataId);
  }

  /** Runs a kernel: on failure its outputs are released, so that the backend stays usable. */
  call<Result extends ExactTensor | ExactTensor[]>(
    opcode: string,
    inputs: tf.NamedTensorInfoMap,
    attributes: tf.NamedAttrMap | undefined,
    run: () => Result,
  ): Result {
    const outer = this.#fresh;
    this.#fresh = [];
    try {
      const result = run();
      if (this.#observer !== null)
        this.#observer.onOperation({
          opcode,
          attributes: plainAttributes(attributes ?? {}),
          inputs: Object.values(inputs).flatMap((input) => (input === undefined ? [] : [this.#record(input)])),
          outputs: (Array.isArray(result) ? result : [result]).map((output) => this.#record(output)),
        });
      return result;
    } catch (error) {
      for (const tensor of this.#fresh) this.disposeData(tensor.dataId);
      throw error;
    } finally {
      this.#fresh = outer;
    }
  }

  #record({ dataId, shape, dtype }: Pick<tf.TensorInfo, 'dataId' | 'shape' | 'dtype'>): RecordedTensor {
    return { id: this.#numbers.of(dataId), shape: [...shape], dtype };
  }

  /**
   * A new tensor and its values: zeros, or anything where the caller writes every element.
   * @throws UnsupportedArgumentError for a shape over the limits; ExactMemoryError
   */
  output<Type extends TensorType>(
    shape: readonly number[],
    dtype: Type,
    contents: 'zeros' | 'any' = 'zeros',
  ): [ExactTensor<Type>, ValuesOf<Type>] {
    checkShape(shape);
    const type: ElementType = elementTypes[dtype];
    const values = this.kernels.allocate(type, sizeOf(shape), contents) as TensorValues;
    const tensor: ExactTensor<Type> = { dataId: {}, shape: [...shape], dtype };
    this.#data.set(tensor.dataId, { values, dtype, refCount: 1 });
    this.#fresh.push(tensor);
    return [tensor, values as ValuesOf<Type>];
  }

  /** The same data under another shape. */
  view<Type extends TensorType>(tensor: ExactTensor<Type>, shape: readonly number[]): ExactTensor<Type> {
    this.incRef(tensor.dataId);
    const view = { dataId: tensor.dataId, shape: [...shape], dtype: tensor.dtype };
    this.#fresh.push(view);
    return view;
  }

  /** Lends working memory to `use` and takes it back. */
  withScratch<Result>(use: (take: Take) => Result): Result {
    const taken: AnyArray[] = [];
    try {
      return use((type, length) => {
        const array = this.kernels.allocate(type, length);
        taken.push(array);
        return array;
      });
    } finally {
      for (const array of taken) this.kernels.free(array);
    }
  }

  values<Type extends TensorType>(tensor: ExactTensor<Type>): ValuesOf<Type> {
    return this.#get(tensor.dataId).values as ValuesOf<Type>;
  }

  #get(dataId: object): TensorData {
    try {
      return this.#data.get(dataId); // data of another backend is fetched by the engine here
    } catch (cause) {
      throw new DisposedDataError('a tensor', { cause });
    }
  }

  // What the engine calls.

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.#store(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: object,
    values: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    this.#store(dataId, values, shape, dtype, refCount);
  }

  #store(
    dataId: object,
    source: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    const type = tensorType('a tensor', dtype);
    checkShape(shape);
    const size = sizeOf(shape);
    const isEmpty = (source as unknown) === null || (source as unknown) === undefined;
    const values = this.kernels.allocate(elementTypes[type], size, isEmpty ? 'zeros' : 'any');
    // TensorFlow.js passes null for data that will never be read.
    if (!isEmpty) {
      if (source.length !== size) {
        this.kernels.free(values);
        throw new UnsupportedArgumentError(
          'a tensor',
          `its shape [${shape.join(', ')}] has ${String(size)} elements, but ${String(source.length)} values were given.`,
        );
      }
      values.set(source as Float32Array);
      if (values instanceof Float32Array) this.kernels.normalise(values, values);
      else if (values instanceof Uint8Array) normaliseTruth(values);
    }
    this.#data.set(dataId, { values, dtype: type, refCount });
    this.#observer?.onData?.(this.#record({ dataId, shape, dtype }), values.slice());
  }

  override readSync(dataId: object): TensorValues {
    this.#observer?.onRead?.(this.#numbers.of(dataId));
    return this.#get(dataId).values.slice();
  }

  override read(dataId: object): Promise<TensorValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override refCount(dataId: object): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).refCount : 0;
  }

  override incRef(dataId: object): void {
    this.#get(dataId).refCount++;
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const data = this.#data.get(dataId);
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    this.kernels.free(data.values);
    this.#data.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.#data.numDataIds();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override timerAvailable(): boolean {
    return true;
  }

  override time(run: () => void): Promise<tf.BackendTimingInfo> {
    const start = performance.now();
    run();
    return Promise.resolve({ kernelMs: performance.now() - start });
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {
    void this.kernels.dispose();
  }
}

/** @throws UnsupportedArgumentError for complex numbers and strings */
export function tensorType(what: string, dtype: tf.DataType): TensorType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new UnsupportedArgumentError(what, `the type ${dtype} does not exist in exact/1; use float32, int32 or bool.`);
}

/** §2: bool tensors hold 0 or 1. */
export function normaliseTruth(values: Uint8Array): void {
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) values[i] = 1;
}

/** §3: what int32 can count, so that no index overflows anywhere. */
export const maximumElements = 2 ** 31 - 1;

/** @throws UnsupportedArgumentError unless §3 has tensors of this shape */
export function checkShape(shape: readonly number[]): void {
  if (!shape.every((length) => Number.isInteger(length) && length >= 0 && length <= maximumElements))
    throw new UnsupportedArgumentError(
      'a tensor',
      `its shape is [${shape.join(', ')}]; lengths are integers from 0 to ${String(maximumElements)}.`,
    );
  if (sizeOf(shape) > maximumElements)
    throw new UnsupportedArgumentError(
      'a tensor',
      `its shape [${shape.join(', ')}] has ${String(sizeOf(shape))} elements; at most ${String(maximumElements)} are possible. Use smaller batches or layers.`,
    );
}

/** Elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}
