/** Delay figures from one measurement to the next. */
import type { PersonId, PersonView, VoiceDelay } from '../backend/backend';

export type Delays = ReadonlyMap<PersonId, VoiceDelay>;

/**
 * A voice is measured while it is heard. In a pause the figure stays as it was last: one that comes and goes with each
 * sentence could be neither read nor pressed. It goes with the microphone.
 */
export function carriedOn(before: Delays, measured: readonly VoiceDelay[], stage: readonly PersonView[]): Delays {
  const open = new Set(stage.filter(({ muted }) => !muted).map(({ id }) => id));
  const after = new Map([...before].filter(([person]) => open.has(person)));
  for (const delay of measured) after.set(delay.person, delay);
  return after;
}
