import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@cotrain/chain';
import { z } from 'zod';
import { NotAllowedError } from './policy.ts';
import { intentBatchSchema, intentRequestSchema, type IntentOutcome, saltRequestSchema } from './protocol.ts';
import { SigningDesk, type SigningDeskOptions } from './signing-desk.ts';

export interface SignerOptions extends SigningDeskOptions {
  /** Bearer token that callers must know. */
  token: string;
  /** Address to listen on; 127.0.0.1 unless given. */
  host?: string;
  port?: number;
}

export interface Signer {
  url: string;
  close(): Promise<void>;
}

interface Answer {
  status: number;
  body: unknown;
}

const maxBodyBytes = 1_048_576;
const maxDrainedBytes = 16 * maxBodyBytes;
const maxConnections = 100;

const standingBy: Answer = { status: 503, body: { error: 'Another signer holds the lease; this one stands by.' } };

class RequestTooLargeError extends Error {}

/**
 * The one process that holds keys, over HTTP. It signs what its policy allows, sends each intent once, and looks after
 * what it has sent. It speaks plain HTTP, on the loopback interface unless another address is given.
 */
export async function startSigner(options: SignerOptions): Promise<Signer> {
  const { host = '127.0.0.1', logger } = options;
  const desk = await SigningDesk.open(options);
  const server = createServer((request, response) => {
    handle(request, desk, options.token)
      .catch((error: unknown) => failure(error, logger))
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      })
      .catch((error: unknown) => {
        logger.warn({ error: String(error) }, 'answer could not be written');
        response.destroy();
      });
  });
  server.requestTimeout = 30_000;
  server.maxConnections = maxConnections;
  const port = await listen(server, host, options.port ?? 0);

  const stopping = new AbortController();
  const tend = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await desk.tend();
      await delay(options.pollMs ?? 1_000, undefined, { signal: stopping.signal }).catch(() => undefined); // stopping
    }
  };
  const tending = tend();
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${String(port)}`,
    async close() {
      stopping.abort();
      await tending;
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

async function handle(request: IncomingMessage, desk: SigningDesk, token: string): Promise<Answer> {
  const { method, url: path = '/' } = request;
  if (method === 'GET' && path === '/health') return { status: 200, body: { status: 'ok' } };
  // For whoever passes requests on to one of several signers: only the holder of the lease signs.
  if (method === 'GET' && path === '/ready')
    return (await desk.isHolder()) ? { status: 200, body: { status: 'ok' } } : standingBy;
  if (!isAuthorised(request, token)) return { status: 401, body: { error: 'Give the bearer token of the signer.' } };
  if (method === 'GET' && path === '/accounts') return { status: 200, body: { accounts: desk.addresses() } };
  if (method === 'GET' && path.startsWith('/intents/')) {
    const answer = await desk.intent(decodeURIComponent(path.slice('/intents/'.length)));
    return answer === null
      ? { status: 404, body: { error: 'There is no such intent.' } }
      : { status: 200, body: answer };
  }
  if (method === 'POST' && path === '/intents') {
    const [outcome] = await desk.submit([intentRequestSchema.parse(await readJson(request))]);
    return single(outcome);
  }
  if (method === 'POST' && path === '/intents/batch') {
    const { intents } = intentBatchSchema.parse(await readJson(request));
    return { status: 200, body: { outcomes: await desk.submit(intents) } };
  }
  if (method === 'POST' && path === '/salts') {
    const { account, context } = saltRequestSchema.parse(await readJson(request));
    return { status: 200, body: { salt: desk.salt(account, context) } };
  }
  return { status: 404, body: { error: 'There is no such endpoint.' } };
}

/** A single intent's outcome as an HTTP status. */
function single(outcome: IntentOutcome | undefined): Answer {
  if (outcome === undefined || !('reason' in outcome)) return { status: 200, body: outcome };
  const statuses = { 'not allowed': 403, conflict: 409, reverts: 422, 'insufficient funds': 503, unavailable: 503 };
  const status = statuses[outcome.reason];
  return { status, body: { error: outcome.error } };
}

function failure(error: unknown, logger: Logger): Answer {
  if (error instanceof NotAllowedError) return { status: 403, body: { error: error.message } };
  if (error instanceof RequestTooLargeError) return { status: 413, body: { error: error.message } };
  if (error instanceof z.ZodError || error instanceof SyntaxError || error instanceof URIError)
    return { status: 400, body: { error: error.message } };
  const message = error instanceof Error ? error.message : String(error);
  logger.warn({ error: message }, 'request failed');
  return { status: 503, body: { error: message } };
}

/** Digests have one length, so the comparison tells nothing of the token, not even how long it is. */
function isAuthorised(request: IncomingMessage, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(request.headers.authorization ?? ''), digest(`Bearer ${token}`));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= maxBodyBytes) chunks.push(chunk);
    // What is too long is read on for a while, unkept: a client that still sends would not see the answer.
    else if (size > maxDrainedBytes) break;
  }
  if (size > maxBodyBytes) throw new RequestTooLargeError(`A request may have ${String(maxBodyBytes)} bytes.`);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      if (address !== null && typeof address === 'object') resolve(address.port);
      else reject(new Error('The signer has no port.'));
    });
  });
}
