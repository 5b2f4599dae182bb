/** What is measured in a call, about once a second. */
import type { PersonId } from './bindings';

/** The way through the network, ms each; together `networkMs`. */
export type NetworkParts = { linkUpMs: number; houseMs: number; linkDownMs: number };

/** Where the time goes, ms each. */
export type DelayParts = {
  microphoneMs: number;
  networkMs: number;
  /** The same in its parts, where the house itself carries the sound. */
  network: NetworkParts | null;
  bufferMs: number;
  loudspeakerMs: number;
};

/** How late one voice is heard here: the sum of its parts. */
export type VoiceDelay = { person: PersonId; totalMs: number; parts: DelayParts };

/** How the own voice arrives: by how many, of how many who said so. */
export type VoiceReceived = { by: number; of: number };

export type Measurements = { voiceReceived: VoiceReceived | null; delays: VoiceDelay[]; clockErrorMs: number | null };
