/** The room through its roles, names and keys. */
import { screen, within } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';
import { ME } from '../../src/backend/fake/people';
import { resizeTo } from './setup';
import { focused, openWindow, polite, settle, urgent } from './window';

const bar = () => within(screen.getByRole('region', { name: 'Your controls' }));
const stage = () => within(screen.getByRole('list', { name: /^Stage/ }));

describe('the room shows', () => {
  it('stage before audience, the host first, with their states in words', async () => {
    await openWindow('room-host');
    const sections = screen.getAllByRole('heading', { level: 2 }).map(({ textContent }) => textContent);
    expect(sections.indexOf('Stage4')).toBeLessThan(sections.indexOf('Audience20'));
    const names = stage().getAllByRole('button', { name: /^(?!Delay)/ }).map((button) => button.getAttribute('aria-label'));
    expect(names).toEqual([
      'Ratna Wijaya, you, host, unmuted',
      'Bagus Pratama, moderator, unmuted',
      'Mei Lin, speaker, muted',
      'Theo Okafor, speaker, unmuted',
    ]);
    expect(stage().getByText('You')).toBeTruthy();
  });

  it('hands in order to moderators, read only to speakers, not at all to listeners', async () => {
    await openWindow('room-moderator');
    const queue = screen.getByRole('list', { name: 'Hands' });
    expect(within(queue).getAllByRole('listitem').map((item) => item.getAttribute('aria-label'))).toEqual([
      'Dewi Lestari, 1st in line, waiting 2 min',
      'Jonas Weber, 2nd in line, waiting 1 min',
      '李晓雨, 3rd in line, waiting 20 s',
    ]);
    expect(within(queue).getAllByRole('button')).toHaveLength(6);
    document.body.replaceChildren();
    await openWindow('room-speaker');
    expect(within(screen.getByRole('list', { name: 'Hands' })).queryAllByRole('button')).toHaveLength(0);
    document.body.replaceChildren();
    await openWindow('room-listener');
    expect(screen.queryByRole('list', { name: 'Hands' })).toBeNull();
  });

  it('one line to a lonely host', async () => {
    const { fake } = await openWindow('room-alone');
    expect(screen.getByText('Only you are here. Say hello when you unmute.')).toBeTruthy();
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe("Ratna Wijaya's room");
    fake.arrive('Dewi Lestari');
    await settle();
    expect(screen.queryByText(/Only you are here/)).toBeNull();
  });

  it('the same tiles in the same places when somebody talks or a hand goes up', async () => {
    const { fake } = await openWindow('room-host');
    const before = screen.getAllByRole('listitem').map((item) => item);
    fake.guest('Ivy Chen', { type: 'raiseHand' });
    await settle();
    const after = screen.getAllByRole('listitem');
    expect(before.every((item) => after.includes(item))).toBe(true);
  });
});

