/** The state of the whole window: what the app told us, what is being asked, and the way every wish takes. */
import { createContext } from 'svelte';
import type {
  Answer,
  AppView,
  Backend,
  CallSnapshot,
  CallView,
  ClosedReason,
  CloseAsked,
  Code,
  Command,
  Measurements,
  Notice,
  PersonId,
  PersonView,
  Refusal,
  SoundNotice,
  VoiceSetting,
} from '../backend/backend';
import { explain, noticeWords, soundWords } from '../words/explain';
import { speak, systemLanguage, t } from '../words/words.svelte';
import { Announcer } from './announcer.svelte';
import { RoomClock } from './clock.svelte';
import { carriedOn, type Delays } from './delays';
import { Levels } from './levels.svelte';
import { Notices } from './notices.svelte';
import { leavingNeedsAChoice } from './rights';
import { standingProblems } from './sound';
import { stepped, usualVoice, voiceOf } from './voices';
import { Screen } from './window.svelte';

export type Entering = (leaveOther: boolean) => Answer;

/** The one dialog that is open. */
export type Asking =
  | { what: 'start'; title?: string }
  | { what: 'settings' }
  /** `check`: for the sound check above all. `then`: what was being asked, and is asked again afterwards. */
  | { what: 'sound'; check?: boolean; then?: Asking }
  | { what: 'share' }
  | { what: 'keys' }
  | { what: 'leave' }
  | { what: 'end' }
  | { what: 'handOver'; thenLeave: boolean }
  | { what: 'largeAudience' }
  | { what: 'remove'; person: PersonView }
  | { what: 'elsewhere'; enter: Entering }
  | { what: 'addHouse' }
  | { what: 'house'; pin: string }
  | { what: 'link'; link: string; opened: boolean }
  | { what: 'close'; asked: CloseAsked };

export type Closed = { reason: ClosedReason; link: string | null };

/** Told in words at once, also while something else is being said (14.3). */
const URGENT: ReadonlySet<Notice['type']> = new Set(['invited', 'yourTurn', 'mutedBy', 'movedToAudience', 'onStage']);
/** Not shown: spoken only, or the prompt itself shows it. */
const SPOKEN_ONLY: ReadonlySet<Notice['type']> = new Set(['joinedStage', 'invited', 'yourTurn']);

export class App {
  readonly backend: Backend;
  readonly announcer = new Announcer();
  readonly notices = new Notices();
  readonly levels = new Levels();
  readonly clock = new RoomClock();
  readonly screen = new Screen();
  /** What time it is for the greeting. */
  readonly today: () => Date;

  view = $state.raw<AppView | null>(null);
  /** The room one is in. */
  call = $state.raw<CallView | null>(null);
  /** The app itself could not open. */
  failure = $state.raw<Refusal | null>(null);
  asking = $state.raw<Asking | null>(null);
  closed = $state.raw<Closed | null>(null);
  /** What was measured in the call about a second ago. */
  measured = $state.raw<Measurements | null>(null);
  delays = $state.raw<Delays>(new Map());
  /** On the way into a room. */
  entering = $state(false);
  /** Problem codes the person has put away. */
  seenProblem = $state.raw<Code | null>(null);
  /** The hands sheet (narrow) is up, or the hands panel (wide) is folded away. */
  handsSheet = $state(false);
  handsFolded = $state(false);
  sidebarFolded = $state(false);

  #seenLink: string | null = null;
  #lastLink: string | null = null;
  /** Of the newest snapshot of the call. */
  #callRevision = 0;

  constructor(backend: Backend, today: () => Date = () => new Date()) {
    this.backend = backend;
    this.today = today;
  }

  async open(): Promise<void> {
    this.failure = null;
    await this.backend.listen({
      appChanged: (view) => this.#setView(view),
      callChanged: (snapshot) => this.#setCall(snapshot),
      noticed: (notice) => this.#notice(notice),
      callMeasured: (measured) => this.#callMeasured(measured),
      callClosed: (reason) => this.#callClosed(reason),
      soundNoticed: (notice) => this.#soundNotice(notice),
      problem: (refusal) => this.#problem(refusal),
      closeAsked: (asked) => (this.asking = { what: 'close', asked }),
    });
    const answer = await this.backend.openApp();
    if (answer.status === 'ok') {
      this.#setView(answer.data.app);
      this.#setCall(answer.data.call);
    } else {
      speak(systemLanguage());
      this.failure = answer.error;
    }
  }

  /** Waits for the answer; a refusal is explained in a notice. */
  async ask(answer: Answer): Promise<boolean> {
    const result = await answer;
    if (result.status === 'error') this.tellRefusal(result.error);
    return result.status === 'ok';
  }

  command(command: Command): Promise<boolean> {
    return this.ask(this.backend.command(command));
  }

  /** Goes into a room, asking first if that means leaving a stage. Gives the refusal for the form that asked. */
  async enter(enter: Entering, leaveOther = false): Promise<Refusal | null> {
    this.entering = true;
    this.closed = null;
    const result = await enter(leaveOther);
    this.entering = false;
    if (result.status === 'ok') {
      this.asking = null;
      return null;
    }
    if (result.error.code !== 'on_stage_elsewhere' || leaveOther) return result.error;
    this.asking = { what: 'elsewhere', enter };
    return null;
  }

  /** The same for a press on a card: a refusal becomes a notice. */
  async enterOrTell(enter: Entering, leaveOther = false): Promise<void> {
    const refusal = await this.enter(enter, leaveOther);
    if (refusal) this.tellRefusal(refusal);
  }

