import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Evm, startEvm } from './evm.ts';
import { floatOperations, packVectors } from './float-operations.ts';
import { checkFloats } from './check-floats.ts';

/** `npm run bench:dispute` takes a million of each. */
const vectorsEach = Number(process.env['COTRAIN_FLOAT_VECTORS'] ?? 40_000);
let evm: Evm;
before(async () => {
  evm = await startEvm([], ['test/verification/Float32Harness.sol']);
});
after(() => evm.close());

for (const [number, operation] of floatOperations.entries()) {
  void test(`${operation.name} has this machine's bits for ${String(vectorsEach)} adversarial operands`, async () => {
    const seed = Number(process.env['FOUNDRY_FUZZ_SEED'] ?? 1) + number;
    assert.deepEqual(await checkFloats(evm, number, vectorsEach, seed), { mismatches: 0, examples: [] });
  });
}

void test('a wrong result is found: the comparison can fail', async () => {
  const operation = floatOperations[0];
  assert.ok(operation !== undefined);
  const vectors = packVectors(operation, 100, 5);
  vectors[12 * 41 + 11]! ^= 1;
  const [mismatches, first] = (await evm.contracts['Float32Harness']?.call('check', 0, vectors)) as [bigint, bigint];
  assert.deepEqual([mismatches, first], [1n, 41n]);
});
