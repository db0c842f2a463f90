//! Build requests as the hop sees them that is asked.

use std::time::Duration;

use ramson_crypto::x25519;
use ramson_wire::i2np::{SHORT_RECORD_LEN, ShortBuild};
use ramson_wire::tunnel::build::{HopRole, SHORT_REQUEST_LEN, ShortRequest, TUNNEL_LIFETIME_SECS};
use ramson_wire::{Codec, Date, I2npMessage, RouterHash, Tick, TunnelId};

use super::window::Windows;
use super::{Clock, MINUTE, Verdict, ensure, noise};

/// How old a request may be, and how far ahead.
const MOST_AGE: Duration = Duration::from_secs(8 * 60);
const MOST_AHEAD: Duration = Duration::from_secs(5 * 60);
/// Records of requests that others make.
const RECORDS: [usize; 3] = [4, 5, 8];
/// So long a hop knows requests again.
const KNOWN: Duration = Duration::from_secs(8 * 60);
/// Where a record's seal begins: behind whom it is for, and the key.
const HEAD: usize = 16 + 32;

/// A neighbour's requests are counted over this time; here are those of its own.
const REQUESTS_WINDOW: Duration = Duration::from_secs(110);
/// And its tunnels.
const NEIGHBOUR_WINDOW: Duration = Duration::from_secs(220);

/// Requests in 110 s, and tunnels in 220 s, that a router asks for at a neighbour that has few tunnels, when it knows so many routers.
/// Java's limits hold where there are enough to choose from; `tunnel::pacing` says what holds below. A router chooses only from those
/// of whom it knows enough, so that the borders here lie above those there.
fn limits(known: usize) -> (usize, usize) {
    match known {
        0..60 => (usize::MAX, usize::MAX),
        60..260 => (24, 12),
        _ => (7, 4),
    }
}

/// A request on its way to a hop.
pub(super) struct Request<'a> {
    pub(super) hop: RouterHash,
    /// The hop's key.
    pub(super) key: &'a x25519::PrivateKey,
    /// Who brings it; nobody knows who if it came out of a tunnel.
    pub(super) from: Option<RouterHash>,
    pub(super) message: &'a I2npMessage,
    /// Whether who brings it made it, so that the record must open. An inbound build ends with its creator, whose record is filling.
    pub(super) own: bool,
}

/// What was asked of whom.
pub(super) struct Builds {
    /// Requests that a hop knows, by their keys.
    seen: Windows<(RouterHash, [u8; 32])>,
    requests: Windows<(RouterHash, RouterHash)>,
    neighbours: Windows<(RouterHash, RouterHash)>,
}

impl Default for Builds {
    fn default() -> Self {
        Self { seen: Windows::new(KNOWN), requests: Windows::new(REQUESTS_WINDOW), neighbours: Windows::new(NEIGHBOUR_WINDOW) }
    }
}

impl Builds {
    /// A router starts: it doesn't know what it asked for before.
    pub(super) fn starts(&mut self, router: RouterHash) {
        self.requests.forget(|(from, _)| *from == router);
        self.neighbours.forget(|(from, _)| *from == router);
    }

    /// Opens it only if that is wished: it is dear.
    pub(super) fn check(
        &mut self,
        at: Tick,
        clock: Clock,
        request: &Request<'_>,
        opens: bool,
    ) -> Result<Option<HopRole>, &'static str> {
        let records = ShortBuild::from_bytes(&request.message.body).map_err(|_| "a build request that can't be read")?.0;
        ensure(RECORDS.contains(&records.len()), "a build with a number of records that nobody else has")?;
        let record = own_record(&records, &request.hop).ok_or("a build request without a record for the hop")?;
        let ephemeral = record.get(16..).and_then(|rest| rest.first_chunk::<32>()).copied().unwrap_or_default();
        ensure(self.seen.done(at, (request.hop, ephemeral)) == 1, "a build request that was made before")?;
        if !opens {
            return Ok(None);
        }
        let Some(clear) = noise::open(record.get(16..).unwrap_or_default(), request.key) else {
            return if request.own { Err("a record that the hop can't open") } else { Ok(None) };
        };
        let asked = ShortRequest::from_bytes(&clear).map_err(|_| "a record for tunnel 0, or for both ends")?;
        sensible(&asked, &clear, request, clock)?;
        Ok(Some(asked.role))
    }

    /// A router asks another one itself, for a tunnel of its own.
    pub(super) fn asks(&mut self, at: Tick, from: RouterHash, to: RouterHash, known: impl FnOnce() -> usize) -> Verdict {
        let count = self.requests.done(at, (from, to));
        ensure(count <= limits(usize::MAX).0 || count <= limits(known()).0, "more build requests than a neighbour takes in 110 s")
    }

    /// A tunnel of a router's own begins or ends next to it at another one.
    pub(super) fn neighbour(
        &mut self,
        at: Tick,
        router: RouterHash,
        other: RouterHash,
        known: impl FnOnce() -> usize,
    ) -> Verdict {
        let count = self.neighbours.done(at, (router, other));
        ensure(count <= limits(usize::MAX).1 || count <= limits(known()).1, "more tunnels than a neighbour takes in 220 s")
    }
}

