//! Reaching a house from anywhere: who is connected by which way and how soon, what that costs, and how long nothing is
//! heard when something on the way changes. Real programs in a small Internet of network namespaces.

mod costs;
pub mod first_sound;
mod healing;
mod matrix;
mod quality;

use std::{path::Path, time::Duration};

use serambi_tests::{
    Trouble, network,
    path_condition::{Condition, Jitter, Loss},
};

use crate::table::Table;

/// Nothing may take longer.
const LIMIT: Duration = Duration::from_secs(60);
/// Between the guest and everybody else.
const ONE_WAY_MS: f64 = 30.0;

type Part = fn(&Path, &mut Table) -> Result<(), Trouble>;

/// All of it; as root of a namespace of its own where this user may not make networks.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    if !network::may_be_made() {
        let printed = network::run_again_as_root(&["reach"])?;
        print!("{}", String::from_utf8_lossy(&printed));
        return Ok(());
    }
    let parts: [Part; 4] = [matrix::measure, costs::measure, healing::measure, quality::measure];
    // What one of them lacks is no reason to leave out the others.
    parts.map(|part| part(output, table)).into_iter().collect()
}

/// A path on which everything takes this time, and this share is lost.
fn path(ms: f64, share: f64) -> Condition {
    let loss = if share > 0.0 { Loss::Random { share } } else { Loss::None };
    let jitter = Jitter { mean_ms: ms, deviation_ms: 0.0, limits_ms: (ms - 1.0, ms + 1.0) };
    Condition { loss, jitter: Some(jitter) }
}
