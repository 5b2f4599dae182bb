//! One person in one room: what the house says, the sound over the network, and the own microphone, held together.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use serambi_audio::Cue;
use serambi_protocol::{
    Code, Command, PersonId, Refusal, RoomId,
    api::{Joined, MediaGrant},
    event::ClosedReason,
};
use tokio::{
    sync::{Mutex as TurnLock, mpsc},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    call_task::CallTask,
    call_view::{CallEvent, CallStatistics, CallView, Connection, Levels, Measurements, MicrophoneView, link_to_share},
    house_client::HouseClient,
    media::{Doorway, DoorwaySource, Media, Speakers, VoiceOut},
    rehearsal::Rehearsing,
    sound::Sound,
    sound_settings::SoundChoice,
    websocket::host_and_port,
};

/// Leaving is told to the house for at most this long; it notices an untold one by itself.
const GOOD_BYE_LIMIT: Duration = Duration::from_secs(2);

/// A call. Cheap to clone; when the last one is dropped the room is left.
#[derive(Clone)]
pub struct Call {
    pub(crate) shared: Arc<Shared>,
    _leaves: Arc<DropGuard>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({})", self.shared.room)
    }
}

/// What the handle and the call's own task both use.
pub(crate) struct Shared {
    pub(crate) house: HouseClient,
    pub(crate) room: RoomId,
    pub(crate) media: Media,
    pub(crate) sound: Arc<Sound>,
    pub(crate) voice_out: VoiceOut,
    pub(crate) rehearsing: Rehearsing,
    pub(crate) speakers: Arc<Speakers>,
    events: mpsc::UnboundedSender<CallEvent>,
    view: Mutex<CallView>,
    pub(crate) measured: Mutex<Measurements>,
    /// Whoever changes the microphone or the mute has this: one at a time, in order.
    pub(crate) turn: TurnLock<()>,
    /// When we last told the house whether we are muted.
    pub(crate) told_house_at: Mutex<Option<Instant>>,
    asked_at: Instant,
    pub(crate) closing: CancellationToken,
    is_closed: AtomicBool,
}

impl Call {
    /// Starts a room and is its host: on stage, microphone open, muted.
    ///
    /// # Errors
    /// `title_*`, `on_stage_elsewhere`, `house_unreachable` and whatever else the house says.
    pub async fn start(
        house: HouseClient,
        title: &str,
        sound: impl Into<SoundChoice>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<CallEvent>), Refusal> {
        let asking = {
            let house = house.clone();
            async move { house.start_room(title, false).await }
        };
        Self::enter(house.clone(), asking, sound.into()).await
    }

    /// Joins a room: a listener with a closed microphone, or whatever the kept seat says.
    ///
    /// # Errors
    /// `room_not_found`, `room_ended`, `blocked`, `on_stage_elsewhere`, `house_unreachable` and whatever else the house
    /// says.
    pub async fn join(
        house: HouseClient,
        room: RoomId,
        sound: impl Into<SoundChoice>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<CallEvent>), Refusal> {
        let asking = {
            let house = house.clone();
            async move { house.join(&room, false).await }
        };
        Self::enter(house, asking, sound.into()).await
    }

