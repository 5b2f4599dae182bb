/** Both backends over the Tauri shell: nothing but names. */
import { Channel } from '@tauri-apps/api/core';
import type { Backend, BackendEvents, LevelBatch, WindowBackend } from './backend';
import { commands, events } from './bindings';

export const tauri: Backend & WindowBackend = {
  ...commands,
  isHouse: true,
  served: null,
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
      events.roomInterrupted.listen((event) => hearing.roomInterrupted(event.payload)),
      events.dialogAsked.listen((event) => hearing.dialogAsked(event.payload)),
    ]);
  },
  hearLevels: (hear) => commands.hearLevels(channelTo(hear)),
  // The app is never held back.
  playSound: async () => ({ status: 'ok', data: null }),
  openSoundCheck: (hear) => commands.openSoundCheck(channelTo(hear)),
};

function channelTo(hear: (batch: LevelBatch) => void): Channel<LevelBatch> {
  const channel = new Channel<LevelBatch>();
  channel.onmessage = hear;
  return channel;
}
