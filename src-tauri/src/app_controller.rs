//! The state behind the one window: one profile, at most one house of its own, and at most one call.

mod calling;
mod computer;
mod interruption;
mod notices;
mod page;
mod reach;
mod sound;
mod updates;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serambi_audio::EngineSettings;
use serambi_call::{
    Call, CallEvent, CallMe, Doors, HostedRoom, HouseClient, Identity, Theme,
    profile::{DEFAULT_PROFILE, Profile, Settings},
};
use serambi_house::{House, HouseConfig, Page, Presence, RoomStarters};
use serambi_protocol::{
    Code, Link, Refusal, RoomId,
    link::{HouseAddress, HouseProof, KeeperLink},
    name::read_name,
};
use tauri::AppHandle;
use tokio::sync::mpsc::Receiver;

use crate::{
    arguments::Arguments,
    call_updates::CallUpdates,
    diagnostics,
    home::{Home, KeptHouse, Known},
    ipc::{self, AppChanged, Problem},
    local_time::unix_ms,
    notices::NoticeBoard,
    ongoing::Ongoing,
    profile_folder,
    updates::Updates,
    view::{AppView, FoundRoom, Language},
};
use calling::Calling;
use computer::Computer;
use reach::OpenHouse;
use sound::SoundCheck;

/// The limit of listing sound devices for a bug report: a sound service that hangs is worth a report, too.
const MAX_DEVICE_LISTING: Duration = Duration::from_secs(3);
/// Half of the time that ending the program may take. Leaving politely is a round trip.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// The app controller, once its profile could be opened. A profile that is in use may be free later.
pub struct ControllerSlot {
    app: AppHandle,
    arguments: Arguments,
    controller: Mutex<Option<AppController>>,
}

impl ControllerSlot {
    /// An empty place.
    pub fn new(arguments: Arguments, app: AppHandle) -> Self {
        Self { app, arguments, controller: Mutex::default() }
    }

    /// The controller, opened now if it is not yet.
    ///
    /// # Errors
    /// `profile_in_use`, `profile_broken`.
    pub fn open(&self) -> Result<AppController, Refusal> {
        let mut place = lock(&self.controller);
        if let Some(controller) = place.as_ref() {
            return Ok(controller.clone());
        }
        let controller = AppController::open(&self.arguments, self.app.clone())?;
        *place = Some(controller.clone());
        Ok(controller)
    }

    /// The controller, if it is open.
    pub fn get(&self) -> Option<AppController> {
        lock(&self.controller).clone()
    }
}

/// Clones share the same controller.
#[derive(Clone)]
pub struct AppController {
    shared: Arc<Shared>,
}

struct Shared {
    app: AppHandle,
    arguments: Arguments,
    profile: Mutex<Profile>,
    identity: Identity,
    home: Home,
    doors: Doors,
    /// Started with the first room: before that no port is open and nothing is announced.
    house: tokio::sync::Mutex<Option<House>>,
    /// The same house, for whoever cannot wait.
    open_house: Mutex<Option<OpenHouse>>,
    /// One going-in at a time: a double click must not join twice.
    going_in: tokio::sync::Mutex<()>,
    ongoing: Mutex<Option<Ongoing>>,
    call_updates: Arc<CallUpdates>,
    notices: NoticeBoard,
    calling: Calling,
    /// Devices named on the command line, until others are chosen.
    given: Mutex<EngineSettings>,
    sound_check: tokio::sync::Mutex<Option<SoundCheck>>,
    computer: Computer,
    updates: Updates,
    opened_link: Mutex<Option<String>>,
    /// Ended with the program the last time.
    interrupted: Mutex<Option<HostedRoom>>,
    problem: Mutex<Option<Refusal>>,
    /// Of the last snapshot of the app that was taken.
    revision: AtomicU64,
}

