//! The actor of a call: one task that owns the state, folds what the house tells, and follows its own role with
//! microphone and track.
//!
//! Nothing in its loop waits: what takes time (devices, questions to the house) runs beside it, and its outcome comes
//! back as one more event.

mod devices;
mod early_events;
mod house_events;
mod own_microphone;

use std::{ops::ControlFlow, sync::Arc, time::Instant};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serambi_protocol::{
    Code, Command, Refusal, RoomId, RoomSnapshot, RoomView, Streams,
    api::{Joined, MediaGrant},
    event::ClosedReason,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Duration, interval, sleep_until, timeout},
};

use self::{early_events::EarlyEvents, own_microphone::OwnMicrophone};
use crate::{
    call::{Ending, Instruments},
    call_events::{CallEvent, EventSink},
    call_view::{CallView, Measurements, MicrophoneView, link_to_share},
    connection::ConnectionWatch,
    cue_rules::{CueRules, Happening},
    deafness::Deafness,
    device_loss::DeviceLoss,
    error::CallError,
    house_channel::HouseChannel,
    house_client::HouseClient,
    measuring::{MEASURE_EVERY, Measuring},
    media::MediaState,
    microphone::Microphone,
    retry::Retry,
    sound::SoundNews,
    tasks::Tasks,
};

/// How often connection and devices are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Leaving is told to the house for at most this long; it notices an untold one by itself.
const GOOD_BYE_LIMIT: Duration = Duration::from_secs(2);
/// Devices that have not closed after this long are left to their driver.
const SOUND_STOP_LIMIT: Duration = Duration::from_secs(5);

/// Where the outcome of a request goes.
pub(crate) type Answer = oneshot::Sender<Result<(), CallError>>;

/// What a handle asks of the actor.
pub(crate) enum Request {
    Mute(Answer),
    Unmute(Answer),
    AcceptInvitation(Answer),
    BeginSoundCheck(Answer),
    EndSoundCheck(Answer),
}

/// What the house answered to a question of the actor.
enum HouseAnswer {
    Accepted(Result<(), Refusal>),
    MuteTold {
        muted: bool,
        told: Result<(), Refusal>,
    },
    /// Where the sound is, asked of a house that is reached at another address than before.
    Media(Result<MediaGrant, Refusal>),
    Joined(Box<Result<Joined, Refusal>>),
}

/// The call goes on, or ends for this reason.
type Flow = ControlFlow<ClosedReason>;

const GO_ON: Flow = ControlFlow::Continue(());

/// What a call begins with.
pub(crate) struct Entered {
    pub(crate) house: HouseClient,
    pub(crate) room_id: RoomId,
    /// The number of the last event in the room's view.
    pub(crate) seq: u64,
    /// The house carries the sound itself.
    pub(crate) house_is_media_server: bool,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) instruments: Arc<Instruments>,
    pub(crate) microphone: Microphone,
    pub(crate) sound_news: mpsc::Receiver<SoundNews>,
    pub(crate) tasks: Tasks,
    pub(crate) events: EventSink,
    pub(crate) room: watch::Sender<RoomView>,
    pub(crate) view: watch::Sender<CallView>,
    pub(crate) measured: watch::Sender<Measurements>,
}

pub(crate) struct CallActor {
    house: HouseClient,
    room_id: RoomId,
    /// The house's `host:port` when its channel was last up.
    house_address: String,
    /// What to give to others so that they can come in.
    link: String,
    seq: u64,
    channel: HouseChannel,
    requests: mpsc::Receiver<Request>,
    instruments: Arc<Instruments>,
    media_state: watch::Receiver<MediaState>,
    sound_news: mpsc::Receiver<SoundNews>,
    microphone: Microphone,
    tasks: Tasks,
    events: EventSink,
    room: watch::Sender<RoomView>,
    streams: Streams,
    view: watch::Sender<CallView>,
    measured: watch::Sender<Measurements>,
    /// Questions to the house that are not answered yet.
    asked: FuturesUnordered<BoxFuture<'static, HouseAnswer>>,
    own: OwnMicrophone,
    connection: ConnectionWatch,
    deafness: Deafness,
    microphone_loss: DeviceLoss,
    loudspeaker_loss: DeviceLoss,
    /// Why an open microphone does not work.
    microphone_lost: Option<Code>,
    loudspeaker_problem: Option<Code>,
    /// Our seat is gone; when to ask for a new one.
    rejoin_at: Option<tokio::time::Instant>,
    rejoin_retry: Retry,
    early: EarlyEvents,
    measuring: Measuring,
    /// How many of the server's mutes were carried out.
    server_mutes: u64,
    cue_rules: CueRules,
}

