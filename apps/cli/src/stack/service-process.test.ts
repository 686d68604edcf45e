import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { isAlive } from '@cotrain/processes';
import { type ServiceOptions, type ServiceProcess, ServiceStartError, startService } from './service-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'cotrain-service-'));
let logged: { level: string; fields: object; message: string }[] = [];
let running: ServiceProcess[] = [];
beforeEach(() => {
  logged = [];
  running = [];
});
afterEach(async () => {
  for (const service of running) await service.close();
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const log =
  (level: string) =>
  (fields: object, message: string): void => {
    logged.push({ level, fields, message });
  };

/** A service that answers, on /ready with `STATUS`, and says its URL. */
const answering = `
  const server = require('node:http').createServer((request, response) => {
    response.statusCode = request.url === '/ready' ? Number(process.env.STATUS ?? 200) : 200;
    response.end(request.url === '/environment' ? JSON.stringify(process.env) : 'as it is');
  });
  server.listen(Number(process.env.TEST_PORT), '127.0.0.1', () => {
    console.error(JSON.stringify({ level: 40, time: 1, pid: 2, hostname: 'h', part: 'chain', msg: 'a part is down' }));
    console.log(JSON.stringify({ url: 'http://127.0.0.1:' + server.address().port }));
  });
`;

let scripts = 0;
async function start(script: string, changes: Partial<ServiceOptions> = {}): Promise<ServiceProcess> {
  const main = join(folder, `service-${String(scripts++)}.cjs`);
  writeFileSync(main, script);
  const service = await startService({
    name: 'The service',
    main,
    environment: { PATH: process.env['PATH'] },
    port: { variable: 'TEST_PORT', first: 0 },
    readyPath: '/ready',
    startTimeoutMs: 60_000,
    stopTimeoutMs: 30_000,
    logger: { debug: log('debug'), info: log('info'), warn: log('warn') },
    ...changes,
  });
  running.push(service);
  return service;
}

async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await delay(20);
}

describe('a service', () => {
  it('is ready when it answers, and gone when it is closed', async () => {
    const service = await start(answering);
    expect(await (await fetch(service.url)).text()).toBe('as it is');
    expect(isAlive(service.pid())).toBe(true);
    await service.close();
    await service.close();
    expect(isAlive(service.pid())).toBe(false);
  });

  it('gets the environment that is meant for it, and nothing of ours', async () => {
    process.env['SOME_SECRET'] = 'open sesame';
    const service = await start(answering);
    delete process.env['SOME_SECRET'];
    const environment = (await (await fetch(`${service.url}/environment`)).json()) as Record<string, string>;
    expect(Object.keys(environment).sort()).toEqual(['PATH', 'TEST_PORT']);
  });

  it('has its log lines passed on with their levels', async () => {
    await start(answering);
    expect(logged).toEqual([{ level: 'warn', fields: { part: 'chain' }, message: 'a part is down' }]);
  });

  it('that dies is started again on the same port, and that is said', async () => {
    let restarts = 0;
    const service = await start(`${answering} process.on('SIGUSR2', () => { throw new Error('a bug'); });`, {
      onRestart: () => restarts++,
    });
    const first = service.pid();
    process.kill(first, 'SIGUSR2');
    await gone(first);
    let text = '';
    while (text !== 'as it is')
      text = await fetch(service.url)
        .then((response) => response.text())
        .catch(() => delay(50, ''));
    expect(restarts).toBe(1);
    expect(service.pid()).not.toBe(first);
    const death = logged.find(({ message }) => message.startsWith('a service died'));
    expect(death).toMatchObject({ level: 'warn', fields: { service: 'The service', how: 'code 1' } });
    expect(JSON.stringify(death)).toContain('a bug');
  });

  it('that does not end when it is asked to is killed', async () => {
    const service = await start(`${answering} process.on('SIGTERM', () => undefined);`, { stopTimeoutMs: 100 });
    const pid = service.pid();
    await service.close();
    expect(isAlive(pid)).toBe(false);
  });

  it('ends when the process that started it is killed', async () => {
    const main = join(folder, 'orphan.cjs');
    writeFileSync(main, answering);
    const starter = `
      const { startService } = await import(${JSON.stringify(join(import.meta.dirname, '../../dist/stack/service-process.js'))});
      const logger = { debug() {}, info() {}, warn() {} };
      const service = await startService({ name: 'The service', main: ${JSON.stringify(main)}, environment: {},
        port: { variable: 'TEST_PORT', first: 0 }, readyPath: '/ready', startTimeoutMs: 60000, stopTimeoutMs: 1000, logger });
      console.log(service.pid());
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', starter], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [pid] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
    expect(isAlive(Number(pid))).toBe(true);
    parent.kill('SIGKILL');
    await gone(Number(pid));
  });
});

describe('a service that cannot start', () => {
  it('is explained by how it ended and its last words', async () => {
    const failing = start("console.error('DATABASE_URL is missing'); process.exitCode = 2;");
    await expect(failing).rejects.toThrow(ServiceStartError);
    await expect(failing).rejects.toThrow('The service ended with code 2 before it was ready: DATABASE_URL is missing');
    expect(logged).toEqual([]);
  });

  it('is explained by what does not answer, and is not left running', async () => {
    const pidFile = join(folder, 'pid');
    const late = start(
      `${answering} require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));`,
      {
        environment: { STATUS: '503' },
        startTimeoutMs: 3_000,
      },
    );
    await expect(late).rejects.toThrow('The service was not ready within 3 s (/ready: 503 as it is)');
    expect(isAlive(Number(readFileSync(pidFile, 'utf8')))).toBe(false);
  });

  it('is explained when its file is not there', async () => {
    await expect(
      startService({
        name: 'The service',
        main: join(folder, 'nowhere.cjs'),
        environment: {},
        port: { variable: 'TEST_PORT', first: 0 },
        readyPath: '/ready',
        startTimeoutMs: 60_000,
        stopTimeoutMs: 1_000,
        logger: { debug: log('debug'), info: log('info'), warn: log('warn') },
      }),
    ).rejects.toThrow('nowhere.cjs');
  });
});
