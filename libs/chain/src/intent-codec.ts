import { z } from 'zod';
import type { IntentRecord } from './intent.ts';

const wei = z
  .string()
  .regex(/^\d{1,78}$/)
  .transform(BigInt);
const hex = z.string().regex(/^0x[0-9a-fA-F]*$/) as unknown as z.ZodType<`0x${string}`>;
const whole = z.number().int().nonnegative();

const recordSchema = z.object({
  intentId: z.string(),
  to: hex,
  data: hex,
  valueWei: wei,
  gasLimit: wei.optional(),
  sender: hex,
  status: z.enum(['stored', 'signed', 'mined', 'confirmed', 'reverted', 'refused']),
  nonce: whole.nullable(),
  attempts: z.array(
    z.object({
      hash: hex,
      rawTransaction: hex,
      maxFeePerGasWei: wei,
      maxPriorityFeePerGasWei: wei,
      signedAt: z.number(),
    }),
  ),
  minedHash: hex.nullable(),
  minedBlock: whole.nullable(),
  gasUsed: wei.nullable(),
  failure: z.string().nullable(),
});

/** A record as JSON text on one line; amounts are decimal strings. */
export function encodeIntent(record: IntentRecord): string {
  return JSON.stringify(record, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/** @throws SyntaxError, z.ZodError for a value that is no record */
export function decodeIntent(value: unknown): IntentRecord {
  const { gasLimit, ...record } = recordSchema.parse(
    typeof value === 'string' ? (JSON.parse(value) as unknown) : value,
  );
  return gasLimit === undefined ? record : { ...record, gasLimit };
}
