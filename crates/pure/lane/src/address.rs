//! Which of a router's addresses are dialed, in which order, and what counts as one source.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ramson_transport::ntcp2::PeerAddress;
use ramson_wire::RouterInfo;

use crate::LaneConfig;

/// Most addresses of one router that are tried: one of each family.
const MAX_CANDIDATES: usize = 2;

/// An address to dial.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) remote: SocketAddr,
    pub(crate) peer: PeerAddress,
}

/// The addresses to try: published NTCP2 of families that we have; IPv6 first, as i2pd; of each family only the
/// first, as i2pd keeps them.
pub(crate) fn candidates(config: &LaneConfig, info: &RouterInfo) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for address in info.addresses() {
        let Some(ntcp2) = address.ntcp2() else {
            continue;
        };
        let (Some(remote), Some(iv)) = (ntcp2.host, ntcp2.iv) else {
            continue;
        };
        let family = if remote.is_ipv4() { config.ipv4 } else { config.ipv6 };
        let known = found.iter().any(|other| other.remote.is_ipv4() == remote.is_ipv4());
        if !family || known || !may_dial(config, remote) {
            continue;
        }
        let peer = PeerAddress { hash: info.hash(), static_key: ntcp2.static_key, iv };
        found.push(Candidate { remote, peer });
        if found.len() >= MAX_CANDIDATES {
            break;
        }
    }
    found.sort_by_key(|candidate| candidate.remote.is_ipv4());
    found
}

/// Anyone can publish any address: what isn't a router on the open internet is never dialed, or routers could be
/// used to probe networks and services of others.
fn may_dial(config: &LaneConfig, remote: SocketAddr) -> bool {
    if config.allow_reserved_peers {
        return remote.port() != 0 && !remote.ip().is_unspecified();
    }
    is_public(remote.ip()) && is_router_port(remote.port())
}

/// Ports of other services, as Java refuses them.
fn is_router_port(port: u16) -> bool {
    port >= 1024
        && !matches!(
            port,
            1719 | 1720 | 1900 | 2049 | 2827 | 3659 | 4045 | 4444 | 4445 | 5060 | 5061 | 6000 | 6665..=6669 | 6697
                | 7070 | 7650..=7668 | 8080
        )
}

/// True for an address that can be a router of the public network.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let reserved = matches!(
        (a, b, c),
        (0 | 10 | 25 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !reserved
}

/// Global unicast (2000::/3) less Teredo, documentation, 6to4 and AS112.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    (0x2000..0x4000).contains(&a) && !matches!((a, b), (0x2001, 0 | 0xdb8) | (0x2002 | 0x3fff, _) | (0x2620, 0x4f))
}

/// What one sender can easily have many of is one source: an IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source([u8; 8], bool);

impl Source {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                Self([a, b, c, d, 0, 0, 0, 0], true)
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self([a, b, c, d, e, f, g, h], false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn reserved_ranges_are_refused() {
        for text in [
            "0.1.2.3",
            "10.0.0.1",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.1.1",
            "172.31.255.1",
            "192.168.0.1",
            "192.0.2.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "2002::1",
            "2001::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(!public(text), "{text}");
        }
        for text in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "192.1.0.1", "2a00:1450::1", "2001:4860::1"] {
            assert!(public(text), "{text}");
        }
    }

    #[test]
    fn service_ports_are_refused() {
        assert!([25, 80, 443, 4444, 6667, 7656, 8080].iter().all(|port| !is_router_port(*port)));
        assert!([1024, 9151, 30777, 65535].iter().all(|port| is_router_port(*port)));
    }

    #[test]
    fn a_source_is_an_address_or_a_64() {
        let source = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(source("1.2.3.4"), source("::ffff:1.2.3.4"));
        assert_ne!(source("1.2.3.4"), source("1.2.3.5"));
        assert_eq!(source("2a00::1"), source("2a00::ffff"));
        assert_ne!(source("2a00:0:0:1::1"), source("2a00:0:0:2::1"));
    }
}
