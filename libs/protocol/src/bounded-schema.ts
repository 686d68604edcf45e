import { z } from 'zod';
import { type Reference } from './reference.ts';

// Schema pieces that several documents share. Every string, list and number has a bound.

const referencePattern = /^0x[0-9a-f]{64}$/;
export const referenceSchema = z
  .string()
  .max(66)
  .regex(referencePattern, 'must be 0x and 64 lower-case hexadecimal digits') as unknown as z.ZodType<Reference>;

export const nameSchema = z.string().min(1).max(120);
export const textSchema = z.string().max(4_000);
export const positiveInteger = (max: number): z.ZodNumber => z.number().int().min(1).max(max);
/** A finite number that is not absurd; hyper-parameters live here. */
export const finiteNumber = z.number().min(-1e30).max(1e30);
const decimalPattern = /^(0|[1-9][0-9]{0,19})$/;
/** An unsigned 64-bit integer as decimal digits, because JSON numbers end at 2^53. */
export const uint64Decimal = z
  .string()
  // Zod runs later checks on a string that failed an earlier one, and BigInt throws on what is no number.
  .refine(
    (digits) => decimalPattern.test(digits) && BigInt(digits) < 2n ** 64n,
    'must be a decimal integer below 2^64',
  );
