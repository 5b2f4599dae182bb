/** What misled people who tried Serambi for the first time: each of these was seen, and is not seen any more. */
import { screen, within } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';
import type { CallView, Connection } from '../../src/backend/backend';
import { firstName, initials, shortNames } from '../../src/state/names';
import { isSameHouse, linkToRoom, pageOf, reachOf } from '../../src/state/reach';
import { atHome, idOf, inRoom, room, windowNamed } from '../fixtures/windows';
import { focused, openWindow, polite, settle, urgent } from './window';

const bar = () => within(screen.getByRole('region', { name: 'Your controls' }));
const toasts = () => [...document.querySelectorAll('.toast p')].map(({ textContent }) => textContent);
const microphone = (change: Partial<CallView['microphone']>) => ({ microphone: { open: true, muted: true, problem: null, ...change } });

describe('handing the room over', () => {
  it('asks once: one press in the menu of a person gives nothing away', async () => {
    const { user, fixture } = await openWindow('host of a lively evening');
    await user.click(screen.getByRole('button', { name: /^Mei Lin, speaker/ }));
    await user.click(screen.getByRole('button', { name: 'Hand over the room' }));
    await settle();
    expect(fixture.sent).toEqual([]);
    const dialog = within(screen.getByRole('dialog', { name: 'Who should run the room?' }));
    expect(dialog.getByRole<HTMLInputElement>('radio', { name: /^Mei Lin/ }).checked).toBe(true);
    expect(dialog.getByText('Only the new host can give it back.')).toBeTruthy();
    await user.click(dialog.getByRole('button', { name: 'Hand over the room' }));
    expect(fixture.commands).toEqual([{ type: 'handOver', person: idOf('Mei Lin') }]);
  });
});

describe('a page that came through a gate', () => {
  it.each(['link in a browser through a gate', 'house in a browser through a gate'] as const)('says whom one has to trust: %s', async (name) => {
    await openWindow(name);
    await settle();
    expect(screen.getByText(/^You reach this house through a gate: whoever runs gate\.serambi\.example:7410 can read and change/)).toBeTruthy();
  });

  it('and one of the house itself does not', async () => {
    await openWindow('link in a browser');
    await settle();
    expect(screen.queryByText(/gate/)).toBeNull();
    expect(screen.getByText(/sends this page and the sound/)).toBeTruthy();
  });
});

describe('a room that ended with the program', () => {
  const told = () => document.querySelector('.strip strong')?.textContent ?? null;

  it('is told at home and begins again at a press', async () => {
    const { user, fixture } = await openWindow('home after the program was killed');
    expect(told()).toBe('Your room “Evening on the porch” ended when Serambi stopped.');
    expect(polite()).toBe(told());
    await user.click(screen.getByRole('button', { name: 'Start it again' }));
    expect(fixture.sent).toEqual(['startAgain']);
  });

  it('can be put away, and is gone once one is in a room', async () => {
    const { user } = await openWindow('home after the program was killed');
    const strip = within(document.querySelector('.strip') as HTMLElement);
    await user.click(strip.getByRole('button', { name: 'Close' }));
    expect(told()).toBeNull();
    document.body.replaceChildren();
    const again = await openWindow('home after the program was killed');
    const { room: view, call } = windowNamed('alone host');
    if (view && call) again.fixture.open(call, view);
    await settle();
    again.fixture.update({ type: 'none' });
    await settle();
    expect(told()).toBeNull();
  });

  it('has no title where it never had one', async () => {
    await openWindow({ ...windowNamed('home'), interrupted: '' });
    expect(told()).toBe('Your room ended when Serambi stopped.');
  });
});

