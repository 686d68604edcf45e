import {
  type AdamCoefficients,
  type BinaryOperation,
  binaryOperations,
  type BroadcastLayout,
  type Comparison,
  comparisons,
  type ExactKernels,
  type UnaryOperation,
  unaryOperations,
} from '../kernels.ts';
import { joinBroadcast } from './layout.ts';
import type { WasmRuntime } from './runtime.ts';

const unaryNumbers = new Map<UnaryOperation, number>(unaryOperations.map((name, index) => [name, index]));
const binaryNumbers = new Map<BinaryOperation, number>(binaryOperations.map((name, index) => [name, index]));
const comparisonNumbers = new Map<Comparison, number>(comparisons.map((name, index) => [name, index]));

// Rough durations of an element, for the decision whether to wake the threads.
const simple = 0.3;
const composed = 2;
const simpleUnary: ReadonlySet<UnaryOperation> = new Set([
  ...(['neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'square', 'relu', 'clip', 'step', 'leakyRelu'] as const),
]);

type Elementwise = Pick<
  ExactKernels,
  'normalise' | 'unary' | 'binary' | 'compare' | 'select' | 'sgdStep' | 'momentumStep' | 'adamStep'
>;

const isFlat = ({ shape, aStrides, bStrides }: BroadcastLayout, a: Float32Array, b: Float32Array, length: number) =>
  a.length === length && b.length === length && isDense(shape, aStrides) && isDense(shape, bStrides);

/** Whether an operand is walked element by element. */
function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = 3; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis] as number;
  }
  return true;
}

function broadcastArguments(
  number: number,
  out: { byteOffset: number; length: number },
  a: Float32Array,
  b: Float32Array,
  layout: BroadcastLayout,
): number[] {
  const operands = [number, out.byteOffset, a.byteOffset, b.byteOffset];
  if (isFlat(layout, a, b, out.length)) return [...operands, 1, 1, 1, out.length, 0, 0, 0, 1, 0, 0, 0, 1];
  const { shape, aStrides, bStrides } = joinBroadcast(layout);
  return [...operands, ...shape, ...aStrides, ...bStrides];
}

/** §2, §4 and §12 over a WASM runtime. */
export function elementwiseKernels(runtime: WasmRuntime): Elementwise {
  return {
    normalise(out, x) {
      return runtime.withScratch(4, (counter) => {
        const count = new Int32Array(out.buffer, counter, 1);
        count[0] = 0;
        runtime.run('normalise', x.length, simple, [counter, out.byteOffset, x.byteOffset]);
        return count[0];
      });
    },
    unary(operation, out, x, parameter0, parameter1) {
      runtime.float(3, parameter0);
      runtime.float(4, parameter1);
      runtime.run('unary', x.length, simpleUnary.has(operation) ? simple : composed, [
        ...[unaryNumbers.get(operation) as number, out.byteOffset, x.byteOffset],
      ]);
    },
    binary(operation, out, a, b, layout) {
      if (out.length === 0) return;
      const operands = broadcastArguments(binaryNumbers.get(operation) as number, out, a, b, layout);
      runtime.run('binary', out.length, operation === 'pow' ? composed * 10 : simple, operands);
    },
    compare(operation, out, a, b, layout) {
      if (out.length === 0) return;
      const operands = broadcastArguments(comparisonNumbers.get(operation) as number, out, a, b, layout);
      runtime.run('compare', out.length, simple, operands);
    },
    select(out, condition, a, b) {
      runtime.run('select', out.length, simple, [
        ...[0, out.byteOffset, condition.byteOffset, a.byteOffset, b.byteOffset],
      ]);
    },
    sgdStep(weights, gradients, rate) {
      runtime.float(2, rate);
      runtime.run('sgdStep', weights.length, simple, [weights.byteOffset, gradients.byteOffset]);
    },
    momentumStep(weights, velocity, gradients, rate, momentum) {
      runtime.float(3, rate);
      runtime.float(4, momentum);
      runtime.run('momentumStep', weights.length, simple, [
        ...[weights.byteOffset, velocity.byteOffset, gradients.byteOffset],
      ]);
    },
    adamStep(weights, firstMoment, secondMoment, gradients, coefficients: AdamCoefficients) {
      runtime.float(4, coefficients.towardsGradient);
      runtime.float(5, coefficients.towardsSquare);
      runtime.float(6, coefficients.step);
      runtime.float(7, coefficients.shift);
      runtime.float(8, coefficients.decay);
      runtime.run('adamStep', weights.length, composed, [
        ...[weights.byteOffset, firstMoment.byteOffset, secondMoment.byteOffset, gradients.byteOffset],
      ]);
    },
  };
}
