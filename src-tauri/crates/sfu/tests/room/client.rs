//! A client of the protocol with two peer connections, on `str0m`'s own SDP interface: another
//! reader and writer of descriptions than the server's.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Instant;

use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;
use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, DataPacket, ParticipantInfo, ParticipantPermission, SessionDescription,
    TrackSource, TrackType,
};
use prost::Message as _;
use serambi_sfu::core::ConnectionId;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::simulation::Guest;

/// A packet as it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub track: String,
    pub sequence: u64,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

/// One peer connection of a client, with its own socket.
struct Peer {
    rtc: Rtc,
    address: SocketAddr,
    deadline: Instant,
    connected: bool,
    channels: HashMap<String, ChannelId>,
}

pub struct Client {
    pub guest: Guest,
    pub connection: Option<ConnectionId>,
    pub sid: String,
    /// Everything the server said, except descriptions.
    pub messages: Vec<Response>,
    pub tokens: Vec<ParticipantPermission>,
    /// When the pass was issued that the last token prolongs.
    pub token_issued: i64,
    pub heard: Vec<Heard>,
    pub data: Vec<DataPacket>,
    /// Sid of the last track the server confirmed.
    pub published: Option<String>,
    pub offers: Vec<String>,
    /// What is said of the microphone when it is published.
    pub audio_features: Vec<AudioTrackFeature>,
    pub answers: Vec<String>,
    /// Present people and their last record.
    pub people: HashMap<String, ParticipantInfo>,
    /// Offer a camera too.
    pub with_video: bool,
    /// Take the answer's word for yes where it says no.
    pub defiant: bool,
    /// Offer without naming SSRCs.
    pub nameless: bool,
    /// Do not answer offers.
    pub mute_signalling: bool,
    /// Takes no notice of what the server says.
    pub deaf: bool,
    /// Nothing that it sends arrives.
    pub unplugged: bool,
    publisher: Peer,
    subscriber: Peer,
    pending: Option<SdpPendingOffer>,
    microphone: Option<Mid>,
    frames: u64,
    /// Track by SSRC, from the offers.
    tracks: HashMap<u32, String>,
    transmits: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Client {
    pub fn new(guest: Guest, connection: ConnectionId, now: Instant) -> Self {
        let base = 20_000 + 10 * u16::try_from(guest.0).unwrap();
        Self {
            guest,
            connection: Some(connection),
            sid: String::new(),
            messages: Vec::new(),
            tokens: Vec::new(),
            token_issued: 0,
            heard: Vec::new(),
            data: Vec::new(),
            published: None,
            offers: Vec::new(),
            audio_features: Vec::new(),
            answers: Vec::new(),
            people: HashMap::new(),
            with_video: false,
            defiant: false,
            nameless: false,
            mute_signalling: false,
            deaf: false,
            unplugged: false,
            publisher: Peer::new(base, now),
            subscriber: Peer::new(base + 1, now),
            pending: None,
            microphone: None,
            frames: 0,
            tracks: HashMap::new(),
            transmits: Vec::new(),
        }
    }

    pub fn is_up(&self) -> bool {
        self.subscriber.connected && self.subscriber.channels.len() == 3
    }

    pub fn may_send(&self) -> bool {
        self.publisher.connected && self.pending.is_none()
    }

    /// Where its two sockets are.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        [self.publisher.address, self.subscriber.address]
    }

    pub fn owns(&self, address: SocketAddr) -> bool {
        self.addresses().contains(&address)
    }

    /// Where this client sends its sound from.
    pub fn publisher_address(&self) -> SocketAddr {
        self.publisher.address
    }

    /// The network gives the client other ports.
    pub fn move_to(&mut self, first_port: u16) {
        for (peer, port) in [(&mut self.publisher, first_port), (&mut self.subscriber, first_port + 1)] {
            peer.address.set_port(port);
            let candidate = Candidate::host(peer.address, "udp").unwrap();
            peer.rtc.add_local_candidate(candidate);
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        Some(self.publisher.deadline.min(self.subscriber.deadline))
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for leg in [0, 1] {
            self.peer(leg).rtc.handle_input(Input::Timeout(now)).unwrap();
            self.drain(now, leg);
        }
    }

    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let leg = usize::from(to == self.subscriber.address);
        let Ok(receive) = Receive::new(Protocol::Udp, from, to, bytes) else {
            return;
        };
        // A client survives what a network brings.
        let _ = self.peer(leg).rtc.handle_input(Input::Receive(now, receive));
        self.drain(now, leg);
    }