    async fn enter(
        house: HouseClient,
        asking: impl Future<Output = Result<Joined, Refusal>>,
        choice: SoundChoice,
    ) -> Result<(Self, mpsc::UnboundedReceiver<CallEvent>), Refusal> {
        let asked_at = Instant::now();
        let voice_out = VoiceOut::start();
        // Sound devices take longer than the house: they start while it is asked.
        let gains = choice.gains.clone();
        let (sound, engine, sound_news) = Sound::start(choice, voice_out.clone());
        let joined = asking.await?;
        let speakers = Arc::new(Speakers::new(engine, gains));
        let room = joined.view.id.clone();
        let (media, media_news) = Media::start(
            doorway(&house, &joined.media)?,
            doorway_source(house.clone(), room.clone()),
            voice_out.clone(),
            speakers.clone(),
        );
        let (events, event_receiver) = mpsc::unbounded_channel();
        let view = CallView {
            link: link_to_share(house.house(), &room),
            room: joined.view,
            connection: Connection::default(),
            microphone: MicrophoneView::default(),
            loudspeaker_problem: None,
        };
        let closing = CancellationToken::new();
        let shared = Arc::new(Shared {
            house,
            room,
            media,
            sound,
            voice_out,
            rehearsing: Rehearsing::default(),
            speakers,
            events,
            view: Mutex::new(view),
            measured: Mutex::default(),
            turn: TurnLock::default(),
            told_house_at: Mutex::default(),
            asked_at,
            closing: closing.clone(),
            is_closed: AtomicBool::new(false),
        });
        CallTask::start(shared.clone(), joined.seq, media_news, sound_news);
        Ok((Self { shared, _leaves: Arc::new(closing.drop_guard()) }, event_receiver))
    }

    /// How things stand.
    pub fn view(&self) -> CallView {
        self.shared.view().clone()
    }

    /// Asks something of the room. What concerns the own microphone takes the same way as its own method.
    ///
    /// # Errors
    /// Whatever the room's rules say; `house_unreachable`.
    pub async fn command(&self, command: Command) -> Result<(), Refusal> {
        match command {
            Command::SetMuted { muted } => self.set_muted(muted).await,
            Command::AcceptInvitation => self.accept_invitation().await,
            Command::EndRoom => self.end_room().await,
            Command::Leave => {
                self.leave().await;
                Ok(())
            }
            command => self.shared.ask(&command).await,
        }
    }

    /// Comes on stage, muted. The microphone is opened first: if that fails the person stays a listener and knows why.
    ///
    /// # Errors
    /// `no_microphone`, `microphone_*`, `invitation_gone`, `stage_full`, `house_unreachable`.
    pub async fn accept_invitation(&self) -> Result<(), Refusal> {
        self.shared.accept_invitation().await
    }

    /// Mutes or unmutes. Muting: when the view says muted, no voice leaves this machine any more. Unmuting: the house
    /// agrees first.
    ///
    /// # Errors
    /// `not_on_stage`, `no_microphone`, `microphone_*`, `house_unreachable` (unmuting only: a mute always works).
    pub async fn set_muted(&self, muted: bool) -> Result<(), Refusal> {
        if muted { self.shared.mute().await } else { self.shared.unmute().await }
    }

    /// Takes other devices, another mode, other volumes, without leaving the room; mute stays as it is.
    pub fn choose_sound(&self, choice: SoundChoice) {
        self.shared.speakers.set_gains(choice.gains.clone());
        self.shared.sound.choose(choice);
    }

    /// Plays a cue to this person alone.
    pub fn play_cue(&self, cue: Cue) {
        if let Some(engine) = self.shared.sound.engine() {
            engine.play_cue(cue);
        }
    }

    /// How loud everybody is.
    pub fn levels(&self) -> Levels {
        self.shared.levels()
    }

    /// What was measured last, about a second ago.
    pub fn measurements(&self) -> Measurements {
        self.shared.measurements()
    }

    /// What was counted so far.
    pub fn statistics(&self) -> CallStatistics {
        self.shared.statistics()
    }

    /// Leaves quietly.
    pub async fn leave(&self) {
        self.shared.leave().await;
    }

    /// Ends the room for everyone.
    ///
    /// # Errors
    /// `not_allowed`, `house_unreachable`.
    pub async fn end_room(&self) -> Result<(), Refusal> {
        self.shared.ask(&Command::EndRoom).await?;
        self.shared.close(ClosedReason::Ended).await;
        Ok(())
    }
}

