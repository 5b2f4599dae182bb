//! The client's offers on its publisher connection, and what each section of them means.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use livekit_protocol::signal_response::Message;
use livekit_protocol::{DisconnectReason, SessionDescription};
use str0m::rtp::Ssrc;
use tracing::debug;

use super::SfuCore;
use super::limits::MAX_ID_BYTES;
use super::participant::{Participant, PublisherLeg, ReceivingSection};
use super::sdp::{Description, Direction, Section, SectionKind, Setup};
use super::sdp_answer::{SectionAnswer, write_answer};
use super::sdp_writer::{Origin, Reachability};
use super::track::PendingTrack;
use super::transport::{Leg, ParticipantId, Transport, TransportKey};

/// A client that needs more than this has its sections answered `inactive` instead of refused,
/// which costs it nothing but a longer description.
const MAX_ENDED_MIDS: usize = 1024;

impl SfuCore {
    pub(super) fn handle_offer(&mut self, now: Instant, id: ParticipantId, message: &SessionDescription) {
        let offer = match Description::parse(&message.sdp) {
            Ok(offer) => offer,
            Err(error) => {
                if let Some(participant) = self.participants.get(&id) {
                    debug!(parent: &participant.span, %error, "offer refused");
                }
                self.remove(now, id, DisconnectReason::StateMismatch);
                return;
            }
        };
        self.prepare_publisher(now, id, &offer);
        let ended = self.close_vanished_sections(now, id, &offer);
        let opened = self.open_sections(now, id, &offer);
        let Some(sdp) = self.answer_text(id, &offer) else {
            return;
        };
        let answer =
            SessionDescription { r#type: "answer".to_owned(), sdp, id: message.id, mid_to_track_id: HashMap::new() };
        self.signal(id, Message::Answer(answer));
        if ended || !opened.is_empty() {
            // Before the offers: a client drops a track whose owner it has not heard of.
            self.announce(id);
        }
        for track_sid in opened {
            self.subscribe_everybody(now, id, &track_sid);
        }
    }

    /// Makes the connection with the first offer; restarts ICE when an offer has new credentials.
    fn prepare_publisher(&mut self, now: Instant, id: ParticipantId, offer: &Description) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let key = TransportKey { participant: id, leg: Leg::Publisher };
        let leg = match &mut participant.publisher {
            Some(leg) => {
                if leg.remote_ice != offer.ice {
                    let local = self.names.ice_credentials(participant.detour.as_ref());
                    self.demux.expect(&local.ufrag, key);
                    leg.local_ice = local.clone();
                    leg.remote_ice = offer.ice.clone();
                    leg.transport.restart_ice(now, &self.transport_config, local, offer.ice.clone(), &mut self.outbox);
                }
                return;
            }
            place => {
                let local_ice = self.names.ice_credentials(participant.detour.as_ref());
                self.demux.expect(&local_ice.ufrag, key);
                place.insert(PublisherLeg {
                    transport: Transport::new(key, &self.transport_config, local_ice.clone(), now),
                    local_ice,
                    remote_ice: offer.ice.clone(),
                    setup: "passive",
                    session: self.names.sdp_session(),
                    version: 0,
                    sections: Vec::new(),
                    ended_mids: HashSet::new(),
                    next_mid: 0,
                    channels: HashMap::new(),
                })
            }
        };
        // Passive unless the client insists on waiting.
        let active = offer.setup == Setup::Passive;
        leg.setup = if active { "active" } else { "passive" };
        leg.transport.start(now, offer.ice.clone(), offer.fingerprint.clone(), active, &mut self.outbox);
    }

    /// There is no unpublish request: a section that stops sending says it.
    fn close_vanished_sections(&mut self, now: Instant, id: ParticipantId, offer: &Description) -> bool {
        let Some(leg) = self.participants.get(&id).and_then(|participant| participant.publisher.as_ref()) else {
            return false;
        };
        let sends = |mid: &str| {
            let section = offer.sections.iter().find(|section| section.mid == mid);
            section.is_some_and(brings_audio)
        };
        let vanished: Vec<String> = leg
            .sections
            .iter()
            .filter(|section| !sends(&section.client_mid))
            .map(|section| section.track_sid.clone())
            .collect();
        for track_sid in &vanished {
            self.unpublish(now, id, track_sid);
        }
        !vanished.is_empty()
    }

