//! All settings: one definition is both the command line's flags and the keys of the file. Flags win.

pub(crate) mod sizes;
mod tunnel;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use etcetera::BaseStrategy;
use ramson_router::{Limits, RouterConfig};
use serde::Deserialize;
use sizes::{Rate, Size};

pub(crate) use self::tunnel::TunnelSettings;

/// What can be set.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Network to join; 2 is the public one [default: 2].
    #[arg(long, value_name = "N")]
    pub(crate) net_id: Option<u8>,
    /// Address that others dial, at most one IPv4 and one IPv6; without one nobody can.
    #[arg(long, value_name = "IP")]
    pub(crate) host: Vec<IpAddr>,
    /// Address to listen on and to dial from [default: all]. Without --host, IPv4 or IPv6 is dialed as given here [default: IPv4].
    #[arg(long, value_name = "IP")]
    pub(crate) bind: Vec<IpAddr>,
    /// Port for other routers [default: drawn at the first start, 9151 to 30777].
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Transports to use [default: ntcp2].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) transports: Vec<Transport>,
    /// Where the first routers come from: a folder or zip file of routerInfo-*.dat, or none.
    #[arg(long, value_name = "DIR|FILE.zip|none")]
    pub(crate) reseed: Vec<Reseed>,
    /// Serve as a floodfill: keep and answer for a part of the network's database [default: off].
    #[arg(long, value_name = "on|off")]
    pub(crate) floodfill: Option<Switch>,
    /// Most that is taken from other routers [default: no limit].
    #[arg(long, value_name = "RATE")]
    pub(crate) bandwidth_in: Option<Rate>,
    /// Most that is sent to other routers, such as "500 KB/s" [default: no limit].
    #[arg(long, value_name = "RATE")]
    pub(crate) bandwidth_out: Option<Rate>,
    /// Relay for others [default: on].
    #[arg(long, value_name = "on|off")]
    pub(crate) transit: Option<Switch>,
    /// Percent of the smaller bandwidth that others get; without any, of 1 MB/s [default: 80].
    #[arg(long, value_name = "PERCENT")]
    pub(crate) transit_share: Option<u8>,
    /// Most tunnels of others at once [default: 10000].
    #[arg(long, value_name = "N")]
    pub(crate) max_transit_tunnels: Option<usize>,
    /// Most sessions with other routers [default: by what others get, 75 to 1050, as a floodfill more].
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<usize>,
    /// Most that each destination sends, and is sent [default: no limit].
    #[arg(long, value_name = "RATE")]
    pub(crate) application_bandwidth: Option<Rate>,
    /// Memory for tables and queues, of which strangers fill three quarters at most [default: 512 MiB].
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_max: Option<Size>,
    /// Take reserved addresses, such as loopback, from others. Never on the public network.
    #[arg(long)]
    pub(crate) danger_allow_reserved_peers: bool,
    /// Build tunnels with several routers of one subnet. Never on the public network.
    #[arg(long)]
    pub(crate) danger_ignore_subnets: bool,
    /// Where the HTTP proxy listens [default: 127.0.0.1:4444].
    #[arg(long, value_name = "ADDR:PORT|off")]
    pub(crate) http_proxy: Option<Listen>,
    /// Hops of the HTTP proxy's tunnels, 0 to 7 [default: 3].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=7))]
    pub(crate) http_proxy_length: Option<u8>,
    /// Where SAM listens [default: 127.0.0.1:7656].
    #[arg(long, value_name = "ADDR:PORT|off")]
    pub(crate) sam: Option<Listen>,
    /// Server tunnels; only in the file, as `[[tunnel]]`.
    #[arg(skip)]
    pub(crate) tunnel: Vec<TunnelSettings>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    Ntcp2,
}

/// `on` or `off`; in the file also `true` or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(from = "SwitchForm")]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "true or false")]
enum SwitchForm {
    Bool(bool),
}

impl From<SwitchForm> for Switch {
    fn from(SwitchForm::Bool(on): SwitchForm) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

/// A listening address or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Listen {
    Off,
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let address = text.parse().map_err(|_| format!("{text:?} is neither ADDR:PORT, such as 127.0.0.1:4444, nor off"))?;
        Ok(Self::At(address))
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Listen {
    fn address(this: Option<Self>, default_port: u16) -> Option<SocketAddr> {
        match this {
            None => Some(SocketAddr::from(([127, 0, 0, 1], default_port))),
            Some(Self::At(address)) => Some(address),
            Some(Self::Off) => None,
        }
    }
}

/// A source of the first routers, or `none`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) enum Reseed {
    None,
    From(PathBuf),
}

