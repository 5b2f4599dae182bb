//! Rooms: each open one as its rules saw it last, the ids of those that have ended, and when the house was last alive.

use rusqlite::{OptionalExtension, Row, types::Type};
use serambi_protocol::{PersonId, RoomId, view::RoomTime};
use serambi_room::Room;

use super::Storage;
use crate::error::HouseError;

/// Ended rooms that are remembered.
const MAX_ENDED: i64 = 10_000;

/// One run of the house, from its opening to its end: times of the monotonic clock compare within it only.
pub type Life = [u8; 16];

/// A room as it was saved.
#[derive(Clone, Debug)]
pub struct SavedRoom {
    /// Its rules' side, all of it.
    pub room: Room,
    /// Who started it.
    pub started_by: PersonId,
    /// The room's time when it was saved.
    pub at: RoomTime,
    /// The life in which it was saved.
    pub life: Life,
    /// The house's monotonic time when it was saved, ms.
    pub uptime_ms: u64,
}

/// When the house was last known to be alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HouseLife {
    /// Which life.
    pub life: Life,
    /// Its monotonic time, ms.
    pub uptime_ms: u64,
    /// The wall clock, ms since 1970.
    pub unix_ms: i64,
}

/// Reads and writes rooms.
#[derive(Clone, Debug)]
pub struct RoomRepository(Storage);

impl RoomRepository {
    pub(super) fn new(storage: Storage) -> Self {
        Self(storage)
    }

    /// Keeps a room; on the disk when this returns.
    ///
    /// # Errors
    /// `profile_broken`: the disk is full or does not answer.
    pub async fn save(&self, saved: SavedRoom) -> Result<(), HouseError> {
        let state = serde_json::to_string(&saved.room).map_err(|error| HouseError::Storage(error.to_string()))?;
        let id = *saved.room.id();
        self.0
            .ask(move |connection| {
                connection
                    .prepare(
                        "INSERT INTO room (id, state, started_by, room_ms, life, uptime_ms) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                         ON CONFLICT (id) DO UPDATE SET state = excluded.state, room_ms = excluded.room_ms, \
                         life = excluded.life, uptime_ms = excluded.uptime_ms",
                    )?
                    .execute(rusqlite::params![
                        id.as_str(),
                        state,
                        saved.started_by.key(),
                        integer(saved.at.0),
                        saved.life,
                        integer(saved.uptime_ms),
                    ])
                    .map(drop)
            })
            .await
    }

