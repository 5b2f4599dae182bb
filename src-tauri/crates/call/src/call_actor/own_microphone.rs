//! The own microphone in a call: who wants something of it, and what the house is told of it.
//!
//! On stage it is open and muted until its owner unmutes it, to which the house agrees first. A mute is carried out at
//! once and the house is told afterwards, one request at a time, until both agree.

use std::time::{Duration, Instant};

use serambi_protocol::{Code, Command, Refusal};

use super::{Answer, CallActor, Flow, GO_ON, HouseAnswer, Request};
use crate::{call_events::CallEvent, call_view::MicrophoneView, error::CallError, media::Voice};

/// Events this young may have been on their way before the house heard from us.
const CROSSING: Duration = Duration::from_secs(1);
/// Where the house shows another mute than is real, it is told again after this long.
const TELL_AGAIN: Duration = Duration::from_secs(2);
/// An accepted invitation whose place on stage is not shown after this long led nowhere.
const STAGE_LIMIT: Duration = Duration::from_secs(10);

/// Who waits for what of the own microphone.
#[derive(Default)]
pub(super) struct OwnMicrophone {
    accepting: Option<Accepting>,
    unmuting: Option<Unmuting>,
    sound_check: SoundCheckState,
    /// Who waits for the microphone to be closed.
    closing: Vec<Answer>,
    told: MuteTold,
    /// Why the microphone could not be opened last.
    problem: Option<CallError>,
}

struct Accepting {
    step: AcceptStep,
    answers: Vec<Answer>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AcceptStep {
    /// The microphone opens; the number of the attempt.
    Opening(u64),
    /// The house is asked.
    Asking,
    /// The house agreed at this time; its event will say so.
    Accepted(Instant),
}

struct Unmuting {
    step: UnmuteStep,
    answers: Vec<Answer>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum UnmuteStep {
    /// The microphone opens; the number of the attempt.
    Opening(u64),
    /// The house is asked.
    Asking,
    /// The worker is at it.
    GoingLive,
}

#[derive(Default)]
struct SoundCheckState {
    goes_on: bool,
    opening: Option<(u64, Vec<Answer>)>,
}

/// What the house was told about the own mute.
#[derive(Default)]
struct MuteTold {
    in_flight: bool,
    next: Option<bool>,
    answered_at: Option<Instant>,
}

fn answer_all(answers: Vec<Answer>, result: &Result<(), CallError>) {
    for answer in answers {
        // Whoever asked may have given up.
        let _gone = answer.send(result.clone());
    }
}

impl OwnMicrophone {
    pub(super) fn sound_check_goes_on(&self) -> bool {
        self.sound_check.goes_on
    }

    /// Something beside a place on stage needs the microphone.
    fn is_needed(&self) -> bool {
        self.accepting.is_some() || self.sound_check.goes_on || self.sound_check.opening.is_some()
    }

    /// Events of the house about the mute may be older than what we told it last.
    pub(super) fn may_be_crossing(&self, now: Instant) -> bool {
        let is_young = |at: Instant| now.saturating_duration_since(at) < CROSSING;
        self.told.in_flight || self.told.answered_at.is_some_and(is_young)
    }

    fn fail_unmuting(&mut self, error: CallError) {
        if let Some(unmuting) = self.unmuting.take() {
            answer_all(unmuting.answers, &Err(error));
        }
    }
}

impl CallActor {
    pub(super) fn take_request(&mut self, request: Request) -> Flow {
        match request {
            Request::Mute(answer) => self.mute(answer),
            Request::Unmute(answer) => self.unmute(answer),
            Request::AcceptInvitation(answer) => self.accept_invitation(answer),
            Request::BeginSoundCheck(answer) => self.begin_sound_check(answer),
            Request::EndSoundCheck(answer) => self.end_sound_check(answer),
        }
        GO_ON
    }

    pub(super) fn microphone_view(&self) -> MicrophoneView {
        let actual = self.microphone.actual();
        MicrophoneView {
            open: actual.open,
            muted: !(actual.live && self.microphone.is_live()),
            problem: actual.problem.map(|error| error.code()).or(self.microphone_lost),
        }
    }

    /// Brings microphone and track to what the own role asks for.
    pub(super) fn follow_role(&mut self) {
        let media = &self.instruments.media;
        if self.is_on_stage() {
            self.own.accepting.take_if(|accepting| matches!(accepting.step, AcceptStep::Accepted(_)));
            if media.voice() == Voice::Absent {
                media.set_voice(Voice::Muted);
            }
        } else {
            self.microphone.mute();
            media.set_voice(Voice::Absent);
            self.own.fail_unmuting(CallError::NotOnStage);
        }
        self.open_or_close();
    }

