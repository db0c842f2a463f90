//! `ramson run`: the router with its services, until a signal ends it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use ramson_api::sam::SamServer;
use ramson_proxy::HttpProxy;
use ramson_router::{DataDir, DestinationConfig, Names, Progress, Router, new_destination};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::progress::{follow, say};
use crate::settings::Settings;
use crate::{control, progress, tunnels};

/// Runs until SIGINT or SIGTERM, or until a service fails.
pub(crate) async fn run(data_path: &Path, settings: Settings) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let config = settings.router();
    let limits = config.limits.clone();
    let data_dir = Arc::new(DataDir::open(data_path)?);
    // All that can be refused is tried before anything starts.
    let http_proxy = listen(settings.http_proxy_address(), "HTTP proxy", "http-proxy").await?;
    let sam = listen(settings.sam_address(), "SAM", "sam").await?;
    let hosts = data_dir.file("hosts.txt");
    let names = Names::read(&hosts).with_context(|| format!("cannot read {}; mend it, or move it away", hosts.display()))?;
    let names = Arc::new(names);
    let tunnel_keys = tunnels::keys(&settings.tunnel, &data_dir)?;
    let proxy_keys = new_destination()?;
    let (socket, _socket_file) = control::listen(&data_dir)?.unzip();
    let router = Router::start(config, Arc::clone(&data_dir))?;
    show_router_info(&data_dir, &router);

    let mut services = JoinSet::new();
    if let Some(socket) = socket {
        services.spawn(control::serve(socket, router.clone(), limits));
    }
    for tunnel in tunnels::open(&settings.tunnel, tunnel_keys, &router).await? {
        services.spawn(tunnel.serve());
    }
    if let Some(listener) = http_proxy {
        say(&format!("HTTP proxy: {}", listener.local_addr()?));
        let hops = settings.http_proxy_length.unwrap_or(DestinationConfig::default().outbound_length);
        let config = DestinationConfig { inbound_length: hops, outbound_length: hops, ..DestinationConfig::default() };
        let proxy = HttpProxy::new(router.open("http-proxy", proxy_keys, config), Arc::clone(&names));
        services.spawn(proxy.serve(listener));
    }
    if let Some(listener) = sam {
        say(&format!("SAM: {}", listener.local_addr()?));
        services.spawn(SamServer::new(router.clone(), names).serve(listener));
    }
    let telling = tokio::spawn(follow(router.progress()));

    let outcome = tokio::select! {
        _ = interrupt.recv() => ExitCode::SUCCESS,
        _ = terminate.recv() => ExitCode::SUCCESS,
        () = first_panic(&mut services) => ExitCode::FAILURE,
        () = ended(router.progress()) => ExitCode::FAILURE,
    };
    telling.abort();
    progress::say("stopping");
    services.shutdown().await;
    tokio::task::spawn_blocking(move || router.shutdown()).await.context("the router did not stop cleanly")?;
    Ok(outcome)
}

/// Leaves our RouterInfo beside the keys, whole at any moment: a private network's reseed is made of such files.
fn show_router_info(data_dir: &DataDir, router: &Router) {
    let (path, new) = (data_dir.file("router.info"), data_dir.file("router.info.new"));
    let written = std::fs::write(&new, router.router_info()).and_then(|()| std::fs::rename(&new, &path));
    if let Err(error) = written {
        tracing::warn!(%error, "cannot write router.info");
    }
}

/// Waits for a service that panics. One that ends, as a tunnel whose destination closed, is no reason to stop the others.
async fn first_panic(services: &mut JoinSet<()>) {
    loop {
        match services.join_next().await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::error!(%error, "a service failed");
                return;
            }
            None => std::future::pending().await,
        }
    }
}

/// Returns when the router has stopped by itself, which its threads have told in the log.
async fn ended(mut progress: watch::Receiver<Progress>) {
    while progress.changed().await.is_ok() {}
    tracing::error!("the router has stopped");
}

async fn listen(address: Option<SocketAddr>, what: &str, key: &str) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else {
        return Ok(None);
    };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for {what}; give another --{key} ADDR:PORT, or --{key} off"))?;
    if !address.ip().to_canonical().is_loopback() {
        tracing::warn!(
            "{what} listens beyond this machine (--{key}): whoever reaches it uses this router, unencrypted and without a password"
        );
    }
    Ok(Some(listener))
}