impl AppController {
    /// Opens the profile and begins to look for rooms.
    ///
    /// # Errors
    /// `profile_in_use`, `profile_broken`.
    fn open(arguments: &Arguments, app: AppHandle) -> Result<Self, Refusal> {
        let profile = Profile::open(&profile_folder::prepare(arguments)?.path)?;
        let problem = profile.settings_set_aside().map(|_| Refusal::new(Code::ProfileBroken, "settings set aside"));
        let doors = Doors::default();
        let shared = Shared {
            call_updates: Arc::new(CallUpdates::new(app.clone())),
            notices: notices::board(app.clone()),
            calling: Calling::default(),
            computer: Computer::new(&app),
            updates: Updates::default(),
            app,
            arguments: arguments.clone(),
            identity: profile.identity().clone(),
            profile: Mutex::new(profile),
            home: Home::new(doors.clone()),
            doors,
            house: tokio::sync::Mutex::default(),
            open_house: Mutex::default(),
            going_in: tokio::sync::Mutex::default(),
            ongoing: Mutex::default(),
            given: Mutex::new(sound::given_devices(arguments)),
            sound_check: tokio::sync::Mutex::default(),
            opened_link: Mutex::new(arguments.link.clone()),
            interrupted: Mutex::default(),
            problem: Mutex::new(problem),
            revision: AtomicU64::new(0),
        };
        let controller = Self { shared: Arc::new(shared) };
        controller.tell_home(None);
        controller.tell_of_interruption();
        let watched = controller.clone();
        let watcher = controller.clone();
        let home = controller.shared.home.clone();
        let asking = home.keep_asking(arguments.listen, move || watcher.attention(), move || watched.tell_changed());
        tauri::async_runtime::spawn(asking);
        controller.begin_on_computer();
        Ok(controller)
    }

    /// Everything but the call.
    pub fn view(&self) -> AppView {
        let revision = self.next_revision();
        let settings = self.settings();
        let profile = &self.shared.arguments.profile;
        AppView {
            revision,
            profile: (profile != DEFAULT_PROFILE).then(|| profile.clone()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: Some(settings.name).filter(|name| !name.is_empty()),
            you: self.shared.identity.id(),
            language: settings.language.as_deref().and_then(read_language),
            theme: settings.theme,
            sound: self.sound_view(),
            do_not_disturb: settings.do_not_disturb.at(unix_ms()),
            call_me: settings.call_me,
            called: self.shared.calling.view(),
            computer: self.computer_view(),
            updates: self.updates_view(),
            reach: self.reach_view(),
            problem: lock(&self.shared.problem).clone(),
            home: self.shared.home.view(),
            opened_link: lock(&self.shared.opened_link).clone(),
        }
    }

    /// Taken before the state is read, and each change is told after it was made: the snapshot with the highest
    /// revision holds the newest state.
    fn next_revision(&self) -> u64 {
        self.shared.revision.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Keeps the display name; used from the next room on.
    ///
    /// # Errors
    /// `name_empty`, `name_too_long`, `name_unreadable`, `profile_broken`.
    pub fn set_name(&self, name: &str) -> Result<(), Refusal> {
        let name = read_name(name)?;
        self.change_settings(|settings| settings.name = name)
    }

    /// Keeps the language.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_language(&self, language: Language) -> Result<(), Refusal> {
        self.change_settings(|settings| settings.language = Some(language.tag().to_owned()))?;
        self.refresh_tray();
        Ok(())
    }

    /// Keeps the theme.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_theme(&self, theme: Theme) -> Result<(), Refusal> {
        self.change_settings(|settings| settings.theme = theme)
    }

    /// Starts a room in one's own house, which is started with it.
    ///
    /// # Errors
    /// `port_taken`, `on_stage_elsewhere`, and whatever joining can say.
    pub async fn start_room(&self, title: &str, leave_other: bool) -> Result<(), Refusal> {
        let _one_at_a_time = self.shared.going_in.lock().await;
        self.may_leave_present_room(leave_other)?;
        let house = self.own_house().await?;
        let client = self.sign_in(&house.address()).await?;
        let (call, events) = Call::start(client, title, leave_other, self.sound_choice()).await?;
        self.enter(call, events).await;
        Ok(())
    }

