import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from './canonical-json.ts';
import {
  type DatasetManifest,
  decodeDatasetManifest,
  encodeDatasetManifest,
  rowBytes,
  type ViewColumn,
} from './dataset-manifest.ts';
import { DocumentTooLargeError, InvalidDocumentError, ProtocolError } from './errors.ts';
import { checkSpecAgainstHeader, decodeJobSpec, encodeJobSpec, JOB_SPEC_MAX_BYTES, type JobSpec } from './job-spec.ts';
import { decodeProgram, encodeProgram, type Program } from './program.ts';
import { type Reference, toHex, ZERO_REFERENCE } from './reference.ts';
import {
  decodeLogEntry,
  decodeLogHeader,
  encodeLogEntry,
  encodeLogHeader,
  LOG_HEADER_BYTES,
  type LogHeader,
  logEntryOffset,
  logLength,
  VOID_LOSS,
} from './training-log.ts';
import { decodeRows, encodeRow } from './view-rows.ts';

const reference = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes): Reference => toHex(bytes));
const name = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => text !== '__proto__');
const rate = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0);

const zeroTolerance = { absolute: 0, relative: 0, drift: 0 };

const tfjsSpec: fc.Arbitrary<JobSpec> = fc.record(
  {
    version: fc.constant('cotrain.job/1' as const),
    name,
    description: fc.string({ unit: 'grapheme', maxLength: 200 }),
    runtime: fc.constant('tfjs/1' as const),
    dataset: fc.record(
      { manifestReference: reference, trainSplit: name, testSplit: name },
      { requiredKeys: ['manifestReference', 'trainSplit'] },
    ),
    programReference: reference,
    initialStateReference: reference,
    seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
    steps: fc.integer({ min: 1, max: 2 ** 24 }),
    batchSize: fc.integer({ min: 1, max: 2 ** 20 }),
    commitEvery: fc.integer({ min: 1, max: 128 }),
    checkpointEvery: fc.integer({ min: 1, max: 2 ** 24 }),
    evaluateEvery: fc.integer({ min: 1, max: 2 ** 24 }),
    backends: fc.uniqueArray(
      fc.constantFrom('tfjs-node-gpu' as const, 'tfjs-node' as const, 'wasm' as const, 'cpu' as const),
      { minLength: 1 },
    ),
    resources: fc.record({
      gpuMemoryMiB: fc.nat(80_000),
      gpuCount: fc.nat(8),
      cpuMilli: fc.integer({ min: 1, max: 64_000 }),
      memoryMiB: fc.integer({ min: 1, max: 10 ** 6 }),
      estimatedGpuSeconds: fc.integer({ min: 1, max: 10 ** 6 }),
    }),
    deadlineSeconds: fc.integer({ min: 1, max: 10 ** 9 }),
    tolerance: fc.record({ absolute: rate, relative: rate, drift: rate }),
  },
  {
    requiredKeys: [
      'version',
      'name',
      'runtime',
      'dataset',
      'programReference',
      'initialStateReference',
      'seed',
      'steps',
      'batchSize',
      'commitEvery',
      'checkpointEvery',
      'backends',
      'resources',
      'deadlineSeconds',
      'tolerance',
    ],
  },
);

/** With what the runtime asks for: exact/1 has one backend and no tolerance. */
const jobSpec: fc.Arbitrary<JobSpec> = fc
  .tuple(tfjsSpec, fc.boolean())
  .map(([spec, exact]) =>
    exact ? { ...spec, runtime: 'exact/1', backends: ['exact'], tolerance: zeroTolerance } : spec,
  );

const program: fc.Arbitrary<Program> = fc.record({
  version: fc.constant('cotrain.program/1' as const),
  topology: fc
    .dictionary(name, fc.jsonValue({ maxDepth: 5 }), { maxKeys: 5 })
    .map((value) => JSON.parse(JSON.stringify(value)) as Program['topology'])
    .filter((value) => !JSON.stringify(value).includes('__proto__')),
  optimizer: fc.oneof(
    fc.record({ kind: fc.constant('sgd' as const), learningRate: rate }),
    fc.record({ kind: fc.constant('momentum' as const), learningRate: rate, momentum: rate }),
    fc.record({ kind: fc.constant('adam' as const), learningRate: rate, beta1: rate, beta2: rate, epsilon: rate }),
    fc.record({ kind: fc.constant('adamw' as const), learningRate: rate, weightDecay: rate }),
  ),
  loss: fc.constantFrom('sparseCategoricalCrossentropy' as const, 'meanSquaredError' as const),
  metrics: fc.constantFrom<'accuracy'[][]>([], ['accuracy']),
});

