/** A real house for each journey, and the people in it: one browser context each. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test as base, type Browser, type Page } from '@playwright/test';
import { complaints } from './page';

/** A program of this project, as `cargo build` makes it. */
export const program = (name: string): string => join(import.meta.dirname, '../../../target/debug', name);

const PROGRAM = process.env['SERAMBI_HOUSE_PROGRAM'] ?? program('serambi-house');
const PAGE = join(import.meta.dirname, '../../dist-browser');
const OPEN_LIMIT_MS = 15_000;

/** `listen`: on which address. `page`: the one that was built last, or the one in the program. */
type HouseOptions = { listen?: string; page?: 'built' | 'inside' };

export class House {
  readonly #folder = mkdtempSync(join(tmpdir(), 'serambi-journey-'));
  readonly #options: HouseOptions;
  #program: ChildProcess | null = null;
  #port = 0;
  /** What a person without a window is given. */
  link = '';

  constructor(options: HouseOptions = {}) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Opens it, the next time at the same port. */
  async open(): Promise<void> {
    const program = spawn(PROGRAM, [
      '--folder', this.#folder, '--name', 'Rumah Ratna', '--listen', this.#options.listen ?? '127.0.0.1',
      '--port', `${this.#port}`, '--media-port', '0', '--no-discovery',
      ...(this.#options.page === 'inside' ? [] : ['--page', PAGE]),
    ], { stdio: ['ignore', 'pipe', 'inherit'] }); // prettier-ignore
    this.#program = program;
    const link = await new Promise<string>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('the house does not open')), OPEN_LIMIT_MS);
      let said = '';
      program.once('error', reject);
      program.once('exit', (code) => reject(new Error(`the house ended with ${code}`)));
      program.stdout.on('data', (bytes) => {
        said += String(bytes);
        if (!said.includes('\n')) return;
        clearTimeout(late);
        resolve(said);
      });
    });
    this.link = link.split('\n')[0] ?? '';
    this.#port = Number(/:(\d+)[/?]/.exec(link)?.[1]);
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    const program = this.#program;
    this.#program = null;
    if (!program || program.exitCode !== null) return;
    const gone = new Promise((done) => program.once('exit', done));
    program.kill('SIGKILL');
    await gone;
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Somebody with a name, at home. Errors of their page are collected. */
async function arrive(browser: Browser, house: House, name: string, heard: string[]): Promise<Page> {
  const context = await browser.newContext({ locale: 'en-GB' });
  const page = await context.newPage();
  complaints(page, heard);
  await page.goto(house.address);
  await page.getByLabel('What is your name?').fill(name);
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByRole('button', { name: 'Start a room' })).toBeVisible();
  return page;
}

type Journey = { house: House; somebody: (name: string) => Promise<Page>; heard: string[] };

export const test = base.extend<Journey>({
  heard: async ({}, use) => {
    const heard: string[] = [];
    await use(heard);
    expect(heard).toEqual([]);
  },
  house: async ({}, use) => {
    const house = new House();
    await house.open();
    await use(house);
    await house.close();
  },
  somebody: async ({ browser, house, heard }, use) => {
    const pages: Page[] = [];
    await use(async (name) => {
      const page = await arrive(browser, house, name, heard);
      pages.push(page);
      return page;
    });
    await Promise.all(pages.map((page) => page.context().close()));
  },
});

export async function startRoom(page: Page, title: string): Promise<void> {
  await page.getByRole('button', { name: 'Start a room' }).click();
  await page.getByLabel('Title').fill(title);
  await page.getByRole('button', { name: "Let's go" }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(title);
}

export async function comeIn(page: Page, title: string | RegExp): Promise<void> {
  await page.getByRole('button', { name: title }).click();
  await expect(page.getByRole('region', { name: 'Your controls' })).toBeVisible();
}

/** From the raised hand to the stage. */
export async function bringUp(host: Page, listener: Page, name: string): Promise<void> {
  await listener.getByRole('button', { name: 'Raise hand' }).click();
  await host.getByRole('button', { name: `Invite to speak, ${name}` }).click();
  await listener.getByRole('button', { name: 'Join the stage' }).click();
  await expect(host.getByRole('button', { name: `${name}, speaker, muted` })).toBeVisible();
}

export { expect };
