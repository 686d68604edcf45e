export { jestConfig as default } from '../../tools/jest.config.js';
