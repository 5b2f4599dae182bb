/** The window of a plain browser: a profile that is gone with the page, and no sound. */
import type {
  Answer,
  ChosenDevice,
  CueSetting,
  ComputerView,
  EchoCancelling,
  Language,
  MicrophoneMode,
  PersonId,
  Refusal,
  SoundCheckVerdict,
  SoundDevices,
  SoundView,
  Theme,
  UpdatesView,
  VoiceSetting,
  WindowBackend,
} from './backend';

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

const DONE = { status: 'ok', data: null } as const;
const NOT_HERE: Refusal = { code: 'not_allowed', detail: 'a page has no computer' };
const NO_SOUND: Refusal = { code: 'no_microphone', detail: 'there is no sound in a browser yet' };

export class BrowserWindow implements WindowBackend {
  readonly #profile: BrowserProfile;
  readonly #changed: () => void;
  readonly #signIn: (name: string) => Answer;

  /** `signIn`: whether the house takes the name. */
  constructor(profile: BrowserProfile, signIn: (name: string) => Answer, changed: () => void) {
    this.#profile = profile;
    this.#signIn = signIn;
    this.#changed = changed;
  }

  async setName(name: string): Answer {
    const signedIn = await this.#signIn(name.trim());
    return signedIn.status === 'error' ? signedIn : this.#change({ name: name.trim() });
  }

  setLanguage(language: Language): Answer {
    return this.#change({ language });
  }

  setTheme(theme: Theme): Answer {
    return this.#change({ theme });
  }

  async hearLevels(): Answer {
    return DONE;
  }

  async listSoundDevices(): Answer<SoundDevices> {
    return { status: 'ok', data: { microphones: [], loudspeakers: [] } };
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

  async openSoundCheck(): Answer {
    return { status: 'error', error: NO_SOUND };
  }

  async recordSoundCheck(): Answer<SoundCheckVerdict> {
    return { status: 'error', error: NO_SOUND };
  }

  async playSoundCheck(): Answer {
    return { status: 'error', error: NO_SOUND };
  }

  async closeSoundCheck(): Answer {
    return DONE;
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

  async painted(): Answer {
    return DONE;
  }

  async #change(change: Partial<BrowserProfile>): Answer {
    Object.assign(this.#profile, change);
    this.#changed();
    return DONE;
  }

  #choose(change: Partial<SoundView>): Answer {
    return this.#change({ sound: { ...this.#profile.sound, ...change } });
  }
}
