//! Logs go to standard error, quiet unless SERAMBI_LOG says more. They never hold a token, a key or a name.

use serambi_call::QUIET_LOG;
use tracing_subscriber::EnvFilter;

/// Starts logging; a second call changes nothing.
pub fn start() {
    let filter = EnvFilter::try_from_env("SERAMBI_LOG").unwrap_or_else(|_| EnvFilter::new(QUIET_LOG));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only if a logger is there already, as in tests.
    if subscriber.try_init().is_err() {
        tracing::debug!("logging was started before");
    }
}
