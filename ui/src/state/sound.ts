/** What is wrong with the sound for as long as it is wrong. */
import { isOnStage, type CallView, type Code } from '../backend/backend';

/** Loudspeaker first; the microphone concerns only who has one open. */
export function standingProblems(call: CallView | null): Code[] {
  if (!call) return [];
  const microphone = isOnStage(call.room.you.role) ? call.microphone.problem : null;
  return [call.loudspeakerProblem, microphone].filter((problem) => problem !== null);
}
