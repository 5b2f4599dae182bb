/** How the two halves of a visit stand, the house's channel and the sound, and what is said of both together. */
import type { Connection } from '../backend';

/** Nothing is said about what is over again so soon (12). */
const SAID_AFTER_MS = 2_000;
/** Then the seat may be gone. */
const LOST_AFTER_MS = 60_000;

export type HouseState = 'up' | 'down' | 'lost' | 'restarting';
export type SoundState = 'up' | 'down' | 'impossible';

export function connectionOf(house: HouseState, sound: SoundState): Connection {
  if (house === 'restarting') return { type: 'houseRestarting' };
  if (house !== 'up' && sound === 'up') return { type: 'houseReconnecting' };
  if (house !== 'up') return { type: house === 'lost' ? 'lost' : 'reconnecting' };
  if (sound === 'impossible') return { type: 'soundImpossible', code: 'media_failed', udpPort: null, tcpPort: null };
  return { type: sound === 'up' ? 'connected' : 'soundReconnecting' };
}

/** One half: down is said only after a while, and lost after a longer one. */
export class Outage {
  said: 'up' | 'down' | 'lost' = 'up';
  readonly #changed: () => void;
  #timers: ReturnType<typeof setTimeout>[] = [];

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  begin(): void {
    if (this.#timers.length > 0) return;
    this.#timers = [setTimeout(() => this.#say('down'), SAID_AFTER_MS), setTimeout(() => this.#say('lost'), LOST_AFTER_MS)];
  }

  end(): void {
    this.stop();
    this.#say('up');
  }

  stop(): void {
    this.#timers.forEach(clearTimeout);
    this.#timers = [];
  }

  #say(said: 'up' | 'down' | 'lost'): void {
    if (said === this.said) return;
    this.said = said;
    this.#changed();
  }
}
