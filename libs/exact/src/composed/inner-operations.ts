import type { ExactTensor, TensorType, TensorValues, ValuesOf } from '../backend/tensors.ts';
import { maximumElements, sizeOf } from '../backend/tensors.ts';
import { tf } from '../backend/tf.ts';
import { ExactMemoryError, UnsupportedKernelError } from '../errors.ts';

/** A tensor whose data lie in the inner backend. */
export type InnerTensor<Type extends TensorType = TensorType> = ExactTensor<Type>;
export type Floats = InnerTensor<'float32'>;

/** Single numbers that stay in the inner backend for the next call. */
const maximumConstants = 512;

const bytesOf = { float32: 4, int32: 4, bool: 1 } as const;

/** What every kernel of a TF.js backend returns: tensorflow's are tensors of the engine, the others' are not. */
type Made = tf.TensorInfo & { dispose?: () => void };

/**
 * Kernels of a TensorFlow.js backend, called without its engine. Whatever a call makes belongs to the running scope
 * and is gone when the scope ends.
 */
export class InnerOperations {
  readonly name: string;
  readonly backend: tf.KernelBackend;
  readonly #kernels = new Map<string, tf.KernelConfig>();
  readonly #constants = new Map<number, Floats>();
  readonly #maximumBytes: number;
  #bytes = 0;
  readonly #outermost: InnerTensor[] = [];
  #scope = this.#outermost;

  /** @param maximumBytes how much the tensors that exist at one time may hold together */
  constructor(name: string, backend: tf.KernelBackend, maximumBytes = Infinity) {
    this.name = name;
    this.backend = backend;
    this.#maximumBytes = maximumBytes;
  }

  /** Tensors of the inner backend that stay between calls: single numbers. */
  get constants(): number {
    return this.#constants.size;
  }

  /**
   * Lets `use` call inner kernels: the engine's backend is the inner one meanwhile, since kernels of `tensorflow` make
   * tensors through it. TensorFlow.js has no public way to say so for a moment: `setBackend` sets every kernel up again.
   */
  session<Result>(use: () => Result): Result {
    const engine = tf.engine();
    const current = engine as unknown as { backendName: string; backendInstance: tf.KernelBackend };
    const { backendName, backendInstance } = current;
    engine.startScope();
    current.backendName = this.name;
    current.backendInstance = this.backend;
    try {
      return use();
    } finally {
      engine.endScope();
      current.backendName = backendName;
      current.backendInstance = backendInstance;
    }
  }

  /** Releases what `make` makes except what it returns, which belongs to the scope around. */
  tidy<Result extends InnerTensor | InnerTensor[]>(make: () => Result): Result {
    const outer = this.#scope;
    const inside: InnerTensor[] = [];
    this.#scope = inside;
    let kept: readonly InnerTensor[] = [];
    try {
      const result = make();
      kept = Array.isArray(result) ? result : [result];
      return result;
    } finally {
      this.#scope = outer;
      for (const tensor of inside)
        if (kept.includes(tensor)) outer.push(tensor);
        else this.release(tensor);
    }
  }

  /** Takes tensors out of the running scope: the caller releases them. */
  keep(tensors: readonly InnerTensor[]): void {
    for (const tensor of tensors) {
      const at = this.#scope.indexOf(tensor);
      if (at >= 0) this.#scope.splice(at, 1);
    }
  }

  release({ dataId, shape, dtype }: InnerTensor): void {
    this.#bytes -= sizeOf(shape) * bytesOf[dtype];
    this.backend.disposeData(dataId);
  }

  /** @throws ExactMemoryError if a tensor of this shape, also one that is only used on the way, cannot be */
  reserve(shape: readonly number[], dtype: TensorType = 'float32'): void {
    const bytes = sizeOf(shape) * bytesOf[dtype];
    if (sizeOf(shape) > maximumElements || this.#bytes + bytes > this.#maximumBytes)
      throw new ExactMemoryError(bytes, `composed on ${this.name}`);
  }

  /** Calls a kernel of the inner backend that has one output. */
  run<Type extends TensorType = 'float32'>(
    kernel: string,
    inputs: Readonly<Record<string, InnerTensor>> | readonly InnerTensor[],
    attributes: Readonly<Record<string, unknown>> = {},
  ): InnerTensor<Type> {
    const { kernelFunc } = this.#kernel(kernel);
    try {
      const made = kernelFunc({
        inputs: inputs as unknown as tf.NamedTensorInfoMap,
        backend: this.backend,
        attrs: attributes as tf.NamedAttrMap,
      }) as Made;
      return this.#own(this.#detach(made)) as InnerTensor<Type>;
    } catch (cause) {
      // What JavaScript says when an array cannot be made, and what TensorFlow says.
      if (cause instanceof Error && (cause.name === 'RangeError' || /\bOOM\b|[Aa]llocat/.test(cause.message)))
        throw new ExactMemoryError(this.#bytes, `composed on ${this.name} (${kernel})`, { cause });
      throw cause;
    }
  }

  #kernel(name: string): tf.KernelConfig {
    const known = this.#kernels.get(name);
    if (known !== undefined) return known;
    const kernel = tf.getKernel(name, this.name) as tf.KernelConfig | undefined;
    if (kernel === undefined)
      throw new UnsupportedKernelError(name, `the inner backend '${this.name}' does not have this primitive`);
    this.#kernels.set(name, kernel);
    return kernel;
  }

  /** Makes the engine forget a tensor that a kernel made through it; its data stay in the inner backend. */
  #detach(made: Made): tf.TensorInfo {
    if (typeof made.dispose !== 'function') return made;
    const { dataId, shape, dtype } = made;
    this.backend.incRef(dataId);
    made.dispose();
    tf.engine().removeDataId(dataId, this.backend);
    return { dataId, shape, dtype };
  }

  #own({ dataId, shape, dtype }: tf.TensorInfo): InnerTensor {
    const tensor = { dataId, shape: [...shape], dtype: dtype as TensorType };
    this.#bytes += sizeOf(shape) * bytesOf[tensor.dtype];
    this.#scope.push(tensor);
    return tensor;
  }

  /** Writes values into the inner backend, which may keep the array. */
  upload<Type extends TensorType>(values: ValuesOf<Type>, shape: readonly number[], dtype: Type): InnerTensor<Type> {
    this.reserve(shape, dtype);
    const dataId = this.backend.write(values, [...shape], dtype);
    return this.#own({ dataId, shape: [...shape], dtype }) as InnerTensor<Type>;
  }

  /** A copy of a tensor's values. */
  read<Type extends TensorType>(tensor: InnerTensor<Type>): ValuesOf<Type> {
    if (sizeOf(tensor.shape) === 0) return new constructors[tensor.dtype](0) as ValuesOf<Type>;
    return (this.backend.readSync(tensor.dataId) as TensorValues).slice() as ValuesOf<Type>;
  }

  /** As `read`, for backends whose work is not done yet. */
  async readLater(tensor: InnerTensor): Promise<TensorValues> {
    if (sizeOf(tensor.shape) === 0) return this.read(tensor);
    return ((await this.backend.read(tensor.dataId)) as TensorValues).slice();
  }

  releaseConstants(): void {
    for (const constant of this.#constants.values()) this.release(constant);
    this.#constants.clear();
  }

  /** A single float. */
  constant(value: number): Floats {
    const known = this.#constants.get(value);
    if (known !== undefined) return known;
    const made = this.upload(Float32Array.of(value), [], 'float32');
    if (this.#constants.size >= maximumConstants) return made;
    this.keep([made]);
    this.#constants.set(value, made);
    return made;
  }
}

const constructors = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
