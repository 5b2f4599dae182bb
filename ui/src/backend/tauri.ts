/** The backend over the Tauri shell: nothing but names. */
import { Channel } from '@tauri-apps/api/core';
import type { Backend, Ears, LevelBatch } from './backend';
import { commands, events } from './bindings';

export const tauri: Backend = {
  ...commands,
  async listen(ears: Ears) {
    await Promise.all([
      events.appChanged.listen((event) => ears.appChanged(event.payload)),
      events.callChanged.listen((event) => ears.callChanged(event.payload)),
      events.callMeasured.listen((event) => ears.callMeasured(event.payload)),
      events.noticed.listen((event) => ears.noticed(event.payload)),
      events.soundNoticed.listen((event) => ears.soundNoticed(event.payload)),
      events.callClosed.listen((event) => ears.callClosed(event.payload)),
      events.problem.listen((event) => ears.problem(event.payload)),
      events.closeAsked.listen((event) => ears.closeAsked(event.payload)),
    ]);
  },
  hearLevels: (hear) => commands.hearLevels(channelTo(hear)),
  openSoundCheck: (hear) => commands.openSoundCheck(channelTo(hear)),
};

function channelTo(hear: (batch: LevelBatch) => void): Channel<LevelBatch> {
  const channel = new Channel<LevelBatch>();
  channel.onmessage = hear;
  return channel;
}
