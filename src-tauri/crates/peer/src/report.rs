//! The lines on stdout: one flat JSON object per event.

use std::{
    io::{self, Write},
    time::Instant,
};

use serambi_call::{CallStatistics, CallView, Levels, PassageWay, SpeakerStatistics, VoiceDelay};
use serambi_protocol::{
    PersonId, Refusal, RoomView, TopicChange,
    chat::{ChatEvent, ChatMessage, chat_in},
    reaction::{Reaction, reactions_in},
    view::PersonView,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The table for `--help`.
pub const HELP: &str = "\
Every line on stdout is one JSON object with \"event\", \"at_ms\" (since the start of the program) and:
  link              link                       how others come in (of a host, and when it changes)
  joined            room title role link       in the room
  role              role                       host, moderator, speaker or listener
  muted / unmuted                              the own microphone, as it really is
  microphone        open problem               a capture stream exists or not; a code or null
  stage             names                      who is on stage, in order
  audience          listeners                  how many listen
  hands             count names place          raised hands, for moderators; place: the own one
  connection        state [code udpPort tcpPort] connected, reconnecting, lost, sound_reconnecting, house_reconnecting,
                                               house_restarting, cannot_hear, nobody_hears or sound_impossible
  first_sound       ms                         first voice packet of somebody else; ms since asking to join
  at_door                                      the room is locked: asks to come in and waits (--knock)
  door              names                      who asks to come in, for moderators
  chat              id name text               somebody wrote; text: null if a moderator removed it. Those of
                                               before come first, after joining
  chat_gone         id by_moderator            a message was taken back, or removed by a moderator
  reaction          reaction count person      shown by the audience so often since the last time (person: null), or
                                               by somebody on stage
  called            by room title              somebody calls this person into another room of the house
  done / refused    action [code detail]       a step of --do, carried out or not
  problem           code detail                something went wrong by itself; it goes on
  statistics        once a second: first_sound_ms packets_sent bytes_sent packets_received resumes rejoins
                    passage (direct, gate, or null where there is none)
                    frames_overtaken frames_without_track (of the own voice, not sent)
                    own_level_dbfs loudest_dbfs speakers missing late concealed_ms buffered_ms
                    received_by listeners redundancy_level frame_ms channels (of the own voice) clock_error_ms
                    render_lead_ms starved_ms (of the loudspeaker)
                    playout (target_ms offset_ms shortened_ms lengthened_ms recovered mended, of each voice)
                    delays (person total_ms microphone_ms network_ms link_up_ms house_ms link_down_ms buffer_ms
                    loudspeaker_ms, of each voice)
  closed            reason                     left, ended, removed, lost, replaced or failed
  failed            code detail                why it did not work; the last line
And the notices of the room by their own name: hand_raised(name count) invited(by) your_turn invitation_cancelled
said_later(name) no_answer(name) stage_full on_stage joined_stage(name) hand_dismissed stage_offered turn_passed
muted_by(by) moved_to_audience you_are_moderator you_are_not_moderator you_are_host new_host(name)
at_the_door(name count).
\"on invited\" in --do also means your_turn.";

/// At 48 kHz.
const SAMPLES_PER_MS: u64 = 48;

/// Prints events.
pub struct Report {
    started_at: Instant,
}

impl Report {
    pub fn new(started_at: Instant) -> Self {
        Self { started_at }
    }

    /// Prints one event; a closed pipe is not an error, nobody reads any more.
    pub fn say(&self, event: &str, fields: Value) {
        let mut line = Map::new();
        line.insert("event".into(), event.into());
        line.insert("at_ms".into(), u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX).into());
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        let mut out = io::stdout().lock();
        if writeln!(out, "{}", Value::Object(line)).and_then(|()| out.flush()).is_err() {
            tracing::debug!("nobody reads stdout");
        }
    }

    pub fn say_refusal(&self, event: &str, refusal: &Refusal) {
        self.say(event, json!({ "code": refusal.code, "detail": refusal.detail }));
    }

    /// Once a second.
    pub fn say_statistics(&self, counted: &CallStatistics, levels: &Levels) {
        let sound = counted.sound.as_ref();
        let speakers = sound.map_or(&[][..], |sound| &sound.remote_voices);
        let received = counted.measured.voice_received;
        let loudest = levels.people.iter().map(|(_, level)| *level).reduce(f32::max);
        let missing: u64 = speakers.iter().map(|speaker| speaker.packets.missing).sum();
        let late: u64 = speakers.iter().map(|speaker| speaker.packets.late).sum();
        let concealed: u64 = speakers.iter().map(|speaker| speaker.packets.concealed_samples).sum();
        self.say(
            "statistics",
            json!({
                "first_sound_ms": counted.first_sound_ms,
                "packets_sent": counted.packets_sent,
                "bytes_sent": counted.bytes_sent,
                "frames_overtaken": counted.frames_overtaken,
                "frames_without_track": counted.frames_without_track,
                "packets_received": counted.packets_received,
                "resumes": counted.resumes,
                "rejoins": counted.rejoins,
                "passage": counted.passage.map(|way| match way {
                    PassageWay::Direct => "direct",
                    PassageWay::Gate => "gate",
                }),
                "own_level_dbfs": levels.own,
                "loudest_dbfs": loudest,
                "speakers": speakers.len(),
                "missing": missing,
                "late": late,
                "concealed_ms": concealed / SAMPLES_PER_MS,
                "received_by": received.map(|received| received.by),
                "listeners": received.map(|received| received.of),
                "delays": counted.measured.delays.iter().map(delay).collect::<Vec<_>>(),
                "clock_error_ms": counted.measured.clock_error_ms,
                "redundancy_level": sound.map(|sound| sound.voice.redundancy_level),
                "frame_ms": sound.map(|sound| sound.voice.frame_ms),
                "channels": sound.map(|sound| sound.voice.channels),
                "render_lead_ms": sound.map(|sound| sound.loudspeaker.render_lead_ms),
                "starved_ms": sound.map(|sound| sound.loudspeaker.starved_frames / SAMPLES_PER_MS),
                "playout": speakers.iter().map(playout).collect::<Vec<_>>(),
                "buffered_ms": speakers.iter().map(|speaker| speaker.buffered_ms).reduce(f32::max),
            }),
        );
    }
}

