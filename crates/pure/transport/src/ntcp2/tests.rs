//! Two sessions against each other, with own time and a wire that cuts and changes.

mod data;
mod handshake;
mod hostile;
mod java;
mod operations;
mod vectors;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::{ed25519, rng, x25519};
use ramson_leaks::{Watch, watch_thread};
use ramson_wire::{Date, I2npMessage, Mapping, MessageId, MessageKind, Now};
use ramson_wire::{Ntcp2Address, RouterIdentity, RouterInfo, RouterInfoBuilder, Tick};

use super::{CloseReason, Context, Event, LocalIdentity, PeerAddress, ReplayCache, Session};

/// Some moment of wall time.
const START: Date = Date(1_790_000_000_400);
const NET: u8 = 99;
/// Where the initiator connects from.
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 10, 0, 1));

fn now_at(elapsed: Duration) -> Now {
    Now { tick: Tick(1_000_000_000) + elapsed, date: START + elapsed }
}

/// What a router is made of, so that tests can change one thing.
struct Plan {
    seed: u8,
    net_id: u8,
    info_net_id: u8,
    published: Date,
    host: Option<IpAddr>,
    /// Publishes another static key than it uses.
    wrong_key: bool,
    extra_bytes: usize,
}

impl Plan {
    fn new(seed: u8) -> Self {
        Self {
            seed,
            net_id: NET,
            info_net_id: NET,
            published: START - Duration::from_secs(600),
            host: Some(SOURCE),
            wrong_key: false,
            extra_bytes: 0,
        }
    }

    fn build(self) -> Router {
        let mut rng = SeededRng::new([self.seed; 32]).child("router");
        let static_key = x25519::PrivateKey::generate(&mut rng);
        let signing = ed25519::SigningKey::generate(&mut rng);
        let encryption = x25519::PrivateKey::generate(&mut rng);
        let identity = RouterIdentity::new(&encryption.public(), &signing.public(), &mut rng);
        let hash = identity.hash();
        let iv = rng::bytes(&mut rng);
        let listed = if self.wrong_key { encryption.public() } else { static_key.public() };
        let address = Ntcp2Address {
            host: self.host.map(|host| SocketAddr::new(host, 12345)),
            static_key: listed,
            iv: self.host.map(|_| iv),
            ipv4: true,
            ipv6: false,
        };
        let mut options = Mapping::new();
        options.insert("caps", "LR").unwrap();
        options.insert("netId", &self.info_net_id.to_string()).unwrap();
        options.insert("router.version", "0.9.67").unwrap();
        for part in 0..self.extra_bytes / 200 {
            options.insert(&format!("x{part}"), &"y".repeat(190)).unwrap();
        }
        let builder = RouterInfoBuilder { identity, published: self.published, addresses: vec![address.to_address(3)], options };
        let info = RouterInfo::sign(&builder, &signing).unwrap();
        let peer = PeerAddress { hash, static_key: static_key.public(), iv };
        let local = Arc::new(LocalIdentity { hash, static_key, iv, net_id: self.net_id });
        Router { local, info, peer }
    }
}

struct Router {
    local: Arc<LocalIdentity>,
    info: RouterInfo,
    peer: PeerAddress,
}

/// One end: the session, what it wrote, what it said.
struct End {
    session: Session,
    router_info: Bytes,
    replay: ReplayCache,
    /// This end's clock minus the other's.
    skew: i64,
    sent: Vec<u8>,
    events: Vec<Event>,
    eof: bool,
    leaks: Watch,
}

impl End {
    fn new(session: Session, router: &Router) -> Self {
        Self {
            session,
            router_info: router.info.bytes().clone(),
            replay: ReplayCache::new(),
            skew: 0,
            sent: Vec::new(),
            events: Vec::new(),
            eof: false,
            leaks: watch_thread(),
        }
    }

    fn now(&self, elapsed: Duration) -> Now {
        let now = now_at(elapsed);
        let date = now.date.0.checked_add_signed(self.skew * 1000).unwrap();
        Now { date: Date(date), ..now }
    }

    fn collect(&mut self) {
        while let Some(event) = self.session.poll_event() {
            assert!(self.closed().is_none(), "event after Closed: {event:?}");
            self.events.push(event);
        }
    }

    fn feed(&mut self, elapsed: Duration, bytes: &[u8]) {
        let now = self.now(elapsed);
        let mut context = Context { replay: &mut self.replay, router_info: &self.router_info };
        self.session.handle_bytes(now, bytes, &mut context);
        self.collect();
    }

    fn write(&mut self, elapsed: Duration, limit: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let now = self.now(elapsed);
        self.session.write_into(now, &mut out, limit);
        self.collect();
        self.sent.extend_from_slice(&out);
        out
    }

