/** Being in one room: its channel, its sound, and how both stand. */
import type { Connection, RoomId, RoomView, YouView } from '../backend';
import { HouseChannel, type CalledIn, type Envelope } from './channel';
import { connectionOf, Outage, type HouseState } from './connection';
import type { Sound, MediaGrant } from './sound';

export type VisitEvents = {
  address(after: number): string;
  told(envelope: Envelope): void;
  called(called: CalledIn): void;
  connectionChanged(): void;
  /** Comes back to the room under a session that the house knows. */
  rejoin(): Promise<void>;
};

export class Visit {
  readonly room: RoomId;
  you: YouView;
  /** The person opened their microphone, and nobody has closed it since. */
  unmuted = false;
  readonly #events: VisitEvents;
  readonly #channel: HouseChannel;
  readonly #houseOutage = new Outage(() => this.#events.connectionChanged());
  readonly #soundOutage = new Outage(() => this.#events.connectionChanged());
  #restarts = false;
  #sound: Sound | null = null;
  #closed = false;

  constructor(view: RoomView, seq: number, events: VisitEvents) {
    this.room = view.room.id;
    this.you = view.you;
    this.#events = events;
    this.#soundOutage.begin();
    this.#channel = new HouseChannel((after) => events.address(after), seq, {
      told: (envelope) => events.told(envelope),
      called: (called) => events.called(called),
      up: () => this.#up(),
      down: (restarts) => this.#down(restarts),
      notTaken: () => events.rejoin(),
    });
  }

  get sound(): Sound | null {
    return this.#sound;
  }

  get onStage(): boolean {
    return this.you.role !== 'listener';
  }

  get connection(): Connection {
    const house: HouseState = this.#restarts ? 'restarting' : this.#houseOutage.said;
    const impossible = this.#sound?.state === 'impossible';
    return connectionOf(house, impossible ? 'impossible' : this.#soundOutage.said === 'up' ? 'up' : 'down');
  }

  /** Gives the visit its sound; what comes too late is closed again. */
  hear(sound: Sound): void {
    if (this.#closed) sound.close();
    else this.#sound = sound;
    this.soundChanged();
  }

  soundChanged(): void {
    if (this.#closed) return;
    if (this.#sound?.state === 'up') this.#soundOutage.end();
    else this.#soundOutage.begin();
    this.#events.connectionChanged();
  }

  /** The own voice goes where the role and the person let it. */
  speak(): void {
    this.#sound?.speak(this.onStage, this.unmuted && !this.you.muted);
  }

  reopened(view: RoomView, seq: number, media: MediaGrant): void {
    this.you = view.you;
    this.#channel.startAfter(seq);
    this.#sound?.restart(media);
  }

  close(): void {
    this.#closed = true;
    this.#houseOutage.stop();
    this.#soundOutage.stop();
    this.#channel.close();
    this.#sound?.close();
    this.#sound = null;
  }

  #up(): void {
    const before = this.connection.type;
    this.#restarts = false;
    this.#houseOutage.end();
    if (before !== this.connection.type) this.#events.connectionChanged();
  }

  #down(restarts: boolean): void {
    this.#houseOutage.begin();
    if (!restarts || this.#restarts) return;
    this.#restarts = true;
    this.#events.connectionChanged();
  }
}
