//! Ways in which the disk of a house fails, for tests.

use rusqlite::Connection;

use super::{Job, Storage};

impl Storage {
    /// The file takes no page more than it has.
    pub async fn fill_up(&self) {
        let full = self.ask(|connection| {
            connection.execute_batch("VACUUM")?;
            let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
        });
        assert!(full.await.is_ok());
    }

    /// There is room again.
    pub async fn make_room(&self) {
        let free =
            |connection: &mut Connection| connection.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(()));
        assert!(self.ask(free).await.is_ok());
    }

    /// Nothing can be written, or all can again.
    pub async fn write_protect(&self, protected: bool) {
        let protect = move |connection: &mut Connection| connection.pragma_update(None, "query_only", protected);
        assert!(self.ask(protect).await.is_ok());
    }

    /// The disk does not answer until the value is dropped.
    pub async fn hang(&self) -> std::sync::mpsc::Sender<()> {
        let (until_dropped, dropped) = std::sync::mpsc::channel::<()>();
        let hanging = Job::Work(Box::new(move |_| {
            // An error: it was dropped.
            let _ = dropped.recv();
        }));
        assert!(self.jobs.send(hanging).await.is_ok());
        until_dropped
    }
}
