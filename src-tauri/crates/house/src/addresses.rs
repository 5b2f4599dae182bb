//! Under which addresses this computer can be reached, the likeliest first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::{IfAddr, Interface};

/// Addresses of interfaces that go into a link, loopback not counted: with IPv6 in brackets some 30 characters each.
const ADDRESSES_IN_LINK: usize = 16;
/// Addresses at which media is taken: a socket and a candidate each. A computer full of containers has dozens.
const ADDRESSES_FOR_MEDIA: usize = 64;
/// Beginnings of the names of interfaces that lead to virtual machines, containers and tunnels, in small letters:
/// Linux's, macOS's, and what Windows shows people ("vEthernet (WSL)", "VMware Network Adapter VMnet8").
const VIRTUAL: &[&str] = &[
    "docker",
    "veth",
    "br-",
    "virbr",
    "vmnet",
    "vboxnet",
    "lxc",
    "lxd",
    "podman",
    "tun",
    "tap",
    "wg",
    "tailscale",
    "zt",
    "cni",
    "flannel",
    "cali", // Linux
    "utun",
    "bridge",
    "awdl",
    "llw",
    "vmenet",
    "gif",
    "stf",
    "ipsec", // macOS
    "virtualbox",
    "vmware",
    "hyper-v",
    "openvpn",
    "wireguard",
    "zerotier", // Windows
];

/// The addresses that a link to a house names which listens there: those of real networks, or if there is none those of
/// virtual ones; loopback last.
pub fn in_link(listen: IpAddr) -> Vec<IpAddr> {
    if listen.is_unspecified() { for_links(interfaces()) } else { vec![listen] }
}

/// The addresses at which a house that listens there takes media: all of this computer's, loopback last. A link leads
/// to a few of them; whoever comes by another way (from a container, by an announcement) hears as well.
pub fn for_media(listen: IpAddr) -> Vec<IpAddr> {
    if !listen.is_unspecified() {
        return vec![listen];
    }
    let mut found: Vec<IpAddr> = sort(interfaces()).into_iter().map(|(_, ip)| ip).collect();
    found.truncate(ADDRESSES_FOR_MEDIA);
    found.push(LOOPBACK);
    found
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn interfaces() -> Vec<Interface> {
    if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the network interfaces cannot be listed");
        Vec::new()
    })
}

fn for_links(interfaces: Vec<Interface>) -> Vec<IpAddr> {
    let found = sort(interfaces);
    let is_any_real = found.iter().any(|(rank, _)| *rank < VIRTUAL_RANK);
    let wanted = found.into_iter().filter(|(rank, _)| !is_any_real || *rank < VIRTUAL_RANK);
    wanted.map(|(_, ip)| ip).take(ADDRESSES_IN_LINK).chain([LOOPBACK]).collect()
}

/// `host:port` for each, IPv6 in brackets.
pub fn with_port(addresses: &[IpAddr], port: u16) -> Vec<String> {
    addresses.iter().map(|ip| SocketAddr::new(*ip, port).to_string()).collect()
}

/// Ranks of virtual networks' addresses begin here.
const VIRTUAL_RANK: u8 = 3;

fn sort(interfaces: Vec<Interface>) -> Vec<(u8, IpAddr)> {
    let mut usable: Vec<(u8, usize, IpAddr)> = interfaces
        .iter()
        .enumerate()
        .filter(|(_, interface)| !interface.is_loopback())
        .filter_map(|(index, interface)| Some((rank(interface)?, index, interface.ip())))
        .collect();
    usable.sort();
    usable.into_iter().map(|(rank, _, ip)| (rank, ip)).collect()
}

/// Smaller is likelier to work for somebody else; none: cannot work for anybody else.
fn rank(interface: &Interface) -> Option<u8> {
    let name = interface.name.to_lowercase();
    let is_virtual = VIRTUAL.iter().any(|beginning| name.starts_with(beginning));
    let family = match &interface.addr {
        IfAddr::V4(v4) if v4.is_link_local() => 2,
        IfAddr::V4(_) => 0,
        // Without its zone a link-local address leads nowhere.
        IfAddr::V6(v6) if is_unusable(v6.ip) => return None,
        IfAddr::V6(_) => 1,
    };
    Some(family + if is_virtual { VIRTUAL_RANK } else { 0 })
}

