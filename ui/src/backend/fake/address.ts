/** The imagined house that the address of a page asks for: `?scenario=room-host&theme=dark&language=zh`. */
import type { Language, Theme } from '../backend';
import { FakeBackend } from '../fake';
import { scenarios, type ScenarioName } from './scenarios';

export function fakeFromQuery(query: string): FakeBackend {
  const wish = new URLSearchParams(query);
  const scenario = wish.get('scenario') ?? 'home';
  const language = wish.get('language');
  return new FakeBackend({
    scenario: scenario in scenarios ? (scenario as ScenarioName) : 'home',
    language: language === 'none' ? null : ((language as Language | null) ?? 'en'),
    theme: (wish.get('theme') as Theme | null) ?? 'system',
    still: wish.has('still'),
    lively: !wish.has('still') && !wish.has('played'),
    recordMs: wish.has('played') ? 400 : 5_000,
  });
}

/** It is always evening here: pictures do not depend on when they are taken. */
export function fakeToday(): Date {
  return new Date(2026, 5, 5, 19, 30);
}