    /// Every room that was open. One that cannot be read is left out, and named in the log.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn all(&self) -> Result<Vec<SavedRoom>, HouseError> {
        self.0
            .ask(|connection| {
                let mut statement =
                    connection.prepare("SELECT state, started_by, room_ms, life, uptime_ms, id FROM room")?;
                let rows = statement.query_map([], |row| match read(row) {
                    Ok(saved) => Ok(Some(saved)),
                    Err(error) => {
                        tracing::error!(room = row.get_ref(5)?.as_str()?, %error, "a saved room cannot be read");
                        Ok(None)
                    }
                })?;
                rows.filter_map(Result::transpose).collect()
            })
            .await
    }

    /// A room has ended: it is remembered as such and nothing else.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn end(&self, id: RoomId) -> Result<(), HouseError> {
        self.0
            .ask(move |connection| {
                let transaction = connection.transaction()?;
                transaction.execute("DELETE FROM room WHERE id = ?1", [id.as_str()])?;
                transaction.execute("INSERT OR IGNORE INTO ended_room (id) VALUES (?1)", [id.as_str()])?;
                transaction.execute(
                    "DELETE FROM ended_room WHERE number <= (SELECT max(number) FROM ended_room) - ?1",
                    [MAX_ENDED],
                )?;
                transaction.commit()
            })
            .await
    }

    /// The ids of rooms that have ended, oldest first.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn ended(&self) -> Result<Vec<RoomId>, HouseError> {
        let texts: Vec<String> = self
            .0
            .ask(|connection| {
                let mut statement = connection.prepare("SELECT id FROM ended_room ORDER BY number")?;
                statement.query_map([], |row| row.get(0))?.collect()
            })
            .await?;
        Ok(texts.into_iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Notes that the house is alive.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn live(&self, alive: HouseLife) -> Result<(), HouseError> {
        self.0
            .ask(move |connection| {
                connection
                    .execute(
                        "INSERT INTO house_life (one, life, uptime_ms, unix_ms) VALUES (1, ?1, ?2, ?3) \
                         ON CONFLICT (one) DO UPDATE SET life = excluded.life, uptime_ms = excluded.uptime_ms, \
                         unix_ms = excluded.unix_ms",
                        rusqlite::params![alive.life, integer(alive.uptime_ms), alive.unix_ms],
                    )
                    .map(drop)
            })
            .await
    }

    /// When the house was last alive; none if it never was.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn last_alive(&self) -> Result<Option<HouseLife>, HouseError> {
        self.0
            .ask(|connection| {
                let read = |row: &Row<'_>| {
                    Ok(HouseLife { life: row.get(0)?, uptime_ms: natural(row.get(1)?), unix_ms: row.get(2)? })
                };
                connection.query_row("SELECT life, uptime_ms, unix_ms FROM house_life", [], read).optional()
            })
            .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<SavedRoom> {
    let wrong = |error: serde_json::Error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error));
    Ok(SavedRoom {
        room: serde_json::from_str(row.get_ref(0)?.as_str()?).map_err(wrong)?,
        started_by: PersonId::from_key(&row.get(1)?),
        at: RoomTime(natural(row.get(2)?)),
        life: row.get(3)?,
        uptime_ms: natural(row.get(4)?),
    })
}

/// SQLite's integers have a sign; a time in milliseconds needs none of the bits that this costs.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serambi_room::Settings;

    use super::*;

    fn saved(number: u8) -> SavedRoom {
        let host = PersonId::from_key(&[number; 32]);
        let id = RoomId::from_random([number; 10]);
        let (room, _) = Room::start(id, "Porch".into(), host, "Sari".into(), Settings::default());
        SavedRoom { room, started_by: host, at: RoomTime(5), life: [1; 16], uptime_ms: 7 }
    }

    #[tokio::test]
    async fn rooms_are_read_as_they_were_saved_until_they_end() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().into()).await.unwrap();
        let rooms = storage.rooms();
        rooms.save(saved(1)).await.unwrap();
        rooms.save(saved(2)).await.unwrap();
        rooms.save(SavedRoom { at: RoomTime(9), ..saved(2) }).await.unwrap();
        rooms.end(*saved(1).room.id()).await.unwrap();
        let alive = HouseLife { life: [1; 16], uptime_ms: 8, unix_ms: 1_000 };
        rooms.live(alive).await.unwrap();
        drop(rooms);
        storage.close().await;
        let rooms = Storage::open(folder.path().into()).await.unwrap().rooms();
        let all = rooms.all().await.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((&all[0].room, all[0].at, all[0].uptime_ms), (&saved(2).room, RoomTime(9), 7));
        assert_eq!(rooms.ended().await.unwrap(), [*saved(1).room.id()]);
        assert_eq!(rooms.last_alive().await.unwrap(), Some(alive));
    }

    #[tokio::test]
    async fn a_saved_room_that_cannot_be_read_is_left_out_and_the_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().into()).await.unwrap();
        let rooms = storage.rooms();
        rooms.save(saved(1)).await.unwrap();
        rooms.save(saved(2)).await.unwrap();
        storage
            .ask(|connection| connection.execute("UPDATE room SET state = '{' WHERE id = '3333333333'", []))
            .await
            .unwrap();
        assert_eq!(rooms.all().await.unwrap().len(), 1);
    }
}
