//! The media server as the house sees it: tokens for people, RoomService calls, and what reconciles who may publish.
//!
//! The embedded server and a LiveKit cluster are spoken to in the same way; only the address and the keys differ.

pub mod embedded;
pub mod keys;
pub mod media_reach;
pub mod pass_order;
pub mod permission_reconciler;
pub mod room_service;

/// Which media server carries the sound.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum MediaServer {
    /// The one inside this program.
    #[default]
    Embedded,
    /// A LiveKit server or cluster.
    LiveKit {
        /// Where people connect: `ws://` or `wss://`.
        url: String,
        /// Where the house calls RoomService: `http://` or `https://`.
        api_url: String,
        /// The API key.
        key: String,
        /// Its secret.
        secret: String,
    },
}

impl std::fmt::Debug for MediaServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded => f.write_str("Embedded"),
            Self::LiveKit { url, api_url, .. } => {
                f.debug_struct("LiveKit").field("url", url).field("api_url", api_url).finish_non_exhaustive()
            }
        }
    }
}
