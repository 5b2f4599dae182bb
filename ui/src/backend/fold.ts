/**
 * Folding changes into a view: records are replaced whole, keyed lists take upserts and removals, streams are no part
 * of the view.
 *
 * Nothing here knows what a topic holds. Rust folds the same operations (`protocol/src/fold.rs`); the shared vectors
 * `protocol/vectors/fold.json` hold the two equal.
 */
import type { ListPatch, PersonId, RoomTime, RoomView, TopicChange } from './bindings';

/** An entry of a keyed list: about one person, at a place given by its rank. */
export type Entry = { id: PersonId; rank: number };

/** Every topic of a room's view and how it changes. What is not listed is from a newer house, and ignored. */
const TOPICS = {
  room: 'record',
  counts: 'record',
  you: 'record',
  rights: 'record',
  stage: 'list',
  audience: 'list',
  hands: 'list',
  invitations: 'list',
  door: 'list',
} as const satisfies Record<Exclude<keyof RoomView, 'now'>, 'record' | 'list'>;

/** Writes the changes into `view`, topic by topic. */
export function fold(view: RoomView, now: RoomTime, changes: readonly TopicChange[]): void {
  const topics = view as unknown as Record<string, unknown>;
  for (const change of changes) {
    const { topic } = change;
    if (!Object.hasOwn(TOPICS, topic)) continue;
    if ('record' in change) topics[topic] = change.record;
    else if ('list' in change) topics[topic] = patched(topics[topic] as Entry[], change.list as ListPatch<Entry>);
  }
  view.now = now;
}

/** The list with the patch folded in; entries that it does not name are the same objects as before. */
export function patched<T extends Entry>(list: readonly T[], patch: ListPatch<T>): T[] {
  const replaced = new Set([...patch.remove, ...patch.upsert.map(({ id }) => id)]);
  const after = [...list.filter(({ id }) => !replaced.has(id)), ...patch.upsert];
  return after.sort((a, b) => a.rank - b.rank || comparedByKey(a.id, b.id));
}

/** The digits of base64url in ascending order (RFC 4648 section 5), in which the text of a key is written. */
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Keys are compared as bytes: base64url does not sort as its text does. */
function comparedByKey(a: PersonId, b: PersonId): number {
  const at = [...a].findIndex((digit, index) => digit !== b[index]);
  return at < 0 ? a.length - b.length : DIGITS.indexOf(a[at] ?? '') - DIGITS.indexOf(b[at] ?? '');
}
