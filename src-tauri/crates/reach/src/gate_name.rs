//! Names for gates whose address is one of IPv6. iroh takes the host of a relay's URL for the name of its TLS server,
//! and with the brackets that an IPv6 address has there it is none: such gates were never reached.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6},
    pin::Pin,
    time::Duration,
};

use iroh::dns::{BoxIter, DnsError, DnsResolver, Resolver, TxtRecordData};

/// No name of the public network ends so (RFC 6761).
const SUFFIX: &str = ".gate.invalid";
/// How long a real name may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(3);

/// `host:port` as iroh can use it: an IPv6 address becomes a name that means it.
pub(crate) fn for_iroh(address: &str) -> String {
    match address.parse::<SocketAddrV6>() {
        Ok(at) => format!("{:032x}{SUFFIX}:{}", at.ip().to_bits(), at.port()),
        Err(_) => address.to_owned(),
    }
}

/// The address that such a name means; none: it is another name.
pub(crate) fn meaning(host: &str) -> Option<Ipv6Addr> {
    u128::from_str_radix(host.strip_suffix(SUFFIX)?, 16).ok().map(Ipv6Addr::from_bits)
}

/// The system's resolver, which also knows what these names mean.
#[derive(Clone, Debug, Default)]
pub(crate) struct GateNames {
    system: DnsResolver,
}

type Lookup<T> = Pin<Box<dyn Future<Output = Result<BoxIter<T>, DnsError>> + Send>>;

impl Resolver for GateNames {
    fn lookup_ipv4(&self, host: String) -> Lookup<Ipv4Addr> {
        let system = self.system.clone();
        Box::pin(async move {
            if meaning(&host).is_some() {
                return Ok(Box::new(std::iter::empty()) as BoxIter<Ipv4Addr>);
            }
            let found: Vec<IpAddr> = system.lookup_ipv4(host, LOOKUP_LIMIT).await?.collect();
            Ok(Box::new(found.into_iter().filter_map(|ip| match ip {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            })) as BoxIter<Ipv4Addr>)
        })
    }

    fn lookup_ipv6(&self, host: String) -> Lookup<Ipv6Addr> {
        let system = self.system.clone();
        Box::pin(async move {
            if let Some(ip) = meaning(&host) {
                return Ok(Box::new(std::iter::once(ip)) as BoxIter<Ipv6Addr>);
            }
            let found: Vec<IpAddr> = system.lookup_ipv6(host, LOOKUP_LIMIT).await?.collect();
            Ok(Box::new(found.into_iter().filter_map(|ip| match ip {
                IpAddr::V6(ip) => Some(ip),
                IpAddr::V4(_) => None,
            })) as BoxIter<Ipv6Addr>)
        })
    }

    fn lookup_txt(&self, host: String) -> Lookup<TxtRecordData> {
        let system = self.system.clone();
        Box::pin(async move {
            let found: Vec<TxtRecordData> = system.lookup_txt(host, LOOKUP_LIMIT).await?.collect();
            Ok(Box::new(found.into_iter()) as BoxIter<TxtRecordData>)
        })
    }

    fn clear_cache(&self) {
        self.system.clear_cache();
    }

    fn reset(&self) -> Box<dyn Resolver> {
        Box::new(Self::default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn an_ipv6_address_has_a_name_that_means_it_and_other_addresses_stay() {
        let name = for_iroh("[2001:db8::1]:7410");
        assert_eq!(name, "20010db8000000000000000000000001.gate.invalid:7410");
        let host = name.strip_suffix(":7410").unwrap().to_owned();
        assert_eq!(meaning(&host), Some("2001:db8::1".parse().unwrap()));
        let names = GateNames::default();
        let found: Vec<_> = names.lookup_ipv6(host.clone()).await.unwrap().collect();
        assert_eq!(found, ["2001:db8::1".parse::<Ipv6Addr>().unwrap()]);
        assert_eq!(names.lookup_ipv4(host).await.unwrap().count(), 0);
        for other in ["gate.example:7410", "203.0.113.7:443"] {
            assert_eq!(for_iroh(other), other);
            assert_eq!(meaning(other), None);
        }
    }
}
