/** Base of everything that this library throws on purpose. None of it helps to repeat. */
export class ExactError extends Error {
  override readonly name: string = 'ExactError';
}

/** A kernel that exact/1 does not define was called. */
export class UnsupportedKernelError extends ExactError {
  override readonly name = 'UnsupportedKernelError';
  readonly kernel: string;
  constructor(kernel: string, reason = 'exact/1 does not define it') {
    super(
      `Kernel '${kernel}' is not available on the backend 'exact': ${reason}. Build the model from operations that docs/exact-1.md lists.`,
    );
    this.kernel = kernel;
  }
}

/** A shape, an attribute or a data type is outside of what a kernel takes. */
export class UnsupportedArgumentError extends ExactError {
  override readonly name = 'UnsupportedArgumentError';
  readonly kernel: string;
  constructor(kernel: string, what: string) {
    super(`${kernel}: ${what}`);
    this.kernel = kernel;
  }
}

/** The memory that a kernel implementation may use is exhausted. */
export class ExactMemoryError extends ExactError {
  override readonly name = 'ExactMemoryError';
  readonly bytes: number;
  constructor(bytes: number, implementation: string, options?: ErrorOptions) {
    super(
      `${implementation}: ${String(bytes)} bytes could not be allocated. Use smaller batches, or dispose tensors that are no longer needed.`,
      options,
    );
    this.bytes = bytes;
  }
}

/** This machine computes something else than exact/1 defines: training on it would be slashed. */
export class StartupMismatchError extends ExactError {
  override readonly name = 'StartupMismatchError';
  constructor(implementation: string, vector: string, index: number, expected: string, actual: string) {
    super(
      `${implementation} fails the start-up vector '${vector}' at element ${String(index)}: expected bits ${expected}, got ${actual}. Do not train on this machine; use another implementation or report the fault.`,
    );
  }
}

/** The data of a tensor was read after its disposal. */
export class DisposedDataError extends ExactError {
  override readonly name = 'DisposedDataError';
  constructor(what: string, options?: ErrorOptions) {
    super(
      `The data of ${what} is gone: the tensor was disposed. Keep it with tf.keep or read it before tf.tidy ends.`,
      options,
    );
  }
}
