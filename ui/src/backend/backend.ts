/**
 * Everything the pages need from the app around them, as one interface of our own.
 *
 * `tauri.ts` implements it over the shell, `fake.ts` over an imagined house; no page knows which one it has.
 */
import type {
  AppView,
  CallClosed,
  CallSnapshot,
  ChosenDevice,
  CloseAsked,
  Command,
  EchoCancelling,
  FoundRoom,
  Language,
  LevelBatch,
  Measurements,
  MicrophoneMode,
  Notice,
  OpenedApp,
  PersonId,
  Refusal,
  RoomId,
  SoundCheckVerdict,
  SoundDevices,
  SoundNotice,
  Theme,
  VoiceSetting,
} from './bindings';

export type * from './bindings';

/** How every command answers: with what was asked for, or with why not. */
export type Result<T> = { status: 'ok'; data: T } | { status: 'error'; error: Refusal };
export type Answer<T = null> = Promise<Result<T>>;

/** What the app tells without being asked. */
export interface Ears {
  appChanged(view: AppView): void;
  callChanged(call: CallSnapshot): void;
  noticed(notice: Notice): void;
  soundNoticed(notice: SoundNotice): void;
  /** About once a second while anybody speaks. */
  callMeasured(measured: Measurements): void;
  callClosed(reason: CallClosed): void;
  problem(refusal: Refusal): void;
  closeAsked(asked: CloseAsked): void;
}

export interface Backend {
  /** The first snapshots; everything after it comes through `listen`, which is called before. */
  openApp(): Answer<OpenedApp>;
  listen(ears: Ears): Promise<void>;
  /** Levels of the present call, 20 times a second; to be asked for again with each call. */
  hearLevels(hear: (batch: LevelBatch) => void): Answer;

  setName(name: string): Answer;
  setLanguage(language: Language): Answer;
  setTheme(theme: Theme): Answer;

  startRoom(title: string, leaveOther: boolean): Answer;
  joinRoom(house: string, room: RoomId, leaveOther: boolean): Answer;
  joinLink(link: string, leaveOther: boolean): Answer;
  lookAtLink(link: string): Answer<FoundRoom[]>;
  saveHouse(link: string): Answer;
  forgetHouse(pin: string): Answer;

  command(command: Command): Answer;
  acceptInvitation(): Answer;
  setMuted(muted: boolean): Answer;
  leave(): Answer;
  endRoom(): Answer;
  listSoundDevices(): Answer<SoundDevices>;
  /** null: follow the system. */
  chooseMicrophone(device: ChosenDevice | null): Answer;
  chooseLoudspeaker(device: ChosenDevice | null): Answer;
  setMicrophoneMode(mode: MicrophoneMode): Answer;
  setEchoCancelling(setting: EchoCancelling): Answer;
  /** How somebody sounds here; nobody else knows. */
  setVoice(person: PersonId, voice: VoiceSetting): Answer;
  /** Opens the microphone, muted, and tells its level until `closeSoundCheck`. */
  openSoundCheck(hear: (batch: LevelBatch) => void): Answer;
  /** Takes five seconds. */
  recordSoundCheck(): Answer<SoundCheckVerdict>;
  playSoundCheck(): Answer;
  closeSoundCheck(): Answer;

  /** A text for a bug report: versions, devices and the log, without keys and names of others. */
  diagnostics(): Answer<string>;
  closeWindow(): Answer;
  /** Says, once, that the first picture is on the screen: for measuring the start. */
  painted(): Answer;
}

export function isOnStage(role: string): boolean {
  return role !== 'listener';
}
