//! What a person chose about how their house is reached from outside.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is remembered in the profile. Nobody is asked for anything until it is chosen here.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReachSettings {
    /// The link of the gate at which the house waits. Holds a secret, the gate's token.
    pub through: Option<String>,
    /// The router is asked to pass the house's ports on.
    pub ask_router: bool,
    /// How the house is seen from outside, where somebody passes its ports on: `HOST[:TCP[:UDP]]`.
    pub outside: Option<String>,
}

impl fmt::Debug for ReachSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReachSettings")
            .field("through", &self.through.as_ref().map(|_| "…"))
            .field("ask_router", &self.ask_router)
            .field("outside", &self.outside)
            .finish()
    }
}
