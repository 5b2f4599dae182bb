//! What the window is shown of the app: profile, settings, rooms one could go to. The call comes as operations
//! ([`crate::call_updates`]).

use serambi_call::{CallMe, DoNotDisturb, Theme};
use serambi_protocol::{PersonId, Refusal, api::RoomCard, code::Code};
use serde::{Deserialize, Serialize};
use specta::Type;

use crate::{
    computer_view::ComputerView,
    reach_view::ReachView,
    sound_view::SoundView,
    updates::{UpdateState, UpdatedBy},
};

/// The languages every sentence exists in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// Bahasa Indonesia.
    Id,
    /// 简体中文.
    Zh,
}

impl Language {
    /// The language tag as the settings keep it (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Id => "id",
            Self::Zh => "zh-Hans",
        }
    }
}

/// A room somewhere: in one's own house, on this network, in a saved house, or behind a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct FoundRoom {
    /// The house, by its pin or its name.
    pub house: String,
    /// The house's name.
    pub house_name: String,
    /// It runs in this program.
    pub mine: bool,
    /// What can be seen before joining.
    pub card: RoomCard,
}

/// A house the person keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SavedHouse {
    /// Its pin or its name.
    pub pin: String,
    /// Its name when last seen.
    pub name: String,
    /// How to reach it.
    pub link: String,
    /// Its rooms; none: it does not answer right now.
    pub rooms: Option<Vec<RoomCard>>,
}

/// Where one could go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct HomeView {
    /// Rooms of one's own house and of houses on this network.
    pub found: Vec<FoundRoom>,
    /// Houses the person keeps.
    pub saved: Vec<SavedHouse>,
    /// Nothing was heard from the network yet, and it is early.
    pub searching: bool,
    /// Why the network cannot be searched.
    pub discovery_problem: Option<Code>,
}

/// Somebody wants this person in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct CalledView {
    /// Their display name.
    pub by: String,
    /// The house's name; the room's host if it did not say.
    pub house_name: String,
    /// The room, as it was then.
    pub card: RoomCard,
}

impl CalledView {
    /// The same call, told once more.
    pub fn is_same(&self, other: &Self) -> bool {
        self.by == other.by && self.card.id == other.card.id
    }
}

/// How it stands with newer versions of the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct UpdatesView {
    /// Who brings them.
    pub updated_by: UpdatedBy,
    /// Where they come from, an address with a key; none: nobody is asked.
    pub source: Option<String>,
    /// What came of asking.
    pub state: UpdateState,
}

/// Everything but the call and sound levels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct AppView {
    /// Higher is newer; an older snapshot that arrives late is to be passed over.
    #[specta(type = u32)]
    pub revision: u64,
    /// The profile's name; none for the usual one.
    pub profile: Option<String>,
    /// The program's version.
    pub version: String,
    /// The display name; none before the first start is done.
    pub name: Option<String>,
    /// One's own id.
    pub you: PersonId,
    /// The chosen language; none: the system's.
    pub language: Option<Language>,
    /// The chosen theme.
    pub theme: Theme,
    /// What was chosen about sound.
    pub sound: SoundView,
    /// Whether system notices are held back now.
    pub do_not_disturb: DoNotDisturb,
    /// When others may call this person into their rooms.
    pub call_me: CallMe,
    /// Somebody who does, until it is answered or too old.
    pub called: Option<CalledView>,
    /// Closing, starting, and keys that work from anywhere.
    pub computer: ComputerView,
    /// Newer versions of the app.
    pub updates: UpdatesView,
    /// Who can reach the own house.
    pub reach: ReachView,
    /// Something that went wrong without stopping the app.
    pub problem: Option<Refusal>,
    /// Where one could go.
    pub home: HomeView,
    /// A link the app was opened with: to be shown, never joined without a click.
    pub opened_link: Option<String>,
}

/// Loudness of what is heard, in percent of what the window can show, in few steps; it stands until the next batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct LevelBatch {
    /// One's own microphone, also while muted: 0 while nothing is said; none: closed.
    pub own: Option<u8>,
    /// Everybody else who talks now, and how loud.
    pub people: Vec<(PersonId, u8)>,
}
