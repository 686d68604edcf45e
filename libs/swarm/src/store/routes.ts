import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Hex } from '@cotrain/protocol';
import { bmtChunkAddress, CHUNK_BYTES, chunkData, SPAN_BYTES, spanOf } from '../chunk-address.ts';
import { ReferenceHasher } from '../reference-hasher.ts';
import { GROUP_BYTES } from '../tree-shape.ts';
import { parseByteRange } from './byte-range.ts';
import { type ChunkFiles, childReference } from './chunk-files.ts';
import { storeFeedManifest } from './feed-manifest.ts';
import { nodeOf, readNode, streamNode } from './file-stream.ts';
import { HttpError } from './http-error.ts';
import { nodeAnswers } from './node-answers.ts';
import { latestUpdate, readSingleOwnerChunk, storeSingleOwnerChunk } from './single-owner.ts';
import type { Stamps } from './stamps.ts';

/** What a request needs. */
export interface StoreContext {
  files: ChunkFiles;
  stamps: Stamps;
  maxUploadBytes: number;
  patience: { bodyMs: number; minBytesPerSecond: number };
}

interface Call {
  context: StoreContext;
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
  /** Path parameters in order, lower case. */
  params: string[];
}

// Only what a pattern captures reaches the disk, and every capture is hexadecimal or a number.
const routes: [method: string, pattern: RegExp, handler: (call: Call) => Promise<void> | void][] = [
  ['POST', /^\/bytes$/, postBytes],
  ['GET', /^\/bytes\/([0-9a-f]{64})$/, getBytes],
  ['HEAD', /^\/bytes\/([0-9a-f]{64})$/, getBytes],
  ['POST', /^\/chunks$/, postChunk],
  ['GET', /^\/chunks\/([0-9a-f]{64})$/, getChunk],
  ['HEAD', /^\/chunks\/([0-9a-f]{64})$/, getChunk],
  ['POST', /^\/soc\/([0-9a-f]{40})\/([0-9a-f]{64})$/, postSingleOwner],
  ['GET', /^\/soc\/([0-9a-f]{40})\/([0-9a-f]{64})$/, getSingleOwner],
  ['POST', /^\/feeds\/([0-9a-f]{40})\/([0-9a-f]{64})$/, postFeed],
  ['GET', /^\/feeds\/([0-9a-f]{40})\/([0-9a-f]{64})$/, getFeed],
  ['GET', /^\/stamps$/, ({ context, response }) => sendJson(response, 200, { stamps: context.stamps.list() })],
  [
    'GET',
    /^\/stamps\/([0-9a-f]{64})$/,
    ({ context, response, params }) => sendJson(response, 200, context.stamps.get(params[0] ?? '')),
  ],
  [
    'GET',
    /^\/stamps\/([0-9a-f]{64})\/buckets$/,
    ({ context, response, params }) => sendJson(response, 200, context.stamps.buckets(params[0] ?? '')),
  ],
  ['POST', /^\/stamps\/([0-9]{1,40})\/([0-9]{1,2})$/, buyStamp],
  [
    'PATCH',
    /^\/stamps\/topup\/([0-9a-f]{64})\/([0-9]{1,40})$/,
    ({ context, response, params }) => sendJson(response, 202, context.stamps.topUp(params[0] ?? '', params[1] ?? '')),
  ],
  [
    'PATCH',
    /^\/stamps\/dilute\/([0-9a-f]{64})\/([0-9]{1,2})$/,
    ({ context, response, params }) => sendJson(response, 202, context.stamps.dilute(params[0] ?? '', params[1] ?? '')),
  ],
];

