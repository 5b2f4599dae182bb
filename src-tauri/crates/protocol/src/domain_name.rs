//! A name of the public DNS, as a certificate is given for it.

use serde::{Deserialize, Serialize};

use crate::code::{Code, Refusal};

/// The longest name that DNS carries (RFC 1035 section 2.3.4), in its text form.
const NAME_BYTES: usize = 253;
/// The longest part between two dots (the same).
const LABEL_BYTES: usize = 63;

/// A name of the public DNS: letters, digits and hyphens in at least two labels, in small letters, without a dot at the
/// end. No IP address, and never the text of a [`crate::link::Pin`], which has no dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(String);

impl DomainName {
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DomainName {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        let name = text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase();
        let labels: Vec<&str> = name.split('.').collect();
        let is_number = labels.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() <= NAME_BYTES && labels.len() > 1 && labels.iter().all(|label| is_label(label)) && !is_number {
            Ok(Self(name))
        } else {
            Err(Refusal::new(Code::DomainWrong, format!("{text:?} is not a name such as rooms.example.org")))
        }
    }
}

/// RFC 1123 section 2.1.
fn is_label(label: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LABEL_BYTES).contains(&label.len())
        && label.bytes().all(is_inside)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl std::str::FromStr for DomainName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::try_from(text.to_owned())
    }
}

impl From<DomainName> for String {
    fn from(name: DomainName) -> String {
        name.0
    }
}

impl std::fmt::Display for DomainName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_is_the_same_however_it_is_written() {
        for text in ["rooms.example.org", "Rooms.EXAMPLE.org", "rooms.example.org."] {
            assert_eq!(text.parse::<DomainName>().unwrap().as_str(), "rooms.example.org");
        }
        assert!("xn--caf-dma.example".parse::<DomainName>().is_ok());
    }

    #[test]
    fn what_no_certificate_is_given_for_is_domain_wrong() {
        let long = format!("{}.example", "a".repeat(64));
        for wrong in [
            "",
            "rooms",
            "192.0.2.1",
            "[2001:db8::1]",
            "rooms..org",
            "-a.org",
            "a-.org",
            "café.example",
            "a_b.org",
            "https://rooms.example.org",
            "rooms.example.org:443",
            "*.example.org",
            "..",
            &long,
        ] {
            assert_eq!(wrong.parse::<DomainName>().unwrap_err().code, Code::DomainWrong, "{wrong}");
        }
    }
}
