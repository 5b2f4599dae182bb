/** The microphone of this computer, open only between `open` and `close`. */
import type { Code, Result, SoundView } from '../backend';
import { refused } from './session';

/** `DOMException` names of `getUserMedia` (Media Capture and Streams, section 10.2). */
const REASONS: Record<string, Code> = {
  NotAllowedError: 'microphone_refused',
  SecurityError: 'microphone_refused',
  NotFoundError: 'no_microphone',
  OverconstrainedError: 'no_microphone',
  NotReadableError: 'microphone_busy',
  AbortError: 'microphone_failed',
};

export class Microphone {
  /** What comes out of it; null: closed. */
  track: MediaStreamTrack | null = null;
  /** Why it does not work although it was to be open. */
  problem: Code | null = null;
  readonly #changed: () => void;
  #wanted = false;
  #opening: Promise<Result<null>> | null = null;
  #constraints: MediaTrackConstraints = {};

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Browsers give a microphone only to pages that came over TLS or from this computer. */
  static get isPossible(): boolean {
    return globalThis.isSecureContext && 'mediaDevices' in navigator;
  }

  /** What is chosen; an open microphone is opened anew for it. */
  async choose(sound: SoundView): Promise<void> {
    const constraints = constraintsFor(sound);
    const same = JSON.stringify(constraints) === JSON.stringify(this.#constraints);
    this.#constraints = constraints;
    if (same || !this.track) return;
    this.#stop();
    await this.open();
  }

  /** Asks for it, which may show the browser's own question. */
  open(): Promise<Result<null>> {
    this.#wanted = true;
    if (this.track) return Promise.resolve({ status: 'ok', data: null });
    this.#opening ??= this.#open().finally(() => (this.#opening = null));
    return this.#opening;
  }

  close(): void {
    this.#wanted = false;
    this.problem = null;
    this.#stop();
    this.#changed();
  }

  async #open(): Promise<Result<null>> {
    if (!Microphone.isPossible) return this.#failed('not_secure', 'a page over plain HTTP');
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: this.#constraints });
    } catch (error) {
      const name = error instanceof DOMException ? error.name : '';
      return this.#failed(REASONS[name] ?? 'microphone_failed', String(error));
    }
    const [track] = stream.getAudioTracks();
    if (!track) return this.#failed('no_microphone', 'a stream without sound');
    if (!this.#wanted) {
      track.stop();
      return refused('not_on_stage', 'closed while it was opened');
    }
    this.track = track;
    this.problem = null;
    track.onended = () => void this.#lost(track);
    this.#changed();
    return { status: 'ok', data: null };
  }

  /** It was unplugged, or taken away: another one may do. */
  async #lost(track: MediaStreamTrack): Promise<void> {
    if (this.track !== track) return;
    this.#stop();
    this.#changed();
    await this.open();
  }

  #stop(): void {
    if (this.track) this.track.onended = null;
    this.track?.stop();
    this.track = null;
  }

  #failed(code: Code, detail: string): Result<null> {
    this.problem = code;
    this.#changed();
    return refused(code, detail);
  }
}

function constraintsFor({ microphone, mode, echo }: SoundView): MediaTrackConstraints {
  const music = mode === 'music';
  return {
    // Not `exact`: one that is unplugged gives way to the system's.
    ...(microphone.type === 'named' ? { deviceId: { ideal: microphone.device.id } } : {}),
    channelCount: { ideal: music ? 2 : 1 },
    echoCancellation: music ? echo === 'on' : echo !== 'off',
    noiseSuppression: !music,
    autoGainControl: !music,
  };
}
