import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  buildASTSchema,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isSpecifiedScalarType,
  isUnionType,
  parse,
} from 'graphql';
import { failureTypes } from '../src/graphql/failures.ts';
import { schemaText } from '../src/graphql/schema.ts';

const committed = readFileSync(join(import.meta.dirname, '../schema.graphql'), 'utf8');

describe('schema.graphql', () => {
  let schema: GraphQLSchema;
  beforeAll(() => {
    schema = buildASTSchema(parse(committed));
  });

  test('is what the sources say; after a change run `npm run schema`', async () => {
    expect(await schemaText()).toBe(committed);
  });

  test('describes every type, field, argument and value for a stranger', () => {
    const undescribed: string[] = [];
    const check = (name: string, { description }: { description?: string | null | undefined }): void => {
      if ((description ?? '').length < 10) undescribed.push(name);
    };
    for (const type of Object.values(schema.getTypeMap())) {
      if (type.name.startsWith('__') || isSpecifiedScalarType(type)) continue;
      const isRoot = ['Query', 'Mutation', 'Subscription'].includes(type.name);
      if (!isRoot) check(type.name, type);
      if (isEnumType(type)) for (const value of type.getValues()) check(`${type.name}.${value.name}`, value);
      if (isInputObjectType(type))
        for (const field of Object.values(type.getFields())) check(`${type.name}.${field.name}`, field);
      if (!isObjectType(type) && !isInterfaceType(type)) continue;
      for (const field of Object.values(type.getFields())) {
        check(`${type.name}.${field.name}`, field);
        for (const argument of field.args) check(`${type.name}.${field.name}(${argument.name})`, argument);
      }
    }
    expect(undescribed).toEqual([]);
  });

  test('has every expected failure in each result union, and all of them behind one interface', () => {
    const names = failureTypes.map((type) => type.name);
    const unions = Object.values(schema.getTypeMap()).filter(isUnionType);
    expect(unions.length).toBeGreaterThan(2);
    for (const union of unions)
      expect(union.getTypes().map((type) => type.name)).toEqual(expect.arrayContaining(names));
    for (const name of names) {
      const type = schema.getType(name);
      expect(isObjectType(type) && type.getInterfaces().map((each) => each.name)).toEqual(['Failure']);
    }
  });

  test('says of every mutation and query who may call it', () => {
    const fields = [
      ...Object.values(schema.getMutationType()?.getFields() ?? {}),
      ...Object.values(schema.getQueryType()?.getFields() ?? {}),
    ];
    const silent = fields.filter(
      ({ description }) =>
        !/(Anyone|[Aa]ny signed-in address|The owner of|The requester of|[Aa] payer of|A trainer |A validator )/.test(
          description ?? '',
        ),
    );
    expect(silent.map(({ name }) => name)).toEqual([]);
  });
});
