//! Routers in this process that know each other, on free ports of loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ramson_api::sam::SamServer;
use ramson_leaks::{Watch, watch_process};
use ramson_proxy::{HttpProxy, ServerTunnel, TunnelKind};
use ramson_router::{DataDir, Destination, DestinationConfig, Limits, Names, Progress, Router, RouterConfig, new_destination};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Far more than anything here takes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const KNOWN: &str = "known";
/// The addresses of one router.
pub(crate) const IPV4: &[IpAddr] = &[LOOPBACK];
pub(crate) const IPV6: &[IpAddr] = &[IpAddr::V6(Ipv6Addr::LOCALHOST)];
pub(crate) const BOTH: &[IpAddr] = &[LOOPBACK, IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Short tunnels: few routers make them, and the tests are of what is above.
pub(crate) fn one_hop() -> DestinationConfig {
    DestinationConfig {
        inbound_length: 1,
        outbound_length: 1,
        inbound_quantity: 2,
        outbound_quantity: 2,
        ..DestinationConfig::default()
    }
}

/// A network and the services that a test starts on it. All ends when it is dropped.
pub(crate) struct TestNet {
    pub(crate) routers: Vec<Router>,
    services: JoinSet<()>,
    _folder: tempfile::TempDir,
    /// The folder of all their RouterInfos.
    pub(crate) known: PathBuf,
    /// Over all that is logged in this process. Last, so that it hears how the others end.
    pub(crate) leaks: Watch,
}

impl TestNet {
    /// So many routers, all ready; the first two are floodfills.
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_at(vec![IPV4; count]).await
    }

    /// A router at each of these.
    pub(crate) async fn start_at(addresses: Vec<&'static [IpAddr]>) -> Self {
        let configs = addresses.iter().enumerate().map(|(number, addresses)| config(addresses, number < 2));
        Self::start_with(configs.collect()).await
    }

    /// A router of each of these; each begins with the RouterInfos of those before it.
    pub(crate) async fn start_with(configs: Vec<RouterConfig>) -> Self {
        let leaks = watch_process();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let routers = tokio::task::spawn_blocking(move || start_routers(&path, configs)).await.unwrap();
        for router in &routers {
            leaks.forbid_hash("a router's hash", &router.hash().0);
            let mut progress = router.progress();
            let ready = progress.wait_for(|step| *step == Progress::Ready);
            tokio::time::timeout(PATIENCE, ready).await.expect("the network came up").unwrap();
        }
        Self { routers, services: JoinSet::new(), known: folder.path().join(KNOWN), _folder: folder, leaks }
    }

    pub(crate) fn serve(&mut self, service: impl Future<Output = ()> + Send + 'static) {
        self.services.spawn(service);
    }

    pub(crate) async fn sam(&mut self, router: usize) -> SocketAddr {
        self.sam_with_names(router, Names::default()).await
    }

    pub(crate) async fn sam_with_names(&mut self, router: usize, names: Names) -> SocketAddr {
        let (listener, address) = listen().await;
        self.serve(SamServer::new(self.routers[router].clone(), Arc::new(names)).serve(listener));
        address
    }

    pub(crate) async fn http_proxy(&mut self, router: usize) -> SocketAddr {
        let (listener, address) = listen().await;
        let client = self.routers[router].open("proxy", new_destination().unwrap(), one_hop());
        client.ready().await.unwrap();
        self.serve(HttpProxy::new(client, Arc::default()).serve(listener));
        address
    }

    /// A published destination whose streams go to `target`.
    pub(crate) async fn tunnel(&mut self, router: usize, kind: TunnelKind, target: SocketAddr) -> Destination {
        let config = DestinationConfig { publish: true, accept: true, ..one_hop() };
        let site = self.routers[router].open("site", new_destination().unwrap(), config);
        self.leaks.forbid_hash("a destination", &site.address().hash().0);
        self.serve(ServerTunnel::new(site.clone(), kind, target).serve());
        tokio::time::timeout(PATIENCE, site.ready()).await.expect("the site was published").unwrap();
        site
    }
}

impl Drop for TestNet {
    fn drop(&mut self) {
        self.services.abort_all();
        self.routers.iter().for_each(Router::shutdown);
    }
}

pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A router that knows no other.
pub(crate) fn lonely_router(folder: &Path) -> Router {
    start_router(folder, config(IPV4, false))
}

fn start_routers(folder: &Path, configs: Vec<RouterConfig>) -> Vec<Router> {
    let known = folder.join(KNOWN);
    std::fs::create_dir(&known).unwrap();
    let mut routers = Vec::new();
    for (number, config) in configs.into_iter().enumerate() {
        let router = start_router(&folder.join(number.to_string()), RouterConfig { reseed: vec![known.clone()], ..config });
        introduce(&router, &known);
        routers.push(router);
    }
    routers
}

/// Puts a router's RouterInfo into a folder that others start with.
pub(crate) fn introduce(router: &Router, known: &Path) {
    let name = format!("routerInfo-{}.dat", ramson_wire::base64::encode(&router.hash().0));
    std::fs::write(known.join(name), router.router_info()).unwrap();
}

/// A router at these addresses, on free ports.
pub(crate) fn config(addresses: &[IpAddr], floodfill: bool) -> RouterConfig {
    RouterConfig {
        net_id: 99,
        hosts: addresses.to_vec(),
        binds: addresses.to_vec(),
        port: Some(0),
        reseed: Vec::new(),
        floodfill,
        limits: Limits::default(),
        danger_allow_reserved_peers: true,
        danger_ignore_subnets: true,
    }
}

pub(crate) fn start_router(folder: &Path, config: RouterConfig) -> Router {
    Router::start(config, Arc::new(DataDir::open(folder).unwrap())).unwrap()
}
