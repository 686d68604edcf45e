import type { Inputs, KernelTable } from '../backend/kernel.ts';
import { ProfileBackend, type Upload } from '../backend/profile-backend.ts';
import { type ExactTensor, normaliseTruth, type TensorType, type TensorValues } from '../backend/tensors.ts';
import type { tf } from '../backend/tf.ts';
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
export class ComposedBackend extends ProfileBackend<Entry> {
  readonly primitives: Primitives;
  readonly #host: HostKernels;

  constructor(primitives: Primitives, kernels: KernelTable) {
    super();
    this.primitives = primitives;
    this.#host = new HostKernels(primitives, kernels);
  }

  /** Runs a kernel; whatever it made on the way is released, on failure all of it. */
  call(
    opcode: string,
    inputs: tf.NamedTensorInfoMap,
    attributes: tf.NamedAttrMap | undefined,
    kernel: ComposedKernel,
  ): ExactTensor | ExactTensor[] {
    const given = Object.entries(inputs).flatMap(([name, input]) => (input === undefined ? [] : [{ name, input }]));
    const entries = given.map(({ input }) => this.kept(input.dataId)); // fetches data of other backends
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
    this.recordCall(opcode, inputs, attributes, results);
    return results;
  }

  #wrap(inner: InnerTensor): ExactTensor {
    const dataId = {};
    this.data.set(dataId, { inner, refCount: 1 });
    return { dataId, shape: [...inner.shape], dtype: inner.dtype };
  }

  #view({ input, shape }: View, dataId: object): ExactTensor {
    this.incRef(dataId);
    return { dataId, shape: [...shape], dtype: input.dtype };
  }

  protected override store(dataId: object, { shape, size, dtype, source }: Upload, refCount: number): void {
    this.primitives.reserve(shape, dtype);
    const values: TensorValues = new constructors[dtype](size);
    if (source !== null) values.set(source);
    if (values instanceof Float32Array) normalise(values, values);
    else if (values instanceof Uint8Array) normaliseTruth(values);
    // The inner backend may keep the array, an observer gets a copy.
    const copy = this.observer?.onData === undefined ? null : values.slice();
    const inner = this.primitives.upload<TensorType>(values, shape, dtype);
    this.primitives.keep([inner]);
    this.data.set(dataId, { inner, refCount });
    if (copy !== null) this.observer?.onData?.(this.recorded({ dataId, shape, dtype }), copy);
  }

  protected override release({ inner }: Entry): void {
    this.primitives.release(inner);
  }

  override readSync(dataId: object): TensorValues {
    return this.primitives.read(this.kept(dataId).inner);
  }

  override async read(dataId: object): Promise<TensorValues> {
    return this.primitives.readLater(this.kept(dataId).inner);
  }

  /** The inner backend stays: it belongs to whoever registered it. */
  override dispose(): void {
    this.primitives.releaseConstants();
  }
}
