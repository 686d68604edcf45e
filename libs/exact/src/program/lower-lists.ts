// Reductions and contractions: lists cut into blocks that one element can be computed from.
import { elementsOf, type IndexWindow, type Opcode, type ProgramType } from '@cotrain/protocol';
import { contractionBlock } from '../contraction-ranges.ts';
import type { ProgramBuilder } from './builder.ts';
import { permuted, reshaped, type Source } from './source.ts';

const block = 64;

/** A coordinate block * size + i on the last two axes of a domain, which ends at `limit`. */
function blockWindow(axes: number, size: number, limit: number, stride: number): IndexWindow {
  return {
    ...{ axisA: axes - 2, axisB: axes - 1, factorA: size, factorB: 1, offset: 0, dilation: 1 },
    ...{ limit, stride },
  };
}

/**
 * One level of a reduction of the last axis by blocks of 64: as many elements as there are blocks, on a last axis, or
 * none of it if there is one block. `labels` go with the entries.
 */
function level(builder: ProgramBuilder, opcode: Opcode, type: ProgramType, source: Source, labels?: Source): Source {
  const outer = source.shape.slice(0, -1);
  const length = source.shape.at(-1) as number;
  const sources = [source, ...(labels === undefined ? [] : [labels])];
  const outerStrides = (from: Source): readonly number[] => from.strides.slice(0, -1);
  if (length <= block)
    return builder.emit(
      opcode,
      type,
      outer,
      sources.map((from) => ({ source: from, strides: from.strides })),
      { list: [length] },
    );
  const shape = [...outer, Math.ceil(length / block)];
  const operands = sources.map((from) => {
    const stride = from.strides.at(-1) as number;
    if (length % block === 0) return { source: from, strides: [...outerStrides(from), stride * block, stride] };
    const windows = [blockWindow(shape.length + 1, block, length, stride)];
    return { source: from, strides: [...outerStrides(from), 0, 0], windows };
  });
  return builder.emit(opcode, type, shape, operands, { list: [block] });
}

/** Reduces the last axis: S (§5) and its relatives. */
export function reduceLast(builder: ProgramBuilder, opcode: Opcode, source: Source, type = source.type): Source {
  let current = builder.contiguous(source);
  for (;;) {
    const length = current.shape.at(-1) as number;
    current = level(builder, opcode, type, current);
    if (length <= block) return current;
  }
}

/** The position of the first largest (smallest) element of the last axis. */
export function argReduceLast(builder: ProgramBuilder, which: 'max' | 'min', source: Source): Source {
  let current = builder.contiguous(source);
  let labels = builder.index(
    current.shape,
    current.shape.map((_, axis) => (axis === current.shape.length - 1 ? 1 : 0)),
  );
  for (;;) {
    const length = current.shape.at(-1) as number;
    const next = level(builder, which === 'max' ? 'argMax64' : 'argMin64', 'int32', current, labels);
    if (length <= block) return next;
    current = level(builder, which === 'max' ? 'max64' : 'min64', current.type, current);
    labels = next;
  }
}

/** A source whose axes `reduced` are one last axis, row-major over them. */
export function listsOver(builder: ProgramBuilder, source: Source, reduced: readonly number[]): Source {
  const kept = source.shape.map((_, axis) => axis).filter((axis) => !reduced.includes(axis));
  const turned = permuted(source, [...kept, ...reduced]);
  const shape = [...kept.map((axis) => source.shape[axis] as number), elementsOf(turned.shape.slice(kept.length))];
  const joined = reshaped(turned, shape);
  const last = joined?.strides.at(-1) ?? 0;
  if (joined !== null && (last === 1 || last === 0 || shape.at(-1) === 1)) return joined;
  return builder.reshape(builder.copy(turned), shape);
}

interface Vectors {
  quantised: Source;
  exponents: Source;
}

/** §6.1 and §6.2 of vectors along the last axis: [batch, count, k] to [batch, count, blocks, width]. */
function quantiseVectors(builder: ProgramBuilder, given: Source): Vectors & { blocks: number; width: number } {
  const source = builder.contiguous(given);
  const [batch, count, k] = source.shape as [number, number, number];
  const [batchStride, countStride, stride] = source.strides as [number, number, number];
  const blocks = Math.ceil(k / contractionBlock);
  // A block is an aligned subtree of its chunk: a power of two up to 1,024, whose last bytes may be zeros.
  const width = blocks === 1 ? 2 ** Math.ceil(Math.log2(k)) : contractionBlock;
  const listed = Math.min(k, contractionBlock);
  const whole = k === blocks * listed;
  const exponents = builder.emit(
    'exponent',
    'int8',
    [batch, count, blocks],
    [
      whole
        ? { source, strides: [batchStride, countStride, stride * listed, stride] }
        : { source, strides: [batchStride, countStride, 0, 0], windows: [blockWindow(4, contractionBlock, k, stride)] },
    ],
    { list: [listed] },
  );
  const full = k === blocks * width;
  const quantised = builder.emit(
    'quantise',
    'int8',
    [batch, count, blocks, width],
    [
      full
        ? { source, strides: [batchStride, countStride, stride * width, stride] }
        : { source, strides: [batchStride, countStride, 0, 0], windows: [blockWindow(4, width, k, stride)] },
      { source: exponents, strides: [count * blocks, blocks, 1, 0] },
    ],
  );
  return { quantised, exponents, blocks, width };
}

/**
 * §6: out[batch, i, j] = a[batch, i, :] . b[batch, j, :]; a batch of 1 serves all of the other's.
 * @param a [batch, m, k] @param b [batch, n, k]
 */
export function contraction(builder: ProgramBuilder, a: Source, b: Source): Source {
  const [aBatch, m, k] = a.shape as [number, number, number];
  const [bBatch, n] = b.shape as [number, number, number];
  const batch = Math.max(aBatch, bBatch);
  const left = quantiseVectors(builder, a);
  const right = quantiseVectors(builder, b);
  const { blocks, width } = left;
  const strides = (own: number, count: number, side: 'left' | 'right', each: number): number[] => [
    own === 1 ? 0 : count * blocks * each,
    side === 'left' ? blocks * each : 0,
    side === 'right' ? blocks * each : 0,
    each,
  ];
  const product = builder.emit(
    'contract',
    'float32',
    [batch, m, n, blocks],
    [
      { source: left.quantised, strides: [...strides(aBatch, m, 'left', width), 1] },
      { source: right.quantised, strides: [...strides(bBatch, n, 'right', width), 1] },
      { source: left.exponents, strides: [...strides(aBatch, m, 'left', 1), 0] },
      { source: right.exponents, strides: [...strides(bBatch, n, 'right', 1), 0] },
    ],
    { list: [Math.min(k, contractionBlock)] },
  );
  return blocks === 1 ? builder.reshape(product, [batch, m, n]) : reduceLast(builder, 'sum64', product);
}
