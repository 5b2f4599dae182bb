//! The bodies of `/api/v1`: one struct per question and per answer.

use serde::{Deserialize, Serialize};

use crate::{
    door::Called,
    event::Envelope,
    id::{PersonId, RoomId},
    measurement::{CaptureMark, HouseTime, ListenerReport, VoiceMark, VoiceReception},
    view::RoomView,
};

/// `GET /api/v1/house`: anybody may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HouseInfo {
    /// Fingerprint of the house's certificate: SHA-256, base64url without padding, 43 characters.
    pub pin: String,
    /// The house's name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// What this house can do that not every house can. A client asks for nothing that is not in it.
    #[serde(default)]
    pub features: Vec<String>,
    /// How many rooms are open.
    pub rooms: u32,
    /// The name for which guests are shown a certificate of the public web; none: they are shown the house's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// What can be seen of a room before joining it (`GET /api/v1/rooms`, `GET /api/v1/rooms/{room}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomCard {
    /// Which room.
    pub id: RoomId,
    /// Its title; empty: shown as "{host}'s room".
    pub title: String,
    /// The host's display name.
    pub host: String,
    /// Those on stage, in stage order.
    pub stage: Vec<CardPerson>,
    /// How many listen.
    pub listeners: u32,
    /// Nobody new comes in.
    #[serde(default)]
    pub locked: bool,
}

/// A face on a room card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CardPerson {
    /// Who: gives the face its colour.
    pub id: PersonId,
    /// Their display name.
    pub name: String,
}

/// `POST /api/v1/challenge`: the first half of signing in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChallengeAsked {
    /// Who wants to sign in.
    pub person: PersonId,
}

/// Something to sign, once, soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Challenge {
    /// 32 random bytes, base64url without padding.
    pub challenge: String,
    /// The house's fingerprint as the house knows it. A client signs the one it has *checked*.
    pub pin: String,
}

/// `POST /api/v1/session`: the second half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignIn {
    /// Who.
    pub person: PersonId,
    /// The challenge being answered.
    pub challenge: String,
    /// Ed25519 over [`crate::sign_in::bytes_to_sign`], base64url without padding.
    pub signature: String,
    /// The display name to use from now on.
    pub name: String,
}

/// A session: its key goes into `Authorization: Bearer` of everything that follows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// A secret.
    pub session: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session(…)")
    }
}

/// `POST /api/v1/keeper`: become a keeper of the house.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TakeKeys {
    /// The code of a keeper's link. A secret.
    pub code: String,
}

impl std::fmt::Debug for TakeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TakeKeys(…)")
    }
}

/// `POST /api/v1/rooms`: start a room and be its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartRoom {
    /// May be empty.
    #[serde(default)]
    pub title: String,
    /// Leave another room in which you are on stage.
    #[serde(default)]
    pub leave_other: bool,
}

/// `POST /api/v1/rooms/{room}/join`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinRoom {
    /// Leave another room in which you are on stage.
    #[serde(default)]
    pub leave_other: bool,
}

/// Where to send and get the sound. Given with each join, and again after a loss.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MediaGrant {
    /// Base address of a LiveKit server (`ws://` or `wss://`); nothing: the house itself, same host and port.
    pub url: Option<String>,
    /// A LiveKit access token. A secret.
    pub token: String,
}

impl std::fmt::Debug for MediaGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaGrant").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The answer to starting and to joining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Joined {
    /// The room as you see it.
    pub view: RoomView,
    /// Events after this number are news.
    pub seq: u64,
    /// Where the sound is.
    pub media: MediaGrant,
}

/// What a client may send on its channel. Wishes go over HTTP; here is only that it is alive, and what it measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ChannelSay {
    /// Still here.
    Ping {
        /// The client's own clock, whatever it counts; comes back with the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent_micros: Option<i64>,
    },
    /// Whether this person wants to be called into other rooms from now on. Not, before it is said.
    Callable {
        /// Yes.
        callable: bool,
    },
    /// What was heard of everybody.
    Heard(ListenerReport),
    /// When the own voice was made.
    Captured {
        /// In which room it is heard.
        room: RoomId,
        /// One of its latest packets.
        mark: CaptureMark,
    },
}

