/** Photographs of the window into `pictures-output/`; nothing is asserted, somebody looks. */
import { test, type Page } from '@playwright/test';
import type { FixtureBackend } from '../fixtures/backend';
import type { WindowName } from '../fixtures/windows';
import { open } from '../browser/page';

const sizes = { full: { width: 1180, height: 800 }, narrow: { width: 420, height: 800 }, mini: { width: 420, height: 72 } };
const middle = { width: 760, height: 800 };
const tall = { width: 700, height: 900 };

type Size = { width: number; height: number };
type Shot = [name: string, window: WindowName, size: Size, language?: string];

const shots: Shot[] = [
  ['home', 'home', sizes.full],
  ['room', 'host of a lively evening', sizes.full],
  ['narrow', 'host of a lively evening', sizes.narrow],
  ['mini', 'host of a lively evening', sizes.mini],
  ['locked', 'host of a locked room', sizes.narrow],
  ['lost-people', 'host with lost people', sizes.full],
  ['namesakes', 'host with namesakes', sizes.full],
];

const more: Shot[] = [
  ['welcome', 'welcome', sizes.full],
  ['home-empty', 'home empty', sizes.full],
  ['home-offline', 'home without network', sizes.full],
  ['home-narrow', 'home', sizes.narrow],
  ['home-long', 'home with long names', middle],
  ['room-760', 'host of a lively evening', middle],
  ['room-alone', 'alone host', sizes.full],
  ['room-alone-tall', 'alone host', tall],
  ['home-tall', 'home', tall],
  ['room-tall', 'host of a lively evening', tall],
  ['room-crowd', 'listener in a crowd', sizes.full],
  ['room-invited', 'invited listener', tall],
  ['room-reconnecting', 'reconnecting', sizes.full],
  ['mini-listener', 'listener second in line', sizes.mini],
  ['mini-invited', 'invited listener', sizes.mini],
  ['room-listener', 'listener on a lively evening', sizes.full],
  ['room-turn', 'listener whose turn it is', sizes.full],
  ['room-turn-narrow', 'listener whose turn it is', sizes.narrow],
  ['room-run', 'listener who is asked to run the room', sizes.narrow],
  ['room-invitations', 'host with invitations', sizes.full],
  ['room-hands-off', 'listener of a locked room without hands', sizes.narrow],
  ['room-long', 'long names', sizes.full],
  ['room-lost', 'lost', sizes.full],
  ['room-restarting', 'house restarting', sizes.full],
  ['room-house-reconnecting', 'house reconnecting', sizes.narrow],
  ['room-sound-impossible', 'sound impossible', sizes.narrow],
  ['room-no-mic', 'no microphone', sizes.full],
  ['room-zh', 'host with lost people', sizes.full, 'zh'],
  ['room-id', 'host of a lively evening', sizes.narrow, 'id'],
  ['room-voices', 'remembered voices', sizes.full],
  ['door', 'host with two at the door', sizes.full],
  ['door-narrow', 'host with two at the door', sizes.narrow, 'id'],
  ['called-home', 'called at home', sizes.full],
  ['called-room', 'called in a room', sizes.narrow, 'zh'],
  ['close-asked', 'close asked', sizes.full],
  ['link', 'opened link', sizes.full],
];

/** The audience shows four, two on stage one each. */
async function reacted(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { fixture } = globalThis as unknown as { fixture: FixtureBackend };
    const stage = fixture.fixture.room?.stage ?? [];
    const shown = ['heart', 'idea', 'laugh', 'thanks', 'clap', 'agree'] as const;
    fixture.tellReactions({
      audience: [{ reaction: 'clap', count: 124 }, { reaction: 'laugh', count: 9 }, { reaction: 'thanks', count: 2 }, { reaction: 'agree', count: 31 }],
      stage: stage.map(({ id }, index) => ({ person: id, reaction: shown[index % shown.length] ?? 'clap' })),
    });
  });
}

async function checkSound(page: Page): Promise<void> {
  const asked = page.getByRole('button', { name: 'Sound check' });
  if (await asked.count()) await asked.click();
  else await page.keyboard.press('s');
  await page.getByRole('button', { name: 'Check your sound' }).click();
  await page.waitForTimeout(300);
}

async function judge(page: Page): Promise<void> {
  await checkSound(page);
  await page.getByRole('button', { name: 'Record 5 seconds' }).click();
  await page.getByRole('button', { name: 'Record again' }).waitFor();
}

async function openLargeAudience(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'More', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Large audience' }).click();
}

async function smallLeave(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Small window' }).click();
  await page.getByRole('button', { name: 'Leave quietly' }).click();
}

async function handOver(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'More', exact: true }).click();
  await page.getByRole('menuitem', { name: /^Hand over to/ }).click();
}

async function atDoor(page: Page): Promise<void> {
  await press(/Evening on the porch/)(page);
  await press('Ask to come in')(page);
}

async function scrolled(page: Page): Promise<void> {
  await page.locator('main .scroll').evaluate((scroll) => scroll.scrollTo(0, 1_000));
}

async function reach(page: Page): Promise<void> {
  await press(/settings/i)(page);
  await page.getByRole('region', { name: 'Reach me from anywhere' }).evaluate((section) => section.scrollIntoView());
}

const press = (name: string | RegExp) => (page: Page) => page.getByRole('button', { name, exact: true }).first().click();
const key = (pressed: string) => (page: Page) => page.keyboard.press(pressed);

