/** The keyboard and what a screen reader finds: letters that can be changed, focus that is never lost, plain lists. */
import { screen, within } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';
import { Announcer, KEPT_MS } from '../../src/state/announcer.svelte';
import { letterOf, Shortcuts } from '../../src/state/shortcuts.svelte';
import { idOf, inRoom, room } from '../fixtures/windows';
import { faults, focused, landedOn, openWindow, polite, settle, urgent } from './window';

const press = (key: string, code: string, held: KeyboardEventInit = {}) =>
  (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent('keydown', { key, code, bubbles: true, cancelable: true, ...held }));
const held = { ctrlKey: true, shiftKey: true };
const cards = () => within(screen.getByRole('list', { name: 'Hands' })).getAllByRole('article');

describe('a letter', () => {
  it.each([
    ['the layout’s own, where it is Latin', 'm', 'Semicolon', 'M'],
    ['the place, on a Cyrillic keyboard', 'ь', 'KeyM', 'M'],
    ['the place, on a Greek keyboard', 'μ', 'KeyM', 'M'],
    ['the place, on a Thai keyboard, also of a vowel mark', '\u0e47', 'KeyH', 'H'],
    ['the dotless one of a Turkish keyboard', 'ı', 'KeyI', 'I'],
    ['nothing, where a Dvorak keyboard has a comma', ',', 'KeyW', null],
    ['nothing, where there is none', 'F6', 'F6', null],
  ])('is %s', (_, key, code, letter) => expect(letterOf({ key, code })).toBe(letter));
});

describe('single letters', () => {
  it('act by their place on a keyboard without Latin letters', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    press('ь', 'KeyM');
    await settle();
    expect(fixture.sent).toEqual(['setMuted']);
  });

  it('can be turned off, are not drawn any more, and stay off', async () => {
    const { user, fixture, container } = await openWindow('speaker on a lively evening');
    expect(container.querySelector('[data-key="M"]')).toBeTruthy();
    await user.keyboard('?');
    await settle();
    await user.click(within(screen.getByRole('group', { name: 'Single-letter keys' })).getByRole('radio', { name: 'Off' }));
    await user.click(screen.getByRole('button', { name: 'Close' }));
    await settle();
    await user.keyboard('mhts?');
    await settle();
    expect(fixture.sent).toEqual([]);
    expect(screen.queryByRole('dialog')).toBeNull();
    expect(container.querySelector('[data-key]')).toBeNull();
    expect(new Shortcuts().single).toBe(false);
    fixture.events?.noticed({ type: 'onStage' });
    await settle();
    expect(urgent()).toBe("You're on stage, muted. Press Ctrl+Shift+M to speak.");
  });

  it('can be changed; two acts never have the same one', async () => {
    const { user, fixture } = await openWindow('speaker on a lively evening');
    await user.keyboard('?');
    await settle();
    screen.getByRole('textbox', { name: 'Letter for: Mute or unmute' }).focus();
    await user.keyboard('h');
    await settle();
    expect(urgent()).toBe('Mute or unmute: H');
    const letter = (act: string) => screen.getByRole<HTMLInputElement>('textbox', { name: `Letter for: ${act}` }).value;
    expect([letter('Mute or unmute'), letter('Raise or lower your hand')]).toEqual(['H', 'M']);
    expect(await faults()).toEqual([]);
    await user.keyboard('{Escape}');
    await user.click(screen.getByRole('button', { name: 'Close' }));
    await settle();
    await user.keyboard('h');
    await settle();
    expect(fixture.sent).toEqual(['setMuted']);
    expect(new Shortcuts().letters.mute).toBe('H');
  });

  it('are the usual ones where what was kept is not as it should be', () => {
    for (const kept of ['', '{}', '{"letters":{"mute":"MM"}}', '{"letters":{"mute":"M","hand":"M"}}', 'null']) {
      const shortcuts = new Shortcuts({ getItem: () => kept, setItem: () => {} });
      expect([shortcuts.single, shortcuts.letters.mute, shortcuts.letters.hand]).toEqual([true, 'M', 'H']);
    }
  });

  it('are found in the settings', async () => {
    const { user } = await openWindow('home');
    await user.click(screen.getByRole('button', { name: /settings/i }));
    await user.click(screen.getByRole('button', { name: 'Keys' }));
    await settle();
    expect(screen.getByRole('group', { name: 'Single-letter keys' })).toBeTruthy();
  });
});

