import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { buildSchema, GraphQLError, parse } from 'graphql';
import { assertWithinLimits, queryLimits } from './query-limits.ts';

const schema = buildSchema(`
  type Query { node: Node, nodes(first: Int, last: Int): NodeConnection }
  type Mutation { act: Int }
  type Node { id: Int, child: Node, nodes(first: Int, last: Int): NodeConnection }
  type NodeConnection { nodes: [Node], totalCount: Int }
`);

function codeOf(query: string, variables?: Record<string, unknown>): string {
  try {
    assertWithinLimits({ schema, document: parse(query), variables, operationName: undefined });
    return 'answered';
  } catch (error) {
    if (error instanceof GraphQLError) return String(error.extensions['code']);
    throw error;
  }
}

/** `node { child { child ... { id } } }`, so many fields deep, every other one behind a fragment of its own. */
function nested(depth: number): string {
  const fragments: string[] = [];
  const body = (left: number): string => {
    if (left === 1) return '{ id }';
    if (left % 2 === 0) return `{ ... on Node { child ${body(left - 1)} } }`;
    fragments.push(`fragment F${String(left)} on Node { child ${body(left - 1)} }`);
    return `{ ...F${String(left)} }`;
  };
  const query = `{ node ${body(depth - 1)} }`;
  return `${query} ${fragments.join(' ')}`;
}

describe('limits of an operation', () => {
  test('count depth through fragments, to the field (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), (depth) => {
        expect(codeOf(nested(depth))).toBe(depth > queryLimits.maxDepth ? 'QUERY_TOO_DEEP' : 'answered');
      }),
    );
  });

  test('cost as many items as are asked for, by literal, variable or default (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 100 }), (outer, inner) => {
        const inside = 1 + inner * 2;
        const cost = 1 + outer * (1 + inside);
        const expected = cost > queryLimits.maxComplexity ? 'QUERY_TOO_COMPLEX' : 'answered';
        const literal = `{ nodes(first: ${String(outer)}) { nodes { nodes(last: ${String(inner)}) { nodes { id } } } } }`;
        expect(codeOf(literal)).toBe(expected);
        const variable = 'query ($a: Int, $b: Int) { nodes(first: $a) { nodes { nodes(last: $b) { nodes { id } } } } }';
        expect(codeOf(variable, { a: outer, b: inner })).toBe(expected);
      }),
    );
    const unsaid = '{ nodes { nodes { nodes { nodes { nodes { nodes { id } } } } } } }';
    expect(codeOf(unsaid)).toBe('QUERY_TOO_COMPLEX');
  });

  test('measure fragments that multiply without multiplying the work', () => {
    const bomb = Array.from(
      { length: 60 },
      (_, level) => `fragment B${String(level)} on Node { ...B${String(level + 1)} ...B${String(level + 1)} }`,
    );
    const started = performance.now();
    expect(codeOf(`{ node { ...B0 } } ${bomb.join(' ')} fragment B60 on Node { id }`)).not.toBe('answered');
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test('bound aliases and fields at the top, more narrowly for mutations', () => {
    const many = (count: number, field: string): string =>
      Array.from({ length: count }, (_, index) => `a${String(index)}: ${field}`).join(' ');
    expect(codeOf(`{ ${many(10, 'node { id }')} }`)).toBe('answered');
    expect(codeOf(`{ ${many(11, 'node { id }')} }`)).toBe('TOO_MANY_ROOT_FIELDS');
    expect(codeOf(`{ ...F } fragment F on Query { ${many(11, 'node { id }')} }`)).toBe('TOO_MANY_ROOT_FIELDS');
    expect(codeOf(`mutation { ${many(5, 'act')} }`)).toBe('answered');
    expect(codeOf(`mutation { ${many(6, 'act')} }`)).toBe('TOO_MANY_ROOT_FIELDS');
    expect(codeOf(`{ node { ${many(15, 'id')} } }`)).toBe('answered');
    expect(codeOf(`{ node { ${many(16, 'id')} } }`)).toBe('TOO_MANY_ALIASES');
  });

  test('refuse variables that do not fit', () => {
    expect(codeOf('query ($a: Int) { nodes(first: $a) { totalCount } }', { a: 'ten' })).toBe('BAD_USER_INPUT');
  });
});
