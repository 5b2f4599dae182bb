//! The stable error codes: what a program may match on and what the translations explain.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $status:literal;)+) => {
        /// Why something was refused or failed. The text form is stable; sentences live in the translations.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "types", derive(specta::Type))]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The stable text form, as it stands in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text),+ }
            }

            /// The HTTP status a house answers with (RFC 9110 section 15).
            pub const fn status(self) -> u16 {
                match self { $(Code::$name => $status),+ }
            }
        }
    };
}

codes! {
    /// The request could not be understood.
    BadRequest = "bad_request", 400;
    /// The name is empty.
    NameEmpty = "name_empty", 400;
    /// The name has more than [`crate::limits::NAME_CHARACTERS`] characters.
    NameTooLong = "name_too_long", 400;
    /// The name has control or direction-changing characters.
    NameUnreadable = "name_unreadable", 400;
    /// The title is too long.
    TitleTooLong = "title_too_long", 400;
    /// The title has control or direction-changing characters.
    TitleUnreadable = "title_unreadable", 400;
    /// The message is empty.
    MessageEmpty = "message_empty", 400;
    /// The message has more than [`crate::limits::MESSAGE_CHARACTERS`] characters.
    MessageTooLong = "message_too_long", 400;
    /// The message has control, invisible or direction-changing characters.
    MessageUnreadable = "message_unreadable", 400;
    /// The sign-in challenge is unknown or too old.
    ChallengeExpired = "challenge_expired", 401;
    /// The signature does not fit the key.
    SignatureWrong = "signature_wrong", 401;
    /// No session, or one that has ended: sign in again.
    SessionExpired = "session_expired", 401;
    /// A web page of another origin, or one by a name that only seems to be this computer's, may not use the house.
    OriginRefused = "origin_refused", 403;
    /// Not over a connection that others on the network can read: the house is to be asked over HTTPS.
    NotSecure = "not_secure", 403;
    /// This person may not do that.
    NotAllowed = "not_allowed", 403;
    /// Blocked from this room.
    Blocked = "blocked", 403;
    /// The room is locked: nobody new comes in.
    RoomLocked = "room_locked", 403;
    /// As many people are at the door as may wait there.
    DoorCrowded = "door_crowded", 429;
    /// Nobody asks to come in by that name (any more).
    NotAtDoor = "not_at_door", 404;
    /// That person cannot be called: not around, does not want to be called, or may not come in.
    NotCallable = "not_callable", 404;
    /// That person was called a moment ago.
    PingedRecently = "pinged_recently", 429;
    /// Removed from this room a moment ago.
    RemovedRecently = "removed_recently", 403;
    /// There is no such room here.
    RoomNotFound = "room_not_found", 404;
    /// The room has ended.
    RoomEnded = "room_ended", 410;
    /// The other person is not in the room.
    PersonNotHere = "person_not_here", 404;
    /// You are not in that room.
    NotInRoom = "not_in_room", 409;
    /// You are on stage in another room: leave it first.
    OnStageElsewhere = "on_stage_elsewhere", 409;
    /// Only somebody on stage can do that.
    NotOnStage = "not_on_stage", 409;
    /// Already on stage.
    AlreadyOnStage = "already_on_stage", 409;
    /// Hands are off right now.
    HandsOff = "hands_off", 409;
    /// Only people the speakers follow can raise a hand.
    HandsFollowedOnly = "hands_followed_only", 409;
    /// The hand was lowered by a moderator a moment ago.
    HandTooSoon = "hand_too_soon", 409;
    /// That hand is not up.
    HandNotUp = "hand_not_up", 409;
    /// There is no open invitation (it was cancelled, used or ran out).
    InvitationGone = "invitation_gone", 409;
    /// That person already has an invitation.
    AlreadyInvited = "already_invited", 409;
    /// That person said "maybe later" a moment ago.
    InviteTooSoon = "invite_too_soon", 409;
    /// The stage is full.
    StageFull = "stage_full", 409;
    /// The moderators are holding the stage: who is muted stays so.
    StageHeld = "stage_held", 409;
    /// The chat is off.
    ChatOff = "chat_off", 409;
    /// This person, or everybody together, writes faster than the chat takes.
    ChatTooFast = "chat_too_fast", 429;
    /// Reactions are off.
    ReactionsOff = "reactions_off", 409;
    /// This person reacted a moment ago.
    ReactedRecently = "reacted_recently", 429;
    /// That message is not there (any more).
    MessageGone = "message_gone", 404;
    /// The last one who can invite must hand over or end the room.
    LastModerator = "last_moderator", 409;
    /// This person holds as many rooms as one person may.
    TooManyRooms = "too_many_rooms", 409;
    /// Too many requests.
    RateLimited = "rate_limited", 429;
    /// The house does not answer.
    HouseUnreachable = "house_unreachable", 503;
    /// The house at that address has another certificate than the link says.
    HouseNotTheOne = "house_not_the_one", 495;
    /// The certificate there is not valid now: a clock is wrong, or it was not renewed.
    CertificateNotValidNow = "certificate_not_valid_now", 495;
    /// The gate does not answer.
    GateUnreachable = "gate_unreachable", 503;
    /// The gate at that address has another certificate than its link says.
    GateNotTheOne = "gate_not_the_one", 495;
    /// The gate does not let this house in: its token is unknown there.
    GateRefused = "gate_refused", 403;
    /// Nobody answers at the address outside.
    OutsideClosed = "outside_closed", 424;
    /// Somebody else than this house answers there.
    OutsideNotTheOne = "outside_not_the_one", 424;
    /// It is not the address from which the gate sees the house, so it goes there for nobody.
    OutsideElsewhere = "outside_elsewhere", 409;
    /// The connection to the house was lost for good.
    ConnectionLost = "connection_lost", 503;
    /// The media connection could not be made.
    MediaFailed = "media_failed", 503;
    /// The media token is not for this room.
    TokenWrongRoom = "token_wrong_room", 401;
    /// That is not a Serambi link.
    LinkWrong = "link_wrong", 400;
    /// No microphone on this computer.
    NoMicrophone = "no_microphone", 424;
    /// The system does not let this app use the microphone.
    MicrophoneRefused = "microphone_refused", 424;
    /// Another program holds the microphone.
    MicrophoneBusy = "microphone_busy", 424;
    /// The microphone failed for another reason.
    MicrophoneFailed = "microphone_failed", 424;
    /// No loudspeaker on this computer.
    NoLoudspeaker = "no_loudspeaker", 424;
    /// The loudspeaker failed for another reason.
    LoudspeakerFailed = "loudspeaker_failed", 424;
    /// The browser plays no sound before something was pressed in the page.
    SoundBlocked = "sound_blocked", 424;
    /// Every port tried is taken.
    PortTaken = "port_taken", 500;
    /// The system does not let this program listen on a port that low.
    PortNotAllowed = "port_not_allowed", 500;
    /// That is not a name for which a certificate can be had.
    DomainWrong = "domain_wrong", 400;
    /// The authority that signs certificates (ACME) does not answer.
    AcmeUnreachable = "acme_unreachable", 503;
    /// That authority could not confirm that the domain leads to this house.
    AcmeChallengeRefused = "acme_challenge_refused", 424;
    /// That authority was asked too often.
    AcmeRateLimited = "acme_rate_limited", 429;
    /// That authority signs no certificate for another reason.
    AcmeRefused = "acme_refused", 424;
    /// This profile is already open in another window.
    ProfileInUse = "profile_in_use", 409;
    /// The profile folder cannot be read or written.
    ProfileBroken = "profile_broken", 500;
    /// That is not a key combination that can be used from anywhere.
    ShortcutWrong = "shortcut_wrong", 400;
    /// Another program has this key combination, or the system does not give it away.
    ShortcutTaken = "shortcut_taken", 409;
    /// The system does not let the app start by itself.
    AutostartFailed = "autostart_failed", 424;
    /// Not joined to any room.
    NoCall = "no_call", 409;
    /// More at once than can be worked off; try again.
    Busy = "busy", 503;
    /// The house's disk is full or cannot be written: nothing was changed.
    StorageFailed = "storage_failed", 507;
    /// Something that should not happen; the log has more.
    Internal = "internal", 500;
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A code with a detail for whoever reads the log; what crosses HTTP and IPC when something is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Refusal {
    /// What to match on and translate.
    pub code: Code,
    /// In English, for a log; never shown as the explanation, never holds a secret.
    pub detail: String,
    /// The same may succeed in this many milliseconds; none: that is not known.
    #[serde(default)]
    #[cfg_attr(feature = "types", specta(type = Option<u32>))]
    pub again_in_ms: Option<u64>,
}

impl Refusal {
    /// A refusal with a detail for the log.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), again_in_ms: None }
    }

    /// The same refusal, with when to try again.
    pub fn again_in_ms(self, ms: u64) -> Self {
        Self { again_in_ms: Some(ms), ..self }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, detail: String::new(), again_in_ms: None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_code_reads_in_json_as_it_reads_in_text_and_no_two_are_alike() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert!((400..600).contains(&code.status()));
        }
    }
}
