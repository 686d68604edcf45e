import type { BinaryOperation, UnaryOperation } from '../../kernels.ts';

/** A kernel of TensorFlow.js with one input `x`, and the operation of §4 that it is. */
export interface UnaryKernel {
  operation: UnaryOperation;
  /** The operation's parameters from the kernel's attributes; none unless given. */
  parameters?: (attributes: never) => number[];
}

/** A kernel of TensorFlow.js with two inputs, their names, and the operation of §4 that it is. */
export interface BinaryKernel {
  operation: BinaryOperation;
  first: string;
  second: string;
}

/** By TensorFlow.js's names; what §4 means does not depend on which backend computes. */
export const unaryKernels: Readonly<Record<string, UnaryKernel>> = {
  Abs: { operation: 'abs' },
  Neg: { operation: 'neg' },
  Sign: { operation: 'sign' },
  Floor: { operation: 'floor' },
  Ceil: { operation: 'ceil' },
  Round: { operation: 'round' },
  Square: { operation: 'square' },
  Sqrt: { operation: 'sqrt' },
  Rsqrt: { operation: 'rsqrt' },
  Reciprocal: { operation: 'reciprocal' },
  Exp: { operation: 'exp' },
  Expm1: { operation: 'expm1' },
  Log: { operation: 'log' },
  Log1p: { operation: 'log1p' },
  Sigmoid: { operation: 'sigmoid' },
  Tanh: { operation: 'tanh' },
  Erf: { operation: 'erf' },
  Softplus: { operation: 'softplus' },
  Relu: { operation: 'relu' },
  Relu6: { operation: 'clip', parameters: () => [0, 6] },
  ClipByValue: {
    operation: 'clip',
    parameters: (a: { clipValueMin: number; clipValueMax: number }) => [a.clipValueMin, a.clipValueMax],
  },
  Step: { operation: 'step', parameters: (a: { alpha: number }) => [a.alpha] },
  LeakyRelu: { operation: 'leakyRelu', parameters: (a: { alpha: number }) => [a.alpha] },
  Elu: { operation: 'elu' },
  Selu: { operation: 'selu' },
};

export const binaryKernels: Readonly<Record<string, BinaryKernel>> = {
  Add: { operation: 'add', first: 'a', second: 'b' },
  Sub: { operation: 'sub', first: 'a', second: 'b' },
  Multiply: { operation: 'mul', first: 'a', second: 'b' },
  RealDiv: { operation: 'div', first: 'a', second: 'b' },
  FloorDiv: { operation: 'floorDiv', first: 'a', second: 'b' },
  Mod: { operation: 'mod', first: 'a', second: 'b' },
  Pow: { operation: 'pow', first: 'a', second: 'b' },
  Maximum: { operation: 'maximum', first: 'a', second: 'b' },
  Minimum: { operation: 'minimum', first: 'a', second: 'b' },
  SquaredDifference: { operation: 'squaredDifference', first: 'a', second: 'b' },
  Prelu: { operation: 'prelu', first: 'x', second: 'alpha' },
  EluGrad: { operation: 'eluGradient', first: 'dy', second: 'y' },
};

/** A table with what `make` makes of each kernel. */
export function mapKernels<Kernel, Made>(
  kernels: Readonly<Record<string, Kernel>>,
  make: (name: string, kernel: Kernel) => Made,
): Record<string, Made> {
  return Object.fromEntries(Object.entries(kernels).map(([name, kernel]) => [name, make(name, kernel)]));
}
