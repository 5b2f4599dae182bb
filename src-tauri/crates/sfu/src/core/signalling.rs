//! What clients say on their signalling connection.

use std::collections::HashMap;
use std::time::Instant;

use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;
use livekit_protocol::{
    DisconnectReason, Pong, RequestResponse, SignalRequest, SyncState, TrackUnpublishedResponse,
    UpdateParticipantMetadata, request_response,
};

use super::limits::{check_attributes, check_metadata, check_name};
use super::participant::SignalLink;
use super::transport::ParticipantId;
use super::{ConnectionId, Refusal, SfuCore};

impl SfuCore {
    /// A message of a client. What is unknown or does not concern an audio room is ignored.
    pub fn handle_signal(&mut self, now: Instant, connection: ConnectionId, request: SignalRequest) {
        let Some(id) = self.connections.get(&connection).copied() else {
            return;
        };
        if let Some(participant) = self.participants.get_mut(&id) {
            participant.link = SignalLink::Up { connection, heard: now };
        }
        if let Some(message) = request.message {
            self.handle_request(now, id, message);
        }
        self.settle(now);
    }

    fn handle_request(&mut self, now: Instant, id: ParticipantId, request: Request) {
        match request {
            Request::Offer(offer) => self.handle_offer(now, id, &offer),
            Request::Answer(answer) => self.handle_answer(now, id, &answer),
            // ICE-lite learns every address from the checks themselves.
            Request::Trickle(_) => {}
            Request::AddTrack(request) => self.add_track(id, request),
            Request::Mute(mute) => self.own_mute(now, id, &mute),
            Request::Subscription(subscription) => {
                self.choose_tracks(now, id, &subscription.track_sids, subscription.subscribe);
            }
            Request::TrackSetting(setting) => {
                self.pause_tracks(id, &setting.track_sids, setting.disabled);
            }
            Request::Leave(_) => self.remove(now, id, DisconnectReason::ClientInitiated),
            Request::SyncState(state) => self.sync_state(now, id, &state),
            Request::Ping(_) => {
                let timestamp = self.unix_ms(now);
                self.signal(id, Response::Pong(timestamp));
            }
            Request::PingReq(ping) => {
                let pong = Pong { last_ping_timestamp: ping.timestamp, timestamp: self.unix_ms(now) };
                self.signal(id, Response::PongResp(pong));
            }
            Request::UpdateMetadata(update) => self.own_metadata(id, update),
            // Optional, and JS sends some of them unasked.
            _ => {}
        }
    }

    /// A resumed client says which of its tracks it thinks are on stage.
    fn sync_state(&mut self, now: Instant, id: ParticipantId, state: &SyncState) {
        let Some(participant) = self.participants.get(&id) else {
            return;
        };
        let claimed = state.publish_tracks.iter().filter_map(|published| published.track.as_ref());
        let unknown: Vec<String> = claimed
            .filter(|info| !participant.tracks.iter().any(|t| t.info.sid == info.sid))
            .filter(|info| !participant.pending.iter().any(|t| t.info.sid == info.sid))
            .map(|info| info.sid.clone())
            .collect();
        if unknown.is_empty() {
            return;
        }
        if participant.permission.can_publish {
            // We lost a track that should be heard: only a fresh start brings it back.
            self.remove(now, id, DisconnectReason::StateMismatch);
            return;
        }
        for track_sid in unknown {
            let message = TrackUnpublishedResponse { track_sid };
            self.signal(id, Response::TrackUnpublished(message));
        }
    }

    fn own_metadata(&mut self, id: ParticipantId, update: UpdateParticipantMetadata) {
        let request_id = update.request_id;
        let outcome = match self.participants.get(&id) {
            Some(participant) if !participant.permission.can_update_metadata => {
                Err(request_response::Reason::NotAllowed)
            }
            Some(_) => self
                .describe_person(id, &update.name, &update.metadata, update.attributes)
                .map_err(|_| request_response::Reason::LimitExceeded),
            None => return,
        };
        let reason = match outcome {
            Ok(()) => {
                self.announce(id);
                request_response::Reason::Ok
            }
            Err(reason) => reason,
        };
        self.respond(id, request_id, reason, None);
    }

    /// Changes what is said about a person, without telling anybody. Empty is unchanged; an
    /// attribute set to the empty string is deleted.
    pub(super) fn describe_person(
        &mut self,
        id: ParticipantId,
        name: &str,
        metadata: &str,
        attributes: HashMap<String, String>,
    ) -> Result<(), Refusal> {
        check_name("name", name)?;
        check_metadata(metadata)?;
        let Some(participant) = self.participants.get_mut(&id) else {
            return Err(Refusal::NotFound("participant"));
        };
        let mut changed = participant.attributes.clone();
        changed.extend(attributes);
        changed.retain(|_, value| !value.is_empty());
        check_attributes(&changed)?;
        participant.attributes = changed;
        if !name.is_empty() {
            name.clone_into(&mut participant.name);
        }
        if !metadata.is_empty() {
            metadata.clone_into(&mut participant.metadata);
        }
        Ok(())
    }

    /// Answers a request that has no answer of its own.
    pub(super) fn respond(
        &mut self,
        id: ParticipantId,
        request_id: u32,
        reason: request_response::Reason,
        request: Option<request_response::Request>,
    ) {
        /// Clients before this protocol cannot decode the message.
        const FIRST_PROTOCOL: u32 = 10;
        let protocol = self.participants.get(&id).map(|p| p.client.protocol);
        if protocol.is_some_and(|protocol| protocol >= FIRST_PROTOCOL) {
            let response = RequestResponse { request_id, reason: reason as i32, message: String::new(), request };
            self.signal(id, Response::RequestResponse(response));
        }
    }
}
