//! A door for the benchmark `turns`: the thread of a lane without an engine, and the engine's thread of a whole router.
//! Behind the feature `benching`.
#![allow(clippy::expect_used, reason = "part of a harness, which fails by a panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mio::net::TcpListener;
use ramson_crypto::rng::SeededRng;
use ramson_engine::{Engine, EngineConfig, EngineLimits, Snapshot};
use ramson_lane::{Lane, LaneCommand, LaneConfig, LaneEvent};
use ramson_transport::ntcp2::LocalIdentity;
use ramson_wire::{Now, RouterInfo};

use crate::clock::Clock;
use crate::keys::RouterKeys;
use crate::lane_thread::{LaneHandle, LaneThread, ToLane};
use crate::mailbox::Mailbox;
use crate::router::Router;
use crate::routes::ToEngine;

/// Gives the engine's thread a turn without anything to do.
pub fn nudge(router: &Router) {
    router.nudge();
}

/// A lane's thread of this name on a port of loopback; who holds this is its engine.
pub struct LaneAlone {
    clock: Clock,
    info: RouterInfo,
    lane: LaneHandle,
    mailbox: Arc<Mailbox<ToEngine>>,
}

impl LaneAlone {
    /// Of a router whose keys come from the seed.
    ///
    /// # Errors
    /// No socket or no thread.
    pub fn start(name: &str, seed: u16, net_id: u8) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let mut key = [3; 32];
        key[..2].copy_from_slice(&seed.to_be_bytes());
        let mut rng = SeededRng::new(key);
        let clock = Clock::start();
        let (info, local) = identity(clock.now(), net_id, listener.local_addr()?, &mut rng);
        let config = LaneConfig { transit_bytes_per_sec: None, ..LaneConfig::closed_network(net_id) };
        let lane = Lane::new(clock.now(), config, Arc::new(local), info.clone(), Box::new(rng));
        let mailbox = Arc::new(Mailbox::new().weighing(ToEngine::weight));
        let listeners = vec![TcpListener::from_std(listener)];
        let (thread, lane) = LaneThread::new(lane, clock, listeners, Vec::new(), Arc::clone(&mailbox))?;
        std::thread::Builder::new().name(name.to_owned()).spawn(move || thread.run())?;
        Ok(Self { clock, info, lane, mailbox })
    }

    /// How others dial it.
    #[must_use]
    pub fn info(&self) -> &RouterInfo {
        &self.info
    }

    /// Its clock.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Hands over commands in one batch.
    pub fn command(&self, commands: impl IntoIterator<Item = LaneCommand>) {
        self.lane.send_all(&mut commands.into_iter().map(ToLane::Command).collect());
    }

    /// What it told since the last call, after waiting until there is something.
    pub fn events(&self, into: &mut Vec<LaneEvent>) {
        let mut letters = Vec::new();
        self.mailbox.wait(&mut letters, None);
        for letter in letters {
            if let ToEngine::Lane(events) = letter {
                into.extend(events);
            }
        }
    }
}

impl Drop for LaneAlone {
    fn drop(&mut self) {
        self.lane.send_all(&mut vec![ToLane::Stop]);
    }
}

fn identity(now: Now, net_id: u8, address: SocketAddr, rng: &mut SeededRng) -> (RouterInfo, LocalIdentity) {
    let secrets = RouterKeys::generate(rng).secrets;
    let local = LocalIdentity {
        hash: secrets.identity.hash(),
        static_key: ramson_crypto::x25519::PrivateKey::from_bytes(&secrets.ntcp2_key.to_bytes()),
        iv: secrets.ntcp2_iv,
        net_id,
    };
    let config = EngineConfig {
        net_id,
        floodfill: false,
        ignore_subnets: true,
        addresses: vec![address],
        ipv4: true,
        ipv6: false,
        limits: EngineLimits::default(),
    };
    let engine = Engine::new(now, config, secrets, Snapshot::default(), Box::new(rng.child("engine"))).expect("a RouterInfo");
    (engine.router_info().clone(), local)
}
