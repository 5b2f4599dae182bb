/**
 * Who is audible and how loud, from the level batches of the shell (20 a second).
 *
 * The pages subscribe to single people and write to their own elements: a batch touches only those whose loudness
 * changed visibly, so a silent room paints nothing. Only the set of who is talking is reactive.
 */
import { SvelteSet } from 'svelte/reactivity';
import type { LevelBatch, PersonId } from '../backend/backend';

/** Softer than this is not speech. */
export const SPEECH_DBFS = -45;
/** From here on the ring does not grow. */
const LOUD_DBFS = -14;
/** The ring stays for a breath between words: 4 batches of 50 ms; with the 300 ms fade it is off 500 ms after speech. */
const HOLD_BATCHES = 4;
/** Loudness is shown in this many steps; smaller changes are not painted. */
const STEPS = 12;
/** Without any batch for this long (window hidden, call over) everybody is silent. */
const SILENCE_MS = 500;

/** `loudness` from 0 to 1. */
export type Follower = (talking: boolean, loudness: number) => void;

type Voice = { hold: number; step: number };

export class Levels {
  /** People who are audible now, in the order they began. */
  readonly talking = new SvelteSet<PersonId>();
  #voices = new Map<PersonId, Voice>();
  #followers = new Map<PersonId, Set<Follower>>();
  #ownFollowers = new Set<Follower>();
  #ownStep = 0;
  #silence: ReturnType<typeof setTimeout> | undefined;

  /** `ownVoice`: who I am while others can hear me; null while muted. */
  hear(batch: LevelBatch, ownVoice: PersonId | null): void {
    const heard = new Map(batch.people);
    if (ownVoice !== null && batch.own !== null) heard.set(ownVoice, batch.own);
    for (const [person, dbfs] of heard) this.#hearPerson(person, dbfs);
    for (const person of this.#voices.keys()) if (!heard.has(person)) this.#hearPerson(person, -Infinity);
    this.#hearOwn(batch.own ?? -Infinity);
    clearTimeout(this.#silence);
    if (this.#voices.size > 0 || this.#ownStep > 0) this.#silence = setTimeout(() => this.clear(), SILENCE_MS);
  }

  clear(): void {
    clearTimeout(this.#silence);
    for (const person of [...this.#voices.keys()]) this.#tell(person, { hold: 0, step: 0 });
    this.#hearOwn(-Infinity);
  }

  /** Calls `follower` now and whenever the ring of `person` changes; returns how to stop. */
  follow(person: PersonId, follower: Follower): () => void {
    const followers = this.#followers.get(person) ?? new Set();
    this.#followers.set(person, followers.add(follower));
    const voice = this.#voices.get(person);
    follower(voice !== undefined, (voice?.step ?? 0) / STEPS);
    return () => {
      followers.delete(follower);
      if (followers.size === 0) this.#followers.delete(person);
    };
  }

  /** The own microphone, also while muted: nobody has to wonder whether it works. */
  followOwn(follower: Follower): () => void {
    this.#ownFollowers.add(follower);
    follower(this.#ownStep > 0, this.#ownStep / STEPS);
    return () => this.#ownFollowers.delete(follower);
  }

  #hearPerson(person: PersonId, dbfs: number): void {
    const step = stepOf(dbfs);
    const before = this.#voices.get(person);
    const hold = step > 0 ? HOLD_BATCHES : (before?.hold ?? 0) - 1;
    const voice = { hold, step };
    if (step !== (before?.step ?? 0) || (before && hold <= 0)) this.#tell(person, voice);
    else if (before) this.#voices.set(person, voice);
  }

  #tell(person: PersonId, voice: Voice): void {
    const talking = voice.hold > 0;
    if (talking) {
      this.#voices.set(person, voice);
      this.talking.add(person);
    } else {
      this.#voices.delete(person);
      this.talking.delete(person);
    }
    for (const follower of this.#followers.get(person) ?? []) follower(talking, voice.step / STEPS);
  }

  #hearOwn(dbfs: number): void {
    const step = stepOf(dbfs);
    if (step === this.#ownStep) return;
    this.#ownStep = step;
    for (const follower of this.#ownFollowers) follower(step > 0, step / STEPS);
  }
}

/** 0 for silence, 1 to `STEPS` for speech. */
function stepOf(dbfs: number): number {
  if (!(dbfs > SPEECH_DBFS)) return 0;
  return Math.max(1, Math.min(STEPS, Math.round((STEPS * (dbfs - SPEECH_DBFS)) / (LOUD_DBFS - SPEECH_DBFS))));
}
