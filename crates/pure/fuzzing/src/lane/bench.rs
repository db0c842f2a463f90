//! A lane, and hostile peers at the other ends of its connections.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_lane::{ConnId, Lane, LaneCommand, LaneConfig, LaneEvent, LaneOutput, Relay, RelayRole};
use ramson_wire::i2np::TunnelData;
use ramson_wire::{Codec, I2npMessage, MessageKind, Now, RouterHash, RouterInfo, Tick, TunnelId};

use super::{Border, config};
use crate::ntcp2::peer::{Initiator, Keys, Responder, request_options};
use crate::ntcp2::router_info_block;
use crate::seeds::routers::{NET_ID, Router, START, router};

/// Hostile routers.
const PEERS: u8 = 4;

/// One connection, seen from its other end.
struct Link {
    /// Which of the peers.
    peer: usize,
    /// The lane dialed.
    dialed: bool,
    /// TCP stands.
    connected: bool,
    /// What the lane wrote and the peer hasn't read.
    written: Vec<u8>,
    keys: Option<Keys>,
    frame_length: Option<usize>,
    shaken: bool,
}

/// See the module.
pub struct Bench<B> {
    lane: Lane,
    border: B,
    config: LaneConfig,
    /// The time.
    pub now: Now,
    peers: Vec<Rc<Router>>,
    own: Rc<Router>,
    links: BTreeMap<ConnId, Link>,
    last_dialed: Option<ConnId>,
    /// Since when an answer is awaited.
    wanted: BTreeMap<RouterHash, Tick>,
    connected: BTreeSet<RouterHash>,
    /// Who ever proved to be whom.
    proven: BTreeSet<RouterHash>,
    /// Where TunnelData may go.
    told: BTreeSet<(RouterHash, TunnelId)>,
    deadline: Option<Tick>,
    seeds: u8,
}

impl<B: Border> Bench<B> {
    /// A lane with nobody.
    pub fn new(border: B) -> Self {
        let own = router(1);
        let lane =
            Lane::new(START, border.config(config()), own.local.clone(), own.info.clone(), Box::new(SeededRng::new([6; 32])));
        Self {
            lane,
            border,
            config: config(),
            now: START,
            peers: (0..PEERS).map(|number| router(2 + number)).collect(),
            own,
            links: BTreeMap::new(),
            last_dialed: None,
            wanted: BTreeMap::new(),
            connected: BTreeSet::new(),
            proven: BTreeSet::new(),
            told: BTreeSet::new(),
            deadline: None,
            seeds: 0,
        }
    }

    fn index(number: u8) -> usize {
        usize::from(number % PEERS)
    }

    /// The hash of a peer, of the lane's own router, or of nobody.
    pub fn peer(&self, number: u8) -> RouterHash {
        match number % 16 {
            14 => self.own.hash(),
            15 => RouterHash([number; 32]),
            _ => self.peers[Self::index(number)].hash(),
        }
    }

    fn link(&self, number: u8) -> Option<ConnId> {
        let at = usize::from(number) % self.links.len().max(1);
        self.links.keys().nth(at).copied()
    }

    /// A command.
    pub fn command(&mut self, command: LaneCommand) {
        if let LaneCommand::NoPeer { peer } | LaneCommand::Disconnect { peer } = &command {
            self.wanted.remove(peer);
        }
        self.lane.handle_command(self.now, command);
        self.drain();
    }

    /// The RouterInfo of a peer, to be dialed.
    pub fn connect(&mut self, number: u8) {
        let info: RouterInfo = self.peers[Self::index(number)].info.clone();
        self.wanted.remove(&info.hash());
        self.command(LaneCommand::Connect { info });
    }

    /// A transit tunnel.
    pub fn install(&mut self, relay: Relay) {
        if let RelayRole::Participant { next, next_tunnel } | RelayRole::Gateway { next, next_tunnel } = relay.role {
            self.told.insert((next, next_tunnel));
        }
        self.command(LaneCommand::Install(Box::new(relay)));
    }

    /// A peer connects.
    pub fn incoming(&mut self, number: u8) {
        let peer = Self::index(number);
        let pending = self.links.values().filter(|link| !link.dialed && !link.shaken).count();
        let admitted = self.lane.handle_incoming(self.now, self.peers[peer].address);
        self.drain();
        if let Some(conn) = admitted {
            assert!(pending < self.config.max_pending_inbound || self.links.len() < 64, "strangers without end");
            let link =
                Link { peer, dialed: false, connected: true, written: Vec::new(), keys: None, frame_length: None, shaken: false };
            assert!(self.links.insert(conn, link).is_none(), "a name twice");
        }
    }

    /// What the lane dialed stands, or fails.
    pub fn dialed(&mut self, number: u8, stands: bool) {
        let dialing: Vec<ConnId> = self.links.iter().filter(|(_, link)| !link.connected).map(|(conn, _)| *conn).collect();
        let Some(conn) = dialing.get(usize::from(number) % dialing.len().max(1)).copied() else { return };
        if stands {
            self.links.get_mut(&conn).unwrap().connected = true;
            self.lane.handle_connected(self.now, conn);
        } else {
            self.links.remove(&conn);
            self.lane.handle_connect_failed(self.now, conn);
        }
        self.drain();
    }

