/** What of the window is still true while the own connection is down: nothing may look live that is not. */
import type { Connection } from '../backend/backend';

const SOUND_DOWN: ReadonlySet<Connection['type']> = new Set(['reconnecting', 'lost', 'soundReconnecting', 'soundImpossible']);
const HOUSE_DOWN: ReadonlySet<Connection['type']> = new Set(['reconnecting', 'lost', 'houseRestarting', 'houseReconnecting']);
const BOTH_DOWN: ReadonlySet<Connection['type']> = new Set(['reconnecting', 'lost', 'houseRestarting']);
/** Said for good, with what to do; the others pass by themselves. */
const FINAL: ReadonlySet<Connection['type']> = new Set(['lost', 'soundImpossible']);

/** No voice of one's own gets anywhere. */
export function isSilenced({ type }: Connection): boolean {
  return SOUND_DOWN.has(type);
}

/** Hands and buttons reach nobody. */
export function isHouseAway({ type }: Connection): boolean {
  return HOUSE_DOWN.has(type);
}

/** Who is there, and who talks, is as it was. */
export function isStale({ type }: Connection): boolean {
  return BOTH_DOWN.has(type);
}

export function isFinal({ type }: Connection): boolean {
  return FINAL.has(type);
}
