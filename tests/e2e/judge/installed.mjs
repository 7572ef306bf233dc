// Finds the packages that deploy/setup-judges.sh installed; without them a judge is skipped by name (exit code 77).
import { createRequire } from 'node:module';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
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

/// Runs `work` with a headless Chromium that has a profile of its own, and ends it.
export async function withBrowser(judge, flags, work) {
  const puppeteer = load(judge, 'puppeteer-core');
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);
  if (!executablePath) skip(judge, 'Chromium (apt install chromium)');
  const userDataDir = mkdtempSync(join(tmpdir(), 'ec-judge-'));
  let browser;
  try {
    browser = await puppeteer.launch({
      executablePath,
      userDataDir,
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...flags],
    });
    return await work(browser);
  } finally {
    if (browser) await browser.close();
    rmSync(userDataDir, { recursive: true, force: true });
  }
}