fn is_unusable(ip: Ipv6Addr) -> bool {
    ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use if_addrs::{IfOperStatus, Ifv4Addr, Ifv6Addr};

    fn interface(name: &str, ip: &str) -> Interface {
        let addr = match ip.parse().unwrap() {
            IpAddr::V4(ip) => IfAddr::V4(Ifv4Addr { ip, netmask: ip, prefixlen: 24, broadcast: None }),
            IpAddr::V6(ip) => IfAddr::V6(Ifv6Addr { ip, netmask: ip, prefixlen: 64, broadcast: None }),
        };
        Interface {
            name: name.into(),
            addr,
            index: None,
            oper_status: IfOperStatus::Up,
            is_p2p: false,
            #[cfg(windows)]
            adapter_name: name.into(),
        }
    }

    #[test]
    fn the_real_network_stands_first_and_what_leads_nowhere_is_left_out() {
        let interfaces = || {
            vec![
                interface("lo", "127.0.0.1"),
                interface("docker0", "172.17.0.1"),
                interface("eth0", "fe80::1"),
                interface("eth0", "2001:db8::5"),
                interface("eth1", "169.254.3.4"),
                interface("eth0", "192.168.1.20"),
            ]
        };
        let found: Vec<String> = sort(interfaces()).iter().map(|(_, ip)| ip.to_string()).collect();
        assert_eq!(found, ["192.168.1.20", "2001:db8::5", "169.254.3.4", "172.17.0.1"]);
    }

    /// A link from Windows began with the address of its Linux subsystem, one from macOS with that of a tunnel.
    #[test]
    fn virtual_networks_stand_last_whatever_the_system_calls_them() {
        for (real, unreal) in [
            ("Ethernet", "vEthernet (WSL)"),
            ("WLAN", "VirtualBox Host-Only Network"),
            ("Local Area Connection", "VMware Network Adapter VMnet8"),
            ("Wi-Fi", "TAP-Windows Adapter V9"),
            ("en0", "utun4"),
            ("en0", "bridge100"),
            ("wlp2s0", "docker0"),
        ] {
            let interfaces = vec![interface(unreal, "172.17.0.1"), interface(real, "192.168.1.20")];
            let found: Vec<String> = sort(interfaces).iter().map(|(_, ip)| ip.to_string()).collect();
            assert_eq!(found, ["192.168.1.20", "172.17.0.1"], "{unreal}");
        }
    }

    /// Seven addresses had media and all had signalling: on the eighth network people joined and heard nothing.
    #[test]
    fn a_link_names_every_real_network_and_no_container_beside_them() {
        let real = (1..=9).map(|number| interface(&format!("eth{number}"), &format!("10.{number}.0.1")));
        let containers = (1..=30).map(|number| interface(&format!("br-{number}"), &format!("172.17.{number}.1")));
        let found = for_links(containers.clone().chain(real).collect());
        assert_eq!(found.len(), 9 + 1, "{found:?}");
        assert_eq!(found.last(), Some(&LOOPBACK));
        assert!(found.iter().all(|ip| !ip.to_string().starts_with("172.17.")));
        assert_eq!(for_links(containers.collect()).len(), ADDRESSES_IN_LINK + 1, "better than nothing");
    }

    #[test]
    fn a_house_on_loopback_is_reachable_there_and_nowhere_else() {
        assert_eq!(in_link(LOOPBACK), [LOOPBACK]);
        assert_eq!(for_media(LOOPBACK), [LOOPBACK]);
        for everywhere in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
            assert_eq!(in_link(everywhere).last(), Some(&LOOPBACK));
            assert_eq!(for_media(everywhere).last(), Some(&LOOPBACK));
        }
        assert_eq!(with_port(&["::1".parse().unwrap(), LOOPBACK], 7), ["[::1]:7", "127.0.0.1:7"]);
    }
}
