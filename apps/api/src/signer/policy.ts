import { z } from 'zod';

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/);
const wei = z.string().regex(/^\d{1,78}$/);

export const policySchema = z.strictObject({
  /** What may be signed: a function of a contract, with at most so much ETH. */
  allow: z
    .array(
      z.strictObject({
        to: address,
        selector: z.string().regex(/^0x[0-9a-f]{8}$/),
        name: z.string().max(80),
        maxValueWei: wei,
      }),
    )
    .min(1)
    .max(200),
  /** ETH that one account may send within any 24 hours. */
  dailyValueWei: wei,
});

/** What the signer signs. Everything else is refused. */
export type SigningPolicy = z.infer<typeof policySchema>;

/** The policy does not allow the call. */
export class NotAllowedError extends Error {
  override readonly name = 'NotAllowedError';
  readonly retryable = false;
}

/** @throws NotAllowedError naming what is not allowed and the remedy */
export function assertAllowed(
  policy: SigningPolicy,
  call: { to: string; data: string; valueWei: bigint },
  sentTodayWei: bigint,
): void {
  const selector = call.data.slice(0, 10).toLowerCase();
  const rule = policy.allow.find(
    (candidate) => candidate.to.toLowerCase() === call.to.toLowerCase() && candidate.selector === selector,
  );
  if (rule === undefined)
    throw new NotAllowedError(
      `The policy does not allow function ${selector} of ${call.to}. Add it to the policy's allow list if it is meant.`,
    );
  if (call.valueWei > BigInt(rule.maxValueWei))
    throw new NotAllowedError(
      `valueWei is ${String(call.valueWei)}; the policy allows ${rule.maxValueWei} for ${rule.name}.`,
    );
  if (sentTodayWei + call.valueWei > BigInt(policy.dailyValueWei))
    throw new NotAllowedError(
      `valueWei is ${String(call.valueWei)}; ${String(sentTodayWei)} of ${policy.dailyValueWei} have been sent in the last 24 hours.`,
    );
}
