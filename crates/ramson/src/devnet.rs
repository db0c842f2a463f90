//! `ramson devnet`: a network for authors of I2P applications and their tests. Complete routers run in one thread on a virtual network in
//! real time; what is real are their SAM and HTTP proxy ports on loopback, told in `net.json`.

mod arguments;
mod folder;
mod network;
mod pace;
mod ports;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use ramson_api::sam::SamServer;
use ramson_proxy::{HttpProxy, ServerTunnel, TunnelKind};
use ramson_router::{DestinationConfig, Names, Router, new_destination};
use ramson_sim::world::NET_ID;
use ramson_wire::base64;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::progress::say;
use crate::site;
pub(crate) use arguments::Arguments;
use folder::Folder;
use network::{Member, Network};
use ports::Ports;

const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>ramson devnet</title>\
<h1>A site in a private I2P network</h1><p>This page came through two tunnels of three routers each.\n";

/// What the help says of the file that a devnet writes.
pub(crate) const NET_JSON: &str = "\
DIR/net.json is written, in one step, when all is ready, and removed at the end:
  version      1; a newer one may lack or change fields, this one may only gain some
  pid          the process: SIGTERM or Ctrl-C ends it
  seed, net_id, latency_ms, loss_percent
  ready_secs   from the start until all was ready
  site         address of a page that the last router serves
  routers[]    number, hash (base64), floodfill, sam (ADDR:PORT), http_proxy (ADDR:PORT)

Try: curl -x http://HTTP_PROXY http://SITE/";

/// `net.json`; [`NET_JSON`] explains it.
#[derive(Serialize)]
struct Net {
    version: u32,
    pid: u32,
    seed: u64,
    net_id: u8,
    latency_ms: u64,
    loss_percent: f64,
    ready_secs: f64,
    site: String,
    routers: Vec<NetRouter>,
}

#[derive(Serialize)]
struct NetRouter {
    number: usize,
    hash: String,
    floodfill: bool,
    sam: SocketAddr,
    http_proxy: SocketAddr,
}

/// Runs until a signal, or until something fails.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    // All that can be refused is tried before anything starts.
    let folder = Folder::open(&arguments.dir)?;
    let ports = Ports::listen(&arguments).await?;
    let server = TcpListener::bind((ports::LOOPBACK, 0)).await.context("cannot listen for the site's server")?;

    let mut network = Network::start(&arguments).await?;
    let mut services = JoinSet::new();
    let outcome = tokio::select! {
        outcome = serve(&arguments, start, &folder, ports, server, &mut network, &mut services) => outcome,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    folder.clear();
    services.shutdown().await;
    tokio::task::spawn_blocking(move || drop(network)).await.context("the network did not stop cleanly")?;
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            say(&format!("failed: {error:#}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Serves until something fails.
async fn serve(
    arguments: &Arguments,
    start: Instant,
    folder: &Folder,
    ports: Ports,
    server: TcpListener,
    network: &mut Network,
    services: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let names = Arc::new(Names::default());
    let members = std::mem::take(&mut network.members);
    let host = &members.last().context("a network without routers")?.router;
    let site = open_site(host, network.site_keys()?, server, services)?;
    let mut routers = Vec::new();
    for (number, (member, (sam, http_proxy))) in members.iter().zip(ports.listeners).enumerate() {
        routers.push(NetRouter {
            number,
            hash: base64::encode(&member.router.hash().0),
            floodfill: member.floodfill,
            sam: sam.local_addr()?,
            http_proxy: http_proxy.local_addr()?,
        });
        serve_router(member, &names, sam, http_proxy, services)?;
    }
    network.come_up().await?;

    let ready_secs = start.elapsed();
    let net = Net {
        version: 1,
        pid: std::process::id(),
        seed: arguments.seed,
        net_id: NET_ID,
        latency_ms: arguments.latency_ms,
        loss_percent: arguments.loss_percent(),
        ready_secs: round(ready_secs),
        site,
        routers,
    };
    folder.write(&serde_json::to_vec_pretty(&net)?)?;
    tell(&net, folder);
    network.ended().await
}

fn open_site(
    host: &Router,
    keys: ramson_wire::DestinationKeys,
    server: TcpListener,
    services: &mut JoinSet<()>,
) -> anyhow::Result<String> {
    let target = server.local_addr()?;
    services.spawn(site::serve(server, PAGE));
    let reachable = DestinationConfig { publish: true, accept: true, ..DestinationConfig::default() };
    let site = host.open("site", keys, reachable);
    let address = site.address().hash().to_b32();
    services.spawn(ServerTunnel::new(site, TunnelKind::HttpServer, target).serve());
    Ok(address)
}

fn serve_router(
    member: &Member,
    names: &Arc<Names>,
    sam: TcpListener,
    http_proxy: TcpListener,
    services: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let client = member.router.open("http-proxy", new_destination()?, DestinationConfig::default());
    services.spawn(HttpProxy::new(client, Arc::clone(names)).serve(http_proxy));
    services.spawn(SamServer::new(member.router.clone(), Arc::clone(names)).serve(sam));
    Ok(())
}

/// Milliseconds are exact enough.
fn round(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000.0).round() / 1_000.0
}

fn tell(net: &Net, folder: &Folder) {
    let floodfills = net.routers.iter().filter(|router| router.floodfill).count();
    let count = net.routers.len();
    say(&format!("{count} routers, {floodfills} of them floodfills, ready after {:.1} s", net.ready_secs));
    say(&format!("ports: {}", folder.net_json().display()));
    if let Some(router) = net.routers.first() {
        say(&format!("try: curl -x http://{} http://{}/  (Ctrl-C ends the network)", router.http_proxy, net.site));
    }
}