/// What a house sends on a client's channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ChannelTell {
    /// Answer to [`ChannelSay::Ping`].
    Pong {
        /// What came with the ping.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent_micros: Option<i64>,
        /// The house's clock as it answered; a house that does not say takes no measurements either.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        house_time: Option<HouseTime>,
    },
    /// News.
    Event(Envelope),
    /// What the listeners of your voice receive of it.
    Received {
        /// Which room.
        room: RoomId,
        /// All of them together.
        reception: VoiceReception,
    },
    /// When the voices in a room were made.
    Marks {
        /// Which room.
        room: RoomId,
        /// The newest of each speaker, those that were passed on before left out.
        marks: Vec<VoiceMark>,
    },
    /// Somebody wants this person in a room.
    Called(Box<Called>),
    /// Where the house is reached from now on: told first of all, and whenever it is news. A client that loses the
    /// house looks for it there, and links that are given away name these.
    Addresses {
        /// `host:port` each, as in a link, the likeliest first.
        addresses: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::measurement::{HousePassage, VoiceHeard, VoiceLoss};

    /// The channel as it was before houses showed their clocks.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type", rename_all = "camelCase")]
    enum Older {
        Ping,
        Pong,
    }

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn older_houses_and_clients_understand_pings_with_clocks_and_the_other_way_round() {
        assert_eq!(read::<Older>(&json(&ChannelSay::Ping { sent_micros: Some(7) })), Older::Ping);
        let pong = ChannelTell::Pong { sent_micros: Some(7), house_time: Some(HouseTime(9)) };
        assert_eq!(read::<Older>(&json(&pong)), Older::Pong);
        assert_eq!(read::<ChannelSay>(&json(&Older::Ping)), ChannelSay::Ping { sent_micros: None });
        assert_eq!(read::<ChannelTell>(&json(&Older::Pong)), ChannelTell::Pong { sent_micros: None, house_time: None });
    }

    #[test]
    fn measurements_stand_on_the_wire_as_they_are_described() {
        let (room, person) = (RoomId::from_random([1; 10]), PersonId::from_key(&[1; 32]));
        let voices = vec![VoiceHeard { person, packets: 150, loss: 0.25, mean_burst: 1.5 }];
        let said = json(&ChannelSay::Heard(ListenerReport { room, voices }));
        let golden = concat!(
            r#"{"type":"heard","room":"3333333333","voices":"#,
            r#"[{"person":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","packets":150,"loss":0.25,"meanBurst":1.5}]}"#
        );
        assert_eq!(said, golden);
        let loss = Some(VoiceLoss { least: 0.0, worst: 0.25, mean_burst: 1.5 });
        let reception = VoiceReception { listeners: 3, received_by: 2, loss };
        let told = json(&ChannelTell::Received { room, reception });
        let golden = concat!(
            r#"{"type":"received","room":"3333333333","reception":"#,
            r#"{"listeners":3,"receivedBy":2,"loss":{"least":0.0,"worst":0.25,"meanBurst":1.5}}}"#
        );
        assert_eq!(told, golden);

        let mark = CaptureMark { timestamp: 960, captured: HouseTime(1_000), sent: HouseTime(31_000) };
        let said = json(&ChannelSay::Captured { room, mark });
        let golden = r#"{"type":"captured","room":"3333333333","mark":{"timestamp":960,"captured":1000,"sent":31000}}"#;
        assert_eq!(said, golden);
        let passage = Some(HousePassage { arrived: HouseTime(35_000), forwarded: HouseTime(35_100) });
        let told = json(&ChannelTell::Marks { room, marks: vec![VoiceMark { person, mark, passage }] });
        let golden = concat!(
            r#"{"type":"marks","room":"3333333333","marks":[{"person":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","#,
            r#""mark":{"timestamp":960,"captured":1000,"sent":31000},"passage":{"arrived":35000,"forwarded":35100}}]}"#
        );
        assert_eq!(told, golden);
    }
}
