//! A house on loopback, people with sound files for devices, and waiting for what should happen.

use std::{path::PathBuf, time::Duration};

use serambi_call::{
    Call, CallError, CallEvent, CallView, DeviceChoice, Doors, EngineSettings, HouseClient, Identity, RoomCommand,
    SoundChoice,
};
use serambi_house::{House, HouseConfig};
use serambi_protocol::{Command, Notice, PersonId, RoomView, link::HouseAddress};
use tokio::{sync::mpsc, time::timeout};

use crate::speech;

/// What should happen happens within this time, also on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);

pub struct TestHouse {
    pub house: House,
    pub folder: tempfile::TempDir,
}

impl TestHouse {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { house: Self::open_house(&folder).await, folder }
    }

    /// The same house again, after it was closed.
    pub async fn reopen(&mut self) {
        self.house = Self::open_house(&self.folder).await;
    }

    async fn open_house(folder: &tempfile::TempDir) -> House {
        let mut config = HouseConfig::new(folder.path(), "Porch").on_loopback();
        config.discoverable = false;
        House::start(config).await.unwrap()
    }

    /// Somebody at the house, with no devices yet.
    pub async fn guest(&self, name: &str) -> Guest {
        self.guest_by(name, &self.house.address()).await
    }

    pub async fn guest_by(&self, name: &str, address: &HouseAddress) -> Guest {
        let house = HouseClient::sign_in(address, &Identity::make(), name, &Doors::default()).await.unwrap();
        Guest {
            house,
            sound: EngineSettings { microphone: DeviceChoice::Absent, loudspeaker: DeviceChoice::Absent }.into(),
            heard: self.folder.path().join(format!("{name} heard.wav")),
            said: self.folder.path().join(format!("{name} said.wav")),
        }
    }
}

pub struct Guest {
    pub house: HouseClient,
    pub sound: SoundChoice,
    heard: PathBuf,
    said: PathBuf,
}

impl Guest {
    /// Says this as soon as the microphone is open.
    pub fn with_voice(mut self, samples: &[f32]) -> Self {
        speech::write_wav(&self.said, samples);
        self.sound.devices.microphone = DeviceChoice::File(self.said.clone());
        self
    }

    /// Writes down what is heard.
    pub fn with_ears(mut self) -> Self {
        self.sound.devices.loudspeaker = DeviceChoice::File(self.heard.clone());
        self
    }

    pub fn id(&self) -> PersonId {
        self.house.person()
    }

    pub async fn start(&self) -> Visit {
        let (call, events) = Call::start(self.house.clone(), "Tea", false, self.sound.clone()).await.unwrap();
        Visit { call, events, heard: self.heard.clone() }
    }

    pub async fn join(&self, other: &Visit) -> Visit {
        let room = other.call.room_id();
        let (call, events) = Call::join(self.house.clone(), room, false, self.sound.clone()).await.unwrap();
        Visit { call, events, heard: self.heard.clone() }
    }
}

pub struct Visit {
    pub call: Call,
    pub events: mpsc::Receiver<CallEvent>,
    heard: PathBuf,
}

/// A call and its room as they are shown.
#[derive(Debug)]
pub struct Shown {
    pub call: CallView,
    pub room: RoomView,
}

impl Visit {
    pub fn shown(&self) -> Shown {
        Shown { call: self.call.view(), room: self.call.room() }
    }

    /// Asks something of the room.
    pub async fn command(&self, command: Command) -> Result<(), CallError> {
        self.call.command(RoomCommand::try_from(command)?).await
    }

    /// Waits until it is shown so.
    pub async fn until(&mut self, what: &str, so: impl Fn(&Shown) -> bool) -> Shown {
        let waiting = async {
            loop {
                let view = self.shown();
                if so(&view) {
                    return view;
                }
                self.events.recv().await.unwrap();
            }
        };
        match timeout(LIMIT, waiting).await {
            Ok(view) => view,
            Err(_) => panic!("{what} did not happen: {:#?}", self.shown()),
        }
    }

    /// Waits for this notice.
    pub async fn notice(&mut self, what: impl Fn(&Notice) -> bool) -> Notice {
        let waiting = async {
            loop {
                match self.events.recv().await.unwrap() {
                    CallEvent::Notice(notice) if what(&notice) => return notice,
                    _ => {}
                }
            }
        };
        timeout(LIMIT, waiting).await.expect("the notice did not come")
    }

    /// Waits for the end.
    pub async fn closed(&mut self) -> serambi_protocol::event::ClosedReason {
        let waiting = async {
            loop {
                if let CallEvent::Closed(reason) = self.events.recv().await.unwrap() {
                    return reason;
                }
            }
        };
        timeout(LIMIT, waiting).await.expect("the call did not end")
    }

    /// Waits until a counter is so. Counters have no events.
    pub async fn counted(&self, what: &str, so: impl Fn(&serambi_call::CallStatistics) -> bool) {
        let waiting = async {
            while !so(&self.call.statistics()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(LIMIT, waiting).await.is_err() {
            panic!("{what} was not counted: {:#?}", self.call.statistics());
        }
    }

    /// What was heard until now; ends the call.
    pub async fn leave_and_listen(self) -> Vec<f32> {
        self.call.leave().await;
        speech::read_wav(&self.heard)
    }
}

/// A host and a guest who has come on stage, muted.
pub async fn two_on_stage(host: &Guest, guest: &Guest) -> (Visit, Visit) {
    let mut a = host.start().await;
    let mut b = guest.join(&a).await;
    bring_on_stage(&mut a, &mut b, guest.id()).await;
    (a, b)
}

/// Hand, invitation, acceptance.
pub async fn bring_on_stage(a: &mut Visit, b: &mut Visit, guest: PersonId) {
    b.command(Command::RaiseHand).await.unwrap();
    a.until("the raised hand", |view| view.room.hands.iter().any(|hand| hand.id == guest)).await;
    a.command(Command::Invite { person: guest }).await.unwrap();
    b.until("the invitation", |view| view.room.you.invitation.is_some()).await;
    b.call.accept_invitation().await.unwrap();
    b.until("coming on stage", |view| view.room.you.role.is_on_stage()).await;
}
