//! A whole router: its threads, its files, and the handle by which programs use it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use mio::net::TcpListener;
use ramson_engine::{Command, DestinationConfig, Engine, EngineConfig, IdentityId, Progress, Snapshot, Status, StreamId};
use ramson_lane::{Lane, LaneConfig};
use ramson_transport::ntcp2::LocalIdentity;
use ramson_wire::{DestinationKeys, RouterHash};
use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::destination::Destination;
use crate::engine_thread::EngineThread;
use crate::entropy;
use crate::error::{Closed, StartError};
use crate::files::DataDir;
use crate::keys::RouterKeys;
use crate::lane_thread::LaneThread;
use crate::limits::Limits;
use crate::mailbox::Mailbox;
use crate::ports::Ports;
use crate::reseed::{self, Reseeder};
use crate::routes::{Routes, ToEngine};
use crate::storage::{self, StorageThread, Trouble};

/// The public network.
pub const MAIN_NET_ID: u8 = 2;
/// Addresses to listen on.
const MAX_BINDS: usize = 16;
/// Ports that the system may choose before one is free at all addresses.
const FREE_PORT_TRIES: u32 = 16;

/// How a router joins its network.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// Which network: 2 is the public one.
    pub net_id: u8,
    /// Our published addresses, at most one of each family; none: we can't be dialed.
    pub hosts: Vec<IpAddr>,
    /// Addresses to listen on and to dial from; none: all. If none is published, their families are those dialed, else IPv4.
    pub binds: Vec<IpAddr>,
    /// Transport port; `None`: the one drawn at the first start; 0: any free one.
    pub port: Option<u16>,
    /// Folders or zip files of RouterInfos: read at the start, and again when too few routers are known.
    pub reseed: Vec<PathBuf>,
    /// Serve as a floodfill.
    pub floodfill: bool,
    /// How much it may use, and how much of that others get.
    pub limits: Limits,
    /// Take addresses of reserved ranges, such as loopback, from peers.
    pub danger_allow_reserved_peers: bool,
    /// Build tunnels with several routers of one subnet.
    pub danger_ignore_subnets: bool,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            net_id: MAIN_NET_ID,
            hosts: Vec::new(),
            binds: Vec::new(),
            port: None,
            reseed: Vec::new(),
            floodfill: false,
            limits: Limits::default(),
            danger_allow_reserved_peers: false,
            danger_ignore_subnets: false,
        }
    }
}

impl RouterConfig {
    /// Refuses settings that contradict each other.
    pub fn check(&self) -> Result<(), StartError> {
        let danger = self.danger_allow_reserved_peers || self.danger_ignore_subnets;
        if danger && self.net_id == MAIN_NET_ID {
            return Err(StartError::Setting(
                "danger-allow-reserved-peers and danger-ignore-subnets are refused on the public network (net-id 2); \
                 give another net-id",
            ));
        }
        for v4 in [true, false] {
            if self.hosts.iter().filter(|host| host.is_ipv4() == v4).count() > 1 {
                return Err(StartError::Setting("host: at most one IPv4 and one IPv6 address can be published"));
            }
        }
        if self.hosts.iter().any(IpAddr::is_unspecified) {
            return Err(StartError::Setting("host: 0.0.0.0 and :: are no addresses that others could dial"));
        }
        if self.binds.len() > MAX_BINDS {
            return Err(StartError::Setting("bind: at most 16 addresses"));
        }
        self.limits.check()
    }

