/** How long a voice takes from a mouth to this ear, as it was measured. */

/** Milliseconds each. A path whose two links cannot be told apart has one `network` instead of links and house. */
export type DelayParts = {
  theirMicrophone: number;
  theirLink?: number;
  house?: number;
  yourLink?: number;
  network?: number;
  yourBuffer: number;
  yourLoudspeaker: number;
};

export type Delay = { totalMs: number; parts: DelayParts };
