import { expect, it } from '@jest/globals';
import { plainDeaths } from './plain-deaths.ts';

it('says the death of a service in a line, and leaves the rest to the logger', () => {
  const lines: string[] = [];
  const logged: unknown[] = [];
  const log = (fields: object, message: string): void => {
    logged.push([fields, message]);
  };
  const logger = plainDeaths({ debug: log, info: log, warn: log }, (line) => lines.push(line));
  logger.warn({ service: 'API', how: 'signal SIGKILL', lastWords: 'one\ntwo' }, 'a service died and is started again');
  logger.warn({ service: 'API', afterMs: 5 }, 'a service did not end and is killed');
  logger.info({}, 'listening');
  expect(lines).toEqual(['API has died (signal SIGKILL) and is started again; its last words: two']);
  expect(logged).toEqual([
    [{ service: 'API', afterMs: 5 }, 'a service did not end and is killed'],
    [{}, 'listening'],
  ]);
});