impl Shared {
    pub(crate) fn view(&self) -> MutexGuard<'_, CallView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the view and says so, if it is a change.
    pub(crate) fn change(&self, change: impl FnOnce(&mut CallView)) {
        let changed = {
            let mut view = self.view();
            let before = view.clone();
            change(&mut view);
            before != *view
        };
        if changed {
            self.tell(CallEvent::Changed);
        }
    }

    pub(crate) fn tell(&self, event: CallEvent) {
        if self.events.send(event).is_err() {
            tracing::trace!("nobody listens to this call");
        }
    }

    pub(crate) async fn ask(&self, command: &Command) -> Result<(), Refusal> {
        self.house.command(&self.room, command).await
    }

    pub(crate) fn is_on_stage(&self) -> bool {
        self.view().room.you.role.is_on_stage()
    }

    // ---- the end ----

    async fn leave(&self) {
        self.go_quiet().await;
        if self.is_closed.load(Ordering::Acquire) {
            return;
        }
        let told = timeout(GOOD_BYE_LIMIT, self.ask(&Command::Leave));
        let (told, ()) = tokio::join!(told, self.media.leave());
        if !matches!(told, Ok(Ok(()))) {
            tracing::info!(?told, "left without the house knowing yet");
        }
        self.close(ClosedReason::Left).await;
    }

    /// Ends everything, once.
    pub(crate) async fn close(&self, reason: ClosedReason) {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.closing.cancel();
        self.go_quiet().await;
        tokio::join!(self.media.leave(), self.sound.stop());
        self.change(|view| view.microphone = MicrophoneView::default());
        self.tell(CallEvent::Closed(reason));
    }

    /// The last handle is gone.
    pub(crate) async fn leave_if_open(&self) {
        if !self.is_closed.load(Ordering::Acquire) {
            self.leave().await;
        }
    }

    // ---- figures ----

    fn levels(&self) -> Levels {
        let Some(engine) = self.sound.engine() else { return Levels::default() };
        let levels = engine.levels();
        let mut people: Vec<(PersonId, f32)> = levels
            .remote_voices
            .iter()
            .filter_map(|(speaker, level)| Some((self.speakers.person(*speaker)?, *level)))
            .filter(|(person, _)| self.speakers.gain_of(person) > 0.0)
            .collect();
        people.sort_by(|a, b| a.0.cmp(&b.0));
        Levels { own: levels.microphone, people }
    }

    fn measurements(&self) -> Measurements {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn statistics(&self) -> CallStatistics {
        let (packets_sent, bytes_sent) = self.voice_out.sent();
        let (resumes, rejoins) = self.media.repairs();
        let first_sound = self.speakers.first_packet_at().map(|at| at.saturating_duration_since(self.asked_at));
        CallStatistics {
            first_sound_ms: first_sound.and_then(|after| u64::try_from(after.as_millis()).ok()),
            packets_sent,
            bytes_sent,
            packets_received: self.speakers.received(),
            resumes,
            rejoins,
            sound: self.sound.engine().map(|engine| engine.statistics()),
            measured: self.measurements(),
        }
    }
}

/// Where a grant leads: to the house itself, known by its certificate, or to a server of the public web.
fn doorway(house: &HouseClient, grant: &MediaGrant) -> Result<Doorway, Refusal> {
    let token = grant.token.clone();
    match &grant.url {
        None => {
            let address = house.address();
            Ok(Doorway { url: format!("wss://{address}"), address, token, tls: Some(house.tls()) })
        }
        Some(url) => {
            let address = host_and_port(url)
                .ok_or_else(|| Refusal::new(Code::MediaFailed, "the house gave a wrong media address"))?;
            Ok(Doorway { url: url.clone(), address, token, tls: None })
        }
    }
}

fn doorway_source(house: HouseClient, room: RoomId) -> DoorwaySource {
    Box::new(move || {
        let (house, room) = (house.clone(), room.clone());
        async move {
            let grant = house.media(&room).await?;
            doorway(&house, &grant)
        }
        .boxed()
    })
}
