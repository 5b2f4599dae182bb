/**
 * The backend of a plain browser: the house that served the page, over the same HTTP and WebSocket that the app uses.
 * There is no sound in it yet.
 */
import type {
  Answer,
  AppView,
  Backend,
  BackendEvents,
  CallUpdate,
  CallView,
  ClosedReason,
  Code,
  Command,
  Connection,
  FoundRoom,
  MicrophoneView,
  Notice,
  RoomCard,
  RoomId,
  RoomView,
  TopicChange,
  YouView,
} from './backend';
import { BrowserWindow, newProfile, NO_COMPUTER, NO_UPDATES } from './browser_window';
import { HouseChannel, type Envelope } from './house/channel';
import { HouseSession, refused } from './house/session';

type HouseInfo = { pin: string; name: string; version: string };
type Joined = { view: RoomView; seq: number };

/** How often the list of rooms is asked for while it is shown. */
const LOOK_MS = 2_000;
/** The house is said to be away after so long, and given up for the person after that (12). */
const SAID_AFTER_MS = 2_000;
const LOST_AFTER_MS = 60_000;
/** Why coming back to a room is refused for good, and what the person is told. */
const OVER: Partial<Record<Code, ClosedReason>> = {
  room_ended: 'ended',
  room_not_found: 'ended',
  removed_recently: 'removed',
  blocked: 'removed',
};

export class HouseBackend implements Backend {
  readonly isHouse = false;
  readonly window: BrowserWindow;
  readonly #profile = newProfile();
  readonly #session: HouseSession;
  readonly #host: string;
  readonly #secure: boolean;
  #events: BackendEvents | null = null;
  #info: HouseInfo | null = null;
  #rooms: RoomCard[] | null = null;
  #openedLink: string | null = null;
  #appRevision = 0;
  #callRevision = 0;
  #visit: Visit | null = null;