describe('a listener', () => {
  it('raises and lowers the hand with H and sees the place in line', async () => {
    const { user } = await openWindow('room-listener');
    await user.keyboard('h');
    await settle();
    expect(bar().getByRole('button', { name: 'Lower hand' })).toBeTruthy();
    expect(bar().getByText('4th in line')).toBeTruthy();
    expect(polite()).toBe('Your hand is up.');
    await user.keyboard('H');
    await settle();
    expect(bar().getByRole('button', { name: 'Raise hand' })).toBeTruthy();
  });

  it('is told why the hand cannot go up', async () => {
    const { user, fake } = await openWindow('room-hands-off');
    const button = bar().getByRole('button', { name: 'Raise hand' });
    expect(button.getAttribute('aria-disabled')).toBe('true');
    expect(bar().getByText('Hands are off right now.')).toBeTruthy();
    await user.click(button);
    expect(fake.sent).toEqual([]);
  });

  it('has no microphone key', async () => {
    const { user, fake } = await openWindow('room-listener');
    await user.keyboard('m');
    await settle();
    expect(fake.sent).toEqual([]);
    expect(bar().queryByRole('button', { name: /microphone/ })).toBeNull();
  });

  it('is asked before coming on stage, arrives muted and is told so at once', async () => {
    const { user, fake } = await openWindow('room-turn');
    expect(screen.getByRole('dialog', { name: "It's your turn." })).toBeTruthy();
    expect(focused()).toBe('Join the stage');
    await user.keyboard('{Enter}');
    await settle();
    expect(fake.view().call?.microphone).toMatchObject({ open: true, muted: true });
    expect(urgent()).toBe("You're on stage, muted. Press M to speak.");
    expect(screen.queryByRole('dialog')).toBeNull();
  });

  it('may say maybe later, in the words of the kind of invitation', async () => {
    const { user, fake } = await openWindow('room-invited');
    expect(screen.getByRole('dialog', { name: 'Wayan Sudra invited you to speak.' })).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Maybe later' }));
    await settle();
    expect(fake.sent).toEqual(['declineInvitation']);
  });

  it('stays in the audience with an explanation when the system refuses the microphone', async () => {
    const { user, fake } = await openWindow('room-mic-refused');
    await user.click(screen.getByRole('button', { name: 'Join the stage' }));
    await settle();
    expect(fake.view().call?.room.you.role).toBe('listener');
    expect(urgent()).toContain('privacy settings');
    expect(screen.getAllByText(/privacy settings/).length).toBeGreaterThan(1);
  });

  it('keeps typing when an invitation arrives', async () => {
    const { fake, user } = await openWindow('room-listener');
    const field = document.createElement('input');
    document.body.append(field);
    field.focus();
    fake.guest('Wayan Sudra', { type: 'invite', person: ME.id });
    await settle();
    expect(document.activeElement).toBe(field);
    expect(urgent()).toBe('Wayan Sudra invited you to speak.');
    await user.keyboard('hm');
    expect(field.value).toBe('hm');
    expect(fake.sent).toEqual([]);
    field.remove();
  });

  it('leaves with one press, unasked', async () => {
    const { user, fake } = await openWindow('room-listener');
    await user.click(bar().getByRole('button', { name: 'Leave quietly' }));
    await settle();
    expect(fake.sent).toEqual(['leave']);
    expect(screen.getByRole('heading', { level: 1 }).textContent).toContain('Good evening');
  });
});

describe('on stage', () => {
  it('M is the microphone, and the button says what pressing it does', async () => {
    const { user } = await openWindow('room-host');
    await user.keyboard('m');
    await settle();
    expect(bar().getByRole('button', { name: 'Unmute microphone' })).toBeTruthy();
    expect(stage().getByRole('button', { name: 'Ratna Wijaya, you, host, muted' })).toBeTruthy();
    await user.keyboard('m');
    await settle();
    expect(bar().getByRole('button', { name: 'Mute microphone' })).toBeTruthy();
  });

  it('shows the microphone as it is, not as it was asked to be', async () => {
    const { user } = await openWindow('room-no-mic');
    await user.keyboard('m');
    await settle();
    expect(bar().getByRole('button', { name: 'No microphone' })).toBeTruthy();
    expect(urgent()).toContain('No microphone was found');
  });

  it('a standing problem of the microphone is shown once, also when it refuses a press', async () => {
    const { user } = await openWindow('room-no-mic');
    await user.keyboard('m');
    await settle();
    const shown = screen.getAllByText(/No microphone was found/).filter((element) => !element.closest('.said-only'));
    expect(shown).toHaveLength(1);
  });

  it('is told at once when a moderator mutes or moves one', async () => {
    const { fake } = await openWindow('room-speaker');
    fake.guest(ME.name, { type: 'setMuted', muted: false });
    fake.guest('Wayan Sudra', { type: 'mute', person: ME.id });
    await settle();
    expect(urgent()).toBe('Wayan Sudra muted you.');
    fake.guest('Wayan Sudra', { type: 'moveToAudience', person: ME.id });
    await settle();
    expect(urgent()).toBe('You were moved to the audience.');
    expect(bar().getByRole('button', { name: 'Raise hand' })).toBeTruthy();
  });
});

