//! Data messages between participants.

use std::time::Instant;

use livekit_protocol::{DataPacket, data_packet};
use prost::Message;
use str0m::channel::ChannelId;
use tracing::debug;

use super::SfuCore;
use super::limits::{DATA_BACKLOG, DATA_BACKLOG_MESSAGES};
use super::room::RoomId;
use super::transport::{Leg, ParticipantId, TransportKey};

/// Delivery a client chose by its choice of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Reliable,
    Lossy,
}

impl Delivery {
    fn of_label(label: &str) -> Option<Self> {
        match label {
            "_reliable" => Some(Self::Reliable),
            "_lossy" => Some(Self::Lossy),
            // `_data_track` is open because clients wait for it, and carries nothing here.
            _ => None,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Reliable => "_reliable",
            Self::Lossy => "_lossy",
        }
    }

    fn kind(self) -> data_packet::Kind {
        match self {
            Self::Reliable => data_packet::Kind::Reliable,
            Self::Lossy => data_packet::Kind::Lossy,
        }
    }
}

impl SfuCore {
    pub(super) fn channel_opened(&mut self, now: Instant, key: TransportKey, id: ChannelId, label: String) {
        let Some(participant) = self.participants.get_mut(&key.participant) else {
            return;
        };
        match key.leg {
            Leg::Publisher => {
                if let Some(leg) = &mut participant.publisher {
                    leg.channels.insert(id, label);
                }
            }
            Leg::Subscriber => {
                let Some(leg) = &mut participant.subscriber else {
                    return;
                };
                let waiting = if label == Delivery::Reliable.label() {
                    std::mem::take(&mut leg.backlog)
                } else {
                    Default::default()
                };
                leg.channels.insert(label, id);
                for (since, bytes) in waiting {
                    if now.saturating_duration_since(since) <= DATA_BACKLOG {
                        leg.transport.send_data(now, id, &bytes, &mut self.outbox);
                    }
                }
            }
        }
    }

    pub(super) fn channel_closed(&mut self, key: TransportKey, id: ChannelId) {
        let Some(participant) = self.participants.get_mut(&key.participant) else {
            return;
        };
        if let Some(leg) = &mut participant.publisher
            && key.leg == Leg::Publisher
        {
            leg.channels.remove(&id);
        }
        if let Some(leg) = &mut participant.subscriber
            && key.leg == Leg::Subscriber
        {
            leg.channels.retain(|_, channel| *channel != id);
        }
    }

    /// A message of a client: the sender is written in by us, whatever it says.
    pub(super) fn relay_data(&mut self, now: Instant, key: TransportKey, channel: ChannelId, bytes: &[u8]) {
        let Some(participant) = self.participants.get_mut(&key.participant) else {
            return;
        };
        let delivery = participant
            .publisher
            .as_ref()
            .filter(|_| key.leg == Leg::Publisher)
            .and_then(|leg| leg.channels.get(&channel))
            .and_then(|label| Delivery::of_label(label));
        let Some(delivery) = delivery else {
            return;
        };
        if !participant.permission.can_publish_data {
            participant.traffic.data_refused += 1;
            return;
        }
        let Ok(mut packet) = DataPacket::decode(bytes) else {
            debug!(parent: &participant.span, "data does not decode");
            return;
        };
        packet.participant_sid = participant.sid.clone();
        packet.participant_identity = participant.identity.clone();
        let room = participant.room;
        self.deliver(now, room, Some(key.participant), delivery, packet);
    }

    /// Gives a message to those it is addressed to: everybody else when to nobody.
    #[expect(deprecated, reason = "older clients read and write the deprecated fields")]
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        room: RoomId,
        sender: Option<ParticipantId>,
        delivery: Delivery,
        mut packet: DataPacket,
    ) {
        packet.kind = delivery.kind() as i32;
        let mut identities = std::mem::take(&mut packet.destination_identities);
        let mut sids = Vec::new();
        if let Some(data_packet::Value::User(user)) = &mut packet.value {
            // Older clients write addresses here, and read the sender here.
            identities.extend(user.destination_identities.iter().cloned());
            sids.clone_from(&user.destination_sids);
            user.participant_sid.clone_from(&packet.participant_sid);
            user.participant_identity.clone_from(&packet.participant_identity);
        }
        let bytes = packet.encode_to_vec();
        for member in self.members(room) {
            if Some(member) == sender {
                continue;
            }
            let addressed = self.participants.get(&member).is_some_and(|person| {
                (identities.is_empty() && sids.is_empty())
                    || identities.contains(&person.identity)
                    || sids.contains(&person.sid)
            });
            if addressed {
                self.hand_over(now, member, delivery, &bytes);
            }
        }
    }

    fn hand_over(&mut self, now: Instant, id: ParticipantId, delivery: Delivery, bytes: &[u8]) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let Some(leg) = &mut participant.subscriber else {
            return;
        };
        match leg.channels.get(delivery.label()) {
            Some(channel) => {
                let taken = leg.transport.send_data(now, *channel, bytes, &mut self.outbox);
                if !taken {
                    debug!(parent: &participant.span, "data channel is full, message dropped");
                }
            }
            None if delivery == Delivery::Reliable && leg.backlog.len() < DATA_BACKLOG_MESSAGES => {
                leg.backlog.push_back((now, bytes.to_vec()));
            }
            None => {}
        }
    }
}
