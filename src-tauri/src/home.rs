//! Where one could go: keeps asking one's own house, the houses on this network and the saved ones for their rooms.
//!
//! Asking again every few seconds is enough for a list that people look at, and a house needs to remember nothing
//! about those who only look.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use serambi_call::LobbyClient;
use serambi_house::discovery::{self, Browser, FoundHouse, Sighting};
use serambi_protocol::{
    Code, Refusal,
    api::{HouseInfo, RoomCard},
    link::{HouseAddress, Link, Pin},
};
use tokio::sync::Notify;

use crate::view::{FoundRoom, HomeView, SavedHouse};

/// Between two rounds of asking.
const ROUND: Duration = Duration::from_secs(2);
/// A house on this network answers in milliseconds; a saved one far away in some hundred.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// After this a quiet network is called empty.
const SEARCH_FOR: Duration = Duration::from_secs(4);

/// A house the profile keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptHouse {
    /// Its name when last seen.
    pub name: String,
    /// How to reach it.
    pub link: Link,
}

/// Whom to ask besides the network.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The house in this program, once it runs.
    pub own: Option<HouseAddress>,
    /// Kept houses, in the person's order.
    pub kept: Vec<KeptHouse>,
}

/// The list and the wish to have it made anew.
#[derive(Clone, Default)]
pub struct Home {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    known: Mutex<Known>,
    found: Mutex<BTreeMap<String, FoundHouse>>,
    onlookers: Mutex<BTreeMap<String, LobbyClient>>,
    view: Mutex<HomeView>,
    again: Notify,
}

impl Home {
    /// The list as it stands.
    pub fn view(&self) -> HomeView {
        lock(&self.shared.view).clone()
    }

    /// Says whom to ask besides the network, and asks.
    pub fn set_known(&self, known: Known) {
        *lock(&self.shared.known) = known;
        self.ask_again();
    }

    /// Asks now rather than at the next round.
    pub fn ask_again(&self) {
        self.shared.again.notify_one();
    }

    /// Where a house that stands in the list is.
    pub fn address(&self, pin: &str) -> Option<HouseAddress> {
        let known = lock(&self.shared.known);
        let own = known.own.iter().find(|own| own.pin.as_str() == pin).cloned();
        let kept = || known.kept.iter().map(|kept| &kept.link.house).find(|house| house.pin.as_str() == pin).cloned();
        let found = || lock(&self.shared.found).get(pin).map(|house| house.address.clone());
        own.or_else(found).or_else(kept)
    }

    /// Searches and asks for ever; `changed` is called whenever the list is another.
    pub async fn keep_asking(self, listen: IpAddr, changed: impl Fn() + Send) {
        let mut browser = self.start_browsing(listen);
        let started = tokio::time::Instant::now();
        loop {
            let searching = started.elapsed() < SEARCH_FOR;
            let next = self.ask_all(searching).await;
            if replace_if_new(&mut lock(&self.shared.view), next) {
                changed();
            }
            tokio::select! {
                () = tokio::time::sleep(ROUND) => {}
                () = self.shared.again.notified() => {}
                () = self.note_found(browser.as_mut()) => {}
            }
        }
    }

    fn start_browsing(&self, listen: IpAddr) -> Option<Browser> {
        match discovery::browse(listen) {
            Ok(browser) => Some(browser),
            Err(error) => {
                tracing::warn!(%error, "this network cannot be searched for houses");
                lock(&self.shared.view).discovery_problem = Some(Code::Internal);
                None
            }
        }
    }

    /// Waits for news from the network and keeps it; without a browser there is none.
    async fn note_found(&self, browser: Option<&mut Browser>) {
        let Some(browser) = browser else { return std::future::pending().await };
        match browser.next().await {
            Some(Sighting::Here(house)) => {
                lock(&self.shared.found).insert(house.address.pin.to_string(), house);
            }
            Some(Sighting::Gone(pin)) => {
                lock(&self.shared.found).remove(pin.as_str());
            }
            None => std::future::pending().await,
        }
    }

