/** What a person does in one window, in a real browser over committed states: keys, focus, dialogs, the slider. */
import { expect, test, type Locator, type Page } from '@playwright/test';
import type { FixtureBackend } from '../fixtures/backend';
import { complaints, open } from './page';

let heard: string[];
test.beforeEach(({ page }) => {
  heard = complaints(page);
});
test.afterEach(() => expect(heard).toEqual([]));

test('with the keyboard alone: a host with a large audience saves upload', async ({ page }) => {
  await open(page, { window: 'host of a lively evening' });
  const more = page.getByRole('button', { name: 'More', exact: true });
  await more.focus();
  await page.keyboard.press('Enter');
  await pressUntilFocused(page, 'ArrowDown', page.getByRole('menuitem', { name: 'Large audience' }));
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Large audience' });
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await expect(dialog.getByRole('group', { name: 'Save upload' }).getByRole('radio', { name: 'Off' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
  await expect(more).toBeFocused();
});

test('with the keyboard alone: a room is handed over with a second press', async ({ page }) => {
  await open(page, { window: 'host of a lively evening' });
  await page.getByRole('button', { name: /^Bagus Pratama, moderator/ }).focus();
  await page.keyboard.press('Enter');
  for (let n = 0; n < 3; n += 1) await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('button', { name: 'Hand over the room' })).toBeFocused();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Who should run the room?' });
  await expect(dialog.getByRole('radio', { name: /^Bagus Pratama/ })).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await expect(dialog.getByRole('radio', { name: /^Mei Lin/ })).toBeChecked();
  await page.keyboard.press('Enter');
  await expect(dialog).toHaveCount(0);
});

test('Tab goes round inside a dialog, stop by stop', async ({ page }) => {
  await open(page, { window: 'host of a lively evening' });
  await page.getByRole('button', { name: 'Leave quietly', exact: true }).click();
  const stops: string[] = [];
  for (let n = 0; n < 8; n += 1) {
    stops.push(await page.evaluate(() => document.activeElement?.textContent?.trim().slice(0, 5) || 'x'));
    await page.keyboard.press('Tab');
  }
  expect(stops).toEqual(['Leave', 'Hand ', 'End r', 'x', 'Leave', 'Hand ', 'End r', 'x']);
});

test('while the stage is scrolled away a line says who talks, and the title stays', async ({ page }) => {
  await page.setViewportSize({ width: 500, height: 560 });
  await open(page, { window: 'host of a lively evening' });
  await expect(page.locator('.talking-line')).toHaveCount(0);
  const before = await page.locator('main').getByRole('list', { name: /^Audience/ }).boundingBox();
  await page.locator('main .scroll').evaluate((scroll) => scroll.scrollTo(0, 1_000));
  await expect(page.locator('.talking-line')).toContainText('Bagus');
  await expect(page.getByRole('heading', { level: 1 })).toBeInViewport();
  await page.locator('main .scroll').evaluate((scroll) => scroll.scrollTo(0, 0));
  await expect(page.locator('.talking-line')).toHaveCount(0);
  expect(await page.locator('main').getByRole('list', { name: /^Audience/ }).boundingBox()).toEqual(before);
});

test('nothing in the bar moves when the microphone is muted, in any language', async ({ page }) => {
  for (const language of ['en', 'id', 'zh']) {
    const left: (number | undefined)[] = [];
    for (const window of ['host of a lively evening', 'alone host']) {
      await open(page, { window, language });
      await page.locator('.microphone').waitFor();
      left.push((await page.locator('.bar .sound').boundingBox())?.x);
    }
    expect(left[0], language).toBe(left[1]);
  }
});

test('Escape closes dialogs and gives focus back', async ({ page }) => {
  await open(page, { window: 'host of a lively evening' });
  for (const name of ['Invite', 'Leave quietly']) {
    const button = page.getByRole('button', { name, exact: true });
    await button.click();
    await expect(page.getByRole('dialog')).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(0);
    await expect(button).toBeFocused();
  }
});

test('the link is shown whole and can be copied', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page, { window: 'host of a lively evening' });
  await page.getByRole('button', { name: 'Invite', exact: true }).click();
  const link = await page.getByRole('textbox', { name: 'Link to this room' }).inputValue();
  expect(link).toMatch(/^serambi:\/\/.*\/r\/\w{10}\?pin=/);
  await page.getByRole('button', { name: 'Copy' }).click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(link);
});