impl From<String> for Reseed {
    fn from(text: String) -> Self {
        if text == "none" { Self::None } else { Self::From(text.into()) }
    }
}

impl FromStr for Reseed {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.to_owned().into())
    }
}

/// The data folder: given, or the platform's.
pub(crate) fn data_dir(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    match given {
        Some(path) => Ok(path),
        None => {
            let strategy = etcetera::choose_base_strategy().context("no home folder; give --data-dir")?;
            Ok(strategy.data_dir().join("ramson"))
        }
    }
}

impl Settings {
    /// These flags, and for what they leave open the file's values.
    pub(crate) fn over_file(self, config: Option<PathBuf>, data_dir: &Path) -> anyhow::Result<Self> {
        let path = config.clone().unwrap_or_else(|| data_dir.join("ramson.toml"));
        let file = match std::fs::read(&path) {
            Ok(bytes) if bytes.is_empty() => {
                tracing::warn!("the settings file {} is empty: all settings are the defaults", path.display());
                Self::default()
            }
            Ok(bytes) => Self::read(&bytes).with_context(|| format!("settings file {}", path.display()))?,
            // A data folder that can't be one is told of when it is opened.
            Err(error) if config.is_none() && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Self::default()
            }
            Err(error) => {
                let first = if error.kind() == ErrorKind::NotFound { "make" } else { "mend" };
                return Err(error).with_context(|| {
                    format!("cannot read the settings file {}; {first} it, or name another with --config", path.display())
                });
            }
        };
        let merged = self.over(file);
        merged.check().with_context(|| format!("settings (flags and {})", path.display()))?;
        Ok(merged)
    }

    /// These, and for what they leave open those.
    pub(crate) fn over(self, file: Self) -> Self {
        Self {
            net_id: self.net_id.or(file.net_id),
            host: first_given(self.host, file.host),
            bind: first_given(self.bind, file.bind),
            port: self.port.or(file.port),
            transports: first_given(self.transports, file.transports),
            reseed: first_given(self.reseed, file.reseed),
            floodfill: self.floodfill.or(file.floodfill),
            bandwidth_in: self.bandwidth_in.or(file.bandwidth_in),
            bandwidth_out: self.bandwidth_out.or(file.bandwidth_out),
            transit: self.transit.or(file.transit),
            transit_share: self.transit_share.or(file.transit_share),
            max_transit_tunnels: self.max_transit_tunnels.or(file.max_transit_tunnels),
            max_connections: self.max_connections.or(file.max_connections),
            application_bandwidth: self.application_bandwidth.or(file.application_bandwidth),
            memory_max: self.memory_max.or(file.memory_max),
            danger_allow_reserved_peers: self.danger_allow_reserved_peers || file.danger_allow_reserved_peers,
            danger_ignore_subnets: self.danger_ignore_subnets || file.danger_ignore_subnets,
            http_proxy: self.http_proxy.or(file.http_proxy),
            http_proxy_length: self.http_proxy_length.or(file.http_proxy_length),
            sam: self.sam.or(file.sam),
            tunnel: file.tunnel,
        }
    }

    /// Reads what is in a file.
    pub(crate) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(bytes).context("it is no text; allowed: TOML, in UTF-8")?;
        toml::from_str(text).map_err(mistake)
    }

    /// Whether all values make sense.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.http_proxy_length.is_some_and(|length| length > 7) {
            bail!("http-proxy-length must be 0 to 7");
        }
        if self.reseed.len() > 1 && self.reseed.contains(&Reseed::None) {
            bail!("reseed: none excludes other sources");
        }
        for (index, tunnel) in self.tunnel.iter().enumerate() {
            tunnel.check().with_context(|| format!("tunnel {:?}", tunnel.name))?;
            let earlier = self.tunnel.get(..index).unwrap_or_default();
            if earlier.iter().any(|other| other.name == tunnel.name) {
                bail!("tunnel {:?}: name must differ from those of the other tunnels", tunnel.name);
            }
            for other in earlier.iter().filter(|other| tunnel.key_files().any(|keys| other.key_files().any(|its| its == keys))) {
                if other.port == tunnel.port {
                    bail!("tunnel {:?}: keys or port must differ from those of the other tunnels", tunnel.name);
                }
                if other.destination() != tunnel.destination() {
                    bail!(
                        "tunnel {:?}: all but name, type, target and port must be as in the other tunnels with its keys",
                        tunnel.name
                    );
                }
            }
        }
        Ok(self.router().check()?)
    }

    pub(crate) fn router(&self) -> RouterConfig {
        RouterConfig {
            net_id: self.net_id.unwrap_or(ramson_router::MAIN_NET_ID),
            hosts: self.host.clone(),
            binds: self.bind.clone(),
            port: self.port,
            reseed: self
                .reseed
                .iter()
                .filter_map(|source| match source {
                    Reseed::None => None,
                    Reseed::From(path) => Some(path.clone()),
                })
                .collect(),
            floodfill: self.floodfill == Some(Switch::On),
            limits: self.limits(),
            danger_allow_reserved_peers: self.danger_allow_reserved_peers,
            danger_ignore_subnets: self.danger_ignore_subnets,
        }
    }

    fn limits(&self) -> Limits {
        let default = Limits::default();
        let memory = self.memory_max.map(|Size(bytes)| usize::try_from(bytes).unwrap_or(usize::MAX));
        Limits {
            in_bytes_per_sec: self.bandwidth_in.map(|rate| rate.0),
            out_bytes_per_sec: self.bandwidth_out.map(|rate| rate.0),
            transit: self.transit != Some(Switch::Off),
            transit_percent: self.transit_share.unwrap_or(default.transit_percent),
            max_transit_tunnels: self.max_transit_tunnels.unwrap_or(default.max_transit_tunnels),
            max_connections: self.max_connections,
            application_bytes_per_sec: self.application_bandwidth.map(|rate| rate.0),
            memory_bytes: memory.unwrap_or(default.memory_bytes),
        }
    }

    pub(crate) fn http_proxy_address(&self) -> Option<SocketAddr> {
        Listen::address(self.http_proxy, 4444)
    }

    pub(crate) fn sam_address(&self) -> Option<SocketAddr> {
        Listen::address(self.sam, 7656)
    }
}

