/** The room through its roles, names and keys. */
import { screen, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import type { CallUpdate, Notice, RoomView } from '../../src/backend/backend';
import { idOf, inRoom, room } from '../fixtures/windows';
import { resizeTo } from './setup';
import { focused, landedOn, openWindow, polite, settle, urgent } from './window';

const bar = () => within(screen.getByRole('region', { name: 'Your controls' }));
const stage = () => within(screen.getByRole('list', { name: /^Stage/ }));
const audience = () => within(screen.getByRole('list', { name: /^Audience/ }));
const hands = () => within(screen.getByRole('list', { name: 'Hands' }));
const cards = () => hands().getAllByRole('article');
const prompt = (name: string) => screen.getByRole('dialog', { name });

describe('the room shows', () => {
  it('stage before audience, the host first, with their states in words', async () => {
    await openWindow('host of a lively evening');
    const sections = screen.getAllByRole('heading', { level: 2 }).map(({ textContent }) => textContent);
    expect(sections.indexOf('Stage 3')).toBeLessThan(sections.indexOf('Audience 20'));
    const names = stage().getAllByRole('button', { name: /^(?!Delay)/ }).map((button) => button.getAttribute('aria-label'));
    expect(names).toEqual([
      'Ratna Wijaya, you, host, unmuted',
      'Bagus Pratama, moderator, unmuted',
      'Mei Lin, speaker, muted',
    ]);
    expect(stage().getByText('You')).toBeTruthy();
  });

  it('hands in order to moderators, read only to speakers, not at all to listeners', async () => {
    await openWindow('moderator of a lively evening');
    expect(cards().map((item) => item.getAttribute('aria-label'))).toEqual([
      'Dewi Lestari, 1st in line, waiting 2 min',
      'Jonas Weber, 2nd in line, waiting 1 min',
      '李晓雨, 3rd in line, waiting 20 s',
    ]);
    expect(hands().getAllByRole('button')).toHaveLength(6);
    document.body.replaceChildren();
    await openWindow('speaker on a lively evening');
    expect(hands().queryAllByRole('button')).toHaveLength(0);
    expect(screen.queryByLabelText('Who can raise a hand')).toBeNull();
    document.body.replaceChildren();
    await openWindow('listener on a lively evening');
    expect(screen.queryByRole('list', { name: 'Hands' })).toBeNull();
  });

  it('one line to a lonely host', async () => {
    const { fixture } = await openWindow('alone host');
    expect(screen.getByText('Only you are here. Say hello when you unmute.')).toBeTruthy();
    fixture.update({ type: 'room', now: 1_000, changes: [{ topic: 'counts', record: { listeners: 1 } }] });
    await settle();
    expect(screen.queryByText(/Only you are here/)).toBeNull();
  });

  it('the same tiles in the same places when a hand goes up', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    const before = screen.getAllByRole('article');
    const hand = { id: idOf('Ivy Chen'), rank: 1e12, name: 'Ivy Chen', raisedAt: 2_280_000 };
    fixture.update({ type: 'room', now: 2_280_000, changes: [{ topic: 'hands', list: { upsert: [hand], remove: [] } }] });
    await settle();
    const after = screen.getAllByRole('article');
    expect(before.every((item) => after.includes(item))).toBe(true);
    expect(audience().getByRole('button', { name: 'Ivy Chen, listener, hand raised, 4th in line' })).toBeTruthy();
  });

  it('that nobody is on stage', async () => {
    await openWindow('listener before an empty stage');
    expect(screen.getByText('Waiting for somebody to come back on stage.')).toBeTruthy();
  });

  it('weak and lost connections as marks, in words and spoken', async () => {
    await openWindow('host with lost people');
    expect(stage().getByRole('button', { name: 'Bagus Pratama, weak connection, moderator, muted' }).textContent).toContain('Weak connection');
    expect(stage().getByRole('button', { name: 'Mei Lin, away, speaker, muted' }).textContent).toContain('Away');
    const listener = audience().getByRole('button', { name: 'Jonas Weber, no sound, listener' });
    expect(within(listener).getByTitle('Jonas Weber · No sound')).toBeTruthy();
    expect(listener.querySelector('.lucide-volume-off')).toBeTruthy();
  });
});

