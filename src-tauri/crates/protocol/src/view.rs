//! A room as one person may see it, and the difference between two such views.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::{
    command::HandScope,
    event::RoomEvent,
    id::{PersonId, RoomId},
};

/// Milliseconds since the room was started, by the clock of the house.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "types", derive(specta::Type), specta(type = u32))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomTime(pub u64);

impl RoomTime {
    /// This much later.
    pub const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`, zero if that is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What a person is in a room. Stage = host + moderators + speakers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Role {
    /// The one person the room belongs to.
    Host,
    /// May run the room.
    Moderator,
    /// May send voice.
    Speaker,
    /// Sends no voice at all.
    Listener,
}

impl Role {
    /// May this role send voice?
    pub const fn is_on_stage(self) -> bool {
        !matches!(self, Role::Listener)
    }

    /// May this role invite, mute and move people?
    pub const fn may_moderate(self) -> bool {
        matches!(self, Role::Host | Role::Moderator)
    }
}

/// One person as the others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonView {
    /// Who.
    pub id: PersonId,
    /// Their display name.
    pub name: String,
    /// What they are here.
    pub role: Role,
    /// Always true for listeners.
    pub muted: bool,
    /// The connection is lost; seat, role and hand are kept for a while.
    pub away: bool,
    /// A hand is up. Only moderators, and the person, are told.
    pub hand: bool,
}

/// One entry of the hand queue, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HandView {
    /// Whose hand.
    pub person: PersonId,
    /// Their display name.
    pub name: String,
    /// When it went up.
    pub raised_at: RoomTime,
}

/// The hand queue as one person may see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HandsView {
    /// Who may raise a hand.
    pub scope: HandScope,
    /// How many are up; 0 for listeners, who see only their own place.
    pub count: u32,
    /// The whole queue for those on stage; empty for listeners.
    pub queue: Vec<HandView>,
}

/// How an invitation stands, for moderators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum InvitationState {
    /// Waiting for an answer.
    Open,
    /// "Maybe later."
    Later,
    /// It ran out.
    NoAnswer,
}

/// An invitation as moderators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitedView {
    /// The listener.
    pub person: PersonId,
    /// Their display name.
    pub name: String,
    /// How it stands.
    pub state: InvitationState,
}

/// An invitation as the invited person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationView {
    /// The moderator's display name.
    pub by: String,
    /// It answers a raised hand: "It's your turn."
    pub answers_hand: bool,
    /// When it runs out.
    pub until: RoomTime,
}

/// What a room is to the person who looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct YouView {
    /// Who you are.
    pub id: PersonId,
    /// What you are here.
    pub role: Role,
    /// What the others see of your microphone.
    pub muted: bool,
    /// Your place in line, 1 is next; none without a raised hand.
    pub place: Option<u32>,
    /// Your hand cannot go up before this time (after a dismissal).
    pub hand_blocked_until: Option<RoomTime>,
    /// An open invitation to the stage.
    pub invitation: Option<InvitationView>,
    /// If you leave now, this person will run the room (host and last moderator only; display name).
    pub successor: Option<String>,
}

/// A room as one person may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoomView {
    /// Which room.
    pub id: RoomId,
    /// Its title; empty: shown as "{host}'s room".
    pub title: String,
    /// The host's display name (of the last host, while there is none).
    pub host: String,
    /// When this view was made: the base for every other time in it.
    pub now: RoomTime,
    /// You.
    pub you: YouView,
    /// Host first, then moderators by when they became one, then speakers by when they came on stage.
    pub stage: Vec<PersonView>,
    /// The first [`crate::limits::AUDIENCE_LISTED`] listeners, by when they came in.
    pub audience: Vec<PersonView>,
    /// All listeners.
    pub listeners: u32,
    /// Places on stage that can be taken: without those kept for hosts who dropped out and may come back.
    pub stage_limit: u32,
    /// Whoever speaks sends long frames, because the house's upload is what limits the audience.
    #[serde(default)]
    pub saves_upload: bool,
    /// Raised hands.
    pub hands: HandsView,
    /// Invitations; moderators only.
    pub invitations: Vec<InvitedView>,
    /// Nobody is on stage: the room ends at this time unless somebody comes back.
    pub ends_at: Option<RoomTime>,
}

impl RoomView {
    /// The events that turn this view into `next`; empty if only `now` differs.
    pub fn changes_to(&self, next: &RoomView) -> Vec<RoomEvent> {
        let mut changes = Vec::new();
        let now = next.now;
        if self.seldom() != next.seldom() {
            return vec![RoomEvent::Opened { view: Box::new(next.clone()) }];
        }
        if self.you != next.you {
            changes.push(RoomEvent::YouChanged { now, you: next.you.clone() });
        }
        if self.stage != next.stage {
            changes.push(RoomEvent::StageChanged { now, stage: next.stage.clone() });
        }
        if self.audience != next.audience || self.listeners != next.listeners {
            changes.push(self.audience_change(next));
        }
        if self.hands != next.hands {
            changes.push(RoomEvent::HandsChanged { now, hands: next.hands.clone() });
        }
        if self.invitations != next.invitations {
            changes.push(RoomEvent::InvitationsChanged { now, invitations: next.invitations.clone() });
        }
        changes
    }

    /// What changes so seldom that the whole view is told anew.
    fn seldom(&self) -> impl PartialEq + '_ {
        (&self.id, &self.title, &self.host, self.stage_limit, self.saves_upload, self.ends_at)
    }

    /// The audience keeps its order, so what changed is who left, who is new at the end, and who looks different.
    fn audience_change(&self, next: &RoomView) -> RoomEvent {
        // By id: in a room of hundreds this is done for each of them, for every change.
        let before: HashMap<&PersonId, &PersonView> = self.audience.iter().map(|old| (&old.id, old)).collect();
        let after: HashSet<&PersonId> = next.audience.iter().map(|person| &person.id).collect();
        let is_news = |person: &&PersonView| before.get(&person.id) != Some(person);
        let changed: Vec<PersonView> = next.audience.iter().filter(is_news).cloned().collect();
        let left = self.audience.iter().map(|old| &old.id).filter(|id| !after.contains(id)).cloned().collect();
        let event = RoomEvent::AudienceChanged { now: next.now, changed, left, listeners: next.listeners };
        let mut folded = self.clone();
        folded.apply(&event);
        if folded.audience == next.audience {
            event
        } else {
            // Somebody came in between (a kept seat): send the list itself rather than describe the shuffle.
            RoomEvent::AudienceListed { now: next.now, audience: next.audience.clone(), listeners: next.listeners }
        }
    }

    /// Folds one event into this view.
    pub fn apply(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::Opened { view } => *self = (**view).clone(),
            RoomEvent::YouChanged { now, you } => {
                self.now = *now;
                self.you = you.clone();
            }
            RoomEvent::StageChanged { now, stage } => {
                self.now = *now;
                self.stage = stage.clone();
            }
            RoomEvent::AudienceChanged { now, changed, left, listeners } => {
                self.now = *now;
                self.listeners = *listeners;
                self.audience.retain(|person| !left.contains(&person.id));
                for person in changed {
                    match self.audience.iter_mut().find(|old| old.id == person.id) {
                        Some(old) => *old = person.clone(),
                        None => self.audience.push(person.clone()),
                    }
                }
            }
            RoomEvent::AudienceListed { now, audience, listeners } => {
                self.now = *now;
                self.audience = audience.clone();
                self.listeners = *listeners;
            }
            RoomEvent::HandsChanged { now, hands } => {
                self.now = *now;
                self.hands = hands.clone();
            }
            RoomEvent::InvitationsChanged { now, invitations } => {
                self.now = *now;
                self.invitations = invitations.clone();
            }
            RoomEvent::Notice { .. } | RoomEvent::Closed { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn a_person() -> impl Strategy<Value = PersonId> {
        (0..12u8).prop_map(|number| PersonId::from_key(&[number; 32]))
    }

    fn a_time() -> impl Strategy<Value = RoomTime> {
        (0..4u64).prop_map(RoomTime)
    }

    fn a_name() -> impl Strategy<Value = String> {
        "[AB]"
    }

    fn a_role() -> impl Strategy<Value = Role> {
        prop_oneof![Just(Role::Host), Just(Role::Moderator), Just(Role::Speaker), Just(Role::Listener)]
    }

    /// In any order, but nobody twice: a person has one seat.
    fn faces() -> impl Strategy<Value = Vec<PersonView>> {
        let ids = Just((0..6u8).map(|number| PersonId::from_key(&[number; 32])).collect::<Vec<_>>());
        let looks = vec((a_name(), a_role(), any::<[bool; 3]>()), 0..6);
        (ids.prop_shuffle(), looks).prop_map(|(ids, looks)| {
            let people = ids.into_iter().zip(looks);
            people
                .map(|(id, (name, role, [muted, away, hand]))| PersonView { id, name, role, muted, away, hand })
                .collect()
        })
    }

    fn a_you() -> impl Strategy<Value = YouView> {
        let invitation = (a_name(), any::<bool>(), a_time()).prop_map(|(by, answers_hand, until)| InvitationView {
            by,
            answers_hand,
            until,
        });
        let hand = (option::of(0..3u32), option::of(a_time()));
        (a_person(), a_role(), any::<bool>(), hand, option::of(invitation), option::of(a_name())).prop_map(
            |(id, role, muted, (place, hand_blocked_until), invitation, successor)| YouView {
                id,
                role,
                muted,
                place,
                hand_blocked_until,
                invitation,
                successor,
            },
        )
    }

    fn some_hands() -> impl Strategy<Value = HandsView> {
        let scope = prop_oneof![Just(HandScope::Off), Just(HandScope::Followed), Just(HandScope::Everyone)];
        let hand = (a_person(), a_name(), a_time());
        let queue = vec(hand.prop_map(|(person, name, raised_at)| HandView { person, name, raised_at }), 0..3);
        (scope, 0..3u32, queue).prop_map(|(scope, count, queue)| HandsView { scope, count, queue })
    }

    fn some_invitations() -> impl Strategy<Value = Vec<InvitedView>> {
        let state =
            prop_oneof![Just(InvitationState::Open), Just(InvitationState::Later), Just(InvitationState::NoAnswer)];
        vec((a_person(), a_name(), state).prop_map(|(person, name, state)| InvitedView { person, name, state }), 0..3)
    }

    /// What seldom changes is mostly alike, or every difference would be told as a whole new view.
    fn a_view() -> impl Strategy<Value = RoomView> {
        let seldom = (
            0..2u8,
            prop_oneof![9 => Just("A"), 1 => Just("B")],
            prop_oneof![9 => Just(None), 1 => option::of(a_time())],
            prop::bool::weighted(0.1),
        );
        let people = (faces(), faces(), 0..3u32);
        (seldom, a_time(), a_you(), people, some_hands(), some_invitations()).prop_map(
            |((limit, title, ends_at, saves_upload), now, you, (stage, audience, listeners), hands, invitations)| {
                RoomView {
                    id: RoomId::from_random([0; 10]),
                    title: title.into(),
                    host: title.into(),
                    now,
                    you,
                    stage,
                    audience,
                    listeners,
                    stage_limit: if limit == 0 { 12 } else { 11 },
                    saves_upload,
                    hands,
                    invitations,
                    ends_at,
                }
            },
        )
    }

    /// The listed audience with some gone, some different, and some new at the end: what happens in a room.
    fn next_audience(before: Vec<PersonView>) -> impl Strategy<Value = Vec<PersonView>> {
        let count = before.len();
        (Just(before), vec((any::<bool>(), any::<bool>()), count), faces()).prop_map(|(before, fates, arrivals)| {
            let is_new = |face: &PersonView| before.iter().all(|old| old.id != face.id);
            let arrivals: Vec<PersonView> = arrivals.into_iter().filter(is_new).collect();
            let stay = before.into_iter().zip(fates).filter(|(_, (stays, _))| *stays);
            let mut next: Vec<PersonView> = stay.map(|(face, (_, away))| PersonView { away, ..face }).collect();
            next.extend(arrivals);
            next
        })
    }

    fn folded(from: &RoomView, to: &RoomView) -> RoomView {
        let mut view = from.clone();
        for event in from.changes_to(to) {
            view.apply(&event);
        }
        view
    }

    proptest! {
        #[test]
        fn a_view_by_a_house_that_cannot_save_upload_saves_none(view in a_view()) {
            let mut older = serde_json::to_value(&view).unwrap_or_default();
            older.as_object_mut().map(|fields| fields.remove("savesUpload"));
            let read: RoomView = serde_json::from_value(older).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(read, RoomView { saves_upload: false, ..view });
        }

        #[test]
        fn folding_the_changes_into_a_view_gives_the_next_view(from in a_view(), to in a_view()) {
            let up_to_now = RoomView { now: to.now, ..folded(&from, &to) };
            prop_assert_eq!(up_to_now, to);
        }

        #[test]
        fn a_view_in_which_only_time_went_on_has_no_changes(view in a_view(), now in a_time()) {
            prop_assert_eq!(view.changes_to(&RoomView { now, ..view.clone() }), []);
        }

        #[test]
        fn an_audience_that_comes_and_goes_is_told_as_changes_and_not_as_a_list(
            (from, audience) in a_view().prop_flat_map(|view| {
                let audience = next_audience(view.audience.clone());
                (Just(view), audience)
            }),
        ) {
            let to = RoomView { audience, ..from.clone() };
            let changes = from.changes_to(&to);
            let listed = changes.iter().any(|event| matches!(event, RoomEvent::AudienceListed { .. }));
            prop_assert!(!listed && changes.len() <= 1);
            prop_assert_eq!(folded(&from, &to), to);
        }
    }
}
