import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { type DynamicModule, Module } from '@nestjs/common';
import { GraphQLModule, GraphQLSchemaHost } from '@nestjs/graphql';
import { API_CONTEXT, type ApiContext } from './context.ts';
import { MarketResolver } from './graphql/market-resolver.ts';
import { PoolResolver } from './graphql/pool-resolver.ts';
import { complexityLimit, depthLimit } from './graphql/query-limits.ts';
import type { RequestContext } from './graphql/requests.ts';
import { SessionResolver } from './graphql/session-resolver.ts';
import { TransactionResolver } from './graphql/transaction-resolver.ts';
import { HealthController } from './http/health-controller.ts';

/** Resolvers of the schema, also for writing schema.graphql. */
export const resolvers = [MarketResolver, PoolResolver, SessionResolver, TransactionResolver];

@Module({})
export class ApiModule {
  static create(api: ApiContext, options: { introspection: boolean }): DynamicModule {
    let schemaHost: GraphQLSchemaHost | undefined;
    return {
      module: ApiModule,
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          sortSchema: true,
          introspection: options.introspection,
          playground: false,
          csrfPrevention: true,
          allowBatchedHttpRequests: false,
          includeStacktraceInErrorResponses: false,
          validationRules: [depthLimit],
          plugins: [
            complexityLimit(() => {
              if (schemaHost === undefined) throw new Error('the schema is not built yet');
              return schemaHost.schema;
            }),
          ],
          subscriptions: { 'graphql-ws': true },
          context: async ({ req }: { req?: { headers: { authorization?: string } } }): Promise<RequestContext> => ({
            identity: await api.signIn.identify(req?.headers.authorization),
          }),
        }),
      ],
      controllers: [HealthController],
      providers: [
        { provide: API_CONTEXT, useValue: api },
        {
          provide: 'SchemaAccess',
          inject: [GraphQLSchemaHost],
          useFactory: (host: GraphQLSchemaHost) => {
            schemaHost = host;
            return host;
          },
        },
        ...resolvers,
      ],
    };
  }
}
