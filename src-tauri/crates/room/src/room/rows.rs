//! A room taken apart for a disk: what it knows of each person, and each message of its chat, is a row of its own, so
//! that a change of one in a room of thousands is one row.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use serambi_protocol::{
    PersonId,
    chat::{ChatMessage, MessageId},
    view::RoomTime,
};
use serde::{Deserialize, Serialize};

use super::{Listener, Room};
use crate::{reactions::Reactions, seat::Seat};

/// What a room knows of one person, apart from places on stage, hands and invitations: there are few of those, they are
/// in an order, and they stand in the row of the room itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PersonRow {
    seat: Option<Seat>,
    /// The rank in the audience.
    listens: Option<u64>,
    is_former_speaker: bool,
    is_blocked: bool,
    removed_until: Option<RoomTime>,
    departed_until: Option<RoomTime>,
}

impl Room {
    /// The room's own row: all that is in no row of a person and no message.
    pub fn own_row(&self) -> Self {
        Self {
            id: self.id,
            title: self.title.clone(),
            settings: self.settings.clone(),
            seats: BTreeMap::new(),
            stage: self.stage.clone(),
            audience: Vec::new(),
            audience_count: self.audience_count,
            hands: self.hands.clone(),
            invitations: self.invitations.clone(),
            claims: self.claims.clone(),
            switches: self.switches.clone(),
            door: self.door.clone(),
            chat: self.chat.without_messages(),
            reactions: Reactions::default(),
            former_speakers: BTreeSet::new(),
            blocked: BTreeSet::new(),
            removed: BTreeMap::new(),
            departed: BTreeMap::new(),
            host_name: self.host_name.clone(),
            deserted_since: self.deserted_since,
            over: self.over,
        }
    }

    /// The rows of people that are not what they were in `before`; none: the row is gone.
    pub fn changed_rows(&self, before: &Self) -> BTreeMap<PersonId, Option<PersonRow>> {
        let changed = self.changed_people(before);
        let listening = self.audience.iter().filter(|listener| changed.contains(&listener.person));
        let ranks: BTreeMap<PersonId, u64> = listening.map(|listener| (listener.person, listener.rank)).collect();
        changed.into_iter().map(|person| (person, self.row_of(&person, ranks.get(&person).copied()))).collect()
    }

    /// The messages that are not what they were in `before`; none: the row is gone.
    pub fn changed_messages(&self, before: &Self) -> BTreeMap<MessageId, Option<ChatMessage>> {
        self.chat.changed_since(&before.chat)
    }

    /// The room with these messages beside those it has.
    pub fn with_messages(mut self, messages: impl IntoIterator<Item = ChatMessage>) -> Self {
        self.chat.restore(messages);
        self
    }

    /// The room of which this is the own row, with these rows of people.
    pub fn with_rows(mut self, rows: impl IntoIterator<Item = (PersonId, PersonRow)>) -> Self {
        for (person, row) in rows {
            self.audience.extend(row.listens.map(|rank| Listener { person, rank }));
            self.seats.extend(row.seat.map(|seat| (person, seat)));
            self.former_speakers.extend(row.is_former_speaker.then_some(person));
            self.blocked.extend(row.is_blocked.then_some(person));
            self.removed.extend(row.removed_until.map(|until| (person, until)));
            self.departed.extend(row.departed_until.map(|until| (person, until)));
        }
        self.audience.sort_by_key(|listener| listener.rank);
        self
    }

    fn row_of(&self, person: &PersonId, listens: Option<u64>) -> Option<PersonRow> {
        let row = PersonRow {
            seat: self.seats.get(person).cloned(),
            listens,
            is_former_speaker: self.former_speakers.contains(person),
            is_blocked: self.blocked.contains(person),
            removed_until: self.removed.get(person).copied(),
            departed_until: self.departed.get(person).copied(),
        };
        (row != PersonRow::default()).then_some(row)
    }

    fn changed_people(&self, before: &Self) -> BTreeSet<PersonId> {
        let mut changed = BTreeSet::new();
        collect_changes(of_map(&self.seats), of_map(&before.seats), &mut changed);
        collect_changes(of_audience(&self.audience), of_audience(&before.audience), &mut changed);
        collect_changes(of_map(&self.removed), of_map(&before.removed), &mut changed);
        collect_changes(of_map(&self.departed), of_map(&before.departed), &mut changed);
        changed.extend(self.former_speakers.symmetric_difference(&before.former_speakers));
        changed.extend(self.blocked.symmetric_difference(&before.blocked));
        changed
    }
}

fn of_map<V>(map: &BTreeMap<PersonId, V>) -> impl Iterator<Item = (PersonId, PersonId, &V)> {
    map.iter().map(|(person, value)| (*person, *person, value))
}

fn of_audience(audience: &[Listener]) -> impl Iterator<Item = (u64, PersonId, ())> {
    audience.iter().map(|listener| (listener.rank, listener.person, ()))
}

/// The people of entries that stand in one list only, or in both with different values. Both lists are in ascending
/// order of the key, which comes first in an entry.
fn collect_changes<K: Ord, V: PartialEq, L: IntoIterator<Item = (K, PersonId, V)>>(
    after: L,
    before: L,
    changed: &mut BTreeSet<PersonId>,
) {
    let (mut after, mut before) = (after.into_iter().peekable(), before.into_iter().peekable());
    loop {
        let order = match (after.peek(), before.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.0.cmp(&other.0),
        };
        let one = after.next_if(|_| order.is_le());
        let other = before.next_if(|_| order.is_ge());
        if one != other {
            changed.extend([one, other].into_iter().flatten().map(|entry| entry.1));
        }
    }
}
