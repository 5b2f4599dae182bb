/**
 * A living house without a network: for tests, pictures and `npm run dev` in a plain browser.
 *
 * Deterministic: the same scenario and the same wishes give the same evening. `lively` people answer by themselves
 * (they accept invitations, a moderator invites a raised hand); tests play them through `guest` instead.
 */
import type {
  Answer,
  AppView,
  Backend,
  CallSnapshot,
  CallView,
  ChosenDevice,
  Command,
  Ears,
  EchoCancelling,
  FoundRoom,
  Language,
  LevelBatch,
  MicrophoneMode,
  OpenedApp,
  PersonId,
  Result,
  SoundCheckVerdict,
  SoundDevices,
  SoundNotice,
  SoundView,
  Theme,
  VoiceSetting,
} from './backend';
import { isOnStage } from './backend';
import { behind, known, mine, opened, save } from './fake/doors';
import { FakeRoom, refuse } from './fake/house';
import { dropIn, reactTo } from './fake/liveliness';
import { measured } from './fake/measured';
import { crowd, idOf, ME } from './fake/people';
import { calm, linkTo, MY_PIN, scenarios, type Scenario, type ScenarioName } from './fake/scenarios';
import { FakeSoundCheck } from './fake/sound';
import { levels } from './fake/voices';

const BATCH_MS = 50;
const done: Result<null> = { status: 'ok', data: null };

export type FakeSettings = {
  scenario?: ScenarioName;
  language?: Language | null;
  theme?: Theme;
  /** People act by themselves. */
  lively?: boolean;
  /** One loudness for the first voice instead of talk: for pictures. */
  still?: boolean;
  /** Listeners on a usual evening. */
  listening?: number;
  /** How long a sound check records. */
  recordMs?: number;
  now?: () => number;
};

export class FakeBackend implements Backend {
  readonly scenario: Scenario;
  readonly sent: string[] = [];
  #settings: FakeSettings;
  #now: () => number;
  #language: Language | null;
  #theme: Theme;
  #ears: Ears | null = null;
  #hear: ((batch: LevelBatch) => void) | null = null;
  #levels: ReturnType<typeof setInterval> | undefined;
  #batch = 0;
  #check: FakeSoundCheck;
  #rooms = 0;
  #revision = 0;