describe('moderating by keyboard', () => {
  it('I invites and D dismisses the hand that has focus', async () => {
    const { user, fake } = await openWindow('room-host');
    const [first, second] = within(screen.getByRole('list', { name: 'Hands' })).getAllByRole('listitem');
    first?.focus();
    await user.keyboard('i');
    await settle();
    expect(fake.room?.named('Dewi Lestari').invitation?.state).toBe('open');
    expect(within(first as HTMLElement).getByRole('button', { name: 'Cancel invitation, Dewi Lestari' })).toBeTruthy();
    second?.focus();
    await user.keyboard('d');
    await settle();
    expect(fake.room?.named('Jonas Weber').handSince).toBeNull();
  });

  it('arrows move between people, Enter opens the actions, Escape closes them where they were', async () => {
    const { user } = await openWindow('room-host');
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
    await openWindow('room-host');
    const tiles = screen.getByRole('list', { name: /^Audience/ }).querySelectorAll('button');
    expect([...tiles].filter((tile) => tile.tabIndex === 0)).toHaveLength(1);
  });

  it('F6 goes through the parts and back', async () => {
    const { user } = await openWindow('room-host');
    const seen: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      await user.keyboard('{F6}');
      seen.push(focused());
    }
    expect(seen[0]).toContain('Ratna Wijaya');
    expect(seen[1]).toContain('Dewi Lestari, listener');
    expect(document.activeElement?.closest('[data-part]')?.getAttribute('data-part')).toBe('stage');
    await user.keyboard('{Shift>}{F6}{/Shift}');
    expect(document.activeElement?.closest('[data-part]')?.getAttribute('data-part')).toBe('bar');
  });

  it('focus goes to the next person when one leaves', async () => {
    const { fake } = await openWindow('room-host');
    const audience = screen.getByRole('list', { name: /^Audience/ });
    within(audience).getByRole('button', { name: /^Arif Nugroho/ }).focus();
    fake.guest('Arif Nugroho', { type: 'leave' });
    await settle();
    expect(focused()).toContain('Hana Sato');
  });

  it('removing asks once and offers a block', async () => {
    const { user, fake } = await openWindow('room-host');
    await user.click(screen.getByRole('button', { name: /^Theo Okafor/ }));
    await user.click(screen.getByRole('button', { name: 'Remove from room' }));
    const dialog = screen.getByRole('dialog', { name: 'Remove Theo Okafor from this room?' });
    expect(fake.sent).toEqual([]);
    await user.click(within(dialog).getByRole('checkbox'));
    await user.click(within(dialog).getByRole('button', { name: 'Remove from room' }));
    await settle();
    expect(fake.room?.guests.some(({ name }) => name === 'Theo Okafor')).toBe(false);
  });
});

describe('leaving as host', () => {
  it('gives one choice, and names who will run the room', async () => {
    const { user, fake } = await openWindow('room-host');
    await user.keyboard('{Control>}l{/Control}');
    await settle();
    const dialog = within(screen.getByRole('dialog', { name: 'You run this room' }));
    expect(dialog.getByText('Bagus Pratama will run the room.')).toBeTruthy();
    await user.click(dialog.getByRole('button', { name: /Hand over to/ }));
    await user.click(screen.getByRole('button', { name: /Theo Okafor Speaker|Theo OkaforSpeaker/ }));
    await settle();
    expect(fake.sent).toEqual(['handOver', 'leave']);
  });

  it('ending asks once for how many people', async () => {
    const { user, fake } = await openWindow('room-host');
    await user.click(bar().getByRole('button', { name: 'Leave quietly' }));
    await user.click(screen.getByRole('button', { name: /End room for everyone/ }));
    await settle();
    expect(screen.getByRole('dialog', { name: 'End this room for 24 people?' })).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'End room for everyone' }));
    await settle();
    expect(fake.view().call).toBeNull();
    expect(screen.getAllByText('The room has ended.').length).toBeGreaterThan(0);
  });

  it('alone is not asked', async () => {
    const { user, fake } = await openWindow('room-alone');
    await user.click(bar().getByRole('button', { name: 'Leave quietly' }));
    await settle();
    expect(fake.sent).toEqual(['leave']);
  });
});

describe('another room while on stage', () => {
  it('is asked once, then the first is left', async () => {
    const { user, fake } = await openWindow('room-speaker');
    await user.click(screen.getByRole('button', { name: /Kelas Bahasa Inggris/ }));
    await settle();
    const dialog = screen.getByRole('dialog', { name: 'You are on stage in another room' });
    await user.click(within(dialog).getByRole('button', { name: 'Leave it and go on' }));
    await settle();
    expect(fake.view().call?.room.title).toBe('Kelas Bahasa Inggris untuk pemula');
    expect(screen.queryByRole('dialog')).toBeNull();
  });
});