/** Things that open, and what is pressed for it. */
const opened: [name: string, window: WindowName, size: Size, open: (page: Page) => Promise<void>, language?: string][] = [
  ['open-person', 'host of a lively evening', sizes.full, press(/^Mei Lin/)],
  ['open-listener', 'host with invitations', sizes.full, press(/^李晓雨, listener/)],
  ['open-namesake', 'host with namesakes', sizes.narrow, press(/^Ani/)],
  ['open-more', 'host of a lively evening', sizes.full, press('More')],
  ['open-more-moderator', 'moderator of a lively evening', sizes.narrow, press('More')],
  ['open-start', 'home', sizes.full, press('Start a room')],
  ['open-settings', 'home', sizes.full, press(/settings/i)],
  ['open-audience', 'host of a lively evening', sizes.full, openLargeAudience],
  ['open-share', 'host of a lively evening', sizes.full, press('Invite')],
  ['open-ping', 'people to ping', sizes.full, press('Invite')],
  ['open-ping-narrow', 'people to ping', sizes.narrow, press('Invite')],
  ['open-door', 'joining a locked room', sizes.full, atDoor],
  ['open-door-not-now', 'turned away at the door', sizes.narrow, atDoor],
  ['open-leave', 'host of a lively evening', sizes.full, press('Leave quietly')],
  ['open-small', 'host of a lively evening', sizes.full, press('Small window')],
  ['open-small-leave', 'host of a lively evening', { width: 420, height: 180 }, smallLeave],
  ['open-home', 'host of a lively evening', sizes.full, press('Serambi, Home, stay in the room')],
  ['open-reach', 'host on a private network', sizes.full, press('Invite')],
  ['open-no-reach', 'host without network', sizes.full, press('Invite')],
  ['open-gate', 'host through a gate', sizes.full, press('Invite')],
  ['open-everywhere', 'host whom everybody reaches', sizes.narrow, press('Invite')],
  ['settings-reach-network', 'reach: this network', tall, reach],
  ['settings-reach-refused', 'reach: gate refused', tall, reach],
  ['settings-reach-gate', 'reach: gate', tall, reach],
  ['settings-reach-everywhere', 'reach: everywhere', sizes.narrow, reach],
  ['settings-reach-tested', 'reach: tested', sizes.narrow, reach],
  ['settings-reach-shut', 'reach: shut', tall, reach],
  ['open-handover', 'host of a lively evening', sizes.full, handOver],
  ['open-scrolled', 'host of a lively evening', { width: 500, height: 560 }, scrolled],
  ['open-keys', 'host of a lively evening', sizes.full, key('?')],
  ['open-hands', 'host of a lively evening', sizes.narrow, press(/Show hands/)],
  ['open-chat', 'chat of a host', sizes.full, key('c')],
  ['open-chat-listener', 'chat of a listener', sizes.full, key('c')],
  ['open-chat-narrow', 'chat of a host', sizes.narrow, key('c')],
  ['open-chat-off', 'chat that is off', middle, key('c')],
  ['open-chat-empty', 'host of a lively evening', middle, key('c')],
  ['open-house', 'home', sizes.full, press(/Rust Jakarta/)],
  ['open-voice', 'remembered voices', sizes.full, press(/^Bagus/)],
  ['open-delay', 'remembered voices', sizes.full, press(/^Delay of Bagus/)],
  ['open-sound', 'host of a lively evening', sizes.full, key('s')],
  ['open-sound-missing', 'sound missing', sizes.full, key('s')],
  ['open-check-fine', 'listener whose turn it is', sizes.full, judge],
  ['open-check-noisy', 'sound noisy', sizes.narrow, judge],
  ['open-check-refused', 'sound check refused', sizes.full, checkSound],
  ['open-reactions', 'host of a lively evening', sizes.full, reacted],
  ['open-reactions-narrow', 'listener on a lively evening', sizes.narrow, reacted, 'zh'],
  ['open-react-host-narrow', 'host of a lively evening', sizes.narrow, key('r')],
  ['open-reactions-wide', 'listener on a lively evening', { width: 1300, height: 800 }, reacted],
  ['open-react', 'host of a lively evening', sizes.full, key('r')],
  ['open-react-narrow', 'listener on a lively evening', sizes.narrow, key('r'), 'zh'],
  ['open-toast', 'microphone refused', sizes.narrow, press('Join the stage')],
];

for (const theme of ['light', 'dark']) {
  for (const [name, window, size, language = 'en'] of [...shots, ...(process.env['ALL'] ? more : [])]) {
    test(`${name} ${theme}`, async ({ page }) => {
      await page.setViewportSize(size);
      await open(page, { window, theme, language });
      await page.waitForTimeout(700);
      await page.screenshot({ path: `pictures-output/${name}-${theme}.png` });
    });
  }
}

for (const theme of process.env['ALL'] ? ['light', 'dark'] : []) {
  for (const [name, window, size, act, language = 'en'] of opened) {
    test(`${name} ${theme}`, async ({ page }) => {
      await page.setViewportSize(size);
      await open(page, { window, theme, language });
      await page.locator('h1').waitFor();
      await page.waitForTimeout(300);
      await act(page);
      await page.waitForTimeout(400);
      await page.screenshot({ path: `pictures-output/${name}-${theme}.png` });
    });
  }
}