    /// Peers take us only from families that our RouterInfo names: those of published addresses, without any those we
    /// listen on, and IPv4 if that is left open too.
    fn dials(&self, family: impl Fn(&IpAddr) -> bool) -> bool {
        let named = if self.hosts.is_empty() { &self.binds } else { &self.hosts };
        match named.as_slice() {
            [] => family(&IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            named => named.iter().any(family),
        }
    }

    fn listen_addresses(&self) -> Vec<IpAddr> {
        if self.binds.is_empty() {
            return vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        }
        self.binds.clone()
    }
}

/// A running router. Clones share it; it stops by [`Router::shutdown`].
#[derive(Clone)]
pub struct Router {
    shared: Arc<Shared>,
}

struct Shared {
    hash: RouterHash,
    router_info: Bytes,
    engine: Arc<Mailbox<ToEngine>>,
    progress: watch::Receiver<Progress>,
    trouble: Trouble,
    next_identity: AtomicU32,
    next_stream: Arc<AtomicU64>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Shared {
    /// The last handle is gone: the threads end by themselves, and the data folder is free when they have.
    fn drop(&mut self) {
        self.engine.send(ToEngine::Stop);
    }
}

impl Router {
    /// Starts the threads of a router whose state lives in `data_dir`.
    pub fn start(config: RouterConfig, data_dir: Arc<DataDir>) -> Result<Self, StartError> {
        config.check()?;
        let clock = Clock::start();
        let mut rng = entropy::generator()?;
        let keys = RouterKeys::load_or_create(&data_dir.file("router.keys"), &mut *rng)?;
        let (listeners, port) = listen(&config, config.port.unwrap_or(keys.port))?;
        let reseed = reseed::read(&config.reseed)?;
        let mut stored = storage::open(&data_dir.file("netdb.redb"));
        let found = std::mem::take(&mut stored.found);

        let local = Arc::new(LocalIdentity {
            hash: keys.secrets.identity.hash(),
            static_key: ramson_crypto::x25519::PrivateKey::from_bytes(&keys.secrets.ntcp2_key.to_bytes()),
            iv: keys.secrets.ntcp2_iv,
            net_id: config.net_id,
        });
        let (engine_config, lane_config) = (engine_config(&config, port), lane_config(&config));
        let engine = Engine::new(clock.now(), engine_config, keys.secrets, Snapshot { reseed, ..found }, entropy::generator()?)?;
        let router_info = engine.router_info().clone();
        let lane = Lane::new(clock.now(), lane_config, Arc::clone(&local), router_info.clone(), entropy::generator()?);

        let mailbox = Arc::new(Mailbox::new().weighing(ToEngine::weight));
        let (lane_thread, lane) = LaneThread::new(lane, clock, listeners, config.binds, Arc::clone(&mailbox))
            .map_err(|source| StartError::Thread { name: "lane", source })?;
        let reseeder = Reseeder { sources: config.reseed, engine: Arc::clone(&mailbox) };
        let (storage_thread, storage) = StorageThread::new(stored, data_dir, reseeder);
        let trouble = storage.trouble().clone();
        let (progress_sender, progress) = watch::channel(Progress::NoRouters);
        let engine_thread = EngineThread::new(engine, clock, Arc::clone(&mailbox), lane, storage, Routes::new(progress_sender));
        // The engine's last: where it can't be started, it stops the others.
        let threads = vec![
            spawn("storage", move || storage_thread.run())?,
            spawn("lane", move || lane_thread.run())?,
            spawn("engine", move || engine_thread.run())?,
        ];
        Ok(Self::new(local.hash, router_info.bytes().clone(), mailbox, progress, trouble, threads))
    }

    /// The handle of a router whose driver reads `engine`.
    pub(crate) fn new(
        hash: RouterHash,
        router_info: Bytes,
        engine: Arc<Mailbox<ToEngine>>,
        progress: watch::Receiver<Progress>,
        trouble: Trouble,
        threads: Vec<JoinHandle<()>>,
    ) -> Self {
        let shared = Shared {
            hash,
            router_info,
            engine,
            progress,
            trouble,
            next_identity: AtomicU32::new(1),
            next_stream: Arc::new(AtomicU64::new(1)),
            threads: Mutex::new(threads),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Our hash.
    #[must_use]
    pub fn hash(&self) -> RouterHash {
        self.shared.hash
    }

    /// Our RouterInfo as signed at the start.
    #[must_use]
    pub fn router_info(&self) -> &Bytes {
        &self.shared.router_info
    }

    /// Tells each step from start to ready. It ends when the router has stopped.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.clone()
    }

    /// The router's state now.
    pub async fn status(&self) -> Result<Box<Status>, Closed> {
        let (answer, reply) = oneshot::channel();
        self.shared.engine.send(ToEngine::Status { answer });
        reply.await.map_err(|_| Closed)
    }

    /// Why what the router learns can't be saved now, if so. Its keys are safe, and it goes on without.
    #[must_use]
    pub fn storage_problem(&self) -> Option<String> {
        self.shared.trouble.get()
    }

    /// Brings up a destination. It closes when the last clone of the handle is dropped.
    #[must_use]
    pub fn open(&self, name: &str, keys: DestinationKeys, config: DestinationConfig) -> Destination {
        let id = IdentityId(self.shared.next_identity.fetch_add(1, Ordering::Relaxed));
        let ports = Ports::default();
        let (incoming, listeners) = (ports.accepting(), ports.listeners());
        let (ready_sender, ready) = watch::channel(false);
        let address = keys.destination().clone();
        self.shared.engine.send(ToEngine::Open {
            id,
            name: name.to_owned(),
            keys: Box::new(keys),
            config,
            ports,
            ready: ready_sender,
        });
        Destination::new(EngineHandle::new(&self.shared, id), address, ready, incoming, listeners)
    }

    /// A turn of the engine's thread for nothing.
    #[cfg(feature = "benching")]
    pub(crate) fn nudge(&self) {
        self.shared.engine.send(ToEngine::Lane(Vec::new()));
    }

    /// Stops all threads and writes what is unwritten. Blocks for as long as that takes.
    pub fn shutdown(&self) {
        self.shared.engine.send(ToEngine::Stop);
        let threads = std::mem::take(&mut *self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the router had panicked");
            }
        }
    }
}

/// The way of one destination's handles to the engine.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    id: IdentityId,
    mailbox: Arc<Mailbox<ToEngine>>,
    next_stream: Arc<AtomicU64>,
}

impl EngineHandle {
    fn new(shared: &Shared, id: IdentityId) -> Self {
        Self { id, mailbox: Arc::clone(&shared.engine), next_stream: Arc::clone(&shared.next_stream) }
    }

