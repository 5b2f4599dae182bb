/** What is said of push to talk while one is on stage: whether the own voice goes out, and which key does it. */
import type { CallView, ComputerView } from '../backend/backend';
import { t } from '../words/words.svelte';
import { isSilenced } from './connection';
import { keyWords } from './key_names';

export type TalkWords = { goesOut: boolean; text: string };

/** null: push to talk is off. */
export function talkWords(computer: ComputerView, call: CallView): TalkWords | null {
  if (!computer.pushToTalk) return null;
  const { muted, problem } = call.microphone;
  const goesOut = !muted && problem === null && !isSilenced(call.connection);
  const closed = desktopKey(computer) === null ? 'talk.hold' : 'talk.hold.desktop';
  return { goesOut, text: t(goesOut ? 'talk.going.out' : closed, { key: keyToHold(computer) }) };
}

/** The desktop's own words for the key: a name, or a whole phrase. */
function desktopKey({ keysAnywhere, pushToTalkKey }: ComputerView): string | null {
  return keysAnywhere === 'desktop' ? pushToTalkKey.described : null;
}

/** The key that works from anywhere; where there is none, the one that works in the window. */
function keyToHold(computer: ComputerView): string {
  const { keysAnywhere, pushToTalkKey } = computer;
  const { keys, problem } = pushToTalkKey;
  const given = desktopKey(computer);
  if (given !== null) return given;
  if (keysAnywhere === 'system' && keys !== null && problem === null) return keyWords(keys).join(' ');
  return t('key.space');
}
