/** What every journey needs: a page over the fake house, and a hold on the other people in it. */
import type { Page } from '@playwright/test';
import type { Command } from '../../src/backend/backend';
import type { FakeBackend } from '../../src/backend/fake';

type Wish = { scenario: string; theme?: string; language?: string };

/** `played`: the others do nothing by themselves. */
export async function open(page: Page, { scenario, theme = 'light', language = 'en' }: Wish): Promise<void> {
  await page.goto(`/?scenario=${scenario}&theme=${theme}&language=${language}&played`);
}

export async function arrive(page: Page, ...names: string[]): Promise<void> {
  await page.evaluate((all) => (window as unknown as { fakeHouse: FakeBackend }).fakeHouse.arrive(...all), names);
}

export async function guest(page: Page, name: string, command: Command): Promise<void> {
  await page.evaluate(
    ([who, what]) => (window as unknown as { fakeHouse: FakeBackend }).fakeHouse.guest(who, what),
    [name, command] as const,
  );
}

/** Errors of the page itself; a journey ends with none. */
export function complaints(page: Page): string[] {
  const heard: string[] = [];
  page.on('pageerror', (error) => heard.push(error.message));
  page.on('console', (message) => message.type() === 'error' && heard.push(message.text()));
  return heard;
}

/** The id of whoever sits at this window. */
export async function me(page: Page): Promise<string> {
  return page.evaluate(() => (window as unknown as { fakeHouse: FakeBackend }).fakeHouse.view().you);
}

/** A link to a room of the house on this network. */
export async function networkLink(page: Page, room: string): Promise<string> {
  return page.evaluate((id) => (window as unknown as { fakeHouse: FakeBackend }).fakeHouse.networkLink(id), room);
}
