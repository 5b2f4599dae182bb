/**
 * What is offered for a person, in its order: what the view says one may do, as buttons. The house decides what is
 * done; nothing here, and no command, opens somebody else's microphone.
 */
import type { Act, Code, Command, PersonView } from '../backend/backend';
import type { Key } from '../words/words.svelte';
import type { RoomStore } from './room.svelte';

export type PersonAction = {
  key: Key;
  /** What to send, or what has to be asked first. */
  does: Command | 'askRemove' | 'askHandOver';
  danger?: boolean;
  /** Why it cannot be done right now. */
  refused?: Code | null;
};

export function personActions(room: RoomStore, person: PersonView): PersonAction[] {
  if (person.id === room.you.id) return ownActions(room);
  const { id, role, muted } = person;
  const offered: [Act, PersonAction | false][] = [
    ['invite', inviteAction(room, id)],
    ['invite', room.placeOf(id) !== null && { key: 'dismiss', does: { type: 'dismissHand', person: id } }],
    ['mute', !muted && { key: 'mute', does: { type: 'mute', person: id } }],
    ['moveToAudience', { key: 'to.audience', does: { type: 'moveToAudience', person: id } }],
    ['makeModerator', { key: 'make.mod', does: { type: 'makeModerator', person: id } }],
    ['takeModerator', { key: 'take.mod', does: { type: 'takeModerator', person: id } }],
    ['handOver', { key: 'handover.one', does: 'askHandOver' }],
    ['remove', { key: 'remove', does: 'askRemove', danger: true }],
  ];
  return offered.flatMap(([act, action]) => (action && room.mayOn(act, role) ? [action] : []));
}

function ownActions(room: RoomStore): PersonAction[] {
  const whyNoHand = room.whyNot('raiseHand');
  const offered: (PersonAction | false)[] = [
    room.may('stepDown') && { key: 'to.audience', does: { type: 'moveToAudience', person: null } },
    room.may('lowerHand') && { key: 'hand.down', does: { type: 'lowerHand' } },
    (room.may('raiseHand') || whyNoHand !== null) && { key: 'hand.up', does: { type: 'raiseHand' }, refused: whyNoHand },
  ];
  return offered.filter((action) => action !== false);
}

/** Invite, or take the open invitation back. */
export function inviteAction(room: RoomStore, person: string): PersonAction {
  const invitation = room.invitationOf(person);
  if (invitation?.state === 'open') return { key: 'invite.cancel', does: { type: 'cancelInvitation', person } };
  return { key: 'invite', does: { type: 'invite', person }, refused: invitation?.refused ?? room.rights.inviteRefused };
}
