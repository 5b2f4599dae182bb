//! Every number a house and a client must agree on, with its unit in its name.

use std::net::{Ipv4Addr, SocketAddrV4};

/// A display name, in characters (room-wide lists stay readable; LiveKit itself allows 256).
pub const NAME_CHARACTERS: usize = 64;
/// Combining marks in a row in a name or a title: more climb over the lines above and below.
pub const MAX_COMBINING_MARKS: usize = 3;
/// A room title, in characters; empty is allowed.
pub const TITLE_CHARACTERS: usize = 100;
/// People on stage at once, host included.
pub const STAGE_PEOPLE: usize = 12;
/// Listeners listed by name in a view; the rest are only counted.
pub const AUDIENCE_LISTED: usize = 200;
/// How long an invitation that answers a raised hand stays open.
pub const TURN_INVITATION_MS: u64 = 60_000;
/// How long an unasked invitation stays open.
pub const INVITATION_MS: u64 = 5 * 60_000;
/// After "Maybe later" the same person cannot be invited again for this long.
pub const INVITE_AGAIN_MS: u64 = 60_000;
/// After a dismissal the hand cannot be raised again for this long.
pub const HAND_AGAIN_MS: u64 = 30_000;
/// Moderators get at most one cue about raised hands in this long, however many go up.
pub const HAND_CUE_MS: u64 = 3_000;
/// A person of whom nothing was heard for this long has a weak connection.
pub const WEAK_MS: u64 = 4_000;
/// A person of whom nothing was heard for this long is away (or, if only the sound is silent, without sound).
pub const AWAY_MS: u64 = 10_000;
/// A lost connection keeps seat, role and hand for this long.
pub const SEAT_KEPT_MS: u64 = 60_000;
/// A host who dropped out or left without handing over is host again within this long.
pub const HOST_RETURN_MS: u64 = 10 * 60_000;
/// Whoever was removed without a block cannot come back for this long.
pub const REMOVED_MS: u64 = 5 * 60_000;
/// Whoever was inside so shortly ago comes into a locked room all the same.
pub const LOCK_RETURN_MS: u64 = 2 * 60_000;
/// One person can be called into one room once in this long.
pub const PING_AGAIN_MS: u64 = 10 * 60_000;
/// Nobody is called into rooms more often than this in [`PING_AGAIN_MS`], whoever calls.
pub const PINGS_PER_PERSON: u32 = 3;
/// A moderator's call opens the lock for this long, once.
pub const PING_ADMITS_MS: u64 = 10 * 60_000;
/// Whoever was let in at the door can come in for this long.
pub const LET_IN_MS: u64 = 60_000;
/// Moderators are told of the same person at the door once in this long; so long "not now" holds.
pub const KNOCK_AGAIN_MS: u64 = 5 * 60_000;
/// Whoever waits at a door says so this often.
pub const KNOCK_EVERY_MS: u64 = 2_000;
/// Whoever has not said so for this long no longer waits.
pub const KNOCK_KEPT_MS: u64 = 15_000;
/// People who wait at one door at once.
pub const KNOCKS: usize = 20;
/// People who asked at one door within [`KNOCK_AGAIN_MS`]; more are told to come back later.
pub const KNOCKS_REMEMBERED: usize = 200;
/// People who are around, listed to somebody who may call them.
pub const CALLABLE_LISTED: usize = 200;
/// A message in the chat, in characters.
pub const MESSAGE_CHARACTERS: usize = 500;
/// One person may write one message in this long, and a few more at a time.
pub const SAY_EVERY_MS: u64 = 1_000;
/// Messages that one person may write at a time after a pause.
pub const SAY_AT_ONCE: u64 = 5;
/// Everybody together may write one message in this long: each is told to all, and nobody reads more.
pub const ROOM_SAYS_EVERY_MS: u64 = 50;
/// Messages that everybody together may write at a time.
pub const ROOM_SAYS_AT_ONCE: u64 = 40;
/// Messages that a room keeps.
pub const CHAT_KEPT: usize = 200;
/// Messages that somebody who comes in is told.
pub const CHAT_SHOWN: usize = 50;
/// One person may react once in this long.
pub const REACT_EVERY_MS: u64 = 1_000;
/// What everybody shows is merged, and told no more often than this.
pub const REACTIONS_TOLD_EVERY_MS: u64 = 250;
/// With nobody on stage a room waits this long for somebody to come back.
pub const EMPTY_STAGE_MS: u64 = 5 * 60_000;
/// With nobody in it at all a room ends after this long.
pub const EMPTY_ROOM_MS: u64 = 60_000;
/// With nobody on stage, the listener who has been there longest is asked to run the room after this long.
pub const STAGE_OFFER_MS: u64 = 2 * 60_000;
/// Rooms that one person may hold at once.
pub const ROOMS_PER_PERSON: usize = 3;
/// A room to which nobody ever connected ends after this long.
pub const UNVISITED_ROOM_MS: u64 = 10_000;
/// A sign-in challenge is good for this long.
pub const CHALLENGE_MS: u64 = 30_000;
/// Events kept per client for a resume of its channel.
pub const EVENTS_KEPT: usize = 64;
/// A listener reports what it misses, and a speaker is told what listeners miss, this often.
pub const LISTENER_REPORT_MS: u64 = 3_000;
/// A listener's report counts for this long unless a newer one takes its place.
pub const LISTENER_REPORT_KEPT_MS: u64 = 10_000;
/// A speaker says this often when the own voice was made.
pub const CAPTURE_MARK_MS: u64 = 2_000;
/// The largest request body a house reads, in bytes.
pub const BODY_BYTES: usize = 64 * 1024;
/// Addresses of one house that a client remembers and asks.
pub const HOUSE_ADDRESSES: usize = 32;
/// The TCP port a house tries first (API, signalling); the next free one of twenty is used if it is taken.
pub const HOUSE_PORT: u16 = 7410;
/// The UDP port a house tries first (all media); the next free one of twenty is used if it is taken.
pub const MEDIA_PORT: u16 = 7411;
/// Where media of a passage goes at the guest's end and comes in at the house's: a benchmarking address (RFC 2544),
/// which no network routes. No house announces it.
pub const PASSAGE_MEDIA: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 19, 0, 1), MEDIA_PORT);
/// The UDP port at which a gate tells houses and guests their addresses as seen from outside.
pub const GATE_DISCOVERY_PORT: u16 = 7412;
/// The UDP port at which a gate takes the media of browsers, for all its houses. Houses announce it under the gate's
/// own host.
pub const GATE_MEDIA_PORT: u16 = 7413;
/// The service name on the local network (RFC 6763).
pub const MDNS_SERVICE: &str = "_serambi._tcp.local.";
