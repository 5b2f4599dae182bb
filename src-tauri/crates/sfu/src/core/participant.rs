//! A participant: seat, permissions, two peer connections, tracks.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use livekit_protocol::{ParticipantPermission, participant_info};
use str0m::channel::ChannelId;
use str0m::ice::IceCreds;
use str0m::media::Mid;
use str0m::rtp::Ssrc;
use tracing::Span;

use super::ConnectionId;
use super::detour::Detour;
use super::room::RoomId;
use super::sdp_offer::OfferedTrack;
use super::track::{PendingTrack, PublishedTrack};
use super::transport::Transport;
use crate::statistics::Traffic;

pub(crate) use participant_info::State;

pub(crate) struct Participant {
    pub(crate) room: RoomId,
    /// Room, person and sid for the log, by the names that the house writes there.
    pub(crate) span: Span,
    pub(crate) sid: String,
    pub(crate) identity: String,
    pub(crate) name: String,
    pub(crate) metadata: String,
    pub(crate) attributes: HashMap<String, String>,
    pub(crate) permission: ParticipantPermission,
    /// `nbf` of the token they came with, in seconds.
    pub(crate) issued: i64,
    pub(crate) kind: i32,
    pub(crate) state: State,
    /// Grows with every change that is told: clients drop older ones.
    pub(crate) version: u32,
    pub(crate) joined_ms: i64,
    pub(crate) client: ClientTraits,
    /// How its media comes here, if not directly.
    pub(crate) detour: Option<Detour>,
    pub(crate) link: SignalLink,
    pub(crate) pending: Vec<PendingTrack>,
    pub(crate) tracks: Vec<PublishedTrack>,
    pub(crate) publisher: Option<PublisherLeg>,
    pub(crate) subscriber: Option<SubscriberLeg>,
    pub(crate) choice: SubscriptionChoice,
    pub(crate) traffic: Traffic,
    /// When the last datagram came, on either peer connection.
    pub(crate) arrived: Option<Instant>,
}

/// What the client said about itself that matters to us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientTraits {
    pub(crate) protocol: u32,
    /// Safari cannot give a section of an offer to another track.
    pub(crate) reuses_sections: bool,
    pub(crate) auto_subscribe: bool,
}

/// The signalling connection of a seat.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SignalLink {
    Up {
        connection: ConnectionId,
        heard: Instant,
    },
    /// The seat is kept for a while.
    Lost {
        since: Instant,
    },
}

/// What the client chose by `subscription` and `track_setting`.
#[derive(Debug, Default)]
pub(crate) struct SubscriptionChoice {
    pub(crate) wanted: HashSet<String>,
    pub(crate) unwanted: HashSet<String>,
    pub(crate) paused: HashSet<String>,
}

impl Participant {
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match self.link {
            SignalLink::Up { connection, .. } => Some(connection),
            SignalLink::Lost { .. } => None,
        }
    }

    /// Since when no STUN, RTP or RTCP of theirs has arrived; none if none ever did.
    pub(crate) fn silence(&self, now: Instant) -> Option<Duration> {
        self.arrived.map(|arrived| now.saturating_duration_since(arrived))
    }

    pub(crate) fn is_hidden(&self) -> bool {
        self.permission.hidden
    }

    /// A non-empty list of sources narrows the permission; it cannot widen it.
    pub(crate) fn may_publish(&self, source: i32) -> bool {
        let sources = &self.permission.can_publish_sources;
        self.permission.can_publish && (sources.is_empty() || sources.contains(&source))
    }

    /// Whether the client is to get this track.
    pub(crate) fn wants(&self, track_sid: &str) -> bool {
        let chosen = if self.client.auto_subscribe {
            !self.choice.unwanted.contains(track_sid)
        } else {
            self.choice.wanted.contains(track_sid)
        };
        chosen && self.permission.can_subscribe
    }

    pub(crate) fn track_mut(&mut self, sid: &str) -> Option<&mut PublishedTrack> {
        self.tracks.iter_mut().find(|track| track.info.sid == sid)
    }

    /// The connection whose coming up makes the participant active.
    pub(crate) fn is_primary(&self, leg: super::transport::Leg) -> bool {
        let subscriber_primary = self.subscriber.is_some();
        subscriber_primary == (leg == super::transport::Leg::Subscriber)
    }
}

/// Enough of an identity to find it in a log: what the house writes of a person's key.
pub(crate) fn short(identity: &str) -> &str {
    const SHORT_CHARACTERS: usize = 8;
    identity.char_indices().nth(SHORT_CHARACTERS).map_or(identity, |(end, _)| &identity[..end])
}

/// The connection on which the client offers and sends.
pub(crate) struct PublisherLeg {
    pub(crate) transport: Transport,
    pub(crate) local_ice: IceCreds,
    pub(crate) remote_ice: IceCreds,
    pub(crate) setup: &'static str,
    pub(crate) session: u64,
    pub(crate) version: u64,
    pub(crate) sections: Vec<ReceivingSection>,
    /// Mids that carried a track which has ended.
    pub(crate) ended_mids: HashSet<String>,
    /// Names of our own for the engine: a client's mids are its own affair.
    pub(crate) next_mid: u32,
    pub(crate) channels: HashMap<ChannelId, String>,
}

/// A section of the client's offer that brings a track.
pub(crate) struct ReceivingSection {
    pub(crate) client_mid: String,
    pub(crate) mid: Mid,
    pub(crate) ssrc: Option<Ssrc>,
    pub(crate) opus: u8,
    pub(crate) track_sid: String,
}

/// The connection on which we offer and send.
pub(crate) struct SubscriberLeg {
    pub(crate) transport: Transport,
    pub(crate) local_ice: IceCreds,
    pub(crate) session: u64,
    pub(crate) version: u64,
    pub(crate) sections: Vec<SectionState>,
    pub(crate) negotiation: Negotiation,
    /// Something changed since the last offer.
    pub(crate) changed: bool,
    pub(crate) next_offer: u32,
    pub(crate) channels: HashMap<String, ChannelId>,
    /// Reliable data from before the channel was open.
    pub(crate) backlog: VecDeque<(Instant, Vec<u8>)>,
}

/// One audio section of our offers.
///
/// ```text
/// Vacant ─ a track comes ─► Carrying ─ it ends ─► Retiring ─ inactive is answered ─► Vacant
/// ```
/// The way through `Retiring` cannot be cut short: a client that sees another track in a section
/// that never was inactive does not tell its application of the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SectionState {
    Vacant,
    Carrying(OfferedTrack),
    Retiring,
}

/// Our side of offer and answer. We are the only one who offers on this connection: no glare.
#[derive(Debug)]
pub(crate) enum Negotiation {
    Idle,
    Offered {
        id: u32,
        at: Instant,
        /// What the offer says of each section.
        sections: Vec<SectionState>,
        /// New local credentials; they take effect with the answer.
        restart: Option<IceCreds>,
    },
}

impl SubscriberLeg {
    pub(crate) fn section_of(&self, track_sid: &str) -> Option<usize> {
        self.sections
            .iter()
            .position(|state| matches!(state, SectionState::Carrying(track) if track.track_sid == track_sid))
    }
}