/** Answers one request. @throws HttpError */
export async function handle(context: StoreContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = request.url ?? '/';
  if (url.length > 2048) throw new HttpError(414, 'the URL is too long');
  const [rawPath = '/', rawQuery = ''] = url.split('?', 2);
  const path = rawPath.toLowerCase().replace(/^\/v1(?=\/)/, '');
  const method = request.method ?? 'GET';
  const answer = method === 'GET' ? nodeAnswers[path] : undefined;
  if (answer !== undefined) {
    sendJson(response, 200, answer);
    return;
  }
  const matching = routes.filter(([, pattern]) => pattern.test(path));
  if (matching.length === 0) throw new HttpError(404, 'not found');
  const route = matching.find(([routeMethod]) => routeMethod === method);
  if (route === undefined) throw new HttpError(405, 'method not allowed');
  const params = route[1].exec(path)?.slice(1) ?? [];
  await route[2]({ context, request, response, query: new URLSearchParams(rawQuery), params });
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length });
  response.end(body);
}

async function postBytes({ context, request, response }: Call): Promise<void> {
  context.stamps.authorize(request.headers['swarm-postage-batch-id']);
  for (const header of ['swarm-encrypt', 'swarm-act']) {
    if (request.headers[header] === 'true') throw new HttpError(501, `${header} is not supported by this store`);
  }
  if (Number(request.headers['swarm-redundancy-level'] ?? 0) !== 0)
    throw new HttpError(501, 'redundancy is not supported by this store');
  const hasher = new ReferenceHasher((address, span, payload) => {
    context.files.writePayload(address, span, payload);
  });
  for await (const piece of bodyPieces(request, context)) {
    if (hasher.length + piece.length > context.maxUploadBytes) throw new HttpError(413, 'payload too large');
    hasher.update(piece);
  }
  // A client that vanished ends the iteration with an error, so what arrives here is whole.
  sendJson(response, 201, { reference: hasher.digest().slice(2) });
}

async function getBytes({ context, request, response, params }: Call): Promise<void> {
  await sendFile(context, request, response, readNode(context.files, `0x${params[0] ?? ''}`), {
    etag: `"${params[0] ?? ''}"`,
  });
}

async function sendFile(
  { files }: StoreContext,
  request: IncomingMessage,
  response: ServerResponse,
  node: { span: number; payload: Uint8Array },
  headers: Record<string, string>,
): Promise<void> {
  const range = parseByteRange(request.headers.range, node.span);
  const pieces = request.method === 'HEAD' ? [] : streamNode(files, node, range.start, range.end);
  // What is small is read before the status is sent, so that a missing chunk is an answer, not a broken connection.
  const ready = range.end - range.start <= GROUP_BYTES ? [Buffer.concat([...pieces])] : batched(pieces);
  response.writeHead(range.partial ? 206 : 200, {
    ...headers,
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    'content-length': range.end - range.start,
    ...(range.partial
      ? { 'content-range': `bytes ${String(range.start)}-${String(range.end - 1)}/${String(node.span)}` }
      : {}),
  });
  for (const piece of ready) {
    if (response.destroyed) return;
    if (!response.write(piece)) await drained(response);
  }
  response.end();
}

/** Waits until more can be written or the client has gone, leaving no listener behind. */
async function drained(response: ServerResponse): Promise<void> {
  const stop = new AbortController();
  await Promise.race(
    [once(response, 'drain', stop), once(response, 'close', stop)].map((event) => event.catch(() => undefined)),
  );
  stop.abort();
}

/** Chunks joined to 64 KiB, so that a large file is not sent in 4 KiB system calls. */
function* batched(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let batch: Uint8Array[] = [];
  for (const piece of pieces) {
    batch.push(piece);
    if (batch.length === 16) {
      yield Buffer.concat(batch);
      batch = [];
    }
  }
  if (batch.length > 0) yield Buffer.concat(batch);
}

/** A request's body; who sends a byte now and then to hold the connection is refused. */
async function* bodyPieces(request: IncomingMessage, { patience }: StoreContext): AsyncGenerator<Uint8Array> {
  const startedMs = performance.now();
  let length = 0;
  for await (const piece of request as AsyncIterable<Uint8Array>) {
    length += piece.length;
    const elapsedMs = performance.now() - startedMs;
    if (elapsedMs > patience.bodyMs && length < (patience.minBytesPerSecond * elapsedMs) / 1_000)
      throw new HttpError(408, 'the body arrives too slowly');
    yield piece;
  }
}

