/**
 * The primitive kernels of exact/1. docs/exact-1.md defines each result bit by bit; every implementation (reference,
 * WASM, native) returns exactly those bits. Section numbers in the comments are the specification's.
 *
 * Conventions
 * - The output comes first. It has the length that the shapes say and never overlaps an input, unless said otherwise.
 * - Every array comes from `allocate` of the same instance, or is a subarray of such a one. (In WASM the instance's
 *   memory is shared, so that views stay valid when it grows; `byteOffset` is the address.)
 * - Float inputs are values of the profile: +0, or a magnitude from 2^-100 to 2^100. `normalise` makes them so.
 * - Arrays are dense and row-major. Lengths and shapes were checked by the caller; kernels do not check them again.
 */
export interface ExactKernels {
  /** For messages and reports, as `reference` or `wasm (2 threads)`. */
  readonly name: string;

  /**
   * An array of zeros; with `any`, of unspecified contents, for callers that write every element.
   * @throws ExactMemoryError when the instance cannot hold it
   */
  allocate<Type extends ElementType>(type: Type, length: number, contents?: 'zeros' | 'any'): ElementArray<Type>;
  /** Gives back an array that `allocate` returned (never a subarray). Its contents may be overwritten from now on. */
  free(array: AnyArray): void;
  /** Ends worker threads and releases memory; the instance cannot be used afterwards. */
  dispose(): void | Promise<void>;

  /** §2: any float32 bits to values of the profile. `out` may be `x`. Returns how many elements changed. */
  normalise(out: Float32Array, x: Float32Array): number;

  /** §4: out[i] = op(x[i]). `out` may be `x`. The parameters' meaning is with `UnaryOperation`; unused ones are 0. */
  unary(operation: UnaryOperation, out: Float32Array, x: Float32Array, parameter0: number, parameter1: number): void;

  /** §4: out[i] = op(a[..], b[..]) with broadcasting. */
  binary(
    operation: BinaryOperation,
    out: Float32Array,
    a: Float32Array,
    b: Float32Array,
    layout: BroadcastLayout,
  ): void;

  /** §4: comparison with broadcasting, 1 or 0. */
  compare(operation: Comparison, out: Uint8Array, a: Float32Array, b: Float32Array, layout: BroadcastLayout): void;

  /** out[i] = condition[i] !== 0 ? a[i] : b[i]. All of one length. */
  select(out: Float32Array, condition: Uint8Array, a: Float32Array, b: Float32Array): void;

  /** §5: reduces the middle axis of [outer, length, inner]. `out` is [outer, inner]. */
  reduce(operation: Reduction, out: Float32Array, x: Float32Array, extent: ReductionExtent): void;

  /** §5: index of the first largest or smallest along the middle axis. */
  argReduce(operation: 'argMax' | 'argMin', out: Int32Array, x: Float32Array, extent: ReductionExtent): void;

  /** §7, along the last axis of [rows, columns]. */
  softmax(out: Float32Array, x: Float32Array, rows: number, columns: number): void;
  /** §7, along the last axis of [rows, columns]. */
  logSoftmax(out: Float32Array, x: Float32Array, rows: number, columns: number): void;

  /** §6: contraction of float matrices: quantise both sides block by block, multiply exactly, rescale, add the blocks. */
  matMul(out: Float32Array, a: Float32Array, b: Float32Array, shape: MatMulShape): void;

  // The steps of a contraction on their own (§6), for traces and for workers that share one contraction. A vector of
  // length k has blocks = ceil(k / 1,024) blocks.
  /** §6.1: exponents[v, block] of each vector of x. */
  blockExponents(exponents: Int32Array, x: Float32Array, vectors: VectorLayout): void;
  /** §6.2: int8 values, laid out [vectors, length] whatever the layout of x. */
  quantise(out: Int8Array, x: Float32Array, exponents: Int32Array, vectors: VectorLayout, operand: Operand): void;
  /** §6.3: sums[block, i, j] = sum over the k of the block of a[i, k] * b[j, k]; both operands have their vectors as rows. */
  contract(sums: Int32Array, a: Int8Array, b: Int8Array, m: number, k: number, n: number): void;
  /** §6.4: out[i, j] from sums[block, i, j], aExponents[i, block] and bExponents[j, block]. */
  rescale(
    out: Float32Array,
    sums: Int32Array,
    aExponents: Int32Array,
    bExponents: Int32Array,
    m: number,
    n: number,
    blocks: number,
  ): void;