describe('a locked room', () => {
  it('says so in its header and on its card', async () => {
    await openWindow('listener of a locked room without hands');
    expect(screen.getByRole('banner').textContent).toContain('Locked');
    document.body.replaceChildren();
    await openWindow('home');
    expect(screen.getByRole('button', { name: /周五设计评审/ }).textContent).toContain('Locked');
    expect(screen.getByRole('button', { name: /Evening on the porch/ }).textContent).not.toContain('Locked');
  });

  it('refuses in its own words', async () => {
    const { user } = await openWindow('joining a locked room');
    await user.click(screen.getByRole('button', { name: /周五设计评审/ }));
    await settle();
    expect(prompt('This room is locked')).toBeTruthy();
  });

  it.each([
    ['host of a lively evening', 'Lock room', true],
    ['moderator of a lively evening', 'Lock room', true],
    ['host of a locked room', 'Unlock room', false],
  ] as const)('is locked and unlocked from the menu (%s)', async (name, item, locked) => {
    const { user, fixture } = await openWindow(name);
    await user.click(screen.getByRole('button', { name: 'More' }));
    await user.click(screen.getByRole('menuitem', { name: item }));
    expect(fixture.commands).toEqual([{ type: 'setSwitch', switch: 'locked', on: locked }]);
  });

  it.each(['speaker on a lively evening', 'listener on a lively evening'] as const)('is not for a %s to lock', async (name) => {
    const { user } = await openWindow(name);
    await user.click(screen.getByRole('button', { name: 'More' }));
    expect(screen.queryByRole('menuitem', { name: /ock room/ })).toBeNull();
  });
});

describe('a held stage', () => {
  it('is held from the menu, and tells a muted speaker why the microphone stays closed', async () => {
    const { user, fixture } = await openWindow('moderator of a lively evening');
    await user.click(screen.getByRole('button', { name: 'More' }));
    await user.click(screen.getByRole('menuitem', { name: 'Hold the stage' }));
    expect(fixture.commands).toEqual([{ type: 'setSwitch', switch: 'stageHeld', on: true }]);
    const view = room('speaker on a lively evening');
    fixture.show({ ...view, you: { ...view.you, refused: [{ act: 'sendVoice', code: 'stage_held' }] } });
    await settle();
    expect(bar().getByText('The moderators are holding the stage.')).toBeTruthy();
  });
});

describe('muting everybody', () => {
  it.each([
    ['host of a lively evening', 'Mute everyone'],
    ['moderator of a lively evening', 'Mute all speakers'],
  ] as const)('is called what it does (%s)', async (name, item) => {
    const { user, fixture } = await openWindow(name);
    await user.click(screen.getByRole('button', { name: 'More' }));
    expect(screen.getAllByRole('menuitem', { name: /^Mute/ })).toHaveLength(1);
    await user.click(screen.getByRole('menuitem', { name: item }));
    expect(fixture.commands).toEqual([{ type: 'muteEveryone' }]);
  });
});