impl CallActor {
    pub(crate) fn new(entered: Entered) -> Self {
        let now = Instant::now();
        let Entered {
            house,
            room_id,
            seq,
            house_is_media_server,
            requests,
            instruments,
            microphone,
            sound_news,
            tasks,
            events,
            room,
            view,
            measured,
        } = entered;
        Self {
            channel: house.events(seq),
            house_address: house.address(),
            link: link_to_share(&house.house_now(), &room_id),
            media_state: instruments.media.state(),
            house,
            room_id,
            seq,
            requests,
            instruments,
            sound_news,
            microphone,
            tasks,
            events,
            room,
            streams: Streams::default(),
            view,
            measured,
            asked: FuturesUnordered::new(),
            own: OwnMicrophone::default(),
            connection: ConnectionWatch::new(house_is_media_server, now),
            deafness: Deafness::new(now),
            microphone_loss: DeviceLoss::default(),
            loudspeaker_loss: DeviceLoss::default(),
            microphone_lost: None,
            loudspeaker_problem: None,
            rejoin_at: None,
            rejoin_retry: Retry::default(),
            early: EarlyEvents::default(),
            measuring: Measuring::new(now),
            server_mutes: 0,
            cue_rules: CueRules::default(),
        }
    }

    /// Runs until the call ends, and lets go of everything.
    pub(crate) async fn run(mut self, ending: Ending) {
        let reason = self.work(&ending).await;
        self.finish(reason).await;
    }

    async fn work(&mut self, ending: &Ending) -> ClosedReason {
        self.follow_role();
        let mut looks = interval(LOOK_EVERY);
        let mut measures = interval(MEASURE_EVERY);
        loop {
            let rejoin_at = self.rejoin_at;
            let flow = tokio::select! {
                reason = ending.begun() => return reason,
                Some(request) = self.requests.recv() => self.take_request(request),
                Some(news) = self.channel.next() => self.take_house(news),
                Ok(()) = self.media_state.changed() => self.take_media(),
                Some(news) = self.sound_news.recv() => self.take_sound(news),
                () = self.microphone.changed() => self.take_microphone(),
                Some(answer) = self.asked.next() => self.take_answer(answer),
                () = at(rejoin_at) => self.ask_for_seat(),
                _ = looks.tick() => self.look(),
                _ = measures.tick() => self.measure(),
            };
            if let ControlFlow::Break(reason) = flow {
                return reason;
            }
            self.show();
        }
    }

    /// Ends everything that belongs to the call, each within its limit; the last event comes last.
    async fn finish(mut self, reason: ClosedReason) {
        self.microphone.mute();
        self.show();
        let Self { house, room_id, channel, requests, instruments, tasks, mut events, view, asked, own, .. } = self;
        // Whoever still waits for an answer learns that the call is over.
        drop((requests, asked, own));
        let good_bye = async {
            if reason != ClosedReason::Left {
                return;
            }
            let told = timeout(GOOD_BYE_LIMIT, house.command(&room_id, &Command::Leave)).await;
            if !matches!(told, Ok(Ok(()))) {
                tracing::info!(?told, "left without the house knowing yet");
            }
        };
        tokio::join!(good_bye, instruments.media.leave());
        tasks.end().await;
        if timeout(SOUND_STOP_LIMIT, instruments.sound.stop()).await.is_err() {
            tracing::warn!("a device does not close");
        }
        channel.close().await;
        view.send_modify(|view| view.microphone = MicrophoneView::default());
        events.tell(CallEvent::Changed(Box::new(view.borrow().clone())));
        events.close(reason);
    }

    // ---- what is shown ----