    /// Takes a message of the server; gives what a client says to it.
    pub fn handle_message(&mut self, now: Instant, message: Response) -> Option<Request> {
        if self.deaf {
            return None;
        }
        match message {
            Response::Offer(offer) => return self.answer(now, &offer),
            Response::Answer(answer) => self.take_answer(now, &answer),
            Response::Join(join) => {
                self.sid = join.participant.clone().unwrap().sid;
                for info in &join.other_participants {
                    self.people.insert(info.identity.clone(), info.clone());
                }
                self.messages.push(Response::Join(join));
            }
            Response::Update(update) => {
                for info in &update.participants {
                    if info.state == livekit_protocol::participant_info::State::Disconnected as i32 {
                        self.people.remove(&info.identity);
                    } else {
                        self.people.insert(info.identity.clone(), info.clone());
                    }
                }
                self.messages.push(Response::Update(update));
            }
            Response::TrackPublished(published) => {
                self.published = Some(published.track.clone().unwrap().sid);
                self.messages.push(Response::TrackPublished(published));
            }
            other => self.messages.push(other),
        }
        None
    }

    /// `add_track`, then an offer.
    pub fn publish_microphone(&mut self, now: Instant) -> Vec<Request> {
        let cid = format!("cid{}-{}", self.guest.0, self.messages.len());
        self.published = None;
        let add = AddTrackRequest {
            cid: cid.clone(),
            r#type: TrackType::Audio as i32,
            source: TrackSource::Microphone as i32,
            audio_features: self.audio_features.iter().map(|feature| *feature as i32).collect(),
            ..AddTrackRequest::default()
        };
        let with_video = self.with_video;
        let first = self.publisher.channels.is_empty() && !self.publisher.connected;
        let mut changes = self.publisher.rtc.sdp_api();
        if first {
            for label in ["_lossy", "_reliable", "_data_track"] {
                changes.add_channel(label.to_owned());
            }
        }
        if with_video {
            changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        }
        let mid = changes.add_media(MediaKind::Audio, Direction::SendOnly, None, Some(cid), None);
        let (offer, pending) = changes.apply().unwrap();
        self.microphone = Some(mid);
        self.pending = Some(pending);
        self.drain(now, 0);
        vec![Request::AddTrack(add), self.offer_message(&offer.to_sdp_string())]
    }

    /// An offer in which the microphone has gone.
    pub fn stop_microphone(&mut self, now: Instant) -> Request {
        let mid = self.microphone.take().unwrap();
        let mut changes = self.publisher.rtc.sdp_api();
        changes.set_direction(mid, Direction::Inactive);
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        self.drain(now, 0);
        self.offer_message(&offer.to_sdp_string())
    }

    /// An offer with new ICE credentials, as resumed clients send it.
    pub fn restart_publisher(&mut self, now: Instant) -> Request {
        let mut changes = self.publisher.rtc.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        self.drain(now, 0);
        self.offer_message(&offer.to_sdp_string())
    }

    /// Sends one packet, each with a payload of its own.
    pub fn send_frame(&mut self, now: Instant) -> Vec<u8> {
        let payload = [b"opus ".as_slice(), &self.guest.0.to_be_bytes(), &(self.frames + 1).to_be_bytes()].concat();
        self.send_packet(now, &payload);
        payload
    }

    /// Sends one packet without sound.
    pub fn send_padding(&mut self, now: Instant) {
        self.send_packet(now, &[]);
    }

    /// The next packet is `frames` further on, as if that many had been lost.
    pub fn skip_frames(&mut self, frames: u64) {
        self.frames += frames;
    }

    fn send_packet(&mut self, now: Instant, payload: &[u8]) {
        self.frames += 1;
        let mid = self.microphone.unwrap();
        let frames = self.frames;
        let mut direct = self.publisher.rtc.direct_api();
        if let Some(stream) = direct.stream_tx_by_mid(mid, None) {
            let timestamp = 7_000 + u32::try_from(frames).unwrap() * 960;
            let pt = Pt::new_with_value(111);
            stream.write_rtp(RtpWrite::new(pt, (500 + frames).into(), timestamp, now, payload));
        }
        self.publisher.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain(now, 0);
    }

    pub fn send_data(&mut self, now: Instant, label: &str, packet: &DataPacket) {
        self.send_bytes(now, label, &packet.encode_to_vec());
    }

    pub fn send_bytes(&mut self, now: Instant, label: &str, bytes: &[u8]) {
        let id = self.publisher.channels[label];
        assert!(self.publisher.rtc.channel(id).unwrap().write(true, bytes).unwrap());
        self.publisher.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain(now, 0);
    }

