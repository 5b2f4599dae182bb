/**
 * A sound check from the open microphone to the verdict: closed → opening → ready → recording → judged, and back.
 *
 * The microphone is open only between `open` and `close`; whatever goes wrong closes it.
 */
import type { Code, Result, SoundCheckVerdict, WindowBackend } from '../backend/backend';
import { Levels } from './levels.svelte';

export const RECORDING_SECONDS = 5;
const SECOND_MS = 1_000;

export type CheckStage =
  | { is: 'closed' }
  | { is: 'opening' }
  | { is: 'ready' }
  | { is: 'recording'; secondsLeft: number }
  | { is: 'judged'; verdict: SoundCheckVerdict }
  | { is: 'failed'; code: Code };

export class SoundCheck {
  readonly levels = new Levels();
  stage = $state.raw<CheckStage>({ is: 'closed' });
  /** The recording is played back now. */
  playing = $state(false);
  #window: WindowBackend;
  #countdown: ReturnType<typeof setInterval> | undefined;
  #playing: ReturnType<typeof setTimeout> | undefined;
  /** Answers to an earlier opening are passed over. */
  #turn = 0;

  constructor(window: WindowBackend) {
    this.#window = window;
  }

  async open(): Promise<void> {
    const turn = (this.#turn += 1);
    this.stage = { is: 'opening' };
    const opened = await this.#window.openSoundCheck((batch) => turn === this.#turn && this.levels.hear(batch));
    if (turn !== this.#turn) return;
    if (opened.status === 'error') this.#fail(opened.error.code);
    else this.stage = { is: 'ready' };
  }

  /** Records, then plays what was recorded. Gives the verdict, if it came to one. */
  async record(): Promise<SoundCheckVerdict | null> {
    const turn = this.#turn;
    this.stage = { is: 'recording', secondsLeft: RECORDING_SECONDS };
    this.#countdown = setInterval(() => this.#countDown(), SECOND_MS);
    const recorded = await this.#window.recordSoundCheck();
    clearInterval(this.#countdown);
    if (turn !== this.#turn) return null;
    if (recorded.status === 'error') {
      this.#fail(recorded.error.code);
      return null;
    }
    this.stage = { is: 'judged', verdict: recorded.data };
    await this.play();
    return recorded.data;
  }

  async play(): Promise<void> {
    const turn = this.#turn;
    const played: Result<null> = await this.#window.playSoundCheck();
    if (turn !== this.#turn) return;
    if (played.status === 'error') this.#fail(played.error.code);
    else this.#showPlaying();
  }

  /** Also while it opens: then it is closed as soon as it is open. */
  close(): void {
    if (this.stage.is === 'closed') return;
    this.#end();
    this.stage = { is: 'closed' };
  }

  #fail(code: Code): void {
    this.#end();
    this.stage = { is: 'failed', code };
  }

  #end(): void {
    this.#turn += 1;
    clearInterval(this.#countdown);
    clearTimeout(this.#playing);
    this.playing = false;
    this.levels.clear();
    void this.#window.closeSoundCheck();
  }

  #showPlaying(): void {
    clearTimeout(this.#playing);
    this.playing = true;
    this.#playing = setTimeout(() => (this.playing = false), RECORDING_SECONDS * SECOND_MS);
  }

  #countDown(): void {
    if (this.stage.is !== 'recording') return;
    this.stage = { is: 'recording', secondsLeft: Math.max(1, this.stage.secondsLeft - 1) };
  }
}
