import type { ApolloServerPlugin } from '@apollo/server';
import { type ASTVisitor, GraphQLError, type GraphQLSchema, Kind, type ValidationContext } from 'graphql';
import { fieldExtensionsEstimator, getComplexity, simpleEstimator } from 'graphql-query-complexity';

const maxDepth = 10;
const maxComplexity = 1_000;

/** Refuses queries that nest too deeply; introspection has a depth of its own and is exempt. */
export function depthLimit(context: ValidationContext): ASTVisitor {
  let depth = 0;
  return {
    Field: {
      enter(node) {
        if (node.name.value.startsWith('__')) return false;
        if (++depth > maxDepth) {
          context.reportError(
            new GraphQLError(`The query nests deeper than ${String(maxDepth)} fields.`, {
              nodes: node,
              extensions: { code: 'QUERY_TOO_DEEP' },
            }),
          );
          return false;
        }
        return undefined;
      },
      leave(node) {
        if (node.kind === Kind.FIELD && !node.name.value.startsWith('__')) depth--;
      },
    },
  };
}

/** Refuses queries that would cost too much; a list counts as often as items were asked for. */
export function complexityLimit(schema: () => GraphQLSchema): ApolloServerPlugin {
  return {
    requestDidStart: () =>
      Promise.resolve({
        didResolveOperation: ({ request, document, operationName }) => {
          const complexity = getComplexity({
            schema: schema(),
            query: document,
            ...(request.variables ? { variables: request.variables } : {}),
            ...(operationName ? { operationName } : {}),
            estimators: [
              ({ args, childComplexity, field }) =>
                field.name.endsWith('s') && typeof args['first'] === 'number'
                  ? 1 + childComplexity * Math.min(100, Math.max(1, args['first']))
                  : undefined,
              fieldExtensionsEstimator(),
              simpleEstimator({ defaultComplexity: 1 }),
            ],
          });
          if (complexity > maxComplexity) {
            throw new GraphQLError(
              `The query costs ${String(complexity)}; at most ${String(maxComplexity)} is answered. Ask for fewer items or fields.`,
              { extensions: { code: 'QUERY_TOO_COMPLEX' } },
            );
          }
          return Promise.resolve();
        },
      }),
  };
}
