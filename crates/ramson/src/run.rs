//! `ramson run`: the router with its services, until a signal ends it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use ramson_api::sam::SamServer;
use ramson_proxy::{HttpProxy, ServerTunnel};
use ramson_router::{DataDir, DestinationConfig, Names, Router, load_or_create_destination, new_destination};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::progress::{follow, say};
use crate::settings::Settings;
use crate::{control, progress};

/// Runs until SIGINT or SIGTERM, or until a service fails.
pub(crate) async fn run(data_path: &Path, settings: Settings) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let data_dir = Arc::new(DataDir::open(data_path)?);
    // All that can be refused is tried before anything starts.
    let http_proxy = listen(settings.http_proxy_address(), "HTTP proxy", "http-proxy").await?;
    let sam = listen(settings.sam_address(), "SAM", "sam").await?;
    let hosts = data_dir.file("hosts.txt");
    let names = Names::read(&hosts).with_context(|| format!("cannot read {}", hosts.display()))?;
    let names = Arc::new(names);
    let mut tunnels = Vec::new();
    for tunnel in &settings.tunnel {
        let keys = load_or_create_destination(&data_dir.file(&tunnel.keys))?;
        tunnels.push((tunnel, keys));
    }
    let router = Router::start(settings.router(), Arc::clone(&data_dir))?;

    let mut services: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let socket = control::listen(&data_dir)?;
    services.spawn(control::serve(socket, router.clone()));
    for (tunnel, keys) in tunnels {
        let destination = router.open(&tunnel.name, keys, tunnel.destination());
        say(&format!("tunnel {}: http://{}/", tunnel.name, destination.address().hash().to_b32()));
        let server = ServerTunnel::new(destination, tunnel.kind.into(), tunnel.target);
        services.spawn(async move {
            server.serve().await;
            Ok(())
        });
    }
    if let Some(listener) = http_proxy {
        say(&format!("HTTP proxy: {}", listener.local_addr()?));
        let hops = settings.http_proxy_length.unwrap_or(DestinationConfig::default().outbound_length);
        let config = DestinationConfig { inbound_length: hops, outbound_length: hops, ..DestinationConfig::default() };
        let proxy = HttpProxy::new(router.open("http-proxy", new_destination()?, config), Arc::clone(&names));
        services.spawn(async move { proxy.serve(listener).await.context("the HTTP proxy failed") });
    }
    if let Some(listener) = sam {
        say(&format!("SAM: {}", listener.local_addr()?));
        let server = SamServer::new(router.clone(), names);
        services.spawn(async move { server.serve(listener).await.context("SAM failed") });
    }
    let telling = tokio::spawn(follow(router.progress()));

    let outcome = tokio::select! {
        _ = interrupt.recv() => Ok(ExitCode::SUCCESS),
        _ = terminate.recv() => Ok(ExitCode::SUCCESS),
        failed = first_failure(&mut services) => Err(failed),
    };
    telling.abort();
    progress::say("stopping");
    services.shutdown().await;
    tokio::task::spawn_blocking(move || router.shutdown()).await.context("the router did not stop cleanly")?;
    control::remove(&data_dir);
    outcome
}

/// Waits for a service that ends with an error. One that ends well, as a tunnel whose destination closed, is no
/// reason to stop the others.
async fn first_failure(services: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Error {
    loop {
        match services.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return error,
            Some(Err(panic)) => return panic.into(),
            None => std::future::pending().await,
        }
    }
}

async fn listen(address: Option<SocketAddr>, what: &str, key: &str) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else {
        return Ok(None);
    };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for {what}; give another --{key} ADDR:PORT, or --{key} off"))?;
    Ok(Some(listener))
}