describe('the connection', () => {
  it('says reconnecting and being back, once each and at once', async () => {
    const { fake } = await openWindow('room-speaker');
    fake.setConnection('reconnecting');
    await settle();
    expect(urgent()).toBe('Reconnecting…');
    expect(screen.getAllByText('Reconnecting…')).toHaveLength(2);
    fake.setConnection('connected');
    await settle();
    expect(urgent()).toBe('You are connected again.');
    expect(screen.queryByText('Reconnecting…')).toBeNull();
  });

  it('offers to rejoin when the room is gone', async () => {
    const { fake } = await openWindow('room-listener');
    fake.loseRoom();
    await settle();
    expect(screen.getByRole('button', { name: 'Rejoin' })).toBeTruthy();
    expect(urgent()).toBe('You lost the connection.');
  });
});

describe('announcements', () => {
  it('never say who is talking unless asked with T', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    const { user } = await openWindow('room-host', { still: true });
    await vi.advanceTimersByTimeAsync(200);
    expect(polite()).toBe('');
    expect(urgent()).toBe('');
    await user.keyboard('t');
    await settle();
    expect(urgent()).toBe('Ratna Wijaya is talking.');
  });

  it('say hands and who came on stage politely, and never who joined or left', async () => {
    const { fake } = await openWindow('room-host');
    fake.arrive('Somebody New');
    fake.guest('Arif Nugroho', { type: 'leave' });
    await settle();
    expect(polite()).toBe('');
    fake.guest('Ivy Chen', { type: 'raiseHand' });
    await settle();
    expect(polite()).toBe('Ivy Chen raised a hand. 4 in line.');
  });

  it('a name does not change under the cursor because its owner talks', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    await openWindow('room-listener', { still: true });
    const tile = stage().getAllByRole('button')[0] as HTMLElement;
    tile.focus();
    await vi.advanceTimersByTimeAsync(200);
    expect(tile.getAttribute('aria-label')).toBe('Wayan Sudra, host, unmuted');
    tile.blur();
    await settle();
    expect(tile.getAttribute('aria-label')).toBe('Wayan Sudra, host, unmuted, talking');
  });
});

describe('small windows', () => {
  it('narrow: hands come as a sheet that Escape puts away', async () => {
    resizeTo(500, 800);
    const { user } = await openWindow('room-host');
    expect(screen.queryByRole('list', { name: 'Hands' })).toBeNull();
    await user.click(bar().getByRole('button', { name: /^Show hands, 3 hands up/ }));
    await settle();
    expect(screen.getByRole('dialog', { name: 'Hands' })).toBeTruthy();
    await user.keyboard('{Escape}');
    await settle();
    expect(screen.queryByRole('list', { name: 'Hands' })).toBeNull();
  });

  it('mini: who, microphone, leave', async () => {
    resizeTo(420, 72);
    const { user, fake } = await openWindow('room-host');
    expect(screen.getAllByRole('button').map((button) => button.getAttribute('aria-label'))).toEqual([
      'Mute microphone',
      'Leave quietly',
    ]);
    await user.click(screen.getByRole('button', { name: 'Leave quietly' }));
    await settle();
    expect(screen.getByText('Bagus Pratama will run the room.')).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Leave quietly' }));
    await settle();
    expect(fake.sent).toEqual(['leave']);
  });
});

it('closing a hosting window says first how many are cut off', async () => {
  const { user, fake } = await openWindow('room-host');
  fake.askToClose();
  await settle();
  expect(screen.getByRole('dialog', { name: 'Close Serambi?' }).textContent).toContain('23 people in 1 room will be cut off.');
  await user.click(screen.getByRole('button', { name: 'Close anyway' }));
  expect(fake.sent).toEqual(['closeWindow']);
});

it('? lists the keys', async () => {
  const { user } = await openWindow('room-host');
  await user.keyboard('?');
  await settle();
  expect(within(screen.getByRole('dialog', { name: 'Keys' })).getByText('Mute or unmute')).toBeTruthy();
});
