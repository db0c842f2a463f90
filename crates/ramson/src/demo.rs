//! `ramson demo`: complete routers in one process, joined over loopback as they would be over the internet, one
//! of them hosting a site, another with the HTTP proxy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use ramson_proxy::{HttpProxy, ServerTunnel, TunnelKind};
use ramson_router::{DataDir, DestinationConfig, Limits, Names, Progress, Router, RouterConfig, new_destination};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::progress::say;
use crate::site;

/// Routers of the demo: a 3-hop tunnel needs three besides its owner.
const ROUTERS: usize = 6;
/// Of them floodfills.
const FLOODFILLS: usize = 3;
/// A network id of no other network.
const NET_ID: u8 = 99;
/// How long the network may take to come up, and the page to come.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>ramson demo</title>\
<h1>A site in a private I2P network</h1><p>This page came through two tunnels of three routers each.\n";

pub(crate) async fn run(once: bool) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let folder = Folder::make()?;
    let start = Instant::now();
    let said = |text: &str| say(&format!("{:6.1} s  {text}", start.elapsed().as_secs_f32()));
    let routers = start_routers(&folder.0).await?;
    said(&format!("{ROUTERS} routers started, {FLOODFILLS} of them floodfills"));
    let outcome = tokio::select! {
        outcome = browse(&routers, once, &said) => outcome,
        _ = tokio::signal::ctrl_c() => interrupted(once),
        _ = terminate.recv() => interrupted(once),
    };
    tokio::task::spawn_blocking(move || routers.iter().for_each(Router::shutdown)).await?;
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            said(&format!("failed: {error:#}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// A signal ends the demo well, unless the page that it was to fetch has not come.
fn interrupted(once: bool) -> anyhow::Result<()> {
    ensure!(!once, "interrupted");
    Ok(())
}

/// Removed at the end, with the keys in it.
struct Folder(PathBuf);

impl Folder {
    /// A new one, for our eyes only: in the folder for temporary files anybody may have made any other.
    fn make() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("ramson-demo-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A leftover in the folder for temporary files harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Starts the routers one after the other; each begins with the RouterInfos of those before it.
async fn start_routers(folder: &Path) -> anyhow::Result<Vec<Router>> {
    let folder = folder.to_owned();
    let starting = move || {
        let netdb = folder.join("netDb");
        std::fs::create_dir_all(&netdb).with_context(|| format!("cannot make {}", netdb.display()))?;
        let mut routers = Vec::new();
        for number in 0..ROUTERS {
            let config = RouterConfig {
                net_id: NET_ID,
                hosts: vec![LOOPBACK],
                binds: vec![LOOPBACK],
                port: Some(0),
                reseed: vec![netdb.clone()],
                floodfill: number < FLOODFILLS,
                limits: Limits::default(),
                danger_allow_reserved_peers: true,
                danger_ignore_subnets: true,
            };
            let data_dir = DataDir::open(&folder.join(format!("router{number}")))?;
            let router = Router::start(config, Arc::new(data_dir))?;
            let file = netdb.join(format!("routerInfo-{}.dat", ramson_wire::base64::encode(&router.hash().0)));
            std::fs::write(&file, router.router_info()).with_context(|| format!("cannot write {}", file.display()))?;
            routers.push(router);
        }
        Ok(routers)
    };
    tokio::task::spawn_blocking(starting).await?
}

async fn browse(routers: &[Router], once: bool, said: &impl Fn(&str)) -> anyhow::Result<()> {
    let mut services = JoinSet::new();
    let (Some(host), Some(visitor)) = (routers.get(ROUTERS - 2), routers.get(ROUTERS - 1)) else {
        anyhow::bail!("too few routers");
    };
    let server = TcpListener::bind((LOOPBACK, 0)).await.context("cannot listen for the site's server")?;
    let target = server.local_addr()?;
    services.spawn(site::serve(server, PAGE));
    let reachable = DestinationConfig { publish: true, accept: true, ..DestinationConfig::default() };
    let site = host.open("site", new_destination()?, reachable);
    let address = site.address().hash().to_b32();
    let visible = site.clone();
    services.spawn(ServerTunnel::new(site, TunnelKind::HttpServer, target).serve());
    let client = visitor.open("http-proxy", new_destination()?, DestinationConfig::default());
    let listener = TcpListener::bind((LOOPBACK, 0)).await.context("cannot listen for the HTTP proxy")?;
    let proxy = listener.local_addr()?;
    let http_proxy = HttpProxy::new(client.clone(), Arc::new(Names::default()));
    services.spawn(http_proxy.serve(listener));

    tokio::time::timeout(PATIENCE, async {
        for router in routers {
            let mut progress = router.progress();
            progress.wait_for(|step| *step == Progress::Ready).await?;
        }
        said("all routers are ready: own tunnels stand, RouterInfos are published");
        visible.ready().await?;
        said(&format!("the site is published: http://{address}/"));
        client.ready().await?;
        said(&format!("the proxy has tunnels: {proxy}"));
        anyhow::Ok(())
    })
    .await
    .context("the network did not come up in time")??;

    let answer = tokio::time::timeout(PATIENCE, fetch(proxy, &address)).await.context("the site did not answer in time")??;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "the proxy answered: {}", answer.lines().next().unwrap_or_default());
    ensure!(answer.ends_with(PAGE), "another page came");
    said(&format!("the page came through the proxy: {} bytes", PAGE.len()));
    if !once {
        say(&format!("\nSet the HTTP proxy of a browser to {proxy} and open http://{address}/  (Ctrl-C ends the demo)"));
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// A request as a browser makes it.
async fn fetch(proxy: SocketAddr, host: &str) -> anyhow::Result<String> {
    let mut socket = TcpStream::connect(proxy).await?;
    let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
