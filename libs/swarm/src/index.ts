export {
  BRANCHES,
  bmtChunkAddress,
  CHUNK_BYTES,
  chunkData,
  REFERENCE_BYTES,
  SPAN_BYTES,
  spanOf,
} from './chunk-address.ts';
export { type ChunkSink, ReferenceHasher, referenceOf, TreeBuilder } from './reference-hasher.ts';
export { childCount, childSpan, GROUP_BYTES } from './tree-shape.ts';
export {
  CorruptChunkError,
  FileTooLargeError,
  MalformedFileError,
  NotFoundError,
  OutOfFileError,
  OversizedAnswerError,
  PostageMissingError,
  ReferenceMismatchError,
  StoreRefusedError,
  StoreUnavailableError,
  SwarmError,
} from './errors.ts';
export { SwarmClient, type SwarmClientOptions, type UploadSource } from './swarm-client.ts';
export type { SwarmFile } from './swarm-file.ts';
export { startSwarmStore, type StoreLogger, type SwarmStore, type SwarmStoreOptions } from './store/server.ts';
