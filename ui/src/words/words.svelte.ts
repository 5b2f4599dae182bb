/**
 * The one place sentences come from: a typed catalogue per language.
 *
 * The shell reads the same files. An entry is a text, or one text per plural category (`Intl.PluralRules`, by `n`);
 * keys that end in `.ordinal` count places ("3rd") instead of things.
 */
import type { Language } from '../backend/backend';
import en from './en.json';
import id from './id.json';
import zh from './zh.json';

export type Key = keyof typeof en;
export type Entry = string | Partial<Record<Intl.LDMLPluralRule, string>>;
export type Values = Record<string, string | number>;

export const catalogues: Record<Language, Record<Key, Entry>> = { en, id, zh };

/** Each language by its own name: that is how somebody finds it who reads no other. */
export const languages: Record<Language, string> = { en: 'English', id: 'Bahasa Indonesia', zh: '简体中文' };

/** British English joins a list without a comma before "and". */
const locales: Record<Language, string> = { en: 'en-GB', id: 'id', zh: 'zh-CN' };

let current = $state<Language>('en');

export function language(): Language {
  return current;
}

export function speak(language: Language): void {
  current = language;
  document.documentElement.lang = locales[language];
}

/** The first of the system's languages that we have, else English. */
export function systemLanguage(wanted: readonly string[] = navigator.languages): Language {
  const known = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in catalogues);
  return (known as Language | undefined) ?? 'en';
}

/** The words for `key` in the language of the day, with `{placeholders}` filled in. */
export function t(key: Key, values: Values = {}): string {
  const entry = catalogues[current][key];
  const text = typeof entry === 'string' ? entry : pick(entry, key, Number(values['n'] ?? 0));
  return text.replace(/\{(\w+)\}/g, (hole, name: string) => {
    const value = values[name];
    return typeof value === 'number' ? number(value) : (value ?? hole);
  });
}

function pick(entry: Exclude<Entry, string>, key: Key, n: number): string {
  const rules = new Intl.PluralRules(locales[current], { type: key.endsWith('.ordinal') ? 'ordinal' : 'cardinal' });
  return entry[rules.select(n)] ?? entry.other ?? '';
}

export function number(value: number): string {
  return new Intl.NumberFormat(locales[current]).format(value);
}

/** "Ratna, Bagus and Mei" */
export function list(names: string[]): string {
  return new Intl.ListFormat(locales[current], { type: 'conjunction' }).format(names);
}
