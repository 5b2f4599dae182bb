//! Running the stage: mute, roles, what is sent, and handing the room over.

use serambi_protocol::{Act, Code, Notice, PersonId, Refusal, RoomSwitch, view::Role};

use super::{Room, refuse_unless};
use crate::{
    outcome::Outcome,
    permission::{may, may_turn},
};

impl Room {
    /// One's own microphone. There is no command for anybody else's to open.
    pub(super) fn set_muted(&mut self, actor: &PersonId, muted: bool) -> Result<(), Refusal> {
        let role = self.stage.role_of(actor).ok_or(Code::NotOnStage)?;
        if let Some(code) = self.why_no_unmuting(actor, role).filter(|_| !muted) {
            return Err(code.into());
        }
        self.stage.set_muted(actor, muted);
        Ok(())
    }

    /// Why this person on stage stays muted; none: they may unmute, or are not muted.
    pub(crate) fn why_no_unmuting(&self, person: &PersonId, role: Role) -> Option<Code> {
        let is_held = self.switches.is_on(RoomSwitch::StageHeld) && !role.may_moderate();
        let is_muted = self.stage.place_of(person).is_some_and(|place| place.muted);
        (is_held && is_muted).then_some(Code::StageHeld)
    }

    pub(super) fn mute(&mut self, actor: &PersonId, person: &PersonId, out: &mut Outcome) -> Result<(), Refusal> {
        self.target_on_stage(actor, person, Act::Mute)?;
        self.mute_now(actor, person, out);
        Ok(())
    }

    /// Everybody on stage whom this person may mute.
    pub(super) fn mute_everyone(&mut self, actor: &PersonId, role: Role, out: &mut Outcome) -> Result<(), Refusal> {
        refuse_unless(role, role, Act::MuteEveryone)?;
        let others: Vec<PersonId> = self
            .people()
            .filter(|member| member.role.is_on_stage() && member.person != actor)
            .filter(|member| may(role, member.role, Act::Mute))
            .map(|member| *member.person)
            .collect();
        for person in &others {
            self.mute_now(actor, person, out);
        }
        Ok(())
    }

    /// The media server is told even if the person said to be muted: a program that says so and talks is not heard.
    fn mute_now(&mut self, actor: &PersonId, person: &PersonId, out: &mut Outcome) {
        out.mute(person);
        if self.stage.set_muted(person, true) {
            out.tell(person, Notice::MutedBy { by: self.name_of(actor) });
        }
    }

    pub(super) fn make_moderator(
        &mut self,
        actor: &PersonId,
        person: &PersonId,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        self.target_on_stage(actor, person, Act::MakeModerator)?;
        if self.stage.make_moderator(person) {
            out.tell(person, Notice::YouAreModerator);
        }
        Ok(())
    }

    pub(super) fn take_moderator(
        &mut self,
        actor: &PersonId,
        person: &PersonId,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        self.target_on_stage(actor, person, Act::TakeModerator)?;
        if self.stage.take_moderator(person) {
            out.tell(person, Notice::YouAreNotModerator);
        }
        Ok(())
    }

    pub(super) fn set_switch(&mut self, role: Role, switch: RoomSwitch, on: bool) -> Result<(), Refusal> {
        if !may_turn(role, switch) {
            return Err(Code::NotAllowed.into());
        }
        self.switches.set(switch, on);
        if switch == RoomSwitch::Locked && !on {
            self.door.open();
        }
        Ok(())
    }

    /// Not to somebody who is away: the room would have a host who does not know it.
    pub(super) fn hand_over(&mut self, actor: &PersonId, person: &PersonId, out: &mut Outcome) -> Result<(), Refusal> {
        self.target_on_stage(actor, person, Act::HandOver)?;
        if !self.has_sound(person) {
            return Err(Code::PersonNotHere.into());
        }
        self.stage.hand_over(person);
        self.announce_host(person, out);
        Ok(())
    }
}
