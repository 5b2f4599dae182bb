/**
 * What a screen reader is told: two live regions, there from the start.
 *
 * Polite words are merged and said at most once in two seconds; urgent ones (an invitation, being muted, being moved,
 * losing the connection) at once. Who is speaking is never announced: it would drown the talk.
 */
import { t } from '../words/words.svelte';

export const POLITE_EVERY_MS = 2_000;
/** Then the words are gone from the page: whoever reads on finds nothing that is no longer so. */
export const KEPT_MS = 5_000;

export type Spoken = { text: string; count: number };

export class Announcer {
  polite = $state.raw<Spoken>({ text: '', count: 0 });
  urgent = $state.raw<Spoken>({ text: '', count: 0 });
  #waiting: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #forget: ReturnType<typeof setTimeout> | undefined;

  say(text: string): void {
    if (!this.#waiting.includes(text)) this.#waiting.push(text);
    if (this.#timer === undefined) this.#sayWaiting();
  }

  interrupt(text: string): void {
    this.urgent = { text, count: this.urgent.count + 1 };
    this.#forgetLater();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#forget);
    this.#timer = undefined;
    this.#waiting = [];
  }

  /** What was said is taken from the page; taking away is not announced. */
  forget(): void {
    this.polite = { ...this.polite, text: '' };
    this.urgent = { ...this.urgent, text: '' };
  }

  #forgetLater(): void {
    clearTimeout(this.#forget);
    this.#forget = setTimeout(() => this.forget(), KEPT_MS);
  }

  #sayWaiting(): void {
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    this.polite = { text: sentences(this.#waiting), count: this.polite.count + 1 };
    this.#waiting = [];
    this.#forgetLater();
    this.#timer = setTimeout(() => this.#sayWaiting(), POLITE_EVERY_MS);
  }
}

function sentences(texts: string[]): string {
  return texts.map((text) => (/[.。!?？！…]$/.test(text) ? text : text + t('list.sentence').trimEnd())).join(' ');
}
