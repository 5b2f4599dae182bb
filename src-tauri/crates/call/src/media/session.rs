//! One session at a media server: from the join message to leaving, with every resume in between.
//!
//! One task runs it and owns all of its state, so an offer can never overtake another: everything that happens comes
//! in through a channel, is dealt with completely, and only then comes the next.

mod connections;
mod doubt;
mod own_track;
mod resume;

use std::{collections::HashMap, sync::Arc, time::Duration};

use livekit_protocol::{
    JoinResponse, LeaveRequest, ParticipantInfo, ReconnectReason, SessionDescription, SignalTarget, TrickleRequest,
    leave_request::Action, signal_request::Message as Request, signal_response::Message as Response,
};
use livekit_signaling::{SignalClient, SignalError, SignalEvent, SignalEvents};
use rtc::data_channel::RTCDataChannelInit;
use serambi_protocol::{Code, Refusal};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;
use webrtc::data_channel::DataChannel;

use self::{
    doubt::Doubt,
    resume::{RESUME_LIMIT, Resume, ResumeAttempt},
};
use super::{
    MediaEndpoint, NoWay, SessionContext, Voice,
    connection::{Connection, ConnectionNews, Direction},
    publication::Publication,
    roster::Roster,
    server_ports::ServerPorts,
    signalling,
};
use crate::{
    deafness::Mend,
    own_path::{OwnPath, PathChange},
};

/// The server answers a track request within this time or is asked again (LiveKit's own clients wait as long).
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// A refused track request is repeated after this long; a grant that arrives meanwhile is used at once.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Time for connections to come up, at first and after a cut, before everything is made anew.
const CONNECT_LIMIT: Duration = Duration::from_secs(12);
/// Time for the first connections where another way can be tried after this one: some twenty checks on each pair.
const OTHER_WAY_AFTER: Duration = Duration::from_secs(3);

/// So long without a connection, while signalling works, is said in words; it is tried on all the same. A cut is
/// noticed after some 3 s.
const BLOCKED_AFTER: Duration = Duration::from_secs(8);

/// How often it is looked while a connection is awaited.
const LOOK_WHILE_CUT: Duration = Duration::from_millis(500);

/// Candidates and states of both connections that may wait for the session: a join makes some twenty.
const CONNECTION_NEWS_WAITING: usize = 256;

/// Why a session ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It must be begun anew, with a fresh grant.
    Anew(String),
    /// The same, because signalling works and no connection ever came up.
    Blocked(String),
    /// The server does not want us any more: another session of the same person, or the room is closed. The house says
    /// on its own channel which, and then the call ends.
    Dismissed(String),
}

type Step = Result<(), Ended>;

fn anew(error: impl std::fmt::Display) -> Ended {
    Ended::Anew(error.to_string())
}

