/** Every sentence exists in every language, and everything the app can say has one. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { IntlMessageFormat } from 'intl-messageformat';
import { describe, expect, it } from 'vitest';
import type { ClosedReason, Code, Language, Notice, SoundNotice } from '../../src/backend/backend';
import { closedWords, connectionWords, explain, noticeWords, soundWords } from '../../src/words/explain';
import { catalogues, list, speak, systemLanguage, t, type Key } from '../../src/words/words.svelte';

const languages: Language[] = ['en', 'id', 'zh'];
const keys = Object.keys(catalogues.en) as Key[];
const bindings = readFileSync(join(import.meta.dirname, '../../src/backend/bindings.ts'), 'utf8').replace(/\/\*.*?\*\//gs, '');

/** The quoted words of a string union in the bindings, whoever wrote them. */
function union(name: string): string[] {
  const text = new RegExp(`export type ${name} =([^;]*?);`, 's').exec(bindings)?.[1] ?? '';
  return [...text.matchAll(/"(\w+)"/g)].map(([, word]) => word ?? '');
}

/** The `type`s of a tagged union in the bindings. */
function types(name: string): string[] {
  const start = bindings.indexOf(`export type ${name} =`);
  const end = bindings.indexOf('export type', start + 20);
  return [...bindings.slice(start, end).matchAll(/type: "(\w+)"/g)].map(([, word]) => word ?? '');
}

type Part = { type: number; value: string; pluralType?: 'cardinal' | 'ordinal'; options?: Record<string, { value: Part[] }> };
const [ARGUMENT, NUMBER, PLURAL] = [1, 2, 6];

/** What a message is made of. */
function parts(message: string): Part[] {
  const all = (list: Part[]): Part[] =>
    list.flatMap((part) => [part, ...Object.values(part.options ?? {}).flatMap(({ value }) => all(value))]);
  return all(new IntlMessageFormat(message, 'en', undefined, { ignoreTag: true }).getAst() as Part[]);
}

function placeholders(message: string): string[] {
  const named = parts(message).filter(({ type }) => [ARGUMENT, NUMBER, PLURAL].includes(type));
  return [...new Set(named.map(({ value }) => value))].sort();
}

describe('the catalogues', () => {
  it.each(languages)('have the same keys in the same order (%s)', (language) => {
    expect(Object.keys(catalogues[language])).toEqual(keys);
  });

  it.each(languages)('have the same placeholders (%s)', (language) => {
    for (const key of keys) expect(placeholders(catalogues[language][key]), key).toEqual(placeholders(catalogues.en[key]));
  });

  it.each(languages)('have no empty text (%s)', (language) => {
    for (const key of keys) expect(catalogues[language][key].trim() || key.startsWith('list.'), key).toBeTruthy();
  });

  it.each(languages)('have exactly the plural forms of the language (%s)', (language) => {
    for (const key of keys) {
      for (const { pluralType, options } of parts(catalogues[language][key])) {
        if (!pluralType) continue;
        const categories = new Intl.PluralRules(language, { type: pluralType }).resolvedOptions().pluralCategories;
        expect(Object.keys(options ?? {}).sort(), key).toEqual([...categories].sort());
      }
    }
  });

  it('never use one string for a speaker and for speakers', () => {
    for (const language of languages) {
      const { 'role.speaker': person, 'dev.speaker': device } = catalogues[language];
      expect(person).not.toBe(device);
      if (language !== 'en') expect(String(device)).not.toContain(String(person));
    }
  });

  it('are used: no key stands there for nothing, apart from those of features to come', () => {
    const toCome = ['recording', 'sec.followed', 'sec.others', 'dev.speaker', 'you.muted', 'on.stage.muted', 'now.host', 'ended']; // prettier-ignore
    const source = sources(join(import.meta.dirname, '../../src'));
    // Said outside the window, by the shell.
    const notices = join(import.meta.dirname, '../../../src-tauri/src/notices');
    const shell = ['told.rs', 'called.rs'].map((file) => readFileSync(join(notices, file), 'utf8')).join();
    const built = ['error.', 'notice.', 'closed.', 'connection.', 'theme.', 'sound.mode.', 'sound.echo.', 'verdict.', 'delay.', 'cues.', 'reaction.', 'quiet.', 'callme.', 'tray.', 'computer.closed.', 'updates.', 'reach.state.', 'shell.'];
    const unused = keys.filter((key) => !source.includes(`'${key}'`) && !shell.includes(`"${key}"`) && !built.some((start) => key.startsWith(start)));
    expect(unused.filter((key) => !toCome.includes(key))).toEqual([]);
  });
});

function sources(folder: string): string {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((file) => file.isFile() && /\.(svelte|ts)$/.test(file.name))
    .map((file) => readFileSync(join(file.parentPath, file.name), 'utf8'))
    .join('\n');
}

describe('the exact words of the product', () => {
  it.each([
    ['start', 'Start a room', 'Buat ruangan', '创建房间'],
    ['leave', 'Leave quietly', 'Keluar diam-diam', '悄悄离开'],
    ['hand.up', 'Raise hand', 'Angkat tangan', '举手'],
    ['invite', 'Invite to speak', 'Undang bicara', '邀请发言'],
    ['join.stage', 'Join the stage', 'Naik ke panggung', '上台'],
    ['make.mod', 'Make moderator', 'Jadikan moderator', '设为主持助理'],
    ['on.stage.muted', "You're on stage, muted.", 'Kamu di panggung, mikrofon mati.', '你已上台，麦克风已静音。'],
    ['ended', 'The room has ended.', 'Ruangan telah berakhir.', '房间已结束。'],
  ] as [Key, string, string, string][])('%s', (key, ...wanted) => {
    expect(languages.map((language) => catalogues[language][key])).toEqual(wanted);
  });
});

