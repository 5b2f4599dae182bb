//! Which web pages may talk to a house: those it serves itself, those of origins its keeper names, and no other.
//!
//! Being on this computer, or on the same network, is a right that a web page does not have although it runs here. A
//! page of another origin is told apart by `Origin`; one whose name was made to point here (DNS rebinding) by `Host`.
//! Programs send no `Origin`, and the address they connect to as `Host`.

use std::{net::IpAddr, str::FromStr};

use axum::http::{HeaderMap, HeaderName, Uri, header, uri::Authority};
use serambi_protocol::{Code, DomainName, Refusal, link::HTTPS_PORT};

use crate::network::Transport;

/// Decides by `Host` and `Origin`.
#[derive(Clone, Debug, Default)]
pub struct OriginPolicy {
    trusted: Vec<Origin>,
}

impl OriginPolicy {
    /// The house's own origin, and these besides: that of a reverse proxy, or of a page elsewhere that is meant to use
    /// this house.
    pub fn new(trusted: Vec<Origin>) -> Self {
        Self { trusted }
    }

    /// Checks one request.
    ///
    /// # Errors
    /// `origin_refused`.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap, transport: Transport) -> Result<(), Refusal> {
        let refuse = |detail: &str| Err(Refusal::new(Code::OriginRefused, detail));
        let Ok(host) = only(headers, &header::HOST) else { return refuse("more than one Host") };
        let host = host.and_then(|host| Origin::of_authority(transport.scheme(), host));
        let named = uri.authority().and_then(|named| Origin::of_authority(transport.scheme(), named.as_str()));
        let is_here = |host: &Origin| match transport {
            Transport::Tls | Transport::Gate => true,
            Transport::ThisComputer => host.is_loopback() || self.is_trusted_name(host),
            // An address cannot be made to mean another one, and this one does lead here.
            Transport::PrivateNetwork { at } => host.ip() == Some(at) || self.is_trusted_name(host),
        };
        if !matches!(transport, Transport::Tls | Transport::Gate) {
            let Some(host) = &host else { return refuse("no readable Host") };
            if ![Some(host), named.as_ref()].into_iter().flatten().all(is_here) {
                return refuse("Host is not this computer");
            }
        }
        match only(headers, &header::ORIGIN) {
            Ok(None) => Ok(()),
            Ok(Some(origin)) => match origin.parse::<Origin>() {
                Ok(origin) if Some(&origin) == host.as_ref() || self.trusted.contains(&origin) => Ok(()),
                _ => refuse("a page of another origin"),
            },
            Err(()) => refuse("more than one Origin"),
        }
    }

    fn is_trusted_name(&self, host: &Origin) -> bool {
        self.trusted.iter().any(|trusted| trusted.host == host.host)
    }
}

/// The value of a header that may be there once. `Err`: it is there more often, or not in ASCII.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}

/// A text that is not scheme, host and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an origin such as https://house.example")]
pub struct NoOrigin;

/// Scheme, host and port of a web page (RFC 6454), in lower case: `https://house.example:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl FromStr for Origin {
    type Err = NoOrigin;

    /// A path or a user is none of it.
    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let (scheme, rest) = text.split_once("://").ok_or(NoOrigin)?;
        Self::of_authority(&scheme.to_ascii_lowercase(), rest).ok_or(NoOrigin)
    }
}

impl From<&DomainName> for Origin {
    /// That of its HTTPS.
    fn from(name: &DomainName) -> Self {
        Self { scheme: "https".to_owned(), host: name.to_string(), port: HTTPS_PORT }
    }
}