test('pressing something in the bar moves nobody', async ({ page }) => {
  await page.setViewportSize({ width: 500, height: 800 });
  await open(page, { window: 'host of a lively evening' });
  const tile = page.getByRole('button', { name: /^Dewi Lestari/ }).first();
  const before = await tile.boundingBox();
  await page.getByRole('button', { name: 'Mute microphone' }).click();
  await page.getByRole('button', { name: /^Show hands/ }).click();
  await page.keyboard.press('Escape');
  expect(await tile.boundingBox()).toEqual(before);
});

for (const [window, words] of [
  ['joining as somebody blocked', /can't join this room/],
  ['joining a silent house', /does not answer/],
] as const) {
  test(`a refusal is explained where it happens: ${window}`, async ({ page }) => {
    await open(page, { window });
    await page.getByRole('button', { name: /Kelas Bahasa/ }).click();
    await expect(page.locator('.toast')).toHaveText(words);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Good evening, Ratna');
  });
}

test('a locked room is asked at its door, and Home is still there behind it', async ({ page }) => {
  await open(page, { window: 'joining a locked room' });
  await page.getByRole('button', { name: /Kelas Bahasa/ }).click();
  await expect(page.getByRole('button', { name: 'Ask to come in' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Stop waiting' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Good evening, Ratna');
});

test('a refused microphone is explained, in Chinese', async ({ page }) => {
  await open(page, { window: 'microphone refused', language: 'zh' });
  await page.getByRole('button', { name: '上台' }).click();
  await expect(page.locator('.toast')).toHaveText(/隐私设置/);
});

test('with the keyboard alone: check the sound, take another microphone, make somebody louder and mute somebody', async ({ page }) => {
  await open(page, { window: 'listener whose turn it is' });
  await expect(page.getByRole('button', { name: 'Join the stage' })).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Check your sound' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Record 5 seconds' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByText('You sound good.', { exact: true })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Play it again' })).toBeFocused();
  await page.getByLabel('Microphone', { exact: true }).focus();
  await page.keyboard.type('Jabra');
  await expect(page.getByLabel('Microphone', { exact: true })).toHaveValue('device:usb-headset');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await expect(page.locator('dialog').getByRole('button', { name: 'Join the stage' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('dialog')).toHaveCount(0);

  await page.getByRole('button', { name: /^Ratna Wijaya, host/ }).focus();
  await page.keyboard.press('+');
  await expect(page.getByRole('button', { name: 'Ratna Wijaya, host, muted, volume 110 % for you' })).toBeFocused();
  await page.keyboard.press('Enter');
  const slider = page.getByRole('slider');
  await expect(slider).toBeFocused();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await expect(slider).toHaveValue('130');
  await page.keyboard.press('End');
  await expect(slider).toHaveValue('200');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Unmute for me' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: 'Ratna Wijaya, host, muted, muted for you' })).toBeFocused();
});

test('the slider is dragged, and the volume stays where it was let go', async ({ page }) => {
  await open(page, { window: 'listener second in line' });
  await page.getByRole('button', { name: /^Mei Lin, speaker/ }).click();
  const box = await page.getByRole('slider').boundingBox();
  if (!box) throw new Error('there is no slider');
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.2, box.y + box.height / 2, { steps: 12 });
  await page.mouse.move(box.x - 30, box.y + box.height / 2, { steps: 6 });
  await page.mouse.up();
  await expect(page.getByRole('slider')).toHaveValue('0');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: 'Mei Lin, speaker, muted, volume 0 % for you' })).toBeVisible();
});

/** Presses a key until this has focus, a dozen times at most. */
async function pressUntilFocused(page: Page, key: string, what: Locator): Promise<void> {
  const isFocused = () => what.evaluate((element) => element === document.activeElement);
  for (let n = 0; n < 12 && !(await isFocused()); n += 1) await page.keyboard.press(key);
  await expect(what).toBeFocused();
}

test('in the chat whoever reads back stays where they read, also when the oldest go, and goes to the newest by a press', async ({ page }) => {
  await open(page, { window: 'chat of a host' });
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.keyboard.press('c');
  const list = page.getByRole('group', { name: 'Messages' });
  await written(page, 1, 200);
  await expect(list.getByText('line 200', { exact: true })).toBeInViewport();
  await expect(page.getByRole('button', { name: 'To the newest' })).toHaveCount(0);

  await list.evaluate((element) => element.scrollTo(0, 3_000));
  await expect(page.getByRole('button', { name: 'To the newest' })).toBeVisible();
  const line = await list.evaluate((element) => {
    const top = element.getBoundingClientRect().top;
    const lines = [...element.querySelectorAll('li')];
    return lines.find((one) => one.getBoundingClientRect().top >= top)?.querySelector('.text')?.textContent ?? '';
  });
  const before = await list.getByText(line, { exact: true }).boundingBox();
  await written(page, 201, 210);
  await expect(list.getByRole('listitem').last()).toContainText('line 210');
  const after = await list.getByText(line, { exact: true }).boundingBox();
  expect(Math.abs((after?.y ?? 0) - (before?.y ?? 0))).toBeLessThan(1.5);
  await expect(page.getByLabel('Write a message')).toBeFocused();
  await page.getByRole('button', { name: 'To the newest' }).click();
  await expect(list.getByText('line 210', { exact: true })).toBeInViewport();
});

/** Mei Lin writes these lines, one after the other. */
async function written(page: Page, first: number, last: number): Promise<void> {
  await page.evaluate(([first, last]) => {
    const { fixture } = globalThis as unknown as { fixture: FixtureBackend };
    for (let n = first; n <= last; n += 1) {
      fixture.tellChat({ type: 'said', message: { id: 100 + n, person: 'Q'.repeat(43), name: 'Mei Lin', at: 2_280_000, text: `line ${n}` } });
    }
  }, [first, last] as const);
}

/** Check 44, at the window: what 500 people show in 3 s comes as 13 entries, told every 250 ms. */
test('what 500 people show within three seconds moves nothing, and the frames it took are printed', async ({ page }) => {
  await open(page, { window: 'host of a lively evening' });
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  const places = () => page.locator('main :is(button, h1, h2, li)').evaluateAll((all) => all.map((one) => {
    const { x, y, width, height } = one.getBoundingClientRect();
    return [x, y, width, height].map(Math.round).join();
  }));
  const before = await places();
  const { frames, longest, shifts } = await page.evaluate(async () => {
    const { fixture } = globalThis as unknown as { fixture: FixtureBackend };
    const stage = (fixture.fixture.room?.stage ?? []).map(({ id }) => id);
    let shifts = 0;
    new PerformanceObserver((list) => (shifts += list.getEntries().length)).observe({ type: 'layout-shift', buffered: false });
    const times: number[] = [];
    let watching = true;
    const watch = (now: number) => {
      times.push(now);
      if (watching) requestAnimationFrame(watch);
    };
    requestAnimationFrame(watch);
    const kinds = ['clap', 'heart', 'laugh', 'thanks', 'idea', 'agree'] as const;
    for (let n = 0; n < 13; n += 1) {
      fixture.tellReactions({
        audience: kinds.slice(0, 1 + (n % 6)).map((reaction) => ({ reaction, count: 38 })),
        stage: stage.map((person, index) => ({ person, reaction: kinds[(n + index) % 6] ?? 'clap' })),
      });
      await new Promise((done) => setTimeout(done, 250));
    }
    watching = false;
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
    return { frames: gaps.length, longest: Math.max(...gaps), shifts };
  });
  console.log(`500 reactions in 3 s: ${frames} frames, the longest ${Math.round(longest)} ms`);
  expect(shifts).toBe(0);
  expect(await page.locator('.reaction').count()).toBe(3);
  expect(await places()).toEqual(before);
});

test('with reduced motion a reaction appears where it stays', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await open(page, { window: 'listener on a lively evening' });
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.evaluate(() => {
    const { fixture } = globalThis as unknown as { fixture: FixtureBackend };
    const [first] = fixture.fixture.room?.stage ?? [];
    fixture.tellReactions({ audience: [], stage: first ? [{ person: first.id, reaction: 'heart' }] : [] });
  });
  const shown = page.locator('.reaction').first();
  expect(await shown.evaluate((one) => [getComputedStyle(one).animationName, getComputedStyle(one).opacity])).toEqual(['none', '1']);
});

test('with the keyboard alone: a reaction, and the letter works again at once', async ({ page }) => {
  await open(page, { window: 'listener on a lively evening' });
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.keyboard.press('r');
  const menu = page.getByRole('dialog', { name: 'React' });
  await expect(menu.getByRole('button', { name: 'Clap' })).toBeFocused();
  await pressUntilFocused(page, 'ArrowRight', menu.getByRole('button', { name: 'Thanks' }));
  await page.keyboard.press('Enter');
  await expect(menu).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'React' })).toBeFocused();
  const commands = () => page.evaluate(() => (globalThis as unknown as { fixture: FixtureBackend }).fixture.commands);
  expect(await commands()).toEqual([{ type: 'react', reaction: 'thanks' }]);
  await page.keyboard.press('r');
  await page.keyboard.press('2');
  expect(await commands()).toContainEqual({ type: 'react', reaction: 'heart' });
});
