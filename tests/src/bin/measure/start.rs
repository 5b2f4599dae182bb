//! From starting the app to the first painted picture.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use serambi_tests::{Trouble, display::Display, error::io, places, program::Program, sound_server::SoundServer};

use crate::table::{Table, milliseconds};

const STARTS: usize = 7;

/// The first start makes a profile; all others find one. The time is taken from outside, so that loading the program
/// is in it.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let display = Display::start(output, "start", 1_280, 860)?;
    let server = SoundServer::start(output)?;
    server.add_card("sari")?;
    let home = tempfile::tempdir().map_err(io("making a home"))?;
    let times: Result<Vec<f64>, Trouble> =
        (0..STARTS).map(|_| time_to_first_paint(&display, &server.address(), home.path(), output)).collect();
    let mut times = times?;
    let first = times.remove(0);
    table.row(
        "Start to first paint",
        milliseconds(times),
        format!("under Xvfb without a GPU; the very first start took {first:.0} ms"),
    );
    Ok(())
}

fn time_to_first_paint(display: &Display, sound: &str, home: &Path, output: &Path) -> Result<f64, Trouble> {
    let mut command = Command::new("dbus-run-session");
    command.arg("--").arg(places::program("serambi")?).args(["--listen", "127.0.0.1"]).arg("--folder").arg(home);
    command.env("DISPLAY", display.number()).env("GDK_BACKEND", "x11").env("PULSE_SERVER", sound);
    command
        .env("SERAMBI_PRINT_TIMES", "1")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .env_remove("WAYLAND_DISPLAY");
    let begin = Instant::now();
    let mut app = Program::start(&command, Stdio::piped(), &output.join("app.log"))?;
    let stdout = app.take_stdout().ok_or_else(|| Trouble::Unexpected("the app has no output".to_owned()))?;
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let painted = lines.any(|line| line.contains("\"first_paint\""));
    let time = begin.elapsed().as_secs_f64() * 1_000.0;
    if painted { Ok(time) } else { app.still_runs().and(Err(Trouble::Unexpected("no first paint".to_owned()))) }
}
