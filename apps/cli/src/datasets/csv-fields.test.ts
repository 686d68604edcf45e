import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { csvFields, CsvSyntaxError } from './csv-fields.ts';

const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`;
const field = fc.string().filter((text) => !/[\r\n]/.test(text));

it('reads back what was written, quoted or not', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(field, fc.boolean()), { minLength: 1 }), (fields) => {
      const line = fields.map(([text, quotes]) => (quotes || /[",]/.test(text) ? quoted(text) : text)).join(',');
      expect(csvFields(line)).toEqual(fields.map(([text]) => text));
    }),
  );
});

it('either reads a line or says what is wrong with it', () => {
  fc.assert(
    fc.property(fc.string(), (line) => {
      try {
        expect(csvFields(line).length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(CsvSyntaxError);
      }
    }),
  );
});

it.each([
  ['1,"2', /field 2 is not closed/],
  ['"1"2,3', /character 4 follows a closing quote/],
  ['1,2"3"', /field 2 has a quote inside/],
])('refuses %s', (line, reason) => {
  expect(() => csvFields(line)).toThrow(reason);
});
