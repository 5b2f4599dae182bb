/** How loud the imagined people are: speech-like, the same in every run. */
import { isOnStage, type LevelBatch, type PersonId } from '../backend';
import { ME } from './people';
import type { Scenario } from './scenarios';

const SILENCE_DBFS = -90;
/** Of the one voice in a still picture, and of the own microphone there. */
const STILL_DBFS = -14;
const STILL_OWN_DBFS = -27;

/** Loudness of a voice at a batch: syllables over sentences, from two sines and the key. */
function loudness(person: PersonId, batch: number): number {
  const offset = person.charCodeAt(0) * 7 + person.charCodeAt(1);
  const syllables = Math.sin((batch + offset) * 0.9) * Math.sin((batch + offset) * 0.37);
  return -30 + 14 * syllables;
}

/** Whose turn it is: each voice has about four seconds. */
function hasTheWord(index: number, voices: number, batch: number): boolean {
  return voices > 0 && Math.floor(batch / 80) % voices === index;
}

/** A microphone in a quiet room, with somebody talking into it now and then. */
export function ownMicrophone(batch: number): number {
  return batch % 160 < 100 ? -32 + 14 * Math.sin(batch * 0.8) * Math.sin(batch * 0.31) : SILENCE_DBFS;
}

/** What is heard in a batch. `still`: one loudness for the first voice instead of talk. */
export function levels(scenario: Scenario, batch: number, still: boolean): LevelBatch {
  const me = scenario.room?.guest(ME.id);
  const isOpen = me && isOnStage(me.role) && !scenario.microphoneProblem;
  const silenced = new Set(scenario.sound.voices.filter(([, { muted }]) => muted).map(([id]) => id));
  const others = scenario.room?.stage.filter(({ id, muted }) => id !== ME.id && !muted && !silenced.has(id)) ?? [];
  const talking = still
    ? others.slice(0, me?.muted === false ? 0 : 1)
    : others.filter((_, index) => hasTheWord(index, others.length + 1, batch));
  return {
    own: !isOpen ? null : still ? STILL_OWN_DBFS : ownMicrophone(batch),
    people: talking.map(({ id }) => [id, still ? STILL_DBFS : loudness(id, batch)]),
  };
}
