//! One evening: somebody opens a room behind a carrier's router; on the same network, behind a router with a port for
//! each destination, and where UDP is forbidden, people hear the same sentence; one of them comes on stage and is
//! heard; the host's computer changes its network; nobody joins again by hand. Real programs in a small Internet of
//! network namespaces, who hears what found in the recordings of their loudspeakers.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serambi_tests::{
    internet::{Home, Internet, Router},
    likeness,
    namespace::Namespace,
    network, places,
    public_gate::PublicGate,
    recording::{SAMPLES_PER_SECOND, read_wav},
    speech::{self, Speech},
    talking_house::{Listener, TalkingHouse, talk},
    wait,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// The host's, in a voice of her own.
const HOST: (&str, &str) = ("en-us+f3", "The rain has stopped, and there is warm tea on the table.");
/// Of the listener who comes on stage.
const GUEST: (&str, &str) = ("en-gb+m2", "Seven ferries crossed the harbour before noon yesterday.");

/// What is looked for is in the last so many seconds of a recording, or it was said before.
const RECENT_SECONDS: usize = 12;

/// Somebody, and the file into which their loudspeaker plays.
struct Ear {
    listener: Listener,
    file: PathBuf,
    name: &'static str,
}

impl Ear {
    fn join(name: &'static str, more: &[&str], place: &Namespace, link: &str, output: &Path) -> Self {
        let file = output.join(format!("heard-by-{name}.wav"));
        let loudspeaker = file.to_string_lossy().into_owned();
        let words = [&["--loudspeaker", &loudspeaker], more].concat();
        Self { listener: Listener::join_with(name, &words, place, link, output).unwrap(), file, name }
    }

    /// Nothing before there is a loudspeaker, whose file has its first sounds a quarter of a second later.
    fn recorded(&self) -> Vec<f32> {
        read_wav(&self.file).unwrap_or_default()
    }

    /// Waits until the whole sentence is in what came out of the loudspeaker from `from` samples on.
    fn hears(&self, speech: &Speech, from: usize) {
        let began = Instant::now();
        let recent = || {
            let heard = self.recorded();
            let first = from.max(heard.len().saturating_sub(RECENT_SECONDS * SAMPLES_PER_SECOND as usize));
            likeness::find(&speech.samples, heard.get(first..).unwrap_or_default())
        };
        let look = || Ok(recent().filter(likeness::Likeness::is_found));
        let what = format!("the sentence at {}'s", self.name);
        let found = wait::until(&what, LIMIT, look, || format!("{:?}", recent())).unwrap();
        println!("{} hears it after {:.1} s: {:.2}", self.name, began.elapsed().as_secs_f32(), found.score);
    }

    /// How much was recorded until now.
    fn now(&self) -> usize {
        self.recorded().len()
    }
}

/// Everybody hears all of it from now on.
fn all_hear(ears: &[&Ear], speech: &Speech) {
    let moments: Vec<usize> = ears.iter().map(|ear| ear.now()).collect();
    ears.iter().zip(moments).for_each(|(ear, from)| ear.hears(speech, from));
}

#[test]
fn an_evening_with_a_host_behind_a_carriers_router_and_listeners_behind_everything() {
    let name = "an_evening_with_a_host_behind_a_carriers_router_and_listeners_behind_everything";
    if !network::may_be_made_for(name).unwrap() {
        return;
    }
    let output = places::fresh_output("evening").unwrap();
    let [sentence, answer] = [HOST, GUEST].map(|(voice, text)| speech::say(voice, text).unwrap());
    let mut internet = Internet::open(&output).unwrap();
    let gate = PublicGate::open(&mut internet, &output).unwrap();
    let [host, office, hotel] = [
        internet.home("host", Router::CarrierNat).unwrap(),
        internet.home("office", Router::Symmetric).unwrap(),
        internet.home("hotel", Router::NoUdp).unwrap(),
    ];
    let [near, desk] = [(&host, "near"), (&office, "desk")].map(|(home, name)| home.neighbour(name, &output).unwrap());

    let mut house = open(&host, &gate, &output);
    let on_lan = Ear::join("Budi", &[], &near, &house.link, &output);
    let in_office = Ear::join("Citra", &[], &office.place, &house.link, &output);
    let in_hotel = Ear::join("Dewi", &[], &hotel.place, &house.link, &output);
    let ears = [&on_lan, &in_office, &in_hotel];
    all_hear(&ears, &sentence);
    let ways = ears.map(|ear| ear.listener.statistic("passage"));
    assert_eq!(ways, [json!(null), json!("gate"), json!("gate")], "whoever is near needs no passage");

    // Somebody hears that and wants to say something; then the host is quiet.
    let talk = talk(GUEST.0, GUEST.1, &output).unwrap();
    let talk = talk.to_string_lossy();
    let script = "on first_sound hand; on invited accept; on on_stage unmute";
    let mut on_stage = Ear::join("Eko", &["--microphone", &talk, "--do", script], &desk, &house.link, &output);
    on_stage.listener.peer.event("unmuted", LIMIT).unwrap();
    all_hear(&ears, &answer);

    let began = Instant::now();
    host.walk().unwrap();
    all_hear(&ears, &answer);
    println!("all hear again {:.1} s after the host's network changed", began.elapsed().as_secs_f32());
    on_stage.listener.peer.still_runs().unwrap();
    house.still_runs().unwrap();
}

/// A house that waits at the gate, with somebody who talks until a listener comes on stage.
fn open(home: &Home, gate: &PublicGate, output: &Path) -> TalkingHouse {
    let talk = talk(HOST.0, HOST.1, output).unwrap();
    let script = "on joined unmute; on hand_raised invite-first; on joined_stage mute";
    TalkingHouse::open_with(&home.place, &["--through", &gate.link], &talk, script, output).unwrap()
}
