//! Where one could go: asks the own house, the houses on this network and the saved ones for their rooms.
//!
//! Asking again every few seconds is enough for a list that people look at, and a house needs to remember nothing
//! about those who only look. Nobody is asked while nobody looks: [`crate::polling`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use serambi_call::{Doors, LobbyClient};
use serambi_discovery::{Browser, FoundHouse, Sighting};
use serambi_protocol::{
    Code, Refusal,
    api::{HouseInfo, RoomCard},
    link::{HouseAddress, HouseProof, Link, Pin},
};
use tokio::{sync::Notify, time::Instant};

use crate::{
    polling::{Attention, MIN_PAUSE, Timetable},
    view::{FoundRoom, HomeView, SavedHouse},
};

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

/// The list of rooms one could go to.
#[derive(Clone, Default)]
pub struct Home {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    known: Mutex<Known>,
    found: Mutex<BTreeMap<String, FoundHouse>>,
    onlookers: Mutex<BTreeMap<String, LobbyClient>>,
    doors: Doors,
    view: Mutex<HomeView>,
    again: Notify,
}

impl Home {
    /// A list with nobody in it yet; houses behind gates are looked at through these doors.
    pub fn new(doors: Doors) -> Self {
        Self { shared: Arc::new(Shared { doors, ..Shared::default() }) }
    }

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

    /// Looks behind a link: its room, or every room of its house.
    ///
    /// # Errors
    /// `link_wrong`, `house_unreachable`, `house_not_the_one`, `room_ended`.
    pub async fn look_at_link(
        &self,
        link: &Link,
        own: Option<&HouseProof>,
    ) -> Result<(HouseInfo, Vec<FoundRoom>), Refusal> {
        let onlooker = LobbyClient::new(link.house.clone(), &self.shared.doors)?;
        let (info, cards) = tokio::time::timeout(ANSWER_WITHIN, onlooker.look())
            .await
            .map_err(|_| Refusal::new(Code::HouseUnreachable, "no answer in time"))??;
        let mut rooms = rooms_of(&link.house.proof, &info, cards, own);
        if let Some(room) = &link.room {
            rooms.retain(|found| found.card.id == *room);
            if rooms.is_empty() {
                return Err(Code::RoomEnded.into());
            }
        }
        Ok((info, rooms))
    }

    /// Where a house that stands in the list is, by its pin or its name.
    pub fn address(&self, house: &str) -> Option<HouseAddress> {
        let known = lock(&self.shared.known);
        let own = known.own.iter().find(|own| own.proof.as_str() == house).cloned();
        let kept = || known.kept.iter().map(|kept| &kept.link.house).find(|kept| kept.proof.as_str() == house).cloned();
        let found = || lock(&self.shared.found).get(house).map(|house| house.address.clone());
        own.or_else(found).or_else(kept)
    }

    /// Where the house with this fingerprint announces itself on this network.
    pub fn seen_at(&self, pin: &Pin) -> Vec<String> {
        lock(&self.shared.found).get(pin.as_str()).map_or_else(Vec::new, |house| house.address.addresses.clone())
    }

    /// Searches and asks for ever, as far as `attention` says that somebody looks; `changed` is called whenever the
    /// list is another.
    pub async fn keep_asking(
        self,
        listen: IpAddr,
        attention: impl Fn() -> Attention + Send,
        changed: impl Fn() + Send,
    ) {
        let mut browser = self.start_browsing(listen);
        let mut round = Round::default();
        loop {
            round.look(attention(), Instant::now());
            self.ask_due(&mut round).await;
            let next = self.compose(&round);
            if replace_if_new(&mut lock(&self.shared.view), next) {
                changed();
            }
            tokio::select! {
                () = tokio::time::sleep(MIN_PAUSE) => {}
                () = self.shared.again.notified() => round.timetable.start_over(),
                () = self.note_found(browser.as_mut()) => {}
            }
        }
    }

    fn start_browsing(&self, listen: IpAddr) -> Option<Browser> {
        match serambi_discovery::browse(listen) {
            Ok(browser) => Some(browser),
            Err(error) => {
                tracing::warn!(%error, "this network cannot be searched for houses");
                lock(&self.shared.view).discovery_problem = Some(error.code());
                None
            }
        }
    }

