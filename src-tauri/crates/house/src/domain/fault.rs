//! What is said of an authority's refusals: a stable code for what a person can do about it.

use instant_acme::{Error, Problem};
use serambi_protocol::{Code, Refusal};

/// What stands before the kinds of problems (RFC 8555 section 6.7).
const ACME_ERROR: &str = "urn:ietf:params:acme:error:";

/// What an answer of the authority, or its absence, means.
pub fn refusal(error: Error) -> Refusal {
    match error {
        Error::Api(problem) => of_problem(&problem),
        Error::Timeout(_) => Refusal::new(Code::AcmeUnreachable, "the authority takes too long"),
        // A proxy or a portal in between answers in HTML.
        Error::Json(error) => Refusal::new(Code::AcmeUnreachable, format!("no answer of an authority: {error}")),
        Error::Other(error) => match error.downcast::<Refusal>() {
            Ok(refusal) => *refusal,
            Err(error) => Refusal::new(Code::AcmeUnreachable, error.to_string()),
        },
        other => Refusal::new(Code::AcmeRefused, other.to_string()),
    }
}

/// What a problem document means.
pub fn of_problem(problem: &Problem) -> Refusal {
    let parts = problem.subproblems.iter().filter_map(|part| part.r#type.as_deref());
    let kinds = problem.r#type.as_deref().into_iter().chain(parts);
    let codes = kinds.map(|kind| code_of(kind.strip_prefix(ACME_ERROR).unwrap_or(kind)));
    // The part says more than the whole, which may be "compound".
    let code = codes.fold(Code::AcmeRefused, |known, code| if known == Code::AcmeRefused { code } else { known });
    Refusal::new(code, problem.to_string())
}

fn code_of(kind: &str) -> Code {
    match kind {
        "rateLimited" => Code::AcmeRateLimited,
        "connection" | "dns" | "tls" | "unauthorized" | "incorrectResponse" | "caa" => Code::AcmeChallengeRefused,
        "serverInternal" => Code::AcmeUnreachable,
        "rejectedIdentifier" | "unsupportedIdentifier" => Code::DomainWrong,
        _ => Code::AcmeRefused,
    }
}

/// The authority has forgotten the account, as a test authority does with each start.
pub fn is_account_unknown(error: &Error) -> bool {
    let kind = match error {
        Error::Api(problem) => problem.r#type.as_deref(),
        _ => None,
    };
    kind.and_then(|kind| kind.strip_prefix(ACME_ERROR)) == Some("accountDoesNotExist")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn problem(kind: &str, parts: &[&str]) -> Problem {
        let named = |kind: &str| serde_json::json!({ "type": format!("{ACME_ERROR}{kind}"), "detail": "why" });
        let mut whole = named(kind);
        whole["subproblems"] = parts.iter().map(|part| named(part)).collect();
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn each_kind_of_refusal_has_the_code_that_says_what_to_do() {
        for (kind, parts, code) in [
            ("rateLimited", &[][..], Code::AcmeRateLimited),
            ("unauthorized", &[][..], Code::AcmeChallengeRefused),
            ("connection", &[][..], Code::AcmeChallengeRefused),
            ("dns", &[][..], Code::AcmeChallengeRefused),
            ("compound", &["caa"][..], Code::AcmeChallengeRefused),
            ("rejectedIdentifier", &[][..], Code::DomainWrong),
            ("serverInternal", &[][..], Code::AcmeUnreachable),
            ("invalidContact", &[][..], Code::AcmeRefused),
            ("somethingNew", &[][..], Code::AcmeRefused),
        ] {
            let refused = refusal(Error::Api(problem(kind, parts)));
            assert_eq!(refused.code, code, "{kind}");
            assert!(refused.detail.contains("why"), "{}", refused.detail);
        }
    }

    #[test]
    fn what_the_connection_said_is_kept_and_a_page_in_between_is_no_authority() {
        let said = Refusal::new(Code::CertificateNotValidNow, "expired");
        assert_eq!(refusal(Error::Other(Box::new(said.clone()))), said);
        let html = serde_json::from_str::<u8>("<html>").unwrap_err();
        assert_eq!(refusal(Error::Json(html)).code, Code::AcmeUnreachable);
        assert_eq!(refusal(Error::Timeout(None)).code, Code::AcmeUnreachable);
    }

    #[test]
    fn a_forgotten_account_is_told_from_other_refusals() {
        assert!(is_account_unknown(&Error::Api(problem("accountDoesNotExist", &[]))));
        assert!(!is_account_unknown(&Error::Api(problem("unauthorized", &[]))));
    }
}
