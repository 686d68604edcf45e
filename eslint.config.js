import { readFileSync, globSync } from 'node:fs';
import tseslint from 'typescript-eslint';

/**
 * Module boundaries come from the same place as Nx's project graph: the `nx` section of each package.json.
 * A project may import only what it names in `implicitDependencies`; an arrow goes from apps to libs, never
 * back and never between apps. The command line is the one app that may start others.
 */
const projects = globSync('{libs,apps}/*/package.json', { cwd: import.meta.dirname }).map((file) => {
  const { name, nx } = JSON.parse(readFileSync(`${import.meta.dirname}/${file}`, 'utf8'));
  return { name, folder: file.replace('/package.json', ''), tags: nx.tags, imports: nx.implicitDependencies };
});
const tagsOf = new Map(projects.map((project) => [project.name, project.tags]));
for (const project of projects) {
  for (const imported of project.imports.filter((name) => tagsOf.get(name)?.includes('app'))) {
    if (!project.tags.includes('launcher')) throw new Error(`${project.name} must not depend on the app ${imported}.`);
  }
}

const boundaries = projects.map((project) => ({
  files: [`${project.folder}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        paths: projects
          .filter((other) => other !== project && !project.imports.includes(other.name))
          .map((other) => ({ name: other.name, message: `${project.name} does not name it in its dependencies.` })),
        patterns: [{ regex: '^(\\.\\./)+(libs|apps)/', message: 'Import another project by its package name.' }],
      },
    ],
  },
}));

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/build/**',
      '**/cache/**',
      '**/generated/**',
      '**/assembly/**', // AssemblyScript, which its own compiler checks
      '**/node_modules/**',
      '.nx/**',
      '.cotrain/**',
    ],
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strict],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['prisma.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true, allowEmpty: true }],
      '@typescript-eslint/no-invalid-void-type': 'off',
      'no-empty': ['error', { allowEmptyCatch: false }],
      // `== null` is the one comparison that is meant loosely: null and undefined alike.
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true, varsIgnorePattern: '^_' }],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
    },
  },
  ...boundaries,
  // Prisma reads the default export of its configuration.
  { files: ['prisma.config.ts'], rules: { 'no-restricted-exports': 'off' } },
  {
    files: ['**/*.test.ts', '**/test/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
);
