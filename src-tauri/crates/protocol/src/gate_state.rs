//! How a house stands with a gate.

use crate::code::Code;

/// How a house stands with a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateState {
    /// Not connected yet, or another gate is used at the moment.
    Waiting,
    /// Guests are taken through it.
    Connected,
    /// It does not know the house's token.
    Refused,
    /// It is not reached, or is not the one of its link; what the system says.
    Failed(String),
}

impl GateState {
    /// Why guests are not taken through it; none: they are, or nothing is known yet.
    pub fn problem(&self) -> Option<Code> {
        match self {
            Self::Waiting | Self::Connected => None,
            Self::Refused => Some(Code::GateRefused),
            // The connection error has no type of its own for it; these are the words of rustls.
            Self::Failed(why) if why.contains("invalid peer certificate") => Some(Code::GateNotTheOne),
            Self::Failed(_) => Some(Code::GateUnreachable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_does_not_work_says_which_of_three_things_is_wrong() {
        let failed = |why: &str| GateState::Failed(why.to_owned()).problem();
        assert_eq!(failed("connection refused"), Some(Code::GateUnreachable));
        assert_eq!(failed("tls: invalid peer certificate: ApplicationVerificationFailure"), Some(Code::GateNotTheOne));
        assert_eq!(GateState::Refused.problem(), Some(Code::GateRefused));
        assert_eq!((GateState::Waiting.problem(), GateState::Connected.problem()), (None, None));
    }
}