describe('namesakes', () => {
  it('are told apart in the list, the queue, the menu, the question and for a screen reader', async () => {
    const { user } = await openWindow('host with namesakes');
    const latin = 'Ani #WVlZ';
    const cyrillic = '\u0410ni #Wlpa';
    expect(stage().getByRole('button', { name: `${latin}, speaker, muted` }).textContent).toContain('#WVlZ');
    const tile = audience().getByRole('button', { name: `${cyrillic}, listener, hand raised, 1st in line` });
    expect(tile.textContent).toContain('#Wlpa');
    expect(cards()[0]?.getAttribute('aria-label')).toContain(cyrillic);
    expect(cards()[0]?.textContent).toContain('#Wlpa');
    await user.click(tile);
    const menu = screen.getByRole('dialog', { name: `Actions for ${cyrillic}` });
    expect(menu.textContent).toContain(cyrillic);
    await user.click(within(menu).getByRole('button', { name: 'Remove from room' }));
    expect(screen.getByRole('dialog', { name: `Remove ${cyrillic} from this room?` })).toBeTruthy();
  });

  it('are nobody else', async () => {
    const { container } = await openWindow('host of a lively evening');
    expect(container.textContent).not.toContain('#');
  });
});

describe('a listener', () => {
  it('raises and lowers the hand with H and sees the place in line', async () => {
    const { user, fixture } = await openWindow('listener on a lively evening');
    await user.keyboard('h');
    await settle();
    expect(polite()).toBe('Your hand is up.');
    fixture.show(room('listener second in line'));
    await settle();
    expect(bar().getByText('2nd in line')).toBeTruthy();
    await user.keyboard('H');
    await user.click(bar().getByRole('button', { name: 'Lower hand' }));
    expect(fixture.sent).toEqual(['raiseHand', 'lowerHand', 'lowerHand']);
  });

  it.each([
    ['listener of a locked room without hands', /^Hands are off right now\.$/],
    ['listener whose hand was dismissed', /^You can raise your hand again in (30|2\d) s\.$/],
  ] as const)('is told why the hand cannot go up (%s)', async (name, why) => {
    const { user, fixture } = await openWindow(name);
    const button = bar().getByRole('button', { name: 'Raise hand' });
    expect(button.getAttribute('aria-disabled')).toBe('true');
    expect(bar().getByText(why)).toBeTruthy();
    await user.click(button);
    expect(fixture.sent).toEqual([]);
  });

  it('has no microphone key', async () => {
    const { user, fixture } = await openWindow('listener on a lively evening');
    await user.keyboard('m');
    await settle();
    expect(fixture.sent).toEqual([]);
    expect(bar().queryByRole('button', { name: /microphone/ })).toBeNull();
  });

  it('is asked before coming on stage', async () => {
    const { user, fixture } = await openWindow('listener whose turn it is');
    expect(prompt("It's your turn.")).toBeTruthy();
    expect(focused()).toBe('Join the stage');
    await user.keyboard('{Enter}');
    await settle();
    expect(fixture.sent).toEqual(['acceptInvitation']);
    fixture.events?.noticed({ type: 'onStage' });
    await settle();
    expect(urgent()).toBe("You're on stage, muted. Press M to speak.");
  });

  it('may say maybe later, in the words of the kind of invitation', async () => {
    const { user, fixture } = await openWindow('invited listener');
    expect(prompt('Ratna Wijaya invited you to speak.')).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Maybe later' }));
    expect(fixture.sent).toEqual(['declineInvitation']);
  });

  it('is asked to run a room without anybody on stage', async () => {
    const { fixture } = await openWindow('listener before an empty stage');
    fixture.show(room('listener who is asked to run the room'));
    fixture.events?.noticed({ type: 'stageOffered' });
    await settle();
    const question = 'Nobody is on stage. Would you like to run the room?';
    expect(within(prompt(question)).getByRole('button', { name: 'Not now' })).toBeTruthy();
    // Read with the focus that it takes, and so not announced as well.
    expect([focused(), urgent()]).toEqual(['Join the stage', '']);
  });

  it('reads that their turn has passed', async () => {
    const { fixture } = await openWindow('listener on a lively evening');
    fixture.events?.noticed({ type: 'turnPassed' });
    await settle();
    expect(polite()).toBe('Your turn has passed. Raise your hand again when you like.');
  });

  it('stays in the audience with an explanation when the system refuses the microphone', async () => {
    const { user } = await openWindow('microphone refused');
    await user.click(screen.getByRole('button', { name: 'Join the stage' }));
    await settle();
    expect(urgent()).toContain('privacy settings');
    expect(screen.getAllByText(/privacy settings/).length).toBeGreaterThan(1);
  });

  it('hears that the microphone was turned by a key of the whole system, once, and nothing of a moderator’s twice', async () => {
    const { user, fixture } = await openWindow('speaker on a lively evening');
    const microphone = fixture.fixture.call?.microphone;
    if (!microphone) throw new Error('nobody is on stage');
    fixture.changeCall({ microphone: { ...microphone, muted: !microphone.muted } });
    await settle();
    const first = urgent();
    expect(['Microphone muted.', 'Microphone open.']).toContain(first);
    fixture.events?.noticed({ type: 'mutedBy', by: 'Bagus Pratama' });
    fixture.changeCall({ microphone: { ...microphone, muted: true } });
    await settle();
    expect(urgent()).toBe('Bagus Pratama muted you.');
    await user.keyboard('m');
    await settle();
    expect(urgent()).toBe('Microphone open.');
  });

  it('keeps typing when an invitation arrives', async () => {
    const { fixture, user } = await openWindow('listener on a lively evening');
    const field = document.createElement('input');
    document.body.append(field);
    field.focus();
    fixture.show(room('invited listener'));
    fixture.events?.noticed({ type: 'invited', by: 'Ratna Wijaya' });
    await settle();
    expect(document.activeElement).toBe(field);
    expect(urgent()).toBe('Ratna Wijaya invited you to speak.');
    await user.keyboard('hm');
    expect(field.value).toBe('hm');
    expect(fixture.sent).toEqual([]);
    field.remove();
  });

  it('leaves with one press, unasked', async () => {
    const { user, fixture } = await openWindow('listener on a lively evening');
    await user.click(bar().getByRole('button', { name: 'Leave quietly' }));
    expect(fixture.sent).toEqual(['leave']);
    fixture.update({ type: 'none' });
    await settle();
    expect(screen.getByRole('heading', { level: 1 }).textContent).toContain('Good evening');
  });
});

