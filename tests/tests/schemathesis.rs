//! Schemathesis asks a house everything its OpenAPI document allows and much that it does not: no answer is a server
//! error, and none is missing in the document.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serambi_call::Identity;
use serambi_protocol::{
    Link,
    api::{Challenge, ChallengeAsked, Joined, Session, SignIn, StartRoom},
};
use serambi_tests::{places, program::Program, strangers};
use serde::{Serialize, de::DeserializeOwned};

/// One run, cold start of Python included.
const LIMIT: Duration = Duration::from_secs(120);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

struct House {
    _program: Program,
    link: Link,
    /// Without a slash at the end. On this computer a house also speaks plain HTTP.
    url: String,
}

impl House {
    fn open(output: &Path) -> Self {
        let mut command = Command::new(places::program("serambi-house").unwrap());
        command.arg("--folder").arg(output.join("house"));
        command.args(["--listen", "127.0.0.1", "--port", "0", "--media-port", "0", "--no-discovery"]);
        let mut program = Program::start(&command, Stdio::piped(), &output.join("house.log")).unwrap();
        let mut line = String::new();
        BufReader::new(program.take_stdout().unwrap()).read_line(&mut line).unwrap();
        let link = Link::read(line.trim()).unwrap();
        let url = format!("http://{}", link.house.addresses[0]);
        Self { _program: program, link, url }
    }

    /// The answer to one request, on a connection of its own.
    fn post<A: DeserializeOwned>(&self, path: &str, session: &str, body: &impl Serialize) -> A {
        let body = serde_json::to_string(body).unwrap();
        let mut stream = TcpStream::connect(&self.link.house.addresses[0]).unwrap();
        stream.set_read_timeout(Some(ANSWER_LIMIT)).unwrap();
        write!(stream, "POST /api/v1/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n").unwrap();
        write!(stream, "authorization: Bearer {session}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    /// The key of somebody who has signed in, and a room they host.
    fn host(&self) -> (String, String) {
        let identity = Identity::make();
        let challenge: Challenge = self.post("challenge", "", &ChallengeAsked { person: identity.id() });
        let signature = identity.sign_in(self.link.house.proof.as_str(), &challenge.challenge);
        let answer =
            SignIn { person: identity.id(), challenge: challenge.challenge, signature, name: "Schema".to_owned() };
        let session = self.post::<Session>("session", "", &answer).session;
        let room: Joined = self.post("rooms", &session, &StartRoom { title: "Tested".into(), leave_other: false });
        (session, room.view.room.id.to_string())
    }
}

/// Runs it with these arguments; its report is printed if it finds anything.
fn run(house: &House, output: &Path, config: &str, arguments: &[&str]) {
    std::fs::write(output.join("schemathesis.toml"), config).unwrap();
    let python = strangers::python("requirements-schemathesis.txt").unwrap();
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command.arg("run").arg(format!("{}/api/v1/openapi.json", house.url)).args(["--checks", CHECKS]);
    command.args(["--max-time", "25", "--max-examples", "20", "--seed", "1", "--no-shrink"]);
    command.args(["--request-timeout", "15", "--warnings", "off"]);
    command.args(["--generation-database", "none", "--no-color"]).args(arguments).current_dir(output);
    let report = output.join("schemathesis.txt");
    let stdout = Stdio::from(std::fs::File::create(&report).unwrap());
    let mut program = Program::start(&command, stdout, &output.join("schemathesis.log")).unwrap();
    let status = program.wait(LIMIT).unwrap();
    let said = std::fs::read_to_string(&report).unwrap();
    println!("{said}");
    assert!(status.success(), "{status}\n{}", program.last_words());
    assert!(said.contains("No issues found"), "it has asked nothing");
}

#[test]
fn a_house_answers_as_its_document_says_whatever_it_is_asked() {
    let output = places::fresh_output("schemathesis").unwrap();
    let house = House::open(&output);
    // Somebody without a session, who has the id of no room.
    run(&house, &output, "", &["--phases", "coverage,fuzzing"]);
    let (session, room) = house.host();
    let config = format!("[parameters]\n\"path.room\" = \"{room}\"\n");
    // Slower than the house slows a session down, or most answers would be 429.
    let slowly = ["--phases", "fuzzing", "--rate-limit", "18/s"];
    let header = format!("Authorization: Bearer {session}");
    run(&house, &output, &config, &[&slowly[..], &["--header", &header]].concat());
}
