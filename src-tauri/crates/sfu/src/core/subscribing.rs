//! Who hears which track, and the offers that say so on the subscriber connections.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use livekit_protocol::signal_response::Message;
use livekit_protocol::{DisconnectReason, SessionDescription};
use str0m::ice::IceCreds;
use str0m::media::Mid;
use tracing::debug;

use super::SfuCore;
use super::forwarding::ReceiverNumbering;
use super::limits::{MAX_ID_BYTES, NEGOTIATION_BATCH, NEGOTIATION_TIMEOUT};
use super::participant::{Negotiation, Participant, SectionState, State, SubscriberLeg};
use super::sdp::{Description, Setup};
use super::sdp_offer::{OfferedTrack, audio_mid, write_offer};
use super::sdp_writer::{Origin, Reachability};
use super::timers::Timer;
use super::track::Receiver;
use super::transport::{Leg, ParticipantId, Transport, TransportKey};

/// Choices one client may make; beyond it new ones are not remembered.
const MAX_CHOICES: usize = 4096;

impl SfuCore {
    /// Opens the connection on which the participant hears the others, with the first offer: data
    /// channels and every track that is live already.
    pub(super) fn open_subscriber(&mut self, now: Instant, id: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        if !participant.permission.can_subscribe {
            return;
        }
        let key = TransportKey { participant: id, leg: Leg::Subscriber };
        let local_ice = self.names.ice_credentials(participant.detour.as_ref());
        self.demux.expect(&local_ice.ufrag, key);
        let mut transport = Transport::new(key, &self.transport_config, local_ice.clone(), now);
        transport.open_channels(now, &mut self.outbox);
        participant.subscriber = Some(SubscriberLeg {
            transport,
            local_ice,
            session: self.names.sdp_session(),
            version: 0,
            sections: Vec::new(),
            negotiation: Negotiation::Idle,
            changed: true,
            next_offer: 0,
            channels: HashMap::new(),
            backlog: VecDeque::new(),
        });
        self.subscribe_to_all(now, id);
        self.negotiate(now, id);
    }

    fn subscribe_to_all(&mut self, now: Instant, id: ParticipantId) {
        let Some(room) = self.participants.get(&id).map(|p| p.room) else {
            return;
        };
        for owner in self.members(room) {
            for track_sid in self.track_sids(owner, |_| true) {
                self.subscribe(now, id, owner, &track_sid);
            }
        }
    }

    pub(super) fn subscribe_everybody(&mut self, now: Instant, owner: ParticipantId, track_sid: &str) {
        let Some(room) = self.participants.get(&owner).map(|p| p.room) else {
            return;
        };
        for listener in self.members(room) {
            self.subscribe(now, listener, owner, track_sid);
        }
    }

    /// Gives a listener a section for a track, unless it has one or does not want it. Nobody can
    /// hear a hidden participant: clients drop a track whose owner they do not know.
    fn subscribe(&mut self, now: Instant, listener: ParticipantId, owner: ParticipantId, track_sid: &str) {
        if listener == owner {
            return;
        }
        let ssrc = self.names.ssrc();
        let Some(speaker) = self.participants.get_mut(&owner).filter(|p| !p.is_hidden()) else {
            return;
        };
        let participant_sid = speaker.sid.clone();
        let Some(track) = speaker.track_mut(track_sid) else {
            return;
        };
        if track.receivers.iter().any(|r| r.participant == listener) {
            return;
        }
        let offered =
            OfferedTrack { participant_sid, track_sid: track_sid.to_owned(), ssrc, stereo: track.is_stereo() };
        let Some(participant) = self.participants.get_mut(&listener) else {
            return;
        };
        let wanted = participant.wants(track_sid);
        let paused = participant.choice.paused.contains(track_sid);
        let reuses = participant.client.reuses_sections;
        let Some(leg) = participant.subscriber.as_mut().filter(|_| wanted) else {
            return;
        };
        let index = take_section(leg, reuses, offered);
        let mid = Mid::from(audio_mid(index).as_str());
        leg.transport.declare_audio(now, mid, &mut self.outbox);
        leg.transport.add_sender(now, mid, ssrc, &mut self.outbox);
        self.mark_changed(now, listener);
        let track = self.participants.get_mut(&owner).and_then(|speaker| speaker.track_mut(track_sid));
        if let Some(track) = track {
            track.receivers.push(Receiver {
                participant: listener,
                ssrc,
                numbering: ReceiverNumbering::default(),
                answered: false,
                paused,
            });
        }
    }

