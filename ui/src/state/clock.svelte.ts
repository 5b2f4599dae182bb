/** The room's clock between two changes: the house's `now`, carried on by this machine's clock. */
import type { RoomTime } from '../backend/backend';

export class RoomClock {
  #roomThen = 0;
  #hereThen = 0;
  #here = $state(0);
  #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  set(now: RoomTime): void {
    this.#roomThen = now;
    this.#hereThen = this.#now();
    this.#here = this.#hereThen;
  }

  tick(): void {
    this.#here = this.#now();
  }

  /** Milliseconds since the room was started. */
  get now(): RoomTime {
    return this.#roomThen + (this.#here - this.#hereThen);
  }
}