const columns: fc.Arbitrary<ViewColumn[]> = fc.uniqueArray(
  fc.record(
    {
      name,
      role: fc.constantFrom('input' as const, 'target' as const),
      dtype: fc.constantFrom('uint8' as const, 'int32' as const, 'float32' as const),
      shape: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      scale: rate,
      offset: rate,
    },
    { requiredKeys: ['name', 'role', 'dtype', 'shape'] },
  ),
  { minLength: 1, maxLength: 5, selector: (column) => column.name },
);

const manifest: fc.Arbitrary<DatasetManifest> = fc
  .record({
    columns,
    splits: fc.dictionary(name, fc.tuple(reference, fc.integer({ min: 1, max: 10 ** 9 })), { minKeys: 1, maxKeys: 3 }),
    parent: reference,
    title: name,
  })
  .map(({ columns: list, splits, parent, title }) => ({
    version: 'cotrain.dataset/1',
    name: title,
    license: 'CC0-1.0',
    parent,
    columns: list,
    splits: Object.fromEntries(
      Object.entries(splits).map(([split, [viewReference, rows]]) => [
        split,
        { viewReference, rows, rowBytes: rowBytes(list) },
      ]),
    ),
  }));

const logHeader: fc.Arbitrary<LogHeader> = fc
  .record({
    version: fc.constant('cotrain.log/1' as const),
    jobHeaderHash: reference,
    backend: fc.constantFrom('wasm' as const, 'cpu' as const, 'exact' as const),
    software: name,
  })
  .map((header) => ({ ...header, runtime: header.backend === 'exact' ? 'exact/1' : 'tfjs/1' }));

const documents: [string, fc.Arbitrary<unknown>, (value: never) => Uint8Array, (bytes: Uint8Array) => unknown][] = [
  ['JobSpec', jobSpec, encodeJobSpec, decodeJobSpec],
  ['Program', program, encodeProgram, decodeProgram],
  ['DatasetManifest', manifest, encodeDatasetManifest, decodeDatasetManifest],
  ['LogHeader', logHeader, encodeLogHeader, decodeLogHeader],
];

/** Values that break decoders. */
const hostile = fc.constantFrom<unknown>(
  null,
  '',
  'x'.repeat(5_000),
  -1,
  0,
  1.5,
  1e308,
  2 ** 53,
  true,
  [],
  {},
  [[[[]]]],
  { constructor: 1 },
  { toString: 'x' },
  { length: 1e9 },
  `0x${'g'.repeat(64)}`,
  '99999999999999999999',
  Array.from({ length: 3_000 }, () => 0),
);

/** Replaces, adds or removes one member anywhere in a document. */
function mutate(value: unknown, path: number[], replacement: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined || typeof value !== 'object' || value === null) return replacement;
  const keys = Object.keys(value);
  const key = keys[first % (keys.length + 1)];
  if (key === undefined)
    return Array.isArray(value) ? [...(value as unknown[]), replacement] : { ...value, unknownMember: replacement };
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<string, unknown>;
  copy[key] = mutate(copy[key], rest, replacement);
  return copy;
}