    fn open_or_close(&mut self) {
        let is_needed = self.is_on_stage() || self.own.is_needed();
        if !is_needed {
            self.microphone.close();
            self.microphone_lost = None;
        } else if !self.microphone.is_wanted() {
            self.microphone.open();
        }
    }

    /// No voice leaves when this returns; the media server and whoever waits for an unmute learn of it.
    pub(super) fn go_quiet(&mut self) {
        self.microphone.mute();
        if self.instruments.media.voice() == Voice::Open {
            self.instruments.media.set_voice(Voice::Muted);
        }
        self.own.fail_unmuting(CallError::MutedMeanwhile);
    }

    fn mute(&mut self, answer: Answer) {
        self.go_quiet();
        if self.is_on_stage() {
            self.tell_house_muted(true);
        }
        self.show();
        answer_all(vec![answer], &Ok(()));
    }

    fn unmute(&mut self, answer: Answer) {
        if !self.is_on_stage() {
            return answer_all(vec![answer], &Err(CallError::NotOnStage));
        }
        if let Some(unmuting) = &mut self.own.unmuting {
            return unmuting.answers.push(answer);
        }
        let actual = self.microphone.actual();
        if actual.live && self.microphone.is_live() {
            return answer_all(vec![answer], &Ok(()));
        }
        let step = if actual.open {
            self.tell_house_muted(false);
            UnmuteStep::Asking
        } else {
            UnmuteStep::Opening(self.microphone.open())
        };
        self.own.unmuting = Some(Unmuting { step, answers: vec![answer] });
    }

    fn accept_invitation(&mut self, answer: Answer) {
        match &mut self.own.accepting {
            // The house agreed before; whoever was moved off the stage since, unseen, asks anew.
            None | Some(Accepting { step: AcceptStep::Accepted(_), .. }) => {}
            Some(accepting) => return accepting.answers.push(answer),
        }
        let step = AcceptStep::Opening(self.microphone.open());
        self.own.accepting = Some(Accepting { step, answers: vec![answer] });
    }

    fn begin_sound_check(&mut self, answer: Answer) {
        if self.microphone.is_live() {
            self.go_quiet();
            self.tell_house_muted(true);
        }
        let attempt = self.microphone.open();
        let mut waiting = self.own.sound_check.opening.take().map_or_else(Vec::new, |(_, answers)| answers);
        waiting.push(answer);
        self.own.sound_check.opening = Some((attempt, waiting));
    }

    fn end_sound_check(&mut self, answer: Answer) {
        self.own.sound_check.goes_on = false;
        self.open_or_close();
        if self.microphone.is_wanted() || !self.microphone.actual().open {
            answer_all(vec![answer], &Ok(()));
        } else {
            self.own.closing.push(answer);
        }
    }

    // ---- what the worker reports ----

    pub(super) fn take_microphone(&mut self) -> Flow {
        // Before any answer: whoever gets one and looks at the view finds what the worker has reported.
        self.show();
        let actual = self.microphone.actual();
        let outcome = actual.problem.clone().map_or(Ok(()), Err);
        let is_over = |attempt: u64| actual.attempt >= attempt;
        let mut is_told = false;
        if let Some(Accepting { step: AcceptStep::Opening(attempt), .. }) = self.own.accepting
            && is_over(attempt)
        {
            is_told = true;
            self.go_on_accepting(&outcome);
        }
        if let Some(Unmuting { step: UnmuteStep::Opening(attempt), .. }) = self.own.unmuting
            && is_over(attempt)
        {
            is_told = true;
            self.go_on_unmuting(&outcome);
        }
        if let Some((_, answers)) = self.own.sound_check.opening.take_if(|(attempt, _)| is_over(*attempt)) {
            is_told = true;
            self.own.sound_check.goes_on = outcome.is_ok();
            answer_all(answers, &outcome);
        }
        if let Some(unmuting) =
            self.own.unmuting.take_if(|unmuting| unmuting.step == UnmuteStep::GoingLive && actual.live)
        {
            answer_all(unmuting.answers, &Ok(()));
        }
        if !actual.open {
            answer_all(std::mem::take(&mut self.own.closing), &Ok(()));
        }
        self.own.note_problem(&actual.problem, is_told, &mut self.events);
        self.open_or_close();
        GO_ON
    }

