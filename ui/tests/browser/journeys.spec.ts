/** People's ways through a real house, in a real browser: one context for each person. */
import type { Page } from '@playwright/test';
import { bringUp, comeIn, expect, startRoom, test } from './house';

test('from the first start to a room that has ended', async ({ somebody }) => {
  const ratna = await somebody('Ratna Wijaya');
  await startRoom(ratna, 'Evening on the porch');
  await expect(ratna.getByText('Only you are here. Say hello when you unmute.')).toBeVisible();
  await expect(ratna.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();

  const dewi = await somebody('Dewi Lestari');
  await comeIn(dewi, /Evening on the porch/);
  await expect(dewi.getByRole('button', { name: /microphone/ })).toHaveCount(0);
  await dewi.getByRole('button', { name: 'Raise hand' }).click();
  await expect(dewi.getByText('1st in line', { exact: true })).toBeVisible();

  const queue = ratna.getByRole('list', { name: 'Hands' });
  await queue.getByRole('button', { name: 'Invite to speak, Dewi Lestari' }).click();
  await expect(dewi.getByRole('dialog', { name: "It's your turn." })).toBeVisible();
  await dewi.getByRole('button', { name: 'Join the stage' }).click();
  await expect(dewi.getByText("You're on stage, muted. Press M to speak.").last()).toBeVisible();
  await expect(ratna.getByRole('button', { name: 'Dewi Lestari, speaker, muted' })).toBeVisible();
  await expect(queue).toHaveCount(0);

  await dewi.keyboard.press('m');
  await expect(dewi.getByRole('button', { name: 'Mute microphone' })).toBeVisible();
  await ratna.getByRole('button', { name: 'Dewi Lestari, speaker, unmuted' }).click();
  await ratna.getByRole('button', { name: 'Mute', exact: true }).click();
  await expect(dewi.getByText('Ratna Wijaya muted you.').last()).toBeVisible();
  await expect(dewi.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();

  await dewi.getByRole('button', { name: /Dewi Lestari, you, speaker/ }).click();
  await dewi.getByRole('button', { name: 'Move to audience' }).click();
  await expect(dewi.getByRole('button', { name: 'Raise hand' })).toBeVisible();

  await ratna.getByRole('button', { name: 'More', exact: true }).click();
  await ratna.getByRole('menuitem', { name: 'End room for everyone' }).click();
  await expect(ratna.getByRole('dialog', { name: 'End this room for 1 person?' })).toBeVisible();
  await ratna.getByRole('button', { name: 'End room for everyone' }).click();
  for (const page of [ratna, dewi]) {
    await expect(page.getByText('The room has ended.').last()).toBeVisible();
    await expect(page.getByRole('button', { name: 'Start a room' })).toBeVisible();
  }
});

test('with the keyboard alone: start, invite, mute, make moderator, lock, hand over, leave', async ({ somebody }) => {
  const ratna = await somebody('Ratna Wijaya');
  await ratna.getByRole('button', { name: 'Start a room' }).focus();
  await ratna.keyboard.press('Enter');
  await ratna.keyboard.type('By keys');
  await ratna.keyboard.press('Enter');
  await expect(ratna.getByRole('heading', { level: 1 })).toHaveText('By keys');

  const [dewi, jonas] = [await somebody('Dewi Lestari'), await somebody('Jonas Weber')];
  for (const page of [dewi, jonas]) {
    await comeIn(page, /By keys/);
    await page.getByRole('button', { name: 'Raise hand' }).click();
  }
  await expect(ratna.getByRole('article', { name: /^Jonas Weber, 2nd in line/ })).toBeVisible();
  for (let n = 0; n < 3; n += 1) await ratna.keyboard.press('F6');
  await expect(ratna.getByRole('article', { name: /^Dewi Lestari, 1st in line/ })).toBeFocused();
  await ratna.keyboard.press('d');
  await expect(dewi.getByText('Your hand was lowered.').last()).toBeVisible();
  await expect(ratna.getByRole('article', { name: /^Jonas Weber, / })).toBeFocused();
  await ratna.keyboard.press('i');
  await jonas.getByRole('button', { name: 'Join the stage' }).click();
  await jonas.getByRole('button', { name: 'Unmute microphone' }).click();

  await ratna.getByRole('button', { name: /^Ratna Wijaya, you, host/ }).focus();
  await ratna.keyboard.press('ArrowRight');
  await expect(ratna.getByRole('button', { name: /^Jonas Weber, speaker, unmuted/ })).toBeFocused();
  await ratna.keyboard.press('Enter');
  await expect(ratna.getByRole('button', { name: 'Mute', exact: true })).toBeFocused();
  await ratna.keyboard.press('Enter');
  await expect(ratna.getByRole('button', { name: /^Jonas Weber, speaker, muted/ })).toBeFocused();
  await ratna.keyboard.press('Enter');
  await ratna.keyboard.press('ArrowDown');
  await ratna.keyboard.press('Enter');
  await expect(ratna.getByRole('button', { name: /^Jonas Weber, moderator, muted/ })).toBeVisible();

  await ratna.getByRole('button', { name: 'More', exact: true }).focus();
  await ratna.keyboard.press('Enter');
  await ratna.keyboard.press('ArrowDown');
  await expect(ratna.getByRole('menuitem', { name: 'Lock room' })).toBeFocused();
  await ratna.keyboard.press('Enter');
  await expect(ratna.getByText('Locked')).toBeVisible();

  await ratna.keyboard.press('Control+l');
  await expect(ratna.getByRole('dialog').getByRole('button', { name: /^Leave quietly/ })).toBeFocused();
  await ratna.keyboard.press('Tab');
  await ratna.keyboard.press('Enter');
  await ratna.keyboard.press('Enter');
  await expect(ratna.getByRole('button', { name: 'Start a room' })).toBeVisible();
  await expect(jonas.getByText('You are now the host.').last()).toBeVisible();
});

test('a locked room takes nobody new, keeps everybody, and opens again', async ({ somebody }) => {
  const [ratna, dewi, jonas] = [await somebody('Ratna Wijaya'), await somebody('Dewi Lestari'), await somebody('Jonas Weber')];
  await startRoom(ratna, 'Behind a door');
  await comeIn(dewi, /Behind a door/);
  await ratna.getByRole('button', { name: 'More', exact: true }).click();
  await ratna.getByRole('menuitem', { name: 'Lock room' }).click();
  await expect(dewi.getByText('Locked')).toBeVisible();

  await expect(jonas.getByRole('button', { name: /Behind a door/ })).toContainText('Locked');
  await jonas.getByRole('button', { name: /Behind a door/ }).click();
  await expect(jonas.getByRole('dialog', { name: 'This room is locked' })).toBeVisible();
  await jonas.getByRole('button', { name: 'Close' }).last().click();

  await ratna.getByRole('button', { name: 'More', exact: true }).click();
  await ratna.getByRole('menuitem', { name: 'Unlock room' }).click();
  await expect(jonas.getByRole('button', { name: /Behind a door/ })).not.toContainText('Locked');
  await comeIn(jonas, /Behind a door/);
  await expect(ratna.getByRole('button', { name: 'Jonas Weber, listener' })).toBeVisible();
});

test('who said maybe later cannot be asked again at once, and who was removed cannot come back at once', async ({ somebody }) => {
  const [ratna, dewi] = [await somebody('Ratna Wijaya'), await somebody('Dewi Lestari')];
  await startRoom(ratna, 'Evening on the porch');
  await comeIn(dewi, /Evening on the porch/);
  const tile = ratna.getByRole('button', { name: /^Dewi Lestari, listener/ });
  await tile.click();
  await ratna.getByRole('button', { name: 'Invite to speak' }).click();
  await dewi.getByRole('button', { name: 'Maybe later' }).click();
  await expect(ratna.getByText('Dewi Lestari: maybe later.').last()).toBeVisible();
  await tile.click();
  await expect(ratna.getByRole('button', { name: /^Invite to speak/ })).toHaveText(/You can invite them again in \d+ s/);

  await ratna.getByRole('button', { name: 'Remove from room' }).click();
  await ratna.getByRole('dialog').getByRole('button', { name: 'Remove from room' }).click();
  await expect(dewi.getByText('You were removed from this room.').last()).toBeVisible();
  await dewi.getByRole('button', { name: /Evening on the porch/ }).click();
  await expect(dewi.locator('.toast')).toHaveText(/You can come back in a few minutes/);
});

test('going to another room while on stage is asked once; the first goes on under the next in line', async ({ somebody }) => {
  const [ratna, dewi, jonas] = [await somebody('Ratna Wijaya'), await somebody('Dewi Lestari'), await somebody('Jonas Weber')];
  await startRoom(ratna, 'The first');
  await comeIn(dewi, /The first/);
  await bringUp(ratna, dewi, 'Dewi Lestari');
  await startRoom(jonas, 'The second');
  await ratna.getByRole('button', { name: 'Invite', exact: true }).click();
  await expect(ratna.getByText('Only this computer can reach this house right now.')).toBeVisible();
  await ratna.getByText('Link for this computer only').click();
  const link = await ratna.getByRole('textbox', { name: 'Link to this room' }).inputValue();
  expect(link).toMatch(/^serambi:\/\/127\.0\.0\.1:\d+\/r\/\w{10}\?pin=[\w-]{43}$/);
  await ratna.keyboard.press('Escape');

  await ratna.getByRole('button', { name: 'Start a room' }).click();
  await ratna.getByRole('button', { name: "Let's go" }).click();
  await expect(ratna.getByRole('dialog', { name: 'You are on stage in another room' })).toBeVisible();
  await expect(dewi.getByRole('button', { name: /^Ratna Wijaya, host/ })).toBeVisible();
  await ratna.getByRole('button', { name: 'Leave it and go on' }).click();
  await expect(ratna.getByRole('heading', { level: 1 })).toHaveText("Ratna Wijaya's room");
  await expect(dewi.getByText('You are now the host.').last()).toBeVisible();
});

test('a locked room: asked at the door, let in; pinged from another room, inside', async ({ somebody }) => {
  const [ratna, dewi, jonas] = [await somebody('Ratna Wijaya'), await somebody('Dewi Lestari'), await somebody('Jonas Weber')];
  await startRoom(ratna, 'Behind a lock');
  await ratna.getByRole('button', { name: 'More', exact: true }).click();
  await ratna.getByRole('menuitem', { name: 'Lock room' }).click();

  await dewi.getByRole('button', { name: /Behind a lock/ }).click();
  await dewi.getByRole('button', { name: 'Ask to come in' }).click();
  await expect(dewi.getByText('You are at the door. The moderators have been told.').last()).toBeVisible();
  const door = ratna.getByRole('region', { name: 'Dewi Lestari is at the door.' });
  await door.getByRole('button', { name: 'Let in, Dewi Lestari' }).click();
  await expect(dewi.getByRole('region', { name: 'Your controls' })).toBeVisible();
  await expect(door).toHaveCount(0);

  await startRoom(jonas, 'Another room');
  await ratna.getByRole('button', { name: 'Invite', exact: true }).click();
  await ratna.getByRole('button', { name: 'Ping in, Jonas Weber' }).click();
  await expect(ratna.getByText('Pinged', { exact: true })).toBeVisible();
  const call = jonas.getByRole('dialog', { name: 'Ratna Wijaya wants you in “Behind a lock”' });
  await call.getByRole('button', { name: 'Join' }).click();
  await jonas.getByRole('button', { name: 'Leave it and go on' }).click();
  await expect(jonas.getByRole('heading', { level: 1 })).toHaveText('Behind a lock');
  await expect(call).toHaveCount(0);
});

test('who goes away from the door, with or without a word, is no longer there', async ({ somebody }) => {
  const [ratna, dewi] = [await somebody('Ratna Wijaya'), await somebody('Dewi Lestari')];
  await startRoom(ratna, 'Behind a lock');
  await ratna.getByRole('button', { name: 'More', exact: true }).click();
  await ratna.getByRole('menuitem', { name: 'Lock room' }).click();
  const door = ratna.getByRole('region', { name: 'Dewi Lestari is at the door.' });
  await dewi.getByRole('button', { name: /Behind a lock/ }).click();
  await dewi.getByRole('button', { name: 'Ask to come in' }).click();
  await expect(door).toBeVisible();
  await dewi.getByRole('button', { name: 'Stop waiting' }).click();
  await expect(door).toHaveCount(0);
  await dewi.getByRole('button', { name: /Behind a lock/ }).click();
  await dewi.getByRole('button', { name: 'Ask to come in' }).click();
  await expect(door).toBeVisible();
  await door.getByRole('button', { name: 'Not now, Dewi Lestari' }).click();
  await expect(dewi.getByText(/^Not now, said a moderator/).last()).toBeVisible();
});

test('two people whose names look alike are told apart', async ({ somebody }) => {
  const [ratna, ani, other] = [await somebody('Ratna Wijaya'), await somebody('Ani'), await somebody('\u0410ni')];
  await startRoom(ratna, 'Namesakes');
  for (const page of [ani, other]) await comeIn(page, /Namesakes/);
  await expect(ratna.getByRole('button', { name: /^Ani #[\w-]{4}, listener$/ })).toBeVisible();
  await expect(ratna.getByRole('button', { name: /^\u0410ni #[\w-]{4}, listener$/ })).toBeVisible();
});

test('a house that is killed and started again gives everybody their place back', async ({ somebody, house }) => {
  const [ratna, dewi, jonas] = [await somebody('Ratna Wijaya'), await somebody('Dewi Lestari'), await somebody('Jonas Weber')];
  await startRoom(ratna, 'Evening on the porch');
  for (const page of [dewi, jonas]) await comeIn(page, /Evening on the porch/);
  await bringUp(ratna, dewi, 'Dewi Lestari');
  await jonas.getByRole('button', { name: 'Raise hand' }).click();
  await expect(ratna.getByRole('article', { name: /^Jonas Weber, 1st in line/ })).toBeVisible();
  // An act of the host is on the disk when it is acknowledged, and with it all that went before.
  await ratna.getByRole('button', { name: 'More', exact: true }).click();
  await ratna.getByRole('menuitem', { name: 'Lock room' }).click();
  await expect(ratna.getByText('Locked')).toBeVisible();
  await house.kill();
  await expect(dewi.getByText(/Reconnecting…|The house is restarting…/).last()).toBeVisible();
  await house.open();
  await expect(dewi.getByText('You are connected again.').last()).toBeAttached();
  await expect(dewi.getByRole('button', { name: 'Dewi Lestari, you, speaker, muted' })).toBeVisible();
  await expect(jonas.getByText('1st in line', { exact: true })).toBeVisible();
  await expect(ratna.getByRole('button', { name: /^Ratna Wijaya, you, host/ })).toBeVisible();
  await expect(ratna.getByRole('article', { name: /^Jonas Weber, 1st in line/ })).toBeVisible();
});

test('a name that is too long and a link that is none are refused where they were typed', async ({ somebody, house, page }) => {
  await page.goto(house.address);
  await page.getByLabel('What is your name?').fill('x'.repeat(10_000));
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.locator('.wrong')).toHaveText(/too long/);

  const ratna = await somebody('Ratna Wijaya');
  const field = ratna.getByRole('textbox', { name: 'Paste a link to join' });
  await field.fill('mailto:ratna@example.com');
  await field.press('Enter');
  await expect(ratna.locator('.wrong')).toHaveText(/not a Serambi link/);
});

test('a listener and a host react; both see it, nobody moves, and a moderator turns it off', async ({ somebody }) => {
  const [ratna, dewi] = [await somebody('Ratna Wijaya'), await somebody('Dewi Lestari')];
  await startRoom(ratna, 'Without a word');
  await comeIn(dewi, /Without a word/);
  const host = (page: Page) => page.locator('button.person').filter({ hasText: /Ratna Wijaya|You/ }).first();
  const before = await host(dewi).boundingBox();

  await dewi.keyboard.press('r');
  await expect(dewi.getByRole('button', { name: 'Clap' })).toBeFocused();
  await dewi.keyboard.press('Enter');
  for (const page of [ratna, dewi]) await expect(page.locator('.reactions')).toHaveText('1');
  await dewi.keyboard.press('r');
  await dewi.keyboard.press('2');

  await ratna.getByRole('button', { name: 'React' }).click();
  await ratna.getByRole('button', { name: 'Idea' }).click();
  for (const page of [ratna, dewi]) await expect(host(page).locator('.reaction svg.idea')).toBeVisible();
  expect(await host(dewi).boundingBox()).toEqual(before);
  await expect(host(dewi).locator('.reaction')).toHaveCount(0);

  await ratna.getByRole('button', { name: 'More', exact: true }).click();
  await ratna.getByRole('menuitem', { name: 'Turn reactions off' }).click();
  await expect(dewi.getByRole('button', { name: 'React' })).toHaveAttribute('aria-disabled', 'true');
  await dewi.keyboard.press('r');
  await expect(dewi.getByText('Reactions are off right now.').last()).toBeVisible();
});

test('two people write to each other; what is taken back is gone, what a moderator removes is said', async ({ somebody }) => {
  const [ratna, dewi] = [await somebody('Ratna Wijaya'), await somebody('Dewi Lestari')];
  await startRoom(ratna, 'Beside the talk');
  await comeIn(dewi, /Beside the talk/);
  await dewi.keyboard.press('c');
  await expect(dewi.getByLabel('Write a message')).toBeFocused();
  await dewi.keyboard.type('Good evening, see https://example.org/tea');
  await dewi.keyboard.press('Enter');
  await expect(dewi.getByLabel('Write a message')).toHaveValue('');

  await ratna.getByRole('button', { name: 'Show chat, 1 new message' }).click();
  const chat = (page: Page) => page.getByRole('region', { name: 'Chat' });
  await expect(chat(ratna).getByRole('listitem')).toContainText(['Good evening, see example.org/tea']);
  await ratna.keyboard.type('Welcome!');
  await ratna.keyboard.press('Enter');
  await expect(chat(dewi).getByRole('listitem')).toContainText(['Good evening', 'Welcome!']);
  await expect(dewi.getByLabel('Write a message')).toBeFocused();

  await dewi.keyboard.type('oops');
  await dewi.keyboard.press('Enter');
  await expect(chat(ratna).getByText('oops')).toBeVisible();
  await chat(dewi).getByRole('listitem').filter({ hasText: 'oops' }).getByRole('button', { name: /^More about/ }).click();
  await dewi.getByRole('menuitem', { name: 'Delete message' }).click();
  await expect(chat(ratna).getByText('oops')).toHaveCount(0);
  await expect(chat(dewi).getByRole('button', { name: 'More about the message by Ratna Wijaya' })).toHaveCount(0);

  await chat(ratna).getByRole('button', { name: 'More about the message by Dewi Lestari' }).click();
  await ratna.getByRole('menuitem', { name: 'Remove message' }).click();
  await expect(chat(dewi).getByText('Removed by a moderator')).toBeVisible();
  await expect(chat(dewi).getByText(/Good evening/)).toHaveCount(0);

  const jonas = await somebody('Jonas Weber');
  await comeIn(jonas, /Beside the talk/);
  await expect(jonas.getByRole('button', { name: 'Show chat', exact: true })).toBeVisible();
  await jonas.keyboard.press('c');
  await expect(chat(jonas).getByRole('listitem')).toContainText(['Removed by a moderator', 'Welcome!']);

  await ratna.getByRole('button', { name: 'More', exact: true }).click();
  await ratna.getByRole('menuitem', { name: 'Turn chat off' }).click();
  await expect(chat(jonas).getByText('The chat is off right now.')).toBeVisible();
  await expect(jonas.getByLabel('Write a message')).toHaveCount(0);
});
