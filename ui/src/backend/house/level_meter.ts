/**
 * How loud everybody is, as the window draws it: the shell's `level_meter.rs` in the browser. Few steps that fall
 * slowly, so that what looks alike is told once.
 */
import type { LevelBatch, PersonId } from '../backend';

/** Between two looks. */
export const LOOK_MS = 50;
const SPEECH_DBFS = -45;
const LOUD_DBFS = -14;
const STEPS = 6;
/** From one look to the next; it rises at once. */
const FALL_DB = 1;
/** Looks after the last speech until somebody is silent, 400 ms: a breath between words does not end it. */
const HELD_LOOKS = 8;

class Voice {
  #dbfs = -Infinity;
  #held = 0;

  hear(dbfs: number): void {
    this.#dbfs = Math.max(dbfs, this.#dbfs - FALL_DB);
    this.#held = dbfs > SPEECH_DBFS ? HELD_LOOKS : Math.max(0, this.#held - 1);
  }

  /** Percent, in steps; 0 means silent. */
  get loudness(): number {
    if (this.#held === 0) return 0;
    const share = (this.#dbfs - SPEECH_DBFS) / (LOUD_DBFS - SPEECH_DBFS);
    const step = Math.min(STEPS, Math.max(1, Math.round(share * STEPS)));
    return Math.round((step / STEPS) * 100);
  }
}

/** Of one look, dBFS; `own`: null while the microphone is closed. */
export type Loudness = { own: number | null; people: ReadonlyMap<PersonId, number> };

export class LevelMeter {
  #own: Voice | null = null;
  readonly #people = new Map<PersonId, Voice>();
  #told = '';

  /** What the window is to be told, if that is news. */
  look({ own, people }: Loudness): LevelBatch | null {
    if (own === null) this.#own = null;
    else (this.#own ??= new Voice()).hear(own);
    for (const person of people.keys()) if (!this.#people.has(person)) this.#people.set(person, new Voice());
    for (const [person, voice] of this.#people) {
      voice.hear(people.get(person) ?? -Infinity);
      if (!people.has(person) && voice.loudness === 0) this.#people.delete(person);
    }
    const talking = [...this.#people].map(([person, { loudness }]): [PersonId, number] => [person, loudness]);
    const batch = { own: this.#own?.loudness ?? null, people: talking.filter(([, loudness]) => loudness > 0) };
    const told = JSON.stringify(batch);
    if (told === this.#told) return null;
    this.#told = told;
    return batch;
  }
}

/** An amplitude from 0 to 1 in dBFS. */
export function decibels(amplitude: number): number {
  return 20 * Math.log10(amplitude);
}
