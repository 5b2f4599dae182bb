//! `cargo xtask dev`: the window on Vite's server, so that an edited page shows at once.

use std::{
    net::TcpStream,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use crate::{
    failure::Failure,
    packages::Purpose,
    run::cargo,
    setup::{self, Consent},
    step::Steps,
    workspace,
};

/// The port that `devUrl` in tauri.conf.json names.
const VITE_PORT: u16 = 5173;
const VITE_START_LIMIT: Duration = Duration::from_secs(60);

/// Ends Vite when the window is closed, however that happens.
struct Vite(Child);

impl Drop for Vite {
    fn drop(&mut self) {
        // Either may fail only because it has ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts Vite, waits for it, opens the window and waits until it is closed.
pub fn run(steps: &mut Steps, for_app: &[String]) -> Result<(), Failure> {
    setup::run(steps, Purpose::Run, Consent::given(false))?;
    let vite_line = format!("npm --prefix ui run dev -- --port {VITE_PORT}");
    let mut vite = None;
    steps.work("Vite", &vite_line, || {
        vite = Some(start_vite()?);
        Ok(())
    })?;
    let mut app = cargo(&["run", "-p", "serambi", "--no-default-features", "--features", "reach", "--"]);
    app.args(for_app);
    let outcome = steps.command("Serambi", &mut app);
    drop(vite);
    outcome
}

/// Node itself rather than npm: npm starts a second process, which would outlive it.
fn start_vite() -> Result<Vite, String> {
    let child = Command::new("node")
        .args(["node_modules/vite/bin/vite.js", "--port", &VITE_PORT.to_string(), "--strictPort"])
        .current_dir(workspace::ui())
        .spawn()
        .map_err(|error| format!("node could not be started: {error}"))?;
    let mut vite = Vite(child);
    let start = Instant::now();
    while TcpStream::connect(("localhost", VITE_PORT)).is_err() {
        if let Ok(Some(status)) = vite.0.try_wait() {
            return Err(format!("Vite ended with {status}; is port {VITE_PORT} taken?"));
        }
        if start.elapsed() > VITE_START_LIMIT {
            return Err(format!("Vite did not answer on port {VITE_PORT}"));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(vite)
}
