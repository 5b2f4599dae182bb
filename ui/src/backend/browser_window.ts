/** The window of a plain browser: a profile that is gone with the page, and the sound that a browser lets one choose. */
import type {
  Answer,
  ChosenDevice,
  CueSetting,
  ComputerView,
  EchoCancelling,
  Language,
  LevelBatch,
  MicrophoneMode,
  PersonId,
  ReachView,
  Refusal,
  SoundCheckVerdict,
  SoundDevice,
  SoundDevices,
  SoundView,
  Theme,
  UpdatesView,
  VoiceSetting,
  WindowBackend,
} from './backend';
import type { Loudspeaker } from './house/loudspeaker';
import { SoundCheck } from './house/sound_check';

/** What a person chose in this page. */
export type BrowserProfile = {
  name: string | null;
  language: Language | null;
  theme: Theme;
  sound: SoundView;
};

export function newProfile(): BrowserProfile {
  const sound: SoundView = { microphone: { type: 'system' }, loudspeaker: { type: 'system' }, mode: 'speech', echo: 'auto', cues: 'on', voices: [] };
  return { name: null, language: null, theme: 'system', sound };
}

/** A page hides in no tray and sees no keys of other windows. */
export const NO_COMPUTER: ComputerView = {
  hasTray: false,
  whenClosed: 'quit',
  smallOnTop: false,
  autostart: null,
  keysAnywhere: 'nowhere',
  muteShortcut: { keys: null, problem: null, described: null },
  pushToTalk: false,
  pushToTalkKey: { keys: null, problem: null, described: null },
};

/** A page is as new as the house that served it. */
export const NO_UPDATES: UpdatesView = { updatedBy: 'builder', source: null, state: { type: 'notAsked' } };

/** A page is no house. */
export const NO_REACH: ReachView = {
  reach: 'notOpen',
  gates: [],
  gatesGiven: false,
  askRouter: false,
  router: { type: 'notAsked' },
  tested: null,
  outside: null,
  outsideGiven: false,
  appliesLater: false,
  steps: null,
  link: null,
};

const DONE = { status: 'ok', data: null } as const;
const NOT_HERE: Refusal = { code: 'not_allowed', detail: 'a page has no computer' };
const NOT_OPEN: Refusal = { code: 'microphone_failed', detail: 'no sound check is open' };
/** Chromium lists the system's choice a second and third time under these ids. */
const ALIASES: ReadonlySet<string> = new Set(['default', 'communications']);

/** What the window of a page needs from the rest of it. */
export type BrowserNeeds = {
  /** Whether the house takes the name. */
  signIn(name: string): Answer;
  changed(): void;
  soundChosen(sound: SoundView): void;
  hearLevels(hear: (batch: LevelBatch) => void): void;
  loudspeaker: Loudspeaker;
};

export class BrowserWindow implements WindowBackend {
  readonly #profile: BrowserProfile;
  readonly #needs: BrowserNeeds;
  #check: SoundCheck | null = null;

  constructor(profile: BrowserProfile, needs: BrowserNeeds) {
    this.#profile = profile;
    this.#needs = needs;
  }

  async setName(name: string): Answer {
    const signedIn = await this.#needs.signIn(name.trim());
    return signedIn.status === 'error' ? signedIn : this.#change({ name: name.trim() });
  }

  setLanguage(language: Language): Answer {
    return this.#change({ language });
  }

  setTheme(theme: Theme): Answer {
    return this.#change({ theme });
  }

  async hearLevels(hear: (batch: LevelBatch) => void): Answer {
    this.#needs.hearLevels(hear);
    return DONE;
  }

