//! Rooms: each open one as its rules saw it last, the ids of those that have ended, and when the house was last alive.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use serambi_protocol::{
    PersonId, RoomId,
    chat::{ChatMessage, MessageId},
    view::RoomTime,
};
use serambi_room::{PersonRow, Room};
use serde::{Serialize, de::DeserializeOwned};

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
    /// When it was saved.
    pub at: SavedAt,
}

/// When a room was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedAt {
    /// By the room's time.
    pub room: RoomTime,
    /// In which life of the house.
    pub life: Life,
    /// By the house's monotonic time, ms.
    pub uptime_ms: u64,
}

/// What is to be written of a room: its own row, and those rows of people and messages that are not on the disk as they
/// are.
#[derive(Debug)]
pub struct RoomWrite {
    id: RoomId,
    own_row: String,
    people: Vec<(PersonId, Option<String>)>,
    messages: Vec<(MessageId, Option<String>)>,
    /// Nobody knows which rows the disk has: all of them go.
    is_whole: bool,
    started_by: PersonId,
    at: SavedAt,
}

impl RoomWrite {
    /// What turns `on_disk` into `room`; without that, all of it.
    ///
    /// # Errors
    /// `profile_broken` if it cannot be written down.
    pub fn new(room: &Room, on_disk: Option<&Room>, started_by: PersonId, at: SavedAt) -> Result<Self, HouseError> {
        let own_row = room.own_row();
        let before = on_disk.unwrap_or(&own_row);
        let (people, messages) = (room.changed_rows(before), room.changed_messages(before));
        Ok(Self {
            id: *room.id(),
            own_row: to_json(&own_row)?,
            people: rows_of(people)?,
            messages: rows_of(messages)?,
            is_whole: on_disk.is_none(),
            started_by,
            at,
        })
    }
}

fn rows_of<K>(rows: BTreeMap<K, Option<impl Serialize>>) -> Result<Vec<(K, Option<String>)>, HouseError> {
    rows.into_iter().map(|(key, row)| Ok((key, row.map(|row| to_json(&row)).transpose()?))).collect()
}

