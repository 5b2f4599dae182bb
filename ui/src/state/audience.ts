/** The audience as it is shown: oneself first, so that one's own hand is in sight, the others as the house has them. */
import type { PersonView } from '../backend/backend';
import type { RoomStore } from './room.svelte';

/** `name`: the own one, for whoever stands beyond the part of a large audience that is listed. */
export function ownFirst({ audience, you, onStage }: RoomStore, name: string): PersonView[] {
  if (onStage) return audience;
  const own = audience.find(({ id }) => id === you.id) ?? {
    id: you.id, rank: 0, name, role: you.role, muted: true, connection: 'good',
  }; // prettier-ignore
  return [own, ...audience.filter(({ id }) => id !== you.id)];
}
