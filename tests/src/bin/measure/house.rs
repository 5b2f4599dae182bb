//! What a large room costs a house, and how soon a raised hand is on a moderator's screen: one house process, clients
//! that speak its HTTP and WebSocket over loopback and have no sound.

mod client;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serambi_protocol::{Command as RoomCommand, Link, RoomEvent, TopicChange};
use serambi_tests::{Trouble, places, process_load::Family, program::Program};

use crate::table::{Table, milliseconds};
use client::{Client, House, Joining, Transport};

const LISTENERS: usize = 3_000;
const SPEAKERS: usize = 11;
/// People who sign in at the same time.
const AT_ONCE: usize = 50;
/// Listeners of the house that is spoken to with TLS.
const TLS_LISTENERS: usize = 3_000;
/// What everybody is told: how often it is done, and what follows from it is over after so long.
const BROADCAST: Pace = Pace { rounds: 20, pause: Duration::from_millis(1_500) };
/// What few are told: so often that it shows in the system's count of processor time, which has steps of 10 ms.
const TELLING_FEW: Pace = Pace { rounds: 300, pause: Duration::from_millis(60) };
/// Acts of a moderator.
const ACTS: usize = 100;
/// Hands while people come and go.
const HANDS: usize = 150;
/// People who come, and as many who go, each second meanwhile.
const COMINGS_PER_SECOND: u64 = 50;
const SETTLED: Duration = Duration::from_millis(1_500);
const LIMIT: Duration = Duration::from_secs(120);

/// Fills a room and measures what happens in it.
pub fn measure(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Trouble::Unexpected(error.to_string()))?.block_on(measure_all(output, table))
}

struct Running {
    program: Program,
    link: Link,
}

fn start(folder: &Path) -> Result<Running, Trouble> {
    let mut command = Command::new(places::program("serambi-house")?);
    command.arg("--folder").arg(folder).env("RUST_LOG", "warn");
    command.args(["--listen", "127.0.0.1", "--port", "0", "--media-port", "0", "--no-discovery"]);
    let mut program = Program::start(&command, Stdio::piped(), &folder.with_extension("log"))?;
    let stdout = program.take_stdout().ok_or_else(|| Trouble::Unexpected("the house has no output".to_owned()))?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(|error| Trouble::Unexpected(error.to_string()))?;
    let link = Link::read(line.trim()).map_err(|error| Trouble::Unexpected(error.to_string()))?;
    Ok(Running { program, link })
}

/// A full room, and the house it is in.
struct Crowd {
    load: Family,
    house: House,
    host: Joining,
    speakers: Vec<Joining>,
    listeners: Vec<Joining>,
    /// Memory of the house for each listener.
    kilobytes_each: f64,
}

impl Crowd {
    async fn gather(running: &Running, transport: Transport, count: usize) -> Result<Self, Trouble> {
        let house = House::at(&running.link, transport)?;
        let load = Family::of(running.program.id())?;
        let empty = load.pss_megabytes()?;
        let host = Client::sign_in(&house, "Host").await?.start_room().await?;
        let speakers = fill_stage(&house, &host).await?;
        let listeners = enter(&house, &host, count).await?;
        tokio::time::sleep(SETTLED).await;
        let kilobytes_each = (load.pss_megabytes()? - empty) * 1_000.0 / count as f64;
        Ok(Self { load, house, host, speakers, listeners, kilobytes_each })
    }

    /// Bytes that the house has sent to everybody.
    fn received(&self) -> u64 {
        let on_stage = self.speakers.iter().chain([&self.host]);
        on_stage.chain(&self.listeners).map(Joining::received).sum()
    }
}

async fn measure_all(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    memory_with_tls(output, table).await?;
    let running = start(&output.join("house"))?;
    let crowd = Crowd::gather(&running, Transport::Plain, LISTENERS).await?;
    let what = format!("{LISTENERS} listeners and {} on stage: memory", SPEAKERS + 1);
    let how = "PSS of the house, without sound, TLS not used";
    table.row(what, format!("{:.1} kB a listener", crowd.kilobytes_each), how);
    cost_of_hands(&crowd, table).await?;
    cost_of_mutes(&crowd, table).await?;
    cost_of_joins(&crowd, table).await?;
    acts_of_a_moderator(&crowd, table).await?;
    hands_in_a_crowd(&crowd, table).await?;
    drop(crowd);
    restart(running, &output.join("house"), table).await
}

async fn memory_with_tls(output: &Path, table: &mut Table) -> Result<(), Trouble> {
    let running = start(&output.join("house-with-tls"))?;
    let crowd = Crowd::gather(&running, Transport::Tls, TLS_LISTENERS).await?;
    let what = format!("{TLS_LISTENERS} listeners with TLS: memory");
    table.row(what, format!("{:.1} kB a listener", crowd.kilobytes_each), "PSS of the house, without sound");
    Ok(())
}

