/**
 * Reactions: what floats over whom on stage, what the audience showed in the last seconds, and what of all that is read
 * aloud, merged. The house merges them to four entries a second; nothing here draws more often.
 */
import type { PersonId, Reacted, Reaction, ReactionCount, TopicChange } from '../backend/backend';

/** In the order in which they are offered. */
export const REACTIONS = ['clap', 'heart', 'laugh', 'thanks', 'idea', 'agree'] as const satisfies readonly Reaction[];
/** How long one floats over a face. */
export const SHOWN_MS = 3_000;
/** How long one is counted in the bar. */
export const COUNTED_MS = 10_000;
/** What is shown within this time is one sentence. */
export const SPOKEN_EVERY_MS = 5_000;
const KEPT_AS = 'serambi.reactions';

/** `number`: no two alike, so that the same one shown again rises again. */
export type Floating = { reaction: Reaction; number: number; until: number };

/** What a change of the room says of reactions. */
export function reactionsIn(change: TopicChange): Reacted[] {
  return change.topic === 'reactions' ? change.stream : [];
}

/** The entry without what a newer house has and this page no picture of. */
function known({ audience, stage }: Reacted): Reacted {
  const isKnown = ({ reaction }: { reaction: Reaction }) => REACTIONS.includes(reaction);
  return { audience: audience.filter(isKnown), stage: stage.filter(isKnown) };
}

export class ReactionStore {
  /** What floats over whom: the last of each. */
  floating: ReadonlyMap<PersonId, Floating> = $state.raw(new Map());
  /** In the order in which they came up; one that is over keeps its place, with 0, until all are. */
  counts: readonly ReactionCount[] = $state.raw([]);
  #counted: { until: number; shown: ReactionCount[] }[] = [];
  #numbered = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  take(entries: readonly Reacted[]): void {
    const now = performance.now();
    const floating = new Map(this.floating);
    for (const { audience, stage } of entries.map(known)) {
      if (audience.length > 0) this.#counted.push({ until: now + COUNTED_MS, shown: audience });
      for (const { person, reaction } of stage) {
        this.#numbered += 1;
        floating.set(person, { reaction, number: this.#numbered, until: now + SHOWN_MS });
      }
    }
    this.floating = floating;
    this.#look();
  }

  /** Takes away what is over, and comes back when the next is. */
  #look(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const now = performance.now();
    const floating = [...this.floating].filter(([, { until }]) => until > now);
    if (floating.length < this.floating.size) this.floating = new Map(floating);
    this.#counted = this.#counted.filter(({ until }) => until > now);
    this.counts = summed(this.counts, this.#counted.flatMap(({ shown }) => shown));
    const next = Math.min(...floating.map(([, { until }]) => until), ...this.#counted.map(({ until }) => until));
    if (next !== Infinity) this.#timer = setTimeout(() => this.#look(), next - now);
  }
}

/** How often each was shown, those first that stood there before. */
function summed(before: readonly ReactionCount[], shown: readonly ReactionCount[]): ReactionCount[] {
  if (shown.length === 0) return [];
  const counts = new Map(before.map(({ reaction }) => [reaction, 0]));
  for (const { reaction, count } of shown) counts.set(reaction, (counts.get(reaction) ?? 0) + count);
  return [...counts].map(([reaction, count]) => ({ reaction, count }));
}

type Kept = Pick<Storage, 'getItem' | 'setItem'>;

/** Collects what was shown, by everybody, and says it in one sentence. Kept by the page: whether it does. */
export class ReactionsAloud {
  on = $state(true);
  readonly #kept: Kept | null;
  readonly #say: (shown: ReactionCount[]) => void;
  readonly #waiting: ReactionCount[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(say: (shown: ReactionCount[]) => void, kept: Kept | null = storageOfThePage()) {
    this.#say = say;
    this.#kept = kept;
    this.on = kept?.getItem(KEPT_AS) !== 'silent';
  }

  turn(on: boolean): void {
    this.on = on;
    this.#kept?.setItem(KEPT_AS, on ? 'aloud' : 'silent');
    if (!on) this.stop();
  }

  take(entries: readonly Reacted[]): void {
    if (!this.on) return;
    const shown = entries.map(known);
    const byStage = shown.flatMap(({ stage }) => stage.map(({ reaction }) => ({ reaction, count: 1 })));
    this.#waiting.push(...shown.flatMap(({ audience }) => audience), ...byStage);
    if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => this.#sayWaiting(), SPOKEN_EVERY_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.length = 0;
  }

  #sayWaiting(): void {
    const shown = summed([], this.#waiting);
    this.stop();
    this.#say(shown);
  }
}

function storageOfThePage(): Kept | null {
  try {
    return localStorage;
  } catch {
    // A page may be forbidden to keep anything.
    return null;
  }
}
