//! What strangers need who flood a router.

use std::net::SocketAddr;

use bytes::Bytes;
use ramson_wire::{RouterHash, TunnelId};

use super::World;
use crate::node::User;

impl<U: User> World<U> {
    /// Somebody at this address connects to a router and says something; what is answered gets lost.
    pub fn knock(&mut self, router: usize, remote: SocketAddr, bytes: Bytes) {
        let Some(node) = self.places.get_mut(router).and_then(|place| place.node.as_mut()) else { return };
        node.take_knock(&mut self.schedule, remote, bytes);
    }

    /// Where the destinations of a router are reached, as their LeaseSets say.
    #[must_use]
    pub fn gateways(&self, router: usize) -> Vec<(RouterHash, TunnelId)> {
        self.node(router).map(|node| node.engine.gateways()).unwrap_or_default()
    }
}
