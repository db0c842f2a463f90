//! Server tunnels: which destinations and ports lead to which server.

use std::collections::BTreeMap;

use anyhow::Context;
use ramson_proxy::{Door, ServerTunnel};
use ramson_router::{DataDir, Destination, Router, load_or_create_destination};
use ramson_wire::DestinationKeys;

use crate::progress::say;
use crate::settings::TunnelSettings;

/// The keys of each file that tunnels name, in their order, with the first tunnel that does.
pub(crate) type Keys<'a> = Vec<(&'a str, &'a TunnelSettings, DestinationKeys)>;

/// Reads them; those of new files are made.
pub(crate) fn keys<'a>(tunnels: &'a [TunnelSettings], data_dir: &DataDir) -> anyhow::Result<Keys<'a>> {
    let mut keys: Keys<'a> = Vec::new();
    for (tunnel, file) in tunnels.iter().flat_map(|tunnel| tunnel.key_files().map(move |file| (tunnel, file))) {
        if keys.iter().all(|(known, ..)| *known != file) {
            keys.push((file, tunnel, load_or_create_destination(&data_dir.file(file))?));
        }
    }
    Ok(keys)
}

/// Brings up each destination once, whichever tunnels share it.
pub(crate) async fn open(tunnels: &[TunnelSettings], keys: Keys<'_>, router: &Router) -> anyhow::Result<Vec<ServerTunnel>> {
    let mut destinations: BTreeMap<&str, Destination> = BTreeMap::new();
    for (file, tunnel, keys) in keys {
        destinations.insert(file, router.open(&tunnel.name, keys, tunnel.destination()));
    }
    for (file, destination) in &destinations {
        if !tunnels.iter().any(|tunnel| tunnel.port == 0 && tunnel.key_files().any(|own| own == *file)) {
            destination.refuse_other_ports().await;
        }
    }
    tunnels.iter().map(|tunnel| open_one(tunnel, &destinations)).collect()
}

fn open_one(tunnel: &TunnelSettings, destinations: &BTreeMap<&str, Destination>) -> anyhow::Result<ServerTunnel> {
    let mut server: Option<ServerTunnel> = None;
    for destination in tunnel.key_files().filter_map(|file| destinations.get(file)) {
        let host = destination.address().hash().to_b32();
        let door: Door = if tunnel.port == 0 {
            say(&format!("tunnel {}: http://{host}/", tunnel.name));
            destination.clone().into()
        } else {
            say(&format!("tunnel {}: http://{host}:{}/", tunnel.name, tunnel.port));
            destination.listen(tunnel.port)?.into()
        };
        server = Some(match server {
            Some(server) => server.and(door),
            None => ServerTunnel::new(door, tunnel.kind.into(), tunnel.target),
        });
    }
    server.context("a tunnel without keys")
}
