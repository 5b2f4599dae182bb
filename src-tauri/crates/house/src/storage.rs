//! What must survive a restart of a house, in `house.sqlite`: identity, settings, rooms, people.
//!
//! SQLite blocks, so one thread owns the connection and is asked through a bounded channel. The file is held
//! exclusively: two programs with one identity would be two houses that nobody can tell apart. It is in WAL mode and
//! synced at each commit, so an answer that was given is on the disk.

#[cfg(test)]
mod failing_disk;
mod people;
mod rooms;
mod settings;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode};
use rusqlite_migration::{M, Migrations};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

pub use people::{PersonRepository, Standing};
pub use rooms::{HouseLife, Life, RoomRepository, RoomWrite, SavedAt, SavedRoom};
pub use settings::SettingRepository;

use crate::error::HouseError;

/// The file's name inside the house's folder.
pub const FILE: &str = "house.sqlite";
/// A new file is made under this name and then renamed, so that a file under the right name never was empty.
const NEW_FILE: &str = "house.sqlite.new";
/// How long another program may hold the file while it starts or ends.
const BUSY_WAIT: Duration = Duration::from_millis(500);
/// Jobs that may wait for the disk.
const MAX_JOBS: usize = 256;
/// How long one job may take, waiting included.
const JOB_LIMIT: Duration = Duration::from_secs(5);

