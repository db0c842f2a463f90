//! No tunnel has a router twice, or two of one /16: who holds a few routers in one place would hold both ends of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ramson_wire::{RouterHash, Tick};

use super::paths::{Paths, Place};
use super::{Notes, TUNNEL_HOPS};

/// See the module.
#[derive(Default)]
pub(crate) struct TunnelHops {
    subnets: BTreeMap<RouterHash, [u8; 2]>,
}

impl TunnelHops {
    /// A router has this address.
    pub(crate) fn starts(&mut self, router: RouterHash, address: SocketAddr) {
        if let IpAddr::V4(ip) = address.ip() {
            let [a, b, ..] = ip.octets();
            self.subnets.insert(router, [a, b]);
        }
    }

    /// A tunnel has come to here.
    pub(crate) fn built(&self, at: Tick, paths: &Paths, place: Place, notes: &mut Notes) {
        let routers = paths.routers(place);
        for (index, one) in routers.iter().enumerate() {
            for other in routers.iter().take(index) {
                if one == other {
                    notes.violated(at, TUNNEL_HOPS, format!("a router twice among the {} of a tunnel", routers.len()));
                } else if self.subnets.get(one).is_some_and(|subnet| self.subnets.get(other) == Some(subnet)) {
                    notes.violated(at, TUNNEL_HOPS, format!("two of one /16 among the {} routers of a tunnel", routers.len()));
                }
            }
        }
    }
}