    /// Takes a track's section at a listener away.
    pub(super) fn retire_section(&mut self, now: Instant, listener: ParticipantId, sid: &str) {
        let Some(leg) = self.participants.get_mut(&listener).and_then(|participant| participant.subscriber.as_mut())
        else {
            return;
        };
        let Some(index) = leg.section_of(sid) else {
            return;
        };
        if let Some(state) = leg.sections.get_mut(index)
            && let SectionState::Carrying(track) = std::mem::replace(state, SectionState::Retiring)
        {
            leg.transport.remove_sender(now, track.ssrc, &mut self.outbox);
        }
        self.mark_changed(now, listener);
    }

    /// A listener is gone: nobody sends to it any more.
    pub(super) fn detach_receiver(&mut self, listener: ParticipantId) {
        let Some(room) = self.participants.get(&listener).map(|p| p.room) else {
            return;
        };
        for owner in self.members(room) {
            if let Some(owner) = self.participants.get_mut(&owner) {
                for track in &mut owner.tracks {
                    track.receivers.retain(|r| r.participant != listener);
                }
            }
        }
    }

    /// Takes a participant's tracks away from everybody without ending them.
    pub(super) fn detach_listeners(&mut self, now: Instant, owner: ParticipantId) {
        for track_sid in self.track_sids(owner, |_| true) {
            let receivers = self
                .participants
                .get_mut(&owner)
                .and_then(|owner| owner.track_mut(&track_sid))
                .map(|track| std::mem::take(&mut track.receivers))
                .unwrap_or_default();
            for receiver in receivers {
                self.retire_section(now, receiver.participant, &track_sid);
            }
        }
    }

