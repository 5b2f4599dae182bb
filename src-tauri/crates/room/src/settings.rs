//! The numbers a house may choose for its rooms.

use serambi_protocol::limits;
use serde::{Deserialize, Serialize};

/// How long things last in a room and how many people fit on its stage. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// People on stage at once, host included; at least one fits whatever stands here.
    pub stage_limit: usize,
    /// How long an invitation that answers a raised hand stays open.
    pub turn_invitation_ms: u64,
    /// How long an unasked invitation stays open.
    pub invitation_ms: u64,
    /// After "Maybe later" the same person cannot be invited again for this long. Moderators see "Maybe later" and
    /// "No answer" for as long.
    pub invite_again_ms: u64,
    /// After a dismissal the hand cannot be raised again for this long.
    pub hand_again_ms: u64,
    /// Moderators get at most one cue about raised hands in this long.
    pub hand_cue_ms: u64,
    /// A person of whom nothing was heard for this long has a weak connection.
    pub weak_ms: u64,
    /// A person of whom nothing was heard for this long is away, or without sound.
    pub away_ms: u64,
    /// A lost connection keeps seat, role and hand for this long.
    pub seat_kept_ms: u64,
    /// A host who dropped out or left without handing over is host again within this long.
    pub host_return_ms: u64,
    /// Whoever was removed without a block cannot come back for this long.
    pub removed_ms: u64,
    /// Whoever was inside so shortly ago comes into a locked room all the same.
    pub lock_return_ms: u64,
    /// One person can be called in once in this long.
    pub ping_again_ms: u64,
    /// A moderator's call opens the lock for this long, once.
    pub ping_admits_ms: u64,
    /// Whoever was let in at the door can come in for this long.
    pub let_in_ms: u64,
    /// Moderators are told of the same person at the door once in this long; so long "not now" holds.
    pub knock_again_ms: u64,
    /// Whoever waits at the door and has not said so for this long waits no longer.
    pub knock_kept_ms: u64,
    /// With nobody on stage, the listener who has been there longest is asked to run the room after this long.
    pub stage_offer_ms: u64,
    /// With nobody on stage the room waits this long for somebody to come back.
    pub empty_stage_ms: u64,
    /// With nobody in it at all the room ends after this long.
    pub empty_room_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stage_limit: limits::STAGE_PEOPLE,
            turn_invitation_ms: limits::TURN_INVITATION_MS,
            invitation_ms: limits::INVITATION_MS,
            invite_again_ms: limits::INVITE_AGAIN_MS,
            hand_again_ms: limits::HAND_AGAIN_MS,
            hand_cue_ms: limits::HAND_CUE_MS,
            weak_ms: limits::WEAK_MS,
            away_ms: limits::AWAY_MS,
            seat_kept_ms: limits::SEAT_KEPT_MS,
            host_return_ms: limits::HOST_RETURN_MS,
            removed_ms: limits::REMOVED_MS,
            lock_return_ms: limits::LOCK_RETURN_MS,
            ping_again_ms: limits::PING_AGAIN_MS,
            ping_admits_ms: limits::PING_ADMITS_MS,
            let_in_ms: limits::LET_IN_MS,
            knock_again_ms: limits::KNOCK_AGAIN_MS,
            knock_kept_ms: limits::KNOCK_KEPT_MS,
            stage_offer_ms: limits::STAGE_OFFER_MS,
            empty_stage_ms: limits::EMPTY_STAGE_MS,
            empty_room_ms: limits::EMPTY_ROOM_MS,
        }
    }
}
