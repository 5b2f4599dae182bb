/**
 * The backend of a plain browser: the house that served the page, over the same HTTP and WebSocket that the app uses,
 * and its sound over WebRTC.
 */
import type {
  Act,
  Answer,
  AppView,
  AtDoor,
  Backend,
  BackendEvents,
  CallablePerson,
  CalledView,
  CallUpdate,
  CallView,
  ClosedReason,
  Code,
  Command,
  FoundRoom,
  LevelBatch,
  MicrophoneView,
  Notice,
  RoomCard,
  RoomId,
  RoomView,
  TopicChange,
  Served,
  SoundView,
  YouView,
} from './backend';
import { BrowserWindow, newProfile, NO_COMPUTER, NO_REACH, NO_UPDATES } from './browser_window';
import type { CalledIn, Envelope } from './house/channel';
import { LevelMeter, LOOK_MS } from './house/level_meter';
import { Loudspeaker } from './house/loudspeaker';
import { Microphone } from './house/microphone';
import { placeOf, type HousePlace } from './house/place';
import { HouseSession, refused } from './house/session';
import type { MediaGrant, Sound, SoundNeeds } from './house/sound';
import { Visit } from './house/visit';
import { loadAgain } from './load_again';

/** What a gate says of itself: its certificate's fingerprint, unless that is one of the public web. */
type GateDescription = { pin?: string };
type HouseInfo = { pin: string; name: string; version: string; domain?: string };
type Joined = { view: RoomView; seq: number; media: MediaGrant };

/** How often the list of rooms is asked for while it is shown. */
const ROOMS_LOOK_MS = 2_000;
/** How long a gate may take to describe itself. */
const GATE_LIMIT_MS = 5_000;
/** Makes the sound of a room; loaded when there is one, so that the first picture does not wait for it. */
export type SoundMaker = (needs: SoundNeeds, grant: MediaGrant) => Promise<Sound>;

/** What a house refuses over plain HTTP, and the browser has no microphone for. */
const NEEDS_SECURE_PAGE: ReadonlySet<Act> = new Set<Act>(['raiseHand', 'acceptInvitation', 'say', 'react']);
/** Why coming back to a room is refused for good, and what the person is told. */
const OVER: Partial<Record<Code, ClosedReason>> = {
  room_ended: 'ended',
  room_not_found: 'ended',
  removed_recently: 'removed',
  blocked: 'removed',
};

const loadSound: SoundMaker = async (needs, grant) => {
  const { RoomSound } = await loadAgain(() => import('./house/sound'));
  return new RoomSound(needs, grant);
};

export class HouseBackend implements Backend {
  readonly isHouse = false;
  readonly served: Served;
  readonly window: BrowserWindow;
  readonly #profile = newProfile();
  readonly #session: HouseSession;
  readonly #place: HousePlace;
  #gate: GateDescription | null = null;
  #events: BackendEvents | null = null;
  #info: HouseInfo | null = null;
  #rooms: RoomCard[] | null = null;
  #openedLink: string | null = null;
  #called: CalledView | null = null;
  /** The room whose lock refused this person last. */
  #lockedOut: RoomId | null = null;
  #appRevision = 0;
  #callRevision = 0;
  #visit: Visit | null = null;
  readonly #makeSound: SoundMaker;
  readonly #loudspeaker = new Loudspeaker(() => this.#callChanged());
  readonly #microphone = new Microphone(() => this.#microphoneChanged());
  #levels: ReturnType<typeof setInterval> | undefined;