pub(super) struct Session {
    context: Arc<SessionContext>,
    signal: SignalClient,
    events: SignalEvents,
    news: mpsc::Receiver<(Direction, ConnectionNews)>,
    publisher: Connection,
    subscriber: Connection,
    /// Kept so that the channels stay open; nothing is sent on them yet.
    channels: Vec<(&'static str, Arc<dyn DataChannel>)>,
    own_sid: String,
    may_publish: bool,
    roster: Roster,
    readers: HashMap<String, AbortHandle>,
    publication: Publication,
    offer: Offer,
    resume: Option<Resume>,
    /// The signalling connection is being taken up again.
    resume_attempt: Option<ResumeAttempt>,
    /// The others' voices may be cut off.
    doubt: Option<Doubt>,
    /// Both connections must be up by then.
    connect_by: Option<Instant>,
    /// Sound came through at least once.
    has_connected: bool,
    /// Where the server takes media, as it says.
    ports: ServerPorts,
    /// The sockets of both connections are bound here.
    path: OwnPath,
    /// `restart` closes a living socket itself and this comes back as one more `Close`.
    own_closes: u32,
    offers_made: u32,
    /// Taking the connection up again trusts the same certificate.
    _pin: Option<signalling::PinGuard>,
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
    pub(super) async fn join(context: Arc<SessionContext>, endpoint: MediaEndpoint) -> Result<Self, Refusal> {
        let failed = |error: &dyn std::fmt::Display| Refusal::new(Code::MediaFailed, error.to_string());
        signalling::register_clients();
        let pin = endpoint.house.clone().map(|house| signalling::pin(&endpoint.address, house));
        let (news_sender, news) = mpsc::channel(CONNECTION_NEWS_WAITING);
        let (sockets, path) = (endpoint.sockets(), OwnPath::to(endpoint.host()));
        let connect_limit = if endpoint.has_other_way { OTHER_WAY_AFTER } else { CONNECT_LIMIT };
        let (url, token) = (endpoint.url, endpoint.token);
        // Connecting reads the system's name by running a program: not on this task.
        let connecting = AbortOnDropHandle::new(tokio::spawn(async move {
            SignalClient::connect(&url, &token, signalling::options(), None).await
        }));
        let (connected, publisher, subscriber) = tokio::join!(
            connecting,
            Connection::build(Direction::Publish, sockets.clone(), news_sender.clone(), &context.tasks),
            Connection::build(Direction::Subscribe, sockets, news_sender, &context.tasks),
        );
        let publisher = publisher.map_err(|error| failed(&error))?;
        let subscriber = subscriber.map_err(|error| failed(&error))?;
        let channels = open_channels(&publisher).await.map_err(|error| failed(&error))?;
        let (signal, joined, events) = connected.map_err(|error| failed(&error))?.map_err(|error| explain(&error))?;
        if let Some(house) = endpoint.house {
            context.tasks.spawn(async move { house.make_ready(&endpoint.address).await });
        }
        let mut session = Self {
            context,
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
            resume_attempt: None,
            doubt: None,
            connect_by: Some(Instant::now() + connect_limit),
            has_connected: false,
            ports: ServerPorts::default(),
            path,
            own_closes: 0,
            offers_made: 0,
            _pin: pin,
        };
        session.take_join(&joined);
        Ok(session)
    }

    /// Runs until it ends. May be cancelled at any time; then [`Session::leave`] says good-bye.
    pub(super) async fn run(&mut self, voice: &mut watch::Receiver<Voice>, mends: &mut mpsc::Receiver<Mend>) -> Ended {
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
                change = self.path.changed() => self.take_path(change),
                Some(mend) = mends.recv() => self.take_mend(mend).await,
                () = sleep_until(next_look) => self.look().await,
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    /// Says good-bye, so that the others see it at once.
    pub(super) async fn leave(self) {
        self.context.voice_out.lead_to(None);
        self.signal.send(signalling::leave()).await;
        self.signal.close().await;
    }

    /// Ends without a word, for a stay that is begun anew.
    pub(super) async fn abandon(self) {
        self.context.voice_out.lead_to(None);
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

    /// Sockets that are bound to an address that is gone never carry anything again.
    fn take_path(&self, change: PathChange) -> Step {
        let is_cut = !self.context.state.borrow().receives;
        match change {
            PathChange::Moved => Err(anew("this computer has moved to another network")),
            PathChange::Grown if is_cut => Err(anew("this computer has one more network")),
            PathChange::Grown => Ok(()),
        }
    }

    /// The connection looks well and carries no voice.
    async fn take_mend(&mut self, mend: Mend) -> Step {
        match mend {
            Mend::Resume => self.resume(ReconnectReason::RrSubscriberFailed).await,
            Mend::Anew => Err(anew("voices do not come in")),
        }
    }

    async fn take_signal(&mut self, event: Option<SignalEvent>) -> Step {
        match event {
            Some(SignalEvent::Message(message)) => self.take_message(*message).await,
            Some(SignalEvent::Close(_)) if self.own_closes > 0 => {
                self.own_closes -= 1;
                Ok(())
            }
            Some(SignalEvent::Close(_)) if self.resume_attempt.is_some() => Ok(()),
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
        self.ports.take_description(&offer.sdp);
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
        self.ports.take_description(&answer.sdp);
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
        self.ports.take_trickled(&trickle.candidate_init);
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

    async fn take_leave(&mut self, leave: &LeaveRequest) -> Step {
        let why = format!("the server sent leave: reason {}, action {}", leave.reason, leave.action);
        tracing::debug!("{why}");
        match Action::try_from(leave.action) {
            Ok(Action::Resume) => self.resume(ReconnectReason::RrUnknown).await,
            Ok(Action::Reconnect) => Err(Ended::Anew(why)),
            Ok(Action::Disconnect) | Err(_) => Err(Ended::Dismissed(why)),
        }
    }

    /// A server that is gone is not a blocked way: then signalling is gone as well.
    fn note_blocked(&self) {
        let cut_for = self.context.cut_for(Instant::now().into_std());
        if self.connect_by.is_none() || self.resume_attempt.is_some() || cut_for < BLOCKED_AFTER {
            return;
        }
        let no_way = NoWay { code: Code::MediaFailed, udp_port: self.ports.udp, tcp_port: self.ports.tcp };
        let is_news = self.context.change_state(|state| state.blocked = Some(no_way));
        if is_news {
            tracing::warn!(?no_way, "no way for the sound");
        }
    }

    fn next_look(&self) -> Instant {
        let publication = match &self.publication {
            Publication::Asked { at, .. } => Some(*at + ANSWER_LIMIT),
            Publication::Refused { until } => Some(*until),
            Publication::Absent | Publication::Live(_) => None,
        };
        let resume = self.resume.as_ref().map(|resume| resume.since + RESUME_LIMIT);
        let attempt = self.resume_attempt.as_ref().map(|attempt| attempt.at);
        let far = Instant::now() + Duration::from_secs(3_600);
        let doubt = self.doubt.map(|doubt| doubt.look_at);
        // Looks are late enough then; a second more or less is no matter.
        let blocked = self.connect_by.map(|_| Instant::now() + LOOK_WHILE_CUT);
        [publication, resume, attempt, doubt, blocked, self.connect_by].into_iter().flatten().min().unwrap_or(far)
    }

    async fn look(&mut self) -> Step {
        let now = Instant::now();
        if self.connect_by.is_some_and(|limit| limit <= now) {
            let why = "the connections did not come up".to_owned();
            let is_way = self.has_connected || self.resume_attempt.is_some();
            return Err(if is_way { Ended::Anew(why) } else { Ended::Blocked(why) });
        }
        self.note_blocked();
        if self.resume_attempt.as_ref().is_some_and(|attempt| attempt.at <= now) {
            self.try_resume().await?;
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
        self.settle_doubt().await?;
        self.settle().await
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
