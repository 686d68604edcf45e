import type { Command } from 'commander';

/** Lines of the help end here, whatever the terminal's width is. */
const helpWidth = 110;
export const referenceStart =
  '<!-- The rest is written by `node apps/cli/scripts/write-reference.ts`: do not edit it. -->';

/** The help of every command as Markdown, for the documentation. */
export function commandReference(program: Command): string {
  return [referenceStart, ...sections(program, 'cotrain')].join('\n\n').concat('\n');
}

function sections(command: Command, path: string): string[] {
  if (command.commands.length > 0)
    return command.commands.flatMap((child) => sections(child, `${path} ${child.name()}`));
  return [`### ${path}`, `\`\`\`text\n${helpOf(command)}\n\`\`\``];
}

function helpOf(command: Command): string {
  let text = '';
  command
    .configureHelp({ helpWidth })
    .configureOutput({ writeOut: (piece) => (text += piece), getOutHelpWidth: () => helpWidth });
  command.outputHelp();
  return text.trim();
}
