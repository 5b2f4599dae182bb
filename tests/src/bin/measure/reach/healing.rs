//! How long nothing is heard when something on the way changes in mid-call: the longest silence in what comes out of
//! the loudspeaker of somebody who listens to speech without pauses.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serambi_tests::{
    Trouble,
    internet::{Home, Internet, Router},
    places,
    public_gate::PublicGate,
    recording::{SAMPLES_PER_SECOND, level_dbfs, read_wav, write_wav},
    speech::{self, LONG},
    talking_house::{Listener, TalkingHouse},
    wait,
};
use serde_json::{Value, json};

use super::LIMIT;
use crate::table::Table;

/// What comes of a change is heard within this time.
const WATCHED_SECONDS: usize = 12;
const BLOCK: usize = SAMPLES_PER_SECOND as usize / 100;
/// Louder is speech.
const SPEECH_DBFS: f32 = -45.0;
const TALK_SECONDS: usize = 180;

/// Where everybody is while something happens.
struct Call {
    gate: PublicGate,
    house: TalkingHouse,
    house_home: Home,
    guest_home: Home,
    guest: Listener,
    heard: PathBuf,
    _internet: Internet,
}

/// What happens.
type Change = fn(&mut Call) -> Result<(), Trouble>;

const CHANGES: [(&str, Router, Router, &str, Change); 6] = [
    ("The guest's router gives new ports", Router::Cone, Router::Symmetric, "gate", |call| {
        call.guest_home.forget_ports()
    }),
    ("UDP is forbidden where the guest is", Router::Cone, Router::Cone, "direct", |call| call.guest_home.block_udp()),
    ("The gate restarts, the call is direct", Router::Cone, Router::Cone, "direct", restart),
    ("The gate restarts, the call goes through it", Router::Symmetric, Router::Symmetric, "gate", restart),
    ("The guest walks to another network", Router::Cone, Router::Cone, "direct", |call| call.guest_home.walk()),
    ("The house walks to another network", Router::Cone, Router::Cone, "direct", |call| call.house_home.walk()),
];

fn restart(call: &mut Call) -> Result<(), Trouble> {
    call.gate.restart(|| Ok(()))
}

/// Each change in a call of its own.
pub fn measure(_: &Path, table: &mut Table) -> Result<(), Trouble> {
    for (number, (what, house, guest, way, change)) in CHANGES.into_iter().enumerate() {
        let output = places::fresh_output(&format!("measure-reach-healing-{number}"))?;
        let silence = begin(house, guest, &json!(way), &output).and_then(|mut call| silence(&mut call, change));
        match silence {
            Ok(silence) => {
                let value = format!("nothing is heard for {:.1} s", silence.as_secs_f64());
                table.row(what, value, format!("the longest silence in the {WATCHED_SECONDS} s after it"));
            }
            Err(trouble) => table.note(format!("{what}: {}", trouble.to_string().lines().next().unwrap_or_default())),
        }
    }
    Ok(())
}

fn begin(house: Router, guest: Router, way: &Value, output: &Path) -> Result<Call, Trouble> {
    let mut internet = Internet::open(output)?;
    let gate = PublicGate::open(&mut internet, output)?;
    let (house_home, guest_home) = (internet.home("house", house)?, internet.home("guest", guest)?);
    let talk = without_pauses(output)?;
    let through = ["--through", &gate.link];
    let house = TalkingHouse::open_with(&house_home.place, &through, &talk, "on joined unmute", output)?;
    let heard = output.join("heard.wav");
    let words = ["--loudspeaker", &heard.to_string_lossy()];
    let guest = Listener::join_with("Budi", &words, &guest_home.place, &house.link, output)?;
    guest.hears_more()?;
    guest.becomes("passage", way)?;
    guest.hears_more()?;
    Ok(Call { gate, house, house_home, guest_home, guest, heard, _internet: internet })
}

/// Speech of which only what is loud is left, again and again.
fn without_pauses(output: &Path) -> Result<PathBuf, Trouble> {
    let speech = speech::say("en-us+f3", LONG)?.samples;
    let loud: Vec<f32> =
        speech.chunks(BLOCK).filter(|block| level_dbfs(block) > SPEECH_DBFS + 15.0).flatten().copied().collect();
    let samples: Vec<f32> = loud.into_iter().cycle().take(TALK_SECONDS * SAMPLES_PER_SECOND as usize).collect();
    let path = output.join("talk.wav");
    write_wav(&path, &samples)?;
    Ok(path)
}

/// The longest silence after the change.
fn silence(call: &mut Call, change: Change) -> Result<Duration, Trouble> {
    let from = read_wav(&call.heard)?.len();
    change(call)?;
    let enough = from + WATCHED_SECONDS * SAMPLES_PER_SECOND as usize;
    let recorded = || Ok(Some(read_wav(&call.heard)?).filter(|heard| heard.len() >= enough));
    let heard = wait::until("a recording of what is heard", LIMIT, recorded, String::new)?;
    call.house.still_runs()?;
    call.guest.peer.still_runs()?;
    let after = heard.get(from..enough).unwrap_or_default();
    let is_quiet = after.chunks(BLOCK).map(|block| level_dbfs(block) < SPEECH_DBFS);
    let runs = is_quiet.scan(0_u32, |run, quiet| {
        *run = if quiet { *run + 1 } else { 0 };
        Some(*run)
    });
    Ok(Duration::from_millis(10) * runs.max().unwrap_or_default())
}
