//! The handle of a call: one person in one room. Asks the call's actor through a bounded queue and reads its snapshots.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use futures_util::FutureExt;
use serambi_protocol::{
    Command, PersonId, Refusal, RoomId, RoomView,
    api::{Joined, MediaGrant},
    event::ClosedReason,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    call_actor::{CallActor, Entered, Request},
    call_events::{CallEvent, EventSink},
    call_view::{CallStatistics, CallView, Levels, Measurements, MicrophoneView, link_to_share},
    connection::Connection,
    error::CallError,
    house_client::{HouseClient, Way},
    media::{EndpointSource, Media, MediaEndpoint, Speakers, VoiceOut},
    microphone::Microphone,
    room_command::RoomCommand,
    sound::Sound,
    sound_settings::SoundChoice,
    tasks::Tasks,
    websocket::host_and_port,
};

/// Requests of the handles that may wait for the actor; it works each off without waiting for anything.
const REQUESTS_WAITING: usize = 32;

/// A call. Cheap to clone; when the last one is dropped the room is left.
#[derive(Clone)]
pub struct Call {
    handle: Arc<Handle>,
    _leaves: Arc<DropGuard>,
}

struct Handle {
    house: HouseClient,
    room_id: RoomId,
    requests: mpsc::Sender<Request>,
    instruments: Arc<Instruments>,
    room: watch::Receiver<RoomView>,
    view: watch::Receiver<CallView>,
    measured: watch::Receiver<Measurements>,
    ending: Ending,
    ended: CancellationToken,
    asked_at: Instant,
}

/// What the actor works with and the handle reads figures from.
pub(crate) struct Instruments {
    pub(crate) sound: Arc<Sound>,
    pub(crate) speakers: Arc<Speakers>,
    pub(crate) voice_out: VoiceOut,
    pub(crate) media: Media,
}

/// How a call is told to end, and why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending {
    begun: CancellationToken,
    reason: Arc<OnceLock<ClosedReason>>,
}

impl Ending {
    fn begin(&self, reason: ClosedReason) {
        // The first reason counts.
        self.reason.get_or_init(|| reason);
        self.begun.cancel();
    }

    /// Waits until somebody ends the call; dropping the last handle is leaving.
    pub(crate) async fn begun(&self) -> ClosedReason {
        self.begun.cancelled().await;
        *self.reason.get_or_init(|| ClosedReason::Left)
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({})", self.handle.room_id)
    }
}

impl Call {
    /// Starts a room and is its host: on stage, microphone open, muted. `leave_other`: leave a room of that house in
    /// which this person is on stage, once the new one stands.
    ///
    /// # Errors
    /// `title_*`, `on_stage_elsewhere`, `too_many_rooms`, `house_unreachable` and whatever else the house says.
    pub async fn start(
        house: HouseClient,
        title: &str,
        leave_other: bool,
        sound: impl Into<SoundChoice>,
    ) -> Result<(Self, mpsc::Receiver<CallEvent>), CallError> {
        let asking = {
            let house = house.clone();
            async move { house.start_room(title, leave_other).await }
        };
        Self::enter(house, asking, sound.into()).await
    }

    /// Joins a room: a listener with a closed microphone, or whatever the kept seat says. `leave_other` as in
    /// [`Self::start`].
    ///
    /// # Errors
    /// `room_not_found`, `room_ended`, `room_locked`, `blocked`, `removed_recently`, `on_stage_elsewhere`,
    /// `house_unreachable` and whatever else the house says.
    pub async fn join(
        house: HouseClient,
        room: RoomId,
        leave_other: bool,
        sound: impl Into<SoundChoice>,
    ) -> Result<(Self, mpsc::Receiver<CallEvent>), CallError> {
        let asking = {
            let house = house.clone();
            async move { house.join(&room, leave_other).await }
        };
        Self::enter(house, asking, sound.into()).await
    }

