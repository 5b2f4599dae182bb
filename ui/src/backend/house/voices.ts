/** Everybody who is heard: a playback for each received voice, at the volume this person chose for it. */
import type { RemoteParticipant, RemoteTrack } from 'livekit-client';
import type { PersonId, SoundView } from '../backend';
import { voiceOf } from '../../state/voices';
import type { Loudspeaker, Playback } from './loudspeaker';

type Heard = { person: PersonId; playback: Playback };

const PERCENT = 100;

export class Voices {
  readonly #loudspeaker: Loudspeaker;
  readonly #heard = new Map<string, Heard>();
  #sound: SoundView;

  constructor(loudspeaker: Loudspeaker, sound: SoundView) {
    this.#loudspeaker = loudspeaker;
    this.#sound = sound;
  }

  add(track: RemoteTrack, { identity }: RemoteParticipant): void {
    if (track.kind !== 'audio') return;
    this.remove(track);
    const playback = this.#loudspeaker.play(track.mediaStreamTrack);
    const heard = { person: identity, playback };
    this.#heard.set(keyOf(track), heard);
    this.#setVolume(heard);
  }

  remove(track: RemoteTrack): void {
    const heard = this.#heard.get(keyOf(track));
    heard?.playback.stop();
    this.#heard.delete(keyOf(track));
  }

  clear(): void {
    for (const { playback } of this.#heard.values()) playback.stop();
    this.#heard.clear();
  }

  choose(sound: SoundView): void {
    this.#sound = sound;
    for (const heard of this.#heard.values()) this.#setVolume(heard);
  }

  /** How loud everybody is at this moment, dBFS. */
  levels(): Map<PersonId, number> {
    return new Map([...this.#heard.values()].map(({ person, playback }) => [person, playback.level()]));
  }

  #setVolume({ person, playback }: Heard): void {
    const { muted, volumePercent } = voiceOf(this.#sound, person);
    playback.setVolume(muted ? 0 : volumePercent / PERCENT);
  }
}

function keyOf({ mediaStreamTrack }: RemoteTrack): string {
  return mediaStreamTrack.id;
}