    /// Binds sections that send to the tracks that were announced.
    fn open_sections(&mut self, now: Instant, id: ParticipantId, offer: &Description) -> Vec<String> {
        let mut opened = Vec::new();
        let Some(participant) = self.participants.get_mut(&id) else {
            return opened;
        };
        let sending = || offer.sections.iter().filter(|section| brings_audio(section));
        // Those that say which track they bring come first: a section of an ended track may still
        // send, and must not take the place of the one that was announced since.
        let by_name = sending().map(|section| (section, Match::Cid));
        let by_age = sending().map(|section| (section, Match::Oldest));
        for (section, how) in by_name.chain(by_age) {
            let Some(opus) = section.opus else {
                continue;
            };
            if follow_source(participant, section) {
                continue;
            }
            let Some(track) = take_pending(participant, section, how) else {
                continue;
            };
            let span = participant.span.clone();
            let Some(leg) = &mut participant.publisher else {
                continue;
            };
            let ssrc = section.ssrc.map(Ssrc::from).filter(|ssrc| {
                // The engine knows a stream by its SSRC alone.
                !leg.sections.iter().any(|other| other.ssrc == Some(*ssrc))
            });
            leg.next_mid += 1;
            let mid = format!("a{}", leg.next_mid).as_str().into();
            leg.transport.declare_audio(now, mid, &mut self.outbox);
            if let Some(ssrc) = ssrc {
                leg.transport.expect_stream(now, mid, ssrc, &mut self.outbox);
            }
            let track = track.publish(&section.mid);
            debug!(parent: &span, track = %track.info.sid, "published");
            leg.ended_mids.remove(&section.mid);
            leg.sections.push(ReceivingSection {
                client_mid: section.mid.clone(),
                mid,
                ssrc,
                opus,
                track_sid: track.info.sid.clone(),
            });
            opened.push(track.info.sid.clone());
            participant.tracks.push(track);
        }
        self.follow_streams(now, id, offer);
        opened
    }

    /// A client may change the SSRC of a section in a later offer.
    fn follow_streams(&mut self, now: Instant, id: ParticipantId, offer: &Description) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let Participant { publisher, tracks, .. } = participant;
        let Some(leg) = publisher else {
            return;
        };
        let taken: HashSet<Ssrc> = leg.sections.iter().filter_map(|s| s.ssrc).collect();
        for section in &mut leg.sections {
            let offered = offer
                .sections
                .iter()
                .find(|other| other.mid == section.client_mid)
                .and_then(|other| other.ssrc)
                .map(Ssrc::from)
                .filter(|ssrc| Some(*ssrc) != section.ssrc && !taken.contains(ssrc));
            let Some(ssrc) = offered else {
                continue;
            };
            if let Some(earlier) = section.ssrc.replace(ssrc) {
                leg.transport.forget_stream(now, earlier, &mut self.outbox);
            }
            leg.transport.expect_stream(now, section.mid, ssrc, &mut self.outbox);
            let track = tracks.iter_mut().find(|track| track.info.sid == section.track_sid);
            if let Some(track) = track {
                track.munger.source_changed();
            }
        }
    }

    /// Frees the section of a track that has ended.
    pub(super) fn close_section(&mut self, now: Instant, id: ParticipantId, track_sid: &str) {
        let Some(leg) = self.participants.get_mut(&id).and_then(|participant| participant.publisher.as_mut()) else {
            return;
        };
        let position = leg.sections.iter().position(|s| s.track_sid == track_sid);
        let Some(position) = position else {
            return;
        };
        let section = leg.sections.remove(position);
        leg.transport.remove_audio(now, section.mid, &mut self.outbox);
        if leg.ended_mids.len() < MAX_ENDED_MIDS {
            leg.ended_mids.insert(section.client_mid);
        }
    }

    fn answer_text(&mut self, id: ParticipantId, offer: &Description) -> Option<String> {
        let participant = self.participants.get_mut(&id)?;
        let mut answers: Vec<SectionAnswer> =
            offer.sections.iter().map(|section| answer_section(participant, section)).collect();
        keep_one_section(offer, &mut answers);
        let leg = participant.publisher.as_mut()?;
        leg.version += 1;
        let (candidates, streams) = self.transport_config.announced(participant.detour.as_ref());
        let reach =
            Reachability { ice: leg.local_ice.clone(), fingerprint: leg.transport.fingerprint(), candidates, streams };
        let origin = Origin { session: leg.session, version: leg.version };
        Some(write_answer(offer, &answers, &reach, origin, leg.setup))
    }
}

