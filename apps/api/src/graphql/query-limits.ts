import type { ApolloServerPlugin } from '@apollo/server';
import {
  type DocumentNode,
  type FieldNode,
  getNamedType,
  getOperationAST,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
  visit,
} from 'graphql';
import { fieldExtensionsEstimator, getComplexity, simpleEstimator } from 'graphql-query-complexity';
import { defaultPageSize, maxPageSize } from './connection.ts';

/** Bounds of one operation, the same over HTTP and for subscriptions. Documented in docs/api.md. */
export const queryLimits = {
  /** Words, names and signs of the document; checked while it is parsed. */
  maxTokens: 2_000,
  maxDepth: 10,
  /** Of introspection, whose usual query nests 14 fields. */
  maxIntrospectionDepth: 15,
  maxAliases: 15,
  /** Fields at the top of a query. */
  maxRootFields: 10,
  maxRootMutations: 5,
  maxComplexity: 5_000,
} as const;

/** An operation of a valid document, as it was asked for. */
export interface AskedOperation {
  schema: GraphQLSchema;
  document: DocumentNode;
  variables: Record<string, unknown> | undefined;
  operationName: string | undefined;
}

function refusal(code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status: 400 } } });
}

/**
 * Refuses what would cost too much, before any of it is done.
 * @throws GraphQLError with code QUERY_TOO_DEEP, TOO_MANY_ALIASES, TOO_MANY_ROOT_FIELDS, QUERY_TOO_COMPLEX or BAD_USER_INPUT
 */
export function assertWithinLimits(asked: AskedOperation): void {
  const { document, operationName } = asked;
  const operation = getOperationAST(document, operationName);
  if (operation == null) throw refusal('BAD_REQUEST', 'The document has no operation of that name.');
  const { maxDepth, maxIntrospectionDepth, maxAliases, maxRootFields, maxRootMutations, maxComplexity } = queryLimits;

  const aliases = countAliases(document);
  if (aliases > maxAliases)
    throw refusal(
      'TOO_MANY_ALIASES',
      `The document has ${String(aliases)} aliases; at most ${String(maxAliases)} are answered. Split it.`,
    );
  const { depth, introspection, width } = measure(document, operation);
  if (depth > maxDepth || introspection > maxIntrospectionDepth)
    throw refusal(
      'QUERY_TOO_DEEP',
      `The operation nests ${String(Math.max(depth, introspection))} fields; at most ${String(maxDepth)} are answered, ${String(maxIntrospectionDepth)} in introspection.`,
    );
  const maxWidth = operation.operation === OperationTypeNode.MUTATION ? maxRootMutations : maxRootFields;
  if (width > maxWidth)
    throw refusal(
      'TOO_MANY_ROOT_FIELDS',
      `The ${operation.operation} has ${String(width)} fields at its top; at most ${String(maxWidth)} are answered.`,
    );
  const complexity = complexityOf(asked);
  if (complexity > maxComplexity)
    throw refusal(
      'QUERY_TOO_COMPLEX',
      `The operation costs ${String(complexity)}; at most ${String(maxComplexity)} is answered. Ask for fewer items or fields.`,
    );
}

function countAliases(document: DocumentNode): number {
  let aliases = 0;
  visit(document, {
    Field: (node) => {
      if (node.alias !== undefined) aliases++;
    },
  });
  return aliases;
}

interface Size {
  /** Of data, and of introspection. */
  depth: number;
  introspection: number;
  /** Fields side by side. */
  width: number;
}
const nothing: Size = { depth: 0, introspection: 0, width: 0 };

/** Size of an operation, fragments followed, each once: they may multiply. Cycles were refused before. */
function measure(document: DocumentNode, operation: OperationDefinitionNode): Size {
  const fragments = new Map(
    document.definitions
      .filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment.selectionSet]),
  );
  const known = new Map<string, Size>();
  const ofFragment = (name: string): Size => {
    const selections = fragments.get(name);
    const size = known.get(name) ?? (selections === undefined ? nothing : ofSelections(selections));
    known.set(name, size);
    return size;
  };
  const ofField = ({ name, selectionSet }: FieldNode): Size => {
    const { depth, introspection } = selectionSet === undefined ? nothing : ofSelections(selectionSet);
    return name.value.startsWith('__')
      ? { depth: 1, introspection: 1 + Math.max(depth, introspection), width: 1 }
      : { depth: 1 + depth, introspection, width: 1 };
  };
  const ofSelections = ({ selections }: SelectionSetNode): Size =>
    selections
      .map((selection) => {
        if (selection.kind === Kind.FIELD) return ofField(selection);
        if (selection.kind === Kind.INLINE_FRAGMENT) return ofSelections(selection.selectionSet);
        return ofFragment(selection.name.value);
      })
      .reduce(
        (sum, each) => ({
          depth: Math.max(sum.depth, each.depth),
          introspection: Math.max(sum.introspection, each.introspection),
          width: sum.width + each.width,
        }),
        nothing,
      );
  return ofSelections(operation.selectionSet);
}

/** What an operation would cost: one for each field; a list counts as often as items were asked for. */
function complexityOf({ schema, document, variables, operationName }: AskedOperation): number {
  try {
    return getComplexity({
      schema,
      query: document,
      ...(variables ? { variables } : {}),
      ...(operationName === undefined ? {} : { operationName }),
      estimators: [
        ({ args, childComplexity, field }) => {
          if (!getNamedType(field.type).name.endsWith('Connection')) return undefined;
          const asked: unknown = args['first'] ?? args['last'] ?? defaultPageSize;
          const size = typeof asked === 'number' ? Math.min(maxPageSize, Math.max(1, asked)) : maxPageSize;
          return 1 + childComplexity * size;
        },
        fieldExtensionsEstimator(),
        simpleEstimator({ defaultComplexity: 1 }),
      ],
    });
  } catch (error) {
    // Variables that do not fit their types, or fragments that multiply beyond counting.
    throw refusal('BAD_USER_INPUT', error instanceof Error ? error.message : String(error));
  }
}

/** Enforces the limits on queries and mutations. */
export function limitPlugin(): ApolloServerPlugin {
  return {
    requestDidStart: () =>
      Promise.resolve({
        didResolveOperation: ({ schema, request, document, operationName }) => {
          assertWithinLimits({
            schema,
            document,
            variables: request.variables,
            operationName: operationName ?? undefined,
          });
          return Promise.resolve();
        },
      }),
  };
}
