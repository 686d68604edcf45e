import { exitCodes } from '../client/errors.ts';

const stopSignals = ['SIGINT', 'SIGTERM'] as const;

/**
 * Aborts on the first SIGINT or SIGTERM, so that what runs can be ended in order; the reason is the signal's name.
 * A second one ends the process at once.
 */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of stopSignals) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(exitCodes.interrupted);
      stopping.abort(signal);
    });
  }
  return stopping.signal;
}
