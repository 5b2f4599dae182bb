//! The instruments themselves: what is said into a virtual microphone can be carried to a virtual loudspeaker, found
//! again there and timed, and nothing is found where nothing was said.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use std::{
    net::{TcpListener, TcpStream, UdpSocket},
    time::Instant,
};

use serambi_tests::{
    delay, likeness, places,
    recording::write_wav,
    sound_server::SoundServer,
    speech::{self, FERRY, PORCH},
    window::{Opening, Window},
};
use serambi_tests::{
    network::{self, Network},
    path_condition::{self, Condition, Fate, Loss},
};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_sentence_carried_from_microphone_to_loudspeaker_is_found_and_timed() {
    let output = places::fresh_output("instruments").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let card = server.add_card("sari").unwrap();
    let porch = speech::say("en-us+f3", PORCH).unwrap();
    let ferry = speech::say("en-us+f3", FERRY).unwrap();

    let carrier = card.short_circuit(10).unwrap();
    let (mouth, ear) = (card.overhear().unwrap(), card.listen().unwrap());
    card.speak(&porch.path).unwrap().until_done(LIMIT).unwrap();
    drop(carrier);
    let (mouth, ear) = (mouth.finish(), ear.finish());
    write_wav(&output.join("mouth.wav"), &mouth.samples).unwrap();
    write_wav(&output.join("ear.wav"), &ear.samples).unwrap();

    let found = likeness::find(&porch.samples, &ear.samples).unwrap();
    assert!(found.is_found(), "{found:?}");
    let other = likeness::find(&ferry.samples, &ear.samples);
    assert!(other.is_none_or(|other| !other.is_found()), "the same voice saying something else: {other:?}");
    let delays = delay::between(&mouth, &ear, Duration::from_millis(500));
    println!("carried in {:?} ms ({} windows), {found:?}, other {other:?}", delays.median_ms(), delays.count());
    assert!(delays.count() > 5, "the delay of most windows is known");
}

#[test]
fn what_is_said_to_one_card_is_not_heard_on_another() {
    let output = places::fresh_output("instruments-apart").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let (sari, wei) = (server.add_card("sari").unwrap(), server.add_card("wei").unwrap());
    let porch = speech::say("en-us+f3", PORCH).unwrap();
    let ear = wei.listen().unwrap();
    sari.speak(&porch.path).unwrap().until_done(LIMIT).unwrap();
    assert_eq!(likeness::find(&porch.samples, &ear.finish().samples), None);
}

#[test]
fn an_open_microphone_can_be_told_from_a_closed_one() {
    let output = places::fresh_output("instruments-open").unwrap();
    let server = SoundServer::start(&output).unwrap();
    let card = server.add_card("sari").unwrap();
    assert_eq!((card.open_captures().unwrap(), card.open_playbacks().unwrap()), (0, 0));
    let ear = card.listen().unwrap();
    assert_eq!(card.open_captures().unwrap(), 0, "listening to the loudspeaker opens no microphone");
    let carrier = card.short_circuit(10).unwrap();
    let open = || Ok((card.open_captures()? == 1 && card.open_playbacks()? == 1).then_some(()));
    serambi_tests::wait::until("both streams", LIMIT, open, String::new).unwrap();
    drop((carrier, ear));
    let closed = || Ok((card.open_captures()? == 0).then_some(()));
    serambi_tests::wait::until("the microphone's closing", LIMIT, closed, String::new).unwrap();
}

/// WebKitGTK's own small browser stands in for the app: it shows a page with the awkward things that pages have.
const BROWSERS: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser", "/usr/lib/aarch64-linux-gnu/webkit2gtk-4.1/MiniBrowser"];

const PAGE: &str = r#"<title>Serambi page</title><h1>Porch</h1>
<label>Your name <input id=name></label>
<button hidden>Invite to speak</button>
<ul>
  <li>Sari <button aria-label="Invite to speak" onclick="say('Sari')"><svg aria-hidden=true></svg></button></li>
  <li>Wei <button aria-label="Invite to speak" onclick="say('Wei')"></button></li>