  /** §8: [batch, inHeight, inWidth, inChannels] with [filterHeight, filterWidth, inChannels, outChannels]. */
  conv2d(out: Float32Array, x: Float32Array, filter: Float32Array, geometry: ConvolutionGeometry): void;
  /** §8: gradient of the filter; `dy` is [batch, outHeight, outWidth, outChannels]. */
  conv2dFilterGradient(out: Float32Array, x: Float32Array, dy: Float32Array, geometry: ConvolutionGeometry): void;

  /** §9; channels-last, channel by channel. */
  maxPool(out: Float32Array, x: Float32Array, geometry: PoolGeometry): void;
  /** §9: `out` has the shape of x, `dy` that of the pooled output. */
  maxPoolGradient(out: Float32Array, dy: Float32Array, x: Float32Array, geometry: PoolGeometry): void;
  avgPool(out: Float32Array, x: Float32Array, geometry: PoolGeometry): void;
  avgPoolGradient(out: Float32Array, dy: Float32Array, geometry: PoolGeometry): void;

  /** §10: out[i, :] = x[indices[i], :], zeros where the index is outside 0..tableRows-1. */
  gatherRows(out: Float32Array, x: Float32Array, indices: Int32Array, tableRows: number, width: number): void;
  /** §10: out[s, :] = the sum (§5) of the rows i of x, in ascending i, with ids[i] = s. Ids outside 0..segments-1 are left out. */
  segmentSum(out: Float32Array, x: Float32Array, ids: Int32Array, segments: number, width: number): void;

  /**
   * Moves 32-bit elements without looking at them: for each index (i0..i5) of `shape`,
   * out[outOffset + sum(i * outStrides)] = x[xOffset + sum(i * xStrides)]. Strides may be 0 (x only) or negative.
   */
  copyStrided(out: Words, x: Words, copy: StridedCopy): void;

  /** §11: dropout's mask, 0 or `keepScale`. Counters start at group 0. */
  dropoutMask(out: Float32Array, mask: DropoutMask): void;

  /** §12: weights move along gradients, in place. */
  sgdStep(weights: Float32Array, gradients: Float32Array, rate: number): void;
  /** §12, in place on weights and velocity. */
  momentumStep(
    weights: Float32Array,
    velocity: Float32Array,
    gradients: Float32Array,
    rate: number,
    momentum: number,
  ): void;
  /** §12, in place on weights and both moments; the coefficients of this step come from `adamCoefficients`. */
  adamStep(
    weights: Float32Array,
    firstMoment: Float32Array,
    secondMoment: Float32Array,
    gradients: Float32Array,
    coefficients: AdamCoefficients,
  ): void;
}

export type ElementType = 'float32' | 'int32' | 'int8' | 'uint8';
export type ElementArray<Type extends ElementType> = {
  float32: Float32Array;
  int32: Int32Array;
  int8: Int8Array;
  uint8: Uint8Array;
}[Type];
export type AnyArray = ElementArray<ElementType>;
/** Arrays of 32-bit elements. */
export type Words = Float32Array | Int32Array;

/** Operations on one value. The index in this list is the operation's number in WASM and native code. */
export const unaryOperations = [
  'neg',
  'abs',
  'sign',
  'floor',
  'ceil',
  'round', // half to even
  'square',
  'sqrt',
  'rsqrt',
  'reciprocal',
  'exp',
  'expm1',
  'log',
  'log1p',
  'sigmoid',
  'tanh',
  'erf',
  'softplus',
  'gelu',
  'relu',
  'clip', // parameter0 = smallest, parameter1 = largest
  'step', // x > 0 ? 1 : parameter0
  'leakyRelu', // parameter0 = slope below 0
  'elu',
  'selu',
] as const;
export type UnaryOperation = (typeof unaryOperations)[number];