    /// `subscription`: the client wants, or does not want, these tracks.
    pub(super) fn choose_tracks(&mut self, now: Instant, id: ParticipantId, sids: &[String], subscribe: bool) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let room = participant.room;
        let choice = &mut participant.choice;
        for sid in sids.iter().filter(|sid| sid.len() <= MAX_ID_BYTES) {
            let (to, from) = if subscribe {
                (&mut choice.wanted, &mut choice.unwanted)
            } else {
                (&mut choice.unwanted, &mut choice.wanted)
            };
            from.remove(sid);
            if to.len() < MAX_CHOICES {
                to.insert(sid.clone());
            }
        }
        for owner in self.members(room) {
            for sid in self.track_sids(owner, |track| sids.contains(&track.info.sid)) {
                if subscribe {
                    self.subscribe(now, id, owner, &sid);
                } else {
                    self.unsubscribe(now, id, owner, &sid);
                }
            }
        }
    }

    fn unsubscribe(&mut self, now: Instant, listener: ParticipantId, owner: ParticipantId, sid: &str) {
        let track = self.participants.get_mut(&owner).and_then(|owner| owner.track_mut(sid));
        if let Some(track) = track {
            track.receivers.retain(|r| r.participant != listener);
            self.retire_section(now, listener, sid);
        }
    }

    /// Subscribes or unsubscribes everything after a change of permissions.
    pub(super) fn follow_subscribe_permission(&mut self, now: Instant, id: ParticipantId) {
        let Some(participant) = self.participants.get(&id) else {
            return;
        };
        let (room, allowed) = (participant.room, participant.permission.can_subscribe);
        if allowed && participant.subscriber.is_some() {
            self.subscribe_to_all(now, id);
        } else if allowed {
            self.open_subscriber(now, id);
        } else {
            for owner in self.members(room) {
                for sid in self.track_sids(owner, |_| true) {
                    self.unsubscribe(now, id, owner, &sid);
                }
            }
        }
    }

    /// `track_setting`: pauses without giving the section up.
    pub(super) fn pause_tracks(&mut self, id: ParticipantId, sids: &[String], paused: bool) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let room = participant.room;
        for sid in sids.iter().filter(|sid| sid.len() <= MAX_ID_BYTES) {
            if !paused {
                participant.choice.paused.remove(sid);
            } else if participant.choice.paused.len() < MAX_CHOICES {
                participant.choice.paused.insert(sid.clone());
            }
        }
        for owner in self.members(room) {
            let Some(owner) = self.participants.get_mut(&owner) else {
                continue;
            };
            for track in &mut owner.tracks {
                if sids.contains(&track.info.sid) {
                    for receiver in &mut track.receivers {
                        if receiver.participant == id {
                            receiver.paused = paused;
                        }
                    }
                }
            }
        }
    }

    fn mark_changed(&mut self, now: Instant, id: ParticipantId) {
        let leg = self.participants.get_mut(&id).and_then(|participant| participant.subscriber.as_mut());
        if let Some(leg) = leg
            && !leg.changed
        {
            leg.changed = true;
            self.timers.set(now + NEGOTIATION_BATCH, Timer::Negotiate(id));
        }
    }

    /// Sends an offer if something changed and none is on its way.
    pub(super) fn negotiate(&mut self, now: Instant, id: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let linked = participant.connection().is_some();
        let Some(leg) = &mut participant.subscriber else {
            return;
        };
        if leg.changed && linked && matches!(leg.negotiation, Negotiation::Idle) {
            self.offer(now, id, None);
        }
    }

    /// A resumed client gets an offer with new ICE credentials at once: it is back after 0.14 s
    /// instead of 3 s, and whatever its network has become, media finds the way.
    pub(super) fn restart_subscriber(&mut self, now: Instant, id: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let Some(leg) = &mut participant.subscriber else {
            return;
        };
        // Whether the client saw the last offer nobody knows; this one replaces it.
        leg.negotiation = Negotiation::Idle;
        let restart = leg.transport.is_started().then(|| {
            let credentials = self.names.ice_credentials(participant.detour.as_ref());
            let key = TransportKey { participant: id, leg: Leg::Subscriber };
            self.demux.expect(&credentials.ufrag, key);
            credentials
        });
        self.offer(now, id, restart);
    }

    fn offer(&mut self, now: Instant, id: ParticipantId, restart: Option<IceCreds>) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let Some(leg) = &mut participant.subscriber else {
            return;
        };
        leg.changed = false;
        leg.version += 1;
        leg.next_offer += 1;
        let (candidates, streams) = self.transport_config.announced(participant.detour.as_ref());
        let reach = Reachability {
            ice: restart.clone().unwrap_or_else(|| leg.local_ice.clone()),
            fingerprint: leg.transport.fingerprint(),
            candidates,
            streams,
        };
        let origin = Origin { session: leg.session, version: leg.version };
        let audio: Vec<Option<OfferedTrack>> = leg.sections.iter().map(offered).collect();
        let offer = SessionDescription {
            r#type: "offer".to_owned(),
            sdp: write_offer(&audio, &reach, origin),
            id: leg.next_offer,
            mid_to_track_id: mid_to_track_id(&audio),
        };
        leg.negotiation = Negotiation::Offered { id: leg.next_offer, at: now, sections: leg.sections.clone(), restart };
        self.timers.set(now + NEGOTIATION_TIMEOUT, Timer::Answer(id));
        self.signal(id, Message::Offer(offer));
    }

    pub(super) fn check_answer(&mut self, now: Instant, id: ParticipantId) {
        let Some(participant) = self.participants.get(&id) else {
            return;
        };
        let overdue = participant.subscriber.as_ref().is_some_and(
            |leg| matches!(leg.negotiation, Negotiation::Offered { at, .. } if at + NEGOTIATION_TIMEOUT <= now),
        );
        if overdue && participant.connection().is_some() {
            self.remove(now, id, DisconnectReason::MediaFailure);
        }
    }

    /// The client's answer: sections that were offered can be sent on, those that were given up
    /// are free.
    pub(super) fn handle_answer(&mut self, now: Instant, id: ParticipantId, message: &SessionDescription) {
        let Some(participant) = self.participants.get_mut(&id) else {
            return;
        };
        let Some(leg) = &mut participant.subscriber else {
            return;
        };
        let Negotiation::Offered { id: expected, sections, restart, .. } =
            std::mem::replace(&mut leg.negotiation, Negotiation::Idle)
        else {
            return;
        };
        // Python answers with id 0 always.
        if message.id != 0 && message.id != expected {
            leg.negotiation = Negotiation::Offered { id: expected, at: now, sections, restart };
            return;
        }
        let answer = match Description::parse(&message.sdp) {
            Ok(answer) => answer,
            Err(error) => {
                debug!(parent: &participant.span, %error, "answer refused");
                self.remove(now, id, DisconnectReason::StateMismatch);
                return;
            }
        };
        if leg.transport.is_started() {
            if let Some(local) = restart {
                leg.local_ice = local.clone();
                leg.transport.restart_ice(now, &self.transport_config, local, answer.ice, &mut self.outbox);
            }
        } else {
            // pion answers passive to a lite offer: then we start the handshake.
            let active = answer.setup == Setup::Passive;
            let (ice, fingerprint) = (answer.ice, answer.fingerprint);
            leg.transport.start(now, ice, fingerprint, active, &mut self.outbox);
        }
        if participant.state == State::Joining {
            participant.state = State::Joined;
        }
        free_retired(leg, &sections);
        self.open_receivers(id, &sections);
        self.negotiate(now, id);
    }

    fn open_receivers(&mut self, listener: ParticipantId, sections: &[SectionState]) {
        let Some(room) = self.participants.get(&listener).map(|p| p.room) else {
            return;
        };
        let known =
            |ssrc| sections.iter().any(|state| matches!(state, SectionState::Carrying(track) if track.ssrc == ssrc));
        for owner in self.members(room) {
            let Some(owner) = self.participants.get_mut(&owner) else {
                continue;
            };
            for track in &mut owner.tracks {
                for receiver in &mut track.receivers {
                    if receiver.participant == listener && known(receiver.ssrc) {
                        receiver.answered = true;
                    }
                }
            }
        }
    }

    /// Media is up. The primary connection makes the participant active.
    pub(super) fn media_connected(&mut self, _now: Instant, key: TransportKey) {
        let Some(participant) = self.participants.get_mut(&key.participant) else {
            return;
        };
        debug!(parent: &participant.span, leg = ?key.leg, "media up");
        if participant.is_primary(key.leg) && participant.state != State::Active {
            participant.state = State::Active;
            self.announce(key.participant);
        }
    }

    /// A peer connection is of no use any more: the client starts from scratch.
    pub(super) fn transport_failed(&mut self, now: Instant, key: TransportKey, reason: &str) {
        if let Some(participant) = self.participants.get(&key.participant) {
            debug!(parent: &participant.span, leg = ?key.leg, reason, "media failed");
            self.remove(now, key.participant, DisconnectReason::MediaFailure);
        }
    }
}