describe('with Ctrl and Shift', () => {
  it('the microphone, who is talking, sound and the list of keys answer, also while one types', async () => {
    const { fixture } = await openWindow('speaker on a lively evening');
    const field = document.createElement('input');
    document.body.append(field);
    field.focus();
    press('M', 'KeyM', held);
    await settle();
    press('A', 'KeyA', held);
    await settle();
    field.remove();
    expect(fixture.sent).toEqual(['setMuted']);
    expect(urgent()).toBe('Nobody is talking.');
    press('K', 'KeyK', held);
    await settle();
    expect(screen.getByRole('dialog', { name: 'Keys' })).toBeTruthy();
  });

  it('hands are answered', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    cards()[0]?.focus();
    press('I', 'KeyI', held);
    await settle();
    press('D', 'KeyD', held);
    await settle();
    expect(fixture.commands.map(({ type }) => type)).toEqual(['invite', 'dismissHand']);
  });
});

describe('the queue of hands', () => {
  it('takes focus at its first hand with F6, and arrows move in it', async () => {
    const { user } = await openWindow('host of a lively evening');
    await user.keyboard('{F6}{F6}{F6}');
    expect(focused()).toContain('Dewi Lestari, 1st in line');
    await user.keyboard('{ArrowDown}{ArrowDown}{ArrowDown}');
    expect(focused()).toContain('李晓雨, 3rd in line');
    await user.keyboard('{Home}');
    expect(focused()).toContain('Dewi Lestari');
    await user.keyboard('{End}{F6}{Shift>}{F6}{/Shift}');
    expect(focused()).toContain('李晓雨');
    expect(cards().filter((card) => card.tabIndex === 0)).toHaveLength(1);
  });

  it('takes focus at its heading when it is empty: no arrow changes a setting by accident', async () => {
    const { user, fixture } = await openWindow('host of a locked room');
    await user.keyboard('{F6}{F6}{F6}');
    expect(focused()).toContain('Hands');
    await user.keyboard('{ArrowDown}');
    expect(fixture.sent).toEqual([]);
  });

  it('is worked off with D alone, and focus ends on its heading', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    cards()[0]?.focus();
    for (const name of ['Dewi Lestari', 'Jonas Weber', '李晓雨']) {
      await user.keyboard('d');
      await settle();
      expect(fixture.commands.at(-1)).toEqual({ type: 'dismissHand', person: idOf(name) });
      const remove = [idOf(name)];
      fixture.update({ type: 'room', now: 2_300_000, changes: [{ topic: 'hands', list: { upsert: [], remove } }] });
      await settle();
    }
    expect(focused()).toContain('Hands');
  });
});

describe('focus after a change of screen is on', () => {
  /** Not its heading: Orca 43 says nothing about headings that take focus. */
  const screenNamed = (name: string) => screen.getByRole('main', { name });

  it('the room, named by its title, with how many are there', async () => {
    const { fixture } = await openWindow('home');
    const { call, room: view } = inRoom(room('listener on a lively evening'));
    if (call && view) fixture.open(call, view);
    await settle();
    expect(document.activeElement).toBe(screenNamed('Evening on the porch'));
    expect(landedOn()).toContain('23 here');
  });

  it.each([
    ['left', 'You left the room.'],
    ['ended', 'The room has ended.'],
    ['removed', 'You were removed from this room.'],
  ] as const)('Home, named by its greeting, with what happened (%s)', async (reason, words) => {
    const { fixture } = await openWindow('listener on a lively evening');
    screen.getByRole('button', { name: 'Leave quietly' }).focus();
    fixture.update({ type: 'none' });
    fixture.events?.callClosed(reason);
    await settle();
    expect(document.activeElement).toBe(screenNamed('Good evening, Arif'));
    expect([landedOn(), urgent()]).toEqual([words, '']);
  });

  it('the microphone for whoever comes on stage, and the hand for whoever is moved off it', async () => {
    const { user, fixture } = await openWindow('listener whose turn it is');
    await user.keyboard('{Enter}');
    const up = room('speaker on a lively evening');
    fixture.show({ ...up, room: { ...up.room, id: fixture.fixture.room?.room.id ?? '' } });
    await settle();
    expect(focused()).toMatch(/microphone$/);
    fixture.show(room('listener whose hand was dismissed'));
    await settle();
    expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Raise hand' }));
  });

  it('the way out of a link that leads nowhere', async () => {
    await openWindow('opened stale link');
    expect(focused()).toBe('Close');
    expect(document.activeElement?.className).toContain('act');
  });
});

