import { randomUUID } from 'node:crypto';
import type { Logger } from '@cotrain/chain';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';

/**
 * An error as clients see it. What we did not expect says nothing of our insides: it gets an id, under which the log
 * has the rest. A part that is down is no secret, and worth another try.
 */
export function publicError(formatted: GraphQLFormattedError, error: unknown, logger: Logger): GraphQLFormattedError {
  const code = formatted.extensions?.['code'];
  if (typeof code === 'string' && code !== 'INTERNAL_SERVER_ERROR')
    return { ...formatted, extensions: withoutStack(formatted.extensions) };
  const { locations, path } = formatted;
  const place = { ...(locations === undefined ? {} : { locations }), ...(path === undefined ? {} : { path }) };
  const cause = originalOf(error);
  const errorId = randomUUID();
  if (isRetryable(cause)) {
    logger.warn({ errorId, path, error: cause.message }, 'a part that GraphQL needs does not answer');
    return {
      message: 'The chain, the store or the database does not answer now; the same request may succeed later.',
      ...place,
      extensions: { code: 'UNAVAILABLE', errorId },
    };
  }
  logger.warn(
    { errorId, path, error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) },
    'GraphQL failed',
  );
  return {
    message: `Something went wrong on our side. Quote ${errorId} when you ask about it.`,
    ...place,
    extensions: { code: 'INTERNAL_SERVER_ERROR', errorId },
  };
}

function originalOf(error: unknown): unknown {
  let current = error;
  while (current instanceof GraphQLError && current.originalError !== undefined) current = current.originalError;
  return current;
}

function isRetryable(error: unknown): error is Error {
  return error instanceof Error && 'retryable' in error && error.retryable === true;
}

function withoutStack(extensions: GraphQLFormattedError['extensions']): Record<string, unknown> {
  const { stacktrace: _, originalError: __, ...rest } = extensions ?? {};
  return rest;
}
