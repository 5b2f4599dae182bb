//! What the programs log when everything is asked for: much, and nothing that lets a reader of the log in.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{ChildStdout, Command, Stdio},
    time::Duration,
};

use serambi_tests::{places, program::Program};
use serde_json::Value;

const END_LIMIT: Duration = Duration::from_secs(60);
/// The beginning of every JWT, the header's and SDP's words for a secret, and LiveKit's query parameter.
const SECRETS: [&str; 6] = ["eyJ", "Bearer ", "ice-pwd", "ice_pwd", "access_token", "-----BEGIN"];

struct Logged {
    program: Program,
    lines: Lines<BufReader<ChildStdout>>,
}

fn start(name: &str, owner: &str, folder: &Path, arguments: &[&str], output: &Path) -> Logged {
    let mut command = Command::new(places::program(name).unwrap());
    command.args(arguments).arg("--folder").arg(folder).env("RUST_LOG", "trace").env_remove("SERAMBI_LOG");
    let mut program = Program::start(&command, Stdio::piped(), &output.join(format!("{owner}.log"))).unwrap();
    let lines = BufReader::new(program.take_stdout().unwrap()).lines();
    Logged { program, lines }
}

impl Logged {
    fn event(&mut self, event: &str) -> Value {
        let lines = self.lines.by_ref().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        lines.into_iter().find(|line| line["event"] == event).unwrap()
    }
}

/// Media passes and ICE passwords stood in frame dumps, `authorization` in the peer's headers.
#[test]
fn no_level_of_the_log_lets_its_reader_in() {
    let output = places::fresh_output("secrets").unwrap();
    let folders = tempfile::tempdir().unwrap();
    let folder = |owner: &str| folders.path().join(owner);
    let on_loopback = ["--listen", "127.0.0.1", "--port", "0", "--media-port", "0", "--no-discovery"];
    let mut house = start("serambi-house", "house", &folder("house"), &on_loopback, &output);
    let link = house.lines.next().unwrap().unwrap();
    let silent = ["--microphone", "none", "--loudspeaker", "none"];
    let hosting = [&["host", "--house", &link, "--title", "Tea", "--name", "Sari"], &silent[..]].concat();
    let mut sari = start("serambi-peer", "sari", &folder("sari"), &hosting, &output);
    let room = sari.event("link")["link"].as_str().unwrap().to_owned();
    let joining = [&["join", &room, "--name", "Wei", "--for", "3"], &silent[..]].concat();
    let mut wei = start("serambi-peer", "wei", &folder("wei"), &joining, &output);
    wei.event("closed");
    sari.program.interrupt();
    sari.program.wait(END_LIMIT).unwrap();
    house.program.interrupt();
    house.program.wait(END_LIMIT).unwrap();

    let kept = fs::read_dir(folder("house").join("logs")).unwrap().map(|entry| entry.unwrap().path());
    let printed = ["house", "sari", "wei"].map(|owner| output.join(format!("{owner}.log")));
    let key = |owner: &str| fs::read_to_string(folder(owner).join("identity.key")).unwrap().trim().to_owned();
    let keys = [key("sari"), key("wei")];
    for log in kept.chain(printed) {
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.contains("TRACE serambi") || text.contains("DEBUG"), "{} says little", log.display());
        for secret in SECRETS.into_iter().chain(keys.iter().map(String::as_str)) {
            let found = text.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{secret} stands in {}", log.display());
        }
    }
}