describe('a link', () => {
  it.each([
    ['serambi://127.0.0.1:7410/r/a?pin=x', 'thisComputer'],
    ['serambi://[::1]:7410/r/a?pin=x', 'thisComputer'],
    ['serambi://192.168.1.20:7410/r/a?pin=x', 'thisNetwork'],
    ['serambi://172.31.0.9:7410/r/a?pin=x', 'thisNetwork'],
    ['serambi://172.32.0.9:7410/r/a?pin=x', 'further'],
    ['serambi://100.70.1.1:7410/r/a?pin=x', 'thisNetwork'],
    ['serambi://[fe80::1]:7410/r/a?pin=x', 'thisNetwork'],
    ['serambi://[fd12::1]:7410/r/a?pin=x', 'thisNetwork'],
    ['serambi://porch.local:7410/r/a?pin=x', 'thisNetwork'],
    ['serambi://fdroid:7410/r/a?pin=x', 'further'],
    ['serambi://house.example:7410/r/a?pin=x', 'further'],
    ['serambi://10.0.0.4:7410/r/a?pin=x&via=203.0.113.9:7410', 'further'],
    ['serambi://127.0.0.1:7410/r/a?pin=x&via=10.0.0.4:7410', 'thisNetwork'],
    ['serambi://10.0.0.4:7410/r/a?pin=x&key=k&gate=gate.example:7410', 'further'],
    ['serambi://10.0.0.4:7410/r/a?pin=x&gate=gate.example:7410', 'thisNetwork'],
  ] as const)('%s reaches %s', (link, reach) => expect(reachOf(link)).toBe(reach));

  it.each([
    ['serambi://192.168.1.20:7410/r/abc?pin=x&via=10.0.0.4:7410', 'http://192.168.1.20:7410/r/abc'],
    ['serambi://[fd12::1]:7410/r/abc?pin=x', 'http://[fd12::1]:7410/r/abc'],
    ['serambi://127.0.0.1:7410/r/abc?pin=x', 'http://127.0.0.1:7410/r/abc'],
    ['serambi://house.example:7410/r/abc?pin=x', 'https://house.example:7410/r/abc'],
    ['serambi://10.evil.example:7410/r/abc?pin=x', 'https://10.evil.example:7410/r/abc'],
    ['serambi://rooms.example:443/r/abc', 'https://rooms.example/r/abc'],
    ['serambi://100.70.1.1:7410/r/abc?pin=x', 'https://100.70.1.1:7410/r/abc'],
    ['serambi://192.168.1.20:7410?pin=x', null],
    ['serambi://10.1.2.2:7410/r/abc?pin=x&via=127.0.0.1:7410&key=K&gate=gate.example:7410&gatepin=y', 'https://gate.example:7410/h/K/r/abc'],
    ['serambi://gate.example:7410/r/abc?pin=x&key=K&gate=gate.example:7410', 'https://gate.example:7410/h/K/r/abc'],
    ['serambi://house.example:7410/r/abc?pin=x&key=K&gate=gate.example:7410', 'https://house.example:7410/r/abc'],
    ['serambi://10.1.2.2:7410/r/abc?pin=x&gate=gate.example:7410', 'http://10.1.2.2:7410/r/abc'],
  ] as const)('%s opens in a browser at %s', (link, page) => expect(pageOf(link)).toBe(page));

  it('belongs to a house by its pin, and is made for a room of it', () => {
    expect(isSameHouse('serambi://a:1?pin=x', 'serambi://b:2/r/room?via=c:3&pin=x')).toBe(true);
    expect(isSameHouse('serambi://a:1?pin=x', 'serambi://a:1?pin=xy')).toBe(false);
    expect(isSameHouse('serambi://a:1', 'serambi://a:1')).toBe(false);
    for (const house of ['serambi://a:1?pin=x&via=b:2', 'serambi://a:1/?pin=x&via=b:2']) {
      expect(linkToRoom(house, 'room222222')).toBe('serambi://a:1/r/room222222?pin=x&via=b:2');
    }
  });

  it('by name belongs to the house of that name', () => {
    expect(isSameHouse('serambi://rooms.example:443', 'serambi://Rooms.example:443/r/room222222')).toBe(true);
    expect(isSameHouse('serambi://rooms.example:443', 'serambi://other.example:443')).toBe(false);
    expect(isSameHouse('serambi://rooms.example:443', 'serambi://rooms.example:443?pin=x')).toBe(false);
    expect(linkToRoom('serambi://rooms.example:443', 'room222222')).toBe('serambi://rooms.example:443/r/room222222');
  });

  it('says in the same breath that it works on this network only', async () => {
    const { user, fixture } = await openWindow('host on a private network');
    await user.click(screen.getByRole('button', { name: 'Invite' }));
    const dialog = within(screen.getByRole('dialog', { name: 'Link to this room' }));
    expect(dialog.getByText('Works on this network only.')).toBeTruthy();
    await user.click(dialog.getByRole('button', { name: 'Copy' }));
    await settle();
    expect(dialog.getAllByText('Copied. It works on this network only.').length).toBeGreaterThan(0);
    await user.click(dialog.getByRole('button', { name: 'Reach me from anywhere' }));
    await settle();
    expect(document.activeElement).toBe(within(screen.getByRole('dialog', { name: 'Settings' })).getByLabelText('Link of a gate'));
    expect(fixture.sent).toEqual(['callablePeople']);
  });

  it.each([
    ['host through a gate', 'People anywhere can come in, through a gate.', /&gate=gate\.serambi\.example:7410$/],
    ['host whom everybody reaches', 'People anywhere can come in.', /^serambi:\/\/203\.0\.113\.7:42117\/r\//],
  ] as const)('says that people anywhere can come, with the way in it: %s', async (name, words, way) => {
    const { user } = await openWindow(name);
    await user.click(screen.getByRole('button', { name: 'Invite' }));
    const dialog = within(screen.getByRole('dialog', { name: 'Link to this room' }));
    expect(dialog.getByText(words)).toBeTruthy();
    expect(dialog.getByRole<HTMLInputElement>('textbox', { name: 'Link to this room' }).value).toMatch(way);
    expect(dialog.queryByText('Works on this network only.')).toBeNull();
    await user.click(dialog.getByRole('button', { name: 'Copy' }));
    await settle();
    expect(dialog.queryByText('Copied. It works on this network only.')).toBeNull();
  });

  it('follows the house: a gate that is lost while the link is shown', async () => {
    const { user, fixture } = await openWindow('host through a gate');
    await user.click(screen.getByRole('button', { name: 'Invite' }));
    fixture.changeApp({ reach: atHome });
    await settle();
    const dialog = within(screen.getByRole('dialog', { name: 'Link to this room' }));
    expect(dialog.getByText('Works on this network only.')).toBeTruthy();
    expect(dialog.getByRole<HTMLInputElement>('textbox', { name: 'Link to this room' }).value).not.toContain('gate=');
  });

  it('is not held out where it leads nobody anywhere', async () => {
    const { user } = await openWindow('host without network');
    await user.click(screen.getByRole('button', { name: 'Invite' }));
    const dialog = screen.getByRole('dialog', { name: 'Link to this room' });
    expect(within(dialog).getByText(/^This computer has no network, so there is no link to give/)).toBeTruthy();
    expect(dialog.querySelector('input, textarea, details')).toBeNull();
    expect(dialog.innerHTML).not.toContain('127.0.0.1');
  });
});

describe('what is not heard is not green', () => {
  const button = () => bar().getByRole('button', { name: /icrophone/ });

  it('without a microphone, though nobody muted it', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    expect(button().className).toMatch(/\bopen\b/);
    fixture.changeCall(microphone({ open: false, muted: false, problem: 'no_microphone' }));
    await settle();
    expect(button().textContent).toContain('No microphone');
    expect(button().className).not.toMatch(/\bopen\b/);
    expect(button().querySelector('.lucide-mic-off')).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Ratna Wijaya, you, host, muted' })).toBeTruthy();
  });

  it.each(['soundReconnecting', 'reconnecting', 'lost'] as const)('while the sound is down (%s)', async (type) => {
    const { fixture } = await openWindow('host of a lively evening');
    fixture.changeCall({ connection: { type } as Connection });
    await settle();
    expect(button().className).not.toMatch(/\bopen\b/);
    expect(button().getAttribute('aria-label')).toBe('Mute microphone');
  });

  it('stays so while only hands and buttons are away: voices go out', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    fixture.changeCall({ connection: { type: 'houseReconnecting' } });
    await settle();
    expect(button().className).toMatch(/\bopen\b/);
  });
});

