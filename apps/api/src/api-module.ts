import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { type DynamicModule, Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { API_CONTEXT, type ApiContext } from './context.ts';
import { publicError } from './graphql/public-error.ts';
import { limitPlugin, queryLimits } from './graphql/query-limits.ts';
import { requestMetrics } from './graphql/request-metrics.ts';
import type { RequestContext } from './graphql/requests.ts';
import { resolvers, schemaOptions } from './graphql/schema.ts';
import { HealthController } from './http/health-controller.ts';

/** What the HTTP layer knows of a request. */
interface HttpRequest {
  headers: { authorization?: string };
  /** The client's address; behind trusted proxies, the one that they name. */
  ip?: string;
}

@Module({})
export class ApiModule {
  static create(api: ApiContext, options: { introspection: boolean }): DynamicModule {
    return {
      module: ApiModule,
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          sortSchema: true,
          buildSchemaOptions: schemaOptions,
          introspection: options.introspection,
          playground: false,
          csrfPrevention: true,
          allowBatchedHttpRequests: false,
          persistedQueries: false,
          includeStacktraceInErrorResponses: false,
          parseOptions: { maxTokens: queryLimits.maxTokens },
          plugins: [limitPlugin(), requestMetrics(api.metrics)],
          formatError: (formatted, error) => publicError(formatted, error, api.logger),
          context: async ({ req }: { req: HttpRequest }): Promise<RequestContext> => ({
            identity: await api.signIn.identify(req.headers.authorization),
            client: req.ip ?? 'unknown',
          }),
        }),
      ],
      controllers: [HealthController],
      providers: [{ provide: API_CONTEXT, useValue: api }, ...resolvers],
    };
  }
}
