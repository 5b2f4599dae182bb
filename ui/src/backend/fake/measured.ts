/** What is measured in the imagined house. How far its people are away: one next door, one across the town, one across the sea. */
import type { Measurements, VoiceDelay } from '../backend';
import type { FakeRoom } from './house';
import { ME } from './people';

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

/** Of everybody who can be heard, and of the own voice while others can hear it. */
export function measured(room: FakeRoom | null): Measurements {
  const open = room?.stage.filter(({ muted }) => !muted).map(({ id }) => id) ?? [];
  const voices = open.filter((id) => id !== ME.id);
  const listeners = (room?.guests.length ?? 1) - 1;
  return {
    delays: voices.map((person, n) => ({ person, ...distances[(n % 3) as 0 | 1 | 2] })),
    voiceReceived: open.includes(ME.id) && listeners > 0 ? { by: listeners - 1, of: listeners } : null,
    clockErrorMs: voices.length > 0 ? 2 : null,
  };
}
