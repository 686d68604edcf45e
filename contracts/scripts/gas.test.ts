import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareGas } from './gas.ts';

void test('gas within two percent of the snapshot is accepted, also when it fell', () => {
  assert.deepEqual(compareGas({ 'A.f': 100_000, 'A.g': 50_000 }, { 'A.f': 102_000, 'A.g': 10 }), []);
});

void test('gas above two percent, new calls and calls not measured are named', () => {
  const complaints = compareGas({ 'A.f': 100_000, 'A.gone': 1 }, { 'A.f': 102_001, 'A.new': 5 });
  assert.equal(complaints.length, 3);
  assert.match(complaints[0] ?? '', /A\.f costs 102001, 2\.0 % more than the snapshot's 100000/);
  assert.match(complaints[1] ?? '', /A\.new .* not in the snapshot/);
  assert.match(complaints[2] ?? '', /A\.gone .* not measured/);
});
