//! The call's own task: folds what the house tells into the view, follows the own role with microphone and track, and
//! keeps an eye on the connection.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serambi_audio::AudioNotice;
use serambi_protocol::{Code, Envelope, Notice, Refusal, RoomEvent, event::ClosedReason};
use tokio::{
    sync::mpsc,
    time::{interval, sleep_until},
};

use crate::{
    call::Shared,
    call_view::{CallEvent, Connection},
    device_loss::{DeviceLoss, Return},
    house_channel::{ChannelNews, HouseChannel},
    measuring::{MEASURE_EVERY, Measuring},
    media::MediaNews,
    retry::Retry,
    sound::{SoundNews, loudspeaker_refusal, microphone_refusal},
    sound_notice::SoundNotice,
};

/// How often the connection is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Events this young may have been on their way before the house heard from us.
const CROSSING: Duration = Duration::from_secs(1);

pub(crate) struct CallTask {
    shared: Arc<Shared>,
    channel: HouseChannel,
    media_news: mpsc::UnboundedReceiver<MediaNews>,
    sound_news: mpsc::UnboundedReceiver<SoundNews>,
    /// The number of the last event in the view.
    seq: u64,
    media_down_since: Option<Instant>,
    house_down_since: Option<Instant>,
    microphone_loss: DeviceLoss,
    loudspeaker_loss: DeviceLoss,
    /// Our seat is gone; when to ask for a new one.
    rejoin_at: Option<tokio::time::Instant>,
    rejoin_retry: Retry,
    measuring: Measuring,
}

impl CallTask {
    pub(crate) fn start(
        shared: Arc<Shared>,
        seq: u64,
        media_news: mpsc::UnboundedReceiver<MediaNews>,
        sound_news: mpsc::UnboundedReceiver<SoundNews>,
    ) {
        let channel = shared.house.events(seq);
        let task = Self {
            shared,
            channel,
            media_news,
            sound_news,
            seq,
            // Neither is up yet.
            media_down_since: Some(Instant::now()),
            house_down_since: Some(Instant::now()),
            microphone_loss: DeviceLoss::default(),
            loudspeaker_loss: DeviceLoss::default(),
            rejoin_at: None,
            rejoin_retry: Retry::default(),
            measuring: Measuring::new(Instant::now()),
        };
        tokio::spawn(task.run());
    }

    async fn run(mut self) {
        self.follow_role();
        let mut looks = interval(LOOK_EVERY);
        let mut measures = interval(MEASURE_EVERY);
        let closing = self.shared.closing.clone();
        loop {
            let rejoin_at = self.rejoin_at;
            tokio::select! {
                () = closing.cancelled() => break,
                Some(news) = self.channel.next() => self.take_house(news).await,
                Some(news) = self.media_news.recv() => self.take_media(news),
                Some(news) = self.sound_news.recv() => self.take_sound(news),
                () = at(rejoin_at) => self.rejoin().await,
                _ = looks.tick() => self.look(),
                _ = measures.tick() => self.measuring.look(&self.shared, &self.channel, Instant::now()),
            }
        }
        self.shared.leave_if_open().await;
    }

    // ---- the house ----

    async fn take_house(&mut self, news: ChannelNews) {
        match news {
            ChannelNews::Up => {
                self.house_down_since = None;
                self.settle_mute();
            }
            ChannelNews::Down(refusal) => {
                tracing::info!(%refusal, "the house channel is down");
                self.house_down_since.get_or_insert_with(Instant::now);
            }
            ChannelNews::SessionNew => {
                self.measuring.forget_house();
                self.want_seat();
            }
            ChannelNews::Event(envelope) => self.take_event(*envelope).await,
            ChannelNews::Clock { sent, house, received } => self.measuring.take_clock(sent, house, received),
            ChannelNews::Received { room, reception } if room == self.shared.room => {
                self.measuring.take_reception(&self.shared, &reception, Instant::now());
            }
            ChannelNews::Marks { room, marks } if room == self.shared.room => {
                self.measuring.take_marks(marks, Instant::now());
            }
            ChannelNews::Received { .. } | ChannelNews::Marks { .. } => {}
        }
    }

    async fn take_event(&mut self, envelope: Envelope) {
        if envelope.room != self.shared.room || envelope.seq <= self.seq {
            return;
        }
        self.seq = envelope.seq;
        match envelope.event {
            RoomEvent::Notice { notice } => {
                if let Notice::MutedBy { .. } = notice {
                    self.shared.obey_mute().await;
                }
                self.shared.tell(CallEvent::Notice(notice));
            }
            RoomEvent::Closed { reason: ClosedReason::Lost } => self.want_seat(),
            RoomEvent::Closed { reason } => self.shared.close(reason).await,
            change => self.fold(&change).await,
        }
    }

    async fn fold(&mut self, change: &RoomEvent) {
        let (before, after) = {
            let view = self.shared.view();
            let before = view.room.you.clone();
            let mut room = view.room.clone();
            room.apply(change);
            (before, room)
        };
        let you = after.you.clone();
        self.shared.change(|view| view.room = after);
        if before.role.is_on_stage() != you.role.is_on_stage() {
            self.follow_role();
        }
        let is_crossing = self.shared.told_house_ago().is_some_and(|ago| ago < CROSSING);
        if you.muted && !before.muted && !is_crossing && !self.shared.view().microphone.muted {
            self.shared.obey_mute().await;
        }
    }

    /// Opening and closing a microphone takes a while; events go on meanwhile.
    fn follow_role(&self) {
        let shared = self.shared.clone();
        tokio::spawn(async move { shared.settle_stage().await });
    }

