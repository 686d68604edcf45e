import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ApiClient, withFlag } from './api-client.ts';
import { exitCodes } from './errors.ts';

let server: Server;
let origin: string;
beforeAll(async () => {
  // What Nest answers where there is no route.
  server = createServer((_, response) => {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end('{"statusCode":404,"message":"Cannot POST /"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
});

it('says which path is missing of the URL of an API', async () => {
  await expect(new ApiClient(origin).query('{ x }')).rejects.toMatchObject({
    exitCode: exitCodes.unavailable,
    message: `${origin} answers with status 404 and without data. The URL of an API has a path: is it --api ${origin}/graphql?`,
  });
  await expect(new ApiClient(`${origin}/api`).query('{ x }')).rejects.toThrow('Is --api right?');
});

it.each([
  ['floorPriceWeiPerGpuHour: is too large', '--floor-price: is too large'],
  ['windows.0.timeZone: is "Mars"', '--hours (0.timeZone): is "Mars"'],
  ['jobSpecReference: cannot be read', 'jobSpecReference: cannot be read'],
  ['constructor: no', 'constructor: no'],
  ['Offer 1 belongs to 0x12: no', 'Offer 1 belongs to 0x12: no'],
])('names the flag instead of the field of the API: %s', (message, expected) => {
  expect(withFlag(message)).toBe(expected);
});
