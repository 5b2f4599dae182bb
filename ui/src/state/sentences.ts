/** A person, a face on a card, a waiting time, said in one sentence. */
import type { CardPerson, PersonView, RoomTime, RoomView, VoiceSetting } from '../backend/backend';
import { isOnStage } from '../backend/backend';
import { roleWord } from '../words/explain';
import { list, t } from '../words/words.svelte';
import { firstName } from './names';
import { isUsual, usualVoice } from './voices';

/** "Sari, speaker, unmuted, talking" or "Wei, listener, hand raised, 3rd in line" (14.1). */
export function personSentence(room: RoomView, person: PersonView, talking: boolean, voice: VoiceSetting = usualVoice): string {
  const you = person.id === room.you.id;
  const parts = [person.name, ...(you ? [t('you').toLocaleLowerCase()] : []), roleWord(person.role).toLocaleLowerCase()];
  if (isOnStage(person.role)) parts.push(t(person.muted ? 'person.muted' : 'person.unmuted'));
  if (!isUsual(voice)) parts.push(voiceWords(voice));
  if (talking) parts.push(t('person.talking'));
  if (person.hand) parts.push(t('person.hand'));
  const place = placeOf(room, person);
  if (place !== null) parts.push(t('place.ordinal', { n: place }));
  const invited = room.invitations.some((invitation) => invitation.person === person.id && invitation.state === 'open');
  if (invited) parts.push(t('person.invited'));
  if (person.away) parts.push(t('person.away').toLocaleLowerCase());
  return parts.join(t('list.comma'));
}

/** "muted for you" or "volume 150 % for you" */
export function voiceWords({ volumePercent, muted }: VoiceSetting): string {
  return muted ? t('voice.muted') : t('voice.at', { n: volumePercent });
}

function placeOf(room: RoomView, person: PersonView): number | null {
  if (person.id === room.you.id) return room.you.place;
  const index = room.hands.queue.findIndex((hand) => hand.person === person.id);
  return index < 0 ? null : index + 1;
}

/** "Ratna, Bagus, Mei and Theo"; of a large stage the first four. */
export function stageNames(stage: CardPerson[]): string {
  if (stage.length === 0) return t('card.nobody');
  const SHOWN = 4;
  const names = stage.slice(0, SHOWN).map(({ name }) => firstName(name));
  if (stage.length <= SHOWN) return list(names);
  return `${names.join(t('list.comma'))} ${t('card.more', { n: stage.length - SHOWN })}`;
}

/** "waiting 2 min"; below a minute in tens of seconds, so that the line does not fidget. */
export function waiting(raisedAt: RoomTime, now: RoomTime): string {
  const seconds = Math.max(0, Math.floor((now - raisedAt) / 1000));
  if (seconds < 10) return t('hands.waiting.now');
  if (seconds < 60) return t('hands.waiting.s', { n: Math.floor(seconds / 10) * 10 });
  return t('hands.waiting.min', { n: Math.floor(seconds / 60) });
}

/** "started 38 min ago" */
export function startedAgo(now: RoomTime): string {
  const minutes = Math.floor(now / 60_000);
  if (minutes < 1) return t('room.started.now');
  if (minutes < 60) return t('room.started.min', { n: minutes });
  return t('room.started.hours', { n: Math.floor(minutes / 60) });
}

export function peopleHere(room: { stage: unknown[]; listeners: number }): number {
  return room.stage.length + room.listeners;
}