    fn settle_mute(&self) {
        let shared = self.shared.clone();
        tokio::spawn(async move { shared.settle_mute().await });
    }

    // ---- a lost seat ----

    fn want_seat(&mut self) {
        self.house_down_since.get_or_insert_with(Instant::now);
        self.rejoin_at.get_or_insert_with(tokio::time::Instant::now);
    }

    async fn rejoin(&mut self) {
        match self.shared.house.join(&self.shared.room, false).await {
            Ok(joined) => {
                self.rejoin_at = None;
                self.rejoin_retry.succeeded();
                self.house_down_since = None;
                self.seq = joined.seq;
                let you_muted = joined.view.you.muted;
                self.shared.change(|view| view.room = joined.view);
                if you_muted {
                    self.shared.obey_mute().await;
                }
                self.follow_role();
            }
            Err(refusal) => match refusal.code {
                Code::RoomNotFound | Code::RoomEnded => self.shared.close(ClosedReason::Ended).await,
                Code::Blocked => self.shared.close(ClosedReason::Removed).await,
                Code::OnStageElsewhere => self.shared.close(ClosedReason::Replaced).await,
                _ => {
                    let wait = self.rejoin_retry.next_wait(rand::random());
                    self.rejoin_at = Some(tokio::time::Instant::now() + wait);
                }
            },
        }
    }

    // ---- sound ----

    fn take_media(&mut self, news: MediaNews) {
        match news {
            MediaNews::Up => self.media_down_since = None,
            MediaNews::Down => {
                self.media_down_since.get_or_insert_with(Instant::now);
            }
            MediaNews::MutedByServer => {
                let shared = self.shared.clone();
                tokio::spawn(async move { shared.obey_mute().await });
            }
        }
    }

    fn take_sound(&mut self, news: SoundNews) {
        let now = Instant::now();
        match news {
            SoundNews::Notice(AudioNotice::MicrophoneLost { reason }) => {
                self.microphone_loss.begin(microphone_refusal(&reason), now);
            }
            SoundNews::Notice(AudioNotice::LoudspeakerLost { reason }) => {
                self.loudspeaker_loss.begin(loudspeaker_refusal(&reason), now);
            }
            SoundNews::Notice(AudioNotice::MicrophoneBack { device }) => {
                self.shared.change(|view| view.microphone.problem = None);
                match self.microphone_loss.end(&device) {
                    Return::Back => self.tell_sound(SoundNotice::MicrophoneBack { device }),
                    Return::Elsewhere => self.tell_sound(SoundNotice::MicrophoneMoved { device }),
                    Return::Unnoticed => {}
                }
            }
            SoundNews::Notice(AudioNotice::LoudspeakerBack { device }) => {
                self.shared.change(|view| view.loudspeaker_problem = None);
                match self.loudspeaker_loss.end(&device) {
                    Return::Back => self.tell_sound(SoundNotice::LoudspeakerBack { device }),
                    Return::Elsewhere => self.tell_sound(SoundNotice::LoudspeakerMoved { device }),
                    Return::Unnoticed => {}
                }
            }
            SoundNews::Notice(AudioNotice::TalkingWhileMuted) if self.shared.rehearsing.goes_on() => {}
            SoundNews::Notice(other) => {
                tracing::info!(?other, "sound");
                if let Some(notice) = SoundNotice::of(other) {
                    self.tell_sound(notice);
                }
            }
            SoundNews::Broken(refusal) => self.note_loudspeaker(refusal),
        }
    }

    fn tell_sound(&self, notice: SoundNotice) {
        self.shared.tell(CallEvent::Sound(notice));
    }

    /// A device that nothing has replaced for a while is gone, and the person is told.
    fn note_losses(&mut self) {
        let now = Instant::now();
        if let Some(engine) = self.shared.sound.engine() {
            let statistics = engine.statistics();
            self.microphone_loss.note_device(statistics.microphone.device);
            self.loudspeaker_loss.note_device(statistics.loudspeaker.device);
        }
        if !self.shared.view().microphone.open {
            self.microphone_loss.forget();
        } else if let Some(refusal) = self.microphone_loss.due(now) {
            self.shared.change(|view| view.microphone.problem = Some(refusal.code));
            self.shared.tell(CallEvent::Problem(refusal));
        }
        if let Some(refusal) = self.loudspeaker_loss.due(now) {
            self.note_loudspeaker(refusal);
        }
    }

    fn note_loudspeaker(&self, refusal: Refusal) {
        self.shared.change(|view| view.loudspeaker_problem = Some(refusal.code));
        self.shared.tell(CallEvent::Problem(refusal));
    }

    fn look(&mut self) {
        self.note_losses();
        let since = [self.media_down_since, self.house_down_since].into_iter().flatten().min();
        let connection = Connection::down_for(since.map(|since| since.elapsed()));
        if self.shared.view().connection != connection {
            self.shared.change(|view| view.connection = connection);
        }
        self.mute_when_cut_off();
    }

    /// Whoever is cut off from everything comes back muted (spec 12.1). The sound may be back before the house can say
    /// so, and nobody is to be heard without knowing it.
    fn mute_when_cut_off(&self) {
        let (Some(media), Some(house)) = (self.media_down_since, self.house_down_since) else { return };
        let is_cut_off = Connection::down_for(Some(media.max(house).elapsed())) != Connection::Connected;
        if is_cut_off && !self.shared.view().microphone.muted {
            let shared = self.shared.clone();
            tokio::spawn(async move { shared.obey_mute().await });
        }
    }
}

async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
