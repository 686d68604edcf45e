import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Evm, startEvm } from './evm.ts';
import { gasContracts, measureGas } from './measure-gas.ts';

let evm: Evm;
before(async () => {
  evm = await startEvm(gasContracts.built, gasContracts.harnesses);
});
after(() => evm.close());

void test('the gas of fraud proofs keeps its bars, and goes to the snapshot', async () => {
  const gas = await measureGas(evm);
  const at = (library: string, name: string): number => {
    const value = gas[library]?.[name];
    assert.ok(value !== undefined && value > 0, `${library}.${name} was not measured`);
    return value;
  };
  assert.ok(at('Float32', 'add worst') < 841);
  assert.ok(at('Float32', 'mul worst') < 302);
  assert.ok(at('SwarmReference', 'segment in one chunk') <= 1_400);
  assert.ok(at('SwarmReference', 'open transaction') <= 200_000);
  assert.ok(at('ExactOps', 'product of 1024 pairs') <= 30 * 1_024);
  // Where forge writes its figures; scripts/test.ts holds both to gas-snapshot.json.
  const folder = join(import.meta.dirname, '../../cache/gas');
  mkdirSync(folder, { recursive: true });
  for (const [library, figures] of Object.entries(gas)) {
    const asForgeWrites = Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, String(value)]));
    writeFileSync(join(folder, `${library}.json`), JSON.stringify(asForgeWrites));
  }
});
