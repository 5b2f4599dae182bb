//! What people in a room measure reaches those it is about.

use serambi_call::{CallStatistics, ChannelNews, DelayParts, HouseChannel, NetworkParts, VoiceReceived};
use serambi_protocol::{
    Command, PersonId, RoomSwitch,
    api::{ChannelSay, Joined},
    measurement::{ListenerReport, VoiceHeard},
};
use tokio::time::timeout;

use crate::{
    fixtures::{Guest, LIMIT, TestHouse, Visit, two_on_stage},
    speech,
};

/// Somebody who listens with another program, which reports what it is told to.
struct Reporter {
    joined: Joined,
    channel: HouseChannel,
}

impl Reporter {
    async fn join(guest: &Guest, other: &Visit) -> Self {
        let joined = guest.house.join(&other.call.room_id(), false).await.unwrap();
        let mut channel = guest.house.events(joined.seq);
        let shown = async { while !matches!(channel.next().await, Some(ChannelNews::Clock { .. })) {} };
        timeout(LIMIT, shown).await.expect("the house does not show its clock");
        Self { joined, channel }
    }

    fn report(&self, person: PersonId, loss: f32) {
        let voices = vec![VoiceHeard { person, packets: 100, loss, mean_burst: 1.2 }];
        self.channel.say(ChannelSay::Heard(ListenerReport { room: self.joined.view.room.id, voices }));
    }
}

async fn speaking(guest: &Guest) -> Visit {
    let mut host = guest.start().await;
    host.until("the open microphone", |view| view.call.microphone.open).await;
    host.call.set_muted(false).await.unwrap();
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn a_speaker_learns_how_many_people_receive_the_own_voice() {
    let place = TestHouse::open().await;
    let host = speaking(&place.guest("A").await.with_voice(&speech::voice(20, 60))).await;
    let _b = place.guest("B").await.join(&host).await;
    let _c = place.guest("C").await.join(&host).await;
    let both = Some(VoiceReceived { by: 2, of: 2 });
    host.counted("two listeners", |counted| counted.measured.voice_received == both).await;
    host.call.set_muted(true).await.unwrap();
    host.counted("nothing to receive", |counted| counted.measured.voice_received.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_listener_misses_is_repeated_by_the_speaker() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await.with_voice(&speech::voice(21, 60));
    let host = speaking(&a).await;
    let b = place.guest("B").await.join(&host).await;
    b.counted("A heard", |counted| counted.packets_received > 20).await;
    let reporter = Reporter::join(&place.guest("C").await, &host).await;
    reporter.report(a.id(), 0.2);
    let level = |visit: &Visit| visit.call.statistics().sound.map_or(0, |sound| sound.voice.redundancy_level);
    host.counted("more is repeated", |counted| {
        counted.sound.as_ref().is_some_and(|sound| sound.voice.redundancy_level == 3)
    })
    .await;
    assert_eq!(level(&b), 0, "nobody misses anything of a listener");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_host_saves_upload_everybody_on_stage_sends_long_frames() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await.with_voice(&speech::voice(23, 60));
    let b = place.guest("B").await.with_voice(&speech::voice(24, 60));
    let (host, guest) = two_on_stage(&a, &b).await;
    let frame_ms = |counted: &CallStatistics| counted.sound.as_ref().map_or(0, |sound| sound.voice.frame_ms);
    for visit in [&host, &guest] {
        visit.call.set_muted(false).await.unwrap();
        visit.counted("usual frames", |counted| frame_ms(counted) == 20 && counted.packets_sent > 0).await;
    }
    host.command(Command::SetSwitch { switch: RoomSwitch::SavesUpload, on: true }).await.unwrap();
    for (visit, other) in [(&host, &guest), (&guest, &host)] {
        visit.counted("long frames", |counted| frame_ms(counted) == 40).await;
        let before = other.call.statistics().packets_received;
        other.counted("long frames heard", |counted| counted.packets_received > before + 25).await;
    }
    host.command(Command::SetSwitch { switch: RoomSwitch::SavesUpload, on: false }).await.unwrap();
    for visit in [&host, &guest] {
        visit.counted("shorter frames again", |counted| frame_ms(counted) < 40).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_voice_has_a_delay_whose_parts_add_up() {
    let place = TestHouse::open().await;
    let a = place.guest("A").await.with_voice(&speech::voice(22, 60));
    let host = speaking(&a).await;
    let listener = place.guest("B").await.with_ears().join(&host).await;
    let is_measured = |counted: &CallStatistics| counted.measured.delays.iter().any(|delay| delay.person == a.id());
    listener.counted("a delay", is_measured).await;
    let delay = listener.call.measurements().delays.remove(0);
    let DelayParts { microphone_ms, network_ms, network, buffer_ms, loudspeaker_ms } = delay.parts;
    assert_eq!(microphone_ms + network_ms + buffer_ms + loudspeaker_ms, delay.total_ms, "{delay:?}");
    // A frame of 20 ms is gathered before it can leave; and this is one computer.
    assert!(microphone_ms >= 20 && delay.total_ms < 2_000, "{delay:?}");
    let NetworkParts { link_up_ms, house_ms, link_down_ms } = network.expect("the house carries the sound itself");
    assert_eq!(link_up_ms + house_ms + link_down_ms, network_ms, "{delay:?}");
    assert!(host.call.measurements().delays.is_empty(), "nobody hears their own voice");
}
