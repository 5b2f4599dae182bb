/** The whole window: its stores, what the backend tells them, and the ways that lead through several of them. */
import { createContext } from 'svelte';
import type {
  Answer,
  AppView,
  Backend,
  CallUpdated,
  ClosedReason,
  Command,
  Connection,
  DialogName,
  Language,
  Notice,
  PersonId,
  PersonView,
  Refusal,
  Result,
  SoundNotice,
  TopicChange,
  VoiceSetting,
  WindowBackend,
} from '../backend/backend';
import { connectionWords, explain, interruptedWords, noticeWords, reactionWords, soundWords } from '../words/explain';
import { language, speak, systemLanguage, t } from '../words/words.svelte';
import { Announcer } from './announcer.svelte';
import { causeOf, type Cause } from './causes';
import { CallStore } from './call.svelte';
import { chatIn } from './chat.svelte';
import { Dialogs, type Entering } from './dialogs.svelte';
import { HomeStore } from './home.svelte';
import { Notices } from './notices.svelte';
import { ReactionsAloud, reactionsIn } from './reactions.svelte';
import { Shortcuts } from './shortcuts.svelte';
import { SoundStore, standingProblems } from './sound.svelte';
import { stepped } from './voices';
import { Screen } from './window.svelte';

/** A window higher than this is none of the small ones, in pixels. */
const LOWER_THAN = 260;
/** How soon a house that did not answer is asked again. */
const OPENS_AGAIN_MS = 2_000;

/** More messages at once than these are only counted aloud. */
const READ_ALOUD = 3;
/** Told in words at once, also while something else is being said (14.3). */
const URGENT: ReadonlySet<Notice['type']> = new Set(['mutedBy', 'movedToAudience', 'onStage']);
/** Shown and said by the question itself. */
const ASKED: ReadonlySet<Notice['type']> = new Set(['invited', 'yourTurn', 'stageOffered']);
/** Not shown. */
const SPOKEN_ONLY: ReadonlySet<Notice['type']> = new Set(['joinedStage']);

export class App {
  readonly backend: Backend;
  readonly window: WindowBackend;
  /** What time it is for the greeting. */
  readonly today: () => Date;

