//! One stay at a media server: from the join message to leaving, with every resume in between.
//!
//! One task runs it and owns all of its state, so an offer can never overtake another: everything that happens comes
//! in through a channel, is dealt with completely, and only then comes the next.

use std::{collections::HashMap, sync::Arc, time::Duration};

use livekit_protocol::{
    DataChannelInfo, JoinResponse, LeaveRequest, ParticipantInfo, ReconnectReason, RequestResponse, SessionDescription,
    SignalTarget, SyncState, TrackPublishedResponse, TrickleRequest, UpdateSubscription, leave_request::Action,
    request_response, signal_request::Message as Request, signal_response::Message as Response,
};
use livekit_signaling::{SignalClient, SignalError, SignalEvent, SignalEvents};
use rtc::data_channel::RTCDataChannelInit;
use serambi_protocol::{Code, PersonId, Refusal};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use webrtc::{
    data_channel::DataChannel, media_stream::track_remote::TrackRemote, peer_connection::RTCPeerConnectionState,
};

use super::{
    Doorway, MediaNews, Place, Voice,
    connection::{Connection, ConnectionNews, Direction},
    publication::{Publication, Published},
    roster::Roster,
    settings, signalling,
};

/// The server answers a track request within this time or is asked again (LiveKit's own clients wait as long).
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// A refused track request is repeated after this long; a grant that arrives meanwhile is used at once.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Time for connections to come up, at first and after a cut, before everything is made anew.
const CONNECT_LIMIT: Duration = Duration::from_secs(12);
/// A resume is complete when both connections were negotiated again, at the latest after this long.
const RESUME_LIMIT: Duration = Duration::from_secs(1);
/// Waits before each try to resume; LiveKit's clients use the same.
const RESUME_WAITS_MS: [u64; 5] = [0, 300, 1_200, 2_700, 4_800];

/// Why a stay ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It must be begun anew, with a fresh grant.
    Anew(String),
    /// The server does not want us any more: another session of the same person, or the room is closed. The house says
    /// on its own channel which, and then the call ends.
    Dismissed(String),
}

type Step = Result<(), Ended>;

fn anew(error: impl std::fmt::Display) -> Ended {
    Ended::Anew(error.to_string())
}

/// What still has to happen before a resume is complete.
struct Resume {
    since: Instant,
    publisher_answered: bool,
    subscriber_offered: bool,
}

pub(super) struct Session {
    place: Arc<Place>,
    signal: SignalClient,
    events: SignalEvents,
    news: mpsc::UnboundedReceiver<(Direction, ConnectionNews)>,
    publisher: Connection,
    subscriber: Connection,
    /// Kept so that the channels stay open; nothing is sent on them yet.
    channels: Vec<(&'static str, Arc<dyn DataChannel>)>,
    own_sid: String,
    may_publish: bool,
    roster: Roster,
    readers: HashMap<String, JoinHandle<()>>,
    publication: Publication,
    offer: Offer,
    resume: Option<Resume>,
    /// Both connections must be up by then.
    connect_by: Option<Instant>,
    /// `restart` closes a living socket itself and this comes back as one more `Close`.
    own_closes: u32,
    offers_made: u32,
}

/// One offer at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    /// None was ever made: the publisher connection does not exist for the server.
    Never,
    /// None is open.
    Settled,
    /// The answer is awaited.
    Open,
    /// The answer is awaited, and then another offer is due.
    OpenAndDue,
}

