import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import {
  CallRevertedError,
  IntentConflictError,
  type IntentRecord,
  type IntentStore,
  type Logger,
  TransactionSender,
} from '@cotrain/chain';
import { type JsonRpcProvider, Wallet } from 'ethers';
import type { Abi } from 'abitype';
import { z } from 'zod';
import { assertAllowed, NotAllowedError, type SigningPolicy } from './policy.ts';
import { type IntentAnswer, intentRequestSchema, saltRequestSchema } from './protocol.ts';

type Hex = `0x${string}`;

export interface SignerOptions {
  provider: JsonRpcProvider;
  keys: readonly string[];
  store: IntentStore;
  policy: SigningPolicy;
  /** Bearer token that callers must know. */
  token: string;
  logger: Logger;
  errorAbi: Abi;
  port?: number;
  confirmations?: number;
  pollMs?: number;
}

export interface Signer {
  url: string;
  close(): Promise<void>;
}

const maxBodyBytes = 262_144;
const dayMs = 86_400_000;

class RequestTooLargeError extends Error {}

/**
 * The one process that holds keys. It signs what its policy allows, sends each intent once, and looks after what it
 * has sent. It listens on the loopback interface only.
 */
export async function startSigner(options: SignerOptions): Promise<Signer> {
  const accounts = new Map<
    string,
    { wallet: Wallet; sender: TransactionSender; sent: { at: number; valueWei: bigint; intentId: string }[] }
  >();
  for (const key of options.keys) {
    const wallet = new Wallet(key, options.provider);
    const sender = new TransactionSender({ ...options, wallet });
    accounts.set(wallet.address.toLowerCase(), { wallet, sender, sent: [] });
  }

  const account = (address: string): NonNullable<ReturnType<typeof accounts.get>> => {
    const found = accounts.get(address.toLowerCase());
    if (found === undefined) throw new NotAllowedError(`The signer has no key for account ${address}.`);
    return found;
  };

  async function submit(body: unknown): Promise<IntentAnswer> {
    const request = intentRequestSchema.parse(body);
    const { sender, sent } = account(request.account);
    const valueWei = BigInt(request.valueWei);
    const now = Date.now();
    while (sent[0] !== undefined && sent[0].at < now - dayMs) sent.shift();
    // A repeated intent is not a second payment.
    const others = sent.filter(({ intentId }) => intentId !== request.intentId);
    assertAllowed(
      options.policy,
      { to: request.to, data: request.data, valueWei },
      others.reduce((sum, entry) => sum + entry.valueWei, 0n),
    );
    const record = await sender.send({ intentId: request.intentId, to: request.to, data: request.data, valueWei });
    if (others.length === sent.length && valueWei > 0n) sent.push({ at: now, valueWei, intentId: request.intentId });
    return answerOf(record);
  }

  async function handle(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const path = request.url ?? '/';
    if (request.method === 'GET' && path === '/health') return { status: 200, body: { status: 'ok' } };
    if (!isAuthorised(request, options.token))
      return { status: 401, body: { error: 'Give the bearer token of the signer.' } };
    if (request.method === 'GET' && path === '/accounts')
      return { status: 200, body: { accounts: [...accounts.values()].map(({ wallet }) => wallet.address) } };
    if (request.method === 'GET' && path.startsWith('/intents/')) {
      const record = await options.store.get(decodeURIComponent(path.slice('/intents/'.length)));
      return record === null
        ? { status: 404, body: { error: 'There is no such intent.' } }
        : { status: 200, body: answerOf(record) };
    }
    if (request.method === 'POST' && path === '/intents')
      return { status: 200, body: await submit(await readJson(request)) };
    if (request.method === 'POST' && path === '/salts') {
      const { account: address, context } = saltRequestSchema.parse(await readJson(request));
      // Derived, not stored: a restored backup can still reveal what was committed before.
      const salt: Hex = `0x${createHmac('sha256', Buffer.from(account(address).wallet.privateKey.slice(2), 'hex'))
        .update(`cotrain.salt/1:${context}`)
        .digest('hex')}`;
      return { status: 200, body: { salt } };
    }
    return { status: 404, body: { error: 'There is no such endpoint.' } };
  }

  const server = createServer((request, response) => {
    handle(request)
      .catch((error: unknown) => failure(error, options.logger))
      .then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      })
      .catch((error: unknown) => {
        options.logger.warn({ error: String(error) }, 'answer could not be written');
        response.destroy();
      });
  });
  server.requestTimeout = 30_000;

  let stopped = false;
  const tend = async (): Promise<void> => {
    while (!stopped) {
      for (const { sender } of accounts.values()) {
        try {
          await sender.resume();
        } catch (error) {
          options.logger.warn(
            { error: error instanceof Error ? error.message : String(error) },
            'intents could not be looked after; again soon',
          );
        }
      }
      await new Promise((resolve) => setTimeout(resolve, options.pollMs ?? 1_000));
    }
  };
  const port = await listen(server, options.port ?? 0);
  const tending = tend();
  return {
    url: `http://127.0.0.1:${String(port)}`,
    async close() {
      stopped = true;
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

function answerOf(record: IntentRecord): IntentAnswer {
  return {
    intentId: record.intentId,
    status: record.status,
    hash: record.minedHash ?? record.attempts.at(-1)?.hash ?? null,
    gasUsed: record.gasUsed === null ? null : String(record.gasUsed),
    failure: record.failure,
  };
}

function failure(error: unknown, logger: Logger): { status: number; body: unknown } {
  if (error instanceof NotAllowedError) return { status: 403, body: { error: error.message } };
  if (error instanceof CallRevertedError) return { status: 422, body: { error: error.message } };
  if (error instanceof IntentConflictError) return { status: 409, body: { error: error.message } };
  if (error instanceof RequestTooLargeError) return { status: 413, body: { error: error.message } };
  if (error instanceof z.ZodError || error instanceof SyntaxError || error instanceof URIError)
    return { status: 400, body: { error: error.message } };
  logger.warn({ error: error instanceof Error ? error.message : String(error) }, 'request failed');
  return { status: 503, body: { error: error instanceof Error ? error.message : 'unknown error' } };
}

function isAuthorised(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '');
  const expected = Buffer.from(`Bearer ${token}`);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new RequestTooLargeError(`A request may have ${String(maxBodyBytes)} bytes.`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      if (address !== null && typeof address === 'object') resolve(address.port);
      else reject(new Error('The signer has no port.'));
    });
  });
}