fn brings_audio(section: &Section) -> bool {
    section.kind == SectionKind::Audio
        && !section.rejected
        && section.direction.sends()
        && section.mid.len() <= MAX_ID_BYTES
}

/// Whether the section is bound already; its payload number may have changed.
fn follow_source(participant: &mut Participant, section: &Section) -> bool {
    let bound =
        participant.publisher.as_mut().and_then(|leg| leg.sections.iter_mut().find(|s| s.client_mid == section.mid));
    if let (Some(bound), Some(opus)) = (bound, section.opus) {
        bound.opus = opus;
        return true;
    }
    false
}

/// How a section is matched to an announced track.
#[derive(Debug, Clone, Copy)]
enum Match {
    /// The client's id of the track stands in the msid.
    Cid,
    /// Firefox writes ids of its own there: then it is the oldest one that waits.
    Oldest,
}

fn take_pending(participant: &mut Participant, section: &Section, how: Match) -> Option<PendingTrack> {
    let index = match how {
        Match::Cid => {
            let cid = section.msid_track.as_deref()?;
            participant.pending.iter().position(|track| track.cid == cid)?
        }
        Match::Oldest => {
            let ended = participant.publisher.as_ref().is_some_and(|leg| leg.ended_mids.contains(&section.mid));
            (!ended).then_some(0)?
        }
    };
    let track = participant.pending.get(index)?;
    participant.may_publish(track.info.source).then(|| participant.pending.remove(index))
}

fn answer_section(participant: &Participant, section: &Section) -> SectionAnswer {
    match (section.kind, section.opus) {
        _ if section.rejected => SectionAnswer::Refuse,
        (SectionKind::Data, _) => SectionAnswer::Data,
        (SectionKind::Audio, Some(opus)) => answer_audio(participant, section, opus),
        (SectionKind::Audio, None) | (SectionKind::Refused, _) => SectionAnswer::Refuse,
    }
}

/// With its last section refused a browser ends the connection beneath, and the next track would come without one: the
/// section of a track that has ended stays, with nothing in it.
fn keep_one_section(offer: &Description, answers: &mut [SectionAnswer]) {
    if answers.iter().any(|answer| *answer != SectionAnswer::Refuse) {
        return;
    }
    let kept = offer.sections.iter().zip(answers).find_map(|(section, answer)| {
        let opus = section.opus.filter(|_| section.kind == SectionKind::Audio && !section.rejected)?;
        Some((answer, opus))
    });
    if let Some((answer, opus)) = kept {
        *answer = SectionAnswer::Inactive { opus };
    }
}

fn answer_audio(participant: &Participant, section: &Section, opus: u8) -> SectionAnswer {
    let Some(leg) = &participant.publisher else {
        return SectionAnswer::Inactive { opus };
    };
    let bound = leg.sections.iter().find(|bound| bound.client_mid == section.mid);
    let track = bound.and_then(|bound| participant.tracks.iter().find(|track| track.info.sid == bound.track_sid));
    match track {
        Some(track) => SectionAnswer::Receive { opus, dtx: track.wants_dtx(), stereo: track.is_stereo() },
        None if section.direction == Direction::Inactive && leg.ended_mids.contains(&section.mid) => {
            SectionAnswer::Refuse
        }
        None => SectionAnswer::Inactive { opus },
    }
}