  private constructor(session: HouseSession, place: HousePlace, makeSound: SoundMaker) {
    this.#session = session;
    this.#place = place;
    this.#makeSound = makeSound;
    const secureOrigin = Microphone.isPossible ? null : place.http.replace(/^http:/, 'https:');
    this.served = { secureOrigin, gate: place.key === null ? null : place.host };
    this.window = new BrowserWindow(this.#profile, {
      signIn: (name) => session.signIn(name),
      changed: () => this.#appChanged(),
      soundChosen: (sound) => this.#soundChosen(sound),
      hearLevels: (hear) => this.#hearLevels(hear),
      loudspeaker: this.#loudspeaker,
    });
    setInterval(() => void this.#look(), ROOMS_LOOK_MS);
    // The key of this person is gone with the page: nobody can come back to the seat.
    addEventListener('pagehide', ({ persisted }) => persisted || this.#sayGoodbye());
  }

  static async make(at: Location, makeSound: SoundMaker = loadSound): Promise<HouseBackend> {
    const place = placeOf(at);
    return new HouseBackend(await HouseSession.make(place.http), place, makeSound);
  }

  async listen(events: BackendEvents): Promise<void> {
    this.#events = events;
  }

  async openApp(): Answer<AppView> {
    const info = await this.#session.look<HouseInfo>('/house');
    if (info.status === 'error') return info;
    this.#info = info.data;
    if (this.#place.key !== null) this.#gate = await describeGate(this.#place);
    if (this.#place.room) this.#openedLink = this.#linkTo(this.#place.room);
    await this.#look();
    return { status: 'ok', data: this.#view() };
  }

  startRoom(title: string, leaveOther: boolean): Answer {
    this.#loudspeaker.unlock();
    return this.#enter(this.#session.ask('/rooms', { title, leaveOther }));
  }

  joinRoom(_house: string, room: RoomId, leaveOther: boolean): Answer {
    this.#loudspeaker.unlock();
    return this.#joinRoom(room, leaveOther);
  }

  async #joinRoom(room: RoomId, leaveOther: boolean): Answer {
    const joined = await this.#enter(this.#session.askAgain(`/rooms/${room}/join`, { leaveOther }));
    if (joined.status === 'error' && joined.error.code === 'room_locked') this.#lockedOut = room;
    return joined;
  }

  async joinLink(link: string, leaveOther: boolean): Answer {
    this.#loudspeaker.unlock();
    const found = await this.lookAtLink(link);
    if (found.status === 'error') return found;
    const [room] = found.data;
    return room ? this.joinRoom(room.house, room.card.id, leaveOther) : refused('room_not_found', 'no room behind this link');
  }

  async lookAtLink(link: string): Answer<FoundRoom[]> {
    const read = /^(?:serambi|https):\/\/([^/?]+)\/?(?:r\/(\w+))?(?:\?(?:.*&)?pin=([\w-]{43}))?/.exec(link.trim());
    const [, host = '', room, pin] = read ?? [];
    const name = /^([\w-]+(?:\.[\w-]+)+)(?::\d+)?$/.exec(host)?.[1];
    if (!(pin ?? name)) return refused('link_wrong', 'not a link');
    if (pin ? pin !== this.#info?.pin : name?.toLowerCase() !== this.#info?.domain) return refused('house_not_the_one', 'a page shows the rooms of its own house only');
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

  async callablePeople(): Answer<CallablePerson[]> {
    if (!this.#visit) return refused('no_call', 'callablePeople');
    return this.#session.lookAsOneself(`/rooms/${this.#visit.room}/callable`);
  }

  async knock(waits: boolean): Answer<AtDoor> {
    if (this.#lockedOut === null) return refused('not_at_door', 'no lock was in the way');
    const knocked = await this.#session.ask<{ door: AtDoor }>(`/rooms/${this.#lockedOut}/door`, { waits });
    return knocked.status === 'ok' ? { status: 'ok', data: knocked.data.door } : knocked;
  }

  async joinCalled(leaveOther: boolean): Answer {
    if (!this.#called) return refused('not_at_door', 'nobody calls');
    const joined = await this.joinRoom('', this.#called.card.id, leaveOther);
    if (joined.status === 'ok') this.#standCalled(null);
    return joined;
  }

  async passCalled(): Answer {
    this.#standCalled(null);
    return { status: 'ok', data: null };
  }

  #standCalled(called: CalledView | null): void {
    this.#called = called;
    this.#appChanged();
  }

  #tellCalled(visit: Visit, { by, card }: CalledIn): void {
    if (this.#visit === visit && card.id !== visit.room) this.#standCalled({ by, houseName: this.#info?.name ?? '', card });
  }

  /** The microphone comes first: whoever has none keeps the invitation. */
  async acceptInvitation(): Answer {
    const visit = this.#visit;
    const opened = await this.#microphone.open();
    if (opened.status === 'error') return opened;
    const accepted = await this.command({ type: 'acceptInvitation' });
    if (accepted.status === 'error' && !visit?.onStage) this.#microphone.close();
    return accepted;
  }

  /** Muting is done here before the house is told; opening is told before it is done. */
  async setMuted(muted: boolean): Answer {
    const visit = this.#visit;
    if (!visit) return refused('no_call', 'setMuted');
    if (muted) {
      this.#mute(visit);
      return this.command({ type: 'setMuted', muted });
    }
    const opened = await this.#microphone.open();
    if (opened.status === 'error') return opened;
    const answer = await this.command({ type: 'setMuted', muted });
    if (answer.status === 'ok' && visit === this.#visit) {
      visit.unmuted = true;
      visit.speak();
      this.#callChanged();
    }
    return answer;
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

  async #enter(joining: Answer<Joined>): Answer {
    const joined = await joining;
    if (joined.status === 'error') return joined;
    this.#visit?.close();
    const { seq, media } = joined.data;
    const view = this.#asItIsHere(joined.data.view);
    const visit: Visit = new Visit(view, seq, {
      address: (after) => this.#channelAddress(after),
      told: (envelope) => this.#told(visit, envelope),
      called: (called) => this.#tellCalled(visit, called),
      connectionChanged: () => this.#update(visit, { type: 'call', call: this.#callView(visit) }),
      rejoin: () => this.#rejoin(visit),
    });
    this.#visit = visit;
    this.#opened(visit, view);
    void this.#bringSound(visit, media);
    this.#roleChanged(visit);
    return { status: 'ok', data: null };
  }

  async #bringSound(visit: Visit, grant: MediaGrant): Promise<void> {
    const needs: SoundNeeds = {
      ownServer: this.#place.ws,
      loudspeaker: this.#loudspeaker,
      microphone: this.#microphone,
      sound: this.#profile.sound,
      grant: () => this.#session.askAgain<MediaGrant>(`/rooms/${visit.room}/media`, {}),
      stateChanged: () => visit.soundChanged(),
    };
    try {
      visit.hear(await this.#makeSound(needs, grant));
      visit.speak();
    } catch (error) {
      this.#events?.problem({ code: 'media_failed', detail: String(error) });
    }
  }

  /** On stage the microphone is open, muted; in the audience it is closed. */
  #roleChanged(visit: Visit): void {
    if (visit.onStage) void this.#microphone.open();
    else {
      visit.unmuted = false;
      this.#microphone.close();
    }
    visit.speak();
  }

  #mute(visit: Visit): void {
    visit.unmuted = false;
    visit.speak();
    this.#callChanged();
  }

  /** What the house would refuse over plain HTTP is not offered here. */
  #asItIsHere(view: RoomView): RoomView {
    return { ...view, you: this.#youHere(view.you) };
  }

  #youHere(you: YouView): YouView {
    if (this.served.secureOrigin === null || you.role !== 'listener') return you;
    const offered = you.may.filter((act) => !NEEDS_SECURE_PAGE.has(act));
    const refusedHere = [...NEEDS_SECURE_PAGE].map((act) => ({ act, code: 'not_secure' as const }));
    return { ...you, may: offered, refused: [...you.refused.filter(({ act }) => !NEEDS_SECURE_PAGE.has(act)), ...refusedHere] };
  }

  #sayGoodbye(): void {
    if (this.#visit) this.#session.sayLast(`/rooms/${this.#visit.room}/commands`, { type: 'leave' });
    this.#visit?.close();
  }

  /** The house did not take the channel: it may have been restarted. Joining again gives the same seat. */
  async #rejoin(visit: Visit): Promise<void> {
    const joined = await this.#session.askAgain<Joined>(`/rooms/${visit.room}/join`, { leaveOther: false });
    if (this.#visit !== visit) return;
    if (joined.status === 'ok') {
      const { seq, media } = joined.data;
      const view = this.#asItIsHere(joined.data.view);
      visit.reopened(view, seq, media);
      this.#opened(visit, view);
      this.#roleChanged(visit);
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
      const view = this.#asItIsHere(event.view);
      visit.you = view.you;
      this.#opened(visit, view);
      this.#roleChanged(visit);
    } else if (event.type === 'changed') {
      this.#changed(visit, event.now, event.changes);
    }
  }

  #changed(visit: Visit, now: number, changes: TopicChange[]): void {
    const before = visit.you;
    const here = changes.map((change): TopicChange => (change.topic === 'you' ? { ...change, record: this.#youHere(change.record) } : change));
    for (const change of here) if (change.topic === 'you') visit.you = change.record;
    this.#update(visit, { type: 'room', now, changes: here });
    // A moderator's mute closes it for good: what opens it again is a press of this person.
    if (visit.you.muted && !before.muted) this.#mute(visit);
    if (before.role !== visit.you.role) this.#roleChanged(visit);
    // The event may come before or after the answer to the command.
    else if (before.muted !== visit.you.muted) visit.speak();
    if (before.muted !== visit.you.muted || before.role !== visit.you.role) this.#callChanged();
    for (const notice of here.flatMap(noticesIn)) this.#events?.noticed(notice);
  }

  #callChanged(): void {
    if (this.#visit) this.#update(this.#visit, { type: 'call', call: this.#callView(this.#visit) });
  }

  #microphoneChanged(): void {
    this.#visit?.speak();
    this.#callChanged();
  }

  #soundChosen(sound: SoundView): void {
    this.#loudspeaker.choose(sound.loudspeaker);
    void this.#microphone.choose(sound);
    this.#visit?.sound?.choose(sound);
  }

  /** Until the call is over. */
  #hearLevels(hear: (batch: LevelBatch) => void): void {
    clearInterval(this.#levels);
    const meter = new LevelMeter();
    this.#levels = setInterval(() => {
      const sound = this.#visit?.sound;
      if (!sound || document.hidden) return;
      const batch = meter.look(sound.loudness());
      if (batch) hear(batch);
    }, LOOK_MS);
  }

  #over(visit: Visit, reason: ClosedReason): void {
    visit.close();
    if (this.#visit !== visit) return;
    this.#visit = null;
    this.#microphone.close();
    clearInterval(this.#levels);
    this.#callRevision += 1;
    this.#events?.callUpdated({ revision: this.#callRevision, update: { type: 'none' } });
    this.#events?.callClosed(reason);
    void this.#look();
  }

  /** What is kept of the streams the house tells by itself, behind the view. */
  #opened(visit: Visit, view: RoomView): void {
    this.#update(visit, { type: 'opened', call: this.#callView(visit), room: { view, streams: [] } });
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
      microphone: this.#microphoneView(visit),
      loudspeakerProblem: this.#loudspeaker.problem,
    };
  }

  /** Muted is what really is: the house may have been told a moment before. */
  #microphoneView(visit: Visit): MicrophoneView {
    const open = this.#microphone.track !== null;
    return { open, muted: visit.you.muted || !(open && visit.unmuted), problem: this.#microphone.problem };
  }

  #channelAddress(after: number): string {
    const session = encodeURIComponent(this.#session.secret ?? '');
    return `${this.#place.ws}/api/v1/events?after=${after}&session=${session}`;
  }

  /** Behind a gate the app goes through it as well, and there the gate cannot read along. */
  #linkTo(room: RoomId): string {
    const { host, key } = this.#place;
    const link = `serambi://${host}/r/${room}`;
    if (this.#isByName()) return link;
    const pinned = `${link}?pin=${this.#info?.pin ?? ''}`;
    if (key === null) return pinned;
    return `${pinned}&key=${key}&gate=${host}${this.#gate?.pin ? `&gatepin=${this.#gate.pin}` : ''}`;
  }

  /** The page came by the name for which the house has a certificate of the public web: no pin is needed there. */
  #isByName(): boolean {
    const { http, host, key } = this.#place;
    return http.startsWith('https:') && key === null && this.#info?.domain === host.replace(/:\d+$/, '');
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
      callMe: 'inRoom',
      called: this.#called,
      computer: NO_COMPUTER,
      updates: NO_UPDATES,
      reach: NO_REACH,
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

function noticesIn(change: TopicChange): Notice[] {
  return change.topic === 'notices' ? change.stream : [];
}

/** Its own certificate's fingerprint goes into links; without an answer it counts as one of the public web. */
async function describeGate({ http }: HousePlace): Promise<GateDescription> {
  try {
    const response = await fetch(new URL('/gate/description', http), { signal: AbortSignal.timeout(GATE_LIMIT_MS) });
    return response.ok ? ((await response.json()) as GateDescription) : {};
  } catch {
    return {};
  }
}
