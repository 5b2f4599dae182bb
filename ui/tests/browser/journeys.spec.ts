/** People's ways through the app, in a real browser. */
import { expect, test } from '@playwright/test';
import { arrive, complaints, guest, me, networkLink, open } from './house';

let heard: string[];
test.beforeEach(({ page }) => {
  heard = complaints(page);
});
test.afterEach(() => expect(heard).toEqual([]));

test('from the first start to a room that has ended', async ({ page }) => {
  await open(page, { scenario: 'welcome', language: 'none' });
  await expect(page.getByLabel('What is your name?')).toBeFocused();
  await page.keyboard.type('Ratna Wijaya');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Good evening, Ratna');

  await page.getByRole('button', { name: 'Start a room' }).click();
  await expect(page.getByLabel('Title')).toBeFocused();
  await page.getByLabel('Title').fill('Evening on the porch');
  await page.getByRole('button', { name: "Let's go" }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Evening on the porch');
  await expect(page.getByText('Only you are here. Say hello when you unmute.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();

  await arrive(page, 'Dewi Lestari', 'Jonas Weber');
  await guest(page, 'Dewi Lestari', { type: 'raiseHand' });
  const queue = page.getByRole('list', { name: 'Hands' });
  await queue.getByRole('button', { name: 'Invite to speak, Dewi Lestari' }).click();
  await expect(queue.getByText('waiting for an answer')).toBeVisible();
  await guest(page, 'Dewi Lestari', { type: 'acceptInvitation' });
  await expect(page.getByRole('button', { name: 'Dewi Lestari, speaker, muted' })).toBeVisible();
  await expect(queue).toHaveCount(0);

  await page.getByRole('button', { name: 'Unmute microphone' }).click();
  await expect(page.getByRole('button', { name: 'Mute microphone' })).toBeVisible();

  await page.getByRole('button', { name: 'More', exact: true }).click();
  await page.getByRole('menuitem', { name: 'End room for everyone' }).click();
  await expect(page.getByRole('dialog', { name: 'End this room for 3 people?' })).toBeVisible();
  await page.getByRole('button', { name: 'End room for everyone' }).click();
  await expect(page.getByText('The room has ended.').last()).toBeVisible();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Good evening, Ratna');
});

test('a listener looks, joins, raises a hand, speaks, sits down and leaves quietly', async ({ page }) => {
  await open(page, { scenario: 'home' });
  await page.getByRole('button', { name: /Evening on the porch/ }).click();
  await expect(page.getByRole('button', { name: /microphone/ })).toHaveCount(0);
  await page.getByRole('button', { name: 'Raise hand' }).click();
  await expect(page.getByText('1st in line', { exact: true })).toBeVisible();

  await guest(page, 'Rani Wulandari', { type: 'invite', person: await me(page) });
  await expect(page.getByRole('dialog', { name: "It's your turn." })).toBeVisible();
  await page.getByRole('button', { name: 'Join the stage' }).click();
  await expect(page.getByText("You're on stage, muted. Press M to speak.").last()).toBeVisible();
  await page.keyboard.press('m');
  await expect(page.getByRole('button', { name: 'Mute microphone' })).toBeVisible();
  await guest(page, 'Rani Wulandari', { type: 'mute', person: await me(page) });
  await expect(page.getByText('Rani Wulandari muted you.').last()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();

  await page.getByRole('button', { name: /Ratna Wijaya, you, speaker/ }).click();
  await page.getByRole('button', { name: 'Move to audience' }).click();
  await expect(page.getByRole('button', { name: 'Raise hand' })).toBeVisible();
  await page.getByRole('button', { name: 'Leave quietly' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Good evening, Ratna');
});

test('with the keyboard alone: start, invite, mute, make moderator, hand over, leave', async ({ page }) => {
  await open(page, { scenario: 'home-empty' });
  // Keys pressed before the page is there go nowhere.
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  for (let n = 0; n < 3; n += 1) await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Start a room' })).toBeFocused();
  await page.keyboard.press('Enter');
  await page.keyboard.type('By keys');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('By keys');

  await arrive(page, 'Dewi Lestari', 'Jonas Weber');
  await guest(page, 'Jonas Weber', { type: 'raiseHand' });
  await page.keyboard.press('F6');
  await expect(page.getByRole('button', { name: /^Ratna Wijaya, you, host/ })).toBeFocused();
  await page.keyboard.press('F6');
  await expect(page.getByRole('button', { name: /^Dewi Lestari, listener/ })).toBeFocused();
  await page.keyboard.press('F6');
  await expect(page.locator('[data-part="hands"] :focus')).toHaveCount(1);
  await page.keyboard.press('Tab');
  await expect(page.getByRole('listitem', { name: /^Jonas Weber, 1st in line/ })).toBeFocused();
  await page.keyboard.press('i');
  await guest(page, 'Jonas Weber', { type: 'acceptInvitation' });
  await guest(page, 'Jonas Weber', { type: 'setMuted', muted: false });

  await page.getByRole('button', { name: /^Ratna Wijaya, you, host/ }).focus();
  await page.keyboard.press('ArrowRight');
  await expect(page.getByRole('button', { name: /^Jonas Weber, speaker, unmuted/ })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Mute', exact: true })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: /^Jonas Weber, speaker, muted/ })).toBeFocused();
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: /^Jonas Weber, moderator, muted/ })).toBeVisible();

  await page.keyboard.press('Control+l');
  await expect(page.getByRole('dialog').getByRole('button', { name: /^Leave quietly/ })).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Good evening, Ratna');
});

test('with the keyboard alone: a host with a large audience saves upload', async ({ page }) => {
  await open(page, { scenario: 'room-host' });
  const more = page.getByRole('button', { name: 'More', exact: true });
  await more.focus();
  await page.keyboard.press('Enter');
  for (let n = 0; n < 3; n += 1) await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('menuitem', { name: 'Large audience' })).toBeFocused();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Large audience' });
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  const group = dialog.getByRole('group', { name: 'Save upload' });
  await expect(group.getByRole('radio', { name: 'Off' })).toBeFocused();
  await page.keyboard.press('ArrowRight');
  await expect(group.getByRole('radio', { name: 'On' })).toBeChecked();
  await expect(group).toHaveAccessibleDescription(/20 ms later/);
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
  await expect(more).toBeFocused();
});

test('Escape closes dialogs and gives focus back', async ({ page }) => {
  await open(page, { scenario: 'room-host' });
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
  await open(page, { scenario: 'room-host' });
  await page.getByRole('button', { name: 'Invite', exact: true }).click();
  const link = await page.getByRole('textbox', { name: 'Link to this room' }).inputValue();
  expect(link).toMatch(/^serambi:\/\/.*\/r\/porch00000\?pin=/);
  await page.getByRole('button', { name: 'Copy' }).click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(link);
});

test('pressing something in the bar moves nobody', async ({ page }) => {
  await page.setViewportSize({ width: 500, height: 800 });
  await open(page, { scenario: 'room-host' });
  const tile = page.getByRole('button', { name: /^Dewi Lestari/ }).first();
  const before = await tile.boundingBox();
  await page.getByRole('button', { name: 'Mute microphone' }).click();
  await page.getByRole('button', { name: /^Show hands/ }).click();
  await page.keyboard.press('Escape');
  expect(await tile.boundingBox()).toEqual(before);
});

test.describe('refusals are explained where they happen', () => {
  test('a name', async ({ page }) => {
    await open(page, { scenario: 'welcome' });
    await page.getByLabel('What is your name?').fill('x'.repeat(10_000));
    await page.getByRole('button', { name: 'Continue' }).click();
    await expect(page.locator('.wrong')).toHaveText(/too long/);
  });

  test('a link that is none, and one whose room is gone', async ({ page }) => {
    await open(page, { scenario: 'home' });
    const field = page.getByRole('textbox', { name: 'Paste a link to join' });
    await field.fill('https://example.com');
    await field.press('Enter');
    await expect(page.locator('.wrong')).toHaveText(/not a Serambi link/);
    await field.fill(await networkLink(page, 'nowhere000'));
    await field.press('Enter');
    await expect(page.locator('.wrong')).toHaveText(/no such room/);
  });

  for (const [scenario, words] of [
    ['blocked', /can't join this room/],
    ['unreachable', /does not answer/],
    ['full', /too much at once/],
  ] as const) {
    test(`joining: ${scenario}`, async ({ page }) => {
      await open(page, { scenario });
      await page.getByRole('button', { name: /Kelas Bahasa/ }).click();
      await expect(page.locator('.toast')).toHaveText(words);
      await expect(page.getByRole('heading', { level: 1 })).toHaveText('Good evening, Ratna');
    });
  }

  test('the microphone, in Chinese', async ({ page }) => {
    await open(page, { scenario: 'room-mic-refused', language: 'zh' });
    await page.getByRole('button', { name: '上台' }).click();
    await expect(page.locator('.toast')).toHaveText(/隐私设置/);
  });
});

test('with the keyboard alone: check the sound, take another microphone, make somebody louder and mute somebody', async ({ page }) => {
  await open(page, { scenario: 'room-turn' });
  await expect(page.getByRole('button', { name: 'Join the stage' })).toBeFocused();
  await page.keyboard.press('Shift+Tab');
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
  await expect(page.getByText("You're on stage, muted. Press M to speak.").last()).toBeVisible();

  await page.getByRole('button', { name: /^Wayan Sudra, host/ }).focus();
  await page.keyboard.press('+');
  await expect(page.getByRole('button', { name: 'Wayan Sudra, host, unmuted, volume 110 % for you' })).toBeFocused();
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
  await expect(page.getByRole('button', { name: 'Wayan Sudra, host, unmuted, muted for you' })).toBeFocused();
});

test('the slider is dragged, and the volume stays where it was let go', async ({ page }) => {
  await open(page, { scenario: 'room-listener' });
  await page.getByRole('button', { name: /^Theo Okafor, speaker/ }).click();
  const box = await page.getByRole('slider').boundingBox();
  if (!box) throw new Error('there is no slider');
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.2, box.y + box.height / 2, { steps: 12 });
  await page.mouse.move(box.x - 30, box.y + box.height / 2, { steps: 6 });
  await page.mouse.up();
  await expect(page.getByRole('slider')).toHaveValue('0');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('button', { name: 'Theo Okafor, speaker, unmuted, volume 0 % for you' })).toBeVisible();
});
