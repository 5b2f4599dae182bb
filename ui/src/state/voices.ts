/** How others sound here, for this person alone. */
import type { PersonId, SoundView, VoiceSetting } from '../backend/backend';

export const LOUDEST_PERCENT = 200;
/** One press of a key, and one step of the slider. */
export const VOLUME_STEP_PERCENT = 10;

export const usualVoice: VoiceSetting = { volumePercent: 100, muted: false };

export function voiceOf(sound: SoundView, person: PersonId): VoiceSetting {
  return sound.voices.find(([id]) => id === person)?.[1] ?? usualVoice;
}

export function isUsual({ volumePercent, muted }: VoiceSetting): boolean {
  return volumePercent === usualVoice.volumePercent && !muted;
}

/** A step louder or quieter; whoever is muted for me is heard again by being made louder. */
export function stepped(voice: VoiceSetting, step: 1 | -1): VoiceSetting {
  const wanted = voice.volumePercent + step * VOLUME_STEP_PERCENT;
  return { volumePercent: Math.max(0, Math.min(LOUDEST_PERCENT, wanted)), muted: voice.muted && step < 0 };
}

/** Passes on the newest value, one at a time: a slider makes more of them than a disk wants to keep. */
export function newestOnly<T>(send: (value: T) => Promise<unknown>): (value: T) => Promise<void> {
  let waiting: { value: T } | null = null;
  let sending: Promise<void> | null = null;
  async function sendAll(): Promise<void> {
    while (waiting) {
      const { value } = waiting;
      waiting = null;
      await send(value);
    }
    sending = null;
  }
  return (value) => {
    waiting = { value };
    sending ??= sendAll();
    return sending;
  };
}
