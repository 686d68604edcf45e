import { jestConfig } from '../tools/jest.config.js';

/** The whole stack runs in these tests; a demo takes minutes. */
export default { ...jestConfig, testMatch: ['<rootDir>/{e2e,lint}/**/*.test.ts'], testTimeout: 600_000 };
