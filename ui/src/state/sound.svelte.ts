/** The sound of this computer: what was chosen, who is audible, what is measured, and what is wrong with it. */
import type { CallView, Code, Measurements, PersonId, PersonView, SoundView, VoiceSetting } from '../backend/backend';
import { carriedOn, type Delays } from './delays';
import { Levels } from './levels.svelte';
import { usualVoice, voiceOf } from './voices';

export class SoundStore {
  readonly levels = new Levels();
  /** What was chosen; null before the app is open. */
  chosen = $state.raw<SoundView | null>(null);
  /** What was measured in the call about a second ago. */
  measured = $state.raw<Measurements | null>(null);
  delays = $state.raw<Delays>(new Map());

  measure(measured: Measurements, stage: readonly PersonView[]): void {
    this.measured = measured;
    this.delays = carriedOn(this.delays, measured.delays, stage);
  }

  /** How somebody sounds here, for this person alone. */
  voice(person: PersonId): VoiceSetting {
    return this.chosen ? voiceOf(this.chosen, person) : usualVoice;
  }

  /** Nothing is heard or measured without a call. */
  clear(): void {
    this.measured = null;
    this.delays = new Map();
    this.levels.clear();
  }
}

/** What is wrong for as long as it is wrong: the loudspeaker first; the microphone concerns only who is on stage. */
export function standingProblems(call: CallView | null, onStage: boolean): Code[] {
  if (!call) return [];
  return [call.loudspeakerProblem, onStage ? call.microphone.problem : null].filter((problem) => problem !== null);
}
