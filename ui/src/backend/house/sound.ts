/**
 * The sound of one room: a connection to its media server that is made anew for as long as one is in the room, the
 * voices that come over it, and the own one on its way out. With it comes LiveKit's library, so this module is loaded
 * only when somebody enters a room.
 */
import { ConnectionState, LocalAudioTrack, LogLevel, Room, RoomEvent, Track, setLogLevel } from 'livekit-client';
import type { Answer, SoundView } from '../backend';
import type { SoundState } from './connection';
import type { Loudness } from './level_meter';
import type { Ear, Loudspeaker } from './loudspeaker';
import type { Microphone } from './microphone';
import { Voices } from './voices';

/** Where the sound is, as a house says it. */
export type MediaGrant = { url: string | null; token: string };

export type SoundNeeds = {
  /** The media server of the house itself: `wss://host:port`. */
  ownServer: string;
  loudspeaker: Loudspeaker;
  microphone: Microphone;
  sound: SoundView;
  grant(): Answer<MediaGrant>;
  stateChanged(): void;
};

/** What the window needs of it; a test has its own. */
export interface Sound {
  readonly state: SoundState;
  /** Is the own voice wanted on its way out? It goes only while the microphone is open and the house lets it. */
  speak(onStage: boolean, unmuted: boolean): void;
  choose(sound: SoundView): void;
  loudness(): Loudness;
  /** By another grant: the house was restarted, and its media server with it. */
  restart(grant: MediaGrant): void;
  close(): void;
}

const RETRY_MS = 1_000;
/** Signalling works and no sound comes through in this time: the network lets none through. */
const MEDIA_LIMIT_MS = 15_000;
/** Speech in mono and music in stereo, bit/s. */
const BITRATE = { speech: 40_000, music: 128_000 };

// What goes wrong is said in words, in the room.
setLogLevel(LogLevel.silent);

export class RoomSound implements Sound {
  state: SoundState = 'down';
  readonly #needs: SoundNeeds;
  readonly #voices: Voices;
  #sound: SoundView;
  #room: Room | null = null;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #published: LocalAudioTrack | null = null;
  #onStage = false;
  #unmuted = false;
  #settling: Promise<void> = Promise.resolve();
  #ear: { of: MediaStreamTrack; ear: Ear } | null = null;

  constructor(needs: SoundNeeds, grant: MediaGrant) {
    this.#needs = needs;
    this.#sound = needs.sound;
    this.#voices = new Voices(needs.loudspeaker, needs.sound);
    void this.#connect(grant);
  }

