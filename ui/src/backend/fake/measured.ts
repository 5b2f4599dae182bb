/** How far the imagined people are away: one next door, one across the town, one across the sea. */
import type { Measurements, PersonId, VoiceDelay } from '../backend';

type Distance = Omit<VoiceDelay, 'person'>;

const distances: [Distance, Distance, Distance] = [
  {
    totalMs: 44,
    parts: { microphoneMs: 12, networkMs: 6, network: { linkUpMs: 3, houseMs: 1, linkDownMs: 2 }, bufferMs: 14, loudspeakerMs: 12 },
  },
  { totalMs: 61, parts: { microphoneMs: 14, networkMs: 13, network: null, bufferMs: 22, loudspeakerMs: 12 } },
  {
    totalMs: 241,
    parts: { microphoneMs: 24, networkMs: 109, network: { linkUpMs: 96, houseMs: 2, linkDownMs: 11 }, bufferMs: 96, loudspeakerMs: 12 },
  },
];

export const nothingMeasured: Measurements = { voiceReceived: null, delays: [], clockErrorMs: null };

/** `voices` in their order; `listeners` of an own voice that is open, else null. */
export function measured(voices: PersonId[], listeners: number | null): Measurements {
  return {
    delays: voices.map((person, n) => ({ person, ...distances[(n % 3) as 0 | 1 | 2] })),
    voiceReceived: listeners === null ? null : { by: Math.max(0, listeners - 1), of: listeners },
    clockErrorMs: voices.length > 0 ? 2 : null,
  };
}