    pub(crate) fn id(&self) -> IdentityId {
        self.id
    }

    pub(crate) fn command(&self, command: Command) {
        self.send(ToEngine::Command(command));
    }

    pub(crate) fn send(&self, letter: ToEngine) {
        if let Err(letter) = self.mailbox.try_send(letter) {
            letter.refuse();
        }
    }

    /// A name for a new stream. The engine names those of peers from the upper half of the numbers.
    pub(crate) fn new_stream(&self) -> StreamId {
        StreamId(self.next_stream.fetch_add(1, Ordering::Relaxed))
    }
}

fn engine_config(config: &RouterConfig, port: u16) -> EngineConfig {
    EngineConfig {
        net_id: config.net_id,
        floodfill: config.floodfill,
        ignore_subnets: config.danger_ignore_subnets,
        addresses: config.hosts.iter().map(|host| SocketAddr::new(*host, port)).collect(),
        ipv4: config.dials(IpAddr::is_ipv4),
        ipv6: config.dials(IpAddr::is_ipv6),
        limits: config.limits.of_engine(transit_rate(config)),
    }
}

/// In a closed network without a rate there is no limit: what it is made for, such as measuring, would only meet it by surprise.
fn transit_rate(config: &RouterConfig) -> Option<u64> {
    let unlimited = config.danger_allow_reserved_peers && config.limits.is_without_rate();
    (!unlimited).then(|| config.limits.transit_bytes_per_sec())
}

fn lane_config(config: &RouterConfig) -> LaneConfig {
    let base = if config.danger_allow_reserved_peers {
        LaneConfig::closed_network(config.net_id)
    } else {
        LaneConfig { net_id: config.net_id, ..LaneConfig::default() }
    };
    let base = config.limits.of_lane(transit_rate(config), config.floodfill, base);
    LaneConfig { ipv4: config.dials(IpAddr::is_ipv4), ipv6: config.dials(IpAddr::is_ipv6), ..base }
}

fn spawn(name: &'static str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new().name(format!("ramson-{name}")).spawn(run).map_err(|source| StartError::Thread { name, source })
}

/// Listens on all addresses; returns the port too, which the system chose if it was 0.
fn listen(config: &RouterConfig, port: u16) -> Result<(Vec<TcpListener>, u16), StartError> {
    let mut tries_left = if port == 0 { FREE_PORT_TRIES } else { 0 };
    loop {
        match listen_on_all(config, port) {
            // A port chosen for one address can be in use at another.
            Err(StartError::Listen { source, .. }) if source.kind() == ErrorKind::AddrInUse && tries_left > 0 => {
                tries_left -= 1;
            }
            result => return result,
        }
    }
}

/// Without configured addresses a machine without IPv6 is no error.
fn listen_on_all(config: &RouterConfig, mut port: u16) -> Result<(Vec<TcpListener>, u16), StartError> {
    let mut listeners = Vec::new();
    for address in config.listen_addresses() {
        let address = SocketAddr::new(address, port);
        match listen_on(address) {
            Ok(listener) => {
                port = listener.local_addr().map_or(port, |address| address.port());
                listeners.push(listener);
            }
            Err(error) if config.binds.is_empty() && address.is_ipv6() => {
                tracing::info!(%error, "no IPv6 here");
            }
            Err(source) => return Err(StartError::Listen { address, source }),
        }
    }
    Ok((listeners, port))
}

fn listen_on(address: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(TcpListener::from_std(socket.into()))
}
