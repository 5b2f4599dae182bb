//! What the house may ask of a media room: the RoomService methods.

use std::collections::HashMap;
use std::time::Instant;

use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    DataPacket, DisconnectReason, MuteTrackRequest, ParticipantInfo, ParticipantPermission, Room as RoomInfo,
    SendDataRequest, TrackInfo, UserPacket, data_packet,
};

use super::data::Delivery;
use super::limits::{check_given, check_metadata};
use super::presence::observed_info;
use super::room::{RoomId, RoomOptions};
use super::transport::ParticipantId;
use super::{Refusal, SfuCore};

/// A request of the house.
#[derive(Debug, Clone)]
pub enum Command {
    /// Makes a room, or finds it: idempotent by name.
    CreateRoom {
        /// Its name.
        name: String,
        /// Taken when the room is new.
        options: RoomOptions,
    },
    /// All rooms, or those named.
    ListRooms {
        /// Empty: all.
        names: Vec<String>,
    },
    /// Everybody is sent away.
    DeleteRoom {
        /// Its name.
        room: String,
    },
    /// Everybody present, hidden people too.
    ListParticipants {
        /// The room.
        room: String,
    },
    /// One person.
    GetParticipant {
        /// The room.
        room: String,
        /// Who.
        identity: String,
    },
    /// Sends one person away.
    RemoveParticipant {
        /// The room.
        room: String,
        /// Who.
        identity: String,
        /// Tokens issued until then are void, refreshed ones too. Seconds, as in their `nbf`; 0: none is.
        revoke_until: i64,
    },
    /// Mutes a track. Unmuting is refused, always.
    MuteTrack {
        /// The room.
        room: String,
        /// Whose.
        identity: String,
        /// Which.
        track_sid: String,
        /// Must be true.
        muted: bool,
    },
    /// Changes what a person may do and what is said about it.
    UpdateParticipant {
        /// The room.
        room: String,
        /// Who.
        identity: String,
        /// Replaces the whole record, hidden included; `None` leaves it.
        permission: Option<ParticipantPermission>,
        /// When that was decided, in the seconds of the tokens' `nbf`: older tokens allow no more than this.
        decided_at: i64,
        /// Empty leaves it.
        name: String,
        /// Empty leaves it.
        metadata: String,
        /// Merged; an empty value deletes a key.
        attributes: HashMap<String, String>,
    },
    /// Subscribes or unsubscribes somebody.
    UpdateSubscriptions {
        /// The room.
        room: String,
        /// Who.
        identity: String,
        /// Which tracks.
        track_sids: Vec<String>,
        /// Or not.
        subscribe: bool,
    },
    /// Sends a data message of the house.
    SendData(Box<SendDataRequest>),
    /// Changes the text shown to everybody.
    UpdateRoomMetadata {
        /// The room.
        room: String,
        /// The text.
        metadata: String,
    },
}

/// What a [`Command`] is answered with.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Done.
    Done,
    /// One room.
    Room(Box<RoomInfo>),
    /// Rooms.
    Rooms(Vec<RoomInfo>),
    /// One person.
    Participant(Box<ParticipantInfo>),
    /// People.
    Participants(Vec<ParticipantInfo>),
    /// One track.
    Track(Box<TrackInfo>),
}

impl SfuCore {
    /// Does what the house asks, or says why not.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed then.
    pub fn handle_command(&mut self, now: Instant, command: Command) -> Result<Reply, Refusal> {
        let reply = self.obey(now, command);
        self.settle(now);
        reply
    }

