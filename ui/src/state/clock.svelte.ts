/** The room's clock between two views: the house's `now`, carried on by this machine's clock. */
import type { RoomTime, RoomView } from '../backend/backend';

export class RoomClock {
  #roomAtView = 0;
  #hereAtView = 0;
  #here = $state(0);
  #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  set(room: RoomView): void {
    this.#roomAtView = room.now;
    this.#hereAtView = this.#now();
    this.#here = this.#hereAtView;
  }

  tick(): void {
    this.#here = this.#now();
  }

  /** Milliseconds since the room was started. */
  get now(): RoomTime {
    return this.#roomAtView + (this.#here - this.#hereAtView);
  }
}
