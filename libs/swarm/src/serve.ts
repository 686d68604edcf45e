#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { startSwarmStore } from './store/server.ts';

const usage = 'Usage: cotrain-store --dir FOLDER [--port PORT] [--host HOST]';

const { values } = parseArgs({
  options: { dir: { type: 'string' }, port: { type: 'string' }, host: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.help === true || values.dir === undefined) {
  console.error(usage);
  process.exit(values.help === true ? 0 : 2);
}
const port = Number(values.port ?? '1633');
if (!Number.isInteger(port) || port < 0 || port > 65535) {
  console.error(`--port is ${String(values.port)}; it must be from 0 to 65535.\n${usage}`);
  process.exit(2);
}
const writeLine = (level: string) => (details: object, message: string) => {
  console.log(JSON.stringify({ level, message, ...details }));
};
const store = await startSwarmStore({
  dir: values.dir,
  port,
  ...(values.host === undefined ? {} : { host: values.host }),
  logger: { info: writeLine('info'), warn: writeLine('warn') },
});
// One line that a parent process can wait for.
console.log(JSON.stringify({ type: 'ready', url: store.url }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void store.close().then(() => process.exit(0));
  });
}