fn playout(speaker: &SpeakerStatistics) -> Value {
    json!({
        "target_ms": speaker.jitter_target_ms,
        "offset_ms": speaker.playout_offset_ms,
        "shortened_ms": speaker.shortened_samples / SAMPLES_PER_MS,
        "lengthened_ms": speaker.lengthened_samples / SAMPLES_PER_MS,
        "recovered": speaker.recovered,
        "mended": speaker.mended,
    })
}

fn delay(voice: &VoiceDelay) -> Value {
    let (parts, network) = (voice.parts, voice.parts.network);
    json!({
        "person": voice.person,
        "total_ms": voice.total_ms,
        "microphone_ms": parts.microphone_ms,
        "network_ms": parts.network_ms,
        "link_up_ms": network.map(|network| network.link_up_ms),
        "house_ms": network.map(|network| network.house_ms),
        "link_down_ms": network.map(|network| network.link_down_ms),
        "buffer_ms": parts.buffer_ms,
        "loudspeaker_ms": parts.loudspeaker_ms,
    })
}

/// The event's name and fields. Ours are `snake_case` throughout.
pub fn notice_line(notice: &impl Serialize) -> (String, Value) {
    let mut fields = match serde_json::to_value(notice) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let name = fields.remove("type");
    (snake_case(name.as_ref().and_then(Value::as_str).unwrap_or("notice")), Value::Object(fields))
}

/// The word for anything that serialises to one.
pub fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(snake_case)).unwrap_or_default()
}

