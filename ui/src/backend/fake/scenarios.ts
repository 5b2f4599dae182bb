/** Every state a person can find the window in, by name: `?scenario=room-host`. */
import type { AppView, Code, Connection, FoundRoom, RoomCard, SavedHouse } from '../backend';
import { FakeRoom } from './house';
import { crowd, idOf, listeners, longNames, ME } from './people';
import { calmSound, headset, studio, usualSound, type SoundScenario } from './sound';

export type Scenario = SoundScenario & {
  name: string | null;
  found: FoundRoom[];
  saved: SavedHouse[];
  room: FakeRoom | null;
  connection: Connection;
  microphoneProblem: Code | null;
  view: Partial<AppView>;
  searching: boolean;
  discoveryProblem: Code | null;
  /** The app never answers, or refuses to open. */
  opening: 'at once' | 'never' | Code;
  /** What joining any room gives. */
  joining: Code | null;
  acceptingProblem: Code | null;
  closeAsked: boolean;
};

export const MY_PIN = 'qL0o1cQbTbGJr2wzKyy3Dkq0pRbCOmRrEUpYt0Rz8vA';
const NETWORK_PIN = 'n3Zb8UuPPbq4vYcSxgVbo1FdXgyTk0mSIZs2cQxWm4E';
const RUST_PIN = 'r7Yh2bLwTTq8e1nVJmcPz4sKx0uFoHgDai5tEvRBwCk';
const ARCHITECTS_PIN = 'a1Wd6kXcQn0fZsLrVtMj3yUbE9hPgTiKo7CqBpHxJ2s';

const MINUTE_MS = 60_000;

/** What a scenario is made from: a clock for a room that began so long ago, and how many listen on a usual evening. */
export type Setting = { at: (startedAgoMs: number) => () => number; listening: number };

export function calm(): Scenario {
  return {
    ...calmSound(),
    name: ME.name,
    found: [],
    saved: [],
    room: null,
    connection: 'connected',
    microphoneProblem: null,
    view: {},
    searching: false,
    discoveryProblem: null,
    opening: 'at once',
    joining: null,
    acceptingProblem: null,
    closeAsked: false,
  };
}

function card(id: string, title: string, stage: string[], listening: number): RoomCard {
  return { id, title, host: stage[0] ?? '', stage: stage.map((name) => ({ id: idOf(name), name })), listeners: listening };
}

const porch = card('porch00000', 'Evening on the porch', ['Rani Wulandari', 'Bagus Pratama', 'Mei Lin', 'Theo Okafor'], 58);
const english = card('kelas00000', 'Kelas Bahasa Inggris untuk pemula', ['Sari Putri', 'Tom Baker'], 15);
const review = card('review0000', '周五设计评审', ['李晓雨', 'Hana Sato', 'Arif Nugroho'], 6);
const rust = [
  card('rust000001', 'Async tanpa pusing', ['Eka Saputra', 'Noor Ali'], 31),
  card('rust000002', 'Tanya jawab mingguan', ['Citra Dewanti'], 12),
  card('rust000003', '', ['Fajar Hidayat'], 0),
];

function onNetwork(room: RoomCard, houseName: string): FoundRoom {
  return { house: NETWORK_PIN, houseName, mine: false, card: room };
}

function neighbours(): Pick<Scenario, 'found' | 'saved'> {
  return {
    found: [onNetwork(english, 'Rumah Sari'), onNetwork(review, '设计组')],
    saved: [
      { pin: RUST_PIN, name: 'Rust Jakarta', link: `serambi://192.0.2.7:7410/?pin=${RUST_PIN}`, rooms: rust },
      { pin: ARCHITECTS_PIN, name: 'Perkumpulan Arsitek', link: `serambi://192.0.2.9:7410/?pin=${ARCHITECTS_PIN}`, rooms: [] },
    ],
  };
}

