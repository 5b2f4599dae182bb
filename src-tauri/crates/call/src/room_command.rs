//! What is asked of a room and needs nothing of the call: everything but the own microphone and the own end.

use serambi_protocol::Command;

use crate::error::CallError;

/// A command that goes to the house as it is. What changes the own microphone or ends the call has methods of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomCommand(Command);

impl RoomCommand {
    pub(crate) fn as_command(&self) -> &Command {
        &self.0
    }
}

impl TryFrom<Command> for RoomCommand {
    type Error = CallError;

    fn try_from(command: Command) -> Result<Self, CallError> {
        match command {
            Command::SetMuted { .. } => Err(CallError::NotARoomCommand("setMuted")),
            Command::AcceptInvitation => Err(CallError::NotARoomCommand("acceptInvitation")),
            Command::Leave => Err(CallError::NotARoomCommand("leave")),
            Command::EndRoom => Err(CallError::NotARoomCommand("endRoom")),
            command => Ok(Self(command)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serambi_protocol::Code;

    use super::*;

    // Before, `leave` as a command left the room without the app noticing that it had.
    #[test]
    fn what_only_the_call_can_do_has_one_way() {
        let code = |command: Command| RoomCommand::try_from(command).err().map(|error: CallError| error.code());
        for own in [Command::SetMuted { muted: true }, Command::AcceptInvitation, Command::Leave, Command::EndRoom] {
            assert_eq!(code(own), Some(Code::BadRequest));
        }
        assert_eq!(code(Command::RaiseHand), None);
    }
}