async fn fill_stage(house: &House, host: &Joining) -> Result<Vec<Joining>, Trouble> {
    let mut speakers = Vec::with_capacity(SPEAKERS);
    for number in 0..SPEAKERS {
        let speaker = Client::sign_in(house, &format!("Speaker {number}")).await?.join(host.room).await?;
        host.client.command(host.room, &RoomCommand::Invite { person: speaker.client.id() }).await?;
        speaker.client.command(host.room, &RoomCommand::AcceptInvitation).await?;
        speakers.push(speaker);
    }
    Ok(speakers)
}

async fn enter(house: &House, host: &Joining, count: usize) -> Result<Vec<Joining>, Trouble> {
    let mut entered = Vec::with_capacity(count);
    for crowd in (0..count).step_by(AT_ONCE) {
        let joining = (crowd..count.min(crowd + AT_ONCE)).map(|number| {
            let (house, room) = (house.clone(), host.room);
            tokio::spawn(async move { Client::sign_in(&house, &format!("Listener {number}")).await?.join(room).await })
        });
        for joined in joining.collect::<Vec<_>>() {
            entered.push(joined.await.map_err(|error| Trouble::Unexpected(error.to_string()))??);
        }
    }
    Ok(entered)
}

/// Processor time and bytes that something costs the house, for each time it is done.
struct Cost {
    milliseconds: f64,
    kilobytes: f64,
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} ms of a core, {:.1} kB sent", self.milliseconds, self.kilobytes)
    }
}

/// How often something is done, and what follows from it is over after so long.
#[derive(Clone, Copy)]
struct Pace {
    rounds: usize,
    pause: Duration,
}

async fn cost<F: Future<Output = Result<(), Trouble>>>(
    crowd: &Crowd,
    pace: Pace,
    mut act: impl FnMut(usize) -> F,
) -> Result<Cost, Trouble> {
    tokio::time::sleep(SETTLED).await;
    let (cpu, bytes) = (crowd.load.processor_time()?, crowd.received());
    // What the open channels cost by themselves in as much time is taken off.
    tokio::time::sleep(pace.pause * pace.rounds as u32).await;
    let (idle_cpu, idle_bytes) = (crowd.load.processor_time()? - cpu, crowd.received() - bytes);
    let (cpu, bytes) = (crowd.load.processor_time()?, crowd.received());
    let mut due = tokio::time::interval(pace.pause);
    for round in 0..pace.rounds {
        due.tick().await;
        act(round).await?;
    }
    due.tick().await;
    let spent = (crowd.load.processor_time()? - cpu).saturating_sub(idle_cpu);
    let sent = (crowd.received() - bytes).saturating_sub(idle_bytes);
    let rounds = pace.rounds as f64;
    Ok(Cost { milliseconds: spent.as_secs_f64() * 1e3 / rounds, kilobytes: sent as f64 / 1e3 / rounds })
}

async fn cost_of_hands(crowd: &Crowd, table: &mut Table) -> Result<(), Trouble> {
    let Crowd { host, listeners, .. } = crowd;
    let raise = |round: usize| listeners[round].client.command(host.room, &RoomCommand::RaiseHand);
    let cost = cost(crowd, TELLING_FEW, raise).await?;
    host.client.command(host.room, &RoomCommand::LowerAllHands).await?;
    table.row("A raised hand there", cost.to_string(), "to the twelve on stage and to the listener");
    Ok(())
}

async fn cost_of_mutes(crowd: &Crowd, table: &mut Table) -> Result<(), Trouble> {
    let host = &crowd.host;
    let mute = |round: usize| async move {
        host.client.command(host.room, &RoomCommand::SetMuted { muted: round % 2 == 1 }).await
    };
    let cost = cost(crowd, BROADCAST, mute).await?;
    table.row("A mute or an unmute there", cost.to_string(), "to everybody");
    Ok(())
}

async fn cost_of_joins(crowd: &Crowd, table: &mut Table) -> Result<(), Trouble> {
    let Crowd { house, host, .. } = crowd;
    let join = |round: usize| async move {
        let joined = Client::sign_in(house, &format!("Late {round}")).await?.join(host.room).await?;
        joined.client.command(host.room, &RoomCommand::Leave).await
    };
    let cost = cost(crowd, BROADCAST, join).await?;
    table.row("A join and a leave there", cost.to_string(), "signing in included; the new count to everybody");
    Ok(())
}

