/** How far the imagined people are away: one next door, one across the sea. */
import type { Delay } from '../delay';

const near: Delay = {
  totalMs: 44,
  parts: { theirMicrophone: 12, theirLink: 3, house: 1, yourLink: 2, yourBuffer: 14, yourLoudspeaker: 12 },
};
const fair: Delay = {
  totalMs: 61,
  parts: { theirMicrophone: 14, network: 13, yourBuffer: 22, yourLoudspeaker: 12 },
};
const far: Delay = {
  totalMs: 241,
  parts: { theirMicrophone: 24, theirLink: 96, house: 2, yourLink: 11, yourBuffer: 96, yourLoudspeaker: 12 },
};

/** The delay of the n-th voice. */
export function delayOf(n: number): Delay {
  return [near, fair, far][n % 3] ?? near;
}