/** A chunk's body: span and payload, bounded before it is read. */
async function readChunk(request: IncomingMessage, context: StoreContext): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of bodyPieces(request, context)) {
    length += piece.length;
    if (length > SPAN_BYTES + CHUNK_BYTES) throw new HttpError(413, 'payload too large');
    pieces.push(piece);
  }
  if (length < SPAN_BYTES) throw new HttpError(400, 'insufficient data length');
  return Buffer.concat(pieces);
}

async function postChunk({ context, request, response }: Call): Promise<void> {
  context.stamps.authorize(request.headers['swarm-postage-batch-id']);
  const data = await readChunk(request, context);
  const reference = bmtChunkAddress(spanOf(data), data.subarray(SPAN_BYTES));
  context.files.write(reference, data);
  sendJson(response, 201, { reference: reference.slice(2) });
}

function getChunk({ context, request, response, params }: Call): void {
  const data = context.files.read(`0x${params[0] ?? ''}`);
  if (data === undefined) throw new HttpError(404, 'chunk not found');
  response.writeHead(200, { 'content-type': 'binary/octet-stream', 'content-length': data.length });
  response.end(request.method === 'HEAD' ? undefined : data);
}

async function postSingleOwner({ context, request, response, params, query }: Call): Promise<void> {
  context.stamps.authorize(request.headers['swarm-postage-batch-id']);
  const data = await readChunk(request, context);
  const [owner, identifier] = params.map((param): Hex => `0x${param}`) as [Hex, Hex];
  const reference = storeSingleOwnerChunk(context.files, owner, identifier, query.get('sig') ?? '', data);
  sendJson(response, 201, { reference: reference.slice(2) });
}

async function getSingleOwner({ context, request, response, params }: Call): Promise<void> {
  const [owner, identifier] = params.map((param): Hex => `0x${param}`) as [Hex, Hex];
  const chunk = readSingleOwnerChunk(context.files, owner, identifier);
  if (chunk === undefined) throw new HttpError(404, 'requested chunk cannot be retrieved');
  await sendFile(context, request, response, nodeOf(chunk.data), { 'swarm-soc-signature': chunk.signature });
}

async function postFeed({ context, request, response, params }: Call): Promise<void> {
  context.stamps.authorize(request.headers['swarm-postage-batch-id']);
  const [owner, topic] = params.map((param): Hex => `0x${param}`) as [Hex, Hex];
  sendJson(response, 201, { reference: (await storeFeedManifest(context.files, owner, topic)).slice(2) });
}

const FEED_REFERENCE_BYTES = 8 + 32;

async function getFeed({ context, request, response, params, query }: Call): Promise<void> {
  const [owner, topic] = params.map((param): Hex => `0x${param}`) as [Hex, Hex];
  const update = latestUpdate(context.files, owner, topic);
  if (update === undefined) throw new HttpError(404, 'no update found');
  const headers = {
    'swarm-feed-index': update.index.toString(16).padStart(16, '0'),
    'swarm-feed-index-next': (update.index + 1).toString(16).padStart(16, '0'),
    'swarm-soc-signature': update.signature,
  };
  let node = nodeOf(update.data);
  // The older form of an update is a time and a reference; it stands for what the reference points to.
  if (node.span === FEED_REFERENCE_BYTES) node = readNode(context.files, childReference(node.payload.subarray(8), 0));
  if (request.headers['swarm-only-root-chunk'] === 'true' || query.get('Swarm-Only-Root-Chunk') === 'true') {
    const data = chunkData(node.span, node.payload);
    response.writeHead(200, { ...headers, 'content-type': 'application/octet-stream', 'content-length': data.length });
    response.end(data);
    return;
  }
  await sendFile(context, request, response, node, headers);
}

function buyStamp({ context, request, response, params, query }: Call): void {
  const immutable = request.headers['immutable'] !== 'false';
  sendJson(response, 201, context.stamps.buy(params[0] ?? '', params[1] ?? '', query.get('label') ?? '', immutable));
}