describe('on stage', () => {
  it('M is the microphone, and the button says what pressing it does', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    await user.keyboard('m');
    await settle();
    expect(fixture.sent).toEqual(['setMuted']);
    expect(urgent()).toBe('Microphone muted.');
    fixture.changeCall({ microphone: { open: true, muted: true, problem: null } });
    await settle();
    expect(bar().getByRole('button', { name: 'Unmute microphone' })).toBeTruthy();
    expect(stage().getByRole('button', { name: 'Ratna Wijaya, you, host, muted' })).toBeTruthy();
  });

  it('shows the microphone as it is, not as it was asked to be', async () => {
    const { user } = await openWindow('no microphone');
    await user.keyboard('m');
    await settle();
    expect(bar().getByRole('button', { name: 'No microphone' })).toBeTruthy();
    expect(urgent()).toContain('No microphone was found');
  });

  it('a standing problem of the microphone is shown once, also when it refuses a press', async () => {
    const { user } = await openWindow('no microphone');
    await user.keyboard('m');
    await settle();
    const shown = screen.getAllByText(/No microphone was found/).filter((element) => !element.closest('.said-only'));
    expect(shown).toHaveLength(1);
  });

  it('is told at once when a moderator mutes or moves one', async () => {
    const { fixture } = await openWindow('speaker on a lively evening');
    fixture.events?.noticed({ type: 'mutedBy', by: 'Bagus Pratama' });
    await settle();
    expect(urgent()).toBe('Bagus Pratama muted you.');
    fixture.events?.noticed({ type: 'movedToAudience' });
    await settle();
    expect(urgent()).toBe('You were moved to the audience.');
  });
});