    pub fn data_ready(&self) -> bool {
        self.publisher.channels.len() == 3
    }

    pub fn take_transmits(&mut self) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        std::mem::take(&mut self.transmits)
    }

    /// Payloads heard of one track.
    pub fn heard_of(&self, track: &str) -> Vec<Vec<u8>> {
        self.heard.iter().filter(|heard| heard.track == track).map(|heard| heard.payload.clone()).collect()
    }

    /// Tracks the last offer carries.
    pub fn offered_tracks(&self) -> HashSet<String> {
        let offer = self.offers.last().unwrap();
        offer
            .lines()
            .filter_map(|line| line.strip_prefix("a=msid:"))
            .filter_map(|msid| msid.split(' ').nth(1))
            .map(str::to_owned)
            .collect()
    }

    pub fn position(&self, is_it: impl Fn(&Response) -> bool) -> Option<usize> {
        self.messages.iter().position(is_it)
    }

    fn answer(&mut self, now: Instant, offer: &SessionDescription) -> Option<Request> {
        self.offers.push(offer.sdp.clone());
        if self.mute_signalling {
            return None;
        }
        for line in offer.sdp.lines() {
            if let Some((ssrc, msid)) = line.strip_prefix("a=ssrc:").and_then(|rest| rest.split_once(" msid:")) {
                let track = msid.split(' ').nth(1).unwrap();
                self.tracks.insert(ssrc.parse().unwrap(), track.to_owned());
            }
        }
        let parsed = SdpOffer::from_sdp_string(&offer.sdp).unwrap();
        let answer = self.subscriber.rtc.sdp_api().accept_offer(parsed).unwrap();
        self.drain(now, 1);
        Some(Request::Answer(SessionDescription {
            r#type: "answer".into(),
            sdp: answer.to_sdp_string(),
            id: offer.id,
            ..SessionDescription::default()
        }))
    }

    fn take_answer(&mut self, now: Instant, answer: &SessionDescription) {
        self.answers.push(answer.sdp.clone());
        let mut text = answer.sdp.clone();
        if self.defiant {
            text = text.replace("a=inactive", "a=recvonly");
        }
        let parsed = SdpAnswer::from_sdp_string(&text).unwrap();
        let pending = self.pending.take().unwrap();
        self.publisher.rtc.sdp_api().accept_answer(pending, parsed).unwrap();
        self.drain(now, 0);
    }

    fn offer_message(&self, sdp: &str) -> Request {
        let keep = |line: &&str| !(self.nameless && line.starts_with("a=ssrc"));
        let lines: String = sdp.lines().filter(keep).map(|line| format!("{line}\r\n")).collect();
        Request::Offer(SessionDescription {
            r#type: "offer".into(),
            sdp: lines,
            id: 1,
            ..SessionDescription::default()
        })
    }

    fn peer(&mut self, leg: usize) -> &mut Peer {
        if leg == 0 { &mut self.publisher } else { &mut self.subscriber }
    }

    fn drain(&mut self, now: Instant, leg: usize) {
        loop {
            let Ok(output) = self.peer(leg).rtc.poll_output() else {
                // The server has closed while channels were still opening.
                self.peer(leg).rtc.disconnect();
                continue;
            };
            match output {
                Output::Timeout(deadline) => {
                    let soonest = now + std::time::Duration::from_millis(1);
                    self.peer(leg).deadline = deadline.max(soonest);
                    return;
                }
                Output::Transmit(transmit) => {
                    self.transmits.push((transmit.source, transmit.destination, transmit.contents.to_vec()));
                }
                Output::Event(event) => self.handle_event(leg, event),
            }
        }
    }

    fn handle_event(&mut self, leg: usize, event: Event) {
        match event {
            Event::Connected => self.peer(leg).connected = true,
            Event::ChannelOpen(id, label) => {
                self.peer(leg).channels.insert(label, id);
            }
            Event::ChannelData(data) => self.data.push(DataPacket::decode(data.data.as_slice()).unwrap()),
            Event::RtpPacket(packet) => {
                let track = self.tracks.get(&*packet.header.ssrc).cloned().unwrap_or_default();
                self.heard.push(Heard {
                    track,
                    sequence: *packet.seq_no,
                    timestamp: packet.header.timestamp,
                    payload: packet.payload.to_vec(),
                });
            }
            _ => {}
        }
    }
}

impl Peer {
    fn new(port: u16, now: Instant) -> Self {
        let address = SocketAddr::from(([10, 0, 1, 1], port));
        let mut rtc =
            RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false).enable_vp8(true).build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        Self { rtc, address, deadline: now, connected: false, channels: HashMap::new() }
    }
}