    async fn enter(
        house: HouseClient,
        asking: impl Future<Output = Result<Joined, Refusal>>,
        choice: SoundChoice,
    ) -> Result<(Self, mpsc::Receiver<CallEvent>), CallError> {
        let asked_at = Instant::now();
        let tasks = Tasks::default();
        // Whatever began is ended again if the joining fails.
        let cancel_on_failure = tasks.closing().clone().drop_guard();
        let voice_out = VoiceOut::start(&tasks);
        // Sound devices take longer than the house: they start while it is asked.
        let gains = choice.gains.clone();
        let (sound, engine, sound_news) = Sound::start(choice, voice_out.clone(), &tasks);
        let entered = asking.await.and_then(|joined| Ok((media_endpoint(&house, &joined.media)?, joined)));
        let (endpoint, joined) = match entered {
            Ok(entered) => entered,
            Err(refusal) => {
                sound.stop().await;
                return Err(refusal.into());
            }
        };
        let room_id = joined.view.room.id;
        let (events, event_receiver) = EventSink::open().ok_or(CallError::Busy)?;
        cancel_on_failure.disarm();

        let speakers = Arc::new(Speakers::new(engine, gains));
        let source = endpoint_source(house.clone(), room_id);
        let media = Media::start(endpoint, source, voice_out.clone(), speakers.clone(), &tasks);
        let microphone = Microphone::start(sound.clone(), voice_out.clone(), &tasks);
        let instruments = Arc::new(Instruments { sound, speakers, voice_out, media });
        let view = CallView {
            link: link_to_share(house.house(), &room_id),
            connection: Connection::default(),
            microphone: MicrophoneView::default(),
            loudspeaker_problem: None,
        };
        let (requests, request_queue) = mpsc::channel(REQUESTS_WAITING);
        let (room, view) = (watch::Sender::new(joined.view), watch::Sender::new(view));
        let (measured, ending, ended) = (watch::Sender::default(), Ending::default(), CancellationToken::new());
        let handle = Handle {
            house: house.clone(),
            room_id,
            requests,
            instruments: instruments.clone(),
            room: room.subscribe(),
            view: view.subscribe(),
            measured: measured.subscribe(),
            ending: ending.clone(),
            ended: ended.clone(),
            asked_at,
        };
        let leaves = Arc::new(ending.begun.clone().drop_guard());
        let actor = CallActor::new(Entered {
            house,
            room_id,
            seq: joined.seq,
            house_is_media_server: joined.media.url.is_none(),
            requests: request_queue,
            instruments,
            microphone,
            sound_news,
            tasks,
            events,
            room,
            view,
            measured,
        });
        let has_ended = ended.drop_guard();
        // Owned by the handle: it ends with the last one, and `leave` waits for it.
        tokio::spawn(async move {
            let _has_ended = has_ended;
            actor.run(ending).await;
        });
        Ok((Self { handle: Arc::new(handle), _leaves: leaves }, event_receiver))
    }

    /// Which room.
    pub fn room_id(&self) -> RoomId {
        self.handle.room_id
    }

    /// The house, as this person is signed in there.
    pub fn house(&self) -> &HouseClient {
        &self.handle.house
    }