  readonly home = new HomeStore();
  readonly call = new CallStore();
  readonly sound = new SoundStore();
  readonly dialogs = new Dialogs();
  readonly announcer = new Announcer((text) => this.#sayAloud(text));
  readonly notices = new Notices();
  readonly screen = new Screen();
  readonly shortcuts = new Shortcuts();
  readonly reactionsAloud = new ReactionsAloud((shown) => this.announcer.say(reactionWords(shown)));

  #opensAgain: ReturnType<typeof setTimeout> | undefined;
  #grown = false;
  #seenLink: string | null = null;
  #handledLink: string | null = null;
  #lastLink: string | null = null;
  #saidWhereRoomsLive = false;
  #holdsToTalk = false;
  /** What the next change of the own microphone was said to be already. */
  #toldMuted: boolean | null = null;

  constructor(backend: Backend, window: WindowBackend, today: () => Date = () => new Date()) {
    this.backend = backend;
    this.window = window;
    this.today = today;
  }

  async open(): Promise<void> {
    this.home.failure = null;
    await this.backend.listen({
      appChanged: (view) => this.#appChanged(view),
      callUpdated: (updated) => this.#callUpdated(updated),
      noticed: (notice) => this.#noticed(notice),
      callMeasured: (measured) => this.sound.measure(measured, this.call.room?.stage ?? []),
      callClosed: (reason) => this.#callClosed(reason),
      // Where the sound went, and talk while muted: a quiet word, never in the way.
      soundNoticed: (notice) => this.#soundNoticed(notice),
      problem: (refusal) => this.#problem(refusal),
      closeAsked: (asked) => this.dialogs.show({ what: 'close', asked }),
      stayedOpen: () => this.tell(t('close.stayed')),
      roomInterrupted: (title) => this.#roomInterrupted(title),
      dialogAsked: (dialog) => this.#dialogAsked(dialog),
    });
    await this.#openView();
  }

  /** A house that does not answer is asked again, with its sentence on the screen meanwhile. */
  async #openView(): Promise<void> {
    clearTimeout(this.#opensAgain);
    const answer = await this.backend.openApp();
    if (answer.status === 'ok') {
      this.home.failure = null;
      this.#appChanged(answer.data);
      return;
    }
    speak(systemLanguage());
    this.home.failure = answer.error;
    if (answer.error.code === 'house_unreachable') this.#opensAgain = setTimeout(() => void this.#openView(), OPENS_AGAIN_MS);
  }

  /** Another question has been asked about this link already. */
  passOver(link: string): void {
    this.#handledLink = link;
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

  /**
   * Goes into a room, asking first if that means leaving a stage, or to be let in if it is locked. Gives any other
   * refusal for the form that asked.
   */
  async enter(enter: Entering, leaveOther = false): Promise<Refusal | null> {
    this.home.entering = true;
    this.home.closed = null;
    const result = await enter(leaveOther);
    this.home.entering = false;
    if (result.status === 'ok') {
      this.dialogs.close();
      return null;
    }
    if (result.error.code === 'room_locked') {
      this.dialogs.show({ what: 'door', enter, leaveOther });
      return null;
    }
    if (result.error.code !== 'on_stage_elsewhere' || leaveOther) return result.error;
    this.dialogs.show({ what: 'elsewhere', enter });
    return null;
  }

  /** The same for a press on a card: a refusal becomes a notice. */
  async enterOrTell(enter: Entering, leaveOther = false): Promise<void> {
    const refusal = await this.enter(enter, leaveOther);
    if (refusal) this.tellRefusal(refusal);
  }

  /** Starts a room. Where it lives is said once (9.10). */
  start(title: string): Promise<Refusal | null> {
    return this.enter(async (leaveOther) => {
      const result = await this.backend.startRoom(title, leaveOther);
      if (result.status === 'ok' && this.backend.isHouse && !this.#saidWhereRoomsLive) {
        this.#saidWhereRoomsLive = true;
        this.tell(t('start.lives.here'));
      }
      return result;
    });
  }

  /** The room that ended with the program. */
  startAgain(): Promise<void> {
    return this.enterOrTell((leaveOther) => this.window.startAgain(leaveOther));
  }

  async toggleMicrophone(): Promise<void> {
    const { view, room } = this.call;
    if (!view || !room?.onStage) return;
    const muted = !view.microphone.muted;
    this.#toldMuted = muted;
    if (await this.ask(this.backend.setMuted(muted))) this.announcer.interrupt(t(muted ? 'muted.now' : 'unmuted.now'));
    else this.#toldMuted = null;
  }

  /** The same by a key that the system keeps for the app, or from the tray: whoever does not see it is told. */
  #microphoneTurned(muted: boolean): void {
    const isTold = this.#toldMuted === muted;
    this.#toldMuted = null;
    // Whoever holds a key to talk hears themselves talk.
    if (!isTold && !this.home.view?.computer.pushToTalk) this.announcer.interrupt(t(muted ? 'muted.now' : 'unmuted.now'));
  }

  /** Space is held, or let go: push to talk, where it is on. */
  holdToTalk(held: boolean): void {
    if (held === this.#holdsToTalk) return;
    this.#holdsToTalk = held;
    void this.ask(this.window.holdToTalk(held));
  }

  async toggleHand(): Promise<void> {
    const { room } = this.call;
    if (!room || room.onStage) return;
    // Where it may do neither, the house says why.
    const up = !room.may('lowerHand');
    if (await this.command({ type: up ? 'raiseHand' : 'lowerHand' })) {
      this.announcer.say(t(up ? 'hand.is.up' : 'hand.is.down'));
    }
  }

  setVoice(person: PersonId, voice: VoiceSetting): Promise<boolean> {
    return this.ask(this.window.setVoice(person, voice));
  }

  async stepVoice({ id, name }: PersonView, step: 1 | -1): Promise<void> {
    const voice = stepped(this.sound.voice(id), step);
    if (await this.setVoice(id, voice)) this.announcer.interrupt(t('voice.told', { name, n: voice.volumePercent }));
  }

  async toggleMutedForMe({ id, name }: PersonView): Promise<void> {
    const voice = this.sound.voice(id);
    if (await this.setVoice(id, { ...voice, muted: !voice.muted })) {
      this.announcer.interrupt(t(voice.muted ? 'voice.unmuted.now' : 'voice.muted.now', { name }));
    }
  }

  async leave(): Promise<void> {
    const { room } = this.call;
    if (!room) return;
    if (room.you.leavingAsks) this.dialogs.show({ what: 'leave' });
    else await this.ask(this.backend.leave());
  }

  /** Makes somebody host, and leaves then if that was the reason. */
  async handOver(person: PersonId, thenLeave: boolean): Promise<void> {
    const done = await this.command({ type: 'handOver', person });
    if (done && thenLeave) await this.ask(this.backend.leave());
  }

  /** The window as a small bar, or as it was. One that cannot is laid out small where it is. */
  async setSmall(small: boolean): Promise<void> {
    this.screen.small = small;
    this.#grown = false;
    this.#logRefusal(await this.window.setSmall(small));
  }

  /** A window that was made large from outside (the tray, a second start) is a small one no longer. */
  isResized(height: number): void {
    if (this.backend.isHouse && height > LOWER_THAN) this.screen.small = false;
  }

  /** The small bar grows while it asks something. Also one that was made so small by hand is one from then on. */
  async growSmall(grown: boolean): Promise<void> {
    if (grown === this.#grown) return;
    this.#grown = grown;
    if (grown) this.screen.small = true;
    this.#logRefusal(await this.window.setSmallGrown(grown));
  }

  /** A window that cannot is none the worse: the page has its live regions. */
  async #sayAloud(text: string): Promise<boolean> {
    const answer = await this.window.announce(text);
    return answer.status === 'ok' && answer.data;
  }

  /** For what the person sees by itself. */
  #logRefusal(result: Result<null>): void {
    if (result.status === 'error') console.warn(`${result.error.code}: ${result.error.detail}`);
  }

  /** In the place of the hands, where those are shown. */
  showChat(shown: boolean): void {
    this.screen.chatShown = shown;
    if (!shown) return;
    this.screen.handsSheet = false;
    this.screen.reactionsShown = false;
  }

  /** Of sheets and small sheets one is open at a time. */
  showReactions(): void {
    const { room } = this.call;
    const refused = room?.whyNot('react');
    if (refused) return this.tell(explain(refused));
    if (!room?.may('react') || this.screen.atHome) return;
    if (this.screen.narrow) this.showChat(false);
    this.screen.handsSheet = false;
    this.screen.reactionsShown = !this.screen.reactionsShown;
  }

  whoIsTalking(names: string[], joined: string): void {
    this.announcer.interrupt(
      names.length === 0 ? t('talking.nobody') : t('talking.now', { names: joined, n: names.length }),
    );
  }

  /** Shown and spoken. */
  tell(text: string, urgent = false, cause: Cause | null = null): void {
    this.notices.show(text, urgent, cause);
    if (urgent) this.announcer.interrupt(text);
    else this.announcer.say(text);
  }

  tellRefusal(refusal: Refusal): void {
    console.warn(`${refusal.code}: ${refusal.detail}`);
    this.tell(explain(refusal.code), true);
  }

  stop(): void {
    clearTimeout(this.#opensAgain);
    this.announcer.stop();
    this.reactionsAloud.stop();
    this.notices.clear();
    this.sound.levels.clear();
  }

  #appChanged(view: AppView): void {
    if (!this.home.take(view)) return;
    this.sound.chosen = view.sound;
    this.#speak(view.language ?? systemLanguage());
    const { openedLink } = view;
    const isHandled = openedLink === this.#seenLink || openedLink === this.#handledLink;
    if (openedLink !== null && !isHandled && view.name !== null) this.dialogs.show({ what: 'link', link: openedLink, opened: true });
    this.#seenLink = view.name === null ? null : openedLink;
  }

  /** Words of the old language do not stay in the page. */
  #speak(wanted: Language): void {
    if (wanted !== language()) this.announcer.forget();
    speak(wanted);
  }

