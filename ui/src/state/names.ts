/** How a person is drawn from their name and key alone: title, short name, initials, colour. */
import type { PersonId } from '../backend/backend';
import { t } from '../words/words.svelte';

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
  const words = name.trim().split(/\s+/);
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

export function firstName(name: string): string {
  return name.trim().split(/\s+/)[0] ?? '';
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
