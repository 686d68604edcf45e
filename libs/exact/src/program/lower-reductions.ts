// Products of matrices (§6), reductions (§5) and what is made of them (§7).
import { elementsOf, type Opcode } from '@cotrain/protocol';
import { lastAxis, type ReductionAttributes } from '../backend/kernels/reductions.ts';
import type { ProgramBuilder } from './builder.ts';
import { argReduceLast, contraction, listsOver, reduceLast } from './lower-lists.ts';
import { binary, finish, unary } from './lower-elementwise.ts';
import { type Call, input, type Lowering } from './lowering.ts';
import { permuted, type Source } from './source.ts';

function matMul(call: Call): Source {
  const { builder, outShape } = call;
  const { transposeA, transposeB } = call.attributes as { transposeA: boolean; transposeB: boolean };
  // Vectors are rows on both sides: [batch, count, k].
  const rows = (source: Source, areColumns: boolean): Source => {
    const batch = elementsOf(source.shape.slice(0, -2));
    const [height = 1, width = 1] = source.shape.slice(-2);
    const matrices = builder.reshape(source, [batch, height, width]);
    return areColumns ? permuted(matrices, [0, 2, 1]) : matrices;
  };
  const product = contraction(builder, rows(input(call, 0), transposeA), rows(input(call, 1), !transposeB));
  return builder.reshape(product, outShape);
}

/** x as [kept, reduced]. */
function lists(call: Call): Source {
  const { builder, attributes, outShape } = call;
  const x = input(call, 0);
  const { axis, reductionIndices } = attributes as ReductionAttributes;
  const named = axis ?? reductionIndices ?? x.shape.map((_, each) => each);
  const axes = new Set([named].flat().map((each) => (each < 0 ? each + x.shape.length : each)));
  const source = listsOver(
    builder,
    x,
    [...axes].sort((a, b) => a - b),
  );
  return builder.reshape(source, [elementsOf(outShape), source.shape.at(-1) as number]);
}

const reduction =
  (opcode: Opcode): Lowering =>
  (call) => {
    const source = lists(call);
    return call.builder.reshape(reduceLast(call.builder, opcode, source, call.outType), call.outShape);
  };

const mean: Lowering = (call) => {
  const source = lists(call);
  const count = call.builder.immediate('float32', Math.fround(source.shape[1] as number));
  const means = binary(call.builder, 'div', reduceLast(call.builder, 'sum64', source), count);
  return call.builder.reshape(means, call.outShape);
};

const argReduction =
  (which: 'max' | 'min'): Lowering =>
  (call) =>
    call.builder.reshape(argReduceLast(call.builder, which, lists(call)), call.outShape);

/** §7, of rows along the last axis: differences from the largest, their exponentials and these one's sum. */
function exponentials(call: Call): { differences: Source; powers: Source; sums: Source } {
  const { builder } = call;
  const x = input(call, 0);
  const columns = lastAxis(call.operation.opcode, x.shape, call.attributes);
  const rows = builder.reshape(x, [elementsOf(x.shape) / columns, columns]);
  const perRow = (source: Source): Source => column(builder, source);
  const differences = binary(builder, 'sub', rows, perRow(reduceLast(builder, 'max64', rows)));
  const powers = unary(builder, 'exp', differences);
  return { differences, powers, sums: perRow(reduceLast(builder, 'sum64', powers)) };
}

function column(builder: ProgramBuilder, source: Source): Source {
  return builder.reshape(source, [source.shape[0] as number, 1]);
}

const softmax: Lowering = (call) => {
  const { powers, sums } = exponentials(call);
  return call.builder.reshape(binary(call.builder, 'div', powers, sums), call.outShape);
};

const logSoftmax: Lowering = (call) => {
  const { differences, sums } = exponentials(call);
  const result = binary(call.builder, 'sub', differences, unary(call.builder, 'log', sums));
  return call.builder.reshape(result, call.outShape);
};

export const reductionLowerings: Readonly<Record<string, Lowering>> = {
  BatchMatMul: matMul,
  _FusedMatMul: (call) => finish(call, matMul(call), call.inputs.slice(2)),
  Sum: reduction('sum64'),
  Prod: reduction('product64'),
  Max: reduction('max64'),
  Min: reduction('min64'),
  All: reduction('min64'),
  Any: reduction('max64'),
  Mean: mean,
  ArgMax: argReduction('max'),
  ArgMin: argReduction('min'),
  Softmax: softmax,
  LogSoftmax: logSoftmax,
};