    /// Waits for news from the network and keeps it; without a browser there is none.
    async fn note_found(&self, browser: Option<&mut Browser>) {
        let Some(browser) = browser else { return std::future::pending().await };
        match browser.next().await {
            Some(Sighting::Here(house)) => {
                lock(&self.shared.found).insert(house.address.proof.to_string(), house);
            }
            Some(Sighting::Gone(house)) => {
                lock(&self.shared.found).remove(house.as_str());
            }
            None => std::future::pending().await,
        }
    }

    /// Asks those houses whose turn it is, all at once.
    async fn ask_due(&self, round: &mut Round) {
        let listed = self.houses(Attention::Home);
        round.forget_others(&listed);
        let now = Instant::now();
        let mut houses = self.houses(round.attention);
        houses.retain(|house| round.timetable.is_due(house.proof.as_str(), now));
        let answers = join_all(houses.iter().map(|house| self.ask(house))).await;
        let now = Instant::now();
        for (house, answer) in houses.iter().zip(answers) {
            round.timetable.note(house.proof.as_str(), answer.is_some(), now);
            round.answers.insert(house.proof.to_string(), answer);
        }
    }

    /// The houses to ask while the person looks there, each once.
    fn houses(&self, attention: Attention) -> Vec<HouseAddress> {
        let known = lock(&self.shared.known).clone();
        let own_proof = known.own.as_ref().map(|own| own.proof.clone());
        let nearby = known.own.iter().cloned().chain(self.other_houses(own_proof.as_ref()));
        let kept = known.kept.iter().map(|kept| kept.link.house.clone());
        let mut houses: Vec<HouseAddress> = match attention {
            Attention::Elsewhere => Vec::new(),
            Attention::Room => nearby.collect(),
            Attention::Home => nearby.chain(kept).collect(),
        };
        let mut seen = BTreeSet::new();
        houses.retain(|house| seen.insert(house.proof.to_string()));
        houses
    }

    fn compose(&self, round: &Round) -> HomeView {
        let known = lock(&self.shared.known).clone();
        let own_proof = known.own.as_ref().map(|own| own.proof.clone());
        let answer = |house: &HouseProof| round.answers.get(house.as_str()).cloned().flatten();
        let nearby = known.own.iter().cloned().chain(self.other_houses(own_proof.as_ref()));
        let found: Vec<FoundRoom> = nearby
            .filter_map(|house| Some((answer(&house.proof)?, house.proof)))
            .flat_map(|((info, cards), house)| rooms_of(&house, &info, cards, own_proof.as_ref()))
            .collect();
        let saved = known.kept.iter().map(|kept| saved_house(kept, answer(&kept.link.house.proof))).collect();
        let discovery_problem = lock(&self.shared.view).discovery_problem;
        let searching = round.is_early(Instant::now()) && found.is_empty() && discovery_problem.is_none();
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
        if let Some(onlooker) = onlookers.get(house.proof.as_str()).filter(|kept| kept.house() == house) {
            return Some(onlooker.clone());
        }
        match LobbyClient::new(house.clone(), &self.shared.doors) {
            Ok(onlooker) => {
                onlookers.insert(house.proof.to_string(), onlooker.clone());
                Some(onlooker)
            }
            Err(refusal) => {
                tracing::warn!(code = %refusal.code, detail = refusal.detail, "a house cannot be looked at");
                None
            }
        }
    }

    fn other_houses(&self, own: Option<&HouseProof>) -> Vec<HouseAddress> {
        let found = lock(&self.shared.found);
        found.values().map(|house| house.address.clone()).filter(|address| Some(&address.proof) != own).collect()
    }
}

type Answer = Option<(HouseInfo, Vec<RoomCard>)>;

/// The last answers, and whom to ask next.
struct Round {
    attention: Attention,
    /// Since when somebody looks, for the first time.
    looking_since: Option<Instant>,
    timetable: Timetable,
    answers: HashMap<String, Answer>,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            attention: Attention::Elsewhere,
            looking_since: None,
            timetable: Timetable::default(),
            answers: HashMap::new(),
        }
    }
}

impl Round {
    /// Who comes back to a list is shown one that is true.
    fn look(&mut self, attention: Attention, now: Instant) {
        if self.attention != attention {
            self.attention = attention;
            self.timetable.start_over();
        }
        if attention != Attention::Elsewhere {
            self.looking_since.get_or_insert(now);
        }
    }

