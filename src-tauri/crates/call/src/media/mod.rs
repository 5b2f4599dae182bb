//! Sound over the network: LiveKit signalling and two WebRTC connections, kept alive for as long as a call lasts.
//!
//! Everything that is peculiar about `webrtc` 0.21 is dealt with in here and nowhere else:
//!
//! | It | So |
//! | --- | --- |
//! | leaks a connection dropped without `close` | [`connection::Connection`] closes on drop |
//! | runs event handlers on the driver task | they put events into a channel; [`session::Session`] owns the state |
//! | refuses candidates before the description | they wait in the connection |
//! | announces a track with its first packet only, never its end | signalling says who is there; readers end by id |
//! | mutes nothing with `set_muted`, breaks with `replace_track` | [`voice_out`] stops writing; always a new track |
//! | blocks the writer of a track while its driver is behind | [`voice_out`] has a short ring and abandons a write |
//! | logs each packet written too early or too late | the writer is led to a track only while it can arrive |
//! | may lose audio when both ends offer | we offer on one connection, the server on the other |
//! | opens an mDNS socket per connection | switched off in [`settings`] |
//! | says a lost flight of a handshake again after a second | [`handshake_repeats`] says all of it three times |
//! | asks for a cookie as the server of a handshake | we begin it, which [`settings`] say |
//! | waits for the answer to a nomination | [`ice_checks`] answers it, and says it until it must have been heard |
//! | waits for a TCP stream that takes no more, with all else | UDP alone for it; [`stream_paths`] stand for TCP |
//!
//! It also warns about harmless things once per connection ("remote_addr is empty", "no candidate pairs", "empty
//! server_config", "password is empty", and "Packet too short to be read" for each sender report of a LiveKit server,
//! whose SDES item 15 it does not know). `serambi-logging` silences these.

mod connection;
mod door_socket;
mod handshake_repeats;
mod ice_checks;
mod publication;
mod roster;
mod server_ports;
mod session;
mod settings;
mod signalling;
mod speakers;
mod stream_paths;
mod voice_out;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serambi_protocol::{Code, Refusal};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

#[cfg(test)]
pub(crate) use self::voice_out::VoiceCounters;
use self::{
    connection::Sockets,
    session::{Ended, Session},
};
pub(crate) use self::{
    speakers::{EngineSoon, Speakers},
    voice_out::{SentVoice, VoiceOut},
};
use crate::{
    deafness::Mend,
    doors::{Door, PassageWay},
    house_client::HouseConnections,
    retry::Retry,
    tasks::Tasks,
    websocket::host_of,
};

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

/// How the sound over the network stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MediaState {
    /// Others can be heard.
    pub(crate) receives: bool,
    /// The own voice can leave, or there is none to leave.
    pub(crate) sends: bool,
    /// Signalling works and no packet gets through.
    pub(crate) blocked: Option<NoWay>,
    /// How often the server muted us, and we obeyed.
    pub(crate) server_mutes: u64,
}

/// Why no sound comes through a network that lets signalling through, and what to ask its owner for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoWay {
    pub(crate) code: Code,
    /// The server's ports for media, as it says itself; none: it offers none of the kind.
    pub(crate) udp_port: Option<u16>,
    pub(crate) tcp_port: Option<u16>,
}

/// Where to go and what to show there. Fresh for each session.
#[derive(Clone)]
pub(crate) struct MediaEndpoint {
    /// Base address, `ws://` or `wss://`.
    pub(crate) url: String,
    /// Its `host:port`.
    pub(crate) address: String,
    /// A secret.
    pub(crate) token: String,
    /// For a house itself, that has just given this; none: by the rules of the public web.
    pub(crate) house: Option<HouseConnections>,
    /// A way for the packets besides UDP to the server.
    pub(crate) door: Option<Arc<Door>>,
    /// Where UDP does not get through there is a door to be opened.
    pub(crate) has_other_way: bool,
}

impl MediaEndpoint {
    fn host(&self) -> &str {
        host_of(&self.address)
    }

    fn sockets(&self) -> Sockets {
        let is_behind_door = self.door.as_ref().is_some_and(|door| door.address() == self.address);
        let mut addresses =
            if is_behind_door { settings::bind_anywhere() } else { settings::bind_addresses(self.host()) };
        if self.door.is_some() {
            addresses.push(settings::DOOR_PLACE.to_owned());
        }
        Sockets { addresses, door: self.door.clone() }
    }
}

/// Gets a fresh endpoint from the house; true: no packet got through on the way of the one before.
pub(crate) type EndpointSource = Box<dyn Fn(bool) -> BoxFuture<'static, Result<MediaEndpoint, Refusal>> + Send + Sync>;

