//! Who is here, as it is told: full records with a growing version, to everybody who may know.

use std::time::Instant;

use livekit_protocol::signal_response::Message;
use livekit_protocol::{Codec, DisconnectReason, ParticipantInfo, ParticipantUpdate, Room as RoomInfo, RoomUpdate};

use super::SfuCore;
use super::limits::MEDIA_SILENCE;
use super::participant::{Participant, State};
use super::room::RoomId;
use super::track::OPUS_MIME;
use super::transport::ParticipantId;

/// RED is left out: redundancy travels inside the Opus packet.
pub(crate) fn enabled_codecs() -> Vec<Codec> {
    vec![Codec { mime: OPUS_MIME.to_owned(), fmtp_line: String::new() }]
}

pub(crate) fn participant_info(participant: &Participant) -> ParticipantInfo {
    ParticipantInfo {
        sid: participant.sid.clone(),
        identity: participant.identity.clone(),
        state: participant.state as i32,
        tracks: participant.tracks.iter().map(|track| track.info.clone()).collect(),
        metadata: participant.metadata.clone(),
        joined_at: participant.joined_ms / 1000,
        joined_at_ms: participant.joined_ms,
        name: participant.name.clone(),
        version: participant.version,
        permission: Some(participant.permission.clone()),
        is_publisher: !participant.tracks.is_empty(),
        kind: participant.kind,
        attributes: participant.attributes.clone(),
        ..ParticipantInfo::default()
    }
}

/// An attribute that RoomService adds to what it says of a participant: milliseconds since something last arrived on
/// their media connection. LiveKit's record has no field for it.
pub const SILENT_MS_ATTRIBUTE: &str = "serambi.silent_ms";

/// The record for whoever runs the room: since when nothing arrives from the participant, and `ACTIVE` only if that is
/// not long ago.
pub(crate) fn observed_info(now: Instant, participant: &Participant) -> ParticipantInfo {
    let mut info = participant_info(participant);
    let silence = participant.silence(now).filter(|_| participant.state == State::Active);
    if let Some(silence) = silence {
        if silence > MEDIA_SILENCE {
            info.state = State::Joined as i32;
        }
        info.attributes.insert(SILENT_MS_ATTRIBUTE.to_owned(), silence.as_millis().to_string());
    }
    info
}

impl SfuCore {
    /// Tells a change of one participant: to everybody, or only to itself while it is hidden.
    pub(super) fn announce(&mut self, id: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        participant.version += 1;
        let info = participant_info(participant);
        if participant.is_hidden() {
            self.signal(id, update(vec![info]));
        } else {
            let room = participant.room;
            self.signal_room(room, None, &update(vec![info]));
        }
    }

    /// Tells the others that somebody they knew of is gone.
    pub(super) fn announce_departure(&mut self, now: Instant, id: ParticipantId, reason: DisconnectReason) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        participant.version += 1;
        let mut info = participant_info(participant);
        info.state = State::Disconnected as i32;
        info.tracks.clear();
        info.disconnect_reason = reason as i32;
        let room = participant.room;
        self.signal_room(room, Some(id), &update(vec![info.clone()]));
        if let Some(room) = self.rooms.get_mut(&room) {
            room.remember_departure(now, info);
        }
    }

    /// Everybody that `viewer` may know of, without itself.
    pub(super) fn others_of(&self, room: RoomId, viewer: ParticipantId) -> Vec<ParticipantInfo> {
        self.members(room)
            .into_iter()
            .filter(|id| *id != viewer)
            .filter_map(|id| self.participants.get(&id))
            .filter(|participant| !participant.is_hidden())
            .map(participant_info)
            .collect()
    }

    pub(super) fn room_info(&self, id: RoomId) -> Option<RoomInfo> {
        let room = self.rooms.get(&id)?;
        let visible = room
            .members
            .iter()
            .filter_map(|id| self.participants.get(id))
            .filter(|participant| !participant.is_hidden());
        let (mut participants, mut publishers) = (0, 0);
        for participant in visible {
            participants += 1;
            publishers += u32::from(!participant.tracks.is_empty());
        }
        Some(room.info(participants, publishers))
    }

    pub(super) fn announce_room(&mut self, id: RoomId) {
        if let Some(info) = self.room_info(id) {
            let message = Message::RoomUpdate(RoomUpdate { room: Some(info) });
            self.signal_room(id, None, &message);
        }
    }

    fn signal_room(&mut self, room: RoomId, except: Option<ParticipantId>, message: &Message) {
        for member in self.members(room) {
            if Some(member) != except {
                self.signal(member, message.clone());
            }
        }
    }
}

pub(super) fn update(participants: Vec<ParticipantInfo>) -> Message {
    Message::Update(ParticipantUpdate { participants })
}
