//! Reactions: what people show each other without a word, merged by the house before anybody is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{event::TopicChange, id::PersonId};

/// One of the six. The window has a picture of its own for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Reaction {
    /// Clapping hands.
    Clap,
    /// A heart.
    Heart,
    /// A laughing face.
    Laugh,
    /// Folded hands.
    Thanks,
    /// A lit lamp.
    Idea,
    /// A thumb up.
    Agree,
}

impl Reaction {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 6] = [Self::Clap, Self::Heart, Self::Laugh, Self::Thanks, Self::Idea, Self::Agree];
}

/// How often the audience showed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReactionCount {
    /// Which.
    pub reaction: Reaction,
    /// How often, at least once.
    pub count: u32,
}

/// What somebody on stage showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StageReaction {
    /// Who.
    pub person: PersonId,
    /// Which.
    pub reaction: Reaction,
}

/// What was shown since the last entry, by everybody. Stream `reactions`, alike for everybody; nothing of it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reacted {
    /// By the audience, each reaction once.
    #[serde(deserialize_with = "crate::known_entries::deserialize")]
    #[cfg_attr(feature = "types", specta(type = Vec<ReactionCount>))]
    pub audience: Vec<ReactionCount>,
    /// By people on stage, each once: their last.
    #[serde(deserialize_with = "crate::known_entries::deserialize")]
    #[cfg_attr(feature = "types", specta(type = Vec<StageReaction>))]
    pub stage: Vec<StageReaction>,
}

impl Reacted {
    /// From what was counted.
    pub fn new(audience: &BTreeMap<Reaction, u32>, stage: &BTreeMap<PersonId, Reaction>) -> Self {
        let counts = audience.iter().map(|(reaction, count)| ReactionCount { reaction: *reaction, count: *count });
        let shown = stage.iter().map(|(person, reaction)| StageReaction { person: *person, reaction: *reaction });
        Self { audience: counts.collect(), stage: shown.collect() }
    }
}

/// What a change says of reactions, in order.
pub fn reactions_in(change: &TopicChange) -> &[Reacted] {
    match change {
        TopicChange::Reactions { stream } => stream,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A program of today in a room of a newer house reads on.
    #[test]
    fn a_reaction_of_a_newer_house_is_passed_over() {
        let told = r#"{"topic":"reactions","stream":[{"audience":[{"reaction":"wave","count":9},
            {"reaction":"clap","count":2}],"stage":[{"person":"not a key","reaction":"clap"}],"room":7}]}"#;
        let change: TopicChange = serde_json::from_str(told).unwrap();
        let audience = vec![ReactionCount { reaction: Reaction::Clap, count: 2 }];
        assert_eq!(reactions_in(&change), [Reacted { audience, stage: Vec::new() }]);
    }

    #[test]
    fn an_entry_reads_so_on_the_wire() {
        let counts = BTreeMap::from([(Reaction::Agree, 1), (Reaction::Clap, 12)]);
        let person = PersonId::from_key(&[1; 32]);
        let reacted = Reacted::new(&counts, &BTreeMap::from([(person, Reaction::Heart)]));
        let change = TopicChange::Reactions { stream: vec![reacted.clone()] };
        let told = serde_json::json!({ "topic": "reactions", "stream": [{
            "audience": [{ "reaction": "clap", "count": 12 }, { "reaction": "agree", "count": 1 }],
            "stage": [{ "person": person, "reaction": "heart" }],
        }] });
        assert_eq!(serde_json::to_value(&change).unwrap(), told);
        assert_eq!(serde_json::from_value::<TopicChange>(told).unwrap(), change);
    }
}
