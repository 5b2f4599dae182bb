/** The backend of a plain browser: what it says to a house, and what it makes of what the house says. */
import { webcrypto } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CallUpdate, ClosedReason, Code, Notice, TopicChange } from '../../src/backend/backend';
import { HouseBackend } from '../../src/backend/house';
import { room } from '../fixtures/windows';

const PIN = 'n3Zb8UuPPbq4vYcSxgVbo1FdXgyTk0mSIZs2cQxWm4E';
const view = room('alone host');

/** The house's half: answers, and the sockets that were opened to it. */
class House {
  asked: { path: string; body: Record<string, string>; key: string | null }[] = [];
  refuses: Record<string, Code> = {};
  sockets: Socket[] = [];

  answer = async (address: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const path = new URL(String(address)).pathname.replace('/api/v1', '');
    const key = new Headers(init?.headers).get('Authorization');
    this.asked.push({ path, body: JSON.parse(String(init?.body ?? '{}')) as Record<string, string>, key });
    const code = this.refuses[path];
    if (code) return Response.json({ code, detail: path }, { status: 400 });
    const answers: Record<string, unknown> = {
      '/house': { pin: PIN, name: 'Rumah', version: '0.1.0', rooms: 0 },
      '/challenge': { challenge: 'once', pin: PIN },
      '/session': { session: `key-${this.asked.length}` },
      '/rooms': init?.method === 'GET' ? [] : { view, seq: 7, media: { url: null, token: '' } },
      [`/rooms/${view.room.id}/join`]: { view, seq: 3, media: { url: null, token: '' } },
    };
    return path in answers ? Response.json(answers[path]) : new Response(null, { status: 204 });
  };

  get socket(): Socket {
    return this.sockets.at(-1) as Socket;
  }
}

/** One WebSocket, as the house has it in hand. */
class Socket {
  static house: House;
  static readonly OPEN = 1;
  readonly after: string | null;
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor(address: string) {
    this.after = new URL(address).searchParams.get('after');
    Socket.house.sockets.push(this);
  }

  send(): void {}

