//! Tracks on the way to the stage, muted, and off it again.

use std::time::Instant;

use livekit_protocol::signal_response::Message;
use livekit_protocol::{
    AddTrackRequest, MuteTrackRequest, TrackPublishedResponse, TrackSource, TrackType, TrackUnpublishedResponse,
    request_response,
};
use tracing::debug;

use super::SfuCore;
use super::limits::{MAX_ID_BYTES, MAX_NAME_CHARACTERS, MAX_PENDING_PER_CID, MAX_PENDING_TRACKS, MAX_PUBLISHED_TRACKS};
use super::participant::Participant;
use super::track::{PendingTrack, PublishedTrack};
use super::transport::ParticipantId;

/// Clients after this protocol know `track_unpublished`; earlier ones are muted instead.
const LAST_PROTOCOL_WITHOUT_UNPUBLISH: u32 = 6;

impl SfuCore {
    /// `add_track`: checked, remembered, confirmed with the track's sid.
    pub(super) fn add_track(&mut self, id: ParticipantId, request: AddTrackRequest) {
        let Some(participant) = self.participants.get(&id) else {
            return;
        };
        if let Err(reason) = check_request(participant, &request) {
            debug!(parent: &participant.span, ?reason, "track refused");
            let request = request_response::Request::AddTrack(request);
            self.respond(id, 0, reason, Some(request));
            return;
        }
        let source = TrackSource::try_from(request.source).unwrap_or(TrackSource::Unknown);
        let sid = self.names.track(TrackType::Audio, source);
        let track = PendingTrack::new(sid, request);
        let published = TrackPublishedResponse { cid: track.cid.clone(), track: Some(track.info.clone()) };
        if let Some(participant) = self.participants.get_mut(&id) {
            participant.pending.push(track);
        }
        self.signal(id, Message::TrackPublished(published));
    }

    /// A person mutes or unmutes a track of their own.
    pub(super) fn own_mute(&mut self, now: Instant, id: ParticipantId, mute: &MuteTrackRequest) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let pending = participant.pending.iter_mut().find(|track| track.info.sid == mute.sid);
        if let Some(track) = pending {
            track.info.muted = mute.muted;
        } else if !self.set_muted(now, id, &mute.sid, mute.muted) {
            let request = request_response::Request::Mute(mute.clone());
            self.respond(id, 0, request_response::Reason::NotFound, Some(request));
        }
    }

    /// Nothing of a muted track is forwarded, whatever the client sends. False: no such track.
    pub(super) fn set_muted(&mut self, now: Instant, id: ParticipantId, track_sid: &str, muted: bool) -> bool {
        let track = self.participants.get_mut(&id).and_then(|participant| participant.track_mut(track_sid));
        let Some(track) = track else {
            return false;
        };
        if track.info.muted != muted {
            track.info.muted = muted;
            if muted {
                self.send_silence(now, id, track_sid);
            }
            self.announce(id);
        }
        true
    }

    /// Takes a track off the stage at every listener. What the owner hears of it is the caller's
    /// business.
    pub(super) fn unpublish(&mut self, now: Instant, id: ParticipantId, track_sid: &str) {
        self.send_silence(now, id, track_sid);
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let position = participant.tracks.iter().position(|track| track.info.sid == track_sid);
        let Some(position) = position else {
            return;
        };
        let track = participant.tracks.remove(position);
        participant.traffic.packets_lost_in += track.munger.lost();
        debug!(parent: &participant.span, track = track_sid, "unpublished");
        self.close_section(now, id, track_sid);
        for receiver in track.receivers {
            self.retire_section(now, receiver.participant, track_sid);
        }
    }

    pub(super) fn unpublish_all(&mut self, now: Instant, id: ParticipantId) {
        for sid in self.track_sids(id, |_| true) {
            self.unpublish(now, id, &sid);
        }
        if let Some(participant) = self.participants.get_mut(&id) {
            participant.pending.clear();
        }
    }

    /// Removes what the participant may not have on stage any more, and says so to the owner.
    pub(super) fn withdraw_forbidden(&mut self, now: Instant, id: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let mut pending = std::mem::take(&mut participant.pending);
        pending.retain(|track| participant.may_publish(track.info.source));
        participant.pending = pending;
        let protocol = participant.client.protocol;
        let forbidden: Vec<String> = participant
            .tracks
            .iter()
            .filter(|track| !participant.may_publish(track.info.source))
            .map(|track| track.info.sid.clone())
            .collect();
        for track_sid in forbidden {
            self.unpublish(now, id, &track_sid);
            let message = if protocol > LAST_PROTOCOL_WITHOUT_UNPUBLISH {
                Message::TrackUnpublished(TrackUnpublishedResponse { track_sid })
            } else {
                Message::Mute(MuteTrackRequest { sid: track_sid, muted: true })
            };
            self.signal(id, message);
        }
    }

    pub(super) fn track_sids(&self, id: ParticipantId, which: impl Fn(&PublishedTrack) -> bool) -> Vec<String> {
        self.participants
            .get(&id)
            .into_iter()
            .flat_map(|participant| &participant.tracks)
            .filter(|track| which(track))
            .map(|track| track.info.sid.clone())
            .collect()
    }
}

fn check_request(participant: &Participant, request: &AddTrackRequest) -> Result<(), request_response::Reason> {
    use request_response::Reason;
    if !participant.may_publish(request.source) {
        return Err(Reason::NotAllowed);
    }
    if request.r#type != TrackType::Audio as i32 {
        return Err(Reason::UnsupportedType);
    }
    let too_long = request.cid.len() > MAX_ID_BYTES
        || request.stream.len() > MAX_ID_BYTES
        || request.name.chars().count() > MAX_NAME_CHARACTERS
        || request.audio_features.len() > MAX_ID_BYTES;
    let same_cid = participant.pending.iter().filter(|track| track.cid == request.cid).count();
    let on_stage = participant.tracks.len() + participant.pending.len();
    if too_long
        || participant.pending.len() >= MAX_PENDING_TRACKS
        || on_stage >= MAX_PUBLISHED_TRACKS
        || same_cid >= MAX_PENDING_PER_CID
    {
        return Err(Reason::LimitExceeded);
    }
    Ok(())
}