/// Layouts of the file, oldest first; `PRAGMA user_version` counts those that were applied.
const LAYOUTS: [M<'static>; 4] = [
    M::up("CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"),
    M::up(
        "CREATE TABLE room (
             id TEXT PRIMARY KEY,
             state TEXT NOT NULL,
             started_by BLOB NOT NULL,
             room_ms INTEGER NOT NULL,
             life BLOB NOT NULL,
             uptime_ms INTEGER NOT NULL
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE ended_room (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
         CREATE TABLE house_life (
             one INTEGER PRIMARY KEY CHECK (one = 1),
             life BLOB NOT NULL,
             uptime_ms INTEGER NOT NULL,
             unix_ms INTEGER NOT NULL
         ) STRICT;
         CREATE TABLE person (
             id BLOB PRIMARY KEY,
             known_since_unix_ms INTEGER NOT NULL,
             standing TEXT NOT NULL CHECK (standing IN ('guest', 'member', 'keeper'))
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE keeper_link (digest BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;",
    ),
    // A room that was saved before is whole in its own row, and has none here.
    M::up(
        "CREATE TABLE room_person (
             room TEXT NOT NULL,
             person BLOB NOT NULL,
             state TEXT NOT NULL,
             PRIMARY KEY (room, person)
         ) STRICT, WITHOUT ROWID;",
    ),
    M::up(
        "CREATE TABLE room_message (
             room TEXT NOT NULL,
             number INTEGER NOT NULL,
             state TEXT NOT NULL,
             PRIMARY KEY (room, number)
         ) STRICT, WITHOUT ROWID;",
    ),
];

/// What the thread is told.
enum Job {
    Work(Box<dyn FnOnce(&mut Connection) + Send>),
    Stop,
}

/// A handle to the thread that owns the file.
#[derive(Clone, Debug)]
pub struct Storage {
    jobs: mpsc::Sender<Job>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Storage {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// `profile_broken` if it cannot be read or written, `profile_in_use` if another program holds it.
    pub async fn open(folder: PathBuf) -> Result<Self, HouseError> {
        let (opened, answer) = oneshot::channel();
        let (jobs, mut waiting) = mpsc::channel::<Job>(MAX_JOBS);
        let thread = std::thread::Builder::new()
            .name("house-storage".into())
            .spawn(move || match open_file(&folder) {
                Ok(mut connection) => {
                    if opened.send(Ok(())).is_ok() {
                        while let Some(Job::Work(work)) = waiting.blocking_recv() {
                            work(&mut connection);
                        }
                    }
                }
                // Whoever asked may be gone; then nobody needs to know.
                Err(error) => drop(opened.send(Err(error))),
            })
            .map_err(|error| HouseError::System(error.to_string()))?;
        answer.await.map_err(|_| gone())??;
        Ok(Self { jobs, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// The house's own settings.
    pub fn settings(&self) -> SettingRepository {
        SettingRepository::new(self.clone())
    }

    /// Open rooms and those that have ended.
    pub fn rooms(&self) -> RoomRepository {
        RoomRepository::new(self.clone())
    }

    /// Everybody the house has seen.
    pub fn people(&self) -> PersonRepository {
        PersonRepository::new(self.clone())
    }

    /// Closes the file when all that was asked before is done; afterwards it can be opened again.
    pub async fn close(self) {
        let Some(thread) = self.thread.lock().take() else { return };
        if self.jobs.send_timeout(Job::Stop, JOB_LIMIT).await.is_err() {
            tracing::error!("the storage thread does not take its end");
        }
        let joining = tokio::task::spawn_blocking(move || thread.join());
        if !matches!(timeout(JOB_LIMIT, joining).await, Ok(Ok(Ok(())))) {
            tracing::error!("the storage thread did not end");
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, HouseError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Work(Box::new(move |connection| {
            // Whoever asked in vain was told that nothing was done, so nothing is done.
            if !reply.is_closed() {
                drop(reply.send(question(connection)));
            }
        }));
        let asking = async {
            self.jobs.send(job).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?.map_err(|error| explain(&error))
        };
        timeout(JOB_LIMIT, asking).await.unwrap_or_else(|_| Err(HouseError::Storage("the disk does not answer".into())))
    }
}

fn gone() -> HouseError {
    HouseError::Storage("its thread has ended".into())
}

fn explain(error: &rusqlite::Error) -> HouseError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => HouseError::InUse,
        _ => HouseError::Storage(error.to_string()),
    }
}

fn open_file(folder: &Path) -> Result<Connection, HouseError> {
    let path = folder.join(FILE);
    let wrong = |error: std::io::Error| HouseError::Storage(format!("{}: {error}", path.display()));
    serambi_private_folder::make(folder).map_err(wrong)?;
    match fs::metadata(&path) {
        Ok(file) if file.len() == 0 => {
            return Err(HouseError::Storage(format!("{} is empty: its identity is lost", path.display())));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_file(folder, &path)?,
        Err(error) => return Err(wrong(error)),
    }
    let mut connection = Connection::open(&path).map_err(|error| explain_at(&path, &error))?;
    take_alone(&connection).map_err(|error| explain_at(&path, &error))?;
    // Before anything is written.
    refuse_damage(&connection, &path)?;
    refuse_newer(&connection, &path)?;
    write_ahead(&connection).map_err(|error| explain_at(&path, &error))?;
    bring_up_to_date(&mut connection, &path)?;
    Ok(connection)
}

fn explain_at(path: &Path, error: &rusqlite::Error) -> HouseError {
    match (error.sqlite_error_code(), explain(error)) {
        (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _) => damaged(path, &error.to_string()),
        (_, HouseError::Storage(why)) => HouseError::Storage(format!("{}: {why}", path.display())),
        (_, other) => other,
    }
}

fn damaged(path: &Path, found: &str) -> HouseError {
    // SQLite says which database first, and that on a line of its own.
    let found = found.lines().last().unwrap_or_default();
    HouseError::Storage(format!("{} is damaged, and was left as it is: {found}", path.display()))
}

/// Reads every page in use. Damage is found before anybody relies on the file, and not by the first person whose row it
/// took.
fn refuse_damage(connection: &Connection, path: &Path) -> Result<(), HouseError> {
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found.map_err(|error| explain_at(path, &error))? {
        sound if sound == "ok" => Ok(()),
        found => Err(damaged(path, &found)),
    }
}

/// Makes the file whole under another name first: a disk that is full, or power that fails, leaves none.
fn make_file(folder: &Path, path: &Path) -> Result<(), HouseError> {
    let new = folder.join(NEW_FILE);
    let wrong = |error: std::io::Error| HouseError::Storage(format!("{}: {error}", new.display()));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(wrong(error)),
        _ => {}
    }
    make_private(&new).map_err(wrong)?;
    let mut connection = Connection::open(&new).map_err(|error| explain(&error))?;
    bring_up_to_date(&mut connection, &new)?;
    connection.close().map_err(|(_, error)| explain(&error))?;
    // For writing: Windows flushes no file that was opened for reading.
    fs::OpenOptions::new().write(true).open(&new).and_then(|file| file.sync_all()).map_err(wrong)?;
    fs::rename(&new, path).map_err(wrong)
}

/// The file holds the house's private key: nobody else on this computer may read it.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

/// From the first look on nobody else reads or writes the file.
fn take_alone(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")
}

fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Takes the lock now and not at the first write: two houses with one identity are noticed at the start.
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT;")
}

fn refuse_newer(connection: &Connection, path: &Path) -> Result<(), HouseError> {
    let layout = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if layout.map_err(|error| explain_at(path, &error))? > LAYOUTS.len() as i64 {
        let text = format!("{} was written by a newer version of Serambi, and was left as it is", path.display());
        return Err(HouseError::Storage(text));
    }
    Ok(())
}

fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), HouseError> {
    let wrong = |error: rusqlite_migration::Error| HouseError::Storage(format!("{}: {error}", path.display()));
    Migrations::from_slice(&LAYOUTS).to_latest(connection).map_err(wrong)
}

#[cfg(test)]
mod tests;