impl Session {
    /// Joins. Signalling and both connections are made at the same time.
    pub(super) async fn join(place: Arc<Place>, doorway: Doorway) -> Result<Self, Refusal> {
        let failed = |error: &dyn std::fmt::Display| Refusal::new(Code::MediaFailed, error.to_string());
        signalling::register_clients();
        if let Some(tls) = &doorway.tls {
            signalling::pin(&doorway.address, tls.clone());
        }
        let (news_sender, news) = mpsc::unbounded_channel();
        let addresses = settings::bind_addresses(doorway.host());
        // Connecting reads the system's name by running a program: not on this task.
        let connecting = tokio::spawn(async move {
            SignalClient::connect(&doorway.url, &doorway.token, signalling::options(), None).await
        });
        let (connected, publisher, subscriber) = tokio::join!(
            connecting,
            Connection::build(Direction::Publish, addresses.clone(), news_sender.clone()),
            Connection::build(Direction::Subscribe, addresses, news_sender),
        );
        let publisher = publisher.map_err(|error| failed(&error))?;
        let subscriber = subscriber.map_err(|error| failed(&error))?;
        let channels = open_channels(&publisher).await.map_err(|error| failed(&error))?;
        let (signal, joined, events) = connected.map_err(|error| failed(&error))?.map_err(|error| explain(&error))?;
        let mut session = Self {
            place,
            signal,
            events,
            news,
            publisher,
            subscriber,
            channels,
            own_sid: String::new(),
            may_publish: false,
            roster: Roster::default(),
            readers: HashMap::new(),
            publication: Publication::Absent,
            offer: Offer::Never,
            resume: None,
            connect_by: Some(Instant::now() + CONNECT_LIMIT),
            own_closes: 0,
            offers_made: 0,
        };
        session.take_join(&joined);
        Ok(session)
    }

