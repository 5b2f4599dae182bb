/** The backend of a plain browser: what it says to a house, and what it makes of what the house says. */
import { webcrypto } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AppView, CallUpdate, ClosedReason, Code, Notice, TopicChange } from '../../src/backend/backend';
import { HouseBackend } from '../../src/backend/house';
import { connectionOf, type SoundState } from '../../src/backend/house/connection';
import type { Sound, SoundNeeds } from '../../src/backend/house/sound';
import { room } from '../fixtures/windows';

const PIN = 'n3Zb8UuPPbq4vYcSxgVbo1FdXgyTk0mSIZs2cQxWm4E';
/** Of a gate, and of a house behind it. */
const GATE_PIN = 'g3Zb8UuPPbq4vYcSxgVbo1FdXgyTk0mSIZs2cQxWm4E';
const KEY = 'k3Zb8UuPPbq4vYcSxgVbo1FdXgyTk0mSIZs2cQxWm4E';
const view = room('alone host');

/** The house's half: answers, and the sockets that were opened to it. */
class House {
  asked: { path: string; body: Record<string, string>; key: string | null }[] = [];
  pathnames: string[] = [];
  refuses: Record<string, Code> = {};
  /** How many requests for this path the network loses. */
  loses: Record<string, number> = {};
  domain?: string;
  sockets: Socket[] = [];
  joined = view;