describe('moderating by keyboard', () => {
  it('I invites and D dismisses the hand that has focus, and the next hand has it then', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    cards()[0]?.focus();
    await user.keyboard('i');
    await settle();
    expect(fixture.commands).toEqual([{ type: 'invite', person: idOf('Dewi Lestari') }]);
    expect(focused()).toContain('Jonas Weber');
    await user.keyboard('d');
    await settle();
    expect(fixture.commands.at(-1)).toEqual({ type: 'dismissHand', person: idOf('Jonas Weber') });
    expect(focused()).toContain('李晓雨');
    await user.keyboard('d');
    await settle();
    expect(focused()).toContain('Jonas Weber');
  });

  it('a hand that goes by itself leaves focus on the one that took its place, and on the heading after the last', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    const gone = (name: string) =>
      fixture.update({ type: 'room', now: 2_300_000, changes: [{ topic: 'hands', list: { upsert: [], remove: [idOf(name)] } }] });
    within(cards()[0] as HTMLElement).getByRole('button', { name: 'Dismiss, Dewi Lestari' }).focus();
    gone('Dewi Lestari');
    await settle();
    expect(focused()).toContain('Jonas Weber, 1st in line');
    gone('Jonas Weber');
    gone('李晓雨');
    await settle();
    expect(focused()).toContain('Hands');
  });

  it('an open invitation can be cancelled; after maybe later the button says why not', async () => {
    const { user, fixture } = await openWindow('host with invitations');
    const cancel = within(cards()[0] as HTMLElement).getByRole('button', { name: 'Cancel invitation, Jonas Weber' });
    await user.click(cancel);
    expect(fixture.commands).toEqual([{ type: 'cancelInvitation', person: idOf('Jonas Weber') }]);
    await user.click(audience().getByRole('button', { name: /^李晓雨/ }));
    const invite = screen.getByRole('button', { name: /^Invite to speak/ });
    expect(invite.getAttribute('aria-disabled')).toBe('true');
    expect(invite.textContent).toMatch(/They said maybe later\. You can invite them again in (60|5\d) s\./);
    await user.click(invite);
    expect(fixture.commands).toHaveLength(1);
  });

  it('a full stage says so where one would invite', async () => {
    const { fixture, user } = await openWindow('host of a full stage');
    const invite = within(cards()[0] as HTMLElement).getByRole('button', { name: 'Invite to speak, Dewi Lestari' });
    expect(invite.getAttribute('aria-disabled')).toBe('true');
    expect(within(cards()[0] as HTMLElement).getByText('The stage is full.')).toBeTruthy();
    await user.click(invite);
    expect(fixture.sent).toEqual([]);
  });

  it('arrows move between people, Enter opens the actions, Escape closes them where they were', async () => {
    const { user } = await openWindow('host of a lively evening');
    stage().getAllByRole('button')[0]?.focus();
    await user.keyboard('{ArrowRight}{ArrowRight}');
    expect(focused()).toBe('Mei Lin, speaker, muted');
    await user.keyboard('{Enter}');
    await settle();
    const actions = screen.getByRole('dialog', { name: 'Actions for Mei Lin' });
    expect(within(actions).getAllByRole('button').map(({ textContent }) => textContent.trim())).toEqual([
      'Move to audience',
      'Make moderator',
      'Hand over the room',
      'Mute for me',
      'Remove from room',
    ]);
    expect(focused()).toBe('Move to audience');
    await user.keyboard('{ArrowDown}{Escape}');
    await settle();
    expect(screen.queryByRole('dialog')).toBeNull();
    expect(focused()).toBe('Mei Lin, speaker, muted');
  });

  it('only one person of a part is a tab stop', async () => {
    await openWindow('host of a lively evening');
    const tiles = screen.getByRole('list', { name: /^Audience/ }).querySelectorAll('button');
    expect([...tiles].filter((tile) => tile.tabIndex === 0)).toHaveLength(1);
  });

  it('F6 goes through the parts and back', async () => {
    const { user } = await openWindow('host of a lively evening');
    const parts: (string | null | undefined)[] = [];
    const part = () => document.activeElement?.closest('[data-part]')?.getAttribute('data-part');
    for (let n = 0; n < 6; n += 1) {
      await user.keyboard('{F6}');
      parts.push(part());
    }
    expect(parts).toEqual(['stage', 'audience', 'hands', 'bar', 'rooms', 'stage']);
    await user.keyboard('{Shift>}{F6}{/Shift}');
    expect(part()).toBe('rooms');
  });

  it('focus goes to the next person when one leaves', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    audience().getByRole('button', { name: /^Arif Nugroho/ }).focus();
    const remove = [idOf('Arif Nugroho')];
    fixture.update({ type: 'room', now: 2_300_000, changes: [{ topic: 'audience', list: { upsert: [], remove } }] });
    await settle();
    expect(focused()).toContain('Hana Sato');
  });

  it('removing asks once and offers a block', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    await user.click(screen.getByRole('button', { name: /^Mei Lin/ }));
    await user.click(screen.getByRole('button', { name: 'Remove from room' }));
    const dialog = screen.getByRole('dialog', { name: 'Remove Mei Lin from this room?' });
    expect(fixture.sent).toEqual([]);
    await user.click(within(dialog).getByRole('checkbox'));
    await user.click(within(dialog).getByRole('button', { name: 'Remove from room' }));
    expect(fixture.commands).toEqual([{ type: 'remove', person: idOf('Mei Lin'), block: true }]);
  });
});

