/** Why a message stands: it is withdrawn as soon as this is over. Messages about what has happened have no such cause. */
import type { Notice, SoundNotice } from '../backend/backend';
import type { CallStore } from './call.svelte';

export type Cause = () => boolean;

export function causeOf(notice: Notice | SoundNotice, call: CallStore): Cause | null {
  const onStage = () => call.room?.onStage ?? false;
  switch (notice.type) {
    case 'onStage':
    case 'mutedBy':
    case 'talkingWhileMuted':
      return () => onStage() && (call.view?.microphone.muted ?? false);
    case 'handRaised':
      return () => call.room?.hands.some(({ name }) => name === notice.name) ?? false;
    case 'atTheDoor':
      return () => call.room?.door.some(({ name }) => name === notice.name) ?? false;
    case 'movedToAudience':
    case 'handDismissed':
    case 'turnPassed':
    case 'stageFull':
      return () => !onStage();
    case 'youAreModerator':
      return () => call.room?.you.role === 'moderator';
    case 'youAreHost':
      return () => call.room?.you.role === 'host';
    default:
      return null;
  }
}