</ul>
<dialog><p>End this room for 2 people?</p><button onclick="say('ended')">End room for everyone</button></dialog>
<p id=said></p>
<script>
  const by = (id) => document.getElementById(id);
  const say = (text) => { by('said').textContent = text + ' ' + by('name').value };
  addEventListener('keydown', (event) => event.key === 'm' && !event.target.matches('input') && say('muted'));
</script>"#;

#[test]
fn a_window_is_driven_by_roles_names_and_words() {
    let output = places::fresh_output("instruments-window").unwrap();
    let browser = BROWSERS.into_iter().find(|path| std::path::Path::new(path).exists()).unwrap();
    let arguments = ["--automation".to_owned()];
    let opening = Opening { owner: "sari", sound: "", arguments: &arguments, output: &output };
    let window = Window::open_program(browser, &opening).unwrap();
    window.run("document.open(); document.write(arguments[0]); document.close()", &[PAGE.into()]).unwrap();

    window.find("heading", "^porch$").unwrap();
    window.fill("^your name$", "Rina").unwrap();
    window.press_button_near("^invite to speak$", Some("^wei")).unwrap();
    window.read("Wei Rina").unwrap();
    window.run("document.activeElement.blur()", &[]).unwrap();
    window.press_keys("m").unwrap();
    window.read("muted Rina").unwrap();
    assert!(!window.has("button", "^end room").unwrap(), "a closed dialog offers nothing");
    window.run("document.querySelector('dialog').showModal()", &[]).unwrap();
    assert!(!window.has("button", "^invite to speak$").unwrap(), "what is behind a modal dialog cannot be pressed");
    window.press_button("^end room").unwrap();
    window.read("ended Rina").unwrap();
    assert!(window.photograph("page").unwrap().metadata().unwrap().len() > 1_000);
    window.end().unwrap();
}

#[test]
fn a_cable_loses_the_datagrams_it_was_told_to_and_nothing_else() {
    const SEED: u64 = 7;
    const DATAGRAMS: u8 = 200;
    if !network::may_be_made() {
        let this = "a_cable_loses_the_datagrams_it_was_told_to_and_nothing_else";
        network::run_again_as_root(&["--exact", this]).unwrap();
        return;
    }
    let output = places::fresh_output("instruments-cable").unwrap();
    let network = Network::build(&output).unwrap();
    let (here, there) = (&network.here, &network.there);
    let ear = there.within(|| UdpSocket::bind((there.address, 7_000))).unwrap().unwrap();
    let mouth = here.within(|| UdpSocket::bind((here.address, 0))).unwrap().unwrap();
    ear.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let send_all = || {
        let mut arrived = Vec::new();
        for number in 0..DATAGRAMS {
            mouth.send_to(&[number], (there.address, 7_000)).unwrap();
        }
        let mut byte = [0];
        while ear.recv(&mut byte).is_ok() {
            arrived.push(byte[0]);
        }
        arrived
    };
    assert_eq!(send_all(), (0..DATAGRAMS).collect::<Vec<u8>>(), "a cable loses nothing by itself");

    let condition = Condition { loss: Loss::Random { share: 0.3 }, jitter: None };
    let began = Instant::now();
    network.impair(condition, SEED);
    let mut dice = path_condition::Path::new(condition, SEED);
    let expected: Vec<u8> = (0..DATAGRAMS).filter(|_| dice.fate(Duration::ZERO) != Fate::Lost).collect();
    assert_eq!(send_all(), expected, "by seed, and not by chance");
    let sent = network.sent_there(began, Instant::now());
    let datagrams = sent.iter().filter(|packet| packet.datagram.is_some()).count();
    assert_eq!(datagrams, usize::from(DATAGRAMS));
    assert_eq!(sent.iter().filter(|packet| packet.is_lost).count(), datagrams - expected.len());

    network.impair(Condition { loss: Loss::Random { share: 1.0 }, jitter: None }, SEED);
    let door = there.within(|| TcpListener::bind((there.address, 7_000))).unwrap().unwrap();
    here.within(|| TcpStream::connect((there.address, 7_000))).unwrap().unwrap();
    door.accept().unwrap();
}