/** The decoder returns or refuses; nothing else, and quickly. */
function survives(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  const start = performance.now();
  try {
    decode(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    expect(error.message.length).toBeLessThan(1_000);
  }
  expect(performance.now() - start).toBeLessThan(2_000);
}

describe.each(documents)('%s', (document, arbitrary, encode, decode) => {
  it('is returned by decode(encode(x))', () => {
    fc.assert(
      fc.property(arbitrary, (value) => {
        const bytes = encode(value as never);
        expect(decode(bytes)).toEqual(value);
        expect(encode(decode(bytes) as never)).toEqual(bytes);
      }),
    );
  });

  it('survives members of the wrong type, size and name', () => {
    fc.assert(
      fc.property(arbitrary, fc.array(fc.nat(20), { maxLength: 4 }), hostile, (value, path, replacement) => {
        const json = canonicalJson(mutate(JSON.parse(JSON.stringify(value)), path, replacement));
        const padded = new Uint8Array(LOG_HEADER_BYTES);
        if (document === 'LogHeader' && json.length <= LOG_HEADER_BYTES) padded.set(json);
        survives(decode, document === 'LogHeader' ? padded : json);
      }),
      { numRuns: 400 },
    );
  });

  it('survives changed, cut and arbitrary bytes', () => {
    fc.assert(
      fc.property(
        arbitrary,
        fc.nat(),
        fc.nat(255),
        fc.uint8Array({ maxLength: 200 }),
        (value, at, byte, arbitraryBytes) => {
          const bytes = encode(value as never);
          const changed = Uint8Array.from(bytes);
          changed[at % bytes.length] = byte;
          survives(decode, changed);
          survives(decode, bytes.subarray(0, at % bytes.length));
          survives(decode, arbitraryBytes);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('refuses other versions and unknown members', () => {
    const [value] = fc.sample(arbitrary as fc.Arbitrary<object>, { numRuns: 1, seed: 1 });
    expect(() => encode({ ...value, version: 'cotrain.job/2' } as never)).toThrow(InvalidDocumentError);
    expect(() => encode({ ...value, extra: 1 } as never)).toThrow(InvalidDocumentError);
  });

  it('refuses floods of brackets, bytes and digits', () => {
    for (const flood of ['['.repeat(50_000), '{"a":'.repeat(10_000), `"${'a'.repeat(60_000)}"`, '9'.repeat(60_000)]) {
      expect(() => decode(Buffer.from(flood))).toThrow(ProtocolError);
    }
    expect(() => decode(new Uint8Array(8 * 2 ** 20).fill(0x5b))).toThrow(ProtocolError);
  });
});

describe('a document at its largest', () => {
  it.each([
    ['items', (i: number) => `{"columns":[${'0,'.repeat(i / 2)}0]}`],
    ['empty lists', (i: number) => `{"columns":[${'[],'.repeat(i / 3)}0]}`],
    [
      'members',
      (i: number) => `{${Array.from({ length: i / 9 }, (_, n) => `"${String(n).padStart(6, '0')}":0`).join()}}`,
    ],
    ['one string', (i: number) => `{"name":"${'x'.repeat(i - 20)}"}`],
    ['escapes', (i: number) => `{"name":"${'\\"'.repeat(i / 2 - 20)}"}`],
  ])('full of %s costs no more than a second and a few copies of itself', (_, write) => {
    const bytes = Buffer.from(write(2 ** 20).slice(0, 2 ** 20));
    globalThis.gc?.();
    const heapBefore = process.memoryUsage().heapUsed;
    const start = performance.now();
    for (const decode of [decodeDatasetManifest, decodeProgram]) expect(() => decode(bytes)).toThrow(ProtocolError);
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(64 * 2 ** 20);
  });
});

describe('JobSpec', () => {
  const [spec] = fc.sample(jobSpec, { numRuns: 1, seed: 7 }) as [JobSpec];

  it('names the bad field', () => {
    expect(() => encodeJobSpec({ ...spec, resources: { ...spec.resources, memoryMiB: -5 } })).toThrow(
      /JobSpec: resources\.memoryMiB/,
    );
    expect(() => encodeJobSpec({ ...spec, seed: '18446744073709551616' })).toThrow(/seed/);
  });

  it('refuses more than its declared bytes before parsing them', () => {
    expect(() => decodeJobSpec(new Uint8Array(JOB_SPEC_MAX_BYTES + 1))).toThrow(DocumentTooLargeError);
  });

  it('must say what the JobHeader says', () => {
    const header = {
      jobSpecReference: ZERO_REFERENCE,
      programReference: spec.programReference,
      trainingViewReference: ZERO_REFERENCE,
      initialStateReference: spec.initialStateReference,
      rows: 1n,
      rowBytes: 1,
      seed: BigInt(spec.seed),
      steps: spec.steps,
      batchSize: spec.batchSize,
      commitEvery: spec.commitEvery,
    };
    expect(() => {
      checkSpecAgainstHeader(spec, header);
    }).not.toThrow();
    expect(() => {
      checkSpecAgainstHeader(spec, { ...header, seed: header.seed ^ 1n });
    }).toThrow(/JobSpec: seed/);
  });
});

describe('DatasetManifest', () => {
  const [valid] = fc.sample(manifest, { numRuns: 1, seed: 3 }) as [DatasetManifest];
  const [split] = Object.values(valid.splits) as [DatasetManifest['splits'][string]];

  it.each<[string, Partial<DatasetManifest>]>([
    ['two columns of one name', { columns: [...valid.columns, ...valid.columns] }],
    ['no splits', { splits: {} }],
    ['a stride that its columns do not have', { splits: { train: { ...split, rowBytes: split.rowBytes + 1 } } }],
    [
      'a row whose size overflows',
      { columns: [{ name: 'x', role: 'input', dtype: 'uint8', shape: Array.from({ length: 8 }, () => 2 ** 26) }] },
    ],
  ])('refuses %s', (_, changes) => {
    expect(() => encodeDatasetManifest({ ...valid, ...changes })).toThrow(InvalidDocumentError);
  });
});

describe('rows of a training view', () => {
  it('are returned as they were written', () => {
    fc.assert(
      fc.property(columns, fc.integer({ min: 1, max: 5 }), fc.nat(), (list, rows, seed) => {
        const plain = list.map(({ name, role, dtype, shape }): ViewColumn => ({ name, role, dtype, shape }));
        const written = Array.from(
          { length: rows },
          (_, row) =>
            new Map(
              plain.map((column) => {
                const count = column.shape.reduce((product, size) => product * size, 1);
                return [
                  column.name,
                  Array.from({ length: count }, (_unused, i) => Math.fround((seed + row * 31 + i * 7) % 256)),
                ] as const;
              }),
            ),
        );
        const bytes = Buffer.concat(written.map((row) => encodeRow(plain, row)));
        const decoded = decodeRows(plain, bytes, rows);
        for (const column of plain) {
          expect(Array.from(decoded.get(column.name) ?? [])).toEqual(
            written.flatMap((row) => row.get(column.name) ?? []),
          );
        }
      }),
    );
  });

  it('are scaled, little-endian, and read from any alignment', () => {
    const list: ViewColumn[] = [
      { name: 'pixel', role: 'input', dtype: 'uint8', shape: [2], scale: 1 / 255, offset: -0.5 },
      { name: 'token', role: 'input', dtype: 'int32', shape: [] },
      { name: 'weight', role: 'target', dtype: 'float32', shape: [1], scale: 2 },
    ];
    const padded = Uint8Array.of(99, 0, 255, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0x80, 0x3f);
    const rows = decodeRows(list, padded.subarray(1), 1);
    expect(rows.get('pixel')).toEqual(Float32Array.of(-0.5, 0.5));
    expect(rows.get('token')).toEqual(Int32Array.of(-2));
    expect(rows.get('weight')).toEqual(Float32Array.of(2));
  });

  it('are refused when they have the wrong length or values that do not fit', () => {
    const list: ViewColumn[] = [{ name: 'x', role: 'input', dtype: 'uint8', shape: [2] }];
    for (const length of [0, 3, 5]) expect(() => decodeRows(list, new Uint8Array(length), 2)).toThrow(ProtocolError);
    for (const values of [[1], [1, 2, 3], [1, 256], [1, -1], [1, 0.5], [1, Number.NaN]]) {
      expect(() => encodeRow(list, new Map([['x', values]]))).toThrow(InvalidDocumentError);
    }
    expect(() => encodeRow(list, new Map())).toThrow(/x/);
  });
});

describe('documents as they are committed', () => {
  it('never change: what was published must decode for ever', () => {
    const spec = encodeJobSpec({
      version: 'cotrain.job/1',
      name: 'digits',
      runtime: 'tfjs/1',
      dataset: { manifestReference: `0x${'11'.repeat(32)}`, trainSplit: 'train' },
      programReference: `0x${'22'.repeat(32)}`,
      initialStateReference: `0x${'33'.repeat(32)}`,
      seed: '7',
      steps: 100,
      batchSize: 64,
      commitEvery: 50,
      checkpointEvery: 50,
      backends: ['wasm'],
      resources: { gpuMemoryMiB: 0, gpuCount: 0, cpuMilli: 1_000, memoryMiB: 512, estimatedGpuSeconds: 60 },
      deadlineSeconds: 3_600,
      tolerance: { absolute: 0.001, relative: 0.01, drift: 0.01 },
    });
    expect(Buffer.from(spec).toString()).toMatchInlineSnapshot(
      `"{"backends":["wasm"],"batchSize":64,"checkpointEvery":50,"commitEvery":50,"dataset":{"manifestReference":"0x1111111111111111111111111111111111111111111111111111111111111111","trainSplit":"train"},"deadlineSeconds":3600,"initialStateReference":"0x3333333333333333333333333333333333333333333333333333333333333333","name":"digits","programReference":"0x2222222222222222222222222222222222222222222222222222222222222222","resources":{"cpuMilli":1000,"estimatedGpuSeconds":60,"gpuCount":0,"gpuMemoryMiB":0,"memoryMiB":512},"runtime":"tfjs/1","seed":"7","steps":100,"tolerance":{"absolute":0.001,"drift":0.01,"relative":0.01},"version":"cotrain.job/1"}"`,
    );
    const entry = encodeLogEntry({ loss: 2.5, metric: 0.125, stateRoot: `0x${'ab'.repeat(32)}` });
    expect(toHex(entry)).toBe(`0x402000003e000000${'00'.repeat(24)}${'ab'.repeat(32)}`);
    expect(toHex(encodeLogEntry({ loss: VOID_LOSS, metric: 0, stateRoot: null }))).toBe(`0x7f7fffff${'00'.repeat(60)}`);
  });
});

describe('the runtime exact/1', () => {
  const [sample] = fc.sample(tfjsSpec, 1);
  const spec = { ...sample!, runtime: 'exact/1', backends: ['exact'], tolerance: zeroTolerance };
  const encode = (changes: object): unknown => encodeJobSpec({ ...spec, ...changes } as JobSpec);

  it.each(['absolute', 'relative', 'drift'])('allows no tolerance: %s must be 0', (field) => {
    expect(() => encode({ tolerance: { ...zeroTolerance, [field]: 1e-9 } })).toThrow(
      expect.objectContaining({
        name: 'InvalidDocumentError',
        message: expect.stringMatching(new RegExp(`tolerance\\.${field}.*1e-9.*equality: write 0`)) as unknown,
      }),
    );
  });

  it('has the backend exact and no other, which belongs to no other runtime', () => {
    expect(encode({})).toBeInstanceOf(Uint8Array);
    for (const backends of [['wasm'], ['exact', 'wasm'], ['exact', 'exact']])
      expect(() => encode({ backends })).toThrow(/backends.*runtime exact\/1 has the backend exact/);
    expect(() => encode({ runtime: 'tfjs/1' })).toThrow(/backends.*exact belongs to runtime exact\/1/);
    const header = { version: 'cotrain.log/1', jobHeaderHash: `0x${'11'.repeat(32)}`, software: 's' } as const;
    for (const [runtime, backend] of [
      ['exact/1', 'wasm'],
      ['tfjs/1', 'exact'],
    ] as const)
      expect(() => encodeLogHeader({ ...header, runtime, backend })).toThrow(/backend/);
  });
});

describe('log entries', () => {
  const float32 = fc.float({ noNaN: true, noDefaultInfinity: true });

  it('are returned by decode(encode(x))', () => {
    fc.assert(
      fc.property(
        float32,
        float32,
        fc.option(reference.filter((value) => value !== ZERO_REFERENCE)),
        (loss, metric, stateRoot) => {
          expect(decodeLogEntry(encodeLogEntry({ loss, metric, stateRoot }))).toEqual({ loss, metric, stateRoot });
        },
      ),
    );
  });

  it('lie 64 to a chunk, behind a header of one chunk', () => {
    expect([logLength(0), logLength(64), logEntryOffset(0), logEntryOffset(64)]).toEqual([4096, 8192, 4096, 8192]);
  });

  it('refuse what is not finite and bytes that mean nothing', () => {
    for (const loss of [Number.NaN, Number.POSITIVE_INFINITY, 1e39]) {
      expect(() => encodeLogEntry({ loss, metric: 0, stateRoot: null })).toThrow(ProtocolError);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        survives(decodeLogEntry, bytes);
      }),
    );
    for (let at = 8; at < 32; at++) {
      const bytes = encodeLogEntry({ loss: 1, metric: 1, stateRoot: null });
      bytes[at] = 1;
      expect(() => decodeLogEntry(bytes)).toThrow(/reserved/);
    }
  });
});
