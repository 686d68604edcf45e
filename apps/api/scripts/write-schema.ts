/**
 * npm run schema
 *
 * Writes apps/api/schema.graphql, the contract with every client, from the built API. A test fails when it drifts.
 */
import 'reflect-metadata';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { schemaText } from '../dist/graphql/schema.js';

const file = join(import.meta.dirname, '../schema.graphql');
writeFileSync(file, await schemaText());
console.log(`wrote ${file}`);
