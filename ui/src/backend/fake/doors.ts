/** The ways into the imagined rooms: which are known, what a link leads to, and who is there on coming in. */
import type { FoundRoom, Result } from '../backend';
import { FakeRoom, refuse } from './house';
import { crowd, idOf, ME } from './people';
import { MY_PIN, type Scenario } from './scenarios';

/** The own room as the network finds it. */
export function mine({ room, name }: Scenario): FoundRoom[] {
  const isMine = room && (room.guest(ME.id)?.role === 'host' || room.id.startsWith('mine'));
  return isMine ? [{ house: MY_PIN, houseName: name ?? '', mine: true, card: room.card() }] : [];
}

/** Every room there is a way to without a link. */
export function known(scenario: Scenario): FoundRoom[] {
  const saved = scenario.saved.flatMap(({ pin, name, rooms }) =>
    (rooms ?? []).map((card) => ({ house: pin, houseName: name, mine: false, card })),
  );
  return [...mine(scenario), ...scenario.found, ...saved];
}

/** The rooms behind a link: one, or all of its house. */
export function behind(scenario: Scenario, link: string): Result<FoundRoom[]> {
  const parts = /^serambi:\/\/[^/]+\/(?:r\/(\w+))?\?pin=([\w-]{43})/.exec(link.trim());
  if (!parts) return refuse('link_wrong');
  if (scenario.joining === 'house_unreachable') return refuse('house_unreachable');
  const [, room, pin] = parts;
  const rooms = known(scenario).filter((found) => found.house === pin && (!room || found.card.id === room));
  return room && rooms.length === 0 ? refuse('room_not_found') : { status: 'ok', data: rooms };
}

/** Keeps the house of a link, once. */
export function save(scenario: Scenario, link: string): Result<null> {
  const pin = /^serambi:\/\/.*[?&]pin=([\w-]{43})/.exec(link.trim())?.[1];
  if (!pin) return refuse('link_wrong');
  if (!scenario.saved.some((house) => house.pin === pin)) {
    const rooms = known(scenario).filter((found) => found.house === pin);
    const name = rooms[0]?.houseName ?? 'Rumah baru';
    scenario.saved = [...scenario.saved, { pin, name, link: link.trim(), rooms: rooms.map(({ card }) => card) }];
  }
  return { status: 'ok', data: null };
}

/** The room on a card, with as many people as the card says. */
export function opened({ card }: FoundRoom, clock: () => number): FakeRoom {
  const room = new FakeRoom(card.id, card.title, clock);
  card.stage.forEach(({ id, name }, n) => room.enter(id, name, n === 0 ? 'host' : 'speaker', false));
  const taken = new Set(room.guests.map(({ name }) => name));
  for (const name of crowd(card.listeners + taken.size).filter((name) => !taken.has(name)).slice(0, card.listeners)) {
    room.enter(idOf(name), name);
  }
  return room;
}