    fn feed(&mut self, conn: ConnId, bytes: &[u8]) {
        self.lane.handle_bytes(self.now, conn, bytes);
        self.lane.handle_timeout(self.now);
        self.lane.end_turn(self.now);
        self.drain();
    }

    /// Bytes that mean nothing.
    pub fn raw(&mut self, number: u8, bytes: &[u8]) {
        let Some(conn) = self.link(number).filter(|conn| self.links[conn].connected) else { return };
        // What follows can't be read by anyone any more.
        self.links.get_mut(&conn).unwrap().shaken |= !bytes.is_empty();
        self.feed(conn, bytes);
    }

    /// The connection breaks.
    pub fn eof(&mut self, number: u8) {
        if let Some(conn) = self.link(number) {
            self.lane.handle_eof(self.now, conn);
            self.drain();
        }
    }

    /// The peer's part of the handshake, in order.
    pub fn shake(&mut self, number: u8) {
        let Some(conn) = self.link(number) else { return };
        let link = self.links.get_mut(&conn).unwrap();
        if link.shaken || !link.connected {
            return;
        }
        link.shaken = true;
        if link.dialed { self.answer(conn) } else { self.ask(conn) }
    }

    fn ask(&mut self, conn: ConnId) {
        self.seeds = self.seeds.wrapping_add(1);
        let peer = self.links[&conn].peer;
        let payload = router_info_block(&self.peers[peer]);
        let secs = self.now.date.to_seconds_rounded().0;
        let options = request_options(NET_ID, 0, payload.len() + 16, secs);
        let (mut handshake, first) = Initiator::request(&self.own.local, self.seeds, &options, &[]);
        self.feed(conn, &first);
        let Some(link) = self.links.get_mut(&conn) else { return };
        let answer = std::mem::take(&mut link.written);
        if handshake.created(&answer).is_none() {
            return;
        }
        let (keys, third) = handshake.confirm(&self.peers[peer].local.static_key, &payload);
        link.keys = Some(keys);
        self.proven.insert(self.peers[peer].hash());
        self.feed(conn, &third);
    }

    fn answer(&mut self, conn: ConnId) {
        let link = self.links.get_mut(&conn).unwrap();
        let peer = link.peer;
        let request = std::mem::take(&mut link.written);
        let Some(mut handshake) = Responder::requested(&self.peers[peer].local, &request) else { return };
        let mut options = [0; 16];
        options[8..12].copy_from_slice(&self.now.date.to_seconds_rounded().0.to_be_bytes());
        let second = handshake.create(&self.peers[peer].local, &options, &[]);
        self.proven.insert(self.peers[peer].hash());
        let part_2 = usize::from(u16::from_be_bytes([handshake.options[4], handshake.options[5]]));
        self.lane.handle_bytes(self.now, conn, &second);
        // Nothing may be read before the keys are known.
        let mut written = Vec::new();
        self.lane.write_into(self.now, conn, &mut written, 48 + part_2);
        if written.len() >= 48 + part_2 {
            let rest = written.split_off(48 + part_2);
            let (keys, _, payload) = handshake.confirmed(&written).expect("message 3 is in order");
            assert!(payload.starts_with(&router_info_block(&self.own)), "another RouterInfo");
            let link = self.links.get_mut(&conn).unwrap();
            link.keys = Some(keys);
            link.written = rest;
        }
        self.lane.end_turn(self.now);
        self.drain();
    }

    /// A genuine frame from a peer.
    pub fn frame(&mut self, number: u8, blocks: &[u8]) {
        let Some(conn) = self.link(number) else { return };
        if blocks.len() > 65_000 {
            return;
        }
        let Some(link) = self.links.get_mut(&conn) else { return };
        let Some(keys) = link.keys.as_mut() else { return };
        let frame = if link.dialed { keys.to_initiator.seal(blocks) } else { keys.to_responder.seal(blocks) };
        self.feed(conn, &frame);
    }