/// Names the key, which the error shows only if it stands in the line, and what is allowed there.
fn mistake(error: toml::de::Error) -> anyhow::Error {
    let mut bare = error.clone();
    bare.set_input(None);
    let bare = bare.to_string();
    let Some(key) = bare.lines().last().and_then(|line| line.strip_prefix("in `")?.strip_suffix('`')) else {
        return error.into();
    };
    match allowed(key) {
        Some(allowed) => anyhow!("{key}: {error}allowed: {allowed}"),
        None => anyhow!("{key}: {error}"),
    }
}

/// What a key may have.
fn allowed(key: &str) -> Option<&'static str> {
    Some(match key.rsplit('.').next().unwrap_or(key) {
        "net-id" => "0 to 255",
        "host" | "bind" => "a list of IP addresses, such as [\"192.0.2.1\"]",
        "port" if key.contains('.') => "0 to 65535",
        "port" => "1 to 65535",
        "more-keys" => "a list of names of files, such as [\"other.keys\"]",
        "transports" => "[\"ntcp2\"]",
        "reseed" => "a list of folders and zip files, or [\"none\"]",
        "bandwidth-in" | "bandwidth-out" | "application-bandwidth" => "a rate of 16 KB/s to 1 GB/s, such as \"500 KB/s\"",
        "transit-share" => "1 to 100",
        "max-transit-tunnels" => "1 to 10000",
        "max-connections" => "50 to 2000",
        "memory-max" => "a size of at least 64 MiB, such as \"512 MiB\"",
        "floodfill" | "transit" | "danger-allow-reserved-peers" | "danger-ignore-subnets" => "true or false",
        "http-proxy" | "sam" => "\"ADDR:PORT\", such as \"127.0.0.1:4444\", or \"off\"",
        "http-proxy-length" | "inbound-length" | "outbound-length" => "0 to 7",
        "inbound-quantity" | "outbound-quantity" => "1 to 16",
        "type" => "\"server\" or \"http-server\"",
        "allow" | "deny" => "a list of .b32.i2p addresses",
        key if key.starts_with("max-streams-per-") || key.starts_with("max-total-streams-per-") => {
            "1 to 4294967295; leave it out for any number"
        }
        "target" => "\"ADDR:PORT\", such as \"127.0.0.1:8080\"",
        "name" => "text",
        "keys" => "the name of a file, such as \"web.keys\"",
        "tunnel" => "[[tunnel]] with name, type, target and keys",
        _ => return None,
    })
}

fn first_given<T>(flags: Vec<T>, file: Vec<T>) -> Vec<T> {
    if flags.is_empty() { file } else { flags }
}

#[cfg(test)]
mod tests;
