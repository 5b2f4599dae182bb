/** Both backends over the Tauri shell: nothing but names. */
import { Channel, invoke } from '@tauri-apps/api/core';
import type { Answer, Backend, BackendEvents, LevelBatch, Refusal, WindowBackend } from './backend';
import { commands, events } from './bindings';

export const tauri: Backend & WindowBackend = {
  ...commands,
  isHouse: true,
  async listen(hearing: BackendEvents) {
    await Promise.all([
      events.appChanged.listen((event) => hearing.appChanged(event.payload)),
      events.callUpdated.listen((event) => hearing.callUpdated(event.payload)),
      events.callMeasured.listen((event) => hearing.callMeasured(event.payload)),
      events.noticed.listen((event) => hearing.noticed(event.payload)),
      events.soundNoticed.listen((event) => hearing.soundNoticed(event.payload)),
      events.callClosed.listen((event) => hearing.callClosed(event.payload)),
      events.problem.listen((event) => hearing.problem(event.payload)),
      events.closeAsked.listen((event) => hearing.closeAsked(event.payload)),
      events.stayedOpen.listen(() => hearing.stayedOpen()),
      events.dialogAsked.listen((event) => hearing.dialogAsked(event.payload)),
    ]);
  },
  hearLevels: (hear) => commands.hearLevels(channelTo(hear)),
  openSoundCheck: (hear) => commands.openSoundCheck(channelTo(hear)),
  setSmall: (small) => asked('set_small', { small }),
  setSmallGrown: (grown) => asked('set_small_grown', { grown }),
  setAlwaysOnTop: (onTop) => asked('set_always_on_top', { onTop }),
};

/** A command that is not in the bindings; one that the shell does not know is refused like any other. */
async function asked(command: string, values: Record<string, boolean>): Answer {
  try {
    await invoke(command, values);
    return { status: 'ok', data: null };
  } catch (error) {
    const known = typeof error === 'object' && error !== null && 'code' in error;
    return { status: 'error', error: known ? (error as Refusal) : { code: 'internal', detail: String(error) } };
  }
}

function channelTo(hear: (batch: LevelBatch) => void): Channel<LevelBatch> {
  const channel = new Channel<LevelBatch>();
  channel.onmessage = hear;
  return channel;
}