  constructor(settings: FakeSettings = {}) {
    this.#settings = settings;
    this.#now = settings.now ?? (() => performance.now());
    this.#language = settings.language === undefined ? 'en' : settings.language;
    this.#theme = settings.theme ?? 'system';
    const setting = { at: (ago: number) => this.#clockFrom(this.#now() - ago), listening: settings.listening ?? 58 };
    this.scenario = { ...calm(), ...scenarios[settings.scenario ?? 'home'](setting) };
    this.#check = new FakeSoundCheck(this.scenario, settings.recordMs ?? 0);
    if (this.scenario.room) this.#moveIn(this.scenario.room);
  }

  get room(): FakeRoom | null {
    return this.scenario.room;
  }

  async listen(ears: Ears): Promise<void> {
    this.#ears = ears;
  }

  async openApp(): Promise<Result<OpenedApp>> {
    const { opening, closeAsked } = this.scenario;
    if (opening === 'never') return new Promise(() => {});
    if (opening !== 'at once') return refuse(opening);
    if (closeAsked) setTimeout(() => this.askToClose());
    this.#ears?.callMeasured(measured(this.room));
    const alone = this.room?.guest(ME.id)?.role === 'host' && this.room.guests.length === 1;
    if (this.#settings.lively && alone) dropIn(this);
    return { status: 'ok', data: { app: this.#app(), call: this.#snapshot() } };
  }

  hearLevels(hear: (batch: LevelBatch) => void): Answer {
    this.#hear = hear;
    clearInterval(this.#levels);
    this.#levels = setInterval(() => this.#sendLevels(), BATCH_MS);
    return this.#answer(done);
  }

  async setName(name: string): Answer {
    const trimmed = name.trim();
    if (!trimmed) return refuse('name_empty');
    if ([...trimmed].length > 64) return refuse('name_too_long');
    if (/\p{Cc}/u.test(trimmed)) return refuse('name_unreadable');
    this.scenario.name = trimmed;
    const me = this.room?.guest(ME.id);
    if (me) me.name = trimmed;
    return this.#answer(done);
  }

  async setLanguage(language: Language): Answer {
    this.#language = language;
    return this.#answer(done);
  }

  async setTheme(theme: Theme): Answer {
    this.#theme = theme;
    return this.#answer(done);
  }

  async startRoom(title: string, leaveOther: boolean): Answer {
    if ([...title.trim()].length > 100) return refuse('title_too_long');
    if (this.#onStage() && !leaveOther) return refuse('on_stage_elsewhere');
    const room = new FakeRoom(`mine${(this.#rooms += 1)}`, title.trim(), this.#clockFrom(this.#now()));
    this.#replaceRoom(room);
    room.enter(ME.id, this.scenario.name ?? '', 'host');
    if (this.#settings.lively) dropIn(this);
    return this.#answer(done);
  }

  async joinRoom(house: string, room: string, leaveOther: boolean): Answer {
    return this.#join(known(this.scenario).find((found) => found.house === house && found.card.id === room), leaveOther);
  }

  async joinLink(link: string, leaveOther: boolean): Answer {
    const looked = await this.lookAtLink(link);
    return looked.status === 'ok' ? this.#join(looked.data[0], leaveOther) : looked;
  }

  async lookAtLink(link: string): Promise<Result<FoundRoom[]>> {
    return behind(this.scenario, link);
  }

  async saveHouse(link: string): Answer {
    return this.#answer(save(this.scenario, link));
  }

  async forgetHouse(pin: string): Answer {
    this.scenario.saved = this.scenario.saved.filter((house) => house.pin !== pin);
    return this.#answer(done);
  }

  async command(command: Command): Answer {
    this.sent.push(command.type);
    if (!this.room) return refuse('no_call');
    const result = this.room.command(ME.id, command);
    if (this.#settings.lively) reactTo(this, command);
    return this.#answer(result);
  }

  async acceptInvitation(): Answer {
    return this.scenario.acceptingProblem ? refuse(this.scenario.acceptingProblem) : this.command({ type: 'acceptInvitation' });
  }

  async setMuted(muted: boolean): Answer {
    return this.scenario.microphoneProblem && !muted
      ? refuse(this.scenario.microphoneProblem)
      : this.command({ type: 'setMuted', muted });
  }

  leave(): Answer {
    return this.command({ type: 'leave' });
  }

  endRoom(): Answer {
    return this.command({ type: 'endRoom' });
  }

  async listSoundDevices(): Answer<SoundDevices> {
    const { devices } = this.scenario;
    return devices ? { status: 'ok', data: devices } : refuse('no_microphone');
  }

  chooseMicrophone(device: ChosenDevice | null): Answer {
    return this.#changeSound({ microphone: device ? { type: 'named', device } : { type: 'system' } });
  }

  chooseLoudspeaker(device: ChosenDevice | null): Answer {
    return this.#changeSound({ loudspeaker: device ? { type: 'named', device } : { type: 'system' } });
  }

  setMicrophoneMode(mode: MicrophoneMode): Answer {
    return this.#changeSound({ mode });
  }

  setEchoCancelling(echo: EchoCancelling): Answer {
    return this.#changeSound({ echo });
  }

  setVoice(person: PersonId, voice: VoiceSetting): Answer {
    const others = this.scenario.sound.voices.filter(([id]) => id !== person);
    return this.#changeSound({ voices: [...others, [person, voice]] });
  }

  async openSoundCheck(hear: (batch: LevelBatch) => void): Answer {
    const me = this.room?.guest(ME.id);
    if (me) me.muted = true;
    return this.#answer(this.#check.start(hear));
  }

  recordSoundCheck(): Answer<SoundCheckVerdict> {
    this.sent.push('recordSoundCheck');
    return this.#check.record();
  }

  async playSoundCheck(): Answer {
    this.sent.push('playSoundCheck');
    return this.#check.play();
  }

  async closeSoundCheck(): Answer {
    this.#check.stop();
    return done;
  }

  async diagnostics(): Answer<string> {
    return { status: 'ok', data: 'Serambi 0.1.0\nsystem: fake' };
  }

  async closeWindow(): Answer {
    this.sent.push('closeWindow');
    return done;
  }

  async painted(): Answer {
    return done;
  }

  // ---- the other side: what tests and lively people do

  /** Another person does something. */
  guest(name: string, command: Command): void {
    const room = this.#openRoom();
    room.command(room.named(name).id, command);
    this.#changed();
  }

  arrive(...names: string[]): void {
    for (const name of names) this.#openRoom().enter(idOf(name), name);
    this.#changed();
  }

  arriveCrowd(count: number): void {
    this.arrive(...crowd(count));
  }

  setConnection(connection: Scenario['connection']): void {
    this.scenario.connection = connection;
    this.#changed();
  }

  loseRoom(): void {
    this.#closeRoom('lost');
    this.#changed();
  }

  /** The system does something about the sound by itself. */
  noticeSound(notice: SoundNotice): void {
    this.#ears?.soundNoticed(notice);
  }

  /** A headset is plugged in or pulled out. */
  plug(devices: SoundDevices | null): void {
    this.scenario.devices = devices;
  }

  /** Is a microphone open for a sound check? */
  get checksSound(): boolean {
    return this.#check.open;
  }

  openLink(openedLink: string): void {
    this.scenario.view = { ...this.scenario.view, openedLink };
    this.#changed();
  }

  askToClose(): void {
    this.#ears?.closeAsked({ people: this.room ? this.room.guests.length - 1 : 0, rooms: this.room ? 1 : 0 });
  }

  /** A link to a room of the house on this network. */
  networkLink(room: string): string {
    return linkTo(room);
  }

  /** Both snapshots at once. */
  view(): AppView & { call: CallView | null } {
    return { ...this.#app(), call: this.#call() };
  }

  #app(): AppView {
    const { name, found, saved, searching, discoveryProblem, sound, view } = this.scenario;
    return {
      revision: (this.#revision += 1),
      profile: null,
      version: '0.1.0',
      name,
      you: ME.id,
      language: this.#language,
      theme: this.#theme,
      sound,
      problem: null,
      home: { found: [...mine(this.scenario), ...found], saved, searching, discoveryProblem },
      openedLink: null,
      ...view,
    };
  }

  #openRoom(): FakeRoom {
    if (!this.room) throw new Error('there is no room in this scenario');
    return this.room;
  }

  #clockFrom(started: number): () => number {
    return () => this.#now() - started;
  }

  #snapshot(): CallSnapshot {
    return { revision: (this.#revision += 1), call: this.#call() };
  }

  #call(): CallView | null {
    const { room, connection, microphoneProblem } = this.scenario;
    const me = room?.guest(ME.id);
    if (!room || !me) return null;
    const open = isOnStage(me.role) && microphoneProblem === null;
    return {
      room: room.view(ME.id),
      link: `serambi://192.0.2.20:7410/r/${room.id}?pin=${MY_PIN}`,
      connection,
      microphone: { open, muted: me.muted || !open, problem: microphoneProblem },
      loudspeakerProblem: null,
    };
  }

  #changeSound(change: Partial<SoundView>): Answer {
    this.scenario.sound = { ...this.scenario.sound, ...change };
    return this.#answer(done);
  }

  #onStage(): boolean {
    return isOnStage(this.room?.guest(ME.id)?.role ?? 'listener');
  }

  async #join(found: FoundRoom | undefined, leaveOther: boolean): Answer {
    if (this.scenario.joining) return refuse(this.scenario.joining);
    if (!found) return refuse('room_not_found');
    if (this.#onStage() && !leaveOther) return refuse('on_stage_elsewhere');
    const room = opened(found, this.#clockFrom(this.#now() - 600_000));
    this.#replaceRoom(room);
    room.enter(ME.id, this.scenario.name ?? '');
    return this.#answer(done);
  }

  #replaceRoom(room: FakeRoom): void {
    this.scenario.connection = 'connected';
    this.scenario.room = room;
    this.#moveIn(room);
  }

  #moveIn(room: FakeRoom): void {
    room.tell = (person, notice) => person === ME.id && this.#ears?.noticed(notice);
    room.close = (person, reason) => person === ME.id && this.#closeRoom(reason);
  }

  #closeRoom(reason: 'left' | 'ended' | 'removed' | 'lost'): void {
    this.scenario.room = null;
    clearInterval(this.#levels);
    this.#ears?.callClosed(reason);
  }

  async #answer(result: Result<null>): Answer {
    this.#changed();
    return result;
  }

  #changed(): void {
    this.#ears?.callMeasured(measured(this.room));
    this.#ears?.appChanged(this.#app());
    this.#ears?.callChanged(this.#snapshot());
  }

  #sendLevels(): void {
    this.#batch += 1;
    if (this.room) this.#hear?.(levels(this.scenario, this.#batch, this.#settings.still ?? false));
  }
}