fn to_json(row: &impl Serialize) -> Result<String, HouseError> {
    serde_json::to_string(row).map_err(|error| HouseError::Storage(error.to_string()))
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
    pub async fn save(&self, write: RoomWrite) -> Result<(), HouseError> {
        self.0
            .ask(move |connection| {
                let transaction = connection.transaction()?;
                write_own_row(&transaction, &write)?;
                write_people(&transaction, &write)?;
                write_messages(&transaction, &write)?;
                transaction.commit()
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
                let rows = statement.query_map([], |row| match read(connection, row) {
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
                transaction.execute("DELETE FROM room_person WHERE room = ?1", [id.as_str()])?;
                transaction.execute("DELETE FROM room_message WHERE room = ?1", [id.as_str()])?;
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

fn write_own_row(connection: &Connection, write: &RoomWrite) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "INSERT INTO room (id, state, started_by, room_ms, life, uptime_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, room_ms = excluded.room_ms, \
         life = excluded.life, uptime_ms = excluded.uptime_ms",
    )?;
    let SavedAt { room, life, uptime_ms } = write.at;
    let (id, started_by) = (write.id.as_str(), write.started_by.key());
    statement.execute(params![id, write.own_row, started_by, integer(room.0), life, integer(uptime_ms)]).map(drop)
}

fn write_people(connection: &Connection, write: &RoomWrite) -> rusqlite::Result<()> {
    let id = write.id.as_str();
    if write.is_whole {
        connection.execute("DELETE FROM room_person WHERE room = ?1", [id])?;
    }
    let mut keep =
        connection.prepare("INSERT OR REPLACE INTO room_person (room, person, state) VALUES (?1, ?2, ?3)")?;
    let mut forget = connection.prepare("DELETE FROM room_person WHERE room = ?1 AND person = ?2")?;
    for (person, row) in &write.people {
        match row {
            Some(row) => keep.execute(params![id, person.key(), row])?,
            None => forget.execute(params![id, person.key()])?,
        };
    }
    Ok(())
}

fn write_messages(connection: &Connection, write: &RoomWrite) -> rusqlite::Result<()> {
    let id = write.id.as_str();
    if write.is_whole {
        connection.execute("DELETE FROM room_message WHERE room = ?1", [id])?;
    }
    let mut keep =
        connection.prepare("INSERT OR REPLACE INTO room_message (room, number, state) VALUES (?1, ?2, ?3)")?;
    let mut forget = connection.prepare("DELETE FROM room_message WHERE room = ?1 AND number = ?2")?;
    for (number, row) in &write.messages {
        match row {
            Some(row) => keep.execute(params![id, integer(number.0), row])?,
            None => forget.execute(params![id, integer(number.0)])?,
        };
    }
    Ok(())
}

fn read(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<SavedRoom> {
    let own_row: Room = from_json(row, 0)?;
    let id = row.get_ref(5)?.as_str()?;
    let room = own_row.with_rows(people_of(connection, id)?).with_messages(messages_of(connection, id)?);
    Ok(SavedRoom {
        room,
        started_by: PersonId::from_key(&row.get(1)?),
        at: SavedAt { room: RoomTime(natural(row.get(2)?)), life: row.get(3)?, uptime_ms: natural(row.get(4)?) },
    })
}

fn people_of(connection: &Connection, room: &str) -> rusqlite::Result<Vec<(PersonId, PersonRow)>> {
    let mut statement = connection.prepare("SELECT state, person FROM room_person WHERE room = ?1")?;
    let rows = statement.query_map([room], |row| Ok((PersonId::from_key(&row.get(1)?), from_json(row, 0)?)))?;
    rows.collect()
}

fn messages_of(connection: &Connection, room: &str) -> rusqlite::Result<Vec<ChatMessage>> {
    let mut statement = connection.prepare("SELECT state FROM room_message WHERE room = ?1")?;
    let rows = statement.query_map([room], |row| from_json(row, 0))?;
    rows.collect()
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let wrong = |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error));
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(wrong)
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
    use serambi_protocol::Command;
    use serambi_room::Settings;

    use super::*;

    const LATER: RoomTime = RoomTime(9);

    fn room(number: u8) -> Room {
        let host = PersonId::from_key(&[number; 32]);
        let id = RoomId::from_random([number; 10]);
        Room::start(id, "Porch".into(), host, "Sari".into(), Settings::default()).0
    }

    fn with_listeners(mut room: Room, numbers: impl IntoIterator<Item = u8>) -> Room {
        for number in numbers {
            let _ = room.join(LATER, &PersonId::from_key(&[number; 32]), "Dewi").unwrap();
        }
        room
    }

    /// What is to be written of a room of which the disk has that already.
    fn write(room: &Room, on_disk: Option<&Room>, at: RoomTime) -> RoomWrite {
        let at = SavedAt { room: at, life: [1; 16], uptime_ms: 7 };
        RoomWrite::new(room, on_disk, PersonId::from_key(&[1; 32]), at).unwrap()
    }

    #[tokio::test]
    async fn rooms_are_read_as_they_were_saved_until_they_end() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().into()).await.unwrap();
        let rooms = storage.rooms();
        rooms.save(write(&room(1), None, RoomTime(5))).await.unwrap();
        rooms.save(write(&room(2), None, RoomTime(5))).await.unwrap();
        rooms.save(write(&room(2), Some(&room(2)), LATER)).await.unwrap();
        rooms.end(*room(1).id()).await.unwrap();
        let alive = HouseLife { life: [1; 16], uptime_ms: 8, unix_ms: 1_000 };
        rooms.live(alive).await.unwrap();
        drop(rooms);
        storage.close().await;
        let rooms = Storage::open(folder.path().into()).await.unwrap().rooms();
        let all = rooms.all().await.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((&all[0].room, all[0].at.room, all[0].at.uptime_ms), (&room(2), LATER, 7));
        assert_eq!(rooms.ended().await.unwrap(), [*room(1).id()]);
        assert_eq!(rooms.last_alive().await.unwrap(), Some(alive));
    }

    /// Known failure: each act of a moderator brought everybody in the room to the disk anew, a megabyte in a room of
    /// thousands.
    #[tokio::test]
    async fn of_a_room_that_the_disk_has_only_those_are_written_about_whom_something_changed() {
        let folder = tempfile::tempdir().unwrap();
        let rooms = Storage::open(folder.path().into()).await.unwrap().rooms();
        let full = with_listeners(room(1), 2..200);
        rooms.save(write(&full, None, LATER)).await.unwrap();
        let mut next = with_listeners(full.clone(), [200]);
        let _ = next.command(LATER, &PersonId::from_key(&[7; 32]), &Command::Leave).unwrap();
        let difference = write(&next, Some(&full), LATER);
        assert_eq!(difference.people.len(), 2, "who came and who left");
        rooms.save(difference).await.unwrap();
        assert_eq!(rooms.all().await.unwrap()[0].room, next);
        assert!(write(&next, Some(&next), LATER).people.is_empty());
    }

    #[tokio::test]
    async fn of_a_chat_that_the_disk_has_only_those_messages_are_written_that_are_new_or_gone() {
        let folder = tempfile::tempdir().unwrap();
        let rooms = Storage::open(folder.path().into()).await.unwrap().rooms();
        let says = |room: &mut Room, at: u64| {
            let say = Command::Say { text: format!("at {at}") };
            let _ = room.command(RoomTime(at), &PersonId::from_key(&[1; 32]), &say).unwrap();
        };
        let mut room = room(1);
        (1..=200).for_each(|n| says(&mut room, n * 1_000));
        rooms.save(write(&room, None, LATER)).await.unwrap();
        assert_eq!(rooms.all().await.unwrap()[0].room, room);
        let before = room.clone();
        says(&mut room, 201_000);
        let difference = write(&room, Some(&before), LATER);
        assert_eq!(difference.messages.len(), 2, "the newest, and the oldest of before");
        assert!(!difference.own_row.contains("at 200000"), "messages are in no other row");
        rooms.save(difference).await.unwrap();
        assert_eq!(rooms.all().await.unwrap()[0].room, room);
    }

    #[tokio::test]
    async fn a_room_that_is_written_whole_leaves_no_row_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let rooms = Storage::open(folder.path().into()).await.unwrap().rooms();
        rooms.save(write(&with_listeners(room(1), 2..20), None, LATER)).await.unwrap();
        let fewer = with_listeners(room(1), 15..30);
        rooms.save(write(&fewer, None, LATER)).await.unwrap();
        assert_eq!(rooms.all().await.unwrap()[0].room, fewer);
    }

    #[tokio::test]
    async fn a_room_that_an_older_program_saved_in_one_piece_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().into()).await.unwrap();
        let full = with_listeners(room(1), 2..20);
        let own_row = to_json(&full).unwrap();
        let piece = RoomWrite { own_row, people: Vec::new(), messages: Vec::new(), ..write(&full, None, LATER) };
        storage.rooms().save(piece).await.unwrap();
        assert_eq!(storage.rooms().all().await.unwrap()[0].room, full);
    }

    #[tokio::test]
    async fn a_saved_room_that_cannot_be_read_is_left_out_and_the_others_are_read() {
        for damage in
            ["UPDATE room SET state = '{' WHERE id = ?1", "UPDATE room_person SET state = '{' WHERE room = ?1"]
        {
            let folder = tempfile::tempdir().unwrap();
            let storage = Storage::open(folder.path().into()).await.unwrap();
            let rooms = storage.rooms();
            rooms.save(write(&room(1), None, LATER)).await.unwrap();
            rooms.save(write(&room(2), None, LATER)).await.unwrap();
            let damaged = storage.ask(move |connection| connection.execute(damage, [room(2).id().as_str()])).await;
            assert_eq!(damaged.unwrap(), 1);
            let all = rooms.all().await.unwrap();
            assert_eq!(all.iter().map(|saved| *saved.room.id()).collect::<Vec<_>>(), [*room(1).id()]);
        }
    }
}
