//! The link one person gives another: where the house is, how to know it is the right one, and which room.
//!
//! `serambi://192.168.1.20:7410/r/aB3dE5gH7k?pin=…&via=10.0.0.4:7410`. The pin is the SHA-256 of the house's
//! certificate, base64url: it makes a self-signed house safe to join. `via` names further addresses of the same house.
//!
//! `serambi://rooms.example.org:443/r/aB3dE5gH7k`, or the same with `https://`, has none: that house must show a
//! certificate of the public web for its name. Such a link has one address.
//!
//! A house that is reached through gates adds `&key=…&gate=gate.example.org:7410&gatepin=…`: its public key, and where
//! passages to it begin. A `gatepin` belongs to the gate before it; a gate with a certificate of the public web has
//! none. Programs that do not know these words go on with the addresses.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    code::{Code, Refusal},
    domain_name::DomainName,
    id::RoomId,
};

/// Links longer than this are not read.
const LINK_CHARACTERS: usize = 2_000;
/// The part of a keeper's link that holds the code.
const KEEPER: &str = "keeper";
/// Further addresses that are read.
const VIA_ADDRESSES: usize = 16;
/// Gates that are read. They are tried in order; two are enough for one of them to fail.
pub const GATES: usize = 4;
/// Characters of [`HouseKey::media_tag`].
pub const MEDIA_TAG_CHARACTERS: usize = 20;
/// Where HTTPS is, if no port is named.
pub const HTTPS_PORT: u16 = 443;
/// The path of a gate's own link.
const GATE_PATH: &str = "/gate";

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

/// The public key (Ed25519) under which a house takes passages, base64url without padding: 43 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HouseKey([u8; 32]);

impl HouseKey {
    /// The key with these bytes. Whether they are a point of the curve is found out when they are used.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What the ICE user names of this house's guests in browsers begin with behind a gate, which knows by it whose a
    /// first packet is: 20 characters. Two houses of one gate would have to agree in 80 bits of their keys.
    pub fn media_tag(&self) -> String {
        self.0.iter().take(MEDIA_TAG_CHARACTERS / 2).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for HouseKey {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| Refusal::new(Code::LinkWrong, "the house's key is not complete"))
    }
}

impl From<HouseKey> for String {
    fn from(key: HouseKey) -> String {
        key.to_string()
    }
}

impl std::fmt::Display for HouseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// How a house is known to be the right one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HouseProof {
    /// By the fingerprint of its certificate, wherever it answers.
    Pin(Pin),
    /// By a certificate of the public web for this name.
    Name(DomainName),
}

impl HouseProof {
    /// The pin or the name: what houses are told apart by, and what a visitor signs.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pin(pin) => pin.as_str(),
            Self::Name(name) => name.as_str(),
        }
    }

    /// The pin, if it is one.
    pub const fn pin(&self) -> Option<&Pin> {
        match self {
            Self::Pin(pin) => Some(pin),
            Self::Name(_) => None,
        }
    }
}

impl std::fmt::Display for HouseProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A machine that everybody can reach and that leads to houses which nobody can.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GateAddress {
    /// `host:port` of its HTTPS.
    pub address: String,
    /// Its certificate's fingerprint; none: a certificate of the public web.
    pub pin: Option<Pin>,
}

/// How a house is reached where no address of its own leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PassageAddress {
    /// Who the house is at the other end of a passage.
    pub key: HouseKey,
    /// Where it waits, in the order in which they are tried; never empty.
    pub gates: Vec<GateAddress>,
}

/// Where a house is and how to know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HouseAddress {
    /// `host:port`, best first, never empty. IPv6 hosts stand in brackets.
    pub addresses: Vec<String>,
    /// How it is known.
    pub proof: HouseProof,
    /// The way through gates, if it has one.
    pub passage: Option<PassageAddress>,
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
        let usual_port = match url.scheme() {
            "serambi" => None,
            "https" => Some(HTTPS_PORT),
            _ => return Err(wrong("does not begin with serambi://")),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("no address"))?;
        let port = url.port().or(usual_port).ok_or_else(|| wrong("no port"))?;
        let mut addresses = vec![format!("{host}:{port}")];
        let mut pin = None;
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "pin" => pin = Some(Pin::try_from(value.into_owned())?),
                "via" if addresses.len() <= VIA_ADDRESSES => addresses.push(read_address(&value)?),
                _ => {}
            }
        }
        let room = read_room(url.path())?;
        let house = match pin {
            Some(pin) => HouseAddress { addresses, proof: HouseProof::Pin(pin), passage: read_passage(&url)? },
            None => {
                let name = DomainName::try_from(host.to_owned()).map_err(|_| wrong("no fingerprint"))?;
                HouseAddress::by_name(name, port)
            }
        };
        Ok(Self { house, room })
    }
}

