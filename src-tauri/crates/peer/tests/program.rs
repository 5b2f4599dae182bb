//! `serambi-peer` as a program: what it prints, what it does by itself, and the exit codes that say why it ended.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

struct Peer {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_serambi-peer"))
            .args(arguments)
            .args(["--microphone", "none", "--loudspeaker", "none"])
            .arg("--folder")
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// Reads on until this event; every line must be a flat object with an event and a time.
    fn until(&mut self, event: &str) -> Value {
        for line in self.lines.by_ref() {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            assert!(line["at_ms"].is_u64() && line.as_object().unwrap().values().all(|field| !field.is_object()));
            if line["event"] == event {
                return line;
            }
        }
        panic!("{event} was not printed");
    }

    fn exit(mut self) -> i32 {
        self.lines.by_ref().for_each(drop);
        self.process.wait().unwrap().code().unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has usually ended by itself.
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

fn host(folder: &Path, script: &str) -> (Peer, String) {
    let mut host =
        Peer::start(folder, &["host", "--title", "Tea", "--name", "A", "--listen", "127.0.0.1", "--do", script]);
    let link = host.until("link")["link"].as_str().unwrap().to_owned();
    (host, link)
}

#[test]
fn a_guest_raises_a_hand_is_invited_and_the_host_ends_the_room() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut host, link) = host(a.path(), "on hand_raised invite-first; on said_later end");
    // Without a microphone nobody can come on stage, so the answer is "maybe later".
    let script = "100ms hand; on invited accept; on invited decline";
    let mut guest = Peer::start(b.path(), &["join", &link, "--name", "B", "--do", script]);
    let joined = guest.until("joined");
    assert_eq!((&joined["role"], &joined["title"]), (&"listener".into(), &"Tea".into()));
    assert_eq!(host.until("hand_raised")["name"], "B");
    guest.until("your_turn");
    assert_eq!(host.until("said_later")["name"], "B");
    assert_eq!(host.exit(), 0);
    assert_eq!(guest.until("closed")["reason"], "ended");
    assert_eq!(guest.exit(), 5);
}

#[test]
fn the_time_is_up_and_the_peer_leaves() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut host, link) = host(a.path(), "");
    let guest = Peer::start(b.path(), &["join", &link, "--for", "0.5"]);
    assert_eq!(guest.exit(), 0);
    assert_eq!(host.until("audience")["listeners"], 1);
    assert_eq!(host.until("audience")["listeners"], 0);
}

#[test]
fn the_exit_code_says_why_nothing_came_of_it() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_host, link) = host(a.path(), "");
    let join = |link: &str| Peer::start(b.path(), &["join", link, "--for", "5"]);

    assert_eq!(join("hello").exit(), 2);
    let (before, pin) = link.split_once("?pin=").unwrap();
    let other_pin = format!("{before}?pin=A{}", &pin[1..]);
    assert_eq!(join(&other_pin).until("failed")["code"], "house_not_the_one");
    assert_eq!(join(&other_pin).exit(), 4);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = before.strip_prefix("serambi://").unwrap().split('/').next().unwrap();
    assert_eq!(join(&link.replace(address, &free.to_string())).exit(), 3);
    let room = before.rsplit('/').next().unwrap();
    assert_eq!(join(&link.replace(room, "2222222222")).exit(), 5);
    assert_eq!(Peer::start(a.path(), &["join", &link]).exit(), 8);
    assert_eq!(Peer::start(b.path(), &["join", &link, "--name", " "]).exit(), 2);
}

#[test]
fn what_is_shown_is_printed_for_everybody() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (mut host, link) = host(folders[0].path(), "20m leave");
    let _guest = Peer::start(folders[1].path(), &["join", &link, "--name", "B", "--do", "100ms react heart"]);
    let shown = host.until("reaction");
    assert_eq!((&shown["reaction"], &shown["count"], &shown["person"]), (&json!("heart"), &json!(1), &Value::Null));
}

#[test]
fn what_is_written_is_printed_for_everybody_and_for_who_comes_later() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (mut host, link) = host(folders[0].path(), "on audience say welcome, all");
    let mut guest = Peer::start(folders[1].path(), &["join", &link, "--name", "B", "--do", "100ms say good evening"]);
    let lines = |peer: &mut Peer| {
        let mut lines = [(); 2].map(|()| {
            let line = peer.until("chat");
            [line["name"].clone(), line["text"].clone()]
        });
        lines.sort_by_key(|line| line[0].to_string());
        lines
    };
    let said = [["A", "welcome, all"], ["B", "good evening"]];
    assert_eq!(lines(&mut host), said);
    assert_eq!(lines(&mut guest), said);
    let mut late = Peer::start(folders[2].path(), &["join", &link, "--name", "C"]);
    assert_eq!(lines(&mut late), said);
}
