/** How loud the imagined people are: speech-like, the same in every run. */
import type { PersonId } from '../backend';

const SILENCE_DBFS = -90;

/** Loudness of a voice at a batch: syllables over sentences, from two sines and the key. */
export function loudness(person: PersonId, batch: number): number {
  const offset = person.charCodeAt(0) * 7 + person.charCodeAt(1);
  const syllables = Math.sin((batch + offset) * 0.9) * Math.sin((batch + offset) * 0.37);
  return -30 + 14 * syllables;
}

/** Whose turn it is: each voice has about four seconds. */
export function hasTheWord(index: number, voices: number, batch: number): boolean {
  return voices > 0 && Math.floor(batch / 80) % voices === index;
}

/** A microphone in a quiet room, with somebody talking into it now and then. */
export function ownMicrophone(batch: number): number {
  return batch % 160 < 100 ? -32 + 14 * Math.sin(batch * 0.8) * Math.sin(batch * 0.31) : SILENCE_DBFS;
}
