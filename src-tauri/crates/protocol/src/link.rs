//! The link one person gives another: where the house is, how to know it is the right one, and which room.
//!
//! `serambi://192.168.1.20:7410/r/aB3dE5gH7k?pin=…&via=10.0.0.4:7410`. The pin is the SHA-256 of the house's
//! certificate, base64url: it makes a self-signed house safe to join. `via` names further addresses of the same house.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    code::{Code, Refusal},
    id::RoomId,
};

/// Links longer than this are not read.
const LINK_CHARACTERS: usize = 2_000;
/// The part of a keeper's link that holds the code.
const KEEPER: &str = "keeper";
/// Further addresses that are read.
const VIA_ADDRESSES: usize = 8;

/// SHA-256 of a certificate (DER), base64url without padding: 43 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(String);

impl Pin {
    /// The pin of a certificate with this SHA-256.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(digest))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is this the certificate with that SHA-256?
    pub fn fits(&self, digest: &[u8; 32]) -> bool {
        self.0 == URL_SAFE_NO_PAD.encode(digest)
    }
}

impl TryFrom<String> for Pin {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        match URL_SAFE_NO_PAD.decode(&text) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(text)),
            _ => Err(Refusal::new(Code::LinkWrong, "the fingerprint is not complete")),
        }
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> String {
        pin.0
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a house is and how to know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HouseAddress {
    /// `host:port`, best first, never empty. IPv6 hosts stand in brackets.
    pub addresses: Vec<String>,
    /// Its certificate's fingerprint.
    pub pin: Pin,
}

/// A parsed link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The house.
    pub house: HouseAddress,
    /// The room; none: the house itself.
    pub room: Option<RoomId>,
}

impl Link {
    /// Reads a link as pasted: outer blanks are forgiven, everything else must be right.
    ///
    /// # Errors
    /// `link_wrong`, with what is wrong in the detail.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let wrong = |detail: &str| Refusal::new(Code::LinkWrong, detail);
        let text = text.trim();
        if text.len() > LINK_CHARACTERS {
            return Err(wrong("too long"));
        }
        let url = Url::parse(text).map_err(|_| wrong("not a link"))?;
        if url.scheme() != "serambi" {
            return Err(wrong("does not begin with serambi://"));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("no address"))?;
        let port = url.port().ok_or_else(|| wrong("no port"))?;
        let mut addresses = vec![format!("{host}:{port}")];
        let mut pin = None;
        for (key, value) in url.query_pairs() {
            match key.as_ref() {
                "pin" => pin = Some(Pin::try_from(value.into_owned())?),
                "via" if addresses.len() <= VIA_ADDRESSES => addresses.push(read_address(&value)?),
                _ => {}
            }
        }
        let pin = pin.ok_or_else(|| wrong("no fingerprint"))?;
        let room = read_room(url.path())?;
        Ok(Self { house: HouseAddress { addresses, pin }, room })
    }
}

/// A link whose first opener becomes a keeper of the house. Read as a [`Link`] it leads to the house.
#[derive(Clone, PartialEq, Eq)]
pub struct KeeperLink {
    /// The house.
    pub house: HouseAddress,
    /// The code that is good once. A secret.
    pub code: String,
}

impl KeeperLink {
    /// Reads a keeper's link as pasted.
    ///
    /// # Errors
    /// `link_wrong`, also for a link without a code.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let Link { house, .. } = Link::read(text)?;
        let codes = Url::parse(text.trim()).ok().and_then(|url| {
            let mut values = url.query_pairs().filter(|(key, _)| key == KEEPER);
            values.next().map(|(_, value)| value.into_owned())
        });
        let code = codes.filter(|code| !code.is_empty() && code.chars().all(is_base64url));
        Ok(Self { house, code: code.ok_or_else(|| Refusal::new(Code::LinkWrong, "no keeper's code"))? })
    }
}

const fn is_base64url(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

impl std::fmt::Debug for KeeperLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeeperLink({:?}, …)", self.house)
    }
}