/// What is on the disk before it is acknowledged, and concerns two people.
async fn acts_of_a_moderator(crowd: &Crowd, table: &mut Table) -> Result<(), Trouble> {
    let Crowd { host, listeners, .. } = crowd;
    let mut waits = Vec::with_capacity(ACTS);
    for listener in &listeners[500..500 + ACTS] {
        listener.client.command(host.room, &RoomCommand::RaiseHand).await?;
        tokio::time::sleep(TELLING_FEW.pause).await;
        let began = Instant::now();
        host.client.command(host.room, &RoomCommand::DismissHand { person: listener.client.id() }).await?;
        waits.push(began.elapsed().as_secs_f64() * 1e3);
    }
    table.row(
        "A moderator's act there, until acknowledged",
        milliseconds(waits),
        "a hand dismissed; on the disk by then",
    );
    Ok(())
}

async fn hands_in_a_crowd(crowd: &Crowd, table: &mut Table) -> Result<(), Trouble> {
    let Crowd { house, host, listeners, .. } = crowd;
    let mut events = host.events();
    let coming = tokio::spawn(come_and_go(house.clone(), host.room));
    let mut waits = Vec::with_capacity(HANDS);
    for listener in &listeners[1_000..1_000 + HANDS] {
        let began = Instant::now();
        listener.client.command(host.room, &RoomCommand::RaiseHand).await?;
        let id = listener.client.id();
        let seen = async {
            while let Ok(event) = events.recv().await {
                if raises(&event, &id) {
                    return Ok(());
                }
            }
            Err(Trouble::Unexpected("the host's channel has closed".to_owned()))
        };
        tokio::time::timeout(LIMIT, seen)
            .await
            .map_err(|_| Trouble::Unexpected("a hand was never seen".to_owned()))??;
        waits.push(began.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(TELLING_FEW.pause).await;
    }
    coming.abort();
    let mut sorted = waits.clone();
    sorted.sort_by(f64::total_cmp);
    let p99 = sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default();
    let value = format!("p99 {p99:.0} ms, {}", milliseconds(waits));
    table.row("A hand on the moderator's channel", value, "while 50 people a second come and 50 go");
    Ok(())
}

fn raises(event: &RoomEvent, id: &serambi_protocol::PersonId) -> bool {
    let RoomEvent::Changed { changes, .. } = event else { return false };
    changes.iter().any(|change| match &**change {
        TopicChange::Hands { list } => list.upsert.iter().any(|hand| hand.id == *id),
        _ => false,
    })
}

async fn come_and_go(house: House, room: serambi_protocol::RoomId) {
    let mut due = tokio::time::interval(Duration::from_millis(1_000 / COMINGS_PER_SECOND));
    for number in 0u64.. {
        due.tick().await;
        let house = house.clone();
        // Each is over by itself within its own limit.
        tokio::spawn(async move {
            let name = format!("Passing {number}");
            if let Ok(client) = Client::sign_in(&house, &name).await
                && let Ok(joined) = client.join(room).await
                && let Err(trouble) = joined.client.command(room, &RoomCommand::Leave).await
            {
                eprintln!("{name}: {trouble}");
            }
        });
    }
}

const ROOMS: usize = 20;
const PEOPLE_OF_ROOM: usize = 25;

/// A house with many rooms is killed and started again.
async fn restart(running: Running, folder: &Path, table: &mut Table) -> Result<(), Trouble> {
    let house = House::at(&running.link, Transport::Plain)?;
    let mut everybody = Vec::new();
    for number in 0..ROOMS {
        let host = Client::sign_in(&house, &format!("Host {number}")).await?.start_room().await?;
        let listeners = enter(&house, &host, PEOPLE_OF_ROOM - 1).await?;
        everybody.extend(listeners.into_iter().chain([host]));
    }
    tokio::time::sleep(SETTLED).await;
    drop(running.program);
    let began = Instant::now();
    let again = start(folder)?;
    let ready = began.elapsed();
    let house = House::at(&again.link, Transport::Plain)?;
    let coming = everybody.into_iter().map(|joined| {
        let house = house.clone();
        tokio::spawn(async move { joined.client.again(&house).await?.join(joined.room).await })
    });
    let mut back = 0;
    for joined in coming.collect::<Vec<_>>() {
        back += usize::from(joined.await.is_ok_and(|joined| joined.is_ok()));
    }
    let value = format!(
        "ready after {} ms, {back} of {} back after {} ms",
        ready.as_millis(),
        ROOMS * PEOPLE_OF_ROOM,
        began.elapsed().as_millis()
    );
    table.row("A killed house with 20 rooms and 500 people", value, "every seat taken again, all at once");
    Ok(())
}
