/** Photographs of the window into `pictures-output/`; nothing is asserted, somebody looks. */
import { test, type Page } from '@playwright/test';
import type { SoundNotice } from '../../src/backend/backend';
import type { FakeBackend } from '../../src/backend/fake';

const sizes = { full: { width: 1180, height: 800 }, narrow: { width: 500, height: 800 }, mini: { width: 500, height: 82 } };
const middle = { width: 760, height: 800 };

const shots: [string, string, { width: number; height: number }][] = [
  ['home', 'home', sizes.full],
  ['room', 'room-host', sizes.full],
  ['narrow', 'room-host', sizes.narrow],
  ['mini', 'room-host', sizes.mini],
];

const more: [string, string, { width: number; height: number }, string?][] = [
  ['welcome', 'welcome', sizes.full],
  ['home-empty', 'home-empty', sizes.full],
  ['home-offline', 'home-offline', sizes.full],
  ['home-narrow', 'home', sizes.narrow],
  ['home-long', 'home-long', middle],
  ['room-760', 'room-host', middle],
  ['room-alone', 'room-alone', sizes.full],
  ['room-listener', 'room-listener', sizes.full],
  ['room-turn', 'room-turn', sizes.full],
  ['room-turn-narrow', 'room-turn', sizes.narrow],
  ['room-hands-off', 'room-hands-off', sizes.narrow],
  ['room-long', 'room-long', sizes.full],
  ['room-lost', 'room-lost', sizes.full],
  ['room-no-mic', 'room-no-mic', sizes.full],
  ['room-zh', 'room-host', sizes.full, 'zh'],
  ['room-id', 'room-host', sizes.narrow, 'id'],
  ['room-voices', 'room-voices', sizes.full],
  ['room-voices-narrow', 'room-voices', sizes.narrow],
  ['close-asked', 'close-asked', sizes.full],
  ['link', 'link', sizes.full],
];

for (const theme of ['light', 'dark']) {
  for (const [name, scenario, size, language = 'en'] of [...shots, ...(process.env['ALL'] ? more : [])] as typeof more) {
    test(`${name} ${theme}`, async ({ page }) => {
      await page.setViewportSize(size);
      await page.goto(`/?scenario=${scenario}&theme=${theme}&language=${language}&still`);
      await page.waitForTimeout(700);
      await page.screenshot({ path: `pictures-output/${name}-${theme}.png` });
    });
  }
}

async function checkSound(page: Page): Promise<void> {
  const asked = page.getByRole('button', { name: 'Sound check' });
  if (await asked.count()) await asked.click();
  else await page.keyboard.press('s');
  await page.getByRole('button', { name: 'Check your sound' }).click();
  await page.waitForTimeout(300);
}

async function record(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Record 5 seconds' }).click();
}

async function judge(page: Page): Promise<void> {
  await checkSound(page);
  await record(page);
  await page.getByRole('button', { name: 'Record again' }).waitFor();
}

async function notice(page: Page, told: SoundNotice): Promise<void> {
  await page.evaluate((what) => (window as unknown as { fakeHouse: FakeBackend }).fakeHouse.noticeSound(what), told);
}

async function openLargeAudience(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'More', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Large audience' }).click();
  await page.getByText('On', { exact: true }).click();
}

/** Things that open: name, scenario, size, and what is pressed. */
const opened: [string, string, { width: number; height: number }, (page: Page) => Promise<void>][] = [
  ['open-person', 'room-host', sizes.full, (page) => page.getByRole('button', { name: /^Theo/ }).click()],
  ['open-listener', 'room-host', sizes.full, (page) => page.getByRole('button', { name: /^Ivy/ }).click()],
  ['open-more', 'room-host', sizes.full, (page) => page.getByRole('button', { name: 'More', exact: true }).click()],
  ['open-start', 'home', sizes.full, (page) => page.getByRole('button', { name: 'Start a room' }).click()],
  ['open-settings', 'home', sizes.full, (page) => page.getByRole('button', { name: /settings/i }).click()],
  ['open-audience', 'room-host', sizes.full, openLargeAudience],
  ['open-audience-narrow', 'room-host', sizes.narrow, openLargeAudience],
  ['open-share', 'room-host', sizes.full, (page) => page.getByRole('button', { name: 'Invite', exact: true }).click()],
  ['open-leave', 'room-host', sizes.full, (page) => page.getByRole('button', { name: 'Leave quietly' }).click()],
  ['open-keys', 'room-host', sizes.full, (page) => page.keyboard.press('?')],
  ['open-hands', 'room-host', sizes.narrow, (page) => page.getByRole('button', { name: /Show hands/ }).click()],
  ['open-house', 'home', sizes.full, (page) => page.getByRole('button', { name: /Rust Jakarta/ }).click()],
  ['open-voice', 'room-voices', sizes.full, (page) => page.getByRole('button', { name: /^Theo/ }).click()],
  ['open-delay', 'room-voices', sizes.full, (page) => page.getByRole('button', { name: /^Delay of Bagus/ }).click()],
  ['open-sound', 'room-host', sizes.full, (page) => page.keyboard.press('s')],
  ['open-sound-narrow', 'room-listener', sizes.narrow, (page) => page.keyboard.press('s')],
  ['open-sound-home', 'home', sizes.full, (page) => page.getByRole('button', { name: 'Sound', exact: true }).click()],
  ['open-sound-missing', 'sound-missing', sizes.full, (page) => page.keyboard.press('s')],
  ['open-sound-none', 'sound-none', sizes.full, (page) => page.keyboard.press('s')],
  ['open-sound-unlisted', 'sound-silent-system', sizes.full, (page) => page.keyboard.press('s')],
  ['open-check', 'room-turn', sizes.full, (page) => page.getByRole('button', { name: 'Sound check' }).click()],
  ['open-check-ready', 'room-turn', sizes.full, checkSound],
  ['open-check-recording', 'room-turn', sizes.narrow, async (page) => (await checkSound(page), await record(page))],
  ['open-check-fine', 'room-turn', sizes.full, judge],
  ['open-check-noisy', 'sound-noisy', sizes.narrow, judge],
  ['open-check-refused', 'sound-refused', sizes.full, checkSound],
  ['open-talk', 'room-speaker', sizes.full, (page) => notice(page, { type: 'talkingWhileMuted' })],
  ['open-moved', 'room-speaker', sizes.narrow, (page) => notice(page, { type: 'loudspeakerMoved', device: 'WH-1000XM4' })],
  [
    'open-toast',
    'room-mic-refused',
    sizes.narrow,
    (page) => page.getByRole('button', { name: 'Join the stage' }).click(),
  ],
];

for (const theme of process.env['ALL'] ? ['light', 'dark'] : []) {
  for (const [name, scenario, size, open] of opened) {
    test(`${name} ${theme}`, async ({ page }) => {
      await page.setViewportSize(size);
      await page.goto(`/?scenario=${scenario}&theme=${theme}&language=en&still`);
      await page.locator('h1').waitFor();
      await page.waitForTimeout(300);
      await open(page);
      await page.waitForTimeout(400);
      await page.screenshot({ path: `pictures-output/${name}-${theme}.png` });
    });
  }
}