  speak(onStage: boolean, unmuted: boolean): void {
    this.#onStage = onStage;
    this.#unmuted = unmuted;
    // Nothing of what is said from here on leaves, whatever else has to be waited for.
    if (this.#published && !(onStage && unmuted)) this.#published.mediaStreamTrack.enabled = false;
    this.#settle();
  }

  choose(sound: SoundView): void {
    this.#sound = sound;
    this.#voices.choose(sound);
    this.#settle();
  }

  loudness(): Loudness {
    return { own: this.#ear?.ear.level() ?? null, people: this.#voices.levels() };
  }

  restart(grant: MediaGrant): void {
    this.#hangUp();
    void this.#connect(grant);
  }

  close(): void {
    this.#hangUp();
    this.#listenTo(null);
  }

  /** Whatever is going on for an earlier attempt finds itself outdated. */
  #hangUp(): void {
    this.#attempt += 1;
    clearTimeout(this.#retry);
    const room = this.#room;
    this.#room = null;
    this.#published = null;
    this.#voices.clear();
    // The house knows already; it is not waited for.
    if (room) void room.disconnect().catch(() => {});
  }

  async #connect(grant: MediaGrant): Promise<void> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    const room = new Room({
      // The house has the other way only, and would be asked in vain.
      singlePeerConnection: false,
      stopLocalTrackOnUnpublish: false,
      disconnectOnPageLeave: true,
    });
    this.#room = room;
    let signalling = false;
    let connected = false;
    const isCurrent = () => this.#attempt === attempt;
    room
      .on(RoomEvent.SignalConnected, () => (signalling = true))
      .on(RoomEvent.TrackSubscribed, (track, _, participant) => isCurrent() && this.#voices.add(track, participant))
      .on(RoomEvent.TrackUnsubscribed, (track) => this.#voices.remove(track))
      .on(RoomEvent.ParticipantPermissionsChanged, () => this.#settle())
      .on(RoomEvent.Reconnecting, () => isCurrent() && this.#become('down'))
      .on(RoomEvent.SignalReconnecting, () => isCurrent() && this.#become('down'))
      .on(RoomEvent.Reconnected, () => isCurrent() && this.#become('up'))
      .on(RoomEvent.Disconnected, () => isCurrent() && connected && this.#again('down'));
    try {
      const server = grant.url ?? this.#needs.ownServer;
      await room.connect(server, grant.token, { maxRetries: 0, peerConnectionTimeout: MEDIA_LIMIT_MS });
    } catch (error) {
      console.debug('no sound yet', error);
      if (isCurrent()) this.#again(signalling ? 'impossible' : 'down');
      return;
    }
    if (!isCurrent()) return;
    connected = true;
    this.#become('up');
    this.#settle();
  }

  /** Once more, with a new grant. That no sound comes through stays said until it does. */
  #again(state: SoundState): void {
    this.#hangUp();
    const attempt = this.#attempt;
    this.#become(this.state === 'impossible' ? 'impossible' : state);
    this.#retry = setTimeout(async () => {
      const granted = await this.#needs.grant();
      if (this.#attempt !== attempt) return;
      if (granted.status === 'ok') void this.#connect(granted.data);
      else this.#again('down');
    }, RETRY_MS);
  }

  #become(state: SoundState): void {
    if (state === this.state) return;
    this.state = state;
    this.#needs.stateChanged();
  }

  /** Publishes, mutes and withdraws the own voice until it is as it should be; one step after the other. */
  #settle(): void {
    this.#settling = this.#settling.then(() => this.#settleNow()).catch((error: unknown) => console.warn('own voice', error));
  }

  async #settleNow(): Promise<void> {
    const room = this.#room;
    const source = this.#onStage ? this.#needs.microphone.track : null;
    this.#listenTo(source);
    if (room?.state !== ConnectionState.Connected) return;
    const { localParticipant } = room;
    if (this.#published && this.#published.mediaStreamTrack !== source) {
      const outdated = this.#published;
      this.#published = null;
      await localParticipant.unpublishTrack(outdated, false);
    }
    if (!source || !localParticipant.permissions?.canPublish) return;
    if (!this.#published) await this.#publish(room, source);
    const track = this.#published;
    if (!track) return;
    // Read last: it may have changed while something was waited for.
    if (this.#onStage && this.#unmuted) await track.unmute();
    else await track.mute();
    track.mediaStreamTrack.enabled = this.#onStage && this.#unmuted && !track.isMuted;
  }

  /** As a muted one: only what is settled afterwards may open it. */
  async #publish(room: Room, source: MediaStreamTrack): Promise<void> {
    const track = new LocalAudioTrack(source, undefined, true);
    await track.mute();
    const music = this.#sound.mode === 'music';
    await room.localParticipant.publishTrack(track, {
      source: Track.Source.Microphone,
      audioPreset: { maxBitrate: music ? BITRATE.music : BITRATE.speech },
      forceStereo: music,
      dtx: !music,
      red: false,
    });
    this.#published = track;
  }

  /** Measures how loud the own microphone is. */
  #listenTo(track: MediaStreamTrack | null): void {
    if ((this.#ear?.of ?? null) === track) return;
    this.#ear?.ear.stop();
    this.#ear = track ? { of: track, ear: this.#needs.loudspeaker.listenTo(track) } : null;
  }
}
