//! Who is in the media room and which tracks are whose, as the server tells it.

use std::collections::{HashMap, HashSet};

use livekit_protocol::{ParticipantInfo, TrackType, participant_info::State};

#[derive(Debug, Default)]
struct Participant {
    identity: String,
    /// Grows with each change; an older record that comes late is ignored.
    version: u32,
    audio: HashSet<String>,
}

/// Everybody else, by participant sid.
#[derive(Debug, Default)]
pub(super) struct Roster {
    participants: HashMap<String, Participant>,
}

impl Roster {
    /// Takes in what the server says; returns the audio tracks that no longer exist.
    pub(super) fn update(&mut self, infos: &[ParticipantInfo]) -> Vec<String> {
        infos.iter().flat_map(|info| self.update_one(info)).collect()
    }

    fn update_one(&mut self, info: &ParticipantInfo) -> Vec<String> {
        if info.state == State::Disconnected as i32 {
            return self.participants.remove(&info.sid).map_or_else(Vec::new, |gone| gone.audio.into_iter().collect());
        }
        let participant = self.participants.entry(info.sid.clone()).or_default();
        if info.version < participant.version {
            return Vec::new();
        }
        let audio: HashSet<String> = info
            .tracks
            .iter()
            .filter(|track| track.r#type == TrackType::Audio as i32)
            .map(|track| track.sid.clone())
            .collect();
        let ended = participant.audio.difference(&audio).cloned().collect();
        *participant = Participant { identity: info.identity.clone(), version: info.version, audio };
        ended
    }

    /// Whose track is it? `stream` is LiveKit's stream id `PA_…|TR_…`, for a track that was not announced yet.
    pub(super) fn owner(&self, track: &str, stream: &str) -> Option<&str> {
        let by_track = self.participants.values().find(|participant| participant.audio.contains(track));
        let by_stream = || stream.split('|').next().and_then(|sid| self.participants.get(sid));
        by_track.or_else(by_stream).map(|participant| participant.identity.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit_protocol::TrackInfo;

    fn person(sid: &str, version: u32, tracks: &[&str]) -> ParticipantInfo {
        ParticipantInfo {
            sid: sid.into(),
            identity: format!("identity of {sid}"),
            version,
            state: State::Active as i32,
            tracks: tracks
                .iter()
                .map(|sid| TrackInfo { sid: (*sid).into(), r#type: TrackType::Audio as i32, ..Default::default() })
                .collect(),
            ..Default::default()
        }
    }

    #[test]
    fn a_track_has_an_owner_until_it_is_unpublished() {
        let mut roster = Roster::default();
        assert!(roster.update(&[person("PA_a", 1, &["TR_1"])]).is_empty());
        assert_eq!(roster.owner("TR_1", ""), Some("identity of PA_a"));
        assert_eq!(roster.update(&[person("PA_a", 2, &[])]), ["TR_1"]);
        assert_eq!(roster.owner("TR_1", ""), None);
        assert_eq!(roster.owner("TR_2", "PA_a|TR_2"), Some("identity of PA_a"));
    }

    #[test]
    fn an_old_record_that_comes_late_changes_nothing() {
        let mut roster = Roster::default();
        roster.update(&[person("PA_a", 5, &["TR_1"])]);
        assert!(roster.update(&[person("PA_a", 4, &[])]).is_empty());
        assert!(roster.owner("TR_1", "").is_some());
    }

    #[test]
    fn whoever_leaves_takes_the_tracks_along() {
        let mut roster = Roster::default();
        roster.update(&[person("PA_a", 1, &["TR_1"]), person("PA_b", 1, &["TR_2"])]);
        let gone = ParticipantInfo { state: State::Disconnected as i32, ..person("PA_a", 2, &[]) };
        assert_eq!(roster.update(&[gone]), ["TR_1"]);
        assert!(roster.owner("TR_2", "").is_some());
    }
}
