//! Both dial at once, and the other side is an i2pd: it closes its own dial as soon as our message 3 has come, whatever
//! its dial has reached, and keeps what it closed no longer.

use std::net::SocketAddr;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_lane::{Class, ConnId, Lane, LaneCommand, LaneConfig, LaneOutput};
use ramson_leaks::{Watch, watch_thread};
use ramson_transport::ntcp2::{Context, Event, PeerAddress, ReplayCache, Session};
use ramson_wire::{Date, MessageId, Now, RouterInfo, Tick};

use crate::network::{NET_ID, identity, note};

/// One connection between the lane and the other side.
struct Link {
    conn: ConnId,
    session: Session,
    /// Bytes on their way to the lane, and from it.
    to_lane: Vec<u8>,
    from_lane: Vec<u8>,
    established: bool,
    open: bool,
}

struct Pair {
    now: Now,
    lane: Lane,
    replay: ReplayCache,
    info: Bytes,
    /// Ours to it, its to us.
    links: Vec<Link>,
    received: Vec<MessageId>,
    _leaks: Watch,
}

fn rng(seed: u8) -> Box<SeededRng> {
    Box::new(SeededRng::new([seed; 32]))
}

fn link(conn: ConnId, session: Session) -> Link {
    Link { conn, session, to_lane: Vec::new(), from_lane: Vec::new(), established: false, open: true }
}

/// Both dials stand, as TCP.
fn pair(seed: u8, swap: bool) -> Pair {
    let leaks = watch_thread();
    let now = Now { tick: Tick(1), date: Date(1_700_000_000_000) };
    let (ours, theirs) = if swap { (1, 0) } else { (0, 1) };
    let (local, our_info, our_address) = identity(now, ours);
    let (remote, info, _): (_, RouterInfo, SocketAddr) = identity(now, theirs);
    let us = PeerAddress { hash: local.hash, static_key: local.static_key.public(), iv: local.iv };
    let mut lane = Lane::new(now, LaneConfig::closed_network(NET_ID), local, our_info, rng(seed));
    lane.handle_command(now, LaneCommand::Connect { info: info.clone() });
    let LaneOutput::Dial { conn, .. } = lane.poll_output() else { panic!() };
    lane.handle_connected(now, conn);
    let accepted = Session::respond(now, &remote, our_address.ip(), rng(seed ^ 0x55));
    let from = info.ntcp2_addresses().next().and_then(|address| address.host).unwrap();
    let incoming = lane.handle_incoming(now, from).unwrap();
    let dialed = Session::initiate(now, &remote, info.bytes(), &us, rng(seed ^ 0x33));
    let links = vec![link(conn, accepted), link(incoming, dialed)];
    let (replay, info) = (ReplayCache::new(), info.bytes().clone());
    Pair { now, lane, replay, info, links, received: Vec::new(), _leaks: leaks }
}

impl Pair {
    fn drain_lane(&mut self) {
        loop {
            match self.lane.poll_output() {
                LaneOutput::Timeout(_) => return,
                LaneOutput::Writable { conn } => {
                    let link = self.links.iter_mut().find(|link| link.conn == conn).unwrap();
                    let mut out = Vec::new();
                    self.lane.write_into(self.now, conn, &mut out, 1 << 20);
                    link.from_lane.extend(out);
                    self.lane.write_into(self.now, conn, &mut Vec::new(), 1);
                }
                LaneOutput::Close { conn } => {
                    self.links.iter_mut().filter(|link| link.conn == conn).for_each(|link| link.open = false);
                }
                _ => {}
            }
        }
    }

    /// Delivers everything that waits on one link in one direction.
    fn deliver(&mut self, at: usize, to_lane: bool) {
        self.drain_lane();
        let link = &mut self.links[at];
        link.session.write_into(self.now, &mut link.to_lane, 1 << 20);
        if !link.open {
            return;
        }
        if to_lane {
            let bytes = std::mem::take(&mut link.to_lane);
            self.lane.handle_bytes(self.now, link.conn, &bytes);
            self.lane.handle_timeout(self.now);
        } else {
            let bytes = std::mem::take(&mut link.from_lane);
            let mut context = Context { replay: &mut self.replay, router_info: &self.info };
            link.session.handle_bytes(self.now, &bytes, &mut context);
        }
        self.events(at);
        self.drain_lane();
    }

    fn events(&mut self, at: usize) {
        while let Some(event) = self.links[at].session.poll_event() {
            match event {
                Event::Message(message) => self.received.push(message.id),
                Event::Established { .. } => {
                    self.links[at].established = true;
                    if at == 0 && self.links[1].open {
                        // i2pd's rule: the inbound one replaces its own dial.
                        self.links[1].open = false;
                        let conn = self.links[1].conn;
                        self.lane.handle_eof(self.now, conn);
                    }
                }
                _ => {}
            }
        }
    }
}

#[test]
fn one_session_always_lives_and_we_send_on_it() {
    let mut both = 0;
    for seed in 0..=255_u8 {
        let mut pair = pair(seed, seed % 2 == 0);
        let mut order = SeededRng::new([seed; 32]);
        for _ in 0..60 {
            let choice = rng::below(&mut order, 4);
            pair.deliver(usize::from(choice.is_multiple_of(2)), choice / 2 == 0);
        }
        for _ in 0..6 {
            for (at, to_lane) in [(0, true), (0, false), (1, true), (1, false)] {
                pair.deliver(at, to_lane);
            }
        }
        let living = pair.links.iter().filter(|link| link.open && link.session.is_established()).count();
        assert_eq!(living, 1, "seed {seed}");
        both += usize::from(pair.links[0].established);
        let to = identity(pair.now, if seed % 2 == 0 { 0 } else { 1 }).1.hash();
        let message = note(pair.now, 9, 100);
        pair.lane.handle_command(pair.now, LaneCommand::Send { to, message, class: Class::Own });
        pair.deliver(0, false);
        pair.deliver(1, false);
        assert_eq!(pair.received, [MessageId(9)], "seed {seed}");
    }
    // Both ends happened: our dial stayed, and theirs.
    assert!((40..216).contains(&both), "{both}");
}
