import { chunksOf, PROGRAM_CHUNK_BYTES } from '@cotrain/protocol';
import type { StepInput, StepResult, StepRun } from './run-step.ts';
import { bytesIn } from './typed-arrays.ts';

/** Takes bytes in order, such as a hasher of Swarm references. Bytes are only valid during the call. */
export interface ByteSink {
  update(bytes: Uint8Array): unknown;
}

const zeros = new Uint8Array(PROGRAM_CHUNK_BYTES);

/**
 * Runs a step and hands over its trace as it comes: each output followed by zeros to a whole number of chunks.
 * With a hasher of references as the sink, its digest is the trace root.
 * @throws StepInputError
 */
export function streamTrace(run: StepRun, input: StepInput, sink: ByteSink): StepResult {
  return run.run(input, (output) => {
    const bytes = bytesIn(output);
    sink.update(bytes);
    const padding = chunksOf(bytes.length) * PROGRAM_CHUNK_BYTES - bytes.length;
    if (padding > 0) sink.update(zeros.subarray(0, padding));
  });
}
