/**
 * Who is audible and how loud, as the shell says it: a batch stands until the next one.
 *
 * The pages subscribe to single people and write to their own elements: a batch touches only those whose loudness
 * changed, so a silent room paints nothing. Only the set of who is talking is reactive.
 */
import { SvelteSet } from 'svelte/reactivity';
import type { LevelBatch, PersonId } from '../backend/backend';

const SILENCE: LevelBatch = { own: null, people: [] };
const PERCENT = 100;

/** `loudness` from 0 to 1. */
export type Follower = (talking: boolean, loudness: number) => void;

export class Levels {
  /** People who are audible now, in the order they began. */
  readonly talking = new SvelteSet<PersonId>();
  #batch = SILENCE;
  /** Who I am while others can hear me; null while muted. */
  #ownVoice: PersonId | null = null;
  /** Percent, of those who talk. */
  #voices = new Map<PersonId, number>();
  #followers = new Map<PersonId, Set<Follower>>();
  #own = 0;
  #ownFollowers = new Set<Follower>();

  hear(batch: LevelBatch): void {
    this.#batch = batch;
    this.#tell();
  }

  /** Says as whom the own microphone is heard, or null: what was told before is not told again for a mute. */
  speakAs(ownVoice: PersonId | null): void {
    if (ownVoice === this.#ownVoice) return;
    this.#ownVoice = ownVoice;
    this.#tell();
  }

  clear(): void {
    this.hear(SILENCE);
  }

  /** Calls `follower` now and whenever the ring of `person` changes; returns how to stop. */
  follow(person: PersonId, follower: Follower): () => void {
    const followers = this.#followers.get(person) ?? new Set();
    this.#followers.set(person, followers.add(follower));
    call(follower, this.#voices.get(person) ?? 0);
    return () => {
      followers.delete(follower);
      if (followers.size === 0) this.#followers.delete(person);
    };
  }

  /** The own microphone, also while muted: nobody has to wonder whether it works. */
  followOwn(follower: Follower): () => void {
    this.#ownFollowers.add(follower);
    call(follower, this.#own);
    return () => this.#ownFollowers.delete(follower);
  }

  #tell(): void {
    const own = this.#batch.own ?? 0;
    const heard = new Map(this.#batch.people);
    if (this.#ownVoice !== null && own > 0) heard.set(this.#ownVoice, own);
    for (const person of [...this.#voices.keys()]) if (!heard.has(person)) this.#tellOf(person, 0);
    for (const [person, loudness] of heard) this.#tellOf(person, loudness);
    if (own === this.#own) return;
    this.#own = own;
    for (const follower of this.#ownFollowers) call(follower, own);
  }

  #tellOf(person: PersonId, loudness: number): void {
    if (loudness === (this.#voices.get(person) ?? 0)) return;
    if (loudness > 0) {
      this.#voices.set(person, loudness);
      this.talking.add(person);
    } else {
      this.#voices.delete(person);
      this.talking.delete(person);
    }
    for (const follower of this.#followers.get(person) ?? []) call(follower, loudness);
  }
}

function call(follower: Follower, loudness: number): void {
  follower(loudness > 0, loudness / PERCENT);
}
