//! Under which addresses this computer can be reached, the likeliest first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::{IfAddr, Interface};

/// Addresses that go into a link or an announcement.
const ADDRESSES: usize = 8;
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
    "wg", // Linux
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
    "tailscale",
    "zerotier", // Windows
];

/// The addresses of a house that listens there: all of this computer's if it listens on all, loopback last.
pub fn reachable(listen: IpAddr) -> Vec<IpAddr> {
    if !listen.is_unspecified() {
        return vec![listen];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the network interfaces cannot be listed");
        Vec::new()
    });
    let mut found = sort(interfaces, listen.is_ipv6());
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    found.truncate(ADDRESSES - 1);
    found.push(loopback);
    found
}

/// `host:port` for each, IPv6 in brackets.
pub fn with_port(addresses: &[IpAddr], port: u16) -> Vec<String> {
    addresses.iter().map(|ip| SocketAddr::new(*ip, port).to_string()).collect()
}

fn sort(interfaces: Vec<Interface>, with_v6: bool) -> Vec<IpAddr> {
    let mut usable: Vec<(u8, usize, IpAddr)> = interfaces
        .iter()
        .enumerate()
        .filter(|(_, interface)| !interface.is_loopback())
        .filter_map(|(index, interface)| Some((rank(interface, with_v6)?, index, interface.ip())))
        .collect();
    usable.sort();
    usable.into_iter().map(|(_, _, ip)| ip).collect()
}

/// Smaller is likelier to work for somebody else; none: cannot work for anybody else.
fn rank(interface: &Interface, with_v6: bool) -> Option<u8> {
    let name = interface.name.to_lowercase();
    let is_virtual = VIRTUAL.iter().any(|beginning| name.starts_with(beginning));
    let family = match &interface.addr {
        IfAddr::V4(v4) if v4.is_link_local() => 2,
        IfAddr::V4(_) => 0,
        // Without its zone a link-local address leads nowhere.
        IfAddr::V6(v6) if !with_v6 || is_unusable(v6.ip) => return None,
        IfAddr::V6(_) => 1,
    };
    Some(family + if is_virtual { 3 } else { 0 })
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
        let names = |v6| sort(interfaces(), v6).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(true), ["192.168.1.20", "2001:db8::5", "169.254.3.4", "172.17.0.1"]);
        assert_eq!(names(false), ["192.168.1.20", "169.254.3.4", "172.17.0.1"]);
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
            let found: Vec<String> = sort(interfaces, false).iter().map(ToString::to_string).collect();
            assert_eq!(found, ["192.168.1.20", "172.17.0.1"], "{unreal}");
        }
    }

    #[test]
    fn a_house_on_loopback_is_reachable_there_and_nowhere_else() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(reachable(here), [here]);
        let all = reachable(Ipv4Addr::UNSPECIFIED.into());
        assert_eq!(all.last(), Some(&here));
        assert!(all.len() <= ADDRESSES);
        assert_eq!(with_port(&["::1".parse().unwrap(), here], 7), ["[::1]:7", "127.0.0.1:7"]);
    }
}