    /// Joins a room that stands in the list.
    ///
    /// # Errors
    /// `house_unreachable`, `room_ended`, `on_stage_elsewhere`, and whatever joining can say.
    pub async fn join_room(&self, pin: &str, room: RoomId, leave_other: bool) -> Result<(), Refusal> {
        let unknown = || Refusal::new(Code::HouseUnreachable, "that house is no longer in the list");
        let address = self.shared.home.address(pin).ok_or_else(unknown)?;
        self.join(&address, room, leave_other).await
    }

    /// Joins the room of a link.
    ///
    /// # Errors
    /// `link_wrong` and the errors of [`Self::join_room`].
    pub async fn join_link(&self, link: &str, leave_other: bool) -> Result<(), Refusal> {
        let link = Link::read(link)?;
        let room = link.room.ok_or_else(|| Refusal::new(Code::LinkWrong, "a house, not a room"))?;
        self.join(&link.house, room, leave_other).await?;
        *lock(&self.shared.opened_link) = None;
        self.tell_changed();
        Ok(())
    }

    /// What can be seen behind a link before joining.
    ///
    /// # Errors
    /// `link_wrong`, `house_unreachable`, `house_not_the_one`, `room_ended`.
    pub async fn look_at_link(&self, link: &str) -> Result<Vec<FoundRoom>, Refusal> {
        let own = self.own_proof().await;
        Ok(self.shared.home.look_at_link(&Link::read(link)?, own.as_ref()).await?.1)
    }

    /// Keeps a house in the list.
    ///
    /// # Errors
    /// `link_wrong`, `house_unreachable`, `house_not_the_one`, `profile_broken`.
    pub async fn save_house(&self, link: &str) -> Result<(), Refusal> {
        let link = Link { room: None, ..Link::read(link)? };
        let (info, _) = self.shared.home.look_at_link(&link, None).await?;
        self.change_settings(|settings| settings.save_house(&info.name, &link))?;
        self.tell_home(self.own_address().await);
        Ok(())
    }

    /// Becomes a keeper of the house behind a keeper's link, and keeps it in the list.
    ///
    /// # Errors
    /// `link_wrong`, `not_allowed` if somebody else was first, `house_unreachable`, `house_not_the_one`,
    /// `profile_broken`.
    pub async fn keep_house(&self, link: &str) -> Result<(), Refusal> {
        let keeper = KeeperLink::read(link)?;
        self.sign_in(&keeper.house).await?.take_keys(keeper.code).await?;
        self.save_house(link).await
    }

