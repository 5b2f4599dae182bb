//! What a packet of voice costs the house, and the gate, on each way: processor time.

use std::{path::Path, time::Duration};

use serambi_tests::{
    Trouble,
    internet::{Home, Internet, Router},
    places,
    process_load::Family,
    public_gate::PublicGate,
    talking_house::{Listener, TalkingHouse},
};
use serde_json::{Value, json};

use crate::table::Table;

const LISTENERS: usize = 6;
const WATCHED: Duration = Duration::from_secs(20);

/// One house with listeners behind one router, on each way.
pub fn measure(_: &Path, table: &mut Table) -> Result<(), Trouble> {
    let straight = cost(Router::Cone, &json!(null), "straight")?;
    table.row("A packet to a listener: straight", straight.house(), how());
    let punched = cost(Router::Cone, &json!("direct"), "punched")?;
    table.row("A packet to a listener: from router to router", punched.house(), how());
    let carried = cost(Router::Symmetric, &json!("gate"), "carried")?;
    table.row("A packet to a listener: through the gate", format!("{}, {}", carried.house(), carried.gate()), how());
    Ok(())
}

fn how() -> String {
    format!(
        "{LISTENERS} listeners to one voice over {} s, house without listeners taken off; kernel included",
        WATCHED.as_secs()
    )
}

struct Cost {
    house: Duration,
    gate: Duration,
    packets: u64,
}

impl Cost {
    fn house(&self) -> String {
        format!("{:.0} µs of the house", self.each(self.house))
    }

    fn gate(&self) -> String {
        format!("{:.0} µs of the gate", self.each(self.gate))
    }

    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.packets.max(1) as f64
    }
}

/// Processor time of house and gate so far.
fn spent(house: &TalkingHouse, gate: &PublicGate) -> Result<[Duration; 2], Trouble> {
    let gate = gate.id().ok_or_else(|| Trouble::Unexpected("the gate is away".to_owned()))?;
    Ok([Family::of(house.house_id())?.processor_time()?, Family::of(gate)?.processor_time()?])
}

/// What both spend meanwhile.
fn watch(house: &TalkingHouse, gate: &PublicGate) -> Result<[Duration; 2], Trouble> {
    let before = spent(house, gate)?;
    std::thread::sleep(WATCHED);
    let after = spent(house, gate)?;
    Ok([0, 1].map(|who| after[who].saturating_sub(before[who])))
}

fn cost(routers: Router, way: &Value, name: &str) -> Result<Cost, Trouble> {
    let output = places::fresh_output(&format!("measure-reach-cost-{name}"))?;
    let mut internet = Internet::open(&output)?;
    let gate = PublicGate::open(&mut internet, &output)?;
    let house_home = internet.home("house", routers)?;
    let guest_home = internet.home("guest", routers)?;
    // Straight: behind the same router as the house.
    let near = way.is_null().then(|| house_home.neighbour("near", &output)).transpose()?;
    let Home { place: far, .. } = &guest_home;
    let place = near.as_ref().unwrap_or(far);
    let house = TalkingHouse::open(&house_home.place, &["--through", &gate.link], &output)?;
    let idle = watch(&house, &gate)?;
    let join = |number: usize| Listener::join_as(&format!("Budi-{number}"), place, &house.link, &output);
    let listeners = (1..=LISTENERS).map(join).collect::<Result<Vec<Listener>, _>>()?;
    for listener in &listeners {
        listener.hears_more()?;
        listener.becomes("passage", way)?;
    }
    let heard = || listeners.iter().filter_map(|one| one.statistic("packets_received").as_u64()).sum::<u64>();
    let before = heard();
    let [at_house, at_gate] = watch(&house, &gate)?;
    let packets = heard() - before;
    Ok(Cost { house: at_house.saturating_sub(idle[0]), gate: at_gate.saturating_sub(idle[1]), packets })
}