  private constructor(session: HouseSession, at: Location) {
    this.#session = session;
    this.#host = at.host;
    this.#secure = at.protocol === 'https:';
    this.window = new BrowserWindow(
      this.#profile,
      (name) => session.signIn(name),
      () => this.#appChanged(),
    );
    setInterval(() => void this.#look(), LOOK_MS);
  }

  static async make(at: Location): Promise<HouseBackend> {
    return new HouseBackend(await HouseSession.make(at.origin), at);
  }

  async listen(events: BackendEvents): Promise<void> {
    this.#events = events;
  }

  async openApp(): Answer<AppView> {
    const info = await this.#session.look<HouseInfo>('/house');
    if (info.status === 'error') return info;
    this.#info = info.data;
    const room = /^\/r\/(\w+)/.exec(location.pathname)?.[1] ?? new URLSearchParams(location.search).get('room');
    if (room) this.#openedLink = this.#linkTo(room);
    await this.#look();
    return { status: 'ok', data: this.#view() };
  }

  startRoom(title: string, leaveOther: boolean): Answer {
    return this.#enter('/rooms', { title, leaveOther });
  }

  joinRoom(_house: string, room: RoomId, leaveOther: boolean): Answer {
    return this.#enter(`/rooms/${room}/join`, { leaveOther });
  }

  async joinLink(link: string, leaveOther: boolean): Answer {
    const found = await this.lookAtLink(link);
    if (found.status === 'error') return found;
    const [room] = found.data;
    return room ? this.joinRoom(room.house, room.card.id, leaveOther) : refused('room_not_found', 'no room behind this link');
  }

  async lookAtLink(link: string): Answer<FoundRoom[]> {
    const read = /^serambi:\/\/[^/]+\/?(?:r\/(\w+))?\?(?:.*&)?pin=([\w-]{43})/.exec(link.trim());
    if (!read) return refused('link_wrong', 'not a link');
    const [, room, pin] = read;
    if (pin !== this.#info?.pin) return refused('house_not_the_one', 'a page shows the rooms of its own house only');
    const cards = room ? await this.#session.look<RoomCard>(`/rooms/${room}`) : await this.#session.look<RoomCard[]>('/rooms');
    if (cards.status === 'error') return cards;
    return { status: 'ok', data: [cards.data].flat().map((card) => this.#found(card)) };
  }

  async saveHouse(): Answer {
    return refused('not_allowed', 'a page keeps nothing');
  }

  async keepHouse(link: string): Answer {
    const code = new URLSearchParams(link.split('?')[1]).get('keeper');
    if (!code) return refused('link_wrong', 'no keeper\'s code');
    return this.#session.ask<null>('/keeper', { code });
  }

  async forgetHouse(): Answer {
    return refused('not_allowed', 'a page keeps nothing');
  }

  async command(command: Command): Answer {
    if (!this.#visit) return refused('no_call', command.type);
    return this.#session.ask<null>(`/rooms/${this.#visit.room}/commands`, command);
  }

  acceptInvitation(): Answer {
    return this.command({ type: 'acceptInvitation' });
  }

  setMuted(muted: boolean): Answer {
    return this.command({ type: 'setMuted', muted });
  }

  async leave(): Answer {
    const visit = this.#visit;
    const left = await this.command({ type: 'leave' });
    // A house that cannot be reached follows by itself; whoever leaves has left.
    if (visit) this.#over(visit, 'left');
    return left.status === 'error' && left.error.code === 'no_call' ? left : { status: 'ok', data: null };
  }

  endRoom(): Answer {
    return this.command({ type: 'endRoom' });
  }

  async #enter(path: string, body: object): Answer {
    const joined = await this.#session.ask<Joined>(path, body);
    if (joined.status === 'error') return joined;
    this.#visit?.close();
    const { view, seq } = joined.data;
    const visit: Visit = new Visit(view, seq, {
      address: (after) => this.#channelAddress(after),
      told: (envelope) => this.#told(visit, envelope),
      connectionChanged: () => this.#update(visit, { type: 'call', call: this.#callView(visit) }),
      rejoin: () => this.#rejoin(visit),
    });
    this.#visit = visit;
    this.#update(visit, { type: 'opened', call: this.#callView(visit), room: view });
    return { status: 'ok', data: null };
  }

  /** The house did not take the channel: it may have been restarted. Joining again gives the same seat. */
  async #rejoin(visit: Visit): Promise<void> {
    const joined = await this.#session.ask<Joined>(`/rooms/${visit.room}/join`, { leaveOther: false });
    if (this.#visit !== visit) return;
    if (joined.status === 'ok') {
      const { view, seq } = joined.data;
      visit.reopened(view, seq);
      this.#update(visit, { type: 'opened', call: this.#callView(visit), room: view });
      return;
    }
    const reason = OVER[joined.error.code];
    if (reason) this.#over(visit, reason);
  }

  #told(visit: Visit, { room, event }: Envelope): void {
    if (room !== visit.room || this.#visit !== visit) return;
    if (event.type === 'closed') {
      this.#over(visit, event.reason);
    } else if (event.type === 'opened') {
      visit.you = event.view.you;
      this.#update(visit, { type: 'opened', call: this.#callView(visit), room: event.view });
    } else if (event.type === 'changed') {
      this.#changed(visit, event.now, event.changes);
    }
  }

  #changed(visit: Visit, now: number, changes: TopicChange[]): void {
    const before = visit.microphone();
    for (const change of changes) if (change.topic === 'you') visit.you = change.record;
    this.#update(visit, { type: 'room', now, changes });
    const after = visit.microphone();
    if (before.muted !== after.muted || before.open !== after.open) {
      this.#update(visit, { type: 'call', call: this.#callView(visit) });
    }
    for (const notice of changes.flatMap(noticesIn)) this.#events?.noticed(notice);
  }

  #over(visit: Visit, reason: ClosedReason): void {
    visit.close();
    if (this.#visit !== visit) return;
    this.#visit = null;
    this.#callRevision += 1;
    this.#events?.callUpdated({ revision: this.#callRevision, update: { type: 'none' } });
    this.#events?.callClosed(reason);
    void this.#look();
  }

  #update(visit: Visit, update: CallUpdate): void {
    if (this.#visit !== visit) return;
    this.#callRevision += 1;
    this.#events?.callUpdated({ revision: this.#callRevision, update });
  }

  #callView(visit: Visit): CallView {
    return {
      link: this.#linkTo(visit.room),
      connection: visit.connection,
      microphone: visit.microphone(),
      loudspeakerProblem: null,
    };
  }

  #channelAddress(after: number): string {
    const session = encodeURIComponent(this.#session.secret ?? '');
    return `${this.#secure ? 'wss' : 'ws'}://${this.#host}/api/v1/events?after=${after}&session=${session}`;
  }

  #linkTo(room: RoomId): string {
    return `serambi://${this.#host}/r/${room}?pin=${this.#info?.pin ?? ''}`;
  }

  #found(card: RoomCard): FoundRoom {
    return { house: this.#info?.pin ?? '', houseName: this.#info?.name ?? '', mine: false, card };
  }

  /** Asks for the rooms, while they are looked at. */
  async #look(): Promise<void> {
    if (document.hidden || this.#visit || !this.#info) return;
    const rooms = await this.#session.look<RoomCard[]>('/rooms');
    this.#rooms = rooms.status === 'ok' ? rooms.data : [];
    this.#appChanged();
  }

  #appChanged(): void {
    this.#events?.appChanged(this.#view());
  }

  #view(): AppView {
    this.#appRevision += 1;
    const { name, language, theme, sound } = this.#profile;
    return {
      revision: this.#appRevision,
      profile: null,
      version: this.#info?.version ?? '',
      name,
      you: this.#session.person,
      language,
      theme,
      sound,
      doNotDisturb: { type: 'off' },
      computer: NO_COMPUTER,
      updates: NO_UPDATES,
      problem: null,
      home: {
        found: (this.#rooms ?? []).map((card) => this.#found(card)),
        saved: [],
        searching: this.#rooms === null,
        discoveryProblem: null,
      },
      openedLink: this.#openedLink,
    };
  }
}

type VisitEvents = {
  address(after: number): string;
  told(envelope: Envelope): void;
  connectionChanged(): void;
  /** Comes back to the room under a session that the house knows. */
  rejoin(): Promise<void>;
};

/** Being in one room: its channel, and how the connection stands. */
class Visit {
  readonly room: RoomId;
  you: YouView;
  connection: Connection = { type: 'connected' };
  readonly #events: VisitEvents;
  readonly #channel: HouseChannel;
  #said: ReturnType<typeof setTimeout> | undefined;
  #lost: ReturnType<typeof setTimeout> | undefined;

