//! From a remote track to the engine's mix: one reader per track, and whose voice each one is.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use parking_lot::{Mutex, MutexGuard};
use serambi_audio::{Engine, ReceivedPacket, RemoteVoiceId as SpeakerId};
use serambi_protocol::PersonId;
use tokio::sync::watch;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

/// The engine may still be starting when the first packet comes.
pub(crate) type EngineSoon = watch::Receiver<Option<Arc<Engine>>>;

/// Played as loud as it was sent.
const AS_SENT: f32 = 1.0;

/// Everybody who is heard.
pub(crate) struct Speakers {
    engine: EngineSoon,
    people: Mutex<HashMap<u64, PersonId>>,
    /// How loud people are played who are not played as sent: 0.0 to 2.0.
    gains: Mutex<HashMap<PersonId, f32>>,
    next: AtomicU64,
    packets: AtomicU64,
    first_packet_at: OnceLock<Instant>,
}

impl Speakers {
    pub(crate) fn new(engine: EngineSoon, gains: HashMap<PersonId, f32>) -> Self {
        Self {
            engine,
            people: Mutex::default(),
            gains: Mutex::new(gains),
            next: AtomicU64::new(1),
            packets: AtomicU64::new(0),
            first_packet_at: OnceLock::new(),
        }
    }

    /// Whose voice is this?
    pub(crate) fn person(&self, speaker: SpeakerId) -> Option<PersonId> {
        self.people().get(&speaker.0).copied()
    }

    /// How loud somebody is played here: 0.0 to 2.0, 1.0 as sent.
    pub(crate) fn gain_of(&self, person: &PersonId) -> f32 {
        self.gains().get(person).copied().unwrap_or(AS_SENT)
    }

    /// Plays people this loud from now on; who is not named is played as sent.
    pub(crate) fn set_gains(&self, gains: HashMap<PersonId, f32>) {
        *self.gains() = gains;
        // Who is heard before there is an engine gets their gain when they are added to it.
        let Some(engine) = self.engine.borrow().clone() else { return };
        for (id, person) in self.people().iter() {
            engine.set_remote_voice_volume(SpeakerId(*id), self.gain_of(person));
        }
    }

    /// Packets that came in.
    pub(crate) fn received(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// When the first sound of anybody came in.
    pub(crate) fn first_packet_at(&self) -> Option<Instant> {
        self.first_packet_at.get().copied()
    }

    /// Reads a track into the mix until it ends or the reader is aborted. It does nothing else: a slow reader loses
    /// packets after 256.
    pub(super) async fn listen(self: Arc<Self>, track: Arc<dyn TrackRemote>, owner: Option<PersonId>) {
        let Some(engine) = self.engine().await else { return };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let inbox = match engine.add_remote_voice(SpeakerId(id)) {
            Ok(inbox) => inbox,
            Err(error) => return tracing::warn!(%error, "a speaker cannot be heard"),
        };
        if let Some(owner) = owner {
            // Named first: gains that change meanwhile are set by whoever comes second.
            self.people().insert(id, owner);
            engine.set_remote_voice_volume(SpeakerId(id), self.gain_of(&owner));
        }
        drop(engine);
        let _named = Named { speakers: &self, id };
        while let Some(event) = track.poll().await {
            match event {
                TrackRemoteEvent::OnRtpPacket(packet) => {
                    let arrival = Instant::now();
                    self.first_packet_at.get_or_init(|| arrival);
                    self.packets.fetch_add(1, Ordering::Relaxed);
                    inbox.push(ReceivedPacket {
                        sequence: packet.header.sequence_number,
                        timestamp: packet.header.timestamp,
                        payload: packet.payload,
                        arrival,
                    });
                }
                TrackRemoteEvent::OnEnded => return,
                // `OnOpen` comes again with every negotiation.
                _ => {}
            }
        }
    }

    async fn engine(&self) -> Option<Arc<Engine>> {
        let mut soon = self.engine.clone();
        let engine = soon.wait_for(Option::is_some).await.ok()?;
        engine.clone()
    }

    fn gains(&self) -> MutexGuard<'_, HashMap<PersonId, f32>> {
        self.gains.lock()
    }

    fn people(&self) -> MutexGuard<'_, HashMap<u64, PersonId>> {
        self.people.lock()
    }
}

/// Forgets the name when the reader ends, also when it is aborted.
struct Named<'a> {
    speakers: &'a Speakers,
    id: u64,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        self.speakers.people().remove(&self.id);
    }
}