/** The evening of the pictures: four on stage, 58 listening, three hands. `me` says who looks. */
function evening(setting: Setting, me: 'host' | 'moderator' | 'speaker' | 'listener', listening = setting.listening): FakeRoom {
  const room = new FakeRoom('porch00000', 'Evening on the porch', setting.at(38 * MINUTE_MS));
  const names = { host: 'Ratna Wijaya', moderator: 'Bagus Pratama', speaker: 'Mei Lin', listener: 'Sari Putri' };
  const id = (name: string) => (name === names[me] ? ME.id : idOf(name));
  if (me !== 'host') names.host = 'Wayan Sudra';
  const named = (name: string) => (name === names[me] ? ME.name : name);
  room.enter(id(names.host), named(names.host), 'host', false);
  room.enter(id('Bagus Pratama'), named('Bagus Pratama'), 'moderator', false);
  room.enter(id('Mei Lin'), named('Mei Lin'), 'speaker', true);
  room.enter(id('Theo Okafor'), named('Theo Okafor'), 'speaker', false);
  const known = new Set(room.guests.map(({ name }) => name));
  for (const name of crowd(listening + 1).filter((name) => !known.has(name)).slice(0, listening)) room.enter(id(name), named(name));
  raise(room, 'Dewi Lestari', 140_000);
  raise(room, 'Jonas Weber', 75_000);
  raise(room, '李晓雨', 20_000);
  return room;
}

function raise(room: FakeRoom, name: string, agoMs: number): void {
  room.named(name).handSince = room.now - agoMs;
}

function alone(setting: Setting): FakeRoom {
  const room = new FakeRoom('alone00000', '', setting.at(0));
  room.enter(ME.id, ME.name, 'host');
  return room;
}

function withInvitation(room: FakeRoom, answersHand: boolean): FakeRoom {
  const me = room.guest(ME.id);
  if (me) me.invitation = { by: 'Wayan Sudra', answersHand, until: room.now + 60_000, state: 'open' };
  return room;
}

function fullStage(setting: Setting): FakeRoom {
  const room = evening(setting, 'host', 40);
  for (const guest of room.audience.slice(10, 18)) Object.assign(guest, { role: 'speaker' });
  return room;
}

function longRoom(setting: Setting): FakeRoom {
  const room = new FakeRoom(
    'long000000',
    'Percakapan panjang tentang segala sesuatu yang terjadi di beranda rumah kita setiap malam Jumat Kliwon',
    setting.at(3 * 60 * MINUTE_MS),
  );
  room.enter(ME.id, ME.name, 'host', false);
  longNames.forEach((name, n) => room.enter(idOf(name), name, n === 0 ? 'moderator' : 'speaker', n % 2 === 0));
  for (const name of longNames) room.enter(idOf(`${name}2`), name);
  for (const name of listeners.slice(0, 20)) room.enter(idOf(name), name);
  for (const guest of room.audience.slice(0, 3)) guest.handSince = room.now - 90_000;
  return room;
}

function emptyStage(setting: Setting): FakeRoom {
  const room = new FakeRoom('quiet00000', 'Evening on the porch', setting.at(50 * MINUTE_MS));
  for (const name of listeners.slice(0, 6)) room.enter(idOf(name), name);
  room.enter(ME.id, ME.name);
  room.host = 'Wayan Sudra';
  room.endsAt = room.now + 5 * MINUTE_MS;
  return room;
}

