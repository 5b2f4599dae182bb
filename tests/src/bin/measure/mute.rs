//! From a press on *Mute* in the tray to what shows it: the tray's icon, the window, the small window.

use std::path::Path;

use serambi_tests::{
    Trouble,
    sound_server::SoundServer,
    tray::Tray,
    wait,
    window::{PATIENCE, Window},
};

use crate::{
    join::open_at_home,
    table::{Table, milliseconds},
};

const PRESSES: usize = 10;
/// Notes when the page last changed what it says of the own microphone, on the wall clock of this computer.
const WATCH: &str = "window.turned = [];
    const says = () => [...document.querySelectorAll('button')].map((one) => one.textContent + one.ariaLabel).join();
    let before = says();
    new MutationObserver(() => {
      const now = says();
      if (now !== before) window.turned.push(Date.now());
      before = now;
    }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });";

/// One window, alone in its room, muted and unmuted from the tray.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let server = SoundServer::start(output)?;
    let sari = server.add_card("sari")?;
    let window = open_at_home("Sari", &sari, output)?;
    let tray = Tray::open(&window.desktop()?, output)?;
    window.press_button("^start a room$")?;
    window.fill("^title", &format!("Measuring {}", std::process::id()))?;
    window.press_button("^let's go$")?;
    window.find("button", "^unmute")?;
    rows(table, "window", &window, &tray)?;
    window.press_button("^small window$")?;
    rows(table, "small window", &window, &tray)?;
    window.end()
}

fn rows(table: &mut Table, shown: &str, window: &Window, tray: &Tray) -> Result<(), Trouble> {
    window.run(WATCH, &[])?;
    let (mut icons, mut pages) = (Vec::new(), Vec::new());
    for _ in 0..PRESSES {
        tray.choose("Unmute")?;
        tray.says("(On stage, microphone open)")?;
        window.find("button", "^mute")?;
        window.run("window.turned = []", &[])?;
        let (pressed, icon) = tray.time("Mute")?;
        let turned = || Ok(window.run("return window.turned[0] ?? null", &[])?.as_f64());
        let page = wait::until("a mute in the window", PATIENCE, turned, String::new)?;
        icons.push(icon - pressed);
        pages.push(page - pressed);
        tray.says("(On stage, muted)")?;
    }
    table.row(format!("Mute in the tray until the tray shows it, {shown} open"), milliseconds(icons), "its icon");
    table.row(format!("The same until the {shown} shows it"), milliseconds(pages), "the words on the button");
    Ok(())
}
