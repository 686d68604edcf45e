import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type Connection,
  InvalidPageError,
  type Order,
  type PageArguments,
  type PageQuery,
  paginate,
} from './connection.ts';

interface Row {
  block: number;
  id: number;
  name: string;
  at: Date;
}
const orders: Order[] = [
  { name: 'id', columns: [{ column: 'id', kind: 'integer', descending: true }] },
  {
    name: 'block',
    columns: [
      { column: 'block', kind: 'integer', descending: true },
      { column: 'id', kind: 'integer', descending: false },
    ],
  },
  {
    name: 'at',
    columns: [
      { column: 'at', kind: 'time', descending: false },
      { column: 'name', kind: 'text', descending: true },
    ],
  },
];

type Condition = Record<string, unknown>;
/** What a database does with the query: enough of it for what paginate asks. */
function holds(row: Record<string, unknown>, condition: Condition): boolean {
  return Object.entries(condition).every(([key, wanted]) => {
    if (key === 'AND') return (wanted as Condition[]).every((each) => holds(row, each));
    if (key === 'OR') return (wanted as Condition[]).some((each) => holds(row, each));
    const value = row[key] as number;
    if (wanted instanceof Date || typeof wanted !== 'object')
      return Number(value) === Number(wanted) || value === wanted;
    const { lt, gt } = wanted as { lt?: number; gt?: number };
    return lt === undefined ? value > (gt as number) : value < lt;
  });
}
function compare(query: PageQuery): (a: Row, b: Row) => number {
  return (a, b) => {
    for (const order of query.orderBy)
      for (const [column, direction] of Object.entries(order)) {
        const [x, y] = [a[column as 'id'], b[column as 'id']];
        if (x < y) return direction === 'asc' ? -1 : 1;
        if (x > y) return direction === 'asc' ? 1 : -1;
      }
    return 0;
  };
}
function read(rows: readonly Row[], order: Order, page: PageArguments): Promise<Connection<Row>> {
  return paginate<Row, Row>({
    page,
    order,
    find: (query) =>
      Promise.resolve(
        rows
          .filter((row) => holds({ ...row }, query.where))
          .sort(compare(query))
          .slice(0, query.take),
      ),
    count: () => Promise.resolve(rows.length),
    view: (found) => [...found],
  });
}

const rowsArbitrary = fc
  .array(fc.record({ block: fc.integer({ min: 0, max: 3 }), at: fc.integer({ min: 0, max: 3 }) }), { maxLength: 30 })
  .map((drawn) =>
    drawn.map(({ block, at }, id): Row => ({ id, block, name: `n${String(id)}`, at: new Date(at * 1_000) })),
  );

describe('pages by key', () => {
  test('joined give the whole list once, forward and backward, with ties in the order (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        rowsArbitrary,
        fc.constantFrom(...orders),
        fc.integer({ min: 1, max: 7 }),
        fc.boolean(),
        async (rows, order, size, forward) => {
          const seen: number[] = [];
          let cursor: string | null = null;
          for (;;) {
            const page: Connection<Row> = await read(
              rows,
              order,
              forward ? { first: size, after: cursor } : { last: size, before: cursor },
            );
            const ids = page.nodes.map(({ id }) => id);
            if (forward) seen.push(...ids);
            else seen.unshift(...ids);
            const { hasNextPage, hasPreviousPage, startCursor, endCursor } = page.pageInfo;
            if (!(forward ? hasNextPage : hasPreviousPage)) break;
            cursor = forward ? endCursor : startCursor;
          }
          expect(seen).toEqual((await read(rows, order, { first: 100 })).nodes.map(({ id }) => id));
          expect([...seen].sort((a, b) => a - b)).toEqual(rows.map(({ id }) => id));
        },
      ),
    );
  });

  test('lose and repeat nothing when rows come between two pages', async () => {
    const rows: Row[] = [9, 7, 5, 3].map((id) => ({ id, block: 0, name: String(id), at: new Date(0) }));
    const first = await read(rows, orders[0]!, { first: 2 });
    rows.push({ id: 10, block: 0, name: '10', at: new Date(0) }, { id: 6, block: 0, name: '6', at: new Date(0) });
    const second = await read(rows, orders[0]!, { first: 3, after: first.pageInfo.endCursor });
    expect(second.nodes.map(({ id }) => id)).toEqual([6, 5, 3]);
    expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
  });

  test('are refused for any cursor that is not of the list in that order (fuzz)', async () => {
    const refused = async (cursor: string): Promise<void> => {
      await expect(read([], orders[1]!, { after: cursor })).rejects.toBeInstanceOf(InvalidPageError);
    };
    const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    await fc.assert(fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 500 }), refused));
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue().filter((value) => !Array.isArray(value) || value[0] !== 'block'),
        (value) => refused(encoded(value)),
      ),
    );
    for (const key of [
      ['block', 1],
      ['block', 1, 2, 3],
      ['block', '1', 2],
      ['block', 1, null],
      ['block', 2 ** 31, 1],
      ['block', 0.5, 1],
    ])
      await refused(encoded(key));
    await expect(read([], orders[1]!, { after: encoded(['block', 1, 2]) })).resolves.toMatchObject({ nodes: [] });
  });
});
