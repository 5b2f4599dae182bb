//! What rooms leave behind when they have ended: nothing.
#![cfg(target_os = "linux")]

use std::{fs, process::Command as Program, time::Instant};

use serambi_protocol::{Command, api::RoomCard};

use crate::visitor::{LIMIT, TestHouse, Visitor};

/// Set in a process that runs this test alone: files, threads and memory are counted by process.
const ALONE: &str = "SERAMBI_TEST_RUNS_ALONE";
const NAME: &str = "leftovers::a_hundred_rooms_that_start_and_end_leave_no_file_thread_task_or_memory_behind";
const ROOMS: usize = 100;
/// The house lets one network start twenty rooms a minute.
const BETWEEN_STARTS_MS: u64 = 3_000;
/// A tenth of what a hundred rooms hold while they are open.
const MAX_GROWTH_KILOBYTES: usize = 2_000;

/// What a process holds.
#[derive(Debug)]
struct Held {
    files: usize,
    threads: usize,
    tasks: usize,
    kilobytes: usize,
}

impl Held {
    fn now() -> Self {
        let count = |folder: &str| fs::read_dir(folder).unwrap().count();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            files: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            kilobytes: resident.trim().trim_end_matches("kB").trim().parse().unwrap(),
        }
    }

    fn is_no_more_than(&self, before: &Self) -> bool {
        self.files <= before.files
            && self.threads <= before.threads
            && self.tasks <= before.tasks
            && self.kilobytes <= before.kilobytes + MAX_GROWTH_KILOBYTES
    }
}

async fn start_and_end_rooms(house: &TestHouse, people: &[Visitor]) {
    for number in 0..ROOMS {
        let (host, guest) = (&people[number % people.len()], &people[(number + 1) % people.len()]);
        let joined = host.start("").await;
        let room = joined.view.room.id;
        let (_hosts, guests) = (host.channel(joined.seq).await, guest.join(&room).await.unwrap());
        let _guests = guest.channel(guests.seq).await;
        guest.wish(&room, Command::RaiseHand).await.unwrap();
        host.wish(&room, Command::EndRoom).await.unwrap();
        house.house.clock().skip_ms(BETWEEN_STARTS_MS);
    }
    let began = Instant::now();
    while !people[0].get::<Vec<RoomCard>>("rooms").await.unwrap().is_empty() {
        assert!(began.elapsed() < LIMIT);
        house.house.clock().skip_ms(100);
    }
}

#[tokio::test]
async fn a_hundred_rooms_that_start_and_end_leave_no_file_thread_task_or_memory_behind() {
    if std::env::var_os(ALONE).is_none() {
        let mut alone = Program::new(std::env::current_exe().unwrap());
        let output = alone.args(["--exact", NAME, "--nocapture"]).env(ALONE, "yes").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let house = TestHouse::open().await;
    let mut people = Vec::new();
    for name in ["Sari", "Wei", "Budi", "Ani", "Citra"] {
        people.push(house.visitor(name).await);
    }
    // The first hundred leave what is made once and kept: connections, buffers, the allocator's own.
    start_and_end_rooms(&house, &people).await;
    let before = Held::now();
    start_and_end_rooms(&house, &people).await;
    let began = Instant::now();
    while !Held::now().is_no_more_than(&before) {
        assert!(began.elapsed() < LIMIT, "{:?} after {before:?}", Held::now());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    println!("{:?} after {before:?}", Held::now());
}
