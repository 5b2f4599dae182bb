/** The imagined computer's sound: its devices, what was chosen, and a microphone to check. */
import type {
  Answer,
  ChosenDevice,
  Code,
  LevelBatch,
  Result,
  SoundCheckVerdict,
  SoundDevice,
  SoundDevices,
  SoundView,
} from '../backend';
import { refuse } from './house';
import { ownMicrophone } from './voices';

const METER_MS = 50;

export const builtIn: SoundDevice = { id: 'built-in-microphone', name: 'Built-in Microphone', isDefault: true };
export const headset: SoundDevice = { id: 'usb-headset', name: 'Jabra Evolve 65', isDefault: false };
const speakers: SoundDevice = { id: 'built-in-speakers', name: 'Built-in Speakers', isDefault: true };
const headphones: SoundDevice = { id: 'headphones', name: 'WH-1000XM4', isDefault: false };
/** Chosen once, not there now. */
export const studio: ChosenDevice = { id: 'studio', name: 'Scarlett 2i2 USB' };

export function usualDevices(): SoundDevices {
  return { microphones: [builtIn, headset], loudspeakers: [speakers, headphones] };
}

export function usualSound(): SoundView {
  return { microphone: { type: 'system' }, loudspeaker: { type: 'system' }, mode: 'speech', echo: 'auto', voices: [] };
}

/** What a person finds when they look at their sound. */
export type SoundScenario = {
  sound: SoundView;
  /** What is plugged in; none: the sound service does not answer. */
  devices: SoundDevices | null;
  verdict: SoundCheckVerdict;
  checkProblem: Code | null;
};

export function calmSound(): SoundScenario {
  return { sound: usualSound(), devices: usualDevices(), verdict: 'fine', checkProblem: null };
}

/** A microphone that is open for a sound check, or not. */
export class FakeSoundCheck {
  readonly scenario: SoundScenario;
  #recordMs: number;
  #meter: ReturnType<typeof setInterval> | undefined;
  #recorded = false;
  #batch = 0;

  constructor(scenario: SoundScenario, recordMs: number) {
    this.scenario = scenario;
    this.#recordMs = recordMs;
  }

  get open(): boolean {
    return this.#meter !== undefined;
  }

  start(hear: (batch: LevelBatch) => void): Result<null> {
    this.stop();
    const { checkProblem, devices } = this.scenario;
    if (checkProblem) return refuse(checkProblem);
    if (!devices?.microphones.length) return refuse('no_microphone');
    this.#meter = setInterval(() => hear({ own: ownMicrophone((this.#batch += 1)), people: [] }), METER_MS);
    return { status: 'ok', data: null };
  }

  async record(): Answer<SoundCheckVerdict> {
    if (!this.open) return refuse('no_microphone');
    if (this.#recordMs > 0) await new Promise((done) => setTimeout(done, this.#recordMs));
    if (!this.open) return refuse('no_microphone');
    this.#recorded = true;
    return { status: 'ok', data: this.scenario.verdict };
  }

  play(): Result<null> {
    return this.open && this.#recorded ? { status: 'ok', data: null } : refuse('no_microphone');
  }

  stop(): void {
    clearInterval(this.#meter);
    this.#meter = undefined;
    this.#recorded = false;
  }
}