/// Each hop looks at the first record that begins as its hash does.
fn own_record<'a>(records: &'a [[u8; SHORT_RECORD_LEN]], hop: &RouterHash) -> Option<&'a [u8]> {
    records.iter().find(|record| record.first_chunk::<16>() == hop.0.first_chunk()).map(|record| record.as_slice())
}

fn sensible(asked: &ShortRequest, clear: &[u8], request: &Request<'_>, clock: Clock) -> Verdict {
    let us = request.hop;
    let made = Date::from_minutes(asked.request_minutes);
    ensure(made + MOST_AGE + MINUTE > clock.earliest(), "a build request older than 8 minutes")?;
    ensure(made <= clock.latest() + MOST_AHEAD, "a build request more than 5 minutes ahead")?;
    ensure(asked.layer_type == 0, "a build request for layers that nobody knows")?;
    ensure(asked.lifetime_secs == TUNNEL_LIFETIME_SECS, "a tunnel that is to live otherwise than all others")?;
    ensure(asked.options.is_empty(), "a build request with options, which no other router writes")?;
    // Behind the fields and the empty options all of it is filling.
    let filling = clear.get(SHORT_REQUEST_LEN - OPTIONS_AND_FILLING..).unwrap_or_default();
    ensure(filling.iter().all(|byte| *byte == 0), "a record filled otherwise than with zeros")?;
    match asked.role {
        HopRole::OutboundEndpoint => ensure(request.from.is_some_and(|from| from != us), "an endpoint asked by nobody"),
        HopRole::InboundGateway => ensure(asked.next != us, "a gateway that is its own next hop"),
        HopRole::Participant => {
            ensure(asked.next != us, "a hop that is its own next hop")?;
            ensure(request.from.is_some_and(|from| from != us), "a hop asked by nobody")?;
            ensure(request.from != Some(asked.next), "a hop that is to send back to where the request came from")
        }
    }
}

/// What stands behind the fields of a request.
const OPTIONS_AND_FILLING: usize = SHORT_REQUEST_LEN - (4 + 4 + 32 + 1 + 2 + 1 + 4 + 4 + 4);

const _: () = assert!(HEAD < SHORT_RECORD_LEN && size_of::<TunnelId>() == 4);

#[cfg(test)]
mod tests {
    use ramson_crypto::rng::{self, SeededRng};
    use ramson_wire::{Mapping, MessageId, MessageKind};

    use super::*;

    const NOW: Date = Date(1_790_000_000_000);
    const US: RouterHash = RouterHash([3; 32]);
    const BEFORE: RouterHash = RouterHash([4; 32]);
    const AFTER: RouterHash = RouterHash([5; 32]);

    fn good() -> ShortRequest {
        let tunnel = |id| TunnelId::new(id).unwrap();
        ShortRequest {
            receive_tunnel: tunnel(1),
            next_tunnel: tunnel(2),
            next: AFTER,
            role: HopRole::Participant,
            layer_type: 0,
            request_minutes: NOW.to_minutes(),
            lifetime_secs: 600,
            next_message_id: MessageId(7),
            options: Mapping::default(),
        }
    }

    struct Bench {
        rng: SeededRng,
        key: x25519::PrivateKey,
        builds: Builds,
    }

    impl Bench {
        fn new() -> Self {
            let mut rng = SeededRng::new([1; 32]);
            Self { key: x25519::PrivateKey::generate(&mut rng), rng, builds: Builds::default() }
        }

        fn body(&mut self, clear: &[u8], records: usize) -> Vec<u8> {
            let sealed = noise::seal(clear, &self.key.public(), &mut self.rng);
            let mut body = vec![u8::try_from(records).unwrap()];
            (1..records).for_each(|_| body.extend(rng::bytes::<SHORT_RECORD_LEN>(&mut self.rng)));
            body.extend_from_slice(&US.0[..16]);
            body.extend(sealed);
            body
        }

