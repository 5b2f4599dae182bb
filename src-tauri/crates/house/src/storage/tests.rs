//! The file of a house: kept, brought up to date, and refused where it is not what it was.
#![allow(clippy::unwrap_used)]
use super::*;
use serambi_protocol::Code;

#[tokio::test]
async fn what_is_written_is_there_after_closing_and_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().join("new")).await.unwrap();
    assert_eq!(storage.settings().read("name").await.unwrap(), None);
    storage.settings().write(vec![("name", b"Porch".to_vec()), ("key", vec![0, 255])]).await.unwrap();
    storage.settings().write(vec![("name", b"Serambi".to_vec())]).await.unwrap();
    storage.close().await;
    let storage = Storage::open(folder.path().join("new")).await.unwrap();
    assert_eq!(storage.settings().read("name").await.unwrap(), Some(b"Serambi".to_vec()));
    assert_eq!(storage.settings().read("key").await.unwrap(), Some(vec![0, 255]));
}

#[tokio::test]
async fn a_corrupt_file_is_profile_broken() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), "not a database, and long enough to be read as one".repeat(50)).unwrap();
    assert_eq!(Storage::open(folder.path().into()).await.unwrap_err().code(), Code::ProfileBroken);
}

fn pages_of(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([bytes[16], bytes[17]]))
}

/// A file with something in every table, and rows that are longer than a page.
async fn file_in_use(folder: &Path) -> Vec<u8> {
    let storage = Storage::open(folder.into()).await.unwrap();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        INSERT INTO person SELECT randomblob(32), i, 'guest' FROM n;
        INSERT INTO setting VALUES ('key', randomblob(9000)), ('name', x'41');
        INSERT INTO keeper_link VALUES (randomblob(32));
        INSERT INTO room_person VALUES ('5555555555', randomblob(32), '{}');
        INSERT INTO ended_room (id) VALUES ('3333333333'), ('4444444444');";
    storage.ask(move |connection| connection.execute_batch(rows)).await.unwrap();
    storage.close().await;
    fs::read(folder.join(FILE)).unwrap()
}

#[tokio::test]
async fn damage_in_any_page_is_named_and_the_file_stays_as_it_is_or_what_it_holds_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = (folder.path().join(FILE), file_in_use(folder.path()).await);
    let (page, mut refused) = (pages_of(&whole), 0);
    for (number, fill) in (0..whole.len() / page).flat_map(|number| [(number, 0), (number, 0xa5)]) {
        let mut damaged = whole.clone();
        damaged[number * page..][..page].fill(fill);
        fs::write(&path, &damaged).unwrap();
        match Storage::open(folder.path().into()).await {
            Err(error) => {
                assert_eq!(error.code(), Code::ProfileBroken, "{error}");
                assert!(error.to_string().contains("house.sqlite"), "{error}");
                assert!(fs::read(&path).unwrap() == damaged, "page {number} of {fill}: the file was changed");
                refused += 1;
            }
            // In the middle of a long value: it is not what it was, and whoever reads it finds out.
            Ok(storage) => {
                assert_eq!(storage.settings().read("name").await.unwrap(), Some(b"A".to_vec()));
                storage.close().await;
            }
        }
    }
    assert!(refused > whole.len() / page, "{refused} of {} damages", 2 * whole.len() / page);
}

#[tokio::test]
async fn a_file_that_was_cut_off_anywhere_is_named_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = (folder.path().join(FILE), file_in_use(folder.path()).await);
    let page = pages_of(&whole);
    for length in (1..whole.len() / page).flat_map(|pages| [pages * page, pages * page - 100]) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Storage::open(folder.path().into()).await.unwrap_err();
        assert_eq!(error.code(), Code::ProfileBroken, "{length} bytes: {error}");
        assert!(fs::read(&path).unwrap() == whole[..length], "{length} bytes: the file was changed");
    }
}

#[tokio::test]
async fn a_file_that_another_program_has_locked_is_in_use_and_opens_once_it_is_free() {
    let folder = tempfile::tempdir().unwrap();
    Storage::open(folder.path().into()).await.unwrap().close().await;
    let outside = Connection::open(folder.path().join(FILE)).unwrap();
    for lock in ["BEGIN EXCLUSIVE", "BEGIN; SELECT * FROM setting"] {
        outside.execute_batch(lock).unwrap();
        let refused = timeout(JOB_LIMIT, Storage::open(folder.path().into())).await.unwrap();
        assert_eq!(refused.unwrap_err().code(), Code::ProfileInUse, "{lock}");
        outside.execute_batch("COMMIT").unwrap();
    }
    outside.close().unwrap();
    assert!(Storage::open(folder.path().into()).await.is_ok());
}

#[tokio::test]
async fn nobody_else_can_lock_the_file_of_an_open_house() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().into()).await.unwrap();
    let outside = Connection::open(folder.path().join(FILE)).unwrap();
    outside.busy_timeout(Duration::ZERO).unwrap();
    let refused = outside.execute_batch("BEGIN EXCLUSIVE").unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    storage.settings().write(vec![("name", b"Porch".to_vec())]).await.unwrap();
}

#[tokio::test]
async fn what_a_disk_that_hangs_was_asked_in_vain_is_refused_in_time_and_not_done_later() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().into()).await.unwrap();
    let hanging = storage.hang().await;
    let settings = storage.settings();
    let writing = settings.write(vec![("name", b"Porch".to_vec())]);
    let refused = timeout(2 * JOB_LIMIT, writing).await.unwrap();
    assert_eq!(refused.unwrap_err().code(), Code::ProfileBroken);
    drop(hanging);
    assert_eq!(settings.read("name").await.unwrap(), None);
    settings.write(vec![("name", b"Serambi".to_vec())]).await.unwrap();
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

#[tokio::test]
async fn an_empty_file_where_there_was_one_is_damage_and_not_a_first_start() {
    let folder = tempfile::tempdir().unwrap();
    Storage::open(folder.path().into()).await.unwrap().close().await;
    fs::write(folder.path().join(FILE), "").unwrap();
    assert_eq!(Storage::open(folder.path().into()).await.unwrap_err().code(), Code::ProfileBroken);
}

#[tokio::test]
async fn a_first_start_that_was_cut_off_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(NEW_FILE), "").unwrap();
    assert!(Storage::open(folder.path().into()).await.is_ok());
}

#[tokio::test]
async fn a_file_of_the_first_layout_is_brought_up_to_date_and_one_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let mut connection = Connection::open(&path).unwrap();
    Migrations::from_slice(&LAYOUTS[..1]).to_latest(&mut connection).unwrap();
    connection.execute("INSERT INTO setting VALUES ('name', x'41')", []).unwrap();
    connection.close().unwrap();
    let storage = Storage::open(folder.path().into()).await.unwrap();
    assert_eq!(storage.settings().read("name").await.unwrap(), Some(b"A".to_vec()));
    assert!(storage.rooms().all().await.unwrap().is_empty());
    storage.close().await;
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.close().unwrap();
    let newer = fs::read(&path).unwrap();
    let refused = Storage::open(folder.path().into()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ProfileBroken);
    assert!(refused.to_string().contains("a newer version of Serambi"), "{refused}");
    assert!(fs::read(&path).unwrap() == newer, "the file was changed");
}
