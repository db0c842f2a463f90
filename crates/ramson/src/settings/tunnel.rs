//! Server tunnels in the settings file.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use ramson_proxy::TunnelKind;
use ramson_router::{Access, DestinationConfig, OpenLimits, StreamRules};
use ramson_wire::DestinationHash;
use serde::Deserialize;

/// A `[[tunnel]]` of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TunnelSettings {
    /// Label, unique in the file.
    pub(crate) name: String,
    /// `server` or `http-server`.
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// The server.
    pub(crate) target: SocketAddr,
    /// Key file in the data folder.
    pub(crate) keys: String,
    /// Key files of further destinations that lead to the same server.
    #[serde(default)]
    pub(crate) more_keys: Vec<String>,
    /// The port that peers ask for. 0: all that no other tunnel of these keys has.
    #[serde(default)]
    pub(crate) port: u16,
    pub(crate) inbound_length: Option<u8>,
    pub(crate) outbound_length: Option<u8>,
    pub(crate) inbound_quantity: Option<u8>,
    pub(crate) outbound_quantity: Option<u8>,
    /// Addresses of those whose streams are taken; others get no answer.
    pub(crate) allow: Option<Vec<String>>,
    /// Addresses of those whose streams aren't.
    pub(crate) deny: Option<Vec<String>>,
    /// Streams that one peer may open; no limit if absent.
    max_streams_per_minute: Option<NonZeroU32>,
    max_streams_per_hour: Option<NonZeroU32>,
    max_streams_per_day: Option<NonZeroU32>,
    /// The same for all peers together.
    max_total_streams_per_minute: Option<NonZeroU32>,
    max_total_streams_per_hour: Option<NonZeroU32>,
    max_total_streams_per_day: Option<NonZeroU32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Server,
    HttpServer,
}

impl From<Kind> for TunnelKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::HttpServer => Self::HttpServer,
        }
    }
}

impl TunnelSettings {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let printable = |text: &str| !text.contains(char::is_control);
        if !printable(&self.name) {
            bail!("name must be text without line breaks and other control characters");
        }
        for (index, keys) in self.key_files().enumerate() {
            let plain_file = Path::new(keys).file_name().is_some_and(|name| name == keys);
            let ours = ["router.info", "router.keys", "lock", "ramson.toml", "hosts.txt", "control.sock"].contains(&keys);
            // Files are made under their name and `.new`.
            let ours = ours || keys.starts_with("netdb.redb") || keys.ends_with(".new");
            if !plain_file || !printable(keys) || ours || self.key_files().take(index).any(|other| other == keys) {
                bail!("keys must be the name of a file of its own in the data folder, such as \"web.keys\"");
            }
        }
        for (key, value) in [("inbound-length", self.inbound_length), ("outbound-length", self.outbound_length)] {
            if value.is_some_and(|value| value > 7) {
                bail!("{key} must be 0 to 7");
            }
        }
        for (key, value) in [("inbound-quantity", self.inbound_quantity), ("outbound-quantity", self.outbound_quantity)] {
            if value.is_some_and(|value| !(1..=16).contains(&value)) {
                bail!("{key} must be 1 to 16");
            }
        }
        if self.allow.is_some() && self.deny.is_some() {
            bail!("allow excludes deny");
        }
        self.access().map(drop)
    }

    /// From whom streams are taken.
    fn access(&self) -> anyhow::Result<Access> {
        let peers = |key: &str, list: &[String]| -> anyhow::Result<Arc<BTreeSet<DestinationHash>>> {
            let hash = |name: &String| {
                DestinationHash::from_b32(name).map_err(|_| anyhow!("{key}: {name:?} is no .b32.i2p address of 52 characters"))
            };
            list.iter().map(hash).collect::<Result<_, _>>().map(Arc::new)
        };
        Ok(match (&self.allow, &self.deny) {
            (Some(list), _) => Access::Only(peers("allow", list)?),
            (None, Some(list)) => Access::AllBut(peers("deny", list)?),
            (None, None) => Access::All,
        })
    }

    fn streams(&self) -> StreamRules {
        let limits = |minute: Option<NonZeroU32>, hour: Option<NonZeroU32>, day: Option<NonZeroU32>| {
            let [minute, hour, day] = [minute, hour, day].map(|limit| limit.map_or(0, NonZeroU32::get));
            OpenLimits { minute, hour, day }
        };
        StreamRules {
            // `check` has seen that it can be read; nobody is let in by a mistake.
            access: self.access().unwrap_or_else(|_| Access::Only(Arc::default())),
            each: limits(self.max_streams_per_minute, self.max_streams_per_hour, self.max_streams_per_day),
            total: limits(self.max_total_streams_per_minute, self.max_total_streams_per_hour, self.max_total_streams_per_day),
        }
    }

    /// The key file of each of its destinations.
    pub(crate) fn key_files(&self) -> impl Iterator<Item = &str> {
        [&self.keys].into_iter().chain(&self.more_keys).map(String::as_str)
    }

    pub(crate) fn destination(&self) -> DestinationConfig {
        let default = DestinationConfig::default();
        DestinationConfig {
            inbound_length: self.inbound_length.unwrap_or(default.inbound_length),
            outbound_length: self.outbound_length.unwrap_or(default.outbound_length),
            inbound_quantity: self.inbound_quantity.unwrap_or(default.inbound_quantity),
            outbound_quantity: self.outbound_quantity.unwrap_or(default.outbound_quantity),
            publish: true,
            accept: true,
            streams: self.streams(),
            ..default
        }
    }
}
