/** Codes, notices and reasons of the app in a person's words. */
import type {
  ClosedReason,
  Code,
  Connection,
  HandScope,
  InvitationState,
  Notice,
  PersonConnection,
  ReactionCount,
  Role,
  SoundNotice,
} from '../backend/backend';
import { catalogues, list, t, type Key } from './words.svelte';

/** What happened and what to do about it. A code from a newer house than this app is explained as `internal`. */
export function explain(code: Code): string {
  const key = `error.${code}`;
  return t((key in catalogues.en ? key : 'error.internal') as Key);
}

export function closedWords(reason: ClosedReason): string {
  return t(`closed.${reason}`);
}

/** Of the room that ended with the program. */
export function interruptedWords(title: string): string {
  return title ? t('home.interrupted.named', { title }) : t('home.interrupted');
}

/** What is to be said about the own connection; null: nothing. Whoever listens is heard by nobody anyway. */
export function connectionWords(connection: Connection, onStage: boolean): string | null {
  switch (connection.type) {
    case 'connected':
      return null;
    case 'reconnecting':
    case 'lost':
      return t(connection.type);
    case 'houseReconnecting':
    case 'cannotHear':
      return t(`connection.${connection.type}${onStage ? '' : '.listener'}`);
    case 'soundImpossible':
      return connection.code === 'media_failed' ? noWayWords(connection) : explain(connection.code);
    default:
      return t(`connection.${connection.type}`);
  }
}

/** What to ask a network's owner for: ports are names here, so they are not written as numbers are. */
function noWayWords({ udpPort, tcpPort }: { udpPort: number | null; tcpPort: number | null }): string {
  const kind = udpPort !== null && tcpPort !== null ? '.both' : udpPort !== null ? '.udp' : tcpPort !== null ? '.tcp' : '';
  return t(`connection.soundImpossible${kind}`, { udp: String(udpPort), tcp: String(tcpPort) });
}

/** null: from a newer house than this app. `muteKey`: how the key of the microphone is called. */
export function noticeWords(notice: Notice, muteKey: string): string | null {
  switch (notice.type) {
    case 'handRaised':
      return t('notice.handRaised', { name: notice.name, n: notice.count });
    case 'invited':
      return t('notice.invited', { name: notice.by });
    case 'mutedBy':
      return t('notice.mutedBy', { name: notice.by });
    case 'onStage':
      return t('notice.onStage', { key: muteKey });
    case 'saidLater':
    case 'noAnswer':
    case 'atTheDoor':
    case 'joinedStage':
    case 'newHost':
      return t(`notice.${notice.type}`, { name: notice.name });
    default: {
      const key = `notice.${notice.type}`;
      return key in catalogues.en ? t(key as Key) : null;
    }
  }
}

export function soundWords(notice: SoundNotice, muteKey: string): string {
  if (notice.type === 'talkingWhileMuted') return t('notice.talkingWhileMuted', { key: muteKey });
  return t(`notice.${notice.type}`, { device: notice.device });
}

/** "12 claps and 1 heart." */
export function reactionWords(shown: readonly ReactionCount[]): string {
  return t('reactions.told', { list: list(shown.map(({ reaction, count }) => t(`reaction.n.${reaction}`, { n: count }))) });
}

const roleKeys: Record<Role, Key> = {
  host: 'role.host',
  moderator: 'role.mod',
  speaker: 'role.speaker',
  listener: 'role.listener',
};

/** In the middle of a sentence. */
export const spokenRoleKeys: Record<Role, Key> = {
  host: 'person.host',
  moderator: 'person.mod',
  speaker: 'person.speaker',
  listener: 'person.listener',
};

/** How a connection is called on a tile, and in the middle of a sentence. */
export const connectionKeys: Record<Exclude<PersonConnection, 'good'>, { shown: Key; spoken: Key }> = {
  weak: { shown: 'mark.weak', spoken: 'person.weak' },
  noSound: { shown: 'mark.noSound', spoken: 'person.noSound' },
  away: { shown: 'mark.away', spoken: 'person.away' },
};

export function connectionMark(connection: PersonConnection): Key | null {
  return connection === 'good' ? null : connectionKeys[connection].shown;
}

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
