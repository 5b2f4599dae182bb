/** Telling apart people whose names look alike, by a short tag of their key (14.7). */
import unhomoglyph from 'unhomoglyph';
import type { PersonId } from '../backend/backend';

/** Base64url characters of a key that are shown; more where as many are alike. */
const MIN_TAG_CHARACTERS = 4;
const MAX_SKELETONS_KEPT = 4_000;

const skeletons = new Map<string, string>();

/**
 * What a name looks like: two names with one skeleton are easily taken for each other (UTS #39 section 4, and letters
 * that differ in case only; `i` and `l` are one).
 */
export function skeletonOf(name: string): string {
  const known = skeletons.get(name);
  if (known !== undefined) return known;
  const visible = name.normalize('NFKC').replace(/\p{Default_Ignorable_Code_Point}/gu, '');
  const folded = unhomoglyph(unhomoglyph(visible).toLowerCase()).toLowerCase();
  const skeleton = folded.replaceAll('i', 'l').replace(/\s+/g, ' ').trim();
  if (skeletons.size >= MAX_SKELETONS_KEPT) skeletons.clear();
  skeletons.set(name, skeleton);
  return skeleton;
}

/** A tag for everybody who has a namesake among these. Somebody may be in several lists. */
export function tagsOf(people: readonly { id: PersonId; name: string }[]): Map<PersonId, string> {
  const bearers = new Map<string, Set<PersonId>>();
  for (const { id, name } of people) {
    const skeleton = skeletonOf(name);
    bearers.set(skeleton, (bearers.get(skeleton) ?? new Set()).add(id));
  }
  const tags = new Map<PersonId, string>();
  for (const ids of bearers.values()) {
    if (ids.size < 2) continue;
    const length = distinctLength([...ids]);
    for (const id of ids) tags.set(id, `#${id.slice(0, length)}`);
  }
  return tags;
}

/** How many characters of these keys tell all of them apart. */
function distinctLength(ids: PersonId[]): number {
  const longest = Math.max(...ids.map(({ length }) => length));
  let length = MIN_TAG_CHARACTERS;
  while (length < longest && new Set(ids.map((id) => id.slice(0, length))).size < ids.length) length += 1;
  return length;
}
