//! A door for the fuzz targets: settings files, and what is said on the control socket. Behind the feature `fuzzing`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use ramson_router::{DestinationConfig, Limits, Status};

use crate::control::request;
use crate::settings::Settings;
use crate::status::report::{self, StatusReport};

/// What a settings file says, as it is used.
#[derive(Clone, Debug)]
pub struct Read {
    /// Network.
    pub net_id: u8,
    /// Serves as a floodfill.
    pub floodfill: bool,
    /// Where the HTTP proxy listens.
    pub http_proxy: Option<SocketAddr>,
    /// Hops of its tunnels.
    pub http_proxy_length: u8,
    /// Where SAM listens.
    pub sam: Option<SocketAddr>,
    /// Server tunnels.
    pub tunnels: Vec<Tunnel>,
}

/// A server tunnel.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// Its label.
    pub name: String,
    /// Its key files.
    pub keys: Vec<String>,
    /// The port that it serves.
    pub port: u16,
    /// The server.
    pub target: SocketAddr,
    /// What is asked of the router.
    pub config: DestinationConfig,
}

/// Reads a settings file of these bytes.
///
/// # Errors
/// What a person is told.
pub fn settings(bytes: &[u8], path: &Path) -> Result<Read, String> {
    let settings = Settings::read(bytes).map(|file| Settings::default().over(file));
    let settings = settings.and_then(|settings| settings.check().map(|()| settings));
    let settings = settings.with_context(|| path.display().to_string()).map_err(|error| format!("{error:#}"))?;
    let tunnel = |tunnel: &crate::settings::TunnelSettings| Tunnel {
        name: tunnel.name.clone(),
        keys: tunnel.key_files().map(str::to_owned).collect(),
        port: tunnel.port,
        target: tunnel.target,
        config: tunnel.destination(),
    };
    Ok(Read {
        net_id: settings.router().net_id,
        floodfill: settings.router().floodfill,
        http_proxy: settings.http_proxy_address(),
        http_proxy_length: settings.http_proxy_length.unwrap_or(DestinationConfig::default().outbound_length),
        sam: settings.sam_address(),
        tunnels: settings.tunnel.iter().map(tunnel).collect(),
    })
}

/// What is answered to a line on the control socket; nothing if it asks for the status.
#[must_use]
pub fn control_refusal(line: &[u8]) -> Option<String> {
    request::asked(line).err()
}

/// What is answered with this status.
#[must_use]
pub fn status_line(status: Status, storage_problem: Option<String>) -> String {
    serde_json::to_string(&StatusReport::new(status, storage_problem, &Limits::default())).unwrap_or_default()
}

/// What a person is shown of an answer with the status.
///
/// # Errors
/// What is wrong with it.
pub fn status_answer(line: &str) -> Result<String, String> {
    report::read_answer(line).map_err(|error| format!("{error:#}"))
}
