import type { ApolloServerPlugin } from '@apollo/server';
import {
  type ASTVisitor,
  type DocumentNode,
  type FragmentDefinitionNode,
  getNamedType,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  OperationTypeNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import { fieldExtensionsEstimator, getComplexity, simpleEstimator } from 'graphql-query-complexity';
import { defaultPageSize, maxPageSize } from './connection.ts';

/** Bounds of one document, enforced on HTTP and on subscriptions alike. Documented in docs/api.md. */
export const queryLimits = {
  /** Words, names and signs of the document; checked while it is parsed. */
  maxTokens: 2_000,
  maxDepth: 10,
  maxAliases: 15,
  /** Fields at the top of a query; a mutation has at most five, a subscription one. */
  maxRootFields: 10,
  maxRootMutations: 5,
  maxComplexity: 5_000,
} as const;

function refusal(code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status: 400 } } });
}

/** Refuses documents that nest too deeply, through fragments too. Introspection has a bound of its own in graphql-js. */
export function depthLimit(context: ValidationContext): ASTVisitor {
  const fragmentDepths = new Map<string, number>();
  const depthOf = ({ selections }: SelectionSetNode): number =>
    Math.max(
      0,
      ...selections.map((selection) => {
        if (selection.kind === Kind.INLINE_FRAGMENT) return depthOf(selection.selectionSet);
        if (selection.kind === Kind.FRAGMENT_SPREAD) return fragmentDepth(selection.name.value);
        if (selection.name.value.startsWith('__')) return 1;
        return 1 + (selection.selectionSet === undefined ? 0 : depthOf(selection.selectionSet));
      }),
    );
  const fragmentDepth = (name: string): number => {
    const known = fragmentDepths.get(name);
    if (known !== undefined) return known;
    fragmentDepths.set(name, 0); // ends a cycle, which another rule reports
    const fragment: FragmentDefinitionNode | null | undefined = context.getFragment(name);
    const depth = fragment == null ? 0 : depthOf(fragment.selectionSet);
    fragmentDepths.set(name, depth);
    return depth;
  };
  return {
    OperationDefinition: (operation) => {
      const depth = depthOf(operation.selectionSet);
      if (depth > queryLimits.maxDepth)
        context.reportError(
          refusal(
            'QUERY_TOO_DEEP',
            `The query nests ${String(depth)} fields; at most ${String(queryLimits.maxDepth)} are answered.`,
          ),
        );
    },
  };
}

/** Refuses the same expensive field many times over: by aliases, or side by side at the top. */
export function repetitionLimit(context: ValidationContext): ASTVisitor {
  let aliases = 0;
  return {
    Field: (node) => {
      if (node.alias === undefined || ++aliases !== queryLimits.maxAliases + 1) return;
      context.reportError(
        refusal('TOO_MANY_ALIASES', `The document has more than ${String(queryLimits.maxAliases)} aliases. Split it.`),
      );
    },
    OperationDefinition: (operation) => {
      const { maxRootFields, maxRootMutations } = queryLimits;
      const bound = operation.operation === OperationTypeNode.MUTATION ? maxRootMutations : maxRootFields;
      const fields = rootFields(operation.selectionSet, context, new Set());
      if (fields > bound)
        context.reportError(
          refusal(
            'TOO_MANY_ROOT_FIELDS',
            `The ${operation.operation} asks for ${String(fields)} fields at its top; at most ${String(bound)} are answered.`,
          ),
        );
    },
  };
}

function rootFields({ selections }: SelectionSetNode, context: ValidationContext, seen: Set<string>): number {
  return selections.reduce((count, selection) => {
    if (selection.kind === Kind.FIELD) return count + 1;
    if (selection.kind === Kind.INLINE_FRAGMENT) return count + rootFields(selection.selectionSet, context, seen);
    const name = selection.name.value;
    const fragment = seen.has(name) ? undefined : context.getFragment(name);
    return fragment == null ? count : count + rootFields(fragment.selectionSet, context, seen.add(name));
  }, 0);
}

/** Rules beside those of the specification. */
export const limitRules = [depthLimit, repetitionLimit] as const;

/** What an operation would cost: one for each field; a list counts as often as items were asked for. */
export function complexityOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  variables: Record<string, unknown> | undefined,
  operationName: string | undefined,
): number {
  return getComplexity({
    schema,
    query: document,
    ...(variables ? { variables } : {}),
    ...(operationName ? { operationName } : {}),
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
}

/** @throws GraphQLError with code QUERY_TOO_COMPLEX */
export function assertAffordable(...operation: Parameters<typeof complexityOf>): void {
  const complexity = complexityOf(...operation);
  if (complexity > queryLimits.maxComplexity)
    throw refusal(
      'QUERY_TOO_COMPLEX',
      `The query costs ${String(complexity)}; at most ${String(queryLimits.maxComplexity)} is answered. Ask for fewer items or fields.`,
    );
}

/** Enforces the cost on queries and mutations. */
export function complexityLimit(): ApolloServerPlugin {
  return {
    requestDidStart: () =>
      Promise.resolve({
        didResolveOperation: ({ request, document, operationName, schema }) => {
          assertAffordable(schema, document, request.variables, operationName ?? undefined);
          return Promise.resolve();
        },
      }),
  };
}
