import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, type JsonValue, parseCanonicalJson } from './canonical-json.ts';
import { DocumentTooLargeError, InvalidDocumentError, ProtocolError } from './errors.ts';

const bounds = { document: 'test', maxBytes: 100_000 };
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytesOf = (json: string): Uint8Array => new TextEncoder().encode(json);

/** JSON values without the two things that have no canonical form: -0 and a key __proto__. */
const jsonValue = fc.jsonValue({ maxDepth: 6 }).filter((value) => !JSON.stringify(value).includes('__proto__'));

describe('canonical JSON', () => {
  it('sorts keys by code unit and writes no white space', () => {
    expect(text(canonicalJson({ b: [1, 2.5, null], a: { ä: true, z: 'x"\n' }, '10': 0, '9': 1, c: undefined }))).toBe(
      '{"10":0,"9":1,"a":{"z":"x\\"\\n","ä":true},"b":[1,2.5,null]}',
    );
  });

  it('returns every value that it wrote', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        const bytes = canonicalJson(value);
        // JSON has no negative zero.
        expect(parseCanonicalJson(bytes, bounds)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(parseCanonicalJson(bytes, bounds))).toEqual(bytes);
      }),
    );
  });

  it('gives equal values equal bytes whatever the order of their keys', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((key) => key !== '__proto__'),
          fc.integer(),
        ),
        (value) => {
          const reversed = Object.fromEntries(Object.entries(value).reverse());
          expect(canonicalJson(reversed)).toEqual(canonicalJson(value));
        },
      ),
    );
  });

  it.each([
    ['NaN', Number.NaN],
    ['infinity', [Number.POSITIVE_INFINITY]],
    ['a bigint', { a: 1n }],
    ['undefined in a list', [undefined]],
    ['a hole', [1, , 2]],
    ['a function', { f: () => 1 }],
    ['a lone surrogate', '\ud800'],
    ['a lone surrogate in a key', { '\udc00': 1 }],
    ['a key __proto__', JSON.parse('{"__proto__":{"admin":true}}')],
  ])('refuses to write %s', (_, value) => {
    expect(() => canonicalJson(value)).toThrow(InvalidDocumentError);
  });

  it.each([
    ['white space', '{ }'],
    ['unsorted keys', '{"b":1,"a":2}'],
    ['a duplicate key', '{"a":1,"a":1}'],
    ['another spelling of a number', '[1.0]'],
    ['an exponent', '[1e2]'],
    ['negative zero', '[-0]'],
    ['an escape that is not needed', '["\\u0061"]'],
    ['an infinite number', '[1e999]'],
    ['a byte order mark', '\ufeff{}'],
    ['nothing', ''],
    ['a part', '{"a":'],
    ['two values', '1 2'],
    ['a comment', '{}//'],
    ['a key __proto__', '{"__proto__":{"a":1}}'],
  ])('refuses to read %s', (_, json) => {
    expect(() => parseCanonicalJson(bytesOf(json), bounds)).toThrow(InvalidDocumentError);
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseCanonicalJson(Uint8Array.of(0x22, 0xff, 0x22), bounds)).toThrow(InvalidDocumentError);
  });

  it('refuses a document that is too large before parsing it', () => {
    expect(() => parseCanonicalJson(new Uint8Array(100_001), bounds)).toThrow(DocumentTooLargeError);
  });

  it('refuses a million brackets without recursing into them', () => {
    for (const json of ['['.repeat(1_000_000), '{"a":'.repeat(200_000), `${'['.repeat(33)}${']'.repeat(33)}`]) {
      expect(() => parseCanonicalJson(bytesOf(json), { document: 'test', maxBytes: 2_000_000 })).toThrow(
        /nested deeper/,
      );
    }
    const nested = Array.from({ length: 32 }).reduce<JsonValue>((value) => [value], 1);
    expect(parseCanonicalJson(canonicalJson(nested), bounds)).toEqual(nested);
  });

  it('throws nothing but a ProtocolError for arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.json().map(bytesOf)), (bytes) => {
        try {
          parseCanonicalJson(bytes, bounds);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
