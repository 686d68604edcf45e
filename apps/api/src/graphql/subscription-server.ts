import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '@cotrain/chain';
import {
  getOperationAST,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  NoSchemaIntrospectionCustomRule,
  OperationTypeNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import type { ExecutionArgs } from 'graphql';
import { GRAPHQL_TRANSPORT_WS_PROTOCOL, type SubscribePayload } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { publicError } from './public-error.ts';
import { assertWithinLimits, queryLimits } from './query-limits.ts';

/** Bounds of what clients can hold open. */
export interface SubscriptionLimits {
  maxConnections: number;
  maxConnectionsOfClient: number;
  maxSubscriptionsOfConnection: number;
  /** A client that does not read is cut off when so much waits for it. */
  maxBufferedBytes: number;
}

export const defaultSubscriptionLimits: SubscriptionLimits = {
  maxConnections: 2_000,
  maxConnectionsOfClient: 100,
  maxSubscriptionsOfConnection: 25,
  maxBufferedBytes: 2 ** 20,
};

export interface SubscriptionServerOptions {
  server: Server;
  path: string;
  schema: GraphQLSchema;
  introspection: boolean;
  /** Browsers may connect from these origins; clients that are no browsers name none. */
  allowedOrigins: () => readonly string[];
  /** Whom a connection is counted for. */
  clientOf: (request: IncomingMessage) => string;
  limits?: Partial<SubscriptionLimits> | undefined;
  logger: Logger;
  onCount: (counts: { connections: number; subscriptions: number }) => void;
}

const maxMessageBytes = 65_536;

/**
 * Subscriptions over WebSocket (protocol graphql-transport-ws). The same limits hold as over HTTP; queries and
 * mutations are not answered here. Closing a connection ends everything that it subscribed to.
 */
export function startSubscriptionServer(options: SubscriptionServerOptions): { close(): Promise<void> } {
  const { schema, logger, server } = options;
  const limits = { ...defaultSubscriptionLimits, ...options.limits };
  const rules = [...specifiedRules, ...(options.introspection ? [] : [NoSchemaIntrospectionCustomRule])];
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) ? GRAPHQL_TRANSPORT_WS_PROTOCOL : false),
  });
  const connectionsOf = new Map<string, number>();
  let subscriptions = 0;
  const count = (): void => {
    options.onCount({ connections: sockets.clients.size, subscriptions });
  };

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // The HTTP server looks after this socket no longer: without a listener, a client that resets it ends the process.
    socket.on('error', (error) => {
      logger.debug({ error: error.message }, 'a connection broke while it was upgraded');
      socket.destroy();
    });
    const client = options.clientOf(request);
    const refused = refusalOf(request, client);
    if (refused !== null) {
      // Destroyed once it is sent: a client that never closes its side would hold the socket for ever.
      socket.once('finish', () => socket.destroy());
      socket.end(`HTTP/1.1 ${refused}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    connectionsOf.set(client, (connectionsOf.get(client) ?? 0) + 1);
    socket.once('close', () => {
      const left = (connectionsOf.get(client) ?? 1) - 1;
      if (left > 0) connectionsOf.set(client, left);
      else connectionsOf.delete(client);
      setImmediate(count);
    });
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      sockets.emit('connection', webSocket, request);
      count();
    });
  };
  const refusalOf = (request: IncomingMessage, client: string): string | null => {
    // Not parsed as a URL: a target such as `//` is none, and must not throw here.
    if (request.url?.split('?', 1)[0] !== options.path) return '404 Not Found';
    const { origin } = request.headers;
    if (origin !== undefined && !options.allowedOrigins().includes(origin)) return '403 Forbidden';
    if ((connectionsOf.get(client) ?? 0) >= limits.maxConnectionsOfClient) return '429 Too Many Requests';
    if (sockets.clients.size >= limits.maxConnections) return '503 Service Unavailable';
    return null;
  };

  const masked = (error: GraphQLError): GraphQLFormattedError => publicError(error.toJSON(), error, logger);
  const handlers = useServer(
    {
      schema,
      connectionInitWaitTimeout: 5_000,
      onSubscribe: (context, _id, payload) => {
        if (Object.keys(context.subscriptions).length > limits.maxSubscriptionsOfConnection)
          return [
            new GraphQLError(
              `A connection holds at most ${String(limits.maxSubscriptionsOfConnection)} subscriptions. Complete one, or open another connection.`,
              { extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' } },
            ),
          ];
        return operationOf(payload);
      },
      onOperation: () => {
        subscriptions++;
        count();
      },
      onComplete: () => {
        subscriptions = Math.max(0, subscriptions - 1);
        count();
      },
      onNext: (context, _id, _payload, _args, result) => {
        const { socket } = context.extra;
        if (socket.bufferedAmount > limits.maxBufferedBytes) {
          logger.warn({ bufferedBytes: socket.bufferedAmount }, 'a subscriber does not read; it is cut off');
          socket.terminate();
        }
        if (result.errors === undefined) return undefined;
        return { ...(result.data === undefined ? {} : { data: result.data }), errors: result.errors.map(masked) };
      },
      onError: (_context, _id, _payload, errors) => errors.map((error) => masked(error as GraphQLError)),
    },
    sockets,
    12_000,
  );

  const operationOf = (payload: SubscribePayload): ExecutionArgs | readonly GraphQLError[] => {
    try {
      const document = parse(payload.query, { maxTokens: queryLimits.maxTokens });
      const errors = validate(schema, document, rules);
      if (errors.length > 0) return errors.map((error) => coded(error, 'GRAPHQL_VALIDATION_FAILED'));
      const operation = getOperationAST(document, payload.operationName);
      if (operation?.operation !== OperationTypeNode.SUBSCRIPTION)
        return [
          new GraphQLError('Only a subscription is answered here; send queries and mutations with POST.', {
            extensions: { code: 'BAD_REQUEST' },
          }),
        ];
      assertWithinLimits({
        schema,
        document,
        variables: payload.variables ?? undefined,
        operationName: payload.operationName ?? undefined,
      });
      return {
        schema,
        document,
        ...(payload.variables == null ? {} : { variableValues: payload.variables }),
        ...(payload.operationName == null ? {} : { operationName: payload.operationName }),
        contextValue: {},
      };
    } catch (error) {
      if (error instanceof GraphQLError) return [coded(error, 'GRAPHQL_PARSE_FAILED')];
      throw error;
    }
  };

  server.on('upgrade', upgrade);
  return {
    async close() {
      server.off('upgrade', upgrade);
      await handlers.dispose();
      await new Promise<void>((resolve) => {
        sockets.close(() => {
          resolve();
        });
        for (const socket of sockets.clients) socket.terminate();
      });
    },
  };
}

/** Gives an error of parsing or validation the code that Apollo gives it over HTTP. */
function coded(error: GraphQLError, code: string): GraphQLError {
  if (typeof error.extensions['code'] === 'string') return error;
  return new GraphQLError(error.message, {
    ...(error.nodes === undefined ? {} : { nodes: error.nodes }),
    ...(error.source === undefined ? {} : { source: error.source }),
    ...(error.positions === undefined ? {} : { positions: error.positions }),
    extensions: { ...error.extensions, code },
  });
}
