//! One window and two sound cards: the devices are listed and chosen, a microphone is checked without a room and nobody
//! hears it, and what was chosen stands in the next room.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use serambi_tests::{
    conversation::microphones_open,
    places,
    sound_server::SoundServer,
    speech::{self, PORCH},
    wait,
    window::{Opening, PATIENCE, Window},
};

/// What the select with this label shows as chosen.
const CHOSEN: &str = "const select = [...document.querySelectorAll('dialog select')]\
    .find((one) => one.labels[0].textContent.trim() === arguments[0]);\
    return select ? select.selectedOptions[0].textContent.trim() : ''";
/// Chooses the option that holds these words, as a person would.
const CHOOSE: &str = "const select = [...document.querySelectorAll('dialog select')]\
    .find((one) => one.labels[0].textContent.trim() === arguments[0]);\
    const option = [...select.options].find((one) => one.textContent.trim() === arguments[1]);\
    select.value = option.value; select.dispatchEvent(new Event('change', { bubbles: true }))";
const OPTIONS: &str =
    "return [...document.querySelectorAll('dialog select option')].map((one) => one.textContent.trim()).join('; ')";

fn until_chosen(window: &Window, label: &str, is: impl Fn(&str) -> bool) -> String {
    let look = || {
        let chosen = window.run(CHOSEN, &[label.into()])?.as_str().unwrap_or_default().to_owned();
        Ok(is(&chosen).then_some(chosen))
    };
    let offered = || window.run(OPTIONS, &[]).map_or_else(|trouble| trouble.to_string(), |all| all.to_string());
    wait::until(label, PATIENCE, look, offered).unwrap()
}

#[test]
fn somebody_checks_their_sound_before_anybody_hears_it() {
    let output = places::fresh_output("own-sound").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let (usual, spare) = (server.add_card("usual").unwrap(), server.add_card("spare").unwrap());
    let porch = speech::say("en-us+f3", PORCH).unwrap();
    let arguments = ["--listen", "127.0.0.1"].map(str::to_owned);
    let opening = Opening { owner: "sari", sound: usual.server(), arguments: &arguments, output: &output };
    let sari = Window::open(&opening).unwrap();
    sari.fill("your name", "Sari").unwrap();
    sari.press_button("^continue$").unwrap();
    sari.find("button", "^start a room$").unwrap();

    sari.press_keys("s").unwrap();
    sari.find("dialog", "^sound$").unwrap();
    sari.photograph("sound-settings").unwrap();
    let followed = until_chosen(&sari, "Microphone", |chosen| chosen.contains("usual"));
    assert!(followed.starts_with("Follow the system ("), "{followed}");
    let options = sari.run(OPTIONS, &[]).unwrap();
    let options = options.as_str().unwrap();
    assert!(options.contains("spare"), "{options}");

    // The microphone is open only while it is checked.
    microphones_open(&usual, 0).unwrap();
    sari.press_button("^check your sound$").unwrap();
    microphones_open(&usual, 1).unwrap();
    sari.photograph("meter").unwrap();
    let said = usual.speak(&porch.path).unwrap();
    sari.press_button("^record 5 seconds$").unwrap();
    sari.photograph("recording").unwrap();
    sari.find("button", "^record again$").unwrap();
    drop(said);
    sari.read("you sound good").unwrap();
    sari.photograph("verdict").unwrap();

    // Another microphone, while the check goes on.
    let spare_name = options.split("; ").find(|name| name.contains("spare")).unwrap().to_owned();
    sari.run(CHOOSE, &["Microphone".into(), spare_name.clone().into()]).unwrap();
    microphones_open(&usual, 0).unwrap();
    microphones_open(&spare, 1).unwrap();
    sari.press_button("^close$").unwrap();
    microphones_open(&spare, 0).unwrap();

    // In a room of one's own the choice stands.
    sari.press_button("^start a room$").unwrap();
    sari.press_button("^let's go$").unwrap();
    sari.find("button", "^unmute").unwrap();
    microphones_open(&spare, 1).unwrap();
    microphones_open(&usual, 0).unwrap();
    // Talk while muted is told once, and where the sound went as well.
    let told = || {
        let said = spare.speak(&porch.path)?;
        sari.read("you're muted, so nobody hears you").map(|()| drop(said))
    };
    // On a machine that compiles beside the test a sentence can come out torn; then people say it again, too.
    told().or_else(|_| told()).unwrap();
    sari.photograph("talking-while-muted").unwrap();
    sari.press_keys("s").unwrap();
    until_chosen(&sari, "Microphone", |chosen| chosen == spare_name);
    sari.run(CHOOSE, &["Microphone".into(), followed.into()]).unwrap();
    microphones_open(&usual, 1).unwrap();
    sari.press_button("^close$").unwrap();
    sari.read("your microphone is now .*usual").unwrap();
    sari.photograph("moved").unwrap();
    sari.end().unwrap();
}
