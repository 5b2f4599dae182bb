/** Sound files of one channel with 16 bits, and how much of a tone is in them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const RATE = 48_000;
const HEADER_BYTES = 44;
const FULL_SCALE = 32_767;

/** What the peer plays, and what the fake microphone of the browser picks up, Hz. */
export const HOST_HZ = 440;
export const GUEST_HZ = 1_000;
const FOLDER = join(tmpdir(), 'serambi-tones');

export function hostTone(): string {
  return written('host.wav', HOST_HZ, 60);
}

/** Played again and again. */
export function guestTone(): string {
  return written('guest.wav', GUEST_HZ, 10);
}

function written(name: string, hz: number, seconds: number): string {
  mkdirSync(FOLDER, { recursive: true });
  const path = join(FOLDER, name);
  writeTone(path, hz, seconds);
  return path;
}

/** A tone that comes and goes three times a second, as speech does: a steady one is taken for noise. */
function writeTone(path: string, hz: number, seconds: number): void {
  const count = RATE * seconds;
  const bytes = Buffer.alloc(HEADER_BYTES + 2 * count);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(RATE, 24);
  bytes.writeUInt32LE(2 * RATE, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(2 * count, 40);
  for (let n = 0; n < count; n += 1) {
    const loudness = 0.25 * (1 - Math.cos((2 * Math.PI * 3 * n) / RATE));
    bytes.writeInt16LE(Math.round(FULL_SCALE * loudness * Math.sin((2 * Math.PI * hz * n) / RATE)), HEADER_BYTES + 2 * n);
  }
  writeFileSync(path, bytes);
}

/** Samples from -1 to 1 of the first channel of a file with 16 or 32 bits (float). */
export function readSamples(path: string): Float32Array {
  const bytes = readFileSync(path);
  let [channels, bits, at] = [1, 16, 12];
  while (at + 8 <= bytes.length && bytes.toString('latin1', at, at + 4) !== 'data') {
    if (bytes.toString('latin1', at, at + 4) === 'fmt ') {
      channels = bytes.readUInt16LE(at + 10);
      bits = bytes.readUInt16LE(at + 22);
    }
    at += 8 + bytes.readUInt32LE(at + 4);
  }
  at += 8;
  const width = bits / 8;
  const count = Math.floor((bytes.length - at) / (width * channels));
  return Float32Array.from({ length: Math.max(0, count) }, (_, n) => {
    const place = at + n * width * channels;
    return bits === 32 ? bytes.readFloatLE(place) : bytes.readInt16LE(place) / FULL_SCALE;
  });
}

/** The share of the power that is at this frequency, 0 to 1 (Goertzel), and the whole, for each tenth of a second. */
export function toneIn(samples: Float32Array, hz: number): { share: number; power: number }[] {
  const size = RATE / 10;
  const found = [];
  for (let from = 0; from + size <= samples.length; from += size) {
    let [before, last, power] = [0, 0, 0];
    const k = 2 * Math.cos((2 * Math.PI * hz) / RATE);
    for (let n = from; n < from + size; n += 1) {
      const sample = samples[n] ?? 0;
      [before, last] = [last, sample + k * last - before];
      power += sample * sample;
    }
    const tone = (2 * (before * before + last * last - k * before * last)) / size;
    found.push({ share: power > 0 ? tone / power : 0, power: power / size });
  }
  return found;
}

/** Seconds in which this tone is what is heard. */
export function secondsOf(samples: Float32Array, hz: number): number {
  return toneIn(samples, hz).filter(({ share, power }) => power > 1e-5 && share > 0.5).length / 10;
}