    /// Whether both are handles of one call.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handle, &other.handle)
    }

    /// How things stand, but for the room.
    pub fn view(&self) -> CallView {
        self.handle.view.borrow().clone()
    }

    /// The room as the house shows it to this person.
    pub fn room(&self) -> RoomView {
        self.handle.room.borrow().clone()
    }

    /// Asks something of the room.
    ///
    /// # Errors
    /// Whatever the room's rules say; `house_unreachable`.
    pub async fn command(&self, command: RoomCommand) -> Result<(), CallError> {
        Ok(self.handle.house.command(&self.handle.room_id, command.as_command()).await?)
    }

    /// Comes on stage, muted. The microphone is opened first: if that fails the person stays a listener and knows why,
    /// and the invitation stays open.
    ///
    /// # Errors
    /// `no_microphone`, `microphone_*`, `invitation_gone`, `stage_full`, `house_unreachable`.
    pub async fn accept_invitation(&self) -> Result<(), CallError> {
        self.ask(Request::AcceptInvitation).await
    }

    /// Mutes or unmutes. Muting: when this returns, and when the view says muted, no voice leaves this machine any
    /// more; it waits for nothing. Unmuting: the house agrees first.
    ///
    /// # Errors
    /// Of unmuting: `not_on_stage`, `no_microphone`, `microphone_*`, `house_unreachable`. Of muting: `no_call`.
    pub async fn set_muted(&self, muted: bool) -> Result<(), CallError> {
        self.ask(if muted { Request::Mute } else { Request::Unmute }).await
    }

    /// Takes other devices, another mode, other volumes, without leaving the room; mute stays as it is.
    pub fn choose_sound(&self, choice: SoundChoice) {
        self.handle.instruments.speakers.set_gains(choice.gains.clone());
        self.handle.instruments.sound.choose(choice);
    }

    /// How loud everybody is.
    pub fn levels(&self) -> Levels {
        let Instruments { sound, speakers, .. } = &*self.handle.instruments;
        let Some(engine) = sound.engine() else { return Levels::default() };
        let levels = engine.levels();
        let mut people: Vec<(PersonId, f32)> = levels
            .remote_voices
            .iter()
            .filter_map(|(speaker, level)| Some((speakers.person(*speaker)?, *level)))
            .filter(|(person, _)| speakers.gain_of(person) > 0.0)
            .collect();
        people.sort_by_key(|(person, _)| *person);
        Levels { own: levels.microphone, people }
    }

    /// What was measured last, about a second ago.
    pub fn measurements(&self) -> Measurements {
        self.handle.measured.borrow().clone()
    }

    /// What was counted so far.
    pub fn statistics(&self) -> CallStatistics {
        let Instruments { sound, speakers, voice_out, media } = &*self.handle.instruments;
        let sent = voice_out.counters();
        let (resumes, rejoins) = media.repairs();
        let first_sound = speakers.first_packet_at().map(|at| at.saturating_duration_since(self.handle.asked_at));
        CallStatistics {
            first_sound_ms: first_sound.and_then(|after| u64::try_from(after.as_millis()).ok()),
            packets_sent: sent.packets,
            bytes_sent: sent.bytes,
            frames_overtaken: sent.overtaken,
            frames_without_track: sent.without_track,
            packets_received: speakers.received(),
            resumes,
            rejoins,
            passage: media.passage(),
            sound: sound.engine().map(|engine| engine.statistics()),
            measured: self.measurements(),
        }
    }

    /// Leaves quietly. Every task of the call has ended when this returns.
    pub async fn leave(&self) {
        self.handle.ending.begin(ClosedReason::Left);
        self.handle.ended.cancelled().await;
    }

    /// Ends the room for everyone, and this call.
    ///
    /// # Errors
    /// `not_allowed`, `house_unreachable`.
    pub async fn end_room(&self) -> Result<(), CallError> {
        self.handle.house.command(&self.handle.room_id, &Command::EndRoom).await?;
        self.handle.ending.begin(ClosedReason::Ended);
        self.handle.ended.cancelled().await;
        Ok(())
    }

    pub(crate) fn sound(&self) -> &Arc<Sound> {
        &self.handle.instruments.sound
    }

    pub(crate) async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<(), CallError>>) -> Request,
    ) -> Result<(), CallError> {
        let (answer, answered) = oneshot::channel();
        self.handle.requests.try_send(request(answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CallError::Busy,
            mpsc::error::TrySendError::Closed(_) => CallError::Over,
        })?;
        answered.await.unwrap_or(Err(CallError::Over))
    }
}

/// Where a grant leads: to the house itself, known by its certificate, or to a server of the public web.
pub(crate) fn media_endpoint(house: &HouseClient, grant: &MediaGrant) -> Result<MediaEndpoint, Refusal> {
    let token = grant.token.clone();
    match &grant.url {
        None => {
            let Way { address, door } = house.way();
            let has_other_way = door.is_none() && house.house().passage.is_some();
            let url = format!("wss://{address}");
            Ok(MediaEndpoint { url, address, token, house: Some(house.connections()), door, has_other_way })
        }
        Some(url) => {
            let unreadable =
                || Refusal::new(serambi_protocol::Code::MediaFailed, "the media server's address cannot be read");
            let address = host_and_port(url).ok_or_else(unreadable)?;
            Ok(MediaEndpoint { url: url.clone(), address, token, house: None, door: None, has_other_way: false })
        }
    }
}

fn endpoint_source(house: HouseClient, room: RoomId) -> EndpointSource {
    Box::new(move |is_blocked| {
        let house = house.clone();
        async move {
            // Whatever cut the sound may have cut the connections on which the house would be asked.
            house.forget_connections();
            let grant = house.media(&room).await?;
            let endpoint = media_endpoint(&house, &grant)?;
            if is_blocked && endpoint.has_other_way {
                // Without a door the way that did not work is tried again; it may work by now.
                match house.open_door().await {
                    Ok(door) => return Ok(MediaEndpoint { door: Some(door), has_other_way: false, ..endpoint }),
                    Err(refusal) => tracing::info!(%refusal, "no other way for the sound"),
                }
            }
            Ok(endpoint)
        }
        .boxed()
    })
}
