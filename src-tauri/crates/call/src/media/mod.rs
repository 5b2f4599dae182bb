//! Sound over the network: LiveKit signalling and two WebRTC connections, kept alive for as long as a call lasts.
//!
//! Everything that is peculiar about `webrtc` 0.21 is dealt with in here and nowhere else:
//!
//! | It | So |
//! | --- | --- |
//! | leaks a connection dropped without `close` | [`connection::Connection`] closes on drop |
//! | runs event handlers on the driver task | they only put news into a channel; [`session::Session`] owns the state |
//! | refuses candidates before the description | they wait in the connection |
//! | announces a track with its first packet only, and never its end | signalling says who is there; readers end by track id |
//! | mutes nothing with `set_muted`, breaks with `replace_track` | [`voice_out`] stops writing; each publication is a new track |
//! | logs each packet written too early or too late | the writer is led to a track only while it can arrive |
//! | may lose audio when both ends offer | we offer on one connection, the server on the other |
//! | opens an mDNS socket per connection | switched off in [`settings`] |
//! | says a lost flight of a handshake again after a second | [`handshake_repeats`] says all of it three times |
//!
//! It also warns about harmless things once per connection ("remote_addr is empty", "no candidate pairs", "empty
//! server_config", "password is empty", and "Packet too short to be read" for each sender report of a LiveKit server,
//! whose SDES item 15 it does not know). `serambi-logging` silences these.

mod connection;
mod handshake_repeats;
mod publication;
mod roster;
mod session;
mod settings;
mod signalling;
mod speakers;
mod voice_out;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use serambi_protocol::Refusal;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::session::{Ended, Session};
pub(crate) use self::{
    speakers::{EngineSoon, Speakers},
    voice_out::{SentVoice, VoiceOut},
};
use crate::retry::Retry;

/// Saying good-bye may take this long; the server notices an unsaid one by itself.
const GOOD_BYE_LIMIT: Duration = Duration::from_millis(800);

/// What the server is to know of our voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// No track: a listener.
    Absent,
    /// A track without sound.
    Muted,
    /// A track with sound.
    Open,
}

/// What the media side has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaNews {
    /// Others can be heard.
    Up,
    /// They cannot; it is being repaired.
    Down,
    /// The server muted us and we obeyed.
    MutedByServer,
}

/// Where to go and what to show there. Fresh for each new stay.
#[derive(Clone)]
pub(crate) struct Doorway {
    /// Base address, `ws://` or `wss://`.
    pub(crate) url: String,
    /// Its `host:port`.
    pub(crate) address: String,
    /// A secret.
    pub(crate) token: String,
    /// For a house's own certificate; none: by the rules of the public web.
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
}

impl Doorway {
    fn host(&self) -> &str {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _port)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// Gets a fresh doorway from the house.
pub(crate) type DoorwaySource = Box<dyn Fn() -> BoxFuture<'static, Result<Doorway, Refusal>> + Send + Sync>;

/// What one stay shares with the next.
pub(crate) struct Place {
    voice: watch::Sender<Voice>,
    voice_out: VoiceOut,
    speakers: Arc<Speakers>,
    news: mpsc::UnboundedSender<MediaNews>,
    resumes: AtomicU64,
    rejoins: AtomicU64,
}

impl Place {
    fn voice(&self) -> Voice {
        *self.voice.borrow()
    }

    /// From open to muted; false if it was not open.
    fn mute_if_open(&self) -> bool {
        self.voice.send_if_modified(|voice| {
            let was_open = *voice == Voice::Open;
            if was_open {
                *voice = Voice::Muted;
            }
            was_open
        })
    }

    fn tell(&self, news: MediaNews) {
        if self.news.send(news).is_err() {
            tracing::trace!(?news, "nobody listens to the media side any more");
        }
    }

    fn count_resume(&self) {
        self.resumes.fetch_add(1, Ordering::Relaxed);
    }
}

/// The media side of a call. It repairs itself: resume first, a new stay with a fresh grant otherwise, without an end.
pub(crate) struct Media {
    place: Arc<Place>,
    leaving: CancellationToken,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Media {
    /// Goes to `first` and, after a loss, wherever `source` says.
    pub(crate) fn start(
        first: Doorway,
        source: DoorwaySource,
        voice_out: VoiceOut,
        speakers: Arc<Speakers>,
    ) -> (Self, mpsc::UnboundedReceiver<MediaNews>) {
        let (news_sender, news) = mpsc::unbounded_channel();
        let place = Arc::new(Place {
            voice: watch::Sender::new(Voice::Absent),
            voice_out,
            speakers,
            news: news_sender,
            resumes: AtomicU64::new(0),
            rejoins: AtomicU64::new(0),
        });
        let leaving = CancellationToken::new();
        let task = tokio::spawn(stay(place.clone(), first, source, leaving.clone()));
        (Self { place, leaving, task: tokio::sync::Mutex::new(Some(task)) }, news)
    }

    /// What the server is to know of our voice from now on.
    pub(crate) fn set_voice(&self, voice: Voice) {
        self.place.voice.send_if_modified(|current| std::mem::replace(current, voice) != voice);
    }

    /// As last set, or as a moderator made it.
    pub(crate) fn voice(&self) -> Voice {
        self.place.voice()
    }

    /// How often the seat was taken again, and how often everything was made anew.
    pub(crate) fn repairs(&self) -> (u64, u64) {
        (self.place.resumes.load(Ordering::Relaxed), self.place.rejoins.load(Ordering::Relaxed))
    }

    /// Says good-bye and ends.
    pub(crate) async fn leave(&self) {
        self.leaving.cancel();
        let task = self.task.lock().await.take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::debug!(%error, "the media task");
        }
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.leaving.cancel();
    }
}

async fn stay(place: Arc<Place>, first: Doorway, source: DoorwaySource, leaving: CancellationToken) {
    let mut next = Some(first);
    let mut retry = Retry::default();
    while !leaving.is_cancelled() {
        let wait = retry.next_wait(rand::random());
        let joining = async {
            sleep(wait).await;
            let doorway = match next.take() {
                Some(first) => first,
                None => source().await?,
            };
            Session::join(place.clone(), doorway).await
        };
        let joined = tokio::select! {
            () = leaving.cancelled() => return,
            joined = joining => joined,
        };
        let mut session = match joined {
            Ok(session) => session,
            Err(refusal) => {
                tracing::info!(%refusal, "no way to the sound yet");
                place.tell(MediaNews::Down);
                continue;
            }
        };
        retry.succeeded();
        let mut voice = place.voice.subscribe();
        let ended = tokio::select! {
            () = leaving.cancelled() => {
                if timeout(GOOD_BYE_LIMIT, session.leave()).await.is_err() {
                    tracing::debug!("the good-bye was not heard");
                }
                return;
            }
            ended = session.run(&mut voice) => ended,
        };
        place.tell(MediaNews::Down);
        session.abandon().await;
        place.rejoins.fetch_add(1, Ordering::Relaxed);
        match ended {
            Ended::Anew(why) => tracing::info!(why, "joining the media server anew"),
            Ended::Dismissed(why) => {
                tracing::info!(why, "dismissed by the media server");
                // Somebody else may use this identity now; do not fight over it.
                retry.hesitate();
            }
        }
    }
}