    /// Runs until it ends. May be cancelled at any time; then [`Session::leave`] says good-bye.
    pub(super) async fn run(&mut self, voice: &mut watch::Receiver<Voice>) -> Ended {
        if let Err(ended) = self.settle().await {
            return ended;
        }
        loop {
            let next_look = self.next_look();
            let step = tokio::select! {
                // Candidates and answers before anything that may start another round.
                biased;
                event = self.events.recv() => self.take_signal(event).await,
                Some((direction, news)) = self.news.recv() => self.take_news(direction, news).await,
                Ok(()) = voice.changed() => self.settle().await,
                () = sleep_until(next_look) => self.look().await,
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    /// Says good-bye, so that the others see it at once.
    pub(super) async fn leave(self) {
        self.place.voice_out.lead_to(None);
        self.signal.send(signalling::leave()).await;
        self.signal.close().await;
    }

    /// Ends without a word, for a stay that is begun anew.
    pub(super) async fn abandon(self) {
        self.place.voice_out.lead_to(None);
        // Without this its task would go on pinging.
        self.signal.close().await;
    }

    fn take_join(&mut self, joined: &JoinResponse) {
        if let Some(own) = &joined.participant {
            self.own_sid.clone_from(&own.sid);
            self.take_own(own);
        }
        // Nobody was known before, so nothing can have ended.
        let _none = self.roster.update(&joined.other_participants);
    }

    fn take_own(&mut self, own: &ParticipantInfo) {
        self.may_publish = own.permission.as_ref().is_none_or(|permission| permission.can_publish);
    }

    // ---- what the server says ----

    async fn take_signal(&mut self, event: Option<SignalEvent>) -> Step {
        match event {
            Some(SignalEvent::Message(message)) => self.take_message(*message).await,
            Some(SignalEvent::Close(_)) if self.own_closes > 0 => {
                self.own_closes -= 1;
                Ok(())
            }
            Some(SignalEvent::Close(why)) => {
                tracing::debug!(%why, "the signalling socket closed");
                self.resume(ReconnectReason::RrSignalDisconnected).await
            }
            None => Err(anew("signalling ended")),
        }
    }

    async fn take_message(&mut self, message: Response) -> Step {
        match message {
            Response::Offer(offer) => self.answer(offer).await,
            Response::Answer(answer) => self.take_answer(answer).await,
            Response::Trickle(trickle) => self.take_candidate(&trickle).await,
            Response::Update(update) => self.take_update(&update.participants).await,
            Response::TrackPublished(published) => self.take_published(published).await,
            Response::TrackUnpublished(gone) => self.take_unpublished(&gone.track_sid).await,
            Response::Mute(mute) if mute.muted => self.take_mute(&mute.sid).await,
            Response::RequestResponse(response) => {
                self.take_response(&response);
                Ok(())
            }
            Response::Leave(leave) => self.take_leave(&leave).await,
            _ => Ok(()),
        }
    }

    async fn answer(&mut self, offer: SessionDescription) -> Step {
        let answer = self.subscriber.answer(offer.sdp).await.map_err(anew)?;
        self.signal.send(Request::Answer(signalling::description("answer", answer, offer.id))).await;
        if let Some(resume) = &mut self.resume {
            resume.subscriber_offered = true;
        }
        self.finish_resume().await;
        Ok(())
    }

    async fn take_answer(&mut self, answer: SessionDescription) -> Step {
        if !matches!(self.offer, Offer::Open | Offer::OpenAndDue) {
            tracing::debug!("an answer to no offer");
            return Ok(());
        }
        self.publisher.take_answer(answer.sdp).await.map_err(anew)?;
        let due = self.offer == Offer::OpenAndDue;
        self.offer = Offer::Settled;
        if let Some(resume) = &mut self.resume {
            resume.publisher_answered = true;
        }
        self.finish_resume().await;
        if due { self.make_offer().await } else { Ok(()) }
    }

    async fn take_candidate(&mut self, trickle: &TrickleRequest) -> Step {
        if trickle.candidate_init.is_empty() {
            return Ok(());
        }
        let connection =
            if trickle.target == SignalTarget::Publisher as i32 { &mut self.publisher } else { &mut self.subscriber };
        // One candidate that cannot be read does not end a call; there are others.
        if let Err(error) = connection.take_candidate(&trickle.candidate_init).await {
            tracing::debug!(%error, "a candidate of the server cannot be used");
        }
        Ok(())
    }

    async fn take_update(&mut self, participants: &[ParticipantInfo]) -> Step {
        let (own, others): (Vec<_>, Vec<_>) = participants.iter().cloned().partition(|one| one.sid == self.own_sid);
        for track in self.roster.update(&others) {
            self.stop_reading(&track);
        }
        for own in &own {
            self.take_own(own);
            if self.may_publish && matches!(self.publication, Publication::Refused { .. }) {
                self.publication = Publication::Absent;
            }
        }
        self.settle().await
    }

    async fn take_published(&mut self, published: TrackPublishedResponse) -> Step {
        let awaited = matches!(&self.publication, Publication::Asked { cid, .. } if *cid == published.cid);
        let Some(info) = published.track.filter(|_| awaited) else { return Ok(()) };
        let live = Published::put_on(self.publisher.inner(), published.cid, info).await.map_err(anew)?;
        tracing::debug!(track = live.info.sid, "published");
        self.publication = Publication::Live(live);
        self.make_offer().await?;
        self.settle().await
    }

    /// The server took our track: we were moved to the audience.
    async fn take_unpublished(&mut self, sid: &str) -> Step {
        if matches!(&self.publication, Publication::Live(live) if live.info.sid == sid) {
            self.unpublish().await?;
        }
        self.settle().await
    }

    /// A moderator muted us. It is obeyed here, before anybody is told.
    async fn take_mute(&mut self, sid: &str) -> Step {
        let Publication::Live(live) = &mut self.publication else { return Ok(()) };
        if live.info.sid != sid {
            return Ok(());
        }
        live.muted = true;
        self.place.voice_out.lead_to(None);
        if self.place.mute_if_open() {
            self.place.tell(MediaNews::MutedByServer);
        }
        self.settle().await
    }

    fn take_response(&mut self, response: &RequestResponse) {
        let Publication::Asked { cid, .. } = &self.publication else { return };
        let is_ours = match &response.request {
            Some(request_response::Request::AddTrack(asked)) => asked.cid == *cid,
            Some(_) => false,
            None => true,
        };
        let is_refusal = response.reason != request_response::Reason::Ok as i32
            && response.reason != request_response::Reason::Queued as i32;
        if is_ours && is_refusal {
            tracing::debug!(reason = response.reason, "the server does not take our track yet");
            self.publication = Publication::Refused { until: Instant::now() + ASK_AGAIN };
        }
    }

    async fn take_leave(&mut self, leave: &LeaveRequest) -> Step {
        let why = format!("the server sent leave: reason {}, action {}", leave.reason, leave.action);
        tracing::debug!("{why}");
        match Action::try_from(leave.action) {
            Ok(Action::Resume) => self.resume(ReconnectReason::RrUnknown).await,
            Ok(Action::Reconnect) => Err(Ended::Anew(why)),
            Ok(Action::Disconnect) | Err(_) => Err(Ended::Dismissed(why)),
        }
    }

    // ---- what our connections say ----

    async fn take_news(&mut self, direction: Direction, news: ConnectionNews) -> Step {
        match news {
            ConnectionNews::Candidate(candidate) => {
                let json = serde_json::to_string(&candidate).map_err(anew)?;
                self.signal.send(signalling::candidate(direction, json)).await;
                Ok(())
            }
            ConnectionNews::State(state) => self.take_state(direction, state).await,
            ConnectionNews::Track(track) => {
                self.start_reading(track).await;
                Ok(())
            }
        }
    }

    async fn take_state(&mut self, direction: Direction, state: RTCPeerConnectionState) -> Step {
        tracing::debug!(?direction, ?state, "connection");
        let (connection, reason) = match direction {
            Direction::Publish => (&mut self.publisher, ReconnectReason::RrPublisherFailed),
            Direction::Subscribe => (&mut self.subscriber, ReconnectReason::RrSubscriberFailed),
        };
        connection.state = state;
        match state {
            RTCPeerConnectionState::Connected => {
                self.note_connected();
                self.finish_resume().await;
                self.settle().await
            }
            RTCPeerConnectionState::Disconnected => {
                self.note_disconnected();
                // The server answers a resume as long as it keeps the seat; waiting for `Failed` is too late.
                if self.resume.is_some() { Ok(()) } else { self.resume(reason).await }
            }
            RTCPeerConnectionState::Failed => {
                self.note_disconnected();
                Err(anew("a connection failed"))
            }
            _ => Ok(()),
        }
    }

    fn note_connected(&mut self) {
        if self.subscriber.is_connected() {
            self.place.tell(MediaNews::Up);
            if self.offer == Offer::Never || self.publisher.is_connected() {
                self.connect_by = None;
            }
        }
    }

    fn note_disconnected(&mut self) {
        if !self.subscriber.is_connected() {
            self.place.tell(MediaNews::Down);
        }
        self.connect_by.get_or_insert_with(|| Instant::now() + CONNECT_LIMIT);
        self.lead_voice();
    }

    async fn start_reading(&mut self, track: Arc<dyn TrackRemote>) {
        let sid = track.track_id().await;
        let stream = track.stream_id().await;
        let owner = self.roster.owner(&sid, &stream).and_then(|owner| PersonId::try_from(owner.to_owned()).ok());
        tracing::debug!(track = %sid, person = owner.as_ref().map(PersonId::short), "a track begins");
        let reader = tokio::spawn(self.place.speakers.clone().listen(track, owner));
        if let Some(old) = self.readers.insert(sid, reader) {
            old.abort();
        }
    }

    /// `webrtc` does not say that a track has ended; the server does.
    fn stop_reading(&mut self, track: &str) {
        if let Some(reader) = self.readers.remove(track) {
            reader.abort();
        }
    }

    // ---- our own track ----

    /// Brings what the server knows of our voice to what is wanted.
    async fn settle(&mut self) -> Step {
        let wanted = self.place.voice();
        match (&mut self.publication, wanted) {
            (Publication::Absent, Voice::Muted | Voice::Open) if self.may_publish => {
                let cid = format!("TR_{:016x}", rand::random::<u64>());
                self.signal.send(signalling::add_track(&cid)).await;
                self.publication = Publication::Asked { cid, at: Instant::now() };
            }
            (Publication::Refused { .. }, Voice::Absent) => self.publication = Publication::Absent,
            (Publication::Live(_), Voice::Absent) => {
                self.unpublish().await?;
                self.make_offer().await?;
            }
            (Publication::Live(live), wanted) if live.muted != (wanted == Voice::Muted) => {
                live.muted = wanted == Voice::Muted;
                self.signal.send(signalling::mute(&live.info.sid, live.muted)).await;
            }
            _ => {}
        }
        self.lead_voice();
        Ok(())
    }

    /// Voice goes to the track when it is wanted and can arrive: packets written before the connection is up are lost
    /// with one warning each.
    fn lead_voice(&self) {
        let outlet = match &self.publication {
            Publication::Live(live) if !live.muted && self.publisher.is_connected() => {
                Some(live.outlet(self.publisher.audio_level_id()))
            }
            _ => None,
        };
        self.place.voice_out.lead_to(outlet);
    }

    async fn unpublish(&mut self) -> Step {
        self.place.voice_out.lead_to(None);
        if let Publication::Live(live) = std::mem::replace(&mut self.publication, Publication::Absent) {
            live.take_off(self.publisher.inner()).await.map_err(anew)?;
        }
        Ok(())
    }

    async fn make_offer(&mut self) -> Step {
        if matches!(self.offer, Offer::Open | Offer::OpenAndDue) {
            self.offer = Offer::OpenAndDue;
            return Ok(());
        }
        let sdp = self.publisher.offer().await.map_err(anew)?;
        self.offers_made += 1;
        self.offer = Offer::Open;
        if !self.publisher.is_connected() {
            self.connect_by.get_or_insert_with(|| Instant::now() + CONNECT_LIMIT);
        }
        self.signal.send(Request::Offer(signalling::description("offer", sdp, self.offers_made))).await;
        Ok(())
    }

    // ---- time ----

    fn next_look(&self) -> Instant {
        let publication = match &self.publication {
            Publication::Asked { at, .. } => Some(*at + ANSWER_LIMIT),
            Publication::Refused { until } => Some(*until),
            Publication::Absent | Publication::Live(_) => None,
        };
        let resume = self.resume.as_ref().map(|resume| resume.since + RESUME_LIMIT);
        let far = Instant::now() + Duration::from_secs(3_600);
        [publication, resume, self.connect_by].into_iter().flatten().min().unwrap_or(far)
    }

    async fn look(&mut self) -> Step {
        let now = Instant::now();
        if self.connect_by.is_some_and(|limit| limit <= now) {
            return Err(anew("the connections did not come up"));
        }
        let is_over = match &self.publication {
            Publication::Asked { at, .. } => *at + ANSWER_LIMIT <= now,
            Publication::Refused { until } => *until <= now,
            Publication::Absent | Publication::Live(_) => false,
        };
        if is_over {
            self.publication = Publication::Absent;
        }
        self.finish_resume().await;
        self.settle().await
    }

    // ---- coming back ----

    /// LiveKit's quick resume: the same seat on a new socket, while sound may never have stopped.
    async fn resume(&mut self, reason: ReconnectReason) -> Step {
        self.place.count_resume();
        if self.signal.is_connected().await {
            self.own_closes += 1;
        }
        let mut last = String::new();
        for wait in RESUME_WAITS_MS {
            sleep(Duration::from_millis(wait)).await;
            match self.signal.restart(reason).await {
                Ok(_) => return self.negotiate_again().await,
                Err(SignalError::LeaveRequest { reason, action }) => {
                    return Err(Ended::Anew(format!("the server forgot us: {reason:?}, {action:?}")));
                }
                Err(error) => last = explain(&error).detail,
            }
        }
        Err(Ended::Anew(format!("no resume: {last}")))
    }

    async fn negotiate_again(&mut self) -> Step {
        let sync = self.sync_state().await;
        self.signal.send(Request::SyncState(sync)).await;
        let published = self.offer != Offer::Never;
        self.resume = Some(Resume { since: Instant::now(), publisher_answered: !published, subscriber_offered: false });
        if published {
            self.publisher.inner().restart_ice().await.map_err(anew)?;
            // An offer whose answer went down with the old socket is made again.
            self.offer = Offer::Settled;
            self.make_offer().await?;
        }
        Ok(())
    }

    async fn sync_state(&self) -> SyncState {
        let subscriber = self.subscriber.inner();
        let answer = subscriber.current_local_description().await;
        let offer = subscriber.current_remote_description().await;
        let publish_tracks = match &self.publication {
            Publication::Live(live) => {
                let track = livekit_protocol::TrackInfo { muted: live.muted, ..live.info.clone() };
                vec![TrackPublishedResponse { cid: live.cid.clone(), track: Some(track) }]
            }
            _ => Vec::new(),
        };
        let data_channels = self
            .channels
            .iter()
            .map(|(label, channel)| DataChannelInfo {
                label: (*label).to_owned(),
                id: u32::try_from(channel.id()).unwrap_or_default(),
                target: SignalTarget::Publisher as i32,
            })
            .collect();
        SyncState {
            answer: answer.map(|answer| signalling::description("answer", answer.sdp, 0)),
            offer: offer.map(|offer| signalling::description("offer", offer.sdp, 0)),
            // A difference to "everything", of which there is none.
            subscription: Some(UpdateSubscription { subscribe: false, ..Default::default() }),
            publish_tracks,
            data_channels,
            ..Default::default()
        }
    }

    /// Until then the signalling client holds back our requests.
    async fn finish_resume(&mut self) {
        let Some(resume) = &self.resume else { return };
        let negotiated = resume.publisher_answered && resume.subscriber_offered;
        if negotiated || resume.since + RESUME_LIMIT <= Instant::now() {
            self.resume = None;
            self.signal.set_reconnected().await;
            tracing::debug!("resumed");
            if self.subscriber.is_connected() {
                self.note_connected();
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for reader in self.readers.values() {
            reader.abort();
        }
    }
}

/// LiveKit's two data channels. Nothing uses them yet, but a server may wait for them.
async fn open_channels(publisher: &Connection) -> webrtc::error::Result<Vec<(&'static str, Arc<dyn DataChannel>)>> {
    let lossy = RTCDataChannelInit { ordered: false, max_retransmits: Some(0), ..Default::default() };
    let connection = publisher.inner();
    Ok(vec![
        ("_reliable", connection.create_data_channel("_reliable", None).await?),
        ("_lossy", connection.create_data_channel("_lossy", Some(lossy)).await?),
    ])
}

/// Some of these errors repeat the token, so only their kind is kept.
fn explain(error: &SignalError) -> Refusal {
    let detail = match error {
        SignalError::Client(status, _) | SignalError::Server(status, _) | SignalError::Handshake { status } => {
            format!("HTTP status {status}")
        }
        SignalError::Connection(detail) | SignalError::Timeout(detail) => detail.clone(),
        SignalError::LeaveRequest { reason, action } => format!("leave: {reason:?}, {action:?}"),
        other => format!("{:?}", std::mem::discriminant(other)),
    };
    let code = match error {
        SignalError::Client(status, _) | SignalError::Handshake { status } if status.as_u16() == 401 => {
            Code::TokenWrongRoom
        }
        _ => Code::MediaFailed,
    };
    Refusal::new(code, detail)
}
