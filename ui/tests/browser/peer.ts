/** A person without a window, `serambi-peer`: plays a sound file, records what it hears, does what a test tells it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program } from './house';

const LIMIT_MS = 30_000;

export type PeerEvent = { event: string; [field: string]: unknown };

type Wanted = { house: string; title: string; name: string; plays: string; does: string };

export class Peer {
  readonly events: PeerEvent[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'serambi-peer-'));
  readonly #program: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #waiting = new Set<() => void>();

  /** Starts a room in that house. */
  constructor({ house, title, name, plays, does }: Wanted) {
    this.#program = spawn(program('serambi-peer'), [
      'host', '--house', house, '--title', title, '--name', name, '--folder', join(this.#folder, 'profile'),
      '--microphone', plays, '--loudspeaker', this.recording, '--do', does,
    ], { stdio: ['ignore', 'pipe', 'ignore'] }); // prettier-ignore
    this.#ended = new Promise((done) => this.#program.once('exit', done));
    let rest = '';
    this.#program.stdout?.on('data', (bytes) => {
      const lines = (rest + String(bytes)).split('\n');
      rest = lines.pop() ?? '';
      this.events.push(...lines.map((line) => JSON.parse(line) as PeerEvent));
      for (const look of this.#waiting) look();
    });
  }

  /** Complete once the peer is closed. */
  get recording(): string {
    return join(this.#folder, 'heard.wav');
  }

  /** The newest figures. */
  get statistics(): PeerEvent {
    return this.events.findLast(({ event }) => event === 'statistics') ?? { event: 'none' };
  }

  /** The first such event from number `from` on. */
  wait(event: string, from = 0, fits: (event: PeerEvent) => boolean = () => true): Promise<PeerEvent> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => end(() => reject(new Error(`no ${event} of ${JSON.stringify(this.events.slice(-5))}`))), LIMIT_MS);
      const end = (then: () => void) => {
        clearTimeout(late);
        this.#waiting.delete(look);
        then();
      };
      const look = () => {
        const found = this.events.slice(from).find((one) => one.event === event && fits(one));
        if (found) end(() => resolve(found));
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** Ends it, so that its recording is complete. */
  async close(): Promise<void> {
    this.#program.kill('SIGTERM');
    await this.#ended;
  }

  forget(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