        fn judged(&mut self, body: Vec<u8>, from: Option<RouterHash>) -> Result<Option<HopRole>, &'static str> {
            let message = I2npMessage::new(MessageKind::SHORT_TUNNEL_BUILD, MessageId(1), NOW, body);
            let request = Request { hop: US, key: &self.key, from, message: &message, own: true };
            self.builds.check(Tick(0), Clock::exact(NOW), &request, true)
        }

        fn takes(&mut self, asked: &ShortRequest, from: Option<RouterHash>) -> bool {
            let body = self.body(&asked.to_bytes(), 4);
            self.judged(body, from).is_ok()
        }
    }

    #[test]
    fn good_requests_are_taken() {
        let mut bench = Bench::new();
        assert!(bench.takes(&good(), Some(BEFORE)));
        assert!(bench.takes(&ShortRequest { role: HopRole::InboundGateway, ..good() }, None));
        let endpoint = ShortRequest { role: HopRole::OutboundEndpoint, next: US, ..good() };
        assert!(bench.takes(&endpoint, Some(BEFORE)), "whose answer goes to itself");
        for minutes in [NOW.to_minutes() - 8, NOW.to_minutes() + 5] {
            assert!(bench.takes(&ShortRequest { request_minutes: minutes, ..good() }, Some(BEFORE)));
        }
    }

    #[test]
    fn what_a_hop_drops_is_refused() {
        let mut bench = Bench::new();
        for bad in [
            ShortRequest { request_minutes: NOW.to_minutes() - 10, ..good() },
            ShortRequest { request_minutes: NOW.to_minutes() + 6, ..good() },
            ShortRequest { layer_type: 1, ..good() },
            ShortRequest { lifetime_secs: 601, ..good() },
            ShortRequest { next: US, ..good() },
            ShortRequest { next: BEFORE, ..good() },
            ShortRequest { next: US, role: HopRole::InboundGateway, ..good() },
        ] {
            assert!(!bench.takes(&bad, Some(BEFORE)), "{bad:?}");
        }
        for role in [HopRole::Participant, HopRole::OutboundEndpoint] {
            assert!(!bench.takes(&ShortRequest { role, ..good() }, None));
            assert!(!bench.takes(&ShortRequest { role, ..good() }, Some(US)));
        }
        let mut options = Mapping::default();
        options.insert("b", "1").unwrap();
        assert!(!bench.takes(&ShortRequest { options, ..good() }, Some(BEFORE)));
    }

    #[test]
    fn records_have_one_form() {
        let mut bench = Bench::new();
        let clear = good().to_bytes();
        for (records, taken) in [(1, false), (3, false), (4, true), (5, true), (6, false), (8, true)] {
            let body = bench.body(&clear, records);
            assert_eq!(bench.judged(body, Some(BEFORE)).is_ok(), taken, "{records} records");
        }
        let mut both_ends = clear.clone();
        both_ends[40] = 0xc0;
        let mut tunnel_0 = clear.clone();
        tunnel_0[..4].fill(0);
        let mut filled = clear.clone();
        filled[153] = 1;
        for clear in [both_ends, tunnel_0, filled] {
            let body = bench.body(&clear, 4);
            assert!(bench.judged(body, Some(BEFORE)).is_err());
        }
        let mut spoiled = bench.body(&clear, 4);
        let last = spoiled.len() - 1;
        spoiled[last] ^= 1;
        assert!(bench.judged(spoiled, Some(BEFORE)).is_err(), "a seal that is broken");
        let again = bench.body(&clear, 4);
        assert!(bench.judged(again.clone(), Some(BEFORE)).is_ok());
        assert!(bench.judged(again, Some(BEFORE)).is_err(), "it was made before");
    }

    #[test]
    fn neighbours_are_asked_for_little_on_a_large_network() {
        let mut builds = Builds::default();
        let second = Duration::from_secs(1);
        let tunnels = |builds: &mut Builds, known| {
            (0..20).filter(|n| builds.neighbour(Tick(0) + second * *n, US, AFTER, || known).is_ok()).count()
        };
        assert_eq!(tunnels(&mut builds, 1000), 4);
        builds.starts(US);
        assert_eq!(tunnels(&mut builds, 100), 12);
        builds.starts(US);
        assert_eq!(tunnels(&mut builds, 20), 20);
        assert_eq!(builds.neighbour(Tick(0) + second * 300, US, AFTER, || 1000), Ok(()));
        let asked = (0..20).filter(|n| builds.asks(Tick(0) + second * *n, US, AFTER, || 1000).is_ok()).count();
        assert_eq!(asked, 7);
    }
}