fn snake_case(camel: &str) -> String {
    let mut snake = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// What is different between two views of a room, as events in a fixed order.
pub fn room_changes(was: &RoomView, is: &RoomView) -> Vec<(&'static str, Value)> {
    let mut lines = Vec::new();
    if was.you.role != is.you.role {
        lines.push(("role", json!({ "role": word(is.you.role) })));
    }
    let names = |people: &[PersonView]| -> Vec<String> { people.iter().map(|person| person.name.clone()).collect() };
    if names(&was.stage) != names(&is.stage) {
        lines.push(("stage", json!({ "names": names(&is.stage) })));
    }
    if was.counts.listeners != is.counts.listeners {
        lines.push(("audience", json!({ "listeners": is.counts.listeners })));
    }
    if was.hands != is.hands || was.you.place != is.you.place {
        let queue: Vec<&str> = is.hands.iter().map(|hand| hand.name.as_str()).collect();
        lines.push(("hands", json!({ "count": queue.len(), "names": queue, "place": is.you.place })));
    }
    if was.door != is.door {
        let names: Vec<&str> = is.door.iter().map(|knock| knock.name.as_str()).collect();
        lines.push(("door", json!({ "names": names })));
    }
    lines
}

/// What a change appends to a stream, as events.
pub fn stream_lines(change: &TopicChange) -> Vec<(&'static str, Value)> {
    let said =
        |message: &ChatMessage| ("chat", json!({ "id": message.id, "name": message.name, "text": message.text }));
    let shown = reactions_in(change).iter().flat_map(|reacted| {
        let line = |reaction: Reaction, count: u32, person: Option<PersonId>| {
            ("reaction", json!({ "reaction": word(reaction), "count": count, "person": person }))
        };
        let audience = reacted.audience.iter().map(move |shown| line(shown.reaction, shown.count, None));
        audience.chain(reacted.stage.iter().map(move |shown| line(shown.reaction, 1, Some(shown.person))))
    });
    let lines = chat_in(change).iter().flat_map(|event| match event {
        ChatEvent::Opened { messages } => messages.iter().map(said).collect(),
        ChatEvent::Said { message } => vec![said(message)],
        ChatEvent::TakenBack { id } => vec![("chat_gone", json!({ "id": id, "by_moderator": false }))],
        ChatEvent::Removed { id } => vec![("chat_gone", json!({ "id": id, "by_moderator": true }))],
        ChatEvent::Unknown => Vec::new(),
    });
    lines.chain(shown).collect()
}

/// What is different between two views of a call, as events in a fixed order.
pub fn call_changes(before: &CallView, after: &CallView) -> Vec<(&'static str, Value)> {
    let mut lines = Vec::new();
    let (was, is) = (before.microphone, after.microphone);
    if (was.open, was.problem) != (is.open, is.problem) {
        lines.push(("microphone", json!({ "open": is.open, "problem": is.problem })));
    }
    if was.muted != is.muted {
        lines.push((if is.muted { "muted" } else { "unmuted" }, json!({})));
    }
    if before.link != after.link {
        lines.push(("link", json!({ "link": after.link })));
    }
    if before.connection != after.connection {
        let (state, mut fields) = notice_line(&after.connection);
        fields["state"] = state.into();
        lines.push(("connection", fields));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serambi_protocol::Notice;

    #[test]
    fn a_notice_is_printed_under_its_own_name_with_flat_fields() {
        let (name, fields) = notice_line(&Notice::HandRaised { name: "Wei".into(), count: 2 });
        assert_eq!(name, "hand_raised");
        assert_eq!(fields, json!({ "name": "Wei", "count": 2 }));
        assert_eq!(notice_line(&Notice::YourTurn), ("your_turn".into(), json!({})));
    }

    #[test]
    fn every_notice_stands_in_the_help() {
        let name = || "x".to_owned();
        for notice in [
            Notice::HandRaised { name: name(), count: 1 },
            Notice::Invited { by: name() },
            Notice::YourTurn,
            Notice::InvitationCancelled,
            Notice::SaidLater { name: name() },
            Notice::NoAnswer { name: name() },
            Notice::StageFull,
            Notice::OnStage,
            Notice::JoinedStage { name: name() },
            Notice::HandDismissed,
            Notice::StageOffered,
            Notice::TurnPassed,
            Notice::MutedBy { by: name() },
            Notice::MovedToAudience,
            Notice::YouAreModerator,
            Notice::YouAreNotModerator,
            Notice::YouAreHost,
            Notice::NewHost { name: name() },
            Notice::AtTheDoor { name: name(), count: 1 },
        ] {
            assert!(HELP.contains(&notice_line(&notice).0), "{notice:?}");
        }
    }
}
