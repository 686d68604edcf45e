import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { anyValue, isValue, normals } from '../../test/values.ts';
import type { MatMulShape } from '../kernels.ts';
import { blockExponents, contract, matMul, quantise, rescale } from './contraction.ts';
import { N } from './float.ts';
import { S } from './reductions.ts';

const plain = (m: number, k: number, n: number): MatMulShape => ({
  ...{ batch: 1, m, k, n, transposeA: false, transposeB: false, aBatchStride: m * k, bBatchStride: k * n },
});

function multiply(a: Float32Array, b: Float32Array, shape: MatMulShape): Float32Array {
  const out = new Float32Array(shape.batch * shape.m * shape.n);
  matMul(out, a, b, shape);
  return out;
}

/** One element as a contract would compute it, in exact integers. */
function element(row: readonly number[], column: readonly number[]): number {
  const parts: number[] = [];
  for (let at = 0; at < row.length; at += 1024) {
    const quantised = [row, column].map((vector) => {
      const block = vector.slice(at, at + 1024);
      const largest = Math.max(...block.map(Math.abs));
      const exponent = largest === 0 ? -99 : Math.floor(Math.log2(largest)) + 1;
      const q = block.map((x) => {
        const scaled = x * 2 ** (7 - exponent);
        const down = Math.floor(scaled);
        const rounded = scaled - down === 0.5 ? down + (Math.abs(down) % 2) : Math.round(scaled);
        return BigInt(Math.max(-127, Math.min(127, rounded)));
      });
      return { q, exponent };
    });
    const [left, right] = [quantised[0]!, quantised[1]!];
    const sum = left.q.reduce((total, value, i) => total + value * right.q[i]!, 0n);
    parts.push(N(Number(sum) * 2 ** (left.exponent - 7) * 2 ** (right.exponent - 7)));
  }
  return S(Float32Array.from(parts));
}

