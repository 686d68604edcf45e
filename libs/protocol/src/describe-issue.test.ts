import { expect, it } from '@jest/globals';
import { z } from 'zod';
import { describeIssue, type DescribedIssue } from './describe-issue.ts';

const schema = z.strictObject({
  optimizer: z.strictObject({ rate: z.number().max(1) }),
  loss: z.enum(['a', 'b']),
  layers: z.array(z.number()).optional(),
});

function described(value: unknown): DescribedIssue {
  const result = schema.safeParse(value);
  if (result.success) throw new Error('it is valid');
  return describeIssue(result.error, value);
}

it.each([
  [
    { optimiser: {}, loss: 'a' },
    { field: 'optimizer', reason: 'is missing: expected object. "optimiser" is no known key: correct or remove.' },
  ],
  [
    { optimizer: { rate: 0.1, momentun: 1 }, loss: 'a' },
    { field: 'optimizer', reason: 'is not valid: "optimizer.momentun" is no known key: correct or remove.' },
  ],
  [
    { optimizer: { rate: 7 }, loss: 'a' },
    { field: 'optimizer.rate', reason: 'is 7, which is not valid: Too big: expected number to be <=1.' },
  ],
  [
    { optimizer: { rate: 1 }, loss: 'c\n' },
    { field: 'loss', reason: 'is "c\\n", which is not valid: expected one of "a"|"b".' },
  ],
  [
    { optimizer: { rate: 1 }, loss: 'a', layers: {} },
    { field: 'layers', reason: 'is an object, which is not valid: expected array.' },
  ],
])('names the field, its value, what is asked for and unknown keys', (value, expected) => {
  expect(described(value)).toEqual(expected);
});

it('shows only the beginning of a stranger’s value', () => {
  expect(described({ optimizer: { rate: 1 }, loss: 'x'.repeat(10_000) }).reason.length).toBeLessThan(200);
});