    /// Time passes, with what is due in it.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.tick + time;
        let mut calls = 0;
        while let Some(due) = self.deadline.filter(|due| *due <= end) {
            calls += 1;
            assert!(calls < 5000, "the lane is due again and again");
            self.go(due);
            self.lane.handle_timeout(self.now);
            self.drain();
        }
        self.go(end);
    }

    fn go(&mut self, to: Tick) {
        let passed = to.saturating_since(self.now.tick);
        self.now = Now { tick: self.now.tick.max(to), date: self.now.date + passed };
    }

    fn drain(&mut self) {
        for outputs in 0.. {
            assert!(outputs < 20_000, "outputs without end");
            let output = self.lane.poll_output();
            let Some(output) = self.border.output(output) else { continue };
            match output {
                LaneOutput::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
                LaneOutput::Dial { conn, remote } => {
                    assert!(self.last_dialed.replace(conn) < Some(conn), "names of connections count up");
                    let peer = self.peers.iter().position(|peer| peer.address == remote).expect("dialed whom?");
                    let link = Link {
                        peer,
                        dialed: true,
                        connected: false,
                        written: Vec::new(),
                        keys: None,
                        frame_length: None,
                        shaken: false,
                    };
                    assert!(self.links.insert(conn, link).is_none(), "a name twice");
                }
                LaneOutput::Close { conn } => drop(self.links.remove(&conn)),
                LaneOutput::Writable { conn } => self.write(conn),
                LaneOutput::Event(event) => self.event(event),
            }
        }
    }

    fn write(&mut self, conn: ConnId) {
        let mut out = Vec::new();
        loop {
            let before = out.len();
            self.lane.write_into(self.now, conn, &mut out, before + 5000);
            assert!(out.len() - before <= 5000 + 65_600, "much at once");
            if out.len() == before {
                break;
            }
        }
        let Some(link) = self.links.get_mut(&conn) else {
            assert!(out.is_empty(), "bytes for a connection that is closed");
            return;
        };
        assert!(link.connected || out.is_empty(), "bytes before TCP stands");
        link.written.extend(out);
        let Some(keys) = &mut link.keys else { return };
        let direction = if link.dialed { &mut keys.to_responder } else { &mut keys.to_initiator };
        let frames = direction.open(&mut link.written, &mut link.frame_length).expect("frames are genuine");
        let peer = self.peers[link.peer].hash();
        for message in frames.iter().flat_map(|frame| messages(frame)) {
            if message.kind == MessageKind::TUNNEL_DATA {
                let tunnel = TunnelData::from_bytes(&message.body).expect("TunnelData").tunnel;
                assert!(self.told.contains(&(peer, tunnel)), "a tunnel message to where no relay leads");
            }
        }
    }

    fn event(&mut self, event: LaneEvent) {
        match event {
            LaneEvent::PeerWanted { peer } => {
                let asked = self.wanted.insert(peer, self.now.tick);
                let patient = asked.is_none_or(|at| self.now.tick.saturating_since(at) >= Duration::from_secs(20));
                assert!(patient, "asked for again before the answer");
            }
            LaneEvent::Connected { peer, .. } => {
                assert!(self.proven.contains(&peer), "connected with whom?");
                assert!(self.connected.insert(peer), "connected twice");
                self.wanted.remove(&peer);
            }
            LaneEvent::ConnectFailed { peer, .. } => {
                self.wanted.remove(&peer);
            }
            LaneEvent::Disconnected { peer } => assert!(self.connected.remove(&peer), "disconnected twice"),
            LaneEvent::RouterInfo { from, .. } => assert!(self.proven.contains(&from), "a RouterInfo of nobody"),
            LaneEvent::Message { from, .. } => {
                assert!(from.is_none_or(|from| self.connected.contains(&from)), "a message of nobody");
            }
            LaneEvent::Congestion { .. } => {}
            LaneEvent::Stats(stats) => {
                assert!(stats.relays <= u64::try_from(self.config.max_relays).unwrap_or(0), "more relays than allowed");
            }
        }
    }

    /// What holds between any two calls.
    pub fn check(&mut self) {
        self.lane.end_turn(self.now);
        self.drain();
        let standing = self.links.values().filter(|link| link.shaken || link.dialed).count();
        assert!(self.connected.len() <= self.config.max_sessions, "more sessions than allowed");
        assert!(standing <= 4 * self.config.max_sessions + 64, "connections without end");
        crate::within_bounds(&mut |visit| self.lane.bounds(visit));
        assert!(self.deadline.is_none_or(|due| due + Duration::from_secs(1) > self.now.tick), "long overdue");
    }

    /// When everyone has gone everything is given back.
    pub fn end(&mut self) {
        let all: Vec<ConnId> = self.links.keys().copied().collect();
        for conn in all {
            self.lane.handle_eof(self.now, conn);
            self.drain();
        }
        for _ in 0..40 {
            self.pass(Duration::from_secs(60));
            let dialing: Vec<ConnId> = self.links.keys().copied().collect();
            for conn in dialing {
                self.links.remove(&conn);
                self.lane.handle_connect_failed(self.now, conn);
                self.lane.handle_eof(self.now, conn);
                self.drain();
            }
        }
        assert!(self.connected.is_empty() && self.links.is_empty(), "sessions without a connection");
        self.lane.end_turn(self.now);
        assert_eq!((self.lane.stats().relays, self.lane.stats().sessions), (0, 0), "what is over is kept");
    }
}

/// The messages of a payload that the lane itself wrote.
fn messages(mut payload: &[u8]) -> Vec<I2npMessage> {
    let mut messages = Vec::new();
    while let [kind, high, low, rest @ ..] = payload {
        let (data, behind) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        if *kind == 3 {
            messages.push(I2npMessage::decode_short(data).expect("a message"));
        }
        payload = behind;
    }
    messages
}
