/** Codes, notices and reasons of the app in a person's words. */
import type { ClosedReason, Code, HandScope, InvitationState, Notice, Role, SoundNotice } from '../backend/backend';
import { catalogues, t, type Key } from './words.svelte';

/** What happened and what to do about it. A code from a newer house than this app is explained as `internal`. */
export function explain(code: Code): string {
  const key = `error.${code}`;
  return t((key in catalogues.en ? key : 'error.internal') as Key);
}

export function closedWords(reason: ClosedReason): string {
  return t(`closed.${reason}`);
}

export function noticeWords(notice: Notice): string {
  switch (notice.type) {
    case 'handRaised':
      return t('notice.handRaised', { name: notice.name, n: notice.count });
    case 'invited':
      return t('notice.invited', { name: notice.by });
    case 'mutedBy':
      return t('notice.mutedBy', { name: notice.by });
    case 'onStage':
      return t('notice.onStage', { key: 'M' });
    case 'saidLater':
    case 'noAnswer':
    case 'joinedStage':
    case 'newHost':
      return t(`notice.${notice.type}`, { name: notice.name });
    default:
      return t(`notice.${notice.type}`);
  }
}

export function soundWords(notice: SoundNotice): string {
  if (notice.type === 'talkingWhileMuted') return t('notice.talkingWhileMuted', { key: 'M' });
  return t(`notice.${notice.type}`, { device: notice.device });
}

const roleKeys: Record<Role, Key> = {
  host: 'role.host',
  moderator: 'role.mod',
  speaker: 'role.speaker',
  listener: 'role.listener',
};

export function roleWord(role: Role): string {
  return t(roleKeys[role]);
}

export const scopeKeys: Record<HandScope, Key> = {
  everyone: 'hands.all',
  followed: 'hands.followed',
  off: 'hands.off',
};

export const invitationKeys: Record<InvitationState, Key> = {
  open: 'hands.invited.open',
  later: 'hands.invited.later',
  noAnswer: 'hands.invited.none',
};
