/** The lock file installs on every system, from whatever registry a person uses. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

type Locked = { packages: Record<string, { optional?: boolean; version?: string }> };
const text = readFileSync(join(import.meta.dirname, '../../package-lock.json'), 'utf8');
const names = Object.keys((JSON.parse(text) as Locked).packages);

// npm leaves platforms out without a word when a registry lags behind; `npm ci` then fails elsewhere.
it.each(['node_modules/@rolldown/binding', 'node_modules/lightningcss'])('%s is locked for every desktop', (start) => {
  for (const platform of ['darwin-arm64', 'darwin-x64', 'win32-x64-msvc', 'win32-arm64-msvc', 'linux-x64-gnu', 'linux-arm64-gnu']) {
    expect(names).toContain(`${start}-${platform}`);
  }
});

it('names no download address', () => {
  expect(text).not.toMatch(/"resolved"/);
});
