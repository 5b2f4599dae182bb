/**
 * What a screen reader is told: by the window where it can, else in two live regions, there from the start.
 *
 * Polite words are merged and said at most once in two seconds; urgent ones (an invitation, being muted, being moved,
 * losing the connection) at once. Who is speaking is never announced: it would drown the talk.
 */
import { t } from '../words/words.svelte';

export const POLITE_EVERY_MS = 2_000;
/** Then the words are gone from the page: whoever reads on finds nothing that is no longer so. */
export const KEPT_MS = 5_000;

export type Spoken = { text: string; count: number };

/** Whether the window has said it. */
export type Aloud = (text: string) => Promise<boolean>;

export class Announcer {
  polite = $state.raw<Spoken>({ text: '', count: 0 });
  urgent = $state.raw<Spoken>({ text: '', count: 0 });
  readonly #aloud: Aloud | null;
  #waiting: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #forget: ReturnType<typeof setTimeout> | undefined;

  constructor(aloud: Aloud | null = null) {
    this.#aloud = aloud;
  }

  say(text: string): void {
    if (!this.#waiting.includes(text)) this.#waiting.push(text);
    if (this.#timer === undefined) this.#sayWaiting();
  }

  interrupt(text: string): void {
    void this.#speak('urgent', text);
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

  async #speak(region: 'polite' | 'urgent', text: string): Promise<void> {
    if (this.#aloud && (await this.#aloud(text))) return;
    this[region] = { text, count: this[region].count + 1 };
    clearTimeout(this.#forget);
    this.#forget = setTimeout(() => this.forget(), KEPT_MS);
  }

  #sayWaiting(): void {
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    void this.#speak('polite', sentences(this.#waiting));
    this.#waiting = [];
    this.#timer = setTimeout(() => this.#sayWaiting(), POLITE_EVERY_MS);
  }
}

function sentences(texts: string[]): string {
  return texts.map((text) => (/[.。!?？！…]$/.test(text) ? text : text + t('list.sentence').trimEnd())).join(' ');
}