/// What one session shares with the next.
pub(crate) struct SessionContext {
    voice: watch::Sender<Voice>,
    voice_out: VoiceOut,
    speakers: Arc<Speakers>,
    state: watch::Sender<MediaState>,
    /// The door that this session's packets may take.
    door: Mutex<Option<Arc<Door>>>,
    tasks: Tasks,
    /// Since when no sound has come through, across sessions.
    cut_since: Mutex<Option<Instant>>,
    resumes: AtomicU64,
    rejoins: AtomicU64,
}

impl SessionContext {
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

    /// Whether that was news.
    fn change_state(&self, change: impl FnOnce(&mut MediaState)) -> bool {
        self.state.send_if_modified(|state| {
            let before = *state;
            change(state);
            before != *state
        })
    }

    /// A connection stands: what was said about there being no way is over.
    fn note_way(&self) {
        *self.cut_since.lock() = None;
        self.change_state(|state| (state.receives, state.blocked) = (true, None));
    }

    /// How long there has been no connection, as far as it was noticed.
    fn cut_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.cut_since.lock().get_or_insert(now))
    }

    /// Nothing comes in.
    fn note_cut_in(&self) {
        self.cut_since.lock().get_or_insert_with(Instant::now);
        self.change_state(|state| state.receives = false);
    }

    fn note_cut(&self) {
        self.cut_since.lock().get_or_insert_with(Instant::now);
        self.change_state(|state| (state.receives, state.sends) = (false, false));
    }

    fn count_resume(&self) {
        self.resumes.fetch_add(1, Ordering::Relaxed);
    }
}

/// The media side of a call. It repairs itself: resume first, a new session with a fresh grant otherwise, without an
/// end.
pub(crate) struct Media {
    context: Arc<SessionContext>,
    leaving: CancellationToken,
    ended: CancellationToken,
    renewed: watch::Sender<Option<MediaEndpoint>>,
    mends: mpsc::Sender<Mend>,
}

impl Media {
    /// Goes to `first` and, after a loss, wherever `source` says.
    pub(crate) fn start(
        first: MediaEndpoint,
        source: EndpointSource,
        voice_out: VoiceOut,
        speakers: Arc<Speakers>,
        tasks: &Tasks,
    ) -> Self {
        let context = Arc::new(SessionContext {
            voice: watch::Sender::new(Voice::Absent),
            voice_out,
            speakers,
            state: watch::Sender::default(),
            door: Mutex::default(),
            tasks: tasks.clone(),
            cut_since: Mutex::default(),
            resumes: AtomicU64::new(0),
            rejoins: AtomicU64::new(0),
        });
        let (leaving, ended) = (CancellationToken::new(), CancellationToken::new());
        let renewed = watch::Sender::new(None);
        let (mends, wanted) = mpsc::channel(1);
        let sessions = run_sessions(context.clone(), first, source, renewed.subscribe(), wanted, leaving.clone());
        let has_ended = ended.clone().drop_guard();
        tasks.spawn(async move {
            let _has_ended = has_ended;
            sessions.await;
        });
        Self { context, leaving, ended, renewed, mends }
    }

    /// How the sound stands, from now on.
    pub(crate) fn state(&self) -> watch::Receiver<MediaState> {
        self.context.state.subscribe()
    }

    /// What the server is to know of our voice from now on.
    pub(crate) fn set_voice(&self, voice: Voice) {
        self.context.voice.send_if_modified(|current| std::mem::replace(current, voice) != voice);
    }

    /// As last set, or as a moderator made it.
    pub(crate) fn voice(&self) -> Voice {
        self.context.voice()
    }

    /// The house has given us our seat anew. A session that is cut is not waited for any longer.
    pub(crate) fn renew(&self, endpoint: MediaEndpoint) {
        self.renewed.send_replace(Some(endpoint));
    }

    /// The sound is to be mended though it looks well. One that is asked for while another waits changes nothing.
    pub(crate) fn mend(&self, mend: Mend) {
        if self.mends.try_send(mend).is_err() {
            tracing::debug!(?mend, "a mend is on its way already");
        }
    }

    /// How often the session was resumed, and how often it was made anew.
    pub(crate) fn repairs(&self) -> (u64, u64) {
        (self.context.resumes.load(Ordering::Relaxed), self.context.rejoins.load(Ordering::Relaxed))
    }

    /// How the passage behind this session goes, if there is one.
    pub(crate) fn passage(&self) -> Option<PassageWay> {
        self.context.door.lock().as_ref().map(|door| door.way())
    }

