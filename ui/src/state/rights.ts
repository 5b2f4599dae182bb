/**
 * Who may do what to whom, as far as it decides what is offered (the house decides what is done).
 *
 * One way only: nothing here, and no command, opens somebody else's microphone.
 */
import { isOnStage, type Command, type PersonView, type Role, type RoomView } from '../backend/backend';
import type { Key } from '../words/words.svelte';

export type PersonAction = {
  key: Key;
  /** What to send, or what has to be asked first. */
  does: Command | 'askRemove';
  danger?: boolean;
  /** Why it cannot be done right now. */
  unable?: Key;
};

export function mayModerate(role: Role): boolean {
  return role === 'host' || role === 'moderator';
}

/** A moderator may act on speakers and listeners, the host on everyone, nobody on the host. */
export function mayActOn(you: Role, other: Role): boolean {
  if (other === 'host') return false;
  return you === 'host' || (you === 'moderator' && other !== 'moderator');
}

/** The host may end the room; a moderator only while no host is present. */
export function mayEnd(room: RoomView): boolean {
  const hostPresent = room.stage.some((person) => person.role === 'host' && !person.away);
  return room.you.role === 'host' || (room.you.role === 'moderator' && !hostPresent);
}

export function personActions(room: RoomView, person: PersonView): PersonAction[] {
  if (person.id === room.you.id) return ownActions(room);
  return isOnStage(person.role) ? stageActions(room, person) : listenerActions(room, person);
}

function ownActions(room: RoomView): PersonAction[] {
  if (isOnStage(room.you.role)) return [{ key: 'to.audience', does: { type: 'moveToAudience', person: null } }];
  if (room.you.place !== null) return [{ key: 'hand.down', does: { type: 'lowerHand' } }];
  const unable = whyNoHand(room);
  return [{ key: 'hand.up', does: { type: 'raiseHand' }, ...(unable ? { unable } : {}) }];
}

/** Why the own hand cannot go up by the setting of the room; the house knows who is followed. */
export function whyNoHand(room: RoomView): Key | null {
  return room.hands.scope === 'off' ? 'hands.are.off' : null;
}

function stageActions({ you }: RoomView, { id: person, role, muted }: PersonView): PersonAction[] {
  if (!mayActOn(you.role, role)) return [];
  const actions: PersonAction[] = [];
  if (!muted) actions.push({ key: 'mute', does: { type: 'mute', person } });
  actions.push({ key: 'to.audience', does: { type: 'moveToAudience', person } });
  if (role === 'speaker') actions.push({ key: 'make.mod', does: { type: 'makeModerator', person } });
  if (role === 'moderator') actions.push({ key: 'take.mod', does: { type: 'takeModerator', person } });
  if (you.role === 'host') actions.push({ key: 'handover.one', does: { type: 'handOver', person } });
  actions.push({ key: 'remove', does: 'askRemove', danger: true });
  return actions;
}

function listenerActions(room: RoomView, { id: person, hand }: PersonView): PersonAction[] {
  if (!mayModerate(room.you.role)) return [];
  const actions: PersonAction[] = [inviteAction(room, person)];
  if (hand) actions.push({ key: 'dismiss', does: { type: 'dismissHand', person } });
  actions.push({ key: 'remove', does: 'askRemove', danger: true });
  return actions;
}

/** Invite, or take the open invitation back. */
export function inviteAction(room: RoomView, person: string): PersonAction {
  const open = room.invitations.some((invited) => invited.person === person && invited.state === 'open');
  if (open) return { key: 'invite.cancel', does: { type: 'cancelInvitation', person } };
  const full = room.stage.length >= room.stageLimit;
  return { key: 'invite', does: { type: 'invite', person }, ...(full ? { unable: 'stage.full' as Key } : {}) };
}

/** The host and the last one who runs the room are asked how to leave, unless nobody else is there. */
export function leavingNeedsAChoice(room: RoomView): boolean {
  const others = room.stage.length - 1 + room.listeners;
  return others > 0 && (room.you.role === 'host' || room.you.successor !== null);
}
