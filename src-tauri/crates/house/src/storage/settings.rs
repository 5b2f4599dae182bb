//! The house's own settings: a value for each key.

use rusqlite::OptionalExtension;

use super::Storage;
use crate::error::HouseError;

/// Reads and writes settings.
#[derive(Clone, Debug)]
pub struct SettingRepository(Storage);

impl SettingRepository {
    pub(super) fn new(storage: Storage) -> Self {
        Self(storage)
    }

    /// The value kept under `key`.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn read(&self, key: &'static str) -> Result<Option<Vec<u8>>, HouseError> {
        self.0
            .ask(move |connection| {
                connection.query_row("SELECT value FROM setting WHERE key = ?1", [key], |row| row.get(0)).optional()
            })
            .await
    }

    /// Keeps all these values, or none.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn write(&self, values: Vec<(&'static str, Vec<u8>)>) -> Result<(), HouseError> {
        self.0
            .ask(move |connection| {
                let transaction = connection.transaction()?;
                for (key, value) in values {
                    transaction.execute(
                        "INSERT INTO setting (key, value) VALUES (?1, ?2) \
                         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                        rusqlite::params![key, value],
                    )?;
                }
                transaction.commit()
            })
            .await
    }
}
