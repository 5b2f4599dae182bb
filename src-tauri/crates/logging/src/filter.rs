//! Which records are logged: the person's choice, under a cap for the targets that print secrets.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, filter::Targets};

/// Looked at in this order.
const VARIABLES: [&str; 2] = ["SERAMBI_LOG", "RUST_LOG"];

/// Our own crates say what happens, libraries what is wrong. The media libraries report as errors or warnings what is
/// usual on any network (`call/src/media/mod.rs` says which); a gate's relay warns of every client that leaves and of
/// every datagram for which there is no room.
const USUAL: &str = "warn,serambi=info,rtc=error,webrtc=error,rtc_ice=error,rtc_dtls=error,rtc_sctp=error,\
    rtc_rtcp=off,rtc_interceptor=error,rtc_srtp=error,livekit_signaling=error,iroh_relay=error";

/// Libraries that print secrets at `debug`: addresses with the media pass in them, header lists, SDP with ICE
/// passwords.
const SECRET_AT_DEBUG: [&str; 14] = [
    "h2",
    "hyper",
    "hyper_util",
    "is",
    "livekit",
    "reqwest",
    "rtc",
    "sdp",
    "str0m",
    "tokio_tungstenite",
    "tower_http",
    "tungstenite",
    "webrtc",
    "zbus",
];

/// The filter of the environment, and what was wrong with it.
pub fn chosen() -> (EnvFilter, Option<String>) {
    let asked = VARIABLES.iter().find_map(|name| std::env::var(name).ok()).filter(|filter| !filter.is_empty());
    match asked.map(EnvFilter::try_new) {
        None => (EnvFilter::new(USUAL), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(USUAL), Some(error.to_string())),
    }
}

/// What no filter can ask for. Whole frames and headers are printed at `trace` by any library that has them, so that
/// level is kept for our own crates.
pub fn cap() -> Targets {
    SECRET_AT_DEBUG
        .iter()
        .fold(Targets::new().with_default(LevelFilter::DEBUG), |cap, target| {
            cap.with_target(*target, LevelFilter::INFO)
        })
        .with_target("serambi", LevelFilter::TRACE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    /// `RUST_LOG=trace` printed media passes and ICE passwords.
    #[test]
    fn frames_and_headers_of_libraries_are_never_logged() {
        let cap = cap();
        for target in ["tungstenite::protocol", "tokio_tungstenite", "hyper::proto::h1::role", "reqwest::connect"] {
            assert!(!cap.would_enable(target, &Level::TRACE), "{target}");
            assert!(!cap.would_enable(target, &Level::DEBUG), "{target}");
            assert!(cap.would_enable(target, &Level::INFO), "{target}");
        }
        assert!(!cap.would_enable("some_library_of_tomorrow", &Level::TRACE));
    }

    #[test]
    fn our_own_crates_may_say_everything() {
        assert!(cap().would_enable("serambi_call::call_task", &Level::TRACE));
    }
}
