import type { AnyArray, ElementArray, ElementType, ExactKernels } from '../kernels.ts';
import { ProfileBackend, type Upload } from './profile-backend.ts';
import {
  checkShape,
  type ExactTensor,
  normaliseTruth,
  sizeOf,
  type TensorType,
  type TensorValues,
  type ValuesOf,
} from './tensors.ts';
import type { tf } from './tf.ts';

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
export class ExactBackend extends ProfileBackend<TensorData> {
  readonly kernels: ExactKernels;
  /** Outputs of the running kernel call: released if it fails. */
  #fresh: ExactTensor[] = [];

  constructor(kernels: ExactKernels) {
    super();
    this.kernels = kernels;
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
      this.recordCall(opcode, inputs, attributes, result);
      return result;
    } catch (error) {
      for (const tensor of this.#fresh) this.disposeData(tensor.dataId);
      throw error;
    } finally {
      this.#fresh = outer;
    }
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
    this.data.set(tensor.dataId, { values, dtype, refCount: 1 });
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
    return this.kept(tensor.dataId).values as ValuesOf<Type>;
  }

  protected override store(dataId: object, { shape, size, dtype, source }: Upload, refCount: number): void {
    const values = this.kernels.allocate(elementTypes[dtype], size, source === null ? 'zeros' : 'any');
    if (source !== null) {
      values.set(source);
      if (values instanceof Float32Array) this.kernels.normalise(values, values);
      else if (values instanceof Uint8Array) normaliseTruth(values);
    }
    this.data.set(dataId, { values, dtype, refCount });
    this.observer?.onData?.(this.recorded({ dataId, shape, dtype }), values.slice());
  }

  protected override release({ values }: TensorData): void {
    this.kernels.free(values);
  }

  override readSync(dataId: object): TensorValues {
    this.observer?.onRead?.(this.recordedId(dataId));
    return this.kept(dataId).values.slice();
  }

  override read(dataId: object): Promise<TensorValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override dispose(): void {
    void this.kernels.dispose();
  }
}