describe('contraction', () => {
  it('multiplies small integers exactly', () => {
    const out = multiply(
      Float32Array.from([1, 2, 127, -3, 0, 64]),
      Float32Array.from([5, 7, -1, 2, 100, 3]),
      plain(2, 3, 2),
    );
    expect([...out]).toEqual([5 - 2 + 12_700, 7 + 4 + 381, -15 + 6400, -21 + 192]);
  });

  it('computes each element as its definition says', () => {
    const shapes = fc.record({
      m: fc.integer({ min: 1, max: 3 }),
      k: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(1023, 1024, 1025, 2048, 2050)),
      n: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(shapes, fc.infiniteStream(anyValue), ({ m, k, n }, stream) => {
        const take = (count: number): Float32Array => Float32Array.from([...stream.take(count)]);
        const a = take(m * k);
        const b = take(k * n);
        const out = multiply(a, b, plain(m, k, n));
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++) {
            const row = [...a.subarray(i * k, (i + 1) * k)];
            const column = row.map((_, p) => b[p * n + j]!);
            expect(out[i * n + j]).toBe(element(row, column));
            expect(isValue(out[i * n + j]!)).toBe(true);
          }
      }),
      { numRuns: 60 },
    );
  });

  it.each([5_000, 70_000, 140_000])('has no limit for the length: %i', (k) => {
    const a = normals(1, k);
    const b = normals(2, k);
    const out = multiply(a, b, plain(1, k, 1))[0]!;
    expect(out).toBe(element([...a], [...b]));
    const truth = a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    expect(Math.abs(out - truth)).toBeLessThan(0.02 * Math.sqrt(k));
  });

  it('does not depend on how the operands are stored', () => {
    const [m, k, n] = [5, 37, 4];
    const a = normals(3, m * k);
    const b = normals(4, k * n);
    const turned = (x: Float32Array, rows: number, columns: number): Float32Array =>
      Float32Array.from({ length: x.length }, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]!);
    const expected = multiply(a, b, plain(m, k, n));
    expect(multiply(turned(a, m, k), b, { ...plain(m, k, n), transposeA: true })).toEqual(expected);
    expect(multiply(a, turned(b, k, n), { ...plain(m, k, n), transposeB: true })).toEqual(expected);
  });

  it('shares one matrix across a batch', () => {
    const shape = { ...plain(2, 3, 2), batch: 2, bBatchStride: 0 };
    const a = normals(5, 12);
    const b = normals(6, 6);
    const out = multiply(a, b, shape);
    expect(out.subarray(0, 4)).toEqual(multiply(a.subarray(0, 6), b, plain(2, 3, 2)));
    expect(out.subarray(4)).toEqual(multiply(a.subarray(6), b, plain(2, 3, 2)));
  });

  it('does not depend on the order of the terms inside a block', () => {
    const k = 1000;
    const a = normals(8, k);
    const b = normals(9, k);
    expect(multiply(a.toReversed(), b.toReversed(), plain(1, k, 1))).toEqual(multiply(a, b, plain(1, k, 1)));
  });

  it('never quantises to -128, and rounds ties to even', () => {
    const x = Float32Array.from([-1.9999999, 1.9999999, 0.5 / 64, 1.5 / 64, -2.5 / 64, 1, 2 ** -100, 0]);
    const vectors = { count: 1, length: 8, vectorStride: 8, elementStride: 1 };
    const exponents = new Int32Array(1);
    const out = new Int8Array(8);
    blockExponents(exponents, x, vectors);
    quantise(out, x, exponents, vectors, 'left');
    expect(exponents[0]).toBe(1);
    expect([...out]).toEqual([-127, 127, 0, 2, -2, 64, 0, 0]);
  });

  it('gives rows of zeros the smallest exponent', () => {
    const exponents = new Int32Array(2);
    const x = Float32Array.from([0, 2 ** 100]);
    blockExponents(exponents, x, { count: 2, length: 1, vectorStride: 1, elementStride: 1 });
    expect([...exponents]).toEqual([-99, 101]);
    expect([...multiply(new Float32Array(4), normals(1, 4), plain(2, 2, 2))]).toEqual([0, 0, 0, 0]);
  });

  it('saturates and flushes when it rescales', () => {
    expect(multiply(new Float32Array([2 ** 100]), new Float32Array([-(2 ** 90)]), plain(1, 1, 1))[0]).toBe(-(2 ** 100));
    expect(multiply(new Float32Array([2 ** -60]), new Float32Array([-(2 ** -60)]), plain(1, 1, 1))[0]).toBe(0);
    expect(multiply(new Float32Array([2 ** -100]), new Float32Array([2 ** 100]), plain(1, 1, 1))[0]).toBe(1);
  });

  it.each([1, 2, 4, 8])('is the same for %i workers that share exponents and add their integers', (workers) => {
    const [m, k, n] = [6, 64, 5];
    const x = normals(10, k * m);
    const dy = normals(11, k * n, 0.01);
    const shape: MatMulShape = { ...plain(m, k, n), transposeA: true };
    const whole = multiply(x, dy, shape);
    const columns = (count: number, length: number) => ({ count, length, vectorStride: 1, elementStride: count });
    const shards = Array.from({ length: workers }, (_, worker) => {
      const rowsOf = (data: Float32Array, width: number) =>
        data.filter((_, i) => Math.floor(i / width) % workers === worker);
      const shard = {
        x: rowsOf(x, m),
        dy: rowsOf(dy, n),
        xExponents: new Int32Array(m),
        dyExponents: new Int32Array(n),
      };
      blockExponents(shard.xExponents, shard.x, columns(m, k / workers));
      blockExponents(shard.dyExponents, shard.dy, columns(n, k / workers));
      return shard;
    });
    const most = (lists: Int32Array[]) => lists[0]!.map((_, i) => Math.max(...lists.map((list) => list[i]!)));
    const xExponents = most(shards.map((shard) => shard.xExponents));
    const dyExponents = most(shards.map((shard) => shard.dyExponents));
    const total = new Int32Array(m * n);
    for (const shard of shards) {
      const left = new Int8Array((m * k) / workers);
      const right = new Int8Array((n * k) / workers);
      const sums = new Int32Array(m * n);
      quantise(left, shard.x, xExponents, columns(m, k / workers), 'left');
      quantise(right, shard.dy, dyExponents, columns(n, k / workers), 'right');
      contract(sums, left, right, m, k / workers, n);
      sums.forEach((sum, i) => (total[i]! += sum));
    }
    const out = new Float32Array(m * n);
    rescale(out, total, xExponents, dyExponents, m, n, 1);
    expect(out).toEqual(whole);
  });
});
