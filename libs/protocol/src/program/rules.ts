/** Refuses, naming what and why. */
export type Refuse = (field: string, value: unknown, reason: string) => never;

/** Refuses a value that is no whole number in a range. */
export function requireWhole(refuse: Refuse, field: string, value: number, low: number, high: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0) || value < low || value > high)
    refuse(field, value, `it must be a whole number from ${String(low)} to ${String(high)}`);
}

/** Whether 32 bits are a value of exact/1 (docs/exact-1.md, section 2). */
export function isValueBits(bits: number): boolean {
  const magnitude = bits & 0x7fffffff;
  return bits === 0 || (magnitude >= 0x0d800000 && magnitude <= 0x71800000);
}