describe('while the house is away', () => {
  it('the hand says so and is not raised into nothing', async () => {
    const { user, fixture } = await openWindow('listener on a lively evening');
    fixture.changeCall({ connection: { type: 'reconnecting' } });
    await settle();
    const hand = bar().getByRole('button', { name: 'Raise hand' });
    expect(hand.getAttribute('aria-disabled')).toBe('true');
    expect(bar().getByText('Reconnecting…')).toBeTruthy();
    await user.click(hand);
    expect(fixture.sent).toEqual([]);
    expect(screen.getByRole('main').className).toContain('stale');
  });

  it('words in the place of the number of people come and go without moving anybody', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    const facts = () => screen.getByRole('banner').querySelector('.facts')?.textContent.trim();
    expect(facts()).toMatch(/^23 here/);
    fixture.changeCall({ connection: { type: 'houseRestarting' } });
    await settle();
    expect(facts()).toBe('The house is restarting…');
    expect(document.querySelector('.strip')).toBeNull();
  });
});

it('a lost connection does not say how many are here', async () => {
  await openWindow('lost');
  expect(screen.getByRole('banner').textContent).not.toContain('here');
  expect(bar().getByRole('button', { name: 'Raise hand' }).getAttribute('aria-disabled')).toBe('true');
});

describe('a message is withdrawn when it is over', () => {
  it('“you are muted” with the first unmuting', async () => {
    const { fixture } = await openWindow('speaker on a lively evening');
    fixture.events?.noticed({ type: 'mutedBy', by: 'Ratna Wijaya' });
    fixture.changeCall(microphone({ muted: true }));
    await settle();
    expect(toasts()).toEqual(['Ratna Wijaya muted you.']);
    fixture.changeCall(microphone({ muted: false }));
    await settle();
    expect(toasts()).toEqual([]);
  });

  it('a raised hand with that hand', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    fixture.events?.noticed({ type: 'handRaised', name: 'Dewi Lestari', count: 3 });
    await settle();
    expect(toasts()).toEqual(['Dewi Lestari raised a hand. 3 in line.']);
    const remove = [idOf('Dewi Lestari')];
    fixture.update({ type: 'room', now: 2_300_000, changes: [{ topic: 'hands', list: { upsert: [], remove } }] });
    await settle();
    expect(toasts()).toEqual([]);
  });

  it('but not before it was so: a notice may come ahead of the change it is about', async () => {
    const { fixture } = await openWindow('host of a lively evening');
    fixture.events?.noticed({ type: 'handRaised', name: 'Ivy Chen', count: 4 });
    fixture.update({ type: 'room', now: 2_300_000, changes: [{ topic: 'counts', record: { listeners: 19 } }] });
    await settle();
    expect(toasts()).toHaveLength(1);
  });

  it('that a voice arrives is not said where nobody else is', async () => {
    const { fixture } = await openWindow('alone host');
    fixture.events?.callMeasured({ delays: [], voiceReceived: { by: 1, of: 1 }, clockErrorMs: null });
    await settle();
    expect(screen.queryByText(/^reaches/)).toBeNull();
  });
});

