import type { ApolloServerPlugin } from '@apollo/server';
import { Kind } from 'graphql';
import type { ApiMetrics } from '../http/metrics.ts';

/** Measures every request; labels come from the schema and from our codes, so clients cannot invent new ones. */
export function requestMetrics(metrics: ApiMetrics): ApolloServerPlugin {
  return {
    requestDidStart: () => {
      const started = performance.now();
      return Promise.resolve({
        willSendResponse: ({ operation, response }) => {
          const first = operation?.selectionSet.selections[0];
          const body = response.body.kind === 'single' ? response.body.singleResult : response.body.initialResult;
          metrics.graphqlRequest(
            operation?.operation ?? 'refused',
            first?.kind === Kind.FIELD ? first.name.value : 'none',
            (performance.now() - started) / 1_000,
            (body.errors ?? []).map(({ extensions }) => String(extensions?.['code'] ?? 'UNKNOWN')),
          );
          return Promise.resolve();
        },
      });
    },
  };
}