    fn closed(&self) -> Option<CloseReason> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(reason) => Some(*reason),
            _ => None,
        })
    }

    fn established(&self) -> Option<i64> {
        self.events.iter().find_map(|event| match event {
            Event::Established { clock_skew_secs, .. } => Some(*clock_skew_secs),
            _ => None,
        })
    }

    fn messages(&self) -> Vec<&I2npMessage> {
        fn message(event: &Event) -> Option<&I2npMessage> {
            match event {
                Event::Message(message) => Some(message),
                _ => None,
            }
        }
        self.events.iter().filter_map(message).collect()
    }

    fn router_infos(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::RouterInfo { .. })).count()
    }
}

/// Changes one byte of what the initiator (or else the responder) sends.
#[derive(Clone, Copy, Debug)]
struct Tamper {
    from_initiator: bool,
    at: usize,
    xor: u8,
}

/// Two sessions, the wire between them, and time.
struct Pair {
    elapsed: Duration,
    /// The initiator.
    alice: End,
    /// The responder.
    bob: End,
    rng: SeededRng,
    /// Longest piece that the wire delivers.
    piece: usize,
    tamper: Option<Tamper>,
}

impl Pair {
    fn new(alice: &Router, bob: &Router) -> Self {
        Self::with(alice, bob, &bob.peer, SOURCE, [0, 0])
    }

    /// With another idea of the responder, another source address, and clocks of initiator and responder off by seconds.
    fn with(alice: &Router, bob: &Router, peer: &PeerAddress, source: IpAddr, skews: [i64; 2]) -> Self {
        let rng = SeededRng::new([7; 32]);
        let start = |skew: i64| {
            let now = now_at(Duration::ZERO);
            Now { date: Date(now.date.0.checked_add_signed(skew * 1000).unwrap()), ..now }
        };
        let [alice_skew, bob_skew] = skews;
        let initiator =
            Session::initiate(start(alice_skew), &alice.local, alice.info.bytes(), peer, Box::new(rng.child("alice")));
        let responder = Session::respond(start(bob_skew), &bob.local, source, Box::new(rng.child("bob")));
        let mut pair = Self {
            elapsed: Duration::ZERO,
            alice: End::new(initiator, alice),
            bob: End::new(responder, bob),
            rng: rng.child("wire"),
            piece: 100_000,
            tamper: None,
        };
        pair.alice.skew = alice_skew;
        pair.bob.skew = bob_skew;
        pair
    }

    fn standard() -> Self {
        Self::new(&Plan::new(1).build(), &Plan::new(2).build())
    }

    fn established() -> Self {
        let mut pair = Self::standard();
        pair.run();
        assert!(pair.alice.established().is_some() && pair.bob.established().is_some());
        pair
    }

    /// Lets bytes flow until nothing moves.
    fn run(&mut self) {
        for _ in 0..10_000 {
            let forth = self.pass(true);
            let back = self.pass(false);
            if !forth && !back {
                return;
            }
        }
        panic!("bytes never end");
    }

    /// Moves what one end wants to write; true if anything happened.
    fn pass(&mut self, from_initiator: bool) -> bool {
        let (from, to) = if from_initiator { (&mut self.alice, &mut self.bob) } else { (&mut self.bob, &mut self.alice) };
        from.collect();
        let before = from.sent.len();
        let mut bytes = Vec::new();
        while from.session.wants_write() {
            bytes.extend(from.write(self.elapsed, 4000));
        }
        if let Some(tamper) = self.tamper.filter(|tamper| tamper.from_initiator == from_initiator)
            && let Some(byte) = tamper.at.checked_sub(before).and_then(|at| bytes.get_mut(at))
        {
            *byte ^= tamper.xor;
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let most = u64::try_from(self.piece.min(rest.len())).unwrap();
            let len = usize::try_from(rng::between(&mut self.rng, 1, most)).unwrap();
            let (piece, behind) = rest.split_at(len);
            to.feed(self.elapsed, piece);
            rest = behind;
        }
        if from.closed().is_some() && !from.eof {
            from.eof = true;
            let now = to.now(self.elapsed);
            to.session.handle_eof(now);
            to.collect();
            return true;
        }
        !bytes.is_empty()
    }

    /// Goes on in time, from deadline to deadline, until both are closed or nothing is left to wait for.
    fn run_out(&mut self) {
        for _ in 0..100 {
            self.run();
            let deadlines = [self.alice.session.deadline(), self.bob.session.deadline()];
            let Some(next) = deadlines.into_iter().flatten().min() else {
                return;
            };
            self.elapsed = self.elapsed.max(next.saturating_since(now_at(Duration::ZERO).tick));
            for end in [&mut self.alice, &mut self.bob] {
                let now = end.now(self.elapsed);
                end.session.handle_timeout(now);
                end.collect();
            }
        }
        panic!("sessions never end");
    }

    /// The moment in time for the initiator's end.
    fn now(&self) -> Now {
        now_at(self.elapsed)
    }
}

/// A message of `len` bytes that tells messages apart by `id`.
fn message(id: u32, len: usize) -> I2npMessage {
    I2npMessage {
        kind: MessageKind::DATA,
        id: MessageId(id),
        expiration: Date(START.0 / 1000 * 1000) + Duration::from_secs(3600),
        body: Bytes::from(vec![id.to_be_bytes()[3]; len]),
    }
}