describe('home', () => {
  it('asks for a link where none was pasted', async () => {
    const { user, fixture } = await openWindow('home');
    await user.click(screen.getByRole('button', { name: 'Join' }));
    await settle();
    expect(urgent()).toBe('Paste a link first.');
    expect(fixture.sent).toEqual([]);
  });

  it('says that there is no network', async () => {
    vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
    await openWindow('home empty');
    expect(screen.getByText('You are not on a network. Rooms on this computer still work.')).toBeTruthy();
    expect(screen.queryByText(/It's quiet on this network/)).toBeNull();
  });
});

describe('names', () => {
  it('tell people apart in what little room there is', () => {
    const people = ['Guest 20', 'Guest 21', 'Dr. Maximilian-Alexander Graf', 'J. Doe'].map((name) => ({ id: name, name }));
    expect([...shortNames(people).values()]).toEqual(['Guest 20', 'Guest 21', 'Maximilian-Alexander', 'J. Doe']);
    expect(initials('Dr. Maximilian-Alexander Graf')).toBe('MG');
    expect(firstName('Dr.')).toBe('Dr.');
  });

  it('begin with the own one, also beyond those that are listed', async () => {
    const { user } = await openWindow('listener second in line');
    const first = within(screen.getByRole('list', { name: /^Audience/ })).getAllByRole('button')[0];
    expect(first?.getAttribute('aria-label')).toBe('Jonas Weber, you, listener, hand raised, 2nd in line');
    await user.keyboard('{F6}{F6}');
    expect(focused()).toContain('Jonas Weber, you');
    document.body.replaceChildren();
    const crowd = room('listener in a crowd');
    await openWindow(inRoom({ ...crowd, audience: crowd.audience.filter(({ id }) => id !== crowd.you.id) }));
    expect(screen.getByRole('button', { name: /^Ratna Wijaya, you, listener/ })).toBeTruthy();
  });
});

describe('one next thing to do', () => {
  const filled = () => [...document.querySelectorAll('.button.act')].map(({ textContent }) => textContent?.trim());

  it('is the invitation of others while nobody listens', async () => {
    await openWindow('alone host');
    expect(filled()).toEqual(['Invite']);
  });

  it('is the first hand that is up', async () => {
    await openWindow('host of a lively evening');
    expect(filled()).toEqual(['Invite to speak']);
    expect(document.querySelector('.button.act')?.getAttribute('aria-label')).toBe('Invite to speak, Dewi Lestari');
  });

  it('is to come on stage for whoever is invited', async () => {
    await openWindow('invited listener');
    expect(filled()).toEqual(['Join the stage']);
  });
});

describe('a title', () => {
  it('that is too long is not cut without a word', async () => {
    const { user } = await openWindow('home empty');
    await user.click(screen.getByRole('button', { name: 'Start a room' }));
    const field = screen.getByLabelText<HTMLInputElement>('Title');
    await user.click(field);
    await user.paste('x'.repeat(85));
    expect(screen.getByText('15 characters left')).toBeTruthy();
    await user.paste('y'.repeat(16));
    expect(screen.getByText('1 character too many')).toBeTruthy();
    expect(field.value).toHaveLength(101);
  });

  it('is too long by characters, not by what they take', async () => {
    const welcome = windowNamed('welcome');
    const { user } = await openWindow(welcome);
    await user.click(screen.getByRole('textbox'));
    await user.paste('👩'.repeat(60));
    expect(screen.getByText('4 characters left')).toBeTruthy();
  });
});

it('ending a room for nobody else names no number', async () => {
  const { user } = await openWindow('alone host');
  await user.click(screen.getByRole('button', { name: 'More' }));
  await user.click(screen.getByRole('menuitem', { name: 'End room for everyone' }));
  expect(screen.getByRole('dialog', { name: 'End this room?' })).toBeTruthy();
});
