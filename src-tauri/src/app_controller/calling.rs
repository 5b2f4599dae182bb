//! The commands of the app controller about doors: being called into a room, calling others in, and asking to come in.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serambi_call::{CallMe, Doorbell, HouseClient};
use serambi_protocol::{
    Code, Link, Refusal, RoomId,
    door::{AtDoor, CallablePerson, Called},
    limits::PING_ADMITS_MS,
    link::HouseAddress,
};

use super::{AppController, lock};
use crate::{
    local_time::unix_ms,
    notices::{Subject, called_notice},
    view::CalledView,
    window,
};

/// Who calls this person, and whose door they stand at.
#[derive(Default)]
pub(super) struct Calling {
    /// The bells of houses, by their fingerprints.
    bells: Mutex<BTreeMap<String, Doorbell>>,
    /// The newest call, until it is answered or too old.
    standing: Mutex<Option<Arc<Standing>>>,
    /// The room whose lock refused this person last.
    locked_out: Mutex<Option<(HouseClient, RoomId)>>,
}

struct Standing {
    house: HouseAddress,
    view: CalledView,
}

impl Calling {
    pub(super) fn view(&self) -> Option<CalledView> {
        lock(&self.standing).as_ref().map(|standing| standing.view.clone())
    }

    pub(super) fn lock_refused(&self, client: HouseClient, room: RoomId) {
        *lock(&self.locked_out) = Some((client, room));
    }
}

impl AppController {
    /// Keeps when others may call this person in.
    ///
    /// # Errors
    /// `profile_broken`.
    pub fn set_call_me(&self, call_me: CallMe) -> Result<(), Refusal> {
        self.change_settings(|settings| settings.call_me = call_me)?;
        if let Ok(call) = self.call() {
            call.house().set_callable(call_me != CallMe::Never);
        }
        let controller = self.clone();
        tauri::async_runtime::spawn(async move { controller.hang_bells(controller.own_address().await) });
        Ok(())
    }

    /// Who can be called into the room one is in.
    ///
    /// # Errors
    /// `no_call`, `not_allowed`, `house_unreachable`.
    pub async fn callable_people(&self) -> Result<Vec<CallablePerson>, Refusal> {
        let call = self.call()?;
        call.house().callable_people(&call.room_id()).await
    }

    /// Asks to come into the room whose lock refused this person last, or (`waits` false) asks no longer.
    ///
    /// # Errors
    /// `not_at_door` if no lock did, `room_ended`, `door_crowded`, `house_unreachable`.
    pub async fn knock(&self, waits: bool) -> Result<AtDoor, Refusal> {
        let locked_out = lock(&self.shared.calling.locked_out).clone();
        let (client, room) = locked_out.ok_or(Code::NotAtDoor)?;
        client.knock(&room, waits).await
    }

    /// Goes where somebody called this person.
    ///
    /// # Errors
    /// `not_at_door` if nobody does (any more), and whatever joining can say.
    pub async fn join_called(&self, leave_other: bool) -> Result<(), Refusal> {
        let standing = lock(&self.shared.calling.standing).clone().ok_or(Code::NotAtDoor)?;
        self.join(&standing.house, standing.view.card.id, leave_other).await?;
        self.pass_called();
        Ok(())
    }

    /// The call was answered, or is too old.
    pub fn pass_called(&self) {
        if lock(&self.shared.calling.standing).take().is_some() {
            self.shared.notices.withdraw(Subject::Call);
            self.tell_changed();
        }
    }

    /// Somebody calls this person. Who is not to be disturbed is told nothing.
    pub(crate) async fn take_called(&self, client: HouseClient, called: Called) {
        let is_here = self.call().is_ok_and(|call| call.room_id() == called.card.id);
        let settings = self.settings();
        let is_quiet = settings.do_not_disturb.is_quiet(unix_ms(), self.call().is_ok());
        if is_here || is_quiet || settings.call_me == CallMe::Never {
            return;
        }
        // A house that does not say its name now is called by the room's host.
        let house_name = client.info().await.map_or_else(|_| called.card.host.clone(), |info| info.name);
        let view = CalledView { by: called.by, house_name, card: called.card };
        // By two ways, the bell and the room one is in.
        if self.shared.calling.view().is_some_and(|standing| standing.is_same(&view)) {
            return;
        }
        let standing = Arc::new(Standing { house: client.house_now(), view });
        *lock(&self.shared.calling.standing) = Some(standing.clone());
        self.tell_changed();
        if !window::is_in_front(&self.shared.app) {
            self.shared.notices.show(called_notice(&standing.view, self.notice_language()));
            window::ask_for_attention(&self.shared.app);
        }
        self.forget_later(standing);
    }

    fn forget_later(&self, standing: Arc<Standing>) {
        let controller = self.clone();
        tauri::async_runtime::spawn(async move {
            tokio::time::sleep(Duration::from_millis(PING_ADMITS_MS)).await;
            let present = lock(&controller.shared.calling.standing).clone();
            if present.is_some_and(|present| Arc::ptr_eq(&present, &standing)) {
                controller.pass_called();
            }
        });
    }

    /// Keeps a connection to those houses in which this person wants to be called, and to no others.
    pub(super) fn hang_bells(&self, own: Option<HouseAddress>) {
        let settings = self.settings();
        let saved =
            settings.saved_houses.iter().filter_map(|house| Link::read(&house.link).ok()).map(|link| link.house);
        let wanted: BTreeMap<String, HouseAddress> = match settings.call_me {
            CallMe::Always => saved.chain(own).map(|house| (house.proof.to_string(), house)).collect(),
            CallMe::Never | CallMe::InRoom => BTreeMap::new(),
        };
        let mut bells = lock(&self.shared.calling.bells);
        bells.retain(|pin, _| wanted.contains_key(pin));
        for (pin, house) in wanted {
            bells.entry(pin).or_insert_with(|| self.bell_of(house));
        }
    }

    fn bell_of(&self, house: HouseAddress) -> Doorbell {
        let (signing_in, ringing) = (self.clone(), self.clone());
        Doorbell::hang(
            move || {
                let (controller, house) = (signing_in.clone(), house.clone());
                async move { controller.sign_in(&house).await }
            },
            move |client, called| {
                let (controller, client) = (ringing.clone(), client.clone());
                tauri::async_runtime::spawn(async move { controller.take_called(client, called).await });
            },
        )
    }
}