    fn is_early(&self, now: Instant) -> bool {
        self.looking_since.is_none_or(|since| now.duration_since(since) < SEARCH_FOR)
    }

    fn forget_others(&mut self, listed: &[HouseAddress]) {
        let is_listed = |pin: &str| listed.iter().any(|house| house.proof.as_str() == pin);
        self.timetable.keep(is_listed);
        self.answers.retain(|pin, _| is_listed(pin));
    }
}

fn rooms_of(house: &HouseProof, info: &HouseInfo, cards: Vec<RoomCard>, own: Option<&HouseProof>) -> Vec<FoundRoom> {
    let mine = own == Some(house);
    let found = |card| FoundRoom { house: house.to_string(), house_name: info.name.clone(), mine, card };
    cards.into_iter().map(found).collect()
}

fn saved_house(kept: &KeptHouse, answer: Answer) -> SavedHouse {
    let (name, rooms) = match answer {
        Some((info, cards)) => (info.name, Some(cards)),
        None => (kept.name.clone(), None),
    };
    SavedHouse { pin: kept.link.house.proof.to_string(), name, link: kept.link.to_string(), rooms }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn link(number: u8) -> Link {
        Link::read(&format!("serambi://192.0.2.{number}:7410/?pin={}", Pin::from_digest(&[number; 32]))).unwrap()
    }

    fn home() -> Home {
        let home = Home::default();
        let kept =
            vec![KeptHouse { name: "Far".into(), link: link(1) }, KeptHouse { name: "Near".into(), link: link(2) }];
        *lock(&home.shared.known) = Known { own: Some(link(3).house), kept };
        // A saved house that is on this network as well.
        let near = FoundHouse { name: "Near".into(), address: link(2).house };
        lock(&home.shared.found).insert(near.address.proof.to_string(), near);
        home
    }

    fn asked(attention: Attention) -> Vec<HouseAddress> {
        home().houses(attention)
    }

    #[tokio::test]
    async fn a_quiet_network_is_searched_once_somebody_looks() {
        let home = Home::default();
        let (told, mut changes) = tokio::sync::mpsc::channel(1);
        // One news is enough; more find the channel full.
        let changed = move || {
            // One that waits already says the same.
            let _ = told.try_send(());
        };
        let asking = home.clone().keep_asking(IpAddr::from([127, 0, 0, 1]), || Attention::Home, changed);
        let wait = async { assert!(changes.recv().await.is_some()) };
        let limited = tokio::time::timeout(Duration::from_secs(20), wait);
        tokio::select! {
            () = asking => {}
            ended = limited => assert!(ended.is_ok(), "the list was never made"),
        }
        assert!(home.view().searching || !home.view().found.is_empty());
    }

    #[test]
    fn saved_houses_are_asked_while_home_is_on_the_screen_only() {
        assert!(asked(Attention::Home).contains(&link(1).house));
        assert!(!asked(Attention::Room).contains(&link(1).house));
    }

    #[test]
    fn nobody_is_asked_while_the_window_cannot_be_seen() {
        assert!(asked(Attention::Elsewhere).is_empty());
    }

    #[test]
    fn a_house_in_two_lists_is_asked_once() {
        assert_eq!(asked(Attention::Home).len(), 3);
    }

    #[test]
    fn who_comes_back_to_home_is_shown_a_true_list_at_once() {
        let mut round = Round::default();
        let now = Instant::now();
        round.look(Attention::Home, now);
        round.timetable.note("a", false, now);
        assert!(!round.timetable.is_due("a", now));
        round.look(Attention::Elsewhere, now);
        round.look(Attention::Home, now);
        assert!(round.timetable.is_due("a", now));
    }

    #[test]
    fn the_network_is_called_empty_four_seconds_after_somebody_began_to_look() {
        let mut round = Round::default();
        let start = Instant::now();
        let looked_at = start + SEARCH_FOR * 2;
        assert!(round.is_early(looked_at));
        round.look(Attention::Home, looked_at);
        assert!(round.is_early(looked_at));
        assert!(!round.is_early(looked_at + SEARCH_FOR));
    }
}
