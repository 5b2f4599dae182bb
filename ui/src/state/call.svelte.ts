/** The call: the room one is in, the connection to it, the own microphone. Updates come in order, or not at all. */
import type { CallUpdate, CallUpdated, CallView } from '../backend/backend';
import { RoomStore } from './room.svelte';

export class CallStore {
  view = $state.raw<CallView | null>(null);
  room = $state.raw<RoomStore | null>(null);
  #revision = -1;

  /** True: it was news. An older or repeated update changes nothing. */
  take({ revision, update }: CallUpdated): boolean {
    if (revision <= this.#revision) return false;
    this.#revision = revision;
    this.#apply(update);
    return true;
  }

  #apply(update: CallUpdate): void {
    switch (update.type) {
      case 'opened':
        this.view = update.call;
        if (this.room?.room.id === update.room.view.room.id) this.room.replace(update.room);
        else this.room = new RoomStore(update.room);
        return;
      case 'room':
        this.room?.fold(update.now, update.changes);
        return;
      case 'call':
        // Without a room there is no call: it ended, or it is about to be opened in full.
        if (this.room) this.view = update.call;
        return;
      case 'none':
        this.view = null;
        this.room = null;
    }
  }
}
