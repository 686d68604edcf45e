import { z } from 'zod';

const hexData = z
  .string()
  .max(200_000)
  .regex(/^0x([0-9a-f]{2})*$/) as unknown as z.ZodType<`0x${string}`>;
const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/) as unknown as z.ZodType<`0x${string}`>;

/** Most intents in one request. */
export const maxIntentsAtOnce = 200;

/** What the API asks the signer to send. */
export const intentRequestSchema = z.strictObject({
  intentId: z.string().min(1).max(200),
  account: address,
  to: address,
  data: hexData,
  valueWei: z.string().regex(/^\d{1,78}$/),
});
export type IntentRequest = z.infer<typeof intentRequestSchema>;

export const intentBatchSchema = z.strictObject({
  intents: z.array(intentRequestSchema).min(1).max(maxIntentsAtOnce),
});

export const intentAnswerSchema = z.object({
  intentId: z.string(),
  status: z.enum(['stored', 'signed', 'mined', 'confirmed', 'reverted', 'refused']),
  hash: z.string().nullable(),
  gasUsed: z.string().nullable(),
  failure: z.string().nullable(),
});
export type IntentAnswer = z.infer<typeof intentAnswerSchema>;

/** Why an intent was not sent: refused by the policy or the contract, not affordable, or not possible at the moment. */
const intentFailureSchema = z.object({
  intentId: z.string(),
  error: z.string(),
  reason: z.enum(['not allowed', 'conflict', 'reverts', 'insufficient funds', 'unavailable']),
});
export type IntentFailure = z.infer<typeof intentFailureSchema>;

/** Outcomes of a batch, in the order of its intents. */
export const batchAnswerSchema = z.object({
  outcomes: z.array(z.union([intentFailureSchema, intentAnswerSchema])).max(maxIntentsAtOnce),
});
export type IntentOutcome = IntentAnswer | IntentFailure;

/** Asks for a salt that only this account's key yields, the same each time for one context. */
export const saltRequestSchema = z.strictObject({ account: address, context: z.string().min(1).max(500) });
