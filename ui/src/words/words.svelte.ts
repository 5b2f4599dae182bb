/**
 * The one place sentences come from: a typed catalogue per language, in ICU MessageFormat. One message is one whole
 * sentence; numbers, plurals and places ("3rd") are written inside it, so that each language orders them as it likes.
 */
import { IntlMessageFormat } from 'intl-messageformat';
import type { Language } from '../backend/backend';
import en from './en.json';
import id from './id.json';
import zh from './zh.json';

export type Key = keyof typeof en;
export type Values = Record<string, string | number>;

export const catalogues: Record<Language, Record<Key, string>> = { en, id, zh };

/** Each language by its own name: that is how somebody finds it who reads no other. */
export const languages: Record<Language, string> = { en: 'English', id: 'Bahasa Indonesia', zh: '简体中文' };

/** British English joins a list without a comma before "and". */
const locales: Record<Language, string> = { en: 'en-GB', id: 'id', zh: 'zh-CN' };

let current = $state<Language>('en');
// What is kept to be quicker is not state.
/* eslint-disable svelte/prefer-svelte-reactivity */
const formats = new Map<string, IntlMessageFormat>();
const lists = new Map<Language, Intl.ListFormat>();
/* eslint-enable svelte/prefer-svelte-reactivity */

export function language(): Language {
  return current;
}

export function speak(language: Language): void {
  current = language;
  document.documentElement.lang = locales[language];
}

/** The first of the system's languages that we have, else English. */
export function systemLanguage(wanted: readonly string[] = navigator.languages): Language {
  return wanted.map(knownLanguage).find((language) => language !== null) ?? 'en';
}

/** What a language tag asks for, if we have it. Our Chinese is in simplified characters: other scripts are others. */
function knownLanguage(tag: string): Language | null {
  try {
    const { language, script } = new Intl.Locale(tag).maximize();
    const known = language in catalogues && (language !== 'zh' || script === 'Hans');
    return known ? (language as Language) : null;
  } catch {
    // Not a language tag.
    return null;
  }
}

/** The words for `key` in the language of the day, with `{placeholders}` filled in. */
export function t(key: Key, values: Values = {}): string {
  const message = catalogues[current][key];
  if (!message.includes('{')) return message;
  return String(formatOf(current, key, message).format(values));
}

/** Reading a message costs more than filling it in. */
function formatOf(language: Language, key: Key, message: string): IntlMessageFormat {
  const name = `${language} ${key}`;
  const known = formats.get(name);
  if (known) return known;
  const format = new IntlMessageFormat(message, locales[language], undefined, { ignoreTag: true });
  formats.set(name, format);
  return format;
}

/** "20:30" */
export function clockTime(time: Date): string {
  return new Intl.DateTimeFormat(locales[current], { hour: '2-digit', minute: '2-digit' }).format(time);
}

/** "Ratna, Bagus and Mei" */
export function list(names: string[]): string {
  const format = lists.get(current) ?? new Intl.ListFormat(locales[current], { type: 'conjunction' });
  lists.set(current, format);
  return format.format(names);
}
