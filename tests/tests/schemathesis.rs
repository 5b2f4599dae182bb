//! Schemathesis asks a house everything its OpenAPI document allows and much that it does not: no answer is a server
//! error, and none is missing in the document.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
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

/// One run, cold start of Python included.
const LIMIT: Duration = Duration::from_secs(120);
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

    async fn post<A: serde::de::DeserializeOwned>(&self, path: &str, session: &str, body: &impl serde::Serialize) -> A {
        let request =
            reqwest::Client::new().post(format!("{}/api/v1/{path}", self.url)).bearer_auth(session).json(body);
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// The key of somebody who has signed in, and a room they host.
    async fn host(&self) -> (String, String) {
        let identity = Identity::make();
        let challenge: Challenge = self.post("challenge", "", &ChallengeAsked { person: identity.id() }).await;
        let signature = identity.sign_in(self.link.house.pin.as_str(), &challenge.challenge);
        let answer =
            SignIn { person: identity.id(), challenge: challenge.challenge, signature, name: "Schema".to_owned() };
        let session = self.post::<Session>("session", "", &answer).await.session;
        let room: Joined =
            self.post("rooms", &session, &StartRoom { title: "Tested".into(), leave_other: false }).await;
        (session, room.view.id.to_string())
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
    let (session, room) = tokio::runtime::Runtime::new().unwrap().block_on(house.host());
    let config = format!("[parameters]\n\"path.room\" = \"{room}\"\n");
    // Slower than the house slows a session down, or most answers would be 429.
    let slowly = ["--phases", "fuzzing", "--rate-limit", "18/s"];
    let header = format!("Authorization: Bearer {session}");
    run(&house, &output, &config, &[&slowly[..], &["--header", &header]].concat());
}