    /// Takes a house off the list.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn forget_house(&self, house: &str) -> Result<(), Refusal> {
        self.change_settings(|settings| {
            settings
                .saved_houses
                .retain(|old| Link::read(&old.link).is_ok_and(|old| old.house.proof.as_str() != house));
        })?;
        let controller = self.clone();
        tauri::async_runtime::spawn(async move { controller.tell_home(controller.own_address().await) });
        Ok(())
    }

    /// The room one is in.
    ///
    /// # Errors
    /// `no_call`.
    pub fn call(&self) -> Result<Call, Refusal> {
        lock(&self.shared.ongoing).as_ref().map(|ongoing| ongoing.call().clone()).ok_or(Code::NoCall.into())
    }

    /// Leaves quietly; without a room there is nothing to leave.
    pub async fn leave(&self) {
        self.leave_call().await;
        self.note_hosting(None);
    }

    /// A room that is run here stays noted.
    async fn leave_call(&self) {
        self.close_sound_check().await;
        let ongoing = lock(&self.shared.ongoing).take();
        self.shared.notices.withdraw_all();
        if let Some(ongoing) = ongoing {
            ongoing.leave().await;
            self.show_in_tray(None);
        }
        self.shared.home.ask_again();
    }

    /// A text for a bug report: versions, devices, kinds of addresses and the end of the log. What cannot be found out
    /// is said in it.
    pub async fn diagnostics(&self) -> String {
        let devices = match tokio::time::timeout(MAX_DEVICE_LISTING, self.list_sound_devices()).await {
            Ok(devices) => devices,
            Err(_) => Err(Refusal::new(Code::NoMicrophone, "the sound system does not answer")),
        };
        let settings = self.settings();
        let folder = lock(&self.shared.profile).folder().to_owned();
        let call = self.call().ok().map(|call| (call.view(), call.room()));
        diagnostics::Diagnostics::collect(&folder, &settings, devices, call.as_ref()).to_string()
    }

    /// Shows a link that came from outside; it is joined by a click only.
    pub fn open_link(&self, link: String) {
        *lock(&self.shared.opened_link) = Some(link);
        self.tell_changed();
    }

    /// The others who would be cut off if this program ended.
    pub async fn others_present(&self) -> Presence {
        match self.shared.house.lock().await.as_ref() {
            Some(house) => house.presence(Some(self.shared.identity.id())),
            None => Presence::default(),
        }
    }

    /// Leaves and closes the house, within [`LEAVE_WITHIN`] each: one house that does not answer must hold up neither
    /// the other nor the end of the program. `keeps_rooms`: those of one's own house are there at its next start.
    pub async fn close(&self, keeps_rooms: bool) {
        if tokio::time::timeout(LEAVE_WITHIN, self.leave_call()).await.is_err() {
            tracing::warn!("leaving took too long");
        }
        if !keeps_rooms {
            self.note_hosting(None);
        }
        self.shared.notices.close().await;
        self.shared.doors.close().await;
        *lock(&self.shared.open_house) = None;
        let closing = async {
            match self.shared.house.lock().await.take() {
                Some(house) if keeps_rooms => house.suspend().await,
                Some(house) => house.close().await,
                None => {}
            }
        };
        if tokio::time::timeout(LEAVE_WITHIN, closing).await.is_err() {
            tracing::warn!("closing the house took too long");
        }
    }

    /// Called when this call has closed by itself; whether it was the present one.
    pub(crate) fn forget_call(&self, closed: &Call) -> bool {
        let is_present = |ongoing: &mut Ongoing| ongoing.call().is_same(closed);
        let was_present = lock(&self.shared.ongoing).take_if(is_present).is_some();
        if was_present {
            self.show_in_tray(None);
        }
        self.shared.home.ask_again();
        was_present
    }

    async fn join(&self, address: &HouseAddress, room: RoomId, leave_other: bool) -> Result<(), Refusal> {
        let _one_at_a_time = self.shared.going_in.lock().await;
        // Whoever joins the room they are in would be thrown out of it by leaving the first.
        if self.call().is_ok_and(|call| call.room_id() == room) {
            return Ok(());
        }
        self.may_leave_present_room(leave_other)?;
        let client = self.sign_in(address).await?;
        let joining = Call::join(client.clone(), room, leave_other, self.sound_choice()).await;
        let (call, events) = joining.inspect_err(|error| {
            if error.code() == Code::RoomLocked {
                self.shared.calling.lock_refused(client, room);
            }
        })?;
        self.enter(call, events).await;
        Ok(())
    }

    /// The new room has said yes: only now the present one is left (room rules 3.5).
    async fn enter(&self, call: Call, events: Receiver<CallEvent>) {
        self.close_sound_check().await;
        let previous = lock(&self.shared.ongoing).take();
        self.shared.notices.withdraw_all();
        let updates = self.shared.call_updates.clone();
        let ongoing = Ongoing::begin(call, events, updates, self.clone(), self.shared.app.clone());
        *lock(&self.shared.ongoing) = Some(ongoing);
        if let Some(previous) = previous {
            previous.leave_for_another().await;
        }
        self.shared.home.ask_again();
    }

    /// A person is in one room at a time; only somebody on stage is asked before leaving it (room rules 3.5).
    fn may_leave_present_room(&self, leave_other: bool) -> Result<(), Refusal> {
        let on_stage = self.call().is_ok_and(|call| call.room().you.role.is_on_stage());
        if on_stage && !leave_other { Err(Code::OnStageElsewhere.into()) } else { Ok(()) }
    }

    async fn sign_in(&self, address: &HouseAddress) -> Result<HouseClient, Refusal> {
        let Shared { identity, doors, home, .. } = &*self.shared;
        let client = HouseClient::sign_in(address, identity, &self.settings().name, doors).await?;
        client.set_callable(self.settings().call_me != CallMe::Never);
        let home = home.clone();
        client.look_where_seen(move |pin| home.seen_at(pin));
        Ok(client)
    }

    async fn own_house(&self) -> Result<House, Refusal> {
        let mut place = self.shared.house.lock().await;
        if let Some(house) = place.as_ref() {
            return Ok(house.clone());
        }
        let config = self.house_config();
        let house = House::start(config.clone()).await?;
        *lock(&self.shared.open_house) = Some(OpenHouse::new(house.clone(), &config));
        self.follow_reach(&house);
        self.tell_changed();
        self.tell_home(Some(house.address()));
        self.tell_where_it_moved(&house);
        *place = Some(house.clone());
        Ok(house)
    }

    /// A house that found its ports taken went to the next free ones: the links of yesterday lead elsewhere.
    fn tell_where_it_moved(&self, house: &House) {
        let Arguments { port, media_port, .. } = self.shared.arguments;
        let has_moved = |asked: u16, got: u16| asked != 0 && asked != got;
        if has_moved(port, house.port()) || house.media_port().is_some_and(|media| has_moved(media_port, media)) {
            let detail = format!("TCP {}, UDP {:?}", house.port(), house.media_port());
            ipc::tell(&self.shared.app, Problem(Refusal::new(Code::PortTaken, detail)));
        }
    }

    fn house_config(&self) -> HouseConfig {
        let arguments = &self.shared.arguments;
        // Read beforehand: a lock taken inside the literal would be held to its end.
        let folder = lock(&self.shared.profile).folder().join("house");
        let settings = self.settings();
        HouseConfig {
            owner: Some(self.shared.identity.id()),
            // The house belongs to whoever sits here: others start rooms in it only if they belong to it.
            starters: RoomStarters::Members,
            page: Page::Inside(serambi_page::FILES),
            listen: arguments.listen,
            outside: self.outside(),
            gates: self.gates(),
            port_mapping: settings.reach.ask_router,
            port: arguments.port,
            media_port: arguments.media_port,
            ..HouseConfig::new(folder, settings.name)
        }
    }

    async fn own_address(&self) -> Option<HouseAddress> {
        self.shared.house.lock().await.as_ref().map(House::address)
    }

    async fn own_proof(&self) -> Option<HouseProof> {
        self.own_address().await.map(|address| address.proof)
    }

    fn change_settings(&self, change: impl FnOnce(&mut Settings)) -> Result<(), Refusal> {
        lock(&self.shared.profile).change_settings(change)?;
        self.tell_changed();
        Ok(())
    }

    fn settings(&self) -> Settings {
        lock(&self.shared.profile).settings().clone()
    }

    fn tell_home(&self, own: Option<HouseAddress>) {
        let houses = self.settings().saved_houses;
        let kept = houses
            .iter()
            .filter_map(|house| Link::read(&house.link).ok().map(|link| KeptHouse { name: house.name.clone(), link }));
        self.shared.home.set_known(Known { own: own.clone(), kept: kept.collect() });
        let controller = self.clone();
        tauri::async_runtime::spawn(async move { controller.hang_bells(own) });
    }

    fn tell_changed(&self) {
        ipc::tell(&self.shared.app, AppChanged(self.view()));
    }
}

/// A tag of a newer program is passed over: the system's language is used.
fn read_language(tag: &str) -> Option<Language> {
    [Language::En, Language::Id, Language::Zh].into_iter().find(|language| language.tag() == tag)
}

/// Nothing is computed while these locks are held, so a poisoned one still holds good data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_of_a_newer_program_is_passed_over() {
        assert_eq!(read_language("zh-Hans"), Some(Language::Zh));
        assert_eq!(read_language("tlh"), None);
    }
}