export const scenarios = {
  welcome: () => ({ name: null, ...neighbours() }),
  home: () => ({ found: [onNetwork(porch, 'Rumah Bagus'), ...neighbours().found], saved: neighbours().saved }),
  'home-empty': () => ({}),
  'home-searching': () => ({ searching: true }),
  'home-offline': () => ({
    discoveryProblem: 'internal' as const,
    saved: neighbours().saved.map((house) => ({ ...house, rooms: null })),
  }),
  'home-port-taken': () => ({ ...neighbours(), view: { problem: { code: 'port_taken' as const, detail: '7410' } } }),
  'home-long': () => ({
    name: longNames[0] ?? '',
    found: longNames.map((name, n) => onNetwork(card(`long00000${n}`, name.repeat(2).slice(0, 100), longNames, 1000), name)),
    saved: longNames.map((name, n) => ({ pin: `${n}`.repeat(43), name, link: '', rooms: n % 2 ? [] : null })),
  }),
  loading: () => ({ opening: 'never' as const }),
  broken: () => ({ opening: 'profile_broken' as const }),
  full: () => ({ ...neighbours(), joining: 'rate_limited' as const }),
  blocked: () => ({ ...neighbours(), joining: 'blocked' as const }),
  unreachable: () => ({ ...neighbours(), joining: 'house_unreachable' as const }),
  link: () => ({ ...neighbours(), view: { openedLink: linkTo('kelas00000') } }),
  'link-stale': () => ({ ...neighbours(), view: { openedLink: linkTo('nowhere000') } }),
  'room-host': (setting: Setting) => ({ ...neighbours(), room: evening(setting, 'host') }),
  'room-alone': (setting: Setting) => ({ ...neighbours(), room: alone(setting) }),
  'room-moderator': (setting: Setting) => ({ ...neighbours(), room: evening(setting, 'moderator') }),
  'room-speaker': (setting: Setting) => ({ ...neighbours(), room: evening(setting, 'speaker') }),
  'room-listener': (setting: Setting) => ({ ...neighbours(), room: evening(setting, 'listener') }),
  'room-hand': (setting: Setting) => {
    const room = evening(setting, 'listener');
    raise(room, ME.name, 5_000);
    return { ...neighbours(), room };
  },
  'room-hands-off': (setting: Setting) => {
    const room = evening(setting, 'listener');
    room.scope = 'off';
    return { ...neighbours(), room };
  },
  'room-dismissed': (setting: Setting) => {
    const room = evening(setting, 'listener');
    const me = room.guest(ME.id);
    if (me) me.handBlockedUntil = room.now + 30_000;
    return { ...neighbours(), room };
  },
  'room-invited': (setting: Setting) => ({ ...neighbours(), room: withInvitation(evening(setting, 'listener'), false) }),
  'room-turn': (setting: Setting) => ({ ...neighbours(), room: withInvitation(evening(setting, 'listener'), true) }),
  'room-mic-refused': (setting: Setting) => ({
    ...neighbours(),
    room: withInvitation(evening(setting, 'listener'), true),
    acceptingProblem: 'microphone_refused' as const,
  }),
  'room-no-mic': (setting: Setting) => ({
    ...neighbours(),
    room: evening(setting, 'speaker'),
    microphoneProblem: 'no_microphone' as const,
  }),
  'room-stage-full': (setting: Setting) => ({ ...neighbours(), room: fullStage(setting) }),
  'room-crowd': (setting: Setting) => ({ ...neighbours(), room: evening(setting, 'host', 1000) }),
  'room-long': (setting: Setting) => ({ ...neighbours(), room: longRoom(setting) }),
  'room-waiting': (setting: Setting) => ({ ...neighbours(), room: emptyStage(setting) }),
  'room-reconnecting': (setting: Setting) => ({
    ...neighbours(),
    room: evening(setting, 'speaker'),
    connection: 'reconnecting' as const,
  }),
  'room-lost': (setting: Setting) => ({ ...neighbours(), room: evening(setting, 'listener'), connection: 'lost' as const }),
  'room-voices': (setting: Setting) => ({
    ...neighbours(),
    room: evening(setting, 'listener'),
    sound: {
      ...usualSound(),
      voices: [
        [idOf('Mei Lin'), { volumePercent: 100, muted: true }],
        [idOf('Theo Okafor'), { volumePercent: 150, muted: false }],
      ] as [string, { volumePercent: number; muted: boolean }][],
    },
  }),
  'sound-missing': () => ({
    ...neighbours(),
    sound: {
      ...usualSound(),
      microphone: { type: 'named' as const, device: studio },
      loudspeaker: { type: 'given' as const, name: 'heard.wav' },
      mode: 'music' as const,
      echo: 'off' as const,
    },
  }),
  'sound-none': () => ({ ...neighbours(), devices: { microphones: [], loudspeakers: [] } }),
  'sound-silent-system': () => ({ ...neighbours(), devices: null }),
  'sound-refused': () => ({ ...neighbours(), checkProblem: 'microphone_refused' as const }),
  'sound-noisy': () => ({ ...neighbours(), verdict: 'noisy' as const }),
  'sound-echo': () => ({ ...neighbours(), verdict: 'echo' as const }),
  'sound-telephone': () => ({
    ...neighbours(),
    verdict: 'telephoneQuality' as const,
    sound: { ...usualSound(), microphone: { type: 'named' as const, device: { id: headset.id, name: headset.name } } },
  }),
  'close-asked': (setting: Setting) => ({ ...neighbours(), room: evening(setting, 'host'), closeAsked: true }),
} satisfies Record<string, (setting: Setting) => Partial<Scenario>>;

export type ScenarioName = keyof typeof scenarios;

export function linkTo(room: string): string {
  return `serambi://192.0.2.20:7410/r/${room}?pin=${NETWORK_PIN}`;
}