describe('leaving as host', () => {
  it('gives one choice, and names who will run the room', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    await user.keyboard('{Control>}l{/Control}');
    await settle();
    const dialog = within(screen.getByRole('dialog', { name: 'You run this room' }));
    expect(dialog.getByText('Bagus Pratama will run the room.')).toBeTruthy();
    await user.click(dialog.getByRole('button', { name: /Hand over to/ }));
    await settle();
    await user.click(screen.getByRole('radio', { name: /^Mei Lin\s*Speaker$/ }));
    expect(fixture.sent).toEqual([]);
    await user.click(screen.getByRole('button', { name: 'Hand over and leave' }));
    await settle();
    expect(fixture.commands).toEqual([{ type: 'handOver', person: idOf('Mei Lin') }]);
    expect(fixture.sent).toEqual(['handOver', 'leave']);
  });

  it('ending asks once for how many people', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    await user.click(bar().getByRole('button', { name: 'Leave quietly' }));
    await user.click(screen.getByRole('button', { name: /End room for everyone/ }));
    await settle();
    expect(screen.getByRole('dialog', { name: 'End this room for 22 people?' })).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'End room for everyone' }));
    fixture.update({ type: 'none' });
    fixture.events?.callClosed('ended');
    await settle();
    expect(fixture.sent).toEqual(['endRoom']);
    expect(screen.getAllByText('The room has ended.').length).toBeGreaterThan(0);
  });

  it('alone is not asked', async () => {
    const { user, fixture } = await openWindow('alone host');
    await user.click(bar().getByRole('button', { name: 'Leave quietly' }));
    expect(fixture.sent).toEqual(['leave']);
  });
});

describe('another room while on stage', () => {
  it('is asked once, then the first is left', async () => {
    const fixture = inRoom(room('speaker on a lively evening'), {}, { refused: { joinRoom: 'on_stage_elsewhere' } });
    const { user, fixture: backend } = await openWindow(fixture);
    await user.click(screen.getByRole('button', { name: /Kelas Bahasa Inggris/ }));
    await settle();
    const dialog = screen.getByRole('dialog', { name: 'You are on stage in another room' });
    backend.fixture.refused = {};
    await user.click(within(dialog).getByRole('button', { name: 'Leave it and go on' }));
    await settle();
    expect(backend.sent).toEqual(['joinRoom', 'joinRoom']);
    expect(screen.queryByRole('dialog')).toBeNull();
  });
});