impl HouseAddress {
    /// A house that signs its own certificate, reached directly.
    pub fn by_pin(addresses: Vec<String>, pin: Pin) -> Self {
        Self { addresses, proof: HouseProof::Pin(pin), passage: None }
    }

    /// A house with a certificate of the public web. It has one address: another one would be another name.
    pub fn by_name(name: DomainName, port: u16) -> Self {
        Self { addresses: vec![format!("{name}:{port}")], proof: HouseProof::Name(name), passage: None }
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
        let first = if self.house.proof.pin().is_some() { '&' } else { '?' };
        write!(f, "{house}{first}{KEEPER}={}", self.code)
    }
}

/// What a gate gives to whoever may bring a house to it.
#[derive(Clone, PartialEq, Eq)]
pub struct GateLink {
    /// Where the gate is.
    pub gate: GateAddress,
    /// What admits a house. A secret.
    pub token: String,
}

impl GateLink {
    /// Reads a gate's link as pasted.
    ///
    /// # Errors
    /// `link_wrong`, also for a house's link.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let wrong = |detail: &str| Refusal::new(Code::LinkWrong, detail);
        let text = text.trim();
        let url = Url::parse(text).map_err(|_| wrong("not a link"))?;
        if text.len() > LINK_CHARACTERS || url.scheme() != "serambi" || url.path() != GATE_PATH {
            return Err(wrong("not a gate's link"));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("no address"))?;
        let address = format!("{host}:{}", url.port().ok_or_else(|| wrong("no port"))?);
        let value = |wanted: &str| {
            let mut values = url.query_pairs().filter(|(name, _)| name == wanted);
            values.next().map(|(_, value)| value.into_owned())
        };
        let pin = value("pin").map(Pin::try_from).transpose()?;
        let token = value("token").filter(|token| !token.is_empty() && token.chars().all(is_base64url));
        Ok(Self { gate: GateAddress { address, pin }, token: token.ok_or_else(|| wrong("no token"))? })
    }
}

impl std::fmt::Debug for GateLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GateLink({:?}, …)", self.gate)
    }
}

impl std::fmt::Display for GateLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "serambi://{}{GATE_PATH}?token={}", self.gate.address, self.token)?;
        self.gate.pin.iter().try_for_each(|pin| write!(f, "&pin={pin}"))
    }
}

fn read_passage(url: &Url) -> Result<Option<PassageAddress>, Refusal> {
    let (mut key, mut gates) = (None, Vec::<GateAddress>::new());
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "key" => key = Some(HouseKey::try_from(value.into_owned())?),
            "gate" => gates.push(GateAddress { address: read_address(&value)?, pin: None }),
            "gatepin" => {
                let pin = Pin::try_from(value.into_owned())?;
                let gate = gates.last_mut().ok_or_else(|| Refusal::new(Code::LinkWrong, "a pin of no gate"))?;
                gate.pin = Some(pin);
            }
            _ => {}
        }
    }
    gates.truncate(GATES);
    Ok(key.filter(|_| !gates.is_empty()).map(|key| PassageAddress { key, gates }))
}

