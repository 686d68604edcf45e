import { Field, Int, ObjectType } from '@nestjs/graphql';

type Class<T> = new (...args: never[]) => T;

@ObjectType()
export class PageInfo {
  @Field(() => Boolean)
  hasNextPage!: boolean;

  @Field(() => String, { nullable: true })
  endCursor!: string | null;
}

/** One page, in the shape of Relay's connections. */
export interface Connection<T> {
  edges: { node: T; cursor: string }[];
  nodes: T[];
  pageInfo: PageInfo;
  totalCount: number;
}

/** Declares `<Name>Connection` and `<Name>Edge`. */
export function connectionOf<T>(node: Class<T>, name: string): Class<Connection<T>> {
  @ObjectType(`${name}Edge`)
  class Edge {
    @Field(() => node)
    node!: T;

    @Field(() => String)
    cursor!: string;
  }

  @ObjectType(`${name}Connection`)
  class ConnectionType implements Connection<T> {
    @Field(() => [Edge])
    edges!: Edge[];

    @Field(() => [node])
    nodes!: T[];

    @Field(() => PageInfo)
    pageInfo!: PageInfo;

    @Field(() => Int)
    totalCount!: number;
  }
  return ConnectionType as unknown as Class<Connection<T>>;
}

export const maxPageSize = 100;

/** Bounds what one query can cost. */
export function pageSize(first: number | undefined): number {
  return Math.min(Math.max(1, first ?? 20), maxPageSize);
}

/** Cuts `rows`, of which one more than the page was read, into a page. */
export function page<T>(
  rows: readonly T[],
  size: number,
  totalCount: number,
  cursorOf: (row: T) => string,
): Connection<T> {
  const nodes = rows.slice(0, size);
  const edges = nodes.map((node) => ({ node, cursor: encodeCursor(cursorOf(node)) }));
  return {
    edges,
    nodes,
    totalCount,
    pageInfo: { hasNextPage: rows.length > size, endCursor: edges.at(-1)?.cursor ?? null },
  };
}

export function encodeCursor(key: string): string {
  return Buffer.from(key).toString('base64url');
}

/** The key that a cursor stands for; a cursor that is none of ours stands for the start. */
export function decodeCursor(cursor: string | undefined): string | null {
  return cursor === undefined || cursor.length > 400 ? null : Buffer.from(cursor, 'base64url').toString('utf8');
}