    fn go_on_accepting(&mut self, opened: &Result<(), CallError>) {
        if opened.is_ok() {
            self.ask_command(Command::AcceptInvitation, HouseAnswer::Accepted);
            if let Some(accepting) = &mut self.own.accepting {
                accepting.step = AcceptStep::Asking;
            }
        } else if let Some(accepting) = self.own.accepting.take() {
            // The invitation is neither accepted nor declined: the place in line is kept.
            answer_all(accepting.answers, opened);
        }
    }

    fn go_on_unmuting(&mut self, opened: &Result<(), CallError>) {
        if opened.is_ok() {
            self.tell_house_muted(false);
            if let Some(unmuting) = &mut self.own.unmuting {
                unmuting.step = UnmuteStep::Asking;
            }
        } else if let Some(unmuting) = self.own.unmuting.take() {
            answer_all(unmuting.answers, opened);
        }
    }

    // ---- what the house answers ----

    pub(super) fn take_accepted(&mut self, accepted: Result<(), Refusal>) {
        let Some(accepting) = &mut self.own.accepting else { return };
        // Asked twice before the first event came.
        let accepted = accepted.or_else(|refusal| match refusal.code {
            Code::AlreadyOnStage => Ok(()),
            _ => Err(refusal),
        });
        let answers = std::mem::take(&mut accepting.answers);
        if accepted.is_ok() {
            accepting.step = AcceptStep::Accepted(Instant::now());
        } else {
            self.own.accepting = None;
        }
        if self.is_on_stage() {
            self.own.accepting = None;
        }
        self.open_or_close();
        answer_all(answers, &accepted.map_err(CallError::from));
    }

    /// An acceptance that led nowhere keeps no microphone open.
    pub(super) fn give_up_waiting_for_stage(&mut self, now: Instant) {
        let is_over = |accepting: &mut Accepting| match accepting.step {
            AcceptStep::Accepted(at) => now.saturating_duration_since(at) >= STAGE_LIMIT,
            AcceptStep::Opening(_) | AcceptStep::Asking => false,
        };
        if self.own.accepting.take_if(is_over).is_some() {
            self.open_or_close();
        }
    }

    fn tell_house_muted(&mut self, muted: bool) {
        if self.own.told.in_flight {
            self.own.told.next = Some(muted);
            return;
        }
        self.own.told.in_flight = true;
        self.ask_command(Command::SetMuted { muted }, move |told| HouseAnswer::MuteTold { muted, told });
    }

    pub(super) fn take_mute_told(&mut self, muted: bool, told: Result<(), Refusal>) {
        self.own.told.in_flight = false;
        self.own.told.answered_at = Some(Instant::now());
        if let Some(next) = self.own.told.next.take_if(|next| *next != muted) {
            return self.tell_house_muted(next);
        }
        self.own.told.next = None;
        let is_awaited = self.own.unmuting.as_ref().is_some_and(|unmuting| unmuting.step == UnmuteStep::Asking);
        match told {
            Err(refusal) if !muted => self.own.fail_unmuting(refusal.into()),
            Ok(()) if !muted && is_awaited => {
                self.instruments.media.set_voice(Voice::Open);
                self.microphone.go_live();
                if let Some(unmuting) = &mut self.own.unmuting {
                    unmuting.step = UnmuteStep::GoingLive;
                }
            }
            Err(refusal) => tracing::debug!(%refusal, "the house could not be told about the mute"),
            Ok(()) => {}
        }
    }

    /// A mute that the house does not know of (it was not reached, or refused for the moment) is told until it does. An
    /// unmute is never repeated: a moderator may have muted in between.
    pub(super) fn settle_mute(&mut self, now: Instant) {
        let (on_stage, said_muted) = {
            let room = self.room.borrow();
            (room.you.role.is_on_stage(), room.you.muted)
        };
        let is_untold = on_stage && !said_muted && self.microphone_view().muted && self.own.unmuting.is_none();
        let is_young = self.own.told.answered_at.is_some_and(|at| now.saturating_duration_since(at) < TELL_AGAIN);
        if is_untold && !self.own.told.in_flight && !is_young {
            self.tell_house_muted(true);
        }
    }
}

impl OwnMicrophone {
    /// A microphone that could not be opened is told once, if nobody who asked for it was.
    fn note_problem(&mut self, problem: &Option<CallError>, is_told: bool, events: &mut crate::call_events::EventSink) {
        if self.problem == *problem {
            return;
        }
        self.problem.clone_from(problem);
        if let Some(error) = problem.clone().filter(|_| !is_told) {
            events.tell(CallEvent::Problem(error));
        }
    }
}
