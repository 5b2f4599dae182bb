//! How long to wait after an authority gave no certificate.

use std::time::Duration;

use serambi_protocol::Code;

/// A network that is not up yet costs the authority nothing: seconds at first.
const UNREACHABLE: Pauses = Pauses { first: Duration::from_secs(5), last: Duration::from_secs(10 * 60) };
/// Authorities count: Let's Encrypt takes five failed validations of a name in an hour, and with this the first hour
/// has four tries.
const REFUSED: Pauses = Pauses { first: Duration::from_secs(5 * 60), last: Duration::from_secs(6 * 60 * 60) };
/// Let's Encrypt's limits of this kind are given back within the hour or slower.
const RATE_LIMITED: Pauses = Pauses { first: Duration::from_secs(60 * 60), last: Duration::from_secs(24 * 60 * 60) };

struct Pauses {
    first: Duration,
    last: Duration,
}

/// The pause after a failure of this kind that so many came before: twice as long each time, up to a limit.
pub fn pause(code: Code, failures_before: u32) -> Duration {
    let Pauses { first, last } = match code {
        Code::AcmeUnreachable => UNREACHABLE,
        Code::AcmeRateLimited => RATE_LIMITED,
        _ => REFUSED,
    };
    first.saturating_mul(2_u32.saturating_pow(failures_before)).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_somewhere() {
        for (code, first, last) in [
            (Code::AcmeUnreachable, 5, 600),
            (Code::AcmeChallengeRefused, 300, 21_600),
            (Code::AcmeRefused, 300, 21_600),
            (Code::CertificateNotValidNow, 300, 21_600),
            (Code::AcmeRateLimited, 3_600, 86_400),
        ] {
            assert_eq!(pause(code, 0).as_secs(), first);
            assert_eq!(pause(code, 1).as_secs(), 2 * first);
            for failures in [20, 32, u32::MAX] {
                assert_eq!(pause(code, failures).as_secs(), last, "{code} {failures}");
            }
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_not_asked_for_more_than_four_times_in_the_first_hour() {
        let mut at = Duration::ZERO;
        let mut tries = 0;
        while at < Duration::from_secs(3_600) {
            at += pause(Code::AcmeChallengeRefused, tries);
            tries += 1;
        }
        assert_eq!(tries, 4);
    }
}
