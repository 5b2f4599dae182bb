//! How soon after asking to join a listener far away hears the first voice packet, several times on two ways.

use std::path::Path;

use serambi_tests::{
    Trouble,
    internet::{Internet, Router},
    namespace::Namespace,
    network, places,
    public_gate::PublicGate,
    talking_house::{Listener, TalkingHouse},
};

use super::{LIMIT, ONE_WAY_MS, path};
use crate::table::{Table, milliseconds};

const JOINS: usize = 8;

/// One row for a house with a public address and no gate, one for a guest and a house that only a gate connects.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    if !network::may_be_made() {
        let printed = network::run_again_as_root(&["first-sound"])?;
        print!("{}", String::from_utf8_lossy(&printed));
        return Ok(());
    }
    let how = format!("{ONE_WAY_MS} ms each way between the guest and everybody; {JOINS} guests, one after the other");
    let direct = straight(&places::fresh_output("measure-first-sound-straight")?)?;
    table.row("House and guest with public addresses, no gate", milliseconds(direct), &how);
    let carried = carried(output)?;
    table.row("Both behind routers with a port for each destination, through a gate", milliseconds(carried), &how);
    Ok(())
}

fn straight(output: &Path) -> Result<Vec<f64>, Trouble> {
    let mut internet = Internet::open(output)?;
    let (at_house, _) = internet.public("house")?;
    internet.slow_from_now(path(ONE_WAY_MS, 0.0));
    let (at_guest, _) = internet.public("guest")?;
    let mut house = TalkingHouse::open(&at_house, &[], output)?;
    joins(&at_guest, &mut house, output)
}

fn carried(output: &Path) -> Result<Vec<f64>, Trouble> {
    let mut internet = Internet::open(output)?;
    let gate = PublicGate::open(&mut internet, output)?;
    let at_house = internet.home("house", Router::Symmetric)?;
    internet.slow_from_now(path(ONE_WAY_MS, 0.0));
    let at_guest = internet.home("guest", Router::Symmetric)?;
    let mut house = TalkingHouse::open(&at_house.place, &["--through", &gate.link], output)?;
    joins(&at_guest.place, &mut house, output)
}

/// From asking to the first packet, ms.
fn joins(at_guest: &Namespace, house: &mut TalkingHouse, output: &Path) -> Result<Vec<f64>, Trouble> {
    let join = |number: usize| {
        let mut listener = Listener::join_as(&format!("Budi-{number}"), at_guest, &house.link, output)?;
        let first = listener.peer.event("first_sound", LIMIT)?;
        first["ms"].as_f64().ok_or_else(|| Trouble::Unexpected(format!("{first}: no time")))
    };
    let times = (1..=JOINS).map(join).collect();
    house.still_runs()?;
    times
}
