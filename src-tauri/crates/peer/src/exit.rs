//! The exit codes of `serambi-peer`, which say why it ended.

use serambi_protocol::{Code, event::ClosedReason};

/// Why the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    AsAsked = 0,
    Other = 1,
    Usage = 2,
    HouseUnreachable = 3,
    WrongHouse = 4,
    RoomGone = 5,
    ConnectionLost = 6,
    Sound = 7,
    Profile = 8,
    PutOut = 9,
    PortTaken = 10,
}

/// The table for `--help`.
pub const HELP: &str = "\
Exit codes:
   0  as asked: left, ended the room, --for ran out, or interrupted
   1  something else; the last line and the log say what
   2  wrong arguments, a link that cannot be read, or a name that cannot be shown
   3  the house does not answer, or its port is closed
   4  somebody else's house is at that address: the fingerprint or the certificate does not fit
   5  the room does not exist or has ended
   6  the connection was lost for more than a minute
   7  the sound file or device cannot be used
   8  the profile is in use by another program, or broken
   9  put out: removed, blocked, or joined again from elsewhere
  10  no free port for the embedded house";

impl Exit {
    /// Why a refusal ends the program.
    pub fn of_refusal(code: Code) -> Self {
        match code {
            Code::LinkWrong
            | Code::BadRequest
            | Code::NameEmpty
            | Code::NameTooLong
            | Code::NameUnreadable
            | Code::TitleTooLong
            | Code::TitleUnreadable => Self::Usage,
            Code::HouseUnreachable => Self::HouseUnreachable,
            Code::HouseNotTheOne | Code::CertificateNotValidNow => Self::WrongHouse,
            Code::RoomNotFound | Code::RoomEnded => Self::RoomGone,
            Code::ConnectionLost => Self::ConnectionLost,
            Code::NoMicrophone
            | Code::MicrophoneRefused
            | Code::MicrophoneBusy
            | Code::MicrophoneFailed
            | Code::NoLoudspeaker
            | Code::LoudspeakerFailed => Self::Sound,
            Code::ProfileInUse | Code::ProfileBroken => Self::Profile,
            Code::Blocked | Code::RemovedRecently => Self::PutOut,
            Code::PortTaken => Self::PortTaken,
            _ => Self::Other,
        }
    }

    /// Why the end of a call ends the program. The end of the room may be what was asked for.
    pub fn of_close(reason: ClosedReason, asked_to_end: bool) -> Self {
        match reason {
            ClosedReason::Left => Self::AsAsked,
            ClosedReason::Ended if asked_to_end => Self::AsAsked,
            ClosedReason::Ended => Self::RoomGone,
            ClosedReason::Removed | ClosedReason::Replaced => Self::PutOut,
            ClosedReason::Lost => Self::ConnectionLost,
            ClosedReason::Failed => Self::Other,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_stands_in_the_help() {
        for exit in [
            Exit::AsAsked,
            Exit::Other,
            Exit::Usage,
            Exit::HouseUnreachable,
            Exit::WrongHouse,
            Exit::RoomGone,
            Exit::ConnectionLost,
            Exit::Sound,
            Exit::Profile,
            Exit::PutOut,
            Exit::PortTaken,
        ] {
            let start = format!("{:>4}  ", exit as u8);
            assert!(HELP.lines().any(|line| line.starts_with(&start)), "{exit:?}");
        }
    }

    #[test]
    fn what_a_person_can_do_something_about_has_its_own_code() {
        assert_eq!(Exit::of_refusal(Code::HouseNotTheOne), Exit::WrongHouse);
        assert_eq!(Exit::of_refusal(Code::RoomEnded), Exit::RoomGone);
        assert_eq!(Exit::of_refusal(Code::ProfileInUse), Exit::Profile);
        assert_eq!(Exit::of_refusal(Code::StageFull), Exit::Other);
        assert_eq!(Exit::of_close(ClosedReason::Left, false), Exit::AsAsked);
        assert_eq!(Exit::of_close(ClosedReason::Ended, true), Exit::AsAsked);
        assert_eq!(Exit::of_close(ClosedReason::Ended, false), Exit::RoomGone);
    }
}
