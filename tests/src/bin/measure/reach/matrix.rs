//! A house and a guest behind every kind of router: whether they are connected, by which way, and how soon.

use std::path::Path;

use serambi_tests::{
    Trouble,
    internet::{Home, Internet, Router},
    namespace::Namespace,
    places,
    public_gate::PublicGate,
    talking_house::{Listener, TalkingHouse},
    wait,
};
use serde_json::Value;

use super::{LIMIT, ONE_WAY_MS, path};
use crate::table::Table;

/// Where somebody is.
#[derive(Clone, Copy)]
enum Where {
    /// On a machine with a public address.
    Public,
    Behind(Router),
}

/// What the way is when it has come to rest.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// Without a passage.
    Straight,
    /// From router to router.
    Punched,
    /// Carried by the gate.
    Carried,
}

impl Way {
    fn of(passage: &Value) -> Self {
        match passage.as_str() {
            Some("direct") => Self::Punched,
            Some(_) => Self::Carried,
            None => Self::Straight,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Straight => "straight to the house's address",
            Self::Punched => "from router to router",
            Self::Carried => "through the gate",
        }
    }
}

const CONE: Where = Where::Behind(Router::Cone);
const SYMMETRIC: Where = Where::Behind(Router::Symmetric);
const CARRIER: Where = Where::Behind(Router::CarrierNat);
const SYMMETRIC_CARRIER: Where = Where::Behind(Router::SymmetricCarrier);
const NO_UDP: Where = Where::Behind(Router::NoUdp);

/// House, guest, and by which way they are to be connected.
const ROWS: [(Where, Where, Way); 11] = [
    (CONE, CONE, Way::Punched),
    (CONE, SYMMETRIC, Way::Carried),
    (SYMMETRIC, CONE, Way::Carried),
    (SYMMETRIC, SYMMETRIC, Way::Carried),
    (CARRIER, CONE, Way::Punched),
    (CARRIER, SYMMETRIC, Way::Carried),
    (SYMMETRIC_CARRIER, CONE, Way::Carried),
    (Where::Public, SYMMETRIC, Way::Straight),
    (SYMMETRIC, Where::Public, Way::Punched),
    (NO_UDP, CONE, Way::Carried),
    (CONE, NO_UDP, Way::Carried),
];

fn name(place: Where) -> &'static str {
    match place {
        Where::Public => "public",
        Where::Behind(Router::Cone) => "cone",
        Where::Behind(Router::Symmetric) => "symmetric",
        Where::Behind(Router::CarrierNat) => "carrier's cone behind a cone",
        Where::Behind(Router::SymmetricCarrier) => "carrier's symmetric behind a cone",
        Where::Behind(Router::NoUdp) => "cone without UDP",
        Where::Behind(Router::Firewall) => "firewall",
    }
}

/// Every row; one that is not connected, or goes another way than it should, is said below the table.
pub fn measure(_: &Path, table: &mut Table) -> Result<(), Trouble> {
    for (number, (house, guest, expected)) in ROWS.into_iter().enumerate() {
        let output = places::fresh_output(&format!("measure-reach-{number:02}"))?;
        let what = format!("House: {}; guest: {}", name(house), name(guest));
        match connect(house, guest, expected, &output) {
            Ok(Connected { joined_ms, first_sound_ms, way }) => {
                let value =
                    format!("joined after {joined_ms} ms, first sound after {first_sound_ms} ms; {}", way.words());
                table.row(&what, value, format!("{ONE_WAY_MS} ms each way between the guest and everybody"));
                if way != expected {
                    table.note(format!("{what}: was to go {}", expected.words()));
                }
            }
            Err(trouble) => {
                let why = trouble.to_string();
                table.note(format!("{what}: {}", why.lines().next().unwrap_or_default()));
            }
        }
    }
    Ok(())
}

struct Connected {
    joined_ms: u64,
    first_sound_ms: u64,
    way: Way,
}

/// A machine, with its router if it has one.
enum Located {
    Public(Namespace),
    AtHome(Box<Home>),
}

impl Located {
    fn place(&self) -> &Namespace {
        match self {
            Self::Public(place) => place,
            Self::AtHome(home) => &home.place,
        }
    }
}

fn connect(house: Where, guest: Where, expected: Way, output: &Path) -> Result<Connected, Trouble> {
    let mut internet = Internet::open(output)?;
    let gate = PublicGate::open(&mut internet, output)?;
    let at_house = locate(&mut internet, "house", house)?;
    internet.slow_from_now(path(ONE_WAY_MS, 0.0));
    let at_guest = locate(&mut internet, "guest", guest)?;
    let mut house = TalkingHouse::open(at_house.place(), &["--through", &gate.link], output)?;
    let mut listener = Listener::join(at_guest.place(), &house.link, output)?;
    let joined = listener.peer.event("joined", LIMIT)?;
    let first = listener.peer.event("first_sound", LIMIT)?;
    let way = come_to_rest(&listener, expected)?;
    house.still_runs()?;
    let ms = |event: &Value, field: &str| event[field].as_u64().unwrap_or_default();
    Ok(Connected { joined_ms: ms(&joined, "at_ms"), first_sound_ms: ms(&first, "ms"), way })
}

fn locate(internet: &mut Internet, name: &str, place: Where) -> Result<Located, Trouble> {
    Ok(match place {
        Where::Public => Located::Public(internet.public(name)?.0),
        Where::Behind(kind) => Located::AtHome(Box::new(internet.home(name, kind)?)),
    })
}

/// The way after two more seconds of voice, or as soon as it is the expected one.
fn come_to_rest(listener: &Listener, expected: Way) -> Result<Way, Trouble> {
    let now = || Way::of(&listener.statistic("passage"));
    listener.hears_more()?;
    let expected_by_now = wait::until("the way", LIMIT / 8, || Ok((now() == expected).then_some(())), String::new);
    listener.hears_more()?;
    // Another way is a result as well.
    Ok(expected_by_now.map_or_else(|_| now(), |()| now()))
}