  close(): void {
    this.readyState = 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  tell(seq: number, event: object, about = view.room.id): void {
    this.onmessage?.({ data: JSON.stringify({ type: 'event', seq, room: about, event }) });
  }

  lose(code = 1006): void {
    this.onclose?.({ code });
  }
}

let house: House;
let backend: HouseBackend;
let updates: CallUpdate[];
let notices: Notice[];
let closed: ClosedReason[];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  house = new House();
  Socket.house = house;
  vi.stubGlobal('fetch', house.answer);
  vi.stubGlobal('WebSocket', Socket);
  vi.stubGlobal('crypto', webcrypto);
  [updates, notices, closed] = [[], [], []];
  backend = await HouseBackend.make({ host: '127.0.0.1:7410', origin: 'http://127.0.0.1:7410', protocol: 'http:' } as Location);
  await backend.listen({
    appChanged: () => {},
    callUpdated: ({ update }) => updates.push(update),
    noticed: (notice) => notices.push(notice),
    soundNoticed: () => {},
    callMeasured: () => {},
    callClosed: (reason) => closed.push(reason),
    problem: () => {},
    closeAsked: () => {},
    stayedOpen: () => {},
    dialogAsked: () => {},
  });
  await backend.openApp();
  await backend.window.setName('Ratna');
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const listeners = (listeners: number): TopicChange[] => [{ topic: 'counts', record: { listeners } }];
const changed = (changes: TopicChange[]) => ({ type: 'changed', now: 1_000, changes });
const connections = () => updates.flatMap((update) => (update.type === 'call' ? [update.call.connection.type] : []));

describe('signing in', () => {
  it('proves the key behind the id to this house, for this challenge', async () => {
    const body = house.asked.find(({ path }) => path === '/session')?.body ?? {};
    expect(body).toMatchObject({ challenge: 'once', name: 'Ratna' });
    expect(body['person']).toMatch(/^[\w-]{43}$/);
    const bytes = (text = '') => Buffer.from(text, 'base64url');
    const key = await webcrypto.subtle.importKey('raw', bytes(body['person']), 'Ed25519', false, ['verify']);
    const text = new TextEncoder().encode(`serambi sign-in 1\n${PIN}\nonce\n`);
    expect(await webcrypto.subtle.verify('Ed25519', key, bytes(body['signature']), text)).toBe(true);
  });

  it('is done anew, once, when the house has forgotten the session', async () => {
    const before = house.asked.length;
    house.refuses['/rooms'] = 'session_expired';
    const answer = await backend.startRoom('Tonight', false);
    expect(answer.status === 'error' && answer.error.code).toBe('session_expired');
    expect(house.asked.slice(before).map(({ path }) => path)).toEqual(['/rooms', '/challenge', '/session', '/rooms']);
    expect(house.asked.at(-1)?.key).not.toBe(house.asked[before]?.key);
  });

  it('with a name that the house refuses leaves the name as it was', async () => {
    house.refuses['/session'] = 'name_too_long';
    const answer = await backend.window.setName('x');
    expect(answer.status === 'error' && answer.error.code).toBe('name_too_long');
  });
});

describe('being told', () => {
  beforeEach(async () => {
    await backend.startRoom('Tonight', false);
    house.socket.open();
  });

  it('begins with the whole room and goes on after its number', () => {
    expect(updates[0]).toMatchObject({ type: 'opened', room: { room: { id: view.room.id } } });
    expect(house.socket.after).toBe('7');
    house.socket.tell(8, changed(listeners(1)));
    expect(updates.at(-1)).toEqual({ type: 'room', now: 1_000, changes: listeners(1) });
  });

  it('passes over what it knows already, other rooms, and what a newer house says', () => {
    const before = updates.length;
    house.socket.tell(7, changed(listeners(9)));
    house.socket.tell(8, changed(listeners(9)), '4444444444');
    house.socket.tell(9, { type: 'from the future' });
    house.socket.onmessage?.({ data: JSON.stringify({ type: 'marks', room: view.room.id, marks: [] }) });
    expect(updates).toHaveLength(before);
  });

  it('takes notices out of the stream, and the microphone from what the house was told', () => {
    const you = { ...view.you, muted: false };
    house.socket.tell(8, changed([{ topic: 'you', record: you }, { topic: 'notices', stream: [{ type: 'youAreHost' }] }]));
    expect(notices).toEqual([{ type: 'youAreHost' }]);
    expect(updates.at(-1)).toMatchObject({ type: 'call', call: { microphone: { open: true, muted: false } } });
  });

  it('goes on after the last event when the channel was lost, and says nothing about two seconds', async () => {
    house.socket.tell(8, changed(listeners(1)));
    house.socket.lose();
    await vi.advanceTimersByTimeAsync(300);
    expect(house.socket.after).toBe('8');
    house.socket.open();
    expect(connections()).toEqual([]);
  });

  it('says reconnecting after two seconds, lost after sixty, and that it is back', async () => {
    house.refuses[`/rooms/${view.room.id}/join`] = 'house_unreachable';
    house.socket.lose();
    await vi.advanceTimersByTimeAsync(2_100);
    expect(connections()).toEqual(['reconnecting']);
    await vi.advanceTimersByTimeAsync(58_000);
    expect(connections()).toEqual(['reconnecting', 'lost']);
    house.socket.open();
    expect(connections()).toEqual(['reconnecting', 'lost', 'connected']);
  });

  it('says at once that the house restarts, and takes the place back in the room', async () => {
    house.socket.lose(1012);
    expect(connections()).toEqual(['houseRestarting']);
    await vi.advanceTimersByTimeAsync(300);
    house.socket.lose();
    await vi.advanceTimersByTimeAsync(600);
    expect(house.asked.at(-1)?.path).toBe(`/rooms/${view.room.id}/join`);
    expect(house.socket.after).toBe('3');
    house.socket.open();
    expect(connections().at(-1)).toBe('connected');
    expect(updates.filter(({ type }) => type === 'opened')).toHaveLength(2);
  });

  it.each([
    ['room_ended', 'ended'],
    ['removed_recently', 'removed'],
  ] as const)('ends when coming back is refused with %s', async (code, reason) => {
    house.refuses[`/rooms/${view.room.id}/join`] = code;
    house.socket.lose();
    await vi.advanceTimersByTimeAsync(300);
    house.socket.lose();
    await vi.advanceTimersByTimeAsync(300);
    expect(closed).toEqual([reason]);
    expect(updates.at(-1)).toEqual({ type: 'none' });
  });

  it('ends with the reason that the house gives, and once', async () => {
    house.socket.tell(8, { type: 'closed', reason: 'failed' });
    expect(closed).toEqual(['failed']);
    await backend.leave();
    expect(closed).toEqual(['failed']);
  });
});

it('a link to another house is refused as such', async () => {
  const other = `serambi://192.0.2.9:7410/r/3333333333?pin=${'x'.repeat(43)}`;
  for (const [link, code] of [['hello', 'link_wrong'], [other, 'house_not_the_one']] as const) {
    const answer = await backend.joinLink(link, false);
    expect(answer.status === 'error' && answer.error.code).toBe(code);
  }
});
