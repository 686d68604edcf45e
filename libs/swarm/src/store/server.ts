import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { ChunkFiles } from './chunk-files.ts';
import { HttpError } from './http-error.ts';
import { handle } from './routes.ts';
import { Stamps } from './stamps.ts';

/** What the store writes about itself; pino fits. */
export interface StoreLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** Settings of the embedded store. */
export interface SwarmStoreOptions {
  /** Folder for chunks and batches; created if missing. */
  dir: string;
  /** 0, the default, takes a free port. */
  port?: number;
  /** 127.0.0.1 unless given: like Bee's, this API is not meant for strangers. */
  host?: string;
  logger?: StoreLogger;
  /** Largest body of one upload; 64 GiB unless given. */
  maxUploadBytes?: number;
  /** How slow a client may be. */
  patience?: Partial<StorePatience>;
}

/** Bounds on slow clients, each of which holds a connection. */
export interface StorePatience {
  /** Time for a request's headers; 20 s unless given. */
  headersMs: number;
  /** Silence after which a connection is closed; 60 s unless given. */
  idleMs: number;
  /** Time in which a body may come at any speed; 60 s unless given. */
  bodyMs: number;
  /** Mean speed of a body that takes longer than that; 1 KiB/s unless given. */
  minBytesPerSecond: number;
  /** Connections at a time; 1,024 unless given. */
  maxConnections: number;
}

/** A running store. */
export interface SwarmStore {
  url: string;
  port: number;
  close(): Promise<void>;
}

const defaultPatience: StorePatience = {
  headersMs: 20_000,
  idleMs: 60_000,
  bodyMs: 60_000,
  minBytesPerSecond: 1_024,
  maxConnections: 1_024,
};

/** Starts a store on disk that answers as Bee does, with the same references. */
export async function startSwarmStore(options: SwarmStoreOptions): Promise<SwarmStore> {
  const { dir, port = 0, host = '127.0.0.1', logger, maxUploadBytes = 64 * 2 ** 30 } = options;
  const patience = { ...defaultPatience, ...options.patience };
  const context = {
    files: new ChunkFiles(dir),
    stamps: new Stamps(join(dir, 'stamps.json')),
    maxUploadBytes,
    patience,
  };
  const checkEveryMs = Math.min(5_000, patience.headersMs);
  const server = createServer({ connectionsCheckingInterval: checkEveryMs }, (request, response) => {
    handle(context, request, response).catch((error: unknown) => {
      refuse(request, response, error, logger);
    });
  });
  // A long upload is fine as long as enough bytes keep coming, which its handler watches.
  server.requestTimeout = 0;
  server.headersTimeout = patience.headersMs;
  server.setTimeout(patience.idleMs);
  server.maxConnections = patience.maxConnections;
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${String(address.port)}`;
  logger?.info({ url, dir }, 'Swarm store is listening');
  return { url, port: address.port, close: () => closeServer(server) };
}

/** What a full or failing disk means for the client: nothing is wrong with the request. */
const fullDisk = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

function answerTo(error: unknown): { status: number; message: string } {
  if (error instanceof HttpError) return { status: error.status, message: error.message };
  if (fullDisk.has((error as NodeJS.ErrnoException).code ?? ''))
    return { status: 507, message: 'no space left on the disk of this store' };
  return { status: 500, message: 'internal server error' };
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  logger: StoreLogger | undefined,
): void {
  const { status, message } = answerTo(error);
  if (status >= 500) logger?.warn({ error, method: request.method, url: request.url?.slice(0, 200) }, 'request failed');
  if (response.headersSent || response.destroyed) {
    // Too late for a status: a broken connection tells the client that the body is not whole.
    response.destroy();
    return;
  }
  const body = Buffer.from(JSON.stringify({ code: status, message }));
  // The rest of a refused upload is not read.
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.length,
    connection: 'close',
  });
  response.end(body);
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
