/** A person, an invitation, a refusal, a waiting time, said in one sentence. */
import type { CardPerson, Code, InvitationView, PersonId, PersonView, RoomTime, VoiceSetting } from '../backend/backend';
import { connectionKeys, explain, spokenRoleKeys } from '../words/explain';
import { list, t } from '../words/words.svelte';
import { firstName } from './names';
import type { RoomStore } from './room.svelte';
import { isUsual, usualVoice } from './voices';

/** "Sari, speaker, unmuted, talking" or "Wei, listener, hand raised, 3rd in line" (14.1). */
export function personSentence(room: RoomStore, person: PersonView, talking: boolean, voice: VoiceSetting = usualVoice): string {
  const { id, role, muted, connection } = person;
  const place = room.placeOf(id);
  const parts: (string | false)[] = [
    room.nameOf(person),
    id === room.you.id && t('person.you'),
    // In the order of what the tile shows: a voice command says what is read (WCAG 2.5.3).
    connection !== 'good' && t(connectionKeys[connection].spoken),
    t(spokenRoleKeys[role]),
    role !== 'listener' && t(muted ? 'person.muted' : 'person.unmuted'),
    !isUsual(voice) && voiceWords(voice),
    talking && t('person.talking'),
    place !== null && t('person.hand'),
    place !== null && t('place.ordinal', { n: place }),
    room.invitationOf(id)?.state === 'open' && t('person.invited'),
  ];
  return parts.filter((part) => part !== false).join(t('list.comma'));
}

/** "muted for you" or "volume 150 % for you" */
export function voiceWords({ volumePercent, muted }: VoiceSetting): string {
  return muted ? t('voice.muted') : t('voice.at', { n: volumePercent });
}

export function invitationWords({ kind, by }: InvitationView): string {
  if (kind === 'invited') return t('invited.by', { name: by });
  return t(kind === 'runRoom' ? 'run.room' : 'your.turn');
}

/** Why something cannot be done to this person, or to oneself, right now; with how long, where it passes by itself. */
export function refusedWords(room: RoomStore, person: PersonId, code: Code): string {
  switch (code) {
    case 'stage_full':
      return t('stage.full');
    case 'hands_off':
      return t('hands.are.off');
    case 'hands_followed_only':
      return t('hands.only.followed');
    case 'hand_too_soon':
      return t('hands.wait', { n: secondsUntil(room, room.you.handBlockedUntil) });
    case 'invite_too_soon':
      return t('invite.wait', { n: secondsUntil(room, room.invitationOf(person)?.until ?? null) });
    default:
      return explain(code);
  }
}

function secondsUntil(room: RoomStore, until: RoomTime | null): number {
  return Math.max(1, Math.ceil(((until ?? 0) - room.clock.now) / 1000));
}

/** "Ratna, Bagus, Mei and Theo"; of a large stage the first four. */
export function stageNames(stage: CardPerson[]): string {
  if (stage.length === 0) return t('card.nobody');
  const SHOWN = 4;
  const names = stage.slice(0, SHOWN).map(({ name }) => firstName(name));
  if (stage.length <= SHOWN) return list(names);
  return t('card.names.more', { names: names.join(t('list.comma')), n: stage.length - SHOWN });
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
