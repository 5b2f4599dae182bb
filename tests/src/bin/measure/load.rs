//! What the programs cost while somebody talks: processor share of one core, memory in fair shares.

use std::{path::Path, time::Duration};

use serambi_tests::{Trouble, peer::Peer, process_load::Family, sound_server::SoundServer, wait};

use crate::{
    join::{open_at_home, show_link, talk},
    table::Table,
};

const LIMIT: Duration = Duration::from_secs(30);
const WATCHED: Duration = Duration::from_secs(15);

/// A host without a window talks; a window and another peer listen.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let servers = [SoundServer::start(output)?, SoundServer::start(output)?, SoundServer::start(output)?];
    let (sari, wei, rina) = (servers[0].add_card("sari")?, servers[1].add_card("wei")?, servers[2].add_card("rina")?);
    let arguments = ["host", "--listen", "127.0.0.1", "--title", "Measuring", "--do", "1s unmute", "--for", "300"];
    let mut host = Peer::start("Sari", &sari, &arguments, output)?;
    let link = host.event("link", LIMIT)?["link"].as_str().unwrap_or_default().to_owned();
    let listener = Peer::start("Rina", &rina, &["join", &link, "--for", "300"], output)?;
    let window = open_at_home("Wei", &wei, output)?;
    let app = Family::of_descendant(window.driver(), "serambi")?;
    row(table, "App at home, no room", &app)?;
    show_link(&window, &link)?;
    window.press_button("^join$")?;
    window.find("button", "^leave quietly$")?;

    let talking = talk(&sari)?;
    let plays = || Ok((wei.open_playbacks()? > 0 && rina.open_playbacks()? > 0).then_some(()));
    wait::until("two listeners' loudspeakers", LIMIT, plays, String::new)?;
    row(table, "App as a listener, somebody talking", &Family::of(app.head())?)?;
    drop(talking);
    for (what, peer) in
        [("serambi-peer as host, house and speaker, two listeners", &host), ("serambi-peer as a listener", &listener)]
    {
        let _talking = talk(&sari)?;
        row(table, what, &Family::of(peer.id())?)?;
    }
    host.interrupt();
    listener.interrupt();
    window.end()
}

fn row(table: &mut Table, what: &str, family: &Family) -> Result<(), Trouble> {
    let share = family.processor_share(WATCHED)?;
    let memory = family.pss_megabytes()?;
    let how = format!("over {} s, child processes included", WATCHED.as_secs());
    table.row(what, format!("{:.1} % of one core, {memory:.0} MB PSS", share * 100.0), how);
    Ok(())
}