  #callUpdated(updated: CallUpdated): void {
    const { view: before, room: roomBefore } = this.call;
    const wasOnStage = roomBefore?.onStage ?? false;
    if (!this.call.take(updated)) return;
    this.notices.look();
    const { view: call, room } = this.call;
    if (updated.update.type === 'room') this.#appended(updated.update.changes);
    if (call) this.#lastLink = call.link;
    if (room && room !== roomBefore) this.#callBegan();
    if (!room && roomBefore) this.#callOver();
    this.sound.levels.speakAs(call && room && !call.microphone.muted ? room.you.id : null);
    if (!before || !call || room !== roomBefore) return;
    const stays = wasOnStage && room?.onStage;
    if (stays && before.microphone.muted !== call.microphone.muted) this.#microphoneTurned(call.microphone.muted);
    this.#connectionChanged(before.connection, call.connection);
    const known = [before.microphone.problem, before.loudspeakerProblem];
    for (const problem of [call.microphone.problem, call.loudspeakerProblem]) {
      const lasts = () => [this.call.view?.microphone.problem, this.call.view?.loudspeakerProblem].includes(problem);
      if (problem !== null && !known.includes(problem)) this.tell(explain(problem), true, lasts);
    }
  }

  /** What is read aloud of the streams, while the room is looked at. */
  #appended(changes: TopicChange[]): void {
    if (this.screen.mini || this.screen.atHome) return;
    this.reactionsAloud.take(changes.flatMap(reactionsIn));
    if (this.screen.chatShown) this.#chatTold(changes);
  }

  /** What others write; of many at once, how many. */
  #chatTold(changes: TopicChange[]): void {
    const said = changes.flatMap(chatIn).flatMap((event) => (event.type === 'said' ? [event.message] : []));
    const news = said.filter(({ person }) => person !== this.call.room?.you.id);
    if (news.length > READ_ALOUD) return this.announcer.say(t('chat.told.many', { n: news.length }));
    for (const { name, text } of news) this.announcer.say(t('chat.told', { name, text: text ?? '' }));
  }

  #connectionChanged(before: Connection, after: Connection): void {
    if (before.type === after.type) return;
    this.announcer.interrupt(connectionWords(after, this.call.room?.onStage ?? false) ?? t('back'));
  }

  #callBegan(): void {
    this.screen.reactionsShown = false;
    this.reactionsAloud.stop();
    this.home.closed = null;
    this.home.interrupted = null;
    this.home.left = null;
    this.screen.handsSheet = false;
    this.screen.atHome = false;
    this.sound.clear();
    // What is still on its way from the room before is of nobody here.
    const { room } = this.call;
    void this.ask(this.window.hearLevels((batch) => this.call.room === room && this.sound.levels.hear(batch)));
  }

  #callOver(): void {
    this.sound.clear();
    this.notices.clear();
    this.screen.handsSheet = false;
    this.screen.chatShown = false;
    this.screen.reactionsShown = false;
    this.reactionsAloud.stop();
    this.dialogs.closeAboutRoom();
    this.screen.atHome = false;
    if (this.screen.small) void this.setSmall(false);
  }

  #noticed(notice: Notice): void {
    const text = noticeWords(notice, this.shortcuts.said('mute'));
    if (text === null || ASKED.has(notice.type)) return;
    // Who did it says that it is so.
    if (notice.type === 'mutedBy') this.#toldMuted = true;
    const urgent = URGENT.has(notice.type);
    if (!SPOKEN_ONLY.has(notice.type)) this.notices.show(text, urgent, causeOf(notice, this.call));
    if (urgent) this.announcer.interrupt(text);
    else this.announcer.say(text);
  }

  #soundNoticed(notice: SoundNotice): void {
    this.tell(soundWords(notice, this.shortcuts.said('mute')), false, causeOf(notice, this.call));
  }

  #roomInterrupted(title: string): void {
    this.home.interrupted = title;
    this.announcer.say(interruptedWords(title));
  }

  #dialogAsked(dialog: DialogName): void {
    if (!this.call.room) return;
    this.dialogs.show(dialog === 'leave' ? { what: 'leave' } : { what: 'handOver', thenLeave: false });
  }

  #problem(refusal: Refusal): void {
    // What stands above the stage was told when it came up.
    const standing = standingProblems(this.call.view, this.call.room?.onStage ?? false);
    if (!standing.includes(refusal.code)) this.tellRefusal(refusal);
  }

  #callClosed(reason: ClosedReason): void {
    this.home.left = reason;
    if (reason === 'left') return;
    this.home.closed = { reason, link: reason === 'lost' ? this.#lastLink : null };
  }
}

export const [useApp, setApp] = createContext<App>();