  /** A browser names devices only to a page that may use the microphone. */
  async listSoundDevices(): Answer<SoundDevices> {
    const listed = 'mediaDevices' in navigator ? await navigator.mediaDevices.enumerateDevices() : [];
    const of = (kind: MediaDeviceKind): SoundDevice[] =>
      listed
        .filter((device) => device.kind === kind && device.deviceId !== '' && !ALIASES.has(device.deviceId))
        .map(({ deviceId, label }) => ({ id: deviceId, name: label, isDefault: false }));
    const loudspeakers = this.#needs.loudspeaker.canChoose ? of('audiooutput') : [];
    return { status: 'ok', data: { microphones: of('audioinput'), loudspeakers } };
  }

  chooseMicrophone(device: ChosenDevice | null): Answer {
    return this.#choose({ microphone: device ? { type: 'named', device } : { type: 'system' } });
  }

  chooseLoudspeaker(device: ChosenDevice | null): Answer {
    return this.#choose({ loudspeaker: device ? { type: 'named', device } : { type: 'system' } });
  }

  setMicrophoneMode(mode: MicrophoneMode): Answer {
    return this.#choose({ mode });
  }

  setEchoCancelling(echo: EchoCancelling): Answer {
    return this.#choose({ echo });
  }

  setVoice(person: PersonId, voice: VoiceSetting): Answer {
    const others = this.#profile.sound.voices.filter(([id]) => id !== person);
    return this.#choose({ voices: [...others, [person, voice]] });
  }

  setCues(cues: CueSetting): Answer {
    return this.#choose({ cues });
  }

  /** A page shows no system notices. */
  async setDoNotDisturb(): Answer {
    return DONE;
  }

  /** A page is connected to one house, while it is in a room there. */
  async setCallMe(): Answer {
    return DONE;
  }

  async openSoundCheck(hear: (batch: LevelBatch) => void): Answer {
    this.#check?.close();
    this.#needs.loudspeaker.unlock();
    this.#check = new SoundCheck(this.#needs.loudspeaker);
    return this.#check.open(this.#profile.sound, hear);
  }

  async recordSoundCheck(): Answer<SoundCheckVerdict> {
    return this.#check?.record() ?? { status: 'error', error: NOT_OPEN };
  }

  async playSoundCheck(): Answer {
    return this.#check?.play() ?? { status: 'error', error: NOT_OPEN };
  }

  async closeSoundCheck(): Answer {
    this.#check?.close();
    this.#check = null;
    return DONE;
  }

  async playSound(): Answer {
    this.#needs.loudspeaker.unlock();
    return DONE;
  }

  async startAgain(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async setWhenClosed(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async setAutostart(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async setMuteShortcut(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async setPushToTalk(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async setPushToTalkKey(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async holdToTalk(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async setGate(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async setAskRouter(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async setOutsideAddress(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async setUpdateSource(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async askForUpdate(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async installUpdate(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async quit(): Answer {
    return this.closeWindow();
  }

  async stayInTray(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async diagnostics(): Answer<string> {
    return { status: 'ok', data: navigator.userAgent };
  }

  async closeWindow(): Answer {
    window.close();
    return DONE;
  }

  /** A page has the size that its browser gives it: it is laid out small in it. */
  async setSmall(): Answer {
    return DONE;
  }

  async setSmallGrown(): Answer {
    return DONE;
  }

  async setSmallOnTop(): Answer {
    return { status: 'error', error: NOT_HERE };
  }

  async announce(): Answer<boolean> {
    return { status: 'ok', data: false };
  }

  async openWebPage(url: string): Answer {
    // The page there learns nothing of this one.
    if (/^https?:\/\//.test(url)) open(url, '_blank', 'noopener,noreferrer');
    return DONE;
  }

  async painted(): Answer {
    return DONE;
  }

  async #change(change: Partial<BrowserProfile>): Answer {
    Object.assign(this.#profile, change);
    this.#needs.changed();
    return DONE;
  }

  #choose(change: Partial<SoundView>): Answer {
    const sound = { ...this.#profile.sound, ...change };
    this.#needs.soundChosen(sound);
    return this.#change({ sound });
  }
}