pub(super) fn transport_of(participant: &mut Participant, leg: Leg) -> Option<&mut Transport> {
    match leg {
        Leg::Publisher => Some(&mut participant.publisher.as_mut()?.transport),
        Leg::Subscriber => Some(&mut participant.subscriber.as_mut()?.transport),
    }
}

/// Puts a track into a free section, or into a new one at the end.
fn take_section(leg: &mut SubscriberLeg, reuses: bool, track: OfferedTrack) -> usize {
    let vacant = leg.sections.iter().position(|state| reuses && *state == SectionState::Vacant);
    let index = vacant.unwrap_or(leg.sections.len());
    match leg.sections.get_mut(index) {
        Some(state) => *state = SectionState::Carrying(track),
        None => leg.sections.push(SectionState::Carrying(track)),
    }
    index
}

/// What was offered as inactive and is still without a track can be used again.
fn free_retired(leg: &mut SubscriberLeg, answered: &[SectionState]) {
    for (state, answered) in leg.sections.iter_mut().zip(answered) {
        if *state == SectionState::Retiring && *answered == SectionState::Retiring {
            *state = SectionState::Vacant;
        }
    }
}

fn offered(state: &SectionState) -> Option<OfferedTrack> {
    match state {
        SectionState::Carrying(track) => Some(track.clone()),
        SectionState::Vacant | SectionState::Retiring => None,
    }
}

fn mid_to_track_id(audio: &[Option<OfferedTrack>]) -> HashMap<String, String> {
    audio
        .iter()
        .enumerate()
        .filter_map(|(index, track)| Some((audio_mid(index), track.as_ref()?.track_sid.clone())))
        .collect()
}