describe('the connection', () => {
  it.each([
    ['reconnecting', 'Reconnecting…'],
    ['soundReconnecting', 'Your sound is reconnecting…'],
    ['houseReconnecting', 'They can hear you and you hear them. Hands and buttons are reconnecting…'],
    ['houseRestarting', 'The house is restarting…'],
    ['cannotHear', "They can hear you; you can't hear them."],
    ['nobodyHears', 'You can hear; nobody hears you.'],
  ] as const)('says %s and being back, once each and at once', async (type, words) => {
    const { fixture } = await openWindow('speaker on a lively evening');
    fixture.changeCall({ connection: { type } });
    await settle();
    expect(urgent()).toBe(words);
    expect(screen.getAllByText(words)).toHaveLength(2);
    fixture.changeCall({ connection: { type: 'connected' } });
    await settle();
    expect(urgent()).toBe('You are connected again.');
    expect(screen.queryByText(words)).toBeNull();
  });

  it('never tells a listener that they are heard', async () => {
    const { fixture } = await openWindow('listener on a lively evening');
    for (const type of ['houseReconnecting', 'cannotHear'] as const) {
      fixture.changeCall({ connection: { type } });
      await settle();
      expect(urgent()).not.toContain('They can hear you');
      expect(urgent()).not.toBe('');
    }
  });

  it('says what to ask for when the network lets no sound through', async () => {
    await openWindow('sound impossible');
    expect(screen.getByText(/Ask whoever runs it to let UDP and TCP through/)).toBeTruthy();
    expect(screen.queryByText('Reconnecting…')).toBeNull();
  });

  it('offers to rejoin when the room is gone', async () => {
    const { fixture } = await openWindow('listener on a lively evening');
    fixture.update({ type: 'none' });
    fixture.events?.callClosed('lost');
    await settle();
    expect(screen.getByRole('button', { name: 'Rejoin' })).toBeTruthy();
    expect(landedOn()).toBe('You lost the connection.');
  });

  it('says that a room failed and the house goes on', async () => {
    const { fixture } = await openWindow('listener on a lively evening');
    fixture.update({ type: 'none' });
    fixture.events?.callClosed('failed');
    await settle();
    expect(landedOn()).toBe('Something went wrong in this room, and it had to end. The house goes on.');
    expect(screen.queryByRole('button', { name: 'Rejoin' })).toBeNull();
  });
});

describe('updates of the call', () => {
  const counts = (listeners: number): CallUpdate => ({ type: 'room', now: 1, changes: [{ topic: 'counts', record: { listeners } }] });

  it('that are older or repeated never put an older state over a newer', async () => {
    const { fixture } = await openWindow('alone host');
    fixture.events?.callUpdated({ revision: 9, update: counts(9) });
    fixture.events?.callUpdated({ revision: 8, update: counts(8) });
    fixture.events?.callUpdated({ revision: 9, update: { type: 'none' } });
    await settle();
    expect(screen.getByRole('banner').textContent).toContain('10 here');
  });

  it('leave the room of an older view of the app alone', async () => {
    const { fixture } = await openWindow('alone host');
    fixture.changeApp({ name: 'Ratna' });
    fixture.events?.appChanged({ ...fixture.fixture.app, revision: 1, name: 'Older' });
    await settle();
    expect(screen.getAllByText('Ratna').length).toBeGreaterThan(0);
    expect(screen.queryByText('Older')).toBeNull();
  });

  it('of a room that is there no more change nothing', async () => {
    const { fixture } = await openWindow('alone host');
    fixture.update({ type: 'none' });
    fixture.update(counts(3));
    fixture.changeCall({ link: 'late' });
    await settle();
    expect(screen.getByRole('heading', { level: 1 }).textContent).toContain('Good evening');
  });
});

