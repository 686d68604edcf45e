import { describe, expect, it } from '@jest/globals';
import { normals } from '../../test/values.ts';
import { adamCoefficients, initialBetaPowers } from '../adam-coefficients.ts';
import { adamStep, momentumStep, sgdStep } from './optimizers.ts';
import { dropoutMask } from './random.ts';
import { S } from './reductions.ts';
import { gatherRows, segmentSum } from './rows.ts';
import { logSoftmax, softmax } from './softmax.ts';
import { copyStrided } from './strided-copy.ts';

describe('softmax', () => {
  it('gives probabilities near the true ones', () => {
    const x = normals(1, 300, 5);
    const out = new Float32Array(300);
    softmax(out, x, 3, 100);
    const logs = new Float32Array(300);
    logSoftmax(logs, x, 3, 100);
    for (let row = 0; row < 3; row++) {
      const part = x.subarray(row * 100, row * 100 + 100);
      const total = part.reduce((sum, v) => sum + Math.exp(v), 0);
      part.forEach((v, i) => {
        expect(out[row * 100 + i]).toBeCloseTo(Math.exp(v) / total, 6);
        expect(logs[row * 100 + i]).toBeCloseTo(v - Math.log(total), 4);
      });
    }
  });

  it('does not overflow', () => {
    const out = new Float32Array(2);
    softmax(out, Float32Array.from([2 ** 100, -(2 ** 100)]), 1, 2);
    expect([...out]).toEqual([1, 0]);
  });
});

describe('rows', () => {
  it('gathers, and gives zeros for what is outside', () => {
    const out = new Float32Array(8);
    gatherRows(out, Float32Array.from([1, 2, 3, 4]), Int32Array.from([1, -1, 0, 2]), 2, 2);
    expect([...out]).toEqual([3, 4, 0, 0, 1, 2, 0, 0]);
  });

  it('sums segments in the order of their rows', () => {
    const ids = Int32Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? 5 : i % 7));
    const x = normals(2, 300);
    const out = new Float32Array(9);
    segmentSum(out, x, ids, 9, 1);
    for (let segment = 0; segment < 9; segment++) expect(out[segment]).toBe(S(x.filter((_, i) => ids[i] === segment)));
    expect(out[8]).toBe(0);
    segmentSum(out.subarray(0, 2), x.subarray(0, 3), Int32Array.from([-1, 1, 2]), 2, 1);
    expect([...out.subarray(0, 2)]).toEqual([0, x[1]]);
  });
});

describe('strided copies', () => {
  it('transposes, repeats, reverses, and keeps every bit', () => {
    const x = new Float32Array(new Uint32Array([0x7fc12345, 1, 2, 3, 0x80000000, 5]).buffer);
    const out = new Float32Array(12);
    copyStrided(out, x, {
      ...{ shape: [1, 1, 1, 2, 3, 2], outOffset: 0, outStrides: [0, 0, 0, 6, 2, 1] },
      ...{ xOffset: 2, xStrides: [0, 0, 0, 0, -1, 3] },
    });
    expect([...new Uint32Array(out.buffer)]).toEqual([
      2, 5, 1, 0x80000000, 0x7fc12345, 3, 2, 5, 1, 0x80000000, 0x7fc12345, 3,
    ]);
  });
});

describe('dropout', () => {
  it('is decided by the halves of Philox words, at a rate near the wanted one', () => {
    const out = new Float32Array(10_003);
    const mask = {
      seedLow: 1,
      seedHigh: 2,
      step: 3,
      substream: 4,
      stream: 3,
      threshold: 0.3 * 65_536,
      keepScale: 1 / 0.7,
    };
    dropoutMask(out, mask);
    const kept = out.filter((value) => value !== 0);
    expect(kept.length / out.length).toBeCloseTo(0.7, 1);
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.7)]));
    const tail = new Float32Array(5);
    dropoutMask(tail, mask);
    expect(tail).toEqual(out.subarray(0, 5));
  });
});

describe('optimizers', () => {
  it('steps down', () => {
    const weights = Float32Array.from([1, 2]);
    sgdStep(weights, Float32Array.from([0.5, -0.5]), 0.5);
    expect([...weights]).toEqual([0.75, 2.25]);
    const velocity = Float32Array.from([1, 0]);
    momentumStep(weights, velocity, Float32Array.from([0.5, -0.5]), 0.5, 0.5);
    expect([...velocity]).toEqual([1, -0.5]);
    expect([...weights]).toEqual([0.25, 2.5]);
  });

  it('follows Adam in float64 over many steps, with powers as state', () => {
    const options = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.1 };
    const weights = Float32Array.from([1]);
    const [first, second] = [new Float32Array(1), new Float32Array(1)];
    let powers = initialBetaPowers;
    let [w, m, v] = [1, 0, 0];
    for (let step = 1; step <= 500; step++) {
      const gradient = Math.sin(step) + 0.2;
      const next = adamCoefficients(options, powers);
      powers = next.powers;
      adamStep(weights, first, second, Float32Array.from([gradient]), next.coefficients);
      m += (gradient - m) * 0.1;
      v += (gradient * gradient - v) * 0.001;
      w = w * (1 - 0.001) - (0.01 * (m / (1 - 0.9 ** step))) / (Math.sqrt(v / (1 - 0.999 ** step)) + 1e-7);
    }
    expect(weights[0]).toBeCloseTo(w, 4);
    expect(powers.beta2Power).toBeCloseTo(0.999 ** 500, 5);
  });
});
