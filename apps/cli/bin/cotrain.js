#!/usr/bin/env node
// npm links a command only to a file that exists when it installs, and dist/ is built later: hence this file.
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 24) {
  console.error(
    `cotrain needs Node 24, which npm has installed here; this is ${process.versions.node}. Run \`npx cotrain\`.`,
  );
  process.exitCode = 1;
} else if (!existsSync(main)) {
  console.error('cotrain is not built yet. Run `npm run build`.');
  process.exitCode = 1;
} else {
  await import(main.href);
}
