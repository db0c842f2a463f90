//! The listeners of all routers, on loopback only.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Context;
use tokio::net::TcpListener;

use super::arguments::Arguments;

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// See the module.
pub(crate) struct Ports {
    /// Of each router: SAM and HTTP proxy.
    pub(crate) listeners: Vec<(TcpListener, TcpListener)>,
}

impl Ports {
    /// Listens on all of them.
    pub(crate) async fn listen(arguments: &Arguments) -> anyhow::Result<Self> {
        let mut listeners = Vec::new();
        for number in 0..arguments.routers {
            let sam = listen(arguments.sam_base, number, "SAM", "sam-base").await?;
            let http_proxy = listen(arguments.proxy_base, number, "the HTTP proxy", "proxy-base").await?;
            listeners.push((sam, http_proxy));
        }
        Ok(Self { listeners })
    }
}

async fn listen(base: Option<u16>, number: usize, what: &str, key: &str) -> anyhow::Result<TcpListener> {
    let port = match base {
        Some(base) => u16::try_from(number)
            .ok()
            .and_then(|number| base.checked_add(number))
            .with_context(|| format!("--{key}: there is no port {base} + {number}; give a lower one"))?,
        None => 0,
    };
    let listener = TcpListener::bind((LOOPBACK, port)).await;
    listener.with_context(|| format!("cannot listen on {LOOPBACK}:{port} for {what} of router {number}; give another --{key}"))
}
