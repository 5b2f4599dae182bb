//! Lists in which a newer house may have entries that this build does not know: those are passed over.

use serde::{Deserialize, Deserializer, de::IgnoredAny};

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry<T> {
    Known(T),
    Unknown(IgnoredAny),
}

/// The entries that this build knows, in their order.
///
/// # Errors
/// When it is no list.
pub fn deserialize<'de, D, T, List>(deserializer: D) -> Result<List, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
    List: FromIterator<T>,
{
    let entries = Vec::<Entry<T>>::deserialize(deserializer)?;
    let known = entries.into_iter().filter_map(|entry| match entry {
        Entry::Known(entry) => Some(entry),
        Entry::Unknown(IgnoredAny) => None,
    });
    Ok(known.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use crate::{Act, view::Rights};

    /// An older program joined a house that had two new acts, and read none of its rooms.
    #[test]
    fn an_act_of_a_newer_house_is_passed_over() {
        let told = json!({
            "may": ["setHandScope", "paintTheWalls", "endRoom"],
            "on": [{"act": "paintTheWalls", "roles": ["host"]}, {"act": "mute", "roles": ["speaker"]}],
            "inviteRefused": null,
        });
        let rights: Rights = serde_json::from_value(told).unwrap();
        assert_eq!(rights.may, [Act::SetHandScope, Act::EndRoom]);
        assert_eq!(rights.on.iter().map(|entry| entry.act).collect::<Vec<_>>(), [Act::Mute]);
    }
}
