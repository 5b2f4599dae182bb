//! Everybody the house has seen: since when, and whether they belong to it.

use rusqlite::OptionalExtension;
use serambi_protocol::PersonId;
use sha2::{Digest, Sha256};

use super::Storage;
use crate::error::HouseError;

/// What somebody is to the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Anybody who was let through the door.
    Guest,
    /// Belongs to it.
    Member,
    /// Runs it.
    Keeper,
}

impl Standing {
    const fn text(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Keeper => "keeper",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "keeper" => Self::Keeper,
            "member" => Self::Member,
            _ => Self::Guest,
        }
    }
}

/// Reads and writes people.
#[derive(Clone, Debug)]
pub struct PersonRepository(Storage);

impl PersonRepository {
    pub(super) fn new(storage: Storage) -> Self {
        Self(storage)
    }

    /// Notes that this person was here, if for the first time, and says what they are.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn see(&self, person: PersonId, unix_ms: i64) -> Result<Standing, HouseError> {
        self.0
            .ask(move |connection| {
                connection.execute(
                    "INSERT INTO person (id, known_since_unix_ms, standing) VALUES (?1, ?2, 'guest') \
                     ON CONFLICT (id) DO NOTHING",
                    rusqlite::params![person.key(), unix_ms],
                )?;
                connection.query_row("SELECT standing FROM person WHERE id = ?1", [person.key()], |row| {
                    Ok(Standing::read(row.get_ref(0)?.as_str()?))
                })
            })
            .await
    }

    /// Makes this person what is said.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn set(&self, person: PersonId, standing: Standing, unix_ms: i64) -> Result<(), HouseError> {
        self.0
            .ask(move |connection| {
                connection
                    .execute(
                        "INSERT INTO person (id, known_since_unix_ms, standing) VALUES (?1, ?2, ?3) \
                         ON CONFLICT (id) DO UPDATE SET standing = excluded.standing",
                        rusqlite::params![person.key(), unix_ms, standing.text()],
                    )
                    .map(drop)
            })
            .await
    }

    /// How many keepers there are.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn keepers(&self) -> Result<u32, HouseError> {
        self.0
            .ask(|connection| {
                connection.query_row("SELECT count(*) FROM person WHERE standing = 'keeper'", [], |row| row.get(0))
            })
            .await
    }

    /// A link with this code makes whoever opens it first a keeper; an earlier one that was not used is void. Only a
    /// digest of the code is kept.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn offer_keys(&self, code: &str) -> Result<(), HouseError> {
        let digest: [u8; 32] = Sha256::digest(code.as_bytes()).into();
        self.0
            .ask(move |connection| {
                let transaction = connection.transaction()?;
                transaction.execute("DELETE FROM keeper_link", [])?;
                transaction.execute("INSERT INTO keeper_link (digest) VALUES (?1)", [digest])?;
                transaction.commit()
            })
            .await
    }

    /// Uses such a code up. True: this person is a keeper now. False: there is no such code (any more).
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn take_keys(&self, code: &str, person: PersonId, unix_ms: i64) -> Result<bool, HouseError> {
        let digest: [u8; 32] = Sha256::digest(code.as_bytes()).into();
        self.0
            .ask(move |connection| {
                let transaction = connection.transaction()?;
                let used = transaction
                    .query_row("DELETE FROM keeper_link WHERE digest = ?1 RETURNING 1", [digest], |_| Ok(()))
                    .optional()?;
                if used.is_some() {
                    transaction.execute(
                        "INSERT INTO person (id, known_since_unix_ms, standing) VALUES (?1, ?2, 'keeper') \
                         ON CONFLICT (id) DO UPDATE SET standing = 'keeper'",
                        rusqlite::params![person.key(), unix_ms],
                    )?;
                }
                transaction.commit()?;
                Ok(used.is_some())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_keepers_link_makes_one_keeper_and_is_used_up() {
        let folder = tempfile::tempdir().unwrap();
        let people = Storage::open(folder.path().into()).await.unwrap().people();
        let (sari, wei) = (PersonId::from_key(&[1; 32]), PersonId::from_key(&[2; 32]));
        assert_eq!(people.see(sari, 1_000).await.unwrap(), Standing::Guest);
        people.offer_keys("an earlier code").await.unwrap();
        people.offer_keys("a code").await.unwrap();
        assert!(!people.take_keys("an earlier code", sari, 2_000).await.unwrap(), "void");
        assert!(!people.take_keys("another", sari, 2_000).await.unwrap());
        assert!(people.take_keys("a code", sari, 2_000).await.unwrap());
        assert!(!people.take_keys("a code", wei, 2_000).await.unwrap());
        assert_eq!(people.see(sari, 3_000).await.unwrap(), Standing::Keeper);
        assert_eq!((people.see(wei, 3_000).await.unwrap(), people.keepers().await.unwrap()), (Standing::Guest, 1));
        people.set(sari, Standing::Member, 4_000).await.unwrap();
        assert_eq!(people.see(sari, 4_000).await.unwrap(), Standing::Member);
    }
}
