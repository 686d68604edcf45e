import { ArgsType, Field, Int, ObjectType } from '@nestjs/graphql';
import { GraphQLError } from 'graphql';

type Class<T> = new (...args: never[]) => T;

@ObjectType({ description: 'Where a page lies in its list.' })
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether `after: endCursor` would give more.' })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: 'Whether `before: startCursor` would give more.' })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: 'Cursor of the first item; null when the page is empty.' })
  startCursor!: string | null;

  @Field(() => String, { nullable: true, description: 'Cursor of the last item; null when the page is empty.' })
  endCursor!: string | null;
}

export const maxPageSize = 100;
export const defaultPageSize = 20;

/** Which page of a list is wanted, as in Relay: `first`/`after` forward, `last`/`before` backward. */
@ArgsType()
export class PageArguments {
  @Field(() => Int, {
    nullable: true,
    description: 'How many items from the start or from `after`: 1 to 100, 20 unless given.',
  })
  first?: number | null;

  @Field(() => String, { nullable: true, description: 'Only items behind this cursor.' })
  after?: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many items from the end or before `before`: 1 to 100. Not together with `first`.',
  })
  last?: number | null;

  @Field(() => String, { nullable: true, description: 'Only items before this cursor.' })
  before?: string | null;
}

/** One page, in the shape of Relay's connections. */
export interface Connection<T> {
  edges: { node: T; cursor: string }[];
  nodes: T[];
  pageInfo: PageInfo;
  /** A getter: counted only when it is asked for. */
  readonly totalCount: Promise<number>;
}

/** Declares `<Name>Connection` and `<Name>Edge`. */
export function connectionOf<T>(node: Class<T>, name: string): Class<Connection<T>> {
  @ObjectType(`${name}Edge`, { description: `One item of a ${name}Connection, with its cursor.` })
  class Edge {
    @Field(() => node, { description: 'The item itself.' })
    node!: T;

    @Field(() => String, { description: 'Where the item stands in this list, for `after` and `before`.' })
    cursor!: string;
  }

  @ObjectType(`${name}Connection`, { description: `One page of a list of ${name}s.` })
  class ConnectionType {
    @Field(() => [Edge], { description: 'The items with their cursors.' })
    edges!: Edge[];

    @Field(() => [node], { description: 'The items without their cursors.' })
    nodes!: T[];

    @Field(() => PageInfo, { description: 'How to go on from this page.' })
    pageInfo!: PageInfo;

    @Field(() => Int, { description: 'Items of the whole list, on all pages.' })
    totalCount!: number;
  }
  return ConnectionType as unknown as Class<Connection<T>>;
}

/** A page was asked for in a way that gives none. */
export class InvalidPageError extends GraphQLError {
  constructor(argument: 'first' | 'after' | 'last' | 'before', problem: string) {
    super(`${argument}: ${problem}`, { extensions: { code: 'INVALID_PAGE', argument } });
  }
}

/** A column that a list is sorted by. The last column of an order is unique, so that no item is lost between pages. */
export interface OrderColumn {
  column: string;
  kind: 'integer' | 'text' | 'time';
  descending: boolean;
}

/** A named order of a list; cursors belong to one order only. */
export interface Order {
  name: string;
  columns: readonly OrderColumn[];
}

type Row = Record<string, unknown>;
/** What Prisma needs to read a page. */
export interface PageQuery {
  where: Row;
  orderBy: Record<string, 'asc' | 'desc'>[];
  take: number;
}

/**
 * Reads one page by its keys (not by offset), so that rows which come or go between two pages move nothing.
 * @throws InvalidPageError for a size out of range or a cursor that is not of this list
 */
export async function paginate<TRow extends object, TNode>(request: {
  page: PageArguments;
  order: Order;
  find: (query: PageQuery) => Promise<readonly TRow[]>;
  count: () => Promise<number>;
  view: (rows: readonly TRow[]) => TNode[] | Promise<TNode[]>;
}): Promise<Connection<TNode>> {
  const { page, order } = request;
  const { size, forward } = pageSize(page);
  const bounds = [
    ...(page.after == null ? [] : [beyond(order, decodeCursor(order, page.after, 'after'), true)]),
    ...(page.before == null ? [] : [beyond(order, decodeCursor(order, page.before, 'before'), false)]),
  ];
  const found = await request.find({
    where: { AND: bounds },
    orderBy: order.columns.map(({ column, descending }) => ({ [column]: descending === forward ? 'desc' : 'asc' })),
    take: size + 1,
  });
  const more = found.length > size;
  const rows = found.slice(0, size);
  if (!forward) rows.reverse();
  const cursors = rows.map((row) => encodeCursor(order, row));
  const nodes = await request.view(rows);
  return {
    nodes,
    edges: nodes.map((node, index) => ({ node, cursor: cursors[index] ?? '' })),
    get totalCount() {
      return request.count();
    },
    pageInfo: {
      hasNextPage: forward ? more : page.before != null,
      hasPreviousPage: forward ? page.after != null : more,
      startCursor: cursors[0] ?? null,
      endCursor: cursors.at(-1) ?? null,
    },
  };
}

function pageSize({ first, last }: PageArguments): { size: number; forward: boolean } {
  if (first != null && last != null) throw new InvalidPageError('last', 'give `first` or `last`, not both.');
  const size = first ?? last ?? defaultPageSize;
  if (size < 1 || size > maxPageSize)
    throw new InvalidPageError(
      last == null ? 'first' : 'last',
      `is ${String(size)}; give 1 to ${String(maxPageSize)} and go on with cursors.`,
    );
  return { size, forward: last == null };
}

/** Rows that follow (or precede) a key in the order. */
function beyond({ columns }: Order, key: readonly (string | number)[], following: boolean): Row {
  const value = (index: number): unknown =>
    columns[index]?.kind === 'time' ? new Date(Number(key[index])) : key[index];
  return {
    OR: columns.map(({ column, descending }, index) => ({
      ...Object.fromEntries(columns.slice(0, index).map((earlier, at) => [earlier.column, value(at)])),
      [column]: { [descending === following ? 'lt' : 'gt']: value(index) },
    })),
  };
}

function encodeCursor({ name, columns }: Order, row: object): string {
  const key = columns.map(({ column }) => {
    const value = (row as Row)[column];
    return value instanceof Date ? value.getTime() : value;
  });
  return Buffer.from(JSON.stringify([name, ...key])).toString('base64url');
}

const kindChecks = {
  integer: (value: unknown) => Number.isInteger(value) && Math.abs(value as number) < 2 ** 31,
  time: (value: unknown) => Number.isInteger(value) && Math.abs(value as number) <= 8.64e15,
  text: (value: unknown) => typeof value === 'string' && !value.includes('\0'),
} as const;

function decodeCursor({ name, columns }: Order, cursor: string, argument: 'after' | 'before'): (string | number)[] {
  const refused = new InvalidPageError(
    argument,
    'is no cursor of this list in this order. Use `pageInfo` or `edges { cursor }` of an earlier answer.',
  );
  if (cursor.length > 400 || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw refused;
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw refused;
  }
  if (!Array.isArray(parsed) || parsed.length !== columns.length + 1 || parsed[0] !== name) throw refused;
  const key = parsed.slice(1) as unknown[];
  if (!columns.every(({ kind }, index) => kindChecks[kind](key[index]))) throw refused;
  return key as (string | number)[];
}
