import { UnsupportedArgumentError } from '../../errors.ts';
import type { MatMulShape, UnaryOperation } from '../../kernels.ts';
import type { ExactBackend } from '../exact-backend.ts';
import { checkShape, type ExactTensor, sizeOf } from '../tensors.ts';
import { floats, type Inputs, type KernelFunction, type KernelTable } from '../kernel.ts';
import { applyBinary, applyUnary } from './elementwise.ts';

export interface MatMulAttributes {
  transposeA: boolean;
  transposeB: boolean;
}

/** Operands of a product and its shape. @throws UnsupportedArgumentError if they do not fit */
export function matMulOperands(
  kernel: string,
  inputs: Inputs,
  { transposeA, transposeB }: MatMulAttributes,
): { a: ExactTensor<'float32'>; b: ExactTensor<'float32'>; shape: MatMulShape; outShape: number[] } {
  const a = floats(kernel, inputs, 'a');
  const b = floats(kernel, inputs, 'b');
  const [aRows, aColumns] = matrixOf(a, transposeA);
  const [bRows, bColumns] = matrixOf(b, transposeB);
  const aBatch = a.shape.slice(0, -2);
  const bBatch = b.shape.slice(0, -2);
  const [aCount, bCount] = [sizeOf(aBatch), sizeOf(bBatch)];
  if (aColumns !== bRows || (aCount !== bCount && aCount !== 1 && bCount !== 1))
    throw new UnsupportedArgumentError(
      kernel,
      `[${a.shape.join(', ')}] cannot be multiplied by [${b.shape.join(', ')}] (transposeA ${String(transposeA)}, transposeB ${String(transposeB)}).`,
    );
  const batchShape = aCount >= bCount ? aBatch : bBatch;
  const shape = {
    ...{ batch: Math.max(aCount, bCount), m: aRows, k: aColumns, n: bColumns, transposeA, transposeB },
    aBatchStride: aCount === 1 ? 0 : aRows * aColumns,
    bBatchStride: bCount === 1 ? 0 : bRows * bColumns,
  };
  const outShape = [...batchShape, aRows, bColumns];
  checkShape(outShape);
  return { a, b, shape, outShape };
}

/** §6, for batches of which one side may be a single matrix. */
function matMul(
  backend: ExactBackend,
  kernel: string,
  inputs: Inputs,
  attributes: MatMulAttributes,
): ExactTensor<'float32'> {
  const { a, b, shape, outShape } = matMulOperands(kernel, inputs, attributes);
  const [out, values] = backend.output(outShape, 'float32', shape.k > 0 ? 'any' : 'zeros');
  if (values.length > 0 && shape.k > 0) backend.kernels.matMul(values, backend.values(a), backend.values(b), shape);
  return out;
}

function matrixOf(tensor: ExactTensor, transposed: boolean): [rows: number, columns: number] {
  const [rows = 1, columns = 1] = tensor.shape.slice(-2);
  return transposed ? [columns, rows] : [rows, columns];
}

/** What fused kernels may end with, besides `prelu` and `leakyrelu`. */
export const activations: Record<string, { operation: UnaryOperation; parameters?: [number, number] } | null> = {
  linear: null,
  relu: { operation: 'relu' },
  relu6: { operation: 'clip', parameters: [0, 6] },
  elu: { operation: 'elu' },
  sigmoid: { operation: 'sigmoid' },
};

/** Adds a bias and applies an activation, as the separate kernels do; `result` is released if it is replaced. */
export function finish(
  backend: ExactBackend,
  kernel: string,
  result: ExactTensor<'float32'>,
  inputs: Inputs,
  attributes: { activation?: string; leakyreluAlpha?: number },
): ExactTensor<'float32'> {
  const { activation = 'linear', leakyreluAlpha = 0.2 } = attributes;
  let current = result;
  const replace = (next: ExactTensor<'float32'>): void => {
    backend.disposeData(current.dataId);
    current = next;
  };
  if (inputs['bias'] !== undefined)
    replace(applyBinary(backend, kernel, 'add', current, floats(kernel, inputs, 'bias')));
  if (activation === 'prelu')
    replace(applyBinary(backend, kernel, 'prelu', current, floats(kernel, inputs, 'preluActivationWeights')));
  else if (activation === 'leakyrelu') replace(applyUnary(backend, 'leakyRelu', current, leakyreluAlpha));
  else {
    const known = activations[activation];
    if (known === undefined)
      throw new UnsupportedArgumentError(kernel, `the activation '${activation}' is not defined.`);
    if (known !== null) replace(applyUnary(backend, known.operation, current, ...(known.parameters ?? [])));
  }
  return current;
}

const batchMatMul: KernelFunction = (backend, inputs, attributes) =>
  matMul(backend, 'BatchMatMul', inputs, attributes as unknown as MatMulAttributes);

const fusedMatMul: KernelFunction = (backend, inputs, attributes) => {
  const product = matMul(backend, '_FusedMatMul', inputs, attributes as unknown as MatMulAttributes);
  return finish(backend, '_FusedMatMul', product, inputs, attributes);
};

export const productKernels: KernelTable = { BatchMatMul: batchMatMul, _FusedMatMul: fusedMatMul };
