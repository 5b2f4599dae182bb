/** The one output of a page: everybody's voice mixed, each with a volume of its own, into one loudspeaker. */
import type { Code, DeviceSetting } from '../backend';
import { decibels } from './level_meter';

/** An `AudioContext` that can be told where to play; not every browser's can. */
type Steerable = AudioContext & { setSinkId?: (id: string) => Promise<void> };

/** Long enough not to click, seconds. */
const VOLUME_STEP_S = 0.02;

/** One voice while it plays. */
export type Playback = {
  /** 1 is as it was sent. */
  setVolume(volume: number): void;
  /** Of the last moment as it was sent, dBFS. */
  level(): number;
  stop(): void;
};

/** One sound while its level is measured. */
export type Ear = {
  /** Of the last moment, dBFS. */
  level(): number;
  stop(): void;
};

export class Loudspeaker {
  readonly #changed: () => void;
  #context: Steerable | null = null;
  #setting: DeviceSetting = { type: 'system' };
  #failed = false;
  #playing = 0;

  /** `changed`: there may be another problem, or none. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** The browser lets a page sound if this is called while a press is handled. */
  unlock(): void {
    this.#context ??= this.#open();
    if (this.#context.state !== 'running') void this.#context.resume().catch(() => {});
  }

  /** Why nothing is heard although somebody could be. */
  get problem(): Code | null {
    if (this.#failed) return 'loudspeaker_failed';
    const blocked = this.#playing > 0 && this.#context?.state === 'suspended';
    return blocked ? 'sound_blocked' : null;
  }

  /** Where sound can be sent elsewhere than where the system sends it. */
  get canChoose(): boolean {
    return typeof AudioContext !== 'undefined' && 'setSinkId' in AudioContext.prototype;
  }

  choose(setting: DeviceSetting): void {
    if (idOf(setting) === idOf(this.#setting)) return;
    this.#setting = setting;
    if (this.#context) void this.#steer(this.#context);
  }

  play(track: MediaStreamTrack): Playback {
    const context = (this.#context ??= this.#open());
    const stream = new MediaStream([track]);
    // Chromium decodes a received track only while an element plays it.
    const puller = new Audio();
    puller.muted = true;
    puller.srcObject = stream;
    void puller.play().catch(() => {});
    const source = context.createMediaStreamSource(stream);
    const gain = context.createGain();
    source.connect(gain).connect(context.destination);
    const level = levelOf(source);
    this.#playing += 1;
    if (context.state !== 'running') void context.resume().catch(() => {});
    this.#changed();
    return {
      setVolume: (volume) => gain.gain.setTargetAtTime(volume, context.currentTime, VOLUME_STEP_S),
      level,
      stop: () => {
        source.disconnect();
        gain.disconnect();
        puller.srcObject = null;
        this.#playing -= 1;
        this.#changed();
      },
    };
  }

  /** Measures without playing. */
  listenTo(track: MediaStreamTrack): Ear {
    const context = (this.#context ??= this.#open());
    const source = context.createMediaStreamSource(new MediaStream([track]));
    return { level: levelOf(source), stop: () => source.disconnect() };
  }

  #open(): Steerable {
    const context: Steerable = new AudioContext({ latencyHint: 'interactive' });
    context.onstatechange = () => this.#changed();
    void this.#steer(context);
    return context;
  }

  async #steer(context: Steerable): Promise<void> {
    const failed = await context.setSinkId?.(idOf(this.#setting)).then(
      () => false,
      () => true,
    );
    this.#failed = failed ?? false;
    this.#changed();
  }
}

/** The root of the mean square of the last 43 ms, dBFS. */
function levelOf(source: AudioNode): () => number {
  const analyser = source.context.createAnalyser();
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return () => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    return decibels(Math.sqrt(power));
  };
}

/** The empty one is the system's. */
function idOf(setting: DeviceSetting): string {
  return setting.type === 'named' ? setting.device.id : '';
}