describe('announcements', () => {
  it('never say who is talking unless asked with T', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    const talking = setInterval(() => fixture.talk(), 50);
    fixture.talk();
    await settle();
    expect(stage().getByRole('button', { name: 'Bagus Pratama, moderator, unmuted, talking' })).toBeTruthy();
    expect(polite() + urgent()).toBe('');
    fixture.talk();
    await user.keyboard('t');
    await settle();
    clearInterval(talking);
    expect(urgent()).toMatch(/^(Bagus Pratama and Ratna Wijaya|Ratna Wijaya and Bagus Pratama) are talking\.$/);
  });

  it('say hands politely, and never who joined or left', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    fixture.update({ type: 'room', now: 2_300_000, changes: [{ topic: 'counts', record: { listeners: 19 } }] });
    await settle();
    expect(polite()).toBe('');
    fixture.events?.noticed({ type: 'handRaised', name: 'Ivy Chen', count: 4 });
    await settle();
    expect(polite()).toBe('Ivy Chen raised a hand. 4 in line.');
  });

  it('pass over what a newer house says', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    fixture.events?.noticed({ type: 'of a newer house' } as unknown as Notice);
    await settle();
    expect(polite() + urgent()).toBe('');
  });

  it('a name does not change under the cursor because its owner talks', async () => {
    const { fixture } = await openWindow('listener on a lively evening');
    const tile = stage().getByRole('button', { name: 'Ratna Wijaya, host, unmuted' });
    tile.focus();
    fixture.talk();
    await settle();
    expect(tile.getAttribute('aria-label')).toBe('Ratna Wijaya, host, unmuted');
    fixture.talk();
    tile.blur();
    await settle();
    expect(tile.getAttribute('aria-label')).toBe('Ratna Wijaya, host, unmuted, talking');
  });
});

describe('small windows', () => {
  it('narrow: hands come as a sheet that Escape puts away', async () => {
    resizeTo(500, 800);
    const { user } = await openWindow('host of a lively evening');
    expect(screen.queryByRole('list', { name: 'Hands' })).toBeNull();
    await user.click(bar().getByRole('button', { name: /^Show hands, 3 hands up/ }));
    await settle();
    expect(screen.getByRole('dialog', { name: 'Hands' })).toBeTruthy();
    await user.keyboard('{Escape}');
    await settle();
    expect(screen.queryByRole('list', { name: 'Hands' })).toBeNull();
  });
});

it('starting a room in one’s own house says once where it lives', async () => {
  const { user, fixture } = await openWindow('home empty');
  const start = async (view: RoomView) => {
    await user.click(screen.getByRole('button', { name: 'Start a room' }));
    await user.click(screen.getByRole('button', { name: "Let's go" }));
    const { call } = inRoom(view);
    if (call) fixture.open(call, view);
    await settle();
  };
  await start(room('alone host'));
  const sentence = 'This room lives on your computer. It ends when you quit Serambi or the computer sleeps.';
  expect(polite()).toBe(sentence);
  expect(screen.getAllByText(sentence)).toHaveLength(2);
  fixture.update({ type: 'none' });
  await settle();
  await start(room('alone host'));
  expect(screen.queryAllByText(sentence).filter((element) => !element.closest('.said-only'))).toEqual([]);
});

it('closing a hosting window says first how many are cut off', async () => {
  const { user, fixture } = await openWindow('close asked');
  expect(screen.getByRole('dialog', { name: 'Close Serambi?' }).textContent).toContain('23 people in 1 room will be cut off.');
  await user.click(screen.getByRole('button', { name: 'Close anyway' }));
  expect(fixture.sent).toEqual(['closeWindow']);
});

it('? lists the keys', async () => {
  const { user } = await openWindow('host of a lively evening');
  await user.keyboard('?');
  await settle();
  expect(within(screen.getByRole('dialog', { name: 'Keys' })).getByText('Mute or unmute')).toBeTruthy();
});