    fn obey(&mut self, now: Instant, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::CreateRoom { name, options } => self.create_room(now, &name, options),
            Command::ListRooms { names } => Ok(Reply::Rooms(self.list_rooms(&names))),
            Command::DeleteRoom { room } => self.delete_room(now, &room),
            Command::ListParticipants { room } => {
                let people = self.members(self.room_id(&room)?);
                let present = people.iter().filter_map(|id| self.participants.get(id));
                Ok(Reply::Participants(present.map(|one| observed_info(now, one)).collect()))
            }
            Command::GetParticipant { room, identity } => self.describe(now, self.person(&room, &identity)?),
            Command::RemoveParticipant { room, identity, revoke_until } => {
                self.remove_participant(now, &room, &identity, revoke_until)
            }
            Command::MuteTrack { room, identity, track_sid, muted } => {
                let id = self.person(&room, &identity)?;
                self.mute_track(now, id, &track_sid, muted)
            }
            Command::UpdateParticipant { room, identity, permission, decided_at, name, metadata, attributes } => {
                let id = self.person(&room, &identity)?;
                self.describe_person(id, &name, &metadata, attributes)?;
                match permission {
                    Some(permission) => self.change_permission(now, id, permission, decided_at),
                    None => self.announce(id),
                }
                self.describe(now, id)
            }
            Command::UpdateSubscriptions { room, identity, track_sids, subscribe } => {
                let id = self.person(&room, &identity)?;
                self.choose_tracks(now, id, &track_sids, subscribe);
                Ok(Reply::Done)
            }
            Command::SendData(request) => self.send_data(now, *request),
            Command::UpdateRoomMetadata { room, metadata } => self.change_room(self.room_id(&room)?, metadata),
        }
    }

    fn create_room(&mut self, now: Instant, name: &str, options: RoomOptions) -> Result<Reply, Refusal> {
        check_given("room name", name)?;
        check_metadata(&options.metadata)?;
        let id = self.room_for(now, name, options);
        self.describe_room(id)
    }

    fn list_rooms(&self, names: &[String]) -> Vec<RoomInfo> {
        let mut rooms: Vec<RoomInfo> = self
            .rooms
            .iter()
            .filter(|(_, room)| names.is_empty() || names.contains(&room.name))
            .filter_map(|(id, _)| self.room_info(*id))
            .collect();
        rooms.sort_by(|a, b| a.name.cmp(&b.name));
        rooms
    }

    fn delete_room(&mut self, now: Instant, name: &str) -> Result<Reply, Refusal> {
        let room = self.room_id(name)?;
        for id in self.members(room) {
            self.remove(now, id, DisconnectReason::RoomDeleted);
        }
        self.close_room(room);
        Ok(Reply::Done)
    }

    /// Somebody who is not here can still be kept from coming back. The pass of somebody who is here is void whatever
    /// its time says: the clock may have jumped since it was issued.
    fn remove_participant(
        &mut self,
        now: Instant,
        room: &str,
        identity: &str,
        revoke_until: i64,
    ) -> Result<Reply, Refusal> {
        let room_id = self.room_id(room)?;
        let person = self.person(room, identity);
        if revoke_until > 0
            && let Some(room) = self.rooms.get_mut(&room_id)
        {
            let present = person.as_ref().ok().and_then(|id| self.participants.get(id));
            let at = present.map_or(revoke_until, |present| present.issued.max(revoke_until));
            room.remember_verdict(at, identity, None);
        }
        self.remove(now, person?, DisconnectReason::ParticipantRemoved);
        Ok(Reply::Done)
    }

    fn mute_track(&mut self, now: Instant, id: ParticipantId, track_sid: &str, muted: bool) -> Result<Reply, Refusal> {
        if !muted {
            return Err(Refusal::RemoteUnmute);
        }
        if self.track_info(id, track_sid).is_none() {
            return Err(Refusal::NotFound("track"));
        }
        // The owner first, so that it stops sending.
        let mute = MuteTrackRequest { sid: track_sid.to_owned(), muted: true };
        self.signal(id, Message::Mute(mute));
        self.set_muted(now, id, track_sid, true);
        self.track_info(id, track_sid).map(|info| Reply::Track(Box::new(info))).ok_or(Refusal::NotFound("track"))
    }

    /// Order matters: first the permission, so that nothing slips through; then whom the others
    /// know, before any offer carries a track; the token last.
    fn change_permission(
        &mut self,
        now: Instant,
        id: ParticipantId,
        permission: ParticipantPermission,
        decided_at: i64,
    ) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let was_hidden = participant.is_hidden();
        let could_subscribe = participant.permission.can_subscribe;
        let (is_hidden, may_subscribe) = (permission.hidden, permission.can_subscribe);
        if is_hidden && !was_hidden {
            // While it is still visible, so that nobody is left with a ghost.
            self.detach_listeners(now, id);
            self.announce_departure(now, id, DisconnectReason::UnknownReason);
        }
        if let Some(participant) = self.participants.get_mut(&id) {
            let at = participant.issued.max(decided_at);
            if let Some(room) = self.rooms.get_mut(&participant.room) {
                room.remember_verdict(at, &participant.identity, Some(permission.clone()));
            }
            participant.permission = permission;
        }
        self.withdraw_forbidden(now, id);
        self.announce(id);
        if was_hidden && !is_hidden {
            for track_sid in self.track_sids(id, |_| true) {
                self.subscribe_everybody(now, id, &track_sid);
            }
        }
        if could_subscribe != may_subscribe {
            self.follow_subscribe_permission(now, id);
        }
        self.send_token(id);
    }

    #[expect(deprecated, reason = "sids as addresses are deprecated, and still in use")]
    fn send_data(&mut self, now: Instant, request: SendDataRequest) -> Result<Reply, Refusal> {
        let room = self.room_id(&request.room)?;
        if !request.nonce.is_empty() && request.nonce.len() != 16 {
            return Err(Refusal::InvalidArgument("nonce is not 16 bytes".to_owned()));
        }
        let delivery = match data_packet::Kind::try_from(request.kind) {
            Ok(data_packet::Kind::Lossy) => Delivery::Lossy,
            Ok(data_packet::Kind::Reliable) | Err(_) => Delivery::Reliable,
        };
        let user = UserPacket {
            payload: request.data,
            topic: request.topic,
            nonce: request.nonce,
            destination_sids: request.destination_sids,
            ..UserPacket::default()
        };
        let packet = DataPacket {
            destination_identities: request.destination_identities,
            value: Some(data_packet::Value::User(user)),
            ..DataPacket::default()
        };
        self.deliver(now, room, None, delivery, packet);
        Ok(Reply::Done)
    }

    fn change_room(&mut self, id: RoomId, metadata: String) -> Result<Reply, Refusal> {
        check_metadata(&metadata)?;
        if let Some(room) = self.rooms.get_mut(&id) {
            room.metadata = metadata;
        }
        self.announce_room(id);
        self.describe_room(id)
    }

    fn room_id(&self, name: &str) -> Result<RoomId, Refusal> {
        let id = self.room_names.get(name);
        id.copied().ok_or(Refusal::NotFound("room"))
    }

    fn person(&self, room: &str, identity: &str) -> Result<ParticipantId, Refusal> {
        let room = self.rooms.get(&self.room_id(room)?);
        room.and_then(|room| room.identities.get(identity).copied()).ok_or(Refusal::NotFound("participant"))
    }

    fn describe(&self, now: Instant, id: ParticipantId) -> Result<Reply, Refusal> {
        let participant = self.participants.get(&id);
        participant
            .map(|participant| Reply::Participant(Box::new(observed_info(now, participant))))
            .ok_or(Refusal::NotFound("participant"))
    }

    fn describe_room(&self, id: RoomId) -> Result<Reply, Refusal> {
        self.room_info(id).map(|info| Reply::Room(Box::new(info))).ok_or(Refusal::NotFound("room"))
    }

    fn track_info(&self, id: ParticipantId, track_sid: &str) -> Option<TrackInfo> {
        let tracks = &self.participants.get(&id)?.tracks;
        let track = tracks.iter().find(|track| track.info.sid == track_sid)?;
        Some(track.info.clone())
    }
}
