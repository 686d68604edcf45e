import { ExactError } from '../errors.ts';

/** The native kernels were not built, or this processor does not run the one that was asked for. */
export class NativeUnavailableError extends ExactError {
  override readonly name = 'NativeUnavailableError';
  constructor(reason: string, options?: ErrorOptions) {
    super(`The native kernels are not available: ${reason}. The WebAssembly kernels give the same bits.`, options);
  }
}