  answer = async (address: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const { pathname } = new URL(String(address));
    if (pathname === '/gate/description') return Response.json({ mediaPort: 7413, pin: GATE_PIN });
    const path = pathname.replace(`/h/${KEY}`, '').replace('/api/v1', '');
    this.pathnames.push(pathname);
    const key = new Headers(init?.headers).get('Authorization');
    this.asked.push({ path, body: JSON.parse(String(init?.body ?? '{}')) as Record<string, string>, key });
    if (this.loses[path]) {
      this.loses[path] -= 1;
      throw new TypeError('network changed');
    }
    const code = this.refuses[path];
    if (code) return Response.json({ code, detail: path }, { status: 400 });
    const answers: Record<string, unknown> = {
      '/house': { pin: PIN, name: 'Rumah', version: '0.1.0', rooms: 0, domain: this.domain },
      '/challenge': { challenge: 'once', pin: PIN },
      '/session': { session: `key-${this.asked.length}` },
      [`/rooms/${view.room.id}/door`]: { door: 'waiting' },
      [`/rooms/${view.room.id}/callable`]: [{ id: 'x', name: 'Dewi', refused: null }],
      '/rooms': init?.method === 'GET' ? [] : { view, seq: 7, media: { url: null, token: 'first' } },
      [`/rooms/${view.room.id}/join`]: { view: this.joined, seq: 3, media: { url: null, token: 'second' } },
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
  readonly pathname: string;
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor(address: string) {
    const { searchParams, pathname } = new URL(address);
    [this.after, this.pathname] = [searchParams.get('after'), pathname];
    Socket.house.sockets.push(this);
  }

  readonly said: unknown[] = [];

  send(text: string): void {
    this.said.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  tellInPassing(word: object): void {
    this.onmessage?.({ data: JSON.stringify(word) });
  }

  tell(seq: number, event: object, about = view.room.id): void {
    this.onmessage?.({ data: JSON.stringify({ type: 'event', seq, room: about, event }) });
  }

  lose(code = 1006): void {
    this.onclose?.({ code });
  }
}

/** The sound of a room, as the media server has it in hand. */
class Listening implements Sound {
  state: SoundState = 'up';
  spoken: [onStage: boolean, unmuted: boolean][] = [];
  grants: string[] = [];
  closed = false;
  readonly needs: SoundNeeds;

  constructor(needs: SoundNeeds, token: string) {
    this.needs = needs;
    this.grants.push(token);
  }

  become(state: SoundState): void {
    this.state = state;
    this.needs.stateChanged();
  }

  speak(onStage: boolean, unmuted: boolean): void {
    this.spoken.push([onStage, unmuted]);
  }

  choose(): void {}

  loudness() {
    return { own: null, people: new Map() };
  }

  restart({ token }: { token: string }): void {
    this.grants.push(token);
  }

  close(): void {
    this.closed = true;
  }
}

/** What a browser is asked for when somebody speaks. */
const microphones = { asked: 0, refuses: null as string | null, track: { stop: vi.fn(), onended: null } };
class Output {
  readonly state = 'running';
  onstatechange = null;
  async setSinkId(): Promise<void> {}
}

let house: House;
let sound: Listening;
let backend: HouseBackend;
let updates: CallUpdate[];
let notices: Notice[];
let closed: ClosedReason[];
let app: AppView | undefined;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  house = new House();
  Socket.house = house;
  vi.stubGlobal('fetch', house.answer);
  vi.stubGlobal('WebSocket', Socket);
  vi.stubGlobal('crypto', webcrypto);
  [updates, notices, closed] = [[], [], []];
  vi.stubGlobal('isSecureContext', true);
  vi.stubGlobal('AudioContext', Output);
  Object.assign(microphones, { asked: 0, refuses: null, track: { stop: vi.fn(), onended: null } });
  const getUserMedia = async () => {
    microphones.asked += 1;
    if (microphones.refuses) throw new DOMException('no', microphones.refuses);
    return { getAudioTracks: () => [microphones.track] };
  };
  vi.stubGlobal('navigator', Object.create(navigator, { mediaDevices: { value: { getUserMedia } } }));
  backend = await makeBackend();
  await backend.listen({
    appChanged: (view) => (app = view),
    callUpdated: ({ update }) => updates.push(update),
    noticed: (notice) => notices.push(notice),
    soundNoticed: () => {},
    callMeasured: () => {},
    callClosed: (reason) => closed.push(reason),
    problem: () => {},
    closeAsked: () => {},
    stayedOpen: () => {},
    roomInterrupted: () => {},
    dialogAsked: () => {},
  });
  await backend.openApp();
  await backend.window.setName('Ratna');
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function makeBackend(address = 'http://127.0.0.1:7410'): Promise<HouseBackend> {
  const at = new URL(address) as unknown as Location;
  return HouseBackend.make(at, async (needs, grant) => (sound = new Listening(needs, grant.token)));
}

const listeners = (listeners: number): TopicChange[] => [{ topic: 'counts', record: { listeners } }];
const changed = (changes: TopicChange[]) => ({ type: 'changed', now: 1_000, changes });
const connections = () => updates.flatMap((update) => (update.type === 'call' ? [update.call.connection.type] : []));

describe('behind a gate', () => {
  beforeEach(async () => {
    house.pathnames = [];
    backend = await makeBackend(`http://127.0.0.1:7410/h/${KEY}/r/${view.room.id}`);
  });

  it('asks for everything under the path of the house', async () => {
    await backend.openApp();
    await backend.window.setName('Ratna');
    await backend.startRoom('Tonight', false);
    expect(house.pathnames.every((path) => path.startsWith(`/h/${KEY}/api/v1/`))).toBe(true);
    expect(house.socket.pathname).toBe(`/h/${KEY}/api/v1/events`);
    await vi.waitFor(() => expect(sound.needs.ownServer).toBe(`ws://127.0.0.1:7410/h/${KEY}`));
  });

  it('says whom one has to trust, and gives the app the way on which one has not to', async () => {
    const opened = await backend.openApp();
    expect(backend.served.gate).toBe('127.0.0.1:7410');
    expect(opened.status === 'ok' && opened.data.openedLink).toBe(
      `serambi://127.0.0.1:7410/r/${view.room.id}?pin=${PIN}&key=${KEY}&gate=127.0.0.1:7410&gatepin=${GATE_PIN}`,
    );
  });
});

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

describe('a request that the network loses', () => {
  it('is sent again when it can be asked twice: the way into a room', async () => {
    const join = `/rooms/${view.room.id}/join`;
    house.loses = { '/challenge': 1, [join]: 2 };
    const named = backend.window.setName('Ratna');
    await vi.advanceTimersByTimeAsync(300);
    expect((await named).status).toBe('ok');
    const joining = backend.joinRoom('', view.room.id, false);
    await vi.advanceTimersByTimeAsync(1_100);
    expect((await joining).status).toBe('ok');
    expect(house.asked.filter(({ path }) => path === join)).toHaveLength(3);
  });

  it('is not when it would be done twice, and says so', async () => {
    house.loses = { '/rooms': 1 };
    const started = await backend.startRoom('Tonight', false);
    expect(started).toMatchObject({ status: 'error', error: { code: 'house_unreachable' } });
  });

  it('with a challenge that the house has seen answered makes a new one', async () => {
    house.refuses = { '/session': 'challenge_expired' };
    const asked = house.asked.length;
    await backend.window.setName('Dewi');
    const challenges = house.asked.slice(asked).filter(({ path }) => path === '/challenge');
    expect(challenges).toHaveLength(2);
  });
});

describe('being told', () => {
  beforeEach(async () => {
    await backend.startRoom('Tonight', false);
    house.socket.open();
  });

  it('begins with the whole room and goes on after its number', () => {
    expect(updates[0]).toMatchObject({ type: 'opened', room: { view: { room: { id: view.room.id } } } });
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
    // The house may have been told so by an earlier page: what opens a microphone is a press here.
    expect(updates.at(-1)).toMatchObject({ type: 'call', call: { microphone: { open: true, muted: true } } });
  });

  it('goes on after the last event when the channel was lost, and says nothing about two seconds', async () => {
    house.socket.tell(8, changed(listeners(1)));
    house.socket.lose();
    await vi.advanceTimersByTimeAsync(300);
    expect(house.socket.after).toBe('8');
    house.socket.open();
    expect(connections().filter((type) => type !== 'connected')).toEqual([]);
  });

  it('says reconnecting after two seconds, lost after sixty, and that it is back', async () => {
    house.refuses[`/rooms/${view.room.id}/join`] = 'house_unreachable';
    house.socket.lose();
    sound.become('down');
    await vi.advanceTimersByTimeAsync(2_100);
    expect(connections().at(-1)).toBe('reconnecting');
    await vi.advanceTimersByTimeAsync(58_000);
    expect(connections().at(-1)).toBe('lost');
    house.socket.open();
    sound.become('up');
    expect(connections().at(-1)).toBe('connected');
  });

  it('says at once that the house restarts, and takes the place back in the room', async () => {
    house.socket.lose(1012);
    expect(connections().at(-1)).toBe('houseRestarting');
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

describe('the own voice', () => {
  const you = (change: object) => house.socket.tell(8 + (seq += 1), changed([{ topic: 'you', record: { ...view.you, ...change } }]));
  let seq = 0;

  beforeEach(async () => {
    seq = 0;
    house.joined = { ...view, you: { ...view.you, role: 'listener' } };
    await backend.joinRoom('', view.room.id, false);
    house.socket.open();
    await vi.advanceTimersByTimeAsync(0);
  });

  it('has no microphone in the audience, and asks for one on the way to the stage', async () => {
    expect(microphones.asked).toBe(0);
    await backend.acceptInvitation();
    expect(microphones.asked).toBe(1);
    expect(house.asked.at(-1)?.body).toEqual({ type: 'acceptInvitation' });
  });

  it.each([
    ['NotAllowedError', 'microphone_refused'],
    ['NotFoundError', 'no_microphone'],
    ['NotReadableError', 'microphone_busy'],
  ])('keeps the invitation where the browser says %s', async (name, code) => {
    microphones.refuses = name;
    const before = house.asked.length;
    const answer = await backend.acceptInvitation();
    expect(answer.status === 'error' && answer.error.code).toBe(code);
    expect(house.asked).toHaveLength(before);
  });

  it('goes out after the person opened it and the house agreed, whichever is told first', async () => {
    await backend.acceptInvitation();
    you({ role: 'speaker', muted: true });
    expect(sound.spoken.at(-1)).toEqual([true, false]);
    await backend.setMuted(false);
    expect(sound.spoken.at(-1)).toEqual([true, false]);
    you({ role: 'speaker', muted: false });
    expect(sound.spoken.at(-1)).toEqual([true, true]);
  });

  it('stops before the house is told that it is muted', async () => {
    await backend.acceptInvitation();
    you({ role: 'speaker', muted: false });
    await backend.setMuted(false);
    expect(sound.spoken.at(-1)).toEqual([true, true]);
    const muting = backend.setMuted(true);
    expect(sound.spoken.at(-1)).toEqual([true, false]);
    await muting;
  });

  it('stays closed after a moderator closed it, whatever the house says, until the person opens it', async () => {
    await backend.acceptInvitation();
    you({ role: 'speaker', muted: false });
    await backend.setMuted(false);
    you({ role: 'speaker', muted: true });
    expect(sound.spoken.at(-1)).toEqual([true, false]);
    you({ role: 'speaker', muted: false });
    expect(sound.spoken.at(-1)).toEqual([true, false]);
    await backend.setMuted(false);
    expect(sound.spoken.at(-1)).toEqual([true, true]);
  });

  it('closes the microphone in the audience, and with the room', async () => {
    await backend.acceptInvitation();
    you({ role: 'speaker', muted: true });
    you({ role: 'listener', muted: true });
    expect(microphones.track.stop).toHaveBeenCalledTimes(1);
    await backend.acceptInvitation();
    house.socket.tell(20, { type: 'closed', reason: 'removed' });
    expect(microphones.track.stop).toHaveBeenCalledTimes(2);
    expect(sound.closed).toBe(true);
  });

  it('is not offered on a page that came over plain HTTP', async () => {
    vi.stubGlobal('isSecureContext', false);
    backend = await makeBackend();
    const told: CallUpdate[] = [];
    await backend.listen({ callUpdated: ({ update }: { update: CallUpdate }) => told.push(update), appChanged: () => {} } as never);
    await backend.joinRoom('', view.room.id, false);
    const opened = told.find((update) => update.type === 'opened');
    expect(opened?.room.view.you.may).not.toContain('raiseHand');
    expect(opened?.room.view.you.refused).toContainEqual({ act: 'raiseHand', code: 'not_secure' });
    const answer = await backend.acceptInvitation();
    expect(answer.status === 'error' && answer.error.code).toBe('not_secure');
    expect(microphones.asked).toBe(0);
  });
});

describe('the sound', () => {
  beforeEach(async () => {
    await backend.startRoom('Tonight', false);
    house.socket.open();
    await vi.advanceTimersByTimeAsync(0);
  });

  it('that is down is said after two seconds, and that it is back', async () => {
    sound.become('down');
    await vi.advanceTimersByTimeAsync(1_900);
    expect(connections().at(-1)).toBe('connected');
    await vi.advanceTimersByTimeAsync(200);
    expect(connections().at(-1)).toBe('soundReconnecting');
    sound.become('up');
    expect(connections().at(-1)).toBe('connected');
  });

  it('that finds no way is said at once', () => {
    sound.become('impossible');
    expect(connections().at(-1)).toBe('soundImpossible');
  });

  it('comes by the new grant when the house was restarted', async () => {
    house.socket.lose(1012);
    await vi.advanceTimersByTimeAsync(300);
    house.socket.lose();
    await vi.advanceTimersByTimeAsync(600);
    expect(sound.grants).toEqual(['first', 'second']);
  });

  it.each([
    ['up', 'up', 'connected'],
    ['up', 'down', 'soundReconnecting'],
    ['up', 'impossible', 'soundImpossible'],
    ['down', 'up', 'houseReconnecting'],
    ['lost', 'up', 'houseReconnecting'],
    ['down', 'down', 'reconnecting'],
    ['lost', 'impossible', 'lost'],
    ['restarting', 'down', 'houseRestarting'],
  ] as const)('%s house and sound %s are %s together', (housed, heard, said) => {
    expect(connectionOf(housed, heard).type).toBe(said);
  });
});

it('a link to another house is refused as such', async () => {
  const other = `serambi://192.0.2.9:7410/r/3333333333?pin=${'x'.repeat(43)}`;
  for (const [link, code] of [['hello', 'link_wrong'], [other, 'house_not_the_one']] as const) {
    const answer = await backend.joinLink(link, false);
    expect(answer.status === 'error' && answer.error.code).toBe(code);
  }
});

describe('doors', () => {
  const card = { id: 'another222', title: 'Tea', host: 'Bagus', stage: [], listeners: 3, locked: true };

  it('who is in a room says that they can be called, is called, and passes or goes there', async () => {
    await backend.startRoom('Tonight', false);
    house.socket.open();
    expect(house.socket.said).toContainEqual({ type: 'callable', callable: true });
    house.socket.tellInPassing({ type: 'called', by: 'Bagus', card });
    expect(app?.called).toEqual({ by: 'Bagus', houseName: 'Rumah', card });
    await backend.passCalled();
    expect(app?.called).toBeNull();
    house.socket.tellInPassing({ type: 'called', by: 'Bagus', card });
    house.refuses['/rooms/another222/join'] = 'on_stage_elsewhere';
    const refused = await backend.joinCalled(false);
    expect(refused.status === 'error' && refused.error.code).toBe('on_stage_elsewhere');
    expect(app?.called, 'it can still be answered').not.toBeNull();
  });

  it('a call into the room one is in is none', async () => {
    await backend.startRoom('Tonight', false);
    house.socket.open();
    house.socket.tellInPassing({ type: 'called', by: 'Bagus', card: { ...card, id: view.room.id } });
    expect(app?.called).toBeNull();
  });

  it('one knocks where a lock refused one, and nowhere else', async () => {
    const nowhere = await backend.knock(true);
    expect(nowhere.status === 'error' && nowhere.error.code).toBe('not_at_door');
    house.refuses[`/rooms/${view.room.id}/join`] = 'room_locked';
    await backend.joinRoom('', view.room.id, false);
    expect(await backend.knock(true)).toEqual({ status: 'ok', data: 'waiting' });
    expect(house.asked.at(-1)).toMatchObject({ path: `/rooms/${view.room.id}/door`, body: { waits: true } });
  });

  it('who is around is asked for as oneself', async () => {
    await backend.startRoom('Tonight', false);
    const around = await backend.callablePeople();
    expect(around.status === 'ok' && around.data).toEqual([{ id: 'x', name: 'Dewi', refused: null }]);
    expect(house.asked.at(-1)?.key).toMatch(/^Bearer key-/);
  });
});

describe('a page that came by the name of the house', () => {
  it.each([
    ['https://rooms.example', 'rooms.example', 'serambi://rooms.example:443/r/3333333333'],
    ['https://rooms.example:7410', 'rooms.example', 'serambi://rooms.example:7410/r/3333333333'],
    ['https://192.0.2.1:7410', 'rooms.example', `serambi://192.0.2.1:7410/r/3333333333?pin=${PIN}`],
    ['https://rooms.example', undefined, `serambi://rooms.example:443/r/3333333333?pin=${PIN}`],
  ])('%s, whose house is certified for %s, gives %s', async (address, domain, link) => {
    house.domain = domain;
    const opened = await (await makeBackend(`${address}/r/3333333333`)).openApp();
    expect(opened.status === 'ok' && opened.data.openedLink).toBe(link);
  });

  it('shows the rooms of links by this name and of no other', async () => {
    house.domain = 'rooms.example';
    const named = await makeBackend('https://rooms.example');
    await named.openApp();
    for (const link of ['serambi://Rooms.example:443', 'https://rooms.example/']) {
      expect((await named.lookAtLink(link)).status).toBe('ok');
    }
    const other = await named.lookAtLink('https://other.example/r/3333333333');
    expect(other.status === 'error' && other.error.code).toBe('house_not_the_one');
  });
});