describe('everything the app can say has words in every language', () => {
  const codes = union('Code');
  const reasons = union('ClosedReason');
  const notices = types('Notice');
  const soundNotices = types('SoundNotice');
  const verdicts = union('SoundCheckVerdict');

  it('finds the codes, reasons and notices in the bindings', () => {
    expect(codes.length).toBeGreaterThan(40);
    expect(reasons).toContain('removed');
    expect(notices).toContain('mutedBy');
    expect(soundNotices).toContain('talkingWhileMuted');
    expect(verdicts).toContain('telephoneQuality');
  });

  it.each(languages)('codes (%s)', (language) => {
    speak(language);
    for (const code of codes) {
      expect(keys, code).toContain(`error.${code}`);
      expect(explain(code as Code)).not.toMatch(/[{}_]/);
    }
  });

  it.each(languages)('reasons and notices (%s)', (language) => {
    speak(language);
    for (const reason of reasons) expect(closedWords(reason as ClosedReason)).not.toMatch(/[{}]/);
    for (const type of notices) {
      const words = noticeWords({ type, name: 'Sari', by: 'Sari', count: 3 } as Notice, 'M');
      expect(words ?? '', type).not.toMatch(/[{}]/);
      expect(type === 'unknown' ? 99 : (words ?? '').length, type).toBeGreaterThan(3);
    }
  });

  it.each(languages)('no way for sound, with the ports to ask for as they are (%s)', (language) => {
    speak(language);
    const words = (udpPort: number | null, tcpPort: number | null) =>
      connectionWords({ type: 'soundImpossible', code: 'media_failed', udpPort, tcpPort }, false) ?? '';
    expect(words(7411, 7410)).toMatch(/UDP.*7411.*TCP.*7410/);
    expect(words(7411, null)).toMatch(/UDP.*7411/);
    expect(words(7411, null)).not.toContain('TCP');
    expect(words(null, 7881)).toMatch(/TCP.*7881/);
    expect(words(null, null)).not.toMatch(/null|\d/);
  });

  it.each(languages)('sound notices, with the device or the key in them (%s)', (language) => {
    speak(language);
    for (const type of soundNotices) {
      const words = soundWords({ type, device: 'Jabra' } as SoundNotice, 'M');
      expect(words, type).toContain(type === 'talkingWhileMuted' ? 'M' : 'Jabra');
      expect(words, type).not.toMatch(/[{}]/);
    }
  });

  it('verdicts of a sound check, with what to do about them', () => {
    for (const verdict of verdicts) {
      expect(keys, verdict).toContain(`verdict.${verdict}`);
      expect(keys, verdict).toContain(`verdict.${verdict}.advice`);
    }
  });

  it.each(['MicrophoneMode', 'EchoCancelling'])('the settings of %s', (name) => {
    const start = name === 'MicrophoneMode' ? 'sound.mode' : 'sound.echo';
    expect(union(name)).toHaveLength(3);
    for (const option of union(name)) expect(keys).toEqual(expect.arrayContaining([`${start}.${option}`, `${start}.${option}.hint`]));
  });

  it('the settings of sounds and notices', () => {
    expect(union('CueSetting')).toHaveLength(2);
    for (const option of union('CueSetting')) expect(keys).toEqual(expect.arrayContaining([`cues.${option}`, `cues.${option}.hint`]));
    expect(union('QuietFor')).toHaveLength(4);
    for (const option of union('QuietFor')) expect(keys).toContain(`quiet.${option}`);
  });

  it('explains a code it does not know yet as something that went wrong', () => {
    expect(explain('from_the_future' as Code)).toBe(explain('internal'));
  });
});

describe('t', () => {
  it('fills placeholders and chooses the plural', () => {
    expect(t('end.ask', { n: 1 })).toBe('End this room for 1 person?');
    expect(t('end.ask', { n: 1204 })).toBe('End this room for 1,204 people?');
  });

  it('counts places in English', () => {
    const places = [1, 2, 3, 4, 11, 12, 13, 21, 102].map((n) => t('place.ordinal', { n }).split(' ')[0]);
    expect(places).toEqual(['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '102nd']);
  });

  it('puts names in as they are, even with braces in them', () => {
    expect(t('notice.joinedStage', { name: '{n} $& <b>' })).toBe('{n} $& <b> joined the stage.');
  });

  it('joins lists as the language does', () => {
    expect(list(['Ratna', 'Bagus', 'Mei'])).toBe('Ratna, Bagus and Mei');
    speak('zh');
    expect(list(['晓雨', '思远'])).toBe('晓雨和思远');
  });

  it('speaks the first system language it knows, else English', () => {
    expect(systemLanguage(['fr-FR', 'id-ID', 'en'])).toBe('id');
    expect(systemLanguage(['zh-Hans-CN'])).toBe('zh');
    expect(systemLanguage(['fr'])).toBe('en');
  });

  it('does not take traditional characters for simplified ones', () => {
    expect(systemLanguage(['zh-CN'])).toBe('zh');
    expect(systemLanguage(['zh-TW', 'id'])).toBe('id');
    expect(systemLanguage(['zh-Hant-HK', 'not a tag'])).toBe('en');
  });
});
