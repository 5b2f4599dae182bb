/** How a person is drawn from their name and key alone: title, short name, initials, colour. */
import type { PersonId } from '../backend/backend';
import { t } from '../words/words.svelte';

/** What a house takes; it says no to more. */
export const NAME_CHARACTERS = 64;
/** Number of `--face-N` colours in the style. */
export const FACE_COLOURS = 8;

export function roomTitle(room: { title: string; host: string }): string {
  return room.title || t('room.untitled', { name: room.host });
}

/** The colour follows the key, so a person keeps it whatever they call themselves. */
export function faceColour(id: PersonId): number {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + character.charCodeAt(0)) >>> 0;
  return hash % FACE_COLOURS;
}

/** "RW" for Ratna Wijaya, "李" for 李晓雨. */
export function initials(name: string): string {
  const words = callable(name);
  const first = firstLetter(words[0] ?? '');
  const last = words.length > 1 && isAlphabetic(first) ? firstLetter(words[words.length - 1] ?? '') : '';
  return (first + last).toLocaleUpperCase();
}

function firstLetter(word: string): string {
  for (const { segment } of new Intl.Segmenter().segment(word)) return segment;
  return '';
}

function isAlphabetic(letter: string): boolean {
  return !/\p{Script=Han}/u.test(letter);
}

/** Titles before a name, in our languages: nobody is called by them alone. */
const TITLES = new Set([
  'dr', 'prof', 'mr', 'mrs', 'ms', 'miss', 'sir', 'ir', 'drs', 'dra', 'h', 'hj', 'pak', 'bu', 'ibu', 'bapak',
]); // prettier-ignore

/** The words somebody may be called by: titles are left out where anything else is there. */
function callable(name: string): string[] {
  const words = name.trim().split(/\s+/);
  const named = words.filter((word) => !TITLES.has(word.toLowerCase().replace(/\.$/, '')));
  return named.length > 0 ? named : words;
}

/** The first word of a name; the whole of it where a number follows ("Guest 20") or the word is a letter. */
export function firstName(name: string): string {
  const [first = '', second = ''] = callable(name);
  const saysLittle = /^\d/.test(second) || /^.\.?$/u.test(first);
  return saysLittle && isAlphabetic(first) ? name.trim() : first;
}

/**
 * First names where they tell people apart, whole names where two share one; by id. Never a name of our own making: it
 * has to be part of what a screen reader says.
 */
export function shortNames(people: readonly { id: PersonId; name: string }[]): Map<PersonId, string> {
  const counts = new Map<string, number>();
  for (const { name } of people) counts.set(firstName(name), (counts.get(firstName(name)) ?? 0) + 1);
  return new Map(people.map(({ id, name }) => [id, (counts.get(firstName(name)) ?? 0) > 1 ? name : firstName(name)]));
}
