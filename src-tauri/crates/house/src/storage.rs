//! What must survive a restart of a house, in `house.sqlite`: its certificate and its settings.
//!
//! SQLite blocks, so one thread owns the connection and is asked through a channel. The file is held exclusively:
//! two programs with one identity would be two houses that nobody can tell apart.

use std::{
    fs,
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::error::HouseError;

/// The file's name inside the house's folder.
pub const FILE: &str = "house.sqlite";
/// How long another program may hold the file while it starts or ends.
const BUSY_WAIT: Duration = Duration::from_millis(500);
/// `PRAGMA user_version` of the layout below.
const LAYOUT: i64 = 1;
const CREATE: &str = "CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;";

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle to the thread that owns the file.
#[derive(Debug)]
pub struct Storage {
    jobs: mpsc::UnboundedSender<Job>,
    thread: Option<JoinHandle<()>>,
}

impl Storage {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// `profile_broken` if it cannot be read or written, `profile_in_use` if another program holds it.
    pub async fn open(folder: PathBuf) -> Result<Self, HouseError> {
        let (opened, answer) = oneshot::channel();
        let (jobs, mut waiting) = mpsc::unbounded_channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("house-storage".into())
            .spawn(move || match open_file(&folder) {
                Ok(mut connection) => {
                    if opened.send(Ok(())).is_ok() {
                        while let Some(job) = waiting.blocking_recv() {
                            job(&mut connection);
                        }
                    }
                }
                // Whoever asked may be gone; then nobody needs to know.
                Err(error) => drop(opened.send(Err(error))),
            })
            .map_err(|error| HouseError::System(error.to_string()))?;
        answer.await.map_err(|_| gone())??;
        Ok(Self { jobs, thread: Some(thread) })
    }

    /// The value kept under `key`.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn read(&self, key: &'static str) -> Result<Option<Vec<u8>>, HouseError> {
        self.ask(move |connection| {
            connection.query_row("SELECT value FROM setting WHERE key = ?1", [key], |row| row.get(0)).optional()
        })
        .await
    }

    /// Keeps all these values, or none.
    ///
    /// # Errors
    /// `profile_broken`.
    pub async fn write(&self, values: Vec<(&'static str, Vec<u8>)>) -> Result<(), HouseError> {
        self.ask(move |connection| {
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

    /// Closes the file; afterwards it can be opened again.
    pub async fn close(mut self) {
        let thread = self.thread.take();
        drop(self);
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the storage thread ended badly");
            }
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, HouseError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| drop(reply.send(question(connection))));
        self.jobs.send(job).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map_err(|error| explain(&error))
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
    make_private(folder, &path).map_err(|error| HouseError::Storage(format!("{}: {error}", path.display())))?;
    let mut connection = open_database(&path).map_err(|error| explain(&error))?;
    match prepare(&mut connection).map_err(|error| explain(&error))? {
        LAYOUT => Ok(connection),
        layout => Err(HouseError::Storage(format!("{} has layout {layout}: from a newer version", path.display()))),
    }
}

/// The file holds the house's private key: nobody else on this computer may read it.
fn make_private(folder: &Path, path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

fn open_database(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Takes the lock, makes the tables of a new file, and says which layout the file has.
fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let mut layout: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if layout == 0 {
        transaction.execute_batch(CREATE)?;
        transaction.pragma_update(None, "user_version", LAYOUT)?;
        layout = LAYOUT;
    }
    transaction.commit()?;
    Ok(layout)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serambi_protocol::Code;

    #[tokio::test]
    async fn what_is_written_is_there_after_closing_and_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().join("new")).await.unwrap();
        assert_eq!(storage.read("name").await.unwrap(), None);
        storage.write(vec![("name", b"Porch".to_vec()), ("key", vec![0, 255])]).await.unwrap();
        storage.write(vec![("name", b"Serambi".to_vec())]).await.unwrap();
        storage.close().await;
        let storage = Storage::open(folder.path().join("new")).await.unwrap();
        assert_eq!(storage.read("name").await.unwrap(), Some(b"Serambi".to_vec()));
        assert_eq!(storage.read("key").await.unwrap(), Some(vec![0, 255]));
    }

    #[tokio::test]
    async fn a_corrupt_file_is_profile_broken() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "not a database, and long enough to be read as one".repeat(50)).unwrap();
        assert_eq!(Storage::open(folder.path().into()).await.unwrap_err().code(), Code::ProfileBroken);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_profile_broken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(Storage::open(file.join("below")).await.unwrap_err().code(), Code::ProfileBroken);
    }

    #[tokio::test]
    async fn a_file_that_is_open_already_is_profile_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Storage::open(folder.path().into()).await.unwrap();
        assert_eq!(Storage::open(folder.path().into()).await.unwrap_err().code(), Code::ProfileInUse);
    }
}
