/** Hearing oneself before others do: five seconds from the microphone to the loudspeaker, judged. Nothing is sent. */
import type { Answer, LevelBatch, Result, SoundCheckVerdict, SoundView } from '../backend';
import { LevelMeter, LOOK_MS } from './level_meter';
import type { Ear, Loudspeaker } from './loudspeaker';
import { Microphone } from './microphone';
import { refused } from './session';

const RECORD_MS = 5_000;
/** Levels of the looks of a recording, dBFS: the loud ones are speech, the soft ones what is there besides. */
const QUIET_SPEECH_DBFS = -42;
const NOISE_DBFS = -45;
const CLIPPING_DBFS = -1;
/** The share of looks that are softer, or louder. */
const SOFT_SHARE = 0.1;
const LOUD_SHARE = 0.9;

export class SoundCheck {
  readonly #loudspeaker: Loudspeaker;
  readonly #microphone = new Microphone(() => {});
  #ear: Ear | null = null;
  #looks: ReturnType<typeof setInterval> | undefined;
  #levels: number[] = [];
  #recorded: string | null = null;
  #player: HTMLAudioElement | null = null;

  constructor(loudspeaker: Loudspeaker) {
    this.#loudspeaker = loudspeaker;
  }

  async open(sound: SoundView, hear: (batch: LevelBatch) => void): Answer {
    await this.#microphone.choose(sound);
    const opened = await this.#microphone.open();
    const { track } = this.#microphone;
    if (opened.status === 'error' || !track) return opened;
    const ear = this.#loudspeaker.listenTo(track);
    const meter = new LevelMeter();
    this.#ear = ear;
    this.#looks = setInterval(() => {
      const level = ear.level();
      this.#levels.push(level);
      const batch = meter.look({ own: level, people: new Map() });
      if (batch) hear(batch);
    }, LOOK_MS);
    return opened;
  }

  async record(): Promise<Result<SoundCheckVerdict>> {
    const { track } = this.#microphone;
    if (!track) return refused('microphone_failed', 'it was closed');
    const recorder = new MediaRecorder(new MediaStream([track]));
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise((done) => (recorder.onstop = done));
    this.#levels = [];
    recorder.start();
    await new Promise((done) => setTimeout(done, RECORD_MS));
    if (recorder.state !== 'inactive') recorder.stop();
    await stopped;
    this.#forget();
    this.#recorded = URL.createObjectURL(new Blob(parts, { type: recorder.mimeType }));
    return { status: 'ok', data: judge(this.#levels) };
  }

  async play(): Answer {
    if (this.#recorded === null) return refused('microphone_failed', 'nothing was recorded');
    this.#player = new Audio(this.#recorded);
    return this.#player.play().then(
      () => ({ status: 'ok', data: null }),
      (error: unknown) => refused('loudspeaker_failed', String(error)),
    );
  }

  close(): void {
    clearInterval(this.#looks);
    this.#ear?.stop();
    this.#microphone.close();
    this.#forget();
  }

  #forget(): void {
    this.#player?.pause();
    this.#player = null;
    if (this.#recorded !== null) URL.revokeObjectURL(this.#recorded);
    this.#recorded = null;
  }
}

/** By levels of 50 ms, dBFS. */
export function judge(levels: readonly number[]): SoundCheckVerdict {
  const sorted = [...levels].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? -Infinity;
  if (at(LOUD_SHARE) < QUIET_SPEECH_DBFS) return 'tooQuiet';
  if (at(1) > CLIPPING_DBFS) return 'clipping';
  return at(SOFT_SHARE) > NOISE_DBFS ? 'noisy' : 'fine';
}