    /// Shows how things stand, if that is news.
    fn show(&mut self) {
        let (room, streams, view) = (&self.room, &self.streams, &self.view);
        self.events.catch_up(|| RoomSnapshot::new(room.borrow().clone(), streams), || view.borrow().clone());
        let now = Instant::now();
        let microphone = self.microphone_view();
        let speaks = microphone.open && !microphone.muted;
        self.connection.note_speaking(speaks);
        let shown = CallView {
            link: self.link.clone(),
            connection: self.connection.state(speaks, now),
            microphone,
            loudspeaker_problem: self.loudspeaker_problem,
        };
        let before = self.view.borrow().connection;
        self.play_cue_of(Happening::Connection { before, after: shown.connection });
        let is_news = self.view.send_if_modified(|view| {
            let is_news = *view != shown;
            if is_news {
                view.clone_from(&shown);
            }
            is_news
        });
        if is_news {
            self.events.tell(CallEvent::Changed(Box::new(shown)));
        }
    }

    /// Plays what is to be heard of something that happened.
    fn play_cue_of(&mut self, happening: Happening<'_>) {
        if let Some(cue) = self.cue_rules.cue(happening, Instant::now()) {
            self.instruments.sound.play_cue(cue);
        }
    }

    fn is_on_stage(&self) -> bool {
        self.room.borrow().you.role.is_on_stage()
    }

    fn look(&mut self) -> Flow {
        let now = Instant::now();
        self.note_losses(now);
        self.mend_deafness(now);
        // Whoever is cut off from everything comes back muted (room rules 12.1). The sound may be back before the house
        // can say so, and nobody is to be heard without knowing it.
        if self.connection.is_cut_off(now) && self.microphone.is_live() {
            self.go_quiet();
        }
        self.settle_mute(now);
        self.give_up_waiting_for_stage(now);
        GO_ON
    }

    /// A listener to whom voices are sent that do not come is not left to wait for them.
    fn mend_deafness(&mut self, now: Instant) {
        let receives = self.media_state.borrow().receives;
        if let Some(mend) = self.deafness.look(self.instruments.speakers.received(), receives, now) {
            tracing::warn!(?mend, room = %self.room_id, "voices are passed on and do not come in");
            self.instruments.media.mend(mend);
        }
        // A house that has moved can say so to nobody: only its silence does.
        if self.deafness.has_stalled(now) {
            self.channel.doubt();
        }
        self.connection.take_deafness(self.deafness.is_deaf(), now);
    }

    fn measure(&mut self) -> Flow {
        let speaks = !self.view.borrow().microphone.muted;
        let measured =
            self.measuring.look(&self.instruments, &self.channel, &self.room.borrow(), speaks, Instant::now());
        let is_news = self.measured.send_if_modified(|shown| {
            let is_news = *shown != measured;
            if is_news {
                shown.clone_from(&measured);
            }
            is_news
        });
        if is_news {
            self.events.tell(CallEvent::Measured(measured));
        }
        GO_ON
    }

    fn take_media(&mut self) -> Flow {
        let state = *self.media_state.borrow_and_update();
        if !state.receives {
            // What cut the sound may have cut the house, and it would be waited for in vain.
            self.channel.doubt();
        }
        self.connection.take_media(state, Instant::now());
        if state.server_mutes != self.server_mutes {
            self.server_mutes = state.server_mutes;
            self.go_quiet();
        }
        GO_ON
    }

    fn take_answer(&mut self, answer: HouseAnswer) -> Flow {
        match answer {
            HouseAnswer::Accepted(accepted) => self.take_accepted(accepted),
            HouseAnswer::MuteTold { muted, told } => self.take_mute_told(muted, told),
            HouseAnswer::Media(grant) => self.take_grant(grant),
            HouseAnswer::Joined(joined) => return self.take_seat(*joined),
        }
        GO_ON
    }

    /// Asks the house beside everything else.
    fn ask_house<A: Send + 'static>(
        &self,
        asking: impl Future<Output = A> + Send + 'static,
        answer: impl FnOnce(A) -> HouseAnswer + Send + 'static,
    ) {
        self.asked.push(Box::pin(async move { answer(asking.await) }));
    }

    fn ask_command(&self, command: Command, answer: impl FnOnce(Result<(), Refusal>) -> HouseAnswer + Send + 'static) {
        let (house, room_id) = (self.house.clone(), self.room_id);
        self.ask_house(async move { house.command(&room_id, &command).await }, answer);
    }
}

async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
