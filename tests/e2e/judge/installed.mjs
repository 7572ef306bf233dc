// Finds the packages that deploy/setup-judges.sh installed; without them a judge is skipped by name (exit code 77).
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const folder = join(process.env.EC_CACHE || join(homedir(), '.cache/ec-node'), 'judges');

export function skip(judge, why) {
  console.log(`SKIPPED: ${judge}: no ${why}`);
  process.exit(77);
}

/// The folder of an installed package.
export function packageFolder(judge, name) {
  const path = join(folder, 'node_modules', name);
  if (!existsSync(path)) skip(judge, `npm package ${name} (deploy/setup-judges.sh installs it)`);
  return path;
}

export function load(judge, name) {
  packageFolder(judge, name);
  return createRequire(join(folder, 'judges.js'))(name);
}