describe('an invitation', () => {
  it('is answered in the order in which it is read', async () => {
    await openWindow('invited listener');
    const answers = within(screen.getByRole('dialog')).getAllByRole('button');
    expect(answers.map(({ textContent }) => textContent?.trim())).toEqual(['Join the stage', 'Maybe later', 'Sound check']);
    expect(document.activeElement).toBe(answers[0]);
  });

  it('is put off with Escape from inside it, and only from there', async () => {
    const { user, fixture } = await openWindow('invited listener');
    screen.getByRole('button', { name: 'Leave quietly' }).focus();
    await user.keyboard('{Escape}');
    expect(fixture.sent).toEqual([]);
    screen.getByRole('button', { name: 'Sound check' }).focus();
    await user.keyboard('{Escape}');
    await settle();
    expect(fixture.sent).toEqual(['declineInvitation']);
  });

  it('is a part that F6 comes to', async () => {
    const { user } = await openWindow('invited listener');
    screen.getByRole('button', { name: 'Raise hand' }).focus();
    await user.keyboard('{F6}{F6}');
    expect(focused()).toBe('Join the stage');
  });
});

describe('a screen reader finds', () => {
  it('people as buttons in lists with a name, and no name twice', async () => {
    const { container } = await openWindow('host of a lively evening');
    for (const list of container.querySelectorAll('ul, ol')) expect(list.getAttribute('role')).toBe('list');
    for (const tile of container.querySelectorAll('button.person')) {
      expect(tile.hasAttribute('aria-haspopup')).toBe(false);
      expect(tile.hasAttribute('title')).toBe(false);
      expect(tile.getAttribute('aria-expanded')).toBe('false');
    }
    expect(screen.getByRole('region', { name: 'Stage 3' })).toBeTruthy();
    expect(screen.getByRole('list', { name: 'Audience 20' })).toBeTruthy();
  });

  it('a room’s card as one sentence', async () => {
    await openWindow('home');
    expect(
      screen.getByRole('button', { name: '设计组, Locked, 周五设计评审, 李晓雨, Hana and Arif, 3 on stage, 6 listening, Join' }),
    ).toBeTruthy();
  });

  it('the hand’s button without its key in the name', async () => {
    await openWindow('listener on a lively evening');
    const button = screen.getByRole('button', { name: 'Raise hand' });
    expect(button.getAttribute('aria-keyshortcuts')).toBe('H Control+Shift+H');
  });

  it('nothing in the page of what the window itself reads out', async () => {
    const read: string[] = [];
    const announcer = new Announcer(async (text) => {
      read.push(text);
      return true;
    });
    announcer.say('Wei raised a hand.');
    announcer.interrupt('Sari muted you.');
    await settle();
    expect(read).toEqual(['Wei raised a hand.', 'Sari muted you.']);
    expect([announcer.polite.text, announcer.urgent.text]).toEqual(['', '']);
  });

  it('nothing that was announced and is over', () => {
    vi.useFakeTimers();
    const announcer = new Announcer();
    announcer.say('Wei raised a hand.');
    announcer.interrupt('Sari muted you.');
    vi.advanceTimersByTime(KEPT_MS);
    expect([announcer.polite.text, announcer.urgent.text]).toEqual(['', '']);
    expect(announcer.urgent.count).toBe(1);
  });

  it('no announcement in a language that is not spoken any more', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    fixture.events?.noticed({ type: 'handRaised', name: 'Ivy Chen', count: 4 });
    await settle();
    expect(polite()).not.toBe('');
    fixture.changeApp({ language: 'id' });
    await settle();
    expect(polite()).toBe('');
  });
});