    /// Says good-bye and ends, within [`GOOD_BYE_LIMIT`].
    pub(crate) async fn leave(&self) {
        self.leaving.cancel();
        self.ended.cancelled().await;
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.leaving.cancel();
    }
}

async fn run_sessions(
    context: Arc<SessionContext>,
    first: MediaEndpoint,
    source: EndpointSource,
    mut renewed: watch::Receiver<Option<MediaEndpoint>>,
    mut mends: mpsc::Receiver<Mend>,
    leaving: CancellationToken,
) {
    let mut next = Some(first);
    let mut retry = Retry::default();
    let mut is_blocked = false;
    while !leaving.is_cancelled() {
        let endpoint = tokio::select! {
            () = leaving.cancelled() => return,
            endpoint = next_endpoint(&mut next, &source, is_blocked, &mut renewed, &mut retry) => endpoint,
        };
        let has_other_way = endpoint.as_ref().is_ok_and(|endpoint| endpoint.has_other_way);
        *context.door.lock() = endpoint.as_ref().ok().and_then(|endpoint| endpoint.door.clone());
        let joining = async { Session::join(context.clone(), endpoint?).await };
        let joined = tokio::select! {
            () = leaving.cancelled() => return,
            joined = joining => joined,
            // A house that was found elsewhere does not answer where it was.
            Ok(()) = renewed.changed() => {
                renewed.mark_changed();
                continue;
            }
        };
        let mut session = match joined {
            Ok(session) => session,
            Err(refusal) => {
                tracing::info!(%refusal, "the media server is not reached");
                context.note_cut();
                continue;
            }
        };
        retry.succeeded();
        // What was asked of the session before is done.
        while mends.try_recv().is_ok() {}
        let mut voice = context.voice.subscribe();
        let ended = tokio::select! {
            () = leaving.cancelled() => {
                if timeout(GOOD_BYE_LIMIT, session.leave()).await.is_err() {
                    tracing::debug!("the good-bye was not heard");
                }
                return;
            }
            ended = session.run(&mut voice, &mut mends) => ended,
            () = renewed_while_cut(&mut renewed, &context) => Ended::Anew("the house gave a new grant".to_owned()),
        };
        context.note_cut();
        // Over a network that is gone nobody hears the good-bye: the next session does not wait for it.
        context.tasks.spawn_to_the_end(async move {
            if timeout(GOOD_BYE_LIMIT, session.abandon()).await.is_err() {
                tracing::debug!("the signalling connection did not close");
            }
        });
        context.rejoins.fetch_add(1, Ordering::Relaxed);
        match ended {
            Ended::Anew(why) => tracing::info!(why, "joining the media server anew"),
            Ended::Blocked(why) => {
                tracing::info!(why, has_other_way, "no way for the sound yet");
                is_blocked |= has_other_way;
            }
            Ended::Dismissed(why) => {
                tracing::info!(why, "dismissed by the media server");
                // Another session may use this identity now; the two must not throw each other out in turn.
                retry.hesitate();
            }
        }
    }
}

/// The endpoint of the next session: the given one, or after a wait a fresh one; at once when the house gives one.
async fn next_endpoint(
    given: &mut Option<MediaEndpoint>,
    source: &EndpointSource,
    is_blocked: bool,
    renewed: &mut watch::Receiver<Option<MediaEndpoint>>,
    retry: &mut Retry,
) -> Result<MediaEndpoint, Refusal> {
    if let Some(endpoint) = given.take().or_else(|| take_new(renewed)) {
        return Ok(endpoint);
    }
    let asking = async {
        sleep(retry.next_wait(rand::random())).await;
        source(is_blocked).await
    };
    tokio::select! {
        biased;
        Ok(()) = renewed.changed() => {}
        asked = asking => return asked,
    }
    // `changed` has seen it already.
    let given = renewed.borrow().clone();
    given.ok_or_else(|| Code::MediaFailed.into())
}

fn take_new(renewed: &mut watch::Receiver<Option<MediaEndpoint>>) -> Option<MediaEndpoint> {
    if renewed.has_changed().unwrap_or(false) { renewed.borrow_and_update().clone() } else { None }
}

/// Returns when the house gives a grant while no sound comes through, which leaves the grant to be taken.
async fn renewed_while_cut(renewed: &mut watch::Receiver<Option<MediaEndpoint>>, context: &SessionContext) {
    loop {
        if renewed.changed().await.is_err() {
            return std::future::pending().await;
        }
        if !context.state.borrow().receives {
            return renewed.mark_changed();
        }
    }
}
