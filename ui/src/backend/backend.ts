/**
 * What the pages need from the world around them, as two interfaces of our own: a house and its rooms, and the window
 * with its computer.
 *
 * `tauri.ts` implements both over the shell, `house.ts` the first over HTTP and WebSocket for a plain browser,
 * `fixture.ts` both for one committed view. No page knows which one it has.
 */
import type {
  AppView,
  AtDoor,
  CallablePerson,
  CallClosed,
  CallMe,
  CallUpdated,
  ChosenDevice,
  CloseAsked,
  Command,
  CueSetting,
  DialogName,
  EchoCancelling,
  FoundRoom,
  Language,
  LevelBatch,
  Measurements,
  MicrophoneMode,
  Notice,
  PersonId,
  QuietFor,
  Refusal,
  RoomId,
  SoundCheckVerdict,
  SoundDevices,
  SoundNotice,
  Theme,
  VoiceSetting,
  WhenClosed,
} from './bindings';

export type * from './bindings';

/** How every command answers: with what was asked for, or with why not. */
export type Result<T> = { status: 'ok'; data: T } | { status: 'error'; error: Refusal };
export type Answer<T = null> = Promise<Result<T>>;

/** What is told without being asked. */
export interface BackendEvents {
  appChanged(view: AppView): void;
  callUpdated(updated: CallUpdated): void;
  noticed(notice: Notice): void;
  soundNoticed(notice: SoundNotice): void;
  /** About once a second while anybody speaks. */
  callMeasured(measured: Measurements): void;
  callClosed(reason: CallClosed): void;
  problem(refusal: Refusal): void;
  closeAsked(asked: CloseAsked): void;
  /** The window is seen again after it was closed and the app stayed; told once in a lifetime. */
  stayedOpen(): void;
  /** The room of this title (which may be empty), run here, ended with the program the last time; told once. */
  roomInterrupted(title: string): void;
  /** The tray brought the window to the front to ask this. */
  dialogAsked(dialog: DialogName): void;
}

/** A page that a house served to a browser. */
export type Served = {
  /** Where the same page is one on which one can speak; null: this one is. */
  secureOrigin: string | null;
  /** The gate through which the house is reached, and which sent the page; null: the house itself did. */
  gate: string | null;
};

/** Houses and their rooms. */
export interface Backend {
  /** null: this is the app. */
  readonly served: Served | null;
  /** Rooms started here live in this program: they end with it. */
  readonly isHouse: boolean;

  /**
   * The first view; everything after it comes through `listen`, which is called before. A call that lasts already
   * comes as an `opened` update.
   */
  openApp(): Answer<AppView>;
  listen(events: BackendEvents): Promise<void>;

  startRoom(title: string, leaveOther: boolean): Answer;
  joinRoom(house: string, room: RoomId, leaveOther: boolean): Answer;
  joinLink(link: string, leaveOther: boolean): Answer;
  lookAtLink(link: string): Answer<FoundRoom[]>;
  saveHouse(link: string): Answer;
  /** By a keeper's link: one becomes a keeper of that house. */
  keepHouse(link: string): Answer;
  forgetHouse(pin: string): Answer;

  command(command: Command): Answer;
  acceptInvitation(): Answer;
  /** Who is around in the house and can be called into the room one is in. */
  callablePeople(): Answer<CallablePerson[]>;
  /** Asks to come into the room whose lock refused one last; to be repeated every `KNOCK_EVERY_MS` while one waits. */
  knock(waits: boolean): Answer<AtDoor>;
  /** Goes where somebody calls one. */
  joinCalled(leaveOther: boolean): Answer;
  /** Not now. */
  passCalled(): Answer;
  setMuted(muted: boolean): Answer;
  leave(): Answer;
  endRoom(): Answer;
}

/** The window, the profile of whoever sits at it, and the sound of their computer. */
export interface WindowBackend {
  setName(name: string): Answer;
  setLanguage(language: Language): Answer;
  setTheme(theme: Theme): Answer;

  /** Levels of the present call whenever they look different; to be asked for again with each call. */
  hearLevels(hear: (batch: LevelBatch) => void): Answer;
  listSoundDevices(): Answer<SoundDevices>;
  /** null: follow the system. */
  chooseMicrophone(device: ChosenDevice | null): Answer;
  chooseLoudspeaker(device: ChosenDevice | null): Answer;
  setMicrophoneMode(mode: MicrophoneMode): Answer;
  setEchoCancelling(setting: EchoCancelling): Answer;
  /** How somebody sounds here; nobody else knows. */
  setVoice(person: PersonId, voice: VoiceSetting): Answer;
  /** Sounds for what happens in the room; nobody else hears them. */
  setCues(cues: CueSetting): Answer;
  /** Holds system notices back, but for those about the own microphone. */
  setDoNotDisturb(quiet: QuietFor): Answer;
  /** When others may call this person into their rooms. */
  setCallMe(callMe: CallMe): Answer;
  /** Opens the microphone, muted, and tells its level until `closeSoundCheck`. */
  openSoundCheck(hear: (batch: LevelBatch) => void): Answer;
  /** Takes five seconds. */
  recordSoundCheck(): Answer<SoundCheckVerdict>;
  playSoundCheck(): Answer;
  closeSoundCheck(): Answer;

  /** Lets a browser play what it held back until something was pressed. */
  playSound(): Answer;

  /** Goes on with the room that ended with the program, or with a new one of the same title. */
  startAgain(leaveOther: boolean): Answer;

  setWhenClosed(whenClosed: WhenClosed): Answer;
  setAutostart(on: boolean): Answer;
  /** null: switched off. Whether the system gives the key away is said by the view. */
  setMuteShortcut(keys: string | null): Answer;
  setPushToTalk(on: boolean): Answer;
  setPushToTalkKey(keys: string): Answer;
  /** The key to talk went down or came up in this window. */
  holdToTalk(held: boolean): Answer;

  /** Where the own house waits for guests, by the link that a gate gave; null: nowhere. */
  setGate(link: string | null): Answer;
  /** Whether the router is asked to pass the house's ports on, from its next start on. */
  setAskRouter(on: boolean): Answer;
  /** How the house is seen from outside (`HOST[:TCP[:UDP]]`), from its next start on; null: nobody passes its ports on. */
  setOutsideAddress(address: string | null): Answer;

  /** An address with the key of whoever signs (`https://…#RW…`); null: nobody is asked. */
  setUpdateSource(line: string | null): Answer;
  /** Asks whether there is a newer version; the view says what came of it. */
  askForUpdate(): Answer;
  installUpdate(): Answer;

  /** A text for a bug report: versions, devices and the log, without keys and names of others. */
  diagnostics(): Answer<string>;
  /** Ends the app; `closeAsked` comes first if others would be cut off. */
  quit(): Answer;
  /** Hides the window, and everything goes on. */
  stayInTray(): Answer;
  /** Ends the app at once. */
  closeWindow(): Answer;
  /** The window as a bar of 420 × 72, or as it was before. */
  setSmall(small: boolean): Answer;
  /** The bar grown to 420 × 180 while something is asked, or as a bar again. */
  setSmallGrown(grown: boolean): Answer;
  /** Has a screen reader read a sentence; false: the page has to, in its live regions. */
  announce(sentence: string): Answer<boolean>;
  /** The small window stays above those of other programs. */
  setSmallOnTop(onTop: boolean): Answer;
  /** Opens a page of the web where this system opens pages; http and https only. */
  openWebPage(url: string): Answer;
  /** Says, once, that the first picture is on the screen: for measuring the start. */
  painted(): Answer;
}
