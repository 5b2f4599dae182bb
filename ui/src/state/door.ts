/** How often whoever waits at a door says so: `protocol::limits::KNOCK_EVERY_MS`. */
export const KNOCK_EVERY_MS = 2_000;