/** Operations on two values. The index in this list is the operation's number in WASM and native code. */
export const binaryOperations = [
  'add',
  'sub',
  'mul',
  'div',
  'maximum',
  'minimum',
  'squaredDifference',
  'floorDiv',
  'mod',
  'pow',
  'prelu', // a >= 0 ? a : a * b
  'eluGradient', // a = dy, b = y: b >= 0 ? a : a * (b + 1)
] as const;
export type BinaryOperation = (typeof binaryOperations)[number];

/** The index in this list is the comparison's number in WASM and native code. */
export const comparisons = ['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual'] as const;
export type Comparison = (typeof comparisons)[number];

/** The index in this list is the reduction's number in WASM and native code. */
export const reductions = ['sum', 'mean', 'max', 'min', 'prod'] as const;
export type Reduction = (typeof reductions)[number];

/**
 * Output shape (always four axes, missing ones in front are 1) and how far an operand moves per axis, in elements: 0
 * where it repeats. The output is dense. The last strides are 0 or 1.
 */
export interface BroadcastLayout {
  shape: Four;
  aStrides: Four;
  bStrides: Four;
}
export type Four = readonly [number, number, number, number];

export interface ReductionExtent {
  outer: number;
  length: number;
  inner: number;
}

/**
 * out[batch, m, n] = a[batch, m, k] * b[batch, k, n]. With `transposeA` a matrix of a is stored [k, m]; with
 * `transposeB` a matrix of b is stored [n, k]. A batch stride is m * k (k * n), or 0 if one matrix serves the batch.
 */
export interface MatMulShape {
  batch: number;
  m: number;
  k: number;
  n: number;
  transposeA: boolean;
  transposeB: boolean;
  aBatchStride: number;
  bBatchStride: number;
}

/** `count` vectors of `length` elements: element i of vector v is x[v * vectorStride + i * elementStride]. */
export interface VectorLayout {
  count: number;
  length: number;
  vectorStride: number;
  elementStride: number;
}

/** Side of a contraction: its range (§6.2) may differ. */
export type Operand = 'left' | 'right';

/** Channels-last. `inputDilation*` spreads the input with zeros (1: not); used by the gradient of the input. */
export interface ConvolutionGeometry {
  batch: number;
  inHeight: number;
  inWidth: number;
  inChannels: number;
  outHeight: number;
  outWidth: number;
  outChannels: number;
  filterHeight: number;
  filterWidth: number;
  strideHeight: number;
  strideWidth: number;
  dilationHeight: number;
  dilationWidth: number;
  inputDilationHeight: number;
  inputDilationWidth: number;
  /** May be negative in the gradient of the input. */
  padTop: number;
  padLeft: number;
}

/** Channels-last pooling windows; parts outside of the input are left out. */
export interface PoolGeometry {
  batch: number;
  channels: number;
  inHeight: number;
  inWidth: number;
  outHeight: number;
  outWidth: number;
  filterHeight: number;
  filterWidth: number;
  strideHeight: number;
  strideWidth: number;
  dilationHeight: number;
  dilationWidth: number;
  padTop: number;
  padLeft: number;
}

/** Always six axes, missing ones in front are 1. */
export interface StridedCopy {
  shape: Six;
  outOffset: number;
  outStrides: Six;
  xOffset: number;
  xStrides: Six;
}
export type Six = readonly [number, number, number, number, number, number];

export interface DropoutMask {
  /** Philox's key: the seed's lower and upper 32 bits. */
  seedLow: number;
  seedHigh: number;
  step: number;
  substream: number;
  stream: number;
  /** 0..65,536: a 16-bit half below it drops. */
  threshold: number;
  keepScale: number;
}

/** Float32 values of one Adam(W) step (§12). */
export interface AdamCoefficients {
  /** 1 - beta1, 1 - beta2. */
  towardsGradient: number;
  towardsSquare: number;
  /** rate * sqrt(1 - beta2^t) / (1 - beta1^t). */
  step: number;
  /** epsilon * sqrt(1 - beta2^t). */
  shift: number;
  /** 1 - rate * weightDecay; 1 for Adam. The multiplication is done in either case, as it is exact by 1. */
  decay: number;
}
