import { Controller, Get, Header, HttpCode, Inject, Res } from '@nestjs/common';
import { API_CONTEXT, type ApiContext } from '../context.ts';

interface Answer {
  status(code: number): Answer;
  json(body: unknown): void;
}

/** For load balancers, Kubernetes and Prometheus. */
@Controller()
export class HealthController {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  /** Who opens the API's address in a browser is told where to go. */
  @Get()
  @Header('content-type', 'text/plain; charset=utf-8')
  index(): string {
    return 'Cotrain API: GraphQL is at /graphql, health at /health and /ready. See docs/api.md.\n';
  }

  /** The process answers. */
  @Get('health')
  @HttpCode(200)
  health(): { status: string } {
    return { status: 'ok' };
  }

  /** 200 when every part answers, otherwise 503; the body says which does not. */
  @Get('ready')
  async ready(@Res() answer: Answer): Promise<void> {
    const report = await this.api.readiness.report();
    answer.status(report.ready ? 200 : 503).json(report);
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4')
  metrics(): Promise<string> {
    return this.api.metrics.render(this.api);
  }
}
