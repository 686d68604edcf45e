import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A call may cost so much more than the snapshot says before the tests fail. */
const tolerance = 0.02;

/** Gas by `Contract.function[ case]`, from the files that forge writes, one for each contract. */
export function readGas(folder: string): Record<string, number> {
  const figures: [string, number][] = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    const gas = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, string>;
    for (const [name, value] of Object.entries(gas))
      figures.push([`${file.replace(/\.json$/, '')}.${name}`, Number(value)]);
  }
  return Object.fromEntries(figures.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What is wrong with `measured`: a call that got dearer, is new, or is not measured any more. */
export function compareGas(
  committed: Readonly<Record<string, number>>,
  measured: Readonly<Record<string, number>>,
): string[] {
  const complaints: string[] = [];
  for (const [name, gas] of Object.entries(measured)) {
    const before = committed[name];
    if (before === undefined) complaints.push(`${name} costs ${String(gas)} and is not in the snapshot`);
    else if (gas > before * (1 + tolerance)) {
      const percent = ((gas / before - 1) * 100).toFixed(1);
      complaints.push(`${name} costs ${String(gas)}, ${percent} % more than the snapshot's ${String(before)}`);
    }
  }
  for (const name of Object.keys(committed))
    if (!(name in measured)) complaints.push(`${name} is in the snapshot and was not measured`);
  return complaints;
}