impl std::fmt::Display for PassageAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "&key={}", self.key)?;
        self.gates.iter().try_for_each(|gate| {
            write!(f, "&gate={}", gate.address)?;
            gate.pin.iter().try_for_each(|pin| write!(f, "&gatepin={pin}"))
        })
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
        let Some(pin) = self.house.proof.pin() else { return Ok(()) };
        write!(f, "?pin={pin}")?;
        addresses.try_for_each(|address| write!(f, "&via={address}"))?;
        self.house.passage.iter().try_for_each(|passage| passage.fmt(f))
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
        assert_eq!(link.house.proof, HouseProof::Pin(pin()));
        assert_eq!(link.room, Some(room));
        assert_eq!(link.to_string(), text.trim());
    }

    #[test]
    fn a_keepers_link_leads_to_the_house_and_its_code_is_never_shown_by_accident() {
        let house = HouseAddress::by_pin(vec!["a:7410".into(), "b:7410".into()], pin());
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
    fn a_link_by_name_has_no_fingerprint_and_means_the_certificate_of_the_public_web() {
        let room = RoomId::from_random([5; 10]);
        let link = Link::read(&format!("https://Rooms.Example.org/r/{room}")).unwrap();
        assert_eq!(link.house, HouseAddress::by_name("rooms.example.org".parse().unwrap(), HTTPS_PORT));
        assert_eq!(link.to_string(), format!("serambi://rooms.example.org:443/r/{room}"));
        assert_eq!(Link::read(&link.to_string()).unwrap(), link);
        let elsewhere = Link::read(&format!("serambi://rooms.example.org:7410/r/{room}?via=10.0.0.4:7410")).unwrap();
        assert_eq!(elsewhere.house.addresses, ["rooms.example.org:7410"], "a name is good for no other address");
        let keeper = KeeperLink { house: link.house, code: "aB3-_x".into() };
        assert_eq!(keeper.to_string(), "serambi://rooms.example.org:443?keeper=aB3-_x");
        assert_eq!(KeeperLink::read(&keeper.to_string()).unwrap(), keeper);
    }

    /// A pasted link that lost its end must not become one that trusts whoever answers.
    #[test]
    fn an_address_without_fingerprint_is_no_name() {
        for wrong in [
            "serambi://192.168.1.20:7410",
            "serambi://[fe80::1]:7410",
            "serambi://porch:7410",
            "https://192.168.1.20:7410",
            "https://localhost/",
            "serambi://rooms.example.org",
        ] {
            assert_eq!(Link::read(wrong).map_err(|e| e.code), Err(Code::LinkWrong), "{wrong}");
        }
    }

    #[test]
    fn a_link_through_gates_names_them_in_order_and_older_programs_read_the_rest() {
        let key = HouseKey::from_bytes([7; 32]);
        let text = format!(
            "serambi://a:7410?pin={}&key={key}&gate=one.example:7410&gatepin={}&gate=[2001:db8::1]:443",
            pin(),
            Pin::from_digest(&[4; 32])
        );
        let link = Link::read(&text).unwrap();
        let passage = link.house.passage.clone().unwrap();
        assert_eq!(passage.key, key);
        let gates = [("one.example:7410", Some(Pin::from_digest(&[4; 32]))), ("[2001:db8::1]:443", None)];
        assert_eq!(passage.gates, gates.map(|(address, pin)| GateAddress { address: address.into(), pin }));
        assert_eq!(link.to_string(), text);
        for without in [text.split("&key").next().unwrap(), text.split("&gate=").next().unwrap()] {
            assert_eq!(Link::read(without).unwrap().house.passage, None, "{without}");
        }
        let short = text.replace(&key.to_string(), "AAAA");
        let early = format!("serambi://a:7410?pin={}&gatepin={}&key={key}&gate=b:1", pin(), pin());
        for wrong in [short, early] {
            assert_eq!(Link::read(&wrong).map_err(|e| e.code), Err(Code::LinkWrong), "{wrong}");
        }
    }

    #[test]
    fn a_gates_link_admits_and_its_token_is_never_shown_by_accident() {
        for pin in [None, Some(pin())] {
            let gate = GateAddress { address: "gate.example:7410".into(), pin };
            let link = GateLink { gate, token: "aB3-_x".into() };
            assert_eq!(GateLink::read(&format!(" {link}\n")).unwrap(), link);
            assert!(!format!("{link:?}").contains("aB3-_x"));
            assert_eq!(Link::read(&link.to_string()).map_err(|e| e.code), Err(Code::LinkWrong));
        }
        let house = format!("serambi://a:7410?pin={}&token=x", pin());
        for wrong in ["", "serambi://a/gate?token=x", "serambi://a:1/gate", "serambi://a:1/gate?token=", &house] {
            assert_eq!(GateLink::read(wrong).map_err(|e| e.code), Err(Code::LinkWrong), "{wrong}");
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
