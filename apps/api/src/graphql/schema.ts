import { NestFactory } from '@nestjs/core';
import { GraphQLSchemaBuilderModule, GraphQLSchemaFactory } from '@nestjs/graphql';
import { type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';
import { failureTypes } from './failures.ts';
import { JobResolver } from './job-resolver.ts';
import { MarketResolver } from './market-resolver.ts';
import { OfferResolver } from './offer-resolver.ts';
import { OfferTransactionResolver } from './offer-transaction-resolver.ts';
import { PoolResolver } from './pool-resolver.ts';
import { SessionResolver } from './session-resolver.ts';
import { StakeTransactionResolver } from './stake-transaction-resolver.ts';
import { SubscriptionResolver } from './subscription-resolver.ts';

/** Resolvers of the schema. */
export const resolvers = [
  JobResolver,
  MarketResolver,
  OfferResolver,
  OfferTransactionResolver,
  PoolResolver,
  SessionResolver,
  StakeTransactionResolver,
  SubscriptionResolver,
];

export const schemaOptions = { orphanedTypes: [...failureTypes] };

/** The schema alone, without anything behind it. */
export async function buildSchema(): Promise<GraphQLSchema> {
  const app = await NestFactory.createApplicationContext(GraphQLSchemaBuilderModule, { logger: false });
  try {
    return await app.get(GraphQLSchemaFactory).create(resolvers, schemaOptions);
  } finally {
    await app.close();
  }
}

/** The text of schema.graphql. */
export async function schemaText(): Promise<string> {
  return `# Generated from apps/api/src/graphql by \`npm run schema\`. Do not edit.\n\n${printSchema(lexicographicSortSchema(await buildSchema()))}\n`;
}