  constructor(view: RoomView, seq: number, events: VisitEvents) {
    this.room = view.room.id;
    this.you = view.you;
    this.#events = events;
    this.#channel = new HouseChannel((after) => events.address(after), seq, {
      told: (envelope) => events.told(envelope),
      up: () => this.#up(),
      down: (restarts) => this.#down(restarts),
      notTaken: () => events.rejoin(),
    });
  }

  reopened(view: RoomView, seq: number): void {
    this.you = view.you;
    this.#channel.startAfter(seq);
  }

  /** The microphone as the house was told: no sound leaves a page. */
  microphone(): MicrophoneView {
    return { open: this.you.role !== 'listener', muted: this.you.muted, problem: null };
  }

  close(): void {
    this.#stopWaiting();
    this.#channel.close();
  }

  #up(): void {
    this.#stopWaiting();
    this.#become({ type: 'connected' });
  }

  #down(restarts: boolean): void {
    const said: Connection = { type: restarts ? 'houseRestarting' : 'reconnecting' };
    if (restarts) this.#become(said);
    this.#said ??= setTimeout(() => this.#become(this.connection.type === 'connected' ? said : this.connection), SAID_AFTER_MS);
    this.#lost ??= setTimeout(() => this.#become({ type: 'lost' }), LOST_AFTER_MS);
  }

  #stopWaiting(): void {
    clearTimeout(this.#said);
    clearTimeout(this.#lost);
    this.#said = undefined;
    this.#lost = undefined;
  }

  #become(connection: Connection): void {
    if (connection.type === this.connection.type) return;
    this.connection = connection;
    this.#events.connectionChanged();
  }
}

function noticesIn(change: TopicChange): Notice[] {
  return change.topic === 'notices' ? change.stream : [];
}
