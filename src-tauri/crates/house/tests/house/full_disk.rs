//! The program on a disk of its own that fills up: a small tmpfs in a mount namespace, which root may make, and also
//! whoever may be root in a namespace of their own.
#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    io::Write,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Command as Program, Stdio},
};

use serambi_protocol::{Code, Command, RoomSwitch};

use crate::{program::program, restart::Running, visitor::Visitor};

/// Room for the file of a new house and some hundred acts.
const DISK_KILOBYTES: usize = 1_024;
/// More acts than the rest of the disk takes.
const MAX_ACTS: usize = 60;

/// Runs a command with a small disk at `folder` that only it sees.
fn on_a_small_disk(folder: &Path, command: &Program) -> Program {
    let mount = format!("mount -t tmpfs -o size={DISK_KILOBYTES}k tmpfs \"$0\" && exec \"$@\"");
    let mut own = Program::new("unshare");
    own.args(["--map-root-user", "--mount", "--", "sh", "-c", &mount]).arg(folder);
    own.arg(command.get_program()).args(command.get_args()).stdout(Stdio::piped()).stderr(Stdio::null());
    own
}

/// The small disk as this program sees it, also when nobody else is left who does.
struct Disk(File);

impl Disk {
    fn of(running: &Running, folder: &Path) -> Self {
        let root = PathBuf::from(format!("/proc/{}/root", running.child.id()));
        Self(File::open(root.join(folder.strip_prefix("/").unwrap())).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()))
    }

    fn fill(&self) {
        let mut file = File::create(self.path("full")).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.path("full")).unwrap();
    }
}

/// Locks and unlocks; gives what holds, and the code if an act was refused.
async fn act(host: &Visitor, room: &serambi_protocol::RoomId, locked: &mut bool) -> Option<Code> {
    match host.wish(room, Command::SetSwitch { switch: RoomSwitch::Locked, on: !*locked }).await {
        Ok(()) => {
            *locked = !*locked;
            None
        }
        Err((_, refusal)) => Some(refusal.code),
    }
}

#[tokio::test]
async fn on_a_full_disk_acts_are_refused_in_words_and_whatever_was_acknowledged_is_there_after_a_kill() {
    let (folder, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    if !on_a_small_disk(folder.path(), &Program::new("true")).status().is_ok_and(|status| status.success()) {
        println!("skipped: this user may not mount a disk of their own");
        return;
    }
    let house = Running::start_by(&mut on_a_small_disk(folder.path(), &program(folder.path()))).await;
    let disk = Disk::of(&house, folder.path());
    let host = house.visitor("Sari").await;
    let room = host.start("Tea").await.view.room.id;
    let mut locked = false;
    assert_eq!(act(&host, &room, &mut locked).await, None);
    disk.fill();
    let mut refused = None;
    for _ in 0..MAX_ACTS {
        refused = act(&host, &room, &mut locked).await;
        if refused.is_some() {
            break;
        }
    }
    assert_eq!(refused, Some(Code::StorageFailed));
    let view = house.again(&host).await.join(&room).await.unwrap().view;
    assert_eq!(view.room.switches.is_on(RoomSwitch::Locked), locked, "what was refused has not happened");
    let host = house.again(&host).await;
    host.join(&room).await.unwrap();
    host.wish(&room, Command::SetMuted { muted: false }).await.unwrap();

    disk.free();
    assert_eq!(act(&host, &room, &mut locked).await, None);
    house.kill();
    for name in ["house.sqlite", "house.sqlite-wal"] {
        fs::copy(disk.path(name), again.path().join(name)).unwrap();
    }
    let house = Running::start(again.path()).await;
    let view = house.again(&host).await.join(&room).await.unwrap().view;
    assert_eq!((view.room.title.as_str(), view.room.switches.is_on(RoomSwitch::Locked)), ("Tea", locked));
}
