import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import type { Rule } from 'eslint';

/** What lint knows of a project. */
export interface Project {
  /** Of its package. */
  name: string;
  /** From the root. */
  folder: string;
  isApp: boolean;
  /** Packages that it may import; null for any library. */
  dependencies: readonly string[] | null;
  /** What it exports: `.`, `./testing`. */
  entries: readonly string[];
  /** Which of these are programs, to be started and not imported. */
  programs: readonly string[];
}

interface PackageFile {
  name: string;
  nx: { tags?: string[]; implicitDependencies?: string[] };
  exports?: Record<string, unknown>;
  bin?: Record<string, string>;
}

/** The projects of the workspace, from each package.json: what Nx reads its project graph from. */
export function readProjects(root: string): Project[] {
  return globSync('{contracts,test,libs/*,apps/*}/package.json', { cwd: root }).map((file) => {
    const { name, nx, exports = {}, bin = {} } = JSON.parse(readFileSync(join(root, file), 'utf8')) as PackageFile;
    const started = Object.values(bin).map((path) => resolve('/', path));
    const isProgram = ([, target]: [string, unknown]): boolean =>
      typeof target === 'string' && started.includes(resolve('/', target));
    const folder = dirname(file);
    return {
      name,
      folder,
      isApp: nx.tags?.includes('app') === true,
      // The script that deploys the contracts stands on libs/chain, which is built from their artifacts.
      dependencies: folder === 'contracts' ? null : (nx.implicitDependencies ?? []),
      entries: Object.keys(exports),
      programs: Object.entries(exports)
        .filter(isProgram)
        .map(([entry]) => entry),
    };
  });
}

/**
 * What is wrong with an import, and what to do; null for a good one. An import points from apps to libraries and
 * between libraries as their package.json says, never back, and never to an app. An app may name another one only to
 * start it: by `require.resolve` of one of its programs.
 * @param file from the root
 */
export function problemOf(
  projects: readonly Project[],
  file: string,
  specifier: string,
  how: 'import' | 'resolve',
): string | null {
  const from = projects.find(({ folder }) => file.startsWith(`${folder}/`)) ?? null;
  if (specifier.startsWith('.') || specifier.startsWith('/')) return relativeProblem(projects, file, from, specifier);
  const to = projects.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`));
  if (to === undefined || from === null || to === from) return null;
  const entry = `.${specifier.slice(to.name.length)}`;
  const aboveApps = from.folder === 'test';
  if (how === 'resolve' && to.isApp) {
    if (!from.isApp && !aboveApps) return `${from.name} is a library: it does not start the app ${to.name}.`;
    return to.programs.includes(entry)
      ? null
      : `${specifier} is no program of ${to.name}: an app names another one only to start what its package.json has under "bin".`;
  }
  if (to.isApp && !aboveApps)
    return `${to.name} is an app, and no import points to one: move what is shared to a library.`;
  if (from.dependencies?.includes(to.name) === false)
    return `${from.name} does not name ${to.name} in its package.json (nx.implicitDependencies).`;
  if (entry === './testing' && !isTest(file)) return `${specifier} is for tests, benchmarks and the demo.`;
  if (how === 'import' && !to.entries.some((exported) => matches(exported, entry)))
    return `${to.name} does not export ${entry}.`;
  return null;
}

function relativeProblem(
  projects: readonly Project[],
  file: string,
  from: Project | null,
  specifier: string,
): string | null {
  const target = relative('/', resolve('/', dirname(file), specifier))
    .split(sep)
    .join('/');
  const to = projects.find(({ folder }) => target === folder || target.startsWith(`${folder}/`)) ?? null;
  if (to === from) return null;
  if (to !== null) return `${specifier} reaches into ${to.folder}: import what it exports, ${to.name}, by name.`;
  return from === null || target.startsWith('tools/') ? null : `${specifier} leaves ${from.folder}.`;
}

/** The demo is a check as well, with a cheat in it. */
function isTest(file: string): boolean {
  return /\.test\.ts$|(^|\/)test\/|\/src\/(testing|demo)(\/|\.)/.test(file);
}

function matches(exported: string, entry: string): boolean {
  const [start = '', end] = exported.split('*');
  return end === undefined ? exported === entry : entry.startsWith(start) && entry.endsWith(end);
}

/** The parts of a syntax tree that name a module. */
interface Node {
  type: string;
  value?: unknown;
  quasis?: { value: { cooked: string } }[];
  source?: Node | null;
  argument?: { literal?: Node };
  expression?: Node;
  callee?: Node;
  name?: string;
  property?: Node;
  arguments?: Node[];
}

/** ESLint's rule of this: every way to name a module counts, types and `import()` included. */
export function moduleBoundaries(root: string): Rule.RuleModule {
  const projects = readProjects(root);
  for (const { name, dependencies, folder } of projects) {
    const app = projects.find((other) => other.isApp && dependencies?.includes(other.name) === true);
    if (app !== undefined && folder !== 'test') throw new Error(`${name} must not depend on the app ${app.name}.`);
  }
  return {
    meta: { type: 'problem', schema: [], messages: { boundary: '{{problem}}' } },
    create(context) {
      const file = relative(root, context.filename).split(sep).join('/');
      const check = (node: Node | null | undefined, how: 'import' | 'resolve'): void => {
        const specifier = stringOf(node);
        if (specifier === null) return;
        const problem = problemOf(projects, file, specifier, how);
        if (problem !== null)
          context.report({ node: node as unknown as Rule.Node, messageId: 'boundary', data: { problem } });
      };
      const source = (node: Node): void => {
        check(node.source, 'import');
      };
      const listeners: Record<string, (node: Node) => void> = {
        ImportDeclaration: source,
        ExportNamedDeclaration: source,
        ExportAllDeclaration: source,
        ImportExpression: source,
        TSImportType: (node) => {
          check(node.source ?? node.argument?.literal, 'import');
        },
        TSExternalModuleReference: (node) => {
          check(node.expression, 'import');
        },
        CallExpression: ({ callee, arguments: [first] = [] }) => {
          if (callee?.type === 'Identifier' && callee.name === 'require') check(first, 'import');
          // Of require, of createRequire(…), of import.meta; path.resolve of a folder names no package.
          const isResolve = callee?.type === 'MemberExpression' && callee.property?.name === 'resolve';
          if (isResolve && stringOf(first)?.startsWith('@') === true) check(first, 'resolve');
        },
      };
      return listeners as Rule.RuleListener;
    },
  };
}

function stringOf(node: Node | null | undefined): string | null {
  const value = node?.quasis?.length === 1 ? node.quasis[0]?.value.cooked : node?.value;
  return typeof value === 'string' ? value : null;
}
