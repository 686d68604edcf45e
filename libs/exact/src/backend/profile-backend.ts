import { DisposedDataError, UnsupportedArgumentError } from '../errors.ts';
import { DataNumbers, type OperationObserver, plainAttributes, type RecordedTensor } from './recording.ts';
import { checkShape, type ExactTensor, sizeOf, tensorType, type TensorType } from './tensors.ts';
import { tf } from './tf.ts';

/** What a backend keeps for data. */
interface Kept {
  /** TensorFlow.js's tensors that share these data. */
  refCount: number;
}

/** Data that enter, checked against the profile's limits. */
export interface Upload {
  shape: number[];
  size: number;
  dtype: TensorType;
  /** Null: what TensorFlow.js will never read. */
  source: ArrayLike<number> | null;
}

/** What every TensorFlow.js backend of exact/1 does alike: it checks what enters, counts who shares it, and records. */
export abstract class ProfileBackend<Data extends Kept> extends tf.KernelBackend {
  protected readonly data: tf.DataStorage<Data>;
  protected observer: OperationObserver | null = null;
  #numbers = new DataNumbers();

  constructor() {
    super();
    this.data = new tf.DataStorage<Data>(this, tf.engine());
  }

  /** Keeps data from outside as values of the profile, and shows a copy to an observer that wants one. */
  protected abstract store(dataId: object, upload: Upload, refCount: number): void;
  /** Gives back what was kept. */
  protected abstract release(data: Data): void;

  /** Attaches an observer, or none; ids start at 0 again. */
  observe(observer: OperationObserver | null): void {
    this.observer = observer;
    this.#numbers = new DataNumbers();
  }

  /** The id that an observer knows data by; data that it has not seen yet gets the next one. */
  recordedId(dataId: object): number {
    return this.#numbers.of(dataId);
  }

  /** Tells the observer, if there is one, of a kernel call that succeeded. */
  protected recordCall(
    opcode: string,
    inputs: tf.NamedTensorInfoMap,
    attributes: tf.NamedAttrMap | undefined,
    result: ExactTensor | ExactTensor[],
  ): void {
    this.observer?.onOperation({
      opcode,
      attributes: plainAttributes(attributes ?? {}),
      inputs: Object.values(inputs).flatMap((input) => (input === undefined ? [] : [this.recorded(input)])),
      outputs: (Array.isArray(result) ? result : [result]).map((output) => this.recorded(output)),
    });
  }

  protected recorded({ dataId, shape, dtype }: Pick<tf.TensorInfo, 'dataId' | 'shape' | 'dtype'>): RecordedTensor {
    return { id: this.#numbers.of(dataId), shape: [...shape], dtype };
  }

  protected kept(dataId: object): Data {
    try {
      return this.data.get(dataId); // data of another backend is fetched by the engine here
    } catch (cause) {
      throw new DisposedDataError('a tensor', { cause });
    }
  }

  // What the engine calls.

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: object,
    values: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    const type = tensorType('a tensor', dtype);
    checkShape(shape);
    const size = sizeOf(shape);
    // TensorFlow.js passes null for data that will never be read.
    const source = ((values as unknown) ?? null) as ArrayLike<number> | null;
    if (source !== null && source.length !== size)
      throw new UnsupportedArgumentError(
        'a tensor',
        `its shape [${shape.join(', ')}] has ${String(size)} elements, but ${String(source.length)} values were given.`,
      );
    this.store(dataId, { shape, size, dtype: type, source }, refCount);
  }

  override refCount(dataId: object): number {
    return this.data.has(dataId) ? this.data.get(dataId).refCount : 0;
  }

  override incRef(dataId: object): void {
    this.kept(dataId).refCount++;
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.data.has(dataId)) return true;
    const data = this.data.get(dataId);
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    this.release(data);
    this.data.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.data.numDataIds();
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
}
