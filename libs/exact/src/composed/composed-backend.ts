import {
  checkShape,
  type ExactTensor,
  normaliseTruth,
  sizeOf,
  tensorType,
  type TensorType,
  type TensorValues,
} from '../backend/exact-backend.ts';
import type { Inputs, KernelTable } from '../backend/kernel.ts';
import { DataNumbers, type OperationObserver, plainAttributes, type RecordedTensor } from '../backend/recording.ts';
import { tf } from '../backend/tf.ts';
import { DisposedDataError, UnsupportedArgumentError } from '../errors.ts';
import { normalise } from '../reference/unary.ts';
import { HostKernels } from './host-kernels.ts';
import type { InnerTensor } from './inner-operations.ts';
import { type ComposedKernel, type Output, View } from './kernel.ts';
import type { Primitives } from './primitives.ts';

interface Entry {
  /** Where the data lie; the inner backend may know the data only under this shape. */
  inner: InnerTensor;
  /** TensorFlow.js's tensors that share these data. */
  refCount: number;
}

const constructors = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

/** TensorFlow.js backend that computes exact/1 with the kernels of another one, in which its data lie. */
export class ComposedBackend extends tf.KernelBackend {
  readonly primitives: Primitives;
  readonly #host: HostKernels;
  readonly #data: tf.DataStorage<Entry>;
  #observer: OperationObserver | null = null;
  #numbers = new DataNumbers();

  constructor(primitives: Primitives, kernels: KernelTable) {
    super();
    this.primitives = primitives;
    this.#host = new HostKernels(primitives, kernels);
    this.#data = new tf.DataStorage(this, tf.engine());
  }

  /** Attaches an observer, or none; ids start at 0 again. */
  observe(observer: OperationObserver | null): void {
    this.#observer = observer;
    this.#numbers = new DataNumbers();
  }

  /** Runs a kernel; whatever it made on the way is released, on failure all of it. */
  call(
    opcode: string,
    inputs: tf.NamedTensorInfoMap,
    attributes: tf.NamedAttrMap | undefined,
    kernel: ComposedKernel,
  ): ExactTensor | ExactTensor[] {
    const given = Object.entries(inputs).flatMap(([name, input]) => (input === undefined ? [] : [{ name, input }]));
    const entries = given.map(({ input }) => this.#get(input.dataId)); // fetches data of other backends
    const p = this.primitives;
    const results = p.session(() => {
      // The inner tensor of each input, under the input's shape, and whose it is.
      const owners = new Map<InnerTensor, object>();
      let outputs: Output[] = [];
      let isList = false;
      const kept = p.tidy((): InnerTensor[] => {
        const tensors = given.map(({ name, input }, i): [string, InnerTensor] => {
          const tensor = { ...p.reshape((entries[i] as Entry).inner, input.shape) };
          owners.set(tensor, input.dataId);
          return [name, tensor];
        });
        const result = kernel({ p, host: this.#host }, Object.fromEntries(tensors) as Inputs, attributes ?? {});
        isList = Array.isArray(result);
        // An input that is handed on gets a handle of its own.
        outputs = (Array.isArray(result) ? result : [result]).map((output) =>
          !(output instanceof View) && owners.has(output)
            ? p.run<TensorType>('Reshape', { x: output }, { shape: output.shape })
            : output,
        );
        return outputs.filter((output): output is InnerTensor => !(output instanceof View));
      });
      p.keep(kept);
      const wrapped = outputs.map((output) =>
        output instanceof View ? this.#view(output, owners.get(output.input) as object) : this.#wrap(output),
      );
      return isList ? wrapped : (wrapped[0] as ExactTensor);
    });
    if (this.#observer !== null)
      this.#observer.onOperation({
        opcode,
        attributes: plainAttributes(attributes ?? {}),
        inputs: given.map(({ input }) => this.#record(input)),
        outputs: (Array.isArray(results) ? results : [results]).map((output) => this.#record(output)),
      });
    return results;
  }

  #record({ dataId, shape, dtype }: Pick<tf.TensorInfo, 'dataId' | 'shape' | 'dtype'>): RecordedTensor {
    return { id: this.#numbers.of(dataId), shape: [...shape], dtype };
  }

  #wrap(inner: InnerTensor): ExactTensor {
    const dataId = {};
    this.#data.set(dataId, { inner, refCount: 1 });
    return { dataId, shape: [...inner.shape], dtype: inner.dtype };
  }

  #view({ input, shape }: View, dataId: object): ExactTensor {
    this.incRef(dataId);
    return { dataId, shape: [...shape], dtype: input.dtype };
  }

  #get(dataId: object): Entry {
    try {
      return this.#data.get(dataId);
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
    this.primitives.reserve(shape, type);
    // TensorFlow.js passes null for data that will never be read.
    const isEmpty = (source as unknown) === null || (source as unknown) === undefined;
    if (!isEmpty && source.length !== size)
      throw new UnsupportedArgumentError(
        'a tensor',
        `its shape [${shape.join(', ')}] has ${String(size)} elements, but ${String(source.length)} values were given.`,
      );
    const values: TensorValues = new constructors[type](size);
    if (!isEmpty) values.set(source as Float32Array);
    if (values instanceof Float32Array) normalise(values, values);
    else if (values instanceof Uint8Array) normaliseTruth(values);
    // The inner backend may keep the array, an observer gets a copy.
    const copy = this.#observer?.onData === undefined ? null : values.slice();
    const inner = this.primitives.upload<TensorType>(values, shape, type);
    this.primitives.keep([inner]);
    this.#data.set(dataId, { inner, refCount });
    if (copy !== null) this.#observer?.onData?.(this.#record({ dataId, shape, dtype }), copy);
  }

  override readSync(dataId: object): TensorValues {
    return this.primitives.read(this.#get(dataId).inner);
  }

  override async read(dataId: object): Promise<TensorValues> {
    return this.primitives.readLater(this.#get(dataId).inner);
  }

  override refCount(dataId: object): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).refCount : 0;
  }

  override incRef(dataId: object): void {
    this.#get(dataId).refCount++;
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const entry = this.#data.get(dataId);
    entry.refCount--;
    if (!force && entry.refCount > 0) return false;
    this.primitives.release(entry.inner);
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

  /** The inner backend stays: it belongs to whoever registered it. */
  override dispose(): void {
    this.primitives.releaseConstants();
  }
}
