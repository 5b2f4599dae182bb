/** The chat: what is folded, shown, written, deleted, opened and read aloud. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { screen, within } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ChatEvent, ChatMessage } from '../../src/backend/backend';
import { POLITE_EVERY_MS } from '../../src/state/announcer.svelte';
import { CHAT_KEPT, ChatStore, foldChat } from '../../src/state/chat.svelte';
import { piecesOf } from '../../src/state/web_links';
import { idOf } from '../fixtures/windows';
import { resizeTo } from './setup';
import { faults, focused, openWindow, polite, settle } from './window';

type Step = { events: ChatEvent[]; after: ChatMessage[] };
const path = join(import.meta.dirname, '../../../src-tauri/crates/protocol/vectors/chat.json');

const panel = () => screen.getByRole('region', { name: 'Chat' });
const button = () => screen.getByRole('button', { name: /^(Show|Hide) chat/ });
const field = () => screen.getByLabelText('Write a message');
const said = (id: number, person: string, text: string): ChatEvent => ({
  type: 'said',
  message: { id, person: idOf(person), name: person, at: 2_280_000, text },
});

async function openChat(name: Parameters<typeof openWindow>[0] = 'chat of a host') {
  const opened = await openWindow(name);
  await opened.user.keyboard('c');
  await settle();
  return opened;
}

describe('the fold of the chat', () => {
  it('gives what the rules of the room give, told once or twice', () => {
    const steps = JSON.parse(readFileSync(path, 'utf8')) as Step[];
    let [once, twice]: ChatMessage[][] = [[], []];
    for (const { events, after } of steps) {
      for (const event of events) once = foldChat(once ?? [], event);
      for (const event of [...events, ...events]) twice = foldChat(twice ?? [], event);
      expect(once).toEqual(after);
      expect(twice).toEqual(after);
    }
    expect(steps.length).toBeGreaterThan(5);
  });

  it('keeps as many messages as the house, and passes over what is from a newer one', () => {
    let messages: ChatMessage[] = [];
    for (let id = 1; id <= CHAT_KEPT + 5; id += 1) messages = foldChat(messages, said(id, 'Mei Lin', 'hello'));
    expect(messages.map(({ id }) => id)).toEqual(Array.from({ length: CHAT_KEPT }, (_, n) => n + 6));
    expect(foldChat(messages, { type: 'painted', id: 7 } as unknown as ChatEvent)).toEqual(messages);
  });

  it('counts what others wrote since it was looked at, and not what stood there before', () => {
    const chat = new ChatStore(() => idOf('Ratna Wijaya'));
    const before = foldChat([], said(1, 'Mei Lin', 'before'));
    chat.take([{ type: 'opened', messages: before }]);
    expect(chat.unread).toBe(0);
    chat.take([said(2, 'Mei Lin', 'hello'), said(3, 'Ratna Wijaya', 'hi'), said(4, 'Mei Lin', 'oops')]);
    expect(chat.unread).toBe(2);
    chat.take([{ type: 'removed', id: 4 }]);
    expect(chat.unread).toBe(1);
    // The channel was away: the last messages are told anew.
    chat.take([{ type: 'opened', messages: [...chat.messages, ...foldChat([], said(5, 'Mei Lin', 'more'))] }]);
    expect(chat.unread).toBe(2);
    chat.see();
    expect(chat.unread).toBe(0);
  });
});

describe('links in a message', () => {
  const shown = (line: string) => piecesOf(line).map((piece) => (typeof piece === 'string' ? piece : [piece.host, piece.rest]));

  it('are http and https alone, without what ends the sentence', () => {
    expect(shown('see https://example.org/a?b=c#d. And (http://example.net)!')).toEqual([
      'see ', ['example.org', '/a?b=c#d'], '. And (', ['example.net', ''], ')!',
    ]);
    for (const line of ['javascript:alert(1)', 'file:///etc/passwd', 'example.org', 'https://', 'no link']) expect(shown(line)).toEqual([line]);
  });

  it('are shown under the host they lead to, whatever they read like', () => {
    expect(shown('https://bank.example.com@evil.example/x')).toEqual([['evil.example', '/x']]);
    expect(shown('https://b\u0430nk.example/')).toEqual([['xn--bnk-6cd.example', '']]);
  });
});

describe('the chat panel', () => {
  afterEach(() => vi.useRealTimers());

  it('opens by button and by letter with focus in its field, and gives focus back', async () => {
    const { user } = await openWindow('chat of a host');
    expect(screen.queryByRole('region', { name: 'Chat' })).toBeNull();
    await user.click(button());
    await settle();
    expect(document.activeElement).toBe(field());
    expect(await faults()).toEqual([]);
    await user.keyboard('{Escape}');
    await settle();
    expect(focused()).toBe('Show chat');
    await user.keyboard('c');
    await settle();
    expect(document.activeElement).toBe(field());
    // A letter is a letter while one writes.
    await user.keyboard('c');
    expect((field() as HTMLInputElement).value).toBe('c');
  });

  it('shows who wrote what, one\'s own, and what a moderator removed', async () => {
    await openChat();
    const lines = within(panel()).getAllByRole('listitem').map((line) => line.textContent);
    expect(lines).toHaveLength(6);
    expect(lines[0]).toMatch(/^Bagus Pratama \d\d:\d\d.*Selamat malam!/);
    expect(lines[2]).toContain('Removed by a moderator');
    expect(lines[5]).toMatch(/^You .*Thank you, Mei!/);
  });

  it('takes the place of the hands, which come back by their button', async () => {
    const { user } = await openChat();
    expect(screen.queryByRole('region', { name: /^Hands/ })).toBeNull();
    await user.click(screen.getByRole('button', { name: /^Show hands/ }));
    await settle();
    expect(screen.getByRole('region', { name: /^Hands/ })).toBeTruthy();
    expect(screen.queryByRole('region', { name: 'Chat' })).toBeNull();
  });

  it('says with Enter, empties the field once it was said, and keeps what was refused', async () => {
    const { user, fixture } = await openChat();
    await user.keyboard('Good evening, all{Enter}');
    await settle();
    expect(fixture.commands).toEqual([{ type: 'say', text: 'Good evening, all' }]);
    expect((field() as HTMLInputElement).value).toBe('');
    fixture.fixture.refused.command = 'chat_too_fast';
    await user.keyboard('more{Enter}');
    await settle();
    expect((field() as HTMLInputElement).value).toBe('more');
    expect(screen.getAllByText('That was a lot of messages at once. Wait a moment.')[0]).toBeTruthy();
  });

  it('sends nothing that is empty or too long', async () => {
    const { user, fixture } = await openChat();
    await user.keyboard('  {Enter}');
    await user.click(field());
    await user.paste('a'.repeat(501));
    await user.keyboard('{Enter}');
    await settle();
    expect(fixture.commands).toEqual([]);
    expect(within(panel()).getByRole('status').textContent).toContain('1');
  });

  it('keeps what is being written while it is closed', async () => {
    const { user } = await openChat();
    await user.keyboard('half a th{Escape}');
    await settle();
    await user.keyboard('c');
    await settle();
    expect((field() as HTMLInputElement).value).toBe('half a th');
  });

  it('lets moderators remove anything and listeners take back their own', async () => {
    const host = await openChat();
    await host.user.click(within(panel()).getByRole('button', { name: 'More about the message by Bagus Pratama' }));
    await settle();
    expect(await faults()).toEqual([]);
    await host.user.click(screen.getByRole('menuitem', { name: 'Remove message' }));
    await settle();
    expect(host.fixture.commands).toEqual([{ type: 'deleteMessage', id: 1 }]);
    expect(polite()).toContain('Message removed.');
    host.fixture.tellChat({ type: 'removed', id: 1 });
    await settle();
    expect(within(panel()).getAllByText('Removed by a moderator')).toHaveLength(2);
  });

  it('offers a listener no menu but at what they wrote', async () => {
    const { user, fixture } = await openChat('chat of a listener');
    expect(within(panel()).queryByRole('button', { name: /^More about/ })).toBeNull();
    fixture.tellChat(said(7, 'Arif Nugroho', 'oops'));
    await settle();
    await user.click(within(panel()).getByRole('button', { name: 'More about the message by You' }));
    await settle();
    await user.click(screen.getByRole('menuitem', { name: 'Delete message' }));
    expect(fixture.commands).toEqual([{ type: 'deleteMessage', id: 7 }]);
    fixture.tellChat({ type: 'takenBack', id: 7 });
    await settle();
    expect(within(panel()).queryByText('oops')).toBeNull();
  });

  it('opens a link by a press, in the browser of the system', async () => {
    const { user, fixture } = await openChat();
    const link = within(panel()).getByRole('link', { name: 'example.org/porch/14?part=2, opens in your browser' });
    expect(fixture.opened).toEqual([]);
    await user.click(link);
    expect(fixture.opened).toEqual(['https://example.org/porch/14?part=2']);
  });

  it('says why nobody writes while it is off, and shows what was written', async () => {
    await openChat('chat that is off');
    expect(within(panel()).queryByRole('textbox')).toBeNull();
    expect(within(panel()).getByText('The chat is off right now.')).toBeTruthy();
    expect(within(panel()).getAllByRole('listitem')).toHaveLength(6);
    expect(await faults()).toEqual([]);
  });

  it('is empty in words', async () => {
    await openChat('host of a lively evening');
    expect(within(panel()).getByText('Nobody has written anything yet.')).toBeTruthy();
    expect(await faults()).toEqual([]);
  });

  it('is a sheet in a narrow window', async () => {
    resizeTo(500, 800);
    const { user } = await openChat('chat of a listener');
    expect(screen.getByRole('dialog', { name: 'Chat' })).toBeTruthy();
    expect(await faults()).toEqual([]);
    await user.click(screen.getByRole('button', { name: 'Close' }));
    await settle();
    expect(screen.queryByRole('dialog')).toBeNull();
  });

  it('is one of the parts that F6 leads to', async () => {
    const { user } = await openChat();
    await user.keyboard('{F6}');
    expect(panel().contains(document.activeElement)).toBe(false);
    await user.keyboard('{Shift>}{F6}{/Shift}');
    expect(document.activeElement).toBe(field());
  });
});

describe('a message of somebody else', () => {
  afterEach(() => vi.useRealTimers());

  it('is counted at the button while the chat is closed, and neither spoken nor shown', async () => {
    const { user, fixture } = await openWindow('chat of a host');
    expect(focused()).not.toContain('chat');
    const before = document.activeElement;
    fixture.tellChat(said(7, 'Mei Lin', 'hello'), said(8, 'Ratna Wijaya', 'my own'));
    await settle();
    expect(button().getAttribute('aria-label')).toBe('Show chat, 1 new message');
    expect(polite()).toBe('');
    expect(document.activeElement).toBe(before);
    await user.click(button());
    await settle();
    expect(button().getAttribute('aria-label')).toBe('Hide chat');
    await user.click(button());
    await settle();
    expect(button().getAttribute('aria-label')).toBe('Show chat');
  });

  it('is read politely while the chat is open, without taking focus; of many only how many', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    const { fixture } = await openChat();
    const before = document.activeElement;
    fixture.tellChat(said(7, 'Mei Lin', 'hello'));
    await settle();
    expect(polite()).toBe('Mei Lin: hello.');
    expect(document.activeElement).toBe(before);
    fixture.tellChat(...[8, 9, 10, 11].map((id) => said(id, 'Mei Lin', `line ${id}`)));
    await vi.advanceTimersByTimeAsync(POLITE_EVERY_MS);
    await settle();
    expect(polite()).toBe('4 new messages in the chat.');
  });
});

describe('whether there is a chat', () => {
  it('is a switch of the moderators in the menu of the room', async () => {
    const { user, fixture } = await openWindow('chat of a host');
    await user.click(screen.getByRole('button', { name: 'More' }));
    await settle();
    await user.click(screen.getByRole('menuitem', { name: 'Turn chat off' }));
    expect(fixture.commands).toEqual([{ type: 'setSwitch', switch: 'chatOff', on: true }]);
  });
});