impl Origin {
    fn of_authority(scheme: &str, authority: &str) -> Option<Self> {
        let default_port = match scheme {
            "http" => 80,
            "https" => HTTPS_PORT,
            _ => return None,
        };
        let authority: Authority = authority.parse().ok()?;
        let has_more = authority.as_str().contains('@') || authority.host().is_empty();
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().len() > authority.host().len() => return None,
            None => default_port,
        };
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        (!has_more).then(|| Self { scheme: scheme.to_owned(), host, port })
    }

    fn ip(&self) -> Option<IpAddr> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    }

    fn is_loopback(&self) -> bool {
        let is_name = self.host == "localhost" || self.host.ends_with(".localhost");
        is_name || self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ask(policy: &OriginPolicy, transport: Transport, host: &[&str], origin: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, values) in [(header::HOST, host), (header::ORIGIN, origin)] {
            for value in values {
                headers.append(&name, value.parse().unwrap());
            }
        }
        policy.check(&Uri::from_static("/rtc"), &headers, transport).is_ok()
    }

    #[test]
    fn plain_http_is_for_names_of_this_computer() {
        let policy = OriginPolicy::default();
        for host in [
            "127.0.0.1:7410",
            "127.0.0.1",
            "127.8.9.1:7410",
            "localhost:7410",
            "LocalHost",
            "[::1]:7410",
            "a.localhost",
        ] {
            assert!(ask(&policy, Transport::ThisComputer, &[host], &[]), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7410",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.168.1.20:7410",
            "a@127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:99999",
            "",
            " ",
        ] {
            assert!(!ask(&policy, Transport::ThisComputer, &[host], &[]), "{host:?}");
        }
        assert!(!ask(&policy, Transport::ThisComputer, &[], &[]), "no Host");
        assert!(!ask(&policy, Transport::ThisComputer, &["localhost", "evil.example"], &[]));
        let elsewhere = Uri::from_static("http://evil.example/rtc");
        let headers = HeaderMap::from_iter([(header::HOST, "localhost".parse().unwrap())]);
        assert!(policy.check(&elsewhere, &headers, Transport::ThisComputer).is_err(), "named in the request line");
    }

    #[test]
    fn plain_http_on_a_network_is_for_the_address_that_was_connected_to() {
        let policy = OriginPolicy::new(vec!["http://porch.local:7410".parse().unwrap()]);
        let at = |ip: &str| Transport::PrivateNetwork { at: ip.parse().unwrap() };
        let four = at("192.168.1.20");
        assert!(ask(&policy, four, &["192.168.1.20:7410"], &["http://192.168.1.20:7410"]));
        assert!(ask(&policy, at("fd00::5"), &["[fd00:0::5]:7410"], &[]));
        assert!(ask(&policy, four, &["porch.local:7410"], &["http://porch.local:7410"]));
        for host in
            ["192.168.1.21:7410", "evil.example:7410", "localhost:7410", "127.0.0.1:7410", "[::1]", "", "0.0.0.0"]
        {
            assert!(!ask(&policy, four, &[host], &[]), "{host:?}");
        }
        assert!(!ask(&policy, four, &["192.168.1.20:7410"], &["http://evil.example"]));
        assert!(!ask(&policy, four, &["192.168.1.20:7410"], &["https://192.168.1.20:7410"]));
    }

    #[test]
    fn a_page_may_ask_if_the_house_itself_served_it() {
        let policy = OriginPolicy::default();
        let (plain, tls) = (Transport::ThisComputer, Transport::Tls);
        assert!(ask(&policy, plain, &["127.0.0.1:7410"], &["http://127.0.0.1:7410"]));
        assert!(ask(&policy, plain, &["localhost"], &["http://localhost:80"]));
        assert!(ask(&policy, tls, &["192.168.1.20:7410"], &["https://192.168.1.20:7410"]));
        assert!(ask(&policy, tls, &["house.example"], &["https://house.example"]));
        for origin in [
            "http://evil.example",
            "https://127.0.0.1:7410",
            "http://127.0.0.1:7411",
            "http://localhost:7410",
            "null",
            "",
            "file://",
            "http://127.0.0.1:7410/path",
        ] {
            assert!(!ask(&policy, plain, &["127.0.0.1:7410"], &[origin]), "{origin}");
        }
        assert!(!ask(&policy, tls, &["house.example"], &["https://evil.example"]));
        assert!(!ask(&policy, tls, &["house.example"], &["http://house.example"]));
        assert!(!ask(&policy, plain, &["127.0.0.1"], &["http://127.0.0.1", "http://127.0.0.1"]), "twice");
    }

    #[test]
    fn a_trusted_origin_may_ask_and_its_name_may_stand_for_this_computer() {
        let trusted = ["https://House.example", "http://localhost:5173"].map(|text| text.parse().unwrap());
        let policy = OriginPolicy::new(trusted.into());
        assert!(ask(&policy, Transport::ThisComputer, &["house.example"], &["https://house.example"]));
        assert!(ask(&policy, Transport::ThisComputer, &["127.0.0.1:7410"], &["http://localhost:5173"]));
        assert!(!ask(&policy, Transport::ThisComputer, &["evil.example"], &["https://house.example"]));
        assert_eq!("house.example".parse::<Origin>(), Err(NoOrigin));
    }
}
