// §10: the sum over rows of one id, for ids that are data. Everything has a fixed size, and each element few inputs.
import type { ProgramBuilder } from './builder.ts';
import { binary } from './lower-elementwise.ts';
import { permuted, type Source } from './source.ts';

const block = 64;

/**
 * Row s of the result is S over the rows of x with id s, column by column.
 *
 * The rows' positions are sorted by (id, position), so that each segment's rows are a list. A list of more than 64 is cut
 * into blocks, whose sums lie in slots: segment s has the slots from floor(begin / 64) + s on. No two segments meet there:
 * floor(begin / 64) + ceil(size / 64) - 1 <= floor((begin + size) / 64). Levels follow until no list can be longer than 64.
 * @param given [rows, width] @param ids [rows] of int32
 */
export function segmentSum(builder: ProgramBuilder, given: Source, ids: Source, segments: number): Source {
  const x = builder.stored(given);
  const [rows, width] = x.shape as [number, number];
  const int = (value: number): Source => builder.immediate('int32', value);
  const order = builder.emit('sortPositions', 'int32', [rows], [{ source: ids, strides: [0, ids.strides[0] ?? 0] }], {
    list: [rows],
  });
  const sortedIds = gatherBy(builder, { ...ids, shape: [rows] }, order);
  const starts = builder.emit(
    'lowerBound',
    'int32',
    [segments + 1],
    [{ source: sortedIds, strides: [0, sortedIds.strides[0] ?? 0] }],
    {
      list: [rows],
    },
  );
  // Columns become rows, so that a list lies together.
  let lists = builder.emit(
    'move',
    'float32',
    [width, rows],
    [
      {
        ...{ source: x, strides: [x.strides[1] ?? 0, 0] },
        gather: { operand: 1, stride: x.strides[0] ?? 0, limit: rows },
      },
      { source: order, strides: [0, 1] },
    ],
  );
  let length = rows;
  let begins = starts;
  let sizes = binary(builder, 'sub', part(builder, starts, 1, segments), part(builder, starts, 0, segments));
  for (let longest = rows; longest > block; longest = Math.ceil(longest / block)) {
    const slots = Math.floor(length / block) + segments + 1;
    const whole = [segments + 1];
    const firstSlots = binary(
      builder,
      'add',
      binary(builder, 'floorDiv', { ...begins, shape: whole }, int(block)),
      builder.index(whole, [1]),
    );
    const owners = builder.emit('slotSegment', 'int32', [slots], [{ source: firstSlots, strides: [0, 1] }], {
      list: [segments + 1],
    });
    lists = blockSums(builder, { lists, length, begins, sizes, segments }, slots, owners, 0);
    sizes = binary(builder, 'floorDiv', binary(builder, 'add', sizes, int(block - 1)), int(block));
    begins = firstSlots;
    length = slots;
  }
  const own = builder.index([segments], [1]);
  return permuted(blockSums(builder, { lists, length, begins, sizes, segments }, segments, own, 1), [1, 0]);
}

interface Lists {
  /** [width, length]. */
  lists: Source;
  length: number;
  /** Of each segment (and an end). */
  begins: Source;
  sizes: Source;
  segments: number;
}

function blockSums(
  builder: ProgramBuilder,
  { lists, length, begins, sizes, segments }: Lists,
  slots: number,
  owners: Source,
  direct: 0 | 1,
): Source {
  const gather = { operand: 3, stride: 1, limit: segments };
  return builder.emit(
    'segmentSum64',
    'float32',
    [lists.shape[0] as number, slots],
    [
      { source: lists, strides: [length, 0, 1] },
      { source: begins, strides: [0, 0, 0], gather },
      { source: sizes, strides: [0, 0, 0], gather },
      { source: owners, strides: [0, 1, 0] },
    ],
    { list: [length], parameters: [direct] },
  );
}

function part(builder: ProgramBuilder, source: Source, first: number, count: number): Source {
  return { ...builder.moved(source, first), shape: [count], strides: [1] };
}

function gatherBy(builder: ProgramBuilder, values: Source, order: Source): Source {
  if (values.space === 'immediate') return { ...values, strides: [0] };
  const [rows] = values.shape as [number];
  return builder.emit(
    'move',
    values.type,
    [rows],
    [
      { source: values, strides: [0], gather: { operand: 1, stride: values.strides[0] ?? 0, limit: rows } },
      { source: order, strides: [1] },
    ],
  );
}
