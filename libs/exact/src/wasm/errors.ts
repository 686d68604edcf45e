import { ExactError } from '../errors.ts';

/** This engine does not run the variant of the kernels that was asked for. */
export class UnavailableVariantError extends ExactError {
  override readonly name = 'UnavailableVariantError';
  readonly variant: string;
  constructor(variant: string) {
    super(`This WebAssembly engine does not know the instructions of the kernels' variant '${variant}'. Name none.`);
    this.variant = variant;
  }
}

/** An array was freed that the instance did not allocate, or not any more. */
export class NotAllocatedError extends ExactError {
  override readonly name = 'NotAllocatedError';
  constructor(address: number) {
    super(
      `No array starts at ${String(address)}: it was freed before, or is a subarray. Free what allocate returned, once.`,
    );
  }
}