  async toggleMicrophone(): Promise<void> {
    const { call } = this;
    if (!call || call.room.you.role === 'listener') return;
    const muted = !call.microphone.muted;
    if (await this.ask(this.backend.setMuted(muted))) this.announcer.interrupt(t(muted ? 'muted.now' : 'unmuted.now'));
  }

  async toggleHand(): Promise<void> {
    const you = this.call?.room.you;
    if (!you || you.role !== 'listener') return;
    const up = you.place === null;
    if (await this.command({ type: up ? 'raiseHand' : 'lowerHand' })) {
      this.announcer.say(t(up ? 'hand.is.up' : 'hand.is.down'));
    }
  }

  /** How somebody sounds here, for me alone. */
  voice(person: PersonId): VoiceSetting {
    return this.view ? voiceOf(this.view.sound, person) : usualVoice;
  }

  setVoice(person: PersonId, voice: VoiceSetting): Promise<boolean> {
    return this.ask(this.backend.setVoice(person, voice));
  }

  async stepVoice({ id, name }: PersonView, step: 1 | -1): Promise<void> {
    const voice = stepped(this.voice(id), step);
    if (await this.setVoice(id, voice)) this.announcer.interrupt(t('voice.told', { name, n: voice.volumePercent }));
  }

  async toggleMutedForMe({ id, name }: PersonView): Promise<void> {
    const voice = this.voice(id);
    if (await this.setVoice(id, { ...voice, muted: !voice.muted })) {
      this.announcer.interrupt(t(voice.muted ? 'voice.unmuted.now' : 'voice.muted.now', { name }));
    }
  }

  async leave(): Promise<void> {
    const room = this.call?.room;
    if (!room) return;
    if (leavingNeedsAChoice(room)) this.asking = { what: 'leave' };
    else await this.ask(this.backend.leave());
  }

  whoIsTalking(names: string[], joined: string): void {
    this.announcer.interrupt(
      names.length === 0 ? t('talking.nobody') : t('talking.now', { names: joined, n: names.length }),
    );
  }

  /** Shown and spoken. */
  tell(text: string, urgent = false): void {
    this.notices.show(text, urgent);
    if (urgent) this.announcer.interrupt(text);
    else this.announcer.say(text);
  }

  tellRefusal(refusal: Refusal): void {
    console.warn(`${refusal.code}: ${refusal.detail}`);
    this.tell(explain(refusal.code), true);
  }

  stop(): void {
    this.announcer.stop();
    this.notices.clear();
    this.levels.clear();
  }

  #setView(view: AppView): void {
    if (this.view && view.revision < this.view.revision) return;
    this.view = view;
    speak(view.language ?? systemLanguage());
    if (view.openedLink !== null && view.openedLink !== this.#seenLink && view.name !== null) {
      this.asking = { what: 'link', link: view.openedLink, opened: true };
    }
    this.#seenLink = view.name === null ? null : view.openedLink;
  }

  #setCall({ revision, call }: CallSnapshot): void {
    if (revision < this.#callRevision) return;
    this.#callRevision = revision;
    const before = this.call;
    this.call = call;
    this.#callChanged(before, call);
  }

  #callChanged(before: CallView | null, call: CallView | null): void {
    if (call) {
      this.clock.set(call.room);
      this.#lastLink = call.link;
    }
    if (call && before?.room.id !== call.room.id) this.#callBegan();
    if (!call && before) this.#callOver();
    if (before?.room.id !== call?.room.id || !before || !call) return;
    if (before.connection === 'connected' && call.connection !== 'connected') this.announcer.interrupt(t('reconnecting'));
    if (before.connection !== 'connected' && call.connection === 'connected') this.announcer.interrupt(t('back'));
    if (call.microphone.problem !== null && call.microphone.problem !== before.microphone.problem) {
      this.tell(explain(call.microphone.problem), true);
    }
    if (call.loudspeakerProblem !== null && call.loudspeakerProblem !== before.loudspeakerProblem) {
      this.tell(explain(call.loudspeakerProblem), true);
    }
  }

  #callBegan(): void {
    this.closed = null;
    this.handsSheet = false;
    this.levels.clear();
    void this.ask(
      this.backend.hearLevels((batch) => {
        const call = this.call;
        this.levels.hear(batch, call && !call.microphone.muted ? call.room.you.id : null);
      }),
    );
  }

  #callMeasured(measured: Measurements): void {
    this.measured = measured;
    this.delays = carriedOn(this.delays, measured.delays, this.call?.room.stage ?? []);
  }

  #callOver(): void {
    this.measured = null;
    this.delays = new Map();
    this.levels.clear();
    this.notices.clear();
    this.handsSheet = false;
    // Whatever was being asked was about the room.
    const aboutTheRoom = ['leave', 'end', 'handOver', 'largeAudience', 'remove', 'share'];
    if (this.asking && aboutTheRoom.includes(this.asking.what)) this.asking = null;
  }

  #notice(notice: Notice): void {
    const text = noticeWords(notice);
    const urgent = URGENT.has(notice.type);
    if (!SPOKEN_ONLY.has(notice.type)) this.notices.show(text, urgent);
    if (urgent) this.announcer.interrupt(text);
    else this.announcer.say(text);
  }

  /** Where the sound went, and talk while muted: a quiet word, never in the way. */
  #soundNotice(notice: SoundNotice): void {
    this.tell(soundWords(notice));
  }

  #problem(refusal: Refusal): void {
    // What stands above the stage was told when it came up.
    if (!standingProblems(this.call).includes(refusal.code)) this.tellRefusal(refusal);
  }

  #callClosed(reason: ClosedReason): void {
    if (reason === 'left') return;
    this.closed = { reason, link: reason === 'lost' ? this.#lastLink : null };
    this.announcer.interrupt(t(`closed.${reason}`));
  }
}

export const [useApp, setApp] = createContext<App>();