impl std::fmt::Display for KeeperLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let house = Link { house: self.house.clone(), room: None };
        write!(f, "{house}&{KEEPER}={}", self.code)
    }
}

fn read_address(text: &str) -> Result<String, Refusal> {
    let wrong = || Refusal::new(Code::LinkWrong, "a further address is wrong");
    let url = Url::parse(&format!("serambi://{text}")).map_err(|_| wrong())?;
    match (url.host_str(), url.port(), url.path()) {
        (Some(host), Some(port), "" | "/") if !host.is_empty() => Ok(format!("{host}:{port}")),
        _ => Err(wrong()),
    }
}

fn read_room(path: &str) -> Result<Option<RoomId>, Refusal> {
    match path {
        "" | "/" => Ok(None),
        path => {
            let id = path.strip_prefix("/r/").ok_or_else(|| Refusal::new(Code::LinkWrong, "no room in it"))?;
            RoomId::try_from(id.to_owned())
                .map(Some)
                .map_err(|_| Refusal::new(Code::LinkWrong, "the room in it is not complete"))
        }
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut addresses = self.house.addresses.iter();
        write!(f, "serambi://{}", addresses.next().map_or("", String::as_str))?;
        if let Some(room) = &self.room {
            write!(f, "/r/{room}")?;
        }
        write!(f, "?pin={}", self.house.pin)?;
        addresses.try_for_each(|address| write!(f, "&via={address}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn pin() -> Pin {
        Pin::from_digest(&[3; 32])
    }

    #[test]
    fn a_link_says_where_who_and_which_room() {
        let room = RoomId::from_random([5; 10]);
        let text =
            format!(" serambi://192.168.1.20:7410/r/{room}?pin={}&via=10.0.0.4:7410&via=[fe80::1]:7410\n", pin());
        let link = Link::read(&text).unwrap();
        assert_eq!(link.house.addresses, ["192.168.1.20:7410", "10.0.0.4:7410", "[fe80::1]:7410"]);
        assert_eq!(link.house.pin, pin());
        assert_eq!(link.room, Some(room));
        assert_eq!(link.to_string(), text.trim());
    }

    #[test]
    fn a_keepers_link_leads_to_the_house_and_its_code_is_never_shown_by_accident() {
        let house = HouseAddress { addresses: vec!["a:7410".into(), "b:7410".into()], pin: pin() };
        let link = KeeperLink { house: house.clone(), code: "aB3-_x".into() };
        assert_eq!(KeeperLink::read(&format!(" {link} ")).unwrap(), link);
        assert_eq!(Link::read(&link.to_string()).unwrap(), Link { house: house.clone(), room: None });
        assert!(!format!("{link:?} {:?}", Link::read(&link.to_string())).contains("aB3-_x"));
        let without = Link { house, room: None }.to_string();
        for wrong in [without.clone(), format!("{without}&keeper="), format!("{without}&keeper=a%20b")] {
            assert_eq!(KeeperLink::read(&wrong).map_err(|e| e.code), Err(Code::LinkWrong), "{wrong}");
        }
    }

    #[test]
    fn a_link_with_anything_missing_is_refused_with_link_wrong() {
        let pin = pin();
        let long = format!("serambi://a:1/?pin={pin}&x={}", "y".repeat(3_000));
        for wrong in [
            "",
            "hello",
            "https://example.com/r/abc",
            "serambi://192.168.1.20/?pin=x",
            "serambi://192.168.1.20:7410/r/aB3dE5gH7k",
            &format!("serambi://192.168.1.20:7410/r/short?pin={pin}"),
            &format!("serambi://192.168.1.20:7410/elsewhere?pin={pin}"),
            &format!("serambi://:7410/?pin={pin}"),
            &format!("serambi://a:7410/?pin={pin}&via=nowhere"),
            &long,
        ] {
            assert_eq!(Link::read(wrong).map_err(|e| e.code), Err(Code::LinkWrong), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn reading_any_text_never_panics(text in ".{0,300}") {
            let _ = Link::read(&text);
            let _ = Link::read(&format!("serambi://{text}"));
        }
    }
}
