//! Clients whose media comes by somebody else's port.

use std::net::SocketAddr;

use serambi_sfu::binding_request_fragment;
use serambi_sfu::core::Detour;

use crate::simulation::{Guest, SERVER, Simulation, listener};

const PORT: &str = "203.0.113.7:7413";

fn detour() -> Detour {
    Detour { candidates: vec![PORT.parse::<SocketAddr>().unwrap()], fragment: "a1b2c3d4e5f6a7b8".into() }
}

fn newest_offer(sim: &Simulation, guest: Guest) -> String {
    sim.client(guest).offers.last().unwrap().clone()
}

fn values(sdp: &str, attribute: &str) -> Vec<String> {
    let beginning = format!("a={attribute}:");
    sdp.lines().filter_map(|line| line.strip_prefix(&beginning)).map(str::to_owned).collect()
}

#[test]
fn a_client_that_comes_by_a_detour_is_told_of_it_alone_and_its_user_names_begin_as_its_owner_wants() {
    let mut sim = Simulation::new();
    let ani = sim.ring_by("ani", listener(), Some(detour())).unwrap();
    let budi = sim.ring("budi", listener()).unwrap();
    let (by_detour, directly) = (newest_offer(&sim, ani), newest_offer(&sim, budi));
    let candidates = values(&by_detour, "candidate");
    assert!(candidates.len() == 1 && candidates[0].contains("203.0.113.7 7413 typ host"), "{candidates:?}");
    assert!(values(&by_detour, "ice-ufrag").iter().all(|name| name.starts_with("a1b2c3d4e5f6a7b8") && name.len() > 24));
    let candidates = values(&directly, "candidate");
    assert!(candidates.iter().all(|one| one.contains(&SERVER.replace(':', " "))), "{candidates:?}");
    assert!(values(&directly, "ice-ufrag").iter().all(|name| name.len() == 12));
}

#[test]
fn whoever_comes_back_another_way_is_told_of_that_one() {
    let mut sim = Simulation::new();
    let ani = sim.enter("ani", listener());
    sim.cut(ani);
    sim.resume_by(ani, "ani", Some(detour()));
    let offer = newest_offer(&sim, ani);
    assert!(values(&offer, "candidate")[0].contains("203.0.113.7 7413"));
    assert!(values(&offer, "ice-ufrag")[0].starts_with("a1b2c3d4e5f6a7b8"));
}

#[test]
fn a_first_packet_says_whose_it_is_by_the_servers_half_of_its_user_name() {
    let name = b"a1b2c3d4e5f6a7b8rest:theirs2";
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0, 28];
    request.extend(name);
    assert_eq!(binding_request_fragment(&request), Some("a1b2c3d4e5f6a7b8rest"));
    request[1] = 17;
    assert_eq!(binding_request_fragment(&request), None, "an indication is no request");
}
