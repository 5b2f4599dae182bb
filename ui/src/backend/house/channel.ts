/** Being told: the house's numbered events over one WebSocket that keeps itself connected. */
import type { ClosedReason, RoomCard, RoomId, RoomTime, RoomView, TopicChange } from '../backend';

export type RoomEvent =
  | { type: 'opened'; view: RoomView }
  | { type: 'changed'; now: RoomTime; changes: TopicChange[] }
  | { type: 'closed'; reason: ClosedReason }
  | { type: 'unknown' };

export type Envelope = { seq: number; room: RoomId; event: RoomEvent };

/** Somebody calls one into another room of this house. */
export type CalledIn = { by: string; card: RoomCard };

/** What comes out of the channel. */
export type ChannelEvents = {
  told(envelope: Envelope): void;
  called(called: CalledIn): void;
  /** Connected, at first or again. */
  up(): void;
  /** Not connected; it is tried again by itself. `restarts`: the house said that it goes. */
  down(restarts: boolean): void;
  /** The house did not take the connection: it may have forgotten the session. Awaited before the next try. */
  notTaken(): Promise<void>;
};

const PING_EVERY_MS = 2_000;
/** Three pings unanswered. */
const SILENCE_LIMIT_MS = 6_000;
const MIN_RETRY_MS = 250;
const MAX_RETRY_MS = 2_000;
/** Going away, and service restart (RFC 6455 section 7.4.1 and the registry it began). */
const GOING: ReadonlySet<number> = new Set([1001, 1012]);

export class HouseChannel {
  readonly #events: ChannelEvents;
  readonly #address: (after: number) => string;
  #seq: number;
  #socket: WebSocket | null = null;
  #retryMs = MIN_RETRY_MS;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0;
  #closed = false;

  /** `address`: where to connect for what came after event `after`; `seq`: the last event that is known. */
  constructor(address: (after: number) => string, seq: number, events: ChannelEvents) {
    this.#address = address;
    this.#seq = seq;
    this.#events = events;
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#ping);
    this.#socket?.close();
  }

  /** Numbers begin anew after this one: the session is another. */
  startAfter(seq: number): void {
    this.#seq = seq;
  }

  #connect(): void {
    const socket = new WebSocket(this.#address(this.#seq));
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#opened(socket);
    };
    socket.onmessage = ({ data }) => this.#heard(String(data));
    socket.onclose = ({ code }) => void this.#lost(opened, GOING.has(code));
  }

  #opened(socket: WebSocket): void {
    this.#retryMs = MIN_RETRY_MS;
    this.#heardAt = performance.now();
    // Whoever is in a room of this house can be called into another.
    socket.send(JSON.stringify({ type: 'callable', callable: true }));
    this.#ping = setInterval(() => {
      if (performance.now() - this.#heardAt > SILENCE_LIMIT_MS) socket.close();
      else if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'ping' }));
    }, PING_EVERY_MS);
    this.#events.up();
  }

  #heard(text: string): void {
    this.#heardAt = performance.now();
    const told = JSON.parse(text) as { type: string } & Envelope & CalledIn;
    if (told.type === 'called') return this.#events.called({ by: told.by, card: told.card });
    // Measurements, and what a newer house says, are for others.
    if (told.type !== 'event' || told.seq <= this.#seq) return;
    this.#seq = told.seq;
    this.#events.told(told);
  }

  async #lost(opened: boolean, restarts: boolean): Promise<void> {
    clearInterval(this.#ping);
    if (this.#closed) return;
    this.#events.down(restarts);
    if (!opened) await this.#events.notTaken();
    if (this.#closed) return;
    this.#retry = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
  }
}