    async fn ask_all(&self, early: bool) -> HomeView {
        let known = lock(&self.shared.known).clone();
        let own_pin = known.own.as_ref().map(|own| own.pin.clone());
        let nearby: Vec<HouseAddress> = known.own.iter().cloned().chain(self.other_houses(own_pin.as_ref())).collect();
        let (nearby, kept) = tokio::join!(
            join_all(nearby.iter().map(|house| self.ask(house))),
            join_all(known.kept.iter().map(|kept| self.ask(&kept.link.house)))
        );
        let found: Vec<FoundRoom> =
            nearby.into_iter().flatten().flat_map(|(info, cards)| rooms_of(&info, cards, own_pin.as_ref())).collect();
        let saved = known.kept.iter().zip(kept).map(|(kept, answer)| saved_house(kept, answer)).collect();
        let discovery_problem = lock(&self.shared.view).discovery_problem;
        let searching = early && found.is_empty() && discovery_problem.is_none();
        HomeView { found, saved, searching, discovery_problem }
    }

    /// What a house shows to anybody; none if it does not answer in time.
    async fn ask(&self, house: &HouseAddress) -> Answer {
        let onlooker = self.onlooker(house)?;
        match tokio::time::timeout(ANSWER_WITHIN, onlooker.look()).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(refusal)) => {
                tracing::debug!(code = %refusal.code, "a house did not answer");
                None
            }
            Err(_) => None,
        }
    }

    /// The onlooker of this house, kept from round to round for its open connection.
    fn onlooker(&self, house: &HouseAddress) -> Option<LobbyClient> {
        let mut onlookers = lock(&self.shared.onlookers);
        if let Some(onlooker) = onlookers.get(house.pin.as_str()).filter(|kept| kept.house() == house) {
            return Some(onlooker.clone());
        }
        match LobbyClient::new(house.clone()) {
            Ok(onlooker) => {
                onlookers.insert(house.pin.to_string(), onlooker.clone());
                Some(onlooker)
            }
            Err(refusal) => {
                tracing::warn!(code = %refusal.code, detail = refusal.detail, "a house cannot be looked at");
                None
            }
        }
    }

    fn other_houses(&self, own: Option<&Pin>) -> Vec<HouseAddress> {
        let found = lock(&self.shared.found);
        found.values().map(|house| house.address.clone()).filter(|address| Some(&address.pin) != own).collect()
    }
}

type Answer = Option<(HouseInfo, Vec<RoomCard>)>;

/// Looks behind a link: its room, or every room of its house.
///
/// # Errors
/// `link_wrong`, `house_unreachable`, `house_not_the_one`, `room_ended`.
pub async fn look_at_link(link: &Link, own: Option<&Pin>) -> Result<(HouseInfo, Vec<FoundRoom>), Refusal> {
    let onlooker = LobbyClient::new(link.house.clone())?;
    let (info, cards) = tokio::time::timeout(ANSWER_WITHIN, onlooker.look())
        .await
        .map_err(|_| Refusal::new(Code::HouseUnreachable, "no answer in time"))??;
    let mut rooms = rooms_of(&info, cards, own);
    if let Some(room) = &link.room {
        rooms.retain(|found| found.card.id == *room);
        if rooms.is_empty() {
            return Err(Code::RoomEnded.into());
        }
    }
    Ok((info, rooms))
}

fn rooms_of(info: &HouseInfo, cards: Vec<RoomCard>, own: Option<&Pin>) -> Vec<FoundRoom> {
    let mine = own.is_some_and(|own| own.as_str() == info.pin);
    let found = |card| FoundRoom { house: info.pin.clone(), house_name: info.name.clone(), mine, card };
    cards.into_iter().map(found).collect()
}

fn saved_house(kept: &KeptHouse, answer: Answer) -> SavedHouse {
    let (name, rooms) = match answer {
        Some((info, cards)) => (info.name, Some(cards)),
        None => (kept.name.clone(), None),
    };
    SavedHouse { pin: kept.link.house.pin.to_string(), name, link: kept.link.to_string(), rooms }
}

fn replace_if_new(old: &mut HomeView, new: HomeView) -> bool {
    let is_new = *old != new;
    if is_new {
        *old = new;
    }
    is_new
}

/// Nothing is computed while these locks are held, so a poisoned one still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
