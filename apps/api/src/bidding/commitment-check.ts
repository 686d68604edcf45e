import {
  decodeLogEntry,
  decodeLogHeader,
  LOG_ENTRY_BYTES,
  LOG_HEADER_BYTES,
  logEntryOffset,
  type LogHeader,
  logLength,
  ProtocolError,
  type Reference,
} from '@cotrain/protocol';
import type { SwarmClient } from '@cotrain/swarm';
import type { OfferView } from '../indexing/fold-offer.ts';
import { headerOf } from './offer-documents.ts';

/** What a trainer wants to commit is not the log of its job, or not the model that the log ends with. */
export class MalformedLogError extends Error {
  override readonly name = 'MalformedLogError';
  readonly retryable = false;
}

/**
 * Checks what a trainer reports before it is promised on chain: log and model must be retrievable, the log as long as
 * the job's, begun for this job, and ended with this model. Whether the numbers in it are right is what validators find
 * out; what is wrong in form would convict an honest pool for a fault of its disk.
 * @throws MalformedLogError; NotFoundError, StoreUnavailableError and others of the store (try again)
 */
export async function checkCommitment(
  swarm: Pick<SwarmClient, 'open'>,
  offer: Pick<OfferView, 'header' | 'jobHeaderHash'>,
  { logReference, modelReference }: { logReference: string; modelReference: string },
): Promise<void> {
  const { steps } = headerOf(offer);
  const malformed = (reason: string, cause?: unknown): MalformedLogError =>
    new MalformedLogError(`The log ${logReference} ${reason}`, { cause });
  const log = await swarm.open(logReference as Reference);
  if (log.length !== logLength(steps))
    throw malformed(`has ${String(log.length)} bytes; ${String(steps)} batches take ${String(logLength(steps))}.`);
  const headerBytes = await log.read(0, LOG_HEADER_BYTES);
  const lastBytes = await log.read(logEntryOffset(steps - 1), LOG_ENTRY_BYTES);
  let header: LogHeader;
  let stateRoot: Reference | null;
  try {
    header = decodeLogHeader(headerBytes);
    ({ stateRoot } = decodeLogEntry(lastBytes));
  } catch (error) {
    if (error instanceof ProtocolError) throw malformed(`is malformed: ${error.message}`, error);
    throw error;
  }
  if (header.jobHeaderHash !== offer.jobHeaderHash.toLowerCase())
    throw malformed(`is of job ${header.jobHeaderHash}, the offer's is ${offer.jobHeaderHash}.`);
  if (stateRoot !== modelReference)
    throw malformed(`ends with the state ${String(stateRoot)}, but the model is said to be ${modelReference}.`);
  await swarm.open(modelReference as Reference);
}
