/** Nothing is cut off and everything can be read: sizes, large text, long names, a crowd, light and dark. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test, type Page } from '@playwright/test';
import type { AxeResults } from 'axe-core';
import type { FixtureBackend } from '../fixtures/backend';
import { complaints, open } from './page';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const sizes = [
  [1180, 800],
  [760, 800],
  [500, 800],
  [420, 800],
] as const;

/** Windows in which there is much to say in little room. */
const crowded = [
  'home', 'home with long names', 'host of a lively evening', 'long names', 'listener in a crowd',
  'listener whose turn it is', 'remembered voices', 'listener of a locked room without hands', 'lost',
  'host with lost people', 'host with namesakes', 'sound impossible', 'host with invitations', 'host of a locked room',
  'link in a browser over plain HTTP', 'link in a browser through a gate', 'listener over plain HTTP', 'sound blocked',
  'host with two at the door', 'called in a room', 'called at home',
]; // prettier-ignore

/** Those whose chat is looked at as well. */
const chats = ['chat of a host', 'chat of a listener', 'chat that is off', 'host of a lively evening'];

/** What sticks out: the page sideways, a control out of the window, or text over the edge of its button. */
async function overflows(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const out: string[] = [];
    const wide = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > wide) out.push(`page ${document.documentElement.scrollWidth} > ${wide}`);
    for (const element of document.querySelectorAll<HTMLElement>('main, aside, nav, .scroll, .sheet, dialog')) {
      if (element.scrollWidth > element.clientWidth + 1) out.push(`${element.tagName}.${element.className} scrolls sideways`);
    }
    for (const element of document.querySelectorAll<HTMLElement>('button, input, select, h1, h2')) {
      const box = element.getBoundingClientRect();
      if (box.width === 0 || element.closest('.said-only')) continue;
      const name = (element.getAttribute('aria-label') ?? element.textContent).trim().slice(0, 40);
      if (box.left < -1 || box.right > wide + 1) out.push(`${element.tagName} "${name}" leaves the window`);
      if (element.tagName === 'BUTTON' && element.scrollWidth > element.clientWidth + 1) out.push(`"${name}" is too narrow`);
    }
    return out;
  });
}

