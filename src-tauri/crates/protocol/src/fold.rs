//! Folding changes into a view: records are replaced whole, keyed lists take upserts and removals.
//!
//! Nothing here knows what a topic holds. The window folds the same operations (`ui/src/backend/fold.ts`); the vectors
//! in `tests/vectors/fold.json` hold the two equal.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::id::PersonId;

/// An entry of a keyed list: about one person, at a place given by its rank.
pub trait Entry: Clone + PartialEq {
    /// The key: no two entries of a list share it.
    fn key(&self) -> PersonId;
    /// Entries stand in ascending order of rank, then key.
    fn rank(&self) -> u64;
}

/// What turns one keyed list into the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "types", derive(specta::Type))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListPatch<T> {
    /// New or different entries.
    pub upsert: Vec<T>,
    /// Keys of entries that are gone.
    pub remove: Vec<PersonId>,
}

impl<T: Entry> ListPatch<T> {
    /// The patch that turns `before` into `after`; none if they are alike.
    pub fn between(before: &[T], after: &[T]) -> Option<Self> {
        if before == after {
            return None;
        }
        // By key: in a room of hundreds this is done for each change.
        let old: HashMap<PersonId, &T> = before.iter().map(|entry| (entry.key(), entry)).collect();
        let kept: HashSet<PersonId> = after.iter().map(Entry::key).collect();
        let upsert = after.iter().filter(|entry| old.get(&entry.key()) != Some(entry)).cloned().collect();
        let remove = before.iter().map(Entry::key).filter(|key| !kept.contains(key)).collect();
        Some(Self { upsert, remove })
    }

    /// Folds the patch into a list that is in order; it is in order afterwards.
    pub fn apply(&self, list: &mut Vec<T>) {
        let replaced: HashSet<PersonId> =
            self.upsert.iter().map(Entry::key).chain(self.remove.iter().copied()).collect();
        list.retain(|entry| !replaced.contains(&entry.key()));
        list.extend(self.upsert.iter().cloned());
        list.sort_by_key(|entry| (entry.rank(), entry.key()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Numbered {
        id: PersonId,
        rank: u64,
        value: u8,
    }

    impl Entry for Numbered {
        fn key(&self) -> PersonId {
            self.id
        }

        fn rank(&self) -> u64 {
            self.rank
        }
    }

    fn a_list() -> impl Strategy<Value = Vec<Numbered>> {
        proptest::collection::btree_map(0..12u8, (0..4u64, 0..3u8), 0..10).prop_map(|entries| {
            let entry = |(key, (rank, value))| Numbered { id: PersonId::from_key(&[key; 32]), rank, value };
            let mut list: Vec<Numbered> = entries.into_iter().map(entry).collect();
            list.sort_by_key(|entry| (entry.rank, entry.id));
            list
        })
    }

    proptest! {
        #[test]
        fn folding_the_patch_between_two_lists_into_the_first_gives_the_second(before in a_list(), after in a_list()) {
            let mut folded = before.clone();
            if let Some(patch) = ListPatch::between(&before, &after) {
                patch.apply(&mut folded);
            }
            prop_assert_eq!(folded, after);
        }

        #[test]
        fn a_patch_holds_nothing_that_both_lists_have_alike(before in a_list(), after in a_list()) {
            let patch = ListPatch::between(&before, &after);
            prop_assert_eq!(patch.is_none(), before == after);
            for entry in patch.iter().flat_map(|patch| &patch.upsert) {
                prop_assert!(!before.contains(entry));
            }
        }

        #[test]
        fn folding_a_patch_twice_is_folding_it_once(before in a_list(), after in a_list()) {
            let Some(patch) = ListPatch::between(&before, &after) else { return Ok(()) };
            let mut folded = before;
            patch.apply(&mut folded);
            patch.apply(&mut folded);
            prop_assert_eq!(folded, after);
        }
    }
}