/** What axe finds once nothing moves any more: what is half faded has no contrast yet. */
async function violations(page: Page, theme: string): Promise<string[]> {
  await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState === 'finished'));
  await page.evaluate(axeSource);
  // The dark theme differs in its colours alone.
  const rules = theme === 'dark' ? { runOnly: ['color-contrast'] } : {};
  const { violations: found, passes } = await page.evaluate(
    (wish) => (window as unknown as { axe: { run(wish: object): Promise<AxeResults> } }).axe.run(wish),
    rules,
  );
  expect(passes.map(({ id }) => id)).toContain('color-contrast');
  return found.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, any }) => html.slice(0, 120) + (any[0]?.message ?? ''))}`);
}

async function openLargeAudience(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'More', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Large audience' }).click();
}

async function enlargeText(page: Page): Promise<void> {
  await page.evaluate(() => document.documentElement.style.setProperty('font-size', '130%'));
}

for (const scenario of crowded) {
  for (const language of ['en', 'id', 'zh']) {
    if (language !== 'en' && !['home', 'host of a lively evening', 'listener of a locked room without hands'].includes(scenario)) continue;
    test(`nothing sticks out of ${scenario} in ${language} at any width, also with 130 % text`, async ({ page }) => {
      const heard = complaints(page);
      for (const [width, height] of sizes) {
        await page.setViewportSize({ width, height });
        await open(page, { window: scenario, language });
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
        expect(await overflows(page), `at ${width}`).toEqual([]);
        await enlargeText(page);
        expect(await overflows(page), `at ${width} with 130 % text`).toEqual([]);
      }
      expect(heard).toEqual([]);
    });
  }
}

for (const language of ['en', 'id', 'zh']) {
  test(`nothing sticks out of the chat in ${language} at any width, also with 130 % text`, async ({ page }) => {
    for (const scenario of language === 'en' ? chats : ['chat of a host']) {
      for (const [width, height] of sizes) {
        await page.setViewportSize({ width, height });
        await open(page, { window: scenario, language });
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
        await page.keyboard.press('c');
        await expect(page.locator('[data-part="chat"]')).toBeVisible();
        expect(await overflows(page), `${scenario} at ${width}`).toEqual([]);
        await enlargeText(page);
        expect(await overflows(page), `${scenario} at ${width} with 130 % text`).toEqual([]);
      }
    }
  });
}

for (const theme of ['light', 'dark']) {
  test(`axe finds nothing in the chat, ${theme}`, async ({ page }) => {
    for (const scenario of chats) {
      await open(page, { window: scenario, theme });
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await page.keyboard.press('c');
      await expect(page.locator('[data-part="chat"]')).toBeVisible();
      expect(await violations(page, theme), scenario).toEqual([]);
    }
  });
}

for (const language of ['en', 'id', 'zh']) {
  test(`nothing sticks out while reactions are shown and chosen in ${language}, also with 130 % text`, async ({ page }) => {
    for (const [width, height] of sizes) {
      for (const scenario of ['host of a lively evening', 'listener on a lively evening']) {
        await page.setViewportSize({ width, height });
        await open(page, { window: scenario, language });
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
        await page.keyboard.press('r');
        await react(page);
        expect(await overflows(page), `${scenario} at ${width}`).toEqual([]);
        await enlargeText(page);
        expect(await overflows(page), `${scenario} at ${width} with 130 % text`).toEqual([]);
      }
    }
  });
}

for (const theme of ['light', 'dark']) {
  test(`axe finds nothing while reactions are shown and chosen, ${theme}`, async ({ page }) => {
    await open(page, { window: 'host of a lively evening', theme });
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await page.keyboard.press('r');
    await react(page);
    await expect(page.locator('.reactions')).toBeVisible();
    expect(await violations(page, theme)).toEqual([]);
  });
}

/** The audience shows all six, hundreds of each, and everybody on stage one. */
async function react(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { fixture } = globalThis as unknown as { fixture: FixtureBackend };
    const kinds = ['clap', 'heart', 'laugh', 'thanks', 'idea', 'agree'] as const;
    const stage = (fixture.fixture.room?.stage ?? []).map(({ id }) => ({ person: id, reaction: kinds[1] }));
    fixture.tellReactions({ audience: kinds.map((reaction) => ({ reaction, count: 888 })), stage });
  });
}

for (const language of ['en', 'id', 'zh']) {
  test(`nothing sticks out of the sound dialog and the check in ${language}, also with 130 % text`, async ({ page }) => {
    for (const [width, height] of sizes) {
      await page.setViewportSize({ width, height });
      for (const scenario of ['sound missing', 'sound noisy']) {
        await open(page, { window: scenario, language });
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
        await page.keyboard.press('s');
        await page.locator('dialog .ways .plain').click();
        await page.locator('dialog .ways .act').click();
        await expect(page.locator('dialog .verdict')).toBeVisible();
        expect(await overflows(page), `${scenario} at ${width}`).toEqual([]);
        await enlargeText(page);
        expect(await overflows(page), `${scenario} at ${width} with 130 % text`).toEqual([]);
      }
    }
  });
}

for (const language of ['en', 'id', 'zh']) {
  test(`nothing sticks out of the dialog for a large audience in ${language}, also with 130 % text`, async ({ page }) => {
    for (const [width, height] of sizes) {
      await page.setViewportSize({ width, height });
      await open(page, { window: 'host of a lively evening', language });
      await page.locator('header [aria-expanded]').click();
      await page.locator('[role="menuitem"]:has(.lucide-users-round)').click();
      await page.locator('dialog .segments label').last().click();
      await expect(page.locator('dialog')).toBeVisible();
      expect(await overflows(page), `at ${width}`).toEqual([]);
      await enlargeText(page);
      expect(await overflows(page), `at ${width} with 130 % text`).toEqual([]);
    }
  });
}

for (const language of ['en', 'id', 'zh']) {
  test(`nothing sticks out of the settings in ${language}, also with 130 % text`, async ({ page }) => {
    for (const [width, height] of sizes) {
      await page.setViewportSize({ width, height });
      for (const scenario of ['key taken', 'wayland', 'no tray', 'reach: this network', 'reach: gate refused', 'reach: shut']) {
        await open(page, { window: scenario, language });
        await page.locator('button.me').click();
        await expect(page.locator('dialog h3').first()).toBeVisible();
        expect(await overflows(page), `${scenario} at ${width}`).toEqual([]);
        await enlargeText(page);
        expect(await overflows(page), `${scenario} at ${width} with 130 % text`).toEqual([]);
      }
    }
  });
}

for (const size of [
  { width: 420, height: 72 },
  { width: 420, height: 94 },
]) {
  test(`nothing sticks out of the mini window at ${size.height}`, async ({ page }) => {
    await page.setViewportSize(size);
    for (const scenario of ['host of a lively evening', 'long names', 'listener whose turn it is', 'listener second in line', 'invited listener']) {
      await open(page, { window: scenario });
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      expect(await overflows(page)).toEqual([]);
    }
  });
}

test('controls are large enough to hit', async ({ page }) => {
  for (const scenario of ['home', 'host of a lively evening', 'listener on a lively evening']) {
    await open(page, { window: scenario });
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    const small = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('button, select, input')]
        .filter((element) => element.getBoundingClientRect().height < 36)
        .map((element) => element.getAttribute('aria-label') ?? element.textContent),
    );
    expect(small).toEqual([]);
    const bar = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('[data-part="bar"] button')].map((element) => element.offsetHeight),
    );
    for (const height of bar) expect(height).toBeGreaterThanOrEqual(40);
  }
});

for (const theme of ['light', 'dark']) {
  for (const scenario of ['welcome', 'home', 'home empty', 'host of a lively evening', 'alone host', 'listener whose turn it is', 'lost', 'listener in a crowd', 'close asked', 'opened link', 'host with lost people', 'host with namesakes', 'sound impossible', 'host with invitations', 'link in a browser', 'link in a browser over plain HTTP', 'link in a browser through a gate', 'stale link in a browser', 'listener over plain HTTP', 'sound blocked']) {
    test(`axe, contrast included: ${scenario} in ${theme}`, async ({ page }) => {
      // Tiles fade in; what is half faded has no contrast yet.
      await page.emulateMedia({ reducedMotion: 'reduce' });
      await open(page, { window: scenario, theme });
      await expect(page.getByRole('heading').first()).toBeVisible();
      expect(await violations(page, theme)).toEqual([]);
    });
  }
}

for (const theme of ['light', 'dark']) {
  for (const [name, scenario, act] of [
    ['the sound dialog', 'sound missing', (page: Page) => page.keyboard.press('s')],
    ['the dialog for a large audience', 'host of a lively evening', openLargeAudience],
    ['the settings', 'key taken', (page: Page) => page.locator('button.me').click()],
    ['the settings under Wayland', 'wayland', (page: Page) => page.locator('button.me').click()],
    ['who can reach you: this network', 'reach: this network', (page: Page) => page.locator('button.me').click()],
    ['who can reach you: anybody', 'reach: gate', (page: Page) => page.locator('button.me').click()],
    ['the link to a room on this network', 'host on a private network', (page: Page) => page.getByRole('button', { name: 'Invite', exact: true }).click()],
    ['the volume of a person', 'remembered voices', (page: Page) => page.getByRole('button', { name: /^Bagus Pratama/ }).click()],
    ['the parts of a delay', 'remembered voices', (page: Page) => page.getByRole('button', { name: /^Delay of Bagus/ }).click()],
  ] as const) {
    test(`axe, contrast included: ${name} in ${theme}`, async ({ page }) => {
      await page.emulateMedia({ reducedMotion: 'reduce' });
      await open(page, { window: scenario, theme });
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await act(page);
      await expect(page.getByRole('dialog')).toBeVisible();
      expect(await violations(page, theme)).toEqual([]);
    });
  }
}

test('with reduced motion the ring is simply on, with its full size', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await open(page, { window: 'host of a lively evening' });
  const halo = page.locator('.halo').first();
  await expect(halo).toHaveCSS('opacity', '1');
  await expect(halo).toHaveCSS('transform', 'none');
});

test('a quiet room paints nothing: no animation runs when nobody talks', async ({ page }) => {
  await open(page, { window: 'listener before an empty stage' });
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState === 'finished'));
  const changes = await page.evaluate(
    () =>
      new Promise<number>((done) => {
        let count = 0;
        new MutationObserver((records) => (count += records.length)).observe(document.body, {
          subtree: true, childList: true, attributes: true, characterData: true,
        }); // prettier-ignore
        setTimeout(() => done(count), 1_500);
      }),
  );
  expect(changes).toBe(0);
});
